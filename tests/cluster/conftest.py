"""Fixtures of the tests against real HDFS and YARN; ``make test-cluster`` runs them.

- ``site``    a store with the job, for each module; tasks in other processes use it as well
- ``plain``   a cluster without Kerberos, in the Hadoop group ``plain``
- ``secure``  a KDC and a cluster with Kerberos, in the Hadoop group ``secure``, with the keytab of alice

Each module has clusters of its own: one takes 900 MB.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet

from couture_workflow.services.hadoop import files as hadoop_files
from couture_workflow.services.hadoop import groups as hadoop_groups
from couture_workflow.services.kerberos import configuration as kerberos_configuration
from couture_workflow.services.kerberos import keytabs
from couture_workflow.store.home import Store
from tests.services import hadoop
from tests.services.hadoop import Hadoop, Security
from tests.services.kdc import Kdc, kdc, require
from tests.support.spark import Task, runtime_or_skip

#: Writes and reads in HDFS with a path that says no cluster, and ends as its second argument says. A third
#: one names a model, a folder, of which an executor tells what it sees.
JOB = """
import os, sys, time
from pyspark import SparkFiles
from pyspark.sql import SparkSession
path, end = sys.argv[1:3]
spark = SparkSession.builder.getOrCreate()
context = spark.sparkContext
print("user", context.sparkUser(), flush=True)
spark.range(1000).selectExpr("id", "id % 7 as day").write.mode("overwrite").parquet(path)
print("days", spark.read.parquet(path).groupBy("day").count().count(), flush=True)
place = context._jvm.org.apache.hadoop.fs.Path(path)
status = place.getFileSystem(context._jsc.hadoopConfiguration()).getFileStatus(place)
print("written to", status.getPath().toString(), "of", status.getOwner(), flush=True)
for name in sys.argv[3:]:
    seen = context.parallelize([name], 1).map(lambda name: sorted(os.listdir(SparkFiles.get(name)))).collect()
    print("executor sees", seen, flush=True)
if end == "fail":
    raise ValueError("the job fails on purpose")
if end == "sleep":
    print("asleep", flush=True)
    time.sleep(1200)
spark.stop()
"""
EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
#: What the keytab of a cluster's daemons has.
DAEMONS = ("hdfs/localhost", "yarn/localhost", "HTTP/localhost")
#: A JVM whose start costs as little as can be, and that takes little.
JAVA = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
#: Seconds for a job; one takes 45 on two cores that have nothing else to do.
PATIENCE = 1500


@dataclass(frozen=True)
class Secure:
    """A cluster with its realm."""

    kdc: Kdc
    hadoop: Hadoop
    folder: Path


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """Return a store with the job."""
    home = tmp_path_factory.mktemp("site") / "home"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AIRFLOW__COUTURE_WORKFLOW__HOME", str(home))
        patch.setenv("AIRFLOW__COUTURE_WORKFLOW__SECRET_KEY", Fernet.generate_key().decode())
        patch.setenv("AIRFLOW__COUTURE_WORKFLOW__CLASS_DATA_ARCHIVE", "False")
        patch.setenv("SPARK_LOCAL_IP", "127.0.0.1")
        patch.setenv("HADOOP_USER_NAME", "alice")
        store = Store.open(home)
        store.artifacts.put("job.py", [JOB.encode()], user="a")
        job, rules = (EXAMPLES / "jobs" / name for name in ("penguins.py", "penguin_rules.py"))
        store.artifacts.put(job.name, [job.read_bytes()], user="a")
        store.dependencies.put(rules.name, [rules.read_bytes()], user="a")
        yield store


def add_group(store: Store, name: str, cluster: Hadoop) -> None:
    """Make a Hadoop group of a cluster's files."""
    hadoop_groups.add(store, name, user="a")
    sent = {file: text.encode() for file, text in cluster.files().items()}
    hadoop_files.save(store, name, sent, user="a")


