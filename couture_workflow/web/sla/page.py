"""What page and REST API share: the list for an account, and the notes that it may write."""

from __future__ import annotations

from collections.abc import Mapping

from airflow.api_fastapi.auth.managers.models.base_user import BaseUser

from couture_workflow.exceptions import NotFoundError
from couture_workflow.permissions import RUN_DETAILS
from couture_workflow.services.runs import listing as run_listing
from couture_workflow.services.sla import listing, misses, notes
from couture_workflow.services.sla.listing import Page, Wish
from couture_workflow.services.sla.notes import Note
from couture_workflow.web.asked import count_of, moment_of, text_of
from couture_workflow.web.audit import audit
from couture_workflow.web.security import allowed, allowed_on_dag, demand_on_dag
from couture_workflow.web.state import store

_MOST_OFFSET = 1_000_000


def wish_of(given: Mapping[str, str], *, limit: int = 50, most: int = listing.LARGEST) -> Wish:
    """Return what an address asks for, or raise ``InvalidError`` that names the part which cannot be read.

    :param limit: rows, if it says nothing of them; ``most`` that it may ask for.
    """
    return Wish(
        text=text_of(given, "q"),
        dag_id=text_of(given, "dag_id"),
        notified=run_listing.checked(given.get("notified", ""), listing.NOTIFIED, field="notified"),
        documented=run_listing.checked(given.get("documented", ""), listing.DOCUMENTED, field="documented"),
        since=moment_of(given, "since"),
        until=moment_of(given, "until"),
        offset=count_of(given, "offset", 0, _MOST_OFFSET),
        limit=max(1, count_of(given, "limit", limit, most)),
    )


def file_for(user: BaseUser | None, given: Mapping[str, str]) -> str:
    """Return what an address asks for as CSV."""
    return listing.as_csv(page_for(user, wish_of(given, limit=listing.MOST, most=listing.MOST)).rows)


def page_for(user: BaseUser | None, wish: Wish) -> Page:
    """Return the misses that were asked for, of the DAGs whose task instances the account may read."""
    return listing.page(store(), wish, may_read=lambda dag_id: allowed(user, RUN_DETAILS, dag_id=dag_id))


def may_note(user: BaseUser | None, dag_id: str) -> bool:
    """Tell whether an account may write a note: as Airflow asks for one of a task instance."""
    return allowed_on_dag(user, "PUT", dag_id, entity="TASK_INSTANCE")


def note(user: BaseUser, identity: str, *, text: object, done: object, base: object = None) -> Note:
    """Keep a note of a miss; ``NotFoundError`` for one of a DAG that the account may not read.

    :param base: when the note was written that the writer knows, "" for none; None: whatever it is.
    """
    miss = misses.get(store(), identity)
    if not allowed(user, RUN_DETAILS, dag_id=miss.dag_id):
        raise NotFoundError("There is no such miss of an SLA; its record may have been removed by now.")
    if not may_note(user, miss.dag_id):
        demand_on_dag(user, "PUT", miss.dag_id, purpose="To write a note")
    made = notes.write(store(), miss, text=text, done=done, by=str(user.get_name()), base=base)
    audit("sla_miss.note", user, dag_id=miss.dag_id, run_id=miss.run_id, done=made.done, text=made.text[:500])
    return made
