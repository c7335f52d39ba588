"""The doctor: every damage is named with its file and its remedy, and only real garbage is removed."""

from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from couture_workflow.exceptions import CorruptError
from couture_workflow.services.workbench import doctor
from couture_workflow.services.workbench.doctor import Finding
from couture_workflow.store.home import Store
from tests.support import homes


@pytest.fixture
def filled(store: Store) -> Store:
    """A home with something of everything."""
    homes.fill_store(store)
    return store


def findings(store: Store) -> list[Finding]:
    return [finding for finding in doctor.check(store) if "free on its disk" not in finding.problem]


def test_sound_home_has_no_findings(filled: Store) -> None:
    assert findings(filled) == []


def damage_manifest(store: Store) -> Path:
    path = store.dependencies.manifests.path("a.jar")
    path.write_text("{")
    return path


def damage_deleted_manifest(store: Store) -> Path:
    path = store.artifacts.deleted_manifests.path("gone.py")
    path.write_text("[]")
    return path


def flip_content(store: Store) -> Path:
    path = store.dependencies.path("a.jar", 1)
    path.write_bytes(b"oNe")
    return path


def truncate_content(store: Store) -> Path:
    path = store.dependencies.path("a.jar", 1)
    os.truncate(path, 0)
    return path


def remove_content(store: Store) -> Path:
    path = store.dependencies.path("a.jar", 1)
    path.unlink()
    return path


def break_repository(store: Store) -> Path:
    for path in (store.config.path / "objects").rglob("*"):
        if path.is_file():
            path.chmod(0o644)
            path.write_bytes(b"")
    return store.config.path


def garble_branch(store: Store) -> Path:
    (store.config.path / "refs/heads/main").write_text("garbage")
    return store.config.path


def remove_repository(store: Store) -> Path:
    shutil.rmtree(store.config.path)
    return store.config.path


def damage_secret(store: Store) -> Path:
    path = store.secrets.folder / "keytab"
    path.write_bytes(b"garbage")
    return path


def open_secret_to_others(store: Store) -> Path:
    path = store.secrets.folder / "keytab"
    path.chmod(0o644)
    return path


def open_secrets_to_others(store: Store) -> Path:
    store.secrets.folder.chmod(0o755)
    return store.secrets.folder


def remove_folder(store: Store) -> Path:
    store.runs.rmdir()
    return store.runs


def write_newer_version(store: Store) -> Path:
    path = store.root / "version"
    path.write_text("9")
    return path


def remove_version(store: Store) -> Path:
    path = store.root / "version"
    path.unlink()
    return path


def leave_temporary_file(store: Store) -> Path:
    path = store.blobs.temporary / ".tmp-dead"
    path.write_bytes(b"half")
    os.utime(path, (1, 1))
    return path


DAMAGES = {
    damage_manifest: ("manifest of a.jar is damaged", "Restore it from a backup; or remove it"),
    damage_deleted_manifest: ("manifest of gone.py is damaged", "Restore it from a backup; or remove it"),
    flip_content: (
        "does not have the sha256.* belongs to dependencies/a.jar@1",
        "Upload the same file again",
    ),
    truncate_content: (
        "0 bytes instead of 3.* belongs to dependencies/a.jar@1",
        "Upload the same file again",
    ),
    remove_content: ("is missing.* belongs to dependencies/a.jar@1", "Upload the same file again"),
    break_repository: ("git fsck says", "from a backup"),
    garble_branch: ("git fsck says", "from a backup"),
    remove_repository: ("missing", "from a backup"),
    damage_secret: ("cannot be decrypted", "enter the secret again"),
    open_secret_to_others: ("Others may use it", "chmod 600"),
    open_secrets_to_others: ("Others may use it", "chmod 700"),
    remove_folder: ("missing", "Start Couture Workflow"),
    write_newer_version: ("newer Couture Workflow", "Choose"),
    remove_version: ("missing", "Start Couture Workflow"),
    leave_temporary_file: ("killed left it behind", "couture-workflow doctor --clean"),
}


