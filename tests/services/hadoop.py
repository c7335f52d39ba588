"""HDFS and YARN for tests: NameNode, DataNode, ResourceManager and NodeManager, each a process of its own.

Maven fetches the daemons once, in the version of the Hadoop client inside of PySpark, from the repositories
that this machine's Maven has, into the user's cache folder. One cluster takes about 900 MB.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.services import daemons, hadoop_files
from tests.services.hadoop_files import Ports, Security
from tests.support.spark import free_ports, runtime_or_skip

HERE = Path(__file__).parent / "hadoop_daemons"
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "couture-workflow-tests"
#: The programs that are needed beside Maven's jars, and who brings them.
PROGRAMS = {"mvn": "Maven (Debian: maven)", "javac": "a JDK 17 or newer (Debian: openjdk-17-jdk-headless)"}
MODULES = [
    f"--add-opens=java.base/{package}=ALL-UNNAMED"
    for package in (
        *("java.io", "java.lang", "java.math", "java.net", "java.nio", "java.text", "java.util"),
        *("java.util.zip", "java.util.concurrent", "sun.net.dns", "sun.net.util"),
    )
]
LOG4J = """log4j.rootLogger=INFO,console
log4j.appender.console=org.apache.log4j.ConsoleAppender
log4j.appender.console.layout=org.apache.log4j.PatternLayout
log4j.appender.console.layout.ConversionPattern=%d{ISO8601} %p %c{2}: %m%n
"""
MAIN = {
    "namenode": "org.apache.hadoop.hdfs.server.namenode.NameNode",
    "datanode": "org.apache.hadoop.hdfs.server.datanode.DataNode",
    "resourcemanager": "org.apache.hadoop.yarn.server.resourcemanager.ResourceManager",
    "nodemanager": "org.apache.hadoop.yarn.server.nodemanager.NodeManager",
}
HDFS = ("namenode", "datanode")


def client_version() -> str:
    """Return the version of the Hadoop client inside of PySpark; skip where there is no Spark."""
    (jar,) = (runtime_or_skip().home / "jars").glob("hadoop-client-api-*.jar")
    return jar.stem.removeprefix("hadoop-client-api-")


def jars_or_skip() -> Path:
    """Return the folder of the daemons' jars, fetched by Maven once; skip where there can be none."""
    for program, bringer in PROGRAMS.items():
        if not shutil.which(program):
            pytest.skip(f"needs {bringer} for HDFS and YARN")
    version = client_version()
    jars = CACHE / f"hadoop-{version}"
    if not jars.exists():
        _fetch(version, jars)
    return jars


