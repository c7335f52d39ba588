"""Profiles made by the data runtime: exact beside pandas, and without what must be hidden."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

import couture_workflow
from tests.support.jupyter_runtime import jupyter_or_skip

pytestmark = pytest.mark.slow

_PACKAGE = Path(couture_workflow.__file__).parent / "runtimes"
_HERE = Path(__file__).parent
HOSTILE = "a'b\"<img src=x onerror=alert(1)>&/../ü"
CSV = (
    f'day,"{HOSTILE.replace(chr(34), chr(34) * 2)}",secret,yes,city\n'
    "1850-01-01,1,s3cr3t-7001,true,Köln\n"
    "1950-01-08,2.5,s3cr3t-7001,false,<script>alert(1)</script>\n"
    "2026-02-03,,s3cr3t-7003,true,Köln\n"
    "2026-02-03,,s3cr3t-7003,true,Köln\n"
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
        [jupyter_or_skip(), "-I", str(_HERE / "profile_against_pandas.py"), str(_PACKAGE), "100", "0"],
        capture_output=True,
        text=True,
        check=True,
    )

    assert json.loads(done.stdout) == []


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
            "sensitive": ["secret"],
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
        "columns": 5,
        "bytes": source.stat().st_size,
        "missing_share": 0.1,
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
    assert "s3cr3t" not in told and "s3cr3t" not in report
    assert not (folder / "tmp").exists()
