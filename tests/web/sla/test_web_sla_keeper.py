"""From a DAG file with SLAs to a mail: Airflow's own tables and deadlines, a real mail server."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

import pytest
from airflow.models.deadline import Deadline
from airflow.models.taskinstance import TaskInstance
from sqlalchemy import delete, select, update

from couture_workflow import policies
from couture_workflow.exceptions import StorageError
from couture_workflow.services.mail import configuration
from couture_workflow.services.mail.document import Server
from couture_workflow.services.sla import misses
from couture_workflow.services.sla.misses import Miss
from couture_workflow.store.home import Store
from couture_workflow.web.sla.keeper import REST, Keeper, Pace
from couture_workflow.web.sla.notifying import Notifier
from tests.support.mail import mail_server

HOUR = timedelta(hours=1)


def ago(**time: float) -> datetime:
    """Return a moment of the past; this one without any time."""
    return datetime.now(UTC).replace(microsecond=0) - timedelta(**time)


@pytest.fixture
def session(store: Store) -> Iterator[Any]:
    """A session on a database with Airflow's empty tables."""
    from airflow import settings
    from airflow.models import import_all_models
    from airflow.models.base import Base
    from airflow.models.tasklog import LogTemplate

    import_all_models()
    Base.metadata.drop_all(settings.engine)
    Base.metadata.create_all(settings.engine)
    with settings.NonScopedSession() as session:
        session.add(LogTemplate(filename="x", elasticsearch_id="x"))
        session.commit()
        yield session
    Base.metadata.drop_all(settings.engine)


def dag_of(dag_id: str = "old", **others: Any) -> Any:
    """Return a DAG as somebody wrote it for Airflow 1.10, with ``sla=`` and with ``task_sla``."""
    from airflow.providers.standard.operators.empty import EmptyOperator
    from airflow.sdk import DAG

    from couture_workflow.operators import task_sla

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Airflow says that it drops sla=
        defaults = {"email": ["ann@example.org"], "sla": 2 * HOUR}
        with DAG(
            dag_id, schedule="@hourly", start_date=ago(hours=48), default_args=defaults, **others
        ) as dag:
            first = EmptyOperator(task_id="first", sla=None)
            second = task_sla(EmptyOperator(task_id="second", email="bob@example.org; ann@example.org"), HOUR)
            third = EmptyOperator(task_id="third")
            task_sla(EmptyOperator(task_id="free"), None)
            first >> second >> third
        policies.dag_policy(dag)
    return dag


def run_of(session: Any, dag: Any, end: datetime, kind: str = "scheduled", **states: str) -> Any:
    """Have Airflow make a run whose interval has ended then, as its scheduler does; set its tasks' states."""
    from airflow.models.dag import DagModel
    from airflow.models.dagbundle import DagBundleModel
    from airflow.models.serialized_dag import SerializedDagModel
    from airflow.serialization.definitions.dag import SerializedDAG
    from airflow.serialization.serialized_objects import DagSerialization, LazyDeserializedDAG
    from airflow.timetables.base import DataInterval
    from airflow.utils.types import DagRunTriggeredByType, DagRunType

    session.merge(DagBundleModel(name="tests"))
    session.flush()
    data = DagSerialization.to_dict(dag)
    if session.get(DagModel, dag.dag_id) is None:
        SerializedDAG.bulk_write_to_db("tests", None, [LazyDeserializedDAG(data=data)], session=session)
        SerializedDagModel.write_dag(LazyDeserializedDAG(data=data), "tests", session=session)
        session.execute(update(DagModel).values(is_paused=False))
        session.commit()
    run = DagSerialization.from_dict(data).create_dagrun(
        run_id=f"{kind}__{end.isoformat()}",
        logical_date=end - HOUR,
        data_interval=DataInterval(end - HOUR, end),
        run_after=end,
        run_type=DagRunType(kind),
        triggered_by=DagRunTriggeredByType.TEST,
        state="running",
        session=session,
    )
    for task_id, state in states.items():
        done(session, run, task_id, state, end + timedelta(minutes=10))
    session.commit()
    return run


