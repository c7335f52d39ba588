"""What pages and REST API do with Hadoop groups: each change is refused while others need it, and audited."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow.api_fastapi.app import get_auth_manager
from airflow.utils.session import create_session

from couture_workflow.services.dags import repository as dag_repository
from couture_workflow.services.dags import uses as dag_uses
from couture_workflow.services.files import uses as file_uses
from couture_workflow.services.hadoop import connection, files, groups
from couture_workflow.services.hadoop.connection import Step
from couture_workflow.services.hadoop.groups import Group
from couture_workflow.store.repository import Commit
from couture_workflow.web.audit import audit
from couture_workflow.web.state import store


def users_of(name: str, user: Any) -> list[str]:
    """Return who names a group, in words: tasks as Airflow knows them, and lines of DAG files.

    DAGs that the account may not read are not named.
    """
    with create_session(scoped=False) as session:
        tasks = file_uses.of_hadoop_group(name, session=session)
        dags = get_auth_manager().get_authorized_dag_ids(user=user, session=session) if tasks else set()
    sources = dag_uses.naming(dag_repository.read_all(store()), file_uses.HADOOP_GROUPS, name)
    lines = [f"DAG file {use.path}, line {use.line}: {use.what}" for use in sources]
    return [*file_uses.described(tasks, dags=dags), *lines]


def add(name: str, user: Any) -> Group:
    """Make a group."""
    group = groups.add(store(), name, user=_name(user))
    _tell("add", user, group=group.name, is_default=group.is_default, commit=group.commit)
    return group


def rename(old: str, new: str, user: Any) -> Group:
    """Give a group another name, unless it is in use."""
    group = groups.rename(store(), old, new, user=_name(user), users=users_of(old, user))
    _tell("rename", user, before=old, after=group.name, commit=group.commit)
    return group


def delete(name: str, user: Any) -> Commit:
    """Delete a group, unless it is in use."""
    before = groups.get(store(), name)
    commit = groups.delete(store(), name, user=_name(user), users=users_of(name, user))
    _tell("delete", user, group=name, files=list(before.files), commit=commit.id)
    return commit


def set_default(name: str, user: Any) -> Group:
    """Make a group the default one."""
    before = groups.default_name(store())
    group = groups.set_default(store(), name, user=_name(user))
    _tell("set_default", user, before=before, after=name, commit=group.commit)
    return group


def set_keytab(name: str, keytab: str | None, user: Any) -> Group:
    """Choose the keytab of a group."""
    before = groups.get(store(), name).keytab
    group = groups.set_keytab(store(), name, keytab, user=_name(user))
    _tell("set_keytab", user, group=name, before=before, after=group.keytab, commit=group.commit)
    return group


def save_files(
    group: str, sent: Mapping[str, bytes], user: Any, *, base: str | None = None, message: str = ""
) -> Commit:
    """Save files of a group."""
    before = store().config.head()
    commit = files.save(store(), group, sent, user=_name(user), base=base, message=message)
    if commit.id != before:
        _tell("save", user, group=group, files=sorted(sent), before=before, commit=commit.id)
    return commit


def delete_file(group: str, name: str, user: Any, *, base: str | None = None) -> Commit:
    """Delete a file of a group."""
    before = store().config.head()
    commit = files.delete(store(), group, name, user=_name(user), base=base)
    _tell("delete_file", user, group=group, file=name, before=before, commit=commit.id)
    return commit


def test(group: str, user: Any) -> list[Step]:
    """Try what a job would do with a group."""
    steps = connection.test(store(), group)
    _tell("test", user, group=group, result={step.what: step.result for step in steps})
    return steps


def _name(user: Any) -> str:
    return str(user.get_name())


def _tell(what: str, user: Any, **extra: Any) -> None:
    audit(f"hadoop_configuration.{what}", user, **extra)
