#!/usr/bin/python3
# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""onevm, onehost, oneuser, onezone: a small part of OpenNebula's command line, for people in the lab.

Called by its name; the endpoint is ONE_XMLRPC or http://localhost:2633/RPC2, who calls is in ONE_AUTH or ~/.one/one_auth.
A refused call prints the daemon's text and ends with 255, as OpenNebula's commands do.
"""
import argparse
import os
import pathlib
import sys
import xml.etree.ElementTree as ET
import xmlrpc.client

sys.path.insert(0, "/usr/lib/one/standin")

from oned.core import vm_states  # noqa: E402

REFUSED = 255
OPERATIONS = {"failure": 0, "success": 1, "retry": 2, "delete": 3, "recreate": 4}
ACTIONS = "terminate poweroff suspend stop resume undeploy hold release reboot".split()
COLUMNS = {
    "vm": ("vmpool", (-2, -1, -1, -1), ("ID", "NAME", "UNAME")),
    "host": ("hostpool", (), ("ID", "NAME", "STATE", "CLUSTER")),
    "user": ("userpool", (), ("ID", "NAME", "GNAME", "AUTH_DRIVER")),
    "zone": ("zonepool", (), ("ID", "NAME", "TEMPLATE/ENDPOINT")),
}


class Refused(Exception):
    """The daemon said no."""


def caller():
    path = pathlib.Path(os.environ.get("ONE_AUTH") or pathlib.Path.home() / ".one" / "one_auth")
    session = path.read_text(encoding="utf-8").strip()
    server = xmlrpc.client.ServerProxy(os.environ.get("ONE_XMLRPC", "http://localhost:2633/RPC2"))

    def call(method, *arguments):
        accepted, value, _code = getattr(server, "one." + method)(session, *arguments)[:3]
        if not accepted:
            raise Refused(value)
        return value
    return call


def vm_state(vm):
    return vm_states.name(int(vm.findtext("STATE")), int(vm.findtext("LCM_STATE")))


def show_list(call, kind):
    pool, arguments, columns = COLUMNS[kind]
    rows = [[column.rpartition("/")[2] for column in columns] + (["STATE", "HOST"] if kind == "vm" else [])]
    for element in ET.fromstring(call(pool + ".info", *arguments)).findall(kind.upper()):
        row = [element.findtext(column) or "" for column in columns]
        if kind == "vm":
            row += [vm_state(element), element.findtext("HISTORY_RECORDS/HISTORY/HOSTNAME") or ""]
        rows.append(row)
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    for row in rows:
        print("  ".join(text.ljust(width) for text, width in zip(row, widths)).rstrip())


def show(call, kind, oid):
    element = ET.fromstring(call(f"{kind}.info", oid))
    if kind == "vm":
        print(f"STATE: {vm_state(element)}")
    ET.indent(element)
    print(ET.tostring(element, encoding="unicode"))


def parser(kind):
    whole = argparse.ArgumentParser(prog=f"one{kind}", description=__doc__.splitlines()[0])
    commands = whole.add_subparsers(dest="command", required=True)
    commands.add_parser("list")
    commands.add_parser("show").add_argument("id", type=int)
    if kind == "vm":
        commands.add_parser("create", help="template on standard input")
        recover = commands.add_parser("recover")
        group = recover.add_mutually_exclusive_group(required=True)
        for name in OPERATIONS:
            group.add_argument(f"--{name}", dest="operation", action="store_const", const=name)
        recover.add_argument("ids", type=int, nargs="+")
        for name in ACTIONS:
            action = commands.add_parser(name)
            action.add_argument("--hard", action="store_true")
            action.add_argument("ids", type=int, nargs="+")
        migrate = commands.add_parser("migrate")
        migrate.add_argument("--live", action="store_true")
        migrate.add_argument("id", type=int)
        migrate.add_argument("host", type=int)
    if kind == "host":
        create = commands.add_parser("create")
        create.add_argument("name")
        create.add_argument("-i", "--im", default="kvm")
        create.add_argument("-v", "--vm", default="kvm")
        commands.add_parser("delete").add_argument("id", type=int)
    if kind == "user":
        commands.add_parser("create", help="password on standard input").add_argument("name")
    return whole


def run(kind, words, call):
    """Run one command; return the exit status."""
    asked = parser(kind).parse_args(words)
    if asked.command == "list":
        show_list(call, kind)
    elif asked.command == "show":
        show(call, kind, asked.id)
    elif asked.command == "create":
        print("ID:", create(kind, asked, call))
    elif asked.command == "delete":
        call("host.delete", asked.id)
    elif asked.command == "migrate":
        call("vm.migrate", asked.id, asked.host, asked.live)
    elif asked.command == "recover":
        return each(asked.ids, lambda oid: call("vm.recover", oid, OPERATIONS[asked.operation]))
    else:
        name = asked.command + ("-hard" if asked.hard else "")
        return each(asked.ids, lambda oid: call("vm.action", name, oid))
    return 0


def create(kind, asked, call):
    if kind == "vm":
        return call("vm.allocate", sys.stdin.read(), False)
    if kind == "host":
        return call("host.allocate", asked.name, asked.im, asked.vm, -1)
    return call("user.allocate", asked.name, sys.stdin.readline().rstrip("\n"), "core")


def each(ids, work):
    """Go on after a refusal, and end with 255 then."""
    status = 0
    for oid in ids:
        try:
            work(oid)
        except Refused as refusal:
            print(refusal)
            status = REFUSED
    return status


def main():
    kind = pathlib.Path(sys.argv[0]).name[len("one"):]
    if kind not in COLUMNS:
        sys.exit(f"call me onevm, onehost, oneuser or onezone, not {sys.argv[0]}")
    try:
        sys.exit(run(kind, sys.argv[1:], caller()))
    except Refused as refusal:
        print(refusal)
    except (OSError, xmlrpc.client.Error) as error:
        print(f"one{kind}: {error}", file=sys.stderr)
    sys.exit(REFUSED)


if __name__ == "__main__":
    main()
