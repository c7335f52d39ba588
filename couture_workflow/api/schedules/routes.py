"""REST API of the schedules of notebooks, ``/api/notebooks/schedules/`` and ``/api/notebooks/documents``."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query

from couture_workflow.api.auth import User, requires
from couture_workflow.api.schedules import models
from couture_workflow.permissions import CREATE, DELETE, EDIT, NOTEBOOK_SCHEDULES, READ, Permission
from couture_workflow.services.notebooks import document as notebook_document
from couture_workflow.services.notebooks import folders, kernels, people
from couture_workflow.services.schedules import copies, library, timing
from couture_workflow.services.schedules.form import Finding, Form, form_of
from couture_workflow.services.schedules.library import Schedule
from couture_workflow.web.schedules import running, saving, surroundings
from couture_workflow.web.schedules.saving import Done
from couture_workflow.web.schedules.surroundings import Live
from couture_workflow.web.state import store

router = APIRouter()

Reader = Annotated[User, requires(Permission(READ, NOTEBOOK_SCHEDULES))]
Creator = Annotated[User, requires(Permission(CREATE, NOTEBOOK_SCHEDULES))]
Editor = Annotated[User, requires(Permission(EDIT, NOTEBOOK_SCHEDULES))]
Deleter = Annotated[User, requires(Permission(DELETE, NOTEBOOK_SCHEDULES))]
Copies = Annotated[
    bool, Query(alias="copies", description="Tell of each whether its copy is behind the notebook.")
]


@router.get("/documents")
def read_document(
    path: Annotated[str, Query(description="Path below the folder of all notebooks.")], user: Reader
) -> models.DocumentModel:
    """Return what a notebook of the caller's own folder, or the shared one, takes to be scheduled."""
    chosen = folders.checked(path, str(user.get_name()), field="path")
    found = notebook_document.glance(people.top(store().root), chosen)
    return models.DocumentModel(
        path=chosen,
        sha256=found.sha256,
        size=found.size,
        format=found.format,
        kernel=found.kernel,
        language=found.language,
        cells=found.cells,
        has_parameters=found.has_parameters,
        parameters=_parameters(found.parameters),
        problem=found.problem,
        files=[models.BesideModel.model_validate(each) for each in found.beside],
        kernels=[models.KernelModel.model_validate(each) for each in kernels.installed()],
    )


@router.get("/schedules/")
def list_schedules(user: Reader, copies_too: Copies = False) -> list[models.ScheduleModel]:
    """List the schedules whose DAGs the caller may read."""
    found = saving.schedules_of(user)
    live = surroundings.live(found, user)
    states = copies.states(store(), found, str(user.get_name())) if copies_too else {}
    return [models.ScheduleModel(**_told(each, live[each.name], states.get(each.name, ""))) for each in found]


@router.post("/schedules/", status_code=201)
def create_schedule(body: models.FormModel, user: Creator) -> models.SavedModel:
    """Schedule a notebook: a copy is pinned in the DAG repository, beside a DAG file that runs it."""
    return _saved(saving.create(_form(body), user))


@router.post("/schedules/check")
def check_schedule(body: models.CheckModel, user: Reader) -> models.CheckedModel:
    """Tell what is wrong with a form and when it would run; nothing is saved."""
    current = saving.schedule_of(user, body.changes) if body.changes else None
    found = saving.check(_form(body), user, current=current)
    return models.CheckedModel(
        findings=_findings(found.findings),
        passed=not found.errors,
        words=found.words,
        times=[each.isoformat() for each in found.times],
    )


@router.get("/schedules/{name}")
def read_schedule(name: str, user: Reader) -> models.ScheduleDetails:
    """Return a schedule."""
    schedule = saving.schedule_of(user, name)
    live = surroundings.live([schedule], user)[name]
    state = copies.states(store(), [schedule], str(user.get_name()))[name]
    return models.ScheduleDetails(
        **_told(schedule, live, state),
        parameters=_parameters(library.parameters(store(), schedule)),
        files=[models.BesideModel(path=path, size=size) for path, size in sorted(schedule.beside.items())],
    )


