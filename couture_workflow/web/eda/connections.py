"""Which connections of Airflow a person may use in a source, and what is in their databases."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.auth.managers.models.resource_details import ConnectionDetails
from airflow.models.connection import Connection
from airflow.sdk.exceptions import AirflowNotFoundException
from airflow.utils.session import create_session
from cryptography.fernet import InvalidToken
from sqlalchemy import select

from couture_workflow.exceptions import NotAllowedError, NotFoundError, SecretKeyError
from couture_workflow.services.eda import child, connections


@dataclass(frozen=True)
class Usable:
    """A connection that may be chosen; nothing of it is secret.

    :param type: as Airflow calls it.
    :param place: host or file, and the database.
    """

    id: str
    type: str
    dialect: str
    place: str
    description: str


def listed(user: Any) -> tuple[Usable, ...]:
    """Return the connections that a source can read and the account may read, by their ids."""
    statement = (
        select(
            Connection.conn_id,
            Connection.conn_type,
            Connection.host,
            Connection.port,
            Connection.schema,
            Connection.description,
            Connection.team_name,
        )
        .where(Connection.conn_type.in_(connections.TYPES))
        .order_by(Connection.conn_id)
    )
    with create_session(scoped=False) as session:
        rows = session.execute(statement).all()
    return tuple(
        Usable(
            id=row.conn_id,
            type=row.conn_type,
            dialect=connections.TYPES[row.conn_type],
            place=_place(row.host, row.port, row.schema),
            description=row.description or "",
        )
        for row in rows
        if _may_read(user, row.conn_id, row.team_name)
    )


def demand(user: Any, conn_id: str) -> None:
    """Raise ``NotAllowedError`` if the account may not read a connection; others if no source can."""
    with create_session(scoped=False) as session:
        found = session.execute(
            select(Connection.conn_type, Connection.team_name).where(Connection.conn_id == conn_id)
        ).one_or_none()
    found = found or _elsewhere(conn_id)
    if not _may_read(user, conn_id, found.team_name if found else None):
        raise NotAllowedError(
            f"You may not read the connection {conn_id}, so you cannot use it in a source. An administrator "
            "can give your role the right to read connections, or choose another one."
        )
    if found is None:
        raise NotFoundError(
            f"There is no connection {conn_id} in Airflow, the environment or the secrets backend. Add it "
            "under Admin > Connections, or choose another one."
        )
    connections.dialect_of(conn_id, found.conn_type)


def connect(user: Any, conn_id: str) -> dict[str, Any]:
    """Return ``dialect``, ``connect`` and ``seconds`` for the child, with the password: for no page."""
    demand(user, conn_id)
    with create_session(scoped=False) as session:
        try:
            found = session.scalar(select(Connection).where(Connection.conn_id == conn_id))
            found = found or _elsewhere(conn_id)
            if found is None:
                raise NotFoundError(f"The connection {conn_id} was deleted meanwhile. Choose another one.")
            return connections.of(conn_id, found)
        except InvalidToken as error:
            raise SecretKeyError(
                f"The password of the connection {conn_id} was encrypted with another key than [core] "
                "fernet_key. Set the old key, too, or type the password again under Admin > Connections."
            ) from error


def _elsewhere(conn_id: str) -> Connection | None:
    """Return a connection that the environment or a secrets backend has: these cannot be listed."""
    try:
        return Connection.get_connection_from_secrets(conn_id)
    except AirflowNotFoundException:
        return None


def tables(user: Any, conn_id: str, *, wanted: str = "", schema: str = "") -> dict[str, Any]:
    """Return the schemas of a database with the tables and views whose names have a text in them."""
    source = {"kind": "sql", **connect(user, conn_id), "filter": wanted, "schema": schema}
    return child.ask({"verb": "tables", "source": source})


def columns(user: Any, conn_id: str, *, table: str, schema: str = "") -> dict[str, Any]:
    """Return the columns of one table in the words of its database."""
    source = {"kind": "sql", **connect(user, conn_id), "table": table, "schema": schema}
    return child.ask({"verb": "columns", "source": source})


def _may_read(user: Any, conn_id: str, team: str | None) -> bool:
    # get_authorized_connections asks for the names alone, and gives them to everybody.
    details = ConnectionDetails(conn_id=conn_id, team_name=team)
    return user is not None and bool(
        get_auth_manager().is_authorized_connection(method="GET", details=details, user=user)
    )


def _place(host: str | None, port: int | None, schema: str | None) -> str:
    address = f"{host or ''}{f':{port}' if port else ''}"
    return " / ".join(part for part in (address, schema) if part)
