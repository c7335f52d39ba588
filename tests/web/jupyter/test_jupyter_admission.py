"""How long an open connection goes on when its person may not, or when nobody can tell."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy.exc import OperationalError

from couture_workflow.services.jupyter.servers import Person
from couture_workflow.web.jupyter.admission import Watches
from tests.support import asynchronous

ANN = Person(number=1, name="ann")


class Asked:
    """Answers questions, and counts them."""

    def __init__(self, *answers: bool | Exception) -> None:
        self._answers = list(answers)
        self.count = 0

    async def __call__(self, token: str, person: Person) -> bool:
        self.count += 1
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


def _lost() -> OperationalError:
    return OperationalError("select", {}, Exception("the database is away"))


async def _ends(watches: Watches, *, within: float = 10) -> bool:
    async with watches.over("token", ANN) as unwelcome:
        done, _ = await asyncio.wait({unwelcome}, timeout=within)
        return bool(done)


async def _ends_before(watches: Watches, asked: Asked, count: int) -> bool:
    """Tell whether it ends before it was asked for so often."""
    async with watches.over("token", ANN) as unwelcome:
        while asked.count < count and not unwelcome.done():
            await asyncio.wait({unwelcome}, timeout=0.01)
        return unwelcome.done()


def test_it_ends_with_the_first_no() -> None:
    asked = Asked(True, True, False)

    assert asynchronous.run(_ends(Watches(asked, every=0.01)))
    assert asked.count == 3


def test_a_database_that_is_away_for_a_moment_ends_nothing() -> None:
    asked = Asked(True, _lost(), True)

    assert not asynchronous.run(_ends_before(Watches(asked, every=0.01), asked, 10))


def test_a_database_that_stays_away_ends_it() -> None:
    assert asynchronous.run(_ends(Watches(Asked(_lost()), every=0.01, patience=0.1)))


def test_a_database_that_never_answers_ends_it() -> None:
    async def never(_token: str, _person: Person) -> bool:
        await asyncio.Event().wait()
        return True

    assert asynchronous.run(_ends(Watches(never, every=0.01, patience=0.1)))


def test_all_connections_of_a_log_in_ask_once() -> None:
    asked = Asked(True)
    watches = Watches(asked, every=0.05)

    async def many() -> int:
        async with asyncio.TaskGroup() as group:
            for _ in range(20):
                group.create_task(_ends(watches, within=0.5))
        return asked.count

    assert asynchronous.run(many()) <= 11


@pytest.mark.parametrize("other", [("other token", ANN), ("token", Person(number=2, name="bob"))])
def test_another_log_in_is_asked_for_itself(other: tuple[str, Person]) -> None:
    async def ask(token: str, person: Person) -> bool:
        return (token, person) == ("token", ANN)

    async def both() -> tuple[bool, bool]:
        watches = Watches(ask, every=0.01)
        async with watches.over("token", ANN) as good, watches.over(*other) as bad:
            await asyncio.wait({bad}, timeout=10)
            return good.done(), bad.done()

    assert asynchronous.run(both()) == (False, True)