def _fetch(version: str, jars: Path) -> None:
    CACHE.mkdir(parents=True, exist_ok=True)
    part = CACHE / f"{jars.name}.{os.getpid()}.part"
    command = ["mvn", "-B", "-q", "-f", str(HERE), f"-Dhadoop.version={version}"]
    try:
        done = subprocess.run(
            [*command, "dependency:copy-dependencies", f"-DoutputDirectory={part}"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=280,
        )
        if done.returncode:
            said = next((line for line in done.stdout.splitlines() if "ERROR" in line), done.stderr[-300:])
            pytest.skip(f"Maven cannot fetch HDFS and YARN {version} on this machine: {said[:500]}")
        if not jars.exists():
            part.rename(jars)
    except subprocess.TimeoutExpired:
        pytest.skip(f"Maven cannot fetch HDFS and YARN {version} on this machine within 280 s")
    finally:
        shutil.rmtree(part, ignore_errors=True)


class Hadoop:
    """One cluster.

    ``conf`` is the folder of the files that a client gets (``HADOOP_CONF_DIR``), ``fs`` and ``pages`` the
    addresses of the file system and of the ResourceManager's web pages.
    """

    def __init__(self, folder: Path, security: Security | None = None) -> None:
        self.folder, self.security = folder, security
        self.jars = jars_or_skip()
        self.ports = Ports(*free_ports(9))
        self.conf = folder / "conf"
        self.fs = f"hdfs://localhost:{self.ports.namenode}"
        self.pages = f"http://localhost:{self.ports.resourcemanager_http}"
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self._prepare()

    def files(self) -> dict[str, str]:
        """Return the text of each file that a client gets."""
        return {path.name: path.read_text() for path in sorted(self.conf.glob("*.xml"))}

    def start(self, *names: str) -> None:
        """Start daemons, all of them at once, and wait until their ports answer."""
        for name in names:
            self.processes[name] = daemons.start(self._java(MAIN[name]), self.log(name), self.environment())
        known = {
            "namenode": self.ports.namenode,
            "resourcemanager": self.ports.resourcemanager,
            "nodemanager": self.ports.nodemanager_http,
        }
        for name in names:
            if port := known.get(name):
                daemons.wait_until(lambda p=port: daemons.answers(p), self.processes[name], self.log(name))

    def stop(self, *names: str) -> None:
        """Stop daemons; a NodeManager ends its containers."""
        for name in names:
            if process := self.processes.pop(name, None):
                daemons.stop(process)

    def log(self, name: str) -> Path:
        """Return the file with what a daemon has printed."""
        return self.folder / "logs" / f"{name}.log"

    def environment(self) -> dict[str, str]:
        """Return the variables of a daemon: nothing of this machine's own Hadoop."""
        return {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}

    def ask(self, path: str) -> dict[str, Any]:
        """Return what the ResourceManager of a cluster without Kerberos says: ``ask("apps/ID")``."""
        with urllib.request.urlopen(f"{self.pages}/ws/v1/cluster/{path}", timeout=60) as answer:
            return dict(json.load(answer))

    def shell(self, *arguments: str, user: str = "root") -> str:
        """Return what ``hadoop fs`` says; with Kerberos the environment must have a ticket."""
        done = subprocess.run(
            [*self._java("org.apache.hadoop.fs.FsShell", heap="128m", conf=self.conf), *arguments],
            env={**os.environ, "HADOOP_USER_NAME": user},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=240,
        )
        assert done.returncode == 0, done.stderr or done.stdout
        return done.stdout

    def format(self) -> None:
        """Make the file system."""
        command = [*self._java(MAIN["namenode"]), "-format", "-nonInteractive"]
        done = subprocess.run(
            command, env=self.environment(), stdin=subprocess.DEVNULL, capture_output=True, text=True
        )
        assert done.returncode == 0, (done.stderr + done.stdout)[-3000:]

    def make_folders(self, *users: str) -> None:
        """Make homes of users, ``/tmp`` and the folder of the applications' logs."""
        homes = [f"/user/{user} {user} 700" for user in users]
        keytab = [f"-Dkeytab={self.security.keytab}"] if self.security else []
        command = self._java(*keytab, str(HERE / "Folders.java"), conf=self.conf)
        done = subprocess.run(
            [*command, "/tmp root 1777", "/app-logs root 1777", *homes],
            env={**self.environment(), "HADOOP_USER_NAME": "root"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=240,
        )
        assert done.returncode == 0, done.stderr[-3000:]

    def _prepare(self) -> None:
        own = self.folder / "daemon-conf"
        for each in (self.conf, own, self.folder / "logs", self.folder / "tmp"):
            each.mkdir(parents=True)
        (own / "log4j.properties").write_text(LOG4J)
        (self.folder / "http-secret").write_bytes(os.urandom(32))
        for place, files in (
            (self.conf, hadoop_files.of_clients(self.ports, self.security)),
            (own, hadoop_files.of_daemons(self.ports, self.security, self.folder)),
        ):
            for name, properties in files.items():
                hadoop_files.write(place / name, properties)
        # The published jars lack the web pages that a release has beside them: empty ones do.
        for page in ("hdfs", "datanode"):
            inside = self.folder / "web" / "webapps" / page / "WEB-INF"
            inside.mkdir(parents=True)
            (inside / "web.xml").write_text(
                '<web-app version="2.4" xmlns="http://java.sun.com/xml/ns/j2ee"/>'
            )
        if self.security:
            self._compile("org/apache/hadoop/io/SecureIOUtils.java")

    def _compile(self, source: str) -> None:
        (jar,) = self.jars.glob("hadoop-client-api-*.jar")
        command = ["javac", "-nowarn", "-proc:none", "-cp", str(jar), "-d", str(self.folder / "web")]
        subprocess.run([*command, str(HERE / source)], check=True, stdin=subprocess.DEVNULL)

    def _java(self, *words: str, heap: str = "256m", conf: Path | None = None) -> list[str]:
        options = [f"-Xmx{heap}", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", *MODULES]
        options += ["-Djava.net.preferIPv4Stack=true", f"-Djava.io.tmpdir={self.folder}/tmp"]
        options.append(f"-Dhadoop.log.dir={self.folder}/logs")
        if self.security:
            options.append(f"-Djava.security.krb5.conf={self.security.krb5_conf}")
        path = f"{conf or self.folder / 'daemon-conf'}:{self.folder}/web:{self.jars}/*"
        return ["java", *options, "-cp", path, *words]


@contextmanager
def started(
    folder: Path,
    *,
    security: Security | None = None,
    users: tuple[str, ...] = ("alice", "bob"),
    yarn: bool = True,
) -> Iterator[Hadoop]:
    """Run a cluster with homes of some users; without YARN it is the file system alone."""
    cluster = Hadoop(folder, security)
    cluster.format()
    names = tuple(MAIN) if yarn else HDFS
    with ExitStack() as stack:
        for name in names:  # the NodeManager is stopped first, for its containers
            stack.callback(cluster.stop, name)
        cluster.start(*names)
        cluster.make_folders(*users)
        yield cluster
