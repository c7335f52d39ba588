"""In the workbench: a DAG of Airflow 1.10's time misses its SLA; it is mailed, called back and listed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import httpx
import pytest

from couture_workflow.services.upgrade.upgrading import upgrade
from couture_workflow.store.home import Store
from tests.support.mail import mail_server
from tests.support.spark import until

pytestmark = pytest.mark.workbench

#: Seconds within which the workbench has read a DAG and run it, on a machine that does other things too.
PATIENCE = 240.0
OLD = """
from datetime import datetime, timedelta
from pathlib import Path

from airflow import DAG
from airflow.operators.bash_operator import BashOperator


def missed(dag, task_list, blocking_task_list, slas, blocking_tis):
    told = [dag.dag_id, task_list, *(each.task_id for each in slas), slas[0].execution_date.isoformat()]
    Path({told!r}).write_text("\\n".join(told))


dag = DAG(
    "late_orders",
    schedule_interval={schedule!r},
    start_date=datetime.fromisoformat({start!r}),
    catchup=False,
    is_paused_upon_creation=False,
    sla_miss_callback=missed,
    default_args={{"email": "ann@example.org"}},
)
load = BashOperator(
    task_id="load",
    bash_command="exit 1",
    sla=timedelta(seconds=1),
    retries=1,
    retry_delay=timedelta(seconds=1),
    dag=dag,
)
report = BashOperator(task_id="report", bash_command="true", dag=dag)
load >> report
"""


@pytest.fixture
def mails(workbench: Any) -> Iterator[list[str]]:
    """Return the mails that came through the server that *Admin > Mail* names."""
    admin: httpx.Client = workbench.client("superadmin")
    with mail_server() as (port, received):
        server = {"host": "127.0.0.1", "port": port, "security": "none", "sender": "couture@example.org"}
        tried = admin.post("/api/mail/test", json={"to": "bob@example.org", "settings": server}).json()
        assert (tried["ok"], "250 2.0.0 queued as 4711" in tried["message"]) == (True, True), tried
        assert admin.put("/api/mail/", json={"settings": server}).status_code == 200
        received.clear()
        yield received
        admin.put("/api/mail/", json={"settings": {}})


@pytest.fixture
def dag(workbench: Any, tmp_path: Path) -> Iterator[Path]:
    """Save an old DAG, upgraded, whose last interval has just ended; return where its function writes."""
    told = tmp_path / "told"
    # By the clock: what counts from the moment that the file is read may get two runs on a slow machine.
    start = (datetime.now(UTC) - timedelta(days=1, minutes=1)).replace(microsecond=0)
    source = upgrade(
        OLD.format(told=str(told), start=start.isoformat(), schedule=f"{start:%M %H} * * *")
    ).source
    assert "task_sla(BashOperator(" in source
    store = Store(workbench.home)
    store.dags.save({"late_orders.py": source.encode()}, author="t", message="t", base=store.dags.head())
    yield told
    store.dags.save({"late_orders.py": None}, author="t", message="t", base=store.dags.head())


def about_it(mails: list[str]) -> list[EmailMessage]:
    """Return the mails about this DAG: other DAGs of the workbench may have SLAs too."""
    found: list[Any] = [message_from_bytes(each.encode(), policy=policy.default) for each in mails]
    return [mail for mail in found if "late_orders" in f"{mail['Subject']}{text_of(mail)}"]


def text_of(mail: EmailMessage) -> str:
    body = mail.get_body(("html",))
    assert body is not None
    return str(body.get_content())


def test_a_missed_sla_is_mailed_called_back_and_listed(workbench: Any, mails: list[str], dag: Path) -> None:
    came = until(lambda: found if len(found := about_it(mails)) >= 3 else None, seconds=PATIENCE, what="mail")
    found = {str(mail["Subject"]).partition(":")[0]: mail for mail in came}
    assert sorted(found) == ["Airflow alert", "[airflow] SLA miss on DAG=late_orders"]
    alerts = [text_of(mail) for mail in came if "alert" in str(mail["Subject"])]
    tries = sorted(text.partition("<br>")[0] for text in alerts)
    assert tries == ["Try 1 out of 2", "Try 2 out of 2"]  # email_on_retry, email_on_failure
    subjects = [str(mail["Subject"]).split() for mail in came if "alert" in str(mail["Subject"])]
    assert sorted(words[-1] for words in subjects) == ["[failed]>", "[up_for_retry]>"]
    assert {" ".join(words[:4]) for words in subjects} == {"Airflow alert: <TaskInstance: late_orders.load"}
    for mail in came:
        assert (mail["From"], mail["To"]) == ("couture@example.org", "ann@example.org")
    assert "load on " in text_of(found["[airflow] SLA miss on DAG=late_orders"])

    until(dag.exists, what="the call of the DAG's function")
    dag_id, line, task_id, date = dag.read_text().splitlines()
    assert (dag_id, line, task_id) == ("late_orders", f"load on {date}", "load")

    def listed(role: str) -> list[dict[str, Any]]:
        answer = workbench.client(role).get("/api/sla/misses", params={"dag_id": "late_orders"})
        return list(answer.json()["misses"]) if answer.status_code == 200 else []

    [miss] = until(lambda: [m for m in listed("viewer") if m["callback"]["state"] == "sent"], what="a record")
    assert (miss["task_id"], miss["mail"]["state"], miss["notification_sent"]) == ("load", "sent", True)
    assert listed("public") == []
    assert len([mail for mail in about_it(mails) if "SLA miss" in str(mail["Subject"])]) == 1
