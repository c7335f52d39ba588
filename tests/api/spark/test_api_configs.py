"""The REST API of the Spark configuration, called as programs call it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from couture_workflow.store.home import Store
from tests.support.api_server import ANSWER_SECONDS, ApiServer

SPARK = "/api/configs/spark"
SECRET = "spark.hadoop.fs.s3a.secret.key"
HOSTILE = "a'b\"<&>ü %s $HOME"


@pytest.fixture
def admin(api_server: ApiServer) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=api_server.url, auth=("admin", "admin"), timeout=ANSWER_SECONDS) as client:
        client.put(SPARK, json={"arguments": {"master": "local[*]"}})
        yield client


def test_what_is_put_is_what_others_get(admin: httpx.Client, api_server: ApiServer, store: Store) -> None:
    store.dependencies.put("api-test.jar", [b"1"], user="ada")
    settings = {
        "arguments": {"master": "local[2]", "driver-memory": "1g"},
        "configurations": {"spark.hadoop.x": HOSTILE, SECRET: "s3cr3t"},
        "jars": ["api-test.jar@1"],
        "py_files": [],
    }

    saved = admin.put(SPARK, json={**settings, "message": HOSTILE})
    read = httpx.get(api_server.url + SPARK, auth=("dev", "dev"), timeout=ANSWER_SECONDS)

    assert (saved.status_code, read.status_code) == (200, 200)
    assert saved.json() == read.json()
    assert read.json() == {
        **settings,
        "configurations": {"spark.hadoop.x": HOSTILE, SECRET: "******"},
        "commit": read.json()["commit"],
    }
    assert read.headers["etag"] == f'"{read.json()["commit"]}"'
    newest = admin.get(SPARK + "/history").json()[0]
    assert (newest["commit"], newest["author"], newest["message"]) == (
        read.json()["commit"],
        "admin",
        HOSTILE,
    )


def test_masked_secret_that_is_sent_back_is_kept(admin: httpx.Client, store: Store) -> None:
    from couture_workflow.services.spark import configuration as spark_configuration

    admin.put(SPARK, json={"configurations": {SECRET: "s3cr3t"}})
    settings = admin.get(SPARK).json()
    settings.pop("commit")
    settings["configurations"]["spark.executor.cores"] = "2"

    answer = admin.put(SPARK, json=settings)

    assert answer.status_code == 200
    assert spark_configuration.load(store).configurations == {SECRET: "s3cr3t", "spark.executor.cores": "2"}


def test_mask_without_a_saved_secret_is_refused(admin: httpx.Client) -> None:
    answer = admin.put(SPARK, json={"configurations": {SECRET: "******"}})

    assert answer.status_code == 422
    assert answer.json()["field"] == f"configurations.{SECRET}"
    assert "Send the secret itself" in answer.json()["detail"]


def test_save_of_an_older_version_is_refused(admin: httpx.Client) -> None:
    etag = admin.get(SPARK).headers["etag"]
    first = admin.put(SPARK, json={"arguments": {"master": "local[3]"}}, headers={"If-Match": etag})

    late = admin.put(SPARK, json={"arguments": {"master": "local[4]"}}, headers={"If-Match": etag})

    assert first.status_code == 200
    assert (late.status_code, late.json()["error"]) == (412, "conflict")
    assert late.json()["theirs"] == first.json()["commit"]
    assert admin.get(SPARK).json()["arguments"] == {"master": "local[3]"}


@pytest.mark.parametrize(
    ("body", "field", "told"),
    [
        ({"arguments": {"driver-memory": "lots"}}, "arguments.driver-memory", "not an amount of memory"),
        ({"arguments": {HOSTILE: "1"}}, f"arguments.{HOSTILE}", "has no argument"),
        ({"configurations": {"spark.x": "a\nb"}}, "configurations.spark.x", "one line"),
        ({"jars": ["nowhere.jar"]}, "jars.nowhere.jar", "There is no"),
        ({"jars": ["../etc/passwd"]}, "jars.../etc/passwd", "refused"),
        ({"nonsense": 1}, "nonsense", "Extra inputs"),
        ({"arguments": ["master"]}, "arguments", "valid dictionary"),
        ({"configurations": {"spark.x": None}}, "configurations.spark.x", "valid string"),
    ],
    ids=["value", "hostile name", "newline", "missing file", "path", "extra", "list", "null"],
)
def test_what_breaks_a_rule_is_refused_with_field_and_remedy(
    admin: httpx.Client, body: dict[str, Any], field: str, told: str
) -> None:
    before = admin.get(SPARK).json()

    answer = admin.put(SPARK, json=body)

    assert answer.status_code == 422
    assert (answer.json()["error"], answer.json()["field"]) == ("invalid", field)
    assert told in answer.json()["detail"]
    assert admin.get(SPARK).json() == before


def test_validate_tells_all_problems_and_saves_nothing(admin: httpx.Client) -> None:
    before = admin.get(SPARK).json()

    answer = admin.post(
        SPARK + "/validate",
        json={"arguments": {"executor-cores": "two"}, "configurations": {"spark.sql.shufle.partitions": "1"}},
    ).json()

    assert not answer["valid"]
    assert [(problem["field"], problem["level"]) for problem in answer["problems"]] == [
        ("arguments.executor-cores", "error"),
        ("arguments.executor-cores", "note"),
        ("configurations.spark.sql.shufle.partitions", "warning"),
    ]
    assert admin.get(SPARK).json() == before


def test_unknown_version_is_not_found(admin: httpx.Client) -> None:
    assert admin.get(SPARK, params={"commit": "0" * 40}).status_code == 404
    assert admin.get(SPARK, params={"commit": "--help"}).status_code == 404


def test_developer_reads_and_cannot_save(api_server: ApiServer, admin: httpx.Client) -> None:
    answer = httpx.put(api_server.url + SPARK, json={}, auth=("dev", "dev"), timeout=ANSWER_SECONDS)

    assert (answer.status_code, answer.json()["error"]) == (403, "not_allowed")


def test_save_leaves_an_audit_row_without_the_secret(admin: httpx.Client, api_server: ApiServer) -> None:
    commit = admin.put(SPARK, json={"configurations": {SECRET: "s3cr3t"}}).json()["commit"]

    rows = api_server.sql("select owner, extra from log where event = 'spark_configuration.save' order by id")

    owner, extra = rows[-1]
    assert owner == "admin"
    assert "s3cr3t" not in extra
    found = json.loads(extra)
    assert found["commit"] == commit
    assert [(change["name"], change["kind"], change["new"]) for change in found["changes"]] == [
        ("master", "removed", ""),
        (SECRET, "added", "******"),
    ]
