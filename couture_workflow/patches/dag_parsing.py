"""In the sandbox of the save gate: who made what in a DAG file (``places-in-dag-files``), and what it is told
when it asks (``answers-to-dag-files``).
"""

from __future__ import annotations

import functools
import importlib
import importlib.machinery
import importlib.util
import signal
import types
from collections.abc import Callable
from typing import Any

from couture_workflow.patches import guard


def look() -> None:
    """Compare both patches with Airflow now; the processes that are forked later need not."""
    guard.fits("places-in-dag-files")
    guard.fits("answers-to-dag-files")


def observe(
    *,
    failed: Callable[[BaseException], None],
    made: Callable[[object], None],
    circular: Callable[[Any, BaseException], None],
    registered: Callable[[Any], None],
) -> None:
    """Tell what Airflow does while it parses a DAG file.

    :param failed: is called with what the file raises.
    :param made: is called with each DAG, and each task or group that is added to a group.
    :param circular: is called with a DAG that Airflow's search for cycles refuses, and with what that raises.
    :param registered: is called with each DAG whose ``with`` block ends; Airflow keeps one of those that look
        the same to it.
    """
    if not guard.fits("places-in-dag-files"):
        return
    from airflow.dag_processing.importers import python_importer
    from airflow.sdk import DAG, TaskGroup
    from airflow.sdk.definitions._internal.contextmanager import DagContext

    class Registered(set[tuple[DAG, types.ModuleType]]):
        def add(self, element: tuple[DAG, types.ModuleType]) -> None:
            registered(element[0])
            super().add(element)

    class Loader(importlib.machinery.SourceFileLoader):
        def exec_module(self, module: types.ModuleType) -> None:
            try:
                super().exec_module(module)
            except BaseException as error:
                failed(error)
                raise

    machinery = types.SimpleNamespace(**{**vars(importlib.machinery), "SourceFileLoader": Loader})
    stand_in = types.SimpleNamespace(
        machinery=machinery, util=importlib.util, import_module=importlib.import_module
    )
    vars(python_importer)["importlib"] = stand_in
    # Airflow handles SIGSEGV in Python, which never returns from a real one: let that end the process.
    vars(python_importer)["signal"] = types.SimpleNamespace(**{**vars(signal), "SIGSEGV": signal.SIGUSR2})
    DagContext.autoregistered_dags = Registered()
    TaskGroup.add = _telling(TaskGroup.add, made, argument=1)  # type: ignore[method-assign]
    DAG.__init__ = _telling(DAG.__init__, made, argument=0)  # type: ignore[method-assign]
    DAG.check_cycle = _telling_cycles(DAG.check_cycle, circular)  # type: ignore[method-assign]


def answer(secrets: object, comms: object) -> None:
    """Let DAG files that are parsed ask stand-ins.

    :param secrets: stands where secrets backends would answer for variables and connections.
    :param comms: stands where the supervisor would answer everything else.
    """
    if not guard.fits("answers-to-dag-files"):
        return
    from airflow.sdk.execution_time import supervisor, task_runner

    supervisor.ensure_secrets_backend_loaded = lambda: [secrets]  # type: ignore[list-item]
    task_runner.SUPERVISOR_COMMS = comms  # type: ignore[assignment]


def _telling(
    function: Callable[..., Any], made: Callable[[object], None], *, argument: int
) -> Callable[..., Any]:
    @functools.wraps(function)
    def told(*given: Any, **named: Any) -> Any:
        made(given[argument] if len(given) > argument else named.get("task"))
        return function(*given, **named)

    return told


def _telling_cycles(
    function: Callable[..., Any], circular: Callable[[Any, BaseException], None]
) -> Callable[..., Any]:
    """Wrap Airflow's search for cycles, which names one task only."""

    @functools.wraps(function)
    def told(dag: Any) -> Any:
        try:
            return function(dag)
        except Exception as error:
            circular(dag, error)
            raise

    return told
