"""What Airflow knows of the DAG files: their DAGs, and their import errors."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Any

from airflow.models.dag import DagModel
from airflow.models.errors import ParseImportError
from airflow.utils.session import create_session
from sqlalchemy import select

from couture_workflow.exceptions import NotFoundError
from couture_workflow.permissions import AirflowPermission
from couture_workflow.services.dags import root as dag_root
from couture_workflow.services.dags.examples import examples
from couture_workflow.services.dags.repository import BUNDLE
from couture_workflow.services.eda import dag_file as eda_dag_file
from couture_workflow.store.names import quote
from couture_workflow.web.security import allowed
from couture_workflow.web.state import store

#: Right on a DAG that opens the traceback of its file.
CODE = AirflowPermission("CODE")

#: What stands in place of a traceback.
WITHHELD = (
    "The file has an import error. Its traceback may hold values of the DAGs in this file, and your role "
    "does not include to read the code of all of them. An administrator can change roles."
)

#: The bundle of the shipped examples, as ``services/workbench/airflow_settings.py`` names it.
_EXAMPLES = "examples"

_FRAME = re.compile(r'File "([^"\n]*)", line (\d+)')
_FOLDER = re.compile(r'(File ")[^"\n]*/(?:tracking|trees/[0-9a-f]{40}\.\d+)/')


@dataclass(frozen=True, slots=True)
class FileState:
    """What Airflow made of a DAG file when it parsed it last.

    :param dag_ids: ids of its DAGs, sorted.
    :param known_ids: ids of all DAGs that ever were in it and that Airflow has not forgotten.
    :param paused: whether each of them is paused.
    :param import_error: traceback of the last parse, "" if it went well; paths in it are relative.
    :param import_error_line: line of this file at which it went wrong.
    :param parsed_at: when; None: not parsed yet, or never well.
    :param version: commit as of which it was parsed.
    """

    dag_ids: tuple[str, ...] = ()
    known_ids: tuple[str, ...] = ()
    paused: Mapping[str, bool] = field(default_factory=dict)
    owners: tuple[str, ...] = ()
    import_error: str = ""
    import_error_line: int | None = None
    parsed_at: datetime | None = None
    version: str = ""


def states() -> dict[str, FileState]:
    """Return what is known of each file of the DAG repository, by path."""
    with create_session(scoped=False) as session:
        by_path = defaultdict(list)
        for path, *row in session.execute(
            select(
                DagModel.relative_fileloc,
                DagModel.dag_id,
                DagModel.is_paused,
                DagModel.owners,
                DagModel.last_parsed_time,
                DagModel.bundle_version,
                DagModel.is_stale,
            )
            .where(DagModel.bundle_name == BUNDLE)
            .order_by(DagModel.dag_id)
        ):
            if path:
                by_path[str(path)].append(row)
        errors = session.execute(
            select(ParseImportError.filename, ParseImportError.stacktrace, ParseImportError.timestamp).where(
                ParseImportError.bundle_name == BUNDLE
            )
        ).all()
    failed = {str(path): (str(trace or ""), when) for path, trace, when in errors if path}
    # Of a file that was deleted, stale DAGs stay.
    there = {path for path, rows in by_path.items() if not all(row[-1] for row in rows)}
    folder = dag_root.current(store().root)
    return {
        dag_root.whole(folder, path): _state(path, by_path[path], failed.get(path))
        for path in there | failed.keys()
    }


def import_error(state: FileState | None, user: Any) -> str:
    """Return the traceback of an import error, "" if there is none, as far as an account may read it.

    It may hold values that the file saw while it was parsed. So where Airflow knows the file's DAGs, whoever
    reads it must have the right to read the code of all of them; where it knows none, whoever may read DAG
    files reads it.
    """
    if state is None or not state.import_error:
        return ""
    closed = [dag_id for dag_id in state.known_ids if not allowed(user, CODE, dag_id=dag_id)]
    return WITHHELD if closed else state.import_error


def file_of(dag_id: str) -> str:
    """Return the path of a DAG's file in the DAG repository.

    :raises NotFoundError: Airflow knows no such DAG, or it comes from another bundle.
    """
    with create_session(scoped=False) as session:
        row = session.execute(
            select(DagModel.bundle_name, DagModel.relative_fileloc).where(DagModel.dag_id == dag_id)
        ).one_or_none()
    if row is None:
        raise NotFoundError(f"Airflow knows no DAG {quote(dag_id)}. It may have been deleted.")
    bundle, path = row
    if bundle == BUNDLE and path == eda_dag_file.PATH:
        raise NotFoundError(
            f"The DAG {quote(dag_id)} is Couture Workflow's own: sources and their schedules are changed in "
            "Developer > Exploratory Data Analysis."
        )
    if bundle != BUNDLE or not path:
        copy = "Copy it into the repository on the page Manage DAGs"
        raise NotFoundError(
            f"The DAG {quote(dag_id)} is not in the DAG repository, it comes from the bundle "
            f"{quote(bundle)}. {copy if bundle == _EXAMPLES else 'Change it where it is kept'}."
        )
    return dag_root.whole(dag_root.current(store().root), str(path))


def example_of(dag_id: str) -> str:
    """Return the name of the shipped example that a DAG comes from, "" if it comes from none."""
    query = select(DagModel.relative_fileloc).where(
        DagModel.dag_id == dag_id, DagModel.bundle_name == _EXAMPLES
    )
    with create_session(scoped=False) as session:
        path = session.scalar(query)
    return str(path) if path in {example.name for example in examples()} else ""


def error_line(path: str, traceback: str) -> int | None:
    """Return the line of a file that a traceback ends at, None if it is not in it."""
    lines = [
        int(line) for name, line in _FRAME.findall(traceback) if name == path or name.endswith(f"/{path}")
    ]
    return lines[-1] if lines else None


def _state(
    path: str, rows: Sequence[Sequence[object]], failed: tuple[str, datetime | None] | None
) -> FileState:
    trace, when = failed or ("", None)
    known, rows = rows, [row for row in rows if not row[5]]
    parsed = [row[3] for row in rows if isinstance(row[3], datetime)]
    return FileState(
        dag_ids=tuple(str(row[0]) for row in rows),
        known_ids=tuple(str(row[0]) for row in known),
        paused={str(row[0]): bool(row[1]) for row in rows},
        owners=_owners(tuple(str(row[2] or "") for row in rows)),
        import_error=_FOLDER.sub(r"\1", trace) if trace else "",
        import_error_line=error_line(path, trace) if trace else None,
        parsed_at=max([*parsed, *([when] if when else [])], default=None),
        version=dag_root.commit_of(str(rows[0][4] or "")) if rows else "",
    )


@lru_cache(maxsize=1000)
def _owners(texts: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(sorted({name.strip() for text in texts for name in text.split(",")} - {""}))
