"""What a DAG repository costs as it grows: the same change among 100, 1,000 and 5,000 DAG files.

The three repositories are asked in turn in one run, so what a figure is compared with is the smallest of
them. Each has a DAG processor of its own that reads its files over and over, as it does with so many; those
that are not measured are frozen. Lists and export are measured with the largest, in one server.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from statistics import median

import httpx

from benchmarks.measure import Result, in_turn
from benchmarks.server import AIRFLOW, Server, api_server, run_airflow, time_of_page

SIZES = (100, 1_000, 5_000)
ROUNDS = 15
VISIBLE_ROUNDS = 9

#: As many folders as a team of people would have, each with a module that its DAGs import.
FILL = """
import sys
from couture_workflow.store.home import Store

DAG = '''from airflow.sdk import DAG
from team_%d.common import OWNER

with DAG("dag_%05d", schedule=None, description="%s", tags=[OWNER]):
    pass
'''

def files(count):
    for number in range(count):
        team = number % (count // 50)
        yield f"team_{team}/dag_{number:05}.py", (DAG % (team, number, "as it was")).encode()
        yield f"team_{team}/common.py", f"OWNER = 'team_{team}'\\n".encode()

def changed(text):
    return {"team_0/dag_00000.py": (DAG % (0, 0, text)).encode()}

store = Store.open()
if store.dags.head() is None:
    store.dags.save(dict(files(int(sys.argv[1]))), author="admin", message="Begin", base=None)
    store.dags.pack()
"""

#: Answers one line for each line that it is told: seconds.
ASKED = (
    FILL
    + """
import json, time
from sqlalchemy import func, select
from airflow.models.dag import DagModel
from airflow.utils.session import create_session
from couture_workflow.services.saving import save as saving
from couture_workflow.web.dags.processing import request_parse

def check(text):
    saving.check(store, changed(text))

def save(text):
    saving.save(store, changed(text), user="admin", message=text, base=store.dags.head())

def ready(text):
    # Before, new files go ahead of those that are asked for.
    until(lambda: asked(select(func.count()).select_from(DagModel)))

def visible(text):
    save(text)
    request_parse(changed(text))
    until(lambda: asked(select(DagModel.description).where(DagModel.dag_id == "dag_00000")) == text)

def asked(query):
    with create_session() as session:
        return session.scalar(query)

def until(holds):
    end = time.monotonic() + 300
    while not holds():
        if time.monotonic() > end:
            raise SystemExit("Airflow does not show it")
        time.sleep(0.02)

number = 0
for line in sys.stdin:
    number += 1
    start = time.perf_counter()
    globals()[line.strip()](f"{line.strip()} {number}")
    print(time.perf_counter() - start, flush=True)
"""
)

#: The rows that Airflow's own list and ours are made of, without the hour in which it would read the files.
KNOWN_TO_AIRFLOW = """
import sys
from airflow.models.dag import DagModel
from airflow.models.dagbundle import DagBundleModel
from airflow.utils import timezone
from airflow.utils.session import create_session

count = int(sys.argv[1])
with create_session() as session:
    session.merge(DagBundleModel(name="dags"))
    session.flush()
    for number in range(count):
        session.add(DagModel(
            dag_id=f"dag_{number:05}", bundle_name="dags", is_stale=False, is_paused=False, owners="airflow",
            relative_fileloc=f"team_{number % (count // 50)}/dag_{number:05}.py", max_active_tasks=16,
            fileloc=f"/dags/team_{number % (count // 50)}/dag_{number:05}.py", timetable_summary="None",
            last_parsed_time=timezone.utcnow(), has_task_concurrency_limits=False,
        ))
print(count)
"""


class Workbench:
    """One repository with its DAG processor, and a process that changes it."""

    def __init__(self, home: Path, count: int) -> None:
        self.count = count
        environment = {**os.environ, **_environment(home)}
        run_airflow(_environment(home), "db", "migrate")
        self._log = (home / "log").open("wb")
        self.asked = subprocess.Popen(
            [sys.executable, "-c", ASKED, str(count)],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
        )
        self.seconds("check")
        self._processor = subprocess.Popen(
            [AIRFLOW, "dag-processor"],
            env=environment,
            stdout=self._log,
            stderr=self._log,
            start_new_session=True,
        )
        self.seconds("ready")
        self.seconds("visible")
        self._signal(signal.SIGSTOP)

    def seconds(self, what: str) -> float:
        """Return how long something takes."""
        assert self.asked.stdin is not None
        assert self.asked.stdout is not None
        self.asked.stdin.write(f"{what}\n")
        self.asked.stdin.flush()
        answer = self.asked.stdout.readline()
        if not answer:
            raise RuntimeError(
                f"{what} failed, see {self._log.name}:\n{Path(self._log.name).read_text()[-4000:]}"
            )
        return float(answer)

    def visible(self) -> float:
        """Return the seconds from a save until Airflow has it, with the processor at work."""
        self._signal(signal.SIGCONT)
        try:
            time.sleep(2)  # what was due while it was frozen
            return self.seconds("visible")
        finally:
            self._signal(signal.SIGSTOP)

    def close(self) -> None:
        """End its processes."""
        assert self.asked.stdin is not None
        self.asked.stdin.close()
        self.asked.wait(60)
        self._signal(
            signal.SIGKILL
        )  # nothing of it is needed any more, and a frozen one would wait for others
        self._processor.wait()
        self._log.close()

    def _signal(self, number: int) -> None:
        """Signal the processor; a file that is being read is read to its end."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._processor.pid, number)


def run() -> list[Result]:
    """Measure what is done to files at all sizes, then lists and export at the largest."""
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(
            tempfile.TemporaryDirectory(prefix="couture-benchmark-", ignore_cleanup_errors=True)
        )
        benches = []
        for count in SIZES:
            (home := Path(folder) / str(count)).mkdir()
            benches.append(bench := Workbench(home, count))
            stack.callback(bench.close)
        found = {
            "check of one changed file": in_turn(ROUNDS, *(partial(b.seconds, "check") for b in benches)),
            "save of one changed file": in_turn(ROUNDS, *(partial(b.seconds, "save") for b in benches)),
            "from a save until Airflow shows it": in_turn(VISIBLE_ROUNDS, *(b.visible for b in benches)),
        }
    results = []
    for (what, series), goal, most in zip(found.items(), (4, 4, 3), (1000, 1500, 3000), strict=True):
        results += list(_curve(what, [median(each) for each in series], goal=goal, most=most))
    with api_server() as server:
        return [*results, *_served(server)]


def _curve(what: str, seconds: list[float], *, goal: float, most: float) -> Iterator[Result]:
    smallest = f"{SIZES[0]:,} files {seconds[0] * 1000:.0f} ms"
    for count, each in zip(SIZES[1:], seconds[1:], strict=True):
        yield Result(
            f"{what}, {count:,} files over {SIZES[0]:,}",
            f"{each * 1000:.0f} ms",
            smallest,
            each / seconds[0],
            goal,
        )
    yield Result(
        f"{what}, {SIZES[-1]:,} files", f"{seconds[-1] * 1000:.0f} ms", "", seconds[-1] * 1000, most, "ms"
    )


def _served(server: Server) -> Iterator[Result]:
    count = SIZES[-1]
    server.run(FILL, str(count))
    server.run(KNOWN_TO_AIRFLOW, str(count))
    archive = ["git", f"--git-dir={server.folder}/couture/dags.git", "archive", "--format=tar.gz", "main"]
    headers = {"Authorization": f"Bearer {server.token}"}
    with (
        httpx.Client(base_url=server.url, cookies={"_token": server.token}, timeout=60) as browser,
        httpx.Client(base_url=server.url, headers=headers, timeout=60) as client,
    ):
        page, files, airflow = (
            median(series)
            for series in in_turn(
                ROUNDS,
                partial(time_of_page, browser, "/couture/manage-dags/files", "dag_00000"),
                partial(time_of_page, client, "/api/dags/files", "dag_00000"),
                partial(time_of_page, client, "/api/v2/dags?limit=50", "dag_00000"),
            )
        )
        export, git = in_turn(5, partial(_export, client), partial(_timed, partial(_run, archive)))
        server.reset_peak_memory()
        before = server.peak_memory()
        _export(client)
        grown = (server.peak_memory() - before) / 2**20
    for what, seconds in (("list of the page Manage DAGs", page), ("GET /api/dags/files", files)):
        figure, shown = f"{what}, {count:,} files", f"{seconds * 1000:.0f} ms"
        yield Result(
            f"{figure}, over 50 of Airflow's DAGs", shown, f"{airflow * 1000:.0f} ms", seconds / airflow, 2
        )
        yield Result(figure, shown, "", seconds * 1000, 200, "ms")
    took = f"{median(export):.2f} s, git archive {median(git):.2f} s"
    yield Result(f"export of {count:,} files, memory growth of the server", took, "", grown, 32, "MiB")


def _run(command: list[str]) -> None:
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)


def _export(client: httpx.Client) -> float:
    def all_of_it() -> None:
        with client.stream("GET", "/api/dags/") as answer:
            answer.raise_for_status()
            for _ in answer.iter_raw():
                pass

    return _timed(all_of_it)


def _timed(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def _environment(home: Path) -> dict[str, str]:
    bundle = {
        "name": "dags",
        "classpath": "couture_workflow.bundles.DagRepositoryBundle",
        "kwargs": {"refresh_interval": 3},
    }
    return {
        "AIRFLOW_HOME": str(home / "airflow"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__COUTURE_WORKFLOW__HOME": str(home / "couture"),
        "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_STORAGE_PATH": str(home / "bundles"),
        "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST": json.dumps([bundle]),
        "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "0",
    }
