"""Frames of pandas on their way to a task in another Python (``@task.external_python``, ``.virtualenv``).

Airflow pickles the arguments of such a task, and a pickle of one pandas is often none for another. So the
process that starts the other Python pickles frames as Parquet, which every pandas with pyarrow reads. The
task's own code does not run in this process, so nothing else is pickled here.
"""

from __future__ import annotations

import copyreg
from collections.abc import Callable
from io import BytesIO
from typing import Any, cast

from couture_workflow.exceptions import XComError
from couture_workflow.services.xcoms import frames, packing

_OPERATORS = frozenset({"PythonVirtualenvOperator", "ExternalPythonOperator"})


def prepare(frame: Any) -> None:
    """Let frames of this class go as Parquet, if the task that runs takes them to another Python."""
    from airflow.sdk import get_current_context

    try:
        task = get_current_context()["task"]
    except RuntimeError:
        return
    if _OPERATORS.intersection(each.__name__ for each in type(task).__mro__):
        copyreg.pickle(type(frame), as_parquet)


def took_frames() -> bool:
    """Tell whether the task of this process takes frames to another Python."""
    return as_parquet in copyreg.dispatch_table.values()


def as_parquet(frame: Any) -> tuple[Callable[..., Any], tuple[Any, ...]]:
    """Return how a frame is made again: by a function that every pandas has."""
    import pandas

    memory = BytesIO()
    try:
        packed = frames.packed(frames.KINDS["pandas.DataFrame"], frame)
        frames.write(packed, memory)
    except XComError:
        return cast("tuple[Callable[..., Any], tuple[Any, ...]]", frame.__reduce_ex__(2))
    reader = pandas.read_parquet if packed.suffix == packing.PARQUET else pandas.read_feather
    return reader, (BytesIO(memory.getvalue()),)
