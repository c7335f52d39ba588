"""What the demo says while it waits, and when a wait was in vain."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from couture_workflow.exceptions import DemoError
from couture_workflow.services.workbench import demo_day


def day(states: Iterator[str], tasks: list[dict[str, str | None]], said: list[str]) -> demo_day.Day:
    """Return a day with an installation whose DAG run has one of the states at each look."""

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/taskInstances"):
            return httpx.Response(200, json={"task_instances": tasks})
        if "/logs/" in request.url.path:
            return httpx.Response(200, json={"content": ["no such file"]})
        return httpx.Response(200, json={"state": next(states)})

    client = httpx.Client(base_url="http://demo", transport=httpx.MockTransport(answer))
    return demo_day.Day(Path(), client, said.append, "superadmin", "a password")


def test_who_waits_is_told_what_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo_day, "TELL_EVERY", 0.0)
    said: list[str] = []
    tasks: list[dict[str, str | None]] = [{"task_id": "clean", "state": "running"}]

    day(iter(["queued", "success"]), tasks, said)._wait_for("run")

    (line,) = said
    assert line.strip().startswith("waiting for clean (running), summarize (not scheduled yet), for ")


def test_a_short_wait_says_nothing() -> None:
    said: list[str] = []

    day(iter(["queued", "success"]), [], said)._wait_for("run")

    assert said == []


def test_a_run_that_failed_ends_with_the_log_of_its_task() -> None:
    tasks: list[dict[str, str | None]] = [{"task_id": "clean", "state": "failed"}]

    with pytest.raises(DemoError, match="The DAG run is failed. The log of clean ends with:\nno such file"):
        day(iter(["failed"]), tasks, [])._wait_for("run")
