"""A job's application on YARN: what ends it, and what its driver printed on the cluster."""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from couture_workflow.exceptions import CoutureError, HadoopError, NotFoundError
from couture_workflow.services.hadoop.yarn import Application
from couture_workflow.services.processes.led_command import LOG, OUTPUT, LedCommand, Outcome
from couture_workflow.services.runtimes.installed import SparkRuntime
from couture_workflow.services.spark import yarn_kill, yarn_logs
from couture_workflow.services.spark.hadoop_access import Access
from couture_workflow.services.spark.yarn_kill import ENDED

APPLICATION = re.compile(r"application_(?P<cluster>\d+)_(?P<number>\d+)")
#: Seconds that YARN may take to put the logs of an ended application into HDFS, and reading them may take.
AGGREGATION, READING = 40.0, 120.0

_POLL = 0.5
_NO_CAUSE = re.compile(
    r'Exception in thread "main" org\.apache\.spark\.SparkException: Application \S+ finished with '
)
_CONTAINER = re.compile(r"container_[\w]+")
_SECTION = re.compile(r"^(End of )?LogType:(?P<name>[^\s(]+)")
_CONTENTS = {"LogContents:", "Log Contents:"}
_STREAMS = {"stdout": OUTPUT, "stderr": LOG}
#: States of log aggregation in which nothing more will come.
_OVER = {"SUCCEEDED", "FAILED", "DISABLED", "TIME_OUT"}


@dataclass(frozen=True)
class DriverLog:
    """What a driver printed, the end of it.

    :param remark: why there is nothing, "" if there is something.
    """

    output: tuple[str, ...] = ()
    log: tuple[str, ...] = ()
    remark: str = ""


class YarnJob:
    """The application of one run.

    :param folder: the run's private one.
    """

    def __init__(self, access: Access, folder: Path) -> None:
        self.access = access
        self.folder = folder
        self.description = access.describe(folder)

    def kill_command(self, identifier: str) -> list[str]:
        """Return the command that ends the application, [] if this is not the id of one."""
        if not APPLICATION.fullmatch(identifier):
            return []
        return [sys.executable, "-I", "-m", yarn_kill.__name__, str(self.description), identifier]

    def make_sure_of_the_end(self, identifier: str) -> str:
        """End an application that still lives after all; return what went wrong, "" if nothing did."""
        if not APPLICATION.fullmatch(identifier):
            return ""
        try:
            manager = yarn_kill.manager(json.loads(self.description.read_text()))
            yarn_kill.end(manager, identifier)
            state = manager.application(identifier).state
        except NotFoundError:  # it never came to YARN
            return ""
        except CoutureError as error:
            return f"Whether {identifier} has ended on YARN is not known. {error}"
        return (
            "" if state in ENDED else f"{identifier} is still {state} on YARN, though its end was asked for."
        )

    def driver_log(
        self,
        identifier: str,
        runtime: SparkRuntime,
        *,
        environment: Mapping[str, str],
        keep_going: Callable[[], bool],
    ) -> DriverLog:
        """Return what the driver of an ended application in cluster mode printed."""
        try:
            found = self._aggregated(identifier, keep_going)
        except NotFoundError:  # it never came to YARN
            return DriverLog()
        except CoutureError as error:
            return DriverLog(remark=f"The driver's log cannot be read from YARN. {error}")
        if found.log_aggregation == "DISABLED":
            return DriverLog(
                remark="This cluster keeps no logs (yarn-site.xml: yarn.log-aggregation-enable is false). "
                f"For a while the driver's is here: {found.am_logs}"
            )
        log = self._read(found, runtime, environment, keep_going)
        if log.output or log.log:
            return log
        where = found.am_logs or f"yarn logs -applicationId {identifier}"
        why = log.remark or "there is none"
        return DriverLog(remark=f"The driver's log cannot be read from YARN ({why}). It may be here: {where}")

    def _aggregated(self, identifier: str, keep_going: Callable[[], bool]) -> Application:
        """Wait until an application's logs are in HDFS."""
        manager = yarn_kill.manager(json.loads(self.description.read_text()))
        deadline = time.monotonic() + AGGREGATION
        while True:
            is_last = time.monotonic() > deadline or not keep_going()
            try:
                found = manager.application(identifier)
                if is_last or (found.state in ENDED and found.log_aggregation in _OVER):
                    return found
            except HadoopError:  # one that is busy may answer the next time
                if is_last:
                    raise
            time.sleep(_POLL)

    def _read(
        self,
        found: Application,
        runtime: SparkRuntime,
        environment: Mapping[str, str],
        keep_going: Callable[[], bool],
    ) -> DriverLog:
        target = self.folder / "driver-log"
        target.mkdir(mode=0o700)
        deadline = time.monotonic() + READING
        said: list[str] = []
        command = LedCommand(
            [
                *(runtime.python, "-I", yarn_logs.__file__, str(runtime.home), str(self.access.conf)),
                *(found.id, driver_container(found), found.user, str(target)),
                *self.access.java_options(),
            ],
            environment=environment,
            folder=self.folder,
            grace=1.0,
            on_line=lambda _, line: said.append(line),
            keep_going=lambda: keep_going() and time.monotonic() < deadline,
        )
        command.run()
        files = [path for path in sorted(target.rglob("*")) if path.is_file()]
        streams: dict[str, list[str]] = {OUTPUT: [], LOG: []}
        for path in files:
            for stream, line in sections(path.read_text(errors="replace").splitlines()):
                streams[stream].append(line)
        last = next((line for line in reversed(said) if line.strip() and not line.startswith("\t")), "")
        return DriverLog(tuple(streams[OUTPUT]), tuple(streams[LOG]), last.strip().rstrip("."))


def with_driver_log(outcome: Outcome, found: DriverLog) -> Outcome:
    """Return an outcome with what the driver printed, so that the cause is told from it.

    What the submission itself says at the end of every failed application is left out: it names no cause.
    """
    log: list[str] = []
    inside = False
    for line in outcome.log:
        inside = bool(_NO_CAUSE.match(line)) or (inside and line.startswith("\tat "))
        if not inside:
            log.append(line)
    return replace(outcome, output=(*outcome.output, *found.output), log=(*found.log, *log))


def driver_container(found: Application) -> str:
    """Return the container that an application's driver ran in: the last application master's."""
    if match := _CONTAINER.search(found.am_logs):
        return match[0]
    match = APPLICATION.fullmatch(found.id)
    return f"container_{match['cluster']}_{match['number']}_01_000001" if match else ""


def sections(lines: list[str]) -> Iterator[tuple[str, str]]:
    """Iterate over lines in the form of ``yarn logs``, each with the stream that it was printed to."""
    name, inside = "", False
    for line in lines:
        if match := _SECTION.match(line):
            name, inside = match["name"], False
        elif not inside:
            inside = line in _CONTENTS
        elif name in _STREAMS:
            yield _STREAMS[name], line
