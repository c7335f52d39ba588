"""The one Spark session of a kernel: made, found again, told about, made anew."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import machine
from .errors import SparkSessionError, warn
from .plan import Plan, described, overrides, planned
from .report import SparkReport, report_of


@dataclass(frozen=True)
class _Made:
    """The session of this kernel."""

    session: Any
    plan: Plan
    report: SparkReport
    folder: Path


class _Kernel:
    """What this kernel has: one session at most, whatever threads ask for it."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.made: _Made | None = None


_kernel = _Kernel()


def spark_session(
    app_name: str | None = None, *, conf: Mapping[str, object] | None = None, **settings: object
) -> Any:
    """Return the kernel's Spark session, made with what *Spark Configuration* says.

    A second call returns the same session. After ``stop()`` of it a new one is made, with what the page says
    then.

    :param app_name: name of the application; the notebook's if it is not given.
    :param conf: settings over the page's, such as ``{"spark.sql.shuffle.partitions": 8}``; None removes one.
    :param settings: arguments of spark-submit over the page's, such as ``driver_memory="2g"`` or
        ``master="local[2]"``; ``jars`` and ``py_files`` are paths in place of the page's.
    """
    with _kernel.lock:
        if _kernel.made is not None and machine.is_alive(_kernel.made.session):
            _again(_kernel.made, app_name, conf, settings)
            return _kernel.made.session
        found = described()
        plan = planned(found, overrides(found, conf, settings), app_name=app_name)
        machine.use_spark_of(found)
        _forget()
        if (foreign := machine.foreign()) is not None:
            warn(
                "This kernel has a Spark session that was made in another way: it is returned as it is, "
                "without Spark Configuration. Call stop() of it, then spark_session() again."
            )
            return foreign
        machine.end()
        _kernel.made = _make(found, plan)
    for name, why in sorted(plan.left_out.items()):
        warn(f"{name} of Spark Configuration is left out: {why}.")
    return _kernel.made.session


def spark_report() -> SparkReport:
    """Return what the kernel's session was made with, and what was left out and why."""
    if _kernel.made is None:
        raise SparkSessionError("This kernel has no Spark session yet. Call spark_session() first.")
    return _kernel.made.report


def _make(found: Mapping[str, Any], plan: Plan) -> _Made:
    folder = machine.folder_for_copies(found)
    try:
        session = machine.start(found, plan, folder)
    except SparkSessionError:
        machine.remove(folder)
        raise
    except machine.spark_errors() as error:
        machine.end()
        machine.remove(folder)
        raise SparkSessionError(
            f"Spark did not start with master {plan.master}. What it printed says why; correct the arguments "
            f"here, or Developer > Spark Configuration.\n{_reason(error)}"
        ) from error
    context = session.sparkContext
    report = report_of(
        plan,
        application=context.applicationId,
        ui=context.uiWebUrl or "",
        spark_version=session.version,
        commit=found["commit"],
    )
    return _Made(session, plan, report, folder)


def _reason(error: BaseException) -> str:
    """Return the one line of an error that says most."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    told = next((line for line in lines if "Exception:" in line), lines[0] if lines else "")
    return f"{type(error).__name__}: {told}"


def _forget() -> None:
    if _kernel.made is not None:
        machine.remove(_kernel.made.folder)
        _kernel.made = None


def _again(
    made: _Made, app_name: str | None, conf: Mapping[str, object] | None, settings: Mapping[str, object]
) -> None:
    """Set what can be set in a session that runs, and say what cannot."""
    if not (app_name or conf or settings):
        return
    found = described()
    asked = overrides(found, conf, settings)
    fixed = ["app_name"] if app_name not in (None, made.plan.app_name) else []
    fixed += [name for name, value in asked.arguments.items() if made.plan.arguments.get(name) != value]
    fixed += [kind for kind, paths in asked.files.items() if made.plan.paths(kind) != list(paths)]
    for name, value in asked.configurations.items():
        if made.plan.setting(name) == value:
            continue
        if value is not None and made.session.conf.isModifiable(name):
            made.session.conf.set(name, value)
        else:
            fixed.append(name)
    if fixed:
        warn(
            f"The session is there already, and {', '.join(sorted(fixed))} cannot be changed while it runs: "
            "it goes on as it was. Call stop() of it, then spark_session() again."
        )
