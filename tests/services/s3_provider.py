"""Airflow's provider for S3 as the extra ``s3`` installs it, in a folder beside the packages of the server.

What it stands on (boto3, botocore, s3transfer) is the server's, in the same versions. ``python -m
tests.services.s3_provider`` makes the folder; ``make test`` does so.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.services import s3_server

_CONSTRAINTS = Path(__file__).parents[2] / "constraints.txt"
_NAME = "apache-airflow-providers-amazon"


def pin() -> str:
    """Return the provider with the version that the extra ``s3`` gets."""
    (found,) = re.findall(rf"^{_NAME}==\S+", _CONSTRAINTS.read_text(), re.MULTILINE)
    return str(found)


def packages() -> Path:
    """Return where the provider is, or will be."""
    return Path(sys.prefix) / f"s3-provider-of-tests-{pin().partition('==')[2]}"


def make() -> None:
    """Make the folder, unless it is there."""
    if not (packages() / ".complete").exists():
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
        subprocess.run([*pip, "--upgrade", "--target", packages(), pin()], check=True)
        (packages() / ".complete").touch()


def path() -> list[str]:
    """Return what a process that writes to S3 needs on its path; skip where it is not there."""
    folders = [packages(), s3_server.packages()]
    for folder in folders:
        if not (folder / ".complete").exists():
            pytest.skip(f"needs {_NAME}: type make test")
    return [str(folder) for folder in folders]


if __name__ == "__main__":
    make()
