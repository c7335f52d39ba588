"""DagOperator: what it asks of Airflow, what a user sees when something is wrong, real runs of children."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from airflow.sdk.exceptions import (
    AirflowException,
    AirflowFailException,
    AirflowRuntimeError,
    AirflowSkipException,
    ErrorType,
    TaskDeferred,
)
from airflow.sdk.execution_time import task_runner
from airflow.sdk.execution_time.comms import ErrorResponse

from couture_workflow.operators import DagOperator
from couture_workflow.operators.dag_wait import ChildRunTrigger, pause
from couture_workflow.services.runs.children import RECORD_KEY
from couture_workflow.store.home import Store

DAGS = """
import time
from datetime import datetime, timedelta
from airflow.sdk import DAG, task
from couture_workflow.operators import DagOperator

PARAMS = {"skip": False, "seconds": 0, "fail": False}

def order(context, dag_run_obj):
    if context["params"]["skip"]:
        return None
    given = {name: context["params"][name] for name in ("seconds", "fail")}
    dag_run_obj.payload = {**given, "message": "Hi there!!"}
    return dag_run_obj

for name, options in {
    "t_waits_in_triggerer": {},
    "t_waits_on_worker": {"deferrable": False},
    "t_leaves": {"when_killed": "leave"},
}.items():
    with DAG(name, schedule=None, params=PARAMS):
        DagOperator(task_id="zoom", run_dag_id="t_child", python_callable=order, poke_interval=2, **options)

with DAG("t_child", schedule=None):
    @task
    def work(dag_run=None):
        print("MESSAGE", dag_run.conf["message"])
        time.sleep(dag_run.conf["seconds"])
        if dag_run.conf["fail"]:
            raise ValueError("as asked")
    work()

with DAG("t_dated", schedule=None):
    dated = {"run_dag_id": "t_child", "conf": {"message": "", "seconds": 0, "fail": False},
             "logical_date": "2020-01-31T00:00:00+00:00", "wait_for_completion": False}
    DagOperator(task_id="first", trigger_run_id="dated", **dated) >> [
        DagOperator(task_id="again", **dated),
        DagOperator(task_id="other", reset_dag_run=True, trigger_run_id="other", **dated),
        DagOperator(task_id="same", trigger_run_id="dated", **dated),
        DagOperator(task_id="slash", run_dag_id="t_child", trigger_run_id="a/b"),
    ]

with DAG("t_scheduled", schedule="@yearly", start_date=datetime(2020, 1, 1), catchup=False):
    @task
    def nothing():
        pass
    nothing()

with DAG("t_of_paused", schedule=None):
    DagOperator(task_id="zoom", run_dag_id="t_scheduled")

with DAG("t_grand", schedule=None):
    DagOperator(task_id="top", run_dag_id="t_waits_in_triggerer", conf={"seconds": 300}, poke_interval=2)
"""


class Comms:
    """The supervisor of a task, as far as a DagOperator asks it."""

    def __init__(self) -> None:
        self.sent: list[Any] = []
        self.answer: Any = None

    def send(self, msg: Any) -> Any:
        """Keep what is asked."""
        self.sent.append(msg)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


class TaskInstance(SimpleNamespace):
    """What a task instance offers to the operator."""

    def xcom_push(self, key: str, value: Any) -> None:
        """Keep what is pushed."""
        self.pushed[key] = value

    def get_dagrun_state(self, dag_id: str, run_id: str) -> str:
        """Return the state of the child."""
        if self.state is None:
            raise refused(404, "no such run")
        return str(self.state)

    def get_dr_count(self, dag_id: str, logical_dates: list[datetime]) -> int:
        """Return how many runs of the child have one of the dates."""
        return len(set(self.dates) & set(logical_dates))

    def get_dag(self, dag_id: str) -> Any:
        """Return what is known of the child's DAG."""
        return self.dag


class StateStore(dict[str, Any]):
    """Airflow's task state store."""

    def set(self, key: str, value: Any, *, retention: Any = None) -> None:
        """Keep a value."""
        self[key] = value


