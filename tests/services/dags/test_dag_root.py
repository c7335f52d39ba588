"""A folder of the DAG repository as the place of the DAGs: bundle, gate and versions."""

from __future__ import annotations

from pathlib import Path

import pytest
from airflow.dag_processing.bundles.base import unpack_bundle_version

from couture_workflow.bundles import DagRepositoryBundle
from couture_workflow.services.dags import repository as dag_repository
from couture_workflow.services.dags import root as dag_root
from couture_workflow.services.eda.dag_file import PATH as OWN
from couture_workflow.services.gate import check as dag_gate
from couture_workflow.services.git import remote as git_remote
from couture_workflow.services.git.remote import Remote
from couture_workflow.services.saving import save as dag_saving
from couture_workflow.store.home import Store

DAG = b"""
from shared.names import NAME
from airflow.sdk import DAG
with DAG(NAME) as dag:
    pass
"""


@pytest.fixture
def bundle(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DagRepositoryBundle:
    monkeypatch.setenv("AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_STORAGE_PATH", str(tmp_path / "bundles"))
    return DagRepositoryBundle(name=dag_repository.BUNDLE, home=str(store.root))


def save(store: Store, **files: bytes) -> str:
    changes = {f"{path.replace('__', '/')}.py": text for path, text in files.items()}
    return store.dags.save(changes, author="ann", message="x", base=store.dags.head()).id


def version_of(bundle: DagRepositoryBundle) -> str:
    return str(unpack_bundle_version(bundle.get_current_version(), bundle)[0])


def names(folder: Path) -> list[str]:
    """Return what is there of the repository; the product's own file stands beside it."""
    return sorted({path.relative_to(folder).as_posix() for path in folder.rglob("*.py")} - {OWN})


def test_the_bundle_shows_the_folder_alone(store: Store, bundle: DagRepositoryBundle) -> None:
    commit = save(store, team__dags__a=DAG, other__b=DAG)
    bundle.initialize()
    assert (version_of(bundle), names(bundle.path)) == (commit, ["other/b.py", "team/dags/a.py"])

    dag_root.choose(store.root, "team/dags")
    bundle.refresh()
    chosen = version_of(bundle)
    assert chosen != commit and dag_root.commit_of(chosen) == commit
    assert names(bundle.path) == ["a.py"]

    dag_root.choose(store.root, "other")
    bundle.refresh()
    assert names(bundle.path) == ["b.py"]
    assert (bundle.path / OWN).is_file()
    assert len({commit, chosen, version_of(bundle)}) == 3


def test_a_run_keeps_its_folder(store: Store, bundle: DagRepositoryBundle) -> None:
    save(store, team__a=DAG, other__b=DAG)
    dag_root.choose(store.root, "team")
    bundle.initialize()
    version = version_of(bundle)

    dag_root.choose(store.root, "other")
    save(store, team__a=b"new", other__b=b"new")
    again = DagRepositoryBundle(name=dag_repository.BUNDLE, home=str(store.root), version=version)
    again.initialize()

    assert names(again.path) == ["a.py"]
    assert (again.path / OWN).is_file()
    assert (again.path / "a.py").read_bytes() == DAG
    assert version_of(again) == version


def test_a_folder_that_is_not_there_holds_no_dags(store: Store, bundle: DagRepositoryBundle) -> None:
    save(store, a=DAG)
    for folder in ("nowhere", "a.py"):
        dag_root.choose(store.root, folder)
        bundle.refresh()
        assert names(bundle.path) == []


def test_the_gate_sees_the_folder_as_airflow_does(store: Store) -> None:
    dag_root.choose(store.root, "team/dags")
    save(store, team__dags__shared__names=b"NAME = 'ours'", shared__names=b"NAME = 'outside'")
    changes = {
        "team/dags/a.py": DAG,
        "elsewhere.py": b"import nothing_like_this\nfrom airflow.sdk import DAG",
    }

    report = dag_saving.check(store, changes)

    assert report.errors == ()
    assert [(graph.dag_id, graph.path) for graph in report.graphs] == [("ours", "team/dags/a.py")]
    wrong = dag_saving.check(store, {"team/dags/b.py": b"from airflow.sdk import DAG\nimport nowhere"})
    assert [problem.path for problem in wrong.errors] == ["team/dags/b.py"]
    files = {path: content for path, content in dag_repository.read_all(store).items()} | {
        "team/dags/a.py": DAG
    }
    (graph,) = dag_gate.graphs(files, ["team/dags/a.py", "shared/names.py"], store=store)
    assert graph.path == "team/dags/a.py"


def test_the_remote_sets_it_and_its_end_unsets_it(store: Store) -> None:
    remote = git_remote.save(
        store, Remote(url="https://git.example.org/x.git", folder="/team/dags/"), user="ann", base=None
    )
    assert dag_root.current(store.root) == "team/dags"

    git_remote.save(store, Remote(), user="ann", base=remote.commit)
    assert dag_root.current(store.root) == ""


def test_paths_are_told_from_both_ends() -> None:
    assert dag_root.inside("", "a.py") == "a.py"
    assert dag_root.inside("team", "team/a.py") == "a.py"
    assert dag_root.inside("team", "teams/a.py") is None
    assert dag_root.whole("team/dags", "x/a.py") == "team/dags/x/a.py"
    assert dag_root.whole("", "a.py") == "a.py"
