"""The routes of runs and schedules of sources: Play, Kill, when a source runs by itself."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Path
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field

from couture_workflow.api.auth import User, requires
from couture_workflow.api.eda.outputs import Number, OutputModel, output_model
from couture_workflow.api.if_match import IfMatch, base_of, or_conflict
from couture_workflow.permissions import CREATE, DELETE, EDA, EDIT, READ, Permission
from couture_workflow.services.eda import schedules
from couture_workflow.services.eda.schedules import Schedule
from couture_workflow.services.schedules import timing
from couture_workflow.web.answers import JSONResponse
from couture_workflow.web.eda import running

router = APIRouter(tags=["runs"])

Reader = Annotated[User, requires(Permission(READ, EDA))]
Creator = Annotated[User, requires(Permission(CREATE, EDA))]
Editor = Annotated[User, requires(Permission(EDIT, EDA))]
Deleter = Annotated[User, requires(Permission(DELETE, EDA))]
Name = Annotated[str, Path(description="Name of the source.")]


class RunModel(BaseModel):
    """How a run differs from what its source says."""

    model_config = ConfigDict(extra="forbid", strict=True)

    sample_rows: int | None = Field(None, description="Rows of the sample; null: as the source says.")


class ScheduleForm(BaseModel):
    """When a source runs by itself."""

    model_config = ConfigDict(extra="forbid")

    cron: str = Field(description="Five fields, or a word such as @daily.", max_length=200)
    zone: str = Field("UTC", description="Time zone, such as Europe/Berlin.", max_length=200)
    email: list[str] | str = Field(
        default_factory=list,
        description="Who gets a mail when a run fails: addresses, or a text with commas.",
    )
    compare: bool = Field(True, description="Compare each run with the success before it.")
    fail_when: dict[str, Any] | list[Any] | str | None = Field(
        None, description="Rules that make a run fail, as in CoutureEdaOperator."
    )


class ScheduleModel(BaseModel):
    """When a source runs by itself, and how far Airflow is with it."""

    source: str = Field(description="Name of the source.")
    dag_id: str = Field(description="Id of its DAG.")
    cron: str = Field(description="Five fields, or a word such as @daily.")
    zone: str = Field(description="Time zone.")
    email: list[str] = Field(description="Who gets a mail when a run fails.")
    compare: bool = Field(description="Whether each run is compared with the success before it.")
    fail_when: dict[str, Any] = Field(description="Rules that make a run fail; empty for none.")
    account: str = Field(description="Who saved it.")
    words: str = Field(description="When it runs, in words.")
    times: list[str] = Field(description="The next five times, in its time zone.")
    state: str = Field(description="waiting until Airflow has read the DAG, then ready.")
    paused: bool = Field(description="Whether it is paused.")
    next_run: datetime | None = Field(description="When it runs next, null if it does not.")


class TimesModel(BaseModel):
    """What a time means."""

    words: str = Field(description="When it runs, in words.")
    times: list[str] = Field(description="The next five times, in its time zone.")


class PauseModel(BaseModel):
    """Whether it is to be paused."""

    model_config = ConfigDict(extra="forbid", strict=True)

    paused: bool = Field(True, description="false to let it run again.")


@router.post("/sources/{name}/run", status_code=201)
def run_source(name: Name, user: Creator, body: RunModel | None = None) -> OutputModel:
    """Start a run of a source at once; the output that it makes is told."""
    return output_model(running.play(name, user, sample_rows=body.sample_rows if body else None))


@router.post("/outputs/{source}/{number}/stop")
def stop_run(source: Name, number: Number, user: Creator) -> OutputModel:
    """Ask the run of an output to end; what has ended stays as it is."""
    return output_model(running.stop(source, number, user))


@router.get("/sources/{name}/schedule", response_model=ScheduleModel | None)
def read_schedule(name: Name, user: Reader) -> Response:
    """Tell when a source runs by itself; null if it does not. Its ETag is for If-Match."""
    return _answer(*running.schedule_of(name))


@router.put("/sources/{name}/schedule", response_model=ScheduleModel)
def save_schedule(name: Name, body: ScheduleForm, user: Editor, if_match: IfMatch = None) -> Response:
    """Let a source run by itself, or change when it does; 412 if others did since If-Match's version."""
    base = base_of(if_match)

    def work() -> Response:
        saved = running.save_schedule(name, body.model_dump(), user, base=base)
        return _answer(saved, saved.commit)

    return or_conflict(work, base)


@router.post("/sources/{name}/schedule/times")
def check_times(name: Name, body: ScheduleForm, user: Reader) -> TimesModel:
    """Tell what a time means and when a source would run next; nothing is saved."""
    found = timing.timing(schedules.normal(name, body.model_dump()).when)
    return TimesModel(words=found.words, times=[each.isoformat() for each in found.times])


@router.post("/sources/{name}/schedule/pause", response_model=ScheduleModel | None)
def pause_schedule(name: Name, body: PauseModel, user: Editor) -> Response:
    """Pause the schedule of a source, or let it run again."""
    running.pause_schedule(name, user, paused=body.paused)
    return read_schedule(name, user)


@router.delete("/sources/{name}/schedule", status_code=204)
def delete_schedule(name: Name, user: Deleter, if_match: IfMatch = None) -> Response:
    """Let a source run by itself no more; 412 if it changed since If-Match's. Runs that go on go on."""
    base = base_of(if_match)

    def work() -> Response:
        version = running.delete_schedule(name, user, base=base)
        return Response(status_code=204, headers={"ETag": f'"{version}"'})

    return or_conflict(work, base)


def _answer(schedule: Schedule | None, version: str | None) -> Response:
    body = _told(schedule).model_dump(mode="json") if schedule else None
    return JSONResponse(body, headers={"ETag": f'"{version}"'} if version else None)


def _told(schedule: Schedule) -> ScheduleModel:
    found, live = timing.timing(schedule.when), running.live(schedule)
    return ScheduleModel(
        **schedule.json(),
        source=schedule.source,
        dag_id=schedule.dag_id,
        account=schedule.account,
        words=found.words,
        times=[each.isoformat() for each in found.times],
        state=live.state,
        paused=live.paused,
        next_run=live.next_run and live.next_run.astimezone(UTC),
    )
