"""`couture-workflow dags upgrade`."""

from __future__ import annotations

import argparse

from couture_workflow.cli.commands import Command, Option, path, report


def upgrade(arguments: argparse.Namespace) -> int:
    """Bring DAG files of Airflow 1.10 and 2 up to date, and say what a person has to look at."""
    from couture_workflow.services.upgrade import files as upgrade_files

    files = changed = notes = refused = 0
    for file in upgrade_files.upgrade_files(arguments.paths):
        files += 1
        changed += file.changed
        refused += file.refused
        notes += len(file.upgrade.notes)
        if arguments.diff:
            for line in file.difference().split("\n")[:-1]:
                report(line)
        if file.changed and arguments.write:
            upgrade_files.write(file, backup=arguments.backup)
        if not arguments.diff:
            for change in file.upgrade.changes:
                report(f"{file.shown}:{change.line}: {change.message}")
        for note in file.upgrade.notes:
            number = note.new_line if arguments.write and note.new_line else note.line
            report(f"{file.shown}:{number}: NOTE: {note.message} {note.advice}".rstrip())
    report(_summary(files, changed, notes, refused, written=arguments.write))
    return 1 if refused or (arguments.check and changed) else 0


def _summary(files: int, changed: int, notes: int, refused: int, *, written: bool) -> str:
    what = "changed" if written else "to be changed"
    parts = [f"{files} file(s) read", f"{changed} {what}", f"{notes} note(s)"]
    if refused:
        parts.append(f"{refused} could not be read")
    hint = " Type it with --write to change them." if changed and not written else ""
    return f"{', '.join(parts)}.{hint}"


COMMANDS: dict[str, Command] = {
    "dags upgrade": Command(
        upgrade,
        (
            Option(
                ("paths",),
                {"nargs": "+", "type": path, "metavar": "PATH", "help": "DAG file, or folder with DAG files"},
            ),
            Option(("--diff",), {"action": "store_true", "help": "show the difference"}),
            Option(("--write",), {"action": "store_true", "help": "change the files"}),
            Option(
                ("--check",),
                {"action": "store_true", "help": "exit with 1 if there is something to change, for CI"},
            ),
            Option(
                ("--no-backup",),
                {
                    "dest": "backup",
                    "action": "store_false",
                    "help": "with --write, keep no copy of the old file (PATH.orig)",
                },
            ),
        ),
    ),
}
