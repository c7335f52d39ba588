"""The address of the client in every row of Airflow's audit log (``client-address``)."""

from __future__ import annotations

import json
from contextvars import ContextVar
from typing import Any

from airflow.models.log import Log
from sqlalchemy import event

from couture_workflow.patches import guard

#: Address of the client whose request is served, None outside a request. Set by ``ClientAddressMiddleware``.
client_address: ContextVar[str | None] = ContextVar("couture_client_address", default=None)


def listen() -> None:
    """Add the client's address to every row that this process writes, Airflow's own rows too; idempotent."""
    if guard.fits("client-address") and not event.contains(Log, "before_insert", _add_address):
        event.listen(Log, "before_insert", _add_address)


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
