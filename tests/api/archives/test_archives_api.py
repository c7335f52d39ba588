"""Archives over HTTP: who may, before the body is read; what is planned and done; how it is described."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import shutil
import socket
import subprocess
import tarfile
import threading
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from tests.support.api_server import ANSWER_SECONDS, ApiServer
from tests.support.packing import jar, packed, unpacked

MIB = 2**20
NOUNS = ("configs", "dependencies", "dags")
DAG = 'from airflow.sdk import DAG\n\nwith DAG(dag_id="{0}", schedule=None):\n    pass\n'


@pytest.fixture(scope="module")
def clients(api_server: ApiServer) -> Iterator[dict[str, httpx.Client]]:
    """Return clients with Basic authentication, by account."""
    with contextlib.ExitStack() as stack:
        yield {
            account: stack.enter_context(
                httpx.Client(base_url=api_server.url, auth=(account, account), timeout=120)
            )
            for account in ("admin", "dev", "viewer", "ci")
        }


@pytest.fixture(scope="module")
def admin(clients: dict[str, httpx.Client]) -> httpx.Client:
    return clients["admin"]


def send(client: httpx.Client, noun: str, content: bytes, **params: Any) -> httpx.Response:
    return client.post(f"/api/{noun}/", files={"sources": ("x.tar.gz", content)}, params=params)


def test_the_line_of_the_manual_with_authentication(api_server: ApiServer, tmp_path: Path) -> None:
    if (curl := shutil.which("curl")) is None:
        pytest.skip("needs curl")
    path = tmp_path / "x.tar.gz"
    path.write_bytes(packed({"dags/curl.py": DAG.format("curl")}))
    command = [curl, "-sS", "-u", "admin:admin", "--form", f"sources=@{path}", f"{api_server.url}/api/dags/"]
    imported = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)

    assert imported["applied"] is True
    assert [item["path"] for item in imported["items"]] == ["curl.py"]
    command = [curl, "-sS", "-u", "admin:admin", f"{api_server.url}/api/dags/"]
    assert "dags/curl.py" in unpacked(subprocess.run(command, check=True, capture_output=True).stdout)


def test_bearer_token_and_raw_body(api_server: ApiServer) -> None:
    with httpx.Client(base_url=api_server.url, timeout=60) as client:
        client.headers["Authorization"] = f"Bearer {api_server.token('dev')}"
        answer = client.post(
            "/api/dags/",
            content=packed({"bearer.py": DAG.format("bearer")}),
            headers={"Content-Type": "application/gzip"},
        )

    assert answer.status_code == 200, answer.text
    assert answer.json()["counts"]["create"] == 1
    assert len(answer.json()["commit"]) == 40


@pytest.mark.parametrize("noun", NOUNS)
def test_export_is_the_same_twice_and_known_by_its_tag(noun: str, admin: httpx.Client) -> None:
    first = admin.get(f"/api/{noun}/")

    assert first.status_code == 200
    assert first.headers["content-type"] == "application/gzip"
    assert first.headers["content-disposition"] == f'attachment; filename="couture-{noun}.tar.gz"'
    assert "content-encoding" not in first.headers
    assert admin.get(f"/api/{noun}/").content == first.content
    cached = admin.get(f"/api/{noun}/", headers={"If-None-Match": first.headers["etag"]})
    assert (cached.status_code, cached.content) == (304, b"")


def test_dry_run_changes_nothing(admin: httpx.Client) -> None:
    before = admin.get("/api/dags/").headers["etag"]

    answer = send(admin, "dags", packed({"dry.py": DAG.format("dry")}), dry_run=True)

    assert answer.status_code == 200
    assert (answer.json()["applied"], answer.json()["gate"]["passed"]) == (False, True)
    assert answer.json()["items"][0]["action"] == "create"
    assert admin.get("/api/dags/").headers["etag"] == before


@pytest.mark.parametrize(("choice", "status"), [("fail", 409), ("skip", 200), ("replace", 200)])
def test_choice_for_what_is_here_with_another_content(choice: str, status: int, admin: httpx.Client) -> None:
    name = f"choice_{choice}.jar"
    assert send(admin, "dependencies", packed({name: jar("old")})).status_code == 200

    answer = send(admin, "dependencies", packed({name: jar("new")}), on_conflict=choice)

    assert answer.status_code == status, answer.text
    file = admin.get(f"/api/dependencies/files/{name}").json()
    assert file["version"] == (2 if choice == "replace" else 1)
    if choice == "fail":
        assert answer.json()["error"] == "conflict"
        assert answer.json()["paths"] == [f"dependencies/{name}"]
        assert answer.json()["plan"]["counts"]["conflict"] == 1


def test_gate_lists_the_problems_and_an_admin_may_override(
    admin: httpx.Client, clients: dict[str, httpx.Client]
) -> None:
    content = packed({"broken_gate.py": "from airflow.sdk import DAG\ndef (\n"})

    refused = send(admin, "dags", content)
    assert (refused.status_code, refused.json()["error"]) == (422, "gate")
    assert refused.json()["problems"][0]["path"] == "broken_gate.py"
    assert send(clients["dev"], "dags", content, override=True).status_code == 403
    assert send(clients["ci"], "dags", content, override=True).status_code == 403
    assert send(admin, "dags", content, override=True).status_code == 200
    assert admin.delete("/api/dags/files/broken_gate.py").status_code == 200


def manifest(**fields: Any) -> str:
    """Return a manifest with fields that somebody made up."""
    made = {"format": 1, "product": "couture-workflow", "product_version": "1", "noun": "dags"}
    return json.dumps({**made, "members": {}, "left_out": {}, **fields})


@pytest.mark.parametrize(
    "content",
    [
        packed({"caf\udce9.py": ""}),
        packed({"a.py": DAG.format("a"), "._caf\udce9": ""}),
        packed({"../caf\udce9.py": ""}),
        packed({"couture-workflow.json": manifest(noun="\ud800"), "a.py": ""}),
        packed({"couture-workflow.json": manifest(product_version="\ud800"), "a.py": ""}),
        packed({"couture-workflow.json": manifest(members={"\ud800": {"sha256": "a" * 64, "size": 1}})}),
        packed({"couture-workflow.json": manifest(left_out={"\ud800": ["\udfff"]}), "a.py": ""}),
        packed({"couture-workflow.json": '{"\ud800": 1'.encode("utf-8", "surrogatepass")}),
    ],
    ids=["name", "noise", "out of it", "noun", "version", "member", "left out", "bytes"],
)
@pytest.mark.parametrize("noun", NOUNS)
def test_characters_that_utf_8_cannot_carry_are_told_as_escapes(
    content: bytes, noun: str, admin: httpx.Client
) -> None:
    answer = send(admin, noun, content, dry_run=True)

    assert answer.status_code in (200, 422), answer.text
    assert answer.json() == json.loads(answer.content.decode())


@pytest.mark.parametrize(
    ("noun", "content", "status", "error", "field"),
    [
        ("dags", b"no gzip", 422, "invalid", "sources"),
        ("dags", packed({"../x.py": ""}), 422, "invalid", "sources"),
        ("dags", packed({"x.py": "x"})[:-20], 422, "invalid", "sources"),
        ("dags", packed({"zeros.sql": bytes(100 * MIB)}), 413, "too_large", None),
        ("configs", packed({"spark.yaml": "arguments: {mastre: yarn}"}), 422, "invalid", "arguments.mastre"),
        ("configs", packed({"spark.yaml": "jars: [nowhere.jar]"}), 422, "invalid", "spark.yaml"),
        ("dependencies", packed({"a.txt": ""}), 422, "invalid", "sources"),
    ],
    ids=["no gzip", "path", "half", "bomb", "setting", "missing", "suffix"],
)
def test_errors_name_field_rule_and_remedy(
    noun: str, content: bytes, status: int, error: str, field: str | None, admin: httpx.Client
) -> None:
    answer = send(admin, noun, content)

    assert (answer.status_code, answer.json()["error"], answer.json().get("field")) == (status, error, field)
    assert answer.json()["detail"].endswith((".", "?"))


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ({"Content-Type": "multipart/form-data"}, b"x"),
        ({"Content-Type": "multipart/form-data; boundary=x"}, b"nonsense"),
        (
            {"Content-Type": "multipart/form-data; boundary=x"},
            b'--x\r\nContent-Disposition: form-data; name="other"; filename="a"\r\n\r\n1\r\n--x--\r\n',
        ),
        (
            {"Content-Type": "multipart/form-data; boundary=x"},
            2 * b'--x\r\nContent-Disposition: form-data; name="sources"; filename="a"\r\n\r\n1\r\n'
            + b"--x--\r\n",
        ),
        (
            {"Content-Type": "multipart/form-data; boundary=x"},
            b'--x\r\nContent-Disposition: form-data; name="sources"; filename="a"\r\n\r\n1',
        ),
        ({"Content-Type": "application/json"}, b"{}"),
    ],
    ids=["no boundary", "nonsense", "other field", "two files", "cut off", "json"],
)
def test_odd_requests_are_refused(headers: dict[str, str], body: bytes, admin: httpx.Client) -> None:
    answer = admin.post("/api/dags/", headers=headers, content=body)

    assert (answer.status_code, answer.json()["error"]) == (422, "invalid"), answer.text


def test_wrong_choice_is_told_with_its_field(admin: httpx.Client) -> None:
    answer = send(admin, "dags", b"", on_conflict="perhaps")

    assert (answer.status_code, answer.json()["field"]) == (422, "on_conflict")


def raw(api_server: ApiServer, head: str) -> str:
    """Send the head of a request alone and return the first line of the answer."""
    with socket.create_connection(("127.0.0.1", api_server.port), timeout=60) as connection:
        connection.sendall(head.replace("\n", "\r\n").encode() + b"\r\n\r\n")
        return connection.makefile("rb").readline().decode()


@pytest.mark.parametrize("noun", NOUNS)
@pytest.mark.parametrize(("account", "status"), [("", "401"), ("viewer", "403")])
def test_who_may_not_is_refused_before_the_body_is_read(
    noun: str, account: str, status: str, api_server: ApiServer
) -> None:
    head = f"POST {api_server.prefix}/api/{noun}/ HTTP/1.1\nHost: localhost\nContent-Length: {2**30}"
    if account:
        head += "\nAuthorization: Basic " + base64.b64encode(f"{account}:{account}".encode()).decode()

    assert raw(api_server, head).split()[1] == status


def test_too_large_an_archive_is_refused_before_it_is_sent(api_server: ApiServer) -> None:
    head = (
        f"POST {api_server.prefix}/api/dags/ HTTP/1.1\nHost: localhost\nContent-Length: {5 * 2**30}\n"
        "Authorization: Basic " + base64.b64encode(b"admin:admin").decode()
    )

    assert raw(api_server, head).split()[1] == "413"


def test_deployer_may_import_dags_and_do_nothing_else(
    clients: dict[str, httpx.Client], admin: httpx.Client
) -> None:
    ci = clients["ci"]

    assert send(ci, "dags", packed({"ci.py": DAG.format("ci")})).status_code == 200
    assert send(ci, "dags", packed({"ci.py": DAG.format("ci_2")})).status_code == 200
    assert "ci_2" in admin.get("/api/dags/files/ci.py").json()["content"]
    refused = [
        ci.get("/api/dags/"),
        ci.get("/api/dags/files"),
        ci.get("/api/dags/files/ci.py"),
        ci.put("/api/dags/files/ci.py", json={"content": ""}),
        ci.delete("/api/dags/files/ci.py"),
        ci.get("/api/dags/openapi.json"),
        ci.get("/api/configs/"),
        send(ci, "configs", packed({"spark.yaml": ""})),
        ci.get("/api/dependencies/"),
        send(ci, "dependencies", packed({"a.jar": jar("")})),
        ci.get("/api/artifacts/files"),
        ci.get("/api/configs/spark"),
    ]
    assert {answer.status_code for answer in refused} == {403}
    pages = ("manage-dags", "import-export", "developer", "spark-configuration")
    with httpx.Client(cookies={"_token": _token(ci)}, timeout=ANSWER_SECONDS) as person:
        assert {person.get(f"{ci.base_url}couture/{page}/").status_code for page in pages} == {403}


def _token(client: httpx.Client) -> str:
    answer = client.post("/auth/token", json={"username": "ci", "password": "ci"})
    return str(answer.json()["access_token"])


def test_developer_may_add_dependencies_but_not_replace_them(
    clients: dict[str, httpx.Client], admin: httpx.Client
) -> None:
    dev = clients["dev"]
    assert send(admin, "dependencies", packed({"theirs.jar": jar("1")})).status_code == 200

    assert send(dev, "dependencies", packed({"added.jar": jar("1")})).status_code == 200
    refused = send(dev, "dependencies", packed({"added_2.jar": jar("1"), "theirs.jar": jar("2")}))
    assert refused.status_code == 403
    assert "can edit on Spark Dependencies" in refused.json()["detail"]
    assert admin.get("/api/dependencies/files/added_2.jar").status_code == 404
    assert send(dev, "dependencies", packed({"artifacts/job.py": "x = 1\n"})).status_code == 200


def test_import_is_audited_and_asks_for_a_parse(admin: httpx.Client, api_server: ApiServer) -> None:
    answer = send(admin, "dags", packed({"audited.py": DAG.format("audited")}), message="from CI")

    ((event, owner, extra),) = api_server.sql(
        "select event, owner, extra from log where event = 'archives.import' order by id desc limit 1"
    )
    told = json.loads(extra)
    assert (event, owner) == ("archives.import", "admin")
    assert (told["noun"], told["counts"]["create"], told["commit"], told["message"]) == (
        "dags",
        1,
        answer.json()["commit"],
        "from CI",
    )
    requests = api_server.sql("select relative_fileloc from dag_priority_parsing_request")
    assert ("audited.py",) in requests


def test_two_imports_at_once_are_both_whole_or_one_is_refused(
    clients: dict[str, httpx.Client], admin: httpx.Client, api_server: ApiServer
) -> None:
    statuses: list[int] = []

    def work(text: str) -> None:
        with httpx.Client(base_url=api_server.url, auth=("admin", "admin"), timeout=120) as client:
            content = packed({f"both_{name}.sql": text for name in "abc"})
            statuses.append(send(client, "dags", content).status_code)

    threads = [threading.Thread(target=work, args=(str(number),)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert set(statuses) <= {200, 409}
    assert 200 in statuses
    texts = {admin.get(f"/api/dags/files/both_{name}.sql").json()["content"] for name in "abc"}
    assert len(texts) == 1


def test_files_one_by_one(admin: httpx.Client, clients: dict[str, httpx.Client]) -> None:
    path = "/api/dags/files/one/by_one.sql"
    assert admin.put(path, json={"content": "select 1", "message": "new"}).status_code == 200

    read = admin.get(path)
    assert read.json()["content"] == "select 1"
    tag = read.headers["etag"]
    assert admin.put(path, json={"content": "select 2"}, headers={"If-Match": tag}).status_code == 200
    stale = admin.put(path, json={"content": "select 3"}, headers={"If-Match": tag})
    assert (stale.status_code, stale.json()["error"]) == (412, "conflict")
    assert admin.put(path, json={"content": "AP8=", "encoding": "base64"}).status_code == 200
    assert admin.get(path).json()["encoding"] == "base64"
    assert admin.delete(path, headers={"If-Match": tag}).status_code == 412
    assert admin.delete(path).status_code == 200
    assert admin.get(path).status_code == 404
    assert admin.delete(path).status_code == 404
    assert admin.put(path, json={"content": "", "encoding": "base64x"}).status_code == 422
    assert admin.put(path, json={"content": "*", "encoding": "base64"}).json()["field"] == "content"
    assert admin.put(path, json={"content": "x"}, headers={"If-Match": "*"}).status_code == 412
    assert admin.put("/api/dags/files/a b.py", json={"content": ""}).json()["error"] == "invalid_name"
    assert clients["viewer"].get("/api/dags/files").status_code == 403
    assert "by_one.sql" not in admin.get("/api/dags/files").text


@pytest.mark.parametrize("noun", ["configs", "dependencies", "artifacts", "dags", "runs"])
def test_description_fits_the_routes(
    noun: str, admin: httpx.Client, clients: dict[str, httpx.Client]
) -> None:
    from fastapi.routing import APIRoute

    from couture_workflow.api.app import api_apps

    answer = admin.get(f"/api/{noun}/openapi.json")

    described = answer.json()
    routes = {
        (method.lower(), route.path_format)
        for route in api_apps()[noun].routes
        if isinstance(route, APIRoute) and route.include_in_schema
        for method in route.methods
    }
    assert {(method, path) for path, calls in described["paths"].items() for method in calls} == routes
    assert described["openapi"].startswith("3.1")
    assert described["servers"] == [{"url": f"/airflow/api/{noun}"}]
    assert set(described["components"]["securitySchemes"]) == {"bearer", "basic"}
    check_description(described)
    assert clients["viewer"].get(f"/api/{noun}/openapi.json").status_code == 403
    anybody = httpx.get(f"{admin.base_url}api/{noun}/openapi.json", timeout=ANSWER_SECONDS)
    assert anybody.status_code == 401


def check_description(described: dict[str, Any]) -> None:
    """Check what generators of clients need: unique names, parameters, bodies, references."""
    names = []
    for path, calls in described["paths"].items():
        for method, call in calls.items():
            names.append(call["operationId"])
            check_call(path, method, call)
    assert len(names) == len(set(names))
    known = {f"#/components/schemas/{name}" for name in described["components"]["schemas"]}
    assert set(references(described)) <= known


def check_call(path: str, method: str, call: dict[str, Any]) -> None:
    assert "Needs “can " in call["description"], (method, path)
    parameters = call.get("parameters", [])
    in_path = {parameter["name"] for parameter in parameters if parameter["in"] == "path"}
    assert in_path == {part.split("}")[0] for part in path.split("{")[1:]}
    for parameter in parameters:
        assert parameter["in"] == "path" or parameter.get("description"), (path, parameter["name"])
    assert {"401", "403", "default"} < set(call["responses"])
    if method in ("put", "post") and not path.endswith("undelete"):
        assert call["requestBody"]["content"], (method, path)


def references(node: Any) -> Iterator[str]:
    values = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    if isinstance(node, dict) and "$ref" in node:
        yield node["$ref"]
    for value in values:
        yield from references(value)


def test_bodies_of_archives_are_described(admin: httpx.Client) -> None:
    post = admin.get("/api/dags/openapi.json").json()["paths"]["/"]["post"]

    assert set(post["requestBody"]["content"]) == {"multipart/form-data", "application/gzip"}
    form = post["requestBody"]["content"]["multipart/form-data"]["schema"]
    assert form["required"] == ["sources"]
    assert {p["name"] for p in post["parameters"]} == {
        "dry_run",
        "on_conflict",
        "override",
        "upgrade",
        "message",
    }


def servers(api_server: ApiServer) -> list[psutil.Process]:
    assert api_server._process is not None
    root = psutil.Process(api_server._process.pid)
    return [root, *root.children(recursive=True)]


def peaks(processes: list[psutil.Process]) -> dict[int, int]:
    """Return the most memory that each living process ever had since the last reset, in KiB."""
    found = {}
    for process in processes:
        with contextlib.suppress(OSError):
            lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
            found.update((process.pid, int(line.split()[1])) for line in lines if line.startswith("VmHWM"))
    return found


def large_archive(size: int) -> Iterator[bytes]:
    """Give a gzip tar with one Python file of random comments."""
    packer = zlib.compressobj(1, zlib.DEFLATED, 31)
    header = tarfile.TarInfo("artifacts/large.py")
    header.size = size
    yield packer.compress(header.tobuf())
    piece = b"#" + os.urandom(MIB // 2 - 1).hex().encode() + b"\n"
    piece = piece[: MIB - 1] + b"\n"
    for _ in range(size // MIB):
        yield packer.compress(piece)
    yield packer.compress(bytes(10240)) + packer.flush()


@pytest.mark.slow
def test_large_archive_takes_constant_memory_in_and_out(admin: httpx.Client, api_server: ApiServer) -> None:
    size = 512 * MIB
    warm_up = b"".join(large_archive(20 * MIB))
    for _ in range(4):
        assert admin.post("/api/dependencies/", content=warm_up).status_code == 200
        assert admin.get("/api/dependencies/").status_code == 200
    running = servers(api_server)
    for process in running:
        Path(f"/proc/{process.pid}/clear_refs").write_text("5")
    before = peaks(running)

    answer = admin.post("/api/dependencies/", content=large_archive(size), timeout=300)

    assert answer.status_code == 200, answer.text
    received = 0
    with admin.stream("GET", "/api/dependencies/", timeout=300) as down:
        for piece in down.iter_raw():
            received += len(piece)
    after = peaks(running)
    admin.delete("/api/artifacts/files/large.py")
    assert received > size / 4
    growth = {pid: (after[pid] - before[pid]) / 1024 for pid in before if pid in after}
    assert max(growth.values()) <= 48, growth
    assert list((api_server.home / "couture" / "imports").glob("*")) == []
