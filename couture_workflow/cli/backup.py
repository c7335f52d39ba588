"""`couture-workflow backup` and `restore`: all state of an installation, in one file."""

from __future__ import annotations

import argparse
import getpass
import os
import sys

from couture_workflow.cli.commands import HOME, Command, Option, path, report
from couture_workflow.exceptions import InvalidError

PASSPHRASE = "COUTURE_BACKUP_PASSPHRASE"  # noqa: S105 (the name of a variable)
STREAM = "-"


def backup(arguments: argparse.Namespace) -> int:
    """Write a backup of everything into one file, also while the services run."""
    from couture_workflow.services.backup import backup as service
    from couture_workflow.services.backup import keys as backup_keys
    from couture_workflow.services.workbench import (
        airflow_settings,
        embedded,
        server_address,
        server_database,
    )

    layout = airflow_settings.Layout(embedded.existing_root(arguments.home))
    if layout.config.is_file() and (address := server_address.wanted(layout, os.environ)):
        server_database.check_backup(address)
    file = None if arguments.FILE == STREAM else path(arguments.FILE)
    say = report if file else _aside
    passphrase = _passphrase(arguments)
    if arguments.ask_passphrase:
        passphrase = _asked(again=True)
    if passphrase is not None and len(passphrase) < backup_keys.LEAST_LENGTH:
        raise InvalidError(f"The passphrase is too short: it needs {backup_keys.LEAST_LENGTH} characters.")
    made = service.backup(arguments.home, file, passphrase=passphrase, report=say)
    for problem in made.problems:
        _aside(f"Damaged, and in the backup as it is: {problem}")
    say(f"{file or 'The backup'}: {made.size:,} bytes.")
    if passphrase is None:
        _aside(
            "Warning: the keys are in this backup in the clear, so whoever reads it reads every secret. "
            f"Keep it as private as the home, or give a passphrase ({PASSPHRASE}, --passphrase-file, "
            "--ask-passphrase)."
        )
    return 1 if made.problems else 0


def restore(arguments: argparse.Namespace) -> int:
    """Put a backup in place of everything that is there, all or nothing; the services must be stopped."""
    from couture_workflow.services.backup import restore as service

    def passphrase() -> str | None:
        given = _passphrase(arguments)
        return _asked() if given is None and sys.stdin.isatty() else given

    file = None if arguments.FILE == STREAM else path(arguments.FILE)
    findings = service.restore(
        arguments.home, file, replace=arguments.replace, passphrase=passphrase, report=report
    )
    for finding in findings:
        report(str(finding))
    found = f"{len(findings)} problem(s) found" if findings else "all is well"
    report(f"Restored. The doctor says: {found}.")
    return 1 if findings else 0


def _aside(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def _passphrase(arguments: argparse.Namespace) -> str | None:
    if arguments.passphrase_file is None:
        return os.environ.get(PASSPHRASE) or None
    try:
        text: str = arguments.passphrase_file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is no text"
        raise InvalidError(
            f"The passphrase cannot be read from {arguments.passphrase_file}: {why}."
        ) from error
    if not (line := text.partition("\n")[0].removesuffix("\r")):
        raise InvalidError(
            f"The first line of {arguments.passphrase_file} is empty; it should be the passphrase."
        )
    return line


def _asked(*, again: bool = False) -> str:
    first = getpass.getpass("Passphrase of the backup: ")
    if again and getpass.getpass("The same again: ") != first:
        raise InvalidError("The two passphrases differ. Type the command again.")
    return first


_PASSPHRASE_FILE = Option(
    ("--passphrase-file",),
    {
        "type": path,
        "metavar": "FILE",
        "help": f"file whose first line is the passphrase (default: {PASSPHRASE})",
    },
)

COMMANDS: dict[str, Command] = {
    "backup": Command(
        backup,
        (
            Option(("FILE",), {"help": "file to write, - for standard output"}),
            HOME,
            _PASSPHRASE_FILE,
            Option(("--ask-passphrase",), {"action": "store_true", "help": "ask for a passphrase"}),
        ),
    ),
    "restore": Command(
        restore,
        (
            Option(("FILE",), {"help": "file to restore, - for standard input"}),
            Option(("--replace",), {"action": "store_true", "help": "replace what is there"}),
            HOME,
            _PASSPHRASE_FILE,
        ),
    ),
}
