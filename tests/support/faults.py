"""Faults in a running stack: the work that is hit, ways to hit it, and what must hold afterwards."""

from __future__ import annotations

import json
import os
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx

from tests.support.stack import Json, Stack

#: How many tasks run while a service is hit.
TASKS = 200
LOAD_TIMEOUT, SETTLE_TIMEOUT = 1500.0, 120.0
ENDED = frozenset({"success", "failed", "skipped", "removed", "upstream_failed"})
FOLDER = "/var/lib/couture-workflow/faults"

#: Each task leaves a line when it starts and a line when it ends, in a file of its own.
LOAD = f"""
from datetime import timedelta

from airflow.sdk import DAG, task

with DAG("faults_load", schedule=None):

    @task
    def numbers(**context):
        return list(range(context["dag_run"].conf["tasks"]))

    @task(retries=2, retry_delay=timedelta(seconds=1))
    def work(number, **context):
        import os, pathlib, time
        folder = pathlib.Path("{FOLDER}", context["run_id"])
        folder.mkdir(parents=True, exist_ok=True)
        with folder.joinpath(str(number)).open("a") as file:
            print("start", context["ti"].try_number, os.getpid(), file=file, flush=True)
            time.sleep(context["dag_run"].conf["seconds"])
            print("end", context["ti"].try_number, os.getpid(), file=file, flush=True)

    work.expand(number=numbers())
"""

#: A Spark job that stays at work in its first try.
SLEEPER = """
import sys, time
from pyspark.sql import SparkSession

if sys.argv[1] == "1":
    context = SparkSession.builder.getOrCreate().sparkContext
    context.parallelize(range(4), 4).map(lambda n: n + 1).count()
    print("the job is at work", flush=True)
    context.parallelize(range(2), 2).map(lambda n: time.sleep(600)).count()
"""
#: Tasks with such a job in Python and in Java.
SPARK = """
from datetime import timedelta

from airflow.sdk import DAG
from couture_workflow.operators import CouturePySparkOperator, CoutureSparkOperator

again = {"retries": 1, "retry_delay": timedelta(seconds=1)}
small = {"spark_arguments": {"master": "local[2]", "driver-memory": "512m"}}
with DAG("faults_python", schedule=None):
    CouturePySparkOperator(
        task_id="job",
        code_artifact="faults.py",
        application_arguments=["{{ ti.try_number }}"],
        **again,
        **small,
    )
with DAG("faults_java", schedule=None):
    CoutureSparkOperator(
        task_id="job",
        code_artifact="faults.jar",
        class_path="Job",
        application_arguments=["{{ 'sleep' if ti.try_number == 1 else 'done' }}"],
        **again,
        **small,
    )
"""

#: Lists the processes that the container of a service has, as its own process ids.
LIST = """
import json, os
found = []
for pid in filter(str.isdigit, os.listdir("/proc")):
    try:
        words = open(f"/proc/{pid}/cmdline", errors="replace").read().replace("\\0", " ").strip()
        fields = open(f"/proc/{pid}/stat").read().rpartition(")")[2].split()
    except OSError:
        continue
    if fields[0] not in "ZX" and int(pid) != os.getpid():
        found.append([int(pid), int(fields[1]), fields[19], words])
print(json.dumps(found))
"""


@dataclass(frozen=True)
class Inside:
    """A process as its container sees it; ``start`` tells it from a later one of the same id."""

    pid: int
    parent: int
    start: str
    command: str


def upload(stack: Stack, name: str, content: bytes) -> None:
    """Store a code artifact."""
    answer = stack.api.put(f"/api/artifacts/files/{name}", content=content)
    assert answer.is_success, answer.text


def inside(stack: Stack, service: str = "worker", *, index: int = 1) -> list[Inside]:
    """Return the living processes of a container; none while it is down."""
    done = stack.exec(service, "python3", "-I", "-S", "-c", LIST, index=index, check=False)
    if done.returncode != 0:
        return []
    return [Inside(*fields) for fields in json.loads(done.stdout.splitlines()[-1])]


def below(processes: list[Inside], ancestor: int) -> list[Inside]:
    """Return the descendants of a process."""
    found, known = [], {ancestor}
    for _ in processes:
        more = [each for each in processes if each.parent in known and each.pid not in known]
        known |= {each.pid for each in more}
        found += more
    return found


