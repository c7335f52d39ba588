"""REST API of the Jupyter servers: the caller's own, and for administrators everybody's."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field

from couture_workflow.api.auth import User, requires
from couture_workflow.services.jupyter.servers import Listed, Progress
from couture_workflow.web.jupyter import state
from couture_workflow.web.jupyter.people import CAN_OPEN, CAN_STOP, base_path, person_of

router = APIRouter()


class StateModel(BaseModel):
    """How the caller's own server is."""

    state: str = Field(description='"stopped", "starting" or "ready".')
    waits_for: str = Field(description="What a start waits for, in words; empty unless it is starting.")
    address: str = Field(description="Path of JupyterLab, with the prefix of Airflow's own address.")


class ServerModel(BaseModel):
    """A server that runs."""

    account: str = Field(description="Whose it is.")
    number: int = Field(description="Number of the account.")
    since: datetime = Field(description="When it was started.")
    last_activity: datetime | None = Field(description="When something last happened; null: not known.")
    memory: int | None = Field(description="Bytes that it and its kernels have; null: not known.")
    kernels: int | None = Field(description="Kernels that are open; null: not known.")
    busy: int | None = Field(description="Kernels that run a cell; null: not known.")


class ServerList(BaseModel):
    """All servers that run."""

    servers: list[ServerModel] = Field(description="The servers, by account.")


@router.get("/servers/")
async def list_servers(_user: Annotated[User, requires(CAN_STOP)]) -> ServerList:
    """List the Jupyter servers that run: whose, since when, memory, kernels, last activity."""
    return ServerList(servers=[_model(each) for each in await state.listed()])


@router.get("/servers/mine")
async def my_server(request: Request, user: Annotated[User, requires(CAN_OPEN)]) -> StateModel:
    """Tell how the caller's own server is, without starting it."""
    return _state(request, user, await state.progress(person_of(user)))


@router.post("/servers/mine")
async def start_my_server(request: Request, user: Annotated[User, requires(CAN_OPEN)]) -> StateModel:
    """Begin to start the caller's own server, if it does not run; it does not wait until it is ready."""
    return _state(request, user, await state.start(user))


@router.delete("/servers/mine", status_code=204)
async def stop_my_server(user: Annotated[User, requires(CAN_OPEN)]) -> None:
    """Stop the caller's own server, with all its kernels."""
    await state.stop(user, person_of(user))


@router.delete("/servers/{account:path}", status_code=204)
async def stop_server(account: str, user: Annotated[User, requires(CAN_STOP)]) -> None:
    """Stop somebody's server, with all its kernels; by name, or by number of the account."""
    await state.stop(user, await state.running(account))


def _state(request: Request, user: User, progress: Progress) -> StateModel:
    prefix = str(request.scope.get("app_root_path", "")).rstrip("/")
    return StateModel(
        state=progress.state,
        waits_for=progress.waits_for,
        address=f"{prefix}{base_path(person_of(user))}lab",
    )


def _model(listed: Listed) -> ServerModel:
    return ServerModel(
        account=listed.person.name,
        number=listed.person.number,
        since=listed.since,
        last_activity=listed.last_activity,
        memory=listed.memory,
        kernels=listed.kernels,
        busy=listed.busy,
    )
