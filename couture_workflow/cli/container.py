"""`couture-workflow container ...`: what the services of ``docker-compose.yml`` run beside Airflow."""

from __future__ import annotations

import argparse

from couture_workflow.cli.commands import Command, Option, report


def secrets(arguments: argparse.Namespace) -> int:
    """Generate the secrets of a stack of containers that are not there yet."""
    from couture_workflow.services.containers import secrets as container_secrets

    made = container_secrets.generate()
    report(f"Generated {', '.join(made)}." if made else "All secrets are there.")
    return 0


def init(arguments: argparse.Namespace) -> int:
    """Bring the databases, the roles, the first user and the home of a stack of containers up to date."""
    from couture_workflow.services.containers import init as container_init

    container_init.initialize(report=report)
    return 0


def password(arguments: argparse.Namespace) -> int:
    """Print the first password of the user superadmin of a stack of containers."""
    from couture_workflow.services.containers import secrets as container_secrets

    report(container_secrets.read("admin/password"))
    return 0


def health(arguments: argparse.Namespace) -> int:
    """Tell whether the job of this container has a fresh heartbeat."""
    from couture_workflow.services.containers import health as container_health

    report(container_health.check(arguments.job_type))
    return 0


def jupyter(arguments: argparse.Namespace) -> int:
    """Run the host of people's Jupyter servers."""
    from couture_workflow.services.jupyter import host

    host.main()
    return 0


COMMANDS: dict[str, Command] = {
    "container health": Command(
        health,
        (
            Option(
                ("job_type",),
                {"metavar": "JOB", "choices": ("DagProcessorJob", "TriggererJob"), "help": "%(choices)s"},
            ),
        ),
    ),
    "container init": Command(init),
    "container jupyter": Command(jupyter),
    "container password": Command(password),
    "container secrets": Command(secrets),
}
