"""The page of Kerberos: what an administrator is shown, escaped and without any key."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator

import pytest

from couture_workflow.services.kerberos import configuration, keytabs
from couture_workflow.store.home import Store
from tests.support.api_server import ApiServer
from tests.support.keytabs import RC4, keytab, record

PAGE = "/couture/kerberos-configuration/"
HOSTILE = "a'b\"<&>ü"


@pytest.fixture
def filled(store: Store) -> Iterator[Store]:
    """The server's store with two keytabs, one of them not to be read, and a krb5.conf."""
    content = keytab([record(HOSTILE, kvno=4, key=b"K" * 32), record(HOSTILE, kvno=4, kind=RC4)])
    keytabs.upload(store, "view-etl", content, user=HOSTILE)
    keytabs.make_default(store, "view-etl")
    store.secrets.put(f"{keytabs.PREFIX}view-bad", b"{}")
    base = configuration.read(store).commit
    configuration.save(
        store, f"{configuration.TEMPLATE}# {HOSTILE}\n", user="ann", base=base, message=HOSTILE
    )
    yield store
    for name in ("view-etl", "view-bad"):
        store.secrets.delete(keytabs.PREFIX + name)


def text_of(answer: str) -> str:
    return html.unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", answer)))


def test_keytabs_and_text_are_shown_without_a_key(api_server: ApiServer, filled: Store) -> None:
    answer = api_server.client("admin").get(PAGE).text
    shown = text_of(answer)

    assert f"{HOSTILE}@LAB.TEST" in shown
    assert "version 4, aes256-cts-hmac-sha1-96" in shown
    assert re.search(r"arcfour-hmac +weak", shown)
    assert "view-bad Cannot be read" in shown
    assert f"by {HOSTILE}" in shown
    assert HOSTILE not in answer
    assert "KKKK" not in answer
    state = json.loads(html.unescape(re.findall(r'id="text"[^>]*data-state="([^"]+)"', answer, re.DOTALL)[0]))
    assert state["saved"] == state["text"] == configuration.read(filled).text
    assert state["commit"] == configuration.read(filled).commit


def test_an_earlier_version_is_opened_to_be_reviewed(api_server: ApiServer, filled: Store) -> None:
    first = configuration.read(filled)
    configuration.save(filled, "[libdefaults]\n rdns = false\n", user="bob", base=first.commit)
    client = api_server.client("admin")

    answer = client.get(PAGE, params={"restore": first.commit or ""}).text
    history = client.get(f"{PAGE}history").text

    state = json.loads(html.unescape(re.findall(r'id="text"[^>]*data-state="([^"]+)"', answer, re.DOTALL)[0]))
    assert (state["text"], state["changed"]) == (first.text, True)
    assert state["saved"] == "[libdefaults]\n rdns = false\n"
    assert f"restore={first.commit}" in history
    assert HOSTILE in text_of(history)
    assert client.get(PAGE, params={"restore": "x"}).status_code == 404


@pytest.mark.parametrize("account", ["dev", "op", "user", "viewer"])
def test_nobody_else_sees_the_page(api_server: ApiServer, filled: Store, account: str) -> None:
    client = api_server.client(account)

    assert client.get(PAGE).status_code == 403
    assert client.get(f"{PAGE}history").status_code == 403


@pytest.fixture
def reader(api_server: ApiServer) -> Iterator[str]:
    """An account that may read the page and nothing else."""
    name = "kerberos-reader"
    api_server.add_account(name, ("can_read", "Kerberos Configuration"))
    yield name
    (role,) = api_server.sql("select id from ab_role where name = ?", name)[0]
    api_server.sql("delete from ab_permission_view_role where role_id = ?", role)


def test_whoever_may_only_read_gets_no_buttons(api_server: ApiServer, filled: Store, reader: str) -> None:
    answer = api_server.client(reader).get(PAGE).text

    assert f"{HOSTILE}@LAB.TEST" in text_of(answer)
    assert "default_realm = EXAMPLE.ORG" in text_of(answer)
    for button in ("data-test", "data-delete", 'id="upload"', 'id="text"'):
        assert button not in answer
