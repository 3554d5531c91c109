# SPDX-License-Identifier: GPL-3.0-or-later
"""What recovery.py measures against: a daemon that answers over HTTP, and one real sshd that is fifty hypervisors (an address each).

    recovery_world.py FOLDER PORT VMS HOSTS DIES_AFTER      the daemon; what it was asked is in FOLDER/calls, and it begins where that ends

Its VMs behave as measured (tests/unit/modules/recovery_fakes.py): recover writes the end of a transition, a retry takes a moment.
"""
import http.server
import os
import pathlib
import subprocess
import sys
import threading
import time
import xmlrpc.client

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import conftest  # noqa: E402,F401
from ansible_collections.constellation.opennebula.plugins.module_utils.core import recovery, vm_states  # noqa: E402

STATES = ("PROLOG", "EPILOG", "PROLOG_MIGRATE", "MIGRATE", "BOOT", "SAVE_SUSPEND")
SSH_PORT, SIZE_MIB, DRIVEN_S = int(os.environ.get("BENCH_SSH_PORT", "23000")), 8, 0.3
PLACE = "/var/lib/one/datastores/0"
# the daemon's way to the end of what a retry began
NEXT = {"PROLOG": "RUNNING", "EPILOG": "DONE", "PROLOG_MIGRATE": "RUNNING", "BOOT": "RUNNING"}


def state_of(number):
    return STATES[number % len(STATES)]


def address(host):
    return f"127.0.7.{host + 1}"


def hosts_of(number, hosts):
    return f"kvm{number % hosts:02}", f"kvm{(number + 1) % hosts:02}"


def body(number, state, hosts, whole):
    """Return one VM's XML. whole: with its first history record, as one.vm.info has it and pools have it not."""
    code, lcm = vm_states.code(state)
    source, target = hosts_of(number, hosts)
    moved = state_of(number) in ("PROLOG_MIGRATE", "MIGRATE")
    records = [f"<HISTORY><OID>{number}</OID><SEQ>{seq}</SEQ><HOSTNAME>{host}</HOSTNAME><HID>{int(host[3:])}</HID><STIME>900</STIME><PSTIME>900</PSTIME>"
               f"<RSTIME>900</RSTIME><ESTIME>900</ESTIME><VM_MAD>kvm</VM_MAD><TM_MAD>ssh</TM_MAD><DS_ID>0</DS_ID><ACTION>0</ACTION></HISTORY>"
               for seq, host in enumerate((source, target) if moved else (target,))]
    # as large as a real VM's: its template, its monitoring
    filler = "".join(f"<ATTRIBUTE_{index}><![CDATA[{'x' * 40}]]></ATTRIBUTE_{index}>" for index in range(40))
    return (f"<VM><ID>{number}</ID><UNAME>oneadmin</UNAME><NAME>vm{number}</NAME><STATE>{code}</STATE><LCM_STATE>{lcm}</LCM_STATE><LAST_POLL>0</LAST_POLL>"
            f"<DEPLOY_ID>one-{number}</DEPLOY_ID><MONITORING></MONITORING><TEMPLATE>{filler}<DISK><DISK_ID>0</DISK_ID><SIZE>{SIZE_MIB}</SIZE>"
            f"<DISK_TYPE>FILE</DISK_TYPE></DISK></TEMPLATE><USER_TEMPLATE></USER_TEMPLATE><HISTORY_RECORDS>{''.join(records if whole else records[-1:])}"
            f"</HISTORY_RECORDS></VM>")


