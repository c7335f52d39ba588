from __future__ import annotations

import base64
import hashlib
import json
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.support.packing import jar
from tests.support.workbench import PASSWORD

pytestmark = pytest.mark.workbench

ARTIFACTS = "/api/artifacts/files"
DEPENDENCIES = "/api/dependencies/files"
MIB = 2**20
#: Seconds for what is done at once, on a machine that does other things too.
PATIENCE = 120.0


def basic(user: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{PASSWORD}".encode()).decode()


def raw(workbench: Any, head: str, body: bytes = b"") -> socket.socket:
    """Send a request by hand, and maybe only its beginning."""
    connection = socket.create_connection(("localhost", workbench.port), timeout=PATIENCE)
    connection.sendall(head.replace("\n", "\r\n").encode() + b"\r\n\r\n" + body)
    return connection


def status_line(connection: socket.socket) -> str:
    return connection.makefile("rb").readline().decode()


def configure(admin: Any, jars: list[str]) -> list[str]:
    """Save the jars of the Spark configuration and return those that were there."""
    settings = admin.get("/api/configs/spark").json()
    settings.pop("commit")
    saved = admin.put("/api/configs/spark", json={**settings, "jars": jars})
    assert saved.status_code == 200, saved.text
    return list(settings["jars"])


def leftovers(workbench: Any) -> list[Path]:
    return list((workbench.home / "files" / ".tmp").iterdir())


def test_a_file_goes_up_comes_down_and_is_listed(workbench: Any) -> None:
    admin = workbench.client("admin")
    name = "round-trip_ü.jar"
    content = jar("round trip")

    up = admin.put(f"{ARTIFACTS}/{name}", content=content)

    assert up.status_code == 201, up.text
    assert {
        key: up.json()[key] for key in ("name", "version", "sha256", "size", "uploaded_by", "outcome")
    } == {
        "name": name,
        "version": 1,
        "sha256": hashlib.sha256(content).hexdigest(),
        "size": len(content),
        "uploaded_by": "admin",
        "outcome": "created",
    }
    down = admin.get(f"{ARTIFACTS}/{name}/content", headers={"Accept-Encoding": "gzip"})
    assert down.content == content
    assert "content-encoding" not in down.headers
    assert down.headers["content-disposition"] == "attachment; filename*=utf-8''round-trip_%C3%BC.jar"
    listed = admin.get(ARTIFACTS, params={"search": "TRIP_Ü", "limit": 1}).json()
    assert [file["name"] for file in listed["files"]] == [name]
    assert (listed["total"], listed["limit"], listed["offset"]) == (1, 1, 0)


def test_versions_are_kept_restored_and_downloaded(workbench: Any) -> None:
    admin = workbench.client("admin")
    for text in ("one", "two", "two"):
        answer = admin.put(f"{ARTIFACTS}/versions.zip", content=jar(text))
    assert (answer.status_code, answer.json()["outcome"], answer.json()["version"]) == (200, "unchanged", 2)

    restored = admin.post(f"{ARTIFACTS}/versions.zip/restore", json={"version": 1})

    assert restored.json()["version"] == 3
    assert admin.get(f"{ARTIFACTS}/versions.zip/content").content == jar("one")
    assert admin.get(f"{ARTIFACTS}/versions.zip/content?version=2").content == jar("two")
    missing = admin.post(f"{ARTIFACTS}/versions.zip/restore", json={"version": 9})
    assert (missing.status_code, missing.json()["error"]) == (404, "not_found")


def test_delete_and_bring_back_leave_audit_rows(workbench: Any) -> None:
    admin = workbench.client("admin")
    admin.put(f"{ARTIFACTS}/audited.py", content=b"x = 1\n")

    assert admin.delete(f"{ARTIFACTS}/audited.py").status_code == 200
    assert admin.get(f"{ARTIFACTS}/audited.py").status_code == 404
    assert admin.post(f"{ARTIFACTS}/audited.py/undelete").status_code == 200
    assert admin.get(f"{ARTIFACTS}/audited.py").status_code == 200

    logs = (
        workbench.client("superadmin")
        .get("/api/v2/eventLogs", params={"order_by": "-when", "limit": 50})
        .json()
    )
    rows = [row for row in logs["event_logs"] if "audited.py" in (row["extra"] or "")]
    assert [(row["event"], row["owner"]) for row in reversed(rows)] == [
        ("artifacts.upload", "admin"),
        ("artifacts.delete", "admin"),
        ("artifacts.undelete", "admin"),
    ]
    extra = json.loads(rows[-1]["extra"])
    assert (extra["version"], extra["size"], extra["sha256"]) == (
        1,
        6,
        hashlib.sha256(b"x = 1\n").hexdigest(),
    )


def test_what_the_spark_configuration_uses_is_not_deleted_unasked(workbench: Any) -> None:
    admin = workbench.client("admin")
    admin.put(f"{DEPENDENCIES}/needed.jar", content=jar("needed"))
    before = configure(admin, ["needed.jar"])
    try:
        refused = admin.delete(f"{DEPENDENCIES}/needed.jar")
        assert refused.status_code == 409
        assert refused.json()["error"] == "in_use"
        assert refused.json()["users"] == ["Spark Configuration (jars)"]
        assert admin.get(f"{DEPENDENCIES}/needed.jar").json()["used_by"] == ["Spark Configuration (jars)"]

        assert admin.delete(f"{DEPENDENCIES}/needed.jar?force=true").status_code == 200
        admin.post(f"{DEPENDENCIES}/needed.jar/undelete")
    finally:
        configure(admin, before)


def test_what_a_task_of_a_dag_uses_is_told(workbench: Any) -> None:
    admin = workbench.client("admin")
    admin.put(f"{ARTIFACTS}/penguins.py", content=b"x = 1\n")
    deadline = time.monotonic() + 2 * PATIENCE

    while not (users := admin.get(f"{ARTIFACTS}/penguins.py").json()["used_by"]):
        assert time.monotonic() < deadline, "Airflow has not parsed the example DAG"
        time.sleep(1)

    assert any(user.startswith("DAG ") and ", task " in user for user in users)
    assert admin.delete(f"{ARTIFACTS}/penguins.py").status_code == 409


@pytest.mark.parametrize(
    ("path", "content", "status", "error"),
    [
        ("a'b%22%3C&%3Eü.py", b"", 422, "invalid_name"),
        ("notes.txt", b"", 422, "invalid_name"),
        ("broken.jar", b"no zip", 422, "invalid"),
        ("..%2Fx.py", b"", 404, "not_found"),
    ],
    ids=["hostile name", "wrong suffix", "broken jar", "path"],
)
def test_what_breaks_a_rule_is_refused_with_a_sentence(
    workbench: Any, path: str, content: bytes, status: int, error: str
) -> None:
    answer = workbench.client("admin").put(f"{ARTIFACTS}/{path}", content=content)

    assert (answer.status_code, answer.json()["error"]) == (status, error), answer.text
    assert answer.json()["detail"].endswith(".")


def test_python_that_does_not_compile_is_stored_with_a_warning(workbench: Any) -> None:
    answer = workbench.client("admin").put(f"{ARTIFACTS}/odd.py", content=b"def (\n")

    assert answer.status_code == 201
    assert "does not compile" in answer.json()["warning"]


def test_a_form_stores_each_file_and_tells_which_were_refused(workbench: Any) -> None:
    admin = workbench.client("admin")
    answer = admin.post(
        f"{ARTIFACTS}/",
        files=[
            ("sources", ("form-1.py", b"x = 1\n" * 300_000)),
            ("sources", ("form broken.py", b"")),
            ("sources", ("förm-2.zip", jar())),
            ("other", ("form-3.py", b"")),
        ],
    )

    assert answer.status_code == 422
    assert answer.json()["error"] == "invalid_name"
    assert [file["name"] for file in answer.json()["files"]] == ["form-1.py", "förm-2.zip"]
    assert [problem["name"] for problem in answer.json()["errors"]] == ["form broken.py"]
    assert admin.get(f"{ARTIFACTS}/form-1.py").json()["size"] == 1_800_000
    assert admin.get(f"{ARTIFACTS}/form-3.py").status_code == 404


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ({"Content-Type": "application/json"}, b"{}"),
        ({"Content-Type": "multipart/form-data; boundary=x"}, b"nonsense"),
        (
            {"Content-Type": "multipart/form-data; boundary=x"},
            b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n--x--',
        ),
        (
            {"Content-Type": "multipart/form-data; boundary=x"},
            b'--x\r\nContent-Disposition: form-data; name="sources"; filename="cut.py"\r\n\r\nx = 1',
        ),
        (
            {"Content-Type": "multipart/form-data; boundary=x"},
            b'--x\r\nContent-Disposition: form-data; name="sources"; filename="cut.py"\r\n'
            + b"".join(b"X-%d: 1\r\n" % number for number in range(10_000))
            + b"\r\nx = 1\r\n--x--",
        ),
    ],
    ids=["no form", "nonsense", "no file", "cut off", "headers without an end"],
)
def test_a_form_that_cannot_be_read_is_refused(workbench: Any, headers: dict[str, str], body: bytes) -> None:
    answer = workbench.client("admin").post(ARTIFACTS, headers=headers, content=body)

    assert (answer.status_code, answer.json()["error"]) == (422, "invalid")
    assert workbench.client("admin").get(f"{ARTIFACTS}/cut.py").status_code == 404
    assert leftovers(workbench) == []


