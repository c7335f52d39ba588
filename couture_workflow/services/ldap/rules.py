"""The rules of the settings: what contradicts itself is refused in a sentence, before it locks people out."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

from couture_workflow.services.ldap.document import Document
from couture_workflow.services.ldap.fields import BY_NAME, LEAST_SECONDS, MOST_SECONDS, PASSWORD
from couture_workflow.services.ldap.names import filter_problem, format_problem, is_attribute, is_dn

ERROR, WARNING = "error", "warning"
#: Address of a machine for which libldap puts this machine's own name when it looks at a certificate.
_LOCALHOST = "localhost"
_DOMAIN = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,250}[A-Za-z0-9])?")
_MOST_SERVERS = 5
_PEM = b"-----BEGIN "


@dataclass(frozen=True)
class Problem:
    """Something that is wrong with one setting.

    :param field: the setting.
    :param level: "error", which stops a save; "warning", which does not.
    """

    field: str
    message: str
    level: str = ERROR


def validate(document: Document, *, has_password: bool) -> list[Problem]:
    """Return all that is wrong, in the order of the settings.

    While people log in by the database nothing of the directory is used, so that nothing there is an error.

    :param has_password: whether there is a password of the service account, saved or just typed.
    """
    found = [problem for rule in _RULES for problem in rule(document)]
    found += _check_password(document, has_password)
    order = list(BY_NAME)
    found.sort(key=lambda problem: order.index(problem.field))
    if document.is_ldap:
        return found
    always = ("AUTH_TYPE", "LDAP_TIMEOUT")
    if not servers(document):  # nothing of the directory was typed yet
        return [each for each in found if each.field in always]
    return [each if each.field in always else replace(each, level=WARNING) for each in found]


def errors(problems: list[Problem]) -> list[Problem]:
    """Return those that stop a save."""
    return [problem for problem in problems if problem.level == ERROR]


def servers(document: Document) -> list[str]:
    """Return the addresses of the directory in the order in which they are tried."""
    return document.text("AUTH_LDAP_SERVER").split()


def is_encrypted(document: Document) -> bool:
    """Tell whether the connection is."""
    return document.flag("AUTH_LDAP_USE_TLS") or any(
        each.startswith("ldaps://") for each in servers(document)
    )


def _check_log_in(document: Document) -> Iterator[Problem]:
    seconds = document.values["LDAP_TIMEOUT"]
    if not isinstance(seconds, int) or not LEAST_SECONDS <= seconds <= MOST_SECONDS:
        yield Problem(
            "LDAP_TIMEOUT", f"The patience must be {LEAST_SECONDS} to {MOST_SECONDS} seconds, not {seconds}."
        )
    if not document.names("LOCAL_ACCOUNTS"):
        yield Problem(
            "LOCAL_ACCOUNTS",
            "There is no local account, so that nobody could log in while the directory does not answer. "
            "Name an administrator.",
        )


def _check_servers(document: Document) -> Iterator[Problem]:
    found = servers(document)
    if not found:
        yield Problem("AUTH_LDAP_SERVER", "The server is missing. Write ldap://host or ldaps://host.")
    if len(found) > _MOST_SERVERS:
        yield Problem("AUTH_LDAP_SERVER", f"There are more than {_MOST_SERVERS} servers. Leave some out.")
    for address in found:
        if problem := _address_problem(address):
            yield Problem("AUTH_LDAP_SERVER", f"The server {address!r} is refused: {problem}.")
        elif urlsplit(address).hostname == _LOCALHOST and is_encrypted(document):
            yield Problem(
                "AUTH_LDAP_SERVER",
                "For localhost the LDAP library compares the certificate with the machine's own name, "
                "not with localhost. Write 127.0.0.1, or the name that the certificate has.",
                WARNING,
            )


def _address_problem(address: str) -> str:
    try:
        parts = urlsplit(address)
        port = parts.port
    except ValueError:
        return "it has no valid port; write ldap://host:389"
    if parts.scheme not in ("ldap", "ldaps"):
        return "it must begin with ldap:// or ldaps://"
    if "@" in parts.netloc:
        return "it must not hold a name or password; there are fields for the service account"
    if not parts.hostname or port == 0:
        return "it names no host; write ldap://host:389"
    if parts.path.strip("/") or parts.query or parts.fragment:
        return "it must end after host and port; what to search has a field of its own"
    return ""


def _check_protection(document: Document) -> Iterator[Problem]:
    secure = [each for each in servers(document) if each.startswith("ldaps://")]
    starttls, encrypted = document.flag("AUTH_LDAP_USE_TLS"), is_encrypted(document)
    if starttls and secure:
        yield Problem(
            "AUTH_LDAP_USE_TLS",
            f"{secure[0]} is encrypted from its first byte, so that STARTTLS fails on it. Switch STARTTLS "
            "off, or write ldap://.",
        )
    if secure and not starttls and len(secure) < len(servers(document)):
        yield Problem(
            "AUTH_LDAP_SERVER",
            "Some servers are ldap:// and some ldaps://. Write all of them in the same way.",
        )
    if document.flag("AUTH_LDAP_TLS_DEMAND") and document.flag("AUTH_LDAP_ALLOW_SELF_SIGNED"):
        yield Problem(
            "AUTH_LDAP_ALLOW_SELF_SIGNED",
            "To accept any certificate contradicts to demand a trusted one. Switch one of them off.",
        )
    elif document.flag("AUTH_LDAP_ALLOW_SELF_SIGNED"):
        yield Problem(
            "AUTH_LDAP_ALLOW_SELF_SIGNED",
            "Whoever is between this machine and the directory can read every password. Name the "
            "certificate of the authority instead.",
            WARNING,
        )
    if servers(document) and not encrypted:
        yield Problem(
            "AUTH_LDAP_USE_TLS",
            "Passwords go through the network in the clear. Switch STARTTLS on, or write ldaps://.",
            WARNING,
        )
        if document.flag("AUTH_LDAP_TLS_DEMAND"):
            yield Problem(
                "AUTH_LDAP_TLS_DEMAND",
                "A trusted certificate is demanded, and the connection has none: it is not encrypted. Switch "
                "STARTTLS on, write ldaps://, or do not demand it.",
            )


def _check_certificates(document: Document) -> Iterator[Problem]:
    def given(name: str) -> str:
        return document.text(f"AUTH_LDAP_TLS_{name}")

    for name in ("CACERTFILE", "CERTFILE", "KEYFILE", "CACERTDIR"):
        if given(name) and (problem := file_problem(given(name), folder=name == "CACERTDIR")):
            yield Problem(f"AUTH_LDAP_TLS_{name}", problem)
    if given("CACERTFILE") and given("CACERTDIR"):
        yield Problem("AUTH_LDAP_TLS_CACERTDIR", "Name either the file or the folder of the authorities.")
    for one, other in (("CERTFILE", "KEYFILE"), ("KEYFILE", "CERTFILE")):
        if given(one) and not given(other):
            yield Problem(
                f"AUTH_LDAP_TLS_{other}",
                "A certificate of this installation and its key belong together. Name both, or none.",
            )
    used = [name for name in ("CACERTFILE", "CACERTDIR", "CERTFILE") if given(name)]
    if used and servers(document) and not is_encrypted(document):
        yield Problem(f"AUTH_LDAP_TLS_{used[0]}", "It is not used: the connection is not encrypted.", WARNING)


def file_problem(text: str, *, folder: bool = False) -> str:
    """Return why a file or folder of certificates cannot be used on this machine, "" if it can."""
    path = Path(text)
    if not path.is_absolute():
        return f"{text!r} is no absolute path. Write it from the first / on."
    what = "folder" if folder else "file"
    try:
        fits = path.is_dir() if folder else path.is_file()
        if not fits:
            return (
                f"There is no {what} {text} on the machine of the API server. Put it there, or correct "
                "the path."
            )
        if folder:
            return (
                ""
                if os.access(path, os.R_OK | os.X_OK)
                else f"The API server may not read the folder {text}."
            )
        with path.open("rb") as file:
            content = file.read(2**20)
    except OSError as error:
        return f"The API server cannot read {text}: {error.strerror}. Give its user the right to."
    return (
        "" if _PEM in content else f"{text} is no PEM file: it has no line -----BEGIN ...-----. Convert it."
    )


def _check_person(document: Document) -> Iterator[Problem]:
    bind, search = document.text("AUTH_LDAP_BIND_USER"), document.text("AUTH_LDAP_SEARCH")
    domain, form = document.text("AUTH_LDAP_APPEND_DOMAIN"), document.text("AUTH_LDAP_USERNAME_FORMAT")
    if bind and not search:
        yield Problem(
            "AUTH_LDAP_SEARCH", "A service account searches for people: name the branch they are in."
        )
    if not bind and not domain and not form:
        yield Problem(
            "AUTH_LDAP_BIND_USER",
            "There is no way to find a person. Name a service account, or write a name to bind with or a "
            "domain to append.",
        )
    for name, value in (("AUTH_LDAP_APPEND_DOMAIN", domain), ("AUTH_LDAP_USERNAME_FORMAT", form)):
        if bind and value:
            yield Problem(
                name,
                "It contradicts the service account, which looks people up by a search. Empty one of them.",
            )
    if form and (problem := format_problem(form)):
        yield Problem("AUTH_LDAP_USERNAME_FORMAT", f"The name to bind with is refused: {problem}.")
    if domain and not _DOMAIN.fullmatch(domain):
        yield Problem(
            "AUTH_LDAP_APPEND_DOMAIN", f"{domain!r} is no domain. Write example.com, without the @."
        )
    filtered = document.text("AUTH_LDAP_SEARCH_FILTER")
    if filtered and (problem := filter_problem(filtered)):
        yield Problem(
            "AUTH_LDAP_SEARCH_FILTER",
            f"The filter is refused: {problem}. A filter looks like (objectClass=person).",
        )
    for name in ("AUTH_LDAP_SEARCH", "AUTH_LDAP_GROUP_SEARCH"):
        if (value := document.text(name)) and not is_dn(value):
            yield Problem(name, f"{value!r} is no full name such as ou=people,dc=example,dc=com. Correct it.")


def _check_password(document: Document, has_password: bool) -> Iterator[Problem]:
    if document.text("AUTH_LDAP_BIND_USER") and not has_password:
        yield Problem(
            PASSWORD,
            "There is no password of this service account for this server here. Type it.",
        )


def _check_attributes(document: Document) -> Iterator[Problem]:
    for name in ("UID", "FIRSTNAME", "LASTNAME", "EMAIL", "GROUP"):
        setting = f"AUTH_LDAP_{name}_FIELD"
        if not is_attribute(document.text(setting)):
            yield Problem(
                setting, f"{document.text(setting)!r} is no name of an attribute, such as uid or memberOf."
            )


def _check_roles(document: Document) -> Iterator[Problem]:
    registers, search = document.flag("AUTH_USER_REGISTRATION"), document.text("AUTH_LDAP_SEARCH")
    role, mapping = document.text("AUTH_USER_REGISTRATION_ROLE"), document.mapping
    if registers and not role and not mapping:
        yield Problem(
            "AUTH_USER_REGISTRATION_ROLE",
            "New accounts would have no role. Name one, or the roles of a group.",
        )
    needing = (
        ("AUTH_USER_REGISTRATION", registers, "To make accounts"),
        ("AUTH_ROLES_MAPPING", bool(mapping), "To give roles by groups"),
        ("AUTH_LDAP_GROUP_SEARCH", bool(document.text("AUTH_LDAP_GROUP_SEARCH")), "To search for groups"),
    )
    for name, wanted, what in needing:
        if wanted and not search:
            yield Problem(name, f"{what}, people must be searched for. Name the branch that people are in.")
    if document.flag("AUTH_ROLES_SYNC_AT_LOGIN") and not mapping:
        yield Problem(
            "AUTH_ROLES_SYNC_AT_LOGIN",
            "It would take away every role that was given by hand, since no group gives one. Name the "
            "roles of a group, or switch it off.",
        )
    for group in mapping:
        if not is_dn(group):
            yield Problem(
                "AUTH_ROLES_MAPPING",
                f"{group!r} is no full name of a group, such as cn=admins,ou=groups,dc=example,dc=com. It "
                "only fits if the directory names groups in that way.",
                WARNING,
            )
    asked = document.text("AUTH_LDAP_GROUP_SEARCH") or document.flag("AUTH_LDAP_USE_NESTED_GROUPS_FOR_ROLES")
    if asked and not mapping:
        yield Problem(
            "AUTH_ROLES_MAPPING", "Groups are searched for, and none of them gives a role.", WARNING
        )


_RULES: tuple[Callable[[Document], Iterator[Problem]], ...] = (
    _check_log_in,
    _check_servers,
    _check_protection,
    _check_certificates,
    _check_person,
    _check_attributes,
    _check_roles,
)
