"""Where the notebook of a task is, what its cells see beside it, and where its output goes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from couture_workflow.exceptions import InvalidError, NotFoundError
from couture_workflow.services.notebooks import people, workspace
from couture_workflow.store.home import Store

_SUFFIX = ".ipynb"


def find_input(name: str, folders: Sequence[Path]) -> Path:
    """Return a notebook by its name in the first folder that has it, or raise ``NotFoundError``.

    :param name: path below one of the folders, with or without ``.ipynb``.
    """
    relative = _relative(name, "input_nb")
    for folder in folders:
        path = folder / relative
        if path.is_file() and path.resolve().is_relative_to(folder.resolve()):
            return path
    looked = ", ".join(str(folder) for folder in folders)
    raise NotFoundError(
        f"There is no notebook {str(relative)!r}. Put it beside the DAG file, or correct input_nb. "
        f"Looked in: {looked}."
    )


def input_folders(dag_file: Path, *, top: Path | None, home: Path | None) -> list[Path]:
    """Return where the notebook of a task may be, the likeliest place first.

    :param top: the top of the DAG repository, None if there is none.
    :param home: None: what is below the home is not looked at.
    """
    beside = dag_file.parent
    found = [beside, beside / "notebooks", beside.parent / "notebooks"]
    found += [top, top / "notebooks"] if top else []
    found += [home / "notebooks"] if home else []
    return list(dict.fromkeys(found))


def surroundings(
    source: Path, *, repository: Path | None, home: Path
) -> tuple[Path | None, workspace.Limits]:
    """Return what the cells of a notebook see a copy of, None for its folder alone, and how much of it."""
    notebooks = people.top(home).resolve()
    if source.resolve().is_relative_to(notebooks):
        first, *rest = source.resolve().relative_to(notebooks).parts
        return (notebooks / first, workspace.OF_PERSON) if rest else (None, workspace.OF_ALL)
    return repository, workspace.OF_REPOSITORY


def output_path(store: Store, name: str) -> Path:
    """Return where an output of this name goes."""
    return store.outputs / "notebooks" / _relative(name, "output_nb")


def _relative(name: str, argument: str) -> PurePosixPath:
    path = PurePosixPath(name if name.endswith(_SUFFIX) else name + _SUFFIX)
    if not name.strip() or path.is_absolute() or ".." in path.parts or "\0" in name:
        raise InvalidError(
            f"{argument} is {name!r}: give a path without .. that does not begin with a slash, such as "
            "'reports/day.ipynb'.",
            field=argument,
        )
    return path
