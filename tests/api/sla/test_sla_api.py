"""Misses of SLAs over REST: who sees which, filters, CSV, and who may write a note."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from couture_workflow.services.sla import misses
from couture_workflow.services.sla.judging import Late
from couture_workflow.services.sla.misses import Miss, Notice
from couture_workflow.store.home import Store
from tests.support.api_server import ApiServer

HOSTILE = "a'b\"<&>ü"
#: Nobody is told any more of what was due so long ago, and it is not yet swept.
DUE = (datetime.now(UTC) - timedelta(days=100)).replace(hour=8, minute=0, second=0, microsecond=0)
MISSES = "/api/sla/misses"


def miss(dag_id: str, mail: Notice) -> Miss:
    return Miss(
        id=misses.identity(dag_id, HOSTILE, DUE, 60),
        dag_id=dag_id,
        run_id=HOSTILE,
        logical_date=DUE,
        interval_end=DUE,
        due=DUE,
        seconds=60,
        found_at=DUE,
        tasks=(Late("load", "", None, None, 1, 1), Late(HOSTILE, "running", DUE, None, 2, 3)),
        blocking=((HOSTILE, "running"),),
        mail=mail,
    )


@pytest.fixture
def found(store: Store) -> Iterator[Miss]:
    """Have misses of two DAGs."""
    one = miss("one", Notice("waiting", ("ann@example.org",), 2, DUE, DUE, "451 4.7.1 later"))
    misses.put(store, one)
    misses.put(store, miss("two", Notice("sent", ("ann@example.org",), 1, DUE)))
    yield one
    for part in ("misses", "notes"):  # not the lock of the server that looks: another one would look as well
        shutil.rmtree(store.root / "sla" / part, ignore_errors=True)


def test_each_sees_the_misses_of_the_dags_that_it_may_read(api_server: ApiServer, found: Miss) -> None:
    name = "reads-one"
    read = ("DAG:one", "DAG Runs", "Task Instances")
    api_server.add_account(name, *(("can_read", resource) for resource in read))
    everything = api_server.client("viewer").get(MISSES).json()["misses"]
    assert sorted((each["dag_id"], each["task_id"]) for each in everything) == [
        ("one", HOSTILE),
        ("one", "load"),
        ("two", HOSTILE),
        ("two", "load"),
    ]
    assert {each["dag_id"] for each in api_server.client(name).get(MISSES).json()["misses"]} == {"one"}
    assert api_server.client("nobody").get(MISSES).status_code == 403

    wish = {"q": "load", "dag_id": "one", "limit": 1}
    [first] = api_server.client("viewer").get(MISSES, params=wish).json()["misses"]
    assert first["mail"] == {
        "state": "waiting",
        "to": ["ann@example.org"],
        "attempts": 2,
        "at": f"{DUE:%Y-%m-%dT%H:%M:%SZ}",
        "error": "451 4.7.1 later",
    }
    assert first["notification_sent"] is False
    sent = api_server.client("viewer").get(MISSES, params={"notified": "sent"}).json()
    assert {each["dag_id"] for each in sent["misses"]} == {"two"}
    assert api_server.client("viewer").get(MISSES, params={"notified": "x"}).status_code == 422
    lines = api_server.client(name).get(f"{MISSES}.csv").text.splitlines()
    assert len(lines) == 3
    assert "not started" in lines[1]


def test_a_note_needs_the_right_to_edit_task_instances(api_server: ApiServer, found: Miss) -> None:
    note = {"id": found.id, "text": f" {HOSTILE}\n", "done": True}
    program = {"headers": {"X-Requested-With": "tests"}}
    viewer, op = (api_server.client(account, **program) for account in ("viewer", "op"))
    assert viewer.put("/api/sla/note", json=note).status_code == 403
    assert op.put("/api/sla/note", json={**note, "id": "../x"}).status_code == 404

    kept = op.put("/api/sla/note", json=note)
    assert kept.status_code == 200, kept.text
    assert (kept.json()["text"], kept.json()["by"]) == (HOSTILE, "op")
    meanwhile = op.put("/api/sla/note", json={**note, "base": ""})
    assert (meanwhile.status_code, "op has changed this note" in meanwhile.json()["detail"]) == (409, True)
    assert op.put("/api/sla/note", json={**note, "base": kept.json()["at"]}).status_code == 200
    assert op.put("/api/sla/note", json={**note, "text": "x" * 100_000}).status_code == 422
    documented = api_server.client("viewer").get(MISSES, params={"documented": "documented"}).json()
    assert {each["note"]["text"] for each in documented["misses"]} == {HOSTILE}
    [row] = api_server.sql("select owner, extra from log where event = 'sla_miss.note'")[-1:]
    assert row[0] == "op"
