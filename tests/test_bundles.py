"""The DAG bundle, as Airflow's DAG processor and task runner use it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from airflow.dag_processing.bundles import base
from airflow.dag_processing.bundles.base import BundleVersion, BundleVersionLock
from airflow.dag_processing.dagbag import BundleDagBag

from couture_workflow.bundles import DagRepositoryBundle
from couture_workflow.exceptions import InvalidError, NotFoundError
from couture_workflow.services.dags import root as dag_root
from couture_workflow.services.eda.dag_file import PATH as OWN
from couture_workflow.services.eda.dag_file import TEXT
from couture_workflow.store.home import Store
from tests.support.processes import forked, wait_for

DAG = b"from airflow.sdk import DAG\nimport helper\nDAG(f'dag_{helper.NAME}')\n"


@pytest.fixture
def storage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "bundles"
    monkeypatch.setenv("AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_STORAGE_PATH", str(folder))
    monkeypatch.setattr(base, "STALE_BUNDLE_TRACKING_FOLDER", folder / "_tracking")
    return folder


def save(store: Store, changes: dict[str, bytes | None]) -> str:
    return store.dags.save(changes, author="ann", message="m", base=store.dags.head()).id


def bundle(version: str | None = None) -> DagRepositoryBundle:
    made = DagRepositoryBundle(name="dags", version=version)
    made.initialize()
    return made


def listed(path: Path) -> list[str]:
    return sorted(str(file.relative_to(path)) for file in path.rglob("*") if file.is_file())


def test_empty_repository_is_no_error_and_no_noise(
    store: Store, storage: Path, caplog: pytest.LogCaptureFixture
) -> None:
    made = bundle()

    assert made.get_current_version() is None
    assert listed(made.path) == [OWN]
    made.refresh()
    assert caplog.records == []


def test_home_that_was_never_made_is_an_empty_repository(
    storage: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__COUTURE_WORKFLOW__HOME", str(tmp_path / "nothing"))

    assert bundle().get_current_version() is None


def test_refresh_shows_the_newest_version_at_the_same_place(store: Store, storage: Path) -> None:
    first = save(store, {"a.py": b"1", "gone.py": b""})
    made = bundle()
    path = made.path
    assert made.get_current_version() == BundleVersion(first)

    second = save(store, {"a.py": b"2", "gone.py": None})
    assert made.get_current_version() == BundleVersion(first)
    assert (path / "a.py").read_bytes() == b"1"
    made.refresh()

    assert made.get_current_version() == BundleVersion(second)
    assert made.path == path
    assert listed(path) == [OWN, "a.py"]
    assert (path / "a.py").read_bytes() == b"2"


@pytest.mark.slow
def test_version_keeps_its_modules_whatever_is_saved_later(store: Store, storage: Path) -> None:
    first = save(store, {"one.py": DAG, "helper.py": b"NAME = 1"})
    save(store, {"helper.py": b"NAME = 2"})

    for version, expected in ((first, "dag_1"), (None, "dag_2")):
        path = bundle(version).path
        done = subprocess.run(
            [sys.executable, "-c", "import runpy, sys; sys.path.append('.'); runpy.run_path('one.py')"],
            cwd=path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert (path / "helper.py").read_text() == f"NAME = {expected[-1]}"


def test_airflow_loads_a_dag_and_knows_its_place(store: Store, storage: Path) -> None:
    save(store, {"team/one.py": b"from airflow.sdk import DAG\nwith DAG('one'):\n    pass\n"})
    made = bundle()

    bag = BundleDagBag(dag_folder=str(made.path), bundle_path=made.path, bundle_name="dags")

    assert {dag.dag_id: dag.relative_fileloc for dag in bag.dags.values()} == {
        "one": "team/one.py",
        "couture_eda": OWN,
    }
    assert bag.import_errors == {}


def test_products_own_dags_are_beside_those_of_every_version(store: Store, storage: Path) -> None:
    first = save(store, {"team/a.py": b"1"})
    followed, version = bundle(), bundle(first)
    assert (followed.path / OWN).read_text() == (version.path / OWN).read_text() == TEXT
    age = (followed.path / OWN).stat().st_mtime_ns

    (version.path / OWN).write_text("of an earlier release")
    save(store, {"team/b.py": b"2"})
    followed.refresh()

    assert (bundle(first).path / OWN).read_text() == TEXT
    assert listed(followed.path) == [OWN, "team/a.py", "team/b.py"]
    assert (followed.path / OWN).stat().st_mtime_ns == age

    dag_root.choose(store.root, "team")
    followed.refresh()
    assert listed(followed.path) == [OWN, "a.py", "b.py"]


def test_products_own_dags_win_over_files_of_their_name(store: Store, storage: Path) -> None:
    first = save(store, {OWN: b"raise SystemExit", "a.py": b"1"})

    assert (bundle().path / OWN).read_text() == (bundle(first).path / OWN).read_text() == TEXT

    second = save(store, {OWN: None, ".couture": b"a file", "a.py": b"2"})
    for path in (bundle().path, bundle(second).path):
        assert (path / "a.py").read_bytes() == b"2"
        assert (path / ".couture").read_bytes() == b"a file"


def test_config_only_changes_make_no_version(store: Store, storage: Path) -> None:
    first = save(store, {"a.py": b"1"})
    made = bundle()
    tree = made.path.resolve()

    store.config.save({"spark.yaml": b"x: 1"}, author="ann", message="", base=store.config.head())
    made.refresh()

    assert made.get_current_version() == BundleVersion(first)
    assert made.path.resolve() == tree


def test_version_is_made_by_one_of_several_tasks_that_start_at_once(store: Store, storage: Path) -> None:
    commit = save(store, {f"folder/{number}.py": b"%d" % number for number in range(200)})

    def start() -> None:
        path = bundle(commit).path
        assert len(list((path / "folder").iterdir())) == 200

    for child in [forked(start) for _ in range(4)]:
        wait_for(child)

    assert [path.name for path in (storage / "dags" / "versions").iterdir()] == [commit]


def test_task_start_takes_no_git_and_no_lock_once_the_version_is_there(
    store: Store, storage: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = save(store, {"a.py": b"1"})
    path = bundle(commit).path
    monkeypatch.setattr(Store, "__init__", _refuse)
    monkeypatch.setattr(DagRepositoryBundle, "lock", _refuse)

    assert bundle(commit).path == path


def _refuse(*arguments: object) -> None:
    raise AssertionError("not needed")


def test_version_in_use_is_locked_and_stays(
    store: Store, storage: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__DAG_PROCESSOR__STALE_BUNDLE_CLEANUP_MIN_VERSIONS", "0")
    monkeypatch.setenv("AIRFLOW__DAG_PROCESSOR__STALE_BUNDLE_CLEANUP_AGE_THRESHOLD", "-1")
    used, unused = save(store, {"a.py": b"1"}), save(store, {"a.py": b"2"})
    in_use = BundleVersionLock(bundle_name="dags", bundle_version=used)  # type: ignore[no-untyped-call]
    with in_use:
        paths = [bundle(used).path, bundle(unused).path]

        save(store, {"a.py": b"3"})
        bundle()

        assert [path.is_dir() for path in paths] == [True, False]
    assert (bundle(unused).path / "a.py").read_bytes() == b"2"


def test_unknown_and_malformed_versions_are_told(store: Store, storage: Path) -> None:
    save(store, {"a.py": b"1"})
    with pytest.raises(NotFoundError, match="There is no commit"):
        bundle("0" * 40)
    with pytest.raises(InvalidError, match="not the id of a commit"):
        bundle("../../etc")
    with pytest.raises(InvalidError, match="cannot change"):
        bundle(store.dags.head()).refresh()


def test_airflow_shows_a_link_to_the_version_where_it_knows_its_address(
    store: Store, storage: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert DagRepositoryBundle(name="dags").view_url_template() is None

    monkeypatch.setenv("AIRFLOW__API__BASE_URL", "https://example.org/air{flow}/")

    template = DagRepositoryBundle(name="dags").view_url_template() or ""
    assert template.format(version="abc") == "https://example.org/air%7Bflow%7D/couture/dag-history/abc"
