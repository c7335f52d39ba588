"""What runs a person's code has no descriptor of the process that forked it."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from tests.support.celery_process import in_fresh_process

#: Forks as Airflow does for each DAG file and task, from a process with a database, a lock and a socket open.
#: The child writes to all that it finds, closes its parent's objects and ends.
_FORKED = """
import fcntl, os, select, socket, sqlite3, sys
from uuid import uuid4
{before}
from airflow.sdk.execution_time import supervisor

folder = {folder!r}
database = sqlite3.connect(folder + "/some.db", isolation_level=None)
database.execute("pragma journal_mode=wal")
database.execute("create table t (x)")
lock = open(folder + "/lock", "w")
fcntl.lockf(lock, fcntl.LOCK_EX)
here, there = socket.socketpair()
poll = select.epoll()
poll.register(here)

def target():
    global database
    for number in range(3, 256):
        if number != log_fd():
            try:
                os.write(number, b"rubbish." * 512)
            except OSError:
                pass
            try:
                os.pwrite(number, b"rubbish." * 512, 0)
            except OSError:
                pass
    lock.close(); here.close(); there.close(); poll.close()
    opened = [open(folder + "/new%d" % each, "w+") for each in range(8)]
    database.close()
    for file in opened:
        file.write("whole")
        file.close()
    os._exit(0)

def log_fd():
    import structlog
    frame = sys._getframe()
    while frame.f_code.co_name != "_fork_main":
        frame = frame.f_back
    return frame.f_locals["log_fd"]

class Supervised(supervisor.WatchedSubprocess):
    decoder = None
    def _handle_request(self, msg, log, req_id): ...

process = Supervised.start(id=uuid4(), target=target)
while (code := process._service_subprocess(5)) is None:
    pass
try:
    database.execute("insert into t values (1)")
except sqlite3.DatabaseError:
    code = "destroyed"
there.setblocking(False)
try:
    got = there.recv(100)
except BlockingIOError:
    got = b""
print(code, len(got), os.path.getsize(folder + "/lock"), os.path.exists(folder + "/some.db-wal"))
os._exit(0)
"""

#: The process as Airflow alone forks it.
_AIRFLOWS = "from couture_workflow.patches import descriptors; descriptors.before_fork = lambda: None"


def _forked(folder: Path, before: str = "") -> str:
    (folder / "lock").touch()
    return in_fresh_process(_FORKED.format(folder=str(folder), before=before))


@pytest.mark.slow
def test_rubbish_written_to_every_descriptor_reaches_nothing(tmp_path: Path) -> None:
    assert _forked(tmp_path) == "0 0 0 True"

    with sqlite3.connect(tmp_path / "some.db") as database:
        assert database.execute("pragma integrity_check").fetchall() == [("ok",)]
        assert database.execute("select x from t").fetchall() == [(1,)]
    assert {file.read_text() for file in tmp_path.glob("new*")} == {"whole"}


@pytest.mark.slow
def test_without_the_patch_the_rubbish_is_in_the_files(tmp_path: Path) -> None:
    """The test above looks at something that happens."""
    code, received, lock, _ = _forked(tmp_path, _AIRFLOWS).split()

    assert code == "destroyed"
    assert int(received) > 0
    assert int(lock) > 0
