"""The REST API of Hadoop groups: rights, files, conflicts, uses, audit, archives."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from couture_workflow.services.hadoop import groups
from couture_workflow.store.home import Store
from tests.support.api_server import ApiServer

API = "/api/hadoop"
CORE = f"{API}/groups/api-one/files/core-site.xml"
HOSTILE = "a'b\"&lt;>ü"


def xml(**pairs: str) -> str:
    properties = "".join(
        f"<property><name>{name.replace('__', '.')}</name><value>{value}</value></property>"
        for name, value in pairs.items()
    )
    return f"<configuration>{properties}</configuration>"


@pytest.fixture
def admin(api_server: ApiServer, store: Store) -> Iterator[httpx.Client]:
    for name in ("api-one", "api-two", "api-new"):
        remove(store, name)
    with httpx.Client(base_url=api_server.url, auth=("admin", "admin"), timeout=60) as client:
        for name in ("api-one", "api-two"):
            assert client.post(f"{API}/groups", json={"name": name}).status_code == 201
        yield client
    for name in ("api-one", "api-two", "api-new"):
        remove(store, name)


def remove(store: Store, name: str) -> None:
    """Take a group away whatever its state."""
    found = groups.snapshot(store)
    if name in found.index.keytabs:
        if found.index.default == name and len(found.index.keytabs) > 1:
            groups.set_default(store, next(each for each in found.index.keytabs if each != name), user="t")
        groups.delete(store, name, user="tests")


def test_a_group_is_made_read_renamed_and_deleted(admin: httpx.Client, api_server: ApiServer) -> None:
    listed = admin.get(f"{API}/groups").json()
    assert [each["name"] for each in listed] == ["api-one", "api-two"]
    assert [each["is_default"] for each in listed] == [True, False]

    assert admin.put(f"{API}/default", json={"name": "api-two"}).json()["is_default"] is True
    renamed = admin.post(f"{API}/groups/api-one/rename", json={"name": "api-new"})
    shown = admin.get(f"{API}/groups/api-new").json()
    refused = admin.delete(f"{API}/groups/api-two")
    deleted = admin.delete(f"{API}/groups/api-new")

    assert (renamed.status_code, shown["warnings"][0][:27]) == (200, "There is no core-site.xml: ")
    assert (refused.status_code, refused.json()["error"], len(refused.json()["users"])) == (409, "in_use", 1)
    assert deleted.status_code == 200
    assert admin.get(f"{API}/groups/api-new").status_code == 404
    rows = api_server.sql("select event, owner from log where event like 'hadoop_configuration.%'")
    assert {("hadoop_configuration.rename", "admin"), ("hadoop_configuration.delete", "admin")} <= set(rows)


def test_a_file_is_kept_with_its_secrets_sealed(admin: httpx.Client, store: Store) -> None:
    content = xml(fs__defaultFS="hdfs://a:8020", a__password="hush", text=HOSTILE)

    saved = admin.put(CORE, content=content.encode(), params={"message": HOSTILE})
    read = admin.get(CORE)
    again = admin.put(CORE, content=read.text.replace("a:8020", "b:8020").encode())
    first = admin.get(CORE, params={"commit": saved.json()["commit"]})
    found = admin.get(f"{API}/groups/api-one/properties", params={"search": "password"}).json()

    assert (saved.status_code, again.status_code) == (200, 200)
    assert read.headers["content-type"].startswith("application/xml")
    assert read.text == content.replace("hush", "******")
    assert "a:8020" in first.text and "hush" not in first.text
    assert [(each["name"], each["value"]) for each in found] == [("a.password", "******")]
    assert groups.properties(store, "api-one")["a.password"] == "hush"
    history = admin.get(f"{API}/groups/api-one/history", params={"file": "core-site.xml"}).json()
    assert [each["message"] for each in history][-1] == HOSTILE
    assert admin.delete(CORE).status_code == 200
    assert admin.get(CORE).status_code == 404


def test_an_old_version_is_refused(admin: httpx.Client) -> None:
    etag = admin.put(CORE, content=xml(a="1").encode()).headers["etag"]
    admin.put(CORE, content=xml(a="2").encode())

    answer = admin.put(CORE, content=xml(a="3").encode(), headers={"If-Match": etag})

    assert (answer.status_code, answer.json()["error"]) == (412, "conflict")


@pytest.mark.parametrize(
    ("file", "content", "status", "words"),
    [
        ("core-site.xml", b"<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>", 422, "document type"),
        ("core-site.xml", b"<a><include href='file:///etc/passwd'/></a>", 422, "includes another file"),
        ("core-site.xml", b"<a>\n<b>", 422, "line 2"),
        ("core-site.xml", b"\xff\xfe", 422, "UTF-8"),
        ("core-site.xml", b"<a/>" + b" " * 2**20, 413, "1,048,576 bytes"),
        ("core-site.txt", b"<a/>", 422, "must end in .xml"),
        ("a'b\"<&>ü.xml", b"<a/>", 422, "A name has only"),
    ],
)
def test_what_is_no_file_of_hadoop_is_refused_with_a_sentence(
    admin: httpx.Client, file: str, content: bytes, status: int, words: str
) -> None:
    answer = admin.put(
        httpx.URL(path=f"{API}/groups/api-one/files/{file}").raw_path.decode(), content=content
    )

    assert (answer.status_code, words in answer.json()["detail"]) == (status, True), answer.text


def test_a_group_that_a_dag_file_names_stays(admin: httpx.Client, store: Store) -> None:
    code = (
        b"from couture_workflow.operators import CoutureSparkOperator\n\nx = dict(hadoop_group='api-two')\n"
    )
    store.dags.save({"names_a_group.py": code}, author="ann", message="x", base=store.dags.head())

    deleted = admin.delete(f"{API}/groups/api-two")
    renamed = admin.post(f"{API}/groups/api-two/rename", json={"name": "api-new"})

    for answer in (deleted, renamed):
        assert answer.status_code == 409
        assert answer.json()["users"] == ["DAG file names_a_group.py, line 3: sets hadoop_group"]


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/groups", None),
        ("GET", "/groups/api-one/properties", None),
        ("GET", "/groups/api-one/files/core-site.xml", None),
        ("POST", "/groups", {"name": "x"}),
        ("DELETE", "/groups/api-one", None),
        ("POST", "/groups/api-one/test", None),
        ("PUT", "/groups/api-one/keytab", {"keytab": None}),
    ],
)
def test_nobody_but_an_administrator_gets_in(
    admin: httpx.Client, api_server: ApiServer, method: str, path: str, body: Any
) -> None:
    answer = httpx.request(method, f"{api_server.url}{API}{path}", json=body, auth=("dev", "dev"), timeout=60)

    assert answer.status_code == 403
    assert "Hadoop Configuration" in answer.json()["detail"]


def test_a_keytab_must_be_here(admin: httpx.Client) -> None:
    answer = admin.put(f"{API}/groups/api-one/keytab", json={"keytab": "nosuch"})

    assert (answer.status_code, answer.json()["error"]) == (404, "not_found")
    assert admin.put(f"{API}/groups/api-one/keytab", json={"keytab": None}).status_code == 200


def test_a_test_tells_each_step_with_a_remedy(admin: httpx.Client) -> None:
    admin.put(CORE, content=xml(hadoop__security__authentication="kerberos").encode())

    answer = admin.post(f"{API}/groups/api-one/test")

    (step,) = answer.json()
    assert (step["what"], step["result"]) == ("Ticket", "failed")
    assert step["remedy"]


def archive(files: dict[str, str]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as packed:
        for name, text in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(text.encode())
            packed.addfile(member, io.BytesIO(text.encode()))
    return buffer.getvalue()


def test_groups_travel_by_archive_without_their_secrets(admin: httpx.Client, store: Store) -> None:
    admin.put(CORE, content=xml(fs__defaultFS="hdfs://a:8020", a__password="hush").encode())
    admin.put(f"{API}/default", json={"name": "api-two"})

    packed = admin.get("/api/configs/").content

    with tarfile.open(fileobj=io.BytesIO(packed)) as found:
        names = found.getnames()
        text = b"".join(found.extractfile(name).read() for name in names if "hadoop/" in name)  # type: ignore[union-attr]
    assert {"configs/hadoop/api-one/core-site.xml", "configs/hadoop/groups.yaml"} <= set(names)
    assert b"default: api-two" in text and b"hush" not in text and b"sealed" not in text
    again = admin.post("/api/configs/", content=packed, params={"on_conflict": "fail"})
    assert again.status_code == 200, again.text
    assert again.json()["counts"]["update"] == 0
    assert groups.properties(store, "api-one")["a.password"] == "hush"


def test_the_old_layout_is_accepted_and_what_it_adds_is_no_conflict(
    admin: httpx.Client, store: Store
) -> None:
    old = archive({"hadoop/api-new/core-site.xml": xml(fs__defaultFS="hdfs://new:8020", x__password="p")})
    index = json.dumps({"version": 1, "default": None, "groups": {"api-new": {"keytab": "elsewhere"}}})

    taken = admin.post("/api/configs/", content=old)
    named = admin.post("/api/configs/", content=archive({"hadoop/groups.yaml": index}))
    broken = admin.post("/api/configs/", content=archive({"hadoop/a/x.xml": "<include/>"}))
    odd = admin.post("/api/configs/", content=archive({"hadoop/groups.yaml": "version: 1\ngroups: {-x: {}}"}))

    assert (taken.status_code, named.status_code) == (200, 200), (taken.text, named.text)
    assert "elsewhere" in named.json()["missing"][0]["message"]
    assert groups.get(store, "api-new").keytab == "elsewhere"
    assert groups.default_name(store) == "api-one"
    assert groups.properties(store, "api-new")["x.password"] == "p"
    assert b"<value>p<" not in store.config.read("hadoop/api-new/core-site.xml")
    assert (broken.status_code, odd.status_code) == (422, 422)
    assert "includes another file" in broken.json()["detail"]
