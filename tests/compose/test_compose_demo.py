"""A day's work with the stack of containers, its tasks run by Celery workers."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from urllib.parse import quote

import httpx
import pytest
from playwright.sync_api import Page, expect

from couture_workflow.services.workbench import demo
from tests.support import remote_page
from tests.support.images import PRODUCT, ROOT
from tests.support.stack import Stack

pytestmark = [pytest.mark.compose, pytest.mark.timeout(900)]

HELLO = """
from airflow.sdk import DAG, task

with DAG("hello_worker", schedule=None):

    @task
    def write():
        import glob, os, socket
        secrets = sorted({path.split("/")[4] for path in glob.glob("/run/couture/secrets/*/*")})
        return {"host": socket.gethostname(), "uid": os.getuid(), "secrets": secrets}

    @task
    def read(value):
        print("read", value["host"])

    read(write())
"""
#: Reads what only the API server may read, while it is loaded.
HOSTILE = """
from pathlib import Path

from airflow.sdk import DAG

with DAG("hostile_" + str(len(Path("/run/couture/secrets/airflow/fernet_key").read_text())), schedule=None):
    pass
"""
TALKATIVE = """
import socket

from airflow.sdk import DAG

socket.create_connection(("mysql", 3306), timeout=3)
with DAG("talkative", schedule=None):
    pass
"""
TOKEN = "t0k'en \"<&>"
#: A git server in the network of the containers, with one repository that has one DAG.
GIT_SERVER = """
import sys, threading
sys.path.insert(0, "/tmp")
from pathlib import Path
from git_server import git_server

with git_server(Path("/tmp/git"), {"ci": sys.argv[1]}, host="0.0.0.0", port=8000) as server:
    server.repository("central.git")
    server.commit("central.git", {"pushed.py": sys.argv[2]})
    threading.Event().wait()
