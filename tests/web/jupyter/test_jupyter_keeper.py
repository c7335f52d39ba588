"""Servers of accounts that are deactivated or gone are ended."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import create_engine
from sqlalchemy.orm import Session
from sqlalchemy.pool import StaticPool

from couture_workflow.services.jupyter.servers import Person
from couture_workflow.web.jupyter import keeper
from tests.api.jupyter.test_api_jupyter import Servers
from tests.support import asynchronous


@pytest.fixture
def audited(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    """Give the accounts ann, who is active, and bob, who is not; return what is audited."""
    from airflow.providers.fab.auth_manager.models import User

    engine = create_engine("sqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False})
    User.metadata.create_all(engine, tables=[User.__table__])

    @contextmanager
    def session(**_: Any) -> Iterator[Session]:
        with Session(engine) as made:
            yield made
            made.commit()

    with session() as made:
        for number, name, active in ((1, "ann", True), (2, "bob", False)):
            given = {"first_name": "x", "last_name": "x", "email": f"{name}@example.org", "password": ""}
            made.add(User(id=number, username=name, active=active, **given))
    rows: list[Any] = []
    monkeypatch.setattr(keeper, "create_session", session)
    monkeypatch.setattr(keeper, "audit", lambda *told, **more: rows.append((*told, more["account"])))
    yield rows
    engine.dispose()


def test_only_servers_of_active_accounts_go_on(audited: list[Any]) -> None:
    servers = Servers()
    for person in (
        Person(number=1, name="ann"),
        Person(number=2, name="bob"),  # deactivated
        Person(number=3, name="eve"),  # deleted
        Person(number=1, name="old ann"),  # the number is another account's now
    ):
        servers.running[person.name] = person

    asynchronous.run(keeper.look(servers))

    assert list(servers.running) == ["ann"]
    assert sorted(audited) == [("jupyter.stop", None, name) for name in ("bob", "eve", "old ann")]


def test_without_servers_no_database_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeper, "gone", None)

    asynchronous.run(keeper.look(Servers()))
