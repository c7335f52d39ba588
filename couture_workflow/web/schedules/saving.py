"""Schedules made, changed and deleted by an account: form, gate, commit, audit row, parse."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

from airflow.models.dag import DagModel
from airflow.utils.session import create_session
from sqlalchemy import update as sql_update

from couture_workflow.exceptions import NotAllowedError, ScheduleError
from couture_workflow.permissions import CREATE, DELETE, EDIT, NOTEBOOK_SCHEDULES, Permission
from couture_workflow.services.saving.save import Saved
from couture_workflow.services.schedules import changes, checking, library
from couture_workflow.services.schedules.changes import Change
from couture_workflow.services.schedules.checking import Description
from couture_workflow.services.schedules.form import Finding, Form
from couture_workflow.services.schedules.library import Schedule
from couture_workflow.store.names import quote
from couture_workflow.web.audit import audit
from couture_workflow.web.dags.saving import save_dags
from couture_workflow.web.schedules.surroundings import surroundings
from couture_workflow.web.security import allowed_on_dag, demand_on_dag
from couture_workflow.web.state import store

Outputs = Literal["keep", "delete"]


@dataclass(frozen=True, kw_only=True)
class Done:
    """What a save did.

    :param findings: warnings about the form.
    """

    name: str
    saved: Saved
    findings: tuple[Finding, ...] = ()


def schedules_of(user: Any) -> list[Schedule]:
    """Return the schedules whose DAGs the account may read in Airflow, by name."""
    return [each for each in library.listed(store()) if allowed_on_dag(user, "GET", each.dag_id)]


def schedule_of(user: Any, name: str) -> Schedule:
    """Return a schedule, or raise ``NotFoundError`` if there is none whose DAG the account may read."""
    schedule = library.read(store(), name)
    if not allowed_on_dag(user, "GET", schedule.dag_id):
        raise library.missing(name)
    return schedule


def check(form: Form, user: Any, *, current: Schedule | None = None) -> Description:
    """Tell what is wrong with a form; nothing is saved."""
    return checking.describe(
        store(), form, str(user.get_name()), around=surroundings(form.name, user), current=current
    )


def create(form: Form, user: Any) -> Done:
    """Make a schedule; ``ScheduleError`` names what is wrong with the form, and nothing is saved then."""
    account = str(user.get_name())
    demand_on_dag(user, "GET", form.name, purpose="A schedule becomes a DAG, and to see it")
    around = surroundings(form.name, user)
    description = checking.describe(store(), form, account, around=around, copy=True)
    _refuse(description)
    change = changes.created(store(), description, account)
    saved = _save(change, user, Permission(CREATE, NOTEBOOK_SCHEDULES))
    _unpause(form.name)
    audit("notebook_schedules.create", user, **_told(description.form))
    return Done(name=form.name, saved=saved, findings=(*description.findings, *_left_out(form, saved)))


def update(
    schedule: Schedule, form: Form, user: Any, *, base: str | None = None, replace_edited: bool = False
) -> Done:
    """Give a schedule another form.

    :param base: the version that the caller read; None: the present one.
    :param replace_edited: a DAG file that somebody changed by hand may be written anew.
    """
    account = str(user.get_name())
    form = form if form.name else replace(form, name=schedule.name)
    description = checking.describe(
        store(), form, account, around=surroundings(schedule.dag_id, user), current=schedule, copy=True
    )
    _refuse(description)
    change = changes.updated(store(), schedule, description, account, replace_edited=replace_edited)
    saved = _save(replace(change, base=base or change.base), user, Permission(EDIT, NOTEBOOK_SCHEDULES))
    audit("notebook_schedules.update", user, before=_told(schedule.form), **_told(description.form))
    return Done(name=schedule.name, saved=saved, findings=description.findings)


def update_copy(schedule: Schedule, user: Any) -> Done:
    """Pin the notebook and its files as they are now."""
    change = changes.copied(store(), schedule, str(user.get_name()))
    saved = _save(change, user, Permission(EDIT, NOTEBOOK_SCHEDULES))
    audit("notebook_schedules.update_copy", user, name=schedule.name, notebook=schedule.origin.source)
    return Done(name=schedule.name, saved=saved)


def delete(schedule: Schedule, user: Any, *, outputs: Outputs) -> Done:
    """Delete a schedule; what its runs left too, if that is asked for."""
    if outputs == "delete":
        _refuse_anothers(schedule, user)
    saved = _save(changes.removed(store(), schedule), user, Permission(DELETE, NOTEBOOK_SCHEDULES))
    if outputs == "delete":
        library.delete_outputs(store(), schedule)
    audit("notebook_schedules.delete", user, name=schedule.name, outputs=outputs)
    return Done(name=schedule.name, saved=saved)


def _save(change: Change, user: Any, permission: Permission) -> Saved:
    return save_dags(change.changes, user=user, message=change.message, base=change.base, instead=permission)


def _refuse_anothers(schedule: Schedule, user: Any) -> None:
    """Raise ``NotAllowedError`` if the DAG that an edited file names is made by another file."""
    path = surroundings(schedule.dag_id, user).taken.get(schedule.dag_id, schedule.path)
    if path != schedule.path:
        raise NotAllowedError(
            f"The DAG {quote(schedule.dag_id)}, which {quote(schedule.name)} names, is in {path}: what its "
            "runs left is not deleted with the schedule. Keep the outputs."
        )


def _refuse(description: Description) -> None:
    if description.errors:
        first = description.errors[0]
        raise ScheduleError(
            f"Nothing was saved: {first.message}",
            field=first.field,
            problems=[vars(each) for each in description.findings],
        )


def _left_out(form: Form, saved: Saved) -> list[Finding]:
    """Return a warning if Airflow does not read the DAG file: ``.airflowignore`` leaves it out."""
    if form.name in {graph.dag_id for graph in saved.report.graphs}:
        return []
    message = (
        f"Airflow does not read the DAG file, so the notebook will not run: a .airflowignore leaves out "
        f"{library.folder_of(store(), form.name)}. Take the line out that does."
    )
    return [Finding(field="name", message=message, level="warning")]


def _unpause(dag_id: str) -> None:
    """Let a DAG run whose id Airflow knows of a deleted one; of a new one the DAG file says so."""
    with create_session(scoped=False) as session:
        session.execute(sql_update(DagModel).where(DagModel.dag_id == dag_id).values(is_paused=False))


def _told(form: Form) -> dict[str, Any]:
    """Return what an audit row says of a form; values of parameters are not in it."""
    return {
        "name": form.name,
        "notebook": form.notebook,
        "when": vars(form.when),
        "parameters": sorted(form.parameters),
    }
