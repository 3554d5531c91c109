#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measure the recovery of many stuck VMs on 50 hypervisors, with the modules' own code, over real HTTP and real ssh.

    tests/benchmarks/recovery.py [VMS] [plan|apply|loop|calls|memory|evidence|dies …]

plan, apply: vm_recovery_info and vm_recovery.  loop: a shell loop, two client processes (failure, retry) for each VM, as administrators do it; blind.
calls: the same calls in sequence on one connection; blind.  memory: of plan and apply by the number of VMs.  evidence: by hosts and VMs.
dies: the daemon dies in the middle, twice, and the run is repeated. Only ratios of one run mean anything: the machine is shared.
"""
import getpass
import json
import os
import pathlib
import resource
import shutil
import subprocess
import sys
import tempfile
import time
import xmlrpc.client

import recovery_world
from ansible_collections.constellation.opennebula.plugins.module_utils.adapters import frontend, hypervisor, opennebula
from ansible_collections.constellation.opennebula.plugins.module_utils.core import errors
from ansible_collections.constellation.opennebula.plugins.modules import vm_recovery, vm_recovery_info

PORT, HOSTS = int(os.environ.get("BENCH_PORT", "26330")), 50
URL = f"http://127.0.0.1:{PORT}/RPC2"


class Frontend(frontend.Frontend):
    """This machine as a front-end whose daemon started a while ago."""

    started = 1000.0

    def daemon_started(self):
        return self.started

    def logs_since(self, started):
        return True


class Stage:
    """A daemon and its hypervisors."""

    def __init__(self, vms, hosts=HOSTS):
        self.folder, self.vms, self.hosts = pathlib.Path(tempfile.mkdtemp(prefix="recovery-bench-")), vms, hosts
        self.sshd, self.daemon = recovery_world.Sshd(self.folder, vms, hosts), None
        self.start()

    def start(self, dies_after=-1):
        self.daemon = subprocess.Popen([sys.executable, recovery_world.__file__, str(self.folder), str(PORT), str(self.vms), str(self.hosts), str(dies_after)])
        for unused in range(600):
            try:
                opennebula.OpenNebula(URL, "a:b").host_pool()
                return
            except errors.CoreError:
                time.sleep(0.1)
        raise SystemExit("the daemon does not answer")

    def stop(self):
        self.daemon.kill()
        self.daemon.wait()

    def close(self):
        self.stop()
        self.sshd.process.terminate()
        self.sshd.process.wait()
        shutil.rmtree(self.folder)

    def again(self):
        """Begin anew with every VM stuck."""
        self.stop()
        for name in ("calls", "journal"):
            (self.folder / name).unlink(missing_ok=True)
        self.start()

    def calls(self):
        path = self.folder / "calls"
        return path.read_text().splitlines() if path.exists() else []

    def child(self, what, **more):
        """Run plan or apply in a process of its own; return what it says of itself."""
        done = subprocess.run([sys.executable, __file__, "--child", what, str(self.folder), json.dumps(more)], stdout=subprocess.PIPE, check=True, timeout=900)
        return json.loads(done.stdout)


def child(what, folder, more):
    params = {name: spec.get("default") for name, spec in vm_recovery.SPEC.items()}
    params.update({"wait_timeout_s": 3000, "batch": 1000, "max_failures": 10 ** 6, "ssh_user": getpass.getuser(), "ssh_directory": f"{folder}/ssh",
                   "ssh_timeout_s": 60}, **more)
    front, hosts = Frontend(journal=f"{folder}/journal"), hypervisor.Hypervisors.from_params(params)
    begun, cpu, result = time.monotonic(), time.process_time(), {}
    api = opennebula.OpenNebula(URL, "a:b", timeout_s=300)
    try:
        if what == "plan":
            told = vm_recovery_info.read(params, lambda: api, front, hosts)
            result = {"vms": len(told["vms"]), "actions": _count(vm["action"] for vm in told["vms"])}
        else:
            outcome = vm_recovery.ensure(params, lambda: api, front, False, hypervisors=hosts)
            result = {"vms": len(outcome.results["vms"]), "results": _count(vm["result"] for vm in outcome.results["vms"])}
    except errors.CoreError as error:
        result = {"error": str(error)[:200]}
    usage = resource.getrusage(resource.RUSAGE_SELF)
    print(json.dumps(dict(result, seconds=round(time.monotonic() - begun, 2), cpu=round(time.process_time() - cpu, 2), mib=round(usage.ru_maxrss / 1024, 1))))


def _count(values):
    found = {}
    for value in values:
        found[value] = found.get(value, 0) + 1
    return found


def blind(vms):
    """Return what an administrator who only knows the states would call: failure and retry, or once."""
    for number in range(vms):
        yield number, 0
        if recovery_world.state_of(number) in recovery_world.NEXT:
            yield number, 2


def loop(stage):
    """One client process for each call, as in a shell loop over onevm recover; curl starts faster than any onevm."""
    for number, operation in blind(stage.vms):
        (stage.folder / f"call.{number}.{operation}").write_text(xmlrpc.client.dumps(("a:b", number, operation), "one.vm.recover"))
    script = "".join(f"curl -s -f -o /dev/null -H 'Content-Type: text/xml' --data-binary @{stage.folder}/call.{number}.{operation} {URL} || exit 1\n"
                     for number, operation in blind(stage.vms))
    begun = time.monotonic()
    subprocess.run(["sh"], input=script.encode(), check=True)
    return {"seconds": round(time.monotonic() - begun, 2), "calls": len(stage.calls())}


def calls(stage):
    begun, api = time.monotonic(), opennebula.OpenNebula(URL, "a:b", timeout_s=300)
    for number, operation in blind(stage.vms):
        api.call("one.vm.recover", number, operation)
    return {"seconds": round(time.monotonic() - begun, 2), "calls": len(stage.calls())}


def dies(stage):
    """Two deaths, each after a call was applied and before it was answered; then a run to the end. No VM may get a call twice in one state."""
    runs = []
    stage.again()
    for after in (stage.vms // 3, stage.vms // 2, None):
        stage.stop()
        stage.start(after or -1)
        Frontend.started = time.time()
        runs.append(stage.child("apply", transfer_settle_s=0, monitoring_settle_s=-10 ** 9))
    made = stage.calls()
    return {"runs": runs, "calls": len(made), "twice": len(made) - len(set(made))}


def main():
    words = sys.argv[1:]
    vms = int(words.pop(0)) if words and words[0].isdigit() else 1000
    wanted, seen = words or ["plan", "apply", "loop", "calls", "memory", "evidence", "dies"], {}

    def note(name, **values):
        seen[name] = dict(values, load=round(os.getloadavg()[0], 1))
        print(name, json.dumps(seen[name]), flush=True)

    def on(stage, names):
        for name, act in names.items():
            if name in wanted:
                note(name, **act(stage))
                if name != "plan":
                    stage.again()
        stage.close()

    if set(wanted) - {"memory", "evidence"}:
        on(Stage(vms), {"plan": lambda stage: stage.child("plan"), "apply": lambda stage: dict(stage.child("apply"), calls=len(stage.calls())), "loop": loop,
                        "calls": calls, "dies": dies})
    for name, sizes in (("memory", ((100, HOSTS), (1000, HOSTS), (4000, HOSTS))), ("evidence", ((500, 5), (500, 25), (500, 50), (100, 50), (2000, 50)))):
        for size, hosts in sizes if name in wanted else ():
            stage = Stage(size, hosts)
            note(f"{name} {size} VMs on {hosts} hosts", plan=stage.child("plan"), **({"apply": stage.child("apply")} if name == "memory" else
                                                                                    {"without": stage.child("plan", ask_hypervisors=False)}))
            stage.close()
    target = pathlib.Path(__file__).resolve().parents[2] / "build/benchmarks/recovery.json"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(seen, indent=1))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        child(sys.argv[2], sys.argv[3], json.loads(sys.argv[4]))
    else:
        main()
