"""Whether a pinned copy is behind the notebook that it was taken of, and what differs, cell by cell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from couture_workflow.exceptions import CoutureError, NotFoundError
from couture_workflow.services.notebooks import differences, folders, people
from couture_workflow.services.notebooks import document as notebook_document
from couture_workflow.services.notebooks.differences import Difference
from couture_workflow.services.schedules import beside, library
from couture_workflow.services.schedules.beside import Left
from couture_workflow.services.schedules.library import Schedule
from couture_workflow.services.schedules.origin import digest
from couture_workflow.store.home import Store

#: Digests of pinned copies by the ids of their contents, and how many.
_digests: dict[str, str] = {}
_MOST_DIGESTS = 2_000

State = Literal["same", "behind", "gone", "hidden", "unknown"]


@dataclass(frozen=True, kw_only=True)
class Behind:
    """How a copy and its source differ.

    :param state: ``same``; ``behind``: the source is another one now; ``gone``: there is no source, or it
        cannot be read; ``hidden``: it is in another person's folder; ``unknown``: where it was is not known.
    :param message: a sentence about it, "" for ``same``.
    :param files: paths of files beside it that differ or are gone.
    :param source: what *Update the copy* would take, "" where the caller may not; ``taken``: the files that
        would go with it. The pinned files say so, which others may edit: so people are shown it.
    """

    state: State
    message: str = ""
    difference: Difference = Difference()
    files: tuple[str, ...] = ()
    source: str = ""
    taken: tuple[str, ...] = ()


def states(store: Store, schedules: Sequence[Schedule], account: str) -> dict[str, State]:
    """Return the state of the copies of schedules by name, those of files beside the notebooks too.

    What it costs is bounded, and a list is asked for again and again: files that are too much to be read for
    one answer are looked at for the next one, and until then only their size counts.
    """
    found: dict[str, State] = {}
    asked = []
    for schedule in schedules:
        if state := _plain(schedule, account):
            found[schedule.name] = state
        else:
            asked.append(schedule)
    top = people.top(store.root)
    now = notebook_document.copy_digests(top, [schedule.origin.source for schedule in asked])
    left = Left()
    for schedule, copy in zip(asked, now, strict=True):
        if copy is None:  # there was no time to look
            found[schedule.name] = "unknown"
        elif not copy:
            found[schedule.name] = "gone"
        elif copy != _pinned_digest(store, schedule) or any(beside.changed(top, schedule, left)):
            found[schedule.name] = "behind"
        else:
            found[schedule.name] = "same"
    return found


def behind(store: Store, schedule: Schedule, account: str) -> Behind:
    """Compare a pinned copy, and the files that were pinned with it, with what there is now."""
    state = _plain(schedule, account)
    if state == "hidden":
        return Behind(
            state=state,
            message=f"The notebook is in the folder of somebody else ({schedule.origin.pinned_by}), who "
            "alone can compare it and update the copy.",
        )
    if state:
        message = schedule.problem or "Where the notebook came from is not known any more."
        return Behind(state=state, message=message)
    top, path = people.top(store.root), schedule.origin.source
    try:
        document = notebook_document.read(top, path, copy=True)
    except CoutureError as error:
        return Behind(state="gone", message=str(error))
    found = Behind(
        state="same",
        files=tuple(beside.changed(top, schedule, None)),
        source=path,
        taken=schedule.form.files,
    )
    if digest(document.copy) == _pinned_digest(store, schedule):
        message = "Files beside the notebook were changed since."
        return replace(found, state="behind", message=message) if found.files else found
    pinned = library.pinned(store, schedule) if schedule.notebook else b'{"nbformat": 4, "cells": []}'
    difference = differences.against(pinned, top, path)
    return replace(
        found,
        state="behind",
        message=difference.problem or "The notebook was changed since its copy was taken.",
        difference=difference,
    )


def _plain(schedule: Schedule, account: str) -> State | None:
    """Return the state that needs no look at the source, None if it needs one."""
    if not schedule.origin.source:
        return "unknown"
    try:
        folders.checked(schedule.origin.source, account)
    except NotFoundError:
        return "hidden"
    except CoutureError:
        return "unknown"
    return None


def _pinned_digest(store: Store, schedule: Schedule) -> str:
    if not schedule.notebook:
        return ""
    if (known := _digests.get(schedule.blob)) is None:
        known = digest(library.pinned(store, schedule))
        if len(_digests) >= _MOST_DIGESTS:
            _digests.clear()
        _digests[schedule.blob] = known
    return known
