"""What a person sees of an installation, on a terminal, in a log and when it fails or is stopped."""

from __future__ import annotations

import io
import os
import pty
import signal
import socket
import subprocess
import sys
import threading
import zipfile
from pathlib import Path

import pytest

import couture_workflow
from couture_workflow.exceptions import RuntimeMissingError
from couture_workflow.services.runtimes import install
from couture_workflow.services.runtimes import progress as runtime_progress
from couture_workflow.services.runtimes.progress import BEFORE_VARIABLE, Pip, Progress, elapsed, follow

ROOT = Path(couture_workflow.__file__).parent.parent


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """However long a busy machine takes, no second passes."""
    monkeypatch.setattr(runtime_progress, "elapsed", lambda seconds: elapsed(0))


class Lines(io.StringIO):
    """A log that tells when a line is in it."""

    def __init__(self, wanted: str) -> None:
        super().__init__()
        self.wanted, self.arrived = wanted, threading.Event()

    def write(self, text: str) -> int:
        if self.wanted in text:
            self.arrived.set()
        return super().write(text)


def wheel(folder: Path, name: str, *, needs: str = "", script: str = "") -> None:
    """Write a wheel of one module, with a dependency and a program on demand."""
    folder.mkdir(exist_ok=True)
    info = f"{name}-1.0.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n"
    with zipfile.ZipFile(folder / f"{name}-1.0-py3-none-any.whl", "w") as file:
        told = f"print('before:', os.environ.get({BEFORE_VARIABLE!r}))"
        file.writestr(f"{name}.py", f"import os\ndef main(): {told}\n")
        file.writestr(f"{info}/METADATA", metadata + (f"Requires-Dist: {needs}\n" if needs else ""))
        file.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        if script:
            file.writestr(f"{info}/entry_points.txt", f"[console_scripts]\n{script} = {name}:main\n")
        file.writestr(f"{info}/RECORD", "")


def start_make_install(folder: Path, **variables: str) -> subprocess.Popen[str]:
    """Run what `make install` runs, for a project of two small packages."""
    (folder / "constraints.txt").write_text("small==1.0\nsmaller==1.0\nelsewhere==3\n")
    program = (
        # In the background of a shell without a terminal, a program and its children ignore Ctrl-C.
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler);"
        "import sys; from pathlib import Path; sys.path.insert(0, 'tools'); import install;"
        f"folder = Path({str(folder)!r});"
        "sys.exit(install.main(folder / 'venv', ['small'], folder / 'constraints.txt'))"
    )
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "PYTHON"))
    }
    return subprocess.Popen(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env={**environment, **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_a_log_gets_a_line_at_begin_and_end_and_now_and_then_between() -> None:
    log = Lines("3 of 7, ")
    progress = Progress(2, stream=log, interval=0.01)

    with progress.step("first"):
        progress.doing("3 of 7", result="all 7")
        assert log.arrived.wait(30)
    with progress.step("second"):
        progress.report("a word between")

    between = "Step 2 of 2: second: 0 s"  # if it was a while
    lines = [line for line in log.getvalue().splitlines() if line != between]
    assert lines[0] == "Step 1 of 2: first."
    assert "Step 1 of 2: first: 3 of 7, 0 s" in lines
    assert "Step 1 of 2: first: all 7, 0 s." in lines
    assert lines[-3:] == ["Step 2 of 2: second.", "a word between", "Step 2 of 2: second: done, 0 s."]


def test_a_terminal_has_one_line_for_a_step_and_is_rewritten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    controller, terminal = pty.openpty()
    with os.fdopen(terminal, "w") as stream, Progress(1, stream=stream).step("first"):
        pass

    shown = ""
    while not shown.endswith("\n"):
        shown += os.read(controller, 4096).decode()
    os.close(controller)
    assert shown == "\r\x1b[KStep 1 of 1: first.\r\x1b[KStep 1 of 1: first: done, 0 s.\r\n"


def test_steps_go_on_from_those_of_the_command_around(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(BEFORE_VARIABLE, "2")
    log = io.StringIO()

    with Progress(3, stream=log).step("third"):
        pass

    assert log.getvalue().startswith("Step 3 of 5: third.")


def test_a_step_that_fails_is_not_shown_as_done() -> None:
    log = io.StringIO()

    with pytest.raises(ValueError, match="x"), Progress(1, stream=log).step("first"):
        raise ValueError("x")

    assert log.getvalue().splitlines()[-1] == "Step 1 of 1: first: broken off, 0 s."


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("Collecting A.b_c<3,>=2 (from x)", "1 of 2 pinned packages collected"),
        ("Requirement already satisfied: d[extra] in /x", "1 of 2 pinned packages collected"),
        ("Collecting other==1", "0 of 2 pinned packages collected"),
        (
            "Downloading a_b_c-2.1-py3-none-any.whl (16.9 MB)",
            "0 of 2 pinned packages collected, downloading a_b_c (16.9 MB)",
        ),
        ("Downloading a_b_c-2.1-py3-none-any.whl.metadata (3 kB)", ""),
        ("Installing collected packages: d, a-b-c", "installing 2 packages"),
    ],
)
def test_pips_lines_become_a_count(tmp_path: Path, line: str, shown: str) -> None:
    (tmp_path / "pins").write_text("# pins\na-b-c==2.1\nd==1\n")
    log = Lines("p: ")
    progress = Progress(1, stream=log, interval=0.01)

    with progress.step("p"):
        Pip(progress, [tmp_path / "pins"]).line(line)
        log.arrived.clear()
        assert log.arrived.wait(30)

    assert log.getvalue().splitlines()[-2] == f"Step 1 of 1: p: {shown}{', ' if shown else ''}0 s"


def test_what_pip_warns_of_is_shown_whole(tmp_path: Path) -> None:
    (tmp_path / "pins").write_text("")
    log = io.StringIO()

    Pip(Progress(1, stream=log), [tmp_path / "pins"]).line("WARNING: Retrying after connection broken")

    assert log.getvalue() == "pip: WARNING: Retrying after connection broken\n"


def test_a_time_is_told_in_minutes_and_seconds() -> None:
    assert (elapsed(59.9), elapsed(125)) == ("59 s", "2 min 5 s")


def test_a_program_that_fails_is_quoted_from_its_first_error_on() -> None:
    code = "print('fine\\n' * 20 + 'ERROR: one\\n' + 'why\\n' * 10 + 'end'); raise SystemExit(3)"
    taken: list[str] = []

    said = follow([sys.executable, "-c", code], taken.append)

    assert said.splitlines() == ["ERROR: one", *["why"] * 10, "end"]
    assert taken[0] == "fine"


@pytest.mark.slow
def test_a_runtime_is_filled_with_a_line_for_the_step_not_for_each_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel(tmp_path / "wheels", "small", needs="smaller")
    wheel(tmp_path / "wheels", "smaller")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "wheels"))
    pins = tmp_path / "pins.txt"
    pins.write_text("small==1.0\nsmaller==1.0\n")
    log = io.StringIO()

    link = install.install_spark(
        progress=Progress(1, stream=log, interval=600), folder=tmp_path / "r", pins=pins
    )

    assert len(list(link.glob("lib/python3.*/site-packages/small*.py"))) == 2
    first, last = log.getvalue().splitlines()
    assert first == f"Step 1 of 1: the Spark runtime in {link}."
    assert last.startswith(f"Step 1 of 1: the Spark runtime in {link}: 2 packages installed, ")


