# Copyright: (c) 2026, The constellation.opennebula team
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The stand-in on the wire: HTTP, keep-alive, faults, and a federation slave whose master answers, is away, or hangs."""
import http.client
import json
import pathlib
import socket
import sys
import threading
import time
import xmlrpc.client

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))

from oned_world import SESSION, SHARED, World  # noqa: E402

from oned.proxy import TIMEOUT_S, Proxy  # noqa: E402
from oned.server import Server, fault_reply, respond  # noqa: E402

RECORDED = SHARED / "fixtures" / "xmlrpc" / "5.0.2"


@pytest.fixture(name="served")
def served_(tmp_path):
    world = World(tmp_path)
    server = Server(("127.0.0.1", 0), world.api.answer, 5)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield world, server.server_port
    server.shutdown()
    server.server_close()


def post(connection, content, path="/RPC2"):
    connection.request("POST", path, content, {"Content-Type": "text/xml"})
    answer = connection.getresponse()
    return answer, answer.read().decode()


def test_two_calls_go_over_one_connection(served):
    connection = http.client.HTTPConnection("127.0.0.1", served[1], timeout=5)
    for _number in range(2):
        answer, text = post(connection, xmlrpc.client.dumps((SESSION,), "one.system.version"))
        assert answer.status == 200 and "<string>5.0.2</string>" in text
        assert connection.sock is not None                     # the server kept it open
    connection.close()


def test_thirtieth_call_is_the_connections_last(served):
    connection = http.client.HTTPConnection("127.0.0.1", served[1], timeout=5)
    ends = [post(connection, xmlrpc.client.dumps((SESSION,), "one.system.version"))[0].getheader("Connection") for _number in range(30)]
    assert ends == ["Keep-Alive"] * 29 + ["close"]


def test_calls_at_the_same_time_all_get_ids_of_their_own(served):
    def make(number, replies):
        with xmlrpc.client.ServerProxy(f"http://127.0.0.1:{served[1]}/RPC2") as client:
            replies += [client.one.user.allocate(SESSION, f"user-{number}-{turn}", "x", "core") for turn in range(5)]
    replies = []
    threads = [threading.Thread(target=make, args=(number, replies)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert sorted(reply[1] for reply in replies) == list(range(2, 22))
    members = [child.text for child in served[0].xml("one.group.info", 1).findall("USERS/ID")]
    assert members == [str(number) for number in range(2, 22)]


def test_silent_connection_is_closed(tmp_path):
    server = Server(("127.0.0.1", 0), World(tmp_path).api.answer, keep_alive_s=0.2)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    with socket.create_connection(("127.0.0.1", server.server_port), timeout=5) as client:
        assert client.recv(1) == b""
    server.shutdown()
    server.server_close()


def test_standard_library_client_understands_every_kind_of_reply(served):
    client = xmlrpc.client.ServerProxy(f"http://127.0.0.1:{served[1]}/RPC2")
    assert client.one.system.version(SESSION) == [True, "5.0.2", 0]
    assert client.one.zone.info(SESSION, 99) == [False, "[ZoneInfo] Error getting zone [99].", 1024]
    with pytest.raises(xmlrpc.client.Fault) as fault:
        client.one.nosuch.method(SESSION)
    assert fault.value.faultCode == -506


@pytest.mark.parametrize("content, code", [(b"hello", -503), (b"<?xml version='1.0'?><a/>", -503)])
def test_what_is_no_call_is_a_fault(served, content, code):
    _answer, text = post(http.client.HTTPConnection("127.0.0.1", served[1], timeout=5), content)
    assert f"<i4>{code}</i4>" in text


def test_other_paths_and_get_are_no_calls(served):
    connection = http.client.HTTPConnection("127.0.0.1", served[1], timeout=5)
    assert post(connection, b"", "/other")[0].status == 404
    connection.request("GET", "/RPC2")
    assert connection.getresponse().status == 405


@pytest.mark.skipif(not RECORDED.exists(), reason="no ../shared/fixtures")
def test_replies_are_written_byte_for_byte_as_recorded():
    compared = 0
    for path in sorted(RECORDED.glob("*.json")):
        call = json.loads(path.read_text(encoding="utf-8"))
        result = call["result"]
        ours = respond(result) if isinstance(result, list) else fault_reply(result["faultCode"], result["faultString"])
        assert ours.replace("&quot;", '"') == call["response_xml"].replace("&quot;", '"'), path.stem
        compared += 1
    print(f"{compared} recorded replies written")
    assert compared > 150


def test_slave_hands_the_call_on_and_the_change_is_the_masters(served, tmp_path):
    master, port = served
    slave = World(tmp_path / "slave", database=master.database, mode="SLAVE", zone=100)
    slave.api.proxy = Proxy(f"http://127.0.0.1:{port}/RPC2")
    assert slave.call("one.zone.update", 0, 'A="1"', 1) == [True, 0, 0]
    assert master.xml("one.zone.info", 0).findtext("TEMPLATE/A") == "1"
    assert slave.call("one.zone.update", 77, 'A="1"', 1) == [False, "[ZoneUpdateTemplate] Error getting zone [77].", 1024]


def test_master_that_hangs_is_given_up_after_the_timeout():
    assert TIMEOUT_S == 15
    with socket.create_server(("127.0.0.1", 0)) as silent:
        proxy = Proxy(f"http://127.0.0.1:{silent.getsockname()[1]}/RPC2", timeout=0.2)
        begun = time.monotonic()
        assert proxy.forward("one.zone.update", [SESSION, 0, "A=1", 1]) == [
            False, "[RequestManagerProxy.one.zone.update] Could not connect to the federation master oned", 8192]
        assert 0.2 <= time.monotonic() - begun < 5
