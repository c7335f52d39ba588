"""A real server that speaks S3, on loopback: moto, in a folder of packages of its own.

What moto stands on (Flask, requests, cryptography) is Airflow's. ``python -m tests.services.s3_server`` makes
the folder from ``s3_server.txt``; ``make test`` does so.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.support.servers import end, free_port, wait_until_it_answers

PINS = Path(__file__).with_suffix(".txt")
BUCKET = "values"


def packages() -> Path:
    """Return where the packages are, or will be."""
    digest = hashlib.sha256(PINS.read_bytes() + sys.version.encode()).hexdigest()[:12]
    return Path(sys.prefix) / f"s3-of-tests-{digest}"


def make() -> None:
    """Make the folder, unless it is there."""
    if (packages() / ".complete").exists():
        return
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    subprocess.run([*pip, "--upgrade", "--target", packages(), "--requirement", PINS], check=True)
    (packages() / ".complete").touch()


class S3Server:
    """The server with one bucket; it takes any account."""

    def __init__(self, folder: Path) -> None:
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        self.log = folder / "s3.log"
        variables = {**os.environ, "PYTHONPATH": str(packages())}
        command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                command, env=variables, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
            )

    def wait(self) -> None:
        """Wait until it answers, and make the bucket."""
        address = f"{self.url}/moto-api/data.json"
        wait_until_it_answers(self.process, address, name="the S3 server", log=self.log, seconds=120)
        httpx.put(f"{self.url}/{BUCKET}", timeout=120).raise_for_status()

    def keys(self) -> str:
        """Return the list of all objects, as XML."""
        return httpx.get(f"{self.url}/{BUCKET}?list-type=2", timeout=120).raise_for_status().text

    def stop(self) -> None:
        """End it."""
        end(self.process, seconds=20)


@pytest.fixture
def s3_server(tmp_path: Path) -> Iterator[S3Server]:
    """Run a server; skip where there can be none."""
    if not (packages() / ".complete").exists():
        pytest.skip(f"needs an S3 server: type {sys.executable} -m tests.services.s3_server")
    server = S3Server(tmp_path)
    try:
        server.wait()
        yield server
    finally:
        server.stop()


if __name__ == "__main__":
    make()
