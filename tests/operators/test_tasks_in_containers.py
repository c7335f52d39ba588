"""Tasks in containers by a real engine, in the workbench: what they are given, what stays, how they end."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from couture_workflow.store.home import Store
from tests.support.container_python import load_python
from tests.support.docker import engine
from tests.support.kubernetes_api import refusing_cluster
from tests.support.spark import until
from tests.support.workbench import Workbench

pytestmark = [pytest.mark.workbench, pytest.mark.slow]

API = "/api/v2"
#: Of the containers and the volumes that these tests make.
TOKEN = f"couture-test-{uuid.uuid4().hex[:8]}"
EXAMPLE = "penguin_containers"
DAG_FILE = """
from airflow.providers.docker.operators.docker import DockerOperator
from airflow.sdk import DAG, task
from couture_workflow.operators import env_file

CONTAINER = {
    "image": "{{ var.value.container_image }}", "network_mode": "none", "mount_tmp_dir": False,
    "mounts": [{"type": "volume", "source": "VOLUME", "target": "/data"}], "labels": {"test": "VOLUME"},
    "auto_remove": "force",
}

with DAG("in_containers", schedule=None):
    write = DockerOperator(
        task_id="write",
        command=[
            "sh", "-c",
            "echo $STAGE $FROM_FILE $OTHER > /data/kept; echo secret: $TOKEN $PASS; echo done",
        ],
        environment={
            "STAGE": "{{ var.value.container_stage }}", "OTHER": "$HOME",
            "PASS": "{{ var.value.container_password }}",
        },
        env_file="kept.env",
        private_environment=env_file("secret.env", secret=True),
        **CONTAINER,
    )
    read = DockerOperator(
        task_id="read", command=["python3", "-c", "print(open('/data/kept').read().strip())"], **CONTAINER
    )

    @task.docker(expect_airflow=False, multiple_outputs=True, **CONTAINER)
    def compute(text: str) -> dict:
        import os
        return {"words": text.split(), "uid": os.getuid()}

    write >> read >> compute(read.output)

with DAG("in_containers_for_long", schedule=None):
    DockerOperator(
        task_id="wait",
        command=["python3", "-c", "print('begun', flush=True); import time; time.sleep(3600)"],
        **CONTAINER,
    )
"""
POD_FILE = """
from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator
from airflow.providers.cncf.kubernetes.secret import Secret
from airflow.sdk import DAG, task
from couture_workflow.operators import env_file
from kubernetes.client import models as k8s

CLAIM = k8s.V1PersistentVolumeClaimVolumeSource(claim_name="penguins")
POD = {
    "kubernetes_conn_id": None, "config_file": "KUBECONFIG", "namespace": "jobs",
    "image": "{{ var.value.container_image }}", "service_account_name": "loader",
    "env_vars": {**env_file("kept.env"), "STAGE": "{{ var.value.container_stage }}"},
    "secrets": [Secret("env", "TOKEN", "loader-secrets", "token")],
    "container_resources": k8s.V1ResourceRequirements(requests={"cpu": "500m"}, limits={"memory": "1Gi"}),
    "volumes": [k8s.V1Volume(name="data", persistent_volume_claim=CLAIM)],
    "volume_mounts": [k8s.V1VolumeMount(name="data", mount_path="/data")],
}

with DAG("in_pods", schedule=None):
    KubernetesPodOperator(task_id="load", cmds=["load"], arguments=["--run", "{{ run_id }}"], **POD)

    @task.kubernetes(**POD)
    def compute(number):
        return number + 1

    compute(1)
"""


@pytest.fixture(scope="module")
def host(workbench: Workbench) -> Iterator[str]:
    """Give the workbench's tasks an engine; no container and no volume of these tests stays."""
    folder = Path(tempfile.mkdtemp(prefix="engine-"))
    link = workbench.home.with_name("docker.sock")
    try:
        with engine(folder) as address:
            if not address.startswith("unix://"):
                pytest.skip("the container engine of this machine has no socket")
            link.symlink_to(address.removeprefix("unix://"))
            image = load_python(address)
            client = workbench.client("superadmin")
            variables = {
                "container_image": image, "container_stage": "test", "container_password": "swordfish",
                f"{EXAMPLE}_image": image,
            }  # fmt: skip
            for key, value in variables.items():
                client.post(f"{API}/variables", json={"key": key, "value": value}).raise_for_status()
            kept = docker(address, "volume", "ls", "--quiet", "--filter", f"name=^{EXAMPLE}$")
            yield address
            for key in (*variables, f"{EXAMPLE}_active_run"):
                client.delete(f"{API}/variables/{key}")
            if left := docker(address, "ps", "--all", "--quiet", "--filter", f"label=test={TOKEN}"):
                docker(address, "rm", "--force", *left.split())
            docker(address, "volume", "rm", "--force", TOKEN, *([] if kept else [EXAMPLE]))
    finally:
        link.unlink(missing_ok=True)
        shutil.rmtree(folder, ignore_errors=True)


