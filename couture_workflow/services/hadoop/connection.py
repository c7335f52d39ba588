"""*Test connection*: a client of Hadoop lists the root of the file system, and the ResourceManager is asked.

Both in processes of their own that are killed when their time is over. The client is a short JVM with jars of
the Spark runtime, so what it says is what a job would meet.
"""

from __future__ import annotations

import getpass
import os
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from couture_workflow.exceptions import (
    CoutureError,
    HadoopError,
    InUseError,
    KerberosError,
    RuntimeMissingError,
)
from couture_workflow.services.hadoop import diagnosis, groups, yarn
from couture_workflow.services.hadoop.groups import DEFAULT_FS
from couture_workflow.services.kerberos import tickets
from couture_workflow.services.kerberos.tickets import Ticket
from couture_workflow.services.processes.led_command import LedCommand, Outcome
from couture_workflow.services.processes.private_folders import private_folder
from couture_workflow.services.runtimes import installed
from couture_workflow.store.home import Store

#: Seconds for the client; a JVM on a busy machine needs some of them before it does anything.
SECONDS = 40.0
#: Tests at the same time, by one process of the server, and seconds that a further one waits for its turn.
PARALLEL = 2
_WAIT = 5.0

PASSED, FAILED, SKIPPED = "passed", "failed", "skipped"
TICKET, FILE_SYSTEM, RESOURCE_MANAGER = "Ticket", "File system", "ResourceManager"

