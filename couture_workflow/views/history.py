"""The part of a history that a page lists: versions, the one before each, links to newer and older ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from flask import request, url_for

from couture_workflow.views.base import number_asked

Entry = TypeVar("Entry")
Read = TypeVar("Read", covariant=True)

PART = 50


class Reader(Protocol[Read]):
    """Reads a history, newest first."""

    def __call__(self, *, limit: int, skip: int) -> Sequence[Read]:
        """Return some entries."""


@dataclass(frozen=True)
class Shown(Generic[Entry]):
    """One version in the list; ``older`` is the one before it, None for the first of all."""

    entry: Entry
    older: Entry | None
    is_current: bool


@dataclass(frozen=True)
class History(Generic[Entry]):
    """What ``_history.html`` shows: versions, and addresses that are "" where they would lead nowhere.

    ``newer`` is the version that came after the first one shown, None if that one is current.
    """

    versions: tuple[Shown[Entry], ...]
    newer: Entry | None
    newest_url: str
    newer_url: str
    older_url: str

    @property
    def entries(self) -> list[Entry]:
        """Return every version that is shown, or that one which is shown is compared with."""
        shown = [version.entry for version in self.versions]
        last = self.versions[-1].older if self.versions else None
        return shown if last is None else [*shown, last]


def read_part(read: Reader[Entry], *, part: int = PART, **address: Any) -> History[Entry]:
    """Return the part of a history that begins behind the ``?skip=`` newest versions.

    :param part: how many versions a page lists.
    :param address: what the address of the page holds beside ``skip``, for the links to other parts.
    """
    skip = number_asked("skip", 0)
    # One more on either side: what the first one was followed by, and what the last one is compared with.
    found = list(read(limit=part + 1 + (skip > 0), skip=max(skip - 1, 0)))
    newer = found.pop(0) if skip and found else None
    pairs = zip(found[:part], [*found[1:], None], strict=False)

    def url(skipped: int | None) -> str:
        return url_for(str(request.endpoint), **(request.view_args or {}), **address, skip=skipped)

    return History(
        versions=tuple(
            Shown(entry, older, is_current=not skip and number == 0)
            for number, (entry, older) in enumerate(pairs)
        ),
        newer=newer,
        newest_url=url(None) if skip else "",
        newer_url=url(max(skip - part, 0)) if skip else "",
        older_url=url(skip + part) if len(found) > part else "",
    )