def docker(host: str, *words: str) -> str:
    """Run the engine's client and return what it printed."""
    done = subprocess.run(["docker", "--host", host, *words], capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, list[dict[str, Any]]]]:
    """Give the file that leads to a cluster, and the pods that it was asked to make."""
    file = tmp_path_factory.mktemp("cluster") / "config"
    with refusing_cluster(file) as asked:
        yield file, asked


@pytest.fixture(scope="module")
def dags(workbench: Workbench, host: str, cluster: tuple[Path, list[dict[str, Any]]]) -> Iterator[None]:
    """Save the DAGs, with the files that they read."""
    store = Store(workbench.home)
    files = {
        "in_containers.py": DAG_FILE.replace("VOLUME", TOKEN),
        "in_pods.py": POD_FILE.replace("KUBECONFIG", str(cluster[0])),
        "kept.env": "FROM_FILE=file\n",
        "secret.env": "TOKEN='hunter2 is no secret'\n",
    }
    changes = {path: text.encode() for path, text in files.items()}
    store.dags.save(changes, author="tests", message="Containers", base=store.dags.head())
    yield
    gone: dict[str, Any] = dict.fromkeys(files)
    store.dags.save(gone, author="tests", message="Containers", base=store.dags.head())


def start(workbench: Workbench, dag_id: str) -> Callable[..., Any]:
    """Start a run as curl would; return what asks for a part of it."""
    client = workbench.client("developer")
    until(lambda: client.get(f"{API}/dags/{dag_id}").status_code == 200, what=dag_id)
    client.patch(f"{API}/dags/{dag_id}", json={"is_paused": False}).raise_for_status()
    run = {"logical_date": datetime.now(UTC).isoformat()}
    started = client.post(f"{API}/dags/{dag_id}/dagRuns", json=run).raise_for_status().json()
    address = f"{API}/dags/{dag_id}/dagRuns/{started['dag_run_id']}"
    return lambda part="": client.get(f"{address}{part}").json()


def ended(run: Callable[..., Any]) -> dict[str, str]:
    """Wait for the end of a run and return the state of each task."""
    until(lambda: run()["state"] in ("success", "failed"), seconds=240, what="the run")
    return {each["task_id"]: each["state"] for each in run("/taskInstances")["task_instances"]}


def returned(run: Callable[..., Any], task: str, key: str = "return_value") -> Any:
    return run(f"/taskInstances/{task}/xcomEntries/{key}").get("value")


def log(run: Callable[..., Any], task: str) -> str:
    """Return all that the log of a task has, "" before there is one."""
    return json.dumps(run(f"/taskInstances/{task}/logs/1").get("content", ""))


def test_variables_files_and_a_volume_reach_the_container_and_a_secret_stays_hidden(
    workbench: Workbench, host: str, dags: None
) -> None:
    run = start(workbench, "in_containers")

    assert set(ended(run).values()) == {"success"}
    assert returned(run, "read") == "test file $HOME"
    assert returned(run, "compute", "words") == ["test", "file", "$HOME"]
    assert returned(run, "compute", "uid") == 0
    rendered = run("/taskInstances/write")["rendered_fields"]
    assert "secret: *** ***" in log(run, "write")
    assert rendered["environment"]["STAGE"] == "test"
    shown = f"{log(run, 'write')}{rendered}{returned(run, 'write')}"
    assert "hunter2" not in shown and "swordfish" not in shown
    assert docker(host, "ps", "--all", "--quiet", "--filter", f"label=test={TOKEN}") == ""


