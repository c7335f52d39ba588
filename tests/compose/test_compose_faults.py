"""Faults while the stack works: everything ends once, in a true state, and nothing stays behind.

Each test tells how long it took until work went on.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.support import faults
from tests.support.faults import Inside, Load, assert_settled, below, inside, kill, restart, until, upload
from tests.support.spark import compile_job
from tests.support.stack import Json, Stack

pytestmark = [pytest.mark.compose, pytest.mark.timeout(2400)]

#: Seconds in which a task that was killed must be known to be dead.
NOTICED = 60.0
#: What a task leaves in the folder for temporary files.
LEFT = "/tmp/left-by-a-task"
Report = Callable[[str], None]


@pytest.fixture(scope="module")
def loaded(stack: Stack) -> Stack:
    """Have the DAG that gives much to do."""
    stack.save_dag("faults_load.py", faults.LOAD)
    return stack


@pytest.fixture(scope="module")
def sparked(stack: Stack) -> Stack:
    """Have a DAG with a Spark job in Python, and one with a job in Java."""
    upload(stack, "faults.py", faults.SLEEPER.encode())
    for dag_id in ("faults_python", "faults_java"):
        stack.save_dag("faults_spark.py", faults.SPARK, dag_id=dag_id)
    return stack


# --- a service goes away while 200 tasks are on their way ---


@pytest.mark.parametrize("service", ["rabbitmq", "mysql", "scheduler", "api-server"])
def test_every_task_ends_once_although_a_service_is_killed(
    service: str, loaded: Stack, report: Report
) -> None:
    load = Load(loaded)
    load.wait_ended(load.tasks // 10)

    began = time.time()
    restart(loaded, service)
    back = time.time()
    tasks = load.check()

    report(
        f"{service} killed and started under load ({back - began:.0f} s): {faults.recovery(tasks, began)}."
    )
    assert_settled(loaded)


def test_a_restart_of_the_broker_is_told_in_lines(loaded: Stack, report: Report) -> None:
    load = Load(loaded, tasks=100)
    load.wait_ended(10)
    known = len(loaded.logs("worker").splitlines())

    loaded.docker.run("restart", loaded.container("rabbitmq"))
    load.check()
    assert_settled(loaded)
    lines = loaded.logs("worker").splitlines()[known:]

    told = [line for line in lines if "RabbitMQ was away" in line or "came again" in line]
    report(f"RabbitMQ restarted under load: {len(told)} lines tell of messages that came again.")
    assert any("Connection to broker lost" in line for line in lines)
    assert [line for line in lines if "Traceback" in line or "raised unexpected" in line] == []


# --- a task dies, in every way ---


def find_parent(processes: list[Inside]) -> int:
    """Return the worker itself."""
    return next(each.pid for each in processes if "MainProcess" in each.command)


def find_supervisor(processes: list[Inside]) -> int:
    """Return the process of the pool that looks after the task."""
    known = {each.pid: each for each in processes}
    return known[find_task(processes)].parent


def find_task(processes: list[Inside]) -> int:
    """Return the process of the task, which has started the reaper of the job."""
    return next(each.parent for each in processes if "reaper.py" in each.command)


def find_driver(processes: list[Inside]) -> int:
    """Return the Java process of the job."""
    return next(each.pid for each in below(processes, find_task(processes)) if is_java(each))


def is_java(process: Inside) -> bool:
    """Tell whether this is a JVM."""
    return process.command.partition(" ")[0].endswith("/java")


KILLED: dict[str, Callable[[list[Inside]], int]] = {
    "the worker": find_parent,
    "a process of its pool": find_supervisor,
    "the task": find_task,
    "the driver": find_driver,
}


def kill_part(find: Callable[[list[Inside]], int], stack: Stack) -> None:
    """Kill one process of the worker."""
    kill(stack, "worker", find(without_training(inside(stack))))


WAYS: dict[str, Callable[[Stack], None]] = {
    "the container": partial(faults.kill_container, service="worker"),
    **{name: partial(kill_part, find) for name, find in KILLED.items()},
}


@pytest.mark.parametrize("way", [pytest.param("the container", marks=pytest.mark.always), *KILLED])
def test_a_spark_task_that_is_killed_is_tried_again_within_a_minute(
    way: str, sparked: Stack, report: Report
) -> None:
    check_killed(sparked, "faults_python", way, report)


@pytest.mark.parametrize("way", ["the worker", "a process of its pool"])
def test_a_java_task_that_is_killed_is_tried_again_within_a_minute(
    way: str, sparked: Stack, report: Report, tmp_path: Path
) -> None:
    upload(sparked, "faults.jar", compile_job(tmp_path).read_bytes())

    check_killed(sparked, "faults_java", way, report)


def check_killed(stack: Stack, dag_id: str, way: str, report: Report) -> None:
    """Kill a job at work, and follow what becomes of it."""
    run_id = stack.trigger(dag_id)
    try:
        job = wait_at_work(stack, dag_id, run_id)
        stack.exec("worker", "mkdir", "--parents", LEFT)
        began = time.time()
        WAYS[way](stack)
        until(
            lambda: state(stack, dag_id, run_id) != ("running", 1),
            seconds=NOTICED,
            what=f"to notice that {way} was killed",
        )
        seconds = time.time() - began
        until(lambda: not job & set(inside(stack)), seconds=30, what="the end of the job's processes")
        stack.wait_run(dag_id, run_id)
    except BaseException:
        stack.api.patch(f"/api/v2/dags/{dag_id}/dagRuns/{run_id}", json={"state": "failed"})
        raise

    said = reason(stack, dag_id, run_id)
    report(f"kill -9 of {way} under a Spark task ({dag_id}): noticed after {seconds:.0f} s: {said}")
    assert state(stack, dag_id, run_id) == ("success", 2)
    assert left_over(stack) == []
    assert_settled(stack)
    if way in {"the container", "the worker"}:
        found = stack.exec("worker", "ls", "--almost-all", "/tmp").stdout.split()
        assert LEFT.rpartition("/")[2] not in found
        assert len([name for name in found if name.startswith("worker-")]) == 1, found


def left_over(stack: Stack) -> list[Inside]:
    """Return what belongs to a Spark job."""
    return [each for each in without_training(inside(stack)) if is_java(each) or "spark" in each.command]


def without_training(processes: list[Inside]) -> list[Inside]:
    """Return the processes without those that make an archive for later JVMs: they are nobody's job."""
    training = [each for each in processes if "class_data" in each.command]
    ours = {each for trainer in training for each in (trainer, *below(processes, trainer.pid))}
    return [each for each in processes if each not in ours]


