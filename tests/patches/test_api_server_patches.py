"""What is changed in the API server: audit rows, static files, permissions of accounts, sessions."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.models.log import Log
from sqlalchemy import create_engine
from sqlalchemy.orm import Session
from starlette.applications import Starlette
from starlette.types import Receive, Scope, Send

from couture_workflow.patches import account_permissions, client_address, log_out, static_files
from tests.support import asynchronous


@pytest.mark.parametrize(
    ("extra", "written"),
    [
        ('{"a": 1}', {"a": 1, "ip": "10.0.0.1"}),
        (None, {"ip": "10.0.0.1"}),
        ("no JSON", {"extra": "no JSON", "ip": "10.0.0.1"}),
        ("[1]", {"extra": [1], "ip": "10.0.0.1"}),
    ],
)
def test_every_row_of_airflows_audit_log_gets_the_address(extra: str | None, written: dict[str, Any]) -> None:
    client_address.listen()
    client_address.listen()  # a second time changes nothing
    engine = create_engine("sqlite://")
    Log.__table__.create(engine)
    token = client_address.client_address.set("10.0.0.1")
    try:
        with Session(engine) as session:
            session.add(Log(event="trigger", extra=extra))
            session.commit()
            found = session.query(Log.extra).scalar()
    finally:
        client_address.client_address.reset(token)

    assert json.loads(found) == written


def test_a_request_comes_to_ours_before_any_middleware_of_the_server() -> None:
    seen: list[str] = []

    def named(name: str, inner: Any) -> Any:
        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            seen.append(name)
            if inner:
                await inner(scope, receive, send)

        return app

    server = Starlette()
    server.middleware_stack = named("theirs", None)
    static_files.put_first(server, lambda inner: named("ours", inner))
    asynchronous.run(server({"type": "http"}, None, None))  # type: ignore[arg-type]

    assert seen == ["ours", "theirs"]


@pytest.mark.parametrize("held", [{("can_read", "DAGs")}, set()])
def test_an_account_carries_the_permissions_and_does_not_look_for_them(held: set[tuple[str, str]]) -> None:
    from airflow.providers.fab.auth_manager.models import User

    account = User(username="ann")
    account_permissions.keep(account, held)

    assert account.perms == (held or {("", "")})


@pytest.mark.filterwarnings("ignore:.*use_signer.*:DeprecationWarning")
def test_the_row_of_a_session_is_deleted_by_its_cookie() -> None:
    from flask import Flask
    from flask_session.sqlalchemy import SqlAlchemySessionInterface
    from flask_sqlalchemy import SQLAlchemy
    from itsdangerous import Signer

    app = Flask("test")
    app.config.update(SECRET_KEY="secret", SQLALCHEMY_DATABASE_URI="sqlite://")
    with app.app_context():
        interface = SqlAlchemySessionInterface(app, client=SQLAlchemy(app), use_signer=True)
        app.session_interface = interface
        interface.client.create_all()
        interface._upsert_session(app.permanent_session_lifetime, {"user": 1}, interface._get_store_id("abc"))
    cookie = Signer("secret", salt="flask-session", key_derivation="hmac").sign(b"abc").decode()

    def rows() -> int:
        with app.app_context():
            return int(interface.sql_session_model.query.count())

    assert rows() == 1
    log_out.delete_session(app, "abc.forged")
    assert rows() == 1
    log_out.delete_session(app, cookie)
    assert rows() == 0


def test_sessions_without_rows_are_left_alone() -> None:
    log_out.delete_session(None, "cookie")
    log_out.delete_session(SimpleNamespace(session_interface=object()), "cookie")