def kill(stack: Stack, service: str, pid: int, *, index: int = 1) -> None:
    """Kill -9 a process of a container."""
    stack.exec(service, "bash", "-c", f"kill -9 {pid}", index=index)


def kill_container(stack: Stack, service: str, *, index: int = 1) -> None:
    """Kill -9 the first process of a container, so that the engine starts it again by its restart policy."""
    container = stack.container(service, index)
    before = inspect(stack, container)
    pid = before["State"]["Pid"]
    if os.geteuid() == 0 and container in _read(Path(f"/proc/{pid}/cgroup")):
        os.kill(pid, 9)
        until(
            lambda: inspect(stack, container)["RestartCount"] > before["RestartCount"],
            seconds=60,
            what=f"restart of {service}",
        )
    else:
        # The engine is elsewhere: the same signal, and the engine starts it again because it was told to.
        restart(stack, service, index=index)


def restart(stack: Stack, service: str, *, index: int = 1) -> None:
    """Kill -9 a container and start it again at once."""
    stack.docker.run("restart", "--time", "0", stack.container(service, index))


def inspect(stack: Stack, container: str) -> Json:
    """Return what the engine knows of a container."""
    found: Json = json.loads(stack.docker.run("inspect", container).stdout)[0]
    return found


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""


def until(condition: Callable[[], Any], *, seconds: float, what: str, every: float = 0.5) -> Any:
    """Wait until a condition holds and return its value."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, f"{what} takes longer than {seconds:.0f} s"
        time.sleep(every)
    return value


def ask(stack: Stack, path: str, **query: Any) -> Json:
    """Return what the API answers, as soon as it answers."""

    def answer() -> Json | None:
        try:
            said = stack.api.get(path, params=query, headers={"Accept": "application/json"})
        except httpx.TransportError:
            return None
        assert said.is_success or said.status_code >= 500, said.text
        return dict(said.json()) if said.is_success else None

    return until(answer, seconds=300, what=f"an answer to {path}") or {}


def instances(stack: Stack, dag_id: str, run_id: str) -> list[Json]:
    """Return all task instances of a run, page by page."""
    path, found = f"/api/v2/dags/{dag_id}/dagRuns/{quote(run_id)}/taskInstances", []
    while True:
        page = ask(stack, path, limit=100, offset=len(found), order_by="id")
        found += page["task_instances"]
        if len(found) >= page["total_entries"] or not page["task_instances"]:
            return found


def count(stack: Stack, dag_id: str = "~", run_id: str = "~", *states: str) -> int:
    """Return how many task instances have one of these states."""
    path = f"/api/v2/dags/{dag_id}/dagRuns/{quote(run_id, safe='~')}/taskInstances"
    return int(ask(stack, path, limit=1, state=list(states))["total_entries"])


def events(stack: Stack, dag_id: str, run_id: str, task_id: str) -> str:
    """Return what Airflow's audit log tells of a task."""
    entries = ask(stack, "/api/v2/eventLogs", dag_id=dag_id, run_id=run_id, task_id=task_id, limit=100)
    return "\n".join(f"{entry['event']}: {entry.get('extra')}" for entry in entries["event_logs"])


