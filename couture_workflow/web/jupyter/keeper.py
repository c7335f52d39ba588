"""Ends the Jupyter servers of accounts that are deactivated or gone: nobody could open them any more."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable

from airflow.utils.session import create_session
from anyio import to_thread
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from couture_workflow.exceptions import JupyterError
from couture_workflow.services.jupyter.servers import Person, Servers
from couture_workflow.web.audit import audit

log = logging.getLogger(__name__)

#: Seconds between two looks.
INTERVAL = 30.0


async def keep(servers: Callable[[], Servers], *, interval: float = INTERVAL) -> None:
    """Look again and again. Several API servers may look at once."""
    while True:
        await asyncio.sleep(interval)
        try:
            await look(servers())
        except (JupyterError, SQLAlchemyError) as error:
            log.debug("The Jupyter servers of accounts that are gone could not be looked for: %s", error)


async def look(servers: Servers) -> None:
    """Stop the servers of accounts that are deactivated or gone."""
    running = [each.person for each in await servers.listed()]
    if not running:
        return
    for person in await to_thread.run_sync(gone, running):
        await servers.stop(person)
        await to_thread.run_sync(_audit, person)


def _audit(person: Person) -> None:
    audit("jupyter.stop", None, account=person.name, reason="the account is deactivated or gone")


def gone(people: Iterable[Person]) -> list[Person]:
    """Return those whose account is deactivated, deleted, or has another name now."""
    from airflow.providers.fab.auth_manager.models import User

    people = list(people)
    with create_session(scoped=False) as session:
        found = session.execute(
            select(User.id, User.username).where(
                User.id.in_({each.number for each in people}), User.active.is_(True)
            )
        )
        active = {(number, name) for number, name in found}
    return [each for each in people if (each.number, each.name) not in active]
