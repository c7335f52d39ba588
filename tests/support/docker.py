"""A container engine for tests: the one that runs on this machine, or one of our own."""

from __future__ import annotations

import io
import os
import re
import shutil
import subprocess
import tarfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def engine(folder: Path, *, data: Path | None = None) -> Iterator[str]:
    """Give the address of an engine (``DOCKER_HOST``); skip where there can be none.

    :param folder: where an engine of our own keeps what it needs while it runs; a short path, for its socket.
    :param data: where it keeps its images; it has a network then. Without it, it has none, and no images.
    """
    if not shutil.which("docker"):
        pytest.skip("needs Docker")
    running = _address()
    if _answers(running):
        yield running
        return
    if not shutil.which("dockerd"):
        pytest.skip("needs Docker")
    if os.geteuid() != 0:
        pytest.skip("no container engine runs, and only root can start one")
    host = f"unix://{folder}/docker.sock"
    command = ["dockerd", "--data-root", data or folder / "data", "--exec-root", folder / "exec"]
    command += ["--host", host, "--pidfile", folder / "pid"]
    if data is None:
        command += ["--bridge=none", "--iptables=false", "--ip6tables=false"]
    with (folder / "dockerd.log").open("wb") as output:
        process = subprocess.Popen([str(word) for word in command], stdout=output, stderr=output)
    try:
        wait_for(process, lambda: _answers(host), folder / "dockerd.log", "no container engine")
        yield host
    finally:
        process.terminate()
        process.wait(60)


def wait_for(process: subprocess.Popen[bytes], answers: Callable[[], bool], log: Path, missing: str) -> None:
    """Wait until an engine that was started answers; skip where it ends instead.

    :param missing: what there is not then.
    """
    deadline = time.monotonic() + 60
    while not answers():
        said = log.read_text()
        if process.poll() is not None:
            pytest.skip(f"{missing} can be started here: {said.strip().splitlines()[-1:]}")
        assert time.monotonic() < deadline, said
        time.sleep(0.2)


def load_shell(host: str, image: str) -> None:
    """Make an image that holds this machine's shell and nothing else."""
    shell = shutil.which("dash") or "/bin/sh"
    libraries = subprocess.run(["ldd", shell], capture_output=True, text=True, check=True).stdout
    files = {"/bin/sh": shell, **{path: path for path in re.findall(r"/\S+", libraries)}}
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as archive:
        for name, source in files.items():
            entry = tarfile.TarInfo(name.lstrip("/"))
            data = Path(source).read_bytes()
            entry.size, entry.mode = len(data), 0o755
            archive.addfile(entry, io.BytesIO(data))
    subprocess.run(
        ["docker", "--host", host, "import", "-", image],
        input=content.getvalue(),
        check=True,
        capture_output=True,
    )


def _address() -> str:
    """Return where the engine of this user listens, if there is one."""
    if "DOCKER_HOST" in os.environ:
        return os.environ["DOCKER_HOST"]
    ask = ["docker", "context", "inspect", "--format", "{{.Endpoints.docker.Host}}"]
    done = subprocess.run(ask, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unix:///var/run/docker.sock"


def _answers(host: str) -> bool:
    done = subprocess.run(["docker", "--host", host, "version"], capture_output=True, check=False)
    return done.returncode == 0
