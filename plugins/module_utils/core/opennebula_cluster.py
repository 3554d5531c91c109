# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A zone of the topology and its fence options → the description of its cluster (see cib.py) and, apart from it, the secrets.

Values and their reasons, all measured on a real pair (lab field notes, sections 4 and 5):
no-quorum-policy=stop         with two_node and wait_for_all: a fenced node that comes back cannot kill the healthy one
priority-fencing-delay=5s     in a partition the front-end that runs OpenNebula wins; with priority on the daemon. With a third vote, of a node or of
                              a quorum device, only one side can fence: nobody waits then (takeover 5 s sooner)
dc-deadtime=5s                a start takes 10 s instead of 26 s
pcmk_reboot_action=off        5 s faster than a reboot, and the node stays out until the rejoin gate lets it in
power_wait=1                  the agents' default of 5 s is paid twice for each fencing
failure-timeout on devices    one restart of a BMC would otherwise leave the zone without a monitored device
"""
from __future__ import annotations

from . import fencing
from .cib_values import is_secret

VIP, WRITER, GROUP, FEDERATION_VIP, ALERT = "zone_vip", "database_writer", "opennebula_zone", "federation_vip", "semisync_release"
DAEMON = "opennebula"
OPTIONAL_SERVICES = ("opennebula-sunstone", "opennebula-gate", "opennebula-flow", "opennebula-novnc", "opennebula-econe", "opennebula-scheduler")
WRITER_AGENT = "ocf:constellation:mariadb-writer"
SEMISYNC = "semisync_waits"                              # node attribute, set by mariadb-writer: 1 while commits there wait for who may take over
ALERT_PATH = "/usr/local/libexec/constellation/fencing-alert"
NOT_OPTIONS = ("agent", "delay_s", "action")             # keys of a host's fence variable that are not the agent's; action: see _device
NO_POWER_WAIT = ("fence_sbd", "fence_xvm", "fence_virt", "fence_virtd", "fence_kdump", "fence_dummy", "fence_watchdog", "fence_heuristics_ping")

DEFAULTS = {
    "properties": {"no-quorum-policy": "stop", "priority-fencing-delay": "5s", "dc-deadtime": "5s"},
    "resource_defaults": {"resource-stickiness": "100"},
    "fence_options": {"pcmk_reboot_action": "off"},
    "service_start_timeout_s": 120,
    "service_stop_timeout_s": 120,
    "monitor_interval_s": 10,
    "writer_agent": WRITER_AGENT,                        # "" leaves the database out of the cluster
    "writer_options": {},
    "alert_path": ALERT_PATH,                            # "" means no alert
    "removed_nodes": [],                                 # front-ends that left the zone; their fence devices go with them
}


def describe(zone, fences, settings=None):
    """Return {"description": …, "secrets": {fence device: {option: value}}} of a zone's cluster.

    zone: the topology's zone; fences: {node: its fence variable, one device or a list of them in the order in which they are tried, or None};
    settings: what differs from DEFAULTS.
    """
    given = {name: value for name, value in (settings or {}).items() if value is not None}
    third_vote = len(zone["nodes"]) > 2 or (zone.get("quorum_device") or {}).get("state") == "present"
    defaults = dict(DEFAULTS, properties=dict(DEFAULTS["properties"], **({"priority-fencing-delay": "0"} if third_vote else {})))
    settings = dict(defaults, **given)
    for name in ("properties", "resource_defaults", "fence_options"):
        settings[name] = dict(defaults[name], **settings[name])
    fences = {node: fencing.declared(fences.get(node)) for node in zone["nodes"] if fences.get(node)}
    absent = set()
    description = {
        "properties": dict({"stonith-enabled": "true" if fences or not zone["laboratory"] else "false"}, **settings["properties"]),
        "resource_defaults": settings["resource_defaults"],
        "fence_devices": [_device(node, level, options, settings) for node, level, options in _levels(fences)],
        "fence_levels": [{"id": _level_id(node, level), "target": node, "level": level, "devices": [fencing.device_id(node, level)]}
                         for node, level, dummy in _levels(fences) if len(fences[node]) > 1],
        "locations": [_never_on_own_node(node, level) for node, level, dummy in _levels(fences) if len(zone["nodes"]) > 1],
        "resources": [], "groups": [], "colocations": [], "orders": [], "alerts": [],
    }
    _main_group(description, zone, settings)
    _other_services(description, zone, settings, absent)
    _federation_address(description, zone, settings, absent)
    if settings["alert_path"] and settings["writer_agent"]:
        description["alerts"].append({"id": ALERT, "path": settings["alert_path"], "kinds": ["fencing"]})
    else:
        absent.add(ALERT)
    for node in zone["nodes"] + [node for node in settings["removed_nodes"] if node not in zone["nodes"]]:
        for level in range(1, fencing.LEVELS + 1):
            if level > len(fences.get(node, ())):
                absent |= {fencing.device_id(node, level), _never_on_own_node(node, level)["id"]}
            if level > len(fences.get(node, ())) or len(fences[node]) == 1:
                absent.add(_level_id(node, level))
    description["absent"] = sorted(absent)
    return {"description": description, "secrets": secrets(fences)}


def _levels(fences):
    return [(node, level, options) for node, devices in fences.items() for level, options in enumerate(devices, 1)]


def _level_id(node, level):
    return f"fence_{node}-level-{level}"


def secrets(fences):
    """Return {device: {option: value}} of the options that must not be shown."""
    found = {fencing.device_id(node, level): {name: value for name, value in options.items() if is_secret(name)} for node, level, options in _levels(fences)}
    return {device: options for device, options in found.items() if options}


def _device(node, level, fence, settings):
    options = dict({"pcmk_host_list": node}, **settings["fence_options"])
    if fence["agent"] not in NO_POWER_WAIT:
        options["power_wait"] = 1
    if fence["agent"].endswith("_ssh") and not {"ssh", "secure"} & set(fence):
        options["ssh"] = 1                               # without it these agents speak telnet (fence-agents 4.12)
    if fence.get("delay_s"):
        options["pcmk_delay_base"] = f"{fence['delay_s']}s"
    if fence.get("action") not in (None, ""):            # for the agent itself it would turn every request, monitors included, into this one
        options["pcmk_reboot_action"] = fence["action"]
    options.update({name: value for name, value in fence.items() if name not in NOT_OPTIONS and not is_secret(name)})
    return {"id": fencing.device_id(node, level), "agent": fence["agent"], "options": options, "meta": {"failure-timeout": "60s"},
            "operations": [{"name": "monitor", "interval": "60s", "timeout": "60s"}]}


def _never_on_own_node(node, level=1):
    device = fencing.device_id(node, level)
    return {"id": f"{device}-never-on-{node}", "resource": device, "node": node, "score": "-INFINITY"}


def _main_group(description, zone, settings):
    """Address → writer → daemon: started in this order, on one node, stopped the other way round."""
    writer = settings["writer_agent"]
    description["resources"].append(_address(VIP, zone["vip"], settings))
    if writer:
        # A crashed MariaDB must come back as standby: one failure moves the zone instead of restarting the writer in place.
        description["resources"].append({
            "id": WRITER, "agent": writer, "options": settings["writer_options"], "meta": {"migration-threshold": 1, "failure-timeout": "60s"},
            "operations": [{"name": "start", "timeout": "120s"}, {"name": "stop", "timeout": "60s"},
                           {"name": "monitor", "interval": f"{settings['monitor_interval_s']}s", "timeout": "30s"}]})
    description["resources"].append(_service(DAEMON, settings, {"priority": 10, "migration-threshold": 3, "failure-timeout": "600s"}))
    description["groups"].append({"id": GROUP, "members": [VIP] + ([WRITER] if writer else []) + [DAEMON]})


def _other_services(description, zone, settings, absent):
    """Each with and after the daemon's group, none able to drag it away when it fails (influence=false)."""
    for unit in [unit for unit in zone["services"] if unit != DAEMON]:
        description["resources"].append(_service(unit, settings, {"failure-timeout": "120s"}))
        description["colocations"].append({"id": f"{unit}-with-{GROUP}", "resource": unit, "with": GROUP, "score": "INFINITY", "influence": "false"})
        description["orders"].append({"id": f"{unit}-after-{GROUP}", "first": GROUP, "then": unit})
    for unit in OPTIONAL_SERVICES:
        if unit not in zone["services"]:
            absent |= {unit, f"{unit}-with-{GROUP}", f"{unit}-after-{GROUP}"}


