"""Tasks per minute of docker-compose.yml with our settings and with those of Airflow's official compose file.

``python -m benchmarks.compose_throughput --ablate`` takes single settings back, to say what brings how much.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, median
from typing import Any

from benchmarks.compose_stack import (
    OFFICIAL_CHECKS,
    OFFICIAL_MYSQL,
    PIPELINES,
    Stack,
    awake,
    missing,
    official,
    running,
    write_files,
)
from benchmarks.measure import Result, p95
from couture_workflow import __version__

ROUNDS = 3
GOAL = 1.5
IMAGE = os.environ.get("COUTURE_IMAGE", f"couture-workflow:{__version__}")
PORT = int(os.environ.get("COUTURE_BENCHMARK_PORT", "18300"))
LOADS = {
    "fan-out of 500 tasks": ["fan_out"],
    "50 DAGs × 10 tasks": [f"pipeline_{n:02}" for n in range(PIPELINES)],
}

_WITHOUT = """
from couture_workflow import celery_config
from couture_workflow.patches import celery_worker, scheduler, supervisor
{}
CELERY_CONFIG = celery_config.CELERY_CONFIG
"""


@dataclass(frozen=True)
class Figures:
    """What one run of a load came to.

    :param per_minute: tasks per minute, from the first one queued to the last one ended.
    :param waits: seconds from queued to running, of each task.
    :param cpu: milliseconds of CPU for each task, by service.
    """

    per_minute: float
    waits: list[float]
    cpu: dict[str, float]


def run(rounds: int = ROUNDS) -> tuple[Result, ...]:
    """Measure both settings in turn; nothing where no stack can be started."""
    if why := missing(IMAGE):
        print(f"compose_throughput is skipped: {why}", file=sys.stderr)
        return ()
    with tempfile.TemporaryDirectory(prefix="couture-benchmark-") as folder:
        ours = Stack("couturec-ours", PORT, Path(folder))
        theirs = Stack("couturec-official", PORT + 1, Path(folder), [official()])
        series: dict[str, dict[str, list[Figures]]] = {load: {"ours": [], "official": []} for load in LOADS}
        with running((ours, theirs)):
            for _ in range(rounds):
                for name, stack in (("ours", ours), ("official", theirs)):
                    with awake(stack):
                        for load, dags in LOADS.items():
                            figures = measure(stack, dags)
                            series[load][name].append(figures)
                            print(f"{name}, {load}: {_words(figures)}", file=sys.stderr, flush=True)
    return tuple(result for load, both in series.items() for result in _results(load, both))


def measure(stack: Stack, dags: Sequence[str]) -> Figures:
    """Run the DAGs once and look at what their tasks did."""
    before = stack.cpu()
    run_id = stack.run(dags)
    after = stack.cpu()
    rows = [
        [float(value) for value in row]
        for row in stack.query(
            "SELECT UNIX_TIMESTAMP(queued_dttm), UNIX_TIMESTAMP(start_date), UNIX_TIMESTAMP(end_date) "
            f"FROM task_instance WHERE run_id = '{run_id}' AND state = 'success'"
        )
    ]
    seconds = max(row[2] for row in rows) - min(row[0] for row in rows)
    return Figures(
        per_minute=len(rows) / seconds * 60,
        waits=[row[1] - row[0] for row in rows],
        cpu={name: (after[name] - before[name]) / len(rows) * 1000 for name in after},
    )


def _words(figures: Figures) -> str:
    services = ", ".join(f"{name} {value:.0f}" for name, value in figures.cpu.items())
    return (
        f"{figures.per_minute:.0f} tasks/min, queued→running p50 {median(figures.waits):.2f} s "
        f"p95 {p95(figures.waits):.2f} s, {sum(figures.cpu.values()):.0f} ms CPU per task ({services})"
    )


def _results(load: str, both: Mapping[str, list[Figures]]) -> tuple[Result, ...]:
    ours, theirs = (median(each.per_minute for each in both[name]) for name in ("ours", "official"))
    waits = {name: [wait for each in both[name] for wait in each.waits] for name in both}
    results = [
        Result(
            f"tasks per minute, {load}",
            f"{ours:.0f}",
            f"official compose file {theirs:.0f}",
            ours / theirs,
            GOAL,
            at_least=True,
        )
    ]
    for name, value in (("p50", median), ("p95", p95)):
        mine, other = float(value(waits["ours"])), float(value(waits["official"]))
        results.append(
            Result(
                f"queued to running, {load} ({name})",
                f"{mine:.2f} s",
                f"official compose file {other:.2f} s",
                mine / other,
                1,
            )
        )
    return tuple(results)


# --- what brings how much ---


def _environment(services: Sequence[str], **variables: str) -> dict[str, Any]:
    return {"services": {name: {"environment": variables} for name in services}}


def _celery(code: str) -> dict[str, Any]:
    """Return a change that runs code on ``celery_config`` and the patches before Celery reads it."""
    return _environment(
        ("worker", "scheduler"),
        PYTHONPATH="/bench",
        AIRFLOW__CELERY__CELERY_CONFIG_OPTIONS=f"{code}.CELERY_CONFIG",
    )


#: Python files for `_celery`: what each takes back.
_MODULES = {
    "without_ends": "supervisor.notice_ends = lambda: None",
    "without_preload": "celery_worker.preload = supervisor.notice_ends",
    "with_heartbeat": "supervisor.start_counts_as_heartbeat = lambda: None",
    "without_pace": "scheduler.LOOK_INTERVAL = 0",
    "with_started": "celery_config.CELERY_CONFIG['task_track_started'] = True",
}
_SCHEDULER = ("scheduler",)
ABLATIONS: dict[str, dict[str, Any]] = {
    "a task's end noticed at the next heartbeat": _celery("without_ends"),
    "the scheduler looks again at once": _celery("without_pace"),
    "a heartbeat right after the start": _celery("with_heartbeat"),
    "nothing loaded before the fork": _celery("without_preload"),
    "Celery's state 'started' recorded": _celery("with_started"),
    "16 slots, 32 tasks in all, 16 for each DAG": _environment(
        ("worker", "scheduler"),
        AIRFLOW__CELERY__WORKER_CONCURRENCY="16",
        AIRFLOW__CORE__PARALLELISM="32",
        AIRFLOW__CORE__MAX_ACTIVE_TASKS_PER_DAG="16",
    ),
    "MySQL's defaults": {"services": {"mysql": {"command": OFFICIAL_MYSQL}}},
    "health checks that start Airflow": {
        "services": {
            name: {"healthcheck": {"test": ["CMD-SHELL", check], "interval": "30s", "timeout": "30s"}}
            for name, check in OFFICIAL_CHECKS.items()
        }
    },
    "the scheduler's defaults": _environment(
        _SCHEDULER,
        AIRFLOW__SCHEDULER__MAX_TIS_PER_QUERY="16",
        AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME="1",
    ),
    "DAG files read every 30 seconds": _environment(
        ("dag-processor",), AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL="30"
    ),
}


_OURS: tuple[str, list[dict[str, Any]]] = ("all of our settings", [])


def ablate(rounds: int, loads: Mapping[str, Sequence[str]]) -> None:
    """Take each setting back alone, and print what that changes.

    Each round measures all of our settings first and last; what is between is compared with their mean.
    """
    with tempfile.TemporaryDirectory(prefix="couture-benchmark-") as name:
        folder = Path(name)
        write_files(folder / "bench")
        for module, code in _MODULES.items():
            (folder / f"bench/{module}.py").write_text(_WITHOUT.format(code))
        stack = Stack("couturec-ablate", PORT, folder)
        ratios: dict[str, dict[str, list[float]]] = {
            title: {load: [] for load in loads} for title in ABLATIONS
        }
        try:
            for _ in range(rounds):
                values = [
                    _changed(stack, title, changes, loads)
                    for title, changes in (_OURS, *((each, [ABLATIONS[each]]) for each in ABLATIONS), _OURS)
                ]
                for title, value in zip(ABLATIONS, values[1:-1], strict=True):
                    for load, figure in value.items():
                        ratios[title][load].append(figure / mean((values[0][load], values[-1][load])))
        finally:
            stack.compose("down", "--volumes", "--timeout", "5")
    for title, series in ratios.items():
        print(f"{title}: {'; '.join(f'{load}: {median(each):.2f} ×' for load, each in series.items())}")


def _changed(
    stack: Stack, title: str, changes: list[dict[str, Any]], loads: Mapping[str, Sequence[str]]
) -> dict[str, float]:
    """Return the tasks per minute of each load with these changes."""
    stack.changes = changes
    stack.up()
    found = {}
    for load, dags in loads.items():
        figures = measure(stack, dags)
        print(f"{title}, {load}: {_words(figures)}", file=sys.stderr, flush=True)
        found[load] = figures.per_minute
    return found


def main() -> int:
    """Compare with the official file, or with ``--ablate`` take single settings back."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.compose_throughput", description=__doc__)
    parser.add_argument("--ablate", action="store_true", help="take each setting back alone")
    parser.add_argument("--load", choices=LOADS, help="this load alone, with --ablate")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="how often (default: %(default)s)")
    options = parser.parse_args()
    if why := missing(IMAGE):
        parser.error(why)
    if options.ablate:
        ablate(options.rounds, {name: LOADS[name] for name in ([options.load] if options.load else LOADS)})
    else:
        for result in run(options.rounds):
            print(" | ".join(result.cells()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
