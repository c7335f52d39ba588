"""Kerberos Configuration in a browser: upload, choose, test, delete, review and restore; dark and narrow."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from couture_workflow.services.kerberos import configuration, keytabs
from couture_workflow.store.home import Store
from tests.support.api_server import ApiServer
from tests.support.keytabs import AES128, RC4, keytab, record
from tests.support.servers import free_port

pytestmark = pytest.mark.browser

TWO = keytab([record("etl", kvno=3), record("web/node", kind=AES128), record("web/node", kind=RC4)])


@pytest.fixture
def store(api_server: ApiServer) -> Iterator[Store]:
    """The server's store, without keytabs and krb5.conf."""
    store = api_server.store()
    for name in keytabs.names(store):
        store.secrets.delete(keytabs.PREFIX + name)
    (store.root / keytabs.STATE).unlink(missing_ok=True)
    if configuration.read(store).text:
        head = store.config.head()
        store.config.save({configuration.PATH: None}, author="tests", message="Empty", base=head)
    yield store


@pytest.fixture
def open_page(api_server: ApiServer, new_page: Callable[..., Page]) -> Callable[..., Page]:
    def open_as_admin(**options: object) -> Page:
        page = new_page(**options)
        api_server.log_in(page)
        page.goto(f"{api_server.url}/couture/kerberos-configuration/")
        return page

    return open_as_admin


def choose(page: Page, name: str, content: bytes) -> None:
    page.get_by_label("File").set_input_files({"name": name, "mimeType": "", "buffer": content})


def test_a_keytab_is_uploaded_tested_replaced_and_deleted(
    open_page: Callable[..., Page], store: Store
) -> None:
    page = open_page()
    expect(page.get_by_text("No keytabs")).to_be_visible()
    choose(page, "notes.txt", b"password")
    expect(page.locator("#keytab-error")).to_contain_text("begins with the bytes 70 61")

    choose(page, "my etl.keytab", TWO)
    expect(page.get_by_label("Name", exact=True)).to_have_value("my-etl")
    page.get_by_role("button", name="Upload").click()
    expect(page.locator("#principal-error")).to_have_text("Choose a principal.")
    page.get_by_label("web/node@LAB.TEST").check()
    page.get_by_role("button", name="Upload").click()
    card = page.locator("[data-keytab='my-etl']")
    expect(card).to_contain_text("web/node@LAB.TEST")
    expect(card).to_contain_text("Default")
    expect(card.get_by_text("weak", exact=True)).to_be_visible()
    assert keytabs.get(store, "my-etl").principal == "web/node@LAB.TEST"

    card.get_by_role("button", name="Test my-etl").click()
    expect(card.get_by_role("status")).to_contain_text("There is no krb5.conf")

    choose(page, "my-etl.keytab", keytab())
    expect(page.get_by_label("etl@LAB.TEST")).to_be_checked()
    page.get_by_label("Name", exact=True).fill("my-etl")
    page.get_by_role("button", name="Upload").click()
    page.get_by_role("button", name="Replace", exact=True).click()
    expect(card.locator("dd").first).to_have_text("etl@LAB.TEST")

    card.get_by_role("button", name="Delete my-etl").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete", exact=True).click()
    expect(page.get_by_text("No keytabs")).to_be_visible()
    assert keytabs.names(store) == ()


def test_the_text_is_checked_reviewed_saved_and_restored(
    open_page: Callable[..., Page], store: Store
) -> None:
    page = open_page()
    editor = page.get_by_role("textbox", name="Text of krb5.conf")
    expect(editor).to_contain_text("EXAMPLE.ORG")
    editor.fill("include /etc/krb5.conf.d/x\n[libdefaults]\ndefault_realm = LAB.TEST\n")
    expect(page.locator("#remarks")).to_contain_text("include is refused")
    page.get_by_role("button", name="Review & Save").click()
    expect(page.locator("#text-error")).to_contain_text("Line 1: include is refused")
    expect(page.locator("#text-state")).to_have_text("Not saved: correct the errors.")

    port = free_port()
    text = (
        "[libdefaults]\ndefault_realm = LAB.TEST\nudp_preference_limit = 1\n"
        f"[realms]\nLAB.TEST = {{\nkdc = 127.0.0.1:{port}\n}}\n"
    )
    editor.fill(text)
    page.get_by_role("button", name="Review & Save").click()
    dialog = page.get_by_role("dialog", name="Review the change")
    expect(dialog).to_contain_text("LAB.TEST")
    dialog.get_by_label("Message (optional)").fill("Why not")
    dialog.get_by_role("button", name="Save").click()
    expect(page.locator("#saved-by")).to_contain_text("Why not")
    first = configuration.read(store)
    assert first.text.split() == text.split()
    configuration.save(store, configuration.TEMPLATE, user="bob", base=first.commit)

    page.get_by_role("link", name="History of krb5.conf").click()
    page.get_by_text("Changes", exact=True).first.click()
    expect(page.locator("[data-content]").first).to_contain_text("EXAMPLE.ORG")
    page.get_by_role("link", name=f"Restore version {(first.commit or '')[:10]}").click()
    expect(page.get_by_role("textbox", name="Text of krb5.conf")).to_contain_text("LAB.TEST")
    expect(page.locator("#text-state")).to_have_text("Not saved yet.")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_a_narrow_window_and_tells_why_there_is_no_ticket(
    open_page: Callable[..., Page], store: Store, scheme: str, tmp_path: Path
) -> None:
    if shutil.which("kinit") is None:
        pytest.skip("needs kinit")
    port = free_port()
    text = (
        f"[libdefaults]\n udp_preference_limit = 1\n[realms]\n LAB.TEST = {{\n kdc = 127.0.0.1:{port}\n }}\n"
    )
    configuration.save(store, text, user="ann", base=configuration.read(store).commit)
    keytabs.upload(store, "n" * 100, keytab([record("p" * 200)]), user="ann")
    page = open_page(viewport={"width": 375, "height": 800}, color_scheme=scheme)

    page.locator("[data-test]").click()

    outcome = page.locator("[data-outcome]")
    expect(outcome).to_contain_text(f"can be reached (127.0.0.1:{port})")
    expect(outcome).to_contain_text("firewall")
    expect(page.locator("#remarks li").first).to_be_visible()
    wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert wide <= 0
    page.screenshot(path=tmp_path / "narrow.png", full_page=True)
