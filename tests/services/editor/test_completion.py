"""The index for completion: what is in it, made once, apart from the server."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytest

from couture_workflow.exceptions import CoutureError
from couture_workflow.services.editor import completion, completion_index
from couture_workflow.services.editor.completion_signature import arguments, function_arguments, summary
from couture_workflow.store.home import Store


@pytest.fixture(scope="module")
def index() -> dict[str, Any]:
    command = [sys.executable, "-m", completion_index.__name__]
    done = subprocess.run(command, capture_output=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def names(items: list[dict[str, Any]]) -> set[str]:
    return {item["name"] for item in items}


@pytest.mark.slow
def test_operators_of_ours_and_of_airflow_are_known_with_their_arguments(index: dict[str, Any]) -> None:
    spark = index["callables"]["couture_workflow.operators.CouturePySparkOperator"]
    bash = index["callables"]["airflow.providers.standard.operators.bash.BashOperator"]
    sensor = index["callables"]["airflow.providers.standard.sensors.filesystem.FileSensor"]

    assert names(spark["arguments"]) >= {"code_artifact", "jars", "py_files", "spark_arguments"}
    assert spark["arguments"][0]["name"] == "code_artifact"
    assert spark["arguments"][0]["required"]
    assert "code artifacts" in spark["arguments"][0]["help"]
    assert names(bash["arguments"]) >= {"bash_command", "env", "append_env"}
    append = next(item for item in bash["arguments"] if item["name"] == "append_env")
    assert (append["type"], append["default"]) == ("bool", "False")
    assert names(sensor["arguments"]) >= {"filepath", "poke_interval", "timeout", "mode"}
    assert all(item["task"] for item in (spark, bash, sensor))
    assert names(index["base"]) >= {"task_id", "retries", "trigger_rule", "pool", "on_failure_callback"}
    assert not names(bash["arguments"]) & names(index["base"])


def test_dag_and_decorators_are_known(index: dict[str, Any]) -> None:
    assert names(index["callables"]["airflow.sdk.DAG"]["arguments"]) >= {
        "dag_id",
        "schedule",
        "catchup",
        "tags",
    }
    assert (
        index["callables"]["airflow.sdk.dag"]["arguments"]
        == index["callables"]["airflow.sdk.DAG"]["arguments"]
    )
    assert index["decorators"].keys() >= {"python", "bash", "branch", "sensor", "short_circuit", "virtualenv"}
    assert "env" in names(index["decorators"]["bash"]["arguments"])
    assert "bash_command" not in names(index["decorators"]["bash"]["arguments"])
    assert "multiple_outputs" in names(index["decorators"]["python"]["arguments"])


def test_modules_rules_and_templates_are_known(index: dict[str, Any]) -> None:
    from airflow.sdk import TriggerRule

    def module(name: str) -> set[str]:
        return {item[0] for item in index["modules"][name]["names"]}

    assert module("airflow.sdk") >= {"DAG", "task", "Variable", "chain", "Param"}
    assert module("couture_workflow.operators") >= {"CoutureSparkOperator", "CouturePySparkOperator"}
    assert module("airflow.providers.standard.operators.bash") == {"BashOperator"}
    assert module("datetime") >= {"datetime", "timedelta"}
    assert set(index["values"]["trigger_rule"]) == {rule.value for rule in TriggerRule}
    assert {name for name, _ in index["jinja"]} >= {"ds", "ts", "dag_run", "params", "macros.ds_add"}
    assert index["complete"]


def test_index_is_made_once_and_kept(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    made = []

    def make() -> bytes:
        made.append(1)
        return b'{"complete": true}'

    monkeypatch.setattr(completion, "_make", make)
    first = completion.index(store)

    assert completion.index(store) == first
    assert made == [1]
    assert sorted(path.name for path in (store.root / "cache").glob("*.json")) == [
        f"completion-{first.fingerprint}.json"
    ]


def test_indexes_of_old_versions_are_forgotten(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(completion, "_make", lambda: b'{"complete": true}')
    folder = store.root / "cache"
    folder.mkdir()
    for number in range(6):
        path = folder / f"completion-{number}.json"
        path.write_bytes(b"{}")
        os.utime(path, (number, number))

    newest = completion.index(store)

    assert {path.name for path in folder.glob("*.json")} == {
        "completion-4.json",
        "completion-5.json",
        f"completion-{newest.fingerprint}.json",
    }


def test_failure_says_what_to_do(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")

    with pytest.raises(CoutureError, match="Reload to try again"):
        completion.index(store)

    assert list((store.root / "cache").glob("*.json")) == []


def test_secrets_of_the_environment_are_not_handed_on(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, str] = {}

    def run(*_: Any, env: dict[str, str], **__: Any) -> Any:
        seen.update(env)
        return subprocess.CompletedProcess([], 0, b'{"complete": true}', b"")

    monkeypatch.setenv("AIRFLOW_CONN_X", "secret")
    monkeypatch.setenv("AIRFLOW__CORE__FERNET_KEY", "secret")
    monkeypatch.setattr(subprocess, "run", run)
    completion.index(store)

    assert "PATH" in seen
    assert "secret" not in seen.values()


class Base:
    """A base.

    :param one: the first,
        on two lines
    :param two: not ours
    """

    def __init__(self, one: int, two: str = "x" * 100, **kwargs: object) -> None: ...


class Derived(Base):
    """Does :class:`~a.b.Thing` with ``that``.

    More.

    :param three: the third
    """

    def __init__(self, three: list[str] | None = None, *, _hidden: int = 0, **kwargs: object) -> None: ...


def test_arguments_come_from_all_bases_with_their_help() -> None:
    assert summary(Derived) == "Does a.b.Thing with `that`."
    assert arguments(Derived) == [
        {"name": "three", "type": "list[str] | None", "default": "None", "help": "the third"},
        {"name": "one", "type": "int", "default": "", "help": "the first, on two lines", "required": True},
        {"name": "two", "type": "str", "default": repr("x" * 100)[:59] + "…", "help": "not ours"},
    ]
    assert [item["name"] for item in arguments(Derived, until=Base)] == ["three"]
    assert function_arguments(len) == [
        {"name": "obj", "type": "", "default": "", "help": "", "required": True}
    ]
