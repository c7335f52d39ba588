"""The REST API of trained models: a whole story by curl's calls, rights, hostile texts, limits, audit."""

from __future__ import annotations

import io
import tarfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from couture_workflow.store.home import Store
from tests.support.api_server import ApiServer
from tests.support.model_server import MODELS
from tests.support.served_models import served

API = "/api/models"
HOSTILE = "a'b\"<&>/../ü"
X = {"instances": [[1.0, 2.0, 3.0, 4.0]]}


def packed(folder: Path, name: str = "export") -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w:gz") as tar:
        tar.add(folder, name)
    return made.getvalue()


@pytest.fixture
def admin(api_server: ApiServer) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=api_server.url, auth=("admin", "admin"), timeout=90) as client:
        yield client


def as_role(api_server: ApiServer, account: str) -> httpx.Client:
    return httpx.Client(base_url=api_server.url, auth=(account, account), timeout=90)


def state_of(client: httpx.Client, place: str, version: int, *wanted: str) -> dict[str, Any]:
    """Wait until a version has one of some states and return it."""
    for _ in range(900):
        found: dict[str, Any] = client.get(f"{API}/{place}/versions/{version}").json()
        if found["state"] in wanted:
            return found
        time.sleep(0.1)
    raise AssertionError(found)


def tries_answer(admin: httpx.Client, place: str, version: int) -> None:
    """Send requests as *Try it* does: good ones, and what the server or the route refuses."""
    at = f"{API}/{place}/versions/{version}/try"
    good = admin.post(at, json={**X, "signature_name": "serving_default", "label": "stable"}).json()
    assert (good["status"], len(good["answer"]["predictions"])) == (200, 1) and good["milliseconds"] > 0
    assert good["url"].endswith("/v1/models/api-dense/labels/stable:predict")
    assert admin.post(at, json={"inputs": X["instances"]}).json()["answer"].keys() == {"outputs"}
    wrong = admin.post(at, json={"instances": [[HOSTILE, "2", "3", "4"]]})
    assert (wrong.status_code, wrong.json()["status"]) == (200, 400)
    assert HOSTILE in wrong.json()["answer"]["error"] or "float" in wrong.json()["answer"]["error"]
    unknown = admin.post(at, json={**X, "signature_name": HOSTILE}).json()
    assert unknown["status"] == 400 and "signature" in unknown["answer"]["error"]
    refused = [
        (404, {"json": {**X, "label": "canary"}}),
        (422, {"json": {**X, "inputs": 1}}),
        (422, {"json": {**X, "more": 1}}),
        (422, {"content": b"no JSON"}),
        (422, {"content": b'{"instances":' + b"[" * 100_000}),
        (422, {"content": b'{"instances":' + b"9" * 100_000 + b"}"}),
        (413, {"content": b" " * (2**20 + 1)}),
    ]
    assert [admin.post(at, **sent).status_code for _, sent in refused] == [code for code, _ in refused]
    assert admin.post(f"{API}/{place}/versions/99/try", json=X).status_code == 404


def stops(api_server: ApiServer) -> int:
    """Return how many audit rows tell of the model of the story below being stopped."""
    rows = api_server.sql("SELECT extra FROM log WHERE event = 'models.stop'")
    return sum("api-dense" in str(row[0]) for row in rows)


def test_a_model_is_uploaded_served_promoted_and_deleted(admin: httpx.Client, api_server: ApiServer) -> None:
    store = Store.open(api_server.home / "couture")
    place = "tensorflow/api-dense"
    with served(store, port=api_server.serving_port) as server:
        first = admin.put(f"{API}/{place}", params={"note": HOSTILE}, content=packed(MODELS / "dense" / "1"))
        assert (first.status_code, first.json()["version"], first.json()["outcome"]) == (202, 1, "created")
        version = state_of(admin, place, 1, "serving", "refused", "failed")
        assert (version["state"], version["note"], version["labels"]) == ("serving", HOSTILE, ["stable"])
        assert version["check"]["signatures"] and version["served"]["state"] == "AVAILABLE"

        again = admin.put(f"{API}/{place}", content=packed(MODELS / "dense" / "1"))
        assert again.json()["outcome"] in ("unchanged", "replaced")
        newest = admin.put(f"{API}/{place}", content=packed(MODELS / "dense" / "2")).json()["version"]
        state_of(admin, place, newest, "serving")
        assert admin.get(f"{API}/{place}").json()["labels"] == {"canary": newest, "stable": 1}

        promoted = admin.post(f"{API}/{place}/promote", json={"version": newest})
        assert (promoted.status_code, promoted.json()["labels"]) == (200, {"stable": newest})
        tries_answer(admin, place, newest)
        back = admin.post(f"{API}/{place}/roll-back")
        assert back.json()["labels"] == {"stable": 1}
        assert server.post("/v1/models/api-dense/labels/stable:predict", X).status_code == 200

        bad = admin.put(f"{API}/{place}", params={"label": "stable"}, content=b"PK\x03\x04 no model").json()
        refused = state_of(admin, place, bad["version"], "refused")
        assert "a zip file" in refused["message"]
        no = admin.post(f"{API}/{place}/promote", json={"version": bad["version"]})
        assert (no.status_code, no.json()["error"]) == (422, "model")
        assert admin.get(f"{API}/{place}").json()["labels"] == {"stable": 1}

        in_use = admin.delete(f"{API}/{place}")
        assert (in_use.status_code, in_use.json()["error"]) == (409, "in_use")
        assert in_use.json()["users"] == ["the model server, which serves version 1 as stable"]
        before = stops(api_server)
        for _ in range(2):  # the second one changes nothing
            assert admin.post(f"{API}/{place}/stop").json() == {"labels": {"stable": 1}, "stopped": True}
        assert stops(api_server) == before + 1
        assert admin.get(f"{API}/{place}/versions/1").json()["state"] == "stopped"
        content = admin.get(f"{API}/{place}/versions/1/content")
        assert content.content[:2] == b"\x1f\x8b" and "sandbox" in content.headers["content-security-policy"]
        assert admin.delete(f"{API}/{place}").status_code == 200
        assert admin.get(f"{API}/{place}").status_code == 404
        assert admin.post(f"{API}/{place}/undelete").status_code == 200

    rows = [tuple(row) for row in api_server.sql("SELECT event, owner FROM log WHERE event LIKE 'models.%'")]
    for event in ("upload", "label", "promote", "roll_back", "stop", "delete", "undelete"):
        assert (f"models.{event}", "admin") in rows


