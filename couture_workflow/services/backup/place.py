"""Which installation a backup is of, or goes to: its home, its database, its keys.

An embedded workbench has all of it below its home, but for a database server that it may use. Any other one
is what this process's Airflow is configured with; in a container its keys are files on volumes of their
own.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from couture_workflow.exceptions import InvalidError
from couture_workflow.services.containers import secrets as container_secrets
from couture_workflow.services.workbench import airflow_settings as embedded_settings
from couture_workflow.services.workbench import embedded, server_address
from couture_workflow.services.workbench.airflow_settings import Layout

#: Key -> where a container has it.
CONTAINER_KEYS = {"fernet_key": "airflow/fernet_key", "secret_key": "worker/secret_key"}

_DRIVERS = {"sqlite": "sqlite", "mysql": "mysql", "mariadb": "mysql", "postgresql": "postgresql"}


@dataclass(frozen=True)
class Place:
    """An installation.

    :param url: SQLAlchemy's address of its database.
    """

    home: Path
    url: str
    embedded: bool

    @property
    def kind(self) -> str:
        """Return "sqlite", "mysql" or "postgresql"."""
        driver = self.url.partition(":")[0].partition("+")[0]
        if driver not in _DRIVERS:
            raise InvalidError(
                f"A database of the kind {driver} is backed up by its own tools: couture-workflow backup and "
                "restore know SQLite, MySQL and PostgreSQL."
            )
        return _DRIVERS[driver]

    @property
    def database(self) -> Path:
        """Return the file of an SQLite database."""
        return Path(self.url.partition("://")[2].partition("?")[0].removeprefix("/"))

    @property
    def layout(self) -> Layout:
        """Return where an embedded workbench keeps what."""
        return Layout(self.home)

    def environment(self, *, url: str = "") -> dict[str, str]:
        """Return the environment of a process that works on this installation.

        :param url: another database.
        """
        found = (
            embedded_settings.environment(self.layout, base=os.environ) if self.embedded else dict(os.environ)
        )
        if self.server:
            found["AIRFLOW__DATABASE__SQL_ALCHEMY_CONNECT_ARGS"] = (
                "couture_workflow.settings.SERVER_CONNECT_ARGS"
            )
        return found | {"AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": url or self.url}

    def keys(self) -> dict[str, str]:
        """Return the keys that the database and the store are encrypted with."""
        if self.embedded:
            path = self.layout.keys / "fernet_key"
            fernet = path.read_text(encoding="utf-8").strip() if path.is_file() else ""
        else:
            fernet = _configured("core", "fernet_key")
        return {"fernet_key": fernet, "secret_key": _configured("couture_workflow", "secret_key") or fernet}

    @property
    def server(self) -> server_address.Address | None:
        """Return the address of an embedded workbench's database server."""
        return server_address.parse(self.url) if self.embedded and self.kind != "sqlite" else None

    def key_files(self) -> dict[str, Path]:
        """Return where the keys are kept, as far as they are files that may be replaced."""
        if self.embedded:
            return {"fernet_key": self.layout.keys / "fernet_key"}
        root = container_secrets.ROOT
        return {name: path for name, file in CONTAINER_KEYS.items() if (path := root / file).is_file()}


def existing(home: Path | None) -> Place:
    """Return the installation that a command is called for; it must be there."""
    root = embedded.existing_store(home).root
    if Layout(root).config.is_file():
        return _embedded(root)
    return Place(root, _configured("database", "sql_alchemy_conn"), embedded=False)


def target(home: Path | None, *, embedded_backup: bool) -> Place:
    """Return the installation that is restored to; it may be new.

    :param embedded_backup: whether the backup is of an embedded workbench.
    """
    from_airflow = home is None and "COUTURE_HOME" not in os.environ
    if from_airflow and any(
        name in os.environ for name in ("AIRFLOW__COUTURE_WORKFLOW__HOME", "AIRFLOW_HOME")
    ):
        from couture_workflow import settings

        root = Path(settings.home()).absolute()
    else:
        root = home or embedded.default_home()
    if Layout(root).config.is_file() or (embedded_backup and not from_airflow) or not _has_airflow():
        embedded_settings.use(Layout(root))
        return _embedded(root)
    return Place(root, _configured("database", "sql_alchemy_conn"), embedded=False)


def _embedded(root: Path) -> Place:
    address = server_address.wanted(Layout(root), os.environ)
    url = address.text if address else f"sqlite:///{Layout(root).database}"
    return Place(root, url, embedded=True)


def _has_airflow() -> bool:
    return any(name.startswith(("AIRFLOW_HOME", "AIRFLOW__DATABASE__")) for name in os.environ)


def _configured(section: str, option: str) -> str:
    from airflow.configuration import conf

    return str(conf.get(section, option, fallback="") or "").strip()
