"""The child that reads data, run as the product does: below the reaper, in the Jupyter runtime."""

from __future__ import annotations

import gzip
import json
import os
import sqlite3
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from couture_workflow.exceptions import EdaError, RuntimeMissingError
from couture_workflow.services.eda import child, data, requests
from couture_workflow.services.eda.document import FilePlace, Source, SqlPlace
from couture_workflow.services.runtimes import installed
from couture_workflow.store.home import Store
from tests.support.jupyter_runtime import jupyter_or_skip

SECRET = "hunter2 is nobody's"


@pytest.fixture(autouse=True)
def runtime(monkeypatch: pytest.MonkeyPatch) -> None:
    """Skip where there is no runtime; put something secret where a child must not find it."""
    jupyter_or_skip()
    monkeypatch.setenv("AIRFLOW_CONN_X", SECRET)


def request(path: Path, **more: Any) -> dict[str, Any]:
    """Return a request for a preview of a file."""
    source = Source(name="x", file=FilePlace(path=str(path)), sensitive=tuple(more.pop("sensitive", ())))
    return {**requests.preview(source, path=path), **more}


def profile(path: Path, folder: Path, **limits: int) -> dict[str, Any]:
    """Return a request for a profile of a file."""
    source = Source(name="x", file=FilePlace(path=str(path)))
    return {**requests.profile(source, path=path, folder=folder, about={}), "limits": limits}


def children(folder: Path) -> list[Path]:
    """Return the processes, as folders of /proc, that run a child in a folder."""
    found = []
    for each in Path("/proc").glob("[0-9]*"):
        try:
            words = (each / "cmdline").read_bytes()
        except OSError:
            continue
        if b"eda_child.py" in words and str(folder).encode() in words:
            found.append(each)
    return found


def test_sensitive_columns_and_broken_lines_of_a_preview_have_no_values(tmp_path: Path) -> None:
    path = tmp_path / "a'b\"<&>ü*.csv"
    path.write_text("id,salary\n1,4711\n2,4712\nthe 4713\n")

    found = child.ask(request(path, sensitive=["salary"]))
    otherwise = request(path, sensitive=["salary"])
    otherwise["source"]["reading"] = {"delimiter": ";"}
    as_one = child.ask(otherwise)

    assert found["columns"][1] == {"name": "salary", "type": "BIGINT", "kind": "number", "hidden": True}
    assert found["rows"] == [["1", None], ["2", None]]
    assert found["bad"] == {
        "count": 1,
        "whole": True,
        "first": [{"line": 4, "reason": "1 value instead of 2", "text": ""}],
    }
    assert "471" not in str(as_one)


def test_values_that_a_database_has_and_a_type_has_not_are_not_called_lines(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "x.db") as database:
        database.execute("create table t (a text)")
        database.executemany("insert into t values (cast(? as text))", [(b"caf\xe9",), (b"tea",)])
    source = Source(name="x", kind="sql", sql=SqlPlace(connection="c", table="t"))
    connect = {"dialect": "sqlite", "connect": {"name": "c", "path": str(tmp_path / "x.db")}, "seconds": 60}
    folder = tmp_path / "run"
    asked = requests.profile(source, folder=folder, about={}, connect=connect)

    child.run_child(asked, on_message=lambda message: None)

    alerts = [each["message"] for each in json.loads((folder / "profile.json").read_text())["alerts"]]
    report = (folder / "report.html").read_text()
    assert "1 values could not be kept as they are." in alerts
    assert "First values that could not be kept as they are" in report
    assert "could not be read" not in report


