from __future__ import annotations

import hashlib
import json
import os
import re
import stat
from pathlib import Path

import pytest

from couture_workflow.services.spark import configuration as spark_configuration
from couture_workflow.services.spark import notebook_session
from couture_workflow.services.spark.configuration import SparkConfiguration
from couture_workflow.services.spark.notebook_session import Reader

KEY = "spark.hadoop.fs.s3a.secret.key"


@pytest.fixture
def runtimes(tmp_path, monkeypatch):
    """Give a Spark and a Java that are only looked at."""
    home = tmp_path / "spark"
    for name in ("bin/spark-submit", "jars/spark-core_2.13-4.2.1.jar"):
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_text("")
    java = tmp_path / "jdk" / "bin" / "java"
    java.parent.mkdir(parents=True)
    java.write_text("#!/bin/sh\n")
    java.chmod(0o755)
    (tmp_path / "jdk" / "release").write_text('JAVA_RUNTIME_VERSION="17.0.15+6"\n')
    monkeypatch.setenv("SPARK_HOME", str(home))
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "jdk"))
    return home


def save(store, **parts):
    parts.setdefault("arguments", {"master": "local[2]"})
    spark_configuration.save(store, SparkConfiguration(**parts), user="ada", base=None)


def read(store, tmp_path, **options):
    (variable,) = notebook_session.write(store, tmp_path / "kernel" / "session.json", **options).items()
    assert variable == ("COUTURE_SPARK_SESSION", str(tmp_path / "kernel" / "session.json"))
    return json.loads((tmp_path / "kernel" / "session.json").read_text())


def test_the_file_has_what_the_page_says_and_where_spark_is(store, tmp_path, runtimes, monkeypatch):
    monkeypatch.setenv("HADOOP_CONF_DIR", "/etc/hadoop")
    monkeypatch.setenv("KRB5CCNAME", "/tmp/krb5cc_of_the_server")
    save(
        store,
        arguments={"master": "local[2]", "driver-memory": "3g"},
        configurations={"spark.sql.shuffle.partitions": "7"},
    )

    found = read(store, tmp_path, app_name="day")

    assert found["error"] == ""
    assert found["arguments"] == {"master": "local[2]", "driver-memory": "3g"}
    assert found["configurations"] == {"spark.sql.shuffle.partitions": "7"}
    assert (found["app_name"], found["spark_version"]) == ("day", "4.2.1")
    around = found["environment"]
    assert around["SPARK_HOME"] == str(runtimes)
    assert around["JAVA_HOME"] == str(tmp_path / "jdk")
    assert around["HADOOP_CONF_DIR"] == "/etc/hadoop"
    assert "-XX:Tier4" in around["SPARK_SUBMIT_OPTS"]
    assert "KRB5CCNAME" not in around
    assert {"driver-memory", "packages"} <= set(found["argument_names"])
    assert not {"class", "properties-file", "kill", "jars"} & set(found["argument_names"])


def test_the_file_is_its_owners_alone_and_replaced_whole(store, tmp_path, runtimes):
    read(store, tmp_path)
    before = (tmp_path / "kernel" / "session.json").stat()
    read(store, tmp_path)

    after = (tmp_path / "kernel" / "session.json").stat()
    assert stat.S_IMODE(after.st_mode) == 0o600
    assert before.st_ino != after.st_ino
    assert [path.name for path in (tmp_path / "kernel").iterdir()] == ["session.json"]


def test_secrets_stand_apart_or_are_left_out_with_the_reason(store, tmp_path, runtimes):
    save(
        store,
        arguments={"master": "local[2]", "driver-java-options": "-Dstore.password=s3cr3t-1 -Da=b"},
        configurations={
            KEY: "s3cr3t-2",
            "spark.authenticate.secret": "s3cr3t-3",
            "spark.ssl.keyPassword": "s3cr3t-4",
            "spark.sql.warehouse.url": "jdbc:mysql://h/db?user=a&password=s3cr3t-5",
            "spark.eventLog.dir": "s3a://bucket/events",
        },
    )

    found = read(store, tmp_path)

    assert found["hadoop_secrets"] == {"fs.s3a.secret.key": "s3cr3t-2"}
    assert found["authentication_secret"] == "s3cr3t-3"
    assert found["configurations"] == {"spark.eventLog.dir": "s3a://bucket/events"}
    assert found["arguments"] == {"master": "local[2]"}
    assert set(found["left_out"]) == {
        "driver-java-options",
        "spark.ssl.keyPassword",
        "spark.sql.warehouse.url",
    }
    assert all("spark.conf" in why for why in found["left_out"].values())
    apart = {name: found[name] for name in found.keys() - {"hadoop_secrets", "authentication_secret"}}
    assert "s3cr3t" not in json.dumps(apart)
    assert re.search(found["secret_names"], "spark.hadoop.fs.s3a.ACCESS.key")


def test_files_are_named_by_content_and_left_where_they_are(store, tmp_path, runtimes):
    store.dependencies.put("a.jar", [b"first"], user="ada")
    store.dependencies.put("a.jar", [b"second"], user="ada")
    store.dependencies.put("rules.py", [b"x = 1"], user="ada")
    save(store, jars=("a.jar@1",), py_files=("rules.py",))

    found = read(store, tmp_path)

    (jar,) = found["jars"]
    assert (jar["name"], jar["sha256"]) == ("a.jar", hashlib.sha256(b"first").hexdigest())
    assert jar["path"].startswith(str(store.root))
    assert [each["name"] for each in found["py_files"]] == ["rules.py"]


def test_files_are_copied_once_for_a_kernel_that_cannot_read_the_home(store, tmp_path, runtimes, monkeypatch):
    given = []
    monkeypatch.setattr(os, "fchown", lambda descriptor, uid, gid: given.append((uid, gid)))
    monkeypatch.setattr(os, "chown", lambda path, uid, gid, **_: given.append((path.name, uid, gid)))
    store.dependencies.put("a.jar", [b"first"], user="ada")
    save(store, jars=("a.jar",))
    copies = tmp_path / "kernel" / "files"

    (first,) = read(store, tmp_path, copies=copies, reader=Reader(uid=20007, gid=20008))["jars"]
    (again,) = read(store, tmp_path, copies=copies, reader=Reader(uid=20007, gid=20008))["jars"]

    assert first == again
    path = Path(first["path"])
    assert (path.name, path.parent.parent, path.read_bytes()) == ("a.jar", copies, b"first")
    assert stat.S_IMODE(copies.stat().st_mode) == 0o711
    assert given == [("a.jar", 20007, 20008), (20007, 20008), (20007, 20008)]


@pytest.mark.parametrize("kind", ["java", "configuration"])
def test_what_is_wrong_is_told_to_the_session_and_refuses_no_kernel(
    store, tmp_path, runtimes, monkeypatch, kind
):
    if kind == "java":
        monkeypatch.setenv("JAVA_HOME", "/nowhere")
    else:
        store.dependencies.put("a.jar", [b"first"], user="ada")
        save(store, jars=("a.jar",))
        store.dependencies.delete("a.jar")

    found = read(store, tmp_path)

    assert ("JAVA_HOME is /nowhere" if kind == "java" else "a.jar") in found["error"]
    assert "configurations" not in found
