"""`make install`: make .venv and fill it; run by the machine's own Python, with its standard library alone.

What is there already is kept, so that an installation that was broken off goes on when it is called again.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from couture_workflow.services.runtimes import python_ldap  # noqa: E402
from couture_workflow.services.runtimes.progress import BEFORE_VARIABLE, Pip, Progress, follow  # noqa: E402

#: Steps here, and those of `couture-workflow install` that come after them.
OWN, LATER = 3, 3
AGAIN = "Type make install again: it goes on from there."


class InstallError(Exception):
    """A step failed; the message is the reason."""


def make_environment(progress: Progress, folder: Path) -> None:
    """Make the virtual environment unless it is there, with apt-get's python3-venv where that is missing."""
    if _works(folder):
        progress.doing("looking", result="it is there")
        return
    if not all(importlib.util.find_spec(name) for name in ("ensurepip", "venv")):
        _install_venv(progress)
    progress.doing("making it")
    if said := follow([sys.executable, "-m", "venv", str(folder)], lambda line: None):
        raise InstallError(f"{folder} cannot be made. Python says:\n{said}")


def _works(folder: Path) -> bool:
    pip = [str(folder / "bin" / "python"), "-m", "pip", "--version"]
    return (folder / "bin" / "pip").exists() and not follow(pip, lambda line: None)


def _install_venv(progress: Progress) -> None:
    line = "apt-get install --yes python3-venv"
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        raise InstallError(f"Python's venv is missing. Type: sudo {line}")
    progress.doing("installing Python's venv with apt-get")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for words in (("update",), ("install", "--yes", "python3-venv")):
        said = follow(["apt-get", "-qq", *words], lambda line: None, environment=environment)
        if said:
            raise InstallError(f"Python's venv cannot be installed. apt-get says:\n{said}\nType: {line}")


def install_packages(progress: Progress, folder: Path, packages: Sequence[str], constraints: Path) -> None:
    """Install the project with what it needs into the environment."""
    pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--disable-pip-version-check"]
    words = ["--progress-bar", "off", "--constraint", str(constraints), *packages]
    if said := follow([*pip, *words], Pip(progress, [constraints]).line):
        raise InstallError(
            f"The packages could not be installed. pip says:\n{said}\nCheck the network and pip's settings."
        )


def main(
    folder: Path,
    packages: Sequence[str] = ("--editable", ".[dev]"),
    constraints: Path = Path("constraints.txt"),
) -> int:
    """Install everything into the folder and return the exit code."""
    progress = Progress(OWN + LATER)
    try:
        with progress.step(f"the environment {folder}"):
            make_environment(progress, folder)
        with progress.step("Airflow and what else the workbench needs"):
            install_packages(progress, folder, packages, constraints)
        with progress.step("log-in by a directory: python-ldap"):
            python_ldap.install(progress, str(folder / "bin" / "python"), constraints=[constraints])
    except InstallError as error:
        sys.stderr.write(f"{error}\n{AGAIN}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write(f"Stopped in {progress.name}. {AGAIN}\n")
        return 130
    environment = {**os.environ, BEFORE_VARIABLE: str(OWN)}
    program = str(folder / "bin" / "couture-workflow")
    try:
        return subprocess.run([program, "install"], env=environment).returncode  # noqa: S603
    except KeyboardInterrupt:
        sys.stderr.write(f"Stopped. {AGAIN}\n")
        return 130


if __name__ == "__main__":
    sys.exit(main(*(Path(argument) for argument in sys.argv[1:2])))
