"""REST API of log-in by a directory, ``/api/ldap``."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from couture_workflow.api.auth import User, requires
from couture_workflow.api.history import Limit, Skip, Version
from couture_workflow.api.if_match import IfMatch, conflict, edited
from couture_workflow.exceptions import ConflictError
from couture_workflow.permissions import EDIT, LDAP_CONFIGURATION, READ, Permission
from couture_workflow.services.ldap import configuration as ldap_configuration
from couture_workflow.services.ldap.document import MASK, Document
from couture_workflow.services.ldap.fields import PASSWORD
from couture_workflow.services.ldap.rules import errors
from couture_workflow.web.answers import JSONResponse
from couture_workflow.web.ldap import page as ldap_page
from couture_workflow.web.state import store

router = APIRouter()

Reader = Annotated[User, requires(Permission(READ, LDAP_CONFIGURATION))]
Editor = Annotated[User, requires(Permission(EDIT, LDAP_CONFIGURATION))]
Settings = Annotated[
    dict[str, Any],
    Field(
        description="Settings by their names; what is left out has its default. "
        f"{PASSWORD} is shown as {MASK}; sent back or left out, it stays as it is."
    ),
]


class LdapSave(BaseModel):
    """Settings to save in place of the present ones."""

    model_config = ConfigDict(extra="forbid")

    settings: Settings
    message: str = Field("", max_length=2000, description="Why; empty: a summary of what changed.")


class LdapSettings(BaseModel):
    """Settings to look at."""

    model_config = ConfigDict(extra="forbid")

    settings: Settings


class LdapPerson(BaseModel):
    """Somebody to try the log-in as."""

    model_config = ConfigDict(extra="forbid")

    username: str = Field(description="Name of somebody in the directory.")
    password: str = Field(description="The person's password; it is not stored.")
    settings: Settings | None = Field(None, description="Settings to try; left out: the saved ones.")


class LdapSaved(BaseModel):
    """Settings that are saved, and how people log in now."""

    settings: Settings
    commit: str | None = Field(description="Version, also the ETag; null if nothing was ever saved.")
    log_in: str = Field(description="How people log in now: database or ldap.")
    applied: str = Field(description="Version that the API server runs with; empty: none.")
    pending: bool = Field(description="The saved version is not applied: restart the API server.")
    problem: str = Field(description="Why the applied version is not in effect; empty if it is.")


class LdapProblem(BaseModel):
    """Something that is wrong with one setting."""

    field: str = Field(description="Name of the setting.")
    message: str = Field(description="What the rule is and what to do.")
    level: str = Field(description="error, which stops a save; warning, which does not.")


class LdapChecked(BaseModel):
    """What there is to say about settings."""

    valid: bool = Field(description="Whether they could be saved.")
    problems: list[LdapProblem] = Field(description="All problems, in the order of the settings.")


class LdapStep(BaseModel):
    """One step of a log-in."""

    name: str = Field(description="connection, bind, search, password, groups, roles or account.")
    ok: bool = Field(description="Whether it went well.")
    message: str = Field(description="What was found, or what the directory says and what to do.")
    details: list[str] = Field(description="More of what was found.")


class LdapTested(BaseModel):
    """How far a log-in went."""

    ok: bool = Field(description="Whether the person would be let in.")
    roles: list[str] = Field(description="Roles that the groups of the person give.")
    steps: list[LdapStep] = Field(description="The steps, up to the first that failed.")


class LdapVersion(Version):
    """One save."""


@router.get("/")
def read_ldap(
    _user: Reader, commit: Annotated[str | None, Query(description="Version; default: the newest.")] = None
) -> JSONResponse:
    """Return the settings without the password, and how people log in now."""
    return _answer(ldap_configuration.read(store(), commit=commit) if commit else ldap_page.present())


@router.put("/")
def save_ldap(
    user: Editor,
    sent: LdapSave,
    if_match: IfMatch = None,
) -> JSONResponse:
    """Save settings, which an API server takes up when it starts.

    412 if the present ones are not of the version that If-Match names.
    """
    typed = ldap_page.read(sent.settings)
    base = edited(ldap_configuration.read(store()).commit, if_match)
    if told := ldap_page.refused(ldap_page.problems(typed)):
        return JSONResponse(told, status_code=422)
    try:
        saved = ldap_page.save(typed, user, base=base, message=sent.message)
    except ConflictError as error:
        return conflict(error, if_match)
    return _answer(saved)


@router.get("/history")
def ldap_history(
    _user: Reader,
    limit: Limit = 50,
    skip: Skip = 0,
) -> list[LdapVersion]:
    """Return who saved when and why, newest first."""
    return [LdapVersion.of(entry) for entry in ldap_configuration.history(store(), limit=limit, skip=skip)]


@router.post("/validate")
def validate_ldap(_user: Editor, sent: LdapSettings) -> LdapChecked:
    """Tell what is wrong with settings, without saving them."""
    problems = ldap_page.problems(ldap_page.read(sent.settings))
    return LdapChecked(
        valid=not errors(problems), problems=[LdapProblem(**asdict(problem)) for problem in problems]
    )


@router.post("/test")
def try_ldap(user: Editor, person: LdapPerson) -> LdapTested:
    """Try to log in as somebody, step by step; nothing is applied and nothing is stored."""
    if person.settings is None:
        typed = ldap_page.Sent(ldap_page.present(), "")
    else:
        typed = ldap_page.read(person.settings)
    found = ldap_page.tried(typed, user, username=person.username, password=person.password)
    return LdapTested(
        ok=found.ok,
        roles=list(found.roles),
        steps=[
            LdapStep(name=step.name, ok=step.ok, message=step.message, details=list(step.details))
            for step in found.steps
        ],
    )


def _answer(document: Document) -> JSONResponse:
    state = ldap_page.state()
    body = LdapSaved(
        settings=ldap_page.masked(document),
        commit=document.commit,
        log_in=state.log_in,
        applied=state.applied,
        pending=state.pending,
        problem=state.problem,
    )
    return JSONResponse(body.model_dump(), headers={"ETag": f'"{document.commit or "none"}"'})
