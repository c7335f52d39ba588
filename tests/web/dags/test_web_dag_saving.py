"""Saving DAG files over HTTP: who may, what is refused, what the audit log says, what is parsed next."""

from __future__ import annotations

import json
from typing import Any

import pytest

SOUND = "from airflow.sdk import DAG\n\nwith DAG({!r}, schedule=None):\n    pass\n"
BROKEN = "from airflow.sdk import DAG\nimport nowhere\n"


def put(server: Any, account: str, path: str, content: str, **query: Any) -> Any:
    with server.client(account) as client:
        return client.put(
            f"/api/dags/files/{path}",
            json={"content": content},
            params=query,
            headers={"X-Requested-With": "test"},
        )


def audited(server: Any, event: str) -> list[tuple[str, dict[str, Any]]]:
    rows = server.sql("select owner, extra from log where event = ? order by id", event)
    return [(owner, json.loads(extra)) for owner, extra in rows]


def test_a_save_is_a_commit_an_audit_row_and_a_request_to_parse(api_server: Any) -> None:
    answer = put(api_server, "dev", "web/sound.py", SOUND.format("web_sound"))

    assert answer.status_code == 200, answer.text
    owner, told = audited(api_server, "dags.save")[-1]
    assert (owner, told["paths"], told["commit"]) == ("dev", ["web/sound.py"], answer.json()["commit"])
    requested = api_server.sql("select relative_fileloc from dag_priority_parsing_request")
    assert ("web/sound.py",) in [tuple(row) for row in requested]


def test_an_error_is_answered_with_its_place_and_audited(api_server: Any) -> None:
    answer = put(api_server, "dev", "web/broken.py", BROKEN)

    assert (answer.status_code, answer.json()["error"]) == (422, "gate")
    assert "Nothing was saved: web/broken.py:2" in answer.json()["detail"]
    first = answer.json()["problems"][0]
    assert (first["level"], first["code"], first["line"]) == ("error", "import", 2)
    assert audited(api_server, "dags.save_refused")[-1][1]["why"] == "gate"


def test_only_an_admin_can_save_in_spite_of_errors(api_server: Any) -> None:
    refused = put(api_server, "dev", "web/broken.py", BROKEN, override=True)
    answer = put(api_server, "admin", "web/broken.py", BROKEN, override=True)

    assert refused.status_code == 403
    assert "can edit on Save Gate" in refused.json()["detail"]
    assert answer.status_code == 200, answer.text
    owner, told = audited(api_server, "dags.save_overridden")[-1]
    assert owner == "admin"
    assert [(each["code"], each["path"], each["line"]) for each in told["problems"]] == [
        ("import", "web/broken.py", 2)
    ]


TASK = (
    "from airflow.providers.standard.operators.bash import BashOperator\nfrom airflow.sdk import DAG\n\n"
    "with DAG({!r}, schedule=None):\n    BashOperator(task_id='a', bash_command='ls', {})\n"
)


def test_what_airflow_could_not_store_is_not_saved(api_server: Any) -> None:
    answer = put(api_server, "dev", "web/huge.py", TASK.format("web_huge", "env={'n': 2**64}"))

    assert (answer.status_code, answer.json()["error"]) == (422, "gate")
    first = answer.json()["problems"][0]
    assert (first["code"], first["line"], first["column"], first["end_column"]) == ("not-stored", 5, 50, 66)


def test_a_pool_that_the_database_does_not_have_is_told_and_saved(api_server: Any) -> None:
    gone = put(api_server, "dev", "web/pool.py", TASK.format("web_pool", "pool='web_pool'"))
    with api_server.client("admin") as client:
        made = client.post("/api/v2/pools", json={"name": "web_pool", "slots": 2})
        assert made.status_code == 201, made.text
    there = put(api_server, "dev", "web/pool.py", TASK.format("web_pool", "pool='web_pool', retries=1"))
    small = put(api_server, "dev", "web/pool.py", TASK.format("web_pool", "pool='web_pool', pool_slots=3"))

    assert [each.status_code for each in (gone, there, small)] == [200, 200, 200]
    codes = [{each["code"] for each in answer.json()["problems"]} for answer in (gone, there, small)]
    assert ["missing-pool" in found for found in codes] == [True, False, False]
    assert ["small-pool" in found for found in codes] == [False, False, True]


@pytest.mark.parametrize("account", ["viewer", "user", "op", "nobody", "ci"])
def test_others_may_not_save_files(api_server: Any, account: str) -> None:
    assert put(api_server, account, "web/x.py", SOUND.format("x")).status_code == 403


def test_what_the_database_knows_counts(api_server: Any) -> None:
    source = (
        SOUND.format("web_knows")
        .replace("pass", "pass\nVariable.get('web_variable')")
        .replace("import DAG", "import DAG, Variable")
    )
    assert put(api_server, "dev", "web/knows.py", source).status_code == 422

    with api_server.client("admin") as client:
        made = client.post("/api/v2/variables", json={"key": "web_variable", "value": "1"})
        assert made.status_code == 201, made.text

    assert put(api_server, "dev", "web/knows.py", source).status_code == 200
