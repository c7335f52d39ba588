"""`couture-workflow dags test`: one DAG, run on this machine without a workbench."""

from __future__ import annotations

import argparse
import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from couture_workflow.cli.commands import Command, Option, path, report

if TYPE_CHECKING:
    from couture_workflow.services.workbench.trial import TaskEnd, Trial

#: Lines of the log that are shown of a run that failed.
_TAIL = 30


def test(arguments: argparse.Namespace) -> int:
    """Run one DAG of a folder, from its first task to its last, in a temporary home."""
    from couture_workflow.services.workbench import trial
    from couture_workflow.services.workbench.embedded import existing_root

    asked = trial.Asked(
        arguments.dag_id,
        arguments.folder,
        date=arguments.date,
        conf=arguments.conf,
        home=existing_root(arguments.home) if arguments.home else None,
        seconds=arguments.timeout,
    )
    found = trial.run(asked, ended=_show, line=_log if arguments.verbose else _quiet)
    if found.state == "failed" and not arguments.verbose:
        for line in found.log[-_TAIL:]:
            _log(line)
    if found.problem:
        sys.stderr.write(f"couture-workflow: {found.problem}\n")
        return 1
    report(_summary(arguments, found))
    return 0 if found.state == "success" else 1


def _show(end: TaskEnd) -> None:
    name = end.task if end.map_index < 0 else f"{end.task} [{end.map_index}]"
    took = "" if end.seconds is None else f" ({end.seconds:.1f} s)"
    report(f"{name}: {end.state}{took}")
    if end.reason:
        report("    " + f"{end.place}: {end.reason}".removeprefix(": ").replace("\n", "\n    "))


def _log(line: str) -> None:
    sys.stderr.write(f"{line}\n")


def _quiet(line: str) -> None:
    """Leave a line out."""


def _summary(arguments: argparse.Namespace, found: Trial) -> str:
    failed = [end.task for end in found.tasks if end.state == "failed"]
    why = f" because of {', '.join(dict.fromkeys(failed))}" if failed else ""
    if found.state == "stopped":
        after = f" after {arguments.timeout:g} s" if arguments.timeout else ""
        return f"{arguments.dag_id} was stopped{after}; {len(found.tasks)} task(s) had ended."
    return f"{arguments.dag_id}: {found.state}{why}, {len(found.tasks)} task(s)."


def _date(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no date. Write 2026-01-31 or 2026-01-31T08:00."
        ) from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _conf(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise argparse.ArgumentTypeError(f'{text!r} is no JSON object. Write it like {{"rows": 10}}.')
    return found


def _seconds(text: str) -> float:
    try:
        found = float(text)
    except ValueError:
        found = 0.0
    if not 0 < found < 1e9:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds above 0.")
    return found


COMMANDS: dict[str, Command] = {
    "dags test": Command(
        test,
        (
            Option(("dag_id",), {"metavar": "DAG", "help": "id of the DAG"}),
            Option(
                ("--folder",),
                {
                    "type": path,
                    "default": Path(),
                    "metavar": "FOLDER",
                    "help": "folder with the DAG files and what they import (default: the current one)",
                },
            ),
            Option(
                ("--date",),
                {"type": _date, "metavar": "DATE", "help": "logical date of the run (default: now)"},
            ),
            Option(
                ("--conf",),
                {"type": _conf, "default": {}, "metavar": "JSON", "help": "configuration of the run"},
            ),
            Option(
                ("--timeout",),
                {"type": _seconds, "metavar": "SECONDS", "help": "stop the run after so many seconds"},
            ),
            Option(
                ("--home",),
                {
                    "type": path,
                    "metavar": "FOLDER",
                    "help": "home whose Spark configuration and files the tasks use (default: an empty one)",
                },
            ),
            Option(
                ("--verbose",), {"action": "store_true", "help": "show what the tasks write, as it comes"}
            ),
        ),
    ),
}
