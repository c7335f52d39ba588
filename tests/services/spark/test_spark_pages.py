"""Where Spark's pages on a job are: never a dead link, and a sentence where there is none."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from couture_workflow.services.runs.records import Run, RunKey
from couture_workflow.services.spark.pages import place

RUN = Run(
    key=RunKey("dag", "run", "task"),
    state="running",
    started_at=datetime(2026, 5, 1, tzinfo=UTC),
    master="local[*]",
    host="worker-1",
    application_id="local-1",
    tracking_url="http://127.0.0.1:4041",
)
EVENTS = {"configurations": {"spark.eventLog.enabled": "true"}}


@pytest.mark.parametrize("url", ["http://127.0.0.1:4041", "http://localhost:4041", "http://[::1]:4041"])
def test_a_page_on_another_machines_loopback_is_told_with_the_way_there(url: str) -> None:
    run = replace(RUN, tracking_url=url)

    elsewhere, here = place(run, over=False, here=False), place(run, over=False, here=True)

    assert elsewhere.url == ""
    assert f"Spark's page is {url} on the machine worker-1" in elsewhere.said
    assert "ssh -L 4041:127.0.0.1:4041 worker-1" in elsewhere.said
    assert here.url == url


def test_a_running_job_that_others_can_reach_has_its_page() -> None:
    assert place(replace(RUN, tracking_url="http://worker-1:4040"), over=False, here=False).url == (
        "http://worker-1:4040"
    )


def test_a_page_that_is_not_known_yet_is_told() -> None:
    assert "has not said where" in place(replace(RUN, tracking_url=None), over=False, here=True).said


def test_what_is_no_address_is_told() -> None:
    found = place(replace(RUN, tracking_url="http://127.0.0.1:99999999"), over=False, here=False)

    assert (found.url, "no address" in found.said) == ("", True)


def test_an_ended_job_has_no_page_and_the_way_to_one_is_told() -> None:
    found = place(RUN, over=True, here=True)

    assert found.url == ""
    assert "has ended, and Spark's page with it" in found.said
    assert "option spark_history_server" in found.said


@pytest.mark.parametrize(
    ("history", "configuration", "url"),
    [
        ("http://history:18080/", EVENTS, "http://history:18080/history/local-1/"),
        ("history:18080", EVENTS, "http://history:18080/history/local-1/"),
        (
            "",
            {"configurations": {**EVENTS["configurations"], "spark.yarn.historyServer.address": "h:18080"}},
            "http://h:18080/history/local-1/",
        ),
    ],
)
def test_an_ended_job_is_on_the_history_server(
    history: str, configuration: dict[str, dict[str, str]], url: str
) -> None:
    assert place(replace(RUN, configuration=configuration), over=True, here=False, history=history).url == url


def test_a_job_that_wrote_no_events_is_told_so() -> None:
    found = place(RUN, over=True, here=False, history="http://history:18080")

    assert (found.url, "set spark.eventLog.enabled to true" in found.said) == ("", True)


def test_yarns_own_address_goes_on_after_the_end() -> None:
    id = "application_1700000000000_0001"
    proxy = f"http://rm:8088/proxy/{id}/"
    run = replace(RUN, master="yarn", application_id=id, tracking_url=proxy)

    assert place(run, over=True, here=False).url == proxy
    # The driver's own page is gone with it.
    assert place(replace(run, tracking_url="http://driver:4040"), over=True, here=False).url == ""