@pytest.fixture(scope="module")
def plain(site: Store, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hadoop]:
    """Run a cluster without Kerberos."""
    with hadoop.started(tmp_path_factory.mktemp("plain") / "hadoop") as cluster:
        add_group(site, "plain", cluster)
        yield cluster


@pytest.fixture(scope="module")
def secure(site: Store, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secure]:
    """Run a cluster with Kerberos; alice's keytab is the default one."""
    folder = tmp_path_factory.mktemp("secure")
    require()
    with kdc(folder / "kdc") as realm:
        (folder / "krb5.conf").write_text(realm.krb5_conf)
        (folder / "daemons.keytab").write_bytes(realm.keytab(*DAEMONS))
        security = Security(realm.realm, folder / "daemons.keytab", folder / "krb5.conf")
        with hadoop.started(folder / "hadoop", security=security) as cluster:
            kerberos_configuration.save(site, realm.krb5_conf, user="a", base=None)
            keytabs.upload(site, "alice", realm.keytab("alice"), user="a")
            add_group(site, "secure", cluster)
            yield Secure(realm, cluster, folder)


def settings(mode: str) -> dict[str, str]:
    """Return the configurations of a small job on YARN on this machine alone."""
    runtime = runtime_or_skip()
    found = {
        # The nodes are this machine: nothing has to be uploaded.
        "spark.yarn.jars": f"local:{runtime.home}/jars/*",
        "spark.pyspark.python": runtime.python,
        "spark.driver.memory": "512m",
        "spark.driver.memoryOverhead": "256m",
        "spark.executor.memory": "512m",
        "spark.executor.memoryOverhead": "256m",
        "spark.executor.instances": "1",
        "spark.yarn.am.memory": "512m",
        "spark.yarn.maxAppAttempts": "1",
        "spark.yarn.report.interval": "500ms",
        # A machine that has much else to do takes longer for what Spark gives up after a minute or two.
        "spark.yarn.am.waitTime": f"{PATIENCE}s",
        "spark.network.timeout": f"{PATIENCE}s",
        "spark.hadoop.ipc.client.rpc-timeout.ms": str(1000 * PATIENCE),
        "spark.sql.shuffle.partitions": "1",
        "spark.ui.port": "0",
        "spark.driver.extraJavaOptions": JAVA,
        "spark.executor.extraJavaOptions": JAVA,
        # Else Spark takes the first address that is not loopback.
        "spark.yarn.appMasterEnv.SPARK_LOCAL_IP": "127.0.0.1",
        "spark.executorEnv.SPARK_LOCAL_IP": "127.0.0.1",
    }
    if mode == "client":
        found |= {
            "spark.yarn.am.extraJavaOptions": JAVA,
            "spark.driver.host": "localhost",
            "spark.driver.bindAddress": "127.0.0.1",
        }
    return found


def start(folder: Path, run_id: str, mode: str, *arguments: str, **request: Any) -> Task:
    """Start a task that runs the job, or another one, on YARN."""
    given: dict[str, Any] = {
        "run_id": run_id,
        "app_name": run_id,
        "code_artifact": "job.py",
        "suffixes": [".py"],
        "arguments": arguments,
        "spark_arguments": {"master": "yarn", "deploy-mode": mode},
        "spark_configurations": settings(mode),
    }
    return Task(folder, **{**given, **request})


def run_penguins(folder: Path, name: str, modes: tuple[str, str]) -> list[str]:
    """Run both steps of the example, each in its mode; return the lines of the second one's log."""
    raw = f"file:{EXAMPLES}/data/penguins.csv"
    steps = {"clean": (raw, f"{name}/cleaned"), "summarize": (f"{name}/cleaned", f"{name}/summary")}
    for (step, paths), mode in zip(steps.items(), modes, strict=True):
        job = {"code_artifact": "penguins.py", "py_files": ["penguin_rules.py"]}
        task = start(folder, f"{name}-{step}", mode, step, *paths, **job)
        assert task.wait(PATIENCE) == 0, task.text()
    return task.text().splitlines()
