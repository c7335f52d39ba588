"""From the fields of a connection of Airflow to what the child needs to reach its database."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from couture_workflow import settings
from couture_workflow.exceptions import InvalidError

#: Type of a connection -> dialect of the child.
TYPES = {
    "mysql": "mysql",
    "mariadb": "mysql",
    "postgres": "postgresql",
    "postgresql": "postgresql",
    "sqlite": "sqlite",
}

FIELD = "sql.connection"

#: Extras of PostgreSQL that go to its library as they are.
_POSTGRESQL = (
    "sslmode",
    "sslrootcert",
    "sslcert",
    "sslkey",
    "sslpassword",
    "sslcrl",
    "sslnegotiation",
    "ssl_min_protocol_version",
    "channel_binding",
    "gssencmode",
    "krbsrvname",
    "hostaddr",
    "target_session_attrs",
    "keepalives",
    "keepalives_idle",
    "keepalives_interval",
    "keepalives_count",
    "tcp_user_timeout",
    "options",
)
#: Key of the extra ``ssl`` of MySQL -> what the child calls it.
_MYSQL_SSL = {
    "ca": "ssl_ca",
    "cert": "ssl_cert",
    "key": "ssl_key",
    "password": "ssl_key_password",
}
#: ``ssl_mode`` of MySQL -> what the child is told.
_MYSQL_MODES: dict[str, dict[str, bool]] = {
    "DISABLED": {"ssl_disabled": True},
    "PREFERRED": {},
    "REQUIRED": {"ssl_required": True},
    "VERIFY_CA": {"ssl_verify_cert": True},
    "VERIFY_IDENTITY": {"ssl_verify_cert": True, "ssl_verify_identity": True},
}
#: Extras that lead to a log-in which is made elsewhere.
_FOREIGN = ("iam", "azure_conn_id", "redshift")


def dialect_of(conn_id: str, conn_type: str | None) -> str:
    """Return the dialect of a type of connection, or raise ``InvalidError``."""
    if dialect := TYPES.get(conn_type or ""):
        return dialect
    raise InvalidError(
        f"The connection {conn_id} is of the type {conn_type or 'none'}, and a source reads those of the "
        "types mysql, postgres and sqlite. Choose another connection.",
        field=FIELD,
    )


class AirflowConnection(Protocol):
    """What a connection is in Airflow's database, and in a task."""

    conn_type: Any
    host: Any
    login: Any
    schema: Any
    port: Any

    @property
    def password(self) -> Any:
        """Return the password, None without one."""

    @property
    def extra(self) -> Any:
        """Return the extra, a JSON object as text."""


def of(conn_id: str, connection: AirflowConnection) -> dict[str, Any]:
    """Return what ``of_fields`` returns of a connection of Airflow's."""
    return of_fields(
        conn_id,
        connection.conn_type,
        host=connection.host,
        login=connection.login,
        password=connection.password,
        schema=connection.schema,
        port=connection.port,
        extra=connection.extra,
    )


def of_fields(
    conn_id: str,
    conn_type: str | None,
    *,
    host: str | None = None,
    login: str | None = None,
    password: str | None = None,
    schema: str | None = None,
    port: int | None = None,
    extra: str | Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return ``dialect``, ``connect`` and ``seconds`` of a request; the password is for the child alone.

    :param schema: the database.
    :param extra: a JSON object, as text or as it is.
    """
    dialect = dialect_of(conn_id, conn_type)
    extras = _extras(conn_id, extra)
    connect: dict[str, Any] = {"name": conn_id}
    if dialect == "sqlite":
        connect["path"] = _file(conn_id, host or schema or "")
    else:
        connect |= {
            "host": (host or "").strip(),
            "port": port,
            "user": login or "",
            "password": password or "",
            "database": schema or "",
            "options": _options(conn_id, dialect, extras),
        }
    return {"dialect": dialect, "connect": connect, "seconds": settings.eda_sql_seconds()}


def _options(conn_id: str, dialect: str, extras: Mapping[str, Any]) -> dict[str, Any]:
    if foreign := next((name for name in _FOREIGN if extras.get(name)), ""):
        raise InvalidError(
            f"The connection {conn_id} logs in by {foreign}, and a source logs in with user name and "
            "password, or with a certificate. Make a connection of that kind, with a user that may only "
            "read.",
            field=FIELD,
        )
    if dialect == "mysql":
        return _mysql(conn_id, extras)
    found = {name: extras[name] for name in _POSTGRESQL if extras.get(name) not in (None, "")}
    for name, value in found.items():
        if not isinstance(value, str | int):
            raise _odd(conn_id, name, "a text or a number")
    return found


def _mysql(conn_id: str, extras: Mapping[str, Any]) -> dict[str, Any]:
    given = extras.get("ssl") or {}
    if isinstance(given, str):
        given = _extras(conn_id, given)
    if not isinstance(given, Mapping):
        raise _odd(conn_id, "ssl", 'an object such as {"ca": "/path/ca.pem"}')
    found: dict[str, Any] = {
        name: str(given[key]) for key, name in _MYSQL_SSL.items() if given.get(key) not in (None, "")
    }
    mode = str(extras.get("ssl_mode") or "").upper()
    if mode and mode not in _MYSQL_MODES:
        raise _odd(conn_id, "ssl_mode", f"one of {', '.join(_MYSQL_MODES)}")
    if not mode and "ssl_ca" in found:
        mode = "VERIFY_IDENTITY" if given.get("check_hostname") else "VERIFY_CA"
    found |= _MYSQL_MODES.get(mode, {})
    if extras.get("unix_socket"):
        found["unix_socket"] = str(extras["unix_socket"])
    return found


def _extras(conn_id: str, extra: str | Mapping[str, Any] | None) -> Mapping[str, Any]:
    if not extra:
        return {}
    if isinstance(extra, str):
        try:
            extra = json.loads(extra)
        except ValueError as error:
            raise _odd(conn_id, "Extra", "a JSON object") from error
    if not isinstance(extra, Mapping):
        raise _odd(conn_id, "Extra", "a JSON object")
    return extra


def _odd(conn_id: str, name: str, wanted: str) -> InvalidError:
    return InvalidError(
        f"In the connection {conn_id}, {name} must be {wanted}. Correct it under Admin > Connections.",
        field=FIELD,
    )


def _file(conn_id: str, text: str) -> str:
    path = Path(text)
    if not text.startswith("/") or "\0" in text:
        raise InvalidError(
            f"The connection {conn_id} must have the absolute path of a file of SQLite as its host. Correct "
            "it under Admin > Connections.",
            field=FIELD,
        )
    if any(_real(path).is_relative_to(_real(folder)) for folder in _own_folders()):
        raise InvalidError(
            f"The connection {conn_id} leads into the folder of this installation itself, whose files are "
            "no data. Choose another file of SQLite.",
            field=FIELD,
        )
    return text


def _own_folders() -> tuple[Path, ...]:
    from airflow.configuration import AIRFLOW_HOME

    return settings.home(), Path(AIRFLOW_HOME)


def _real(path: Path) -> Path:
    try:
        return path.resolve()
    except (OSError, RuntimeError):
        return path.absolute()
