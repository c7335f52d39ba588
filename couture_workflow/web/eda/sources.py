"""What pages and REST API do with sources: who may, who uses them, what is told to the audit log."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from airflow.api_fastapi.app import get_auth_manager
from airflow.utils.session import create_session

from couture_workflow.exceptions import CoutureError, EdaError, InvalidError
from couture_workflow.services.eda import (
    child,
    data,
    differences,
    document,
    requests,
    rules,
    sources,
    spark,
    uses,
)
from couture_workflow.services.eda.document import Source
from couture_workflow.services.files import uses as file_uses
from couture_workflow.store.repository import Commit
from couture_workflow.web.audit import audit
from couture_workflow.web.eda import connections, running
from couture_workflow.web.state import store

#: Characters of a value in an audit row, and how many differences it has.
_LONGEST, _MOST = 300, 50
#: Seconds that a preview may take: Spark has to be started first.
_SPARK_SECONDS = 150.0


def users_of(name: str, user: Any) -> list[str]:
    """Return who names a source, in words; DAGs that the account may not read are not named."""
    with create_session(scoped=False) as session:
        places = uses.of_source(store(), name, session=session)
        named = any(use.dag_id for use in places)
        dags = get_auth_manager().get_authorized_dag_ids(user=user, session=session) if named else set()
    return file_uses.described(places, dags=dags)


def add(source: Source, user: Any, *, message: str = "") -> Commit:
    """Save a new source."""
    demand(source, user)
    rules.check(store(), source)
    commit = sources.add(store(), source, user=_name(user), message=message)
    _tell("add", user, source=source.name, changes=_changes(None, source), commit=commit.id)
    return commit


def save(source: Source, user: Any, *, base: str | None, message: str = "") -> Commit:
    """Save a source in place of the present one; ``ConflictError`` if somebody saved it since ``base``."""
    demand(source, user)
    found = sources.snapshot(store())
    before = found.sources.get(source.name)
    if before is None or before.place != source.place:
        rules.check(store(), source)
    commit = sources.save(store(), source, user=_name(user), base=base, message=message)
    if changed := _changes(before, source):
        _tell("save", user, source=source.name, changes=changed, commit=commit.id)
    return commit


def restore(name: str, version: str, user: Any, *, message: str = "") -> Commit:
    """Save an earlier version again."""
    source = sources.get(store(), name, commit=version)
    demand(source, user)
    before = sources.snapshot(store()).sources.get(name)
    commit = sources.restore(store(), name, version, user=_name(user), message=message)
    changed = _changes(before, source)
    _tell("restore", user, source=name, restored=version, changes=changed, commit=commit.id)
    return commit


def rename(old: str, new: str, user: Any) -> Commit:
    """Give a source another name, its outputs and its schedule with it, unless others name it."""
    running.refuse_while_running(old)
    new = document.check_source_name(new)
    commit = sources.rename(store(), old, new, user=_name(user), users=users_of(old, user))
    try:
        running.source_renamed(old, new, user)
    except CoutureError:
        running.source_renamed(new, old, user)  # what went along already
        sources.rename(store(), new, old, user=_name(user))
        raise
    _tell("rename", user, before=old, after=new, commit=commit.id)
    return commit


def delete(name: str, user: Any, *, force: bool = False, base: str | None = None) -> Commit:
    """Delete a source with its outputs and its schedule.

    :param force: although others name it.
    """
    running.refuse_while_running(name)
    users = users_of(name, user)
    beside = running.schedule_files(name)  # in one commit, or a conflict would leave it behind
    others = () if force else users
    commit = sources.delete(store(), name, user=_name(user), users=others, base=base, beside=beside)
    _tell("delete", user, source=name, used_by=users, commit=commit.id)
    running.source_deleted(name, user, scheduled=bool(beside))
    return commit


def demand(source: Source, user: Any) -> None:
    """Raise ``NotAllowedError`` if the account may not use the connection of a source."""
    if source.kind == "sql":
        connections.demand(user, source.sql.connection)


def preview(source: Source, user: Any) -> dict[str, Any]:
    """Return 50 rows of a source, its columns and how it is read, or raise a sentence."""
    demand(source, user)
    if source.kind == "spark":
        rules.check(store(), source)
        _tell("preview", user, source=source.name, place=source.where[:_LONGEST])
        return spark.preview(store(), source, seconds=_SPARK_SECONDS, on_message=lambda message: None)
    if source.kind == "sql":
        _tell("preview", user, source=source.name, place=source.where[:_LONGEST])
        connected = connections.connect(user, source.sql.connection)
        return child.ask(requests.preview(source, connect=connected))
    path, version = data.path_of(store(), source)
    try:
        return {**child.ask(requests.preview(source, path=path)), "version": version}
    except EdaError as error:
        raise EdaError(str(error), code=error.code, field=_field(source, error.field)) from error


def _field(source: Source, field: str) -> str:
    """Return where in a source something is wrong that the child found in its own request."""
    if field == "path" and source.file.data:
        return "file.data"
    return f"file.{field}" if field.partition(".")[0] in ("path", "format", "reading") else field


def _changes(before: Source | None, after: Source) -> list[Mapping[str, str]]:
    """Return what a save changes, cut for an audit row."""
    found = differences.changes(before and replace(before, name=after.name), after)
    rows = [
        {"setting": each.name, "before": each.old[:_LONGEST], "after": each.new[:_LONGEST]} for each in found
    ]
    return [*rows[:_MOST], *([{"setting": f"and {len(rows) - _MOST} more"}] if rows[_MOST:] else [])]


def _name(user: Any) -> str:
    return str(user.get_name())


def _tell(what: str, user: Any, **extra: Any) -> None:
    audit(f"eda.{what}", user, **extra)


def source_of(body: Any, *, name: str | None = None) -> Source:
    """Return the source that was sent.

    :param name: what the address says; a body that says otherwise is refused.
    """
    found = document.normal(body, name=name)
    if name is not None and found.name != name:
        raise InvalidError(
            f"The address names the source {name}, and what was sent another one. To rename it, send POST "
            f"/api/eda/sources/{name}/rename.",
            field="name",
        )
    return found
