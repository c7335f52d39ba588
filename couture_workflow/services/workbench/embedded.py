"""`couture-workflow run`: the whole workbench on one machine, in the foreground, until Ctrl-C.

Three layers of processes, so that nothing is ever left behind: this command checks and prepares the home,
then waits; its child, ``supervisor``, in a session of its own, runs Airflow's four services.
Whichever of the two dies, the other ends everything: the supervisor reads the end of a pipe, this command
adopts what the supervisor leaves.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType

from couture_workflow import settings
from couture_workflow.exceptions import HomeError, StartError
from couture_workflow.services.dags import former as former_dags
from couture_workflow.services.notebooks import examples as notebook_examples
from couture_workflow.services.personal import view as personal_view
from couture_workflow.services.processes import private_folders
from couture_workflow.services.processes import tree as process_tree
from couture_workflow.services.runtimes import install as runtime_install
from couture_workflow.services.runtimes import joined, system_packages
from couture_workflow.services.workbench import (
    checks,
    database,
    database_check,
    model_service,
    server_address,
    start,
    supervisor,
)
from couture_workflow.services.workbench.airflow_settings import (
    Layout,
    environment,
    local_address,
    use,
    write_config,
)
from couture_workflow.services.workbench.server_use import ServerUse
from couture_workflow.store.home import Store

Report = Callable[[str], None]

DEFAULT_PORT = 8080
STOP_PATIENCE = supervisor.TASK_GRACE + supervisor.REPORT_GRACE + supervisor.SERVICE_GRACE + 10.0
DOCTOR = "couture-workflow doctor looks for more."
#: The option that puts a JupyterHub in the place of the service ``jupyter``.
_HUB = "AIRFLOW__COUTURE_WORKFLOW__JUPYTER_HUB_URL"
HEARTBEATS = ("scheduler", "dag_processor", "triggerer")


@dataclass(frozen=True)
class Options:
    """What a person may choose about the workbench.

    :param examples: show the shipped example DAGs.
    :param verbose: show every line of the services on the console.
    """

    home: Path
    host: str = "127.0.0.1"
    port: int = DEFAULT_PORT
    examples: bool = True
    verbose: bool = False

    @property
    def url(self) -> str:
        """Return the address to open in a browser."""
        local = local_address(self.host)
        return f"http://{'localhost' if local == '127.0.0.1' else local}:{self.port}"


def default_home() -> Path:
    """Return ``COUTURE_HOME``, or ``~/couture-workflow``."""
    return Path(os.environ.get("COUTURE_HOME") or "~/couture-workflow").expanduser().absolute()


def run(options: Options, *, report: Report) -> int:
    """Run the workbench until it is told to stop and return the exit code.

    :param report: gets each line that a person should read.
    """
    began = time.monotonic()
    os.umask(0o077)  # what the services and their tasks write is this user's alone
    given = os.environ.get("COUTURE_ADMIN_PASSWORD") or None
    checks.check_password(given)
    checks.check_port(options.host, options.port)
    layout = checks.check_home(options.home)
    checks.check_disk(options.home)
    with _signals_as_interrupt(), checks.locked(layout) as lock:
        try:
            return _Workbench(options, layout, report, began).run(given, lock.fileno())
        except KeyboardInterrupt:
            report("Stopped.")
            return 0


@contextlib.contextmanager
def _signals_as_interrupt() -> Iterator[None]:
    """Turn SIGTERM and SIGHUP into the KeyboardInterrupt that Ctrl-C raises."""
    before = {
        number: signal.signal(number, _interrupt) for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


class _Workbench:
    """One run of the workbench."""

    def __init__(self, options: Options, layout: Layout, report: Report, began: float) -> None:
        self.options = options
        self.layout = layout
        self.report = report
        self.began = began
        self.password = ""
        self.steps = 1
        self.view = personal_view.of_environment(os.environ)
        self.server: ServerUse | None = None

    def run(self, given: str | None, lock: int) -> int:
        """Prepare the home, run the services and end them."""
        variables = environment(self.layout, base=os.environ)
        self._choose_database(variables)
        _ensure_runtimes(variables, self.report)
        joined.join(report=self.report, folder=Path(sys.prefix) / "runtimes")
        notebook_examples.place(self.layout.home)
        private_folders.sweep_private_folders(private_folders.shared_place(self.layout.home))
        if self.view.problem:
            self.report(self.view.problem)
        write_config(
            self.layout,
            host=self.options.host,
            port=self.options.port,
            examples=self.options.examples,
            user=self.view.user,
        )
        if moved := former_dags.move(Store(self.layout.home), self.layout.former_dags):
            self.report(moved)
        self._prepare_database(given, variables)
        process_tree.adopt_orphans()
        services = start.Services(self.layout.logs, self.report)
        process = self._start_supervisor(variables, lock)
        try:
            return self._watch(process, services)
        except KeyboardInterrupt:
            self.report("Stopping.")
            self._stop(process)
            self.report("Stopped.")
            return 0
        finally:
            self._show_password()
            process_tree.end_all(grace=2.0)

    def _choose_database(self, variables: dict[str, str]) -> None:
        """Take the database that ``COUTURE_DATABASE`` names, or the one from before."""
        before = server_address.of_home(self.layout)
        address = server_address.wanted(self.layout, os.environ)
        if address is not None:
            self.server = ServerUse(self.layout, address)
            self.server.begin()
            variables |= address.variables
        if before != address and (before is not None or self.layout.database.exists()):
            name = before.shown if before else str(self.layout.database)
            self.report(f"The database was {name} until now. It is left as it is; nothing of it is moved.")
        server_address.keep(self.layout, address)

    def _prepare_database(self, given: str | None, variables: dict[str, str]) -> None:
        password = given or secrets.token_urlsafe(12)
        made = False
        if step := self._database_step():
            with start.told(f"Step 1 of 2: {step}", self.report):
                if self.server:
                    made = self.server.prepare(environment=variables, password=password)
                else:
                    made = database.prepare(self.layout, environment=variables, password=password)
            self.steps = 2
        if made:
            self.password = "" if given else password
            if given:
                self.report(f"Made the user {database.ADMIN} with the password in COUTURE_ADMIN_PASSWORD.")
        elif given:
            self.report(f"The user {database.ADMIN} exists: COUTURE_ADMIN_PASSWORD changes nothing.")

    def _database_step(self) -> str:
        """Return what has to be done with the database before the services start, in words."""
        if self.server:
            return self.server.step()
        if found := database_check.problem_at_start(self.layout):
            raise StartError(f"The workbench cannot start. {found} {DOCTOR}")
        if database.is_current(self.layout):
            return ""
        verb = "migrating" if self.layout.database.exists() else "making"
        return f"{verb} the database in {self.layout.airflow}"

    def _show_password(self) -> None:
        if self.password:
            self.report(f"User: {database.ADMIN}   Password: {self.password}   (shown only this once)")
            self.password = ""

    def _start_supervisor(self, variables: dict[str, str], lock: int) -> subprocess.Popen[bytes]:
        home = self.layout.home
        on_demand = model_service.on_demand_variables(home, variables)
        specification = supervisor.Specification(
            services=commands(home, variables),
            log_folder=str(self.layout.logs),
            verbose=self.options.verbose,
            database=self.server.address.text if self.server else "",
            never_last=[model_service.NAME] if on_demand else [],
        )
        process = subprocess.Popen(  # noqa: S603
            [sys.executable, "-P", "-m", supervisor.__name__],
            stdin=subprocess.PIPE,
            env=variables | on_demand,
            cwd=self.layout.airflow,
            start_new_session=True,
            pass_fds=(lock,),
        )
        if process.stdin is not None:
            process.stdin.write(specification.dump())
            process.stdin.flush()
        return process

    def _watch(self, process: subprocess.Popen[bytes], services: start.Services) -> int:
        """Tell when the workbench is ready, then wait until the supervisor ends."""
        started, ready = datetime.now(UTC), False
        self.report(f"Step {self.steps} of {self.steps}: starting the services ({start.USUAL}).")
        while (code := process.poll()) is None:
            if not ready:
                missing = _not_ready(self.options, since=started)
                services.waiting_for(missing)
                if ready := not missing:
                    self._show_ready()
            if self.server:
                self.server.claim.look(self.report)
            time.sleep(0.3)
        if code < 0:
            self.report(
                f"The supervisor of the services was killed (signal {-code}), so the workbench stops."
            )
        return 1 if code else 0

    def _show_ready(self) -> None:
        self.report("")
        self.report(
            f"Couture Workflow is ready after {time.monotonic() - self.began:.0f} s: {self.options.url}"
        )
        if self.password:
            self._show_password()
        else:
            self.report(f"User: {database.ADMIN}   Password: as set before")
        if self.view.user:
            self.report(f"This is {self.view.title}: new DAG files go to the folder {self.view.user}.")
        self.report(
            f"Home: {self.layout.home}   DAGs: {self.layout.home / 'dags.git'}   Logs: {self.layout.logs}"
        )
        if self.server:
            self.report(f"Database: {self.server.address.shown}")
        self.report("Press Ctrl-C to stop.")
        self.report("")

    def _stop(self, process: subprocess.Popen[bytes]) -> None:
        """End the supervisor in order; a second Ctrl-C ends everything at once."""
        try:
            if process.stdin is not None:
                with contextlib.suppress(OSError):
                    process.stdin.close()
            process.wait(timeout=STOP_PATIENCE)
        except (KeyboardInterrupt, subprocess.TimeoutExpired):
            process.kill()
            process_tree.end_all(grace=0.0)
            process.wait()


def commands(home: Path, variables: Mapping[str, str]) -> dict[str, list[str]]:
    """Return the services of the workbench, each with its command.

    :param variables: that they get.
    """
    airflow = [sys.executable, "-P", "-m", "airflow"]
    cli = [sys.executable, "-P", "-m", "couture_workflow.cli"]
    found = {
        "api-server": [*airflow, "api-server"],
        "scheduler": [*airflow, "scheduler", "--skip-serve-logs"],
        "dag-processor": [*airflow, "dag-processor"],
        "triggerer": [*airflow, "triggerer", "--skip-serve-logs"],
        "jupyter": [sys.executable, "-P", "-m", "couture_workflow.services.jupyter.host"],
        "dag-sync": [*cli, "dags", "sync", "--watch", "--home", str(home)],
    }
    if variables.get(_HUB, "").strip():
        del found["jupyter"]  # people's servers are at a JupyterHub
    if served := model_service.command(home, variables):
        found[model_service.NAME] = served
    return found


def _ensure_runtimes(variables: dict[str, str], report: Callable[[str], None]) -> None:
    """Run `couture-workflow install` unless a quick look finds Java, git and Spark in their usual places.

    It is run for runtimes of an earlier version too; where that fails, the workbench starts with these.
    """
    spark = [Path(variables["SPARK_HOME"])] if variables.get("SPARK_HOME") else []
    spark += (Path(sys.prefix) / "runtimes" / "spark").glob("lib/python3.*/site-packages/pyspark")
    found = any((home / "bin" / "spark-submit").is_file() for home in spark)
    ready = found and all(program.present() for program in system_packages.FOR_RUNNING)
    if ready and not runtime_install.is_outdated(Path(sys.prefix) / "runtimes"):
        return
    # Others may read these, unlike all else: people's Jupyter servers have accounts of their own.
    done = subprocess.run(
        [sys.executable, "-P", "-m", "couture_workflow.cli", "install"], env=variables, umask=0o022
    )
    if done.returncode != 0 and ready:
        report(
            "The workbench starts with the runtimes of an earlier version, which may lack something. "
            f"Type {runtime_install.INSTALL_COMMAND!r} when the reason above is gone."
        )
    elif done.returncode != 0:
        raise SystemExit(done.returncode)


def _not_ready(options: Options, *, since: datetime) -> list[str]:
    """Return the services that have not reported to the database since they were started."""
    url = f"http://{local_address(options.host)}:{options.port}/api/v2/monitor/health"
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            health = json.load(answer)
    except (OSError, ValueError):
        return ["api-server"]
    missing = []
    for name in HEARTBEATS:
        beat = (health.get(name) or {}).get(f"latest_{name}_heartbeat")
        if not beat or datetime.fromisoformat(beat) < since:
            missing.append(name.replace("_", "-"))
    return missing


def existing_root(home: Path | None) -> Path:
    """Return the given home, else the one of the configured Airflow, else the default one; it must be there.

    From then on this process reads options and keys as the services of that home do.

    :param home: the home of an embedded workbench, or any other home.
    """
    configured = any(name in os.environ for name in ("AIRFLOW__COUTURE_WORKFLOW__HOME", "AIRFLOW_HOME"))
    if home is None and "COUTURE_HOME" not in os.environ and configured:
        return settings.home().absolute()
    root = home or default_home()
    layout = Layout(root)
    if not ((root / "version").is_file() or layout.config.is_file()):
        raise HomeError(f"There is no home of a workbench in {root}: choose one with --home or COUTURE_HOME.")
    if layout.config.is_file():
        use(layout)
    return root


def existing_store(home: Path | None) -> Store:
    """Return the store of a home that is there, complete again if something of it is missing."""
    return Store.open(existing_root(home))
