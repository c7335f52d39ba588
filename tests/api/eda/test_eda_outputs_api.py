"""``/api/eda/outputs`` and the runs and schedules of sources: who may, what is told, what comes back."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from couture_workflow.services.eda import outputs, schedules, sources
from couture_workflow.services.eda.document import FilePlace, Source
from couture_workflow.services.eda.outputs import Output
from couture_workflow.services.eda.progress import Teller
from couture_workflow.store.home import Store
from tests.support.api_server import ApiServer

NAME = "täglich.sales"
HOSTILE = "a'b\"<img src=x onerror=alert(1)>ü"
AT = f"/api/eda/outputs/{NAME}"
OF_SOURCE = f"/api/eda/sources/{NAME}"
SCHEDULE = {"cron": "0 6 * * 1-5", "zone": "Europe/Berlin", "email": "a@example.org"}


@pytest.fixture
def source(store: Store) -> Iterator[Store]:
    """Return the store of the server with one source that has no outputs and no schedule."""
    names = [each.name for each in sources.all(store)]
    if NAME not in names:
        store.data.put("sales.csv", [b"id\n1\n"], user="dev")
        sources.add(store, Source(name=NAME, file=FilePlace(data="sales.csv")), user="dev")
    yield store
    for output in outputs.running(store, NAME):
        outputs.close(store, output, "failed", "The test is over.")
    outputs.delete_all(store, NAME)
    schedules.delete(store, NAME, user="dev")


@pytest.fixture
def dev(api_server: ApiServer) -> Iterator[httpx.Client]:
    with api_server.client("dev", headers={"X-Requested-With": "tests"}) as client:
        yield client


def success(store: Store, **given: Any) -> Output:
    output = add(store, **given)
    own = outputs.folder(store, NAME, output.number)
    (own / outputs.PROFILE).write_text(json.dumps({"rows": 3, "columns": [{"name": HOSTILE}]}))
    (own / outputs.REPORT).write_text(f"<html><script>document.title = 'ran'</script>{HOSTILE}</html>")
    return outputs.close(store, output, "success", HOSTILE, has_report=True, rows=3, columns=1)


def add(store: Store, *, age: float = 0, **given: Any) -> Output:
    began = datetime.now(UTC) - timedelta(seconds=age)
    known = {"dag_id": "couture_eda", "run_id": "r", "task_id": "profile", "by": "dev", "state": "running"}
    return outputs.add(store, Output(number=0, source=NAME, started_at=began, **{**known, **given}))


def test_outputs_are_listed_downloaded_and_deleted(source: Store, dev: httpx.Client) -> None:
    number = success(source).number
    running = add(source)
    Teller(outputs.folder(source, NAME, running.number)).hear({"stage": "reading", "words": HOSTILE})

    found = dev.get(AT).json()
    assert [(each["number"], each["state"]) for each in found["outputs"]] == [
        (running.number, "running"),
        (number, "success"),
    ]
    assert found["outputs"][1]["message"] == HOSTILE
    assert found["progress"][str(running.number)]["words"] == HOSTILE
    assert dev.get(f"{AT}/{running.number}/progress").json()["progress"]["stage"] == "reading"

    numbers = dev.get(f"{AT}/{number}")
    assert numbers.json()["columns"] == [{"name": HOSTILE}]
    assert numbers.headers["content-disposition"].endswith(f"UTF-8''t%C3%A4glich.sales-{number}.json")
    report = dev.get(f"{AT}/{number}/report")
    assert HOSTILE in report.text
    assert report.headers["content-security-policy"] == "sandbox; default-src 'none'"
    assert report.headers["content-disposition"].startswith("attachment")

    assert dev.get(f"{AT}/{running.number}").json()["error"] == "not_found"
    assert dev.delete(f"{AT}/{running.number}").status_code == 409
    assert dev.delete(f"{AT}/{number}").status_code == 204
    assert dev.get(f"{AT}/{number}").status_code == 404
    assert dev.delete(f"{AT}/{number}").status_code == 404


def test_report_opens_in_a_frame_of_ours_alone(source: Store, dev: httpx.Client) -> None:
    number = success(source).number

    page = dev.get(f"/couture/exploratory-data-analysis/report/{NAME}/{number}")
    address = re.findall(r'<iframe[^>]* src="([^"]+)"', page.text)[0].replace("&amp;", "&")
    path = address.removeprefix("/airflow")
    framed = dev.get(path)

    assert page.status_code == 200
    assert "<img src=x" not in page.text
    assert 'sandbox="allow-scripts"' in page.text
    policy = framed.headers["content-security-policy"]
    assert HOSTILE in framed.text
    assert policy.startswith("sandbox allow-scripts; default-src 'none'")
    assert "connect-src 'none'" in policy
    for headers in ({"Sec-Fetch-Dest": "document"}, {}):
        plain = dev.get(path.partition("?")[0], headers=headers)
        assert plain.status_code == 302
        assert f"exploratory-data-analysis/report/t%C3%A4glich.sales/{number}" in plain.headers["location"]
    assert dev.get(f"/couture/exploratory-data-analysis/report/{NAME}/999").status_code == 404


def test_killed_run_is_told_as_such_by_whoever_looks(source: Store, dev: httpx.Client) -> None:
    fresh = add(source)
    gone, asked = add(source, age=120, run_id="gone"), add(source, age=120, run_id="asked", state="queued")
    outputs.ask_to_stop(source, asked, "ann")

    states = {each["number"]: (each["state"], each["message"]) for each in dev.get(AT).json()["outputs"]}

    assert states[fresh.number][0] == "running"
    assert states[gone.number][0] == "failed"
    assert "Airflow does not know it any more" in states[gone.number][1]
    assert states[asked.number] == ("stopped", "Stopped by ann.")
    assert outputs.get(source, NAME, gone.number).state == "failed"


def test_kill_asks_the_run_to_end(source: Store, dev: httpx.Client) -> None:
    output = add(source)

    told = dev.post(f"{AT}/{output.number}/stop")

    assert (told.status_code, told.json()["state"]) == (200, "running")
    assert outputs.asked_to_stop(source, output) == "dev"
    number = success(source).number
    assert dev.post(f"{AT}/{number}/stop").json()["state"] == "success"
    assert dev.post(f"{AT}/999/stop").status_code == 404


def test_schedule_is_saved_told_and_deleted(source: Store, dev: httpx.Client) -> None:
    assert dev.get(f"{OF_SOURCE}/schedule").json() is None

    saved = dev.put(f"{OF_SOURCE}/schedule", json={**SCHEDULE, "fail_when": {"rows": {"min": 2}}})

    assert saved.status_code == 200, saved.text
    told = dev.get(f"{OF_SOURCE}/schedule").json()
    assert told == saved.json()
    assert (told["dag_id"], told["account"], told["state"]) == (f"eda__{NAME}", "dev", "waiting")
    assert (told["email"], len(told["times"])) == (["a@example.org"], 5)
    assert told["words"] == "At 06:00, Monday through Friday (Europe/Berlin)"
    assert dev.post(f"{OF_SOURCE}/schedule/pause", json={"paused": True}).status_code == 409

    for wrong, field in (({"cron": "x"}, "cron"), ({"zone": "Mars"}, "zone"), ({"email": "x"}, "email")):
        refused = dev.put(f"{OF_SOURCE}/schedule", json={**SCHEDULE, **wrong})
        assert (refused.status_code, refused.json()["field"]) == (422, field)
    assert (
        dev.post(f"{OF_SOURCE}/schedule/times", json={"cron": "@daily"})
        .json()["words"]
        .startswith("At 00:00")
    )

    assert dev.delete(f"{OF_SOURCE}/schedule").status_code == 204
    assert dev.delete(f"{OF_SOURCE}/schedule").status_code == 404
    assert dev.put("/api/eda/sources/none/schedule", json=SCHEDULE).status_code == 404


def test_a_source_takes_its_schedule_along_in_one_commit(source: Store, dev: httpx.Client) -> None:
    dev.put(f"{OF_SOURCE}/schedule", json=SCHEDULE).raise_for_status()
    before = source.config.head()

    gone = dev.delete(OF_SOURCE).raise_for_status().json()["commit"]

    assert set(source.config.paths("eda", commit=before)) - set(source.config.paths("eda", commit=gone)) == {
        sources.path_of(NAME),
        schedules.path_of(NAME),
    }
    assert source.config.head() == gone


def test_two_people_do_not_overwrite_each_others_schedule(source: Store, dev: httpx.Client) -> None:
    at = f"{OF_SOURCE}/schedule"

    def base(answer: httpx.Response) -> dict[str, str]:
        return {"If-Match": answer.headers["ETag"]}

    none = dev.get(at)
    mine = dev.put(at, json=SCHEDULE, headers=base(none))
    theirs = dev.put(at, json={**SCHEDULE, "cron": "@daily"}, headers=base(mine))
    assert (mine.status_code, theirs.status_code) == (200, 200)

    for stale in (none, mine):
        late = [
            dev.put(at, json={**SCHEDULE, "cron": "@hourly"}, headers=base(stale)),
            dev.delete(at, headers=base(stale)),
        ]
        for each in late:
            assert (each.status_code, each.json()["error"]) == (412, "conflict")
            assert each.json()["detail"].startswith("Somebody else changed the schedule of the source")
    assert dev.get(at).json()["cron"] == "@daily"

    gone = dev.delete(at, headers=base(dev.get(at)))
    assert gone.status_code == 204
    assert dev.put(at, json=SCHEDULE, headers=base(theirs)).status_code == 412
    assert dev.put(at, json=SCHEDULE, headers=base(gone)).status_code == 200
    assert dev.put(at, json={**SCHEDULE, "cron": "@weekly"}).json()["cron"] == "@weekly"


def test_viewer_can_look_at_nothing_and_change_nothing(source: Store, api_server: ApiServer) -> None:
    number = success(source).number
    calls = [
        ("GET", AT), ("GET", f"{AT}/{number}"), ("GET", f"{AT}/{number}/report"),
        ("GET", f"{AT}/{number}/frame"), ("GET", f"{AT}/{number}/progress"),
        ("DELETE", f"{AT}/{number}"), ("POST", f"{AT}/{number}/stop"),
        ("POST", f"{OF_SOURCE}/run"), ("GET", f"{OF_SOURCE}/schedule"), ("PUT", f"{OF_SOURCE}/schedule"),
        ("POST", f"{OF_SOURCE}/schedule/pause"), ("DELETE", f"{OF_SOURCE}/schedule"),
        ("GET", f"/couture/exploratory-data-analysis/report/{NAME}/{number}"),
    ]  # fmt: skip
    for account in ("viewer", "user", "ci"):
        with api_server.client(account, headers={"X-Requested-With": "tests"}) as client:
            assert {client.request(method, path).status_code for method, path in calls} == {403}
    with api_server.client(headers={"X-Requested-With": "tests"}) as client:
        assert {client.request(method, path).status_code for method, path in calls[:-1]} == {401}
    assert outputs.get(source, NAME, number).state == "success"


def test_reader_of_sources_alone_can_look_and_not_run(source: Store, api_server: ApiServer) -> None:
    number = success(source).number
    ours = "Exploratory Data Analysis"
    api_server.add_account("eda_reader", ("can_read", ours))
    api_server.add_account("eda_runner", ("can_read", ours), ("can_create", ours))
    with api_server.client("eda_reader", headers={"X-Requested-With": "tests"}) as client:
        assert client.get(f"{AT}/{number}").status_code == 200
        for method, path in (("POST", f"{OF_SOURCE}/run"), ("DELETE", f"{AT}/{number}")):
            assert client.request(method, path).status_code == 403
    with api_server.client("eda_runner", headers={"X-Requested-With": "tests"}) as client:
        refused = client.post(f"{OF_SOURCE}/run")
        assert refused.status_code == 403
        assert "can create on DAG Runs" in refused.json()["detail"]


def test_play_says_what_is_missing_and_leaves_no_output(source: Store, dev: httpx.Client) -> None:
    assert dev.post("/api/eda/sources/none/run").status_code == 404
    for body in ({"sample_rows": -1}, {"sample_rows": "5"}, {"odd": 1}):
        assert dev.post(f"{OF_SOURCE}/run", json=body).status_code == 422
    assert outputs.listed(source, NAME) == ()
