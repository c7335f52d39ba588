"""What a run has of its Hadoop group: files, a ticket where the cluster wants one, what tells Spark of them.

All of it lies in the run's private folder and goes with it. Nothing of it is in the environment of the task
itself, so two runs beside each other lead to two clusters.
"""

from __future__ import annotations

import getpass
import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from couture_workflow.exceptions import KerberosError
from couture_workflow.services.hadoop import groups
from couture_workflow.services.kerberos import tickets
from couture_workflow.services.kerberos.tickets import Ticket
from couture_workflow.services.spark import configuration as spark_configuration
from couture_workflow.services.spark.configuration import SparkConfiguration
from couture_workflow.store import atomic
from couture_workflow.store.home import Store
from couture_workflow.store.names import quote

#: Within which a ticket is there or it is told why not.
SECONDS = 10.0

#: What a container on YARN calls the krb5.conf that comes with the job.
SHIPPED = "couture-krb5.conf"

_DRIVER = "spark.driver.extraJavaOptions"
_EXECUTOR = "spark.executor.extraJavaOptions"
_MASTER = "spark.yarn.am.extraJavaOptions"
_DRIVER_ARGUMENT = "driver-java-options"
_SHIPPED_FILES = "spark.yarn.dist.files"
_KUBERNETES = "spark.kubernetes.kerberos.krb5.path"
#: Whoever sets one of these logs the job in himself, or lets it be somebody else.
_OWN_LOG_IN = ("keytab", "principal", "proxy-user")
_OWN_LOG_IN_SETTINGS = (
    *("spark.kerberos.keytab", "spark.kerberos.principal"),
    *("spark.yarn.keytab", "spark.yarn.principal"),
)


@dataclass(frozen=True)
class Access:
    """What leads a run to its cluster.

    :param commit: version of the configuration repository that the group was read from.
    :param conf: the folder with the group's files.
    :param digest: SHA-256 of these, by which one group is told from itself at another time.
    :param ticket: None for a cluster without Kerberos.
    """

    group: str
    commit: str | None
    conf: Path
    properties: Mapping[str, str] = field(repr=False)
    ticket: Ticket | None = None
    digest: str = ""

    @property
    def principal(self) -> str:
        """Return who the run is to the cluster's Kerberos, "" where there is none."""
        return self.ticket.principal if self.ticket else ""

    def variables(self) -> dict[str, str]:
        """Return the variables for the submission and a driver on this machine."""
        conf = str(self.conf)
        own = {"HADOOP_CONF_DIR": conf, "YARN_CONF_DIR": conf}
        return own | dict(self.ticket.variables) if self.ticket else own

    def java_options(self) -> tuple[str, ...]:
        """Return the options of a JVM on this machine."""
        return (_krb5(self.ticket.krb5_conf),) if self.ticket else ()

    def describe(self, folder: Path) -> Path:
        """Write what the end of an application on YARN needs to be told of the cluster; return the file."""
        ticket = self.ticket
        path = folder / "cluster.json"
        content = {
            "properties": dict(self.properties),
            "user": user(),
            "principal": ticket.principal if ticket else "",
            "keytab": str(ticket.keytab) if ticket else "",
            "variables": dict(ticket.variables) if ticket else {},
        }
        atomic.write(path, json.dumps(content).encode(), mode=0o600)
        return path


def user() -> str:
    """Return who jobs are from here to a cluster that believes what it is told."""
    if given := os.environ.get("HADOOP_USER_NAME"):
        return given
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a user id without a name
        return str(os.getuid())


def chosen(store: Store, wanted: str | None) -> groups.Group | None:
    """Return the group of a run, or raise ``NotFoundError``.

    :param wanted: its name, None for the default group, "" for none.
    """
    name = groups.default_name(store) if wanted is None else wanted
    return groups.get(store, name) if name else None


def take(store: Store, group: groups.Group, folder: Path, *, seconds: float = SECONDS) -> Access:
    """Put what leads to a group's cluster into a private folder; a ``CoutureError`` says why it cannot be."""
    properties = groups.properties(store, group.name)
    conf = groups.prepare(store, group.name, folder / "hadoop")
    ticket = None
    if groups.is_kerberized(properties):
        own = folder / "kerberos"
        own.mkdir(mode=0o700)
        try:
            ticket = tickets.take(store, group.keytab, own, seconds=seconds)
        except KerberosError as error:
            raise KerberosError(
                f"The cluster of the Hadoop group {quote(group.name)} wants a Kerberos ticket. {error.cause}",
                error.remedy,
            ) from error
    return Access(group.name, group.commit, conf, properties, ticket, _digest(conf))


def configured(
    configuration: SparkConfiguration, access: Access, *, kind: str, mode: str
) -> SparkConfiguration:
    """Return a job's configuration with what its log-in needs; what a person set stays as it is.

    :param kind: of the master: "local", "spark", "yarn" or "k8s".
    :param mode: "client" or "cluster".
    """
    ticket = access.ticket
    if ticket is None:
        return configuration
    arguments, settings = configuration.arguments, configuration.configurations
    news: dict[str, str] = {}
    if not any(arguments.get(name) for name in _OWN_LOG_IN) and settings.keys().isdisjoint(
        _OWN_LOG_IN_SETTINGS
    ):
        news = {"keytab": str(ticket.keytab), "principal": ticket.principal}
    java: dict[str, str] = {}
    if kind == "yarn":
        listed = [part for part in settings.get(_SHIPPED_FILES, "").split(",") if part]
        java[_SHIPPED_FILES] = ",".join([*listed, f"{ticket.krb5_conf.as_uri()}#{SHIPPED}"])
        java[_EXECUTOR] = _before(settings.get(_EXECUTOR), _krb5(SHIPPED))
        if mode == "client":
            java[_MASTER] = _before(settings.get(_MASTER), _krb5(SHIPPED))
    elif kind == "k8s":
        java[_KUBERNETES] = settings.get(_KUBERNETES, str(ticket.krb5_conf))
    if kind in {"yarn", "spark"}:
        there = _krb5(SHIPPED if kind == "yarn" and mode == "cluster" else ticket.krb5_conf)
        if arguments.get(_DRIVER_ARGUMENT):
            news[_DRIVER_ARGUMENT] = _before(arguments[_DRIVER_ARGUMENT], there)
        else:
            java[_DRIVER] = _before(settings.get(_DRIVER), there)
    return spark_configuration.merge(configuration, arguments=news, configurations=java)


def _digest(folder: Path) -> str:
    lines = [
        f"{path.name} {hashlib.sha256(path.read_bytes()).hexdigest()}\n" for path in sorted(folder.iterdir())
    ]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _krb5(path: Path | str) -> str:
    return f"-Djava.security.krb5.conf={path}"


def _before(given: str | None, option: str) -> str:
    """Put an option before those of a person, which so prevail."""
    return f"{option} {given}" if given else option