def done(session: Any, run: Any, task_id: str, state: str, ended: datetime) -> None:
    rows = update(TaskInstance).where(TaskInstance.run_id == run.run_id, TaskInstance.task_id == task_id)
    session.execute(rows.values(state=state, start_date=ended - HOUR, end_date=ended))
    session.commit()


def late(found: list[Miss]) -> list[tuple[float, list[str]]]:
    return [(each.seconds, [task.task_id for task in each.tasks]) for each in found]


def test_a_miss_is_found_once_mailed_once_and_survives_restarts(store: Store, session: Any) -> None:
    run = run_of(session, dag_of(), ago(minutes=90), first="success", second="failed")

    with mail_server() as (port, mails):
        server = Server(host="127.0.0.1", port=port, security="none", sender="airflow@example.org")
        configuration.save(store, server, typed="", user="admin", base=None)
        [miss] = Keeper().look()
        assert late([miss]) == [(3600, ["second"])]
        assert miss.blocking == (("second", "failed"),)
        assert miss.due == run.data_interval_end + HOUR

        [mail] = [message_from_bytes(each.encode(), policy=policy.default) for each in mails]
        assert mail["Subject"] == "[airflow] SLA miss on DAG=old"
        assert mail["To"] == "ann@example.org, bob@example.org"
        assert f"second on {run.logical_date.isoformat()}" in mail.get_body(("html",)).get_content()

        # Restarted: of the scheduler that has looked at its deadline meanwhile, and of the API server.
        session.execute(update(Deadline).values(missed=True))
        session.commit()
        assert Keeper().look() == []
        # The third task is in time and the second succeeds at last: nothing new.
        done(session, run, "second", "success", ago())
        done(session, run, "third", "success", ago())
        assert Keeper().look() == []
        assert len(mails) == 1

    [kept] = misses.newest_first(store)
    assert (kept.mail.state, kept.mail.attempts, kept.notified) == ("sent", 1, True)


def test_one_mail_has_all_that_missed_and_other_runs_have_no_sla(store: Store, session: Any) -> None:
    dag = dag_of()
    run_of(session, dag, ago(hours=4), first="success", second="skipped")
    run_of(session, dag, ago(hours=3), first="success", second="success", third="success")
    run_of(session, dag, ago(hours=6), kind="manual")
    run_of(session, dag, ago(hours=7), kind="backfill")

    with mail_server() as (port, mails):
        server = Server(host="127.0.0.1", port=port, security="none", sender="airflow@example.org")
        configuration.save(store, server, typed="", user="admin", base=None)
        found = Keeper().look()

    assert late(found) == [(3600, ["second"]), (7200, ["third"])]
    assert len(mails) == 1


def test_a_mail_that_cannot_be_sent_is_not_lost(
    store: Store, session: Any, caplog: pytest.LogCaptureFixture
) -> None:
    run_of(session, dag_of(), ago(minutes=90), first="success")
    with mail_server(refuse={"MAIL": "451 4.7.1 come back later"}) as (port, _):
        server = Server(host="127.0.0.1", port=port, security="none", sender="airflow@example.org")
        saved = configuration.save(store, server, typed="", user="admin", base=None)
        with caplog.at_level(logging.WARNING):
            [miss] = Keeper().look()
    [kept] = misses.newest_first(store)
    assert (kept.mail.state, kept.mail.attempts) == ("waiting", 1)
    assert "451 4.7.1 come back later" in kept.mail.error
    assert "tried again later" in caplog.text

    # Another server was saved, and the API server was restarted after the time of the next attempt.
    misses.put(store, replace(kept, mail=replace(kept.mail, next_at=ago())))
    with mail_server() as (port, mails):
        configuration.save(store, replace(server, port=port), typed="", user="admin", base=saved.commit)
        assert Keeper().look() == []
    assert len(mails) == 1
    assert misses.get(store, miss.id).mail.state == "sent"


