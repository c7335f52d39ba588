"""Roles of one's own: what each permission on Notebook Schedules gives alone, and what refusals say."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from couture_workflow.services.dags import repository as dag_repository
from couture_workflow.services.notebooks import outputs as notebook_outputs
from couture_workflow.services.notebooks.outputs import Keep
from couture_workflow.services.runs.records import RunKey
from couture_workflow.store.home import Store
from tests.support.api_server import ApiServer
from tests.support.people_notebooks import notebook, write

SCHEDULES = "/api/notebooks/schedules/"
PAGE = "/couture/notebook-schedules/"
OURS = "Notebook Schedules"
READ, CREATE, EDIT, DELETE = ((f"can_{action}", OURS) for action in ("read", "create", "edit", "delete"))
ALL = (READ, CREATE, EDIT, DELETE)
READ_DAGS, EDIT_DAGS, RUN_DAGS = ("can_read", "DAGs"), ("can_edit", "DAGs"), ("can_create", "DAG Runs")
SENT: dict[str, Any] = {
    "name": "daily",
    "notebook": "shared/report.ipynb",
    "when": {"kind": "cron", "cron": "0 6 * * 1-5"},
}


@pytest.fixture
def home(api_server: ApiServer, store: Store) -> Store:
    """Return the store; a developer has scheduled a notebook of the shared folder."""
    write(store.root, "shared/report.ipynb", notebook("print(1)"))
    with api_server.client("dev", headers={"X-Requested-With": "tests"}) as client:
        assert client.post(SCHEDULES, json=SENT).status_code == 201
    return store


class Role:
    """Makes clients of accounts that have some permissions and no more."""

    def __init__(self, server: ApiServer) -> None:
        self._server = server
        self._clients: list[httpx.Client] = []

    def __call__(self, *permissions: tuple[str, str]) -> httpx.Client:
        name = f"role_{uuid.uuid4().hex[:8]}"
        self._server.add_account(name, *permissions)
        self._clients.append(self._server.client(name, headers={"X-Requested-With": "tests"}))
        return self._clients[-1]

    def close(self) -> None:
        for client in self._clients:
            client.close()


@pytest.fixture
def role(api_server: ApiServer) -> Iterator[Role]:
    made = Role(api_server)
    yield made
    made.close()


def named(answer: httpx.Response) -> set[str]:
    """Return the permissions that a refusal names."""
    assert answer.status_code == 403, (answer.status_code, answer.text)
    said = answer.json()["detail"]
    assert said.endswith("An administrator can change roles."), said
    return set(re.findall(r"can \w+ on [\w :]*\w", said))


def everything(client: httpx.Client, name: str = "daily") -> dict[str, httpx.Response]:
    """Ask for all that there is, what changes nothing first, and return the answers."""
    path = f"{SCHEDULES}{name}"
    return {
        "list": client.get(SCHEDULES, params={"copies": "true"}),
        "read": client.get(path),
        "check": client.post(f"{SCHEDULES}check", json=SENT),
        "document": client.get("/api/notebooks/documents", params={"path": "shared/report.ipynb"}),
        "compare": client.get(f"{path}/copy"),
        "run": client.post(f"{path}/run", json={}),
        "pause": client.post(f"{path}/pause", json={"paused": True}),
        "create": client.post(SCHEDULES, json={**SENT, "name": "other"}),
        "change": client.put(path, json={**SENT, "retries": 1}),
        "copy": client.post(f"{path}/copy"),
        "delete": client.delete(path, params={"outputs": "delete"}),
    }


def test_all_of_ours_and_no_dag_shows_nothing_and_leaves_nothing(home: Store, role: Role) -> None:
    before = home.dags.head()
    client = role(*ALL)

    found = everything(client)

    assert found["list"].json() == []
    assert {found[name].status_code for name in ("check", "document")} == {200}
    hidden = ("read", "compare", "run", "pause", "change", "copy", "delete")
    assert {name: found[name].status_code for name in hidden} == dict.fromkeys(hidden, 404)
    told = {found[name].json()["detail"] for name in hidden}
    told.add(client.get(f"{SCHEDULES}none").json()["detail"].replace("none", "daily"))
    assert len(told) == 1, "what may not be read does not tell that it is there"
    assert named(found["create"]) == {"can read on DAGs", "can read on DAG:other"}
    assert home.dags.head() == before
    page = client.get(PAGE)
    assert page.status_code == 200 and "can read on DAGs" in page.text and "daily" not in page.text


def test_reading_alone_changes_nothing(home: Store, role: Role) -> None:
    before = home.dags.head()
    client = role(READ, READ_DAGS)

    found = everything(client)

    seen = ("list", "read", "check", "document", "compare")
    assert {name: found[name].status_code for name in seen} == dict.fromkeys(seen, 200)
    needed = {
        "create": "create",
        "change": "edit",
        "copy": "edit",
        "run": "edit",
        "pause": "edit",
        "delete": "delete",
    }
    assert {name: named(found[name]) for name in needed} == {
        name: {f"can {action} on {OURS}"} for name, action in needed.items()
    }
    assert home.dags.head() == before
    text = client.get(PAGE).text
    assert "daily" in text and 'data-act="delete"' not in text and "Schedule a notebook</a>" not in text
    assert client.get(f"{PAGE}new").status_code == client.get(f"{PAGE}daily/edit").status_code == 403


def test_changing_needs_no_right_on_dag_files(home: Store, role: Role) -> None:
    client = role(READ, EDIT, READ_DAGS)

    found = everything(client)

    assert (found["change"].status_code, found["copy"].status_code) == (200, 200)
    assert named(found["run"]) == {"can edit on DAGs", "can edit on DAG:daily", "can create on DAG Runs"}
    assert named(found["pause"]) == {"can edit on DAGs", "can edit on DAG:daily"}
    assert named(found["create"]) == {f"can create on {OURS}"}
    assert named(found["delete"]) == {f"can delete on {OURS}"}
    assert client.get(f"{PAGE}daily/edit").status_code == 200
    text = client.get(PAGE).text
    assert 'data-act="run"' not in text and re.search(r'data-act="pause"[^>]*disabled|not read yet', text)
    template = {**SENT, "name": "daily", "parameters": {"x": "{{ var.value.secret }}"}}
    refused = client.put(f"{SCHEDULES}daily", json=template)
    assert refused.status_code == 422 and "can edit on DAG Files" in refused.text


def test_who_may_run_it_is_told_what_airflow_lacks(home: Store, role: Role) -> None:
    client = role(READ, EDIT, READ_DAGS, EDIT_DAGS, RUN_DAGS)

    for call in ("run", "pause"):
        answer = client.post(f"{SCHEDULES}daily/{call}", json={})
        assert answer.status_code == 409 and "not read the DAG" in answer.json()["detail"]


def test_making_without_reading_has_the_api_and_no_half_of_a_form(home: Store, role: Role) -> None:
    client = role(CREATE, READ_DAGS)

    found = everything(client)

    assert found["create"].status_code == 201
    for name in ("list", "read", "check", "document", "compare"):
        assert named(found[name]) == {f"can read on {OURS}"}
    page = client.get(f"{PAGE}new")
    assert page.status_code == 403 and f"can read on {OURS}" in page.text


def test_a_right_on_one_dag_is_a_right_on_its_schedule_alone(home: Store, role: Role) -> None:
    client = role(*ALL, ("can_read", "DAG:daily"))

    found = everything(client)

    assert [each["name"] for each in found["list"].json()] == ["daily"]
    assert named(found["create"]) == {"can read on DAGs", "can read on DAG:other"}
    assert found["delete"].status_code == 200
    assert dag_repository.files(home) == ()


def test_a_schedule_that_names_anothers_dag_does_not_delete_its_outputs(
    api_server: ApiServer, home: Store, role: Role
) -> None:
    key = RunKey("victim", "run", "notebook")
    (notebook_outputs.begin(home, key, Keep()) / "output.ipynb").write_text("{}")
    path = "notebook_schedules/daily/daily.py"
    source = dag_repository.read(home, path).replace(b'dag_id="daily"', b'dag_id="victim"')
    home.dags.save({path: source}, author="mallory", message="x", base=home.dags.head())
    api_server.sql("insert or ignore into dag_bundle (name, active, version) values ('elsewhere', 1, null)")
    columns = api_server.sql(
        "select name from pragma_table_info('dag') where [notnull] and dflt_value is null"
    )
    values = {
        **{column: 0 for (column,) in columns},
        "dag_id": "victim",
        "bundle_name": "elsewhere",
        "relative_fileloc": "victim.py",
        "is_stale": 0,
    }
    marks = ", ".join("?" * len(values))
    api_server.sql(f"insert into dag ({', '.join(values)}) values ({marks})", *values.values())
    client = role(*ALL, READ_DAGS)

    refused = client.delete(f"{SCHEDULES}daily", params={"outputs": "delete"})
    assert refused.status_code == 403 and "victim.py" in refused.json()["detail"]
    assert client.delete(f"{SCHEDULES}daily").status_code == 200

    assert notebook_outputs.listing(home, key).outputs
    api_server.sql("delete from dag where dag_id = 'victim'")
