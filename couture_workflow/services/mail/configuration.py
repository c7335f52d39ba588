"""Which mail server counts: that of the options ``smtp_...`` if they name one, else that of *Admin > Mail*.

Every process that sends reads both when it sends: a task in a worker, the API server. The saved password is
a secret of the store, bound to the server and the account that it was typed for: a change that names another
server does not send it there.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal

from couture_workflow import settings
from couture_workflow.exceptions import CorruptError, InvalidError, NotFoundError, SecretKeyError
from couture_workflow.services.mail import document
from couture_workflow.services.mail.document import MASK, NOBODY, PASSWORD, PATH, Server
from couture_workflow.store.home import Store

SECRET = "mail-password"  # noqa: S105 (the name of the secret)
_LONGEST = 1000

Origin = Literal["options", "page", ""]


@dataclass(frozen=True)
class Saved:
    """What *Admin > Mail* saved.

    :param commit: the version in the repository, None if nothing was ever saved.
    :param problem: why the saved text cannot be read, "" if it can.
    """

    server: Server
    commit: str | None = None
    problem: str = ""


@dataclass(frozen=True)
class Current:
    """The server that mails go through now.

    :param origin: what names it; "" for no server of ours: mails go by Airflow's own connection, if at all.
    """

    server: Server
    origin: Origin
    password: str = field(default="", repr=False)


def read(store: Store) -> Saved:
    """Return what was saved on the page; the defaults before the first save."""
    newest = store.config.history(PATH, limit=1)
    if not newest:
        return Saved(NOBODY)
    try:
        content = store.config.read(PATH, commit=newest[0].id)
    except NotFoundError:  # the file was taken away
        return Saved(NOBODY, newest[0].id)
    return Saved(document.parse(content), newest[0].id)


def to_show(store: Store) -> Saved:
    """Return what was saved; of a text that is damaged, what it takes to save another one."""
    try:
        return read(store)
    except CorruptError as error:
        newest = store.config.history(PATH, limit=1)
        return Saved(NOBODY, newest[0].id, str(error))


def of_options() -> Server | None:
    """Return the server that the options name, None if they name none; ``InvalidError`` if they are wrong."""
    given = settings.smtp_options()
    if not given["host"]:
        return None
    try:
        return document.normal({name: value for name, value in given.items() if value != ""})
    except InvalidError as error:
        raise InvalidError(
            f"The option [couture_workflow] smtp_{error.field} is wrong: {error}", field=error.field
        ) from None


def current(store: Store) -> Current:
    """Return the server that mails go through now, with its password."""
    if (server := of_options()) is not None:
        return Current(server, "options", settings.smtp_password() if server.user else "")
    saved = read(store).server
    if not saved.host:
        return Current(saved, "")
    return Current(saved, "page", password(store, saved))


def password(store: Store, server: Server) -> str:
    """Return the saved password of an account, "" if there is none for its server.

    ``SecretKeyError`` if it cannot be opened.
    """
    if not server.user:
        return ""
    try:
        kept = json.loads(store.secrets.get(SECRET))
    except (NotFoundError, ValueError):
        return ""
    if not isinstance(kept, dict) or (kept.get("server"), kept.get("user")) != _place(server):
        return ""
    return str(kept.get("password", ""))


def has_password(store: Store, server: Server) -> bool:
    """Tell whether ``password`` gives one."""
    try:
        return bool(password(store, server))
    except SecretKeyError:
        return False


def check_password(typed: object) -> str:
    """Return the password that somebody sent, "" to leave it as it is, or raise ``InvalidError``."""
    if typed is None or typed == MASK:
        return ""
    if not isinstance(typed, str) or len(typed) > _LONGEST or "\0" in typed:
        raise InvalidError(f"The password must be a text of at most {_LONGEST} characters.", field=PASSWORD)
    return typed


def save(
    store: Store, server: Server, *, typed: str, user: str, base: str | None, message: str = ""
) -> Saved:
    """Save settings and return the new version, or raise ``InvalidError``, ``ConflictError``.

    :param typed: a new password, "" to keep the saved one.
    :param base: version that the editor started from.
    """
    if server.user and not typed and not has_password(store, server):
        raise InvalidError(
            "Type the password of the account: there is none that was saved for this server and account.",
            field=PASSWORD,
        )

    def keep(_newest: str | None) -> None:
        """Keep the password once nobody else's save is in the way."""
        if typed and server.user:
            place = dict(zip(("server", "user"), _place(server), strict=True))
            store.secrets.put(SECRET, json.dumps({**place, "password": typed}).encode())

    mark = datetime.now(UTC).isoformat() if typed and server.user else ""
    commit = store.config.save(
        {PATH: document.dump(server, password_changed=mark)},
        author=user,
        message=message.strip() or (f"Send mail through {server.host}" if server.host else "Send no mail"),
        base=base,
        before=keep,
    )
    return Saved(server, commit.id)


def take_over(store: Store, given: Mapping[str, str], *, typed: str, user: str, message: str) -> bool:
    """Save a server that something else than the page names, unless it is saved; tell whether it was not.

    :param given: settings as texts, "" for those that are left open.
    """
    server = document.normal({name: value for name, value in given.items() if value})
    saved = to_show(store)
    if saved.server == server and (not typed or password(store, server) == typed):
        return False
    save(store, server, typed=typed, user=user, base=saved.commit, message=message)
    return True


def _place(server: Server) -> tuple[str, str]:
    """Return what the password is for."""
    return f"{server.host}:{server.port}", server.user