def test_a_look_that_takes_long_delays_the_next_for_little_and_many_of_them_for_long() -> None:
    pace = Pace(5.0)

    assert pace.pause(0.002) == 5
    assert pace.pause(0.73) < 20  # the first look that tells of misses, with all that it loads
    assert [pace.pause(0.002) for _ in range(20)][-1] == 5
    steady = [pace.pause(1.0) for _ in range(100)]
    assert steady[-1] == pytest.approx(REST, rel=0.01)
    assert sum(steady) > 0.85 * REST * len(steady)


def test_one_of_several_servers_looks_and_another_takes_over(store: Store) -> None:
    first, second = Keeper(), Keeper()

    assert (first._leads(), second._leads(), first._leads()) == (True, False, True)
    first.stop()
    assert second._leads()
    second.stop()


def test_whoever_the_server_takes_is_told_once_and_a_paused_dag_rests(store: Store, session: Any) -> None:
    from airflow.models.dag import DagModel

    run_of(session, dag_of(), ago(minutes=90), first="success")
    session.execute(update(DagModel).values(is_paused=True))
    session.commit()
    keeper = Keeper()
    assert keeper.look() == []
    session.execute(update(DagModel).values(is_paused=False))
    session.commit()

    with mail_server(refuse={"RCPT TO:<BOB@": "550 5.1.1 no such user"}) as (port, mails):
        server = Server(host="127.0.0.1", port=port, security="none", sender="airflow@example.org")
        configuration.save(store, server, typed="", user="admin", base=None)
        [miss] = keeper.look()
        assert keeper.look() == []
    assert len(mails) == 1
    kept = misses.get(store, miss.id).mail
    assert (kept.state, kept.error) == ("sent", "bob@example.org: 550 5.1.1 no such user")


def test_a_server_that_falls_silent_at_one_dag_keeps_no_other_back_and_deleted_dags_are_told_of(
    store: Store, session: Any
) -> None:
    from airflow.models.callback import ExecutorCallback
    from airflow.models.dag import DagModel
    from airflow.models.dagrun import DagRun
    from airflow.models.dagwarning import DagWarning

    def told(*_: Any) -> None: ...

    for number, dag_id in enumerate(("first", "second")):
        run_of(session, dag_of(dag_id, sla_miss_callback=told), ago(minutes=90 - number), first="success")
    keeper = Keeper()
    with mail_server(refuse={"DATA": None}) as (port, _):
        server = Server(host="127.0.0.1", port=port, security="none", sender="a@example.org", timeout=1)
        saved = configuration.save(store, server, typed="", user="admin", base=None)
        assert len(keeper.look()) == 2
    for found in misses.newest_first(store):
        assert "did not answer within 1 seconds" in found.mail.error
        misses.put(store, replace(found, mail=replace(found.mail, next_at=ago())))

    # Somebody deletes both DAGs before the next attempt: who missed what is still told.
    for table in (DagWarning, DagRun, DagModel):
        session.execute(delete(table))
    session.commit()
    with mail_server() as (port, mails):
        server = replace(server, port=port)
        configuration.save(store, server, typed="", user="admin", base=saved.commit)
        keeper = Keeper()
        assert keeper.look() == []
    assert sorted(message_from_bytes(each.encode())["Subject"] for each in mails) == [
        "[airflow] SLA miss on DAG=first",
        "[airflow] SLA miss on DAG=second",
    ]
    assert {each.callback.state for each in misses.newest_first(store)} == {"failed"}
    assert list(session.scalars(select(ExecutorCallback))) == []


