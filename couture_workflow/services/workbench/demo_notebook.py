"""A first day's work with notebooks: one is scheduled, and the page of its run has the right number."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any, Protocol
from urllib.parse import quote

import httpx

from couture_workflow.exceptions import DemoError

Json = dict[str, Any]

NAME = "my_penguin_report"
NOTEBOOK = "examples/report_with_parameters.ipynb"
PARAMETERS: Json = {"island": "Biscoe", "least_mass": 4000}
#: What a cell prints with these parameters and the example data.
PRINTED = "133 penguins of Biscoe weigh 4000 g or more."
_SCHEDULES = "/api/notebooks/schedules/"
_TIMEOUT = 300.0


class Installation(Protocol):
    """What is needed of a day: see ``demo_day.Day``."""

    @property
    def client(self) -> httpx.Client:
        """Return the client, logged in."""

    def json(self, answer: httpx.Response) -> Json:
        """Return what an answer has, or raise ``DemoError``."""

    def teller(self) -> Callable[[Callable[[], str]], None]:
        """Return what a loop that waits calls at each look."""


def is_there(day: Installation) -> bool:
    """Tell whether the installation has the example."""
    answer = day.client.get("/api/notebooks/documents", params={"path": NOTEBOOK})
    if answer.status_code == 404:
        return False
    return bool(day.json(answer)["has_parameters"])


def schedule(day: Installation) -> str:
    """Schedule the notebook once, now, or run the schedule of an earlier demo again and return that run."""
    if day.client.get(_SCHEDULES + NAME).status_code == 200:
        run = day.client.post(f"{_SCHEDULES}{NAME}/run", json={"parameters": PARAMETERS})
        return str(day.json(run)["run_id"])
    form = {"notebook": NOTEBOOK, "name": NAME, "parameters": PARAMETERS, "html": "code"}
    day.json(day.client.post(_SCHEDULES, json=form))
    return ""


def wait(day: Installation, wanted: str) -> str:
    """Wait for the success of a run, or of the first one, and return its id."""
    deadline, tell = time.monotonic() + _TIMEOUT, day.teller()
    while True:
        found = day.json(day.client.get(_SCHEDULES + NAME))
        run = found["last_run"] or {"run_id": ""}
        if not run["run_id"] or (wanted and run["run_id"] != wanted):
            run = {"run_id": "", "state": "not there yet"}
        if run["state"] == "success":
            return str(run["run_id"])
        if run["state"] == "failed" or time.monotonic() > deadline:
            raise DemoError(f"The run of the notebook is {run['state']}. {found['error']}{_why(day, run)}")
        tell(partial("waiting for the run of the notebook ({})".format, run["state"]))
        time.sleep(0.5)


def check_page(day: Installation, run_id: str) -> None:
    """Read the page of the run's output and look for the number in it."""
    page = day.client.get(f"{_run(run_id)}/outputs/output.html")
    if page.is_error:
        day.json(page)
    if PRINTED not in page.text:
        raise DemoError(f"The page of the notebook does not have the line {PRINTED!r}.")


def _run(run_id: str) -> str:
    return f"/api/runs/{NAME}/{quote(run_id, safe='')}/notebook"


def _why(day: Installation, run: Json) -> str:
    """Return what the record says of a run that failed."""
    answer = day.client.get(_run(run["run_id"]))
    return "" if answer.is_error else str(answer.json()["run"].get("error") or "")