def forgotten(description, services):
    """Return the services that a live description keeps with the zone as this one does, and that the zone does not have any more.

    Those of OPTIONAL_SERVICES go with the next run; of a name that we have never heard nobody but an operator knows that it may be stopped.
    """
    tied = {one["id"] for one in description.get("colocations", ())}
    return sorted(one["id"] for one in description.get("resources", ())
                  if one["agent"] == f"systemd:{one['id']}" and f"{one['id']}-with-{GROUP}" in tied and one["id"] not in services)


def _federation_address(description, zone, settings, absent):
    """The slave zones pull from this address; it stays off the active front-end while there is another.

    The colocation prefers, the rule forbids: a slave zone that follows a server whose commits wait would acknowledge them in the standby's place.
    """
    constraint, rule = f"{FEDERATION_VIP}-away-from-{VIP}", f"{FEDERATION_VIP}-off-{SEMISYNC}"
    if not zone.get("federation_vip"):
        absent |= {FEDERATION_VIP, constraint, rule}
        return
    description["resources"].append(_address(FEDERATION_VIP, zone["federation_vip"], settings))
    description["colocations"].append({"id": constraint, "resource": FEDERATION_VIP, "with": VIP, "score": "-1000"})
    if not settings["writer_agent"]:
        absent.add(rule)
        return
    description["locations"].append({"id": rule, "resource": FEDERATION_VIP, "rules": [
        {"score": "-INFINITY", "expressions": [{"expression": {"attribute": SEMISYNC, "operation": "eq", "value": "1"}}]}]})


def _address(name, address, settings):
    options = {"ip": address["ip"], "cidr_netmask": address["prefix"]}
    if address.get("nic"):
        options["nic"] = address["nic"]
    return {"id": name, "agent": "ocf:heartbeat:IPaddr2", "options": options,
            "operations": [{"name": "monitor", "interval": f"{settings['monitor_interval_s']}s", "timeout": "20s"}]}


def _service(unit, settings, meta):
    return {"id": unit, "agent": f"systemd:{unit}", "meta": meta, "operations": [
        {"name": "start", "timeout": f"{settings['service_start_timeout_s']}s"}, {"name": "stop", "timeout": f"{settings['service_stop_timeout_s']}s"},
        {"name": "monitor", "interval": f"{settings['monitor_interval_s']}s", "timeout": "60s"}]}
