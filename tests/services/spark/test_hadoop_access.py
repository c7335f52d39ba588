"""What a run gets of its Hadoop group, and what Spark is told of it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from couture_workflow.exceptions import KerberosError, NotFoundError
from couture_workflow.services.hadoop import files as hadoop_files
from couture_workflow.services.hadoop import groups
from couture_workflow.services.kerberos.tickets import Ticket
from couture_workflow.services.spark import hadoop_access
from couture_workflow.services.spark.configuration import SparkConfiguration
from couture_workflow.services.spark.hadoop_access import Access
from couture_workflow.store.home import Store

CORE = b"<configuration><property><name>fs.defaultFS</name><value>hdfs://a:8020</value></property></configuration>"
SECURE = (
    b"<configuration><property><name>hadoop.security.authentication</name><value>kerberos</value></property>"
    b"</configuration>"
)
PRINCIPAL = "etl/a@LAB.TEST"
DRIVER, EXECUTOR, MASTER = (f"spark.{name}.extraJavaOptions" for name in ("driver", "executor", "yarn.am"))
SHIPPED = "-Djava.security.krb5.conf=couture-krb5.conf"


def group(store: Store, name: str, **files: bytes) -> None:
    groups.add(store, name, user="a")
    sent = {f"{file}-site.xml": content for file, content in files.items()}
    hadoop_files.save(store, name, sent, user="a")


def access(folder: Path, *, kerberos: bool = True) -> Access:
    ticket = Ticket(
        PRINCIPAL,
        folder / "etl.keytab",
        folder / "etl.ccache",
        folder / "krb5.conf",
        datetime(2030, 1, 1, tzinfo=UTC),
        variables={"KRB5CCNAME": f"FILE:{folder}/etl.ccache", "KRB5_CONFIG": f"{folder}/krb5.conf"},
    )
    return Access(
        "g", "c0ffee", folder / "hadoop", {"fs.defaultFS": "hdfs://a"}, ticket if kerberos else None
    )


def test_a_run_gets_the_files_of_its_group_alone(store: Store, tmp_path: Path) -> None:
    group(store, "one", core=CORE)
    group(store, "two", core=CORE.replace(b"//a", b"//b"), yarn=b"<configuration/>")

    chosen = hadoop_access.chosen(store, "two")
    assert chosen is not None
    found = hadoop_access.take(store, chosen, tmp_path)

    assert {path.name: path.stat().st_mode & 0o777 for path in found.conf.iterdir()} == {
        "core-site.xml": 0o600,
        "yarn-site.xml": 0o600,
    }
    assert found.conf.is_relative_to(tmp_path)
    assert found.properties["fs.defaultFS"] == "hdfs://b:8020"
    assert found.variables() == {"HADOOP_CONF_DIR": str(found.conf), "YARN_CONF_DIR": str(found.conf)}
    assert (found.group, found.principal, found.java_options()) == ("two", "", ())
    assert found.commit == groups.get(store, "two").commit
    again = hadoop_access.take(store, chosen, tmp_path / "again")
    hadoop_files.save(store, "two", {"yarn-site.xml": CORE}, user="a")
    changed = hadoop_access.take(store, chosen, tmp_path / "changed")
    assert found.digest == again.digest != changed.digest


def test_no_name_means_the_default_group_and_an_empty_one_none(store: Store) -> None:
    assert hadoop_access.chosen(store, None) is None
    group(store, "one", core=CORE)
    group(store, "two", core=CORE)

    assert [getattr(hadoop_access.chosen(store, name), "name", None) for name in (None, "two", "")] == [
        "one",
        "two",
        None,
    ]
    with pytest.raises(NotFoundError, match=r'no Hadoop group "three" \(one, two\)'):
        hadoop_access.chosen(store, "three")


def test_a_cluster_with_kerberos_and_no_keytab_is_named_with_what_to_do(store: Store, tmp_path: Path) -> None:
    group(store, "safe", core=SECURE)
    chosen = hadoop_access.chosen(store, "safe")
    assert chosen is not None

    with pytest.raises(
        KerberosError, match='group "safe" wants a Kerberos ticket.*no keytab.*uploads one in'
    ):
        hadoop_access.take(store, chosen, tmp_path)


def test_without_kerberos_nothing_of_a_job_changes(tmp_path: Path) -> None:
    given = SparkConfiguration({"master": "yarn"}, {DRIVER: "-Xss4m"})
    assert (
        hadoop_access.configured(given, access(tmp_path, kerberos=False), kind="yarn", mode="client") == given
    )


@pytest.mark.parametrize(
    ("kind", "mode", "expected"),
    [
        pytest.param(
            *("yarn", "client"),
            {DRIVER: "-Djava.security.krb5.conf={folder}/krb5.conf", EXECUTOR: SHIPPED, MASTER: SHIPPED},
            id="yarn-client",
        ),
        pytest.param("yarn", "cluster", {DRIVER: SHIPPED, EXECUTOR: SHIPPED}, id="yarn-cluster"),
        pytest.param(
            *("spark", "cluster"), {DRIVER: "-Djava.security.krb5.conf={folder}/krb5.conf"}, id="standalone"
        ),
        pytest.param(
            *("k8s", "cluster"),
            {"spark.kubernetes.kerberos.krb5.path": "{folder}/krb5.conf"},
            id="kubernetes",
        ),
        pytest.param("local", "client", {}, id="local"),
    ],
)
def test_every_jvm_is_told_of_the_krb5_conf_that_it_can_see(
    tmp_path: Path, kind: str, mode: str, expected: dict[str, str]
) -> None:
    found = hadoop_access.configured(SparkConfiguration({}, {}), access(tmp_path), kind=kind, mode=mode)

    settings = {name: value.format(folder=tmp_path) for name, value in expected.items()}
    if kind == "yarn":
        settings["spark.yarn.dist.files"] = f"{(tmp_path / 'krb5.conf').as_uri()}#couture-krb5.conf"
    assert dict(found.configurations) == settings
    assert dict(found.arguments) == {"keytab": f"{tmp_path}/etl.keytab", "principal": PRINCIPAL}


def test_what_a_person_set_stands_behind_and_so_holds(tmp_path: Path) -> None:
    given = SparkConfiguration(
        {"driver-java-options": "-Xss4m"},
        {EXECUTOR: "-Xss1m", MASTER: "-Xss2m", "spark.yarn.dist.files": "/a.txt,/b.txt"},
    )

    found = hadoop_access.configured(given, access(tmp_path), kind="yarn", mode="client")

    assert found.configurations[EXECUTOR] == f"{SHIPPED} -Xss1m"
    assert found.configurations[MASTER] == f"{SHIPPED} -Xss2m"
    assert found.configurations["spark.yarn.dist.files"].startswith("/a.txt,/b.txt,file://")
    assert found.arguments["driver-java-options"] == f"-Djava.security.krb5.conf={tmp_path}/krb5.conf -Xss4m"
    assert DRIVER not in found.configurations


@pytest.mark.parametrize(
    ("arguments", "settings"),
    [
        ({"keytab": "/my.keytab", "principal": "me@X"}, {}),
        ({"proxy-user": "bob"}, {}),
        ({}, {"spark.kerberos.keytab": "/my.keytab", "spark.kerberos.principal": "me@X"}),
        ({}, {"spark.yarn.keytab": "/my.keytab"}),
    ],
)
def test_a_job_with_a_log_in_of_its_own_keeps_it(
    tmp_path: Path, arguments: dict[str, str], settings: dict[str, str]
) -> None:
    given = SparkConfiguration(arguments, settings)

    found = hadoop_access.configured(given, access(tmp_path), kind="yarn", mode="cluster")

    assert dict(found.arguments) == arguments


def test_variables_lead_to_the_runs_own_ticket(tmp_path: Path) -> None:
    found = access(tmp_path)

    assert found.variables()["KRB5CCNAME"] == f"FILE:{tmp_path}/etl.ccache"
    assert found.variables()["KRB5_CONFIG"] == f"{tmp_path}/krb5.conf"
    assert found.java_options() == (f"-Djava.security.krb5.conf={tmp_path}/krb5.conf",)


@pytest.mark.parametrize("kerberos", [True, False])
def test_what_ends_an_application_is_written_for_its_owner_alone(tmp_path: Path, kerberos: bool) -> None:
    path = access(tmp_path, kerberos=kerberos).describe(tmp_path)

    described: dict[str, Any] = json.loads(path.read_text())
    assert path.stat().st_mode & 0o777 == 0o600
    assert described["properties"] == {"fs.defaultFS": "hdfs://a"}
    assert described["principal"] == (PRINCIPAL if kerberos else "")
    assert bool(described["variables"]) == kerberos


@pytest.mark.parametrize(("given", "expected"), [("alice", "alice"), ("", None)])
def test_a_cluster_without_kerberos_hears_who_jobs_are(
    monkeypatch: pytest.MonkeyPatch, given: str, expected: str | None
) -> None:
    monkeypatch.setenv("HADOOP_USER_NAME", given)
    monkeypatch.setenv("LOGNAME", "the-account")

    assert hadoop_access.user() == (expected or "the-account")
