"""Schedules of notebooks in the workbench: they appear, run once now, with other parameters, pause and go."""

from __future__ import annotations

import calendar
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from email import message_from_string, policy
from pathlib import Path
from typing import Any

import httpx
import pytest

from couture_workflow.services.dags import repository as dag_repository
from couture_workflow.services.notebooks import people
from couture_workflow.store.home import Store
from tests.support.mail import mail_server
from tests.support.people_notebooks import notebook, write
from tests.support.spark import until

pytestmark = pytest.mark.workbench

SCHEDULES = "/api/notebooks/schedules/"
#: Seconds within which the workbench has read a DAG and run it, on a machine that does other things too.
PATIENCE = 240.0
PARAMETERS = ("rows = 1  # how many\nday = ''\nnames = []\nnothing = 0", ["parameters"])
HOSTILE = "a'b\"<&>ü"
PRINTS = "print('told', rows + 1, day, names, nothing, open('data.txt').read())"


@pytest.fixture
def developer(workbench: Any) -> Iterator[httpx.Client]:
    """Return the client of a developer who has a notebook and a file; schedules go afterwards."""
    own = people.folder_name("developer")
    write(workbench.home, f"{own}/report.ipynb", notebook(PARAMETERS, PRINTS))
    write(workbench.home, f"{own}/data.txt", "beside")
    client = workbench.client("developer")
    yield client
    for schedule in client.get(SCHEDULES).json():
        client.delete(SCHEDULES + schedule["name"], params={"outputs": "delete"})


def read(client: httpx.Client, name: str) -> dict[str, Any]:
    answer = client.get(SCHEDULES + name)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def wait_until_it_is(client: httpx.Client, name: str, state: str) -> None:
    """Wait until Airflow has read the DAG of a schedule, or has failed to."""
    until(lambda: read(client, name)["state"] == state, seconds=PATIENCE, what="Airflow's reading of the DAG")


def ended(client: httpx.Client, name: str, *, but: str = "") -> dict[str, Any]:
    """Return the last run of a schedule when it has ended; not the one that is known already."""

    def look() -> dict[str, Any] | None:
        last = read(client, name)["last_run"]
        over = last and last["run_id"] != but and last["state"] in ("success", "failed")
        return dict(last) if over else None

    found: dict[str, Any] = until(look, seconds=PATIENCE, what=f"the run of {name}")
    return found


def printed(home: Path, name: str) -> str:
    cells = json.loads((home / "outputs" / "notebooks" / f"{name}.ipynb").read_text())["cells"]
    return "".join("".join(each.get("text", "")) for cell in cells for each in cell.get("outputs", ()))


def test_once_now_runs_at_once_and_again_with_other_parameters(
    workbench: Any, developer: httpx.Client
) -> None:
    form = {
        "name": "once.now",
        "notebook": f"{people.folder_name('developer')}/report.ipynb",
        "parameters": {"rows": "41", "day": "{{ ds }}", "names": [HOSTILE], "nothing": None},
        "files": ["data.txt"],
        "html": "code",
    }
    today = f"{datetime.now(UTC):%Y-%m-%d}"
    saved = developer.post(SCHEDULES, json=form)
    assert (saved.status_code, saved.json()["findings"], saved.json()["problems"]) == (201, [], []), (
        saved.text
    )

    first = ended(developer, "once.now")
    assert first["state"] == "success"
    told = printed(workbench.home, "once.now").strip()
    days = {today, first["start"][:10]}  # its day is that of the save, and it may begin after midnight
    assert told in {f"told 42 {day} {[HOSTILE]} None beside" for day in days}
    assert (workbench.home / "outputs" / "notebooks" / "once.now.html").is_file()

    refused = developer.put(
        f"{SCHEDULES}once.now", json={**form, "when": {"kind": "at", "at": "2070-01-01T00:00"}}
    )
    assert (refused.status_code, refused.json()["field"]) == (422, "when.kind")

    body = {"parameters": {"rows": "9", "day": "{{ run_id }}", "more": 1}}
    started = developer.post(f"{SCHEDULES}once.now/run", json=body)
    assert started.status_code == 201, started.text
    second = ended(developer, "once.now", but=first["run_id"])
    assert (second["run_id"], second["state"]) == (started.json()["run_id"], "success")
    assert "told 10 {{ run_id }}" in printed(workbench.home, "once.now")

    assert developer.delete(f"{SCHEDULES}once.now", params={"outputs": "delete"}).status_code == 200
    left = [
        path for path in (workbench.home / "outputs").rglob("*") if path.is_file() and "once.now" in str(path)
    ]
    assert left == []
    again = developer.post(SCHEDULES, json=form)
    assert (again.status_code, again.json()["field"]) == (422, "name")


