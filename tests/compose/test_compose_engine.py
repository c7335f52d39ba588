"""``docker-compose.docker.yml``: the worker, which has no rights, starts containers on this machine."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.docker import load_shell
from tests.support.images import ROOT, Docker
from tests.support.stack import Stack

pytestmark = [pytest.mark.compose, pytest.mark.timeout(300)]

IMAGE, FILE = "tests/shell", "docker-compose.docker.yml"
#: What a task does, without a scheduler around it.
TASK = f"""
import os
from airflow.providers.docker.operators.docker import DockerOperator
container = DockerOperator(
    task_id="hello", image="{IMAGE}", command=["sh", "-c", "echo hello"],
    network_mode="none", mount_tmp_dir=False, auto_remove="force",
)
print(os.getuid(), os.getgid(), container.execute({{}}))
"""
WORKER = ("run", "--rm", "--no-deps", "-T", "--entrypoint", "python", "worker", "-c", TASK)


def test_the_worker_starts_containers_only_where_the_file_is_named(
    another: Callable[..., Stack], docker: Docker
) -> None:
    socket = Path(docker.host.removeprefix("unix://"))
    group = str(socket.stat().st_gid)
    files = f"docker-compose.yml{os.pathsep}{FILE}"
    stack = another(
        "engine",
        settings={
            "COMPOSE_FILE": files, "COUTURE_ENGINE_SOCKET": str(socket), "COUTURE_ENGINE_GROUP": group
        },
    )  # fmt: skip
    shutil.copy(ROOT / FILE, stack.folder)
    load_shell(docker.host, IMAGE)

    with_file = stack.compose(*WORKER).stdout
    without = stack.compose("--file", "docker-compose.yml", *WORKER, check=False)
    with (stack.folder / ".env").open("a", encoding="utf-8") as settings:
        settings.write("COUTURE_ENGINE_GROUP=\n")
    not_told = stack.compose("config", "--quiet", check=False)

    assert "50000 0 hello" in with_file
    assert without.returncode != 0 and "Failed to establish connection" in without.stdout
    assert not_told.returncode != 0 and "stat -c %g /var/run/docker.sock" in not_told.stdout
