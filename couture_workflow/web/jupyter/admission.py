"""Who may go on: asked at each request, and again every few seconds as long as a connection is open."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from anyio import to_thread
from sqlalchemy.exc import SQLAlchemyError

from couture_workflow.exceptions import CoutureError
from couture_workflow.services.jupyter.servers import Person
from couture_workflow.web.jupyter.people import CAN_OPEN, person_of
from couture_workflow.web.security import allowed, user_of_token

log = logging.getLogger(__name__)

#: Seconds between two questions about an open connection.
EVERY = 4.0
#: Seconds after which a connection ends that nobody has said yes to, because the database does not answer.
PATIENCE = 8.0


@dataclass(frozen=True)
class Caller:
    """Who calls.

    :param account: of Airflow, None for nobody.
    :param person: the same, None if JupyterLab is not for the account.
    """

    account: Any
    person: Person | None


async def caller_of(token: str | None) -> Caller:
    """Return who calls with one of Airflow's tokens, as Airflow's database has it now."""
    account = await user_of_token(token)
    if account is None or not await to_thread.run_sync(allowed, account, CAN_OPEN):
        return Caller(account, None)
    return Caller(account, person_of(account))


@dataclass
class _Watch:
    task: asyncio.Task[None]
    connections: int = 0


class Watches:
    """Asks for all open connections of a log-in at once.

    :param ask: tells whether a token is still good for a person.
    """

    def __init__(
        self,
        ask: Callable[[str, Person], Awaitable[bool]],
        *,
        every: float = EVERY,
        patience: float = PATIENCE,
    ) -> None:
        self._ask, self._every, self._patience = ask, every, patience
        self._watches: dict[tuple[str, Person], _Watch] = {}

    @asynccontextmanager
    async def over(self, token: str, person: Person) -> AsyncIterator[asyncio.Task[None]]:
        """Give a task that ends as soon as the person is not welcome any more; others may wait for it too."""
        key = (token, person)
        watch = self._watches.get(key)
        if watch is None or watch.task.done():
            watch = self._watches[key] = _Watch(asyncio.create_task(self._until_unwelcome(token, person)))
        watch.connections += 1
        try:
            yield watch.task
        finally:
            watch.connections -= 1
            if not watch.connections:
                watch.task.cancel()
                if self._watches.get(key) is watch:
                    del self._watches[key]

    async def _until_unwelcome(self, token: str, person: Person) -> None:
        loop = asyncio.get_running_loop()
        good = loop.time()
        while True:
            await asyncio.sleep(self._every)
            asked = loop.time()
            # The question goes on in a thread; a database that hangs holds up this answer, not the decision.
            question = asyncio.ensure_future(self._ask(token, person))
            question.add_done_callback(_forget)
            # Where this process itself was held up, the question still gets its time.
            left = max(good + self._patience - asked, self._patience / 4)
            done, _ = await asyncio.wait({question}, timeout=left)
            if not done:
                log.warning("Whether %s may use JupyterLab could not be asked in time", person.name)
                return
            try:
                if not question.result():
                    return
                good = asked
            except (SQLAlchemyError, CoutureError) as error:
                log.warning("Whether %s may use JupyterLab could not be asked: %s", person.name, error)
                if loop.time() - good > self._patience:
                    return


def _forget(question: asyncio.Future[bool]) -> None:
    if not question.cancelled():
        question.exception()
