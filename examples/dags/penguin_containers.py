"""Tasks in containers with a gate: transform the penguins, look into the log, load twice, train.

Nothing to upload. It needs a container engine, and from Docker's registry the image ``python:3.13-slim``.
Variables switch it for development, each of them may be missing:

- ``penguin_containers_image``: another image; it needs bash and ``python3``
- ``penguin_containers_rows``: how many penguins are enough
- ``penguin_containers_training``: ``off`` leaves the training out

``docs/tasks-in-containers.md`` has the line of curl that starts it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from airflow.sdk import DAG, Variable, task
from airflow.sdk.exceptions import AirflowFailException

from couture_workflow.operators import DagOperator, env_file

try:
    from airflow.providers.docker.operators.docker import DockerOperator
except ModuleNotFoundError:  # the extra "containers" is not installed; the DAG says so when it runs
    DockerOperator = None

FOLDER = Path(__file__).resolve().parent
#: What the log of the transformation must hold, or nothing is loaded.
PHRASE = "ALL PENGUINS ARE SOUND"
#: A named volume: it is there for the next task, and for the next run.
DATA = {"type": "volume", "source": "penguin_containers", "target": "/data"}
RUN = "/data/{{ run_id | replace(':', '.') }}"
CONTAINER: dict[str, Any] = {
    "image": "{{ var.value.get('penguin_containers_image', 'python:3.13-slim') }}",
    "mounts": [DATA],
    # The worker may be a container itself: it has no folder that the engine knows.
    "mount_tmp_dir": False,
    "network_mode": "none",
    "mem_limit": "256m",
    "auto_remove": "force",
}

TRANSFORM = """
import csv, os, pathlib

rows = [row.split(",") for row in os.environ["PENGUINS"].split()]
kept = [row for row in rows if float(row[2]) > float(os.environ["LEAST_FLIPPER"])]
folder = pathlib.Path(os.environ["FOLDER"])
folder.mkdir(parents=True, exist_ok=True)
with open(folder / "penguins.csv", "w", newline="") as file:
    csv.writer(file).writerows(kept)
with open("/data/history.txt", "a") as file:
    print(folder.name, len(kept), file=file)
print(len(open("/data/history.txt").readlines()), "transformations are in this volume")
print("kept", len(kept), "of", len(rows))
if kept:
    print(os.environ["PHRASE"])
"""
TRAIN = """
import collections, csv, json, os

flippers = collections.defaultdict(list)
for species, island, flipper in csv.reader(open(os.environ["FOLDER"] + "/penguins.csv")):
    flippers[species].append(float(flipper))
print(json.dumps({name: round(sum(each) / len(each)) for name, each in sorted(flippers.items())}))
"""


@task.short_circuit(max_active_tis_per_dag=1)  # runs that start at once decide one after the other
def alone(ti: Any = None) -> bool:
    """Skip the rest of this run while another run of this DAG is active; a Variable names the one that is."""
    active = Variable.get("penguin_containers_active_run", default="")
    if active != ti.run_id and ti.get_dr_count(ti.dag_id, run_ids=[active], states=["running"]):
        print(f"The run {active} is active.")
        return False
    Variable.set("penguin_containers_active_run", ti.run_id)
    return True


@task
def engine() -> str:
    """Return the version of the container engine, or say what is missing."""
    if DockerOperator is None:
        raise AirflowFailException(
            "Airflow's provider for Docker is not installed. Type: pip install 'couture-workflow[containers]'"
        )
    import docker

    try:
        return str(docker.from_env().version()["Version"])
    except docker.errors.DockerException as error:
        raise AirflowFailException(
            f"No container engine answers the worker: {error}. Start one, set DOCKER_HOST where the worker "
            "runs, or see docs/tasks-in-containers.md for the stack of containers."
        ) from None


@task
def read(rows: str) -> str:
    """Return species, island and length of the flippers of so many penguins, one in a line."""
    import csv

    with (FOLDER.parent / "data" / "penguins.csv").open(encoding="utf-8", newline="") as file:
        found = [
            f"{row['Species'].split()[0]},{row['Island']},{row['Flipper Length (mm)']}"
            for row in csv.DictReader(file)
            if row["Flipper Length (mm)"] != "NA"
        ]
    return "\n".join(found[: int(rows)])


@task.short_circuit
def sound(lines: list[str]) -> bool:
    """Go on only if the container has printed the phrase."""
    return any(PHRASE in line for line in lines)


def order(context: Any, dag_run_obj: Any) -> Any:
    """Let the training run, unless a Variable says that it is off."""
    return None if Variable.get("penguin_containers_training", default="on") == "off" else dag_run_obj


with DAG(
    dag_id="penguin_containers",
    description="Transform and load the penguins in containers, then train",
    schedule=None,
    catchup=False,
    tags=["example", "containers"],
    doc_md=__doc__,
):
    ready = engine()
    alone() >> ready
    if DockerOperator is not None:
        transform = DockerOperator(
            task_id="transform",
            command=["python3", "-c", TRANSFORM],
            environment={
                **env_file("penguin_containers.env"),
                "PENGUINS": "{{ ti.xcom_pull(task_ids='read') }}",
                "FOLDER": RUN,
                "PHRASE": PHRASE,
            },
            xcom_all=True,  # the gate looks at all lines of the log
            **CONTAINER,
        )

        @task.docker(expect_airflow=False, **CONTAINER)
        def load(folder: str, column: int) -> dict[str, int]:
            """Count the penguins of each value of a column, into a file of its own."""
            import collections
            import csv
            import json
            from pathlib import Path

            with Path(folder, "penguins.csv").open(newline="") as file:
                counted = dict(collections.Counter(row[column] for row in csv.reader(file)))
            Path(folder, f"column-{column}.json").write_text(json.dumps(counted))
            return counted

        train = DagOperator(
            task_id="train",
            run_dag_id="penguin_containers_training",
            python_callable=order,
            conf={"folder": RUN},
            poke_interval=5,
            description="Run the training and wait for its end",
        )
        ready >> read("{{ var.value.get('penguin_containers_rows', 1000) }}") >> transform
        loads = [
            load.override(task_id=f"load_{name}")(RUN, column)
            for column, name in enumerate(("species", "islands"))
        ]
        sound(transform.output) >> loads >> train

if DockerOperator is not None:
    with DAG(
        dag_id="penguin_containers_training",
        description="Learn from what penguin_containers has loaded; run by it",
        schedule=None,
        catchup=False,
        tags=["example", "containers"],
    ):
        DockerOperator(
            task_id="train",
            command=["python3", "-c", TRAIN],
            environment={"FOLDER": "{{ dag_run.conf['folder'] }}"},
            **CONTAINER,
        )