def test_a_developer_adds_dependencies_but_does_not_replace_or_delete_them(workbench: Any) -> None:
    developer = workbench.client("developer")

    assert developer.put(f"{DEPENDENCIES}/added.zip", content=jar()).status_code == 201
    refused = [
        developer.put(f"{DEPENDENCIES}/added.zip", content=jar("other")),
        developer.delete(f"{DEPENDENCIES}/added.zip"),
        developer.post(f"{DEPENDENCIES}/added.zip/restore", json={"version": 1}),
        developer.post(f"{DEPENDENCIES}/added.zip/undelete"),
    ]
    assert [answer.status_code for answer in refused] == [403] * 4
    assert "your role may not replace it" in refused[0].json()["detail"]
    assert developer.get(f"{DEPENDENCIES}/added.zip").json()["version"] == 1


@pytest.mark.parametrize("user", ["", "viewer"], ids=["nobody", "viewer"])
def test_who_may_not_upload_is_refused_before_the_body_is_read(workbench: Any, user: str) -> None:
    head = f"PUT {ARTIFACTS}/x.py HTTP/1.1\nHost: localhost\nContent-Length: {2**30}"

    with raw(workbench, f"{head}\nAuthorization: {basic(user)}" if user else head) as connection:
        status = status_line(connection)

    assert status.split()[1] == ("403" if user else "401")


