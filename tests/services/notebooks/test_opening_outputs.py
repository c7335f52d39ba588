"""What a run left is opened, and nothing that its cells put in the place of that."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from couture_workflow.exceptions import NotFoundError
from couture_workflow.services.notebooks import opening, outputs, progress
from couture_workflow.services.runs import records
from couture_workflow.services.runs.notebook_use import CellRun
from couture_workflow.services.runs.records import RunKey
from couture_workflow.store.home import Store
from tests.support.notebooks import HOSTILE
from tests.support.runs_of_notebooks import ended

KEY = RunKey(HOSTILE, f"{HOSTILE}/../..", HOSTILE)
NAMES = [
    outputs.NOTEBOOK,
    outputs.HTML,
    outputs.HTML_WITHOUT_CODE,
    f"files/{HOSTILE} \n.csv",
    "files/a/b/c.png",
]


@pytest.fixture
def own(store: Store) -> Path:
    ended(store, KEY, {name: name.encode() for name in NAMES})
    return outputs.folder(store, KEY)


@pytest.mark.parametrize("name", NAMES)
def test_an_output_is_opened(name: str, own: Path, store: Store) -> None:
    file = opening.opened(store, KEY, name)

    assert b"".join(opening.pieces(file, opening.size(file))) == name.encode()
    assert file.closed


def test_the_record_says_what_is_there_and_what_is_gone_is_left_out(own: Path, store: Store) -> None:
    run = ended(store, KEY, {name: name.encode() for name in NAMES})
    (own / NAMES[-1]).unlink()

    assert opening.present(store, run) == {name: len(name.encode()) for name in NAMES[:-1]}


@pytest.mark.parametrize(
    "name",
    [
        "",
        "/",
        ".",
        "..",
        "files",
        "files/",
        "files/.",
        "files/..",
        "files/../output.ipynb",
        "files/../../../../../../etc/passwd",
        "/etc/passwd",
        "files//etc/passwd",
        "progress.json",
        "about.json",
        "output.html/..",
        "output.html\0",
        "files/x\0y",
        "files/" + "x" * 5_000,
        "files/\udcff",
    ],
)
def test_other_names_open_nothing(name: str, own: Path, store: Store) -> None:
    (own / "about.json").write_text("{}")

    with pytest.raises(NotFoundError, match="has no output"):
        opening.opened(store, KEY, name)


def links(own: Path, outside: Path) -> dict[str, Path]:
    """Return name -> what a cell may put there to reach a file outside."""
    return {
        "output.html": own / "output.html",
        "output.ipynb": own / "output.ipynb",
        "files/link": own / "files" / "link",
        "files/folder/passwd": own / "files" / "folder",
        f"files/{outside.name}": own / "files",
    }


@pytest.mark.parametrize(
    "name", ["output.html", "output.ipynb", "files/link", "files/folder/passwd", "files/passwd"]
)
def test_no_link_is_followed(name: str, own: Path, store: Store, tmp_path: Path) -> None:
    outside = tmp_path / "outside" / "passwd"
    outside.parent.mkdir()
    outside.write_text("secret")
    place = links(own, outside)[name]
    if place.is_dir():
        place.rename(own / "moved")
    place.unlink(missing_ok=True)
    place.symlink_to(outside if place.name == Path(name).name else outside.parent)
    assert (own / name).read_text() == "secret"  # so it would be followed

    with pytest.raises(NotFoundError):
        opening.opened(store, KEY, name)


@pytest.mark.parametrize("level", range(6))
def test_no_folder_on_the_way_may_be_a_link(level: int, own: Path, store: Store) -> None:
    folder = [own, *own.parents][level]
    moved = store.outputs.parent / "elsewhere"
    folder.rename(moved)
    folder.symlink_to(moved)
    assert (own / "output.html").exists()

    with pytest.raises(NotFoundError):
        opening.opened(store, KEY, "output.html")


def test_a_pipe_holds_nobody(own: Path, store: Store) -> None:
    (own / "output.html").unlink()
    os.mkfifo(own / "output.html")
    os.mkfifo(own / outputs.PROGRESS)

    with pytest.raises(NotFoundError):
        opening.opened(store, KEY, "output.html")
    assert progress.read(store, KEY) is None


def test_a_second_name_of_another_file_is_not_opened(own: Path, store: Store, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("secret")
    os.link(secret, own / "files" / "mine")

    with pytest.raises(NotFoundError):
        opening.opened(store, KEY, "files/mine")


def test_what_cells_write_as_progress_is_read_within_limits(own: Path, store: Store) -> None:
    for content in (
        "[" * 10**6,
        json.dumps("x" * 3 * 2**20),
        '{"of": []}',
        "\ud800".encode("utf-8", "replace").decode(),
    ):
        (own / outputs.PROGRESS).write_text(content)
        assert progress.read(store, KEY) is None


def test_a_record_and_a_progress_hold_halves_of_characters(store: Store) -> None:
    half = "a\ud800"
    run = ended(store, KEY, {}, cells=[CellRun(1, half, "failed", 1.0)], error=half)

    assert records.read(store, run.key).error == "a?"
    outputs.folder(store, KEY).mkdir(parents=True)
    now = datetime.now(UTC)
    cells = (CellRun(1, half, "running"),)
    told = progress.Progress(
        of=1, cells=cells, source=half, lines=(half,), cell_started_at=now, updated_at=now
    )
    progress.write(outputs.folder(store, KEY), told)
    found = progress.read(store, KEY)
    assert found is not None
    assert (found.source, found.lines, found.cells[0].first_line) == ("a?", ("a?",), "a?")


def test_a_file_whose_name_is_no_text_is_left_out(own: Path, store: Store) -> None:
    Path(os.fsdecode(os.fsencode(own / "files") + b"/\xff.csv")).write_text("x")
    found = outputs.listing(store, KEY)

    assert sorted(each.name for each in found.outputs) == sorted(NAMES)
    assert found.left_out == 1
    with pytest.raises(NotFoundError):
        opening.opened(store, KEY, "files/\udcff.csv")
