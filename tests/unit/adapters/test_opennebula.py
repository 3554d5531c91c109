# SPDX-License-Identifier: GPL-3.0-or-later
"""The XML-RPC client against a small HTTP server that answers what real daemons answered."""
import contextlib
import http.server
import json
import pathlib
import re
import socket
import threading
import time
import xmlrpc.client
from xml.etree import ElementTree

import pytest
from ansible_collections.constellation.opennebula.plugins.module_utils.adapters import opennebula
from ansible_collections.constellation.opennebula.plugins.module_utils.core.errors import CoreError, NotThere

XMLRPC = pathlib.Path(__file__).resolve().parents[3].parent / "shared" / "fixtures" / "xmlrpc"
CANARY = "CANARY-3e77"


class Server(http.server.ThreadingHTTPServer):
    """Answers each method with what ``answers`` holds: a value for dumps(), raw bytes, or a function of the call's arguments."""

    daemon_threads = True

    def __init__(self, answers):
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers, self.calls, self.connections = answers, [], set()
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()
        self.endpoint = f"http://127.0.0.1:{self.server_port}/RPC2"

    def close(self):
        self.shutdown()
        self.server_close()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1               # head and body in one packet: two would wait 40 ms for each other (Nagle, delayed ACK)

    def do_POST(self):
        self.server.connections.add(self.client_address)
        arguments, method = xmlrpc.client.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.calls.append((method,) + arguments)
        answer = self.server.answers[method]
        answer = answer(*arguments[1:]) if callable(answer) else answer
        if isinstance(answer, xmlrpc.client.Fault):
            answer = xmlrpc.client.dumps(answer).encode()
        elif not isinstance(answer, bytes):
            answer = xmlrpc.client.dumps((answer,), methodresponse=True).encode()
        self.send_response(200 if answer != b"proxy" else 502)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        with contextlib.suppress(BrokenPipeError):      # a client that did not wait
            self.wfile.write(answer)
            self.wfile.flush()

    def log_message(self, *unused):
        pass


@pytest.fixture
def serve():
    servers = []

    def start(**answers):
        servers.append(Server({method.replace("__", "."): answer for method, answer in answers.items()}))
        return servers[-1], opennebula.OpenNebula(servers[-1].endpoint, f"oneadmin:{CANARY}", timeout_s=2)

    yield start
    for server in servers:
        server.close()


def test_one_connection_serves_many_calls_and_the_session_goes_first(serve):
    server, api = serve(one__system__version=[True, "5.0.2", 0])
    assert [api.version() for unused in range(5)] == ["5.0.2"] * 5
    assert len(server.connections) == 1 and server.calls[0] == ("one.system.version", f"oneadmin:{CANARY}")


def test_a_connection_idle_for_long_is_not_used_again(serve, monkeypatch):
    server, api = serve(one__system__version=[True, "5.0.2", 0])
    api.version()
    monkeypatch.setattr(opennebula, "IDLE_LIMIT_S", -1)
    api.version()
    assert len(server.connections) == 2


@pytest.mark.parametrize("reply", [[False, "[ZoneInfo] Error getting zone [99].", 1024], [False, "[ZoneInfo] Error getting zone [99].", 1024, 99, -1]])
def test_refusals_of_three_and_five_elements_read_alike(serve, reply):
    unused, api = serve(one__zone__info=reply)
    with pytest.raises(opennebula.Refused) as caught:
        api.call("one.zone.info", 99)
    assert caught.value.code == 1024 and "one.zone.info was refused" in str(caught.value)
    assert "[ZoneInfo] Error getting zone [99]. (no such object, 1024)" in str(caught.value)


def test_a_wrong_password_is_told_without_the_password(serve):
    unused, api = serve(one__zonepool__info=[False, "[ZonePoolInfo] User couldn't be authenticated, aborting call.", 256])
    with pytest.raises(opennebula.Refused) as caught:
        api.zone_pool()
    assert CANARY not in str(caught.value) + json.dumps(caught.value.as_dict()) and "/var/lib/one/.one/one_auth" in str(caught.value)


def test_a_fault_is_a_refusal(serve):
    unused, api = serve(one__nosuch=xmlrpc.client.Fault(-506, "Method 'one.nosuch' not defined"))
    with pytest.raises(opennebula.Refused, match=r"Method 'one.nosuch' not defined \(fault, -506\)"):
        api.call("one.nosuch")