def test_a_task_that_is_killed_takes_its_container_along(workbench: Workbench, host: str, dags: None) -> None:
    run = start(workbench, "in_containers_for_long")
    running = ("ps", "--quiet", "--filter", f"label=test={TOKEN}")
    until(lambda: "begun" in log(run, "wait"), seconds=240, what="the container")
    assert len(docker(host, *running).split()) == 1

    address = f"{API}/dags/in_containers_for_long/dagRuns/{run()['dag_run_id']}/taskInstances/wait"
    workbench.client("developer").patch(address, json={"new_state": "failed"}).raise_for_status()

    # It does not listen to SIGTERM: the engine kills it, after the task's own process has had to go.
    until(lambda: docker(host, *running) == "", seconds=240, what="the end of the container")
    assert ended(run) == {"wait": "failed"}


def test_the_pods_that_kubernetes_is_asked_for_are_what_the_file_says(
    workbench: Workbench, cluster: tuple[Path, list[dict[str, Any]]], dags: None
) -> None:
    from airflow.providers.cncf.kubernetes.pod_generator import PodGenerator
    from kubernetes.client import ApiClient

    run = start(workbench, "in_pods")

    assert ended(run) == {"load": "failed", "compute": "failed"}
    assert "pods is forbidden: the service account cannot create pods" in log(run, "load")
    pods = {pod["metadata"]["labels"]["task_id"]: pod for pod in cluster[1]}
    for sent in pods.values():
        # The client's own models take all of it, and say the same again.
        pod: Any = PodGenerator.deserialize_model_dict(sent)
        assert ApiClient().sanitize_for_serialization(pod) == sent
        assert (pod.metadata.namespace, pod.spec.service_account_name) == ("jobs", "loader")
        (container, *_sidecar) = pod.spec.containers
        given = {each.name: each.value for each in container.env}
        assert (given["STAGE"], given["FROM_FILE"]) == ("test", "file")
        (secret,) = [each.value_from.secret_key_ref for each in container.env if each.name == "TOKEN"]
        assert (secret.name, secret.key) == ("loader-secrets", "token")
        assert container.image.startswith("tests/python:")
        assert (container.resources.limits, container.resources.requests) == (
            {"memory": "1Gi"}, {"cpu": "500m"},
        )  # fmt: skip
        assert [each.mount_path for each in container.volume_mounts][0] == "/data"
        assert pod.spec.volumes[0].persistent_volume_claim.claim_name == "penguins"
    assert pods["load"]["spec"]["containers"][0]["args"] == ["--run", run()["dag_run_id"]]
    script = {each["name"]: each.get("value") for each in pods["compute"]["spec"]["containers"][0]["env"]}
    assert "return number + 1" in base64.b64decode(script["__PYTHON_SCRIPT"]).decode()


def test_the_example_goes_through_its_gate_loads_twice_and_trains(workbench: Workbench, host: str) -> None:
    client = workbench.client("developer")
    run = start(workbench, EXAMPLE)
    until(lambda: run("/taskInstances/alone").get("state") == "success", seconds=240, what="the first task")
    second = start(workbench, EXAMPLE)

    assert set(ended(second).values()) == {"success", "skipped"}
    assert {name: state for name, state in ended(second).items() if state == "success"} == {
        "alone": "success"
    }
    assert set(ended(run).values()) == {"success"}
    assert returned(run, "transform")[-2:] == ["kept 340 of 342", "ALL PENGUINS ARE SOUND"]
    assert returned(run, "load_species")["Gentoo"] == 123
    assert set(returned(run, "load_islands")) == {"Biscoe", "Dream", "Torgersen"}
    trained = client.get(f"{API}/dags/{EXAMPLE}_training/dagRuns").json()["dag_runs"]
    assert [each["state"] for each in trained] == ["success"]
    child = trained[0]["dag_run_id"]
    value = client.get(
        f"{API}/dags/{EXAMPLE}_training/dagRuns/{child}/taskInstances/train/xcomEntries/return_value"
    ).json()["value"]
    assert '"Gentoo": 217' in value


def test_switches_of_the_example_close_the_gate(workbench: Workbench, host: str) -> None:
    client = workbench.client("superadmin")
    few = {"key": f"{EXAMPLE}_rows", "value": "0"}
    client.post(f"{API}/variables", json=few).raise_for_status()
    try:
        states = ended(start(workbench, EXAMPLE))
    finally:
        client.delete(f"{API}/variables/{EXAMPLE}_rows")

    assert {name for name, state in states.items() if state == "skipped"} == {
        "load_species", "load_islands", "train",
    }  # fmt: skip