"""


@pytest.mark.always
def test_the_days_work_of_the_demo_is_true(stack: Stack, report: Callable[[str], None]) -> None:
    began, said = time.monotonic(), list[str]()
    who = {"user": "superadmin", "password": stack.admin_password}

    assert demo.run_at(stack.url, **who, report=said.append) == 0, said

    report(f"The demo through Celery workers: {time.monotonic() - began:.0f} s.")


@pytest.mark.always
def test_a_task_runs_in_the_worker_and_its_log_can_be_read(stack: Stack) -> None:
    stack.save_dag("hello_worker.py", HELLO)

    run_id = stack.trigger("hello_worker")
    stack.wait_run("hello_worker", run_id)
    value = xcom(stack, "hello_worker", run_id, "write")

    assert stack.container("worker").startswith(value["host"])
    assert value["uid"] == 50000
    assert value["secrets"] == ["worker"]
    assert f"read {value['host']}" in stack.task_log("hello_worker", run_id, "read")


def test_a_task_that_ends_within_seconds_sends_no_heartbeat(stack: Stack) -> None:
    stack.save_dag("brief.py", HELLO.replace("hello_worker", "brief"))
    run_id = stack.trigger("brief")
    stack.wait_run("brief", run_id)

    ended = [task["id"] for task in stack.task_instances("brief", run_id) if task["duration"] < 2]
    said = stack.logs("api-server")

    assert ended
    for task in ended:
        assert f"/execution/task-instances/{task}/run" in said
        assert f"/execution/task-instances/{task}/heartbeat" not in said


def test_a_notebook_runs_in_the_worker(stack: Stack) -> None:
    unpause(stack, "penguin_notebook")

    run_id = stack.trigger("penguin_notebook")
    stack.wait_run("penguin_notebook", run_id)

    for name in ("Biscoe.ipynb", "Biscoe.html"):
        path = f"/var/lib/couture-workflow/outputs/notebooks/penguins/{name}"
        assert "penguin" in stack.exec("worker", "cat", path).stdout


def test_a_dag_runs_another_and_knows_its_runs(stack: Stack) -> None:
    unpause(stack, "stock_master")
    unpause(stack, "stock_order")

    run_id = stack.trigger("stock_master")
    stack.wait_run("stock_master", run_id)

    states = {task["task_id"]: task["state"] for task in stack.task_instances("stock_master", run_id)}
    children = stack.api.get("/api/v2/dags/stock_order/dagRuns").json()["dag_runs"]
    assert states == {
        "order_north": "success",
        "order_east": "skipped",
        "order_south": "success",
        "report": "success",
    }
    assert {child["conf"]["shop"] for child in children} == {"north", "south"}
    assert {child["state"] for child in children} == {"success"}


@pytest.fixture
def git_container(stack: Stack) -> Iterator[str]:
    """Run a git server in a container beside the stack and return its name, which is its host name too."""
    name = f"{stack.project}-git"
    address = f"http://ci:{quote(TOKEN, safe='')}@127.0.0.1:8000/central.git"
    words = ["create", "--name", name, "--network", f"{stack.project}_default", "--entrypoint", "python3"]
    stack.docker.run(*words, PRODUCT, "-c", GIT_SERVER, TOKEN, HELLO.replace("hello_worker", "pushed"))
    try:
        stack.docker.run(
            "cp", str(ROOT / "tests" / "support" / "git_server.py"), f"{name}:/tmp/git_server.py"
        )
        stack.docker.run("start", name)
        deadline = time.monotonic() + 60
        while (
            "refs/heads/main"
            not in stack.docker.run("exec", name, "git", "ls-remote", address, check=False).stdout
        ):
            assert time.monotonic() < deadline, stack.docker.run("logs", name, check=False).stdout
            time.sleep(0.2)
        yield name
    finally:
        stack.docker.run("rm", "--force", name)


@pytest.mark.browser
def test_dags_come_from_a_git_remote_and_go_there(stack: Stack, page: Page, git_container: str) -> None:
    stack.login(page, "superadmin")
    page.goto(f"{stack.url}/couture/dag-repository/")
    try:
        remote_page.connect(page, f"http://{git_container}:8000", TOKEN)
        unpause(stack, "pushed")
        stack.wait_run("pushed", stack.trigger("pushed"))

        stack.save_dag("to_push.py", HELLO.replace("hello_worker", "to_push"))
        assert stack.api.post("/api/git-remote/sync").json()["result"] == "ok"

        show = ["exec", git_container, "git", "-C", "/tmp/git/central.git", "show", "main:to_push.py"]
        assert "to_push" in stack.docker.run(*show).stdout
    finally:
        page.reload()
        page.get_by_role("button", name="Disconnect").click()
        page.get_by_role("dialog").get_by_role("button", name="Disconnect").click()
        expect(page.get_by_text("No remote is connected")).to_be_visible()


def test_the_save_gate_refuses_what_is_broken_and_says_why(stack: Stack) -> None:
    answer = save(stack, "broken.py", "from airflow.sdk import DAG\nwith DAG('broken'):\n    nowhere()\n")

    assert answer.is_error
    assert "nowhere" in answer.text


@pytest.mark.always
@pytest.mark.parametrize("source", [HOSTILE, TALKATIVE], ids=["reads a secret", "uses the network"])
def test_the_sandbox_of_the_save_gate_stands_in_a_container(source: str, stack: Stack) -> None:
    answer = save(stack, "hostile.py", source)

    assert answer.is_error
    assert "sandbox" in answer.text


def test_the_save_gate_tells_which_walls_a_container_lacks(stack: Stack) -> None:
    source = HELLO.replace("hello_worker", "walls")
    answer = save(stack, "walls.py", source)

    missing = [problem["message"] for problem in answer.json()["problems"] if "wall" in json.dumps(problem)]
    assert answer.is_success
    assert not any("seccomp" in message for message in missing), missing


def unpause(stack: Stack, dag_id: str) -> None:
    """Let an example run as soon as it is there."""
    deadline = time.monotonic() + 120
    while stack.api.patch(f"/api/v2/dags/{dag_id}", json={"is_paused": False}).status_code != 200:
        assert time.monotonic() < deadline, f"{dag_id} is not there"
        time.sleep(1)


def xcom(stack: Stack, dag_id: str, run_id: str, task_id: str) -> dict[str, object]:
    """Return what a task has returned."""
    path = f"/api/v2/dags/{dag_id}/dagRuns/{quote(run_id)}/taskInstances/{task_id}/xcomEntries/return_value"
    value = stack.api.get(path, params={"deserialize": "true"}).json()["value"]
    return json.loads(value) if isinstance(value, str) else value


def save(stack: Stack, path: str, source: str) -> httpx.Response:
    """Save a file as the REST API does and return the answer."""
    return stack.api.put(f"/api/dags/files/{path}", json={"content": source, "message": path})
