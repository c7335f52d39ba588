"""Jobs on clusters without Kerberos: what ends an application, two clusters at once, no cluster at all."""

from __future__ import annotations

import json
import signal
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from couture_workflow.services.hadoop import connection, files, groups
from couture_workflow.services.models import registering
from couture_workflow.services.runs import records as run_records
from couture_workflow.services.runs.records import Run, RunKey
from couture_workflow.store.home import Store
from tests.cluster.conftest import EXAMPLES, JAVA, PATIENCE, add_group, run_penguins, start
from tests.services import hadoop
from tests.services.hadoop import Hadoop
from tests.support.spark import SMALL, Task, until

pytestmark = [pytest.mark.spark, pytest.mark.cluster, pytest.mark.timeout(2400)]


def record(store: Store, run_id: str) -> Run:
    return run_records.read(store, RunKey("dag", run_id, "task"))


def post(cluster: Hadoop, path: str, body: dict[str, object] | None = None) -> dict[str, str]:
    request = urllib.request.Request(
        f"{cluster.pages}/ws/v1/cluster/{path}?user.name=bob",
        data=json.dumps(body or {}).encode(),
        headers={"Content-Type": "application/json"},
        method="POST",
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        text = answer.read()
    return dict(json.loads(text)) if text else {}


@pytest.fixture(scope="module")
def bystander(plain: Hadoop) -> Iterator[str]:
    """Run somebody else's application, which costs next to nothing; return its id."""
    application = post(plain, "apps/new-application")["application-id"]
    post(
        plain,
        "apps",
        {
            "application-id": application,
            "application-name": "bystander",
            "application-type": "YARN",
            "am-container-spec": {"commands": {"command": "sleep 3600"}},
            "max-app-attempts": 1,
            "resource": {"memory": 128, "vCores": 1},
        },
    )
    until(
        lambda: state(plain, application) in {"ACCEPTED", "RUNNING"}, seconds=PATIENCE, what="the bystander"
    )
    yield application
    assert state(plain, application) in {"ACCEPTED", "RUNNING"}


def state(cluster: Hadoop, application: str) -> str:
    return str(cluster.ask(f"apps/{application}")["app"]["state"])


@pytest.mark.parametrize("mode", ["cluster", "client"])
def test_a_stopped_job_ends_its_application_and_no_other(
    site: Store, plain: Hadoop, bystander: str, tmp_path: Path, mode: str
) -> None:
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "weights").write_text("1")
    registering.register_model(site, tmp_path / "rules", name="rules", kind="spark", user="a")
    arguments = (f"out/{mode}", "sleep", "rules")
    task = start(tmp_path, f"stopped-{mode}", mode, *arguments, models=["rules@1"])
    if mode == "client":
        task.wait_for_line("\nasleep", seconds=PATIENCE)
        assert "executor sees [['weights']]" in task.text()
    line = task.wait_for_line(r"Submitted application application_\d+_\d+", seconds=PATIENCE)
    application = line.split()[-1]

    task.process.send_signal(signal.SIGTERM)

    assert task.wait(PATIENCE) == 1
    assert "was killed. Nothing of it is left running." in task.text()
    until(lambda: state(plain, application) in {"KILLED", "FINISHED"}, what="its end")
    assert state(plain, bystander) in {"ACCEPTED", "RUNNING"}
    assert record(site, f"stopped-{mode}").state == "killed"
    assert application not in plain.shell("-ls", "-R", "/user/alice/.sparkStaging")


@pytest.mark.parametrize("modes", [("client", "cluster"), ("cluster", "client")])
def test_the_example_pipeline_reads_and_writes_in_hdfs(
    site: Store, plain: Hadoop, tmp_path: Path, modes: tuple[str, str]
) -> None:
    name = f"penguins-{'-'.join(modes)}"

    run_penguins(tmp_path, name, modes)

    written = plain.shell("-cat", f"/user/alice/{name}/summary/part-*", user="alice")
    assert written == (EXAMPLES / "expected" / "penguins.json").read_text()
    assert record(site, f"{name}-summarize").hadoop_group == "plain"


def test_two_groups_lead_to_two_clusters_at_once(
    site: Store, plain: Hadoop, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with hadoop.started(tmp_path_factory.mktemp("other") / "hadoop") as other:
        add_group(site, "other", other)
        tasks = {
            "plain": start(tmp_path, "to-plain", "client", "out/both", "end", hadoop_group="plain"),
            "other": start(tmp_path, "to-other", "client", "out/both", "end", hadoop_group="other"),
        }
        for name, cluster in (("plain", plain), ("other", other)):
            assert tasks[name].wait(PATIENCE) == 0, tasks[name].text()
            assert f"written to {cluster.fs}/user/alice/out/both of alice" in tasks[name].text()
            run = record(site, f"to-{name}")
            assert (run.hadoop_group, run.principal) == (name, "")
            assert run.tracking_url == f"{cluster.pages}/proxy/{run.application_id}/"


@pytest.mark.parametrize(
    ("group", "place"), [(None, "{fs}/user/alice/out/local"), ("", "file:{folder}/out/local")]
)
def test_a_local_job_has_the_default_group_unless_it_wants_none(
    site: Store, plain: Hadoop, tmp_path: Path, group: str | None, place: str
) -> None:
    path = f"{tmp_path}/out/local" if group == "" else "out/local"
    task = Task(
        tmp_path,
        run_id=f"local-{group}",
        app_name="local",
        code_artifact="job.py",
        suffixes=[".py"],
        arguments=[path, "end"],
        spark_arguments={"master": "local[1]"},
        spark_configurations={**SMALL, "spark.driver.extraJavaOptions": JAVA},
        hadoop_group=group,
    )
    assert task.wait(PATIENCE) == 0, task.text()
    assert f"written to {place.format(fs=plain.fs, folder=tmp_path)} of" in task.text()


def test_a_group_that_is_not_there_is_named_with_those_that_are(
    site: Store, plain: Hadoop, tmp_path: Path
) -> None:
    task = start(tmp_path, "unknown", "cluster", "out/x", "end", hadoop_group="nowhere")
    assert task.wait(PATIENCE) == 1
    assert 'There is no Hadoop group "nowhere"' in task.text()


def test_the_connection_is_tested_with_a_real_client(site: Store, plain: Hadoop) -> None:
    steps = connection.test(site, "plain", seconds=PATIENCE)

    assert [(step.what, step.result) for step in steps] == [
        (connection.FILE_SYSTEM, connection.PASSED),
        (connection.RESOURCE_MANAGER, connection.PASSED),
    ], steps
    assert "/user" in steps[0].said
    assert f"{plain.pages} is STARTED, ACTIVE" in steps[1].said


def test_the_port_of_web_pages_is_told_from_that_of_a_name_node(site: Store, plain: Hadoop) -> None:
    groups.add(site, "astray", user="a")
    pages = plain.pages.removeprefix("http://")
    core = f"<property><name>fs.defaultFS</name><value>hdfs://{pages}</value></property>"
    files.save(site, "astray", {"core-site.xml": f"<configuration>{core}</configuration>".encode()}, user="a")

    step = connection.test(site, "astray", seconds=PATIENCE)[0]

    assert (step.what, step.result) == (connection.FILE_SYSTEM, connection.FAILED)
    assert "is no NameNode" in step.remedy, step
