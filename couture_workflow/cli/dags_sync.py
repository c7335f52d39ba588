"""`couture-workflow dags sync`: the DAG repository and its git remote."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from couture_workflow.cli.commands import HOME, Command, Option, existing_store, report

if TYPE_CHECKING:
    from couture_workflow.store.home import Store


def sync(arguments: argparse.Namespace) -> int:
    """Synchronise the DAG repository with its git remote, once or for as long as this runs."""
    from couture_workflow.services.git import sync as git_sync

    store = existing_store(arguments.home)
    if arguments.watch:
        return _watch(store)
    found = git_sync.synchronise(store)
    nothing = "The DAG repository has no git remote. Connect one in Developer > DAG Repository."
    report(found.message or nothing)
    return 0 if found.result == "ok" else 1


def _watch(store: Store) -> int:
    import signal
    import threading

    from couture_workflow.services.git import watch as git_watch

    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    git_watch.watch(store, stop, report=report)
    return 0


COMMANDS: dict[str, Command] = {
    "dags sync": Command(
        sync,
        (
            HOME,
            Option(
                ("--watch",),
                {
                    "action": "store_true",
                    "help": "go on: at the interval that is set, and when somebody asks",
                },
            ),
        ),
    ),
}
