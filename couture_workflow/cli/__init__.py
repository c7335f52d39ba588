"""`couture-workflow`: the command line, thin over services. Nothing heavy is imported before it is needed.

Each module of this package holds some commands and their table ``COMMANDS``; a name of two words, such as
``dags lint``, is a command of a group.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from typing import Any

from couture_workflow import __version__
from couture_workflow.cli import (
    archives,
    auth,
    backup,
    container,
    dags,
    dags_generate,
    dags_reload,
    dags_sync,
    dags_test,
    dags_upgrade,
    models,
    spark,
    workbench,
)
from couture_workflow.cli.commands import Command
from couture_workflow.exceptions import CoutureError

COMMANDS: dict[str, Command] = {
    **workbench.COMMANDS,
    **backup.COMMANDS,
    **archives.COMMANDS,
    **auth.COMMANDS,
    **container.COMMANDS,
    **dags_generate.COMMANDS,
    **dags.COMMANDS,
    **dags_reload.COMMANDS,
    **dags_sync.COMMANDS,
    **dags_test.COMMANDS,
    **dags_upgrade.COMMANDS,
    **spark.COMMANDS,
    **models.COMMANDS,
}

#: First word of the commands that have two -> what they are about.
GROUPS: dict[str, str] = {
    "auth": "How people log in, from the shell.",
    "container": "What the services of docker-compose.yml run beside Airflow.",
    "dags": "Check, make, try out, upgrade and deliver DAG files.",
    "spark": "Check Spark jobs.",
}


def parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command line."""
    found = argparse.ArgumentParser(
        prog="couture-workflow", description="A Spark and Hadoop workbench on Apache Airflow."
    )
    found.add_argument("--version", action="version", version=f"couture-workflow {__version__}")
    commands = found.add_subparsers(metavar="COMMAND", required=True)
    groups: dict[str, Any] = {}
    for name, command in COMMANDS.items():
        group, _, verb = name.rpartition(" ")
        if group and group not in groups:
            grouped = commands.add_parser(group, help=GROUPS[group], description=GROUPS[group])
            groups[group] = grouped.add_subparsers(metavar="COMMAND", required=True)
        text = (command.function.__doc__ or "").strip()
        sub = groups.get(group, commands).add_parser(verb, help=text, description=text)
        for option in command.options:
            sub.add_argument(*option.flags, **option.settings)
        sub.set_defaults(function=command.function)
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    chosen = parser().parse_args(arguments)
    try:
        code: int = chosen.function(chosen)
    except CoutureError as error:
        sys.stderr.write(f"couture-workflow: {error}\n")
        return 1
    except BrokenPipeError:  # whoever reads the answer, such as `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        return 130
    return code
