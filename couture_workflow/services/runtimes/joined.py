"""What notebooks import beside the Jupyter runtime's own packages: the Spark runtime's, and ``couture``.

Two files name one folder each in the Jupyter runtime's ``site-packages``: nothing is copied, and what the
Jupyter runtime has itself goes first.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path

from couture_workflow import settings
from couture_workflow.exceptions import StorageError
from couture_workflow.services.runtimes.install import INSTALL_COMMAND
from couture_workflow.store import atomic

#: The folder of the package ``couture``.
LIBRARY = Path(__file__).parents[2] / "runtimes" / "lib"
#: What the two files are called.
OWN, SPARK = "couture.pth", "couture_spark.pth"


def join(*, report: Callable[[str], None], folder: Path | None = None) -> None:
    """Make ``couture`` and the packages of the Spark runtime importable in the Jupyter runtime.

    Spark's are refused, in words, if the two runtimes have different Pythons. Nothing is raised: the rest of
    the workbench needs no Spark in notebooks.

    :param report: is told why notebooks have no Spark.
    :param folder: where the runtimes are (default: the option ``runtimes_path``).
    """
    parent = folder or settings.runtimes_path()
    packages = _packages(parent / "jupyter")
    if packages is None:
        return
    try:
        _join(parent, packages, report)
    except (StorageError, OSError) as error:
        report(f"Notebooks may have no Spark: {error} Then type: {INSTALL_COMMAND}")


def _join(parent: Path, packages: Path, report: Callable[[str], None]) -> None:
    _name(packages / OWN, LIBRARY)
    spark = _packages(parent / "spark")
    if spark is not None and spark.parent.name == packages.parent.name:
        _name(packages / SPARK, spark)
        return
    with contextlib.suppress(FileNotFoundError):
        (packages / SPARK).unlink()
    if spark is not None:
        report(
            f"Notebooks have no Spark: the Jupyter runtime has {packages.parent.name}, the Spark runtime "
            f"{spark.parent.name}, and packages fit one minor version. Remove {parent / 'jupyter'} or "
            f"{parent / 'spark'}, then type {INSTALL_COMMAND!r} with the Python that both shall have."
        )


def _packages(runtime: Path) -> Path | None:
    """Return the ``site-packages`` of a runtime, by way of its link, which stays when it is made anew."""
    found = sorted(runtime.glob("lib/python3.*/site-packages"))
    return found[0].absolute() if found else None


def _name(file: Path, folder: Path) -> None:
    """Write a file that names a folder, if it does not do so already."""
    line = f"{folder}\n".encode()
    with contextlib.suppress(FileNotFoundError):
        if file.read_bytes() == line:
            return
    atomic.write(file, line)
    file.chmod(0o644)  # whatever the umask: kernels of other accounts read it
