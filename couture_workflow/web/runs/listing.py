"""The list of runs for an account: what it may see, and what Airflow says of those that seem to go on."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from airflow.api_fastapi.auth.managers.models.base_user import BaseUser
from airflow.models.taskinstance import TaskInstance
from airflow.utils.session import create_session
from sqlalchemy import select

from couture_workflow.exceptions import InvalidError
from couture_workflow.permissions import RUN_DETAILS
from couture_workflow.services.runs import listing
from couture_workflow.services.runs.listing import Page, Wish
from couture_workflow.services.runs.records import RunKey
from couture_workflow.web.asked import count_of, moment_of, text_of
from couture_workflow.web.runs.task_instances import OVER
from couture_workflow.web.security import allowed
from couture_workflow.web.state import store

_MOST_OFFSET = 1_000_000


def page_for(user: BaseUser | None, wish: Wish) -> Page:
    """Return the runs that were asked for, of the DAGs whose run details the account may open."""
    return listing.page(
        store(), wish, may_read=lambda dag_id: allowed(user, RUN_DETAILS, dag_id=dag_id), lost=lost
    )


def wish_of(given: Mapping[str, str]) -> Wish:
    """Return what an address asks for, or raise ``InvalidError`` that names the part which cannot be read."""
    order = given.get("order", "")
    return Wish(
        text=text_of(given, "q"),
        state=listing.checked(given.get("state", ""), listing.STATES, field="state"),
        kind=listing.checked(given.get("kind", ""), listing.KINDS, field="kind"),
        dag_id=text_of(given, "dag_id"),
        user=text_of(given, "user"),
        since=moment_of(given, "since"),
        until=moment_of(given, "until"),
        at_least=_number(given, "at_least"),
        at_most=_number(given, "at_most"),
        sort=listing.checked(given.get("sort", ""), listing.SORTS, field="sort") or "started",
        descending=(listing.checked(order, ("asc", "desc"), field="order") or "desc") == "desc",
        offset=count_of(given, "offset", 0, _MOST_OFFSET),
        limit=max(1, count_of(given, "limit", 50, listing.LARGEST)),
    )


def lost(keys: Collection[RunKey]) -> set[RunKey]:
    """Return those of some recorded tries that Airflow knows to be over, or does not know."""
    query = select(
        TaskInstance.dag_id,
        TaskInstance.run_id,
        TaskInstance.task_id,
        TaskInstance.map_index,
        TaskInstance.try_number,
        TaskInstance.state,
    ).where(TaskInstance.dag_id.in_({key.dag_id for key in keys}))
    query = query.where(TaskInstance.run_id.in_({key.run_id for key in keys}))
    with create_session(scoped=False) as session:
        going_on = {RunKey(*row[:5]) for row in session.execute(query) if row[5] not in OVER}
    return set(keys) - going_on


def _number(given: Mapping[str, str], name: str) -> float | None:
    if not (text := given.get(name, "").strip()):
        return None
    try:
        found = float(text)
    except ValueError:
        found = float("nan")
    if not 0 <= found < 10**10:
        raise InvalidError(f"{name} is {text[:60]!r}: give a number of seconds, such as 90.", field=name)
    return found


__all__ = ["lost", "page_for", "wish_of"]
