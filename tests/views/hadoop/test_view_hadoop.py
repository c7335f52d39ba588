"""The page Hadoop Configuration: what it shows to whom, and the calls of its scripts."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from couture_workflow.services.hadoop import files, groups
from couture_workflow.store.home import Store
from tests.support.api_server import ApiServer

PAGE = "/couture/hadoop-configuration"
GROUP = f"{PAGE}/groups/view-one"
CORE = b"""<configuration>
<property><name>fs.defaultFS</name><value>hdfs://a:8020</value><description>a'b"&lt;b>x&lt;/b></description></property>
<property><name>a.password</name><value>hush</value></property>
</configuration>"""


class Editor:
    """A person with the page open."""

    def __init__(self, server: ApiServer) -> None:
        self.client: httpx.Client = server.client("admin")
        text = self.client.get(f"{PAGE}/").text
        self.headers = {"X-CSRFToken": re.findall(r'name="csrf-token" content="([^"]+)"', text)[0]}
        self.headers["Accept"] = "application/json"

    def post(self, path: str, **payload: Any) -> httpx.Response:
        return self.client.post(path, json=payload, headers=self.headers)

    def upload(self, verb: str, sent: dict[str, bytes], **fields: str) -> httpx.Response:
        parts = [("files", (name, content, "text/xml")) for name, content in sent.items()]
        return self.client.post(f"{GROUP}/upload/{verb}", files=parts, data=fields, headers=self.headers)

    def state(self, address: str) -> dict[str, Any]:
        found = re.findall(r'data-state="([^"]+)"', self.client.get(address).text)
        return dict(json.loads(html.unescape(found[0])))


@pytest.fixture
def editor(api_server: ApiServer, store: Store) -> Iterator[Editor]:
    groups.add(store, "view-one", user="ann")
    files.save(store, "view-one", {"core-site.xml": CORE}, user="ann")
    yield Editor(api_server)
    for group in groups.listed(store):
        others = [each for each in groups.listed(store) if each.name != group.name]
        if group.is_default and others:
            groups.set_default(store, others[0].name, user="ann")
        groups.delete(store, group.name, user="ann")


def test_pages_show_all_but_secrets(editor: Editor) -> None:
    addresses = (f"{PAGE}/", f"{GROUP}/", f"{GROUP}/edit?file=core-site.xml", f"{GROUP}/history")
    texts = [editor.client.get(address) for address in addresses]

    assert [text.status_code for text in texts] == [200] * 4
    assert not any("hush" in text.text for text in texts)
    assert "Secret is set" in texts[1].text
    assert "<b>x</b>" not in texts[1].text and "&lt;b&gt;x&lt;/b&gt;" in texts[1].text
    download = editor.client.get(f"{GROUP}/download?file=core-site.xml")
    assert (download.headers["content-disposition"][:10], "hush" in download.text) == ("attachment", False)


def test_a_search_is_the_servers(editor: Editor) -> None:
    found = editor.client.get(f"{GROUP}/?search=defaultfs").text
    none = editor.client.get(f"{GROUP}/?search=<i>").text

    assert "hdfs://a:8020" in found and "a.password" not in found
    assert "No property has" in none and "<i>”" not in none


def test_an_edit_is_checked_reviewed_and_saved(editor: Editor, store: Store) -> None:
    state = editor.state(f"{GROUP}/edit?file=core-site.xml")
    text = state["text"].replace("a:8020", "b:8020")
    draft = {"name": "core-site.xml", "text": text, "base": state["base"]}

    wrong = editor.post(f"{GROUP}/check", **{**draft, "text": text.replace("</configuration>", "")})
    checked = editor.post(f"{GROUP}/check", **draft).json()["draft"]
    saved = editor.post(f"{GROUP}/save", **draft, message="why")
    late = editor.post(f"{GROUP}/save", **{**draft, "text": text.replace("b:8020", "c:8020")})

    assert (wrong.status_code, wrong.json()["field"]) == (422, "text")
    assert "line " in wrong.json()["detail"]
    assert (checked["old"], checked["new"]) == (state["saved"], text)
    assert (saved.status_code, late.status_code, late.json()["error"]) == (200, 409, "conflict")
    found = groups.properties(store, "view-one")
    assert (found["fs.defaultFS"], found["a.password"]) == ("hdfs://b:8020", "hush")
    assert files.history(store, "view-one")[0].message == "why"


def test_a_version_is_shown_and_opened_again(editor: Editor, store: Store) -> None:
    first = files.history(store, "view-one", "core-site.xml")[0]
    files.save(store, "view-one", {"core-site.xml": CORE.replace(b"a:8020", b"b:8020")}, user="bob")
    newest = files.history(store, "view-one", "core-site.xml")[0]

    shown = editor.client.get(f"{GROUP}/history/{newest.id}?before={first.id}").json()["changes"]
    state = editor.state(f"{GROUP}/edit?file=core-site.xml&restore={first.id}")

    assert [change["file"] for change in shown] == ["core-site.xml"]
    assert "a:8020" in shown[0]["old"] and "b:8020" in shown[0]["new"]
    assert "hush" not in json.dumps(shown)
    assert (state["restored"], "a:8020" in state["text"], "b:8020" in state["saved"]) == (True, True, True)


def test_several_files_are_uploaded_or_none(editor: Editor, store: Store) -> None:
    sent = {"yarn-site.xml": b"<configuration/>", "odd.xml": b"<conf/>"}

    checked = editor.upload("check", sent).json()
    refused = editor.upload("save", {**sent, "bad.xml": b"<!DOCTYPE a><a/>"})
    before = groups.get(store, "view-one").files
    saved = editor.upload("save", sent, base=checked["base"], message="both")

    assert [draft["name"] for draft in checked["drafts"]] == ["yarn-site.xml", "odd.xml"]
    assert len(checked["drafts"][1]["remarks"]) == 2
    assert (refused.status_code, before) == (422, ("core-site.xml",))
    assert "document type" in refused.json()["detail"]
    assert saved.status_code == 200, saved.text
    assert groups.get(store, "view-one").files == ("core-site.xml", "odd.xml", "yarn-site.xml")


def test_groups_are_added_renamed_made_default_and_deleted(editor: Editor, store: Store) -> None:
    assert editor.post(f"{PAGE}/add", name=" view-two ").json() == {"name": "view-two"}
    taken = editor.post(f"{PAGE}/add", name="View-Two")
    assert editor.post(f"{PAGE}/groups/view-two/default").status_code == 200
    refused = editor.post(f"{PAGE}/groups/view-two/delete")
    assert editor.post(f"{GROUP}/rename", name="view-three").json() == {"name": "view-three"}
    assert editor.post(f"{PAGE}/groups/view-three/delete-file", name="core-site.xml").status_code == 200
    assert editor.post(f"{PAGE}/groups/view-three/keytab", keytab="nosuch").status_code == 404
    assert editor.post(f"{PAGE}/groups/view-three/delete").status_code == 200

    assert (taken.status_code, taken.json()["field"]) == (422, "name")
    assert (refused.status_code, refused.json()["error"]) == (409, "in_use")
    assert [group.name for group in groups.listed(store)] == ["view-two"]


def test_a_new_file_takes_no_name_that_is_there(editor: Editor) -> None:
    answer = editor.post(f"{GROUP}/save", name="core-site.xml", text="<configuration/>", new=True)

    assert (answer.status_code, answer.json()["field"]) == (422, "name")


@pytest.mark.parametrize(
    "address", ["", "groups/view-one/", "groups/view-one/edit", "groups/view-one/history"]
)
def test_nobody_but_an_administrator_sees_it(editor: Editor, api_server: ApiServer, address: str) -> None:
    assert api_server.client("dev").get(f"{PAGE}/{address}").status_code == 403


def test_what_is_not_there_is_told(editor: Editor) -> None:
    for address in (
        "groups/nosuch/",
        "groups/view-one/edit?file=nosuch.xml",
        "groups/view-one/download?file=x",
    ):
        assert editor.client.get(f"{PAGE}/{address}").status_code == 404
