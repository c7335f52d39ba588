"""Children of the test process that share its loaded modules, so that hundreds can be started in seconds."""

from __future__ import annotations

import contextlib
import os
import sys
import traceback
from collections.abc import Callable


def forked(function: Callable[[], object]) -> int:
    """Run a function in a child, leader of a process group of its own, and return its id."""
    child = os.fork()
    if child:
        with contextlib.suppress(PermissionError, ProcessLookupError):
            os.setpgid(child, child)  # both do it, for either may be first
        return child
    code = 1
    try:
        os.setpgid(0, 0)
        function()
        code = 0
    except BaseException:
        traceback.print_exc()
        raise
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def wait_for(child: int) -> None:
    """Wait for a child and fail if it failed."""
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
