"""Settings of log-in by a directory in an archive: without the password, and what of them is missing here."""

from __future__ import annotations

from dataclasses import dataclass, replace

from couture_workflow.exceptions import ArchiveError, InvalidError
from couture_workflow.services.ldap import configuration, document
from couture_workflow.services.ldap.document import PATH, Document
from couture_workflow.services.ldap.fields import PASSWORD
from couture_workflow.services.ldap.rules import errors
from couture_workflow.store.home import Store
from couture_workflow.store.names import quote

#: What may be wrong on this machine alone, and does not make the settings wrong.
_HERE = (
    PASSWORD,
    "AUTH_LDAP_TLS_CACERTFILE",
    "AUTH_LDAP_TLS_CACERTDIR",
    "AUTH_LDAP_TLS_CERTFILE",
    "AUTH_LDAP_TLS_KEYFILE",
)


def without_password(content: bytes) -> tuple[bytes, tuple[str, ...]]:
    """Return ``ldap.yaml`` as it leaves, and the names of secrets that stay."""
    found = document.parse(content, commit=None)
    names = (PASSWORD,) if found.password_changed else ()
    return document.dump(found, with_mark=False), names


@dataclass(frozen=True)
class Taken:
    """What becomes of the settings of an archive.

    :param notes: what is missing here and must be mended after the import.
    :param is_same: nothing would change.
    """

    content: bytes
    notes: tuple[str, ...]
    is_same: bool


def read(store: Store, content: bytes, present: bytes, *, member: str) -> Taken:
    """Check the settings of an archive; the password that is here stays, if it is for the same account.

    :param present: the file as it is here, empty if there is none.
    """
    try:
        values, _ = document.read(content)
    except InvalidError as error:
        raise ArchiveError(f"{quote(member)} is refused: {error}", member=member) from error
    here = document.parse(present, commit=None) if present else None
    found = Document(values)
    kept = configuration.has_password(store, found)
    mark = here.password_changed if here and kept else ""
    problems = configuration.problems(store, found, typed="")
    if wrong := [problem for problem in errors(problems) if problem.field not in _HERE]:
        raise ArchiveError(f"{quote(member)}, {wrong[0].field}: {wrong[0].message}", member=member)
    notes = [
        f"{PATH}, {problem.field}: {problem.message}" for problem in problems if problem.field in _HERE[1:]
    ]
    if found.text("AUTH_LDAP_BIND_USER") and not kept:
        notes.append(
            f"{PATH}: the value of {PASSWORD} is a secret, which is neither in the archive nor here. "
            "Enter it after the import."
        )
    taken = replace(found, password_changed=mark)
    is_same = here is not None and not document.changes(here, taken)
    return Taken(document.dump(taken), tuple(notes), is_same)
