"""Every storage of values keeps, gives, lists and deletes them, and says in a sentence what it cannot do."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
from pathlib import Path
from typing import Any

import pytest

from couture_workflow.exceptions import StorageFullError, XComError
from couture_workflow.services.xcoms import references, storage, sweeping
from couture_workflow.services.xcoms.redis_storage import PREFIX
from tests.services.redis_server import PASSWORD, RedisServer, redis_server
from tests.services.s3_server import BUCKET, S3Server, s3_server
from tests.services.xcoms.test_xcom_values import pulled, pushed

__all__ = ["redis_server", "s3_server"]

pytestmark = pytest.mark.slow

polars = pytest.importorskip("polars", reason="needs polars")


def choose(patch: pytest.MonkeyPatch, address: str, connection: dict[str, Any] | None = None) -> None:
    """Set the options as an administrator does."""
    patch.setenv("AIRFLOW__COUTURE_WORKFLOW__XCOM_STORAGE", address)
    if connection is not None:
        patch.setenv("AIRFLOW__COUTURE_WORKFLOW__XCOM_CONNECTION", "values")
        patch.setenv("AIRFLOW_CONN_VALUES", json.dumps({"conn_type": "generic", **connection}))


def story() -> None:
    """Keep values, read them, find those of a run, delete them one by one."""
    frame, text = polars.DataFrame({"x": range(1000)}), "y" * 2**20
    shown = pushed([frame, frame.head(1)])
    large = pushed(text, run_id="other")

    assert pulled(shown)[0].equals(frame) and pulled(large) == text
    (runs,) = sweeping.files().values()
    assert {len(paths) for paths in runs.values()} == {1, 2}
    assert runs[references.folder_of("other")] == [large["file"]]
    assert sweeping.delete([each["file"] for each in shown]) == 2
    storage.chosen().delete(shown[0]["file"])  # it is gone already
    assert sorted(storage.chosen().names()) == [large["file"]]
    with pytest.raises(XComError, match="is gone from the storage"):
        pulled(shown)
    storage.chosen().delete(large["file"])
    assert not sweeping.files()


def test_a_folder_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    choose(monkeypatch, str(tmp_path / "elsewhere"))
    story()


def test_an_address_of_fsspec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    choose(monkeypatch, f"file://{tmp_path}/by fsspec")
    story()


def test_s3(s3_server: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    extra = json.dumps({"endpoint_url": s3_server.url, "region_name": "eu-central-1"})
    choose(monkeypatch, f"s3://{BUCKET}/deep/er", {"login": "someone", "password": PASSWORD, "extra": extra})
    story()

    kept = pushed(polars.DataFrame({"x": [1]}))
    assert f"<Key>deep/er/{kept['file']}</Key>" in s3_server.keys()
    monkeypatch.setenv("AIRFLOW__COUTURE_WORKFLOW__XCOM_STORAGE", "s3://no-such-bucket")
    with pytest.raises(XComError, match="s3://no-such-bucket, cannot be used: .*xcom_connection"):
        pushed(polars.DataFrame({"x": [1]}))
    choose(monkeypatch, "s3://values/x", {"extra": json.dumps({"endpoint_url": "http://127.0.0.1:9"})})
    with pytest.raises(XComError, match="s3://values/x, cannot be used"):  # and not: there is nothing
        sweeping.files()


def test_redis(redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch) -> None:
    choose(monkeypatch, redis_server.url, {"password": PASSWORD})
    story()

    kept = pushed(polars.DataFrame({"x": [1]}))
    assert redis_server.client().keys("*") == [f"{PREFIX}{kept['file']}".encode()]
    monkeypatch.setattr("couture_workflow.services.xcoms.redis_storage._PART", 100)
    frame = polars.DataFrame({"x": range(1000)})
    assert pulled(pushed(frame)).equals(frame)
    before = redis_server.client().keys("*")
    redis_server.client().config_set("maxmemory", redis_server.client().info("memory")["used_memory"] + 2**18)
    with pytest.raises(XComError, match="'maxmemory'. Look whether it is up and has room"):
        pushed(polars.DataFrame({"x": [str(number) * 9 for number in range(100_000)]}))
    assert redis_server.client().keys("*") == before
    choose(monkeypatch, redis_server.url, {"password": "wrong"})
    with pytest.raises(
        XComError, match="Redis at 127.0.0.1, cannot be used: .*Look whether it is up"
    ) as told:
        pushed(frame)
    assert "wrong" not in str(told.value)


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("relative/folder", "neither an address such as s3://bucket/folder nor the whole path of a folder"),
        ("redis://127.0.0.1:9/0", "Redis at 127.0.0.1, cannot be used"),
        ("nothing://user:secret@host/x", r"nothing://host/x, cannot be used: Protocol not known: nothing"),
    ],
)
def test_a_storage_that_cannot_be_is_told(address: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    choose(monkeypatch, address)

    with pytest.raises(XComError, match=said):
        pushed(polars.DataFrame({"x": [1]}))


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to mount a small disk")
def test_a_full_disk_is_told_and_nothing_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    choose(monkeypatch, str(tmp_path))
    frame = polars.DataFrame({"x": [secrets.token_hex() for _ in range(40_000)]})
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", tmp_path], check=False)
    if mounted.returncode:
        pytest.skip("needs the right to mount a small disk")
    try:
        for each in (frame, frame.to_pandas(), frame["x"].to_list()):
            with pytest.raises(StorageFullError, match="No space is left on the disk of"):
                pushed(each)
        assert not [path for path in tmp_path.rglob("*") if path.is_file()]
    finally:
        subprocess.run(["umount", tmp_path], check=True)


def test_a_connection_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    choose(monkeypatch, "s3://values")
    monkeypatch.setenv("AIRFLOW__COUTURE_WORKFLOW__XCOM_CONNECTION", "nobody")

    with pytest.raises(XComError, match="Airflow has no connection nobody, which the option xcom_connection"):
        pushed(polars.DataFrame({"x": [1]}))
