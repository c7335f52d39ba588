"""The record of a try while it runs: written when it begins, and again with how it ended."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from couture_workflow.exceptions import CoutureError, StorageError
from couture_workflow.services.runs import records
from couture_workflow.services.runs.records import Run, State

if TYPE_CHECKING:
    from couture_workflow.store.home import Store

log = logging.getLogger(__name__)


@contextmanager
def recorded(
    store: Store,
    run: Run,
    *,
    redact: Callable[[str], str] = str,
    stopped: Callable[[], bool] = lambda: False,
    known: Callable[[Run], Run] = lambda run: run,
) -> Iterator[None]:
    """Keep the record of what is done within: a success, or the error that it ends with.

    :param run: as it begins.
    :param redact: masks what is secret in a text.
    :param stopped: tells whether somebody asked for the end.
    :param known: adds what has become known of the run meanwhile.
    """
    keep(store, run)
    state: State = "killed"
    error: str | None = None
    try:
        yield
        state = "success"
    except CoutureError as problem:
        state, error = "killed" if stopped() else "failed", str(problem)
        raise
    except BaseException as problem:
        error = f"The task was ended by {type(problem).__name__}: {problem}".rstrip(": ")
        raise
    finally:
        keep(
            store, replace(known(run), state=state, ended_at=datetime.now(UTC), error=error and redact(error))
        )


def keep(store: Store, run: Run) -> None:
    """Write a record; what runs does not fail because it cannot be written."""
    try:
        records.write(store, run)
    except (StorageError, OSError) as error:
        log.warning("The run's details cannot be kept: %s", error)


__all__ = ["keep", "recorded"]
