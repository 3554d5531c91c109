# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A recovery, planned or done, as lines for people: VMs, images and leftovers."""
from __future__ import annotations


def table(result, zone):
    """Return lines that show a plan or what became of it; ``result`` may be a failed module's, which has its VMs under error."""
    vms, images, leftovers = result.get("vms") or result.get("error", {}).get("vms", []), result.get("images", []), result.get("leftovers", [])
    if not vms and ("error" in result or result.get("failed")):
        return [f"zone {zone}: {result.get('msg', 'failed')}"]
    if result.get("answers") is False:
        return [f"zone {zone}: it is not known which VMs are stuck. {result['reason']}"]
    lines = [f"zone {zone}: no VM is stuck"]
    unrest = [vm for vm in vms if vm["family"] != "REST"]           # one that is demanded may rest
    if unrest:
        lines = [f"zone {zone}: {sum(vm['stuck'] for vm in unrest)} of {len(unrest)} VMs in transition or failed are stuck"]
    if vms:
        lines += _columns(
            ("VM", "NAME", "HOST", "STATE", "VERDICT", "OUTCOME", "REASON"),
            [(str(vm["id"]), vm["name"], vm["host"] or "-", vm["state"], vm["action"], _outcome(vm), vm["reason"]) for vm in vms])
    if images:
        lines += [f"zone {zone}: {len(images)} images are locked, being copied or deleted, or in error"] + _columns(
            ("IMAGE", "NAME", "DATASTORE", "STATE", "VMS", "REASON"),
            [(str(image["id"]), image["name"], image["datastore"], image["state"], ",".join(map(str, image["vms"])) or "-",
              f"{image['reason']}. {image['remedy']}") for image in images])
    if leftovers:
        lines += [f"zone {zone}: {len(leftovers)} folders on hypervisors seem to be left over; look at them by hand, recovery removes nothing"] + _columns(
            ("HOST", "FOLDER", "NAME", "AGE", "MIB", "REASON"),
            [(left["host"], left["path"], left["name"] or "-", _age(left["age_s"]), "?" if left["size_mib"] is None else str(left["size_mib"]),
              f"{left['reason']}. {left['remedy']}") for left in leftovers])
    return lines


def _age(seconds):
    return next(f"{seconds // length} {unit}" for length, unit in ((86400, "d"), (3600, "h"), (60, "min")) if seconds >= 2 * length or length == 60)


def _columns(head, rows):
    rows = [head, *rows]
    widths = [max(len(row[column]) for row in rows) for column in range(len(head) - 1)]
    return ["  ".join([cell.ljust(width) for cell, width in zip(row, widths)] + [row[-1]]).rstrip() for row in rows]


def _outcome(vm):
    if "result" not in vm:
        return f"-> {vm['leads_to']}" if vm["leads_to"] else "-"
    if vm["result"] == "removed":
        return vm["result"]
    return f"{vm['result']}: {vm['state_after']}" if vm["result"] != "predicted" else f"-> {vm['leads_to']}"
