"""The rules of the settings: each contradiction is refused with a sentence at its field."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from couture_workflow.exceptions import CorruptError, InvalidError
from couture_workflow.services.ldap import document as ldap_document
from couture_workflow.services.ldap import fields, names
from couture_workflow.services.ldap.document import MASK, Document
from couture_workflow.services.ldap.fields import PASSWORD
from couture_workflow.services.ldap.rules import errors, validate
from tests.support.directory_settings import SETTINGS

DIRECT: dict[str, Any] = {**SETTINGS, "AUTH_LDAP_BIND_USER": ""}


def problems(*, has_password: bool = True, **others: Any) -> list[tuple[str, str, str]]:
    found = validate(Document(ldap_document.normal({**SETTINGS, **others})), has_password=has_password)
    return [(problem.field, problem.level, problem.message) for problem in found]


def test_sound_settings_have_no_problem() -> None:
    assert problems() == []
    assert problems(AUTH_LDAP_BIND_USER="", AUTH_LDAP_APPEND_DOMAIN="corp.example.com") == []
    servers = "ldaps://a.example.com ldaps://b.example.com:1636"
    assert problems(AUTH_LDAP_SERVER=servers, AUTH_LDAP_USE_TLS=False) == []


@pytest.mark.parametrize(
    ("others", "field", "words"),
    [
        ({"AUTH_LDAP_SERVER": "ldaps://a"}, "AUTH_LDAP_USE_TLS", "Switch STARTTLS off"),
        (
            {"AUTH_LDAP_SERVER": "ldap://a ldaps://b", "AUTH_LDAP_USE_TLS": False},
            "AUTH_LDAP_SERVER",
            "same way",
        ),
        ({"AUTH_LDAP_SERVER": ""}, "AUTH_LDAP_SERVER", "missing"),
        ({"AUTH_LDAP_SERVER": "http://a"}, "AUTH_LDAP_SERVER", "ldap:// or ldaps://"),
        ({"AUTH_LDAP_SERVER": "ldap://u:p@a"}, "AUTH_LDAP_SERVER", "name or password"),
        ({"AUTH_LDAP_SERVER": "ldap://a:99999"}, "AUTH_LDAP_SERVER", "port"),
        ({"AUTH_LDAP_SERVER": "ldap://"}, "AUTH_LDAP_SERVER", "no host"),
        ({"AUTH_LDAP_SERVER": "ldap://a/dc=x??sub"}, "AUTH_LDAP_SERVER", "end after host"),
        ({"AUTH_LDAP_SERVER": " ".join(f"ldap://{n}" for n in "abcdef")}, "AUTH_LDAP_SERVER", "more than"),
        ({"AUTH_LDAP_ALLOW_SELF_SIGNED": True}, "AUTH_LDAP_ALLOW_SELF_SIGNED", "contradicts"),
        ({"AUTH_LDAP_USE_TLS": False}, "AUTH_LDAP_TLS_DEMAND", "not encrypted"),
        (
            {"AUTH_LDAP_TLS_CACERTFILE": "/gone/ca.pem"},
            "AUTH_LDAP_TLS_CACERTFILE",
            "There is no file /gone/ca.pem",
        ),
        ({"AUTH_LDAP_TLS_CACERTFILE": "ca.pem"}, "AUTH_LDAP_TLS_CACERTFILE", "absolute"),
        ({"AUTH_LDAP_TLS_CACERTFILE": "/etc/hostname"}, "AUTH_LDAP_TLS_CACERTFILE", "no PEM file"),
        ({"AUTH_LDAP_TLS_CACERTDIR": "/etc/hostname"}, "AUTH_LDAP_TLS_CACERTDIR", "no folder"),
        ({"AUTH_LDAP_TLS_CERTFILE": "/gone/c.pem"}, "AUTH_LDAP_TLS_KEYFILE", "belong together"),
        ({"AUTH_LDAP_SEARCH": ""}, "AUTH_LDAP_SEARCH", "name the branch"),
        ({"AUTH_LDAP_SEARCH": "people"}, "AUTH_LDAP_SEARCH", "no full name"),
        ({"AUTH_LDAP_GROUP_SEARCH": "groups"}, "AUTH_LDAP_GROUP_SEARCH", "no full name"),
        ({"AUTH_LDAP_BIND_USER": ""}, "AUTH_LDAP_BIND_USER", "no way to find"),
        ({"AUTH_LDAP_APPEND_DOMAIN": "example.com"}, "AUTH_LDAP_APPEND_DOMAIN", "contradicts"),
        ({"AUTH_LDAP_USERNAME_FORMAT": "uid=%s"}, "AUTH_LDAP_USERNAME_FORMAT", "contradicts"),
        ({**DIRECT, "AUTH_LDAP_USERNAME_FORMAT": "uid=x"}, "AUTH_LDAP_USERNAME_FORMAT", "no %s"),
        ({**DIRECT, "AUTH_LDAP_USERNAME_FORMAT": "%s@%s"}, "AUTH_LDAP_USERNAME_FORMAT", "exactly one"),
        ({**DIRECT, "AUTH_LDAP_USERNAME_FORMAT": "100%%s"}, "AUTH_LDAP_USERNAME_FORMAT", "no %s"),
        ({**DIRECT, "AUTH_LDAP_USERNAME_FORMAT": "%s%d"}, "AUTH_LDAP_USERNAME_FORMAT", "no other %"),
        ({**DIRECT, "AUTH_LDAP_APPEND_DOMAIN": "@example.com"}, "AUTH_LDAP_APPEND_DOMAIN", "without the @"),
        ({"AUTH_LDAP_SEARCH_FILTER": "(objectClass=person"}, "AUTH_LDAP_SEARCH_FILTER", "missing at its end"),
        ({"AUTH_LDAP_SEARCH_FILTER": "(a=b))((c=d)"}, "AUTH_LDAP_SEARCH_FILTER", "something follows"),
        ({"AUTH_LDAP_UID_FIELD": "u id"}, "AUTH_LDAP_UID_FIELD", "no name of an attribute"),
        ({"AUTH_LDAP_GROUP_FIELD": ""}, "AUTH_LDAP_GROUP_FIELD", "no name of an attribute"),
        ({"LOCAL_ACCOUNTS": []}, "LOCAL_ACCOUNTS", "nobody could log in"),
        ({"LDAP_TIMEOUT": 0}, "LDAP_TIMEOUT", "1 to 30 seconds, not 0"),
        ({"LDAP_TIMEOUT": 31}, "LDAP_TIMEOUT", "1 to 30 seconds, not 31"),
        ({"has_password": False}, PASSWORD, "no password"),
        ({"AUTH_ROLES_MAPPING": {}}, "AUTH_ROLES_SYNC_AT_LOGIN", "take away every role"),
        (
            {"AUTH_ROLES_MAPPING": {}, "AUTH_USER_REGISTRATION_ROLE": "", "AUTH_ROLES_SYNC_AT_LOGIN": False},
            "AUTH_USER_REGISTRATION_ROLE",
            "no role",
        ),
        (
            {**DIRECT, "AUTH_LDAP_APPEND_DOMAIN": "x.test", "AUTH_LDAP_SEARCH": ""},
            "AUTH_USER_REGISTRATION",
            "must be searched for",
        ),
    ],
)
def test_contradiction_is_refused_at_its_field(others: dict[str, Any], field: str, words: str) -> None:
    found = problems(**others)
    assert any(name == field and level == "error" and words in message for name, level, message in found), (
        found
    )


def test_what_is_only_unwise_is_a_warning() -> None:
    assert [
        (name, level) for name, level, _ in problems(AUTH_LDAP_USE_TLS=False, AUTH_LDAP_TLS_DEMAND=False)
    ] == [("AUTH_LDAP_USE_TLS", "warning")]
    allowed = problems(AUTH_LDAP_TLS_DEMAND=False, AUTH_LDAP_ALLOW_SELF_SIGNED=True)
    assert [(name, level) for name, level, _ in allowed] == [("AUTH_LDAP_ALLOW_SELF_SIGNED", "warning")]
    assert [(n, level) for n, level, _ in problems(AUTH_LDAP_SERVER="ldap://localhost")] == [
        ("AUTH_LDAP_SERVER", "warning")
    ]
    # A group may be named otherwise than by its full name, where the attribute has something else.
    assert [(n, level) for n, level, _ in problems(AUTH_ROLES_MAPPING={"sales": ["User"]})] == [
        ("AUTH_ROLES_MAPPING", "warning")
    ]


def test_nothing_of_the_directory_is_an_error_while_people_log_in_locally() -> None:
    found = validate(
        Document(ldap_document.normal({**SETTINGS, "AUTH_TYPE": "database", "AUTH_LDAP_SEARCH": ""})),
        has_password=False,
    )
    assert found
    assert errors(found) == []
    assert validate(ldap_document.DEFAULT, has_password=False) == []


@pytest.mark.parametrize("preset", list(fields.PRESETS))
def test_defaults_of_a_directory_are_sound(preset: str) -> None:
    assert problems(**fields.preset(preset)) == []


@pytest.mark.parametrize(
    "text",
    [
        "(objectClass=person)",
        "(&(objectClass=user)(!(userAccountControl:1.2.840.113556.1.4.803:=2)))",
        "(|(a=b)(c>=1)(d<=2)(e~=f))",
        "(& (a=b) (c=*) )",
        "(cn=a\\28b\\29)",
        "(cn;lang-de=ü*)",
        "(cn:dn:2.4.6.8.10:=x)",
        "(a=)",
    ],
)
def test_filter_is_taken(text: str) -> None:
    assert names.filter_problem(text) == ""


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a=b",
        "(a=b",
        "a=b)",
        "(a=b)(c=d)",
        "((a=b))",
        "(&)",
        "(!(a=b)(c=d))",
        "(a)",
        "()",
        "(a=(b)",
        "(&(a=b)",
        ")(",
    ],
)
def test_filter_is_refused(text: str) -> None:
    assert names.filter_problem(text)


def test_filter_of_any_depth_is_read_in_one_walk() -> None:
    assert names.filter_problem("(&" * 100_000 + "(a=b)" + ")" * 100_000) == ""
    assert names.filter_problem("(" * 100_000)


@pytest.mark.parametrize(
    ("name", "bound"),
    [
        ("alice", "uid=alice,ou=people,dc=x"),
        ("a,ou=b", "uid=a\\,ou\\=b,ou=people,dc=x"),
        ('q"<>;+\\', 'uid=q\\"\\<\\>\\;\\+\\\\,ou=people,dc=x'),
        ("#x ", "uid=\\#x\\ ,ou=people,dc=x"),
        ("%s", "uid=%s,ou=people,dc=x"),
    ],
)
def test_name_cannot_leave_its_place_in_a_full_name(name: str, bound: str) -> None:
    values = {"AUTH_LDAP_APPEND_DOMAIN": "", "AUTH_LDAP_USERNAME_FORMAT": "uid=%s,ou=people,dc=x"}
    assert names.name_to_bind(values, name) == bound


def test_name_of_a_windows_domain_is_put_in_as_it_is() -> None:
    values = {"AUTH_LDAP_APPEND_DOMAIN": "", "AUTH_LDAP_USERNAME_FORMAT": "CORP\\%s"}
    assert names.name_to_bind(values, "alice") == "CORP\\alice"
    values = {"AUTH_LDAP_APPEND_DOMAIN": "corp.test", "AUTH_LDAP_USERNAME_FORMAT": ""}
    assert names.name_to_bind(values, "alice") == "alice@corp.test"


def test_settings_come_back_from_disk_as_they_were(tmp_path: Path) -> None:
    values = ldap_document.normal(
        {**SETTINGS, "LOCAL_ACCOUNTS": ["superadmin", "a'b\"<&>ü"], "LDAP_TIMEOUT": "5"}
    )
    saved = Document(values, "2026-11-29T00:00:00+00:00", "c1")
    text = ldap_document.dump(saved)
    assert ldap_document.parse(text, commit="c1") == saved
    assert ldap_document.parse(ldap_document.dump(saved, with_mark=False), commit="c1").password_changed == ""


@pytest.mark.parametrize(
    ("data", "field", "words"),
    [
        ({"AUTH_LDAP_SERVR": "x"}, "AUTH_LDAP_SERVR", "There is no setting"),
        ({"AUTH_TYPE": "oauth"}, "AUTH_TYPE", "database or ldap"),
        ({"AUTH_LDAP_USE_TLS": "yes"}, "AUTH_LDAP_USE_TLS", "true or false"),
        ({"LDAP_TIMEOUT": "2.5"}, "LDAP_TIMEOUT", "whole number"),
        ({"LDAP_TIMEOUT": True}, "LDAP_TIMEOUT", "whole number"),
        ({"AUTH_LDAP_SEARCH": "a\nb"}, "AUTH_LDAP_SEARCH", "one line"),
        ({"AUTH_LDAP_SEARCH": "x" * 2001}, "AUTH_LDAP_SEARCH", "2000"),
        ({"AUTH_LDAP_SEARCH": 5}, "AUTH_LDAP_SEARCH", "a text"),
        ({"AUTH_ROLES_MAPPING": ["x"]}, "AUTH_ROLES_MAPPING", "an object"),
        ({"AUTH_ROLES_MAPPING": {"cn=a": []}}, "AUTH_ROLES_MAPPING", "at least one role"),
        ({"AUTH_ROLES_MAPPING": {"": ["Admin"]}}, "AUTH_ROLES_MAPPING", "both a group"),
        ({"LOCAL_ACCOUNTS": {"a": 1}}, "LOCAL_ACCOUNTS", "a list"),
    ],
)
def test_what_is_no_setting_is_refused(data: dict[str, Any], field: str, words: str) -> None:
    with pytest.raises(InvalidError, match=words) as raised:
        ldap_document.normal(data)
    assert raised.value.field == field


def test_constants_of_flask_app_builder_are_understood() -> None:
    assert ldap_document.normal({"AUTH_TYPE": 2})["AUTH_TYPE"] == "ldap"
    assert ldap_document.normal({"AUTH_TYPE": "AUTH_DB"})["AUTH_TYPE"] == "database"


@pytest.mark.parametrize("text", ["[", "- a", "x: &a [*a]", "version: 7", "AUTH_TYPE: [", "\xff"])
def test_damaged_file_is_told_with_the_way_out(text: str) -> None:
    with pytest.raises(CorruptError, match="couture-workflow auth database"):
        ldap_document.parse(text.encode("latin-1"), commit=None)


def test_password_in_a_file_is_never_taken_over() -> None:
    values, _ = ldap_document.read(b"AUTH_LDAP_BIND_PASSWORD: s3cret\n")
    assert "s3cret" not in repr(values)


def test_changes_name_each_setting_and_each_group() -> None:
    old = Document(ldap_document.normal(SETTINGS), "then")
    new = Document(
        ldap_document.normal(
            {
                **SETTINGS,
                "AUTH_LDAP_USE_TLS": False,
                "AUTH_ROLES_MAPPING": {"cn=b": ["User", "Op"]},
                "AUTH_LDAP_UID_FIELD": "cn",
            }
        ),
        "now",
    )
    assert [(c.name, c.kind, c.old, c.new) for c in ldap_document.changes(old, new)] == [
        ("AUTH_LDAP_USE_TLS", "changed", "on", "off"),
        (PASSWORD, "changed", MASK, MASK),
        ("AUTH_LDAP_UID_FIELD", "changed", "uid", "cn"),
        ("AUTH_ROLES_MAPPING: cn=admins,dc=example,dc=com", "removed", "Admin", ""),
        ("AUTH_ROLES_MAPPING: cn=b", "added", "", "User, Op"),
    ]