def wait_at_work(stack: Stack, dag_id: str, run_id: str) -> set[Inside]:
    """Wait until the job is at work, and return its processes."""

    def working() -> set[Inside]:
        if state(stack, dag_id, run_id) != ("running", 1):
            return set()
        path = f"/api/v2/dags/{dag_id}/dagRuns/{quote(run_id)}/taskInstances/job/logs/1"
        log = stack.api.get(path, params={"full_content": "true"}).text
        if "the job is at work" not in log and "count 1000" not in log:
            return set()
        processes = without_training(inside(stack))
        return set(below(processes, find_task(processes)))

    found: set[Inside] = until(working, seconds=300, what=f"the job of {dag_id}", every=1)
    return found


def state(stack: Stack, dag_id: str, run_id: str) -> tuple[str, int]:
    """Return the state of the job's task and its try."""
    task: Json = faults.instances(stack, dag_id, run_id)[0]
    return task["state"], task["try_number"]


def reason(stack: Stack, dag_id: str, run_id: str) -> str:
    """Return why the first try failed, from its log or from Airflow's audit log."""
    path = f"/api/v2/dags/{dag_id}/dagRuns/{quote(run_id)}/taskInstances/job/logs/1"
    lines = [str(line) for line in faults.ask(stack, path, full_content="true")["content"]]
    told = faults.events(stack, dag_id, run_id, "job").splitlines()
    for words in ("SIGKILL", "heartbeat within time limit", "finished with state"):
        for line in (*lines, *told):
            if words in line:
                return line[max(0, line.index(words) - 100) :][:200]
    raise AssertionError(f"no reason is told: {lines[-5:]} {told}")


