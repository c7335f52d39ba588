"""The ResourceManager over its REST API: state, applications, kills, several of them, and exact failures."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from couture_workflow.exceptions import HadoopError, InvalidError, NotFoundError
from couture_workflow.services.hadoop.yarn import ResourceManager, addresses

ID = "application_1700000000000_0001"
APP = {
    "id": ID,
    "user": "ann",
    "queue": "root.default",
    "state": "FINISHED",
    "finalStatus": "FAILED",
    "diagnostics": "User application exited with status 1",
    "trackingUrl": "http://rm:8088/proxy/x/",
    "amContainerLogs": "http://nm:8042/logs",
    "logAggregationStatus": "SUCCEEDED",
}
INFO = {"clusterInfo": {"state": "STARTED", "haState": "ACTIVE", "resourceManagerVersion": "3.5.0"}}
STANDBY = {"clusterInfo": {**INFO["clusterInfo"], "haState": "STANDBY"}}


class Server:
    """A server that answers as it is told: (method, path) -> (status, body)."""

    def __init__(self, answers: dict[tuple[str, str], tuple[int, Any]]) -> None:
        self.answers, self.asked = answers, list[tuple[str, str, str]]()
        self.address = ""


@contextmanager
def serving(answers: dict[tuple[str, str], tuple[int, Any]]) -> Iterator[Server]:
    server = Server(answers)

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
            server.asked.append((self.command, self.path, body))
            status, found = server.answers.get((self.command, self.path.partition("?")[0]), (404, "no"))
            content = (found if isinstance(found, str) else json.dumps(found)).encode()
            self.send_response(status)
            if status == 307:
                self.send_header("Location", "http://127.0.0.1:1/elsewhere")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_PUT = answer

        def log_message(self, *_: Any) -> None:
            pass

    running = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=running.serve_forever, daemon=True)
    thread.start()
    server.address = f"127.0.0.1:{running.server_address[1]}"
    try:
        yield server
    finally:
        running.shutdown()
        running.server_close()
        thread.join()


def manager(*servers: str, seconds: float = 120) -> ResourceManager:
    name = "yarn.resourcemanager.webapp.address"
    properties = {name: servers[0]}
    if len(servers) > 1:
        properties = {f"{name}.rm{number}": each for number, each in enumerate(servers)}
        properties["yarn.resourcemanager.ha.enabled"] = "true"
        properties["yarn.resourcemanager.ha.rm-ids"] = ", ".join(f"rm{n}" for n in range(len(servers)))
    return ResourceManager(properties, ticket=None, user="a b&c", seconds=seconds)


def test_state_application_and_kill() -> None:
    path = f"/ws/v1/cluster/apps/{ID}"
    answers = {
        ("GET", "/ws/v1/cluster/info"): (200, INFO),
        ("GET", path): (200, {"app": APP}),
        ("PUT", f"{path}/state"): (202, {"state": "KILLED"}),
    }
    with serving(answers) as server:
        asked = manager(server.address)

        state, application = asked.state(), asked.application(ID)
        asked.kill(ID)

    assert (state.state, state.ha_state, state.version) == ("STARTED", "ACTIVE", "3.5.0")
    assert (application.state, application.final_status, application.log_aggregation) == (
        "FINISHED",
        "FAILED",
        "SUCCEEDED",
    )
    assert (application.tracking_url, application.am_logs) == (APP["trackingUrl"], APP["amContainerLogs"])
    assert server.asked[-1] == ("PUT", f"{path}/state?user.name=a%20b%26c", '{"state": "KILLED"}')


def test_the_active_one_of_several_is_asked() -> None:
    active = {
        ("GET", "/ws/v1/cluster/info"): (200, INFO),
        ("PUT", f"/ws/v1/cluster/apps/{ID}/state"): (200, {}),
    }
    standby = {
        ("GET", "/ws/v1/cluster/info"): (200, STANDBY),
        ("PUT", f"/ws/v1/cluster/apps/{ID}/state"): (307, "This is standby RM."),
    }
    with serving(standby) as first, serving(active) as second:
        asked = manager("127.0.0.1:1", first.address, second.address)

        assert asked.state().address == f"http://{second.address}"
        asked.kill(ID)
        alone = manager(first.address)
        assert alone.state().ha_state == "STANDBY"
        with pytest.raises(HadoopError, match="on standby"):
            alone.kill(ID)

    assert [method for method, _, _ in second.asked] == ["GET", "PUT"]


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        (200, "<html>hello</html>", "another answer than a ResourceManager"),
        (200, "[]", "another answer than a ResourceManager"),
        (401, "<html><title>Error 401 Authentication required</title>", "Authentication required.*keytab"),
        (401, {"servlet": "x", "message": "Authentication required", "status": "401"}, "401, Auth.*required"),
        (403, {"RemoteException": {"message": "Unauthorized attempt to kill"}}, "Unauthorized.*owner"),
        (500, "", "500, without a word"),
    ],
)
def test_what_it_refuses_is_told_in_its_words_with_a_remedy(status: int, body: Any, words: str) -> None:
    with serving({("GET", "/ws/v1/cluster/info"): (status, body)}) as server:
        with pytest.raises(HadoopError, match=words) as error:
            manager(server.address).state()

    assert error.value.remedy


def test_an_unknown_application_is_not_found() -> None:
    with serving({}) as server:
        for call in (manager(server.address).application, manager(server.address).kill):
            with pytest.raises(NotFoundError, match=ID):
                call(ID)


@pytest.mark.parametrize("id", ["", "application_1", "../../x", f"{ID}/../x", f"{ID}\n"])
def test_what_is_no_id_is_never_asked_for(id: str) -> None:
    with pytest.raises(InvalidError, match="no id of an application"):
        manager("127.0.0.1:1").application(id)


def test_a_silent_server_a_closed_port_and_an_unknown_host_are_told_apart() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        with pytest.raises(HadoopError, match="did not answer within 2 seconds.*firewall"):
            manager(f"127.0.0.1:{port}", seconds=2).state()
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        port = nobody.getsockname()[1]
        with pytest.raises(HadoopError, match=f"nothing listens at port {port} of 127.0.0.1"):
            manager(f"127.0.0.1:{port}").state()
    with pytest.raises(HadoopError, match="there is no host nowhere.invalid"):
        manager("nowhere.invalid:8088").state()


@pytest.mark.parametrize(
    ("properties", "expected"),
    [
        ({"hostname": "rm"}, ("http://rm:8088",)),
        ({"hostname": "rm", "webapp.address": "web:80"}, ("http://web:80",)),
        ({"hostname": "rm", "webapp.address": "${yarn.resourcemanager.hostname}:9"}, ("http://rm:8088",)),
        ({"webapp.address": "web"}, ("http://web:8088",)),
        ({"hostname": "rm", "webapp.address": "0.0.0.0:8088"}, ("http://rm:8088",)),
    ],
)
def test_where_the_resource_manager_is(properties: dict[str, str], expected: tuple[str, ...]) -> None:
    assert (
        addresses({f"yarn.resourcemanager.{name}": value for name, value in properties.items()}) == expected
    )


def test_https_is_asked_where_there_is_nothing_else() -> None:
    properties = {"yarn.http.policy": "HTTPS_ONLY", "yarn.resourcemanager.hostname": "rm"}

    assert addresses(properties) == ("https://rm:8090",)


@pytest.mark.parametrize(
    "address", ["a b:80", "user@host:80", "host:80/path", "host:x", "host:99999", "h\r\n:8"]
)
def test_an_address_that_is_none_is_refused(address: str) -> None:
    with pytest.raises(InvalidError, match="no address of a ResourceManager"):
        addresses({"yarn.resourcemanager.webapp.address": address})


def test_a_group_without_one_says_what_to_set() -> None:
    with pytest.raises(InvalidError, match="Set yarn.resourcemanager.hostname"):
        addresses({"yarn.resourcemanager.hostname": "0.0.0.0"})
