"""What a command of the command line consists of, and what all commands share."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from couture_workflow.store.home import Store


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


def path(text: str) -> Path:
    return Path(text).expanduser().absolute()


HOME = Option(
    ("--home",),
    {
        "type": path,
        "metavar": "FOLDER",
        "help": "folder of all state (default: COUTURE_HOME, or ~/couture-workflow)",
    },
)


def report(line: str) -> None:
    """Print one line of the answer."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def existing_store(home: Path | None) -> Store:
    """Return the store of a home that must be there."""
    from couture_workflow.services.workbench import embedded

    return embedded.existing_store(home)
