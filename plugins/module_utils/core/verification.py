# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What all front-ends reported, judged together: from reports to checks.

``seen`` is {front-end: {"frontend": …, "cluster": …, "replication": …, "tables": …}}, each part the result of the reading module
of that name, or None. What could not be seen is unknown, never green.
"""
from __future__ import annotations

from . import federated, gtid, layouts, repair, replication, replication_health, replication_rules, tls
from .cib_values import number
from .opennebula_cluster import FEDERATION_VIP, GROUP, SEMISYNC, forgotten
from .report import check

# What each reading module returns whenever it has really looked. A module that crashed under failed_when: false has a result without it.
OWN = {"frontend": ("addresses", "units"), "cluster": ("running", "nodes"), "replication": ("present",), "certificate": ("certificates",),
       "tables": ("present",)}


def left_out(topology, hosts):
    """Return {zone: its front-ends} of the zones that a run on these hosts leaves out (--limit)."""
    return {name: zone["nodes"] for name, zone in topology["zones"].items() if not set(zone["nodes"]) & set(hosts)}


def verify(topology, seen, inventory=(), certificate_days=30, free_mb=500, hosts=None):
    """Return the Checks of the whole federation, zones first.

    inventory: what ansible-playbook was given with -i, for the commands; certificate_days: how long a certificate must be good at least;
    free_mb: how much space every filesystem that is written to must have; hosts: whom this run asks, if not everybody: nothing is said of
    a zone that was left out as a whole.
    """
    checks = []
    for zone in topology["zones"].values():
        checks += _zone(topology, zone, {node: seen.get(node) or {} for node in zone["nodes"]}, free_mb)
    for name, node in topology["nodes"].items():
        checks += _replication(topology, node, _part(seen.get(name), "replication"), seen, inventory)
        if topology["tls"]["mode"] != "off":
            checks += _tls(node, seen.get(name), certificate_days)
    if topology["master_zone"]:
        checks += _federation(topology, seen, inventory)
    for zone in topology["zones"].values():
        if zone["mode"] == "standalone":
            checks += _contents(topology, zone["nodes"], seen, inventory, "replication", f"zone {zone['name']}")
    if topology["layout"] == layouts.GUIDE:
        checks += _lost_by_its_writer(topology, seen)
    away = {} if hosts is None else left_out(topology, hosts)
    silent = {target for zone, nodes in away.items() for target in (zone, *nodes)}
    return [one for one in checks if one.target not in silent]


def _part(reports, part):
    """Return a part that was really read, or None."""
    found = (reports or {}).get(part)
    if not found or found.get("unreachable") or found.get("failed") or found.get("error") or found.get("skipped"):
        return None
    return found if all(name in found for name in OWN[part]) else None


def _why(reports, part):
    """Return one line. Of a module that crashed the last line is the one that says something."""
    found = (reports or {}).get(part) or {}
    said = [str(found.get("msg") or "it was not asked").strip().splitlines()[0]]
    crash = str(found.get("module_stderr") or found.get("exception") or found.get("module_stdout") or "").strip().splitlines()
    return ": ".join(said + crash[-1:])


# --- one zone ----------------------------------------------------------------------------------------------------------------

def _zone(topology, zone, seen, free_mb):
    fronts = {node: _part(reports, "frontend") for node, reports in seen.items()}
    checks = [check("frontend", node, "can be asked", front is not None or None, _why(seen[node], "frontend"),
                    "Power it on and repair it, then let it back in with rejoin.yml; the zone has no standby until then.")
              for node, front in fronts.items()]
    known = {node: front for node, front in fronts.items() if front is not None}
    complete = len(known) == len(fronts)
    holders = [node for node, front in known.items() if zone["vip"]["ip"] in front["addresses"]]
    checks.append(_exactly_one(zone, f"its address {zone['vip']['ip']} is on one front-end", holders, complete,
                               "crm_mon -1rf on a front-end shows why; two holders are a split brain: fence one of them now."))
    for address in _addresses(zone):
        checks += _answers(zone, address, known)
    holder = holders[0] if len(holders) == 1 else None
    for service in zone["services"]:
        running = [node for node, front in known.items() if front["units"].get(service, {}).get("active")]
        checks.append(_exactly_one(zone, f"{service} runs where the address is", running, complete, f"journalctl -u {service} on {holder or 'the front-ends'}.",
                                   wanted=holder))
    for node, front in known.items():
        checks += _units(zone, node, front)
        checks.append(_room(node, front, free_mb))
        daemon = front["daemon"]
        checks.append(check("frontend", node, f"the daemon answers it at {zone['endpoint']}", daemon["answers"], daemon["why"],
                            "Is the address up (crm_mon -1r), and is the daemon's log (/var/log/one/oned.log) without errors?"))
    checks += _cluster(topology, zone, seen)
    checks += _writer(zone, seen, holder, all(topology["nodes"][node]["semi_sync"] for node in zone["nodes"]))
    if zone["mode"] == "slave":
        checks += _caught_up(topology, zone, seen)
    return checks


def _addresses(zone):
    return [zone[name]["ip"] for name in ("vip", "federation_vip") if zone[name]]


def _answers(zone, address, known):
    """Does the network give the address to one machine only? It also knows of those that could not be asked, and of strangers."""
    heard = {node: front["others"][address] for node, front in known.items() if front.get("others", {}).get(address) is not None}
    if not known:
        return  # nobody who could have asked is unknown already
    owners = {mac: node for node, front in known.items() for mac in front.get("macs", ())}
    names = {owners.get(mac, f"a machine with MAC {mac}") for macs in heard.values() for mac in macs}
    names |= {node for node, front in known.items() if address in front["addresses"]}
    yield check("zone", zone["name"], f"one machine answers for its address {address}", len(names) < 2 if heard else None,
                f"these do: {', '.join(sorted(names))}" if heard else "no front-end could ask the network",
                "Two answers are a split brain, or somebody else has this address: find that machine by its MAC, and fence or renumber it now.")


def _exactly_one(zone, what, nodes, complete, hint, wanted=None):
    right = nodes == [wanted] if wanted else len(nodes) == 1
    if not nodes and not complete:
        right = None  # it may be where we could not look
    where = ", ".join(nodes) or "no front-end that could be asked"
    return check("zone", zone["name"], what, right, f"seen on {where}" + (f", wanted {wanted}" if wanted else ""), hint)


def _room(node, front, free_mb):
    full = [f"{disk['path']} has {disk['free_mb']} MB and room for {'any number of' if disk['free_files'] is None else disk['free_files']} files"
            for disk in front["disks"] if disk["free_mb"] < free_mb or disk["free_files"] == 0]
    return check("frontend", node, f"{free_mb} MB are free wherever it writes", not full, "; ".join(full),
                 "Make room there before it has to take over; what may be deleted is your decision.")


def _units(zone, node, front):
    missing = [name for name in zone["services"] if not front["units"].get(name, {}).get("installed")]
    yield check("frontend", node, "has every service of the zone", not missing, f"systemd cannot start: {', '.join(missing)}",
                "Run site.yml with --tags frontend, and see 'systemctl status' of it there; until then a takeover fails on this front-end.")
    enabled = [name for name in zone["services"] + ["corosync", "pacemaker"] if front["units"].get(name, {}).get("enabled")]
    yield check("frontend", node, "systemd starts none of the cluster's services at boot", not enabled, f"enabled: {', '.join(enabled)}",
                "Run site.yml; a service that starts by itself can run on both front-ends.")
    yield check("frontend", node, "MariaDB starts at boot", front["units"]["mariadb"]["enabled"], "mariadb.service is not enabled",
                "Run site.yml with --tags database.")


def _cluster(topology, zone, seen):
    name = zone["name"]
    views = {node: _part(reports, "cluster") for node, reports in seen.items()}
    views = {node: view for node, view in views.items() if view and view.get("running")}
    if not views:
        reasons = "; ".join(f"{node}: {_why(reports, 'cluster')}" for node, reports in seen.items())
        yield check("cluster", name, "its cluster runs", None, reasons, "Run rejoin.yml: it shows what keeps a front-end out.")
        return
    view = list(views.values())[0]
    online = [node["name"] for node in view["nodes"] if node["online"] and not node["standby"] and not node["unclean"]]
    missing = [node for node in zone["nodes"] if node not in online]
    yield check("cluster", name, "all front-ends are online in the cluster", not missing, f"missing: {', '.join(missing)}",
                "Power on and repair what was fenced, then rejoin.yml.")
    yield check("cluster", name, "the cluster has quorum", view["quorate"], "it has none and starts nothing",
                "Start the missing front-end. If it is lost: README of role cluster, 'The other front-end is lost'.")
    yield from _third_vote(zone, views)
    failed = [f"{action['resource']} {action['task']} on {action['node']}: {action['reason'] or action['code']}" for action in view["failed_actions"]]
    yield check("cluster", name, "no action failed", not failed, "; ".join(failed), "Mend the cause, then 'pcs resource cleanup' on a front-end.")
    active = {resource["id"] for resource in view["resources"] if resource["active"] and not resource["failed"]}
    devices = [device for node in zone["nodes"] for device in (topology["nodes"][node]["fence"] or {}).get("devices", ())]
    off = [device for device in devices if device not in active]
    yield check("cluster", name, "every fence device is watched", not off, f"not running: {', '.join(off)}",
                "Nobody can take over while fencing does not work: test the agent by hand, then 'pcs stonith cleanup'.")
    down = [resource for resource in _resources(zone) if resource not in active]
    yield check("cluster", name, "every resource runs", not down, f"not running: {', '.join(down)}", "crm_mon -1rf on a front-end shows why.")
    old = forgotten(view["description"], zone["services"])
    yield check("cluster", name, "its services are those of the inventory", not old, f"still in the cluster: {', '.join(old)}",
                f"Run site.yml with --tags cluster; a service that stays goes by name ('pcs resource delete {' '.join(old[:1])}'), or back into zone_services.")
    kept = _kept_back(zone, view)
    yield check("cluster", name, "every front-end may take over", not kept, "; ".join(kept),
                "If nobody works on it now, end it: 'pcs property set maintenance-mode=false', 'pcs node unmaintenance', 'pcs resource manage', "
                "'pcs resource clear'.")
    properties = view["description"].get("properties", {})
    wrong = [f"{key} is {properties.get(key)}" for key, wanted in _properties(topology, zone).items() if str(properties.get(key)).lower() != wanted]
    wrong += _no_delay(zone, view["description"]) if devices else []
    yield check("cluster", name, "fencing and quorum are obeyed", not wrong, "; ".join(wrong),
                "Run site.yml with --tags cluster; if that leaves it so, cluster_properties of the inventory wants it.")


_OWN_BANS = (f"{FEDERATION_VIP}-off-{SEMISYNC}", f"{FEDERATION_VIP}-off-{SEMISYNC}-rule")        # crm_mon names a ban by rule after the rule


def _kept_back(zone, view):
    """Return what people leave behind, and what shows only when a takeover does not come: maintenance, unmanaged resources, bans."""
    at_rest = ["the cluster is in maintenance mode"] if view["maintenance"] else [
        f"{node['name']} is in maintenance" for node in view["nodes"] if node["maintenance"]]
    at_rest = at_rest or [f"{one['id']} is not managed" for one in view["resources"] if not one["managed"] and one["id"] in _resources(zone)]
    return at_rest + [f"{ban['resource']} must not run on {ban['node']} ({ban['id']})" for ban in view["bans"]
                      if ban["resource"] in _resources(zone) + [GROUP] and ban["id"] not in _OWN_BANS
                      and number(ban["weight"]) <= -1000000]


def _no_delay(zone, description):
    """Two front-ends that may fence at once kill each other in a partition; of three, or with a third vote, only one side may."""
    if len(zone["nodes"]) != 2 or (zone.get("quorum_device") or {}).get("state") == "present":
        return []
    options = [device.get("options", {}) for device in description.get("fence_devices", [])]
    delays = [[number(str(one.get(name, "0"))) for name in ("pcmk_delay_base", "delay")] for one in options]
    favoured = number(str(description.get("properties", {}).get("priority-fencing-delay", "0"))) or any(one != delays[0] for one in delays)
    return [] if favoured else ["no fence device has a delay: in a partition both front-ends would kill each other"]


def _third_vote(zone, views):
    """A device that gives no vote is not missed until a front-end is: then nobody has quorum."""
    if (zone.get("quorum_device") or {}).get("state") != "present":
        return
    devices = {node: (view.get("quorum") or {}).get("device") for node, view in views.items()}
    without = [node for node, device in devices.items() if not device or not device["votes"]]
    yield check("cluster", zone["name"], f"the quorum device at {zone['quorum_device']['host']} gives its vote", not without,
                f"none for {', '.join(without)}", f"'corosync-qdevice-tool -s' there, and 'systemctl status corosync-qnetd' on {zone['quorum_host']}.")


def _resources(zone):
    return ["zone_vip", "database_writer"] + list(zone["services"]) + (["federation_vip"] if zone["federation_vip"] else [])


def _properties(topology, zone):
    fenced = any(topology["nodes"][node]["fence"] for node in zone["nodes"])
    return {"no-quorum-policy": "stop", "stonith-enabled": "true" if fenced else "false"}


def _writer(zone, seen, holder, semi_sync):
    databases = {node: _part(reports, "replication") for node, reports in seen.items()}
    known = {node: report for node, report in databases.items() if report and report.get("present")}
    writers = [node for node, report in known.items() if not report["read_only"]]
    yield _exactly_one(zone, "its database is writable where the address is", writers, len(known) == len(databases),
                       "Two writers part the histories; none means that the writer resource does not run: crm_mon -1rf.", wanted=holder)
    if holder in known and len(known) > 1 and semi_sync:
        semi = known[holder]["semi_sync"]
        yield check("replication", zone["name"], "commits wait for the standby (semi-sync)", semi.get("rpl_semi_sync_master_status") == "ON",
                    f"status {semi.get('rpl_semi_sync_master_status')}, {semi.get('rpl_semi_sync_master_clients')} replicas connected",
                    "What is written now is lost if the active front-end dies; the writer switches it on once the standby replicates.")


def _caught_up(topology, zone, seen):
    """What a slave zone writes is compared with nobody's: its other front-ends must have applied what its writer had when that was asked.

    Theirs is the position of their contents, which are read later than the writer's: whoever has less then is behind, however fast the zone writes.
    """
    databases = {node: _part(reports, "replication") for node, reports in seen.items()}
    known = {node: report for node, report in databases.items() if report and report.get("present")}
    writers = [node for node, report in known.items() if not report["read_only"]]
    if len(writers) != 1:
        return  # red already
    domain = topology["nodes"][writers[0]]["gtid_domain_id"]
    goal = gtid.sequence(known[writers[0]]["gtid"].get("binlog_pos"), domain)
    for node in known:
        if node not in writers:
            have = _applied(_part(seen[node], "tables"), domain, topology["nodes"][node]["log_slave_updates"])
            yield check("replication", node, f"has everything that {writers[0]} wrote", None if have is None else have >= goal,
                        "its position could not be read" if have is None else f"it is at sequence {have} of GTID domain {domain}, {writers[0]} was at {goal}",
                        "Verify again; if it stays behind though its threads run, something holds its applier: SHOW FULL PROCESSLIST there.")


def _applied(tables, domain, passes_on):
    """Return the sequence number of a front-end's contents. Without a comparison only its binary log's is known, which has what it passes on."""
    if not tables or not tables.get("present") or not passes_on and (tables.get("comparison") or {}).get("equal") is None:
        return None
    return gtid.sequence(tables["position"], domain)


# --- replication and the federation --------------------------------------------------------------------------------------------

def _replication(topology, node, report, seen, inventory=()):
    target = node["name"]
    if report is None or not report.get("present"):
        yield check("replication", target, "its MariaDB can be asked", None, (report or {}).get("why_absent") or _why(seen.get(target), "replication"),
                    "systemctl status mariadb")
        return
    rows = {source["name"]: source for source in report["sources"]}
    encrypted = {"ssl": topology["tls"]["used"], "ssl_ca": topology["tls"]["ca"], "ssl_verify": True}
    wanted = []
    for source in node["pair_sources"] + node["federation_sources"]:
        have = rows.get(source["name"], {})
        around = _out_of_the_ring(topology, node, source, have, seen)
        if around:
            yield check("replication", target, f"source {source['name']} pulls from {have['host']} as long as {around} is out", True)
            source = dict(source, host=have["host"])
        known = {key: value for key, value in have.items() if key not in ("state",) and key in replication.Source.__dataclass_fields__}
        wanted += replication.wanted_sources([dict(known, user=have.get("user") or "unknown", state="started", do_tables=source.get("do_tables", []),
                                                   **encrypted, **{key: source[key] for key in ("name", "host", "port")})])
    verdicts = replication_health.health(report["rows"], report["variables"], wanted, node["settings"], configured=report.get("configured_filters"))
    raw = replication.by_name(report["rows"])
    hosts = {source["name"]: (source["host"], source["port"]) for source in node["pair_sources"] + node["federation_sources"]}
    for verdict in verdicts:
        verb, table, key = repair.from_status(raw[verdict.source], not report["read_only"]) if verdict.source and not verdict.verb else (verdict.verb, "", "")
        host, port = hosts.get(verdict.source, ("", ""))
        same = str(raw.get(verdict.source, {}).get("Master_Port")) == str(port)
        source = repair.source_for(report["rows"], table, verdict.source) if verb in repair.ON_TABLE else verdict.source
        command = repair.command(target, verb, source, table, key, host, "" if same else port, inventory)
        yield check("replication", target, verdict.subject if verdict.level == "ok" else f"{verdict.subject} {verdict.what}", verdict.level == "ok",
                    verdict.why, f"{verdict.hint} {command}".strip())
    positions = {f"gtid_{name}": report.get("gtid", {}).get(name) for name in ("slave_pos", "binlog_pos")}
    yield from replication_rules.checks(target, wanted, report["rows"], dict(report["variables"], **positions))


def _out_of_the_ring(topology, node, source, have, seen):
    """Return the front-end whose place in the ring another one has taken, or None when the declared one could be pulled from."""
    if have.get("host") not in source.get("other_hosts", ()):
        return None
    name = next((peer["name"] for peer in node["peers"] if peer["address"] == source["host"]), None)
    database, cluster = (_part(seen.get(name), part) for part in ("replication", "cluster"))
    if not (database and database.get("present") and (cluster is None or cluster.get("running"))):
        return name
    ring = [row for row in database["sources"] if row["name"] == topology["nodes"][name]["pair_sources"][0]["name"]]
    passes_on = not database["read_only"] or (ring and replication.threads_of(replication.by_name(database["rows"])[ring[0]["name"]]) == ("Yes", "Yes"))
    return None if passes_on else name


def _tls(node, reports, certificate_days):
    """Would the others be able to connect, and for how much longer? That they do, and over TLS, is what the sources show."""
    target, again = node["name"], "Run site.yml; it renews a certificate that the collection made. A given one must be given anew (database_tls_certificate)."
    found, server = _part(reports, "certificate"), _part(reports, "replication")
    known = (found or {}).get("certificates") or []
    yield check("tls", target, "its certificate can be read", bool(known) if found else None, "there is none" if found else _why(reports, "certificate"), again)
    if not known:
        return
    certificate = known[0]
    left_out = tls.missing_names(node["certificate_names"], certificate["names"])
    yield check("tls", target, "its certificate names all addresses that it may have", not left_out,
                f"{', '.join(left_out)} is missing; it names {', '.join(certificate['names']) or 'nobody'}", again)
    yield check("tls", target, "its authority vouches for its certificate", not certificate["untrusted"], certificate["untrusted"], again)
    yield check("tls", target, f"its certificate is good for {certificate_days} more days", certificate["days_left"] >= certificate_days,
                f"it ends on {certificate['not_after']}", again + " MariaDB takes it up without a restart.")
    shown = server.get("certificate_fingerprint") if server and server.get("present") else None
    yield check("tls", target, "its MariaDB shows that certificate", None if shown is None else shown == certificate["fingerprint_sha256"],
                "it could not be asked" if shown is None else "it shows another one" if shown else "it runs without TLS", "Run site.yml with --tags database.")


def _federation(topology, seen, inventory):
    master = topology["zones"][topology["master_zone"]]
    for zone in topology["zones"].values():
        if zone["mode"] == "standalone":
            continue
        asked = [front["daemon"] for front in (_part(seen.get(node), "frontend") for node in zone["nodes"]) if front and front["daemon"]["answers"]]
        if not asked:
            continue  # already red: the daemon does not answer
        known = {one["id"]: one["endpoint"] for one in asked[0]["zones"]}
        wrong = [f"zone {other['id']} is {known.get(other['id'], 'missing')}, wanted {other['endpoint']}" for other in topology["zones"].values()
                 if other["mode"] != "standalone" and known.get(other["id"]) != other["endpoint"]]
        yield check("federation", zone["name"], "knows every zone and its endpoint", not wrong, "; ".join(wrong), "Run site.yml with --tags federation.")
        others = [f"{one['id']} ({one['name']})" for one in asked[0]["zones"] if one["id"] not in
                  [other["id"] for other in topology["zones"].values() if other["mode"] != "standalone"]]
        if others and zone is master:
            yield check("federation", zone["name"],
                        f"also knows {', '.join(others)}, not in this inventory; one that has left: roles/federation/README.md", True)
    yield from _contents(topology, [node for zone in topology["zones"].values() if zone["mode"] != "standalone" for node in zone["nodes"]], seen, inventory)


def _contents(topology, nodes, seen, inventory, *whose):
    """The contents of front-ends that were compared with one writer; equal at its position they are neither different nor behind."""
    tables = {node: _part(seen.get(node), "tables") for node in nodes}
    compared = {node: ((report or {}).get("comparison") or {}).get("with") for node, report in tables.items()}
    return federated.checks(tables, lambda node, wrong: _remedy(topology["nodes"][node], wrong, inventory, compared[node]), *whose)


def _lost_by_its_writer(topology, seen):
    """In layout guide each front-end alone hands its writes on: who has more of them than it has, has rows that it lost in a crash.

    Positions are read before contents, and the writer's position is taken from its contents: who was ahead even then is ahead.
    """
    federated_nodes = [node for node in topology["nodes"].values() if topology["zones"][node["zone"]]["mode"] != "standalone"]
    for writer in federated_nodes:
        name, domain = writer["name"], writer["gtid_domain_id"]
        what = "has every write that others have of it"
        report = _part(seen.get(name), "tables")
        if report is None or not report.get("present"):
            yield check("federation", name, what, None, "it cannot be asked; what it had not handed on is missing on all others until it is back",
                        "Start it, then verify again. If it is lost, what is missing cannot be known: compare with a backup.")
            continue
        own, ahead = gtid.sequence(report["position"], domain), []
        for other in federated_nodes:
            have = _part(seen.get(other["name"]), "replication")
            if other is not writer and have and have.get("present") and gtid.sequence(have["gtid"].get("slave_pos"), domain) > own:
                ahead.append(other["name"])
        yield check("federation", name, what, not ahead, f"its own writes end at sequence {own} (domain {domain}), more has {', '.join(ahead)}",
                    "Its crash took back what it had sent already. In its own zone: reseed_node on it; in slave zones: reseed_tables on those named.")


def _remedy(node, tables, inventory=(), writer=""):
    """The rows are named by repair.yml; seeding the tables again is always possible. writer: address of the server that was compared with."""
    sources = list(node["federation_sources"]) + list(node["pair_sources"])
    if not node["log_slave_updates"]:
        verb = "reseed_tables" if node["federation_sources"] else "reseed_node"
        source = next((one["name"] for one in sources if one["host"] == writer), sources[0]["name"])
        return f"seed it again: {repair.command(node['name'], verb, source, inventory=inventory)}"
    seeding = [repair.command(node["name"], "reseed_table", sources[0]["name"], table, inventory=inventory) for table in tables[:1]] if sources else []
    evidence = repair.command(node["name"], "reseed_table", inventory=inventory)
    return f"{evidence} names the rows and the command for each" + "".join(f"; or seed it again: {one}" for one in seeding)