class Load:
    """Many short tasks, one run of the DAG ``faults_load``."""

    def __init__(self, stack: Stack, *, tasks: int = 0, seconds: float = 1) -> None:
        self.stack, self.tasks = stack, tasks or TASKS
        self.run_id = stack.trigger("faults_load", {"tasks": self.tasks, "seconds": seconds})

    def wait_ended(self, number: int) -> None:
        """Wait until so many tasks have succeeded, none of them failed."""

        def enough() -> bool:
            assert count(self.stack, "faults_load", self.run_id, "failed", "upstream_failed") == 0
            return count(self.stack, "faults_load", self.run_id, "success") >= number

        until(enough, seconds=LOAD_TIMEOUT, what=f"{number} tasks", every=1)

    def has_begun(self) -> bool:
        """Tell whether a task has left its first line."""
        return (
            self.stack.exec("dag-sync", "test", "-e", f"{FOLDER}/{self.run_id}", check=False).returncode == 0
        )

    def marks(self) -> dict[int, list[list[str]]]:
        """Return what each task has left behind: (start or end, try, process)."""
        said = self.stack.exec("dag-sync", "grep", "--recursive", "", f"{FOLDER}/{self.run_id}").stdout
        found: dict[int, list[list[str]]] = {}
        for line in said.splitlines():
            path, _, words = line.rpartition(":")
            found.setdefault(int(path.rpartition("/")[2]), []).append(words.split())
        return found

    def check(self, *, hit: int = 0) -> list[Json]:
        """Wait for the end; each task has ended once, and only as many as were hit were tried again.

        :param hit: how many running tasks a fault may have hit.
        """
        self.stack.wait_run("faults_load", self.run_id, timeout=LOAD_TIMEOUT)
        tasks = [each for each in instances(self.stack, "faults_load", self.run_id) if each["map_index"] >= 0]
        assert Counter(each["state"] for each in tasks) == {"success": self.tasks}
        marks = self.marks()
        assert sorted(marks) == list(range(self.tasks))
        again = {each["map_index"]: each["try_number"] for each in tasks if each["try_number"] != 1}
        assert len(again) <= hit, (
            f"tried again: {again}\n{events(self.stack, 'faults_load', self.run_id, 'work')}"
        )
        for number, lines in marks.items():
            words = [(kind, attempt) for kind, attempt, _ in lines]
            last = str(again.get(number, 1))
            ends = [attempt for kind, attempt in words if kind == "end"]
            assert ends == [last], f"task {number} ended more than once, or never: {lines}"
            assert len(set(words)) == len(words), f"task {number} ran twice in one try: {lines}"
            if number not in again:
                assert words == [("start", "1"), ("end", "1")], (number, lines)
        return tasks


def recovery(tasks: list[Json], moment: float) -> str:
    """Tell when the first task after a moment began, and when the last one ended."""
    starts = [began for each in tasks if (began := _seconds(each["start_date"])) > moment]
    ends = [ended for each in tasks if (ended := _seconds(each["end_date"])) > moment]
    first = f"next task began after {min(starts) - moment:.0f} s" if starts else "no task began after it"
    last = f"last of {len(ends)} ended after {max(ends) - moment:.0f} s" if ends else "none ended after it"
    return f"{first}, {last}"


def _seconds(date: str | None) -> float:
    return datetime.fromisoformat(date).timestamp() if date else 0.0


def assert_settled(stack: Stack) -> None:
    """Nothing is queued, running or unacknowledged any more, and every service is healthy."""
    open_states = ("scheduled", "queued", "running", "restarting", "deferred", "up_for_retry")
    until(
        lambda: count(stack, "~", "~", *open_states) == 0, seconds=SETTLE_TIMEOUT, what="the end of all tasks"
    )
    until(lambda: not any(queues(stack).values()), seconds=SETTLE_TIMEOUT, what="an empty queue")
    stack.wait_healthy()
    expected = {slots(stack)}
    until(
        lambda: set(asked_for(stack)) == expected,
        seconds=SETTLE_TIMEOUT,
        what="a worker that asks for as many tasks as it has slots",
    )


def slots(stack: Stack) -> int:
    """Return how many tasks a worker can run at a time."""
    said = "echo $AIRFLOW__CELERY__WORKER_CONCURRENCY"
    return int(stack.exec("worker", "/usr/local/bin/entrypoint", "sh", "-c", said).stdout.split()[-1])


def asked_for(stack: Stack) -> list[int]:
    """Return how many tasks each worker takes from RabbitMQ at a time."""
    listed = listing(stack, "list_consumers", "queue_name", "prefetch_count")
    return [int(each["prefetch_count"]) for each in listed if not each["queue_name"].endswith(".pidbox")]


def queues(stack: Stack) -> dict[str, int]:
    """Return how many messages each queue of RabbitMQ holds, delivered or not."""
    return {each["name"]: int(each["messages"]) for each in listing(stack, "list_queues", "name", "messages")}


def listing(stack: Stack, what: str, *columns: str) -> list[Json]:
    """Return what RabbitMQ lists."""
    said = stack.exec("rabbitmq", "rabbitmqctl", what, "-q", "--formatter", "json", *columns).stdout
    found: list[Json] = json.loads(said[said.index("[") :])
    return found
