"""What the demo's work with a notebook asks for, and when it is in vain."""

from __future__ import annotations

import json
from pathlib import Path

import httpx
import pytest

from couture_workflow.exceptions import DemoError
from couture_workflow.services.workbench import demo_day, demo_notebook

Answer = tuple[int, object]


def day(answers: dict[str, Answer | list[Answer]], asked: list[str]) -> demo_day.Day:
    """Return a day with an installation that answers so; a list is gone through, its last one stays."""

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(f"{request.method} {request.url.path}")
        found = answers[asked[-1]]
        if isinstance(found, list):
            found = found.pop(0) if len(found) > 1 else found[0]
        status, body = found
        return httpx.Response(status, text=body if isinstance(body, str) else json.dumps(body))

    client = httpx.Client(base_url="http://demo", transport=httpx.MockTransport(answer))
    return demo_day.Day(Path(), client, asked.append, "superadmin", "a password")


DOCUMENT = "GET /api/notebooks/documents"
ONE = f"GET /api/notebooks/schedules/{demo_notebook.NAME}"
ALL = "POST /api/notebooks/schedules/"
RUN = f"POST /api/notebooks/schedules/{demo_notebook.NAME}/run"
PAGE = f"GET /api/runs/{demo_notebook.NAME}/r/notebook/outputs/output.html"


def last(run_id: str, state: str) -> Answer:
    return 200, {"last_run": {"run_id": run_id, "state": state}, "error": ""}


def test_the_first_run_is_waited_for_and_its_page_has_the_number() -> None:
    asked: list[str] = []
    none: Answer = (200, {"last_run": None, "error": ""})
    answers = {
        DOCUMENT: (200, {"has_parameters": True}),
        ONE: [(404, {}), none, last("r", "running"), last("r", "success")],
        ALL: (201, {}),
        PAGE: (200, f"<pre>{demo_notebook.PRINTED}</pre>"),
    }

    day(answers, asked)._work_with_notebook()

    assert [line for line in asked if line.startswith(("POST", PAGE))] == [ALL, PAGE]


def test_a_schedule_of_an_earlier_demo_is_run_again() -> None:
    asked: list[str] = []
    answers = {
        DOCUMENT: (200, {"has_parameters": True}),
        ONE: [last("before", "success"), last("before", "success"), last("r", "success")],
        RUN: (201, {"run_id": "r"}),
        PAGE: (200, demo_notebook.PRINTED),
    }

    day(answers, asked)._work_with_notebook()

    assert PAGE in asked


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({ONE: [(404, {}), last("r", "failed")]}, "is failed. the cell's error"),
        ({PAGE: (200, "another number")}, "does not have the line"),
        ({PAGE: (404, "nothing")}, "404: nothing"),
        ({ALL: (422, "no")}, "422: no"),
    ],
)
def test_what_is_in_vain_is_told(change: dict[str, Answer], told: str) -> None:
    answers: dict[str, Answer | list[Answer]] = {
        DOCUMENT: (200, {"has_parameters": True}),
        ONE: [(404, {}), last("r", "success")],
        ALL: (201, {}),
        PAGE: (200, demo_notebook.PRINTED),
        f"GET /api/runs/{demo_notebook.NAME}/r/notebook": (200, {"run": {"error": "the cell's error"}}),
    }

    with pytest.raises(DemoError, match=told):
        day({**answers, **change}, [])._work_with_notebook()


def test_an_installation_without_examples_is_told_of_and_a_whole_one_must_have_them() -> None:
    asked: list[str] = []
    answers: dict[str, Answer | list[Answer]] = {
        DOCUMENT: (404, {}),
        ONE: (404, {}),
        ALL: (404, "no such notebook"),
    }
    without = day(answers, asked)

    without._work_with_notebook()
    assert "no notebook is scheduled" in asked[-1]

    without.whole = True
    with pytest.raises(DemoError, match="no such notebook"):
        without._work_with_notebook()
