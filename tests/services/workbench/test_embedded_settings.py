"""Settings of the embedded workbench: keys, `airflow.cfg` and the environment of the services."""

from __future__ import annotations

import configparser
import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from couture_workflow.bundles import DagRepositoryBundle
from couture_workflow.services.workbench.airflow_settings import (
    KEYS,
    Layout,
    environment,
    local_address,
    write_config,
)


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    """Return the layout of an empty home with a hostile name."""
    found = Layout(tmp_path / "100% a'b\"<&>ü")
    found.airflow.mkdir(parents=True)
    return found


def read(layout: Layout) -> configparser.ConfigParser:
    """Read ``airflow.cfg`` like Airflow does: with interpolation."""
    parser = configparser.ConfigParser()
    parser.read(layout.config, encoding="utf-8")
    return parser


def test_the_config_survives_hostile_names_and_lists_the_bundles(layout: Layout) -> None:
    write_config(layout, host="127.0.0.1", port=8081, examples=True)

    config = read(layout)
    bundles = json.loads(config["dag_processor"]["dag_bundle_config_list"])

    assert [bundle["name"] for bundle in bundles] == ["dags", "examples"]
    assert bundles[0]["classpath"] == f"{DagRepositoryBundle.__module__}.{DagRepositoryBundle.__name__}"
    assert "path" not in bundles[0]["kwargs"]
    assert (Path(bundles[1]["kwargs"]["path"]) / "penguins.py").is_file()
    assert config["couture_workflow"]["home"] == str(layout.home)
    assert config["core"]["execution_api_server_url"] == "http://127.0.0.1:8081/execution/"


def test_examples_can_be_left_out(layout: Layout) -> None:
    write_config(layout, host="127.0.0.1", port=8081, examples=False)

    bundles = json.loads(read(layout)["dag_processor"]["dag_bundle_config_list"])

    assert [bundle["name"] for bundle in bundles] == ["dags"]


def test_keys_are_private_and_stay_the_same(layout: Layout) -> None:
    write_config(layout, host="127.0.0.1", port=1, examples=False)
    first = {name: (layout.keys / name).read_text() for name in KEYS}

    write_config(layout, host="127.0.0.1", port=2, examples=False)

    assert {name: (layout.keys / name).read_text() for name in KEYS} == first
    files = [layout.config, *(layout.keys / name for name in KEYS)]
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    assert stat.S_IMODE(layout.keys.stat().st_mode) == 0o700
    assert not [key for key in first.values() if key.strip() in layout.config.read_text()]


@pytest.mark.slow
def test_airflow_reads_the_keys_from_their_files(layout: Layout) -> None:
    write_config(layout, host="127.0.0.1", port=1, examples=False)
    (layout.keys / "fernet_key").write_text("another one\n")
    asked = [f"print(repr(conf.get({section!r}, {option!r})))" for section, option, _ in KEYS.values()]

    done = subprocess.run(
        [sys.executable, "-c", "\n".join(["from airflow.configuration import conf", *asked])],
        env=environment(layout, base={**os.environ, "AIRFLOW__CORE__FERNET_KEY": "a strangers"}),
        capture_output=True,
        text=True,
        check=True,
    )

    found = [repr((layout.keys / name).read_text().strip()) for name in KEYS]
    assert [line.replace("\\n", "") for line in done.stdout.splitlines()][: len(found)] == found
    assert found[0] == "'another one'"


def test_the_environment_carries_no_secret_and_no_stranger_s_settings(layout: Layout) -> None:
    write_config(layout, host="127.0.0.1", port=1, examples=False)
    base = {
        "PATH": "/bin",
        "COUTURE_ADMIN_PASSWORD": "a secret",
        "AIRFLOW_HOME": "/elsewhere",
        "AIRFLOW_CONFIG": "/elsewhere/airflow.cfg",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": "mysql://elsewhere",
        "AIRFLOW__CORE__FERNET_KEY_CMD": "cat elsewhere",
        "AIRFLOW__CORE__PARALLELISM": "3",
    }

    found = environment(layout, base=base)

    assert {name: value for name, value in found.items() if name.startswith(("AIRFLOW", "COUTURE"))} == {
        "AIRFLOW_HOME": str(layout.airflow),
        "COUTURE_HOME": str(layout.home),
        "AIRFLOW__CORE__PARALLELISM": "3",
    }
    # Tasks that make environments find a Python, also on a machine that has none on its path.
    assert found["PATH"].split(":") == ["/bin", str(Path(sys.executable).parent)]
    keys = [(layout.keys / name).read_text().strip() for name in KEYS]
    assert not [value for value in found.values() if any(key in value for key in [*keys, "a secret"])]


@pytest.mark.slow
def test_airflow_waits_for_another_process_that_writes(layout: Layout) -> None:
    write_config(layout, host="127.0.0.1", port=1, examples=False)
    code = """
import asyncio
from airflow import settings
from sqlalchemy import text
ask = text("PRAGMA busy_timeout")
async def later():
    async with settings.AsyncSession() as session:
        return (await session.execute(ask)).scalar()
with settings.engine.connect() as connection:
    print(connection.execute(ask).scalar(), asyncio.run(later()))
"""

    asked = subprocess.run(
        [sys.executable, "-c", code],
        env=environment(layout, base=os.environ),
        capture_output=True,
        text=True,
        check=True,
    )

    assert "30000 30000" in asked.stdout.splitlines()  # behind it, Airflow logs how it shuts down


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("127.0.0.1", "127.0.0.1"),
        ("0.0.0.0", "127.0.0.1"),
        ("::", "127.0.0.1"),
        ("::1", "[::1]"),
        ("10.1.2.3", "10.1.2.3"),
    ],
)
def test_the_services_reach_the_api_server_on_this_machine(host: str, address: str) -> None:
    assert local_address(host) == address


def test_tasks_without_an_owner_are_the_persons(layout: Layout) -> None:
    write_config(layout, host="127.0.0.1", port=1, examples=False, user="alice")
    assert read(layout)["operators"]["default_owner"] == "alice"

    write_config(layout, host="127.0.0.1", port=1, examples=False)
    assert not read(layout).has_option("operators", "default_owner")
