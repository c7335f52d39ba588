"""The types of connections that we add to Airflow's form, and the hooks behind them."""

from __future__ import annotations

import json
import sqlite3
from importlib import metadata
from pathlib import Path

import pytest
from airflow.providers_manager import ProvidersManager, _create_provider_info_schema_validator
from airflow.sdk import BaseHook, Connection
from airflow.sdk.exceptions import AirflowException

from couture_workflow import provider
from couture_workflow.store.home import Store
from tests.support.jupyter_runtime import jupyter_or_skip

TYPES = {"postgres": "PostgreSQL", "mysql": "MySQL or MariaDB", "sqlite": "SQLite"}


def test_airflow_takes_our_types_and_finds_their_hooks() -> None:
    _create_provider_info_schema_validator().validate(provider.get_provider_info())
    shown = {
        each.connection_type: each for each in ProvidersManager().iter_connection_type_hook_ui_metadata()
    }

    assert {name: shown[name].hook_name for name in TYPES} == TYPES
    assert shown["sqlite"].field_behaviour["relabeling"] == {"host": "Database file"}
    for name, title in TYPES.items():
        hook = Connection(conn_id="some", conn_type=name).get_hook()
        assert (hook.conn_type, hook.hook_name) == (name, title)
        assert hook.package in provider.CONNECTION_TYPES
        with pytest.raises(AirflowException, match=f"Install the package {hook.package}"):
            hook.get_conn()


def test_airflows_own_package_goes_before_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    found = metadata.distribution

    def with_postgres(name: str) -> metadata.Distribution:
        return found("apache-airflow" if name == "apache-airflow-providers-postgres" else name)

    monkeypatch.setattr(metadata, "distribution", with_postgres)
    ours = [each["connection-type"] for each in provider.get_provider_info()["connection-types"]]
    assert ours == ["mysql", "sqlite"]


def test_a_connection_is_tried_as_a_source_would_reach_it(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    jupyter_or_skip()
    file = tmp_path / "a'b & ü.db"
    with sqlite3.connect(file) as database:
        database.execute("create table one (x)")
    for conn_id, path in (("fits", str(file)), ("lost", str(tmp_path / "nowhere.db"))):
        given = {"conn_type": "sqlite", "host": path}
        monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", json.dumps(given))

    assert BaseHook.get_hook("fits").test_connection() == (
        True,
        "The database answers. Tables and views that its user may read: 1.",
    )
    works, said = BaseHook.get_hook("lost").test_connection()
    assert not works and str(tmp_path / "nowhere.db") in said
