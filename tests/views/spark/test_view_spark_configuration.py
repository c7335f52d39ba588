"""The calls of the Spark configuration page: drafts, saves, conflicts; and what each role is shown."""

from __future__ import annotations

import html
import json
import re
from typing import Any

import httpx
import pytest

from couture_workflow.store.home import Store
from tests.support.api_server import ApiServer

PAGE = "/couture/spark-configuration"
SECRET = "spark.hadoop.fs.s3a.secret.key"
HOSTILE = "a'b\"<&>ü"


class Editor:
    """A person with the page open."""

    def __init__(self, server: ApiServer, account: str = "admin") -> None:
        self.client: httpx.Client = server.client(account)
        self.text = self.client.get(PAGE + "/").text
        self.headers = {"X-CSRFToken": re.findall(r'name="csrf-token" content="([^"]+)"', self.text)[0]}
        state = re.findall(r'data-state="([^"]+)"', self.text)
        self.state: dict[str, Any] = json.loads(html.unescape(state[0])) if state else {}

    def call(self, verb: str, rows: dict[str, Any], **more: Any) -> httpx.Response:
        return self.client.post(f"{PAGE}/{verb}", json={**rows, **more}, headers=self.headers)

    def save(self, **rows: Any) -> dict[str, Any]:
        answer = self.call("save", {"base": self.state["saved"]["base"], **rows})
        assert answer.status_code == 200, answer.text
        self.state["saved"] = answer.json()["saved"]
        return dict(self.state["saved"])


@pytest.fixture
def editor(api_server: ApiServer) -> Editor:
    return Editor(api_server)


def value(name: str, text: str) -> dict[str, str]:
    return {"name": name, "value": text}


def test_saved_secret_never_reaches_the_browser(editor: Editor, api_server: ApiServer) -> None:
    saved = editor.save(configurations=[value(SECRET, "s3cr3t"), value("spark.hadoop.x", HOSTILE)])

    shown = Editor(api_server)
    assert shown.state["saved"] == saved
    assert saved["configurations"] == [
        {"name": SECRET, "kept": saved["base"]},
        {"name": "spark.hadoop.x", "value": HOSTILE},
    ]
    checked = shown.call("check", saved).json()
    carried = shown.call("carry", saved).json()
    history = shown.client.get(PAGE + "/history").text
    changes = shown.client.get(f"{PAGE}/history/{saved['base']}").json()
    assert "s3cr3t" not in shown.text + json.dumps([checked, carried, changes]) + history
    assert checked["changes"] == []


def test_check_tells_problems_command_and_changes(editor: Editor) -> None:
    editor.save(arguments=[value("master", "local[2]")])

    answer = editor.call(
        "check",
        {
            "base": editor.state["saved"]["base"],
            "arguments": [value("master", "local[4]"), value("driver-memory", HOSTILE)],
            "configurations": [value(SECRET, "s3cr3t")],
        },
    ).json()

    assert [(remark["section"], remark["row"], remark["level"]) for remark in answer["remarks"]] == [
        ("arguments", 1, "error")
    ]
    assert "--master 'local[4]'" in answer["command"]
    assert "s3cr3t" not in answer["command"]
    assert [(change["name"], change["kind"]) for change in answer["changes"]] == [
        ("driver-memory", "added"),
        ("master", "changed"),
        (SECRET, "added"),
    ]
    assert answer["newest"] == editor.state["saved"]["base"]


def test_save_with_an_error_saves_nothing(editor: Editor) -> None:
    before = editor.save(arguments=[value("master", "yarn")])

    answer = editor.call("save", {"base": before["base"], "arguments": [value("master", "nowhere")]}).json()

    assert answer["saved"] is None
    assert [remark["level"] for remark in answer["remarks"]] == ["error"]
    assert editor.call("check", before).json()["newest"] == before["base"]


