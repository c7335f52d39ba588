"""A log-in tried against a real directory: every step green or red, in the directory's own words."""

from __future__ import annotations

import socket
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from couture_workflow.exceptions import InvalidError
from couture_workflow.services.ldap import document as ldap_document
from couture_workflow.services.ldap import library, trial
from couture_workflow.services.ldap.document import Document
from couture_workflow.services.ldap.trial import Trial
from tests.services.slapd import (
    ADMINS,
    ANALYSTS,
    GROUPS,
    HOSTILE,
    OPERATORS,
    PEOPLE,
    SERVICE_PASSWORD,
    SUFFIX,
    Slapd,
    dn_of,
    password,
)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not library.is_installed(), reason="needs python-ldap"),
]


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave a process of a busy machine the time to start; silence is bounded by the settings alone."""
    monkeypatch.setattr(trial, "LIMIT", 300.0)


def document(slapd: Slapd, **others: Any) -> Document:
    return Document(ldap_document.normal(slapd.settings(**others)))


def attempt(slapd: Slapd, name: str = "alice", *, typed: str | None = None, **others: Any) -> Trial:
    bind = others.pop("bind_password", SERVICE_PASSWORD)
    given = password(name.strip()) if typed is None else typed
    return trial.run(document(slapd, **others), bind_password=bind, username=name, password=given)


def outcome(found: Trial) -> list[tuple[str, bool]]:
    return [(step.name, step.ok) for step in found.steps]


def last(found: Trial) -> str:
    assert not found.steps[-1].ok, found
    return found.steps[-1].message


def test_every_step_is_told_with_what_was_found(slapd: Slapd) -> None:
    found = attempt(slapd)

    assert found.ok
    assert outcome(found) == [
        (name, True) for name in ("connection", "bind", "search", "password", "groups", "roles")
    ]
    steps = {step.name: step for step in found.steps}
    assert steps["connection"].message == f"{slapd.url} answers, encrypted by STARTTLS."
    assert steps["search"].message == f"Found {dn_of('alice')}."
    assert "givenName: Alice" in steps["search"].details
    assert "Filter: (uid=alice)" in steps["search"].details
    assert set(steps["groups"].details) == {ADMINS, ANALYSTS}
    assert found.roles == ("Admin", "User")
    assert found.email == "u616c696365@lab.test"
    assert SERVICE_PASSWORD not in repr(found)
    assert password("alice") not in repr(found)


def test_role_without_a_group_is_no_more_than_a_fallback(slapd: Slapd) -> None:
    assert attempt(slapd, "carol").roles == ("Viewer",)
    assert attempt(slapd, "bob").roles == ("User",)
    assert attempt(slapd, "carol", AUTH_USER_REGISTRATION=False).roles == ()


def test_groups_are_compared_without_case_and_blanks(slapd: Slapd) -> None:
    mapping = {"CN=Admins, OU=groups,DC=LAB,dc = test": ["Op"]}
    assert attempt(slapd, AUTH_ROLES_MAPPING=mapping).roles == ("Op",)


def test_group_search_finds_groups_that_list_user_names(slapd: Slapd) -> None:
    mapping = {OPERATORS: ["Op"]}
    assert attempt(slapd, "erin", AUTH_ROLES_MAPPING=mapping).roles == ("Viewer",)

    found = attempt(slapd, "erin", AUTH_ROLES_MAPPING=mapping, AUTH_LDAP_GROUP_SEARCH=GROUPS)

    assert found.roles == ("Op",)
    # What both name is told once.
    assert sorted(found.steps[-2].details) == [ANALYSTS, OPERATORS]


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_name_is_itself_and_nobody_else(slapd: Slapd, name: str) -> None:
    own = attempt(slapd, name)
    assert own.ok, own
    assert own.steps[2].message.startswith("Found uid=")
    assert own.roles == ("Viewer",)

    others = attempt(slapd, name, typed=password("alice"))
    assert outcome(others)[-1] == ("password", False)
    assert "Invalid credentials (49)" in last(others)


@pytest.mark.parametrize("name", ["*ali*", "alice)(uid=*", "al\\2aice", "alice)(|(objectClass=*", "al ice"])
def test_name_that_is_nobodys_finds_nobody(slapd: Slapd, name: str) -> None:
    found = attempt(slapd, name, typed=password("alice"))
    assert outcome(found)[-1] == ("search", False)
    assert "has nobody whose uid is" in last(found)


def test_name_that_the_directory_only_takes_for_somebodys_is_refused(slapd: Slapd) -> None:
    """OpenLDAP compares by the rules of stringprep: this account would be a second one for alice."""
    found = attempt(slapd, "ａlice", typed=password("alice"))
    assert "writes this person's uid as 'alice'" in last(found)


def test_case_of_a_name_does_not_matter(slapd: Slapd) -> None:
    assert attempt(slapd, "ALICE", typed=password("alice")).ok


@pytest.mark.parametrize(
    ("others", "step", "message"),
    [
        (
            {"bind_password": "wrong"},
            "bind",
            "Invalid credentials (49). The name or the password of the service",
        ),
        ({"AUTH_LDAP_BIND_USER": "binder"}, "bind", "Invalid DN syntax (34)"),
        ({"AUTH_LDAP_BIND_USER": f"cn=nobody,{SUFFIX}"}, "bind", "Invalid credentials (49)"),
        ({"bind_password": ""}, "bind", "Server is unwilling to perform (53)"),
        ({"AUTH_LDAP_SEARCH": "ou=gone,dc=lab,dc=test"}, "search", "No such object (32)"),
        ({"AUTH_LDAP_SEARCH_FILTER": "(objectClass=device)"}, "search", "who fits the filter"),
        ({"AUTH_LDAP_SEARCH_FILTER": "(|(objectClass=*"}, "search", "Bad search filter"),
        ({"AUTH_LDAP_UID_FIELD": "sn", "name": "Lab"}, "search", "people whose sn is 'Lab'"),
        ({"typed": "wrong"}, "password", "Invalid credentials (49). The name or the password is wrong."),
    ],
)
def test_failure_names_the_step_and_the_directorys_words(
    slapd: Slapd, others: dict[str, Any], step: str, message: str
) -> None:
    found = attempt(slapd, **others)
    assert outcome(found)[-1] == (step, False)
    assert message in last(found)


@pytest.mark.parametrize("secure", [True, False], ids=["ldaps", "starttls"])
@pytest.mark.parametrize(
    ("others", "message"),
    [
        ({}, ""),
        ({"AUTH_LDAP_TLS_CACERTFILE": ""}, "is not trusted"),
        ({"AUTH_LDAP_TLS_CACERTFILE": "other"}, "is not trusted"),
        (
            {
                "AUTH_LDAP_TLS_CACERTFILE": "",
                "AUTH_LDAP_ALLOW_SELF_SIGNED": True,
                "AUTH_LDAP_TLS_DEMAND": False,
            },
            "",
        ),
        ({"AUTH_LDAP_TLS_CACERTFILE": "/gone/ca.pem"}, "certificates"),
    ],
    ids=["trusted", "no authority", "other authority", "any certificate", "missing file"],
)
def test_certificates_are_checked_by_each_set_of_settings_anew(
    slapd: Slapd, secure: bool, others: dict[str, Any], message: str
) -> None:
    """The options of TLS stick to a process of the LDAP library; each trial has its own."""
    if others.get("AUTH_LDAP_TLS_CACERTFILE") == "other":
        others = {**others, "AUTH_LDAP_TLS_CACERTFILE": str(slapd.other_ca)}
    if secure:
        others = {**others, "AUTH_LDAP_SERVER": slapd.secure_url, "AUTH_LDAP_USE_TLS": False}

    found = attempt(slapd, **others)

    assert found.ok == (not message)
    if message:
        assert outcome(found) == [("connection", False)]
        assert message in last(found)


def test_starttls_on_a_port_that_is_encrypted_already_is_told(slapd: Slapd) -> None:
    found = attempt(slapd, AUTH_LDAP_SERVER=slapd.secure_url)
    assert outcome(found) == [("connection", False)]


def test_silent_directory_is_given_up(slapd: Slapd) -> None:
    with slapd.silent():
        for others in (
            {},
            {"AUTH_LDAP_USE_TLS": False},
            {"AUTH_LDAP_SERVER": slapd.secure_url, "AUTH_LDAP_USE_TLS": False},
        ):
            found = attempt(slapd, LDAP_TIMEOUT=1, **others)
            assert outcome(found) == [("connection", False)]
            assert "silent" in last(found)


def test_directory_that_is_down_is_told(slapd: Slapd) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        server = f"ldap://127.0.0.1:{nobody.getsockname()[1]}"
        found = attempt(slapd, AUTH_LDAP_SERVER=server)
        assert "cannot be reached (connection refused)" in last(found)
        assert "Can't contact LDAP server" in found.steps[0].details[0]

        assert attempt(slapd, AUTH_LDAP_SERVER=f"{server} {slapd.url}").ok

    assert "cannot be resolved" in last(attempt(slapd, AUTH_LDAP_SERVER="ldap://no-such-host.invalid"))


def test_person_is_bound_at_once_without_a_service_account(slapd: Slapd) -> None:
    form = {"AUTH_LDAP_BIND_USER": "", "AUTH_LDAP_USERNAME_FORMAT": f"uid=%s,{PEOPLE}"}
    found = attempt(slapd, **form)
    assert outcome(found) == [
        (name, True) for name in ("connection", "password", "search", "groups", "roles")
    ]
    assert found.roles == ("Admin", "User")

    # What is typed cannot leave its place in the full name.
    assert attempt(slapd, HOSTILE[3], **form).ok
    odd = attempt(slapd, "alice,ou=people", typed=password("alice"), **form)
    assert outcome(odd)[-1] == ("password", False)


def test_trial_without_python_ldap_says_what_to_type(slapd: Slapd, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(library, "is_installed", lambda: False)
    found = attempt(slapd)
    assert "pip install python-ldap" in last(found)


@pytest.mark.parametrize(
    ("name", "secret", "field"),
    [
        ("", "x", "username"),
        (" ", "x", "username"),
        ("a", "", "password"),
        (3, "x", "username"),
        ("a\0", "x", "username"),
    ],
)
def test_trial_needs_a_name_and_a_password(name: Any, secret: Any, field: str) -> None:
    with pytest.raises(InvalidError) as raised:
        trial.check_person(name, secret)
    assert raised.value.field == field


def test_password_never_stands_in_a_command_line(slapd: Slapd, tmp_path: Path) -> None:
    """The settings travel through a pipe: another user of the machine reads /proc."""
    import threading

    import psutil

    seen: list[str] = []
    done = threading.Event()

    def look() -> None:
        while not done.is_set():
            for child in psutil.Process().children(recursive=True):
                try:
                    seen.append(" ".join([*child.cmdline(), *child.environ().values()]))
                except psutil.Error:
                    continue

    looker = threading.Thread(target=look)
    looker.start()
    try:
        with slapd.silent():
            attempt(slapd, LDAP_TIMEOUT=1)
    finally:
        done.set()
        looker.join()
    assert any("apart" in each for each in seen)
    assert not any(SERVICE_PASSWORD in each or password("alice") in each for each in seen)


def test_settings_are_not_changed_by_a_trial(slapd: Slapd) -> None:
    before = document(slapd)
    trial.run(replace(before), bind_password=SERVICE_PASSWORD, username="alice", password=password("alice"))
    assert before == document(slapd)
