"""The reaper: nothing of a job outlives the task, and nothing else is hit."""

from __future__ import annotations

import json
import os
import platform
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from couture_workflow.services.processes import reaper

#: A job with a child in its process group, one in a group of its own and one in a session of its own, each of
#: which ignores SIGTERM if it is told to. Each writes its process id into the folder.
TREE = """
import os, signal, sys, time
folder, stubborn = sys.argv[1:]
def here(name):
    if stubborn == "True":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    with open(f"{folder}/{name}.new", "w") as file:
        file.write(str(os.getpid()))
    os.rename(f"{folder}/{name}.new", f"{folder}/{name}.pid")
for name, leave in (("child", None), ("group", lambda: os.setpgid(0, 0)), ("session", os.setsid)):
    if not os.fork():
        if leave:
            leave()
        if os.fork():  # orphaned: its parent is gone at once
            os._exit(0)
        here(name)
        time.sleep(600)
here("job")
time.sleep(600)
"""
NAMES = ("job", "child", "group", "session")

#: A job in a session of its own, with a child, whose main thread has ended and looks like a dead process.
HEADLESS = """
import ctypes, os, platform, subprocess, sys, threading, time
os.setsid()
threading.Thread(target=time.sleep, args=[600]).start()
child = subprocess.Popen(["sleep", "600"])
with open(sys.argv[1] + ".new", "w") as file:
    file.write(f"{os.getpid()} {child.pid}")
os.rename(sys.argv[1] + ".new", sys.argv[1])
ctypes.CDLL(None).syscall({"x86_64": 60, "aarch64": 93}[platform.machine()], 0)  # exit, of this thread
"""


def command(*words: str, parent: int | None = None, grace: float = 5, folder: str = "/nowhere") -> list[str]:
    return [
        *(sys.executable, "-I", "-S", reaper.__file__, "--parent", str(parent or os.getpid())),
        *("--grace", str(grace), "--folder", folder, "--", *words),
    ]


def start(*words: str, **options: Any) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        command(*words, **options),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )


def until(condition: Callable[[], object], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it takes too long"
        time.sleep(0.02)


def processes(folder: Path) -> list[psutil.Process]:
    until(lambda: all((folder / f"{name}.pid").exists() for name in NAMES))
    return [psutil.Process(int((folder / f"{name}.pid").read_text())) for name in NAMES]


def lives(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:  # gone between the two looks
        return False


def alive(those: list[psutil.Process]) -> list[psutil.Process]:
    return [each for each in those if lives(each)]


@pytest.fixture
def bystander() -> Iterator[psutil.Process]:
    """Run a process that is like a job's, but none of this job."""
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
    yield psutil.Process(process.pid)
    process.kill()
    process.wait()


@pytest.mark.parametrize("exit_code", [0, 3])
def test_the_exit_code_is_the_commands(exit_code: int) -> None:
    process = start("/bin/sh", "-c", f"exit {exit_code}")

    assert process.wait(20) == exit_code


def test_a_signal_is_told_as_128_and_its_number() -> None:
    assert start("/bin/sh", "-c", "kill -9 $$").wait(20) == 137


def test_a_command_that_is_not_there_is_named() -> None:
    output, _ = start("/no/such/program").communicate(timeout=20)

    assert output == b"Cannot start /no/such/program: No such file or directory\n"


@pytest.mark.slow
@pytest.mark.parametrize("stubborn", [False, True], ids=["polite", "stubborn"])
def test_sigterm_ends_the_whole_tree(tmp_path: Path, bystander: psutil.Process, stubborn: bool) -> None:
    process = start(sys.executable, "-c", TREE, str(tmp_path), str(stubborn), grace=0.5 if stubborn else 10)
    tree = processes(tmp_path)

    process.terminate()

    assert process.wait(20) == reaper.STOPPED
    assert alive(tree) == []
    assert alive([bystander]) == [bystander]


@pytest.mark.skipif(platform.machine() not in ("x86_64", "aarch64"), reason="the number of exit is not known")
def test_a_process_without_its_main_thread_and_what_hangs_on_it_are_ended(tmp_path: Path) -> None:
    """A process of several threads is seen so while it dies, and its children are not handed on yet."""
    process = start(sys.executable, "-c", HEADLESS, str(tmp_path / "pids"))
    until((tmp_path / "pids").exists)
    job, child = (psutil.Process(int(pid)) for pid in (tmp_path / "pids").read_text().split())
    until(lambda: job.status() == psutil.STATUS_ZOMBIE)

    process.terminate()

    assert process.wait(20) == reaper.STOPPED
    assert alive([child]) == []
    assert not psutil.pid_exists(job.pid)


def test_the_tree_ends_when_the_parent_is_killed(tmp_path: Path, bystander: psutil.Process) -> None:
    task = subprocess.Popen(
        [
            *(sys.executable, "-c"),
            "import os, subprocess, sys, time\n"
            "words = [word.replace('PARENT', str(os.getpid())) for word in sys.argv[1:]]\n"
            "subprocess.Popen(words, stdin=subprocess.PIPE, start_new_session=True)\n"
            "time.sleep(600)",
            *(word if word != "1" else "PARENT" for word in command(sys.executable, "-c", TREE, parent=1)),
            *(str(tmp_path), "False"),
        ]
    )
    tree = processes(tmp_path)
    leader = psutil.Process(os.getsid(tree[0].pid))

    task.kill()
    task.wait()

    until(lambda: not alive([*tree, leader]))
    assert alive([bystander]) == [bystander]


@pytest.mark.slow
def test_what_is_left_behind_at_the_end_is_ended_too(tmp_path: Path) -> None:
    until_told = f"while not os.path.exists({str(tmp_path / 'leave')!r}): time.sleep(0.02)"
    leave_early = TREE.replace('here("job")\ntime.sleep(600)', f'here("job")\n{until_told}')
    process = start(sys.executable, "-c", leave_early, str(tmp_path), "False")
    tree = processes(tmp_path)
    (tmp_path / "leave").touch()

    assert process.wait(20) == 0
    assert alive(tree) == []


def tell(process: subprocess.Popen[bytes], *words: str, first: bool = False) -> None:
    """Tell a reaper what kills elsewhere."""
    assert process.stdin is not None
    process.stdin.write(json.dumps({"words": words, "first": first}).encode() + b"\n")
    process.stdin.flush()


def test_the_kill_command_runs_at_a_stop_and_the_folder_is_removed(tmp_path: Path) -> None:
    folder, proof = tmp_path / "a'b\"<&>ü", tmp_path / "killed"
    folder.mkdir()
    (folder / "secrets.conf").write_text("x")
    process = start("/bin/sleep", "600", folder=str(folder))
    assert process.stdin is not None
    tell(process, "/bin/sh", "-c", f"sleep 0.3; touch {proof}")

    process.stdin.close()

    assert process.wait(20) == reaper.STOPPED
    assert proof.exists()
    assert not folder.exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("ending", "killed"), [("exit 1", False), ("kill -9 $$", True)], ids=["exit", "signal"]
)
def test_the_kill_command_runs_when_the_command_is_killed(tmp_path: Path, ending: str, killed: bool) -> None:
    proof, told = tmp_path / "killed", tmp_path / "told"
    process = start("/bin/sh", "-c", f"while [ ! -e {told} ]; do sleep 0.05; done; {ending}")
    tell(process, "/bin/touch", str(proof))
    told.touch()

    process.wait(20)

    assert proof.exists() == killed


@pytest.mark.parametrize("first", [True, False], ids=["first", "not-first"])
def test_what_kills_elsewhere_has_time_before_the_command_gets_a_signal(tmp_path: Path, first: bool) -> None:
    signs = tmp_path / "signs"
    signs.mkdir()
    # Like a submission that waits for an application: it ends with that, and leaves nothing behind.
    trap = f"trap 'touch {signs}/signal; exit 1' TERM; touch {signs}/runs"
    follow = f"while [ ! -e {signs}/killed ]; do sleep 0.05; done"
    process = start("/bin/sh", "-c", f"{trap}; {follow}; touch {signs}/cleaned")
    until(lambda: (signs / "runs").exists())
    tell(process, "/bin/sh", "-c", f"sleep 0.5; touch {signs}/killed", first=first)

    assert process.stdin is not None
    process.stdin.close()

    assert process.wait(30) == reaper.STOPPED
    assert {sign.name for sign in signs.iterdir()} == {"runs", "killed", "cleaned" if first else "signal"}


def test_a_process_that_is_no_member_is_not_signalled(bystander: psutil.Process) -> None:
    with subprocess.Popen(
        ["/bin/sh", "-c", "sleep 600 & sleep 600 & wait"], start_new_session=True
    ) as leader:
        try:
            until(lambda: len(reaper.members(leader.pid)) == 2)

            assert reaper.signal_all(leader.pid, 0) == 2
            assert reaper._send(bystander.pid, leader.pid, signal.SIGKILL) is False
            assert bystander.pid in reaper.members(os.getpid())
            assert alive([bystander]) == [bystander]
        finally:
            os.killpg(leader.pid, signal.SIGKILL)


#: What the reaper may load beyond what Python starts with, and what these load themselves.
FEW = {"__future__", "enum", "functools", "os", "select", "signal", "types"}
THEIRS = {"_collections", "_collections_abc", "_functools", "_operator", "_signal", "_stat", "collections"}
THEIRS |= {"collections.abc", "genericpath", "itertools", "keyword", "operator", "os.path", "posixpath"}
THEIRS |= {"reprlib", "stat"}


def test_it_loads_little_of_the_standard_library() -> None:
    """It starts before every job; ``benchmarks/reaper_start.py`` measures what that takes."""
    program = """
import sys
code = compile(open(sys.argv[1]).read(), "reaper.py", "exec")
before = set(sys.modules)
exec(code, {"__name__": "reaper"})
print(*(set(sys.modules) - before))
"""
    asked = [sys.executable, "-I", "-S", "-c", program, reaper.__file__]

    loaded = subprocess.run(asked, capture_output=True, text=True, check=True).stdout.split()

    assert set(loaded) <= FEW | THEIRS
