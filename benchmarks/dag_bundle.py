"""What reading DAGs from the repository costs at the start of a task, beside a plain folder.

A start is a fresh process that imports Airflow's task runner, finds the bundle, makes its files available,
marks the version as used and imports the DAG file: wall time until the DAG is loaded. The part of the bundle,
all but the imports of Airflow and of the DAG file, is told apart. Airflow's own git bundle does the same for
comparison. All three have used the version before, as all tasks but the first of a version have.
"""

from __future__ import annotations

import json
import tempfile
import time
from functools import partial
from pathlib import Path
from statistics import median

from benchmarks.measure import Result, in_fresh_process, in_turn

ROUNDS = 15
FILES = 200
LOCAL = "airflow.dag_processing.bundles.local"
GIT = "airflow.providers.git.bundles.git"

START = """
import json, sys, time
from airflow.sdk.execution_time import task_runner
from airflow.dag_processing.bundles.base import BundleVersionLock
from airflow.dag_processing.bundles.manager import DagBundlesManager
from airflow.dag_processing.dagbag import BundleDagBag
start = time.perf_counter()
name, version = sys.argv[1], sys.argv[2] or None
bundle = DagBundlesManager().get_bundle(name=name, version=version)
bundle.initialize()
with BundleVersionLock(bundle_name=name, bundle_version=version):
    part = time.perf_counter() - start
    bag = BundleDagBag(
        dag_folder=str(bundle.path / "folder_0" / "first.py"), bundle_path=bundle.path, bundle_name=name,
        safe_mode=False,
    )
    assert "first" in bag.dags, bag.import_errors
print(json.dumps([time.time() - float(sys.argv[3]), part]))
"""

#: Argument: a folder whose files become the first version.
SAVE = """
import sys
from pathlib import Path
from couture_workflow.store.home import Store
root = Path(sys.argv[1])
files = {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*.py")}
print(Store.open().dags.save(files, author="admin", message="all", base=None).id)
"""

DAG = """from airflow.sdk import DAG, task

import helpers

with DAG("first", schedule=None):
    task(helpers.work)()
"""


def run() -> list[Result]:
    """Measure it in fresh processes."""
    with tempfile.TemporaryDirectory(prefix="couture-benchmark-") as folder:
        home = Path(folder)
        plain = _write_files(home / "plain")
        version = in_fresh_process(SAVE, str(plain), env=_environment(home))
        ours, local, theirs = in_turn(
            ROUNDS,
            partial(_start, home, version, "couture_workflow.bundles.DagRepositoryBundle", {}),
            partial(_start, home, "", f"{LOCAL}.LocalDagBundle", {"path": str(plain)}),
            partial(_start, home, version, f"{GIT}.GitDagBundle", _git(home)),
        )
    (whole, part), (plain_whole, plain_part), (git_whole, git_part) = map(_medians, (ours, local, theirs))
    return [
        Result(
            "start of a task whose DAG is in the repository",
            f"{whole * 1000:.0f} ms",
            f"plain folder {plain_whole * 1000:.0f} ms, GitDagBundle {git_whole * 1000:.0f} ms",
            whole / plain_whole,
            1.1,
        ),
        Result(
            "the bundle's part in it",
            f"{part * 1000:.1f} ms",
            f"plain folder {plain_part * 1000:.1f} ms, GitDagBundle {git_part * 1000:.1f} ms",
            part / git_part,
            0.2,
        ),
    ]


def _medians(starts: list[list[float]]) -> list[float]:
    return [median(values) for values in zip(*starts, strict=True)]


def _write_files(folder: Path) -> Path:
    for number in range(FILES):
        path = folder / f"folder_{number % 10}" / f"module_{number}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"NUMBER = {number}\n" * 50)
    (folder / "folder_0" / "first.py").write_text(DAG)
    (folder / "helpers.py").write_text("def work():\n    return 1\n")
    return folder


def _git(home: Path) -> dict[str, str]:
    return {"tracking_ref": "main", "repo_url": str(home / "couture" / "dags.git")}


def _start(home: Path, version: str, classpath: str, options: dict[str, str]) -> list[float]:
    """Return the seconds that a start takes where this is the only bundle, and its part in them."""
    name = classpath.rpartition(".")[2]
    bundles = json.dumps([{"name": name, "classpath": classpath, "kwargs": options}])
    env = _environment(home) | {"AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST": bundles}
    found: list[float] = json.loads(in_fresh_process(START, name, version, str(time.time()), env=env))
    return found


def _environment(home: Path) -> dict[str, str]:
    return {
        "AIRFLOW_HOME": str(home / "airflow"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__LOGGING__LOGGING_LEVEL": "ERROR",
        "AIRFLOW__COUTURE_WORKFLOW__HOME": str(home / "couture"),
        "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_STORAGE_PATH": str(home / "bundles"),
        "AIRFLOW_CONN_GIT_DEFAULT": "git://",
    }
