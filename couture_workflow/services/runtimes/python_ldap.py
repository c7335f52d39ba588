"""python-ldap, which has no wheel: built into an environment where what its build needs is on this machine.

`make install` calls it with the machine's own Python, so it needs the standard library alone.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from pathlib import Path

from couture_workflow.services.runtimes.progress import Pip, Progress, follow

REQUIREMENT = "python-ldap>=3.4.8,<4"
#: Headers that the build needs, and the folders that they may be in.
HEADERS = ("ldap.h", "sasl/sasl.h")
INCLUDES = ("/usr/include", "/usr/local/include")
_LATER = "docs/ldap.md says how it comes later"


def missing() -> list[str]:
    """Return what the build needs and this machine has not."""
    found = [name for name in HEADERS if not any((Path(root) / name).exists() for root in INCLUDES)]
    return found if shutil.which(os.environ.get("CC") or "cc") else [*found, "C compiler"]


def install(progress: Progress, python: str, *, constraints: Iterable[Path] = ()) -> None:
    """Do a step of an installation; it never fails: without python-ldap all else works.

    :param python: of the environment.
    """
    if not follow([python, "-c", "import ldap"], lambda line: None):
        progress.doing("looking", result="it is there")
        return
    if wanting := missing():
        progress.doing("looking", result=f"left out, for there is no {' and no '.join(wanting)}; {_LATER}")
        return
    progress.doing("building it")
    pip = [python, "-m", "pip", "install", "--disable-pip-version-check", "--progress-bar", "off"]
    limits = [word for path in constraints for word in ("--constraint", str(path))]
    said = follow([*pip, *limits, REQUIREMENT], Pip(progress, constraints).line)
    progress.doing("building it", result=f"left out, for it cannot be built; {_LATER}" if said else "done")
