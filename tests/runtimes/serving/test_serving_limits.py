"""What strangers send: too much, too deep, too slow, without a token; others are answered all the while."""

from __future__ import annotations

import gzip
import http.client
import json
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest

from tests.support.model_server import ModelServer, floats, message, model, rounds_for

X = {"instances": [[1, 2, 3, 4]]}
PATH = "/v1/models/dense/versions/1:predict"


def raw(server: ModelServer, *parts: bytes, pause: float = 0) -> bytes:
    """Send bytes and return all that comes back."""
    with socket.create_connection(("127.0.0.1", server.rest_port), timeout=20) as connection:
        for part in parts:
            try:
                connection.sendall(part)
            except OSError:
                break
            time.sleep(pause)
        found = b""
        try:
            while chunk := connection.recv(65536):
                found += chunk
        except OSError:
            pass
        return found


def post(body: bytes, *headers: str) -> bytes:
    lines = [
        f"POST {PATH} HTTP/1.1",
        "Host: x",
        f"Content-Length: {len(body)}",
        "Connection: close",
        *headers,
    ]
    return "\r\n".join([*lines, "", ""]).encode() + body


@pytest.mark.parametrize(
    ("request_", "status", "error"),
    [
        (post(b"[" * 1_000_001), 413, "more than the 1000000 bytes"),
        (
            b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
            + b"40000\r\n"
            + b"x" * 0x40000
            + b"\r\n",
            None,
            "",
        ),
        (
            post(gzip.compress(b" " * 50_000_000), "Content-Encoding: gzip"),
            413,
            "more than the 1000000 bytes",
        ),
        (post(b"no gzip", "Content-Encoding: gzip"), 400, "no gzip"),
        (post(b"", "Content-Encoding: br"), 415, "plain or gzip"),
        (post(b"", *(f"X-{number}: 1" for number in range(200))), 431, "more than 100 headers"),
        (post(b"", "X-Long: " + "x" * 40_000), 431, "more than 32 KiB"),
        (b"nonsense\r\n\r\n", 400, "Malformed request."),
        (b"GET / HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n", 404, "GET /"),
        (post(b"[" * 200_000), 400, "JSON Parse error"),
        (
            post(b'{"instances": ' + b"[" * 900 + b"]" * 900 + b"}"),
            400,
            "More than 32 lists stand in each other",
        ),
        (post(b'{"a": NaN, "instances": ' + b"[" * 90_000), 400, "JSON Parse error"),
        (post(json.dumps({"instances": [[1, 2, 3, 4]] * 101}).encode()), 400, "at most 100"),
        # What is wrong in a row is not looked for where there are too many.
        (post(json.dumps({"instances": [[1], *[[1, 2, 3, "4"]] * 100]}).encode()), 400, "at most 100"),
        (post(json.dumps({"inputs": {"x": [[1], *[[1]] * 100, "4"]}}).encode()), 400, "'x' has 102 rows"),
        (
            post(json.dumps({"instances": [{"x": "y" * 500_000}]}).encode()),
            400,
            "is not of expected type: float",
        ),
    ],
    ids=range(16),
)
def test_too_much_is_refused(server: ModelServer, request_: bytes, status: int | None, error: str) -> None:
    if status is None:
        with socket.create_connection(("127.0.0.1", server.rest_port)) as connection:
            connection.sendall(request_)
    else:
        head, _, body = raw(server, request_).partition(b"\r\n\r\n")
        assert head.split(b" ")[1] == str(status).encode()
        assert error in json.loads(body)["error"]
        assert len(body) < 2000

    assert server.post(PATH, X).status_code == 200


def test_a_client_that_sends_all_before_it_reads_sees_the_refusal(server: ModelServer) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.rest_port, timeout=60)
    connection.request("POST", PATH, b"[" * 50_000_000)
    answer = connection.getresponse()

    assert (answer.status, answer.headers["Connection"]) == (413, "close")
    assert "more than the 1000000 bytes" in json.loads(answer.read())["error"]
    connection.close()


def test_a_gzipped_body_in_pieces_and_pipelined_requests_are_answered(server: ModelServer) -> None:
    body = json.dumps(X).encode()
    zipped = gzip.compress(body)
    chunked = b"".join(b"1\r\n%c\r\n" % each for each in zipped) + b"0\r\n\r\n"
    head = f"POST {PATH} HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Encoding: gzip\r\n\r\n".encode()

    answer = raw(server, head + chunked, post(body)[:-5], post(body)[-5:], pause=0.05)

    assert answer.count(b"HTTP/1.1 200") == 2
    assert answer.count(b'{"predictions":[[60.0,70.0,80.0]]}') == 2


