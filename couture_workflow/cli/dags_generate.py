"""`couture-workflow dags generate`."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from couture_workflow.cli.commands import Command, Option, path, report


def generate(arguments: argparse.Namespace) -> int:
    """Make one DAG file for each entry of a list, from a template."""
    from couture_workflow.services.dags import generating

    plan = generating.plan(arguments.template, arguments.list, arguments.into)
    if not arguments.check:
        plan.carry_out()
    for verb, paths in (("write", plan.written), ("remove", plan.removed)):
        for each in sorted(paths):
            report(f"{verb} {os.path.relpath(each, Path.cwd())}")
    would = " would be" if arguments.check else ""
    report(f"{len(plan.written)} file(s){would} written, {len(plan.removed)} removed, {plan.same} unchanged.")
    return 1 if arguments.check and (plan.written or plan.removed) else 0


COMMANDS: dict[str, Command] = {
    "dags generate": Command(
        generate,
        (
            Option(
                ("template",),
                {"type": path, "metavar": "TEMPLATE", "help": "DAG file with ${{ name }} for what differs"},
            ),
            Option(
                ("list",),
                {"type": path, "metavar": "LIST", "help": "YAML or JSON file, an entry for each DAG file"},
            ),
            Option(
                ("--into",),
                {
                    "type": path,
                    "metavar": "FOLDER",
                    "required": True,
                    "help": "folder of the files that are made",
                },
            ),
            Option(
                ("--check",),
                {"action": "store_true", "help": "change nothing; exit with 1 if something would change"},
            ),
        ),
    )
}
