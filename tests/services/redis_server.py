"""A real Redis on loopback, with a password, in memory alone; the fixture ``redis_server`` runs one."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from tests.support.servers import end, free_port

PASSWORD = "a'b\"<&>ü"


class RedisServer:
    """The server; the account ``default`` has the password.

    :param folder: of its log.
    """

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        settings = folder / "redis.conf"
        escaped = PASSWORD.replace("\\", "\\\\").replace('"', '\\"')
        settings.write_text(
            f"bind 127.0.0.1\nport {self.port}\nsave ''\nappendonly no\ndir {folder}\n"
            f'requirepass "{escaped}"\n'
        )
        settings.chmod(0o600)
        with (folder / "redis.log").open("wb") as log:
            self.process = subprocess.Popen(
                ["redis-server", str(settings)], stdout=log, stderr=subprocess.STDOUT, start_new_session=True
            )

    def client(self) -> redis.Redis:
        """Return a client."""
        return redis.Redis.from_url(self.url, password=PASSWORD)

    def wait(self) -> None:
        """Wait until it answers."""
        deadline = time.monotonic() + 60
        while True:
            try:
                self.client().ping()
                return
            except redis.ConnectionError:
                assert self.process.poll() is None and time.monotonic() < deadline, "Redis does not start"
                time.sleep(0.1)

    def stop(self) -> None:
        """End it."""
        end(self.process, seconds=20)


@pytest.fixture
def redis_server(tmp_path: Path) -> Iterator[RedisServer]:
    """Run a server; skip where there can be none."""
    if not shutil.which("redis-server"):
        pytest.skip("needs Redis (Debian: redis-server)")
    server = RedisServer(tmp_path)
    try:
        server.wait()
        yield server
    finally:
        server.stop()