@pytest.mark.parametrize("answer, words",
                         [(b"<html>It works!</html>", "it is not XML-RPC"), (b"proxy", "HTTP 502"), ("hello", "does not begin with true or false")])
def test_something_else_on_the_port_is_told(serve, answer, words):
    unused, api = serve(one__system__version=answer)
    with pytest.raises(CoreError, match=words) as caught:
        api.version()
    assert not isinstance(caught.value, NotThere)


def test_nobody_listening_is_not_there():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(NotThere, match="OpenNebula does not answer at http://127.0.0.1:.*Connection refused"):
        opennebula.OpenNebula(f"http://127.0.0.1:{port}/RPC2", "a:b").version()


def test_a_daemon_that_hangs_is_an_error_and_not_an_absent_daemon(serve):
    unused, api = serve(one__system__version=lambda: time.sleep(1) or [True, "5.0.2", 0])
    api._timeout_s = 0.2
    with pytest.raises(CoreError, match="nothing came back within 0.2 s") as caught:
        api.version()
    assert not isinstance(caught.value, NotThere)


def test_a_connection_that_breaks_is_not_tried_again():
    listener = socket.create_server(("127.0.0.1", 0))
    taken = []

    def hang_up():
        for unused in range(2):
            try:
                peer, unused_address = listener.accept()
            except OSError:  # the end of the test: nobody came a second time
                return
            taken.append(peer.recv(100))
            peer.close()

    server = threading.Thread(target=hang_up, daemon=True)
    server.start()
    with pytest.raises(CoreError, match="the connection broke") as caught:
        opennebula.OpenNebula(f"http://127.0.0.1:{listener.getsockname()[1]}/RPC2", "a:b", timeout_s=2).vm_recover(1, "retry")
    assert not isinstance(caught.value, NotThere) and len(taken) == 1
    listener.shutdown(socket.SHUT_RDWR)  # wakes the accept that waits; close alone does not
    listener.close()
    server.join(5)
    assert not server.is_alive()


def pool_of(machines, order=1):
    """Return one.vmpool.info of a pool whose ids may change between two calls; order -1: downwards (API_LIST_ORDER, 5.8 and later)."""
    def info(unused_filter, start, size, state):
        assert state == 3 and start >= 0 > size
        return [True, "<VM_POOL>" + "".join(f"<VM><ID>{number}</ID></VM>" for number in sorted(machines)[::order][start:start - size]) + "</VM_POOL>", 0]
    return info


def numbers(page):
    return [int(number) for number in re.findall("<ID>(.*?)</ID>", page)]


def test_large_pools_are_read_in_pages_and_old_releases_without_the_extended_call(serve, monkeypatch):
    monkeypatch.setattr(opennebula, "PAGE", 3)
    monkeypatch.setattr(opennebula, "OVERLAP", 1)
    info = pool_of(range(6))
    server, api = serve(one__vmpool__infoextended=xmlrpc.client.Fault(-506, "not defined"), one__vmpool__info=info)
    assert [numbers(page) for page in api.vm_pool(3)] == [[0, 1, 2], [2, 3, 4], [4, 5]] and len(server.calls) == 4
    server, api = serve(one__vmpool__infoextended=info)
    assert numbers(next(api.vm_pool(3))) == [0, 1, 2] and len(server.calls) == 1
    for size in range(9):
        unused, api = serve(one__vmpool__infoextended=pool_of(range(size), -1))
        assert {number for page in api.vm_pool(3) for number in numbers(page)} == set(range(size))


@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize("leave", [1, 2, 3, 40, 55, 70, 99])
def test_vms_that_leave_the_state_between_two_pages_hide_no_others(serve, monkeypatch, order, leave):
    """A host is emptied, or many VMs are powered off, while the pool is read; the one that is stuck stays."""
    monkeypatch.setattr(opennebula, "PAGE", 10)
    monkeypatch.setattr(opennebula, "OVERLAP", 2)
    for after in range(1, 12):                  # pages read before they leave
        machines = set(range(100))
        server, api = serve(one__vmpool__infoextended=pool_of(machines, order))
        seen = set()
        for count, page in enumerate(api.vm_pool(3), 1):
            seen.update(numbers(page))
            if count == after:
                machines.difference_update(sorted(machines)[::order][:leave])
        assert machines <= seen, (after, machines - seen)
        assert len(server.calls) < 40


