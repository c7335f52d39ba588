"""Notebooks read: all formats that people have, and what is made to be slow, broken or elsewhere."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from couture_workflow.exceptions import CoutureError, InvalidError, NotFoundError, TooLargeError
from couture_workflow.services.notebooks import document, folders, people
from couture_workflow.store.home import Store
from tests.support.people_notebooks import notebook, write

PARAMETERS = ("rows = 3  # how many", ["parameters"])


def read(store: Store, path: str = "ann/a.ipynb", *, copy: bool = True) -> document.Document:
    return document.read(people.top(store.root), path, copy=copy)


def test_a_notebook_says_what_it_is(store: Store) -> None:
    write(store.root, "ann/a.ipynb", notebook(PARAMETERS, "print(rows)"))
    write(store.root, "ann/data.csv", "a,b\n")
    write(store.root, "ann/lib/deep.py", "x = 1\n")
    write(store.root, "ann/.hidden", "x")

    found = read(store)

    assert (found.format, found.kernel, found.language, found.cells) == ("4.5", "python3", "python", 2)
    assert found.has_parameters and not found.problem and not found.replaced
    assert [(each.name, each.default, each.help) for each in found.parameters] == [("rows", 3, "how many")]
    assert [(each.path, each.size) for each in found.beside] == [("data.csv", 4), ("lib/deep.py", 6)]


def test_a_glance_reads_a_file_again_only_if_it_changed(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(store.root, "ann/a.ipynb", notebook(PARAMETERS))
    read_before: list[str] = []
    real = document.read
    monkeypatch.setattr(document, "read", lambda top, path: read_before.append(path) or real(top, path))

    def glance() -> document.Document:
        return document.glance(people.top(store.root), "ann/a.ipynb")

    assert glance() == glance() == real(people.top(store.root), "ann/a.ipynb")
    write(store.root, "ann/b.csv", "1")
    assert [each.path for each in glance().beside] == ["b.csv"]
    assert len(read_before) == 1
    path.write_text(path.read_text().replace("rows = 3", "rows = 4"))
    assert [each.default for each in glance().parameters] == [4]


def test_the_copy_has_no_outputs(store: Store) -> None:
    write(store.root, "ann/a.ipynb", notebook(PARAMETERS, "print('ü')"))

    copied = json.loads(read(store).copy)

    assert [cell["outputs"] for cell in copied["cells"]] == [[], []]
    assert [cell["execution_count"] for cell in copied["cells"]] == [None, None]
    assert [cell["id"] for cell in copied["cells"]] == ["c0", "c1"]
    assert "ü" in read(store).copy.decode()


def test_another_run_of_a_notebook_leaves_the_same_copy(store: Store) -> None:
    content = notebook("x = 1")
    write(store.root, "ann/a.ipynb", content)
    before = read(store)
    content["cells"][0]["outputs"][0]["text"] = "something else"
    content["cells"][0]["execution_count"] = 8
    write(store.root, "ann/a.ipynb", content)

    assert read(store).copy == before.copy
    assert read(store).sha256 != before.sha256


def test_nbformat_3_is_read(store: Store) -> None:
    content = {
        "nbformat": 3,
        "nbformat_minor": 0,
        "metadata": {"name": "old"},
        "worksheets": [
            {
                "cells": [
                    {
                        "cell_type": "code",
                        "language": "python",
                        "metadata": {"tags": ["parameters"]},
                        "input": ["n = 1\n", "m = 2"],
                        "outputs": [{"output_type": "stream", "text": "x"}],
                        "prompt_number": 4,
                    }
                ]
            }
        ],
    }
    write(store.root, "ann/a.ipynb", content)

    found = read(store)
    cell = json.loads(found.copy)["worksheets"][0]["cells"][0]

    assert (found.format, found.kernel, found.language) == ("3.0", "", "python")
    assert [each.name for each in found.parameters] == ["n", "m"]
    assert (cell["outputs"], cell["prompt_number"], "execution_count" in cell) == ([], None, False)


@pytest.mark.parametrize(
    ("metadata", "kernel", "language"),
    [
        ({}, "", ""),
        (None, "", ""),
        ([], "", ""),
        ({"kernelspec": None, "language_info": "python"}, "", ""),
        ({"kernelspec": {"name": "ir", "language": "R"}}, "ir", "R"),
        ({"kernelspec": {"name": 5}}, "", ""),
        ({"kernelspec": {"name": "a" * 1000}}, "a" * 100, ""),
    ],
)
def test_kernel_and_language(store: Store, metadata: Any, kernel: str, language: str) -> None:
    write(store.root, "ann/a.ipynb", {"nbformat": 4, "cells": [], "metadata": metadata})

    found = read(store)

    assert (found.kernel, found.language, found.format) == (kernel, language, "4.0")


def test_another_language_has_no_parameters_that_can_be_read(store: Store) -> None:
    content = notebook(("n <- 3", ["parameters"]), language="R")
    write(store.root, "ann/a.ipynb", content)

    found = read(store)

    assert found.has_parameters and not found.parameters
    assert "The notebook's language is R" in found.problem


def test_windows_line_ends_and_a_mark_at_the_beginning(store: Store) -> None:
    text = json.dumps(notebook(("a = 1\r\nb = 2\r\n", ["parameters"])), indent=1).replace("\n", "\r\n")
    write(store.root, "ann/a.ipynb", "\ufeff" + text)

    assert [each.name for each in read(store).parameters] == ["a", "b"]


def test_characters_that_are_no_text_are_replaced_in_the_copy(store: Store) -> None:
    write(store.root, "ann/a.ipynb", json.dumps(notebook("x = '\ud800'")))

    found = read(store)

    assert found.replaced
    assert json.loads(found.copy)["cells"][0]["source"] == "x = '?'"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "it is not JSON"),
        (b"{", "it is not JSON"),
        (b"[1, 2]", "it says no nbformat"),
        (b"{}", "it says no nbformat"),
        (b'{"nbformat": "4", "cells": []}', "its nbformat is no whole number"),
        (b'{"nbformat": true, "cells": []}', "its nbformat is no whole number"),
        (b'{"nbformat": 4.0, "cells": []}', "its nbformat is no whole number"),
        (b'{"nbformat": 1e400, "cells": []}', "its nbformat is no whole number"),
        (b'{"nbformat": ' + b"9" * 4000 + b', "cells": []}', "the format 9999999999;"),
        (b'{"nbformat": 2, "worksheets": []}', "the format 2"),
        (b'{"nbformat": 5, "cells": []}', "the format 5"),
        (b'{"nbformat": 4}', "it has no cells"),
        (b'{"nbformat": 4, "cells": {}}', "it has no cells"),
        (b"\xff\xfe\x00a", "it is not UTF-8 text"),
        (b'{"a":' * 100_000, "it is nested too deeply"),
        (b"[" * 5_000_000, "it is nested too deeply"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_what_is_no_notebook_is_said_so(store: Store, content: bytes, says: str) -> None:
    write(store.root, "ann/a.ipynb", content)

    with pytest.raises(InvalidError, match=says) as error:
        read(store)

    assert error.value.field == "notebook"


@pytest.mark.parametrize("cell", [None, 5, [], "x", {}, {"cell_type": "code"}, {"source": 5, "metadata": []}])
def test_odd_cells_do_no_harm(store: Store, cell: Any) -> None:
    write(store.root, "ann/a.ipynb", {"nbformat": 4, "cells": [cell], "metadata": {}})

    assert read(store).parameters == ()


def test_a_huge_notebook_is_read_for_its_cells(store: Store) -> None:
    content = notebook(PARAMETERS)
    content["cells"][0]["outputs"][0]["text"] = "x" * 60_000_000
    write(store.root, "ann/a.ipynb", content)

    found = read(store)

    assert found.size > 60_000_000 and len(found.copy) < 2000
    assert [each.name for each in found.parameters] == ["rows"]


def test_a_notebook_over_the_limit_is_refused(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__COUTURE_WORKFLOW__MAX_NOTEBOOK_SIZE", "1000")
    write(store.root, "ann/a.ipynb", notebook("x" * 1000))

    with pytest.raises(TooLargeError, match="larger than the 1,000 bytes"):
        read(store)


def test_a_notebook_that_is_large_without_outputs_is_refused(store: Store) -> None:
    write(store.root, "ann/a.ipynb", notebook("x" * (document.LARGEST_COPY + 1)))

    with pytest.raises(TooLargeError, match="without its outputs"):
        read(store)
    assert read(store, copy=False).cells == 1


def test_many_small_objects_end_in_a_sentence(store: Store) -> None:
    write(store.root, "ann/a.ipynb", b"[" + b"[]," * 20_000_000 + b"[]]")

    with pytest.raises(InvalidError, match=r"memory|takes too long|says no nbformat"):
        read(store)


@pytest.mark.parametrize(
    "path",
    ["../x.ipynb", "/etc/passwd", "ann/../bob/x.ipynb", "", "ann//a.ipynb", "ann/\n", "a/" * 600 + "x"],
)
def test_paths_that_lead_elsewhere_are_none(path: str) -> None:
    with pytest.raises(InvalidError):
        folders.checked(path, "ann")


@pytest.mark.parametrize("path", ["bob/x.ipynb", "ann", "shared", "Ann/x.ipynb"])
def test_others_folders_are_closed(path: str) -> None:
    with pytest.raises(NotFoundError):
        folders.checked(path, "ann")


def test_own_and_shared_folders_are_open() -> None:
    hostile = "a'b\"<&>/../ü"
    assert folders.checked("shared/x.ipynb", "ann") == "shared/x.ipynb"
    assert folders.checked("ann/a/x.ipynb", "ann") == "ann/a/x.ipynb"
    own = f"{people.folder_name(hostile)}/x.ipynb"
    assert folders.checked(own, hostile) == own
    with pytest.raises(NotFoundError):
        folders.checked(own, "ann")


@pytest.mark.parametrize("path", ["report.ipynb", "work/report.ipynb", "ann/report.ipynb"])
def test_where_jupyterlab_is_at_a_hub_a_path_that_is_not_here_says_so(
    store: Store, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    said = []
    for hub in ("", "https://hub.example.org"):
        monkeypatch.setenv("AIRFLOW__COUTURE_WORKFLOW__JUPYTER_HUB_URL", hub)
        for look in (document.glance, document.read):
            with pytest.raises(NotFoundError) as error:
                look(people.top(store.root), folders.checked(path, "ann"))
            said.append("JupyterLab runs at a JupyterHub here" in str(error.value))

    assert said == [False, False, True, True]


def test_no_link_is_followed(store: Store, tmp_path: Path) -> None:
    secret = tmp_path / "secret.ipynb"
    secret.write_text(json.dumps(notebook("a secret")))
    own = write(store.root, "ann/a.ipynb", notebook("x")).parent
    (own / "link.ipynb").symlink_to(secret)
    (own / "up").symlink_to(tmp_path)
    (own / "hard.ipynb").hardlink_to(secret)
    os.mkfifo(own / "pipe.ipynb")
    (own / "folder.ipynb").mkdir()

    for name in (
        "folder.ipynb",
        "link.ipynb",
        "up/secret.ipynb",
        "hard.ipynb",
        "pipe.ipynb",
        "up",
        "missing.ipynb",
    ):
        with pytest.raises(NotFoundError):
            read(store, f"ann/{name}")
    assert [each.path for each in read(store).beside] == []


def test_the_own_folder_may_be_no_link(store: Store, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "a.ipynb").write_text(json.dumps(notebook("x")))
    people.top(store.root).mkdir(parents=True, exist_ok=True)
    (people.top(store.root) / "ann").symlink_to(tmp_path / "other")

    with pytest.raises(NotFoundError, match="links are not followed"):
        read(store)


def test_a_folder_of_many_files_is_listed_in_part(store: Store) -> None:
    own = write(store.root, "ann/a.ipynb", notebook("x")).parent
    for number in range(folders.MOST_FILES + 50):
        (own / f"{number:04}.csv").write_text("x")

    assert len(read(store).beside) == folders.MOST_FILES


def test_digests_of_copies(store: Store) -> None:
    write(store.root, "ann/a.ipynb", notebook("x"))
    write(store.root, "ann/b.ipynb", b"{")

    one, broken, missing = document.copy_digests(
        people.top(store.root), ["ann/a.ipynb", "ann/b.ipynb", "ann/c.ipynb"]
    )

    from hashlib import sha256

    assert (one, broken, missing) == (sha256(read(store).copy).hexdigest(), "", "")


def test_errors_are_the_products_own(store: Store) -> None:
    people.top(store.root).mkdir(parents=True, exist_ok=True)
    for path in ("ann/a.ipynb", "ann/x/y/z.ipynb", "nobody/a.ipynb"):
        with pytest.raises(CoutureError):
            read(store, path)
