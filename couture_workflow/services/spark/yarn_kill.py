"""Ends an application on YARN: ``python -I -m couture_workflow.services.spark.yarn_kill FILE APPLICATION``.

It runs below the reaper when the task may be gone. The file is what ``hadoop_access`` wrote of the cluster. A
ticket is taken anew, since that of the job's start may have ended.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from couture_workflow.exceptions import CoutureError, NotFoundError
from couture_workflow.services.hadoop.yarn import ResourceManager
from couture_workflow.services.kerberos.tickets import Ticket

#: Seconds for a log-in, for an answer, for an application to be known that is just being submitted, and for
#: its end.
LOG_IN, ANSWERS, APPEARS, ENDS = 5.0, 15.0, 5.0, 8.0
ENDED = {"FINISHED", "FAILED", "KILLED"}
_POLL = 0.25
#: How often an application is looked for at least, however long an answer takes.
_TRIES = 4


@dataclass(frozen=True)
class _Ticket:
    """As much of a ticket as a ResourceManager is asked with."""

    variables: Mapping[str, str] = field(default_factory=dict)


def manager(described: Mapping[str, Any]) -> ResourceManager:
    """Return the ResourceManager of a cluster, asked with a ticket that is good."""
    ticket = None
    if described["keytab"]:
        renew(described)
        ticket = cast("Ticket", _Ticket(described["variables"]))
    return ResourceManager(described["properties"], ticket=ticket, user=described["user"], seconds=ANSWERS)


def renew(described: Mapping[str, Any]) -> None:
    """Take a ticket into the run's cache again; without an answer what is there has to do."""
    words = ["kinit", "-k", "-t", described["keytab"], "--", described["principal"]]
    environment = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", **described["variables"]}
    try:
        subprocess.run(  # noqa: S603
            words,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=LOG_IN,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return


def end(resource_manager: ResourceManager, application: str) -> bool:
    """End an application and wait for its end; return whether there was something to end."""
    deadline = time.monotonic() + APPEARS
    tries = 0
    while True:
        tries += 1
        try:
            if resource_manager.application(application).state in ENDED:
                return False
            resource_manager.kill(application)
            break
        except NotFoundError:  # not submitted yet, or never
            if time.monotonic() > deadline and tries >= _TRIES:
                return False
        time.sleep(_POLL)
    deadline = time.monotonic() + ENDS
    while resource_manager.application(application).state not in ENDED and time.monotonic() < deadline:
        time.sleep(_POLL)
    return True


def main(arguments: Sequence[str]) -> int:
    """End the application; return the exit code."""
    file, application = arguments
    try:
        end(manager(json.loads(Path(file).read_text())), application)
    except CoutureError as error:
        sys.stderr.write(
            f"{time.strftime('%y/%m/%d %H:%M:%S')} ERROR Yarn: {application} is not killed. {error}\n"
        )
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