def test_second_of_two_editors_gets_the_difference_and_can_carry_over(api_server: ApiServer) -> None:
    Editor(api_server).save(arguments=[value("master", "yarn"), value("queue", "a")])
    ada, bob = Editor(api_server), Editor(api_server)
    theirs = bob.save(
        arguments=[value("master", "yarn"), value("queue", "b")], configurations=[value("spark.b", "1")]
    )
    mine = {
        "base": ada.state["saved"]["base"],
        "arguments": [value("master", "local"), value("queue", "c")],
        "configurations": [value(SECRET, "typed")],
    }

    refused = ada.call("save", mine)
    carried = ada.call("carry", mine).json()

    assert (refused.status_code, refused.json()["error"]) == (409, "conflict")
    assert carried["rows"] == {
        "base": theirs["base"],
        "arguments": [value("master", "local"), value("queue", "c")],
        "configurations": [value("spark.b", "1"), {"name": SECRET, "typed": True}],
        "jars": [],
        "py_files": [],
    }
    assert [(change["name"], change["new"]) for change in carried["theirs"]] == [
        ("queue", "b"),
        ("spark.b", "1"),
    ]
    assert [(change["name"], change["old"], change["new"]) for change in carried["clashes"]] == [
        ("queue", "b", "c")
    ]


def test_restored_version_keeps_its_secret(editor: Editor, store: Store) -> None:
    from couture_workflow.services.spark import configuration as spark_configuration

    first = editor.save(configurations=[value(SECRET, "first")])
    second = editor.save(configurations=[value(SECRET, "second")])
    page = editor.client.get(PAGE + "/", params={"restore": first["base"]}).text
    restore = json.loads(html.unescape(re.findall(r'data-state="([^"]+)"', page)[0]))["restore"]

    editor.save(**restore)

    assert restore["base"] == second["base"]
    assert spark_configuration.load(store).configurations == {SECRET: "first"}


def test_developer_reads_a_page_without_a_control(editor: Editor, api_server: ApiServer) -> None:
    editor.save(arguments=[value("master", "yarn")], configurations=[value("spark.hadoop.x", HOSTILE)])

    developer = Editor(api_server, "dev")

    assert "a&#39;b&#34;&lt;&amp;&gt;ü" in developer.text
    main = re.findall(r"<main.*</main>", developer.text, re.DOTALL)[0]
    assert not re.search(r"<(button|input|form|select)\b", main)
    assert "restore=" not in developer.client.get(PAGE + "/history").text
    assert developer.call("save", {"arguments": []}).status_code == 403
    assert developer.call("preflight", {}).status_code == 403


def test_check_tries_what_is_saved_and_tells_each_thing(editor: Editor) -> None:
    editor.save(arguments=[value("master", "local[2]")], configurations=[value(SECRET, "s3cr3t")])

    answer = editor.call("preflight", {})

    assert answer.status_code == 200, answer.text
    found = {check["what"]: (check["result"], check["said"]) for check in answer.json()["checks"]}
    assert found["Spark configuration"] == ("passed", "local[2] takes it.")
    assert found["Hadoop group"][0] == "skipped"
    assert "s3cr3t" not in answer.text


@pytest.mark.parametrize("body", [[], "x", {"arguments": 1}], ids=["list", "text", "number"])
def test_call_of_another_form_is_refused(editor: Editor, body: Any) -> None:
    answer = editor.client.post(PAGE + "/check", json=body, headers=editor.headers)

    assert (answer.status_code, answer.json()["error"]) == (422, "invalid")


def test_pages_have_no_inline_code(editor: Editor) -> None:
    for path in ("/", "/history"):
        assert not re.search(
            r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=", editor.client.get(PAGE + path).text
        )


def test_options_are_fetched_once_a_day(editor: Editor) -> None:
    answer = editor.client.get(PAGE + "/options")

    assert answer.headers["cache-control"] == "private, max-age=86400"
    assert len(answer.json()["configurations"]) > 900
    assert {option["name"] for option in answer.json()["arguments"]} >= {"master", "queue"}