@router.put("/schedules/{name}")
def update_schedule(name: str, body: models.ChangeModel, user: Editor) -> models.SavedModel:
    """Give a schedule another form; its copy of the notebook stays while the notebook is the same."""
    schedule = saving.schedule_of(user, name)
    return _saved(
        saving.update(schedule, _form(body), user, base=body.base, replace_edited=body.replace_edited)
    )


@router.delete("/schedules/{name}")
def delete_schedule(
    name: str,
    user: Deleter,
    outputs: Annotated[
        Literal["keep", "delete"], Query(description="What becomes of what its runs left.")
    ] = "keep",
) -> models.SavedModel:
    """Delete a schedule and its copy of the notebook; Airflow keeps the history of its runs."""
    return _saved(saving.delete(saving.schedule_of(user, name), user, outputs=outputs))


@router.post("/schedules/{name}/run", status_code=201)
def run_schedule(name: str, body: models.RunModel, user: Editor) -> models.StartedModel:
    """Run it at once; needs the right to start runs of the DAG too."""
    schedule = saving.schedule_of(user, name)
    run_id = running.run_now(schedule, user, body.parameters, types=body.types)
    paused = surroundings.live([schedule], user)[name].paused
    return models.StartedModel(dag_id=schedule.dag_id, run_id=run_id, paused=paused)


@router.post("/schedules/{name}/pause")
def pause_schedule(name: str, body: models.PauseModel, user: Editor) -> models.PausedModel:
    """Pause it, or let it run again; needs the right to edit the DAG too."""
    running.pause(saving.schedule_of(user, name), user, paused=body.paused)
    return models.PausedModel(name=name, paused=body.paused)


@router.get("/schedules/{name}/copy")
def compare_copy(name: str, user: Reader) -> models.BehindModel:
    """Compare the pinned copy with the notebook as it is now, cell by cell."""
    found = copies.behind(store(), saving.schedule_of(user, name), str(user.get_name()))
    return models.BehindModel(
        state=found.state,
        message=found.message,
        cells=[models.CellModel.model_validate(each) for each in found.difference.cells],
        more=found.difference.more,
        files=list(found.files),
        source=found.source,
        taken=list(found.taken),
    )


@router.post("/schedules/{name}/copy")
def update_copy(name: str, user: Editor) -> models.SavedModel:
    """Pin the notebook, and the files that go with it, as they are now."""
    return _saved(saving.update_copy(saving.schedule_of(user, name), user))


def _form(body: models.FormModel) -> Form:
    return form_of(body.model_dump(exclude={"base", "replace_edited", "changes"}))


def _saved(done: Done) -> models.SavedModel:
    return models.SavedModel(
        name=done.name,
        commit=done.saved.commit.id,
        findings=_findings(done.findings),
        problems=[problem.json() for problem in done.saved.report.problems],
    )


def _findings(found: Iterable[Finding]) -> list[models.FindingModel]:
    return [models.FindingModel.model_validate(each) for each in found]


def _parameters(found: Iterable[object]) -> list[models.ParameterModel]:
    return [models.ParameterModel.model_validate(each) for each in found]


def _iso(when: datetime | None) -> str | None:
    return when.isoformat() if when is not None else None


def _told(schedule: Schedule, live: Live, state: str) -> dict[str, Any]:
    last = live.last_run
    return {
        "name": schedule.name,
        "dag_id": schedule.dag_id,
        "form": models.FormModel(**schedule.form.json()),
        "origin": models.OriginModel.model_validate(schedule.origin),
        "path": schedule.path,
        "edited": schedule.edited,
        "problem": schedule.problem,
        "unknown": list(schedule.unknown),
        "commit": schedule.commit,
        "words": timing.timing(schedule.form.when).words,
        "state": live.state,
        "error": live.error,
        "paused": live.paused,
        "next_run": _iso(live.next_run),
        "last_run": last
        and models.LastRunModel(
            run_id=last.run_id,
            state=last.state,
            start=_iso(last.start),
            end=_iso(last.end),
        ),
        "copy_state": state,
    }
