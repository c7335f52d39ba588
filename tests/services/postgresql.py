"""A real PostgreSQL on loopback, with TLS and passwords; the fixture ``postgresql`` runs one for a session.

Debian's package postgresql has what it needs. Nothing below /etc or /var is read or written.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.services.sql_servers import PASSWORD, SqlServer

USER = "postgres"


def _programs() -> Path | None:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    return found[-1].parent if found else None


def missing() -> str:
    """Return the reason for a skip, "" if there can be a server."""
    return "" if _programs() and shutil.which("psql") else "needs PostgreSQL (Debian: postgresql)"


class Postgresql(SqlServer):
    """The server; the role ``postgres`` is its superuser."""

    def __init__(self) -> None:
        super().__init__("postgres")
        self._bin = _programs() or Path("/usr/bin")
        (self.folder / "password").write_text(PASSWORD)
        self._own()
        self._run(
            [str(self._bin / "initdb"), "-D", "data", "-U", USER, "-E", "UTF8", "--locale=C.UTF-8"]
            + ["--auth=scram-sha-256", "--pwfile=password", "--no-sync"]
        )

    def _command(self) -> list[str]:
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": str(self.folder),
            "fsync": "off",
            "shared_buffers": "16MB",
            "max_connections": "100",
            "autovacuum": "off",
            "ssl": "on",
            "ssl_cert_file": str(self.folder / "cert.pem"),
            "ssl_key_file": str(self.folder / "key.pem"),
        }
        given = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        return [str(self._bin / "postgres"), "-D", str(self.folder / "data"), *given]

    def _answers(self) -> bool:
        try:
            self.sql("select 1")
        except RuntimeError:
            return False
        return True

    def sql(self, text: str, *, database: str = "postgres", user: str = USER) -> str:
        """Run statements and return what they print."""
        command = ["psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1"]
        return self._run(
            [*command, "-p", str(self.port), "-U", user, "-d", database],
            text=text,
            environment={"PGPASSWORD": PASSWORD, "PGCONNECT_TIMEOUT": "5", "PGCLIENTENCODING": "UTF8"},
        )


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Postgresql]:
    """Run a server for all tests of the session; skip where there can be none."""
    if reason := missing():
        pytest.skip(reason)
    server = Postgresql()
    try:
        server.start()
        yield server
    finally:
        server.close()
