"""Profiles made by the data runtime: exact beside pandas, and without what must be hidden."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

import couture_workflow
from couture_workflow.runtimes.eda import main, protocol
from tests.support.jupyter_runtime import jupyter_or_skip

pytestmark = pytest.mark.slow

_PACKAGE = Path(couture_workflow.__file__).parent / "runtimes"
_HERE = Path(__file__).parent
HOSTILE = "a'b\"<img src=x onerror=alert(1)>&/../ü"
CSV = (
    f'day,"{HOSTILE.replace(chr(34), chr(34) * 2)}",secret,yes,city,pin,id\n'
    "1850-01-01,1,s3cr3t-7001,true,Köln,98765431,1\n"
    "1950-01-08,2.5,s3cr3t-7001,false,<script>alert(1)</script>,98765431,2\n"
    "2026-02-03,,s3cr3t-7003,true,Köln,98765433,3\n"
    "2026-02-03,,s3cr3t-7003,true,Köln,98765433,3\n"
)


def _run(folder: Path, request: dict[str, Any]) -> list[dict[str, Any]]:
    """Give a request to the child and return its lines."""
    done = subprocess.run(
        [jupyter_or_skip(), "-I", str(_PACKAGE / "eda_child.py")],
        input=json.dumps({"folder": str(folder), **request}),
        capture_output=True,
        text=True,
        check=False,
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_exact_figures_agree_with_pandas() -> None:
    done = subprocess.run(
        [jupyter_or_skip(), "-I", str(_HERE / "profile_against_pandas.py"), str(_PACKAGE), "60", "0"],
        capture_output=True,
        text=True,
        check=True,
    )

    assert json.loads(done.stdout) == []


@pytest.mark.always
def test_a_file_becomes_a_profile_and_a_report_that_hide_what_is_sensitive(tmp_path: Path) -> None:
    source = tmp_path / "people.csv"
    source.write_text(CSV, "utf-8")
    folder = tmp_path / "output"
    folder.mkdir()

    lines = _run(
        folder,
        {
            "verb": "profile",
            "source": {
                "kind": "file",
                "path": str(source),
                "name": "people.csv",
                "format": "auto",
                "reading": {},
            },
            "sensitive": ["secret", "pin", "gone"],
            "about": {"source": HOSTILE, "by": "alice"},
            "limits": {"memory": 1024**3, "threads": 2},
        },
    )

    told = (folder / "profile.json").read_text()
    profile, report = json.loads(told), (folder / "report.html").read_text()
    columns = {column["name"]: column for column in profile["columns"]}
    assert list(dict.fromkeys(line["stage"] for line in lines if "stage" in line)) == [
        *("reading", "computing", "sampling", "rendering")
    ]
    assert lines[-1]["result"] == {
        "rows": 4,
        "columns": 7,
        "bytes": source.stat().st_size,
        "missing_share": 2 / 28,
        "duplicates": 1,
        "alerts": len(profile["alerts"]),
        "bad": 0,
        "sample_rows": 4,
    }
    assert [columns["day"][key] for key in ("kind", "min", "max", "distinct")] == [
        *("date", "1850-01-01", "2026-02-03", 3)
    ]
    assert [columns[HOSTILE][key] for key in ("kind", "missing", "min", "max", "mean", "sum")] == [
        *("number", 2, 1, 2.5, 1.75, 3.5)
    ]
    assert [columns["yes"]["true"], columns["yes"]["false"]] == [3, 1]
    assert columns["city"]["top"][0] == {"value": "Köln", "count": 3}
    hidden = columns["secret"]
    assert hidden["sensitive"] and hidden["distinct"] == 2 and hidden["lengths"]["max"] == 11
    assert hidden["top"] == [] and hidden["min"] is None and "categories" not in hidden
    assert profile["associations"]["cramers_v"]["columns"] == ["yes", "city"]
    assert [found["columns"] for found in (profile["correlations"], profile["associations"]["spearman"])] == [
        *([HOSTILE, "id"], [HOSTILE, "id"])
    ]
    assert profile["duplicate_rows"] == {
        "columns": ["day", HOSTILE, "yes", "city", "id"],
        "rows": [{"values": ["2026-02-03", None, "true", "Köln", "3"], "count": 2}],
    }
    assert all(secret not in told and secret not in report for secret in ("s3cr3t", "9876543", "98,765,43"))
    assert profile["left_out"] == [line["warning"] for line in lines if "warning" in line]
    assert profile["left_out"][0].startswith("The data has no column 'gone', though the source says")
    assert not (folder / "tmp").exists()


def test_a_cell_of_a_hundred_mib_fits_into_memory_that_is_bounded(tmp_path: Path) -> None:
    source = tmp_path / "large.parquet"
    made = (
        "import pyarrow, pyarrow.parquet, sys; pyarrow.parquet.write_table(pyarrow.table("
        "{'id': [1, 2, 3, 4], 'text': ['x', 'q' * 100 * 1024**2, 'z', None]}), sys.argv[1])"
    )
    subprocess.run([jupyter_or_skip(), "-I", "-c", made, str(source)], check=True)

    lines = _run(
        tmp_path / "output",
        {
            "verb": "profile",
            "source": {"kind": "file", "path": str(source), "name": "large.parquet"},
            "limits": {"memory": 512 * 1024**2, "threads": 2},
        },
    )

    assert lines[-1]["result"]["rows"] == 4, lines[-1]
    column = json.loads((tmp_path / "output" / "profile.json").read_text())["columns"][1]
    assert [column["distinct"], column["lengths"]["max"]] == [3, 100 * 1024**2]
    assert {len(entry["value"]) for entry in column["top"]} == {1, 1001}


def test_ten_thousand_columns_fit_into_the_memory_that_a_run_has(tmp_path: Path) -> None:
    places = range(10_000)
    rows = [
        [f"c{place}" for place in places],
        *([str(row * place % 97) for place in places] for row in range(60)),
    ]
    source = tmp_path / "wide.csv"
    source.write_text("\n".join(map(",".join, rows)))

    lines = _run(
        tmp_path / "output",
        {
            "verb": "profile",
            "source": {"kind": "file", "path": str(source), "name": "wide.csv"},
            "limits": {"memory": 2048 * 1024**2, "threads": 2},
        },
    )

    result = lines[-1]["result"]
    assert [result["rows"], result["columns"], result["sample_rows"]] == [60, 10_000, 60]


def test_the_quick_way_reads_plain_csv_as_the_other_one_does(tmp_path: Path) -> None:
    done = subprocess.run(
        [jupyter_or_skip(), "-I", str(_HERE / "profile_csv_ways.py"), str(_PACKAGE), str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr[-3000:]
    found: dict[str, list[dict[str, Any]]] = json.loads(done.stdout)
    taken = {case: quick.pop("taken") for case, (quick, _) in found.items()}
    assert all(slow.pop("taken") == [] for _, slow in found.values())
    assert {case: (quick, slow) for case, (quick, slow) in found.items() if quick != slow} == {}
    assert {case for case, tries in taken.items() if tries != [True]} == {
        *("two kinds of line ends", "a bad line", "windows-1252"),
        *("late word", "late value", "late text"),
    }


def test_what_nobody_expected_names_its_stage(tmp_path: Path) -> None:
    source = tmp_path / "people.csv"
    source.write_text(CSV, "utf-8")
    (tmp_path / "output" / "report.html").mkdir(parents=True)
    request = {"verb": "profile", "source": {"kind": "file", "path": str(source), "name": "people.csv"}}

    plain = _run(tmp_path / "output", request)[-1]["error"]
    hidden = _run(tmp_path / "output", {**request, "sensitive": ["secret"]})[-1]["error"]

    assert plain["message"].startswith("This failed at the stage rendering with IsADirectoryError: ")
    assert hidden["message"].startswith(
        "This failed at the stage rendering with IsADirectoryError. What it said"
    )


def test_what_nobody_expected_names_its_column_and_hides_what_is_sensitive(
    caplog: pytest.LogCaptureFixture,
) -> None:
    channel = protocol.Messages(os.open(os.devnull, os.O_WRONLY))
    channel.stage("computing", words="Counting rows")
    channel.stage("computing", words="Computing a column", column=HOSTILE)

    told = main.explained(ValueError("no number: s3cr3t"), doing=channel.doing())
    hidden = main.explained(ValueError("no number: s3cr3t"), doing=channel.doing(), hidden=True)

    assert str(told) == (
        f"This failed at the stage computing, at the column {HOSTILE!r}, with ValueError: no number: s3cr3t"
    )
    assert "s3cr3t" not in str(hidden) and repr(HOSTILE) in str(hidden)
    assert "s3cr3t" not in caplog.records[-1].getMessage() and caplog.records[-1].exc_info is None