@pytest.fixture
def comms(monkeypatch: pytest.MonkeyPatch) -> Comms:
    fake = Comms()
    monkeypatch.setattr(task_runner, "SUPERVISOR_COMMS", fake, raising=False)
    return fake


@pytest.fixture
def context() -> dict[str, Any]:
    instance = TaskInstance(
        dag_id="master",
        run_id="run",
        task_id="zoom",
        map_index=-1,
        try_number=1,
        max_tries=0,
        pushed={},
        state="running",
        dates=[],
        dag=SimpleNamespace(is_paused=False, next_dagrun=None),
    )
    return {"ti": instance, "task_state_store": StateStore()}


def operator(**options: Any) -> DagOperator:
    return DagOperator(task_id="zoom", run_dag_id="child", **options)


def execute(task: DagOperator, context: dict[str, Any]) -> TaskDeferred | None:
    try:
        task.execute(context)  # type: ignore[arg-type]
    except TaskDeferred as deferred:
        return deferred
    return None


def refused(status: int, reason: str) -> AirflowRuntimeError:
    detail = {"status_code": status, "detail": {"detail": {"reason": "x", "message": reason}}}
    return AirflowRuntimeError(ErrorResponse(error=ErrorType.API_SERVER_ERROR, detail=detail))


def test_the_payload_becomes_the_conf_and_the_task_waits_in_the_triggerer(
    comms: Comms, context: dict[str, Any]
) -> None:
    def order(given: Any, dag_run_obj: Any) -> Any:
        assert given is context
        dag_run_obj.payload = {"message": "Hii there!!"}
        return dag_run_obj

    deferred = execute(operator(python_callable=order), context)

    (message,) = comms.sent
    assert (message.dag_id, message.conf) == ("child", {"message": "Hii there!!"})
    assert context["ti"].pushed["trigger_run_id"] == message.run_id
    assert (
        context["ti"]
        .pushed["_link_ZoomLink"]
        .endswith("/couture/zoom/master?run_id=run&task_id=zoom&map_index=-1")
    )
    assert deferred is not None
    assert isinstance(deferred.trigger, ChildRunTrigger)
    assert deferred.trigger.run_id == message.run_id
    assert not deferred.trigger.resume


def test_none_skips(comms: Comms, context: dict[str, Any]) -> None:
    with pytest.raises(AirflowSkipException, match="DAG child is not run"):
        operator(python_callable=lambda context, order: None).execute(context)  # type: ignore[arg-type]

    assert comms.sent == []


def test_without_a_callable_the_conf_is_passed_on(comms: Comms, context: dict[str, Any]) -> None:
    assert execute(operator(conf={"n": 1}, wait_for_completion=False), context) is None

    assert comms.sent[0].conf == {"n": 1}
    assert context["task_state_store"][RECORD_KEY]["when_killed"] == "leave"


def test_a_run_id_of_the_callable_is_taken(comms: Comms, context: dict[str, Any]) -> None:
    def order(_context: Any, dag_run_obj: Any) -> Any:
        dag_run_obj.run_id = "mine"
        return dag_run_obj

    execute(operator(python_callable=order), context)

    assert comms.sent[0].run_id == "mine"


def test_the_child_is_remembered_before_it_is_started(comms: Comms, context: dict[str, Any]) -> None:
    comms.answer = refused(503, "down")

    with pytest.raises(AirflowRuntimeError):
        operator().execute(context)  # type: ignore[arg-type]

    assert context["task_state_store"][RECORD_KEY]["run_id"] == comms.sent[0].run_id


def test_a_retry_waits_for_the_child_that_still_runs(comms: Comms, context: dict[str, Any]) -> None:
    context["ti"].max_tries = 1
    first = execute(operator(), context)
    context["ti"].try_number = 2

    second = execute(operator(), context)

    assert len(comms.sent) == 1
    assert first is not None and second is not None
    assert first.trigger.run_id == second.trigger.run_id  # type: ignore[attr-defined]