def test_what_an_owner_writes_into_a_template_is_no_vm_of_the_page_before(serve, monkeypatch):
    monkeypatch.setattr(opennebula, "PAGE", 3)
    monkeypatch.setattr(opennebula, "OVERLAP", 1)
    machines = set(range(8))
    plain = pool_of(machines)

    def info(*arguments):
        return [True, plain(*arguments)[1].replace("<VM><ID>4</ID>", "<VM><ID>4</ID><D><![CDATA[<VM><ID>0</ID></VM><VM><ID>2</ID></VM>]]></D>"), 0]

    unused, api = serve(one__vmpool__infoextended=info)
    seen = set()
    for page in api.vm_pool(3):
        seen.update(numbers(page))
        machines.difference_update({0, 1})
    assert machines <= seen


@pytest.mark.skipif(not XMLRPC.is_dir(), reason="recorded replies are not on this machine")
def test_the_vms_of_recorded_pages_are_counted_right():
    results = [json.loads(path.read_text())["result"] for path in sorted(XMLRPC.glob("*/vmpool_info*.json"))]
    pages = [result[1] for result in results if isinstance(result, list) and result[0]]
    assert len(pages) > 8
    for page in pages:
        assert opennebula.VM_ID.findall(opennebula.CDATA.sub("", page)) == [vm.findtext("ID") for vm in ElementTree.fromstring(page).findall("VM")]


def test_no_operation_that_destroys_can_be_called_where_a_verdict_is_carried_out(monkeypatch):
    assert opennebula.OPERATIONS == {"failure": 0, "success": 1, "retry": 2}
    for name in ("delete", "recreate", "delete-db"):
        with pytest.raises(KeyError):
            opennebula.OpenNebula(session="a:b").vm_recover(1, name)
    calls = []
    monkeypatch.setattr(opennebula.OpenNebula, "call", lambda self, *words: calls.append(words))
    for name in ("delete", "recreate", "delete-db"):
        opennebula.OpenNebula(session="a:b").vm_recover_demanded(7, name)
    assert calls == [("one.vm.recover", 7, 3), ("one.vm.recover", 7, 4), ("one.vm.recover", 7, 5)]
    for name in opennebula.OPERATIONS:
        with pytest.raises(KeyError):
            opennebula.OpenNebula(session="a:b").vm_recover_demanded(1, name)


def test_credentials_come_from_oneadmins_file(tmp_path):
    auth = tmp_path / "one_auth"
    params = dict({name: spec.get("default") for name, spec in opennebula.ARGUMENTS.items()}, auth_file=str(auth))
    with pytest.raises(NotThere, match="OpenNebula's credentials are not there"):
        opennebula.OpenNebula.from_params(params)
    auth.write_text("nothing")
    with pytest.raises(CoreError, match="does not hold user:password"):
        opennebula.OpenNebula.from_params(params)
    auth.write_text(f"oneadmin:{CANARY}\n")
    assert opennebula.OpenNebula.from_params(params)._session == f"oneadmin:{CANARY}"
    assert opennebula.OpenNebula.from_params(dict(params, username="u", password="p"))._session == "u:p"


def test_an_endpoint_that_is_no_url_is_refused():
    with pytest.raises(CoreError, match="cannot use OpenNebula endpoint at localhost"):
        opennebula.OpenNebula("localhost:2633")


@pytest.mark.skipif(not XMLRPC.is_dir(), reason="recorded replies are not on this machine")
def test_every_recorded_reply_is_read_as_it_was_recorded(serve):
    cases, (server, api) = 0, serve()
    for path in sorted(XMLRPC.glob("**/*.json")):
        recorded = json.loads(path.read_text())
        if "response_xml" not in recorded or not recorded.get("result"):
            continue
        server.answers["x"] = recorded["response_xml"].encode()
        result = recorded["result"]
        if isinstance(result, dict):
            with pytest.raises(opennebula.Refused) as caught:
                api.call("x")
            assert caught.value.code == result["faultCode"], path
        elif result[0]:
            assert api.call("x") == result[1], path
        else:
            with pytest.raises(opennebula.Refused) as caught:
                api.call("x")
            assert caught.value.code == result[2] and result[1] in str(caught.value), path
        cases += 1
    print(f"{cases} recorded replies read")
    assert cases > 200
