from __future__ import annotations

import json
import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from couture_workflow.exceptions import CorruptError, NotFoundError
from couture_workflow.services.runs import records as run_records
from couture_workflow.services.runs.notebook_use import CellRun, NotebookUse, OutputFile
from couture_workflow.services.runs.records import Change, FileUse, Run, RunKey

START = datetime(2026, 5, 1, 10, 0, tzinfo=UTC)
HOSTILE = "a'b\"<&>ü/../.%2F\\ :+"


def run_of(key: RunKey, **given: Any) -> Run:
    return Run(**{"key": key, "state": "running", "started_at": START, **given})


def files_of(store: Any) -> list[Path]:
    return [path for path in store.runs.rglob("*") if path.is_file()]


def test_a_record_is_read_back_whole(store: Any) -> None:
    run = run_of(
        RunKey("penguins", "manual__2026-05-01T10:00:00+00:00", "clean", 3, 2),
        state="failed",
        ended_at=START + timedelta(seconds=12.5),
        dag_version="4",
        configuration_commit="c0ffee",
        configuration={"arguments": {"master": "local[*]"}, "configurations": {"spark.x": "1"}},
        files=(FileUse("application", "job.py", 2, "ab" * 32, 1200),),
        app_name="penguins",
        application_arguments=("clean", "in", "out"),
        spark_version="4.2.1",
        java_version="17.0.15",
        master="local[*]",
        deploy_mode="client",
        command="spark-submit job.py",
        application_id="local-1",
        tracking_url="http://127.0.0.1:4040",
        error="ValueError: no\nmore",
        host="worker-1",
        pid=42,
        user="mary",
        hadoop_group="reporting",
        hadoop_commit="f00d",
        hadoop_files="e" * 64,
        principal="etl@LAB.TEST",
    )

    run_records.write(store, run)

    assert run_records.read(store, run.key) == run
    assert run.duration == 12.5


def test_the_record_of_a_notebook_is_read_back_whole_and_half_characters_are_no_obstacle(store: Any) -> None:
    use = NotebookUse(
        path="a.ipynb",
        parameters={"n": "1"},
        packages={"pandas": "2"},
        cells=(CellRun(1, "half \ud83d", "success", 0.5), CellRun(2, "2", "running")),
        files=(OutputFile("files/x", 3),),
    )
    run = run_of(RunKey("d", "r", "t"), kind="notebook", notebook=use)

    run_records.write(store, run)

    cells = (replace(use.cells[0], first_line="half ?"), use.cells[1])
    assert run_records.read(store, run.key) == replace(run, notebook=replace(use, cells=cells))


@pytest.mark.parametrize(
    "said", [{"cells": [{"number": 1, "first_line": "", "state": "odd"}]}, {"files": [1]}, [1]]
)
def test_what_is_damaged_in_a_notebooks_record_is_told(store: Any, said: Any) -> None:
    run = run_of(RunKey("d", "r", "t"))
    run_records.write(store, run)
    (path,) = (each for each in files_of(store) if each.name == "1.json")
    path.write_text(json.dumps({**json.loads(path.read_text()), "notebook": said}))

    with pytest.raises(CorruptError, match="is damaged"):
        run_records.read(store, run.key)


@pytest.mark.parametrize(
    "text",
    [HOSTILE, "..", ".", "", "x" * 250, "ü" * 250, "日本語 の DAG", "successes", "a\0b", "%", "run=1"],
    ids=[
        "hostile",
        "parent",
        "dot",
        "empty",
        "long",
        "long unicode",
        "cjk",
        "marker",
        "nul",
        "percent",
        "prefix",
    ],
)
def test_any_ids_are_kept_apart_inside_the_runs_folder(store: Any, text: str) -> None:
    keys = [RunKey(text, text, text), RunKey(text + "2", text, text), RunKey(text, text, text, map_index=0)]
    for number, key in enumerate(keys):
        run_records.write(store, run_of(key, state="success", pid=number))

    assert [run_records.read(store, key).pid for key in keys] == [0, 1, 2]
    assert all(len(part.encode()) <= 255 for path in files_of(store) for part in path.parts)
    assert [path.name for path in store.runs.parent.glob("*.json")] == []


