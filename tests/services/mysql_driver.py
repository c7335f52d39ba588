"""The drivers of MySQL that the extra ``cluster`` installs, compiled into a folder of their own.

``python -m tests.services.mysql_driver`` makes the folder; ``make test`` does so.
"""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
from pathlib import Path

_CONSTRAINTS = Path(__file__).parents[2] / "constraints.txt"
_NAMES = ("aiomysql", "mysqlclient", "pymysql")


def pins() -> list[str]:
    """Return the packages with the versions that the extra ``cluster`` gets."""
    names = "|".join(_NAMES)
    return re.findall(rf"^(?:{names})==\S+", _CONSTRAINTS.read_text(), re.MULTILINE)


def packages() -> Path:
    """Return where the drivers are, or will be."""
    digest = hashlib.sha256(f"{pins()}{sys.version}".encode()).hexdigest()[:12]
    return Path(sys.prefix) / f"mysql-driver-of-tests-{digest}"


def make() -> None:
    """Make the folder, unless it is there."""
    if not (packages() / ".complete").exists():
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
        subprocess.run([*pip, "--upgrade", "--target", packages(), *pins()], check=True)
        (packages() / ".complete").touch()


def missing() -> str:
    """Return the reason for a skip, "" if there are drivers; this process and its children see them then."""
    folder = packages()
    if not (folder / ".complete").exists():
        return "needs mysqlclient: type make test"
    if str(folder) not in sys.path:
        sys.path.append(str(folder))
        given = os.environ.get("PYTHONPATH")
        os.environ["PYTHONPATH"] = f"{given}{os.pathsep}{folder}" if given else str(folder)
    return ""


if __name__ == "__main__":
    make()
