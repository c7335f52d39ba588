"""Sources: their form, their history, conflicts, who uses them, the files that they may read."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from couture_workflow.exceptions import (
    ConflictError,
    CorruptError,
    InUseError,
    InvalidError,
    InvalidNameError,
    NotFoundError,
)
from couture_workflow.services.archives import configs
from couture_workflow.services.eda import data, document, sources, uses
from couture_workflow.services.eda.differences import changes
from couture_workflow.services.eda.document import Source, dump, normal, parse
from couture_workflow.services.files import uses as file_uses
from couture_workflow.store.archive_reader import Archive
from couture_workflow.store.home import Store

FOLDERS = "AIRFLOW__COUTURE_WORKFLOW__EDA_FOLDERS"
HOSTILE = "a'b\"<&>/../ü\u202e🙂: #{}[]\n- x"
READING = {
    "delimiter": "\t",
    "quote": "",
    "escape": "\\",
    "encoding": "windows-1252",
    "header": False,
    "decimal": ",",
    "nulls": ["", "NULL", "no", "007", " NA "],
    "skip": 3,
    "types": {HOSTILE: "DECIMAL(10,2)", "no": "VARCHAR", "1": "TIMESTAMP WITH TIME ZONE"},
}


def given(**more: Any) -> dict[str, Any]:
    return {"name": "orders", "kind": "file", "file": {"data": "orders.csv"}, **more}


def source(name: str = "orders", **more: Any) -> Source:
    return normal(given(name=name, **more))


FULL = [
    given(
        description=HOSTILE,
        tags=["sales", "a b", "ü"],
        sensitive=[HOSTILE, "", " x "],
        sample_rows=7,
        file={"data": "orders.csv@3", "format": "csv", "reading": READING},
    ),
    {"name": "t", "kind": "sql", "sql": {"connection": "c", "schema": " s'", "table": HOSTILE, "limit": 10}},
    {"name": "t", "kind": "sql", "sql": {"connection": "c", "query": "select 'yes',\n\t1 -- ü"}},
    {
        "name": "t",
        "kind": "spark",
        "spark": {"path": "hdfs://a/b*", "format": "csv", "options": {"sep": "\t"}},
    },
    {"name": "t", "kind": "spark", "spark": {"table": "db.t", "hadoop_group": "prod"}},
]


@pytest.mark.parametrize("sent", FULL, ids=["file", "table", "query", "path", "hive"])
def test_a_source_comes_back_from_its_file_as_it_was_sent(sent: dict[str, Any]) -> None:
    found = normal(sent)

    assert parse(found.name, dump(found)) == found
    assert normal(json.loads(json.dumps(found.json()))) == found
    for name, value in {**sent, **sent[found.kind]}.items():
        if name not in ("description", found.kind):  # blanks around a description are nothing
            assert {**found.json(), **found.json()[found.kind]}[name] == value


@pytest.mark.parametrize(
    ("sent", "field"),
    [
        (given(name="a/b"), "name"),
        (given(name="n" * 151), "name"),
        (given(kind="ftp"), "kind"),
        (given(file={}), "file.data"),
        (given(file={"data": "a.csv", "path": "/a"}), "file.data"),
        (given(file={"data": "a.csv", "reading": {"delimiter": "ab"}}), "file.reading.delimiter"),
        (given(file={"data": "a.csv", "reading": {"delimiter": "\n"}}), "file.reading.delimiter"),
        (given(file={"data": "a.csv", "reading": {"delimiter": ""}}), "file.reading.delimiter"),
        (given(file={"data": "a.csv", "reading": {"types": {"a": "INT); drop"}}}), "file.reading.types"),
        (given(file={"data": "a.csv", "reading": {"types": {"a": "DECIMAL(39,2)"}}}), "file.reading.types"),
        (given(file={"data": "a.csv", "reading": {"header": "yes"}}), "file.reading.header"),
        (given(file={"data": "a.csv", "reading": {"skip": True}}), "file.reading.skip"),
        (given(file={"data": "a.csv", "reading": {"colour": 1}}), "file.reading.colour"),
        (given(file={"data": "a.csv", "reading": {"nulls": ["x"] * 51}}), "file.reading.nulls"),
        (given(sql={"connection": "c"}), "sql"),
        (given(sample_rows=0), "sample_rows"),
        (given(sample_rows="10"), "sample_rows"),
        (given(tags="a,b"), "tags"),
        (given(tags=["a\nb"]), "tags"),
        (given(sensitive=["x"] * 5001), "sensitive"),
        (given(sensitive=["\ud800"]), "sensitive"),
        (given(description="\0"), "description"),
        (given(owner="me"), "owner"),
        ({"name": "t", "kind": "sql", "sql": {"table": "t"}}, "sql.connection"),
        ({"name": "t", "kind": "sql", "sql": {"connection": "c", "table": "t", "query": "q"}}, "sql.table"),
        ({"name": "t", "kind": "spark", "spark": {}}, "spark.path"),
        ({"name": "t", "kind": "spark", "spark": {"path": "p", "options": {"a": []}}}, "spark.options"),
        ({"name": "t", "kind": "file", "file": []}, "file.data"),
        ({"name": "t", "kind": "file", "file": ["a"]}, "file"),
        ([], ""),
    ],
)
def test_what_breaks_a_rule_is_refused_with_its_field(sent: Any, field: str) -> None:
    with pytest.raises(InvalidError) as error:
        normal(sent)

    assert error.value.field in (field, "source")


def test_names_of_settings_are_told_where_two_versions_differ() -> None:
    old = source(file={"data": "a.csv", "reading": {"types": {"x": "DATE"}, "header": True}})
    new = source(
        tags=["t"], file={"data": "b.csv", "reading": {"types": {"x": "VARCHAR"}, "delimiter": "\t"}}
    )

    found = {(each.name, each.kind, each.old, each.new) for each in changes(old, new)}

    assert found == {
        ("tags", "added", "", "t"),
        ("file.data", "changed", "a.csv", "b.csv"),
        ("file.reading.types.x", "changed", "DATE", "VARCHAR"),
        ("file.reading.header", "removed", "yes", ""),
        ("file.reading.delimiter", "added", "", "tab"),
    }
    assert changes(old, old) == []


def test_sources_are_added_found_changed_renamed_and_deleted(store: Store) -> None:
    sources.add(store, source("b", tags=["x"], description="Hourly"), user="ann")
    sources.add(store, source("A"), user="ann")
    first = sources.version(store, "b")
    sources.save(store, source("b", description="Daily"), user="bob", base=store.config.head())

    assert [each.name for each in sources.all(store)] == ["A", "b"]
    assert sources.get(store, "b").description == "Daily"
    assert sources.version(store, "b") != first == sources.history(store, "b")[1].id
    assert sources.version(store, "A") == store.config.history("eda/A.yaml")[0].id
    snapshot = sources.snapshot(store)
    assert [each.name for each in sources.found(snapshot, search="DAILY orders")] == ["b"]
    assert [each.name for each in sources.found(snapshot, tag="x")] == []
    assert [each.name for each in sources.found(snapshot, kind="file", search="a.csv")] == []

    sources.rename(store, "b", "c", user="ann")
    assert sources.get(store, "c") == source("c", description="Daily")
    with pytest.raises(InvalidError, match='"A" already'):
        sources.rename(store, "c", "a", user="ann")
    sources.rename(store, "A", "a", user="ann")  # another case of its own name
    with pytest.raises(InUseError, match="DAG file x.py"):
        sources.delete(store, "a", user="ann", users=["DAG file x.py"])
    sources.delete(store, "a", user="ann")
    assert [each.name for each in sources.all(store)] == ["c"]

    sources.restore(store, "b", first, user="ann")
    assert sources.get(store, "b").tags == ("x",)
    with pytest.raises(NotFoundError, match='no source "a"'):
        sources.get(store, "a")
    with pytest.raises(NotFoundError):
        sources.version(store, "never")


def test_the_second_of_two_who_save_learns_it_and_sees_the_difference(store: Store) -> None:
    sources.add(store, source(), user="ann")
    sources.add(store, source("other"), user="ann")
    base = store.config.head()
    sources.save(store, source(description="Ann's"), user="ann", base=base)

    with pytest.raises(ConflictError) as error:
        sources.save(store, source(description="Bob's"), user="bob", base=base)

    assert error.value.paths == ("eda/orders.yaml",)
    theirs = sources.changes(store, "orders", before=base, commit=error.value.theirs)
    assert [(each.name, each.new) for each in theirs] == [("description", "Ann's")]
    sources.save(store, source("other", description="fine"), user="bob", base=base)  # nobody touched that one
    sources.save(store, source(description="Bob's"), user="bob", base=error.value.theirs)
    sources.delete(store, "orders", user="ann")
    with pytest.raises(ConflictError, match="deleted"):
        sources.save(store, source(description="Bob's"), user="bob", base=base)
    with pytest.raises(InvalidError, match='"other" already'):
        sources.add(store, source("OTHER"), user="ann")


def test_a_damaged_file_hides_no_other_source_and_its_history_helps(store: Store) -> None:
    commit = sources.add(store, source("bad"), user="ann").id
    sources.add(store, source("good"), user="ann")
    bomb = b"a: &a [x, x]\nb: [*a, *a]\n"
    store.config.save({"eda/bad.yaml": bomb}, author="x", message="x", base=store.config.head())

    snapshot = sources.snapshot(store)

    assert [each.name for each in sources.all(store)] == ["good"]
    assert "Restore an earlier version" in snapshot.damaged["bad"]
    for read in (sources.get, lambda store, name: sources.snapshot(store).source(name)):
        with pytest.raises(CorruptError):
            read(store, "bad")
    sources.restore(store, "bad", commit, user="ann")
    assert sources.get(store, "bad") == source("bad")


def test_all_sources_are_read_by_two_git_processes_and_then_by_fewer(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    many = {f"eda/s{number}.yaml": dump(source(f"s{number}")) for number in range(300)}
    store.config.save(many, author="x", message="x", base=None)
    started: list[str] = []
    for name in ("execute", "reading"):
        known = getattr(type(store.config.git), name)
        monkeypatch.setattr(
            type(store.config.git),
            name,
            lambda self, *words, known=known, **more: (started.append(words[0]), known(self, *words, **more))[
                1
            ],
        )

    assert len(sources.all(store)) == 300
    first = len(started)
    assert len(sources.all(store)) == 300

    assert (first, len(started) - first) == (3, 2)


OPERATOR_CALLS = """
from couture_workflow.operators.eda import CoutureEdaOperator as Eda
import couture_workflow.operators.eda as eda
Eda(task_id="a", source="orders")
eda.CoutureEdaOperator(
    task_id="b",
    source="orders",
)
Eda.partial(task_id="c").expand(source=["others", "orders"])
Eda(task_id="d", source="orders2")
Other(task_id="e", source="orders")
"""


def test_dag_files_and_tasks_that_name_a_source_are_found(store: Store) -> None:
    broken = "CoutureEdaOperator(source='orders'"
    files = {"team/a.py": OPERATOR_CALLS.encode(), "b.py": broken.encode(), "c.txt": OPERATOR_CALLS.encode()}
    dag = {
        "dag": {
            "tasks": [
                {"__var": {"task_id": "t", "task_type": "CoutureEdaOperator", "source": "orders"}},
                {"__var": {"task_id": "o", "task_type": "PythonOperator", "source": "orders"}},
            ]
        }
    }

    found = [str(use) for use in uses._in_files(files, "orders")]

    assert found == [f"DAG file team/a.py, line {line}" for line in (4, 7, 9)]
    assert set(file_uses.mentioned(dag)) == {("eda_sources", "orders", "t")}


def test_an_uploaded_file_is_named_with_its_version_and_knows_who_reads_it(store: Store) -> None:
    for content in (b"a\n1\n", b"a\n2\n"):
        store.data.put("orders.csv", [content], user="ann")
    sources.add(store, source(), user="ann")
    sources.add(store, source("first", file={"data": "orders.csv@1"}), user="ann")

    path, version = data.path_of(store, source())

    assert (path.read_bytes(), version) == (b"a\n2\n", "orders.csv@2")
    old = source(file={"data": "orders.csv@1"})
    assert data.path_of(store, old)[0].read_bytes() == b"a\n1\n"
    assert uses.by_data(store) == {"orders.csv": ("source first", "source orders")}
    for wrong in ("gone.csv", "orders.csv@9", "../x", "orders.csv@0"):
        with pytest.raises(InvalidError) as error:
            data.check(store, source(file={"data": wrong}))
        assert error.value.field == "file.data"


@pytest.mark.parametrize("name", ["a.csv", "b.TSV.gz", "c.jsonl.zst", "d.parquet"])
def test_data_files_have_known_ends(name: str) -> None:
    assert name.casefold().endswith(data.KIND.suffixes)


def test_a_path_is_read_below_an_allowed_folder_and_nowhere_else(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake, secret = tmp_path / "lake", tmp_path / "secret.csv"
    (lake / "in").mkdir(parents=True)
    (lake / "in" / "a.csv").write_text("a\n1\n")
    secret.write_text("password\n")
    (lake / "out.csv").symlink_to(secret)
    (lake / "up").symlink_to(tmp_path)
    (lake / "good.csv").symlink_to(lake / "in" / "a.csv")
    (lake / "round").symlink_to(lake / "round")
    os.mkfifo(lake / "pipe.csv")

    def read(path: str) -> Path:
        return data.path_of(store, source(file={"path": path}))[0]

    with pytest.raises(InvalidError, match="eda_folders"):
        read(str(lake / "in" / "a.csv"))
    monkeypatch.setenv(FOLDERS, f"{lake}:relative:/not/there")

    assert read(str(lake / "in" / "a.csv")) == read(str(lake / "good.csv")) == lake / "in" / "a.csv"
    version = data.path_of(store, source(file={"path": str(lake / "good.csv")}))[1]
    assert version.startswith("4 bytes, changed 20")
    for path in (
        f"{lake}/../secret.csv",
        str(secret),
        f"{lake}/out.csv",
        f"{lake}/up/secret.csv",
        f"{lake}/up/nothing.csv",
        f"{lake}/round",
        f"{lake}/pipe.csv",
        f"{lake}/in",
        f"{lake}2/a.csv",
        "in/a.csv",
    ):
        with pytest.raises(InvalidError):
            read(path)
    with pytest.raises(NotFoundError, match="no file"):
        read(f"{lake}/nothing.csv")


def test_the_home_with_its_keys_is_never_read_because_a_folder_above_it_is_allowed(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    (store.root / "outputs" / "a.csv").write_text("a\n")
    inside = source(file={"path": str(store.root / "outputs" / "a.csv")})
    monkeypatch.setenv(FOLDERS, "/")

    with pytest.raises(InvalidError, match="not below a folder"):
        data.path_of(store, inside)

    monkeypatch.setenv(FOLDERS, str(store.root / "outputs"))
    assert data.path_of(store, inside)[0].read_text() == "a\n"


def test_sources_travel_with_configurations(store: Store) -> None:
    sources.add(store, source("moved", file={"data": "gone.csv"}), user="ann")
    store.config.save(
        {"eda-schedules/moved.yaml": b"cron: '@daily'\n"}, author="x", message="x", base=store.config.head()
    )

    entries = {each.path: each for each in configs.export(store, readable=lambda _: True).entries}
    hidden = configs.export(store, readable=lambda resource: resource != "Exploratory Data Analysis").entries

    assert [path for path in entries if "eda" in path] == ["configs/eda/moved.yaml"]
    assert hidden == ()
    content = b"".join(entries["configs/eda/moved.yaml"].read())
    archive = Archive(())
    planned = configs.prepare(store, archive, {"eda/new.yaml": content}, on_conflict="replace")
    assert (planned.plan.items[0].action, planned.plan.missing[0].reference) == ("create", "gone.csv")
    for wrong in (b"kind: ftp\n", b"kind: file\nfile: {data: 'a.csv', reading: {skip: -1}}\n"):
        with pytest.raises(InvalidError, match="eda/new.yaml"):
            configs.prepare(store, archive, {"eda/new.yaml": wrong}, on_conflict="replace")


def test_a_name_has_room_for_a_number() -> None:
    assert document.check_source_name(f"{document.shortened('ü' * 200)}-2")
    with pytest.raises(InvalidNameError):
        document.check_source_name("a b")
    assert replace(source(), name="x").where == "orders.csv"
