"""``kill -9`` around an open kernel with Spark: nothing is left, what was saved is there, it goes on."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeVar

import httpx
import psutil
import pytest
from websockets.exceptions import ConnectionClosed

from couture_workflow.services.jupyter import place
from tests.support.jupyter import MINE, Lab, execute, wait_for
from tests.support.jupyter_runtime import jupyter_or_skip
from tests.support.spark import processes_of, runtime_or_skip
from tests.support.workbench import Workbench

pytestmark = [pytest.mark.workbench, pytest.mark.spark, pytest.mark.slow]

Told = TypeVar("Told")

ACCOUNT = "superadmin"
#: What a cell may leave behind: processes that have left its session, one without any variable, and a JVM.
LEAVES = """
import os, subprocess, sys
place = os.environ["JUPYTER_RUNTIME_DIR"]
subprocess.Popen(["sleep", "4713"], start_new_session=True)
bare = [sys.executable, "-c", "import time; time.sleep(4713)", place]
subprocess.Popen(bare, start_new_session=True, env={})
from couture import spark_session
print(spark_session(master="local[1]").range(10).count())
"""


@dataclass
class Site:
    """A workbench of its own, whose processes the tests kill."""

    own: Workbench

    def lab(self) -> Lab:
        """Return JupyterLab of the administrator, started, once the API server and the host answer."""
        wait_for(self.answers)
        lab = Lab(self.own.url, ACCOUNT, self.own.token(ACCOUNT))
        wait_for(lambda: lab.http.post(MINE).status_code == 200)
        lab.start()
        return lab

    def answers(self) -> bool:
        """Tell whether the API server answers."""
        with suppress(httpx.TransportError):
            return httpx.get(f"{self.own.url}/api/v2/version", timeout=60).status_code == 200
        return False

    def service(self, word: str) -> psutil.Process:
        """Return the process of a service, a child of the supervisor."""
        assert self.own.process is not None
        (supervisor,) = psutil.Process(self.own.process.pid).children()
        return next(each for each in supervisor.children() if word in " ".join(each.cmdline()))

    def of_people(self) -> set[int]:
        """Return the processes of all people's servers, also those that have left every session."""
        return set(processes_of(str(place.state_folder(self.own.home))))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    jupyter_or_skip()
    runtime_or_skip()
    own = Workbench(tmp_path_factory.mktemp("kills") / "home", arguments=("--no-examples",))
    try:
        yield Site(own.start())
    finally:
        own.end()
        shutil.rmtree(place.state_folder(own.home), ignore_errors=True)


@pytest.fixture
def lab(site: Site) -> Iterator[Lab]:
    lab = site.lab()
    yield lab
    lab.close()


def save(lab: Lab, name: str) -> None:
    made = lab.http.put(
        f"{lab.base}/api/contents/{ACCOUNT}/{name}", json={"type": "file", "format": "text", "content": name}
    )
    assert made.status_code in (200, 201), made.text


def is_there(lab: Lab, name: str) -> bool:
    return lab.http.get(f"{lab.base}/api/contents/{ACCOUNT}/{name}").json().get("content") == name


def told(pids: Iterable[int], what: Callable[[psutil.Process], Told]) -> dict[int, Told]:
    """Return what is told of processes, but of those that have ended since they were seen."""
    found = {}
    for pid in pids:
        with suppress(psutil.NoSuchProcess):
            found[pid] = what(psutil.Process(pid))
    return found


def open_kernel(site: Site, lab: Lab) -> str:
    """Start a kernel that has a variable, a process of its own and a JVM, and return its id."""
    kernel = lab.kernel()
    with lab.channels(kernel) as socket:
        execute(socket, "kept = 'a value'")
        assert execute(socket, LEAVES) == "10\n"
    left = site.of_people()
    assert {"sleep", "java"} <= set(told(left, psutil.Process.name).values())
    assert any("JUPYTER_RUNTIME_DIR" not in each for each in told(left, psutil.Process.environ).values())
    return kernel


def test_a_kernel_outlives_a_killed_api_server(site: Site, lab: Lab) -> None:
    kernel = lab.kernel()
    before = site.of_people()
    with lab.channels(kernel) as socket:
        execute(socket, "kept = 'a value'")
        site.service("api_server").kill()
        with pytest.raises(ConnectionClosed):
            socket.recv(60)

    wait_for(site.answers)
    with lab.channels(kernel) as socket:
        assert execute(socket, "print(kept)") == "a value\n"
    assert before <= site.of_people()


@pytest.mark.parametrize("killed", ["jupyterlab", "reaper.py"])
def test_a_killed_server_leaves_no_process_and_its_page_offers_a_new_start(
    killed: str, site: Site, lab: Lab
) -> None:
    save(lab, f"{killed}.txt")
    open_kernel(site, lab)
    words = told(site.of_people(), psutil.Process.cmdline)
    victim = next(pid for pid, line in words.items() if killed in " ".join(line[:4]) and "launch" not in line)

    psutil.Process(victim).kill()

    wait_for(lambda: not site.of_people() & set(words), seconds=60)
    wait_for(lambda: lab.http.get(MINE).json()["state"] == "stopped")
    page = lab.http.get(f"{lab.base}/lab", headers={"Accept": "text/html"})
    assert page.status_code == 303
    assert page.headers["location"].startswith("/couture/jupyter-notebook/start?next=")
    lab.start()
    assert is_there(lab, f"{killed}.txt")


def test_a_killed_host_leaves_nothing_and_the_next_start_works(site: Site, lab: Lab) -> None:
    save(lab, "host.txt")
    open_kernel(site, lab)
    before = site.of_people()

    site.service("jupyter.host").kill()

    wait_for(lambda: not site.of_people() & before, seconds=60)
    again = site.lab()
    assert is_there(again, "host.txt")
    again.close()


def test_a_killed_workbench_leaves_nothing_and_the_next_start_works(site: Site, lab: Lab) -> None:
    save(lab, "workbench.txt")
    open_kernel(site, lab)
    assert site.own.process is not None

    site.own.process.kill()
    site.own.process.wait()

    wait_for(lambda: not site.of_people(), seconds=60)
    wait_for(lambda: not site.own.processes(), seconds=60)
    site.own.start()
    again = site.lab()
    with again.channels(again.kernel()) as socket:
        assert execute(socket, "print(open('workbench.txt').read())") == "workbench.txt\n"
    again.close()
