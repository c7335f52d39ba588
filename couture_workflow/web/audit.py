"""Audit rows in Airflow's own log table (*Browse > Audit log*), each with the address of the client."""

from __future__ import annotations

import json
import logging
from contextvars import ContextVar
from typing import Any

from airflow.models.log import Log
from airflow.utils.session import create_session
from sqlalchemy import event

log = logging.getLogger(__name__)

#: Address of the client whose request is served, None outside a request. Set by ``ClientAddressMiddleware``.
client_address: ContextVar[str | None] = ContextVar("couture_client_address", default=None)

_EVENT_LENGTH = 60  # what the column holds


def audit(event_name: str, user: Any, /, **extra: Any) -> None:
    """Write one row: who did what. Secrets in ``extra`` are masked by the caller.

    :param event_name: such as ``spark_configuration.save``; at most 60 characters.
    :param user: an account of Airflow, or None for nobody.
    """
    name = str(user.get_name()) if user is not None else "anonymous"
    with create_session(scoped=False) as session:
        session.add(
            Log(
                event=event_name[:_EVENT_LENGTH],
                owner=name,
                owner_display_name=name,
                extra=json.dumps(extra, default=str),
            )
        )


def listen() -> None:
    """Add the client's address to every row that this process writes, Airflow's own rows too; idempotent."""
    if not event.contains(Log, "before_insert", _add_address):
        event.listen(Log, "before_insert", _add_address)
    _listen_to_log_ins()


def _add_address(_mapper: Any, _connection: Any, row: Log) -> None:
    if not (address := client_address.get()):
        return
    try:
        extra = json.loads(row.extra) if row.extra else {}
    except ValueError:
        extra = {"extra": row.extra}
    if not isinstance(extra, dict):
        extra = {"extra": extra}
    row.extra = json.dumps({**extra, "ip": address})


def _listen_to_log_ins() -> None:
    from flask_login import user_logged_in

    user_logged_in.connect(_logged_in)


def _logged_in(_sender: Any, user: Any = None, **_: Any) -> None:
    audit("login", user)