def test_a_missing_record_names_the_task(store: Any) -> None:
    with pytest.raises(
        NotFoundError, match="no record of try 1 of the task 't' in the run 'r' of the DAG 'd'"
    ):
        run_records.read(store, RunKey("d", "r", "t"))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"\xff\xfe",
        b'{"state": "running"}',
        b'{"key": {}, "state": "running", "started_at": "2026-05-01T10:00:00+00:00"}',
        b'{"key": {"dag_id":"d","run_id":"r","task_id":"t"}, "state": "lost", "started_at": "2026-05-01"}',
        b'{"key": {"dag_id":"o","run_id":"r","task_id":"t"}, "state": "running", "started_at": "2026-05-01"}',
        b'{"key": {"dag_id":"d","run_id":"r","task_id":"t"}, "state": "running", "started_at": 5}',
    ],
    ids=["empty", "cut", "list", "null", "binary", "no key", "empty key", "state", "other task", "time"],
)
def test_damage_names_the_file_and_the_remedy(store: Any, content: bytes) -> None:
    key = RunKey("d", "r", "t")
    run_records.write(store, run_of(key))
    (record,) = files_of(store)
    record.write_bytes(content)

    with pytest.raises(CorruptError, match="is damaged .* Delete the file") as caught:
        run_records.read(store, key)

    assert caught.value.path == str(record)
    assert run_records.tries(store, key) == []
    assert run_records.last_success(store, RunKey("d", "r2", "t")) is None


def test_a_record_of_a_newer_version_is_read(store: Any) -> None:
    key = RunKey("d", "r", "t")
    run_records.write(store, run_of(key, files=(FileUse("jar", "a.jar", 1, "00", 1),)))
    (record,) = files_of(store)
    newer = json.loads(record.read_bytes())
    newer |= {"format": 99, "keytab": "alice"}
    newer["key"]["asset"] = "x"
    newer["files"][0]["signature"] = "y"
    del newer["pid"]
    record.write_text(json.dumps(newer))

    assert run_records.read(store, key) == run_of(key, files=(FileUse("jar", "a.jar", 1, "00", 1),))


def test_tries_come_in_order(store: Any) -> None:
    for number in (10, 2, 1):
        run_records.write(
            store, run_of(RunKey("d", "r", "t", -1, number), started_at=START + timedelta(hours=number))
        )

    assert [run.key.try_number for run in run_records.tries(store, RunKey("d", "r", "t"))] == [1, 2, 10]


def test_the_last_success_is_the_newest_before_the_run_of_the_same_task_and_map_index(store: Any) -> None:
    for hour, (run_id, state, map_index) in enumerate(
        [
            ("a", "success", -1),
            ("b", "success", -1),
            ("c", "failed", -1),
            ("d", "success", 0),
            ("e", "success", -1),
        ]
    ):
        run_records.write(
            store,
            run_of(
                RunKey("d", run_id, "t", map_index), state=state, started_at=START + timedelta(hours=hour)
            ),
        )

    def found(run_id: str, map_index: int = -1) -> str | None:
        success = run_records.last_success(store, RunKey("d", run_id, "t", map_index))
        return success.key.run_id if success else None

    assert [found(run_id) for run_id in "abce"] == [None, "a", "b", "b"]
    assert found("d", 0) is None
    assert found("not started yet") == "e"


def test_a_success_that_was_deleted_or_is_no_success_any_more_is_passed_over(store: Any) -> None:
    for hour, run_id in enumerate("abc"):
        run_records.write(
            store, run_of(RunKey("d", run_id, "t"), state="success", started_at=START + timedelta(hours=hour))
        )
    (store.runs / "d" / "t" / "-1" / "run=c" / "1.json").unlink()
    run_records.write(store, replace(run_records.read(store, RunKey("d", "b", "t")), state="failed"))

    found = run_records.last_success(store, RunKey("d", "new", "t"))

    assert found is not None
    assert found.key.run_id == "a"


def test_a_success_is_found_among_thousands_without_reading_them(store: Any) -> None:
    run_records.write(store, run_of(RunKey("d", "first", "t"), state="success"))
    folder = store.runs / "d" / "t" / "-1" / "successes"
    for number in range(5000):
        (folder / f"20270101T000000.{number:06}Z-x").touch()

    run_records.write(store, run_of(RunKey("d", "second", "t"), started_at=START + timedelta(hours=1)))
    found = run_records.last_success(store, RunKey("d", "second", "t"))

    assert found is not None
    assert found.key.run_id == "first"


