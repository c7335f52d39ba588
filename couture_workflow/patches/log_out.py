"""The session of Airflow's log-in page, deleted at a log-out (``log-out``)."""

from __future__ import annotations

import logging
from typing import Any

from itsdangerous import BadSignature

from couture_workflow.patches import guard

log = logging.getLogger(__name__)


def delete_session(app: Any, cookie: str) -> None:
    """Delete the session behind a cookie from the database: Airflow only removes the cookie from the browser.

    :param app: the Flask application of Airflow's auth manager, None if it has none.
    """
    interface: Any = getattr(app, "session_interface", None)
    if not hasattr(interface, "sql_session_model"):
        return  # sessions that live in the cookie alone: there is no row to delete
    if not guard.fits("log-out"):
        return
    try:
        with app.app_context():
            interface._delete_session(interface._get_store_id(interface._unsign(app, cookie)))
    except (BadSignature, UnicodeDecodeError):
        log.info("A log-out came with a session cookie that is not ours")
