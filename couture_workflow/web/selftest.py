"""What must hold of the running Airflow, checked when the API server starts; if not, our menu is empty.

Airflow only logs a mount that it refuses, and an application mounted before ours may swallow it. The menu
filter depends on the shape of Airflow's list of plugins, which is not promised to stay.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Collection, Iterable
from types import SimpleNamespace
from typing import Any

from starlette.routing import BaseRoute, Match, Mount

from couture_workflow.web import navigation
from couture_workflow.web.paths import APIS, JUPYTER, PAGES

log = logging.getLogger(__name__)


def run(root: Any, *, entries: Collection[str]) -> list[str]:
    """Check a started API server; return the problems, logged, and close the menu if there are any.

    :param root: Airflow's root application.
    :param entries: names of the menu entries of ours.
    """
    problems = [
        *unreachable(root.routes, (PAGES, JUPYTER, *APIS.values())),
        *menu_problems(_plugins(), entries),
    ]
    for problem in problems:
        log.error("Couture Workflow cannot show its menu entries: %s", problem)
    navigation.close(bool(problems))
    return problems


def unreachable(routes: Iterable[BaseRoute], prefixes: Iterable[str]) -> list[str]:
    """Tell which prefixes do not lead to their own mount."""
    problems = []
    for prefix in prefixes:
        scope = {"type": "http", "method": "GET", "path": f"{prefix}/", "root_path": "", "headers": []}
        first = next((route for route in routes if route.matches(scope)[0] is Match.FULL), None)
        if not isinstance(first, Mount) or first.path != prefix:
            other = getattr(first, "path", None) or "no route"
            problems.append(
                f"{prefix}/ leads to {other!r}; Airflow refused the mount or something else covers it"
            )
    return problems


def menu_problems(body: bytes, entries: Collection[str]) -> list[str]:
    """Tell what is wrong with Airflow's list of plugins: entries missing, or still there when filtered."""
    found = navigation.names(body)
    problems = [
        f"the list of plugins does not hold {name!r} with its resource"
        for name in entries
        if name not in found
    ]
    left = navigation.names(navigation.filtered(body, None))
    return problems + [f"the menu filter leaves {name!r} to everybody" for name in left]


def _plugins() -> bytes:
    """Return what Airflow answers about plugins, in bytes, without a request."""
    from airflow.api_fastapi.core_api.routes.public.plugins import get_plugins

    everything: Any = SimpleNamespace(value=None)
    answer = get_plugins(limit=everything, offset=everything)
    return json.dumps(answer.model_dump(mode="json")).encode()
