"""Runs of sources, with the real child: what they leave when they go well, are refused, stopped, or fail."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from couture_workflow.exceptions import CoutureError, EdaError, InvalidError, NotFoundError
from couture_workflow.services.eda import outputs, schedules, sources
from couture_workflow.services.eda.comparisons import guard
from couture_workflow.services.eda.document import FilePlace, Source, SqlPlace
from couture_workflow.services.eda.outputs import Output
from couture_workflow.services.eda.runs import STOPPED, Asked, BrokenError, EdaRun, missing_share
from couture_workflow.services.runs.records import RunKey
from couture_workflow.services.spark.jobs import Origin
from couture_workflow.store.home import Store
from tests.support.jupyter_runtime import jupyter_or_skip
from tests.support.spark import processes_of

KEY = RunKey("d", "r", "t", -1, 1)
ROWS = "id,name\n007,a\n008,\n008,\n"


@pytest.fixture
def store(store: Store) -> Store:
    """Return a store with a source "sales", an uploaded file."""
    jupyter_or_skip()
    upload(store, ROWS)
    sources.add(store, Source(name="sales", file=FilePlace(data="sales.csv")), user="ann")
    return store


def upload(store: Store, text: str) -> None:
    store.data.put("sales.csv", [text.encode()], user="ann")


class Task:
    """A run as a task makes it; its lines are kept."""

    def __init__(self, store: Store, *, on_line: Callable[[str], object] = str, **asked: Any) -> None:
        self.lines: list[str] = []
        self._on_line = on_line
        self.run = EdaRun(
            store,
            Asked(source=asked.pop("source", "sales"), **asked),
            Origin(key=KEY, triggered_by="bob", redact=lambda text: text.replace("hunter2", "***")),
            connect=self.connect,
            on_line=self._show,
        )

    def connect(self, conn_id: str) -> Mapping[str, Any]:
        raise NotFoundError(f"There is no connection {conn_id} with hunter2.")

    def _show(self, _level: str, line: str) -> None:
        self.lines.append(line)
        self._on_line(line)


def newest(store: Store) -> Output:
    found = outputs.latest(store, "sales")
    assert found is not None
    return found


def files(store: Store, number: int) -> list[str]:
    return sorted(path.name for path in outputs.folder(store, "sales", number).iterdir())


@pytest.mark.slow
def test_run_leaves_numbers_report_and_record_and_is_judged_by_the_next(store: Store) -> None:
    task = Task(store)
    output = task.run.run()

    assert output == newest(store)
    assert (output.state, output.rows, output.columns, output.has_report) == ("success", 3, 2, True)
    assert (output.data_version, output.by, output.run_id) == ("sales.csv@1", "bob", "r")
    assert output.source_version == sources.version(store, "sales")
    assert output.missing_share == pytest.approx(2 / 6, abs=1e-6)
    assert files(store, 1) == [outputs.RECORD, outputs.PROFILE, outputs.REPORT]
    assert outputs.profile(store, "sales", 1)["columns"][0]["name"] == "id"
    assert "<html" in outputs.report(store, "sales", 1).read_text()
    assert task.lines[0] == "Output 1 of the source sales"
    assert task.lines[-1].startswith("Output 1: 3 rows, 2 columns")

    upload(store, "id,name\n007,a\n")
    rules = guard.parse({"rows": {"min": 2, "change": "90%"}})
    with pytest.raises(BrokenError, match="rows") as raised:
        Task(store, rules=rules).run.run()
    broken = newest(store)
    assert (broken.state, broken.message, broken.has_report) == ("failed", str(raised.value), True)
    assert (broken.compared_with, broken.guard[0]["rule"]) == (1, "rows.min")
    assert getattr(outputs.latest_success(store, "sales"), "number", None) == 1


@pytest.mark.slow
def test_kill_on_the_page_ends_the_child_and_leaves_no_report(store: Store) -> None:
    promised = outputs.add(
        store,
        Output(number=0, source="sales", started_at=datetime.now(UTC), dag_id="d", run_id="r", task_id="t"),
    )
    upload(store, "id,name\n" + "1,abc\n" * 400_000)

    seen: list[int] = []

    def kill(line: str) -> None:
        if not line.startswith("Output"):  # the child has said what it does
            seen.extend(processes_of(str(outputs.folder(store, "sales", 1))))
            outputs.ask_to_stop(store, promised, "bob")

    begun = time.monotonic()
    with pytest.raises(EdaError) as raised:
        Task(store, on_line=kill).run.run()

    assert raised.value.code == STOPPED
    assert time.monotonic() - begun < 60
    assert seen
    assert processes_of(str(outputs.folder(store, "sales", 1))) == []
    output = newest(store)
    assert (output.number, output.state) == (promised.number, "stopped")
    assert output.message == "Stopped by bob. Nothing of it is left running."
    assert files(store, 1) == [outputs.RECORD]


@pytest.mark.parametrize(
    ("asked", "error", "said"),
    [
        pytest.param({"source": "gone"}, NotFoundError, "no source", id="no source"),
        pytest.param({"source": "../x"}, InvalidError, "refused", id="hostile name"),
        pytest.param({"sample_rows": 10**7}, InvalidError, "1,000,000", id="sample"),
        pytest.param({"compare_with": 7}, NotFoundError, "no output 7", id="compared with nothing"),
    ],
)
def test_what_cannot_be_meant_is_refused_before_anything_is_made(
    store: Store, asked: dict[str, Any], error: type[CoutureError], said: str
) -> None:
    with pytest.raises(error, match=said):
        Task(store, **asked).run.run()

    assert outputs.listed(store, "sales") == ()


def test_promised_output_fails_with_the_reason(store: Store) -> None:
    outputs.add(
        store,
        Output(number=0, source="sales", started_at=datetime.now(UTC), dag_id="d", run_id="r", task_id="t"),
    )
    with pytest.raises(NotFoundError):
        Task(store, compare_with=7).run.run()

    assert newest(store).state == "failed"
    assert "no output 7" in newest(store).message


def test_data_and_connections_that_are_gone_are_told_in_the_output(store: Store) -> None:
    store.data.delete("sales.csv")
    with pytest.raises(CoutureError, match="sales.csv"):
        Task(store).run.run()
    assert (newest(store).state, files(store, 1)) == ("failed", [outputs.RECORD])
    assert "sales.csv" in newest(store).message

    database = Source(name="base", kind="sql", sql=SqlPlace(connection="db", table="t"))
    sources.add(store, database, user="ann")
    with pytest.raises(NotFoundError):
        Task(store, source="base").run.run()
    assert getattr(outputs.latest(store, "base"), "message", "") == "There is no connection db with ***."


def test_old_outputs_go_with_each_run(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__COUTURE_WORKFLOW__EDA_OUTPUTS_KEPT", "2")
    store.data.delete("sales.csv")
    for _ in range(4):
        with pytest.raises(CoutureError):
            Task(store).run.run()

    assert [each.number for each in outputs.listed(store, "sales")] == [4, 3]


def test_share_of_missing_cells() -> None:
    columns = [{"missing": 1}, {"missing": 0}]
    assert missing_share({"rows": 2, "columns": columns}) == 0.25
    assert missing_share({"rows": 0, "columns": columns}) is None
    assert missing_share({}) is None


SCHEDULE = {"cron": "0 6 * * 1-5", "zone": "Europe/Berlin", "email": "a@example.org, b@example.org"}


def test_schedule_is_kept_with_its_history_and_becomes_the_task_of_a_dag(store: Store) -> None:
    given = {**SCHEDULE, "fail_when": {"rows": {"min": 2}}}
    saved = schedules.save(store, schedules.normal("sales", given), user="ann")

    assert schedules.get(store, "sales") == saved
    assert (saved.account, saved.email) == ("ann", ("a@example.org", "b@example.org"))
    assert saved.words == "At 06:00, Monday through Friday (Europe/Berlin)"
    (planned,) = schedules.planned()
    assert (planned.dag_id, planned.cron, planned.account) == ("eda__sales", "0 6 * * 1-5", "ann")
    assert planned.started_at.utcoffset() != saved.started_at.utcoffset()
    assert dict(planned.arguments) == {
        "source": "sales",
        "compare_with": "last",
        "fail_when": saved.json()["fail_when"],
        "email": ["a@example.org", "b@example.org"],
        "email_on_retry": False,
    }
    again = schedules.save(store, schedules.normal("sales", {**SCHEDULE, "compare": False}), user="bob")
    assert (again.started_at, again.account) == (saved.started_at, "bob")
    assert [commit.author for commit in store.config.history(schedules.path_of("sales"))] == ["bob", "ann"]

    assert schedules.rename(store, "sales", "orders", user="bob")
    assert (schedules.get(store, "sales"), getattr(schedules.get(store, "orders"), "zone", "")) == (
        None,
        "Europe/Berlin",
    )
    assert schedules.delete(store, "orders", user="bob")
    assert not schedules.delete(store, "orders", user="bob")
    assert schedules.planned() == ()


@pytest.mark.parametrize(
    ("name", "given", "field"),
    [
        pytest.param("sales", {}, "cron", id="no time"),
        pytest.param("sales", {"cron": "0 6 * *"}, "cron", id="four fields"),
        pytest.param("sales", {"cron": "0 6 31 2 *"}, "cron", id="never"),
        pytest.param("sales", {"cron": "@daily", "zone": "Mars/Base"}, "zone", id="zone"),
        pytest.param("sales", {"cron": "@daily", "email": "nobody"}, "email", id="address"),
        pytest.param("sales", {"cron": "@daily", "email": ["a@b.c\nBcc: x@y.z"]}, "email", id="header"),
        pytest.param("sales", {"cron": "@daily", "compare": "yes"}, "compare", id="no truth"),
        pytest.param("sales", {"cron": "@daily", "odd": 1}, "odd", id="unknown"),
        pytest.param("a+b", {"cron": "@daily"}, "source", id="no id of a DAG"),
    ],
)
def test_schedule_with_an_error_is_refused_with_its_field(name: str, given: Any, field: str) -> None:
    with pytest.raises(InvalidError) as raised:
        schedules.normal(name, given)

    assert raised.value.field == field


def test_damaged_schedule_stops_no_other_and_can_be_saved_anew(store: Store) -> None:
    good = schedules.save(store, schedules.normal("sales", SCHEDULE), user="ann")
    damaged: dict[str, bytes | None] = {
        f"{schedules.FOLDER}{number}.yaml": content
        for number, content in enumerate(
            (b"[", b"\xff", b"version: 9", b"version: 1\ncron: x", b"a: &x [*x]")
        )
    }
    store.config.save(damaged, author="x", message="m", base=store.config.head())

    assert schedules.listed(store) == (good,)
    schedules.save(store, schedules.normal("0", SCHEDULE), user="ann")
    assert [each.source for each in schedules.listed(store)] == ["0", "sales"]


@pytest.mark.filterwarnings("ignore:Setting email")
def test_dag_file_has_play_and_every_schedule(store: Store, tmp_path: Path) -> None:
    from airflow.dag_processing.dagbag import DagBag

    from couture_workflow.services.eda import dag_file

    given = {**SCHEDULE, "fail_when": {"rows": {"min": 2}}}
    schedules.save(store, schedules.normal("sales", given), user="ann")
    path = tmp_path / "dags" / dag_file.PATH
    path.parent.mkdir(parents=True)
    path.write_text(dag_file.TEXT)

    bag = DagBag(dag_folder=str(path.parent))

    assert bag.import_errors == {}
    assert sorted(bag.dags) == ["couture_eda", "eda__sales"]
    task: Any = bag.dags["eda__sales"].get_task("profile")
    assert (task.source, task.compare_with, task.owner) == ("sales", "last", "ann")
    assert json.dumps(task.fail_when)
