"""What a ``DagOperator`` asks of Airflow: a task has no database, it asks its supervisor."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowRuntimeError, ErrorType

from couture_workflow.operators.dag_wait import reason_of, status_of, text
from couture_workflow.services.runs.children import RECORD_KEY

if TYPE_CHECKING:
    from airflow.sdk import Context


#: Characters that an address has a meaning for, so that Airflow cannot ask for a run with them.
_NO_RUN_ID = frozenset("/?#%\\")
_LONGEST_RUN_ID = 250


class Requests:
    """The questions and wishes of one try."""

    def __init__(self, context: Context) -> None:
        self._context: Any = context

    def record(self) -> Any:
        """Return what an earlier try kept."""
        return self._context["task_state_store"].get(RECORD_KEY)

    def keep(self, record: dict[str, Any]) -> None:
        """Keep a record for later tries; it goes when the run of this task is deleted."""
        from airflow.sdk.execution_time.context import NEVER_EXPIRE

        self._context["task_state_store"].set(RECORD_KEY, record, retention=NEVER_EXPIRE)

    def state(self, dag_id: str, run_id: str) -> str | None:
        """Return the state of a run, None if there is no such run."""
        try:
            return text(self._context["ti"].get_dagrun_state(dag_id, run_id))
        except AirflowRuntimeError as error:
            if status_of(error) != 404:
                raise
            return None

    def dag(self, dag_id: str) -> Any:
        """Return what Airflow knows of a DAG: ``is_paused``, ``next_dagrun`` and more."""
        try:
            return self._context["ti"].get_dag(dag_id)
        except AirflowRuntimeError as error:
            if status_of(error) != 404:
                raise
            raise _no_such_dag(dag_id) from None

    def has_other_run(self, dag_id: str, run_id: str, logical_date: datetime.datetime) -> bool:
        """Tell whether another run than this one has a logical date, which only one may have."""
        found = self._context["ti"].get_dr_count(dag_id, logical_dates=[logical_date])
        return bool(found) and self.state(dag_id, run_id) is None

    def start(
        self,
        dag_id: str,
        run_id: str,
        *,
        conf: dict[str, Any],
        clear: bool,
        note: str | None,
        logical_date: datetime.datetime | None,
        run_after: datetime.datetime | None,
    ) -> bool:
        """Start a run; tell whether it is new or was cleared.

        :param clear: run it again if there is such a run.
        """
        from airflow.sdk.execution_time import task_runner
        from airflow.sdk.execution_time.comms import ErrorResponse, TriggerDagRun

        message = TriggerDagRun(
            dag_id=dag_id,
            run_id=run_id,
            conf=conf,
            logical_date=logical_date,
            run_after=run_after,
            reset_dag_run=clear,
            note=note,
        )
        try:
            answer = task_runner.SUPERVISOR_COMMS.send(message)
        except AirflowRuntimeError as error:
            raise _refused(dag_id, error) from None
        return not (isinstance(answer, ErrorResponse) and answer.error == ErrorType.DAGRUN_ALREADY_EXISTS)


def checked_run_id(run_id: Any) -> str | None:
    """Return the id for a run as it is, or fail: Airflow makes an address of it and would ask for another."""
    if run_id is None or run_id == "":
        return None
    if not isinstance(run_id, str):
        raise AirflowFailException(f"The run id is a {type(run_id).__name__}, {run_id!r}. Give a text.")
    odd = sorted({c for c in run_id if c in _NO_RUN_ID or not c.isprintable()})
    if odd or run_id in (".", "..") or len(run_id) > _LONGEST_RUN_ID:
        why = f"has {', '.join(map(repr, odd))} in it" if odd else "is only dots"
        if len(run_id) > _LONGEST_RUN_ID:
            why = f"has {len(run_id):,} characters"
        raise AirflowFailException(
            f"The run id {run_id[:100]!r} cannot be used: it {why}. A run id has letters, digits and "
            f"_ . ~ : + -, and at most {_LONGEST_RUN_ID} characters. Correct trigger_run_id, or the "
            "run_id of the order."
        )
    return run_id


def _no_such_dag(dag_id: str) -> AirflowException:
    return AirflowException(
        f"There is no DAG {dag_id}. Save its file and wait until Airflow shows it, or correct run_dag_id."
    )


def _refused(dag_id: str, error: AirflowRuntimeError) -> Exception:
    """Return what a person can do when the API server did not start a run."""
    status, reason = status_of(error), reason_of(error)
    if status == 404:
        return _no_such_dag(dag_id)
    if status == 400 and "import errors" in reason:
        return AirflowException(
            f"The file of the DAG {dag_id} has an import error, so it cannot be run. Correct the file; "
            "Airflow's home page shows the error."
        )
    if status in (400, 422):
        return AirflowFailException(f"Airflow does not run the DAG {dag_id}: {reason}")
    return error
