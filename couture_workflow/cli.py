"""`couture-workflow`: the command line, thin over services. Nothing heavy is imported before it is needed."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from couture_workflow import __version__
from couture_workflow.exceptions import CoutureError

if TYPE_CHECKING:
    from couture_workflow.store.home import Store


def _report(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def run(arguments: argparse.Namespace) -> int:
    """Run the whole workbench in the foreground until Ctrl-C."""
    from couture_workflow.services import embedded

    options = embedded.Options(
        home=arguments.home or embedded.default_home(),
        host=arguments.host,
        port=arguments.port,
        examples=arguments.examples,
        verbose=arguments.verbose,
    )
    return embedded.run(options, report=_report)


def demo(arguments: argparse.Namespace) -> int:
    """Do a first day's work in a temporary home and check its result."""
    from couture_workflow.services import demo as service

    return service.run(report=_report)


def doctor(arguments: argparse.Namespace) -> int:
    """Look for damage in a home, every byte of every file included."""
    from couture_workflow.services import doctor as service

    store = _store(arguments.home)
    if arguments.clean:
        _collect(store)
    findings = service.check(store)
    for finding in findings:
        _report(str(finding))
    _report(f"{store.root}: {len(findings)} problem(s) found." if findings else f"{store.root}: all is well.")
    return 1 if findings else 0


def gc(arguments: argparse.Namespace) -> int:
    """Remove what killed processes left behind and contents that no file refers to."""
    _collect(_store(arguments.home))
    return 0


def _collect(store: Store) -> None:
    from couture_workflow.services import doctor as service

    removed = service.collect_garbage(store)
    _report(f"{store.root}: removed {len(removed.paths)} file(s), {removed.size} bytes.")


def _store(home: Path | None) -> Store:
    from couture_workflow.services import embedded

    return embedded.existing_store(home)


def install(arguments: argparse.Namespace) -> int:
    """Install what does not come with the package: Java, git and the Spark runtime."""
    from couture_workflow.services import runtimes, system_packages

    programs = system_packages.FOR_TESTS if arguments.tests else system_packages.FOR_RUNNING
    system_packages.ensure(programs, report=_report)
    runtimes.install_spark(report=_report)
    return 0


def version(arguments: argparse.Namespace) -> int:
    """Print the version of this package."""
    _report(f"couture-workflow {__version__}")
    return 0


@dataclass(frozen=True)
class Option:
    """One argument of a command: its flags and what argparse is told about it."""

    flags: tuple[str, ...]
    settings: dict[str, Any]


@dataclass(frozen=True)
class Command:
    """One verb: the function behind it and its arguments; its help is the function's docstring."""

    function: Callable[[argparse.Namespace], int]
    options: tuple[Option, ...] = field(default=())


def _path(text: str) -> Path:
    return Path(text).expanduser().absolute()


HOME = Option(
    ("--home",),
    {
        "type": _path,
        "metavar": "FOLDER",
        "help": "folder of all state (default: COUTURE_HOME, or ~/couture-workflow)",
    },
)

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
    "demo": Command(demo),
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
                ("--tests",), {"action": "store_true", "help": "also what the tests need: a JDK and Chromium"}
            ),
        ),
    ),
    "version": Command(version),
}


def parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command line."""
    found = argparse.ArgumentParser(
        prog="couture-workflow", description="A Spark and Hadoop workbench on Apache Airflow."
    )
    found.add_argument("--version", action="version", version=f"couture-workflow {__version__}")
    commands = found.add_subparsers(metavar="COMMAND", required=True)
    for name, command in COMMANDS.items():
        text = (command.function.__doc__ or "").strip()
        sub = commands.add_parser(name, help=text, description=text)
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
    except KeyboardInterrupt:
        return 130
    return code


if __name__ == "__main__":
    sys.exit(main())
