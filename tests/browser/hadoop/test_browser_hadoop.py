"""Hadoop Configuration in a browser: add, upload, edit, restore, test, delete; dark and narrow."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from couture_workflow.services.hadoop import files, groups, index
from couture_workflow.store.home import Store
from tests.support.api_server import ApiServer

pytestmark = pytest.mark.browser

CORE = b"""<?xml version="1.0"?>
<configuration>
  <!-- of the lab -->
  <property><name>fs.defaultFS</name><value>hdfs://a:8020</value></property>
  <property><name>a.password</name><value>hush</value></property>
</configuration>
"""


@pytest.fixture
def store(api_server: ApiServer) -> Iterator[Store]:
    """The server's store, without Hadoop groups."""
    store = api_server.store()
    paths = store.config.paths(index.FOLDER)
    if paths:
        head = store.config.head()
        store.config.save(dict.fromkeys(paths), author="tests", message="Empty", base=head)
    yield store


@pytest.fixture
def open_page(api_server: ApiServer, new_page: Callable[..., Page]) -> Callable[..., Page]:
    def open_as_admin(address: str = "", **options: object) -> Page:
        page = new_page(**options)
        api_server.log_in(page)
        page.goto(f"{api_server.url}/couture/hadoop-configuration/{address}")
        return page

    return open_as_admin


def upload(page: Page, **sent: bytes) -> None:
    chosen = [
        {"name": f"{name.replace('_', '-')}.xml", "mimeType": "text/xml", "buffer": content}
        for name, content in sent.items()
    ]
    page.locator("#choose").set_input_files(chosen)


def test_a_group_from_its_first_file_to_its_end(open_page: Callable[..., Page], store: Store) -> None:
    page = open_page()
    expect(page.get_by_text("No groups yet")).to_be_visible()
    page.get_by_label("New group").fill("a b")
    page.get_by_role("button", name="Add group").click()
    expect(page.locator("#group-name-error")).to_contain_text("A name has only letters")
    page.get_by_label("New group").fill("lab")
    page.get_by_role("button", name="Add group").click()
    expect(page.get_by_label("Warnings")).to_contain_text("There is no core-site.xml")

    upload(page, core_site=b"<!DOCTYPE a><a/>")
    expect(page.locator("#notices")).to_contain_text("has a document type")
    upload(page, core_site=CORE, odd_name=b"<configuration/>")
    dialog = page.get_by_role("dialog", name="Review 2 files")
    expect(dialog).to_contain_text("core-site.xml (new)")
    expect(dialog).to_contain_text("is no name that Hadoop, Hive or HBase looks for")
    expect(dialog).not_to_contain_text("hush")
    dialog.get_by_role("button", name="Save").click()
    expect(page.get_by_role("cell", name="hdfs://a:8020")).to_be_visible()
    expect(page.get_by_text("Secret is set")).to_be_visible()
    assert groups.properties(store, "lab")["a.password"] == "hush"

    page.get_by_role("button", name="Delete odd-name.xml").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete", exact=True).click()
    expect(page.get_by_role("button", name="Delete odd-name.xml")).to_have_count(0)

    page.get_by_role("link", name="← Hadoop Configuration").click()
    card = page.locator("[data-group='lab']")
    expect(card).to_contain_text("Default")
    card.get_by_role("button", name="Rename lab").click()
    page.get_by_role("dialog").get_by_label("New name").fill("real")
    page.get_by_role("dialog").get_by_role("button", name="Rename", exact=True).click()
    page.get_by_role("button", name="Delete real").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete", exact=True).click()
    expect(page.get_by_text("No groups yet")).to_be_visible()
    assert groups.listed(store) == []


def test_a_file_is_edited_reviewed_and_restored(open_page: Callable[..., Page], store: Store) -> None:
    groups.add(store, "lab", user="ann")
    files.save(store, "lab", {"core-site.xml": CORE}, user="ann")
    page = open_page("groups/lab/edit?file=core-site.xml")
    editor = page.get_by_role("textbox", name="Text of core-site.xml")
    expect(editor).to_contain_text("******")
    expect(editor.locator(".tok-comment")).to_have_text("<!-- of the lab -->")
    expect(editor.locator(".tok-typeName").first).to_be_visible()

    text = files.text(store, "lab", "core-site.xml")
    editor.fill(text.replace("</configuration>", "</configuratio>"))
    page.get_by_role("button", name="Review & Save").click()
    expect(page.locator("#file-text-error")).to_contain_text("line 6")
    editor.fill(text.replace("a:8020", "b:8020"))
    page.get_by_role("button", name="Review & Save").click()
    dialog = page.get_by_role("dialog", name="Review the change")
    expect(dialog).to_contain_text("hdfs://b:8020")
    dialog.get_by_label("Message (optional)").fill("Moved")
    dialog.get_by_role("button", name="Save").click()
    expect(page.get_by_role("cell", name="hdfs://b:8020")).to_be_visible()

    page.get_by_role("link", name="History", exact=True).click()
    expect(page.get_by_text("Moved")).to_be_visible()
    page.get_by_text("Changes", exact=True).last.click()
    page.get_by_role("link", name="Restore core-site.xml").click()
    expect(editor).to_contain_text("a:8020")
    expect(page.locator("#file-state")).to_have_text("Not saved yet.")
    page.get_by_role("button", name="Review & Save").click()
    page.get_by_role("dialog").get_by_role("button", name="Save").click()
    expect(page.get_by_role("cell", name="hdfs://a:8020")).to_be_visible()
    found = groups.properties(store, "lab")
    assert (found["fs.defaultFS"], found["a.password"]) == ("hdfs://a:8020", "hush")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_a_narrow_window_and_tells_why_a_cluster_cannot_be_reached(
    open_page: Callable[..., Page], store: Store, scheme: str, tmp_path: Path
) -> None:
    groups.add(store, "n" * 100, user="ann")
    secure = CORE.replace(b"a.password", b"hadoop.security.authentication").replace(b"hush", b"kerberos")
    files.save(store, "n" * 100, {"core-site.xml": secure}, user="ann")
    page = open_page(f"groups/{'n' * 100}/", viewport={"width": 375, "height": 800}, color_scheme=scheme)

    page.locator("[data-test]").click()

    expect(page.locator("[data-outcome]")).to_contain_text("Ticket: Failed")
    expect(page.locator("[data-outcome]")).to_contain_text("Kerberos Configuration")
    wide = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert page.evaluate(wide) <= 0
    page.screenshot(path=tmp_path / "narrow.png", full_page=True)
    for address in ("", f"groups/{'n' * 100}/edit?file=core-site.xml", f"groups/{'n' * 100}/history"):
        page.goto(f"{page.url.partition('groups/')[0]}{address}")
        assert page.evaluate(wide) <= 0, address
