"""The secrets of a stack of containers."""

from __future__ import annotations

import stat
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from cryptography.fernet import Fernet

from couture_workflow.exceptions import StartError
from couture_workflow.services.containers import secrets as container_secrets
from couture_workflow.services.containers.secrets import COPIES, FILES, PASSWORD_VARIABLE


@pytest.fixture(name="root")
def _root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv(PASSWORD_VARIABLE, raising=False)
    for name in (*FILES, *COPIES):
        (tmp_path / name).parent.mkdir(exist_ok=True)
    return tmp_path


def _all(root: Path) -> dict[str, str]:
    return {name: container_secrets.read(name, root) for name in FILES}


def test_every_secret_is_generated_once(root: Path) -> None:
    assert container_secrets.generate(root) == tuple(FILES)
    first = _all(root)
    assert container_secrets.generate(root) == ()
    assert _all(root) == first
    assert len(set(first.values())) == len(FILES)


def test_the_service_of_notebooks_has_the_key_of_now_and_nothing_else(root: Path) -> None:
    container_secrets.generate(root)
    assert [path.name for path in (root / "jupyter").iterdir()] == ["secret_key"]
    assert container_secrets.read("jupyter/secret_key", root) == container_secrets.read(
        "worker/secret_key", root
    )
    (root / "worker" / "secret_key").write_text("another, put there by a person or a restore")

    assert container_secrets.generate(root) == ()

    assert container_secrets.read("jupyter/secret_key", root).startswith("another,")
    assert stat.S_IMODE((root / "jupyter" / "secret_key").stat().st_mode) == 0o640


def test_two_stacks_share_no_secret(root: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    other = tmp_path_factory.mktemp("other")
    for name in (*FILES, *COPIES):
        (other / name).parent.mkdir(exist_ok=True)
    container_secrets.generate(root)
    container_secrets.generate(other)
    assert not set(_all(root).values()) & set(_all(other).values())


def test_nobody_else_can_read_a_secret(root: Path) -> None:
    container_secrets.generate(root)
    assert {stat.S_IMODE((root / name).stat().st_mode) for name in FILES} == {0o640}


def test_a_worker_gets_no_password_of_the_database(root: Path) -> None:
    container_secrets.generate(root)
    held = " ".join(path.read_text() for path in (root / "worker").iterdir())
    for name in FILES:
        if not name.startswith(("worker/", "rabbitmq/")):
            assert container_secrets.read(name, root) not in held
    results = urlsplit(container_secrets.read("worker/result_backend", root).removeprefix("db+"))
    assert (results.username, results.path) == ("celery", "/celery")


def test_addresses_hold_the_passwords_that_the_servers_get(root: Path) -> None:
    container_secrets.generate(root)
    database = urlsplit(container_secrets.read("airflow/sql_alchemy_conn", root))
    broker = urlsplit(container_secrets.read("worker/broker_url", root))
    assert database.password == container_secrets.read("mysql/password", root)
    assert broker.password == container_secrets.read("rabbitmq/password", root)
    assert (database.hostname, broker.hostname) == ("mysql", "rabbitmq")


def test_keys_are_keys(root: Path) -> None:
    container_secrets.generate(root)
    for name in ("airflow/fernet_key", "worker/secret_key"):
        Fernet(container_secrets.read(name, root))


def test_the_first_password_can_be_given_and_is_not_changed_later(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(PASSWORD_VARIABLE, "a'b\"<&>/../ü")
    container_secrets.generate(root)
    monkeypatch.setenv(PASSWORD_VARIABLE, "another one")
    container_secrets.generate(root)
    assert container_secrets.read("admin/password", root) == "a'b\"<&>/../ü"


def test_a_short_password_is_refused_before_anything_is_made(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(PASSWORD_VARIABLE, "short")
    with pytest.raises(StartError, match=PASSWORD_VARIABLE):
        container_secrets.generate(root)
    assert not [path for path in root.rglob("*") if path.is_file()]


@pytest.mark.parametrize("lost", ["airflow", "worker", "mysql", "rabbitmq"])
def test_a_lost_volume_is_named_instead_of_filled_with_new_keys(root: Path, lost: str) -> None:
    container_secrets.generate(root)
    for path in (root / lost).iterdir():
        path.unlink()
    with pytest.raises(StartError, match=f"volume secrets-{lost} from a backup"):
        container_secrets.generate(root)
    assert not [*(root / lost).iterdir()]


def test_a_start_that_was_killed_goes_on(root: Path) -> None:
    container_secrets.generate(root)
    (root / "admin" / "generated.json").unlink()  # written last
    (root / "worker" / "result_backend").unlink()
    kept = container_secrets.read("airflow/fernet_key", root)
    assert container_secrets.generate(root) == ("worker/result_backend",)
    assert container_secrets.read("airflow/fernet_key", root) == kept


def test_a_new_version_adds_its_secrets(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    older = {name: make for name, make in FILES.items() if name != "worker/secret_key"}
    with monkeypatch.context() as patch:
        patch.setattr(container_secrets, "FILES", older)
        container_secrets.generate(root)
    assert container_secrets.generate(root) == ("worker/secret_key",)


def test_a_folder_that_is_not_mounted_is_named(root: Path) -> None:
    (root / "worker").rmdir()
    with pytest.raises(StartError, match=str(root / "worker")):
        container_secrets.generate(root)


def test_a_secret_that_is_not_mounted_says_where_it_is(root: Path) -> None:
    with pytest.raises(StartError, match="docker compose run --rm init"):
        container_secrets.read("admin/password", root)
