"""The git remote of the DAG repository for programs: its state, a look at it now, the web hook."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable
from dataclasses import asdict
from typing import Annotated, Any

from anyio import to_thread
from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from couture_workflow.api.auth import User, requires
from couture_workflow.exceptions import TooLargeError
from couture_workflow.permissions import DAG_REPOSITORY, EDIT, HOOK, READ, Permission
from couture_workflow.services.git import remote as git_remote
from couture_workflow.services.git import sync as git_sync
from couture_workflow.services.git import watch as git_watch
from couture_workflow.services.git.remote import State
from couture_workflow.services.saving import coming
from couture_workflow.web.bodies import announced
from couture_workflow.web.dags.processing import request_parse
from couture_workflow.web.dags.saving import known
from couture_workflow.web.git.look import RUNNING, patiently, synchronise, tell_looked, tell_moved
from couture_workflow.web.state import store

router = APIRouter()

Reader = Annotated[User, requires(Permission(READ, DAG_REPOSITORY))]
Editor = Annotated[User, requires(Permission(EDIT, DAG_REPOSITORY))]
Hook = Annotated[None, requires(HOOK)]

_SINCE = Query(description="Commit to count the changes from, instead of the one before the look.")
Since = Annotated[str | None, _SINCE]

#: Bytes of a web hook's body that are read at most; GitHub sends 25 MB at most.
MAX_HOOK = 25 * 2**20

_TOO_LARGE = f"A web hook's body has at most {MAX_HOOK} bytes."
_SIGNATURE = re.compile("[0-9a-fA-F]{64}")


class RemoteState(BaseModel):
    """What the last look at the remote found."""

    result: str = Field(
        description="ok, error, conflict, running (not ended yet); empty before the first look."
    )
    message: str = Field(description="What happened, or what is wrong and what to do.")
    when: str = Field(description="Of the last look.")
    success: str = Field(description="Of the last one that went well.")
    remote: str = Field(description="Commit of the remote's branch.")
    local: str = Field(description="Commit of the DAG repository.")
    ahead: int = Field(description="Commits that the remote lacks.")
    behind: int = Field(description="Commits of the remote that are not here.")
    paths: list[str] = Field(description="Files that both changed, in a conflict.")
    rewritten: bool = Field(
        description="In a conflict: the remote's history was rewritten, and there are commits of ours."
    )
    notes: list[str] = Field(description="What in the repository Airflow does not see, and why.")


class Reloaded(RemoteState):
    """What a look at the remote brought, and what the save gate says of it."""

    before: str = Field(description="Commit that the changes are counted from; empty for none.")
    changes: dict[str, str] = Field(description="What differs, by path: added, changed or deleted.")
    passed: bool = Field(description="Whether the save gate found no error in it.")
    problems: list[dict[str, Any]] = Field(description="What the save gate found; errors come first.")


@router.get("/")
def read_state(_user: Reader) -> RemoteState:
    """Return what the last look at the remote found."""
    return RemoteState(**asdict(git_remote.state(store())))


@router.post("/sync", responses={202: {"model": RemoteState, "description": "The look goes on."}})
def sync(user: Editor, response: Response) -> RemoteState:
    """Look at the remote now and return what was found, within 15 seconds.

    When the remote takes longer, the answer is 202 and ``running``; the state tells the outcome later.
    """
    found = synchronise()
    if found.result == RUNNING:
        response.status_code = 202
    tell_looked(user, found)
    return RemoteState(**asdict(found))


@router.post("/reload", responses={202: {"model": Reloaded, "description": "The look goes on."}})
def reload(user: Editor, response: Response, since: Since = None) -> Reloaded:
    """Look at the remote now, let Airflow parse what came, and check it as the save gate does.

    What came is live whatever the gate says. Without a remote, Airflow looks at the repository again.
    """
    before = store().dags.known(since) if since else store().dags.head()
    if git_remote.settings(store()).is_set:
        found = synchronise()
        tell_looked(user, found)
    else:
        found = State("ok", "There is no remote. Airflow looks at the repository again.")
    request_parse(())
    if found.result == RUNNING:
        response.status_code = 202
        came = coming.NOTHING
    else:
        came = coming.came(store(), before, known=known())
    return Reloaded(
        **asdict(found),
        before=before or "",
        changes=came.changes,
        passed=came.report.passed,
        problems=[problem.json() for problem in came.report.problems],
    )


@router.post("/take", responses={202: {"model": RemoteState, "description": "The look goes on."}})
def take(user: Editor, response: Response) -> RemoteState:
    """Put the remote's state, as last seen, in place of ours, which stays as a branch `kept/<time>`."""
    name = user.get_name()
    return _moved(
        "dag_repository.take_remote", user, response, lambda: git_sync.take_remote(store(), user=name)
    )


@router.post("/rebase", responses={202: {"model": RemoteState, "description": "The look goes on."}})
def rebase(user: Editor, response: Response) -> RemoteState:
    """Take the remote's rewritten history and put the commits that are ours alone on top of it.

    Where they do not fit, the answer is 409, names the files, and everything is as it was.
    """
    return _moved("dag_repository.rebase", user, response, lambda: git_sync.put_on_top(store()))


def _moved(event: str, user: User, response: Response, move: Callable[[], State]) -> RemoteState:
    before = store().dags.head()
    found = patiently(move)
    if found.result == RUNNING:
        response.status_code = 202
    tell_moved(event, user, before=before, found=found)
    return RemoteState(**asdict(found))


@router.post("/hook", status_code=202)
async def hook(_signed: Hook, request: Request) -> dict[str, str]:
    """Ask for a look at the remote: the web hook of GitHub, GitLab, Gitea or a script.

    The secret is sent as ``X-Gitlab-Token``, as ``Authorization: Bearer``, or signs the body with
    HMAC-SHA256 in ``X-Hub-Signature-256`` (GitHub, Gitea, Forgejo).
    """
    secret = await to_thread.run_sync(git_remote.hook_secret, store())
    if not (_knows(request, secret) or await _signed_by(request, secret)):
        raise HTTPException(
            401, "The web hook's secret is missing or wrong. Developer > DAG Repository shows it."
        )
    await to_thread.run_sync(git_watch.ask, store())
    return {"detail": "The remote is looked at now."}


def _knows(request: Request, secret: str) -> bool:
    """Tell whether a header holds the secret: then nobody needs the body."""
    scheme, _, bearer = request.headers.get("authorization", "").partition(" ")
    given = (request.headers.get("x-gitlab-token", ""), bearer if scheme.lower() == "bearer" else "")
    return any(text and hmac.compare_digest(text.encode(), secret.encode()) for text in given)


async def _signed_by(request: Request, secret: str) -> bool:
    """Tell whether the body is signed; it is never kept, and not read where there is no signature."""
    signature = request.headers.get("x-hub-signature-256", "").removeprefix("sha256=")
    if not _SIGNATURE.fullmatch(signature):
        return False
    if announced(request.scope) > MAX_HOOK:
        raise TooLargeError(_TOO_LARGE)
    mac, size = hmac.new(secret.encode(), digestmod=hashlib.sha256), 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > MAX_HOOK:
            raise TooLargeError(_TOO_LARGE)
        mac.update(chunk)
    return hmac.compare_digest(signature.encode(), mac.hexdigest().encode())
