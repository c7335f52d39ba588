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
        "beyond": 4,
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
    assert told("old", "h", "min", "max", "distinct") == [
        "1900-01-01T00:00:00.123457",
        "1900-01-03T01:00:00.123457",
        50,
    ]
    assert told("huge", "b", "min", "max", "distinct") == ["9007199254740993", "9007199254741992", 1000]
    assert told("huge", "e", "min", "distinct") == ["9" * 38, 1]
    assert told("constant", "f", "min", "std", "distinct") == [1e300, 0.0, 1]
    assert told("nested", "a", "distinct", "kind") == [3, "nested"]
    assert told("nested", "d", "distinct", "top", "rest") == [1, [], 100]
    assert told("long", "a", "distinct") == [5]
    longest = max(len(entry["value"]) for entry in told("long", "a", "top")[0])
    assert longest == 1001
    assert told("wide", "c0", "distinct") == [2]
    many = {column["name"]: column for column in special[1]["many"]["columns"]}
    assert [column["quantiles_exact"] for column in many.values()] == [False] * 5
    assert float(many["a"]["quantiles"]["0.5"]) == pytest.approx(15_000, rel=0.02)
    assert (many["c"]["min"], many["c"]["distinct"]) == ("1900-01-01", 30_000)
    assert special[1]["wide"]["duplicates"] == {"rows": 5, "exact": False}
    assert special[1]["wide"]["sample"] == {"rows": 25, "of": 25, "method": "reservoir"}
    assert special[1]["duplicates"]["duplicates"] == {"rows": 90, "exact": True}
    assert special[1]["duplicates"]["missing_patterns"] == [
        {"missing": [], "rows": 50},
        {"missing": ["c"], "rows": 50},
    ]
    assert special[1]["duplicates"]["duplicate_rows"]["rows"][0] == {"values": ["0", "0", "x"], "count": 10}
    assert len(special[1]["duplicates"]["duplicate_rows"]["rows"]) == 10
    assert told("duplicates", "b", "length_histogram") == [{"edges": [0.5, 1.5], "counts": [100]}]
    assert all(
        profile["left_out"] == []
        for case, profile in special[1].items()
        if case not in ("names", "not finite", "huge", "beyond", "wide", "many")
    )


def test_numbers_beyond_a_float_are_named(special: tuple[Path, dict[str, dict[str, Any]]]) -> None:
    means = [column["mean"] for column in special[1]["beyond"]["columns"]]

    assert means == [pytest.approx(0.85e308), 1.7e308, 1.5e160]
    assert [
        sentence.partition(". ")[0]
        for case in ("not finite", "huge", "beyond")
        for sentence in special[1][case]["left_out"]
    ] == [
        "Left out of 'd': variance, histogram",
        "Left out of 'c': variance, standard deviation",
        "Left out of 'a': sum, variance, standard deviation, histogram",
        "Left out of 'b': sum",
        "Left out of 'c': variance",
    ]


def test_the_sample_tells_how_columns_go_together(special: tuple[Path, dict[str, dict[str, Any]]]) -> None:
    found = special[1]["related"]["associations"]

    assert [found["rows"], found["of"]] == [100, 100]
    ranks, v = (
        {
            (first, second): value
            for first, row in zip(found[key]["columns"], found[key]["matrix"], strict=True)
            for second, value in zip(found[key]["columns"], row, strict=True)
        }
        for key in ("spearman", "cramers_v")
    )
    assert ranks["a", "b"] == pytest.approx(-1) and abs(ranks["a", "c"]) < 0.5
    assert v["d", "e"] == pytest.approx(1, abs=0.02) and v["d", "d"] == pytest.approx(1, abs=0.02)
    assert v["d", "f"] < 0.1


def test_nothing_of_the_data_runs_or_is_loaded(folder: Path) -> None:
    reports = sorted(folder.glob("*/*.html"))
    plain = Page((folder / "one_row" / "report.html").read_text()).scripts

    assert len(reports) == 34
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
        assert any("The 10 most frequent ones." in text for text in texts)
        assert any("over all 100 rows" in text for text in texts)
        assert any("Of a random sample of 20 of 100 rows." in text for text in texts)
        related = [text.strip() for text in Page((folder / "related" / name).read_text()).texts]
        assert "Interactions" in related and any("Cramér's V of categories" in text for text in related)
