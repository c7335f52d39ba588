from __future__ import annotations

import ast
import json
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from couture_workflow.services.notebooks import document, examples, folders, people


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_the_examples_are_placed_whole_and_cannot_be_written_to(tmp_path: Path) -> None:
    examples.place(tmp_path)

    folder = tmp_path / "notebooks" / "examples"
    placed = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert placed == {path.name: path.read_bytes() for path in examples.shipped()}
    assert {"first_steps.ipynb", "report_with_parameters.ipynb", "spark_example.ipynb"} <= placed.keys()
    assert (mode(folder), {mode(path) for path in folder.iterdir()}) == (0o555, {0o444})


def test_a_newer_package_replaces_adds_and_removes(tmp_path: Path) -> None:
    examples.place(tmp_path)
    folder = tmp_path / "notebooks" / "examples"
    folder.chmod(0o755)
    (folder / "of_an_earlier_version.ipynb").write_text("{}")
    (folder / "first_steps.ipynb").unlink()
    (folder / "spark_example.ipynb").chmod(0o644)
    (folder / "spark_example.ipynb").write_text("changed")

    examples.place(tmp_path)

    assert sorted(path.name for path in folder.iterdir()) == [path.name for path in examples.shipped()]
    assert "changed" not in (folder / "spark_example.ipynb").read_text()
    assert mode(folder) == 0o555


def test_placing_again_writes_nothing_and_two_at_once_are_no_harm(tmp_path: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(examples.place, [tmp_path] * 4))
    path = tmp_path / "notebooks" / "examples" / "first_steps.ipynb"
    before = path.stat()
    examples.place(tmp_path)

    after = path.stat()  # but for the time of its last reading
    assert (after.st_ino, after.st_ctime_ns) == (before.st_ino, before.st_ctime_ns)


@pytest.mark.parametrize("path", examples.shipped(), ids=lambda path: path.stem)
def test_an_example_is_tidy(path: Path) -> None:
    """No results, ids that say what a cell does, code that Python reads, one kernel for all."""
    book = json.loads(path.read_text(encoding="utf-8"))

    code = [cell for cell in book["cells"] if cell["cell_type"] == "code"]
    assert (book["nbformat"], book["nbformat_minor"]) == (4, 5)
    assert book["metadata"]["kernelspec"]["name"] == "python3"
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in code)
    assert all(cell["id"].isalpha() for cell in book["cells"])
    for cell in code:
        ast.parse("".join(cell["source"]))


@pytest.mark.parametrize("name", ["report_with_parameters.ipynb", "spark_example.ipynb"])
def test_parameters_of_the_examples_have_types_and_comments(name: str) -> None:
    (path,) = [path for path in examples.shipped() if path.name == name]
    book = json.loads(path.read_text(encoding="utf-8"))

    (cell,) = [cell for cell in book["cells"] if "parameters" in cell["metadata"].get("tags", [])]
    for line in cell["source"]:
        assert isinstance(ast.parse(line).body[0], ast.AnnAssign)
        assert "  # " in line


def test_everybody_may_read_an_example_and_see_its_parameters(tmp_path: Path) -> None:
    examples.place(tmp_path)
    path = folders.checked("examples/report_with_parameters.ipynb", "ann")

    found = document.read(people.top(tmp_path), path)

    assert [(each.name, each.type, each.default, bool(each.help)) for each in found.parameters] == [
        ("island", "str", "Biscoe", True),
        ("least_mass", "int", 0, True),
    ]