def leap_day() -> datetime:
    """Return when the next 29 February begins in Kolkata."""
    now = datetime.now(UTC)
    years = (year for year in range(now.year, now.year + 9) if calendar.isleap(year))
    return next(begins for year in years if (begins := datetime(year, 2, 28, 18, 30, tzinfo=UTC)) > now)


def test_a_schedule_by_cron_waits_for_its_time_and_can_be_paused(
    workbench: Any, developer: httpx.Client
) -> None:
    form = {
        "name": "yearly",
        "notebook": f"{people.folder_name('developer')}/report.ipynb",
        "when": {"kind": "cron", "cron": "0 0 29 2 *", "zone": "Asia/Kolkata"},
    }
    assert developer.post(SCHEDULES, json=form).status_code == 201
    wait_until_it_is(developer, "yearly", "ready")

    found = read(developer, "yearly")
    assert found["next_run"].startswith(f"{leap_day():%Y-%m-%dT%H:%M}") and not found["paused"]
    assert found["last_run"] is None

    viewer = workbench.client("viewer")
    assert viewer.post(f"{SCHEDULES}yearly/pause", json={}).status_code == 403
    assert developer.post(f"{SCHEDULES}yearly/pause", json={"paused": True}).json()["paused"]
    assert read(developer, "yearly")["next_run"] is None and read(developer, "yearly")["paused"]
    assert not developer.post(f"{SCHEDULES}yearly/pause", json={"paused": False}).json()["paused"]
    assert not read(developer, "yearly")["paused"]


def test_a_file_that_airflow_cannot_read_is_an_error_with_its_reason(
    workbench: Any, developer: httpx.Client
) -> None:
    form = {"name": "broken", "notebook": f"{people.folder_name('developer')}/report.ipynb"}
    form |= {"when": {"kind": "cron", "cron": "0 0 29 2 *"}}  # type: ignore[dict-item]
    assert developer.post(SCHEDULES, json=form).status_code == 201
    wait_until_it_is(developer, "broken", "ready")
    path = "notebook_schedules/broken/broken.py"
    source = dag_repository.read(Store(workbench.home), path).decode()
    answer = developer.put(
        f"/api/dags/files/{path}",
        json={"content": source.replace("with DAG(", "import none_such\n\nwith DAG(")},
    )
    assert answer.status_code == 422
    answer = workbench.client("admin").put(
        f"/api/dags/files/{path}",
        params={"override": "true"},
        json={"content": source.replace("with DAG(", "import none_such\n\nwith DAG(")},
    )
    assert answer.status_code == 200, answer.text

    wait_until_it_is(developer, "broken", "error")
    found = read(developer, "broken")
    assert found["edited"] and "none_such" in found["error"]
    refused = developer.post(f"{SCHEDULES}broken/run", json={})
    assert (refused.status_code, "import error" in refused.json()["detail"]) == (409, True)


@pytest.fixture
def mails(workbench: Any) -> Iterator[list[str]]:
    """Return the mails that a mail server of the workbench got."""
    admin = workbench.client("superadmin")
    with mail_server() as (port, received):
        connection = {
            "connection_id": "smtp_default",
            "conn_type": "smtp",
            "host": "127.0.0.1",
            "port": port,
            "extra": json.dumps({"disable_ssl": True, "disable_tls": True}),
        }
        assert admin.post("/api/v2/connections", json=connection).status_code == 201
        yield received
        admin.delete("/api/v2/connections/smtp_default")


def test_a_run_that_fails_sends_one_mail_that_says_what_failed(
    workbench: Any, developer: httpx.Client, mails: list[str]
) -> None:
    path = f"{people.folder_name('developer')}/fails.ipynb"
    write(
        workbench.home,
        path,
        notebook("print(1)", "raise ValueError('no rows {{ 7 * 7 }} <b> ü')", "print(2)"),
    )
    form = {"name": "told.by.mail", "notebook": path, "email": "ann@example.org, bob@example.org"}
    saved = developer.post(SCHEDULES, json=form)
    assert (saved.status_code, saved.json()["findings"]) == (201, []), saved.text

    assert ended(developer, "told.by.mail")["state"] == "failed"
    until(lambda: mails, seconds=PATIENCE, what="the mail")

    [mail] = [message_from_string(each, policy=policy.default) for each in mails]
    assert mail["To"] == "ann@example.org, bob@example.org"
    assert "told.by.mail" in mail["Subject"]
    body = mail.get_body(("html",))
    assert body is not None
    text = body.get_content()
    assert "cell 2 of 3" in text and "ValueError: no rows {{ 7 * 7 }} &lt;b&gt; ü" in text
    assert developer.post(f"{SCHEDULES}check", json={**form, "name": "other"}).json()["findings"] == []
