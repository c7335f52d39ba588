"""REST API of missed SLAs, ``/api/sla``."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from couture_workflow.api.auth import User, requires
from couture_workflow.permissions import RUNS
from couture_workflow.services.sla import listing
from couture_workflow.services.sla.listing import Row
from couture_workflow.services.sla.misses import Notice
from couture_workflow.services.sla.notes import LONGEST, Note
from couture_workflow.web.numbers import LARGEST
from couture_workflow.web.sla import page as slas

router = APIRouter()

Reader = Annotated[User, requires(RUNS)]
Words = Annotated[str, Query(max_length=1000)]
Notified = Annotated[str, Query(description="sent or not_sent.")]
Documented = Annotated[str, Query(description="documented or open.")]
Since = Annotated[str, Query(description="Due at the earliest; without a zone in UTC.")]
Until = Annotated[str, Query(description="Due at the latest.")]
Offset = Annotated[int, Query(ge=0, le=LARGEST)]
_CSV: dict[int | str, dict[str, Any]] = {
    200: {"description": "The misses.", "content": {"text/csv": {"schema": {"type": "string"}}}}
}


class NoteModel(BaseModel):
    """What somebody noted of a miss."""

    text: str = Field(description="The note.")
    done: bool = Field(description="The miss is analyzed and documented.")
    by: str = Field(description="Who wrote it.")
    at: datetime = Field(description="When.")


class NoticeModel(BaseModel):
    """How somebody is told of a miss."""

    state: str = Field(description="none (nobody is to be told), waiting, sent or failed.")
    to: list[str] = Field(description="Addresses of a mail.")
    attempts: int = Field(description="Attempts so far.")
    at: datetime | None = Field(description="When the last one was.")
    error: str = Field(description="Why it failed, with the server's own words.")


class MissModel(BaseModel):
    """A task that had not succeeded when its SLA was due."""

    id: str = Field(description="Of the miss; tasks of one run with the same SLA share it.")
    dag_id: str = Field(description="Id of the DAG.")
    run_id: str = Field(description="Id of the DAG run.")
    task_id: str = Field(description="Id of the task.")
    logical_date: datetime | None = Field(description="Of the run.")
    due: datetime = Field(description="When the task had to have succeeded.")
    sla_seconds: float = Field(description="The SLA, counted from the end of the run's interval.")
    state: str = Field(description="Of the task when it was looked at; empty: nothing had happened yet.")
    late: int = Field(description="Task instances that were late; more than one of a mapped task.")
    total: int = Field(description="Task instances of the task.")
    blocking: list[str] = Field(description="Tasks of the run that had begun and not succeeded.")
    found_at: datetime = Field(description="When it was seen.")
    notification_sent: bool = Field(description="Somebody was told, by mail or by the DAG's function.")
    mail: NoticeModel
    callback: NoticeModel
    note: NoteModel | None = Field(description="What somebody noted.")


class NoteSave(BaseModel):
    """A note in the place of the present one."""

    model_config = ConfigDict(extra="forbid")

    id: str = Field(description="Of the miss.", max_length=200)
    text: str = Field("", max_length=LONGEST, description="The note; empty: none.")
    done: bool = Field(False, description="The miss is analyzed and documented.")
    base: str | None = Field(
        None,
        max_length=100,
        description="The at of the note that was read, empty for none: 409 if it changed.",
    )


class MissPage(BaseModel):
    """A part of the misses that were asked for, newest first."""

    misses: list[MissModel]
    more: bool = Field(description="There are others behind these: ask with a larger offset.")
    cut: bool = Field(description="No older ones were looked at: ask with an earlier until.")


@router.get("/misses")
def sla_misses(
    user: Reader,
    request: Request,
    q: Words = "",
    dag_id: Words = "",
    notified: Notified = "",
    documented: Documented = "",
    since: Since = "",
    until: Until = "",
    offset: Offset = 0,
    limit: Annotated[int, Query(ge=1, le=listing.LARGEST)] = 50,
) -> MissPage:
    """Return misses of the DAGs whose task instances the caller may read, newest first."""
    found = slas.page_for(user, slas.wish_of(request.query_params))
    return MissPage(misses=[_model(row) for row in found.rows], more=found.more, cut=found.cut)


@router.get("/misses.csv", response_class=Response, responses=_CSV)
def sla_misses_csv(
    user: Reader,
    request: Request,
    q: Words = "",
    dag_id: Words = "",
    notified: Notified = "",
    documented: Documented = "",
    since: Since = "",
    until: Until = "",
    offset: Offset = 0,
    limit: Annotated[int, Query(ge=1, le=listing.MOST)] = listing.MOST,
) -> Response:
    """Return the same as CSV, all rows if nothing else is said."""
    return Response(slas.file_for(user, request.query_params), media_type="text/csv")


@router.put("/note")
def note_sla_miss(user: Reader, sent: NoteSave) -> NoteModel:
    """Keep a note of a miss; needs the right to edit the task instances of its DAG."""
    return _note(slas.note(user, sent.id, text=sent.text, done=sent.done, base=sent.base))


def _model(row: Row) -> MissModel:
    miss, task = row.miss, row.task
    return MissModel(
        id=miss.id,
        dag_id=miss.dag_id,
        run_id=miss.run_id,
        task_id=task.task_id,
        logical_date=miss.logical_date,
        due=miss.due,
        sla_seconds=miss.seconds,
        state=task.state,
        late=task.count,
        total=task.total,
        blocking=[task_id for task_id, _ in miss.blocking],
        found_at=miss.found_at,
        notification_sent=miss.notified,
        mail=_notice(miss.mail),
        callback=_notice(miss.callback),
        note=_note(row.note) if row.note else None,
    )


def _notice(found: Notice) -> NoticeModel:
    return NoticeModel(
        state=found.state, to=list(found.to), attempts=found.attempts, at=found.at, error=found.error
    )


def _note(found: Note) -> NoteModel:
    return NoteModel(text=found.text, done=found.done, by=found.by, at=found.at)