def test_a_cleared_task_clears_the_same_run(comms: Comms, context: dict[str, Any]) -> None:
    execute(operator(), context)
    context["ti"].try_number, context["ti"].max_tries, context["ti"].state = 2, 1, "success"

    execute(operator(), context)

    assert comms.sent[1].run_id == comms.sent[0].run_id
    assert [message.reset_dag_run for message in comms.sent] == [False, True]


@pytest.mark.parametrize(
    ("status", "reason", "sentence"),
    [
        (404, "Dag with dag_id: 'child' not found", "There is no DAG child. Save its file"),
        (400, "Dag with dag_id 'child' has import errors and cannot be triggered", "has an import error"),
        (400, "Invalid input for param n: 'x' is not of type 'integer'", "Invalid input for param n"),
    ],
    ids=["unknown", "import error", "params"],
)
def test_a_child_that_cannot_run_is_told_with_the_remedy(
    comms: Comms, context: dict[str, Any], status: int, reason: str, sentence: str
) -> None:
    comms.answer = refused(status, reason)

    with pytest.raises(AirflowException, match=sentence):
        operator().execute(context)  # type: ignore[arg-type]


def test_a_run_that_exists_is_told(comms: Comms, context: dict[str, Any]) -> None:
    comms.answer = ErrorResponse(error=ErrorType.DAGRUN_ALREADY_EXISTS)

    with pytest.raises(AirflowFailException, match="already has the run mine. Leave the run id out"):
        operator(trigger_run_id="mine").execute(context)  # type: ignore[arg-type]
    assert not context["task_state_store"][RECORD_KEY], "the run of somebody else is not this task's child"
    with pytest.raises(AirflowSkipException):
        operator(trigger_run_id="mine", skip_when_already_exists=True).execute(context)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("run_id", "why"),
    [
        ("a/b", "has '/' in it"),
        ("a?b#c", "has '#', '\\?' in it"),
        ("50%", "has '%' in it"),
        ("a\nb", r"has '\\n' in it"),
        ("..", "is only dots"),
        ("x" * 251, "has 251 characters"),
    ],
)
def test_a_run_id_that_airflow_cannot_ask_for_is_told(
    comms: Comms, context: dict[str, Any], run_id: str, why: str
) -> None:
    with pytest.raises(
        AirflowFailException, match=f"run id .* cannot be used: it {why}. A run id has letters"
    ):
        operator(trigger_run_id=run_id).execute(context)  # type: ignore[arg-type]
    assert comms.sent == []


