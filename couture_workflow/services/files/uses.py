"""Who uses an uploaded file: the Spark Configuration page, and tasks of the DAGs as Airflow last parsed them.

Airflow keeps each parsed DAG in its database, wherever the DAG file lies; the fields of a task that refer to
files are read from there. A name that a task only makes up while it runs is not seen.
"""

from __future__ import annotations

import json
import re
import threading
import zlib
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select

from couture_workflow.services.files.artifacts import KIND as ARTIFACTS
from couture_workflow.services.files.dependencies import KIND as DEPENDENCIES
from couture_workflow.services.spark import configuration as spark_configuration

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from couture_workflow.services.files.kinds import FileKind
    from couture_workflow.store.home import Store


@dataclass(frozen=True)
class Use:
    """One place that refers to a file.

    :param what: the place, in words a person can look up.
    :param dag_id: the DAG that it belongs to, "" for none.
    """

    what: str
    dag_id: str = ""

    def __str__(self) -> str:
        return self.what


#: Name of a file -> who uses it.
Uses = Mapping[str, tuple[Use, ...]]

#: Field of a task -> noun of the files that it refers to.
_FIELDS: dict[str, str] = {
    field: kind.noun for kind in (DEPENDENCIES, ARTIFACTS) for field in kind.task_fields
}
#: The field that names a Hadoop group, of which tasks tell in the same way.
HADOOP_GROUPS = "hadoop_group"
_FIELDS[HADOOP_GROUPS] = HADOOP_GROUPS
#: The field that names trained models, and the macro of templates that does.
MODELS = "models"
_FIELDS[MODELS] = MODELS
_MACRO = re.compile(r"""model_path\(\s*["']([^"'@\s]{1,200})""")
#: The operator whose tasks name a source of exploratory data analysis, and the field of theirs that does.
EDA_OPERATOR, EDA_ARGUMENT = "CoutureEdaOperator", "source"
_EDA_SOURCES = "eda_sources"

#: (noun, name of a file, task) that a DAG mentions.
_Mentions = frozenset[tuple[str, str, str]]


def uses(store: Store, kind: FileKind, *, session: Session) -> Uses:
    """Return who uses the files of a kind."""
    found: dict[str, list[Use]] = defaultdict(list)
    if kind.noun == DEPENDENCIES.noun:
        for name, place in spark_configuration.uses(store):
            found[name].append(Use(place))
    for name, use in _of_tasks(kind.noun, session):
        found[name].append(use)
    return {name: tuple(dict.fromkeys(places)) for name, places in found.items()}


def of_hadoop_group(name: str, *, session: Session) -> tuple[Use, ...]:
    """Return the tasks that name a Hadoop group."""
    return tuple(dict.fromkeys(use for found, use in _of_tasks(HADOOP_GROUPS, session) if found == name))


def of_model(name: str, *, session: Session) -> tuple[Use, ...]:
    """Return the tasks that name a trained model, in ``models`` or by the macro ``model_path``."""
    return tuple(dict.fromkeys(use for found, use in _of_tasks(MODELS, session) if found == name))


def of_eda_source(name: str, *, session: Session) -> tuple[Use, ...]:
    """Return the tasks that name a source of exploratory data analysis."""
    return tuple(dict.fromkeys(use for found, use in _of_tasks(_EDA_SOURCES, session) if found == name))


def _of_tasks(noun: str, session: Session) -> Iterator[tuple[str, Use]]:
    for dag_id, mentions in _dags.mentions(session).items():
        for mentioned_noun, name, task in sorted(mentions):
            if mentioned_noun == noun:
                yield name, Use(f"DAG {dag_id}, task {task}", dag_id)


def users_of(store: Store, kind: FileKind, name: str, *, session: Session) -> tuple[Use, ...]:
    """Return who uses one file."""
    return uses(store, kind, session=session).get(name, ())


