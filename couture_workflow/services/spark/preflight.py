"""The check before a run: each thing that a job needs is tried as the job would, and nothing is submitted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TypeVar

from couture_workflow.exceptions import CoutureError, HadoopError, KerberosError
from couture_workflow.services.hadoop import connection, groups
from couture_workflow.services.hadoop.yarn import ResourceManager
from couture_workflow.services.kerberos import keytabs
from couture_workflow.services.processes.private_folders import private_folder
from couture_workflow.services.runtimes import installed
from couture_workflow.services.runtimes.installed import SparkRuntime
from couture_workflow.services.spark import hadoop_access, job_requests, masters, sizes
from couture_workflow.services.spark.command import Job, display, masked, spark_submit
from couture_workflow.services.spark.configuration import SparkConfiguration
from couture_workflow.services.spark.hadoop_access import Access
from couture_workflow.services.spark.job_requests import JobRequest
from couture_workflow.services.spark.jobs import FOLDER
from couture_workflow.store.home import Store
from couture_workflow.store.names import quote

PASSED, FAILED, SKIPPED = connection.PASSED, connection.FAILED, connection.SKIPPED

#: Stands on the command line where a check has no file to run.
APPLICATION = Path("APPLICATION")

Found = TypeVar("Found")


@dataclass(frozen=True)
class Check:
    """One thing that was looked at.

    :param result: "passed", "failed", or "skipped" where there is nothing to look at.
    :param said: what was found, or what is wrong.
    :param remedy: what to do, "" if nothing.
    """

    what: str
    result: str
    said: str
    remedy: str = ""


@dataclass(frozen=True)
class Report:
    """What a check came to.

    :param command: the command that would be run, secrets masked; "" if it cannot be told.
    """

    command: str
    checks: tuple[Check, ...]

    @property
    def passed(self) -> bool:
        """Tell whether nothing failed."""
        return all(check.result != FAILED for check in self.checks)


def check(store: Store, request: JobRequest | None = None, *, hadoop_group: str | None = None) -> Report:
    """Look at everything that a job needs.

    :param request: what a task asks for; None: a job that has nothing but the page's configuration.
    :param hadoop_group: of a job without a request, None: the default group.
    """
    asked = request or JobRequest(
        app_name="check", code_artifact="", suffixes=(".py", ".jar"), hadoop_group=hadoop_group
    )
    with private_folder() as folder:
        return _Looking(store, asked, folder).report()


@dataclass
class _Looking:
    """A check on its way."""

    store: Store
    request: JobRequest
    folder: Path
    checks: list[Check] = field(default_factory=list)

    def report(self) -> Report:
        runtime = self._try(
            "Spark", installed.spark, lambda it: f"Spark {it.version}, Java {it.java_version}."
        )
        configuration = self._try(
            "Spark configuration", self._configuration, lambda it: f"{masters.master(it).url} takes it."
        )
        command = ""
        if configuration is None:
            return Report(command, tuple(self.checks))
        access = self._access()
        if access is not None:
            configuration = hadoop_access.configured(
                configuration,
                access,
                kind=masters.master(configuration).kind,
                mode=masters.deploy_mode(configuration),
            )
        job = self._job(configuration)
        if job is not None and runtime is not None:
            command = self._command(job, runtime)
        if access is not None:
            self._cluster(access, configuration)
        return Report(command, tuple(self.checks))

    def _configuration(self) -> SparkConfiguration:
        found = job_requests.configuration(self.store, self.request)
        masters.target(found, spark_home=Path(), spark_version="")
        return found

    def _access(self) -> Access | None:
        """Look at the group's files, its keytab and its ticket."""
        what = "Hadoop group"
        group = self._try(what, self._group, lambda it: f"{it.name}: {', '.join(it.files) or 'no file'}.")
        if group is None:
            return None
        properties = self._try(
            "Hadoop files",
            lambda: groups.properties(self.store, group.name),
            lambda it: f"{len(it)} properties.",
        )
        if properties is None:
            return None
        if groups.is_kerberized(properties):
            self._try("Keytab", lambda: self._keytab(group), lambda it: f"{it}.")
        else:
            self._skip("Keytab", "The cluster of this group wants no Kerberos ticket.")
        return self._try(
            "Kerberos ticket" if groups.is_kerberized(properties) else "Files for the job",
            lambda: hadoop_access.take(self.store, group, self.folder),
            lambda it: (
                f"{it.principal} until {it.ticket.expires_at:%Y-%m-%d %H:%M} UTC." if it.ticket else "Ready."
            ),
        )

    def _group(self) -> groups.Group | None:
        found = hadoop_access.chosen(self.store, self.request.hadoop_group)
        if found is None:
            self._skip(
                "Hadoop group", "The job has none: it reaches what its machine's own settings lead to."
            )
        return found

    def _keytab(self, group: groups.Group) -> str:
        name = group.keytab or keytabs.default_name(self.store)
        if name is None:
            raise KerberosError(
                "The group names no keytab, and there is no default one.",
                "Upload one in Admin > Kerberos Configuration.",
            )
        found = keytabs.get(self.store, name)
        if not found.own:
            raise KerberosError(
                f"The principal {found.principal} is not in the keytab {quote(name)}.",
                "Upload a keytab that has it, or choose another principal.",
            )
        return f"{quote(name)} has {found.principal}, key version {found.kvno}"

    def _job(self, configuration: SparkConfiguration) -> Job | None:
        """Look at the files, each with its sha256."""
        if self.request.code_artifact:
            found = self._try(
                "Files",
                lambda: job_requests.collected(self.store, self.request, configuration, self.folder),
                lambda it: ", ".join(f"{use.name}@{use.version} ({use.sha256[:12]})" for use in it[1]) + ".",
            )
            return found[0] if found else None
        jars, py_files = self._dependencies(configuration.jars), self._dependencies(configuration.py_files)
        if jars is None or py_files is None:
            return None
        return Job("check", APPLICATION, None, (), configuration, jars, py_files)

    def _dependencies(self, references: tuple[str, ...]) -> tuple[Path, ...] | None:
        found = []
        for reference in references:
            path = self._try(f"File {reference}", partial(self._copy, reference), lambda it: f"{it.name}.")
            if path is None:
                return None
            found.append(path)
        return tuple(found)

    def _copy(self, reference: str) -> Path:
        file, version = self.store.dependencies.resolve(reference)
        return self.store.dependencies.materialize(file.name, self.folder / "files", version=version.number)

    def _command(self, job: Job, runtime: SparkRuntime) -> str:
        """Return the command as it would be run, but for the folder, which each run has of its own."""
        line = display(masked(spark_submit(job, spark_home=runtime.home, properties_file=None)))
        return line.replace(str(self.folder), FOLDER)

    def _cluster(self, access: Access, configuration: SparkConfiguration) -> None:
        """Ask the NameNode and the ResourceManager."""
        try:
            for step in connection.test(self.store, access.group):
                if step.what in (connection.FILE_SYSTEM, connection.RESOURCE_MANAGER):
                    self.checks.append(Check(step.what, step.result, step.said, step.remedy))
        except CoutureError as error:
            self._fail("File system", error)
        if masters.master(configuration).kind != "yarn":
            self._skip("Queue", "The job does not go to YARN.")
            return
        manager = self._try(
            "YARN",
            lambda: ResourceManager(access.properties, ticket=access.ticket, user=hadoop_access.user()),
            lambda it: f"{', '.join(it.addresses)}.",
        )
        if manager is None:
            return
        self._try("Queue", lambda: _queue(manager, configuration), lambda it: f"{it} exists.")
        self._try("Memory", lambda: _memory(manager, configuration), str)

    def _try(self, what: str, work: Callable[[], Found | None], said: Callable[[Found], str]) -> Found | None:
        """Do something and note how it went; None if it failed or there is nothing."""
        try:
            found = work()
        except CoutureError as error:
            self._fail(what, error)
            return None
        if found is not None:
            self.checks.append(Check(what, PASSED, said(found)))
        return found

    def _fail(self, what: str, error: CoutureError) -> None:
        said, remedy = str(error), ""
        if isinstance(error, HadoopError):
            said, remedy = error.said, error.remedy
        elif isinstance(error, KerberosError):
            said, remedy = error.cause, error.remedy
        self.checks.append(Check(what, FAILED, said, remedy))

    def _skip(self, what: str, said: str) -> None:
        self.checks.append(Check(what, SKIPPED, said))