def test_curl_is_told_to_go_on_with_a_large_body(server: ModelServer) -> None:
    lines = [
        f"POST {PATH} HTTP/1.1",
        "Content-Length: 30",
        "Expect: 100-continue",
        "Connection: close",
        "",
        "",
    ]
    head = "\r\n".join(lines).encode()

    answer = raw(server, head, json.dumps(X).encode().ljust(30), pause=0.2)

    assert answer.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200")


def test_many_idle_and_broken_connections_are_no_trouble(server: ModelServer) -> None:
    idle = [socket.create_connection(("127.0.0.1", server.rest_port)) for _ in range(300)]
    for number, each in enumerate(idle):
        each.sendall(post(b"x" * 100)[: number % 90])
    began = time.monotonic()

    found = [server.post(PATH, X).status_code for _ in range(5)]

    for each in idle:
        each.close()
    assert found == [200] * 5
    assert time.monotonic() - began < 20


def test_a_slow_model_keeps_nobody_waiting_for_another(server: ModelServer) -> None:
    slow = httpx.Client(base_url=server.url, timeout=60)
    answers: list[int] = []
    request = {"instances": [rounds_for(server, 3.0)]}
    sender = threading.Thread(
        target=lambda: answers.append(slow.post("/v1/models/slow:predict", json=request).status_code)
    )
    sender.start()
    server.wait_for(lambda: server.newest("slow")["busy"] == 1)

    quick = server.post(PATH, X).status_code
    busy = sender.is_alive()
    sender.join()

    assert (quick, busy, answers) == (200, True, [200])


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModelServer]:
    folder = tmp_path_factory.mktemp("guarded")
    (folder / "token").write_text("a-secret-of-20-chars\n")
    found = ModelServer(folder, "--token-file", str(folder / "token"), "--unchecked")
    found.headers = {"Authorization": "Bearer a-secret-of-20-chars"}
    found.configure({**model("dense"), "versions": [1]})
    found.start().wait_until_served("dense", 1)
    yield found
    found.stop()


@pytest.mark.parametrize("path", ["/v1/models/dense", "/monitoring/models", "/monitoring/prometheus/metrics"])
@pytest.mark.parametrize(
    "given", ["", "Bearer", "Bearer wrong", "a-secret-of-20-chars", "Basic a-secret-of-20-chars"]
)
@pytest.mark.always
def test_rest_wants_the_token(guarded: ModelServer, path: str, given: str) -> None:
    found = httpx.get(guarded.url + path, headers={"Authorization": given})

    assert (found.status_code, found.headers["www-authenticate"]) == (401, "Bearer")
    assert guarded.get(path).status_code == 200


def test_grpc_wants_the_token(guarded: ModelServer) -> None:
    request = message("PredictRequest")()
    request.model_spec.name = "dense"
    request.inputs["x"].CopyFrom(floats([1, 2, 3, 4]))

    def ask(*metadata: tuple[str, str]) -> Any:
        return guarded.call("PredictionService/Predict", request, "PredictResponse", metadata=metadata)

    for metadata in ((), (("authorization", "Bearer wrong"),)):
        with pytest.raises(grpc.RpcError) as error:
            ask(*metadata)
        assert error.value.code() is grpc.StatusCode.UNAUTHENTICATED
    assert ask(("authorization", guarded.headers["Authorization"])).model_spec.version.value == 1


def test_a_new_token_is_taken(guarded: ModelServer) -> None:
    file: Path = guarded.folder / "token"
    file.write_text("another-secret-of-25-chars")
    guarded.headers = {"Authorization": "Bearer another-secret-of-25-chars"}

    guarded.wait_for(lambda: guarded.get("/v1/models/dense").status_code == 200)


def test_the_tokens_file_must_hold_one(tmp_path: Path) -> None:
    server = ModelServer(tmp_path, "--token-file", str(tmp_path / "token"))
    (tmp_path / "token").write_text("short")
    server.configure(model("dense"))

    with pytest.raises(AssertionError, match="has to hold one token of at least 16 characters"):
        server.start()
