"""Special tables: each has a profile, and reports in which nothing of the data runs or is loaded."""

from __future__ import annotations

import json
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

import couture_workflow
from tests.support.jupyter_runtime import jupyter_or_skip

pytestmark = pytest.mark.slow

_PACKAGE = Path(couture_workflow.__file__).parent / "runtimes"
_HERE = Path(__file__).parent
EVIL = """a'b"<img src=x onerror="window.hacked=1">&/../ü</title><script>window.hacked=2</script>"""
#: Elements that load something or run something.
_LOADING = {"img", "iframe", "object", "embed", "link", "base", "audio", "video", "source", "form"}


class Page(HTMLParser):
    """What a page has in it: texts, scripts, and whatever would load or run."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.scripts: list[str] = []
        self.titles: list[str] = []
        self.texts: list[str] = []
        self.suspect: list[str] = []
        self._inside = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._inside = tag
        if tag == "script":
            self.scripts.append("")
        if tag in _LOADING:
            self.suspect.append(tag)
        for name, value in attrs:
            points = name in ("href", "src", "action", "srcdoc", "xlink:href", "formaction")
            if name.startswith("on") or (points and not (value or "").startswith("#")):
                self.suspect.append(f"{tag} {name}={value}")
            if name == "title" and value:
                self.titles.append(value)

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside == "script":
            self.scripts[-1] += data
        elif self._inside != "style":
            self.texts.append(data)


@pytest.fixture(scope="module")
def special(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, dict[str, Any]]]:
    """Return the folder of the reports of special tables, and their profiles."""
    folder = tmp_path_factory.mktemp("special")
    done = subprocess.run(
        [jupyter_or_skip(), "-I", str(_HERE / "profile_special_cases.py"), str(_PACKAGE), str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return folder, json.loads(done.stdout)


@pytest.fixture
def folder(special: tuple[Path, dict[str, dict[str, Any]]]) -> Path:
    """Return the folder of the reports of special tables."""
    return special[0]


def test_special_tables_have_a_profile(special: tuple[Path, dict[str, dict[str, Any]]]) -> None:
    def told(case: str, name: str, *keys: str) -> list[Any]:
        column = next(column for column in special[1][case]["columns"] if column["name"] == name)
        return [column[key] for key in keys]

    assert {case: profile["rows"] for case, profile in special[1].items() if profile["rows"] < 10} == {
        "no rows": 0,
        "one row": 1,
        "not finite": 6,
        "unicode": 7,
        "names": 1,
    }
    assert special[1]["no rows"]["alerts"] == [
        {"kind": "empty", "column": "", "message": "There are no rows."}
    ]
    assert told("nulls", "a", "count", "missing", "missing_share", "mean", "top") == [0, 10, 1.0, None, []]
    assert told("one row", "c", "min", "mean", "std", "distinct") == [1.5, 1.5, None, 1]
    assert told("not finite", "a", "count", "nan", "infinite", "mean", "max") == [5, 1, 2, 1.75, 2.0]
    assert told("not finite", "e", "infinite", "min", "max") == [2, "2020-01-01", "2020-01-01"]
    assert told("old", "b", "max", "distinct") == ["2000-01-01", 50]
    assert told("old", "c", "min", "max") == ["1700-01-01T00:00:00", "1700-01-03T01:00:00"]
    assert told("huge", "b", "min", "max", "distinct") == ["9007199254740993", "9007199254741992", 1000]
    assert told("huge", "e", "min", "distinct") == ["9" * 38, 1]
    assert told("constant", "f", "min", "std", "distinct") == [1e300, 0.0, 1]
    assert told("nested", "a", "distinct", "kind") == [3, "nested"]
    assert told("nested", "d", "distinct", "top", "rest") == [1, [], 100]
    assert told("long", "a", "distinct") == [5]
    longest = max(len(entry["value"]) for entry in told("long", "a", "top")[0])
    assert longest == 1001
    assert told("wide", "c0", "distinct", "mean") == [2, 0.5]
    assert special[1]["duplicates"]["duplicates"] == {"rows": 90, "exact": True}
    assert special[1]["duplicates"]["missing_patterns"] == [
        {"missing": [], "rows": 50},
        {"missing": ["c"], "rows": 50},
    ]
    assert all(profile["left_out"] == [] for case, profile in special[1].items() if case != "names")


def test_nothing_of_the_data_runs_or_is_loaded(folder: Path) -> None:
    reports = sorted(folder.glob("*/*.html"))
    plain = Page((folder / "one_row" / "report.html").read_text()).scripts

    assert len(reports) == 28
    for path in reports:
        page = Page(path.read_text())
        assert page.suspect == [], path
        assert page.scripts == ([] if path.name == "light.html" else plain), path
        assert "url(http" not in path.read_text() and "@import" not in path.read_text()


def test_names_and_values_are_there_as_they_are(folder: Path) -> None:
    for name in ("report.html", "light.html"):
        page = Page((folder / "hostile" / name).read_text())
        texts = "\n".join(page.texts)
        assert EVIL in texts and "javascript:alert(1)" in texts and f"{EVIL}0" in texts
    assert EVIL in Page((folder / "hostile" / "report.html").read_text()).titles


def test_every_section_is_there_and_says_what_is_exact(folder: Path) -> None:
    words = {
        "report.html": (
            "Overview",
            "Variables",
            "Missing values",
            "Duplicate rows",
            "Sample",
            "Common values",
        ),
        "light.html": ("Overview", "Variables", "Missing values", "Duplicate rows", "Sample", "Correlations"),
    }
    for name, sections in words.items():
        texts = [text.strip() for text in Page((folder / "duplicates" / name).read_text()).texts]
        assert [section for section in sections if section not in texts] == []
        assert "90 of 100 rows are the same as one before them." in texts
        assert any("over all 100 rows" in text for text in texts)
        assert any("Of a random sample of 20 of 100 rows." in text for text in texts)
