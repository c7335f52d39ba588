"""Something of ours around all of Airflow's middlewares, for static files (``static-files``)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from starlette.types import ASGIApp

from couture_workflow.patches import guard


def put_first(root: Any, around: Callable[[ASGIApp], ASGIApp]) -> None:
    """Let every request come to an application of ours first.

    Airflow puts the middlewares of plugins inside its own. One of these reads the database for each request
    with a cookie, that for a static file included.

    :param root: Airflow's root application, started.
    :param around: makes the application around another one.
    """
    if guard.fits("static-files"):
        root.middleware_stack = around(root.middleware_stack)
