"""REST API of the mail server, ``/api/mail``."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from couture_workflow.api.auth import User, requires
from couture_workflow.api.if_match import IfMatch, conflict, edited
from couture_workflow.exceptions import ConflictError
from couture_workflow.permissions import EDIT, MAIL, READ, Permission
from couture_workflow.services.mail import configuration
from couture_workflow.services.mail.configuration import Saved
from couture_workflow.services.mail.document import MASK, PASSWORD
from couture_workflow.web.answers import JSONResponse
from couture_workflow.web.mail import page as mail_page
from couture_workflow.web.state import store

router = APIRouter()

Reader = Annotated[User, requires(Permission(READ, MAIL))]
Editor = Annotated[User, requires(Permission(EDIT, MAIL))]
Settings = Annotated[
    dict[str, Any],
    Field(
        description="host, port, security (none, starttls or tls), verify, user, sender, timeout; what is "
        f"left out has its default. {PASSWORD} is shown as {MASK}; sent back or left out, it stays as it is."
    ),
]


class MailSave(BaseModel):
    """Settings to save in place of the present ones."""

    model_config = ConfigDict(extra="forbid")

    settings: Settings
    message: str = Field("", max_length=2000, description="Why; empty: a sentence that names the server.")


class MailTest(BaseModel):
    """A test mail to send."""

    model_config = ConfigDict(extra="forbid")

    to: str = Field(max_length=2000, description="Addresses, separated by commas.")
    settings: Settings | None = Field(None, description="Settings to try; left out: those that count now.")


class MailSaved(BaseModel):
    """The settings that count, and where they are from."""

    settings: Settings
    commit: str | None = Field(description="Version that is saved, also the ETag; null if none ever was.")
    origin: str = Field(
        description="options: those of the installation, which go before; page: what was saved; empty: no "
        "server is named, mails go by Airflow's connection."
    )
    connection: str = Field(
        description="Id of that connection, also while another origin counts; empty if Airflow sends mails "
        "with another function than ours or its own."
    )


class MailTested(BaseModel):
    """What came of a test mail."""

    ok: bool = Field(description="The server took it.")
    message: str = Field(description="One sentence, with the server's own answer.")
    talk: list[str] = Field(description="What was said: our commands begin with >, secrets are hidden.")


@router.get("/", response_model=MailSaved)
def mail_settings(_user: Reader) -> JSONResponse:
    """Return the settings that count now."""
    return _answer(configuration.to_show(store()))


@router.put("/", response_model=MailSaved)
def save_mail(
    user: Editor,
    sent: MailSave,
    if_match: IfMatch = None,
) -> JSONResponse:
    """Save settings, which count for the next mail on.

    412 if the present ones are not of the version that If-Match names.
    """
    base = edited(configuration.to_show(store()).commit, if_match)
    try:
        return _answer(mail_page.save(sent.settings, user, base=base, message=sent.message))
    except ConflictError as error:
        return conflict(error, if_match)


@router.post("/test")
def try_mail(user: Editor, sent: MailTest) -> MailTested:
    """Send a test mail and return what the server said; nothing is stored."""
    found = mail_page.tried(sent.settings, sent.to, user)
    return MailTested(ok=found.ok, message=found.message, talk=list(found.talk))


def _answer(saved: Saved) -> JSONResponse:
    state = mail_page.state()
    body = MailSaved(
        settings=mail_page.shown(saved),
        commit=saved.commit,
        origin=state.origin,
        connection=state.connection,
    )
    return JSONResponse(body.model_dump(), headers={"ETag": f'"{saved.commit or "none"}"'})
