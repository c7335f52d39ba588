"""Values between tasks in a real HDFS, by its REST interface."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.services import hadoop
from tests.services.xcoms.test_xcom_storages import choose, story
from tests.services.xcoms.test_xcom_values import pushed

pytestmark = pytest.mark.cluster

polars = pytest.importorskip("polars", reason="needs polars")


def test_values_are_files_of_their_owner_in_hdfs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with hadoop.started(tmp_path / "hdfs", users=("alice",), yarn=False) as cluster:
        address = f"webhdfs://localhost:{cluster.ports.namenode_http}/user/alice/values"
        choose(monkeypatch, address, {"login": "alice"})
        story()

        kept = pushed(polars.DataFrame({"x": [1]}))
        listed = cluster.shell("-ls", "-R", "/user/alice/values", user="alice")
        assert f"/user/alice/values/{kept['file']}" in listed and " alice " in listed
        choose(monkeypatch, address, {"login": "bob", "extra": json.dumps({})})
        with pytest.raises(Exception, match="cannot be used: .*[Pp]ermission"):
            pushed(polars.DataFrame({"x": [1]}))
