"""What a change of DAG files would do, told before it is saved: file by file, and in a commit message."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from couture_workflow.services.dags.uploads import Incoming
from couture_workflow.services.upgrade import apart as upgrade_apart
from couture_workflow.services.upgrade import upgrading

Kind = Literal["new", "replaces", "same", "deleted", "renamed", "refused"]


@dataclass(frozen=True)
class Planned:
    """What becomes of one file.

    :param source: what the sender called it, "" if it was not sent.
    :param was: the path that it had, for a renamed one.
    :param added: lines that only the new content has, None if one of the two is no text.
    :param removed: lines that only the old content has, None if one of the two is no text.
    :param size: bytes of the new content.
    :param refused: why it cannot be saved; ``suggestion`` is a path that would do.
    :param upgrade: what an upgrade of its code for Airflow 3 does, None if it looks new.
    """

    path: str
    kind: Kind
    source: str = ""
    was: str = ""
    added: int | None = None
    removed: int | None = None
    size: int = 0
    refused: str = ""
    suggestion: str = ""
    upgrade: Mapping[str, Any] | None = None

    def json(self) -> dict[str, Any]:
        """Return it as a JSON object."""
        return asdict(self)


def planned(current: Mapping[str, bytes], changes: Mapping[str, bytes | None]) -> list[Planned]:
    """Compare changes with what there is, sorted by path.

    :param current: content of every file.
    """
    return [_compared(path, current.get(path), changes[path]) for path in sorted(changes)]


def incoming(current: Mapping[str, bytes], files: Sequence[Incoming]) -> list[Planned]:
    """Compare the files of an upload with what there is; refused ones are among them."""
    found = []
    for file in files:
        if file.refused:
            plan = Planned(file.path, "refused", refused=file.refused, suggestion=file.suggestion)
        else:
            plan = _compared(file.path, current.get(file.path), file.content)
        found.append(replace(plan, source=file.source))
    return found


def offering(plans: Sequence[Planned], offers: Mapping[str, Mapping[str, Any]]) -> list[Planned]:
    """Add to the files of an upload what ``upgraded`` offers for them."""
    return [replace(plan, upgrade=offers.get(plan.source)) for plan in plans]


def renamed(old: str, changes: Mapping[str, bytes | None], new: str) -> list[Planned]:
    """Show the deletions and additions of a rename as pairs.

    :param old: the file or folder that gets the path ``new``.
    """
    return [
        Planned(path, "renamed", was=old + path.removeprefix(new), size=len(content))
        for path, content in sorted(changes.items())
        if content is not None
    ]


def upgraded(files: Sequence[Incoming], chosen: Collection[str]) -> tuple[list[Incoming], dict[str, Any]]:
    """Offer an upgrade for files that look like Airflow 1 or 2, and do it for the chosen ones.

    :param chosen: sources of the files to upgrade.
    :return: the files, and by source what the upgrade does: ``chosen``, ``changes``, ``notes``, ``diff``.
    """
    result, offers = [], {}
    done = _upgrades(files)
    for file in files:
        found, difference = done.get(file.source, (None, ""))
        if found is not None and (found.changes or found.notes):
            offers[file.source] = {
                "chosen": file.source in chosen,
                "changes": [_at(change.line, change.message) for change in found.changes],
                "notes": [_at(note.line, f"{note.message} {note.advice}".strip()) for note in found.notes],
                "diff": difference,
            }
            if file.source in chosen:
                file = replace(file, content=found.source.encode())
        result.append(file)
    return result, offers


def _upgrades(files: Sequence[Incoming]) -> dict[str, tuple[upgrading.Upgrade, str]]:
    """Return what an upgrade does to those that look old, with the difference, by source."""
    old: list[tuple[str, str]] = []
    for file in files:
        source = None if file.refused or not file.path.endswith(".py") else text(file.content)
        if source is not None and upgrading.looks_old(source):
            old.append((file.source, source))
    if not old:
        return {}
    done = upgrade_apart.texts([("", source) for _, source in old])
    return {name: found for (name, _), found in zip(old, done, strict=True)}


def _at(line: int, message: str) -> str:
    return f"Line {line}: {message}" if line else message


def message(verb: str, paths: Sequence[str]) -> str:
    """Return a commit message such as "Delete a.py, b.py and 3 more"."""
    shown = list(paths[:3])
    rest = len(paths) - len(shown)
    if rest:
        return f"{verb} {', '.join(shown)} and {rest} more"
    return f"{verb} {', '.join(shown)}"


def text(content: bytes) -> str | None:
    """Return content as text, None if it is none."""
    if b"\0" in content:
        return None
    try:
        return content.decode()
    except UnicodeDecodeError:
        return None


def _compared(path: str, old: bytes | None, new: bytes | None) -> Planned:
    if new is None:
        return Planned(path, "deleted", removed=_lines(old or b""), added=0)
    if old == new:
        return Planned(path, "same", size=len(new), added=0, removed=0)
    kind: Kind = "new" if old is None else "replaces"
    added, removed = _difference(old or b"", new)
    return Planned(path, kind, size=len(new), added=added, removed=removed)


def _lines(content: bytes) -> int | None:
    found = text(content)
    return None if found is None else len(found.splitlines())


def _difference(old: bytes, new: bytes) -> tuple[int | None, int | None]:
    """Count lines that only one of two texts has; lines that moved count as the same."""
    before, after = text(old), text(new)
    if before is None or after is None:
        return None, None
    ours, theirs = Counter(before.splitlines()), Counter(after.splitlines())
    return (theirs - ours).total(), (ours - theirs).total()
