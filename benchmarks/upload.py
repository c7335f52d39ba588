"""How fast 1 GiB arrives by our REST API, beside ``cp`` and ``sha256sum`` of it on the same disk."""

from __future__ import annotations

import http.client
import os
import subprocess
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from statistics import median
from urllib.parse import urlsplit

from benchmarks.measure import Result, in_turn
from benchmarks.server import Server, api_server

SIZE = 2**30
ROUNDS = 3
BLOCK = 2**20


def run() -> list[Result]:
    """Upload and copy in turn; every round has other content, so that none is stored already."""
    with api_server() as server:
        source = server.folder / "big.jar"
        _fill(source, blocks=1)  # what the first request loads is not the upload's
        _upload(server, source)
        _fill(source, blocks=SIZE // BLOCK)
        server_memory = _Growth(server)
        ours, theirs = in_turn(
            ROUNDS,
            lambda: server_memory.during(lambda: _upload(server, source)),
            lambda: _copy_and_hash(source),
        )
    return [
        Result(
            "upload of 1 GiB over cp + sha256sum (speed)",
            f"{median(ours):.1f} s",
            f"cp + sha256sum {median(theirs):.1f} s",
            median(theirs) / median(ours),
            0.5,
            at_least=True,
        ),
        Result(
            "memory growth of the server",
            f"{server_memory.greatest / 2**20:.1f} MiB",
            "",
            server_memory.greatest / 2**20,
            32,
            "MiB",
        ),
    ]


class _Growth:
    """The greatest growth of the server's memory by one upload."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.greatest = 0

    def during(self, action: Callable[[], float]) -> float:
        """Return what the action returns; take note of the growth."""
        self.server.reset_peak_memory()
        before = self.server.peak_memory()
        value = action()
        self.greatest = max(self.greatest, self.server.peak_memory() - before)
        return value


def _fill(source: Path, *, blocks: int) -> None:
    """Make a jar, for others are refused, of content that cannot be compressed."""
    with zipfile.ZipFile(source, "w") as jar, jar.open("content", "w", force_zip64=True) as member:
        for _ in range(blocks):
            member.write(os.urandom(BLOCK))


def _upload(server: Server, source: Path) -> float:
    with zipfile.ZipFile(source, "a") as jar:
        jar.comment = os.urandom(16).hex().encode()
    address = urlsplit(server.url)
    connection = http.client.HTTPConnection(
        address.hostname or "", address.port, timeout=600, blocksize=BLOCK
    )
    start = time.perf_counter()
    with source.open("rb") as file:
        connection.request(
            "PUT",
            f"/api/dependencies/files/{source.name}",
            body=file,
            headers={"Authorization": f"Bearer {server.token}", "Content-Length": str(source.stat().st_size)},
        )
        answer = connection.getresponse()
        text = answer.read()
    spent = time.perf_counter() - start
    connection.close()
    if answer.status not in (200, 201):
        raise RuntimeError(f"the upload was refused ({answer.status}): {text[:1000]!r}")
    return spent


def _copy_and_hash(source: Path) -> float:
    copy = source.with_suffix(".copy")
    start = time.perf_counter()
    subprocess.run(["cp", source, copy], check=True)
    subprocess.run(["sha256sum", source], check=True, stdout=subprocess.DEVNULL)
    spent = time.perf_counter() - start
    copy.unlink()
    return spent
