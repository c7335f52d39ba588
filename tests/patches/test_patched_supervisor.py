"""The supervisor of a task notices the end at once, and its first heartbeat is the start."""

from __future__ import annotations

import pytest

from tests.support.celery_process import in_fresh_process

pytest.importorskip("airflow.providers.celery")


#: Forks as the supervisor of a task does; the child closes all that it shares, and ends a moment after the
#: supervisor has looked at it. Prints whether that was seen before the time was over that Airflow waits.
_SUPERVISED = """
import os, signal, sys, time
from threading import Timer
from uuid import uuid4
from airflow.sdk.execution_time import supervisor
from couture_workflow.patches import supervisor as patch

if sys.argv[1] == "ours":
    patch.notice_ends()
    patch.notice_ends()  # a second time changes nothing

signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
def target():
    os.closerange(0, 64)
    signal.sigwait([signal.SIGUSR1])
    os._exit(0)

class Supervised(supervisor.WatchedSubprocess):
    decoder = None
    def _handle_request(self, msg, log, req_id): ...

process = Supervised.start(id=uuid4(), target=target)
while process._open_sockets:
    assert process._service_subprocess(5) is None
began = time.monotonic()
Timer(0.3, os.kill, (process.pid, signal.SIGUSR1)).start()
while process._service_subprocess(5) is None:
    pass
print(time.monotonic() - began < 4.9)
"""


@pytest.mark.slow
@pytest.mark.parametrize(("settings", "at_once"), [("ours", "True"), ("airflow", "False")])
def test_the_end_of_a_task_is_noticed_at_once(settings: str, at_once: str) -> None:
    code = f"import sys; sys.argv.append({settings!r})\n{_SUPERVISED}"

    assert in_fresh_process(code) == at_once


@pytest.mark.slow
@pytest.mark.parametrize(("settings", "sent"), [("ours", 0), ("airflow", 1)])
def test_the_start_of_a_task_is_its_first_heartbeat(settings: str, sent: int) -> None:
    code = f"""
from types import SimpleNamespace
from uuid import uuid4
from airflow.sdk.execution_time import supervisor
from couture_workflow.patches import supervisor as patch
if {settings!r} == "ours":
    patch.start_counts_as_heartbeat()
beats = []
context = SimpleNamespace(should_retry=False, start_date=None)
instances = SimpleNamespace(start=lambda *_: context, heartbeat=lambda *_, **__: beats.append(1))
task = SimpleNamespace(id=uuid4())
class Supervised(supervisor.ActivitySubprocess):
    def send_msg(self, *_, **__): ...
process = Supervised(
    process_log=None, id=task.id, pid=1, stdin=None, process=SimpleNamespace(pid=1),
    client=SimpleNamespace(task_instances=instances))
process._on_child_started(ti=task, dag_rel_path="dag.py", bundle_info=None, sentry_integration="")
process._send_heartbeat_if_needed()
print(len(beats))
"""

    assert int(in_fresh_process(code)) == sent