def test_who_cannot_be_recorded_as_told_is_not_told_again_and_what_cannot_be_recorded_is_found_again(
    store: Store, session: Any
) -> None:
    run_of(session, dag_of(), ago(minutes=90), first="success")
    records = store.root / "sla" / "misses"
    records.parent.mkdir()
    records.write_text("in the way, as a full disk is")
    keeper = Keeper()
    with pytest.raises(StorageError):
        keeper.look()
    records.unlink()
    [miss] = keeper.look()  # which no server takes yet

    notifier = Notifier(store, misses.newest_first(store))
    later, aside = datetime.now(UTC) + HOUR, records.with_name("aside")
    with mail_server() as (port, mails):
        server = Server(host="127.0.0.1", port=port, security="none", sender="airflow@example.org")
        configuration.save(store, server, typed="", user="admin", base=None)
        records.rename(aside).with_name("misses").write_text("in the way")
        for _ in range(2):
            with pytest.raises(StorageError):
                notifier.tell(later)
        records.unlink()
        aside.rename(records)
        notifier.tell(later)
    assert len(mails) == 1
    assert misses.get(store, miss.id).mail.state == "sent"


def test_the_function_of_a_dag_is_queued_for_a_worker(store: Store, session: Any, tmp_path: Path) -> None:
    from airflow.models.callback import ExecutorCallback

    def told(*_: Any) -> None: ...

    run_of(session, dag_of(sla_miss_callback=told), ago(minutes=90), second="running")
    keeper = Keeper()
    keeper.look()

    [call] = session.scalars(select(ExecutorCallback))
    assert (str(call.state), call.bundle_name) == ("pending", "tests")
    assert call.data["path"] == "couture_workflow.operators.sla_callback.call"
    [given] = call.data["kwargs"]["misses"]
    assert (given["tasks"], given["blocking"]) == (["second"], [["second", "running"]])
    call.state = "success"
    session.commit()
    keeper.look()

    [kept] = misses.newest_first(store)
    assert kept.callback.state == "sent"
    assert len(list(session.scalars(select(ExecutorCallback)))) == 1


def test_a_call_whose_end_nobody_tells_is_given_up_in_the_end(store: Store, session: Any) -> None:
    from airflow.models.callback import ExecutorCallback

    def told(*_: Any) -> None: ...

    run_of(session, dag_of(sla_miss_callback=told), ago(minutes=90), second="running")
    Keeper().look()
    [call] = session.scalars(select(ExecutorCallback))
    call.state = "running"  # and then somebody kills the scheduler
    session.commit()
    Keeper().look()
    [waits] = misses.newest_first(store)
    assert waits.callback.state == "waiting"

    misses.put(store, replace(waits, callback=replace(waits.callback, at=ago(hours=2))))
    Keeper().look()
    [kept] = misses.newest_first(store)
    assert (kept.callback.state, kept.callback.attempts) == ("failed", 1)
    assert f"see executor_callbacks/old/{kept.run_id}/{call.id} in the folder" in kept.callback.error


def test_what_a_run_that_succeeds_early_has_skipped_is_missed_when_it_is_due(
    store: Store, session: Any, request: pytest.FixtureRequest
) -> None:
    import airflow.jobs.scheduler_job_runner  # noqa: F401 (the process is a scheduler)
    from airflow.listeners.listener import get_listener_manager
    from airflow.serialization.serialized_objects import DagSerialization

    get_listener_manager.cache_clear()
    request.addfinalizer(get_listener_manager.cache_clear)
    dag = dag_of()
    states = {"first": "success", "second": "skipped", "third": "success", "free": "success"}
    run = run_of(session, dag, ago(minutes=20), **states)
    run.dag = DagSerialization.from_dict(DagSerialization.to_dict(dag))
    run.dag.deadline = list(session.scalars(select(Deadline.deadline_alert_id).distinct()))
    run.update_state(session=session, execute_callbacks=False)
    assert str(run.state) == "success"
    session.commit()
    [left] = session.scalars(select(Deadline))  # of the second task's SLA; the others were in time
    assert left.missed
    assert Keeper().look() == []

    session.execute(update(Deadline).values(deadline_time=ago(minutes=1)))
    session.commit()
    assert late(Keeper().look()) == [(3600, ["second"])]
