"""Text that is made to hurt whoever reads it: the upgrade and the search for uses go on without harm."""

from __future__ import annotations

import time

import psutil
import pytest

from couture_workflow.exceptions import InvalidError
from couture_workflow.services.archives.spark import read_settings
from couture_workflow.services.bricks import document as brick_document
from couture_workflow.services.bricks.document import Brick, Parameter
from couture_workflow.services.bricks.rules import check, render
from couture_workflow.services.dags import imports as dag_imports
from couture_workflow.services.dags import uses as dag_uses
from couture_workflow.services.dags.sources import Sources, dag_ids
from couture_workflow.services.dags.uploads import Incoming
from couture_workflow.services.dags.uses import Use, uses
from couture_workflow.services.processes import apart
from couture_workflow.services.saving import plans as dag_plans
from couture_workflow.services.upgrade import apart as upgrade_apart
from couture_workflow.services.upgrade.upgrading import looks_old

OLD = "from airflow import DAG\n\ndag = DAG('a', schedule_interval='@daily')\n"
NEW = "from airflow import DAG\n\ndag = DAG('a', schedule='@daily', catchup=False)\n"
#: libcst ends its process on this one (a segmentation fault); Python's own parser reads it.
CRASHING = OLD + "x = 1" + " and 1" * 65536 + "\n"
#: Python's own parser needs most of a minute for this one, and holds its lock all the while.
SLOW = OLD + "x = f'" + "{a}" * 300_000 + "'\n"

BOMB = "a: &a [x, x]\n" + "".join(
    f"{name}: &{name} [*{before}, *{before}]\n" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.slow
def test_a_file_that_crashes_the_upgrade_does_not_take_others_along() -> None:
    done = upgrade_apart.texts([("a.py", OLD), ("b.py", CRASHING), ("c.py", OLD)])

    (first, difference), (second, _), (third, _) = done
    assert "schedule='@daily'" in first.source and first == third and first.changes
    assert "-dag = DAG('a', schedule_interval='@daily')" in difference
    assert second.refused and second.source == CRASHING and "gave up" in second.notes[0].message


@pytest.mark.slow
def test_a_file_that_takes_too_long_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    for seconds in (2.0, 8.0, 16.0):  # a busy machine may need longer for the other file too
        monkeypatch.setattr(upgrade_apart, "PATIENCE", seconds)
        (slow, _), (quick, _) = upgrade_apart.texts([("a.py", SLOW), ("b.py", OLD)])
        if quick.changes:
            break

    assert slow.refused and "takes too long" in slow.notes[0].message and slow.source == SLOW
    assert quick.changes


@pytest.mark.slow
def test_what_is_left_when_time_is_over_is_told() -> None:
    for total in (3, 12, 48):  # a busy machine may not have begun by then
        answers = apart.each(
            "upgrade.apart.text", None, [("a.py", SLOW), ("b.py", OLD)], seconds=60, total=total
        )
        if answers[0].why != "late":
            break

    assert [answer.why for answer in answers] == ["time", "late"]


@pytest.mark.slow
def test_no_process_is_left_behind() -> None:
    apart.each("upgrade.apart.text", None, [("a.py", CRASHING), ("b.py", SLOW)], seconds=1, total=5)

    def is_one(child: psutil.Process) -> bool:
        try:
            return any("processes.apart" in word for word in child.cmdline())
        except psutil.NoSuchProcess:  # one of another test that has ended
            return False

    children = psutil.Process().children()  # a workbench that runs is among them, and has some of its own
    assert not [child for child in children if is_one(child)]


def test_contents_keep_their_encoding_and_other_files_are_left_alone() -> None:
    latin = ("# -*- coding: latin-1 -*-\n" + OLD + "# ü\n").encode("latin-1")
    data = b"key: [\n"

    (content, done), (yaml, told) = upgrade_apart.contents([("a.py", latin), ("b.yaml", data)])

    assert content.decode("latin-1").endswith("# ü\n") and b"schedule=" in content and done.changes
    assert yaml == data and not told.notes  # no "this is not Python" about a file that need not be


@pytest.mark.parametrize(
    "text",
    [
        "\ud800",
        "\0",
        "(" * 100_000,
        "x = " + "-" * 100_000 + "1",
        "x = a" + ".b" * 100_000,
        "",
    ],
)
def test_no_text_is_an_error(text: str) -> None:
    [(done, _)] = upgrade_apart.texts([("a.py", "import airflow\n" + text)])

    assert done.source == "import airflow\n" + text


@pytest.mark.slow
def test_an_upload_with_a_crashing_file_offers_the_others() -> None:
    files = [Incoming(name, name, text.encode()) for name, text in {"a.py": OLD, "b.py": CRASHING}.items()]

    ready, offers = dag_plans.upgraded(files, ["a.py", "b.py"])

    assert ready[0].content != OLD.encode() and offers["a.py"]["changes"] and offers["a.py"]["diff"]
    assert ready[1].content == CRASHING.encode() and "gave up" in offers["b.py"]["notes"][0]


@pytest.mark.slow
def test_uses_are_found_beside_a_file_that_cannot_be_read_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dag_uses, "_TOTAL", 120.0)  # it has three processes to start
    files = {
        "common.py": b"",
        "a.py": b"import common\n",
        "slow.py": ("import common\n" + SLOW).encode(),
        "deep.py": b"import common\nx = " + b"-" * 100_000 + b"1\n",
    }

    assert uses(files, ["common.py"]) == [Use("a.py", 1, "imports common.py")]


@pytest.mark.parametrize("text", ["DAG(" * 250_000, "from a import (\n" * 60_000, "airflow DAG(\n" * 80_000])
def test_patterns_do_not_go_over_a_text_again_and_again(text: str) -> None:
    began = time.process_time()

    looks_old(text)
    dag_imports.words(text.encode())
    Sources({"a.py": text.encode()}).importers(["b.py"])
    dag_ids(text)

    assert time.process_time() - began < 20  # it was minutes


def test_an_import_that_is_not_closed_counts_all_words() -> None:
    assert dag_imports.words(b"from a import (b,\n  c") == {b"a", b"b", b"c"}


@pytest.mark.parametrize(
    "code", ["x = " + "-" * 60_000 + "1", "x = a" + ".b" * 30_000, "(" * 60_000, "\ud800"]
)
def test_a_brick_that_cannot_be_parsed_is_refused(code: str) -> None:
    with pytest.raises(InvalidError, match="is not Python"):
        check(Brick("a", "A", code=code))


def test_a_brick_cannot_grow_without_limit() -> None:
    brick = Brick("a", "A", parameters=(Parameter("p", "text"),), code="x = ${p}\n" * 5000)

    assert render(brick, {"p": "short"}).body.count('"short"') == 5000
    with pytest.raises(InvalidError, match="Type shorter ones"):
        render(brick, {"p": "long" * 1000})


@pytest.mark.slow
@pytest.mark.parametrize("text", [f"{BOMB}title: *i\n", "[" * 5000, "title: 2020-13-45\n", "\0"])
def test_yaml_that_would_grow_or_crash_is_refused(text: str) -> None:
    with pytest.raises(InvalidError, match="cannot be read"):
        brick_document.parse("a", text)
    with pytest.raises(InvalidError, match="cannot be read"):
        read_settings("spark.yaml", text.encode(), member="spark.yaml")
