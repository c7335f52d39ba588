"""Helm and Airflow's official chart for tests: those of this machine, else what can be had."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = "https://airflow.apache.org"
#: What ``go install`` makes where Helm itself is not installed: one program, without any other service.
SOURCE = "helm.sh/helm/v3/cmd/helm@v3.22.0"
#: The oldest that the chart takes.
OLDEST = (3, 19)
CACHE = Path(sys.prefix) / "helm-tests"


def chart(version: str) -> Path:
    """Return the archive of the chart; skip where it cannot be had.

    ``HELM_AIRFLOW_CHART`` names an archive or a folder on this machine; otherwise Helm fetches it once.
    """
    given = os.environ.get("HELM_AIRFLOW_CHART")
    if given:
        return Path(given)
    archive = CACHE / f"airflow-{version}.tgz"
    if archive.exists():
        return archive
    if not shutil.which("helm"):
        pytest.skip(f"no Helm here to fetch the chart {version} with, and HELM_AIRFLOW_CHART names none")
    CACHE.mkdir(parents=True, exist_ok=True)
    command = [
        "helm",
        "pull",
        "airflow",
        "--repo",
        REPOSITORY,
        "--version",
        version,
        "--destination",
        str(CACHE),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    if done.returncode or not archive.exists():
        pytest.skip(f"the chart {version} cannot be fetched here: {done.stderr.strip()[-200:]}")
    return archive


def helm() -> str:
    """Return the path of Helm; built from its source where only Go is installed; skip without both."""
    for found in (shutil.which("helm"), str(CACHE / "helm")):
        if found and Path(found).exists() and _version(found) >= OLDEST:
            return found
    go = shutil.which("go")
    if not go:
        pytest.skip("neither Helm 3.19 nor Go to build it with is installed")
    CACHE.mkdir(parents=True, exist_ok=True)
    environment = {**os.environ, "GOBIN": str(CACHE)}
    done = subprocess.run(
        [go, "install", SOURCE], env=environment, capture_output=True, text=True, timeout=560
    )
    if done.returncode:
        pytest.skip(f"Helm cannot be built here: {done.stderr.strip()[-200:]}")
    return str(CACHE / "helm")


def _version(program: str) -> tuple[int, ...]:
    output = subprocess.run([program, "version", "--short"], capture_output=True, text=True).stdout
    found = re.match(r"v(\d+)\.(\d+)", output)
    return tuple(int(number) for number in found.groups()) if found else (0, 0)
