"""A container engine for tests: the one that runs on this machine, or one of our own without any network."""

from __future__ import annotations

import io
import os
import re
import shutil
import subprocess
import tarfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def engine(folder: Path) -> Iterator[str]:
    """Give the address of an engine (``DOCKER_HOST``); skip where there can be none.

    :param folder: where an engine of our own keeps everything; a short path, for its socket.
    """
    if not shutil.which("docker"):
        pytest.skip("needs Docker")
    running = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")
    if _answers(running):
        yield running
        return
    if not shutil.which("dockerd"):
        pytest.skip("needs Docker")
    if os.geteuid() != 0:
        pytest.skip("no container engine runs, and only root can start one")
    host = f"unix://{folder}/docker.sock"
    command = ["dockerd", "--data-root", folder / "data", "--exec-root", folder / "exec", "--host", host]
    command += ["--pidfile", folder / "pid", "--bridge=none", "--iptables=false", "--ip6tables=false"]
    with (folder / "dockerd.log").open("wb") as output:
        process = subprocess.Popen([str(word) for word in command], stdout=output, stderr=output)
    try:
        deadline = time.monotonic() + 60
        while not _answers(host):
            log = (folder / "dockerd.log").read_text()
            if process.poll() is not None:
                pytest.skip(f"no container engine can be started here: {log.strip().splitlines()[-1:]}")
            assert time.monotonic() < deadline, log
            time.sleep(0.2)
        yield host
    finally:
        process.terminate()
        process.wait(60)


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


def _answers(host: str) -> bool:
    done = subprocess.run(["docker", "--host", host, "version"], capture_output=True, check=False)
    return done.returncode == 0
