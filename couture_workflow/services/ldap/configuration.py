"""The settings with their history: each save of *Admin > LDAP Configuration* is a commit of ``ldap.yaml``.

The bind password is a secret of the store, bound to the server and the account that it was typed for: a
change or an import that names another server does not send it there.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

from couture_workflow.exceptions import CorruptError, InvalidError, NotFoundError, SecretKeyError
from couture_workflow.services.ldap import document as ldap_document
from couture_workflow.services.ldap.document import DEFAULT, MASK, PATH, Document
from couture_workflow.services.ldap.fields import DATABASE, PASSWORD
from couture_workflow.services.ldap.rules import Problem, errors, validate
from couture_workflow.store.home import Store
from couture_workflow.store.repository import Commit

SECRET = "ldap-bind-password"  # noqa: S105 (the name of the secret)
_LONGEST = 1000


def read(store: Store, *, commit: str | None = None) -> Document:
    """Return a version (None: the newest); the defaults before the first save."""
    if commit is None:
        newest = store.config.history(PATH, limit=1)
        if not newest:
            return DEFAULT
        commit = newest[0].id
    try:
        content = store.config.read(PATH, commit=commit)
    except NotFoundError:
        if any(entry.id == commit for entry in store.config.history(PATH, limit=1)):
            return replace(DEFAULT, commit=commit)  # the file was taken away
        raise
    return ldap_document.parse(content, commit=commit)


def history(store: Store, *, limit: int = 50, skip: int = 0) -> Sequence[Commit]:
    """Return who saved when and why, newest first."""
    return store.config.history(PATH, limit=limit, skip=skip)


def password(store: Store, document: Document) -> str | None:
    """Return the password of the service account of a version, None if there is none for its server.

    ``SecretKeyError`` if it cannot be opened.
    """
    if not document.text("AUTH_LDAP_BIND_USER"):
        return None
    try:
        kept = json.loads(store.secrets.get(SECRET))
    except (NotFoundError, ValueError):
        return None
    if not isinstance(kept, dict) or (kept.get("server"), kept.get("account")) != _place(document):
        return None
    return str(kept.get("password", "")) or None


def has_password(store: Store, document: Document) -> bool:
    """Tell whether ``password`` gives one."""
    try:
        return password(store, document) is not None
    except SecretKeyError:
        return False


def _place(document: Document) -> tuple[str, str]:
    """Return what the password is for."""
    return " ".join(document.text("AUTH_LDAP_SERVER").split()), document.text("AUTH_LDAP_BIND_USER")


def check_password(typed: object) -> str:
    """Return the password that somebody sent, "" to leave it as it is, or raise ``InvalidError``."""
    if typed is None or typed == MASK:
        return ""
    if not isinstance(typed, str) or len(typed) > _LONGEST or "\0" in typed:
        raise InvalidError(
            f"The password of the service account must be a text of at most {_LONGEST} characters.",
            field=PASSWORD,
        )
    return typed


def problems(store: Store, document: Document, *, typed: str) -> list[Problem]:
    """Return all that is wrong with settings.

    :param typed: the password, "" for the saved one.
    """
    return validate(document, has_password=bool(typed) or has_password(store, document))


def save(
    store: Store, document: Document, *, typed: str, user: str, base: str | None, message: str = ""
) -> Document:
    """Save a new version and return it, or raise ``InvalidError``, ``ConflictError``.

    :param typed: a new password of the service account, "" to keep the saved one.
    :param base: version that the editor started from.
    """
    if wrong := errors(problems(store, document, typed=typed)):
        raise InvalidError(wrong[0].message, field=wrong[0].field)
    before = read(store, commit=base) if base else DEFAULT
    if typed and _is_known(store, document, typed):
        typed = ""
    document = replace(document, password_changed=_mark(store, document, before, typed), commit=base)
    if base and not typed and not ldap_document.changes(before, document) and read(store).commit == base:
        return before

    def keep(_newest: str | None) -> None:
        """Keep the password once nobody else's save is in the way."""
        if typed and document.text("AUTH_LDAP_BIND_USER"):
            server, account = _place(document)
            content = {"server": server, "account": account, "password": typed}
            store.secrets.put(SECRET, json.dumps(content).encode())

    commit = store.config.save(
        {PATH: ldap_document.dump(document)},
        author=user,
        message=message.strip() or _summary(before, document),
        base=base,
        before=keep,
    )
    return read(store, commit=commit.id)


def _is_known(store: Store, document: Document, typed: str) -> bool:
    try:
        return password(store, document) == typed
    except SecretKeyError:  # the key was lost; the password is being entered again
        return False


def _mark(store: Store, document: Document, before: Document, typed: str) -> str:
    """Return when the password was saved that this version has."""
    if typed:
        return datetime.now(UTC).isoformat()
    return before.password_changed if document.text("AUTH_LDAP_BIND_USER") else ""


def choose_database(store: Store, *, user: str) -> Document:
    """Return to log-in by the database, whatever else the settings say, and return the new version."""
    try:
        present = read(store)
    except CorruptError:
        present = DEFAULT
    if present.commit and not present.is_ldap:
        return present
    if not store.config.history(PATH, limit=1):
        return DEFAULT
    chosen = replace(present, values={**present.values, "AUTH_TYPE": DATABASE})
    commit = store.config.save(
        {PATH: ldap_document.dump(chosen)},
        author=user,
        message="Return to local log-in",
        base=store.config.head(),
    )
    return read(store, commit=commit.id)


def _summary(old: Document, new: Document) -> str:
    """Return a message for a save that has none."""
    if old.is_ldap != new.is_ldap:
        return "Log in by the directory" if new.is_ldap else "Return to local log-in"
    names = [change.name.partition(":")[0] for change in ldap_document.changes(old, new)]
    text = f"Change {', '.join(dict.fromkeys(names))}" if names else "Save without a change"
    return text if len(text) <= 200 else text[:199] + "…"
