"""The supervisor: what it shows, restarts and gives up on."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from couture_workflow.services.workbench import supervisor
from couture_workflow.services.workbench.supervisor import Specification, is_loud


@pytest.mark.parametrize(
    ("line", "before", "loud"),
    [
        pytest.param("2026-11-21T05:50:20Z [info     ] Started", False, False, id="info"),
        pytest.param("2026-11-21T05:50:20Z [warning  ] Slow", False, True, id="warning"),
        pytest.param("2026-11-21T05:50:20Z [error    ] Broken", False, True, id="error"),
        pytest.param("2026-11-21T05:50:20Z [info     ] Fine again", True, False, id="info after an error"),
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
    folder: Path, *, verbose: bool = False, restarts: int = 5, **services: str
) -> subprocess.Popen[str]:
    """Run the supervisor over Python programs."""
    commands = {name: [sys.executable, "-u", "-c", code] for name, code in services.items()}
    specification = Specification(commands, str(folder), verbose=verbose, restarts=restarts)
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
        "workbench     | The one ended 2 times in a row (last exit code 7), so the workbench stops; "
        f"its log tells why: {tmp_path / 'one.log'}\n"
    )
