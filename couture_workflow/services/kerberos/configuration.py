"""The ``krb5.conf`` of all runs: a text in the configuration repository, each save with an author."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from couture_workflow.exceptions import InvalidError
from couture_workflow.services.kerberos import conf_text
from couture_workflow.services.kerberos.conf_text import Remark
from couture_workflow.store.home import Store
from couture_workflow.store.repository import Commit

__all__ = [
    "PATH",
    "TEMPLATE",
    "Configuration",
    "Remark",
    "check",
    "errors",
    "history",
    "normal",
    "read",
    "save",
]

#: Where it stands in the configuration repository.
PATH = "krb5.conf"

#: What an empty form begins with.
TEMPLATE = """\
[libdefaults]
    default_realm = EXAMPLE.ORG
    dns_lookup_kdc = false
    rdns = false
    forwardable = true
    ticket_lifetime = 10h
    renew_lifetime = 7d

[realms]
    EXAMPLE.ORG = {
        kdc = kdc1.example.org
        kdc = kdc2.example.org
        admin_server = kdc1.example.org
    }

[domain_realm]
    .example.org = EXAMPLE.ORG
    example.org = EXAMPLE.ORG
"""


@dataclass(frozen=True)
class Configuration:
    """One version.

    :param text: "" if nothing was ever saved, or it was deleted.
    :param commit: its version, None if nothing was ever saved.
    """

    text: str = ""
    commit: str | None = None


def read(store: Store, *, commit: str | None = None) -> Configuration:
    """Return a version (None: the newest), or raise ``NotFoundError``."""
    if commit is None:
        newest = history(store, limit=1)
        if not newest or PATH not in store.config.paths(PATH):
            return Configuration(commit=newest[0].id if newest else None)
        commit = newest[0].id
    return Configuration(store.config.read(PATH, commit=commit).decode("utf-8", "replace"), commit)


def save(store: Store, text: str, *, user: str, base: str | None, message: str = "") -> Configuration:
    """Save a text and return it, or raise ``InvalidError`` with its first error.

    :param base: version that the editor started from; ``ConflictError`` if somebody saved meanwhile.
    """
    text = normal(text)
    if wrong := errors(text):
        raise InvalidError(wrong[0].message, field="text")
    present = read(store)
    if present.text == text and present.commit == base:
        return present
    verb = "Change" if present.text else "Add"
    store.config.save(
        {PATH: text.encode()}, author=user, message=message.strip() or f"{verb} {PATH}", base=base
    )
    return read(store)


def check(text: str) -> list[Remark]:
    """Return what is wrong with a text and what is worth knowing, errors first."""
    return conf_text.check(normal(text))


def errors(text: str) -> list[Remark]:
    """Return what keeps a text from being saved and used."""
    return [remark for remark in check(text) if remark.level == conf_text.ERROR]


def history(store: Store, *, limit: int = 50, skip: int = 0) -> Sequence[Commit]:
    """Return who saved when and why, newest first."""
    return store.config.history(PATH, limit=limit, skip=skip)


def normal(text: str) -> str:
    """Return a text with one kind of line ending, and one at its end."""
    lines = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return "\n".join(line.rstrip() for line in lines).strip("\n") + "\n"
