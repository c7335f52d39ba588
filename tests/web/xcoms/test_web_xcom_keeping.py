"""Which values the API server deletes: what Airflow's own tables say of their runs."""

from __future__ import annotations

import json
import logging
import time
from pathlib import Path
from typing import Any

import pytest
from airflow.models.xcom import XComModel

from couture_workflow import settings
from couture_workflow.services.xcoms import sweeping
from couture_workflow.web.xcoms import keeping
from couture_workflow.web.xcoms.keeping import Keeper
from tests.services.xcoms.test_xcom_values import pushed
from tests.web.sla.test_web_sla_keeper import ago, dag_of, run_of, session

__all__ = ["session"]

pytestmark = pytest.mark.slow

polars = pytest.importorskip("polars", reason="needs polars")


def kept(run_id: str, *, written: str = "") -> dict[str, Any]:
    """Keep a frame as a task does, and return its reference.

    :param written: seconds of another time, as the name of a file has them.
    """
    shown: dict[str, Any] = pushed(polars.DataFrame({"x": [1]}), dag_id="old", run_id=run_id)
    if written:
        folder, _, name = shown["file"].rpartition("/")
        older = f"{folder}/{written}{name[8:]}"
        (values() / shown["file"]).rename(values() / older)
        shown["file"] = older
    return shown


def values() -> Path:
    return settings.home() / "xcoms"


def names() -> set[str]:
    return {path for runs in sweeping.files().values() for paths in runs.values() for path in paths}


def test_files_go_with_their_run_and_when_no_value_names_them(session: Any) -> None:
    run = run_of(session, dag_of(), ago(hours=2))
    gone, orphan = kept("gone"), kept(run.run_id, written="60000000")
    named, recent = kept(run.run_id, written="60000000"), kept(run.run_id)
    task = run.get_task_instances(session=session)[0]
    row = {"dag_id": "old", "run_id": run.run_id, "task_id": task.task_id, "dag_run_id": run.id}
    session.add(XComModel(**row, key="k", value={"a": [named, gone]}))
    session.commit()

    assert keeping.sweep(whole=True, ended=lambda: True) == 0 and len(names()) == 4
    keeper = Keeper(interval=0)
    keeper.start()
    while {gone["file"], orphan["file"]} & names():
        assert keeper._thread.is_alive()
    keeper.stop()
    keeper._thread.join(60)  # a look that has begun may take longer than the end of a server waits for it

    assert not keeper._thread.is_alive()
    assert names() == {named["file"], recent["file"]}
    session.delete(run)
    session.commit()
    assert Keeper().look() == 2 and not names()


def test_what_cannot_be_deleted_is_told_once(session: Any, caplog: pytest.LogCaptureFixture) -> None:
    path = values() / kept("gone")["file"]
    path.unlink()
    path.mkdir()
    keeper = Keeper()

    with caplog.at_level(logging.WARNING, logger=keeping.__name__):
        assert [keeper.look() for _ in range(3)] == [0, 0, 0]
    (told,) = caplog.messages
    assert str(path) in told and "cannot be written" in told


def test_values_of_another_database_stay_for_a_month(session: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert Keeper().look() == 0
    note = settings.home() / "xcoms-database.json"
    kept("first")
    assert Keeper().look() == 1  # the first database is nobody's successor
    kept("theirs", written=f"{int(time.time()) - 60:08x}")
    note.write_text(json.dumps({"database": "another", "since": 0}))

    assert [Keeper().look(), len(names())] == [0, 1]
    note.write_text("{")
    assert [Keeper().look(), len(names())] == [0, 1]
    monkeypatch.setattr(sweeping, "OTHERS", -1)
    assert [Keeper().look(), len(names())] == [1, 0]
