"""The shipped team repository in a copy of its own, and the lines of its CI files."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from tests.support import homes
from tests.support.git_server import git

SHIPPED = Path(__file__).parents[2] / "examples" / "team-repository"


def copied(folder: Path) -> Path:
    """Copy the repository, make it one of git's and commit everything."""
    left = shutil.ignore_patterns("__pycache__", ".pytest_cache")
    shutil.copytree(SHIPPED, folder, ignore=left)
    git(folder, "init", "--quiet", "--initial-branch=main")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "begin")
    return folder


def github() -> dict[str, str]:
    """Return what the steps of the GitHub workflow run, by ``job: step``."""
    jobs: dict[str, Any] = read(".github/workflows/dags.yml")["jobs"]
    return {
        f"{job}: {step['name']}": step["run"]
        for job, told in jobs.items()
        for step in told["steps"]
        if "run" in step
    }


def gitlab() -> dict[str, list[str]]:
    """Return what the jobs of the GitLab pipeline run, without what they install first."""
    return {
        name: job["script"]
        for name, job in read(".gitlab-ci.yml").items()
        if isinstance(job, dict) and "script" in job
    }


def read(name: str) -> Any:
    """Return a YAML file of the repository."""
    return yaml.safe_load((SHIPPED / name).read_text(encoding="utf-8"))


def run(folder: Path, script: str, variables: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Run lines of a CI file as their runner does, with nothing of ours but the programs of this Python."""
    programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        ["bash", "-e", "-c", script],
        cwd=folder,
        env=homes.plain_environment(**{"HOME": str(folder.parent), "PATH": programs, **variables}),
        capture_output=True,
        text=True,
        timeout=280,
    )
