"""Test connection: what Hadoop's client says becomes a line and a remedy; a real one ends in time."""

from __future__ import annotations

import socket

import pytest

from couture_workflow.exceptions import InUseError
from couture_workflow.services.hadoop import connection, diagnosis, files, groups
from couture_workflow.services.hadoop.connection import (
    FAILED,
    FILE_SYSTEM,
    PASSED,
    RESOURCE_MANAGER,
    SKIPPED,
    TICKET,
)
from couture_workflow.store.home import Store


def group(store: Store, **properties: str) -> None:
    groups.add(store, "lab", user="ann")
    pairs = "".join(
        f"<property><name>{name.replace('__', '.')}</name><value>{value}</value></property>"
        for name, value in properties.items()
    )
    files.save(
        store, "lab", {"core-site.xml": f"<configuration>{pairs}</configuration>".encode()}, user="ann"
    )


@pytest.mark.parametrize(
    ("line", "said", "remedy"),
    [
        (
            "ls: Call From vm/127.0.0.1 to localhost:1 failed on connection exception: "
            "java.net.ConnectException: "
            "Connection refused; For more details see:  http://wiki.apache.org/hadoop/ConnectionRefused",
            "Call From vm/127.0.0.1 to localhost:1 failed on connection exception: "
            "java.net.ConnectException: Connection refused",
            "Nothing listens there",
        ),
        (
            "-ls: java.net.UnknownHostException: ns1",
            "java.net.UnknownHostException: ns1",
            "hdfs-site.xml too",
        ),
        (
            'Exception in thread "main" java.lang.RuntimeException: core-site.xml not found',
            "java.lang.RuntimeException: core-site.xml not found",
            "Upload the core-site.xml",
        ),
        (
            "-ls: Fatal internal error\njava.lang.RuntimeException: java.lang.ClassNotFoundException: Class "
            "org.apache.hadoop.fs.s3a.S3AFileSystem not found",
            "java.lang.RuntimeException: java.lang.ClassNotFoundException: Class "
            "org.apache.hadoop.fs.s3a.S3AFileSystem not found",
            "no driver for such a file system",
        ),
        (
            "ls: SIMPLE authentication is not enabled.  Available:[TOKEN, KERBEROS]",
            "SIMPLE authentication is not enabled.  Available:[TOKEN, KERBEROS]",
            "to kerberos in core-site.xml",
        ),
        (
            "ls: DestHost:destPort localhost:8020 , LocalHost:localPort vm/127.0.0.1:0. Failed on local "
            "exception: java.io.IOException: org.apache.hadoop.security.AccessControlException: Client "
            "cannot authenticate via:[TOKEN, KERBEROS]",
            "DestHost:destPort localhost:8020 , LocalHost:localPort vm/127.0.0.1:0. Failed on local "
            "exception: java.io.IOException: org.apache.hadoop.security.AccessControlException: Client "
            "cannot authenticate via:[TOKEN, KERBEROS]",
            "wants a Kerberos ticket",
        ),
        (
            'ls: Permission denied: user=bob, access=READ_EXECUTE, inode="/":hdfs:hdfs:drwx------',
            'Permission denied: user=bob, access=READ_EXECUTE, inode="/":hdfs:hdfs:drwx------',
            "does not let this account",
        ),
        (
            "ls: Failed on local exception: java.io.IOException: org.apache.hadoop.ipc.RpcException: RPC "
            "response exceeds maximum data length",
            "Failed on local exception: java.io.IOException: org.apache.hadoop.ipc.RpcException: RPC "
            "response exceeds maximum data length",
            "no NameNode",
        ),
        ("something else", "something else", "hdfs dfs -ls / works"),
        ("", "It ended without a word.", "hdfs dfs -ls / works"),
    ],
)
def test_what_the_client_says_becomes_a_line_and_a_remedy(line: str, said: str, remedy: str) -> None:
    found = diagnosis.explain(line.split("\n"))

    assert found.said == said
    assert remedy in found.remedy


@pytest.mark.spark
def test_a_client_lists_the_root_of_the_file_system(store: Store) -> None:
    group(store, fs__defaultFS="file:///")

    steps = {step.what: step for step in connection.test(store, "lab", seconds=120)}

    assert steps[FILE_SYSTEM].result == PASSED, steps
    assert "/etc" in steps[FILE_SYSTEM].said or "more" in steps[FILE_SYSTEM].said
    assert steps[RESOURCE_MANAGER].result == SKIPPED


@pytest.mark.spark
def test_a_client_that_waits_is_ended_in_time_and_nothing_of_it_is_left(store: Store) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        group(
            store, fs__defaultFS=f"hdfs://127.0.0.1:{port}", yarn__resourcemanager__hostname="nowhere.invalid"
        )

        steps = {step.what: step for step in connection.test(store, "lab", seconds=3)}

        assert (steps[FILE_SYSTEM].result, steps[RESOURCE_MANAGER].result) == (FAILED, FAILED)
        assert "did not answer within 3 seconds" in steps[FILE_SYSTEM].said
        assert "there is no host nowhere.invalid" in steps[RESOURCE_MANAGER].said
        assert steps[RESOURCE_MANAGER].remedy.startswith("Correct the name")


def test_a_group_with_kerberos_and_no_keytab_says_so_before_anything_is_tried(store: Store) -> None:
    group(store, fs__defaultFS="hdfs://127.0.0.1:1", hadoop__security__authentication="kerberos")

    (step,) = connection.test(store, "lab")

    assert (step.what, step.result) == (TICKET, FAILED)
    assert "There is no keytab" in step.said
    assert "Kerberos Configuration" in step.remedy


def test_whoever_finds_no_place_is_told_soon(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "_WAIT", 0.05)
    group(store)

    with connection._places, connection._places, pytest.raises(InUseError, match="tested already. Wait"):
        connection.test(store, "lab")
