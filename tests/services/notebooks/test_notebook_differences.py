"""The difference of a pinned notebook and its source, cell by cell."""

from __future__ import annotations

import json
import random
from pathlib import Path

from couture_workflow.services.notebooks import differences, people
from couture_workflow.store.home import Store
from tests.support.people_notebooks import notebook, write


def against(store: Store, old: list[str], new: list[str]) -> differences.Difference:
    write(store.root, "ann/a.ipynb", notebook(*new))
    pinned = json.dumps(notebook(*old)).encode()
    return differences.against(pinned, people.top(store.root), "ann/a.ipynb")


def test_added_removed_and_changed_cells(store: Store) -> None:
    found = against(store, ["one", "two", "three", "four"], ["one", "2", "three", "x", "y", "four"])
    assert [(each.change, each.number, each.old, each.new) for each in found.cells] == [
        ("changed", 2, "two", "2"),
        ("added", 4, "", "x"),
        ("added", 5, "", "y"),
    ]

    found = against(store, ["one", "two", "three"], ["three"])
    assert [(each.change, each.number, each.old) for each in found.cells] == [
        ("removed", 1, "one"),
        ("removed", 2, "two"),
    ]


def test_lines_of_a_changed_cell(store: Store) -> None:
    (cell,) = against(store, ["a\nb\nc"], ["a\nB\nc"]).cells

    assert cell.diff.split("\n")[1:] == [" a", "-b", "+B", " c"]


def test_line_ends_and_outputs_are_no_difference(store: Store) -> None:
    assert against(store, ["a\nb\n"], ["a\r\nb"]).cells == ()


def test_another_kind_of_cell(store: Store) -> None:
    content = notebook("text")
    content["cells"][0]["cell_type"] = "markdown"
    write(store.root, "ann/a.ipynb", content)
    pinned = json.dumps(notebook("text")).encode()

    found = differences.against(pinned, people.top(store.root), "ann/a.ipynb")

    assert [(each.change, each.kind) for each in found.cells] == [("removed", "code"), ("added", "markdown")]


def test_thousands_of_differing_cells_are_told_in_part(store: Store) -> None:
    draw = random.Random(1)
    old, new = ([f"{draw.random()}\n" * 20 for _ in range(5000)] for _ in range(2))

    found = against(store, old, new)

    assert len(found.cells) == differences.MOST and found.more == 4800


def test_a_source_that_is_gone_or_broken_is_said_so(store: Store, tmp_path: Path) -> None:
    pinned = json.dumps(notebook("x")).encode()
    assert "There is no" in differences.against(pinned, tmp_path, "ann/a.ipynb").problem

    write(store.root, "ann/a.ipynb", b"{")
    assert "broken" in differences.against(pinned, people.top(store.root), "ann/a.ipynb").problem
    assert "the pinned copy" in differences.against(b"{", people.top(store.root), "ann/a.ipynb").problem
