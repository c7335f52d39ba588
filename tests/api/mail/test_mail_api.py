"""The mail server over REST: settings without the password, a test mail with the server's own words."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.support.api_server import ApiServer
from tests.support.mail import mail_server

MAIL = "/api/mail/"
SECRET = "s3cr3t ü"


def server(port: int, **others: Any) -> dict[str, Any]:
    return {"host": "127.0.0.1", "port": port, "security": "none", "sender": "a@example.org", **others}


@pytest.fixture
def admin(api_server: ApiServer) -> Iterator[httpx.Client]:
    """Return the client of an administrator; no server is named afterwards."""
    client = api_server.client("admin", headers={"X-Requested-With": "tests"})
    yield client
    assert client.put(MAIL, json={"settings": {}}).status_code == 200


def test_what_is_put_is_what_is_read_without_the_password(api_server: ApiServer, admin: httpx.Client) -> None:
    assert admin.get(MAIL).json()["origin"] == ""
    settings = server(2525, user="airflow", password=SECRET)

    saved = admin.put(MAIL, json={"settings": settings})
    read = admin.get(MAIL)

    assert (saved.status_code, saved.json()) == (200, read.json()), saved.text
    assert SECRET not in read.text
    assert read.json()["settings"] == {**settings, "password": "******", "verify": True, "timeout": 30}
    assert read.json()["origin"] == "page"
    again = {"settings": read.json()["settings"]}
    stale = admin.put(MAIL, json=again, headers={"If-Match": '"0123"'})
    assert stale.status_code == 412
    assert admin.put(MAIL, json=again, headers={"If-Match": read.headers["etag"]}).status_code == 200
    elsewhere = admin.put(MAIL, json={"settings": {**settings, "host": "elsewhere", "password": "******"}})
    assert (elsewhere.status_code, elsewhere.json()["field"]) == (422, "password")
    assert SECRET not in str(api_server.sql("select extra from log where event like 'mail.%'"))


@pytest.mark.parametrize(
    ("settings", "field"),
    [
        ({"host": "smtp.example.org"}, "sender"),
        ({"host": "a b", "sender": "a@example.org"}, "host"),
        ({"host": "a'b\"<&>ü", "sender": "a@example.org"}, "host"),
        ({"port": 70_000}, "port"),
        ({"security": "ssl"}, "security"),
        ({"verify": "yes"}, "verify"),
        ({"host": "x", "sender": "nobody"}, "sender"),
        ({"host": "x\n", "sender": "a@b.c", "user": "a\tb"}, "user"),
        ({"hosts": "x"}, "hosts"),
    ],
)
def test_what_cannot_be_is_refused_at_its_field(
    admin: httpx.Client, settings: dict[str, Any], field: str
) -> None:
    refused = admin.put(MAIL, json={"settings": settings})

    assert (refused.status_code, refused.json()["field"]) == (422, field)


def test_a_test_mail_shows_the_servers_own_answer(api_server: ApiServer, admin: httpx.Client) -> None:
    with mail_server(accounts={"airflow": SECRET}) as (port, mails):
        settings = server(port, user="airflow", password=SECRET)
        done = admin.post(f"{MAIL}test", json={"to": "ann@example.org", "settings": settings})
        assert done.json()["ok"] is True, done.text
        assert "250 2.0.0 queued as 4711" in done.json()["message"]
        assert SECRET not in done.text
        assert "> AUTH ******" in done.json()["talk"]

        wrong = {**settings, "password": "wrong"}
        refused = admin.post(f"{MAIL}test", json={"to": "ann@example.org", "settings": wrong}).json()
        assert (refused["ok"], "535 5.7.8 who are you" in refused["message"]) == (False, True)
        several = {"to": "ann@example.org, bob@, a b@c; x@example.org", "settings": settings}
        unsent = admin.post(f"{MAIL}test", json=several)
        assert (unsent.status_code, unsent.json()["field"]) == (422, "to")
        assert '"bob@", "a b@c" are no e-mail addresses. Write each as name@host' in str(unsent.json())
        developer = api_server.client("dev", headers={"X-Requested-With": "tests"})
        assert developer.post(f"{MAIL}test", json={"to": "a@b.c"}).status_code == 403
    assert len(mails) == 1
    assert admin.get(MAIL).json()["origin"] == ""