@pytest.mark.parametrize(
    ("damage", "problem", "remedy"),
    [(damage, *texts) for damage, texts in DAMAGES.items()],
    ids=[damage.__name__ for damage in DAMAGES],
)
def test_damage_is_named_with_its_file_and_remedy(
    filled: Store, damage: Callable[[Store], Path], problem: str, remedy: str
) -> None:
    path = damage(filled)

    (finding,) = findings(filled)

    assert finding.path == path
    assert re.search(problem, finding.problem)
    assert remedy in finding.remedy
    assert str(finding).startswith(f"{path}: ")


def test_content_of_several_names_is_reported_once_with_all_of_them(filled: Store) -> None:
    filled.dependencies.path("a.jar").write_bytes(b"tWo")

    (finding,) = findings(filled)

    assert "dependencies/a.jar@2, artifacts/größe.py@1" in finding.problem


def test_content_of_a_deleted_file_is_looked_at_too(filled: Store) -> None:
    version = filled.artifacts.deleted()[0].current_version
    filled.blobs.path(version.sha256).unlink()

    (finding,) = findings(filled)

    assert "deleted artifacts/gone.py@1" in finding.problem


def test_other_key_is_reported_for_every_secret(filled: Store) -> None:
    other = Store.open(filled.root, secret_key=Fernet.generate_key().decode())

    assert [finding.path for finding in findings(other)] == [
        filled.config.path / "spark.yaml",
        filled.secrets.folder / "keytab",
    ]


@pytest.mark.parametrize("key", ["", "short"])
def test_unusable_key_is_reported(filled: Store, key: str) -> None:
    found = findings(Store.open(filled.root, secret_key=key))

    assert filled.secrets.folder in [finding.path for finding in found]
    assert all("[couture_workflow] secret_key" in finding.remedy for finding in found)


def test_many_damages_are_all_named_at_once(filled: Store) -> None:
    paths = {
        damage(filled) for damage in (damage_deleted_manifest, flip_content, garble_branch, damage_secret)
    }

    assert {finding.path for finding in findings(filled)} == paths


def test_garbage_is_what_no_file_refers_to(filled: Store) -> None:
    orphan = filled.blobs.path("0" * 64)
    orphan.parent.mkdir(exist_ok=True)
    orphan.write_bytes(b"orphan")
    os.utime(orphan, (1, 1))
    leftover = leave_temporary_file(filled)

    removed = doctor.collect_garbage(filled)

    assert removed == doctor.Garbage((orphan, leftover), len(b"orphan") + len(b"half"))
    assert findings(filled) == []
    assert filled.artifacts.undelete("gone.py").current == 1
    assert filled.artifacts.open("gone.py").read() == b"gone"
    assert filled.dependencies.open("a.jar", 1).read() == b"one"


def test_garbage_is_not_collected_while_a_manifest_is_damaged(filled: Store) -> None:
    content = filled.dependencies.path("a.jar", 1)
    damage_manifest(filled)

    with pytest.raises(CorruptError, match="a.jar"):
        doctor.collect_garbage(filled)

    assert content.exists()


def test_new_temporary_files_are_left_alone(filled: Store) -> None:
    path = filled.blobs.temporary / ".tmp-young"
    path.write_bytes(b"")
    os.utime(path, (time.time() - 60, time.time() - 60))

    assert findings(filled) == []
    assert doctor.collect_garbage(filled).paths == ()
    assert path.exists()


def test_a_model_server_that_does_not_answer_is_named_unless_the_workbench_has_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AIRFLOW__COUTURE_WORKFLOW__SERVING_URL", "http://serving.invalid:8501")
    (finding,) = doctor.check_model_server()
    monkeypatch.setenv("AIRFLOW__COUTURE_WORKFLOW__SERVING_URL", "http://127.0.0.1:9")

    assert finding.path == "model server http://serving.invalid:8501"
    assert finding.problem.startswith("The model server does not answer at http://serving.invalid:8501 (")
    assert "docker compose up -d serving" in finding.remedy
    assert doctor.check_model_server() == []
