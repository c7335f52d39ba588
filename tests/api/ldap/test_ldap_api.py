"""The REST API of log-in by a directory, called as programs call it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from couture_workflow.services.ldap import configuration
from couture_workflow.services.ldap.fields import FIELDS, PASSWORD
from tests.support.api_server import ApiServer
from tests.support.directory_settings import SETTINGS

LDAP = "/api/ldap/"
SECRET = "s3cr3t-of-the-directory"
GOOD: dict[str, Any] = {
    **SETTINGS,
    "LOCAL_ACCOUNTS": ["admin"],
    PASSWORD: SECRET,
}


@pytest.fixture
def admin(api_server: ApiServer) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=api_server.url, auth=("admin", "admin"), timeout=60) as client:
        yield client
    configuration.choose_database(api_server.store(), user="tests")


def test_what_is_put_is_what_is_read_without_the_password(admin: httpx.Client) -> None:
    saved = admin.put(LDAP, json={"settings": GOOD, "message": "By program"})
    read = admin.get(LDAP)

    assert (saved.status_code, read.status_code) == (200, 200), saved.text
    assert saved.json() == read.json()
    body = read.json()
    assert SECRET not in read.text
    assert body["settings"] | {PASSWORD: SECRET} == body["settings"] | GOOD
    assert set(body["settings"]) == {field.name for field in FIELDS}
    assert (body["log_in"], body["pending"], body["problem"]) == ("database", True, "")
    assert read.headers["etag"] == f'"{body["commit"]}"'
    newest = admin.get(LDAP + "history").json()[0]
    assert (newest["commit"], newest["author"], newest["message"]) == (body["commit"], "admin", "By program")
    assert admin.get(LDAP, params={"commit": body["commit"]}).json() == body


def test_what_is_read_can_be_put_back(admin: httpx.Client) -> None:
    admin.put(LDAP, json={"settings": GOOD})
    before = admin.get(LDAP).json()
    again = admin.put(
        LDAP, json={"settings": before["settings"]}, headers={"If-Match": f'"{before["commit"]}"'}
    )
    assert (again.status_code, again.json()["commit"]) == (200, before["commit"])


def test_version_that_is_not_the_present_one_is_refused(admin: httpx.Client) -> None:
    first = admin.put(LDAP, json={"settings": GOOD}).json()["commit"]
    admin.put(LDAP, json={"settings": {**GOOD, "LDAP_TIMEOUT": 7}})
    answer = admin.put(LDAP, json={"settings": GOOD}, headers={"If-Match": f'"{first}"'})
    assert (answer.status_code, answer.json()["error"]) == (412, "conflict")


@pytest.mark.parametrize(
    ("others", "field"),
    [
        ({"AUTH_LDAP_SERVER": "ldaps://a"}, "AUTH_LDAP_USE_TLS"),
        ({"AUTH_LDAP_SEARCH_FILTER": "(a=b"}, "AUTH_LDAP_SEARCH_FILTER"),
        ({"LOCAL_ACCOUNTS": ["nobody-at-all"]}, "LOCAL_ACCOUNTS"),
        ({"LOCAL_ACCOUNTS": ["viewer"]}, "LOCAL_ACCOUNTS"),
        ({"AUTH_ROLES_MAPPING": {"cn=a,dc=x": ["Gone"]}}, "AUTH_ROLES_MAPPING"),
        ({"AUTH_LDAP_SERVR": "x"}, "AUTH_LDAP_SERVR"),
        ({"AUTH_LDAP_USE_TLS": "yes"}, "AUTH_LDAP_USE_TLS"),
        ({PASSWORD: 5}, PASSWORD),
        ({PASSWORD: "x" * 2000}, PASSWORD),
    ],
)
def test_settings_that_are_wrong_are_refused_by_name(
    admin: httpx.Client, others: dict[str, Any], field: str
) -> None:
    before = admin.get(LDAP).json()["commit"]
    answer = admin.put(LDAP, json={"settings": {**GOOD, **others}})
    assert (answer.status_code, answer.json()["field"]) == (422, field)
    assert answer.json()["detail"].endswith(".")
    assert admin.get(LDAP).json()["commit"] == before


def test_validate_lists_all_that_is_wrong(admin: httpx.Client) -> None:
    settings = {**GOOD, "AUTH_LDAP_SERVER": "ldaps://a", "AUTH_LDAP_SEARCH": "x"}
    answer = admin.post(LDAP + "validate", json={"settings": settings}).json()
    assert not answer["valid"]
    fields = [problem["field"] for problem in answer["problems"]]
    assert fields == ["AUTH_LDAP_USE_TLS", "AUTH_LDAP_SEARCH"]
    assert admin.post(LDAP + "validate", json={"settings": GOOD}).json() == {"valid": True, "problems": []}


def test_trial_of_a_directory_that_is_down_is_an_answer(admin: httpx.Client) -> None:
    settings = {**GOOD, "AUTH_LDAP_SERVER": "ldap://127.0.0.1:1"}
    body = {"settings": settings, "username": "alice", "password": "p4ssw0rd"}
    answer = admin.post(LDAP + "test", json=body)
    assert answer.status_code == 200, answer.text
    assert not answer.json()["ok"]
    assert answer.json()["steps"][-1]["name"] == "connection"
    assert "p4ssw0rd" not in answer.text
    assert admin.post(LDAP + "test", json={"username": " ", "password": "x"}).status_code == 422
    assert admin.post(LDAP + "test", json={"username": "x"}).status_code == 422
