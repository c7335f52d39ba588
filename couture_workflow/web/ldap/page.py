"""What page and REST API share: reading settings that were sent, checking, saving and trying them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from couture_workflow.exceptions import InvalidError
from couture_workflow.services.ldap import applied, configuration, library, trial
from couture_workflow.services.ldap import document as ldap_document
from couture_workflow.services.ldap.document import MASK, Document
from couture_workflow.services.ldap.fields import BY_NAME, LDAP, PASSWORD
from couture_workflow.services.ldap.rules import Problem, errors
from couture_workflow.services.ldap.trial import Trial
from couture_workflow.web.audit import audit
from couture_workflow.web.ldap import accounts, applying
from couture_workflow.web.state import store


@dataclass(frozen=True)
class Sent:
    """Settings that somebody sent.

    :param typed: a new password of the service account, "" for the saved one.
    """

    document: Document
    typed: str


@dataclass(frozen=True)
class State:
    """How people log in now, and what is saved.

    :param log_in: how people log in now: "database" or "ldap".
    :param pending: what is saved is not applied yet.
    :param problem: why what was applied is not what was saved, "" if it is.
    :param missing: why there can be no log-in by a directory on this machine, "" if there can.
    :param restart: what to restart, as one would type it where that is known.
    """

    log_in: str
    applied: str
    pending: bool
    problem: str
    missing: str
    restart: str


def present() -> Document:
    """Return the saved settings, or what the form begins with."""
    return accounts.with_local_accounts(configuration.read(store()))


def state() -> State:
    """Return how people log in now, and what is saved."""
    found = applying.here()
    return State(
        log_in=found.log_in or "database",
        applied=found.commit,
        pending=applied.is_pending(store(), found),
        problem=found.problem,
        missing=library.problem(),
        restart=restart(),
    )


def restart() -> str:
    """Return how the API server is restarted here."""
    if os.environ.get("KUBERNETES_SERVICE_HOST"):
        return "kubectl rollout restart deployment, for the one of the API server"
    if Path("/run/couture/secrets").is_dir():
        return "docker compose restart api-server"
    if os.environ.get("COUTURE_HOME"):
        return "end couture-workflow run with Ctrl-C, and start it again"
    return "the command airflow api-server, wherever it runs"


def masked(document: Document) -> dict[str, Any]:
    """Return settings as they may be shown."""
    shown = {**document.json(), PASSWORD: MASK if configuration.has_password(store(), document) else ""}
    return {name: shown[name] for name in BY_NAME}


def read(data: Mapping[str, Any]) -> Sent:
    """Return settings that somebody sent, or raise ``InvalidError``; what is left out has its default."""
    typed = configuration.check_password(data.get(PASSWORD))
    begun = present() if "LOCAL_ACCOUNTS" not in data else None
    values = ldap_document.normal({name: value for name, value in data.items() if name != PASSWORD})
    if begun is not None and begun.commit is None:
        values["LOCAL_ACCOUNTS"] = begun.names("LOCAL_ACCOUNTS")
    return Sent(Document(values), typed)


def problems(sent: Sent) -> list[Problem]:
    """Return all that is wrong with settings that were sent."""
    found = configuration.problems(store(), sent.document, typed=sent.typed) + accounts.problems(
        sent.document
    )
    order = list(BY_NAME)
    return sorted(found, key=lambda problem: order.index(problem.field))


def changes(sent: Sent, *, base: str | None) -> list[dict[str, str]]:
    """Return what a save would change."""
    before = configuration.read(store(), commit=base) if base else ldap_document.DEFAULT
    if sent.typed:
        mark = "a new one"
    else:
        mark = before.password_changed if sent.document.text("AUTH_LDAP_BIND_USER") else ""
    after = Document(sent.document.values, mark)
    return [asdict(change) for change in ldap_document.changes(before, after)]


def save(sent: Sent, user: Any, *, base: str | None, message: str) -> Document:
    """Save settings and write the row of the audit log; the caller has looked at ``problems``."""
    made = changes(sent, base=base)
    saved = configuration.save(
        store(),
        sent.document,
        typed=sent.typed,
        user=str(user.get_name()),
        base=base,
        message=message,
    )
    if saved.commit != base:
        audit("ldap_configuration.save", user, commit=saved.commit, changes=made)
    return saved


def refused(found: list[Problem]) -> dict[str, Any]:
    """Return what a program is told of settings that cannot be saved, {} if they can."""
    wrong = errors(found)
    if not wrong:
        return {}
    first = wrong[0]
    told = [asdict(problem) for problem in found]
    return {"error": "invalid", "detail": first.message, "field": first.field, "problems": told}


def tried(sent: Sent, user: Any, *, username: object, password: object) -> Trial:
    """Try to log in as somebody with settings that need not be saved; what was typed is not kept.

    ``InvalidError`` for settings that could not be saved either, but for the local accounts.
    """
    name, secret = trial.check_person(username, password)
    meant = Document({**sent.document.values, "AUTH_TYPE": LDAP})
    for problem in errors(configuration.problems(store(), meant, typed=sent.typed)):
        if problem.field != "LOCAL_ACCOUNTS":
            raise InvalidError(problem.message, field=problem.field)
    saved = configuration.password(store(), sent.document) or ""
    found = trial.run(sent.document, bind_password=sent.typed or saved, username=name, password=secret)
    found = accounts.with_account(sent.document, found, name)
    audit("ldap_configuration.test", user, person=name, passed=found.ok)
    return found