def described(places: Sequence[Use], *, dags: Collection[str]) -> list[str]:
    """Return the places in words, each once.

    :param dags: the DAGs that the reader may see; others are not named.
    """
    words = (
        use.what if not use.dag_id or use.dag_id in dags else "a DAG that you may not see" for use in places
    )
    return list(dict.fromkeys(words))


def _name(reference: str) -> str:
    return reference.strip().partition("@")[0]


class _Dags:
    """What the DAGs mention; a DAG is read again only when Airflow has stored a new version of it."""

    def __init__(self) -> None:
        self._known: dict[Any, _Mentions] = {}
        self._lock = threading.Lock()

    def mentions(self, session: Session) -> dict[str, _Mentions]:
        """Return DAG -> what its tasks mention, without DAGs that are gone."""
        current = dict(_newest(session))
        with self._lock:
            missing = [key for key in current if key not in self._known]
            known = {key: self._known[key] for key in current if key in self._known}
        for start in range(0, len(missing), 100):
            known |= _read(session, [key[0] for key in missing[start : start + 100]])
        with self._lock:
            self._known = known
        return {current[key]: known[key] for key in sorted(current, key=str) if known.get(key)}


_dags = _Dags()


def _newest(session: Session) -> Iterator[tuple[tuple[Any, str], str]]:
    """Iterate over ((row, hash), DAG) of the newest version of each DAG."""
    from airflow.models.dag import DagModel
    from airflow.models.dag_version import DagVersion
    from airflow.models.serialized_dag import SerializedDagModel

    newest = (
        select(DagVersion.dag_id, func.max(DagVersion.version_number).label("number"))
        .group_by(DagVersion.dag_id)
        .subquery()
    )
    rows = session.execute(
        select(SerializedDagModel.id, SerializedDagModel.dag_hash, SerializedDagModel.dag_id)
        .join(DagVersion, SerializedDagModel.dag_version_id == DagVersion.id)
        .join(newest, (DagVersion.dag_id == newest.c.dag_id) & (DagVersion.version_number == newest.c.number))
        .join(DagModel, DagModel.dag_id == SerializedDagModel.dag_id)
        .where(DagModel.is_stale.is_(False))
    )
    for row, digest, dag_id in rows:
        yield (row, digest), dag_id


def _read(session: Session, rows: Sequence[Any]) -> dict[Any, _Mentions]:
    from airflow.models.serialized_dag import SerializedDagModel as Model

    found = session.execute(
        select(Model.id, Model.dag_hash, Model._data, Model._data_compressed).where(Model.id.in_(rows))
    )
    return {
        (row, digest): frozenset(mentioned(json.loads(zlib.decompress(packed)) if packed else data or {}))
        for row, digest, data, packed in found
    }


def mentioned(data: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Iterate over (noun, name of a file, task) that a DAG mentions.

    :param data: the DAG as Airflow stores it.
    """
    for task in data.get("dag", {}).get("tasks", ()):
        fields = task.get("__var", task)
        task_id = str(fields.get("task_id", ""))
        for text in _texts(fields):
            if "model_path(" in text:
                yield from ((MODELS, name, task_id) for name in _MACRO.findall(text))
        for mapping in (fields, *_mappings(fields)):
            for field, noun in _FIELDS.items():
                for text in _texts(mapping.get(field)):
                    for reference in text.split(","):
                        yield noun, _name(reference), task_id
            if EDA_OPERATOR in (fields.get("task_type"), fields.get("_task_type")):
                for text in _texts(mapping.get(EDA_ARGUMENT)):
                    yield _EDA_SOURCES, text, task_id


def _mappings(fields: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Iterate over the arguments that a mapped task keeps apart from its fields."""
    partial = fields.get("partial_kwargs", {})
    for container in (partial, fields.get("expand_input", {})):
        values = container.get("value", container) if isinstance(container, dict) else {}
        values = values.get("__var", values) if isinstance(values, dict) else {}
        if isinstance(values, dict):
            yield values


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for child in value.values():
            yield from _texts(child)
    elif isinstance(value, list):
        for child in value:
            yield from _texts(child)
