"""Log-in to a real API server whose directory is a real slapd: form, tokens, roles, faults, the way back."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import httpx
import pytest

from couture_workflow.cli import main
from couture_workflow.services.ldap import applied, configuration, library
from couture_workflow.services.ldap import document as ldap_document
from couture_workflow.services.ldap.document import Document
from couture_workflow.services.workbench import doctor
from tests.services.slapd import ADMINS, GROUPS, HOSTILE, SERVICE_PASSWORD, Slapd, dn_of, password
from tests.support.api_server import ApiServer

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not library.is_installed(), reason="needs python-ldap"),
]


@pytest.fixture(scope="module")
def server(slapd: Slapd, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    """Run an API server that starts with the settings."""
    running = ApiServer(tmp_path_factory.mktemp("ldap server"), workers=1)
    document = Document(ldap_document.normal(slapd.settings()))
    configuration.save(running.store(), document, typed=SERVICE_PASSWORD, user="ann", base=None)
    try:
        running.start()
        yield running
    finally:
        running.stop()


def token(server: ApiServer, name: str, typed: str) -> int:
    answer = httpx.post(f"{server.url}/auth/token", json={"username": name, "password": typed}, timeout=60)
    return answer.status_code


def form(server: ApiServer, name: str, typed: str) -> httpx.Client | None:
    """Log in by the form; return the person's client, None for who is refused."""
    client = httpx.Client(base_url=server.url, timeout=60)
    page = client.get("/auth/login/")
    assert page.status_code == 200
    found = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', page.text)
    data = {"username": name, "password": typed, "csrf_token": found[1] if found else ""}
    answer = client.post("/auth/login/", data=data)
    assert answer.status_code == 302, answer.text
    return client if "_token" in client.cookies else None


def roles(server: ApiServer, name: str) -> set[str]:
    rows = server.sql(
        "select r.name from ab_role r join ab_user_role ur on ur.role_id = r.id "
        "join ab_user u on u.id = ur.user_id where u.username = ?",
        name,
    )
    return {row[0] for row in rows}


def test_person_logs_in_by_form_and_token_with_the_roles_of_the_groups(server: ApiServer) -> None:
    assert token(server, "alice", password("alice")) == 201
    assert roles(server, "alice") == {"Admin", "User"}
    client = form(server, "alice", password("alice"))
    assert client is not None
    assert client.get("/couture/ldap-configuration/").status_code == 200

    assert form(server, "carol", password("carol")) is not None
    assert roles(server, "carol") == {"Viewer"}
    row = server.sql("select first_name, last_name, email from ab_user where username = 'carol'")
    assert row == [("Carol", "Lab", "u6361726f6c@lab.test")]


def test_wrong_password_is_refused(server: ApiServer) -> None:
    assert token(server, "alice", "wrong") == 401
    assert form(server, "alice", "wrong") is None
    assert token(server, "nobody at all", "x") == 401


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_name_is_itself_alone(server: ApiServer, name: str) -> None:
    assert token(server, name, password("alice")) == 401
    assert form(server, name, password("alice")) is None
    assert token(server, name, password(name)) == 201
    assert roles(server, name) == {"Viewer"}


def test_blank_before_a_name_is_no_error(server: ApiServer) -> None:
    assert token(server, " bob", password("bob")) == 201
    assert form(server, " bob ", password("bob")) is not None
    assert server.sql("select username from ab_user where username like '%bob%'") == [("bob",)]


def test_roles_follow_the_groups_at_the_next_log_in(server: ApiServer, slapd: Slapd) -> None:
    change = f"dn: {ADMINS}\nchangetype: modify\n{{}}: member\nmember: {dn_of('frank')}\n"
    slapd.change(change.format("add"))
    assert token(server, "frank", password("frank")) == 201
    assert roles(server, "frank") == {"Admin"}

    slapd.change(change.format("delete"))
    assert token(server, "frank", password("frank")) == 201
    assert roles(server, "frank") == {"Viewer"}


def test_local_administrator_gets_in_whatever_the_directory_does(server: ApiServer, slapd: Slapd) -> None:
    def both() -> None:
        assert token(server, "admin", "admin") == 201
        assert form(server, "admin", "admin") is not None

    both()
    with slapd.silent():
        both()
    with slapd.down():
        both()
    # The directory has an admin, too, and other local passwords count no more.
    assert token(server, "admin", password("admin")) == 401
    assert form(server, "admin", password("admin")) is None
    assert token(server, "dev", "dev") == 401
    assert form(server, "dev", "dev") is None


