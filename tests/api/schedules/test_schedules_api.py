"""Schedules of notebooks over the REST API: who may what, what is refused how, and what is kept."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from couture_workflow.services.dags import repository as dag_repository
from couture_workflow.store.home import Store
from tests.support.api_server import ApiServer
from tests.support.people_notebooks import notebook, write

PARAMETERS = ("rows: int = 100  # how many\nday = '2026-01-01'", ["parameters"])
SCHEDULES = "/api/notebooks/schedules/"
SENT: dict[str, Any] = {
    "name": "daily",
    "notebook": "dev/report.ipynb",
    "when": {"kind": "cron", "cron": "0 6 * * 1-5", "zone": "Europe/Berlin"},
    "parameters": {"rows": "200", "day": "{{ ds }}"},
}


@pytest.fixture
def dev(api_server: ApiServer, store: Store) -> Iterator[httpx.Client]:
    """Return the client of a developer who has a notebook."""
    write(store.root, "dev/report.ipynb", notebook(PARAMETERS, "print(rows)"))
    write(store.root, "dev/data.csv", "a,b\n")
    write(store.root, "admin/secret.ipynb", notebook("a secret"))
    with api_server.client("dev", headers={"X-Requested-With": "tests"}) as client:
        yield client


def made(client: httpx.Client, **more: Any) -> dict[str, Any]:
    answer = client.post(SCHEDULES, json={**SENT, **more})
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def test_a_schedule_is_made_read_changed_and_deleted(
    api_server: ApiServer, store: Store, dev: httpx.Client
) -> None:
    told = made(dev, files=["data.csv"])
    assert (told["name"], told["findings"], told["problems"]) == ("daily", [], [])

    found = dev.get(f"{SCHEDULES}daily").json()
    assert found["form"]["parameters"] == {"rows": 200, "day": "{{ ds }}"}
    assert found["words"] == "At 06:00, Monday through Friday (Europe/Berlin)"
    assert (found["state"], found["edited"], found["copy_state"]) == ("waiting", False, "same")
    assert found["parameters"][0] == {
        "name": "rows",
        "type": "int",
        "default": 100,
        "literal": True,
        "code": "100",
        "help": "how many",
    }
    assert found["files"] == [{"path": "data.csv", "size": 4}]
    assert found["origin"]["source"] == "dev/report.ipynb"

    changed = {**found["form"], "retries": 2, "base": found["commit"]}
    assert dev.put(f"{SCHEDULES}daily", json=changed).status_code == 200
    (listed,) = dev.get(SCHEDULES, params={"copies": "true"}).json()
    assert (listed["form"]["retries"], listed["copy_state"]) == (2, "same")

    assert dev.delete(f"{SCHEDULES}daily", params={"outputs": "delete"}).status_code == 200
    assert dev.get(SCHEDULES).json() == []
    assert dev.get(f"{SCHEDULES}daily").status_code == 404
    assert dag_repository.files(store) == ()
    events = [event for (event,) in api_server.sql("select event from log where owner = 'dev' order by id")]
    assert [event for event in events if event.startswith("notebook_schedules.")][-3:] == [
        "notebook_schedules.create",
        "notebook_schedules.update",
        "notebook_schedules.delete",
    ]
    requested = api_server.sql("select relative_fileloc from dag_priority_parsing_request")
    assert ("notebook_schedules/daily/daily.py",) in requested


def test_an_audit_row_has_names_and_no_values(api_server: ApiServer, dev: httpx.Client) -> None:
    made(dev, name="audited", parameters={"text": "a private value"})

    rows = api_server.sql("select extra from log where event = 'notebook_schedules.create' order by id")

    assert '"text"' in rows[-1][0] and "private" not in rows[-1][0]


def test_roles(api_server: ApiServer, dev: httpx.Client) -> None:
    made(dev)
    headers = {"X-Requested-With": "tests"}
    calls = [
        ("GET", SCHEDULES, None),
        ("GET", "/api/notebooks/documents?path=shared/x.ipynb", None),
        ("POST", SCHEDULES, SENT),
        ("POST", f"{SCHEDULES}check", SENT),
        ("GET", f"{SCHEDULES}daily", None),
        ("PUT", f"{SCHEDULES}daily", SENT),
        ("DELETE", f"{SCHEDULES}daily", None),
        ("POST", f"{SCHEDULES}daily/run", {}),
        ("POST", f"{SCHEDULES}daily/pause", {}),
        ("GET", f"{SCHEDULES}daily/copy", None),
        ("POST", f"{SCHEDULES}daily/copy", None),
    ]
    for account in ("viewer", "user", "op", "nobody", "ci"):
        with api_server.client(account, headers=headers) as client:
            for method, path, body in calls:
                assert client.request(method, path, json=body).status_code == 403, (account, method, path)
    with api_server.client(headers=headers) as client:
        assert client.get(SCHEDULES).status_code == 401
    assert len(dev.get(SCHEDULES).json()) == 1


def test_a_document_says_what_it_takes(dev: httpx.Client) -> None:
    found = dev.get("/api/notebooks/documents", params={"path": "dev/report.ipynb"}).json()

    assert [each["name"] for each in found["parameters"]] == ["rows", "day"]
    assert (found["kernel"], found["cells"], found["problem"]) == ("python3", 2, "")
    assert found["files"] == [{"path": "data.csv", "size": 4}]
    assert "python3" in {each["name"] for each in found["kernels"]}


def test_others_folders_do_not_say_what_is_there(dev: httpx.Client) -> None:
    told = set()
    for path in ("admin/secret.ipynb", "admin/none.ipynb", "nobody/x.ipynb"):
        answer = dev.get("/api/notebooks/documents", params={"path": path})
        assert answer.status_code == 404
        told.add(answer.json()["detail"].replace(path, "PATH"))
        answer = dev.post(SCHEDULES, json={**SENT, "notebook": path})
        assert (answer.status_code, answer.json()["field"]) == (422, "notebook")
        told.add(answer.json()["problems"][0]["message"].replace(path, "PATH"))
    assert len(told) == 1

    for path in ("../admin/secret.ipynb", "dev/../admin/secret.ipynb", "/etc/passwd", ""):
        assert dev.get("/api/notebooks/documents", params={"path": path}).status_code == 422


def test_an_unreadable_notebook(dev: httpx.Client, store: Store) -> None:
    write(store.root, "dev/broken.ipynb", b"{")

    answer = dev.get("/api/notebooks/documents", params={"path": "dev/broken.ipynb"})

    assert answer.status_code == 422 and "broken" in answer.json()["detail"]


def test_a_check_tells_findings_words_and_times(dev: httpx.Client, store: Store) -> None:
    found = dev.post(f"{SCHEDULES}check", json=SENT).json()
    assert (found["passed"], found["findings"], len(found["times"])) == (True, [], 5)
    assert found["words"].startswith("At 06:00")

    bad = {
        **SENT,
        "name": "a b",
        "when": {"kind": "cron", "cron": "0 0 30 2 *"},
        "parameters": {"token": "x"},
    }
    found = dev.post(f"{SCHEDULES}check", json=bad).json()
    assert not found["passed"]
    assert {each["field"] for each in found["findings"]} == {"name", "when.cron", "parameters.token"}
    assert dag_repository.files(store) == ()


def test_a_refused_form_tells_all_that_is_wrong(dev: httpx.Client, store: Store) -> None:
    answer = dev.post(SCHEDULES, json={**SENT, "name": "", "email": "x"})

    assert (answer.status_code, answer.json()["error"], answer.json()["field"]) == (422, "schedule", "name")
    assert {each["field"] for each in answer.json()["problems"]} == {"name", "email"}
    assert dag_repository.files(store) == ()


@pytest.mark.parametrize(
    "body",
    [
        {"x": 1},
        {"when": {"kind": "never"}},
        {"retries": "many"},
        {"keep_days": True},
        {"parameters": 1},
        {"html": "pdf"},
        [],
    ],
)
def test_a_body_of_the_wrong_type(dev: httpx.Client, body: Any) -> None:
    for path in (SCHEDULES, f"{SCHEDULES}check"):
        answer = dev.post(path, json={**SENT, **body} if isinstance(body, dict) else body)
        assert answer.status_code == 422 and answer.json()["detail"]


def test_numbers_that_json_does_not_have(dev: httpx.Client) -> None:
    body = b'{"name": "x", "notebook": "dev/report.ipynb", "parameters": {"rows": NaN, "more": [1e999]}}'
    headers = {"Content-Type": "application/json"}

    answer = dev.post(f"{SCHEDULES}check", content=body, headers=headers)

    assert answer.status_code == 200, answer.text
    assert {each["field"] for each in answer.json()["findings"]} == {"parameters.rows", "parameters.more"}


HOSTILE = "a'b\"<&>/../ü"


@pytest.mark.parametrize(
    "name", [HOSTILE, "..", "%2e%2e", "a/b", "x" * 5000, "\ud800".encode("utf-8", "replace").decode()]
)
def test_names_that_are_none(dev: httpx.Client, name: str) -> None:
    path = f"{SCHEDULES}{quote(name, safe='')}"
    assert dev.get(path).status_code in (404, 405)
    assert dev.post(f"{path}/run", json={}).status_code == 404
    answer = dev.post(SCHEDULES, json={**SENT, "name": name})
    assert (answer.status_code, answer.json()["field"]) == (422, "name")


def test_a_name_with_letters_of_any_language(dev: httpx.Client) -> None:
    made(dev, name="größe.1")

    assert dev.get(f"{SCHEDULES}{quote('größe.1')}").json()["dag_id"] == "größe.1"


def test_somebody_saved_meanwhile(dev: httpx.Client) -> None:
    made(dev)
    base = dev.get(f"{SCHEDULES}daily").json()["commit"]
    first = dev.put(f"{SCHEDULES}daily", json={**SENT, "retries": 1, "base": base})
    second = dev.put(f"{SCHEDULES}daily", json={**SENT, "retries": 2, "base": base})

    assert (first.status_code, second.status_code) == (200, 409)
    assert second.json()["error"] == "conflict" and second.json()["paths"]
    assert dev.get(f"{SCHEDULES}daily").json()["form"]["retries"] == 1


def test_a_dag_file_changed_by_hand_is_told_and_not_written_over(dev: httpx.Client, store: Store) -> None:
    made(dev)
    path = "notebook_schedules/daily/daily.py"
    source = dag_repository.read(store, path).replace(b"0 6 * * 1-5", b"0 7 * * *")
    store.dags.save({path: source}, author="bob", message="x", base=store.dags.head())

    found = dev.get(f"{SCHEDULES}daily").json()
    assert (found["edited"], found["form"]["when"]["cron"]) == (True, "0 7 * * *")
    body = {**found["form"], "retries": 1}
    refused = dev.put(f"{SCHEDULES}daily", json=body)
    assert (refused.status_code, "by hand" in refused.json()["detail"]) == (409, True)
    assert dev.put(f"{SCHEDULES}daily", json={**body, "replace_edited": True}).status_code == 200
    assert dev.get(f"{SCHEDULES}daily").json()["edited"] is False


def test_a_copy_that_is_behind(dev: httpx.Client, store: Store) -> None:
    made(dev)
    write(store.root, "dev/report.ipynb", notebook(PARAMETERS, "print(rows)\nprint(day)"))

    found = dev.get(f"{SCHEDULES}daily/copy").json()
    assert (found["state"], found["cells"][0]["change"], found["cells"][0]["number"]) == (
        "behind",
        "changed",
        2,
    )
    assert dev.post(f"{SCHEDULES}daily/copy").status_code == 200
    assert dev.get(f"{SCHEDULES}daily/copy").json()["state"] == "same"


@pytest.mark.parametrize(
    ("part", "field", "value", "status"),
    [
        ("origin", "source", "admin/secret.ipynb", 404),
        ("origin", "source", "dev/../admin/secret.ipynb", 422),
        ("form", "files", ["../admin/secret.ipynb"], 422),
        ("form", "files", ["../../airflow.cfg"], 422),
        ("form", "parameters", {"x": float("nan")}, 422),
        ("form", "parameters", {"x": "\ud800"}, 422),
        ("origin", "files", [["a", "b"]], 422),
        ("origin", "pinned_by", "\ud800", 422),
    ],
)
def test_a_forged_schedule_gives_nobody_anothers_notebook_and_stops_no_list(
    dev: httpx.Client, store: Store, part: str, field: str, value: Any, status: int
) -> None:
    made(dev)
    made(dev, name="other")
    path = "notebook_schedules/daily/schedule.json"
    data = json.loads(dag_repository.read(store, path))
    data[part][field] = value
    content = json.dumps(data).encode()
    store.dags.save({path: content}, author="mallory", message="x", base=store.dags.head())
    before = store.dags.head()

    listed = dev.get(SCHEDULES, params={"copies": "true"})
    assert {each["name"] for each in listed.json()} == {"daily", "other"}
    told = {each["name"]: each["problem"] for each in listed.json()}
    assert told["other"] == "" and ("schedule.json" in told["daily"]) is (status == 422)
    page = dev.get("/couture/notebook-schedules/")
    assert (page.status_code, "its notebook is not known" in page.text) == (200, status == 422)
    assert dev.get("/couture/notebook-schedules/daily/edit").status_code == 200
    compared = dev.get(f"{SCHEDULES}daily/copy")
    updated = dev.post(f"{SCHEDULES}daily/copy")

    assert (compared.status_code, compared.json()["cells"], compared.json()["source"]) == (200, [], "")
    assert updated.status_code == status and updated.json()["detail"]
    assert "a secret" not in listed.text + compared.text + updated.text
    assert store.dags.head() == before


def test_an_admin_does_not_look_into_a_developers_folder(
    api_server: ApiServer, dev: httpx.Client, store: Store
) -> None:
    made(dev)
    write(store.root, "dev/report.ipynb", notebook("another secret"))
    with api_server.client("admin", headers={"X-Requested-With": "tests"}) as admin:
        assert admin.get(f"{SCHEDULES}daily").json()["copy_state"] == "hidden"
        assert admin.get(f"{SCHEDULES}daily/copy").json()["cells"] == []
        assert admin.post(f"{SCHEDULES}daily/copy").status_code == 404
        assert admin.put(f"{SCHEDULES}daily", json={**SENT, "retries": 1}).status_code == 200


def test_what_airflow_has_not_read_yet_cannot_run_or_be_paused(dev: httpx.Client) -> None:
    made(dev)

    for call, body in (("run", {"parameters": {"rows": 5}}), ("pause", {"paused": True})):
        answer = dev.post(f"{SCHEDULES}daily/{call}", json=body)
        assert answer.status_code == 409 and "not read the DAG" in answer.json()["detail"]


def test_a_run_with_wrong_parameters_is_refused_by_field(dev: httpx.Client) -> None:
    made(dev)

    answer = dev.post(f"{SCHEDULES}daily/run", json={"parameters": {"rows": "many", "password": "x"}})

    assert answer.status_code == 422
    assert [each["field"] for each in answer.json()["problems"]] == ["parameters.rows", "parameters.password"]
