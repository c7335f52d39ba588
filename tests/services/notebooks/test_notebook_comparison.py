"""Two runs of notebooks side by side: what differs, and that hostile or huge outputs do no harm."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from couture_workflow.exceptions import InvalidError
from couture_workflow.services.notebooks import comparison, outputs, results
from couture_workflow.services.notebooks.comparison import Comparison
from couture_workflow.services.runs.records import RunKey
from couture_workflow.store.home import Store
from tests.support.runs_of_notebooks import cell, ended, notebook, picture, png, shown, stream

FRAME = (
    "<style>x{{}}</style><table border=1 id='T_{id}'><tr><th></th><th>sum</th></tr>"
    "<tr><th>a</th><td>{a}</td></tr></table>"
)
HOSTILE = "<script>alert(1)</script>"


def key(number: int) -> RunKey:
    return RunKey("a'b\"<&>ü", f"run {number}/../ü", "task", -1, 1)


def compared(store: Store, old: bytes, new: bytes, *parameters: dict[str, str]) -> Comparison:
    before, after = parameters or ({}, {})
    first = ended(store, key(1), {outputs.NOTEBOOK: old}, parameters=before)
    second = ended(store, key(2), {outputs.NOTEBOOK: new}, minute=1, parameters=after)
    return comparison.compare(store, first, second)


def one(store: Store, old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    """Return the comparison of one result with another."""
    found = compared(store, notebook(cell("x", old)), notebook(cell("x", new)))
    assert found.problem == ""
    (only,) = found.cells
    (result,) = only["results"]
    return dict(result)


def test_parameters_that_differ_are_marked(store: Store) -> None:
    before, after = {"day": '"1"', "n": "1", "x": "0"}, {"day": '"2"', "n": "1", "y": "0"}
    found = compared(store, notebook(), notebook(), before, after)

    told = [(each.name, each.old, each.new, each.differs) for each in found.parameters]
    assert told == [
        ("day", '"1"', '"2"', True),
        ("n", "1", "1", False),
        ("x", "0", None, True),
        ("y", None, "0", True),
    ]


def test_cells_that_are_the_same_say_no_more_than_that(store: Store) -> None:
    same = notebook(cell("print(1)", stream("1\n"), picture(png())))
    (only,) = compared(store, same, same).cells

    assert (only["same"], only["source"], only["results"]) == (True, [], [])
    assert (only["old"], only["new"], only["first_line"]) == (1, 1, "print(1)")


def test_the_lines_of_a_text_that_differ_are_told_with_those_around(store: Store) -> None:
    lines = [f"line {number}" for number in range(100)]
    other = [*lines[:50], "new", *lines[51:]]
    result = one(store, stream("\n".join(lines)), stream("\n".join(other)))

    assert result["lines"] == [
        ["meta", "47 equal lines"],
        *(["same", f"line {number}"] for number in (47, 48, 49)),
        ["del", "line 50"],
        ["add", "new"],
        *(["same", f"line {number}"] for number in (51, 52, 53)),
        ["meta", "46 equal lines"],
    ]


def test_colours_and_lines_that_were_written_over_are_no_part_of_a_text(store: Store) -> None:
    result = one(store, stream("\x1b[31m10%\r20%\r\n\x1b[0mdone"), stream("done"))

    assert result["lines"] == [["del", "20%"], ["same", "done"]]


def test_what_was_printed_in_pieces_is_one_text(store: Store) -> None:
    pieces = notebook(cell("x", stream("a\n"), stream("oops", "stderr"), stream("b\n")))
    whole = notebook(cell("x", stream("a\nb\n"), stream("oops", "stderr")))

    assert compared(store, pieces, whole).cells[0]["same"]


def test_tables_are_texts_side_by_side_and_what_differs_is_marked(store: Store) -> None:
    result = one(
        store, shown(text_html=FRAME.format(id=1, a=5)), shown(text_html=FRAME.format(id=2, a=HOSTILE + "6"))
    )

    old, new = result["sides"]
    assert old["rows"] == [[["", False], ["sum", False]], [["a", False], ["5", True]]]
    assert new["rows"][1][1][1] is True
    assert "<" not in new["rows"][1][1][0]


def test_a_table_whose_ids_alone_differ_is_the_same(store: Store) -> None:
    old, new = (notebook(cell("x", shown(text_html=FRAME.format(id=number, a=5)))) for number in (1, 2))

    assert compared(store, old, new).cells[0]["same"]


def test_pictures_stand_side_by_side(store: Store) -> None:
    result = one(store, picture(png(shade=1)), picture(png(shade=2)))

    assert [side["kind"] for side in result["sides"]] == ["picture", "picture"]
    assert all(side["picture"].startswith("data:image/png;base64,") for side in result["sides"])


@pytest.mark.parametrize(
    "content",
    [
        b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>",
        b"\x89PNG\r\n\x1a\n",
        b"\xff\xd8\xff\xe0",
        png(60_000, 1)[:20]
        + b"\0\0\xea\x60"
        + png(60_000, 1)[24:],  # says that it has 60,000 x 60,000 pixels
    ],
    ids=["no picture", "cut", "cut jpeg", "bomb"],
)
@pytest.mark.parametrize("mime", ["image/png", "image/jpeg"])
def test_what_is_no_picture_or_fills_memory_is_not_shown_as_one(
    mime: str, content: bytes, store: Store
) -> None:
    result = one(store, picture(content, mime), picture(png()))

    assert result["sides"][0]["kind"] == "other"
    assert "picture" not in result["sides"][0]


def test_html_and_scripts_never_come_back(store: Store) -> None:
    old = shown(text_html=f"<div>{HOSTILE}</div>", text_plain="<Figure>")
    result = one(store, old, shown(application_javascript="alert(1)"))

    assert "<script" not in json.dumps(result["sides"])
    assert "alert" not in json.dumps(result["sides"])
    assert result["sides"][1]["text"].startswith("application/javascript: ")


def test_cells_are_matched_by_their_ids_though_their_source_has_changed(store: Store) -> None:
    old = notebook(cell("a = 1", name="a"), cell("b", name="b"))
    new = notebook(
        cell("n = 5", name="ab12", tag="injected-parameters"), cell("a = 2", name="a"), cell("b", name="b")
    )
    found = compared(store, old, new).cells

    assert [(each["old"], each["new"], each["same"]) for each in found] == [
        (None, 1, False),
        (1, 2, False),
        (2, 3, True),
    ]
    assert found[1]["source"] == [["del", "a = 1"], ["add", "a = 2"]]


def test_cells_without_ids_are_matched_by_their_source(store: Store) -> None:
    old = notebook(cell("a"), cell("b", stream("1")), cell("c"))
    new = notebook(cell("b", stream("2")), cell("c"))

    assert [(each["old"], each["new"]) for each in compared(store, old, new).cells] == [
        (1, None),
        (2, 1),
        (3, 2),
    ]


def test_lines_that_repeat_are_compared_in_time(store: Store) -> None:
    # A matcher of all pairs would take minutes.
    old, new = "a\nb\n" * 20_000, "b\nb\na\n" * 20_000
    result = one(store, stream(old), stream(new))

    assert len(result["lines"]) < 4_000
    assert result["lines"][-1][0] == "meta"


def test_halves_of_characters_do_no_harm(store: Store) -> None:
    half = "a\ud800"
    results = [stream(half), shown(text_html=f"<table><tr><td>{half}</td></tr></table>")]
    found = compared(store, notebook(cell(half, *results)), notebook(cell("b")))

    assert json.dumps(found.cells, ensure_ascii=False).encode()
    assert found.cells[0]["source"][0] == ["del", "a?"]


def test_what_comes_back_of_huge_outputs_is_bounded(store: Store) -> None:
    def huge(letter: str) -> bytes:
        cells = (cell(f"x{number}", stream(f"{letter}{number}\n" * 5_000)) for number in range(1_000))
        return notebook(*cells)

    found = compared(store, huge("a"), huge("b"))

    assert found.problem == ""
    assert found.left_out == 700
    assert len(json.dumps(found.cells)) < 2_000_000


def test_a_notebook_that_is_too_large_is_not_read(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(results, "LARGEST", 100)
    found = compared(store, notebook(cell("x" * 200)), notebook())

    assert "larger than" in found.problem
    assert "run 1" in found.problem


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"cells": 5}', b"[" * 100_000, b"\xff\xfe"])
def test_what_is_no_notebook_is_told(content: bytes, store: Store) -> None:
    found = compared(store, content, notebook())

    assert "no notebook that can be read" in found.problem


@pytest.mark.parametrize(
    "part",
    [
        {"outputs": 5},
        {"outputs": [5, None, {}, {"output_type": "stream"}, {"output_type": "error", "traceback": 7}]},
        {"outputs": [{"output_type": "display_data", "data": {"image/png": 5, "text/html": [1, None]}}]},
        {"source": 7, "metadata": []},
        {"metadata": {"tags": "x"}, "id": {}},
    ],
)
def test_cells_that_are_malformed_are_read_as_far_as_they_can_be(part: dict[str, Any], store: Store) -> None:
    found = compared(store, notebook({**cell("a"), **part}), notebook(cell("b")))

    assert found.problem == ""
    assert len(found.cells) == 1


def test_a_run_without_output_is_told_and_parameters_are_compared(store: Store) -> None:
    first = ended(store, key(1), {}, parameters={"n": "1"})
    second = ended(store, key(2), {outputs.NOTEBOOK: notebook()}, minute=1)
    found = comparison.compare(store, first, second)

    assert "has no output any more, or never had one" in found.problem
    assert len(found.parameters) == 1


def test_a_link_in_place_of_the_output_is_not_followed(store: Store, tmp_path: Any) -> None:
    secret = tmp_path / "secret.ipynb"
    secret.write_bytes(notebook(cell("secret")))
    run = ended(store, key(1), {outputs.NOTEBOOK: b""})
    (outputs.folder(store, run.key) / outputs.NOTEBOOK).unlink()
    (outputs.folder(store, run.key) / outputs.NOTEBOOK).symlink_to(secret)

    assert "has no output" in comparison.compare(store, run, run).problem


def test_a_spark_job_is_refused(store: Store) -> None:
    run = ended(store, key(1), {})

    comparison.check_notebooks(run)
    with pytest.raises(InvalidError, match="ran a Spark job"):
        comparison.check_notebooks(run, replace(run, kind="spark"))
