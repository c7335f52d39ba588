"""Whether a pinned copy is behind the notebook that it was taken of, and what differs, cell by cell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from couture_workflow.exceptions import CoutureError, NotFoundError
from couture_workflow.services.notebooks import differences, folders, people
from couture_workflow.services.notebooks import document as notebook_document
from couture_workflow.services.notebooks.differences import Difference
from couture_workflow.services.schedules import library
from couture_workflow.services.schedules.library import Schedule
from couture_workflow.store.home import Store

State = Literal["same", "behind", "gone", "hidden", "unknown"]


@dataclass(frozen=True, kw_only=True)
class Behind:
    """How a copy and its source differ.

    :param state: ``same``; ``behind``: the source is another one now; ``gone``: there is no source, or it
        cannot be read; ``hidden``: it is in another person's folder; ``unknown``: where it was is not known.
    :param message: a sentence about it, "" for ``same``.
    :param files: paths of files beside it that differ or are gone.
    """

    state: State
    message: str = ""
    difference: Difference = Difference()
    files: tuple[str, ...] = ()


def states(store: Store, schedules: Sequence[Schedule], account: str) -> dict[str, State]:
    """Return the state of the copies of schedules by name; files beside them are not looked at."""
    found: dict[str, State] = {}
    asked = []
    for schedule in schedules:
        if state := _plain(schedule, account):
            found[schedule.name] = state
        else:
            asked.append(schedule)
    paths = [schedule.origin.source for schedule in asked]
    digests = notebook_document.copy_digests(people.top(store.root), paths)
    for schedule, digest in zip(asked, digests, strict=True):
        same = digest == _pinned_digest(store, schedule)
        found[schedule.name] = "gone" if digest == "" else "same" if same else "behind"
        if digest is None:  # there was no time to look
            found[schedule.name] = "unknown"
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
        return Behind(state=state, message="Where the notebook came from is not known any more.")
    top, path = people.top(store.root), schedule.origin.source
    try:
        document = notebook_document.read(top, path, copy=True)
    except CoutureError as error:
        return Behind(state="gone", message=str(error))
    files = tuple(each for each in schedule.form.files if _differs(store, schedule, each))
    if library.digest(document.copy) == _pinned_digest(store, schedule):
        message = "Files beside the notebook were changed since." if files else ""
        return Behind(state="behind" if files else "same", message=message, files=files)
    pinned = library.pinned(store, schedule) if schedule.notebook else b'{"nbformat": 4, "cells": []}'
    difference = differences.against(pinned, top, path)
    return Behind(
        state="behind",
        message=difference.problem or "The notebook was changed since its copy was taken.",
        difference=difference,
        files=files,
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
    try:
        return library.digest(library.pinned(store, schedule))
    except NotFoundError:
        return ""


def _differs(store: Store, schedule: Schedule, path: str) -> bool:
    """Tell whether a file beside the notebook is another one now."""
    folder = schedule.origin.source.rpartition("/")[0]
    largest = schedule.beside.get(path, 0)
    try:
        content = folders.read(people.top(store.root), f"{folder}/{path}", largest=largest)
    except CoutureError:
        return True
    return library.digest(content) != schedule.origin.files.get(path)