def test_changes_are_itemised() -> None:
    old = run_of(
        RunKey("d", "a", "t"),
        dag_version="1",
        configuration={
            "arguments": {"master": "local[*]", "driver-memory": "1g"},
            "configurations": {"spark.gone": "1", "spark.same": "x"},
        },
        files=(
            FileUse("application", "job.py", 1, "a" * 64, 1200),
            FileUse("jar", "old.jar", 1, "b" * 64, 5),
            FileUse("py-file", "same.py", 1, "c" * 64, 5),
        ),
        application_arguments=("clean", "in"),
        spark_version="4.2.1",
        java_version="17.0.15",
        master="local[*]",
    )
    new = replace(
        old,
        key=RunKey("d", "b", "t"),
        dag_version="2",
        configuration={
            "arguments": {"master": "spark://h:7077", "driver-memory": "2g"},
            "configurations": {"spark.same": "x", "spark.new": "y"},
        },
        files=(
            FileUse("application", "job.py", 2, "d" * 64, 1300),
            FileUse("py-file", "same.py", 2, "c" * 64, 5),
        ),
        application_arguments=("clean", "other", "out"),
        java_version="21.0.1",
        master="spark://h:7077",
        hadoop_group="reporting",
        hadoop_commit="another",  # of the whole configuration: what changed may be no file of the group
        hadoop_files="e" * 64,
        principal="etl@LAB.TEST",
    )

    assert run_records.changes(old, old) == []
    assert run_records.changes(old, new) == [
        Change(
            "application job.py",
            "version 1, sha256 aaaaaaaaaaaa, 1,200 bytes",
            "version 2, sha256 dddddddddddd, 1,300 bytes",
        ),
        Change("jar old.jar", "version 1, sha256 bbbbbbbbbbbb, 5 bytes", None),
        Change("application argument 2", "in", "other"),
        Change("application argument 3", None, "out"),
        Change("argument driver-memory", "1g", "2g"),
        Change("configuration spark.gone", "1", None),
        Change("configuration spark.new", None, "y"),
        Change("DAG version", "1", "2"),
        Change("Java version", "17.0.15", "21.0.1"),
        Change("master", "local[*]", "spark://h:7077"),
        Change("Hadoop group", None, "reporting"),
        Change("Hadoop files, sha256", None, "eeeeeeeeeeee"),
        Change("Kerberos principal", None, "etl@LAB.TEST"),
    ]


def test_the_changes_of_a_notebook_are_told_when_both_kernels_have_begun() -> None:
    use = NotebookUse(sha256="a", python_version="3.11", packages={"numpy": "1", "pandas": "2"})
    newer = NotebookUse(sha256="b", python_version="3.12", packages={"numpy": "1", "pandas": "3"}, kernel="k")
    old = run_of(RunKey("d", "a", "t"), notebook=use)

    assert run_records.changes(old, replace(old, notebook=newer)) == [
        Change("package pandas", "2", "3"),
        Change("notebook, sha256", "a", "b"),
        Change("kernel", None, "k"),
        Change("Python version", "3.11", "3.12"),
    ]
    for other in (None, NotebookUse(sha256="b")):
        assert run_records.changes(old, replace(old, notebook=other)) == []


def test_the_id_of_the_run_itself_is_no_change() -> None:
    old = run_of(
        RunKey("d", "manual__2026-05-01T10:00:00+00:00", "t"),
        app_name="job manual__2026-05-01T10:00:00+00:00",
        application_arguments=("out/manual__2026-05-01T10.00.00+00.00/x",),
    )
    new = run_of(
        RunKey("d", "manual__2026-06-01T10:00:00+00:00", "t"),
        app_name="job manual__2026-06-01T10:00:00+00:00",
        application_arguments=("out/manual__2026-06-01T10.00.00+00.00/x",),
    )

    assert run_records.changes(old, new) == []


def test_a_record_is_never_half_written(store: Any) -> None:
    key = RunKey("d", "r", "t")
    run_records.write(store, run_of(key))
    child = os.fork()
    if child == 0:
        for number in range(100_000):
            run_records.write(store, run_of(key, pid=number))
        os._exit(0)
    try:
        for _ in range(300):
            run_records.read(store, key)
    finally:
        os.kill(child, 9)
        os.waitpid(child, 0)

    assert run_records.read(store, key).key == key