def test_a_logical_date_that_another_run_has_is_told(comms: Comms, context: dict[str, Any]) -> None:
    date = datetime(2026, 1, 31, tzinfo=UTC)
    context["ti"].state, context["ti"].dates = None, [date]

    for given in (date, date.isoformat()):
        with pytest.raises(
            AirflowFailException,
            match=r"DAG child already has a run of the logical date 2026-01-31T00:00:00\+00:00, and only one",
        ):
            operator(logical_date=given, reset_dag_run=True).execute(context)  # type: ignore[arg-type]
    assert comms.sent == []
    with pytest.raises(AirflowSkipException):
        operator(logical_date=date, skip_when_already_exists=True).execute(context)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("when_paused", "has_schedule", "unpauses"),
    [
        ("auto", False, True),
        ("auto", True, None),
        ("unpause", True, True),
        ("wait", True, False),
        ("fail", False, None),
    ],
)
def test_a_paused_child(
    comms: Comms, context: dict[str, Any], when_paused: str, has_schedule: bool, unpauses: bool | None
) -> None:
    context["ti"].dag = SimpleNamespace(is_paused=True, next_dagrun="2027-01-01" if has_schedule else None)
    task = operator(when_paused=when_paused)

    if unpauses is None:
        with pytest.raises(AirflowException, match="DAG child is paused.*Unpause it on its page"):
            task.execute(context)  # type: ignore[arg-type]
        assert comms.sent == []
    else:
        execute(task, context)
        assert context["task_state_store"][RECORD_KEY]["unpause"] is unpauses


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"when_killed": "explode"}, "when_killed of the task zoom is 'explode', not 'stop', 'leave'"),
        ({"conf": ["x"]}, "is a list, but it becomes the conf"),
        ({"conf": {"x": object()}}, "cannot be written as JSON"),
    ],
    ids=["choice", "list", "object"],
)
def test_a_wrong_argument_is_told(
    comms: Comms, context: dict[str, Any], options: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(AirflowFailException, match=sentence):
        operator(**options).execute(context)  # type: ignore[arg-type]


def test_a_task_with_outlets_is_resumed_on_a_worker(comms: Comms, context: dict[str, Any]) -> None:
    from airflow.sdk import Asset

    deferred = execute(operator(outlets=[Asset("x")]), context)

    assert deferred is not None
    assert deferred.trigger.resume  # type: ignore[attr-defined]


def test_airflow_sees_the_dependency() -> None:
    from airflow.serialization.serialized_objects import _DependencyDetector

    (dependency,) = _DependencyDetector.detect_task_dependencies(operator(dag=_dag()))

    assert (dependency.source, dependency.target) == ("master", "child")


def test_looks_become_rarer_up_to_the_interval() -> None:
    assert [pause(waited, 15) for waited in (0, 10, 100, 10_000)] == [1, 1, 5, 15]


def _dag() -> Any:
    from airflow.sdk import DAG

    return DAG("master", schedule=None)


# On the workbench: the real scheduler, triggerer, API server and LocalExecutor.


class Airflow:
    """Airflow's own API, in the words of these tests."""

    def __init__(self, client: httpx.Client) -> None:
        self.client = client

    def get(self, path: str) -> Any:
        """Return an answer."""
        answer = self.client.get(f"/api/v2/{path}")
        assert answer.status_code == 200, answer.text
        return answer.json()

    def trigger(self, dag_id: str, **conf: Any) -> str:
        """Start a run."""
        answer = self.client.post(f"/api/v2/dags/{dag_id}/dagRuns", json={"logical_date": None, "conf": conf})
        assert answer.status_code == 200, answer.text
        return str(answer.json()["dag_run_id"])

    def state(self, dag_id: str, run_id: str) -> str:
        """Return the state of a run."""
        return str(self.get(f"dags/{dag_id}/dagRuns/{run_id}")["state"])

    def runs(self, dag_id: str) -> list[dict[str, Any]]:
        """Return the runs of a DAG, the newest first."""
        return list(self.get(f"dags/{dag_id}/dagRuns?order_by=-id")["dag_runs"])

    def tries(self, dag_id: str, run_id: str) -> dict[str, tuple[str, int]]:
        """Return state and number of tries of each task."""
        found = self.get(f"dags/{dag_id}/dagRuns/{run_id}/taskInstances")["task_instances"]
        return {each["task_id"]: (each["state"], each["try_number"]) for each in found}

    def log(self, dag_id: str, run_id: str, task_id: str) -> str:
        """Return the log of the first try."""
        path = f"dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}/logs/1"
        return str(self.get(path)["content"])

    def ended(self, dag_id: str, run_id: str) -> str:
        """Wait for the end of a run and return its state."""
        until(lambda: self.state(dag_id, run_id) in ("success", "failed"))
        return self.state(dag_id, run_id)

    def child_that_runs(self, dag_id: str, before: int) -> str:
        """Wait until a new run of a DAG is running and return its id."""

        def found() -> bool:
            runs = self.runs(dag_id)
            return len(runs) > before and runs[0]["state"] == "running"

        until(found)
        return str(self.runs(dag_id)[0]["dag_run_id"])


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 180
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.5)


