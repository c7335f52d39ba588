"""The supervisor: what it shows, restarts and gives up on."""

from __future__ import annotations

import logging
import re
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import psutil
import pytest

from couture_workflow.services.workbench import supervisor
from couture_workflow.services.workbench.supervisor import Service, Specification, is_loud


@pytest.mark.parametrize(
    ("line", "before", "loud"),
    [
        pytest.param("2026-11-21T05:50:20Z [info     ] Started", False, False, id="info"),
        pytest.param("2026-11-21T05:50:20Z [warning  ] Slow", False, True, id="warning"),
        pytest.param("2026-11-21T05:50:20Z [error    ] Broken", False, True, id="error"),
        pytest.param("2026-11-21T05:50:20Z [info     ] Fine again", True, False, id="info after an error"),
        pytest.param("NOTICE It is installed", False, True, id="notice"),
        pytest.param("Traceback (most recent call last):", False, True, id="traceback"),
        pytest.param('  File "x.py", line 1', True, True, id="inside a traceback"),
        pytest.param('  File "x.py", line 1', False, False, id="indented text"),
        pytest.param("[warning  ] appbuilder.app is deprecated and will", False, False, id="known warning"),
        pytest.param("2026 [error    ] Task failed [task] dag_id=x", False, False, id="a task's own"),
        pytest.param("  ____________       _____________", False, False, id="banner"),
    ],
)
def test_the_console_shows_warnings_errors_and_what_belongs_to_them(
    line: str, before: bool, loud: bool
) -> None:
    assert is_loud(line, before=before) is loud


def start(
    folder: Path, *, verbose: bool = False, restarts: int = 5, never_last: str = "", **services: str
) -> subprocess.Popen[str]:
    """Run the supervisor over Python programs."""
    commands = {name: [sys.executable, "-u", "-c", code] for name, code in services.items()}
    specification = Specification(
        commands, str(folder), verbose=verbose, restarts=restarts, never_last=never_last.split()
    )
    process = subprocess.Popen(
        [sys.executable, "-m", supervisor.__name__],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    assert process.stdin is not None
    process.stdin.write(specification.dump().decode())
    process.stdin.flush()
    return process


def test_the_end_of_the_pipe_ends_every_service(tmp_path: Path) -> None:
    process = start(tmp_path, verbose=True, one="import time; print('hello'); time.sleep(600)")
    assert process.stdout is not None
    line = process.stdout.readline()
    services = psutil.Process(process.pid).children()

    rest, _ = process.communicate(timeout=30)

    assert (line, rest, process.returncode) == ("one           | hello\n", "", 0)
    assert not [service for service in services if service.is_running()]
    assert (tmp_path / "one.log").read_text() == "hello\n"


@pytest.mark.slow
def test_a_service_that_cannot_live_stops_all_with_a_sentence(tmp_path: Path) -> None:
    process = start(tmp_path, restarts=1, one="import sys; sys.exit(7)", two="import time; time.sleep(600)")

    assert process.wait(30) == 1
    assert process.stdout is not None
    said = process.stdout.read()
    assert said == (
        "workbench     | The one ended with exit code 7; it starts again in 1 s. "
        f"Its log: {tmp_path / 'one.log'}\n"
        "workbench     | The one ended 2 times in a row (exit code 7), so the workbench stops. "
        f"couture-workflow doctor looks for the cause; its log tells more: {tmp_path / 'one.log'}\n"
    )


@pytest.mark.slow
def test_a_service_that_the_others_do_not_need_is_started_again_for_ever(tmp_path: Path) -> None:
    process = start(tmp_path, restarts=0, never_last="one", one="raise SystemExit(7)")

    assert process.stdout is not None
    said = [process.stdout.readline() for _ in range(3)]

    assert [line.split("it starts again in ")[1].split(".")[0] for line in said] == ["1 s", "2 s", "4 s"]
    assert process.poll() is None
    process.communicate(timeout=30)
    assert process.returncode == 0


#: Ends each time with the same words but for the numbers.
_SAME = """
import os
print("[info     ] starting 2026-11-28")
print("Traceback (most recent call last):")
print(f"  File 'x.py', line {os.getpid()}")
print(f"DatabaseError: no database 0x7f{os.getpid()}")
print("[info     ] closing")
raise SystemExit(3)
"""


@pytest.mark.slow
def test_a_service_that_ends_in_the_same_way_is_given_up_with_what_it_said(tmp_path: Path) -> None:
    process = start(tmp_path, restarts=99, one=_SAME)

    assert process.wait(60) == 1
    assert process.stdout is not None
    said = process.stdout.read()
    assert said.count("it starts again") == 3
    assert re.search(
        r"The one ended 4 times in the same way \(exit code 3; it said last: DatabaseError: no database "
        r"0x7f\d+\), so the workbench stops\. couture-workflow doctor looks for the cause",
        said,
    )


def ended(service: Service, code: int, said: str, *, lived: float = 100.0) -> bool:
    """Let the service end; tell whether it is given up for its way of ending."""
    service.process = cast("subprocess.Popen[bytes]", SimpleNamespace(returncode=code))
    service.said, service.started = said, time.monotonic() - lived
    service.note_end()
    return service.hopeless


@pytest.mark.parametrize(
    ("endings", "hopeless"),
    [
        pytest.param(
            [(1, "x 1", 100.0), (1, "x 22", 100.0), (1, "x 3", 100.0), (1, "x 4", 100.0)], True, id="same"
        ),
        pytest.param([(1, "x", 100.0), (1, "x", 100.0), (1, "x", 100.0)], False, id="not often enough"),
        pytest.param(
            [(1, "x", 100.0), (1, "x", 100.0), (2, "x", 100.0), (1, "x", 100.0)], False, id="other codes"
        ),
        pytest.param(
            [(1, "x", 100.0), (1, "y", 100.0), (1, "x", 100.0), (1, "y", 100.0)], False, id="other words"
        ),
        pytest.param([(1, "x", 100.0)] * 3 + [(1, "x", 700.0)], False, id="it lived long"),
        pytest.param([(-9, "x", 100.0)] * 9, False, id="killed by others"),
    ],
)
def test_only_a_service_that_ends_by_itself_and_alike_is_hopeless(
    endings: list[tuple[int, str, float]], hopeless: bool
) -> None:
    service = Service("one", [], logging.getLogger("test"))

    found = [ended(service, code, said, lived=lived) for code, said, lived in endings]

    assert found[-1] is hopeless
