"""The calls of the page of log-in by a directory: check, save, conflict, history, restore; who sees what."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from couture_workflow.services.ldap import configuration
from couture_workflow.services.ldap.fields import FIELDS, PASSWORD
from couture_workflow.store.home import Store
from tests.support.api_server import ApiServer
from tests.support.directory_settings import SETTINGS

PAGE = "/couture/ldap-configuration"
SECRET = "s3cr3t 'of' \"the\" <directory>&ü"
HOSTILE = "cn=a'b\"<&>ü,dc=x"

GOOD: dict[str, Any] = {
    **SETTINGS,
    "LOCAL_ACCOUNTS": ["admin"],
    PASSWORD: SECRET,
    "AUTH_ROLES_MAPPING": {HOSTILE: ["Admin"]},
}


class Person:
    """Somebody with the page open."""

    def __init__(self, server: ApiServer, address: str = "/", account: str = "admin") -> None:
        self.client: httpx.Client = server.client(account)
        self.text = self.client.get(PAGE + address).text
        self.headers = {"X-CSRFToken": re.findall(r'name="csrf-token" content="([^"]+)"', self.text)[0]}
        found = re.findall(r'data-state="([^"]+)"', self.text)
        self.state: dict[str, Any] = json.loads(html.unescape(found[0])) if found else {}

    def call(self, verb: str, values: dict[str, Any], **more: Any) -> httpx.Response:
        body = {"base": self.state.get("base"), "values": values, **more}
        return self.client.post(f"{PAGE}/{verb}", json=body, headers=self.headers)

    def save(self, **others: Any) -> str:
        answer = self.call("save", {**GOOD, **others})
        assert answer.status_code == 200, answer.text
        self.state["base"] = answer.json()["commit"]
        return str(self.state["base"])


@pytest.fixture
def person(api_server: ApiServer) -> Iterator[Person]:
    yield Person(api_server)
    configuration.choose_database(api_server.store(), user="tests")


def test_page_has_every_setting_with_its_name_and_its_place_for_what_is_wrong(person: Person) -> None:
    for field in FIELDS:
        assert f'id="{field.name}"' in person.text
        assert f'id="{field.name}-error"' in person.text
        assert f">{field.name}</code>" in person.text
    assert set(person.state["values"]) == {field.name for field in FIELDS}
    assert "docs" not in person.state
    assert person.state["presets"]["active-directory"]["AUTH_LDAP_UID_FIELD"] == "sAMAccountName"


def test_saved_password_never_reaches_the_browser(
    person: Person, api_server: ApiServer, store: Store
) -> None:
    commit = person.save()

    shown = Person(api_server)
    assert shown.state["values"][PASSWORD] == "******"
    assert shown.state["values"]["AUTH_ROLES_MAPPING"] == {HOSTILE: ["Admin"]}
    history = shown.client.get(PAGE + "/history").text
    changes = shown.client.get(f"{PAGE}/history/{commit}").json()
    checked = shown.call("check", shown.state["values"]).json()
    assert checked["changes"] == []
    for text in (shown.text, history, json.dumps(changes), json.dumps(checked)):
        assert "s3cr3t" not in html.unescape(text)
    assert configuration.password(store, configuration.read(store)) == SECRET
    assert "Saved, not yet applied" in shown.text
    rows = api_server.sql("select extra from log where event = 'ldap_configuration.save'")
    assert rows
    assert "s3cr3t" not in str(rows)


def test_check_names_each_field_that_is_wrong_and_what_would_change(person: Person) -> None:
    answer = person.call(
        "check",
        {
            **GOOD,
            "AUTH_LDAP_SERVER": "ldaps://a",
            "AUTH_USER_REGISTRATION_ROLE": "Gone",
            "LOCAL_ACCOUNTS": ["x"],
        },
    ).json()

    wrong = {problem["field"]: problem["message"] for problem in answer["problems"]}
    assert list(wrong) == ["LOCAL_ACCOUNTS", "AUTH_LDAP_USE_TLS", "AUTH_USER_REGISTRATION_ROLE"]
    assert "active administrator" in wrong["LOCAL_ACCOUNTS"]
    assert "There is no role 'Gone'" in wrong["AUTH_USER_REGISTRATION_ROLE"]
    assert {"AUTH_TYPE", PASSWORD, "AUTH_LDAP_SERVER"} <= {change["name"] for change in answer["changes"]}
    refused = person.call("save", {**GOOD, "AUTH_LDAP_SERVER": "ldaps://a"})
    assert (refused.status_code, refused.json()["field"]) == (422, "AUTH_LDAP_USE_TLS")


def test_password_is_not_sent_to_another_server(person: Person) -> None:
    person.save()
    refused = person.call("save", {**GOOD, PASSWORD: "******", "AUTH_LDAP_SERVER": "ldap://evil.example.com"})
    assert (refused.status_code, refused.json()["field"]) == (422, PASSWORD)


def test_save_that_comes_second_is_told(person: Person, api_server: ApiServer) -> None:
    person.save()
    other = Person(api_server)
    other.save(LDAP_TIMEOUT=3)

    answer = person.call("save", {**GOOD, "LDAP_TIMEOUT": 4})

    assert (answer.status_code, answer.json()["error"]) == (409, "conflict")


def test_earlier_version_opens_for_review_with_the_present_password(
    person: Person, api_server: ApiServer
) -> None:
    first = person.save(LDAP_TIMEOUT=3)
    newest = person.save(LDAP_TIMEOUT=4)

    restored = Person(api_server, f"/?restore={first}")

    assert restored.state["base"] == newest
    assert restored.state["values"]["LDAP_TIMEOUT"] == 3
    assert restored.state["values"][PASSWORD] == "******"
    assert "data-restored" in restored.text
    assert person.client.get(f"{PAGE}/?restore={'0' * 40}").status_code == 404


def test_test_needs_a_name_and_tells_what_is_wrong(person: Person) -> None:
    for body, field in (({"username": "", "password": "x"}, "username"), ({"username": "a"}, "password")):
        answer = person.call("test", GOOD, **body)
        assert (answer.status_code, answer.json()["field"]) == (422, field)
    empty = person.call("test", {"AUTH_TYPE": "database"}, username="alice", password="x")
    assert (empty.status_code, empty.json()["field"]) == (422, "AUTH_LDAP_SERVER")
    odd = person.call("test", {**GOOD, "AUTH_LDAP_SEARCH_FILTER": "(a=b"}, username="alice", password="x")
    assert (odd.status_code, odd.json()["field"]) == (422, "AUTH_LDAP_SEARCH_FILTER")


@pytest.mark.parametrize("account", ["dev", "op", "user", "viewer", "nobody"])
def test_page_is_for_administrators_alone(api_server: ApiServer, account: str) -> None:
    assert api_server.client(account).get(PAGE + "/").status_code == 403


def test_who_may_read_sees_the_settings_and_no_form(person: Person, api_server: ApiServer) -> None:
    person.save()
    api_server.add_account("ldap-reader", ("can_read", "LDAP Configuration"))
    try:
        text = api_server.client("ldap-reader").get(PAGE + "/").text
    finally:  # other tests of this server look at who may what
        roles = "select id from ab_role where name = 'ldap-reader'"
        api_server.sql(f"delete from ab_permission_view_role where role_id in ({roles})")
    assert "ldap.example.com" in text
    assert "<form" not in text
    assert HOSTILE not in text
    assert HOSTILE in html.unescape(text)
