"""Tasks that run another DAG: what a master DAG is made of."""

from __future__ import annotations

import datetime
import json
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

from airflow.providers.standard.operators.trigger_dagrun import XCOM_RUN_ID, TriggerDagRunOperator
from airflow.sdk.definitions._internal.types import NOTSET
from airflow.sdk.exceptions import (
    AirflowException,
    AirflowFailException,
    AirflowRuntimeError,
    AirflowSkipException,
    TaskDeferralTimeout,
)

from couture_workflow.operators import dag_wait
from couture_workflow.operators.dag_requests import Requests, checked_run_id
from couture_workflow.operators.links import ZoomLink
from couture_workflow.services.runs import children as child_runs
from couture_workflow.services.runs.children import WHEN_CLEARED, WHEN_KILLED, WHEN_PAUSED, ChildRun, Step

if TYPE_CHECKING:
    from airflow.sdk import Context

_ENDED = ("success", "failed")


@dataclass
class DagRunOrder:
    """What a ``python_callable`` is given, and returns to let the child run.

    :param run_id: id of the child's run, None for one that is made up.
    :param payload: becomes the child's conf, ``{{ dag_run.conf }}``.
    """

    run_id: str | None = None
    payload: dict[str, Any] | None = None


class DagOperator(TriggerDagRunOperator):
    """Run another DAG and wait for its end.

    Every other argument of Airflow's ``TriggerDagRunOperator`` works too.

    :param run_dag_id: the DAG to run (templated)
    :param python_callable: called with the context and a ``DagRunOrder``; the order that it returns is run,
        with its ``payload`` as the child's conf; None skips this task. Without it the child always runs
    :param conf: conf of the child, the payload before the callable changes it (templated)
    :param trigger_run_id: id of the child's run, made up if it is not given (templated)
    :param logical_date: logical date of the child's run, the moment when it is started if it is not given
        (templated)
    :param description: what the task does; shown as its documentation
    :param wait_for_completion: wait until the child has ended, and fail if it failed
    :param deferrable: wait in the triggerer, so that no worker slot is held
    :param poke_interval: most seconds between two looks at the child
    :param when_killed: ``"stop"`` the child when this task is killed, or ``"leave"`` it
    :param when_cleared: when this task is cleared or tried again, ``"clear"`` the child's run too, so that it
        runs again, or start a ``"new"`` one
    :param when_paused: ``"unpause"`` a paused child, ``"wait"`` until somebody does, or ``"fail"``;
        ``"auto"`` unpauses a DAG without a schedule and fails otherwise
    """

    template_fields: Sequence[str] = ("run_dag_id", "conf", "trigger_run_id", "logical_date")
    template_fields_renderers: ClassVar[dict[str, str]] = {"conf": "json"}
    operator_extra_links = [ZoomLink()]
    ui_color = "#e8def8"

    def __init__(
        self,
        *,
        run_dag_id: str,
        python_callable: Callable[[Any, DagRunOrder], DagRunOrder | None] | None = None,
        conf: dict[str, Any] | None = None,
        trigger_run_id: str | None = None,
        logical_date: Any = NOTSET,
        description: str | None = None,
        wait_for_completion: bool = True,
        deferrable: bool = True,
        poke_interval: float = 15,
        when_killed: str = "stop",
        when_cleared: str = "clear",
        when_paused: str = "auto",
        **kwargs: Any,
    ) -> None:
        if description:
            kwargs.setdefault("doc", description)
        kwargs.pop("trigger_dag_id", None)
        super().__init__(
            trigger_dag_id=run_dag_id,
            conf=conf,
            trigger_run_id=trigger_run_id,
            logical_date=logical_date,
            wait_for_completion=wait_for_completion,
            deferrable=deferrable,
            poke_interval=poke_interval,  # type: ignore[arg-type]  # seconds, whole or not
            **kwargs,
        )
        self.run_dag_id = run_dag_id
        self.python_callable = python_callable
        self.description = description
        self.when_killed = when_killed
        self.when_cleared = when_cleared
        self.when_paused = when_paused
        self._killed = False

    def execute(self, context: Context) -> None:
        """Run the child, or take over the one of an earlier try, and wait for it."""
        self._check()
        order = self._order(context)
        requests = Requests(context)
        wish = self._wish(context, order)
        known = child_runs.read(requests.record())
        state = requests.state(known.dag_id, known.run_id) if known else None
        step = child_runs.next_step(known, state, wish, when_cleared=self.when_cleared)
        child = child_runs.after(step, known, state, wish, now=time.time())
        child = replace(child, unpause=self._unpause(requests))
        requests.keep(child.json())
        if why := self._take(step, child, order, requests):
            requests.keep(known.json() if known else {})  # it is somebody else's run
            self._refuse(why)
        context["ti"].xcom_push(key=XCOM_RUN_ID, value=child.run_id)
        self._push_link(context)
        if self.wait_for_completion:
            self._wait(child)

    def execute_complete(self, context: Context, event: Any) -> None:
        """End the task after the triggerer has waited."""
        if error := event["error"]:
            raise AirflowException(error)

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """Resume the task after the triggerer has waited, or has waited too long."""
        try:
            return super().resume_execution(next_method, next_kwargs, context)
        except TaskDeferralTimeout:
            self._ask_to_stop(context)
            raise AirflowException(
                f"The DAG {self.run_dag_id} ran longer than this task's execution_timeout, "
                f"{self.execution_timeout}. It is stopped."
            ) from None

    def on_kill(self) -> None:
        """Give up waiting. The API server stops the child: it sees in which state this task ended."""
        self._killed = True

    def _check(self) -> None:
        for name, allowed in (
            ("when_killed", WHEN_KILLED),
            ("when_cleared", WHEN_CLEARED),
            ("when_paused", WHEN_PAUSED),
        ):
            if (value := getattr(self, name)) not in allowed:
                choices = ", ".join(repr(choice) for choice in allowed)
                raise AirflowFailException(f"{name} of the task {self.task_id} is {value!r}, not {choices}.")
        self.trigger_dag_id = self.run_dag_id

    def _order(self, context: Context) -> DagRunOrder:
        """Return what to run; skip the task if its condition is not met."""
        order = DagRunOrder(run_id=self.trigger_run_id, payload=self.conf)
        if self.python_callable is not None:
            answer = self.python_callable(context, order)
            if not answer:
                raise AirflowSkipException(
                    f"The DAG {self.run_dag_id} is not run: the task's python_callable returned nothing."
                )
            order = answer
        payload = json.loads(order.payload) if isinstance(order.payload, str) else order.payload
        if payload is not None and not isinstance(payload, Mapping):
            raise AirflowFailException(
                f"The payload for the DAG {self.run_dag_id} is a {type(payload).__name__}, but it becomes "
                "the conf of a run: make it a dict."
            )
        try:
            json.dumps(payload)
        except TypeError as error:
            raise AirflowFailException(
                f"The payload for the DAG {self.run_dag_id} cannot be written as JSON ({error}): use text, "
                "numbers, booleans, lists and dicts."
            ) from None
        return DagRunOrder(run_id=checked_run_id(order.run_id), payload=dict(payload or {}))

    def _wish(self, context: Context, order: DagRunOrder) -> ChildRun:
        """Return the child as this try would start it."""
        ti: Any = context["ti"]
        linked = self.wait_for_completion and {*self.allowed_states, *self.failed_states} <= set(_ENDED)
        return ChildRun(
            dag_id=self.run_dag_id,
            run_id=order.run_id or _new_run_id(),
            digest=child_runs.digest(order.payload),
            try_number=ti.try_number,
            max_tries=ti.max_tries,
            when_killed=self.when_killed if linked else "leave",
        )

    def _unpause(self, requests: Requests) -> bool:
        """Tell whether the child's DAG must be unpaused; a task that may not wait for that fails."""
        dag = requests.dag(self.run_dag_id)
        if not dag.is_paused or self.when_paused == "wait":
            return False
        if self.when_paused == "unpause" or (self.when_paused == "auto" and dag.next_dagrun is None):
            self.log.info("The DAG %s is paused; it is unpaused for this run", self.run_dag_id)
            return True
        raise AirflowException(
            f"The DAG {self.run_dag_id} is paused, so its run would never start. Unpause it on its page, or "
            "give the DagOperator when_paused='unpause' (which starts its schedule too) or 'wait'."
        )

    def _take(self, step: Step, child: ChildRun, order: DagRunOrder, requests: Requests) -> str:
        """Do what was decided; return why the run is not this task's, "" if it is."""
        if step is Step.ADOPT:
            self.log.info("The run %s of an earlier try goes on; this try waits for it", child.run_id)
            return ""
        dates, again = self._dates(), step is Step.CLEAR or self.reset_dag_run
        given = dates["logical_date"] if self.logical_date not in (NOTSET, None) else None
        if given is not None and requests.has_other_run(child.dag_id, child.run_id, given):
            return (
                f"The DAG {child.dag_id} already has a run of the logical date {given.isoformat()}, and "
                "only one run may have it. Leave logical_date out, or give another one."
            )
        if again:
            self.log.info("Running the run %s of the DAG %s (again)", child.run_id, child.dag_id)
        else:
            self.log.info("Starting the run %s of the DAG %s", child.run_id, child.dag_id)
        started = requests.start(
            child.dag_id,
            child.run_id,
            conf=order.payload or {},
            clear=again,
            note=self.note,
            **dates,
        )
        if started:
            return ""
        return (
            f"The DAG {child.dag_id} already has the run {child.run_id}. Leave the run id out, or give the "
            "DagOperator reset_dag_run=True to run it again."
        )

    def _refuse(self, message: str) -> NoReturn:
        if self.skip_when_already_exists:
            raise AirflowSkipException(message)
        raise AirflowFailException(message)

    def _dates(self) -> dict[str, datetime.datetime | None]:
        """Return the dates of a new run, as ``TriggerDagRunOperator`` makes them."""
        from airflow.sdk import timezone

        def moment(value: Any) -> datetime.datetime | None:
            return timezone.parse(value) if isinstance(value, str) else value

        def given(value: Any) -> bool:
            return value is None or isinstance(value, (str, datetime.datetime))

        run_after = moment(self.run_after) if given(self.run_after) else None
        if given(self.logical_date):
            return {"logical_date": moment(self.logical_date), "run_after": run_after}
        return {"logical_date": None if run_after else timezone.utcnow(), "run_after": run_after}

    def _wait(self, child: ChildRun) -> None:
        """Wait for the child: in the triggerer, or here."""
        allowed = [dag_wait.text(state) for state in self.allowed_states]
        failed = [dag_wait.text(state) for state in self.failed_states]
        since = time.time()
        if self.deferrable:
            self.defer(
                trigger=dag_wait.ChildRunTrigger(
                    dag_id=child.dag_id,
                    run_id=child.run_id,
                    allowed_states=allowed,
                    failed_states=failed,
                    poke_interval=float(self.poke_interval),
                    resume=self._must_resume(),
                    since=since,
                ),
                method_name="execute_complete",
                timeout=self.execution_timeout,
            )
        self.log.info("Waiting for the end of the run")
        look_at = since
        while not self._killed:
            if (now := time.time()) >= look_at:
                ended, error = dag_wait.look(child.dag_id, child.run_id, allowed, failed)
                if error:
                    raise AirflowException(error)
                if ended:
                    return
                look_at = now + dag_wait.pause(now - since, float(self.poke_interval))
            time.sleep(0.2)
        raise AirflowException(f"This task was killed while it waited for the run {child.run_id}.")

    def _must_resume(self) -> bool:
        """Tell whether something of Airflow's happens only when a worker ends the task."""
        from airflow.sdk import BaseOperator
        from airflow.sdk.listener import get_listener_manager

        return bool(
            self.outlets
            or self._post_execute_hook
            or type(self).post_execute is not BaseOperator.post_execute
            or get_listener_manager().has_listeners
        )

    def _ask_to_stop(self, context: Context) -> None:
        requests = Requests(context)
        if (known := child_runs.read(requests.record())) and known.when_killed == "stop":
            requests.keep(replace(known, stop_at=time.time()).json())

    def _push_link(self, context: Context) -> None:
        """Offer the link now; Airflow itself does so only when the task has ended on a worker."""
        ti = context["ti"]
        link = ZoomLink()
        try:
            ti.xcom_push(key=link.xcom_key, value=link.get_link(self, ti_key=ti))  # type: ignore[arg-type]
        except AirflowRuntimeError as error:
            self.log.warning("The link %s is not offered: %s", link.name, error)


def _new_run_id() -> str:
    now = datetime.datetime.now(tz=datetime.UTC)
    return f"operator_triggered__{now.isoformat(timespec='seconds')}_{secrets.token_hex(4)}"