@pytest.mark.slow
def test_pips_own_words_are_in_the_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    pins = tmp_path / "pins.txt"
    pins.write_text("no-such-package==1.0\n")

    with pytest.raises(RuntimeMissingError) as raised:
        install.install_spark(progress=Progress(1, stream=io.StringIO()), folder=tmp_path / "r", pins=pins)

    assert "\nERROR: Could not find a version that satisfies the requirement no-such-package==1.0" in str(
        raised.value
    )
    assert "\nERROR: No matching distribution found for no-such-package==1.0" in str(raised.value)


@pytest.mark.slow
def test_make_install_numbers_its_steps_and_goes_on_after_a_failure(tmp_path: Path) -> None:
    wheel(tmp_path / "wheels", "small", needs="smaller", script="couture-workflow")
    offline = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(tmp_path / "wheels")}

    with start_make_install(tmp_path, **offline) as failed:
        refused = failed.communicate()[0]
    wheel(tmp_path / "wheels", "smaller")
    with start_make_install(tmp_path, **offline) as again:
        finished = again.communicate()[0]

    assert failed.returncode == 1
    assert "Step 2 of 6: Airflow and what else the workbench needs: broken off" in refused
    assert "pip says:\nERROR: " in refused
    assert "smaller" in refused
    assert refused.endswith("Type make install again: it goes on from there.\n")
    assert again.returncode == 0, finished
    assert f"Step 1 of 6: the environment {tmp_path / 'venv'}: it is there, " in finished
    assert "Step 2 of 6: Airflow and what else the workbench needs: 2 packages installed, " in finished
    assert "Step 3 of 6: log-in by a directory: python-ldap: left out, for " in finished
    assert finished.endswith("before: 3\n")


@pytest.mark.slow
def test_a_stopped_make_install_says_where_and_leaves_no_pip_behind(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        index = f"http://127.0.0.1:{silent.getsockname()[1]}/simple"
        with start_make_install(tmp_path, PIP_INDEX_URL=index, PIP_CONFIG_FILE=os.devnull) as process:
            silent.settimeout(120)
            connection, _ = silent.accept()  # pip asks, and gets no answer
            process.send_signal(signal.SIGINT)
            said = process.communicate(timeout=60)[0]
            connection.settimeout(60)
            while connection.recv(4096):
                continue  # until pip's side is closed: it has ended

    assert process.returncode == 130
    assert said.splitlines()[-1] == (
        "Stopped in Step 2 of 6: Airflow and what else the workbench needs. "
        "Type make install again: it goes on from there."
    )