def test_a_secret_is_in_no_command_line_environment_or_file(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    with gzip.open(path, "wb", compresslevel=1) as file:
        file.write(b"a,b\n" + b"1,2\n" * 5_000_000)
    asked = profile(path, tmp_path / "run")
    asked["about"] = {"note": SECRET}
    seen: list[bytes] = []
    going = child.Child(asked, on_message=lambda message: seen.append(str(message).encode()))

    def look() -> None:
        deadline = time.monotonic() + 60
        while len(found := children(tmp_path)) < 2 and time.monotonic() < deadline:
            time.sleep(0.02)
        files = [each for each in (tmp_path / "run").rglob("*") if each.is_file()]
        for each in [*(each / name for each in found for name in ("cmdline", "environ")), *files]:
            with suppress(OSError):  # it has gone meanwhile
                seen.append(each.read_bytes()[:100_000])
        going.stop()

    looking = threading.Thread(target=look)
    looking.start()
    with pytest.raises(EdaError) as error:
        going.run()
    looking.join()

    assert error.value.code == "stopped"
    assert any(b"eda_child.py" in each for each in seen)
    assert not any(SECRET.encode() in each for each in seen)
    assert children(tmp_path) == []
    assert not (tmp_path / "run" / "tmp").exists()


def test_a_child_that_takes_too_long_or_too_much_is_ended_with_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    with path.open("wb") as file:
        file.write(b"a,b\n")
        for start in range(0, 800_000, 100_000):
            file.write(b"".join(b"%d,%d\n" % (n, n * n) for n in range(start, start + 100_000)))

    for limits, code in (({"memory": 64 * 1024**2}, "memory"), ({"disk": 1024**2}, "disk")):
        with pytest.raises(EdaError, match=r"\.$") as error:
            child.run_child(profile(path, tmp_path / code, **limits), on_message=lambda message: None)
        assert error.value.code == code
        assert not (tmp_path / code / "tmp").exists()
    with pytest.raises(EdaError, match="longer than 0.1 seconds") as error:
        child.run_child(profile(path, tmp_path / "time"), on_message=lambda message: None, seconds=0.1)
    assert error.value.code == "time"


def test_a_gzip_that_becomes_immense_is_not_read_to_its_end(tmp_path: Path) -> None:
    path = tmp_path / "bomb.csv.gz"
    member = gzip.compress(b"1,2\n" * 16 * 1024**2)
    path.write_bytes(gzip.compress(b"a,b\n1,2\n") + member * 9)

    preview = child.ask(request(path))
    with pytest.raises(EdaError, match="400 times its size") as error:
        child.run_child(profile(path, tmp_path / "run"), on_message=lambda message: None)

    assert preview["rows"][0] == ["1", "2"]
    assert error.value.code == "too_large"


def test_what_is_missing_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, runtime: None) -> None:
    with pytest.raises(EdaError, match="no file 'x.csv'") as error:
        child.ask(request(tmp_path / "x.csv"))
    assert (error.value.code, error.value.field) == ("missing", "path")

    monkeypatch.setenv("AIRFLOW__COUTURE_WORKFLOW__RUNTIMES_PATH", str(tmp_path))
    with pytest.raises(RuntimeMissingError, match="duckdb.*Type: "):
        installed.data()


def test_a_link_that_is_put_into_a_path_after_the_look_at_it_is_not_followed(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake, elsewhere = tmp_path / "lake", tmp_path / "elsewhere"
    for folder, value in ((lake / "in", "1"), (elsewhere, SECRET)):
        folder.mkdir(parents=True)
        (folder / "a.csv").write_text(f"a\n{value}\n")
    monkeypatch.setenv("AIRFLOW__COUTURE_WORKFLOW__EDA_FOLDERS", str(lake))
    source = Source(name="x", file=FilePlace(path=str(lake / "in" / "a.csv")))
    path, _ = data.path_of(store, source)
    assert child.ask(requests.preview(source, path=path))["rows"] == [["1"]]

    for place, there in ((lake / "in" / "a.csv", elsewhere / "a.csv"), (lake / "in", elsewhere)):
        place.rename(tmp_path / f"was-{place.name}")
        place.symlink_to(there)
        with pytest.raises(EdaError, match="leads elsewhere than a moment ago") as error:
            child.ask(requests.preview(source, path=path))
        assert error.value.code == "changed" and SECRET not in str(error.value)


def test_a_request_has_what_the_child_needs_of_a_source() -> None:
    place = SqlPlace(connection="db", schema="s", table="t", limit=5)
    source = Source(name="x", kind="sql", sql=place, sensitive=("a",))
    connect = {"dialect": "sqlite", "connect": {"path": "/x.db"}}

    assert requests.preview(source, connect=connect) == {
        "verb": "preview",
        "source": {"kind": "sql", **connect, "schema": "s", "table": "t", "query": "", "limit": 5},
        "sensitive": ["a"],
    }
    assert os.environ["AIRFLOW_CONN_X"] == SECRET
