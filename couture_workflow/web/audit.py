"""Audit rows in Airflow's own log table (*Browse > Audit log*), each with the address of the client."""

from __future__ import annotations

import json
import logging
from typing import Any

from airflow.models.log import Log
from airflow.utils.session import create_session

log = logging.getLogger(__name__)

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


def listen_to_log_ins() -> None:
    """Write a row for each log-in; idempotent."""
    from flask_login import user_logged_in

    user_logged_in.connect(_logged_in)


def _logged_in(_sender: Any, user: Any = None, **_: Any) -> None:
    audit("login", user)