def test_a_plain_task_does_not_go_on_when_its_supervisor_is_killed(loaded: Stack, report: Report) -> None:
    load = Load(loaded, tasks=1, seconds=30)

    def supervisor() -> int:
        known = {each.pid: each for each in inside(loaded)}
        tasks = [each for each in known.values() if each.command.startswith("airflow worker --")]
        return known[tasks[0].parent].pid if tasks and load.has_begun() else 0

    pid = until(supervisor, seconds=300, what="the start of the task")
    began = time.time()
    kill(loaded, "worker", pid)
    tasks = load.check(hit=1)

    assert tasks[0]["try_number"] == 2
    report(f"kill -9 of the supervisor of a plain task: {faults.recovery(tasks, began)} (it takes 30 s).")
    assert_settled(loaded)


# --- a worker cannot reach its broker and the database of results ---


@pytest.fixture(scope="module")
def two_workers(loaded: Stack) -> Iterator[Stack]:
    """Have two workers for a while."""
    loaded.up("--scale", "worker=2", "worker")
    yield loaded
    loaded.up("--scale", "worker=1", "worker")


@pytest.mark.parametrize("seconds", [45, 180])
def test_a_task_ends_once_although_its_worker_is_cut_off(
    seconds: int, two_workers: Stack, report: Report
) -> None:
    # Long enough to run into the cut, and, of the longer cut, to end before it does.
    load = Load(two_workers, tasks=6, seconds=60)
    until(lambda: len(busy(two_workers)) == 2, seconds=300, what="work for both workers")
    network, worker = f"{two_workers.project}_data", two_workers.container("worker")

    two_workers.docker.run("network", "disconnect", network, worker)
    try:
        time.sleep(seconds)
    finally:
        two_workers.docker.run("network", "connect", network, worker)
    back = time.time()
    load.check()
    assert_settled(two_workers)
    settled = time.time() - back
    hosts = {each["hostname"] for each in Load(two_workers, tasks=TASKS_AFTER).check()}

    report(f"A worker cut off from its broker for {seconds} s: settled {settled:.0f} s after it.")
    assert len(hosts) == 2, f"only {hosts} took tasks after the cut"
    assert_settled(two_workers)


#: Enough for each of two workers.
TASKS_AFTER = 24


def busy(stack: Stack) -> set[int]:
    """Return which of two workers has a task."""
    return {
        index
        for index in (1, 2)
        if any(each.command.startswith("airflow worker --") for each in inside(stack, index=index))
    }


# --- tasks that wait without a worker ---

WAITING = """
from datetime import timedelta

from airflow.providers.standard.sensors.time_delta import TimeDeltaSensor
from airflow.sdk import DAG, task
from couture_workflow.operators import DagOperator

with DAG("faults_child", schedule=None):

    @task
    def work():
        import time
        time.sleep(60)

    work()

with DAG("faults_parent", schedule=None):
    DagOperator(task_id="child", run_dag_id="faults_child", deferrable=True)
    TimeDeltaSensor(task_id="wait", delta=timedelta(seconds=60), deferrable=True)
"""


def test_deferred_tasks_end_once_although_the_triggerer_is_killed(stack: Stack, report: Report) -> None:
    stack.save_dag("faults_waiting.py", WAITING, dag_id="faults_parent")
    stack.save_dag("faults_waiting.py", WAITING, dag_id="faults_child")
    run_id = stack.trigger("faults_parent")
    until(
        lambda: faults.count(stack, "faults_parent", run_id, "deferred") == 2,
        seconds=300,
        what="deferred tasks",
    )

    faults.kill_container(stack, "triggerer")
    faults.kill_container(stack, "dag-processor")
    began = time.time()
    stack.wait_run("faults_parent", run_id, timeout=600)

    tasks = faults.instances(stack, "faults_parent", run_id)
    children = faults.ask(stack, "/api/v2/dags/faults_child/dagRuns", run_after_gte=_start(tasks))
    report(f"Triggerer and DAG processor killed: {faults.recovery(tasks, began)} (they wait for 60 s).")
    assert {(each["state"], each["try_number"]) for each in tasks} == {("success", 1)}
    assert [each["state"] for each in children["dag_runs"]] == ["success"]
    assert_settled(stack)


def _start(tasks: list[Json]) -> str:
    return min(str(each["queued_when"] or each["start_date"]) for each in tasks)