def test_too_large_a_file_is_refused_before_it_is_sent(workbench: Any) -> None:
    head = f"PUT {ARTIFACTS}/x.py HTTP/1.1\nHost: localhost\nContent-Length: {5 * 2**30}"

    with raw(workbench, f"{head}\nAuthorization: {basic('admin')}") as connection:
        assert status_line(connection).split()[1] == "413"


@pytest.mark.parametrize("form", [False, True], ids=["raw body", "form"])
def test_an_interrupted_upload_leaves_nothing(workbench: Any, form: bool) -> None:
    method = f"POST {ARTIFACTS}" if form else f"PUT {ARTIFACTS}/interrupted.py"
    part = b'--x\r\nContent-Disposition: form-data; name="sources"; filename="interrupted.py"\r\n\r\n'
    kind = "multipart/form-data; boundary=x" if form else "application/octet-stream"
    head = f"{method} HTTP/1.1\nHost: localhost\nContent-Length: {50 * MIB}\nContent-Type: {kind}"

    with raw(workbench, f"{head}\nAuthorization: {basic('admin')}", (part if form else b"") + b"#" * 5 * MIB):
        deadline = time.monotonic() + PATIENCE
        while not leftovers(workbench):
            assert time.monotonic() < deadline
            time.sleep(0.05)

    while leftovers(workbench):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert workbench.client("admin").get(f"{ARTIFACTS}/interrupted.py").status_code == 404


def api_servers(workbench: Any) -> list[psutil.Process]:
    found = []
    for process in workbench.processes():
        if any("api-server" in part or "api_server" in part for part in process.cmdline()):
            found.append(process)
    return found


def peaks(processes: list[psutil.Process]) -> dict[int, int]:
    """Return the most memory that each process ever had since the last reset, in KiB."""
    found = {}
    for process in processes:
        status = Path(f"/proc/{process.pid}/status").read_text()
        found[process.pid] = int(
            next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))
        )
    return found


@pytest.mark.slow
@pytest.mark.parametrize("form", [False, True], ids=["raw body", "form"])
def test_a_gibibyte_takes_constant_memory(workbench: Any, form: bool) -> None:
    admin = workbench.client("admin")
    admin.put(f"{ARTIFACTS}/warm-up.py", content=b"#" * 20 * MIB)
    servers = api_servers(workbench)
    assert servers
    for server in servers:
        Path(f"/proc/{server.pid}/clear_refs").write_text("5")
    before = peaks(servers)
    piece = os.urandom(MIB)

    def body() -> Iterator[bytes]:
        if form:
            yield b'--x\r\nContent-Disposition: form-data; name="sources"; filename="large.py"\r\n\r\n'
        for _ in range(1024):
            yield piece
        if form:
            yield b"\r\n--x--\r\n"

    if form:
        headers = {"Content-Type": "multipart/form-data; boundary=x"}
        answer = admin.post(ARTIFACTS, content=body(), headers=headers, timeout=300)
    else:
        answer = admin.put(f"{ARTIFACTS}/large.py", content=body(), timeout=300)

    after = peaks(servers)
    admin.delete(f"{ARTIFACTS}/large.py")
    assert answer.status_code in (200, 201), answer.text
    growth = {pid: (after[pid] - before[pid]) / 1024 for pid in before}
    assert max(growth.values()) <= 32, growth