class Daemon:
    def __init__(self, folder, vms, hosts, dies_after):
        self.calls, self.hosts, self.dies_after, self.lock = folder / "calls", hosts, dies_after, threading.Lock()
        self.states = {number: (state_of(number), None) for number in range(vms)}
        for line in self.calls.read_text().splitlines() if self.calls.exists() else ():
            number, operation, unused = line.split()
            self._apply(int(number), operation)

    def state(self, number):
        state, since = self.states[number]
        if since and time.time() - since > DRIVEN_S:
            state = NEXT[state]
            self.states[number] = (state, None)
        return state

    def _apply(self, number, operation):
        state = self.state(number)
        if operation == "failure":
            self.states[number] = (vm_states.failure_of(state) or recovery.leads_to(state, "failure"), None)
        elif operation == "retry" and vm_states.is_failure(state):
            self.states[number] = (vm_states.under_way(state), time.time())
        elif operation == "success":
            self.states[number] = (recovery.leads_to(state, "success"), None)

    def answer(self, method, arguments):
        with self.lock:
            if method in ("one.vmpool.infoextended", "one.vmpool.info"):
                unused, begin, count, wanted = arguments
                found = [number for number in self.states if vm_states.code(self.state(number))[0] == wanted][begin:begin + abs(count)]
                return "<VM_POOL>" + "".join(body(number, self.state(number), self.hosts, False) for number in found) + "</VM_POOL>"
            if method == "one.vm.info":
                return body(arguments[0], self.state(arguments[0]), self.hosts, True)
            if method == "one.hostpool.info":
                return "<HOST_POOL>" + "".join(f"<HOST><ID>{host}</ID><NAME>kvm{host:02}</NAME><STATE>2</STATE><LAST_MON_TIME>{int(time.time())}"
                                               "</LAST_MON_TIME></HOST>" for host in range(self.hosts)) + "</HOST_POOL>"
            if method == "one.imagepool.info":
                return "<IMAGE_POOL></IMAGE_POOL>"
            if method == "one.datastorepool.info":
                return "<DATASTORE_POOL></DATASTORE_POOL>"
            if method == "one.vm.recover":
                number, operation = arguments[0], ("failure", "success", "retry")[arguments[1]]
                with self.calls.open("a") as file:
                    file.write(f"{number} {operation} {self.state(number)}\n")
                self._apply(number, operation)
                self.dies_after -= 1
                if self.dies_after == 0:
                    os._exit(9)                     # it did it, and nobody will hear of it
                return number
        raise AssertionError(method)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version, disable_nagle_algorithm = "HTTP/1.1", True

    def do_POST(self):
        arguments, method = xmlrpc.client.loads(self.rfile.read(int(self.headers["Content-Length"])))
        reply = xmlrpc.client.dumps(([True, self.server.daemon.answer(method, arguments[1:]), 0],), methodresponse=True).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(reply)))
        self.end_headers()
        self.wfile.write(reply)

    def log_message(self, *unused):
        pass


class Sshd:
    """One sshd with an address for each host, which answers from a table whatever it is asked; ``ssh`` is the folder of a client that reaches them."""

    def __init__(self, folder, vms, hosts):
        self.ssh = folder / "ssh"
        self.ssh.mkdir(mode=0o700)
        for path in (self.ssh / "id_ed25519", folder / "hostkey"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path], check=True)
        (folder / "authorized").write_text((self.ssh / "id_ed25519.pub").read_text())
        public = " ".join((folder / "hostkey.pub").read_text().split()[:2])
        (self.ssh / "config").write_text("".join(f"Host kvm{host:02}\n HostName {address(host)}\n Port {SSH_PORT}\n" for host in range(hosts)))
        (self.ssh / "known_hosts").write_text("".join(f"[{address(host)}]:{SSH_PORT} {public}\n" for host in range(hosts)))
        shown = {host: [] for host in range(hosts)}
        for number in range(vms):
            source, target = hosts_of(number, hosts)
            shown[int(target[3:])].append((number, "target"))
            shown[int(source[3:])].append((number, "source"))
        for host in range(hosts):
            (folder / address(host)).write_text(self._answer(shown[host]))
        (folder / "answer.sh").write_text(f"set -- $SSH_CONNECTION\ncat > /dev/null\nexec cat {folder}/$3\n")
        config = [f"Port {SSH_PORT}", "ListenAddress 0.0.0.0", f"HostKey {folder / 'hostkey'}",
                  f"AuthorizedKeysFile {folder / 'authorized'}", "StrictModes no", "UsePAM no", "PidFile none", "PasswordAuthentication no", "MaxStartups 200",
                  "PermitRootLogin yes", f"ForceCommand sh {folder}/answer.sh"]
        (folder / "sshd_config").write_text("\n".join(config) + "\n")
        pathlib.Path("/run/sshd").mkdir(exist_ok=True)
        self.process = subprocess.Popen(["/usr/sbin/sshd", "-D", "-e", "-f", folder / "sshd_config"], stderr=(folder / "sshd.log").open("w"))
        time.sleep(1)
        if self.process.poll() is not None:
            raise SystemExit((folder / "sshd.log").read_text())

    @staticmethod
    def _answer(shown):
        running = [number for number, end in shown if end == "target" and state_of(number) in ("MIGRATE", "SAVE_SUSPEND")]
        files = [f"{PLACE}/{number}\td\td\t4096\t\n{PLACE}/{number}/disk.0\tf\tf\t{SIZE_MIB << 20}\t\n{PLACE}/{number}\t." if end == "source"
                 else f"{PLACE}/{number}\tabsent" for number, end in shown if state_of(number) == "PROLOG_MIGRATE"]
        parts = {"domains": "\n".join(f" {number} one-{number} running" for number in running), "domains-end": "",
                 "details": "\n".join(f"@ one-{number}\nJob type: None" for number in running), "stores": f"{PLACE}\t{PLACE}", "processes": "",
                 "processes-end": "", "files": "\n".join(files), "heads": "", "end": ""}
        return "".join(f"\n== {name}\n{text}\n" for name, text in parts.items())


if __name__ == "__main__":
    server = http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[2])), Handler)
    server.daemon = Daemon(pathlib.Path(sys.argv[1]), *map(int, sys.argv[3:6]))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    while os.getppid() != 1:                        # it does not outlive the program that measures
        time.sleep(0.5)
