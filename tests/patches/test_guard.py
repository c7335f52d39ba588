"""A patch that does not fit is left out: one warning says why, and the doctor names it."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from couture_workflow import cli, patches
from couture_workflow.patches import Patch, Target, guard
from tests.support.celery_process import in_fresh_process

SOURCE = '''
import os
if os:
    LIMIT = ["/api"]
class Engine:
    fuel: int = 3
    def run(self, speed, *more, gear=1, **rest):
        """Run."""
        return self._turn(speed, kind="fast")
    async def stop(self):
        async def slowly(brake): ...
'''


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    (tmp_path / "couture_test_engine.py").write_text(SOURCE)
    monkeypatch.syspath_prepend(tmp_path)
    yield "couture_test_engine"
    guard._tree.cache_clear()


def patch_of(*targets: Target, **more: Any) -> Patch:
    words = {field.name: "" for field in dataclasses.fields(Patch)}
    return Patch(
        **{**words, "name": "engine", "without": "Engines run slowly.", "changes": targets, **more}  # type: ignore[arg-type]
    )


@pytest.mark.parametrize(
    "target",
    [
        Target("Engine.run", ("self", "speed", "gear", "more", "rest"), uses=("_turn", "kind", "fast")),
        Target("Engine.stop", ("self",), is_coroutine=True),
        Target("Engine.stop.slowly", ("brake",), is_coroutine=True),
        Target("Engine.fuel"),
        Target("LIMIT", uses=("/api",)),
        Target("os"),
    ],
)
def test_what_is_as_it_was_fits(engine: str, target: Target) -> None:
    assert guard.changed(patch_of(dataclasses.replace(target, path=f"{engine}:{target.path}"))) == ""


@pytest.mark.parametrize(
    ("target", "found"),
    [
        (Target("couture_no_such.thing:Engine"), "the module couture_no_such.thing is not there."),
        (Target("couture_test_engine:Engine.walk"), "couture_test_engine:Engine.walk is not there."),
        (
            Target("couture_test_engine:Engine.stop", ("self", "now")),
            "couture_test_engine:Engine.stop takes self instead of self, now.",
        ),
        (
            Target("couture_test_engine:Engine.run", uses=("_turn", "_push", "_pull")),
            "couture_test_engine:Engine.run makes no use of _push, _pull.",
        ),
        (
            Target("couture_test_engine:Engine.run", is_coroutine=True),
            "couture_test_engine:Engine.run is no coroutine.",
        ),
    ],
)
def test_what_has_changed_is_told(engine: str, target: Target, found: str) -> None:
    assert guard.changed(patch_of(target)) == found


def test_a_source_that_cannot_be_read_counts_as_changed(engine: str, tmp_path: Path) -> None:
    (tmp_path / "couture_test_engine.py").write_text("def (")

    assert guard.changed(patch_of(Target(f"{engine}:Engine"))) == f"the module {engine} is not there."


def test_one_warning_says_what_is_not_patched_and_what_to_do(
    engine: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(patches, "PATCHES", (patch_of(Target(f"{engine}:Engine.walk")),))
    guard.fits.cache_clear()

    with caplog.at_level(logging.WARNING):
        assert [guard.fits("engine"), guard.fits("engine")] == [False, False]
    guard.fits.cache_clear()

    assert [record.getMessage() for record in caplog.records] == [
        f"patch engine: It finds nothing to patch: {engine}:Engine.walk is not there. Engines run slowly. "
        f"{patches.REMEDY}"
    ]


def test_the_doctor_names_what_finds_nothing_to_patch(
    store: Any, engine: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    gone = Target(f"{engine}:Engine.walk")
    absent = patch_of(gone, name="absent", distribution="couture-no-such-distribution")
    fitting = patch_of(Target(f"{engine}:Engine.run"), name="fitting")
    monkeypatch.setattr(patches, "PATCHES", (patch_of(gone), absent, fitting))

    assert cli.main(["doctor", "--home", str(store.root)]) == 1
    told = [line for line in capsys.readouterr().out.splitlines() if line.startswith("patch ")]
    assert told == [
        f"patch engine: It finds nothing to patch: {engine}:Engine.walk is not there. Engines run slowly. "
        f"{patches.REMEDY}"
    ]


def test_a_method_is_replaced_once_and_still_looks_like_itself() -> None:
    class Engine:
        def run(self) -> int:
            """Run."""
            return 1

    def faster(run: Any) -> Any:
        return lambda self: run(self) + 1

    guard.replace(Engine, "run", faster)
    guard.replace(Engine, "run", faster)

    assert Engine().run() == 2
    assert Engine.run.__doc__ == "Run."


_NOTHING_FITS = """
import dataclasses, logging
from types import SimpleNamespace
from couture_workflow import patches
gone = (patches.Target("airflow.models.log:Gone"),)
patches.PATCHES = tuple(dataclasses.replace(each, changes=gone) for each in patches.PATCHES)
said = []
handler = logging.Handler()
handler.emit = lambda record: said.append(record.args[0])
logging.getLogger("couture_workflow.patches.guard").addHandler(handler)