def test_directory_that_is_silent_or_down_refuses_and_hangs_nobody(server: ApiServer, slapd: Slapd) -> None:
    for fault in (slapd.silent, slapd.down):
        with fault():
            assert token(server, "alice", password("alice")) == 401
            assert form(server, "alice", password("alice")) is None
    assert token(server, "alice", password("alice")) == 201


def test_file_of_the_authority_that_goes_missing_is_no_server_error(server: ApiServer, slapd: Slapd) -> None:
    away = slapd.ca.with_suffix(".away")
    slapd.ca.rename(away)
    try:
        assert token(server, "alice", password("alice")) == 401
        assert form(server, "alice", password("alice")) is None
        assert token(server, "admin", "admin") == 201
    finally:
        away.rename(slapd.ca)
    assert token(server, "alice", password("alice")) == 201


def test_basic_log_in_of_the_rest_api_asks_the_directory(server: ApiServer) -> None:
    address = f"{server.url}/api/ldap/"
    assert httpx.get(address, auth=("alice", password("alice")), timeout=60).status_code == 200
    assert httpx.get(address, auth=("carol", password("carol")), timeout=60).status_code == 403
    assert httpx.get(address, auth=("alice", "wrong"), timeout=60).status_code == 401


def test_trial_tells_what_the_log_in_does(server: ApiServer) -> None:
    client = server.client("admin", headers={"X-Requested-With": "tests"})
    client.timeout = httpx.Timeout(300)

    def tried(name: str, typed: str, **more: Any) -> dict[str, Any]:
        answer = client.post("/api/ldap/test", json={"username": name, "password": typed, **more})
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    alice = tried("alice", password("alice"))
    assert (alice["ok"], alice["roles"]) == (True, ["Admin", "User"])
    assert alice["steps"][-1]["name"] == "account"

    wrong = tried("alice", "wrong")
    assert not wrong["ok"]
    assert "Invalid credentials (49)" in wrong["steps"][-1]["message"]

    local = tried("admin", password("admin"))
    assert "is a local account" in local["steps"][-1]["message"]

    settings = client.get("/api/ldap/").json()["settings"]
    unknown = tried("bob", password("bob"), settings={**settings, "AUTH_USER_REGISTRATION_ROLE": "Gone"})
    assert unknown["ok"]
    mapping = {f"cn=analysts,{GROUPS}": ["No such role"]}
    none = tried("bob", password("bob"), settings={**settings, "AUTH_ROLES_MAPPING": mapping})
    assert "There is no role 'No such role'" in none["steps"][-1]["message"]

    rows = server.sql("select extra from log where event = 'ldap_configuration.test'")
    assert rows
    for secret in (password("alice"), SERVICE_PASSWORD):
        assert secret not in str(rows)
        assert secret not in server.log.read_text()


def test_save_is_applied_by_the_next_start_alone(
    server: ApiServer, capsys: pytest.CaptureFixture[str]
) -> None:
    client = server.client("admin", headers={"X-Requested-With": "tests"})
    before = client.get("/api/ldap/").json()
    assert (before["log_in"], before["pending"], before["problem"]) == ("ldap", False, "")
    assert before["applied"] == before["commit"]
    assert not [each for each in doctor.check(server.store()) if "ldap" in str(each.path)]

    answer = client.put(
        "/api/ldap/", json={"settings": {**before["settings"], "LDAP_TIMEOUT": 3}, "message": "Be patient"}
    )
    assert answer.status_code == 200, answer.text
    assert (answer.json()["log_in"], answer.json()["pending"]) == ("ldap", True)
    page = client.get("/couture/ldap-configuration/").text
    assert "Saved, not yet applied" in page
    assert "restart the API server" in page
    assert [each for each in doctor.check(server.store()) if "not applied yet" in str(each)]

    main(["auth", "database", "--home", str(server.store().root)])
    assert "Restart the API server" in capsys.readouterr().out
    assert token(server, "alice", password("alice")) == 201

    server.stop()
    server.start_again()

    assert client.get("/api/ldap/").json()["log_in"] == "database"
    assert token(server, "dev", "dev") == 201
    assert form(server, "dev", "dev") is not None
    assert token(server, "alice", password("alice")) == 401
    assert applied.last(server.store()).log_in == "database"
    assert "Admin" in roles(server, "alice")
    assert replace(applied.last(server.store()), when="").problem == ""
