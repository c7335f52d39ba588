"""Jobs on a cluster with Kerberos, in both modes, and what is told when there is no ticket."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import pytest

from couture_workflow.services.hadoop import connection, files, groups
from couture_workflow.services.hadoop.yarn import ResourceManager
from couture_workflow.services.kerberos import keytabs, tickets
from couture_workflow.services.runs import records as run_records
from couture_workflow.services.runs.records import Run, RunKey
from couture_workflow.store.home import Store
from tests.cluster.conftest import EXAMPLES, PATIENCE, Secure, run_penguins, start
from tests.services.kdc import REALM
from tests.support.spark import until

pytestmark = [pytest.mark.spark, pytest.mark.cluster, pytest.mark.timeout(2400)]

ALICE = f"alice@{REALM}"


def record(store: Store, run_id: str) -> Run:
    return run_records.read(store, RunKey("dag", run_id, "task"))


def private_folders() -> set[Path]:
    """Return what jobs have among this machine's temporary files: keytabs, tickets, Hadoop's files."""
    return set(Path(tempfile.gettempdir()).glob("couture-*/kerberos"))


@pytest.mark.always
@pytest.mark.parametrize("mode", ["client", "cluster"])
def test_a_job_reads_and_writes_as_the_principal_of_the_keytab(
    site: Store, secure: Secure, tmp_path: Path, mode: str
) -> None:
    before = private_folders()

    task = start(tmp_path, f"good-{mode}", mode, f"out/{mode}", "end")

    assert task.wait(PATIENCE) == 0, task.text()
    run = record(site, f"good-{mode}")
    assert (run.state, run.deploy_mode, run.hadoop_group, run.principal) == ("success", mode, "secure", ALICE)
    assert run.application_id
    assert run.tracking_url == f"{secure.hadoop.pages}/proxy/{run.application_id}/"
    if mode == "client":
        lines = task.text().splitlines()
        assert {"user alice", "days 7"} <= set(lines)
        assert f"written to {secure.hadoop.fs}/user/alice/out/{mode} of alice" in lines
    assert f"--principal {ALICE}" in run.command
    assert private_folders() <= before


def test_a_failed_driver_on_the_cluster_is_heard_in_the_tasks_log(
    site: Store, secure: Secure, tmp_path: Path
) -> None:
    task = start(tmp_path, "failing", "cluster", "out/failing", "fail")

    assert task.wait(PATIENCE) == 1, task.text()
    run = record(site, "failing")
    lines = task.text().splitlines()
    assert "days 7" in lines
    assert f"written to {secure.hadoop.fs}/user/alice/out/failing of alice" in lines
    assert run.error is not None
    assert run.error.splitlines()[0] == "ValueError: the job fails on purpose"


def test_the_example_pipeline_runs_with_kerberos(site: Store, secure: Secure, tmp_path: Path) -> None:
    lines = run_penguins(tmp_path, "penguins", ("cluster", "client"))

    expected = [json.loads(line) for line in (EXAMPLES / "expected" / "penguins.json").open()]
    table = lines[lines.index("----- penguins by species and sex -----") + 1 :]
    assert [row.split()[:3] for row in table[1 : len(expected) + 1]] == [
        [row["species"], row["sex"], str(row["penguins"])] for row in expected
    ]
    for step, mode in (("clean", "cluster"), ("summarize", "client")):
        run = record(site, f"penguins-{step}")
        assert (run.state, run.deploy_mode, run.principal) == ("success", mode, ALICE)


def test_two_principals_do_not_mix(site: Store, secure: Secure, tmp_path: Path) -> None:
    keytabs.upload(site, "bob", secure.kdc.keytab("bob"), user="a")
    keytabs.make_default(site, "bob")
    try:
        as_bob = start(tmp_path, "as-bob", "client", "out/bob", "sleep")
        as_bob.wait_for_line("^asleep|\nasleep", seconds=PATIENCE)
        keytabs.make_default(site, "alice")
        as_alice = start(tmp_path, "as-alice", "client", "/user/bob/out/alice", "end")
        assert as_alice.wait(PATIENCE) == 1
        assert "Permission denied: user=alice" in as_alice.text()
        as_bob.process.terminate()
        as_bob.wait(PATIENCE)
    finally:
        keytabs.make_default(site, "alice")
    assert f"written to {secure.hadoop.fs}/user/bob/out/bob of bob" in as_bob.text()
    assert (record(site, "as-bob").principal, record(site, "as-alice").principal) == (f"bob@{REALM}", ALICE)


def test_a_keytab_that_was_replaced_is_told_before_anything_starts(
    site: Store, secure: Secure, tmp_path: Path
) -> None:
    stale = secure.kdc.keytab("carol")
    secure.kdc.keytab("carol")
    keytabs.upload(site, "carol", stale, user="a")
    keytabs.make_default(site, "carol")
    try:
        task = start(tmp_path, "stale", "cluster", "out/stale", "end")
        assert task.wait(PATIENCE) == 1
    finally:
        keytabs.make_default(site, "alice")
    run = record(site, "stale")
    assert (run.state, run.hadoop_group, run.application_id) == ("failed", "secure", None)
    assert run.error is not None
    assert 'The cluster of the Hadoop group "secure" wants a Kerberos ticket' in run.error
    assert "kinit says: Preauthentication failed" in run.error


def test_a_kdc_that_does_not_answer_is_told_and_nothing_is_left(
    site: Store, secure: Secure, tmp_path: Path
) -> None:
    before = private_folders()
    with secure.kdc.down():
        task = start(tmp_path, "down", "cluster", "out/down", "end")
        assert task.wait(PATIENCE) == 1
    run = record(site, "down")
    assert run.error is not None
    assert "Cannot contact any KDC" in run.error
    assert private_folders() <= before


def test_a_killed_task_leaves_no_application_and_no_keytab(
    site: Store, secure: Secure, tmp_path: Path
) -> None:
    before = private_folders()
    task = start(tmp_path, "killed", "cluster", "out/killed", "sleep")
    application = task.wait_for_line(r"Submitted application application_\d+_\d+", seconds=PATIENCE)
    application = application.split()[-1]

    task.process.kill()
    task.wait()

    ticket = tickets.take(site, "alice", tmp_path)
    manager = ResourceManager(groups.properties(site, "secure"), ticket=ticket, user="")
    until(lambda: manager.application(application).state == "KILLED", seconds=PATIENCE, what="its end")
    until(lambda: private_folders() <= before, what="the end of its folder")


@pytest.mark.always
def test_the_connection_is_tested_with_a_ticket(site: Store, secure: Secure) -> None:
    steps = connection.test(site, "secure", seconds=PATIENCE)

    assert [(step.what, step.result) for step in steps] == [
        (connection.TICKET, connection.PASSED),
        (connection.FILE_SYSTEM, connection.PASSED),
        (connection.RESOURCE_MANAGER, connection.PASSED),
    ], steps
    assert ALICE in steps[0].said
    assert "/user" in steps[1].said


def test_a_group_that_says_nothing_of_kerberos_is_told_to(site: Store, secure: Secure) -> None:
    groups.add(site, "unaware", user="a")
    core = groups.contents(site, "secure")["core-site.xml"].replace(b">kerberos<", b">simple<")
    kept = {**groups.contents(site, "secure"), "core-site.xml": core}
    files.save(site, "unaware", kept, user="a")

    steps = {step.what: step for step in connection.test(site, "unaware", seconds=PATIENCE)}

    assert "SIMPLE authentication is not enabled" in steps[connection.FILE_SYSTEM].said
    assert "to kerberos in core-site.xml" in steps[connection.FILE_SYSTEM].remedy
    assert "401, Authentication required" in steps[connection.RESOURCE_MANAGER].said