@pytest.fixture(scope="module")
def airflow(workbench: Any) -> Iterator[Airflow]:
    dags = Store.open(workbench.home).dags
    dags.save({"t_masters.py": DAGS.encode()}, author="tests", message="Add", base=dags.head())
    client = workbench.client("superadmin")
    running = Airflow(client)
    until(lambda: client.get("/api/v2/dags/t_grand").status_code == 200)
    for dag_id in (
        "t_waits_in_triggerer",
        "t_waits_on_worker",
        "t_leaves",
        "t_of_paused",
        "t_grand",
        "t_dated",
    ):
        client.patch(f"/api/v2/dags/{dag_id}", json={"is_paused": False}).raise_for_status()
    yield running
    head = dags.head()
    dags.save({"t_masters.py": None}, author="tests", message="Remove", base=head)


WAYS = pytest.mark.parametrize("dag_id", ["t_waits_in_triggerer", "t_waits_on_worker"])


@pytest.mark.workbench
@pytest.mark.slow
@WAYS
def test_a_child_runs_with_the_payload(airflow: Airflow, dag_id: str) -> None:
    run = airflow.trigger(dag_id)

    assert airflow.ended(dag_id, run) == "success"
    child = airflow.runs("t_child")[0]["dag_run_id"]
    assert "MESSAGE Hi there!!" in airflow.log("t_child", child, "work")


@pytest.mark.workbench
@pytest.mark.slow
def test_what_no_run_can_have_is_told_with_its_reason(airflow: Airflow) -> None:
    run = airflow.trigger("t_dated")

    assert airflow.ended("t_dated", run) == "failed"

    states = {task: state for task, (state, _) in airflow.tries("t_dated", run).items()}
    assert states.pop("first") == "success"
    assert set(states.values()) == {"failed"}
    taken = "The DAG t_child already has a run of the logical date 2020-01-31T00:00:00+00:00"
    for task, reason in {
        "again": taken,
        "other": taken,
        "same": "The DAG t_child already has the run dated.",
        "slash": "The run id 'a/b' cannot be used: it has '/' in it.",
    }.items():
        assert reason in airflow.log("t_dated", run, task), task


@pytest.mark.workbench
@pytest.mark.slow
def test_a_condition_that_is_not_met_skips(airflow: Airflow) -> None:
    before = len(airflow.runs("t_child"))
    run = airflow.trigger("t_waits_in_triggerer", skip=True)

    airflow.ended("t_waits_in_triggerer", run)

    assert airflow.tries("t_waits_in_triggerer", run) == {"zoom": ("skipped", 1)}
    assert len(airflow.runs("t_child")) == before


@pytest.mark.workbench
@pytest.mark.slow
@WAYS
def test_a_failure_names_the_childs_task(airflow: Airflow, dag_id: str) -> None:
    run = airflow.trigger(dag_id, fail=True)

    assert airflow.ended(dag_id, run) == "failed"
    child = airflow.runs("t_child")[0]["dag_run_id"]
    assert f"The run {child} of the DAG t_child failed in work." in airflow.log(dag_id, run, "zoom")


@pytest.mark.workbench
@pytest.mark.slow
@WAYS
def test_killing_the_task_stops_the_child(airflow: Airflow, dag_id: str) -> None:
    before = len(airflow.runs("t_child"))
    run = airflow.trigger(dag_id, seconds=300)
    child = airflow.child_that_runs("t_child", before)

    path = f"/api/v2/dags/{dag_id}/dagRuns/{run}/taskInstances/zoom"
    airflow.client.patch(path, json={"new_state": "failed"}).raise_for_status()

    assert airflow.ended("t_child", child) == "failed"
    assert f"task zoom of the run {run}" in airflow.runs("t_child")[0]["note"]
    until(lambda: airflow.tries("t_child", child)["work"][0] != "running")


@pytest.mark.workbench
@pytest.mark.slow
def test_stopping_a_master_stops_every_level(airflow: Airflow) -> None:
    before = len(airflow.runs("t_child"))
    run = airflow.trigger("t_grand")
    child = airflow.child_that_runs("t_child", before)

    path = f"/api/v2/dags/t_grand/dagRuns/{run}"
    airflow.client.patch(path, json={"state": "failed"}).raise_for_status()

    assert airflow.ended("t_child", child) == "failed"


