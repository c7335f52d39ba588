"""What page and REST API share: the settings as they are shown, a save, and a mail that tries them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from couture_workflow import settings
from couture_workflow.exceptions import InvalidError, MailError
from couture_workflow.services.mail import backend, configuration, document
from couture_workflow.services.mail.configuration import Saved
from couture_workflow.services.mail.document import MASK, PASSWORD, Server
from couture_workflow.store.names import quote
from couture_workflow.web.audit import audit
from couture_workflow.web.state import store

_MOST_RECEIVERS = 10

SUBJECT = "Test mail of Couture Workflow"
_BODY = "<p>This mail was sent with <i>Admin &gt; Mail</i> of Couture Workflow. Its settings work.</p>"


@dataclass(frozen=True)
class State:
    """How mails go now.

    :param origin: "options", "page" or "", for Airflow's own connection.
    :param connection: the id of that connection, "" if something else sends mails.
    :param foreign: the function that Airflow sends mails with, "" if it is ours.
    :param problem: why the options, or what was saved, cannot be used; "" if they can.
    """

    origin: str
    connection: str
    foreign: str
    problem: str


@dataclass(frozen=True)
class Tried:
    """What came of a test mail.

    :param message: one sentence; the server's own answer is in it.
    :param talk: what was said, a line for each command and answer.
    """

    ok: bool
    message: str
    talk: tuple[str, ...]


def state() -> State:
    """Return how mails go now."""
    origin, problem = "", ""
    try:
        origin = "options" if configuration.of_options() else ""
    except InvalidError as error:
        origin, problem = "options", str(error)
    if not origin:
        saved = configuration.to_show(store())
        origin, problem = "page" if saved.server.host else "", saved.problem
    used = settings.mail_backend()
    return State(origin, settings.mail_connection(), "" if used == backend.PATH else used, problem)


def shown(saved: Saved) -> dict[str, Any]:
    """Return the settings that count, as they may be shown: of the options, if they name a server."""
    server, has_password = saved.server, configuration.has_password(store(), saved.server)
    try:
        if (given := configuration.of_options()) is not None:
            server, has_password = given, bool(given.user)
    except InvalidError:
        pass
    return {**server.json(), PASSWORD: MASK if has_password else ""}


def read(values: object) -> tuple[Server, str]:
    """Return settings that somebody sent, and a new password, "" for the saved one."""
    if not isinstance(values, Mapping):
        raise InvalidError("Send the settings as an object of names and values.")
    return document.normal(values), configuration.check_password(values.get(PASSWORD))


def save(values: object, user: Any, *, base: str | None, message: str = "") -> Saved:
    """Save settings and write the row of the audit log, or raise ``InvalidError``, ``ConflictError``."""
    server, typed = read(values)
    saved = configuration.save(
        store(), server, typed=typed, user=str(user.get_name()), base=base, message=message
    )
    audit("mail.save", user, commit=saved.commit, settings=server.json(), password="new" if typed else "kept")
    return saved


def tried(values: object, to: object, user: Any) -> Tried:
    """Send a test mail with settings that need not be saved.

    :param values: None for the settings that count now.
    """
    receivers = _receivers(to)
    server, password = _server(values)
    if not server.host:
        raise InvalidError("Name the server first: its name or address.", field="host")
    try:
        talk = backend.send(server, password, to=receivers, subject=SUBJECT, body=_BODY)
        words = f"{server.host} took the mail. It said: {talk.answer}"
        if talk.refused:
            words = f"{server.host} took the mail, but not for everybody: {talk.refused}"
        found = Tried(not talk.refused, words, tuple(talk.lines))
    except MailError as error:
        found = Tried(False, str(error), error.talk)
    audit("mail.test", user, host=server.host, to=receivers, passed=found.ok)
    return found


def _receivers(to: object) -> list[str]:
    found = backend.addresses(to) if isinstance(to, str) else []
    if not found:
        raise InvalidError("Say whom to send the test mail to: an address, or a few with commas.", field="to")
    if len(found) > _MOST_RECEIVERS:
        raise InvalidError(
            f"These are {len(found):,} addresses. A test mail goes to {_MOST_RECEIVERS} at most.", field="to"
        )
    if wrong := [each for each in found if not document.is_address(each)]:
        named = ", ".join(quote(each) for each in wrong)
        what = "is no e-mail address" if len(wrong) == 1 else "are no e-mail addresses"
        raise InvalidError(
            f"{named} {what}. Write each as name@host, and separate several by commas.", field="to"
        )
    return found


def _server(values: object) -> tuple[Server, str]:
    if values is None or state().origin == "options":
        found = configuration.current(store())
        return found.server, found.password
    server, typed = read(values)
    return server, typed or configuration.password(store(), server)
