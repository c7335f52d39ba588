"""Making a runtime such as ``spark``: a virtual environment with the pinned set of ``runtimes/spark.txt``.

Virtual environments cannot be moved, so each set of pins has a folder of its own, ``spark-<fingerprint>``,
and ``spark`` is a link that is turned to it when the installation is complete. Jobs that run keep the folder
that they started with; an installation that was broken off is continued by the next one.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from couture_workflow import settings
from couture_workflow.exceptions import RuntimeMissingError, StorageFullError
from couture_workflow.store import atomic

INSTALL_COMMAND = "couture-workflow install"
_PINS = Path(__file__).parents[2] / "runtimes"
PINS = _PINS / "spark.txt"
JUPYTER_PINS = _PINS / "jupyter.txt"

_STAMP = ".complete"
#: Disk that making a runtime takes, in bytes.
_NEEDED_BYTES = {"spark": 2 << 30, "jupyter": 1 << 30}
_TOLD = re.compile(r"(Collecting|Downloading|Building wheel|Installing collected|Successfully installed)")


@dataclass(frozen=True)
class _Kind:
    """One runtime: its folder, what messages call it, and the size of its download in MB."""

    name: str
    title: str
    download: int


_SPARK = _Kind("spark", "Spark", 450)
_JUPYTER = _Kind("jupyter", "Jupyter", 30)


def install_jupyter(
    *,
    report: Callable[[str], None],
    folder: Path | None = None,
    pins: Path = JUPYTER_PINS,
    python: str = sys.executable,
) -> Path:
    """Make sure of the runtime ``jupyter``; the parameters are those of ``install_spark``."""
    return _ensure(_JUPYTER, report, folder or settings.runtimes_path(), pins, python)


def install_spark(
    *,
    report: Callable[[str], None],
    folder: Path | None = None,
    pins: Path = PINS,
    python: str = sys.executable,
) -> Path:
    """Make sure of the runtime ``spark`` with the pinned packages and return its folder.

    :param report: gets each line of progress; nothing is reported when there is nothing to do.
    :param folder: where ``spark`` shall be (default: the option ``runtimes_path``).
    :param pins: requirements file with exact versions.
    :param python: the Python that the environment is made with.
    """
    return _ensure(_SPARK, report, folder or settings.runtimes_path(), pins, python)


def _ensure(kind: _Kind, report: Callable[[str], None], parent: Path, pins: Path, python: str) -> Path:
    link = parent / kind.name
    wanted = parent / f"{kind.name}-{_fingerprint(pins, python)}"
    if _current(link, wanted):
        return link
    if link.is_dir() and not link.is_symlink():
        return _keep_own(link, pins, report)
    parent.mkdir(parents=True, exist_ok=True)
    busy = f"Another installation of the {kind.title} runtime is under way; waiting for it."
    with atomic.locked(parent / f".{kind.name}.lock", waiting=lambda: report(busy)):
        if not _current(link, wanted):
            _check_disk(kind, parent)
            _install(kind, wanted, pins, python, report)
            _turn(link, wanted)
            _remove_older(kind, parent, wanted)
            report(f"The {kind.title} runtime is ready in {link}.")
    return link


def _fingerprint(pins: Path, python: str) -> str:
    """Return what the environment depends on: the pins and the Python itself."""
    seen = hashlib.sha256(pins.read_bytes())
    seen.update(f"{Path(python).resolve()}".encode())
    return seen.hexdigest()[:12]


def _current(link: Path, wanted: Path) -> bool:
    return link.is_symlink() and link.resolve() == wanted.resolve() and (wanted / _STAMP).is_file()


def _keep_own(folder: Path, pins: Path, report: Callable[[str], None]) -> Path:
    """Leave alone an environment that somebody made by hand, but say where it differs from the tested set."""
    missing = _differences(folder, pins)
    if missing:
        report(
            f"{folder} was not made by this command and is left as it is. It differs from the tested set: "
            f"{', '.join(missing)}. Remove the folder and type {INSTALL_COMMAND!r} to have the tested set."
        )
    return folder


def _differences(folder: Path, pins: Path) -> list[str]:
    found = []
    for line in pins.read_text().splitlines():
        name, equal, version = line.partition("==")
        dist_info = f"{name.strip().replace('-', '_')}-{version.strip()}.dist-info"
        if equal and not any(folder.glob(f"lib/python3.*/site-packages/{dist_info}")):
            found.append(line.strip())
    return found


def _check_disk(kind: _Kind, folder: Path) -> None:
    free = shutil.disk_usage(folder).free
    needed = _NEEDED_BYTES[kind.name]
    if free < needed:
        raise StorageFullError(
            f"The {kind.title} runtime needs {needed >> 30} GiB of disk, but {free >> 20} MiB are free at "
            f"{folder}. Free some space, or set [couture_workflow] runtimes_path to a larger disk."
        )


def _install(kind: _Kind, wanted: Path, pins: Path, python: str, report: Callable[[str], None]) -> None:
    stamp = wanted / _STAMP
    stamp.unlink(missing_ok=True)
    report(f"Making the {kind.title} runtime in {wanted} (once; about {kind.download} MB are downloaded).")
    _run(kind, [python, "-m", "venv", str(wanted)], report, remedy="Type: apt-get install --yes python3-venv")
    pip = [str(wanted / "bin" / "python"), "-m", "pip", "install", "--disable-pip-version-check"]
    _run(
        kind,
        [*pip, "--progress-bar", "off", "--requirement", str(pins)],
        report,
        remedy=f"Check the network and pip's settings, then type {INSTALL_COMMAND!r} to go on from there",
    )
    stamp.write_text(pins.read_text())


def _run(kind: _Kind, command: list[str], report: Callable[[str], None], *, remedy: str) -> None:
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_"))
    }
    last: list[str] = []
    with subprocess.Popen(  # noqa: S603
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        env=environment,
    ) as process:
        for line in process.stdout or ():
            last = [*last[-7:], line.strip()]
            if _TOLD.match(line.strip()):
                report("  " + line.strip())
    if process.returncode != 0:
        said = next(
            (line for line in reversed(last) if "error" in line.lower()), last[-1] if last else "no message"
        )
        raise RuntimeMissingError(f"The {kind.title} runtime could not be made: {said}. {remedy}.")


def _turn(link: Path, wanted: Path) -> None:
    """Point the link to the new folder in one step."""
    fresh = link.with_name(f".{link.name}-{os.getpid()}")
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(wanted.name)
    fresh.replace(link)


def _remove_older(kind: _Kind, parent: Path, wanted: Path) -> None:
    """Keep the new folder and the one before it, which jobs may still run on."""
    others = [path for path in parent.glob(f"{kind.name}-*") if path != wanted and path.is_dir()]
    others.sort(key=lambda path: path.stat().st_mtime, reverse=True)
    for path in others[1:]:
        shutil.rmtree(path, ignore_errors=True)