_JARS = ("hadoop-client-api-*.jar", "hadoop-client-runtime-*.jar", "slf4j-api-*.jar")
_JVM = ("-Xmx192m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
#: What bounds the client's patience: by default it tries for minutes.
_IMPATIENT = {
    "ipc.client.connect.max.retries": "0",
    "ipc.client.connect.max.retries.on.timeouts": "0",
    "ipc.client.connect.max.retries.on.sasl": "0",
    "ipc.client.connect.timeout": "8000",
    "ipc.client.rpc-timeout.ms": "12000",
    "dfs.client.failover.max.attempts": "2",
    "dfs.client.failover.sleep.max.millis": "200",
    "dfs.client.retry.max.attempts": "1",
}
_NAMES = 8
_places = threading.BoundedSemaphore(PARALLEL)


@dataclass(frozen=True)
class Step:
    """One thing that was tried.

    :param result: "passed", "failed", or "skipped" where there is nothing to try.
    :param said: what was found, or what went wrong, in the words of whoever said it.
    :param remedy: what to do, "" if it went well.
    """

    what: str
    result: str
    said: str
    remedy: str = ""
    seconds: float = 0.0


def test(store: Store, name: str, *, seconds: float = SECONDS) -> list[Step]:
    """Try what a job would do with a group, and return how each step went.

    :param seconds: for the slowest of them.
    """
    properties = groups.properties(store, name)
    if not _places.acquire(timeout=min(seconds, _WAIT)):
        raise InUseError(
            f"{PARALLEL} connections are being tested already. Wait for one to end, then test again."
        )
    try:
        with private_folder() as folder, ThreadPoolExecutor(2) as pool:
            conf = groups.prepare(store, name, folder / "conf")
            ticket: Ticket | None = None
            steps: list[Step] = []
            if groups.is_kerberized(properties):
                began = time.monotonic()
                try:
                    ticket = tickets.take(store, groups.get(store, name).keytab, folder)
                except KerberosError as error:
                    return [_since(began, Step(TICKET, FAILED, error.cause, error.remedy))]
                said = f"The KDC gave a ticket for {ticket.principal}."
                steps.append(_since(began, Step(TICKET, PASSED, said)))
            tried = [
                pool.submit(_timed, FILE_SYSTEM, lambda: _list_root(properties, conf, ticket, seconds)),
                pool.submit(_timed, RESOURCE_MANAGER, lambda: _ask(properties, ticket)),
            ]
            return [*steps, *(step.result() for step in tried)]
    finally:
        _places.release()


def _timed(what: str, work: Callable[[], Step]) -> Step:
    began = time.monotonic()
    try:
        step = work()
    except HadoopError as error:
        step = Step(what, FAILED, error.said, error.remedy)
    except CoutureError as error:
        step = Step(what, FAILED, str(error))
    return _since(began, step)


def _since(began: float, step: Step) -> Step:
    return replace(step, seconds=round(time.monotonic() - began, 1))


def _ask(properties: Mapping[str, str], ticket: Ticket | None) -> Step:
    if not any(name.startswith("yarn.resourcemanager.") for name in properties):
        said = "The group does not say where a ResourceManager is, so none was asked. Jobs on YARN need one."
        return Step(RESOURCE_MANAGER, SKIPPED, said)
    found = yarn.ResourceManager(properties, ticket=ticket, user=_account()).state()
    ha = f", {found.ha_state}" if found.ha_state else ""
    version = f", Hadoop {found.version}" if found.version else ""
    said = f"{found.address} is {found.state}{ha}{version}."
    if found.ha_state not in ("ACTIVE", ""):
        return Step(RESOURCE_MANAGER, FAILED, said, "Look why none is active.")
    if found.state != "STARTED":
        return Step(RESOURCE_MANAGER, FAILED, said, "Look at its log.")
    return Step(RESOURCE_MANAGER, PASSED, said)


def _account() -> str:
    """Return the account that jobs have on a cluster that believes what it is told."""
    if given := os.environ.get("HADOOP_USER_NAME"):
        return given
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return ""


def _list_root(properties: Mapping[str, str], conf: Path, ticket: Ticket | None, seconds: float) -> Step:
    address = properties.get(DEFAULT_FS, "") or "file:///"
    outcome = _run(conf, ticket, seconds)
    if outcome.stopped:
        said = f"{address} did not answer within {seconds:g} seconds."
        remedy = "Look at the firewall between it and this machine, and whether the NameNode hangs."
        return Step(FILE_SYSTEM, FAILED, said, remedy)
    if outcome.exit_code:
        found = diagnosis.explain(outcome.log or outcome.output)
        return Step(FILE_SYSTEM, FAILED, f"{address}: {found.said}", found.remedy)
    return Step(FILE_SYSTEM, PASSED, _listing(address, outcome))


def _run(conf: Path, ticket: Ticket | None, seconds: float) -> Outcome:
    kerberos = [f"-Djava.security.krb5.conf={ticket.krb5_conf}"] if ticket else []
    runtime = installed.spark()
    deadline = time.monotonic() + seconds
    command = LedCommand(
        [
            *(runtime.java, *_JVM, f"-Djava.io.tmpdir={conf.parent}", *kerberos),
            *("-cp", os.pathsep.join([str(conf), *_jars(runtime.home)]), "org.apache.hadoop.fs.FsShell"),
            *(word for name, value in _IMPATIENT.items() for word in ("-D", f"{name}={value}")),
            *("-ls", "/"),
        ],
        environment={**_environment(conf, runtime.java_home), **(ticket.variables if ticket else {})},
        folder=conf.parent,
        grace=1.0,
        on_line=lambda _stream, _line: None,
        keep_going=lambda: time.monotonic() < deadline,
    )
    return command.run()


def _jars(home: Path) -> list[str]:
    found = [next(iter(sorted((home / "jars").glob(pattern))), None) for pattern in _JARS]
    if any(jar is None for jar in found):
        raise RuntimeMissingError(
            f"The Spark in {home} comes without Hadoop's client (hadoop-client-api and -runtime): "
            "take a Spark "
            "that has it, such as the one of couture-workflow install."
        )
    return [str(jar) for jar in found]


def _environment(conf: Path, java_home: Path) -> dict[str, str]:
    """Return what the client needs of this process's environment, which has secrets of Airflow in it."""
    kept = {name: os.environ[name] for name in ("HADOOP_USER_NAME",) if name in os.environ}
    return {
        "PATH": "/usr/bin:/bin",
        "LANG": "C.UTF-8",
        "JAVA_HOME": str(java_home),
        "HADOOP_CONF_DIR": str(conf),
        "HOME": str(conf.parent),
        **kept,
    }


def _listing(address: str, outcome: Outcome) -> str:
    paths = [words[7] for line in outcome.output if len(words := line.split(None, 7)) == 8]
    if not paths:
        return f"{address} answers. Its root is empty."
    more = f" and {len(paths) - _NAMES} more" if len(paths) > _NAMES else ""
    return f"{address} answers. In its root: {', '.join(paths[:_NAMES])}{more}."
