"""Symbolic links among the DAG files: where they lead, which of them Airflow is given, why not the others."""

from __future__ import annotations

import posixpath
from collections.abc import Collection, Iterator, Mapping

from couture_workflow.store import submodules, trees
from couture_workflow.store.names import printable, quote

#: Links that are named at most.
_NAMED = 20


def left_out(parts: Collection[submodules.Part]) -> tuple[str, ...]:
    """Return a sentence for each link of a version that Airflow is not given, at most so many."""
    modes = {f"{part.prefix}{entry.path}": entry.mode for part in parts for entry in part.entries}
    wanted = {path for path, mode in modes.items() if mode == trees.LINK}
    if not wanted:
        return ()
    targets = {
        path: content.decode("utf-8", "surrogateescape")
        for path, mode, content in submodules.contents(parts, wanted)
        if mode == trees.LINK
    }
    said = list(_sentences(targets, modes))
    more = [f"{len(said) - _NAMED} more links are left out."] if len(said) > _NAMED else []
    return (*said[:_NAMED], *more)


def _sentences(targets: Mapping[str, str], paths: Mapping[str, str]) -> Iterator[str]:
    folders = {folder for path in paths for folder in _folders(path)}
    for path, target in sorted(targets.items()):
        end = followed(path, targets)
        name = f"The symbolic link {quote(printable(path))} to {quote(printable(target))} is left out"
        if not end:
            yield f"{name}: it leads out of the repository. Put the file itself there."
        elif end in targets:
            yield f"{name}: it leads back to itself. Correct it."
        elif end in folders or paths.get(end) == trees.SUBMODULE:
            yield (
                f"{name}: it leads to a folder, which Airflow would meet twice. Import from the folder "
                "itself, or have its files there too."
            )
        elif end not in paths:
            yield f"{name}: there is no {quote(printable(end))}. Correct or remove it."


def inside(link: str, target: str) -> str:
    """Return the path in the tree that a link means, "" if it leads out of the tree."""
    found = posixpath.normpath(posixpath.join(posixpath.dirname(link), target))
    return "" if found.startswith(("/", "..")) else found


def followed(link: str, targets: Mapping[str, str]) -> str:
    """Return where a link of links ends, itself one of the links if they go round; "" if out of the tree."""
    path, met = link, set[str]()
    while path in targets and path not in met:
        met.add(path)
        path = inside(path, targets[path])
    return path


def _folders(path: str) -> Iterator[str]:
    while path := posixpath.dirname(path):
        yield path
    yield "."
