"""The page *Compare runs*: two runs of notebooks side by side."""

from __future__ import annotations

import json

from flask import g, request

from couture_workflow.exceptions import InvalidError, NotAllowedError, NotFoundError
from couture_workflow.permissions import RUN_DETAILS, RUNS
from couture_workflow.services.notebooks import comparison
from couture_workflow.services.runs.listing import LARGEST, Wish
from couture_workflow.services.runs.records import Run, RunKey
from couture_workflow.views.base import CouturePage, expose, requires
from couture_workflow.views.runs.addresses import run_url
from couture_workflow.views.runs.details import BADGES, seconds
from couture_workflow.web.numbers import LARGEST as LARGEST_NUMBER
from couture_workflow.web.runs import listing as runs
from couture_workflow.web.runs import task_instances
from couture_workflow.web.security import allowed
from couture_workflow.web.state import store

_LONGEST = 2_000


class CompareRunsPage(CouturePage):
    """The page."""

    route_base = "/runs"
    title = "Compare runs"

    @expose("/compare")
    @requires(RUNS)
    def index(self) -> str:
        """Compare two ``?run=``; one of them alone with the run of the same task before it."""
        keys = [key_of(text) for text in request.args.getlist("run")]
        if not 1 <= len(keys) <= 2:
            raise InvalidError(
                "Choose two runs of notebooks in the list Spark Jobs and Notebooks.", field="run"
            )
        found = [_run(key) for key in keys]
        if len(found) == 1:
            found.append(_before(found[0]))
        old, new = sorted(found, key=lambda run: run.started_at)
        comparison.check_notebooks(old, new)
        return self.page(
            "runs/compare.html",
            old=old,
            new=new,
            compared=comparison.compare(store(), old, new),
            took=[_durations(run) for run in (old, new)],
            badges=BADGES,
            run_url=run_url,
            seconds=seconds,
        )


def key_of(text: str) -> RunKey:
    """Return the try that an address names, or raise ``InvalidError``."""
    try:
        given = json.loads(text[:_LONGEST])
    except (ValueError, RecursionError):
        given = None
    if isinstance(given, list) and list(map(type, given)) == [str, str, str, int, int]:
        dag_id, run_id, task_id, map_index, try_number = given
        if -1 <= map_index <= LARGEST_NUMBER and 1 <= try_number <= LARGEST_NUMBER:
            return RunKey(dag_id, run_id, task_id, map_index, try_number)
    raise InvalidError(
        f"{text[:80]!r} names no run. Choose the runs in the list Spark Jobs and Notebooks.", field="run"
    )


def _run(key: RunKey) -> Run:
    """Return a run, if the account may see its DAG's; whether there is any is told to nobody else."""
    if not allowed(g.user, RUN_DETAILS, dag_id=key.dag_id):
        raise NotAllowedError(f"Your role does not include “{RUN_DETAILS}” for {key.dag_id!r}.")
    return task_instances.details(store(), key, newest=False).run


def _before(run: Run) -> Run:
    """Return the try of the same task that started last before this one."""
    key = run.key
    wish = Wish(text=key.task_id, dag_id=key.dag_id, kind="notebook", until=run.started_at, limit=LARGEST)
    for each in runs.page_for(g.user, wish).runs:
        there = each.key
        if there != key and (there.task_id, there.map_index) == (key.task_id, key.map_index):
            return _run(there)
    raise NotFoundError(
        f"The task {key.task_id!r} has no earlier run on record to compare with. Choose two runs in the list "
        "Spark Jobs and Notebooks."
    )


def _durations(run: Run) -> dict[int, float]:
    """Return number and seconds of each cell that has ended."""
    cells = run.notebook.cells if run.notebook else ()
    return {cell.number: cell.seconds for cell in cells if cell.seconds is not None}