from airflow.configuration import conf
from airflow.dag_processing import manager
from airflow.dag_processing.importers import python_importer
from airflow.executors.base_executor import BaseExecutor
from airflow.models.log import Log
from airflow.sdk import DAG, TaskGroup
from airflow.sdk.execution_time import supervisor, task_runner
from airflow.providers.fab.auth_manager.fab_auth_manager import FabAuthManager
from airflow.providers.standard.operators.python import ExternalPythonOperator
from celery.backends.database.models import Task
from sqlalchemy import event

def state():
    return [
        supervisor.WatchedSubprocess._service_subprocess, supervisor.ActivitySubprocess._on_child_started,
        supervisor.ensure_secrets_backend_loaded, supervisor._fork_main,
        vars(task_runner).get("SUPERVISOR_COMMS"),
        FabAuthManager.serialize_user, FabAuthManager.deserialize_user,
        manager.DagFileProcessorManager.prepare_file_queue,
        ExternalPythonOperator._is_pendulum_installed_in_target_env,
        BaseExecutor.heartbeat, BaseExecutor.run_workload,
        Task.to_dict, DAG.__init__, DAG.check_cycle, TaskGroup.add,
        python_importer.importlib, python_importer.signal, conf.get("api_auth", "jwt_secret", fallback=None),
    ]

before = state()
from couture_workflow import celery_config
from couture_workflow.patches import (
    account_permissions, celery_worker, client_address, dag_parsing, dag_processor, descriptors,
    ended_tokens, external_python, local_executor, log_out, signing_key, single_writer, static_files,
)
from couture_workflow.task_logs import LOGGING_CONFIG
celery_worker.preload()
celery_worker.end_with_supervisor()
client_address.listen()
dag_processor.before_fork()
descriptors.before_fork()
ended_tokens.end()
external_python.apply()
local_executor.keep_output_in_logs()
signing_key.keep()
assert not single_writer.needed()
app = SimpleNamespace(middleware_stack="theirs")
static_files.put_first(app, lambda inner: "ours")
log_out.delete_session(SimpleNamespace(session_interface=SimpleNamespace(sql_session_model=1)), "cookie")
permission = SimpleNamespace(action=SimpleNamespace(name="can_read"), resource=SimpleNamespace(name="DAGs"))
account = SimpleNamespace(roles=[SimpleNamespace(permissions=[permission])])
account_permissions.keep(account, frozenset())
dag_parsing.look()
dag_parsing.observe(failed=print, made=print, circular=print, registered=print)
dag_parsing.answer(object(), object())
assert state() == before
assert app.middleware_stack == "theirs"
assert not hasattr(account, "_perms")
assert "couture" not in LOGGING_CONFIG["handlers"]["task"]["class"]
assert not event.contains(Log, "before_insert", client_address._add_address)
print(sorted(said) == sorted(each.name for each in patches.PATCHES))
"""


@pytest.mark.slow
def test_where_nothing_fits_all_goes_on_unpatched_with_one_warning_each() -> None:
    pytest.importorskip("airflow.providers.celery")

    assert in_fresh_process(_NOTHING_FITS, AIRFLOW__API_AUTH__JWT_SECRET="a-key-of-some-length") == "True"
