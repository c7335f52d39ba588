"""A real MariaDB on loopback, with TLS and passwords; the fixture ``mariadb`` runs one for a session.

Debian's package mariadb-server has what it needs. Nothing below /etc or /var is read or written.
"""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Iterator

import pytest

from tests.services.sql_servers import PASSWORD, SqlServer

USER = "admin"

_PATH = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/usr/local/sbin"
_PROGRAMS = ("mariadbd", "mariadb", "mariadb-install-db")


def missing() -> str:
    """Return the reason for a skip, "" if there can be a server."""
    absent = [name for name in _PROGRAMS if not shutil.which(name, path=_PATH)]
    return f"needs {' and '.join(absent)} (Debian: mariadb-server)" if absent else ""


class Mariadb(SqlServer):
    """The server; the account ``admin`` may do everything."""

    def __init__(self) -> None:
        super().__init__("mysql")
        self._run(
            ["mariadb-install-db", "--no-defaults", f"--datadir={self.folder}/data", "--skip-test-db"]
            + ["--auth-root-authentication-method=normal", "--skip-name-resolve"]
        )
        quoted = PASSWORD.replace("\\", "\\\\").replace("'", "\\'")
        (self.folder / "first.sql").write_text(
            f"create user '{USER}'@'127.0.0.1' identified by '{quoted}';\n"
            f"grant all on *.* to '{USER}'@'127.0.0.1' with grant option;\n"
        )
        self._own()

    def _command(self) -> list[str]:
        settings = {
            "datadir": self.folder / "data",
            "socket": self.folder / "socket",
            "pid-file": self.folder / "pid",
            "port": self.port,
            "bind-address": "127.0.0.1",
            "innodb-buffer-pool-size": "16M",
            "innodb-log-file-size": "16M",
            "innodb-flush-log-at-trx-commit": "0",
            "performance-schema": "off",
            "character-set-server": "utf8mb4",
            "ssl-cert": self.folder / "cert.pem",
            "ssl-key": self.folder / "key.pem",
            "init-file": self.folder / "first.sql",
            "secure-file-priv": "",
        }
        given = [f"--{name}={value}" for name, value in settings.items()]
        return [str(shutil.which("mariadbd", path=_PATH)), "--no-defaults", *given, "--skip-name-resolve"]

    def _answers(self) -> bool:
        try:
            self.sql("select 1")
        except RuntimeError:
            return False
        (self.folder / "first.sql").write_text("")  # a later start finds the account as it is
        return True

    def sql(self, text: str, *, database: str = "mysql", user: str = USER) -> str:
        """Run statements and return what they print."""
        command = [
            "mariadb",
            "--no-defaults",
            "-h",
            "127.0.0.1",
            "-P",
            str(self.port),
            "-u",
            user,
            "-N",
            "-B",
        ]
        return self._run(
            [*command, "--default-character-set=utf8mb4", database],
            text=text,
            environment={"MYSQL_PWD": PASSWORD},
        )

    def stop(self, number: int = signal.SIGTERM) -> None:
        """End it."""
        super().stop(number)


@pytest.fixture(scope="session")
def mariadb() -> Iterator[Mariadb]:
    """Run a server for all tests of the session; skip where there can be none."""
    if reason := missing():
        pytest.skip(reason)
    server = Mariadb()
    try:
        server.start()
        yield server
    finally:
        server.close()