@pytest.mark.workbench
@pytest.mark.slow
def test_a_child_can_be_left(airflow: Airflow) -> None:
    before = len(airflow.runs("t_child"))
    run = airflow.trigger("t_leaves", seconds=15)
    child = airflow.child_that_runs("t_child", before)

    path = f"/api/v2/dags/t_leaves/dagRuns/{run}/taskInstances/zoom"
    airflow.client.patch(path, json={"new_state": "failed"}).raise_for_status()

    assert airflow.ended("t_child", child) == "success"


@pytest.mark.workbench
@pytest.mark.slow
@WAYS
def test_clearing_the_task_runs_the_same_child_again(airflow: Airflow, dag_id: str) -> None:
    run = airflow.trigger(dag_id)
    airflow.ended(dag_id, run)
    child, count = airflow.runs("t_child")[0]["dag_run_id"], len(airflow.runs("t_child"))

    body = {"dry_run": False, "dag_run_id": run, "task_ids": ["zoom"], "only_failed": False}
    airflow.client.post(f"/api/v2/dags/{dag_id}/clearTaskInstances", json=body).raise_for_status()

    until(lambda: airflow.tries(dag_id, run)["zoom"] == ("success", 2))
    assert airflow.tries("t_child", child)["work"] == ("success", 2)
    assert len(airflow.runs("t_child")) == count


@pytest.mark.workbench
@pytest.mark.slow
def test_a_failed_child_can_be_run_again_by_hand(airflow: Airflow) -> None:
    run = airflow.trigger("t_waits_in_triggerer", fail=True)
    airflow.ended("t_waits_in_triggerer", run)
    child = airflow.runs("t_child")[0]["dag_run_id"]

    body = {"dry_run": False, "dag_run_id": child, "only_failed": True}
    airflow.client.post("/api/v2/dags/t_child/clearTaskInstances", json=body).raise_for_status()

    until(lambda: airflow.tries("t_child", child)["work"] == ("failed", 2))
    assert airflow.runs("t_child")[0]["note"] is None


@pytest.mark.workbench
@pytest.mark.slow
def test_a_paused_child_with_a_schedule_is_told(airflow: Airflow) -> None:
    run = airflow.trigger("t_of_paused")

    assert airflow.ended("t_of_paused", run) == "failed"
    assert "The DAG t_scheduled is paused" in airflow.log("t_of_paused", run, "zoom")


@pytest.mark.workbench
@pytest.mark.slow
def test_a_loop_is_an_import_error_with_its_path(airflow: Airflow, workbench: Any) -> None:
    dags = Store.open(workbench.home).dags
    one = "from airflow.sdk import DAG\nfrom couture_workflow.operators import DagOperator\n"
    one += "with DAG('t_{0}', schedule=None):\n    DagOperator(task_id='call_{1}', run_dag_id='t_{1}')\n"
    files = {f"t_{a}.py": one.format(a, b).encode() for a, b in (("left", "right"), ("right", "left"))}
    dags.save(files, author="tests", message="Add a loop", base=dags.head())

    def errors() -> list[str]:
        found = airflow.get("importErrors")["import_errors"]
        return [each["stack_trace"] for each in found if "would call itself" in each["stack_trace"]]

    try:
        until(lambda: bool(errors()))
        ways = (
            "t_left.call_right -> t_right.call_left -> t_left",
            "t_right.call_left -> t_left.call_right",
        )
        # Mostly one of both files; each of them where both were read in the same instant.
        assert [error for error in errors() if not any(way in error for way in ways)] == []
        dags.save({"t_right.py": b"# nothing\n"}, author="tests", message="Open it", base=dags.head())
        until(lambda: not errors())
    finally:
        dags.save(dict.fromkeys(files), author="tests", message="Remove", base=dags.head())
