"""Run one Spark job to its end: a command below the reaper, with what becomes known of its application."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from couture_workflow.services.processes.led_command import LOG, OUTPUT, LedCommand, Outcome
from couture_workflow.services.runtimes.installed import SparkRuntime
from couture_workflow.services.spark.command import Job
from couture_workflow.services.spark.environment import write_properties
from couture_workflow.services.spark.masters import Client, Target, YarnCluster
from couture_workflow.services.spark.tracebacks import Pieces
from couture_workflow.services.spark.tracking import Tracker, Tracking


class Submission(LedCommand):
    """One job on its way; the parameters that are not here are those of ``LedCommand``.

    :param command: what submits it and lives as long as it does.
    :param kill_command: returns what kills it on its cluster, by the name that the cluster gave it.
    :param kill_first: the cluster is asked before the processes here get a signal: what waits for the
        application then sees its end and cleans up behind it.
    :param on_tracking: called whenever more is known of the application.
    :param here: the driver runs on this machine.
    :param ui_port: the first port that the driver tries for its web page.
    :param driver_host: what others call the driver's machine, "" if nobody said.
    """

    def __init__(
        self,
        command: list[str],
        *,
        kill_command: Callable[[str], list[str]],
        environment: Mapping[str, str],
        folder: Path,
        grace: float,
        on_line: Callable[[str, str], None],
        on_tracking: Callable[[Tracking], None],
        here: bool = True,
        ui_port: int = 4040,
        driver_host: str = "",
        kill_first: bool = False,
        keep_going: Callable[[], bool] = lambda: True,
    ) -> None:
        super().__init__(
            command,
            environment=environment,
            folder=folder,
            grace=grace,
            on_line=on_line,
            keep_going=keep_going,
        )
        self.kill_command = kill_command
        self.kill_first = kill_first
        self.on_tracking = on_tracking
        self.here = here
        self.ui_port = ui_port
        self.driver_host = driver_host
        self._tracker = Tracker(session=None, ui_port=ui_port, driver_host=driver_host)
        self._told: list[str] = []
        self._noticed = Tracking()
        self._pieces = {name: Pieces(partial(self.on_line, name)) for name in (OUTPUT, LOG)}

    def run(self) -> Outcome:
        """Run the job to its end and return how it ended."""
        try:
            return super().run()
        finally:
            for pieces in self._pieces.values():
                pieces.flush()

    def began(self, session: int) -> None:
        """Look for the application in the session, if its driver is on this machine."""
        self._tracker = Tracker(
            session=session if self.here else None, ui_port=self.ui_port, driver_host=self.driver_host
        )

    def took(self, stream: str, line: str) -> None:
        """Hand a line on, a traceback as a whole, and read what the log says of the application."""
        self._pieces[stream].take(line)
        if stream == LOG:
            self._tracker.read(line)

    def looked(self) -> None:
        """Tell the reaper what kills the application, and the caller what is new."""
        for pieces in self._pieces.values():
            pieces.look()
        self._tracker.probe()
        tracking = self._tracker.current
        if tracking.submission and (command := self.kill_command(tracking.submission)) != self._told:
            self._told = command
            if command:
                self.tell_kill_command(command, first=self.kill_first)
        if tracking != self._noticed:
            self._noticed = tracking
            self.on_tracking(tracking)


def submission(
    job: Job,
    target: Target,
    *,
    runtime: SparkRuntime,
    folder: Path,
    grace: float,
    environment: Mapping[str, str],
    on_line: Callable[[str, str], None],
    on_tracking: Callable[[Tracking], None],
    keep_going: Callable[[], bool] = lambda: True,
) -> Submission:
    """Return the submission of a job, with its secrets in a file of the folder."""
    properties_file = write_properties(job, folder, spark_home=runtime.home)
    port = job.configuration.configurations.get("spark.ui.port", "")
    return Submission(
        target.command(job, spark_home=runtime.home, properties_file=properties_file, folder=folder),
        kill_command=target.kill_command,
        environment=environment,
        folder=folder,
        grace=grace,
        on_line=on_line,
        on_tracking=on_tracking,
        here=isinstance(target, Client),
        kill_first=isinstance(target, YarnCluster),
        ui_port=int(port) if port.isdecimal() else 4040,
        driver_host=job.configuration.configurations.get("spark.driver.host", ""),
        keep_going=keep_going,
    )
