"""`couture-workflow auth ...`: back to local log-in from the shell, when nobody gets into the pages."""

from __future__ import annotations

import argparse
import getpass

from couture_workflow.cli.commands import HOME, Command, existing_store, report


def database(arguments: argparse.Namespace) -> int:
    """Return to log-in by local accounts and passwords; the other settings of LDAP stay as they are."""
    from couture_workflow.services.ldap import applied, configuration

    store = existing_store(arguments.home)
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a number without a name, as in containers
        user = "couture-workflow"
    saved = configuration.choose_database(store, user=user)
    if saved.commit is None:
        report("People log in by local accounts: no settings of LDAP were ever saved.")
    elif applied.is_pending(store, applied.last(store)):
        report("Local log-in is chosen. Restart the API server: only that applies it.")
    else:
        report("People log in by local accounts already.")
    return 0


COMMANDS: dict[str, Command] = {"auth database": Command(database, (HOME,))}