def _queue(manager: ResourceManager, configuration: SparkConfiguration) -> str:
    wanted = (
        configuration.arguments.get("queue")
        or configuration.configurations.get("spark.yarn.queue")
        or "default"
    )
    known = manager.queues()
    if not any(wanted in (name, name.rpartition(".")[2]) for name in known):
        raise HadoopError(
            f"There is no queue {quote(wanted)}. There is: {', '.join(sorted(known))}.",
            remedy="Set the argument queue, or let the cluster's administrator make the queue.",
        )
    return wanted


def _memory(manager: ResourceManager, configuration: SparkConfiguration) -> str:
    largest = manager.largest_container()
    wanted = sizes.containers(
        configuration.arguments, configuration.configurations, mode=masters.deploy_mode(configuration)
    )
    for what, mebibytes in wanted.items():
        if mebibytes > largest:
            raise HadoopError(
                f"The {what} asks for {mebibytes} MiB with its overhead, and a container of this cluster has "
                f"{largest} MiB at most.",
                remedy="Ask for less, or let the cluster allow more (yarn.scheduler.maximum-allocation-mb).",
            )
    asked = ", ".join(f"{what} {mebibytes} MiB" for what, mebibytes in wanted.items())
    return f"{asked}; a container may have {largest} MiB."
