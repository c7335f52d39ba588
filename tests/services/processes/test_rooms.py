"""A room of a process's own: hidden folders, terminals and shared memory, also for an ordinary user."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from couture_workflow.services.processes import walls

_TRY = """
import ctypes, json, os, pty, sys
from couture_workflow.services.processes import walls
folder, user = sys.argv[1], int(sys.argv[2])
if user != os.geteuid():
    os.setgroups([]); os.setgid(user); os.setuid(user)
    ctypes.CDLL(None).prctl(4, 1, 0, 0, 0)  # as a process that began as this user
before = os.stat("/dev/pts").st_dev
stands = walls.enter_room(hidden=[folder], kept=[f"{folder}/own", f"{folder}/file", f"{folder}/own/in"])
walls.confine(read=["/usr", "/lib", "/lib64"], write=[f"{folder}/own", "/dev/pts", "/dev/ptmx", "/dev/shm"])
open(f"{folder}/own/new", "w").write("1")
open("/dev/shm/couture-room", "w").write("1")
print(json.dumps({
    "stands": stands,
    "names": [os.path.exists(f"{folder}/{name}") for name in ("own", "own/in", "file", "other", "other/x")],
    "terminals": os.stat("/dev/pts").st_dev != before,
    "terminal": os.ttyname(pty.openpty()[1]).startswith("/dev/pts/"),
    "user": [os.geteuid(), os.getegid()],
}))
"""


def in_room(folder: Path, user: int) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-c", _TRY, str(folder), str(user)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def is_capable() -> bool:
    """Tell whether this process has CAP_SYS_ADMIN, so that only a fault could keep it from a room."""
    [line] = [line for line in Path("/proc/self/status").read_text().splitlines() if "CapEff" in line]
    return bool(int(line.split()[1], 16) >> 21 & 1)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that any user may enter."""
    with tempfile.TemporaryDirectory() as path:
        Path(path).chmod(0o755)
        yield Path(path)


@pytest.mark.parametrize("user", [0, 65534])
def test_a_room_hides_what_is_not_kept(open_folder: Path, user: int) -> None:
    if os.geteuid() not in (0, user):
        user = os.geteuid()
    folder = open_folder / "hö'me %41?#"
    (folder / "own" / "in").mkdir(parents=True)
    (folder / "other" / "x").mkdir(parents=True)
    (folder / "file").write_text("x")
    if os.geteuid() == 0:
        for path in (folder, *folder.rglob("*")):
            os.chown(path, user, user)

    found = in_room(folder, user)

    if not found["stands"]:
        may = user == 0 and is_capable()
        pytest.skip("needs namespaces, which root may make" if may else "this machine forbids namespaces")
    assert found["names"] == [True, True, True, False, False]
    assert found["terminals"]
    assert found["terminal"]
    assert found["user"] == [user, os.getegid() if user == os.geteuid() else user]
    assert (folder / "own" / "new").stat().st_uid == user
    assert not Path("/dev/shm/couture-room").exists()


def test_a_system_that_refuses_leaves_the_process_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "x").write_text("x")

    def refuse(name: str, *_: object) -> int:
        raise OSError(1, name)

    monkeypatch.setattr(walls, "_call", refuse)

    assert not walls.enter_room(hidden=[str(tmp_path)], kept=[])
    assert (tmp_path / "x").read_text() == "x"


_LOOK = """
import sys
from pathlib import Path
from couture_workflow.services.processes import walls
walls.enter_room(hidden=[], kept=[])
assert "files" in walls.confine(read=["/usr", "/lib", "/lib64", "/proc"], write=[])
of = Path("/proc", sys.argv[1])
for name in ("cmdline", "environ", "mem", "maps", "fd/0"):
    try:
        file = (of / name).open("rb")
        print(name, file.read(200) if name == "cmdline" else "open")
    except OSError as error:
        print(name, error.strerror)
"""


def test_a_command_line_is_what_can_be_seen_of_processes_outside() -> None:
    """docs/jupyter.md says so: no secret may stand on one."""
    with subprocess.Popen(["sleep", "1000"]) as other:
        try:
            done = subprocess.run(
                [sys.executable, "-c", _LOOK, str(other.pid)], capture_output=True, text=True, check=False
            )
        finally:
            other.kill()
    if "AssertionError" in done.stderr:
        pytest.skip("needs Landlock")

    assert done.stdout.splitlines() == [
        "cmdline b'sleep\\x001000\\x00'",
        *(f"{name} Permission denied" for name in ("environ", "mem", "maps", "fd/0")),
    ]
