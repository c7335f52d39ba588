"""Schedules as they are kept: made, changed, copied, deleted, edited by hand, and looked at by others."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from couture_workflow.exceptions import ConflictError, GateError, InvalidError, NotFoundError
from couture_workflow.services.dags import repository as dag_repository
from couture_workflow.services.dags import root as dag_root
from couture_workflow.services.gate.problems import Known
from couture_workflow.services.notebooks import document
from couture_workflow.services.processes import apart
from couture_workflow.services.saving import save as dag_saving
from couture_workflow.services.schedules import beside, changes, checking, copies, library, origin
from couture_workflow.services.schedules.changes import Change
from couture_workflow.services.schedules.checking import Description, Surroundings
from couture_workflow.services.schedules.form import Form, form_of
from couture_workflow.services.schedules.library import Schedule
from couture_workflow.store.git_process import Git
from couture_workflow.store.home import Store
from tests.support.people_notebooks import notebook, write

pytestmark = pytest.mark.slow

KNOWN = Known(variables={}, connections=frozenset({"smtp_default"}))
PARAMETERS = ("rows: int = 100  # how many\nday = '2026-01-01'", ["parameters"])
SENT = {
    "name": "daily",
    "notebook": "ann/report.ipynb",
    "when": {"kind": "cron", "cron": "0 6 * * 1-5", "zone": "Europe/Berlin"},
    "parameters": {"rows": "200", "day": "{{ ds }}"},
    "files": ["data.csv"],
}


@pytest.fixture
def home(store: Store) -> Store:
    """Return a store in which ann has a notebook and a file beside it."""
    write(store.root, "ann/report.ipynb", notebook(PARAMETERS, "print(rows)"))
    write(store.root, "ann/data.csv", "a,b\n1,2\n")
    return store


def describe(
    store: Store,
    sent: Mapping[str, Any],
    account: str = "ann",
    *,
    around: Surroundings | None = None,
    current: Schedule | None = None,
) -> Description:
    around = around or Surroundings()
    return checking.describe(store, form_of(sent), account, around=around, current=current, copy=True)


def save(store: Store, change: Change, user: str = "ann") -> dag_saving.Saved:
    return dag_saving.save(
        store, change.changes, user=user, message=change.message, base=change.base, known=KNOWN, pushed=True
    )


def create(store: Store, account: str = "ann", **more: Any) -> Schedule:
    description = describe(store, {**SENT, **more}, account)
    assert not description.errors, description.errors
    save(store, changes.created(store, description, account), account)
    return library.read(store, description.form.name)


def sent_of(form: Form, **more: Any) -> dict[str, Any]:
    return {**form.json(), **more}


def edit(store: Store, schedule: Schedule, old: str, new: str) -> Schedule:
    source = dag_repository.read(store, schedule.path).decode()
    assert old in source
    changed = {schedule.path: source.replace(old, new).encode()}
    dag_saving.save(store, changed, user="bob", message="x", base=store.dags.head(), known=KNOWN)
    return library.read(store, schedule.name)


def test_a_schedule_is_a_folder_that_the_gate_lets_through(home: Store) -> None:
    description = describe(home, SENT)
    saved = save(home, changes.created(home, description, "ann"))

    assert [graph.dag_id for graph in saved.report.graphs] == ["daily"]
    assert saved.report.problems == ()
    assert [file.path for file in dag_repository.files(home)] == [
        "notebook_schedules/daily/daily.py",
        "notebook_schedules/daily/data.csv",
        "notebook_schedules/daily/report.ipynb",
        "notebook_schedules/daily/schedule.json",
    ]
    schedule = library.read(home, "daily")
    assert schedule.form.parameters == {"rows": 200, "day": "{{ ds }}"}
    assert (schedule.edited, schedule.unknown, schedule.beside) == (False, (), {"data.csv": 8})
    assert (schedule.origin.account, schedule.origin.source) == ("ann", "ann/report.ipynb")
    assert b"an output" not in library.pinned(home, schedule)
    assert [each.help for each in library.parameters(home, schedule)] == ["how many", ""]


@pytest.mark.parametrize(
    "more",
    [
        {"when": {"kind": "now"}},
        {"when": {"kind": "at", "at": "2999-01-01T00:00"}},
        {"email": "a@example.org,b@example.org", "retries": 3, "time_limit": 60, "tags": ["x"], "owner": "o"},
        {"html": "code", "files": []},
        {"parameters": {}},
        {"parameters": {"rows": 3, "more": [1, {"a": None}], "text": "a'b\"<&>/../ü\n{x}"}},
        {"name": "ü.a-b_1"},
    ],
    ids=lambda more: str(sorted(more)),
)
def test_the_gate_lets_every_form_through(home: Store, more: dict[str, Any]) -> None:
    if more.get("when", {}).get("kind") == "at":
        more = {**more, "when": {"kind": "at", "at": "2070-01-01T00:00"}}
    description = describe(home, {**SENT, **more})
    saved = save(home, changes.created(home, description, "ann"))

    assert [graph.dag_id for graph in saved.report.graphs] == [description.form.name]
    assert [problem.code for problem in saved.report.problems] == []


def test_names_of_any_kind_go_with_a_notebook(home: Store) -> None:
    name = "a'b\"<&>ü .ipynb"
    write(home.root, f"shared/x y/{name}", notebook("x"))
    files = ["d a't\"a.csv", " begins.csv", "ends.csv "]
    for path in files:
        write(home.root, f"shared/x y/{path}", "1")

    schedule = create(home, notebook=f"shared/x y/{name}", files=files, parameters={})

    assert schedule.notebook == f"notebook_schedules/daily/{name}"
    assert set(schedule.beside) == set(files) == set(schedule.form.files)


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": "a'b\"<&>/../ü"}, "name"),
        ({"name": "a+b"}, "name"),
        ({"name": "-a"}, "name"),
        ({"name": "a."}, "name"),
        ({"name": "a" * 101}, "name"),
        ({"name": "u\u0308"}, "name"),
        ({"name": "taken"}, "name"),
        ({"notebook": ""}, "notebook"),
        ({"notebook": "bob/report.ipynb"}, "notebook"),
        ({"notebook": "ann/none.ipynb"}, "notebook"),
        ({"notebook": "ann/data.csv"}, "notebook"),
        ({"notebook": "../../etc/passwd"}, "notebook"),
        ({"when": {"kind": "cron", "cron": "0 0 30 2 *"}}, "when.cron"),
        ({"when": {"kind": "at", "at": "x"}}, "when.at"),
        ({"when": {"kind": "cron", "cron": "* * * * *", "zone": "x"}}, "when.zone"),
        ({"parameters": {"rows": "many"}}, "parameters.rows"),
        ({"parameters": {"api_key": "x"}}, "parameters.api_key"),
        ({"kernel": "cobol"}, "kernel"),
        ({"files": ["none.csv"]}, "files"),
        ({"files": ["../bob/x"]}, "files"),
        ({"files": [".hidden"]}, "files"),
        ({"email": "nobody"}, "email"),
        ({"retries": 1000}, "retries"),
        ({"time_limit": 10**8}, "time_limit"),
        ({"tags": ["x" * 101]}, "tags"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_is_wrong_is_told_at_its_field(home: Store, more: dict[str, Any], field: str) -> None:
    write(home.root, "ann/.hidden", "x")
    description = describe(home, {**SENT, **more}, around=Surroundings(taken={"taken": "x.py"}))

    assert field in {each.field for each in description.errors}
    with pytest.raises(InvalidError):
        changes.created(home, description, "ann")


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"parameters": {"strange": 1}}, "parameters.strange"),
        ({"email": "a@example.org"}, "email"),
        ({"when": {"kind": "cron", "cron": "0 0 29 2 1#5"}}, "when.cron"),
    ],
)
def test_what_is_odd_is_a_warning(home: Store, more: dict[str, Any], field: str) -> None:
    description = describe(home, {**SENT, **more}, around=Surroundings(connections=frozenset()))

    assert [(each.field, each.level) for each in description.findings] == [(field, "warning")]


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("EMAIL_CONN_ID", "our_mail", "There is no connection our_mail"),
        ("EMAIL_BACKEND", "ours.send", ""),
    ],
)
def test_mails_go_the_way_that_airflow_is_told(
    home: Store, monkeypatch: pytest.MonkeyPatch, option: str, value: str, message: str
) -> None:
    monkeypatch.setenv(f"AIRFLOW__EMAIL__{option}", value)
    around = Surroundings(connections=frozenset({"smtp_default"}))

    found = describe(home, {**SENT, "email": "a@example.org"}, around=around).findings

    assert [each.message[: len(message)] for each in found] == ([message] if message else [])


def test_a_broken_notebook_is_told_at_its_field(home: Store) -> None:
    write(home.root, "ann/report.ipynb", b"{")

    (finding,) = describe(home, {**SENT, "files": []}).errors

    assert finding.field == "notebook" and "broken" in finding.message


def test_a_kernel_that_a_notebook_names_and_that_is_not_there(home: Store) -> None:
    content = notebook("x")
    content["metadata"]["kernelspec"]["name"] = "my-venv"
    write(home.root, "ann/report.ipynb", content)

    findings = describe(home, {**SENT, "parameters": {}}).findings

    assert [(each.field, each.level) for each in findings] == [("kernel", "warning")]
    assert '"my-venv"' in findings[0].message


def test_names_that_are_taken(home: Store) -> None:
    create(home)

    for name in ("daily", "DAILY"):
        (finding,) = describe(home, {**SENT, "name": name}).errors
        assert finding.field == "name" and "already" in finding.message


def test_once_never_runs_again_so_it_is_refused(home: Store) -> None:
    ran = Surroundings(ran=frozenset({"daily"}))
    once = {"when": {"kind": "now"}}
    assert [each.field for each in describe(home, {**SENT, **once}, around=ran).errors] == ["name"]
    assert not describe(home, SENT, around=ran).errors

    schedule = create(home)
    sent = sent_of(schedule.form, **once)
    (finding,) = describe(home, sent, around=ran, current=schedule).errors
    assert finding.field == "when.kind" and "Run now" in finding.message
    assert not describe(home, sent, current=schedule).errors


def test_a_change_keeps_the_copy(home: Store) -> None:
    schedule = create(home)
    before = library.pinned(home, schedule)
    write(home.root, "ann/report.ipynb", notebook(PARAMETERS, "print('another')"))
    description = describe(home, sent_of(schedule.form, retries=3), current=schedule)

    change = changes.updated(home, schedule, description, "ann")
    save(home, change)
    found = library.read(home, "daily")

    assert sorted(change.changes) == [
        f"notebook_schedules/daily/{name}" for name in ("daily.py", "schedule.json")
    ]
    assert found.form.retries == 3 and library.pinned(home, found) == before
    assert found.origin.started_at == schedule.origin.started_at
    assert copies.states(home, [found], "ann") == {"daily": "behind"}


def test_a_new_time_counts_from_the_change_on(home: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    schedule = create(home)
    later = library.now() + timedelta(days=365)
    monkeypatch.setattr(library, "now", lambda: later)
    sent = sent_of(schedule.form, when={"kind": "cron", "cron": "0 7 * * *"})

    save(home, changes.updated(home, schedule, describe(home, sent, current=schedule), "ann"))

    assert library.read(home, "daily").origin.started_at == later.isoformat()


def test_another_notebook_is_pinned_in_its_place(home: Store) -> None:
    schedule = create(home)
    write(home.root, "shared/other.ipynb", notebook("1"))
    sent = sent_of(schedule.form, notebook="shared/other.ipynb", files=[], parameters={})

    save(home, changes.updated(home, schedule, describe(home, sent, "bob", current=schedule), "bob"), "bob")
    found = library.read(home, "daily")

    assert (found.notebook, found.beside) == ("notebook_schedules/daily/other.ipynb", {})
    assert (found.origin.pinned_by, found.origin.source) == ("bob", "shared/other.ipynb")
    assert len(dag_repository.files(home)) == 3


def test_files_are_added_and_taken_off(home: Store) -> None:
    schedule = create(home)
    write(home.root, "ann/more/b.csv", "2")
    sent = sent_of(schedule.form, files=["more/b.csv"])

    save(home, changes.updated(home, schedule, describe(home, sent, current=schedule), "ann"))

    assert library.read(home, "daily").beside == {"more/b.csv": 1}


def test_files_that_are_too_large_together(home: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__COUTURE_WORKFLOW__MAX_NOTEBOOK_FILES_SIZE", "7")

    (finding,) = describe(home, SENT).errors

    assert finding.field == "files" and "8 bytes; 7 are allowed" in finding.message


def test_a_file_that_grows_after_it_was_looked_at(home: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    description = describe(home, SENT)
    write(home.root, "ann/data.csv", "x" * 100)
    monkeypatch.setenv("AIRFLOW__COUTURE_WORKFLOW__MAX_NOTEBOOK_FILES_SIZE", "50")

    with pytest.raises(Exception, match="larger than the 50 bytes"):
        changes.created(home, description, "ann")


def test_names_of_the_schedules_own_files_are_taken(home: Store) -> None:
    write(home.root, "ann/daily.py", "x = 1")
    write(home.root, "ann/schedule.json", "{}")

    for name in ("daily.py", "schedule.json"):
        assert [each.field for each in describe(home, {**SENT, "files": [name]}).errors] == ["files"]


def test_a_copy_that_is_behind_is_shown_and_updated(home: Store) -> None:
    schedule = create(home)
    assert copies.behind(home, schedule, "ann").state == "same"
    write(home.root, "ann/report.ipynb", notebook(PARAMETERS, "print(rows, day)", "1"))
    write(home.root, "ann/data.csv", "a,b\n")

    found = copies.behind(home, schedule, "ann")
    assert (found.state, found.files) == ("behind", ("data.csv",))
    assert [(each.change, each.number) for each in found.difference.cells] == [("changed", 2), ("added", 3)]

    change = changes.copied(home, schedule, "ann")
    assert "notebook_schedules/daily/daily.py" not in change.changes
    save(home, change)
    found = copies.behind(home, library.read(home, "daily"), "ann")
    assert (found.state, found.files, found.difference.cells) == ("same", (), ())


def test_another_run_of_the_notebook_is_no_difference(home: Store) -> None:
    schedule = create(home)
    content = notebook(PARAMETERS, "print(rows)")
    content["cells"][0]["execution_count"] = 99
    write(home.root, "ann/report.ipynb", content)

    assert copies.states(home, [schedule], "ann") == {"daily": "same"}
    assert copies.behind(home, schedule, "ann").state == "same"


def test_nobody_looks_into_anothers_folder_through_a_schedule(home: Store) -> None:
    schedule = create(home)
    write(home.root, "ann/report.ipynb", notebook("a secret"))
    write(home.root, "ann/more.csv", "a secret")

    found = copies.behind(home, schedule, "bob")
    assert (found.state, found.difference.cells) == ("hidden", ())
    assert copies.states(home, [schedule], "bob") == {"daily": "hidden"}
    with pytest.raises(NotFoundError):
        changes.copied(home, schedule, "bob")

    sent = sent_of(schedule.form, files=["data.csv", "more.csv"])
    assert [each.field for each in describe(home, sent, "bob", current=schedule).errors] == ["files"]
    sent = sent_of(schedule.form, retries=1)
    assert not describe(home, sent, "bob", current=schedule).findings
    save(home, changes.updated(home, schedule, describe(home, sent, "bob", current=schedule), "bob"), "bob")
    found_again = library.read(home, "daily")
    assert (found_again.origin.account, found_again.origin.pinned_by) == ("bob", "ann")
    assert b"a secret" not in library.pinned(home, found_again)


def test_files_beside_a_notebook_count_too(home: Store) -> None:
    for path in ("more/b.csv", "more/c.csv"):
        write(home.root, f"ann/{path}", "1,2")
    schedule = create(home, files=["data.csv", "more/b.csv", "more/c.csv"])
    assert copies.states(home, [schedule], "ann") == {"daily": "same"}

    write(home.root, "ann/more/b.csv", "3,4")  # as large as before
    assert copies.states(home, [schedule], "ann") == {"daily": "behind"}
    found = copies.behind(home, schedule, "ann")
    assert (found.state, found.files, found.difference.cells) == ("behind", ("more/b.csv",), ())
    assert (found.source, found.taken) == ("ann/report.ipynb", schedule.form.files)

    save(home, changes.copied(home, schedule, "ann"))
    schedule = library.read(home, "daily")
    assert copies.states(home, [schedule], "ann") == {"daily": "same"}
    gone = home.root / "notebooks" / "ann" / "data.csv"
    gone.unlink()
    assert copies.states(home, [schedule], "ann") == {"daily": "behind"}
    assert copies.states(home, [schedule], "bob") == {"daily": "hidden"}
    gone.symlink_to("more/b.csv")
    assert copies.behind(home, schedule, "ann").files == ("data.csv",)


def test_a_file_that_is_changed_again_and_again_is_always_noticed(home: Store) -> None:
    schedule = create(home)
    original = (home.root / "notebooks" / "ann" / "data.csv").read_bytes()
    for number in range(20):
        write(home.root, "ann/data.csv", f"a,b\n{number:03}\n")
        assert copies.states(home, [schedule], "ann") == {"daily": "behind"}
        write(home.root, "ann/data.csv", original)
        assert copies.states(home, [schedule], "ann") == {"daily": "same"}


def test_an_answer_reads_no_more_than_it_may_and_the_next_one_goes_on(home: Store) -> None:
    paths = [f"{number}.csv" for number in range(4)]
    for path in paths:
        write(home.root, f"ann/{path}", "1234")
    schedule = create(home, files=paths)
    top = home.root / "notebooks"
    for path in paths:
        write(home.root, f"ann/{path}", "5678")
        os.utime(top / "ann" / path, (1, 1))

    left = beside.Left(size=9)
    assert list(beside.changed(top, schedule, left)) == ["0.csv", "1.csv"]
    assert left.size == 1
    assert list(beside.changed(top, schedule, beside.Left(files=3))) == paths[:3]
    assert list(beside.changed(top, schedule, None)) == paths


def forged(store: Store, schedule: Schedule, **more: Any) -> Schedule:
    """Write another ``schedule.json``, as whoever may edit DAG files can.

    :param more: values by ``form__name`` or ``origin__name``, or the whole under ``form`` and ``origin``.
    """
    path = f"{schedule.folder}/{origin.ORIGIN}"
    data = json.loads(dag_repository.read(store, path))
    for name, value in more.items():
        part, _, field = name.partition("__")
        if field:
            data[part][field] = value
        else:
            data[part] = value
    content = json.dumps(data).encode()
    store.dags.save({path: content}, author="mallory", message="x", base=store.dags.head())
    return library.read(store, schedule.name)


def test_a_forged_source_reads_nobody_elses_notebook(home: Store) -> None:
    write(home.root, "bob/private.ipynb", notebook("a secret"))
    write(home.root, "bob/data.csv", "a secret")
    schedule = create(home)

    found = forged(home, schedule, origin__source="bob/private.ipynb", origin__pinned_by="ann")
    assert copies.behind(home, found, "ann").state == "hidden"
    assert copies.states(home, [found], "ann") == {"daily": "hidden"}
    with pytest.raises(NotFoundError, match="must be copied there"):
        changes.copied(home, found, "ann")
    sent = sent_of(found.form, notebook="bob/private.ipynb", files=["data.csv", "private.ipynb"])
    assert {each.field for each in describe(home, sent, "ann", current=found).errors} == {"files"}


@pytest.mark.parametrize(
    "source", ["ann/../bob/private.ipynb", "../x.ipynb", "/etc/passwd", "ann//x", "a\nb"]
)
def test_a_forged_source_that_leads_elsewhere_is_refused_in_a_sentence(home: Store, source: str) -> None:
    write(home.root, "bob/private.ipynb", notebook("a secret"))
    found = forged(home, create(home), origin__source=source)

    told = copies.behind(home, found, "ann")

    assert (told.state, told.source, told.difference.cells) == ("unknown", "", ())
    assert "schedule.json" in told.message and "changed by hand" in told.message
    with pytest.raises(InvalidError, match="is no path of a notebook"):
        changes.copied(home, found, "ann")


@pytest.mark.parametrize(
    "path", ["../bob/private.ipynb", "../../airflow.cfg", "/etc/passwd", "./data.csv", "."]
)
def test_forged_files_that_lead_elsewhere_are_not_read(home: Store, path: str) -> None:
    write(home.root, "bob/private.ipynb", notebook("a secret"))
    (home.root / "airflow.cfg").write_text("a secret")
    schedule = create(home)

    found = forged(home, schedule, form__files=[path])

    assert copies.behind(home, found, "ann").state == "unknown"
    with pytest.raises(InvalidError, match="not beside the notebook"):
        changes.copied(home, found, "ann")
    # Were it believed, the file would not be read either.
    believed = replace(found, form=replace(found.form, files=(path,)), origin=schedule.origin)
    assert copies.behind(home, believed, "ann").files == (path,)
    with pytest.raises(InvalidError, match="Take it off the list"):
        changes.copied(home, believed, "ann")


DEEP: list[Any] = []
for _ in range(300):
    DEEP = [DEEP]


@pytest.mark.parametrize(
    "more",
    [
        {"form": []},
        {"form": ""},
        {"form": "x"},
        {"form": None},
        {"form": 1},
        {"origin": []},
        {"origin": None},
        {"origin": "x"},
        {"origin__more": "x"},
        {"origin__account": 1},
        {"origin__account": "\ud800"},
        {"origin__account": "x" * 1001},
        {"origin__source": ["ann/report.ipynb"]},
        {"origin__source": "\ud800.ipynb"},
        {"origin__files": [["data.csv", "x"]]},
        {"origin__files": {"data.csv": 1}},
        {"origin__files": {"data.csv": "x"}},
        {"origin__files": {"../x": ""}},
        {"origin__files": {f"{number}": "" for number in range(300)}},
        {"origin__started_at": "yesterday"},
        {"origin__started_at": "2026-01-01T00:00:00"},
        {"origin__started_at": "0001-01-01T00:00:00+14:00"},
        {"origin__dag_sha256": "x"},
        {"form__parameters": {"rows": float("nan")}},
        {"form__parameters": {"rows": "\ud800"}},
        {"form__parameters": {"\ud800": 1}},
        {"form__parameters": {"rows": DEEP}},
        {"form__types": {"rows": "\ud800"}},
        {"form__files": ["x"] * 300},
        {"form__when": []},
        {"form__when": "x"},
        {"form__retries": 10**10},
        {"form__retries": "\u0663"},
        {"form__strange": 1},
        {"form__parameters": {"text": "x" * 2**20}},
    ],
    ids=lambda more: str(more)[:50],
)
def test_a_forged_origin_of_wrong_types_is_told_and_breaks_nothing(home: Store, more: dict[str, Any]) -> None:
    schedule = create(home)
    create(home, name="other", files=[])

    found = forged(home, schedule, **more)

    assert [each.name for each in library.listed(home)] == ["daily", "other"]
    json.dumps([found.form.json(), found.origin.json()], allow_nan=False).encode()
    if found.problem:
        assert "schedule.json" in found.problem and "DAG History" in found.problem
        assert copies.behind(home, found, "ann").message == found.problem
        with pytest.raises(InvalidError, match="changed by hand"):
            changes.copied(home, found, "ann")
    else:  # it is as good as what was not given
        assert more in ({"form__when": []}, {"form": {}})
    sent = sent_of(create_again := found.form, notebook="ann/report.ipynb", when=SENT["when"], files=[])
    assert create_again.name == "daily"
    description = describe(home, sent, current=found)
    save(home, changes.updated(home, found, description, "ann", replace_edited=True))
    assert library.read(home, "daily").problem == ""


def test_a_pinned_notebook_that_somebody_made_huge_is_not_read(
    home: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    schedule = create(home)
    monkeypatch.setattr(document, "LARGEST_COPY", 2_000)
    huge = {schedule.notebook: b'{"cells": [' + b" " * 2_000 + b"]}"}
    home.dags.save(huge, author="mallory", message="x", base=home.dags.head())

    found = library.read(home, "daily")

    assert found.notebook == "" and library.parameters(home, found) == ()
    assert copies.states(home, [found], "ann") == {"daily": "behind"}
    with pytest.raises(NotFoundError, match="too large"):
        library.pinned(home, found)


@pytest.mark.parametrize("value", ['float("inf")', "1e999", '"\\ud800"', '{"a": -1e999}', "0" * 400 + "1"])
def test_a_dag_file_with_values_that_no_page_can_show(home: Store, value: str) -> None:
    schedule = create(home)
    source = dag_repository.read(home, schedule.path).decode().replace("200", value)
    home.dags.save({schedule.path: source.encode()}, author="bob", message="x", base=home.dags.head())

    found = library.read(home, "daily")

    json.dumps(found.form.json(), allow_nan=False, ensure_ascii=False).encode()
    assert found.edited


@pytest.mark.parametrize("dag_id", ["\\ud800", "../x", "a/b", "x" * 251, ""])
def test_a_dag_file_with_an_id_that_airflow_does_not_take(home: Store, dag_id: str) -> None:
    schedule = create(home)
    source = dag_repository.read(home, schedule.path).decode().replace('dag_id="daily"', f'dag_id="{dag_id}"')
    home.dags.save({schedule.path: source.encode()}, author="bob", message="x", base=home.dags.head())

    assert library.read(home, "daily").dag_id == "daily"


def test_a_source_that_is_gone(home: Store) -> None:
    schedule = create(home)
    (home.root / "notebooks" / "ann" / "report.ipynb").unlink()

    found = copies.behind(home, schedule, "ann")

    assert found.state == "gone" and "There is no" in found.message
    description = describe(home, sent_of(schedule.form, retries=1), current=schedule)
    assert [each.level for each in description.findings] == ["warning"]
    save(home, changes.updated(home, schedule, description, "ann"))
    assert library.read(home, "daily").form.retries == 1


def test_a_dag_file_that_was_changed_by_hand(home: Store) -> None:
    schedule = edit(home, create(home), '"0 6 * * 1-5"', '"0 7 * * *"')

    assert schedule.edited and schedule.form.when.cron == "0 7 * * *"
    description = describe(home, sent_of(schedule.form, retries=1), current=schedule)
    with pytest.raises(ConflictError, match="changed by hand"):
        changes.updated(home, schedule, description, "ann")
    save(home, changes.copied(home, schedule, "ann"))
    assert library.read(home, "daily").edited

    schedule = library.read(home, "daily")
    save(home, changes.updated(home, schedule, description, "ann", replace_edited=True))
    found = library.read(home, "daily")
    assert (found.edited, found.form.retries, found.form.when.cron) == (False, 1, "0 7 * * *")


@pytest.mark.parametrize("content", [b"{", b"[]", b'{"form": {"x": 1}, "origin": {}}', b"[" * 100_000, b""])
def test_a_broken_origin_leaves_what_the_dag_file_says(home: Store, content: bytes) -> None:
    schedule = create(home, retries=2)
    path = f"{schedule.folder}/{origin.ORIGIN}"
    home.dags.save({path: content}, author="bob", message="x", base=home.dags.head())

    found = library.read(home, "daily")

    assert found.edited and (found.form.retries, found.form.parameters["rows"]) == (2, 200)
    assert found.notebook == schedule.notebook
    assert copies.behind(home, found, "ann").state == "unknown"
    with pytest.raises(InvalidError, match="was changed by hand"):
        changes.copied(home, found, "ann")


def test_a_pinned_notebook_that_was_deleted(home: Store) -> None:
    schedule = create(home)
    home.dags.save({schedule.notebook: None}, author="bob", message="x", base=home.dags.head())

    found = library.read(home, "daily")
    assert found.notebook == "" and library.parameters(home, found) == ()
    with pytest.raises(NotFoundError, match="was deleted"):
        library.pinned(home, found)
    assert copies.behind(home, found, "ann").state == "behind"
    save(home, changes.copied(home, found, "ann"))
    assert library.read(home, "daily").notebook == schedule.notebook


def test_two_people_change_one_schedule(home: Store) -> None:
    schedule = create(home)
    first, second = (
        changes.updated(
            home, schedule, describe(home, sent_of(schedule.form, retries=number), current=schedule), "ann"
        )
        for number in (1, 2)
    )
    save(home, first)

    with pytest.raises(ConflictError):
        save(home, second)
    assert library.read(home, "daily").form.retries == 1


def test_two_people_take_one_name_at_once(home: Store) -> None:
    write(home.root, "bob/report.ipynb", notebook("1"))
    both = threading.Barrier(2)

    def make(account: str) -> str:
        sent = {**SENT, "notebook": f"{account}/report.ipynb", "files": [], "parameters": {}}
        change = changes.created(home, describe(home, sent, account), account)
        both.wait()
        try:
            save(home, change, account)
        except (ConflictError, GateError):
            return "refused"
        return "saved"

    with ThreadPoolExecutor(2) as threads:
        assert sorted(threads.map(make, ("ann", "bob"))) == ["refused", "saved"]
    assert len(library.listed(home)) == 1


def test_the_gate_refuses_what_another_file_has(home: Store) -> None:
    source = b"from airflow.sdk import DAG\n\nwith DAG('daily', schedule=None):\n    pass\n"
    home.dags.save({"other.py": source}, author="bob", message="x", base=home.dags.head())

    with pytest.raises(GateError, match="daily"):
        save(home, changes.created(home, describe(home, SENT), "ann"))
    assert library.listed(home) == ()


def test_a_deleted_schedule_leaves_nothing_in_the_repository(home: Store) -> None:
    keeps = create(home, name="keeps", files=[])
    schedule = create(home)

    save(home, changes.removed(home, schedule))

    assert [each.name for each in library.listed(home)] == ["keeps"]
    assert {file.path.split("/")[1] for file in dag_repository.files(home)} == {keeps.name}


def test_outputs_that_cannot_be_deleted_do_not_stop_a_delete(home: Store) -> None:
    schedule = create(home)
    named = home.outputs / "notebooks"
    (named / "daily.ipynb").mkdir(parents=True)
    (named / "daily.html").write_text("x")

    library.delete_outputs(home, schedule)

    assert [path.name for path in named.iterdir()] == ["daily.ipynb"]


def test_a_list_asks_git_once_however_many_schedules(home: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("one", "two", "three"):
        create(home, name=name)
    asked: list[str] = []
    start = Git._start

    def counted(git: Git, arguments: Sequence[str], *more: Any, **options: Any) -> Any:
        asked.append(arguments[0])
        return start(git, arguments, *more, **options)

    monkeypatch.setattr(Git, "_start", counted)
    library._listed.cache_clear()

    found = library.listed(home)

    assert [each.name for each in found] == ["one", "three", "two"]
    assert asked.count("cat-file") <= 2  # one of them: whether the version is known


def test_a_notebook_that_there_was_no_time_for_is_not_gone(
    home: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    schedule = create(home)
    monkeypatch.setattr(apart, "each", lambda *_, **__: [apart.Answer(why="late")])

    assert copies.states(home, [schedule], "ann") == {"daily": "unknown"}
    (finding,) = describe(home, {**SENT, "name": "other", "files": []}).errors
    assert finding.field == "notebook" and "reads other notebooks at the moment" in finding.message


def test_schedules_are_where_airflow_reads(home: Store) -> None:
    dag_root.choose(home.root, "team")
    schedule = create(home)

    assert schedule.path == "team/notebook_schedules/daily/daily.py"
    assert [each.name for each in library.listed(home)] == ["daily"]


def test_what_is_no_schedule_is_not_listed(home: Store) -> None:
    create(home)
    others = {
        "notebook_schedules/x.py": b"1",
        "notebook_schedules/a/b.py": b"1",
        "notebook_schedules/c/c.py": b"1",
        "other/notebook_schedules/d/d.py": b"1",
    }
    home.dags.save(others, author="bob", message="x", base=home.dags.head())

    assert [each.name for each in library.listed(home)] == ["daily"]
    with pytest.raises(NotFoundError):
        library.read(home, "c")


def test_many_edited_schedules_are_read_together(home: Store) -> None:
    schedule = create(home)
    files = {
        path.rpartition("/")[2]: dag_repository.read(home, path)
        for path in (schedule.path, f"{schedule.folder}/{origin.ORIGIN}", schedule.notebook)
    }
    changed: dict[str, bytes] = {}
    for number in range(30):
        source = files["daily.py"].replace(b'"daily"', f'"s{number}"'.encode())
        changed[f"notebook_schedules/s{number}/s{number}.py"] = source
        changed[f"notebook_schedules/s{number}/schedule.json"] = files["schedule.json"]
    home.dags.save(changed, author="bob", message="x", base=home.dags.head())

    found = library.listed(home)

    assert len(found) == 31 and sum(each.edited for each in found) == 30
    assert {each.dag_id for each in found} == {"daily", *(f"s{number}" for number in range(30))}


@pytest.mark.parametrize(
    ("sent", "field"),
    [
        ({"x": 1}, "x"),
        ({"name": 5}, "name"),
        ({"name": "a\nb"}, "name"),
        ({"name": "a" * 2000}, "name"),
        ({"when": "now"}, "when"),
        ({"when": {"kind": "never"}}, "when.kind"),
        ({"html": "pdf"}, "html"),
        ({"retries": -1}, "retries"),
        ({"retries": True}, "retries"),
        ({"retries": "x"}, "retries"),
        ({"files": "x"}, "files"),
        ({"files": [1]}, "files"),
        ({"tags": ["x"] * 1000}, "tags"),
        ({"parameters": []}, None),
        ({"parameters": [1]}, "parameters"),
    ],
)
def test_forms_of_the_wrong_type(sent: dict[str, Any], field: str | None) -> None:
    if field is None:
        assert form_of(sent).parameters == {}
        return
    with pytest.raises(InvalidError) as error:
        form_of(sent)
    assert error.value.field == field


def test_a_form_survives_json() -> None:
    form = form_of(json.loads(json.dumps({**SENT, "tags": ["a"], "retries": "3"})))

    assert form_of(form.json()) == form and form.retries == 3
