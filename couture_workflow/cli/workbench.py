"""`couture-workflow run`, `demo`, `doctor`, `gc`, `install` and `version`."""

from __future__ import annotations

import argparse
import os
import sys
import time
from typing import TYPE_CHECKING

from couture_workflow import __version__
from couture_workflow.cli.commands import HOME, Command, Option, existing_store, report

if TYPE_CHECKING:
    from couture_workflow.store.home import Store


def run(arguments: argparse.Namespace) -> int:
    """Run the whole workbench in the foreground until Ctrl-C."""
    from couture_workflow.services.workbench import embedded

    options = embedded.Options(
        home=arguments.home or embedded.default_home(),
        host=arguments.host,
        port=arguments.port,
        examples=arguments.examples,
        verbose=arguments.verbose,
    )
    return embedded.run(options, report=report)


def demo(arguments: argparse.Namespace) -> int:
    """Do a first day's work in a temporary home, or with a running installation, and check its result."""
    from couture_workflow.services.workbench import demo as service

    if arguments.url:
        return service.run_at(arguments.url, user=arguments.user, report=report)
    return service.run(report=report)


def doctor(arguments: argparse.Namespace) -> int:
    """Look for damage in a home, every byte of every file included, and at all that it needs to run."""
    from couture_workflow.services.workbench import doctor as service
    from couture_workflow.services.workbench import embedded, installation
    from couture_workflow.store.home import Store

    if arguments.clean:
        _collect(existing_store(arguments.home))
    store = Store(embedded.existing_root(arguments.home))
    findings = [*service.check(store), *installation.check(store), *service.check_patches()]
    findings += service.check_model_server()
    for finding in findings:
        report(str(finding))
    if server := installation.database_in_words(store):
        report(f"Its database: {server}")
    report(f"{store.root}: {len(findings)} problem(s) found." if findings else f"{store.root}: all is well.")
    return 1 if findings else 0


def gc(arguments: argparse.Namespace) -> int:
    """Remove what killed processes left behind and contents that no file refers to."""
    _collect(existing_store(arguments.home))
    return 0


def _collect(store: Store) -> None:
    from couture_workflow.services.dags import repository as dag_repository
    from couture_workflow.services.dags import worktrees as dag_worktrees
    from couture_workflow.services.notebooks import outputs as notebook_outputs
    from couture_workflow.services.workbench import doctor as service

    removed = service.collect_garbage(store)
    versions = dag_worktrees.sweep_bundle(dag_repository.BUNDLE)
    runs = notebook_outputs.sweep(store)
    report(f"{store.root}: removed {len(removed.paths)} file(s), {removed.size} bytes.")
    if versions:
        report(f"Removed the folders of {len(versions)} version(s) of the DAGs that no run needs.")
    if runs:
        report(f"Removed the outputs of {runs} run(s) of notebooks, as their tasks say what is kept.")
    _collect_environments(store)
    _collect_values()


def _collect_environments(store: Store) -> None:
    from couture_workflow.services.runtimes import task_environments

    folder, since = store.root / "cache" / "environments", time.time() - task_environments.UNUSED
    if not task_environments.unused(folder, since=since):
        return
    from sqlalchemy.exc import SQLAlchemyError

    from couture_workflow.web.runs import under_way

    try:
        began = under_way.since()
    except SQLAlchemyError as error:
        report(f"Environments of tasks were not looked at: {str(error).splitlines()[0]}")
        return
    # A task that is under way may use what nobody else has used since it began.
    since = min(since, began.timestamp()) if began else since
    if swept := task_environments.sweep(folder, since=since):
        report(f"Removed {swept} environment(s) that no task has used for 30 days.")


def _collect_values() -> None:
    from couture_workflow.web.xcoms import keeping

    try:
        if values := keeping.sweep(whole=True):
            report(f"Removed {values} value(s) between tasks that no run needs.")
    except keeping.FAILURES as error:
        report(f"Values between tasks were not looked at: {str(error).splitlines()[0]}")


def install(arguments: argparse.Namespace) -> int:
    """Install what does not come with the package: Java, git, the Spark and the Jupyter runtime."""
    from couture_workflow.services.runtimes import install, joined, python_ldap, system_packages
    from couture_workflow.services.runtimes.progress import Progress

    programs = system_packages.FOR_TESTS if arguments.tests else system_packages.FOR_RUNNING
    serving = arguments.serving or arguments.tests or install.has_serving()
    progress = Progress(3 + bool(arguments.tests) + serving)
    try:
        with progress.step(system_packages.in_words(programs)):
            progress.doing("looking", result="all of it is there")
            system_packages.ensure(programs, report=progress.doing)
        if arguments.tests:
            with progress.step("log-in by a directory: python-ldap"):
                python_ldap.install(progress, sys.executable)
        install.install_spark(progress=progress)
        install.install_jupyter(progress=progress)
        if serving:
            install.install_serving(progress=progress)
        joined.join(report=progress.report)
    except KeyboardInterrupt:
        progress.report(f"Stopped in {progress.name}. Type {install.INSTALL_COMMAND!r} to go on from there.")
        raise
    return 0


def version(arguments: argparse.Namespace) -> int:
    """Print the version of this package."""
    report(f"couture-workflow {__version__}")
    return 0


COMMANDS: dict[str, Command] = {
    "run": Command(
        run,
        (
            HOME,
            Option(
                ("--host",), {"default": "127.0.0.1", "help": "address to listen on (default: %(default)s)"}
            ),
            Option(
                ("--port",),
                {
                    "type": int,
                    "default": os.environ.get("COUTURE_PORT") or 8080,
                    "help": "port to listen on (default: COUTURE_PORT, or 8080)",
                },
            ),
            Option(
                ("--no-examples",),
                {"dest": "examples", "action": "store_false", "help": "leave out the shipped example DAGs"},
            ),
            Option(
                ("--verbose",),
                {"action": "store_true", "help": "show every line of the services, not warnings only"},
            ),
        ),
    ),
    "demo": Command(
        demo,
        (
            Option(
                ("--url",), {"metavar": "URL", "default": "", "help": "address of a running installation"}
            ),
            Option(
                ("--user",),
                {
                    "metavar": "NAME",
                    "default": "superadmin",
                    "help": "who logs in there (default: %(default)s); password: COUTURE_ADMIN_PASSWORD",
                },
            ),
        ),
    ),
    "doctor": Command(
        doctor,
        (
            HOME,
            Option(("--clean",), {"action": "store_true", "help": "remove first what nobody needs, like gc"}),
        ),
    ),
    "gc": Command(gc, (HOME,)),
    "install": Command(
        install,
        (
            Option(
                ("--serving",),
                {
                    "action": "store_true",
                    "help": "also the runtime of the model server, which serve-models needs",
                },
            ),
            Option(
                ("--tests",),
                {
                    "action": "store_true",
                    "help": "also what the tests need: a JDK, Maven, Chromium, curl, Docker, a KDC, OpenLDAP",
                },
            ),
        ),
    ),
    "version": Command(version),
}
