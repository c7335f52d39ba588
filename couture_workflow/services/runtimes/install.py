"""Making a runtime such as ``spark``: a virtual environment with the pinned set of ``runtimes/spark.txt``.

Virtual environments cannot be moved, so each set of pins has a folder of its own, ``spark-<fingerprint>``,
and ``spark`` is a link that is turned to it when the installation is complete. Jobs that run keep the folder
that they started with; an installation that was broken off is continued by the next one.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from couture_workflow import settings
from couture_workflow.exceptions import RuntimeMissingError, StorageFullError
from couture_workflow.services.runtimes.progress import Pip, Progress, follow
from couture_workflow.store import atomic

INSTALL_COMMAND = "couture-workflow install"
_PINS = Path(__file__).parents[2] / "runtimes"
PINS = _PINS / "spark.txt"
JUPYTER_PINS = _PINS / "jupyter.txt"
SERVING_PINS = _PINS / "serving.txt"
#: What makes the runtime of the model server, which is no part of the usual installation.
SERVING_COMMAND = f"{INSTALL_COMMAND} --serving"

_STAMP = ".complete"
#: Disk that making a runtime takes, in bytes.
_NEEDED_BYTES = {"spark": 2 << 30, "jupyter": 2 << 30, "serving": 1 << 30}


@dataclass(frozen=True)
class _Kind:
    """One runtime: its folder, what messages call it, and the size of its download in MB."""

    name: str
    title: str
    download: int


_SPARK = _Kind("spark", "Spark", 450)
_JUPYTER = _Kind("jupyter", "Jupyter", 330)
#: MB that the runtime of the model server downloads.
SERVING_DOWNLOAD = 110
_SERVING = _Kind("serving", "model server's", SERVING_DOWNLOAD)


def install_jupyter(
    *,
    progress: Progress,
    folder: Path | None = None,
    pins: Path = JUPYTER_PINS,
    python: str = sys.executable,
) -> Path:
    """Make sure of the runtime ``jupyter``; the parameters are those of ``install_spark``."""
    return _ensure(_JUPYTER, progress, folder or settings.runtimes_path(), pins, python)


def install_serving(
    *,
    progress: Progress,
    folder: Path | None = None,
    pins: Path = SERVING_PINS,
    python: str = sys.executable,
) -> Path:
    """Make sure of the runtime ``serving``; the parameters are those of ``install_spark``."""
    return _ensure(_SERVING, progress, folder or settings.runtimes_path(), pins, python)


def has_serving(folder: Path | None = None) -> bool:
    """Tell whether the runtime ``serving`` was made once, so that it shall be kept up to date."""
    return (folder or settings.runtimes_path()).joinpath("serving").is_symlink()


def serving_under_way() -> tuple[str, float | None] | None:
    """Return how far the making of the runtime ``serving`` is, and its share; None if nobody is at it."""
    parent = settings.runtimes_path()
    if not atomic.is_locked(_lock(_SERVING, parent)):
        return None
    try:
        found = json.loads(_how_far(_SERVING, parent).read_bytes())
        return str(found["detail"]), None if found["share"] is None else float(found["share"])
    except (OSError, ValueError, TypeError, KeyError):
        return None


def install_spark(
    *,
    progress: Progress,
    folder: Path | None = None,
    pins: Path = PINS,
    python: str = sys.executable,
) -> Path:
    """Make sure of the runtime ``spark`` with the pinned packages and return its folder.

    :param progress: shows it as one step.
    :param folder: where ``spark`` shall be (default: the option ``runtimes_path``).
    :param pins: requirements file with exact versions.
    :param python: the Python that the environment is made with.
    """
    return _ensure(_SPARK, progress, folder or settings.runtimes_path(), pins, python)


def is_outdated(folder: Path) -> bool:
    """Tell whether an earlier version of the product made the runtimes: from other pins, or without Jupyter.

    Environments that somebody made by hand are left alone.
    """
    spark, jupyter = folder / "spark", folder / "jupyter"
    known = ((spark, PINS), (jupyter, JUPYTER_PINS), (folder / "serving", SERVING_PINS))
    made = {link: pins for link, pins in known if link.is_symlink()}
    return (spark in made and not jupyter.exists()) or any(
        not _current(link, folder / f"{link.name}-{_fingerprint(pins, sys.executable)}")
        for link, pins in made.items()
    )


def _ensure(kind: _Kind, progress: Progress, parent: Path, pins: Path, python: str) -> Path:
    with progress.step(f"the {kind.title} runtime in {parent / kind.name}"):
        return _make(kind, progress, parent, pins, python)


def _make(kind: _Kind, progress: Progress, parent: Path, pins: Path, python: str) -> Path:
    link = parent / kind.name
    wanted = parent / f"{kind.name}-{_fingerprint(pins, python)}"
    if _current(link, wanted):
        progress.doing("looking", result="it is there")
        return link
    if link.is_dir() and not link.is_symlink():
        return _keep_own(link, pins, progress)
    parent.mkdir(parents=True, exist_ok=True)
    busy = f"Another installation of the {kind.title} runtime is under way; waiting for it."
    with atomic.locked(_lock(kind, parent), waiting=lambda: progress.report(busy)):
        if _current(link, wanted):
            progress.doing("looking", result="made by the other installation")
        else:
            _check_disk(kind, parent)
            with _told(progress, _how_far(kind, parent)):
                _install(kind, wanted, pins, python, progress)
            _turn(link, wanted)
            _remove_older(kind, parent, wanted)
    return link


def _lock(kind: _Kind, parent: Path) -> Path:
    return parent / f".{kind.name}.lock"


def _how_far(kind: _Kind, parent: Path) -> Path:
    return parent / f".{kind.name}.making"


@contextlib.contextmanager
def _told(progress: Progress, file: Path) -> Iterator[None]:
    """Tell other processes, too, how far it is; a file that cannot be written breaks nothing off."""
    before = progress.told

    def tell(detail: str, share: float | None) -> None:
        before(detail, share)
        with contextlib.suppress(OSError):
            fresh = file.with_name(f"{file.name}.new")
            fresh.write_text(json.dumps({"detail": detail, "share": share}))
            fresh.replace(file)

    progress.told = tell
    try:
        yield
    finally:
        progress.told = before
        file.unlink(missing_ok=True)


def _fingerprint(pins: Path, python: str) -> str:
    """Return what the environment depends on: the pins and the Python itself."""
    seen = hashlib.sha256(pins.read_bytes())
    seen.update(f"{Path(python).resolve()}".encode())
    return seen.hexdigest()[:12]


def _current(link: Path, wanted: Path) -> bool:
    return link.is_symlink() and link.resolve() == wanted.resolve() and (wanted / _STAMP).is_file()


def _keep_own(folder: Path, pins: Path, progress: Progress) -> Path:
    """Leave alone an environment that somebody made by hand, but say where it differs from the tested set."""
    missing = _differences(folder, pins)
    if missing:
        progress.report(
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


def _install(kind: _Kind, wanted: Path, pins: Path, python: str, progress: Progress) -> None:
    stamp = wanted / _STAMP
    stamp.unlink(missing_ok=True)
    progress.doing(f"made once, about {kind.download} MB are downloaded")
    # Neither PYTHONPATH nor the caller's own environment may reach into the new one.
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_"))
    }
    if said := follow([python, "-m", "venv", str(wanted)], lambda line: None, environment=environment):
        raise RuntimeMissingError(
            f"The {kind.title} runtime could not be made. Python says:\n{said}\n"
            "Type: apt-get install --yes python3-venv"
        )
    pip = [str(wanted / "bin" / "python"), "-m", "pip", "install", "--disable-pip-version-check"]
    said = follow(
        [*pip, "--progress-bar", "off", "--requirement", str(pins)],
        Pip(progress, [pins]).line,
        environment=environment,
    )
    if said:
        raise RuntimeMissingError(
            f"The {kind.title} runtime could not be made. pip says:\n{said}\n"
            f"Check the network and pip's settings, then type {INSTALL_COMMAND!r} to go on from there."
        )
    stamp.write_text(pins.read_text())


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
