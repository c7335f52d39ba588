"""Ending a process tree: nothing escapes, be it orphaned, in a session of its own or deaf to SIGTERM."""

from __future__ import annotations

import subprocess
import sys

import psutil
import pytest

#: Starts a child that starts a grandchild in another session and dies; then ends all and tells what is left.
PARENT = """
import subprocess, sys, time
from couture_workflow.services.processes import tree as process_tree

process_tree.adopt_orphans()
deaf = "from signal import *; import time; signal(SIGTERM, SIG_IGN); print(flush=True); time.sleep(600)"
middle = f'''
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", {deaf!r}], start_new_session=True, stdout=subprocess.PIPE)
child.stdout.readline()
print(child.pid, flush=True)
'''
orphan = int(subprocess.run([sys.executable, "-c", middle], stdout=subprocess.PIPE).stdout)
found = [process.pid for process in process_tree.descendants()]
assert found == [orphan], (found, orphan)
print(orphan, process_tree.end_all(grace=0.5), len(process_tree.descendants()))
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux hands orphans to a subreaper")
def test_an_orphan_in_another_session_that_ignores_sigterm_is_killed() -> None:
    done = subprocess.run([sys.executable, "-c", PARENT], capture_output=True, text=True, timeout=30)

    assert done.returncode == 0, done.stderr
    orphan, killed, left = map(int, done.stdout.split())
    assert left == 0 and killed >= 1  # once more for each second that a busy machine takes to bury it
    assert not psutil.pid_exists(orphan)
