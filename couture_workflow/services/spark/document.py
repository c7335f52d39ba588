"""The Spark configuration as it stands on disk: ``spark.yaml``, in which every secret is sealed.

Pages and the REST API work on documents alone, so that they show, compare and restore configurations without
ever opening a secret.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import yaml

from couture_workflow.exceptions import CorruptError
from couture_workflow.store.secrets import MASK as MASK

PATH = "spark.yaml"
VERSION = 1
#: Default of ``spark.redaction.regex``: names whose values Spark itself never shows.
SECRET = re.compile(r"(?i)secret|password|token|access[.]?key|credential")

Value = TypeVar("Value")


def is_secret(key: str) -> bool:
    """Tell whether the value of a configuration is a secret, by Spark's own rule."""
    return bool(SECRET.search(key))


@dataclass(frozen=True)
class Sealed:
    """A secret's encrypted form.

    :param commit: the version that it was read from.
    """

    token: str = field(repr=False)
    commit: str | None = field(default=None, compare=False)


def shown(name: str, value: str | Sealed) -> str:
    """Return a value as it may be shown: secrets masked."""
    return MASK if isinstance(value, Sealed) or is_secret(name) else value


@dataclass(frozen=True)
class Document:
    """One version of the configuration, secrets sealed unless they were just typed.

    :param commit: the version in the repository, None if nothing was ever saved.
    """

    arguments: Mapping[str, str] = field(default_factory=dict)
    configurations: Mapping[str, str | Sealed] = field(default_factory=dict)
    jars: tuple[str, ...] = ()
    py_files: tuple[str, ...] = ()
    commit: str | None = None

    def masked(self) -> dict[str, str]:
        """Return the configurations as they may be shown."""
        return {name: shown(name, value) for name, value in self.configurations.items()}

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(arguments={dict(self.arguments)!r}, configurations={self.masked()!r}, "
            f"jars={self.jars!r}, py_files={self.py_files!r}, commit={self.commit!r})"
        )


#: What is used until somebody saves something.
DEFAULT = Document(arguments={"master": "local[*]"})


@dataclass(frozen=True)
class Change:
    """One difference between two versions, secrets masked.

    :param kind: "added", "removed" or "changed".
    :param name: the argument, configuration or file; "order" if the order of the files changed.
    """

    section: str
    name: str
    kind: str
    old: str = ""
    new: str = ""


def parse(content: bytes, *, commit: str | None) -> Document:
    """Read the text of ``spark.yaml``."""
    try:
        data = yaml.safe_load(content.decode("utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise _damaged("it is no YAML", commit) from error
    if not isinstance(data, dict) or data.get("version") != VERSION:
        raise _damaged(f"version {VERSION} of its format is expected", commit)
    try:
        return Document(
            arguments={str(name): _text(value) for name, value in (data.get("arguments") or {}).items()},
            configurations={
                str(name): _value(value, commit) for name, value in (data.get("configurations") or {}).items()
            },
            jars=tuple(str(reference) for reference in data.get("jars") or ()),
            py_files=tuple(str(reference) for reference in data.get("py_files") or ()),
            commit=commit,
        )
    except (AttributeError, KeyError, TypeError) as error:
        raise _damaged("a section does not have the form that it should have", commit) from error


def _damaged(why: str, commit: str | None) -> CorruptError:
    where = f" of version {commit[:10]}" if commit else ""
    return CorruptError(
        f"{PATH}{where} in the configuration repository cannot be read: {why}. "
        "Restore an earlier version, or install the release that wrote it.",
        path=PATH,
    )


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _value(value: Any, commit: str | None) -> str | Sealed:
    return Sealed(str(value["secret"]), commit) if isinstance(value, dict) else _text(value)


def dump(document: Document) -> bytes:
    """Return the text of ``spark.yaml``; every secret has to be sealed before."""
    configurations = {
        name: {"secret": value.token} if isinstance(value, Sealed) else value
        for name, value in document.configurations.items()
    }
    data = {
        "version": VERSION,
        "arguments": dict(document.arguments),
        "configurations": configurations,
        "jars": list(document.jars),
        "py_files": list(document.py_files),
    }
    text = yaml.safe_dump(data, allow_unicode=True, sort_keys=False, width=2**20, default_flow_style=False)
    return text.encode("utf-8")


def changes(old: Document, new: Document) -> list[Change]:
    """Return what differs, in the order of the page."""
    return [
        *_changes_of_values("arguments", old.arguments, new.arguments),
        *_changes_of_values("configurations", old.configurations, new.configurations),
        *_changes_of_files("jars", old.jars, new.jars),
        *_changes_of_files("py_files", old.py_files, new.py_files),
    ]


def _changes_of_values(
    section: str, old: Mapping[str, str | Sealed], new: Mapping[str, str | Sealed]
) -> Iterator[Change]:
    for name in sorted({*old, *new}):
        if name not in old:
            yield Change(section, name, "added", new=shown(name, new[name]))
        elif name not in new:
            yield Change(section, name, "removed", old=shown(name, old[name]))
        elif old[name] != new[name]:
            yield Change(section, name, "changed", old=shown(name, old[name]), new=shown(name, new[name]))


def _changes_of_files(section: str, old: Sequence[str], new: Sequence[str]) -> Iterator[Change]:
    for reference in new:
        if reference not in old:
            yield Change(section, reference, "added", new=reference)
    for reference in old:
        if reference not in new:
            yield Change(section, reference, "removed", old=reference)
    if [name for name in new if name in old] != [name for name in old if name in new]:
        yield Change(section, "order", "changed", old=", ".join(old), new=", ".join(new))


@dataclass(frozen=True)
class Carried:
    """Somebody's changes carried over a newer version.

    :param clashes: what both changed in different ways; the document has what the one who carries over typed.
    """

    document: Document
    clashes: tuple[Change, ...]


def carry_over(base: Document, mine: Document, theirs: Document) -> Carried:
    """Repeat on ``theirs`` what was changed from ``base`` to ``mine``."""
    by_me = {(change.section, change.name): change for change in changes(base, mine)}
    by_them = {(change.section, change.name) for change in changes(base, theirs)}
    against_theirs = {(change.section, change.name): change for change in changes(theirs, mine)}
    carried = replace(
        theirs,
        arguments=_carried_values(base.arguments, mine.arguments, theirs.arguments),
        configurations=_carried_values(base.configurations, mine.configurations, theirs.configurations),
        jars=_carried_files(base.jars, mine.jars, theirs.jars),
        py_files=_carried_files(base.py_files, mine.py_files, theirs.py_files),
    )
    clashes = tuple(against_theirs[key] for key in by_me if key in by_them and key in against_theirs)
    return Carried(carried, clashes)


def _carried_values(
    base: Mapping[str, Value], mine: Mapping[str, Value], theirs: Mapping[str, Value]
) -> dict[str, Value]:
    removed = base.keys() - mine.keys()
    carried = {name: value for name, value in theirs.items() if name not in removed}
    carried.update({name: value for name, value in mine.items() if name not in base or base[name] != value})
    return carried


def _carried_files(base: Sequence[str], mine: Sequence[str], theirs: Sequence[str]) -> tuple[str, ...]:
    if list(theirs) == list(base):
        return tuple(mine)
    kept = [name for name in theirs if name not in base or name in mine]
    return (*kept, *(name for name in mine if name not in base and name not in kept))