def test_two_uploads_of_one_name_at_once_are_two_versions(admin: httpx.Client, api_server: ApiServer) -> None:
    both = threading.Barrier(2)

    def sent(content: bytes) -> Iterator[bytes]:
        yield content[:10]
        both.wait(30)  # both are under way in the server
        yield content[10:]

    def put(number: int) -> httpx.Response:
        with as_role(api_server, "admin") as client:
            return client.put(
                f"{API}/tensorflow/at-once", content=sent(packed(MODELS / "dense" / str(number)))
            )

    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(put, (1, 2)))

    assert [answer.status_code for answer in answers] == [202, 202]
    bodies = sorted((answer.json() for answer in answers), key=lambda body: body["version"])
    assert [(body["version"], body["outcome"]) for body in bodies] == [(1, "created"), (2, "replaced")]
    versions = admin.get(f"{API}/tensorflow/at-once").json()["versions"]
    assert [version["version"] for version in versions] == [2, 1]
    assert len({version["sha256"] for version in versions}) == 2
    for version in (1, 2):  # each is taken up, and waits for what is not there: the server, or its runtime
        found = state_of(admin, "tensorflow/at-once", version, "loading", "checking")
        while not found["waits"]:
            found = state_of(admin, "tensorflow/at-once", version, "loading", "checking")
        assert "model server" in found["message"]
    assert admin.delete(f"{API}/tensorflow/at-once").status_code == 200


def test_rights_names_and_limits(admin: httpx.Client, api_server: ApiServer) -> None:
    with as_role(api_server, "viewer") as viewer, as_role(api_server, "dev") as dev:
        assert viewer.put(f"{API}/other/notes", content=b"x").status_code == 403
        assert viewer.get(f"{API}/").status_code == 403
        made = dev.put(f"{API}/other/notes", content=b"x", params={"label": "stable"})
        assert (made.status_code, made.json()["state"]) == (202, "kept")
        for call in ("promote", "roll-back", "stop", "labels", "versions/1/again", "versions/1/try"):
            assert viewer.post(f"{API}/other/notes/{call}", json={}).status_code == 403
    assert admin.post(f"{API}/other/notes/versions/1/try", json=X).json()["error"] == "invalid"
    assert admin.put(f"{API}/spark/Notes", content=b"x").json()["error"] == "invalid_name"
    assert admin.put(f"{API}/wrong/notes", content=b"x").status_code == 422
    assert admin.put(f"{API}/other/a%22b%3Cc", content=b"x").json()["error"] == "invalid_name"
    assert admin.put(f"{API}/other/notes2", content=b"x", params={"label": HOSTILE}).status_code == 422
    assert admin.get(f"{API}/other/notes2").status_code == 404
    assert admin.post(f"{API}/other/notes/stop").status_code == 422
    overtaken = admin.post(f"{API}/other/notes/roll-back", json={"expected": 7})
    assert (overtaken.status_code, overtaken.json()["error"]) == (409, "conflict")
    assert admin.post(f"{API}/other/notes/promote", json={"version": 9}).status_code == 404
    assert admin.post(f"{API}/other/notes/labels", json={"label": "none", "version": 1}).status_code == 422
    patch = admin.patch(f"{API}/other/notes", json={"description": HOSTILE, "notes": {"1": "n"}})
    assert patch.json()["description"] == HOSTILE
    assert admin.patch(f"{API}/other/notes", json={"description": "x" * 5001}).status_code == 422
    large = admin.patch(f"{API}/other/notes", content=b'{"description": "' + b"x" * 2**20 + b'"}')
    assert (large.status_code, large.json()["error"]) == (413, "too_large")
    for depth, status in ((50_000, 422), (100_000, 413)):
        answer = admin.post(f"{API}/other/notes/promote", content=b"[" * depth)
        assert answer.status_code == status
    stale = admin.patch(f"{API}/other/notes", json={"description": "y", "base": "0" * 40})
    assert (stale.status_code, stale.json()["error"]) == (409, "conflict")
    listed = admin.get(f"{API}/", params={"kind": "other", "search": "notes"}).json()
    assert [(each["name"], each["labels"]) for each in listed["models"]] == [("notes", {"stable": 1})]
    history = admin.get(f"{API}/other/notes/history").json()
    assert history[0]["message"] == "Describe the model notes"
