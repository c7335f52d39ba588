"""What a start tells of itself while it goes on."""

from __future__ import annotations

import re
import threading
from pathlib import Path

import pytest

from couture_workflow.services.workbench.start import Services, told


def test_a_step_is_told_again_while_it_goes_on_and_not_after() -> None:
    said: list[str] = []
    again = threading.Event()

    def report(line: str) -> None:
        said.append(line)
        if "so far" in line:
            again.set()

    with told("Step 1 of 2: making the database", report, interval=0.01):
        assert again.wait(30)

    assert said[0] == "Step 1 of 2: making the database."
    assert re.fullmatch(r"Step 1 of 2: making the database: \d+ s so far\.", said[1])


def test_a_slow_start_tells_what_each_service_does(tmp_path: Path) -> None:
    said: list[str] = []

    Services(tmp_path, said.append, interval=0).waiting_for(["api-server", "triggerer"])

    assert said == [
        "Starting the services, 0 s so far: the api-server loads Airflow, the pages and the REST API; "
        "the triggerer loads Airflow and reports for the first time."
    ]


def test_a_start_is_silent_between_two_lines_and_when_nothing_is_missing(tmp_path: Path) -> None:
    said: list[str] = []

    Services(tmp_path, said.append).waiting_for(["api-server"])
    Services(tmp_path, said.append, interval=0).waiting_for([])

    assert said == []


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("2026-11-21T05:50:20Z [error    ] Broken", True),
        ("Traceback (most recent call last):", True),
        ("2026-11-21T05:50:20Z [warning  ] Slow", False),
        ("2026 [error    ] Task failed [task] dag_id=x", False),
    ],
)
def test_only_an_error_of_this_start_is_a_problem_and_is_named_once(
    tmp_path: Path, line: str, problem: bool
) -> None:
    log = tmp_path / "scheduler.log"
    log.write_text("2026-11-20T05:50:20Z [error    ] Broken yesterday\n")
    said: list[str] = []
    services = Services(tmp_path, said.append)

    services.waiting_for(["scheduler"])
    with log.open("a") as file:
        file.write(line + "\n")
    services.waiting_for(["scheduler"])
    services.waiting_for(["scheduler"])

    assert said == ([f"The scheduler has logged an error, see {log}."] if problem else [])
