"""The page Mail in a browser: a test mail with the server's own answer, a mistake at its field, save."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.support.api_server import ApiServer
from tests.support.mail import mail_server

pytestmark = pytest.mark.browser

SECRET = 's3cr3t"<&>ü'


@pytest.fixture
def page_of(api_server: ApiServer, new_page: Callable[..., Page]) -> Iterator[Page]:
    page = new_page()
    api_server.log_in(page)
    page.goto(f"{api_server.url}/couture/mail/")
    yield page
    program = api_server.client("admin", headers={"X-Requested-With": "tests"})
    assert program.put("/api/mail/", json={"settings": {}}).status_code == 200


def test_a_server_is_tried_and_saved(page_of: Page) -> None:
    page = page_of
    with mail_server(accounts={"airflow": SECRET}) as (port, mails):
        page.locator("#host").fill("127.0.0.1")
        page.locator("#security").select_option("none")
        expect(page.locator("#port")).to_have_value("25")
        page.locator("#port").fill(str(port))
        page.locator("#to").fill("ann@example.org")
        page.get_by_role("button", name="Send a test mail").click()
        expect(page.locator("#sender-error")).to_contain_text("Say which address mails come from")

        page.locator("#sender").fill("Couture <couture@example.org>")
        page.locator("#user").fill("airflow")
        page.locator("#password").fill("wrong")
        page.get_by_role("button", name="Send a test mail").click()
        expect(page.locator("#test-state")).to_contain_text("The server said: 535 5.7.8 who are you")

        page.locator("#password").fill(SECRET)
        page.get_by_role("button", name="Send a test mail").click()
        expect(page.locator("#test-state")).to_contain_text("It said: 250 2.0.0 queued as 4711")
        expect(page.locator("#talk")).to_contain_text("> AUTH ******")
        expect(page.locator("#talk")).not_to_contain_text(SECRET)
        assert len(mails) == 1

    page.get_by_role("button", name="Save").click()
    expect(page.locator("#mail-state")).to_contain_text("Mails go through 127.0.0.1")
    expect(page.locator("#password")).to_have_value("")
    expect(page.locator("#password")).to_have_attribute("placeholder", "Saved; type to replace it")
    assert SECRET not in page.content()


def test_what_somebody_else_saved_is_told(page_of: Page, api_server: ApiServer) -> None:
    page = page_of
    page.locator("#host").fill("mine.example.org")
    page.locator("#sender").fill("mine@example.org")
    theirs = {"host": "theirs.example.org", "sender": "theirs@example.org", "verify": False}
    other = api_server.client("admin", headers={"X-Requested-With": "tests"})
    assert other.put("/api/mail/", json={"settings": theirs}).status_code == 200

    save = page.get_by_role("button", name="Save")
    save.focus()
    page.keyboard.press("Enter")

    told = page.locator("#notices .alert-error")
    expect(told).to_contain_text("Server: theirs.example.org; Mails come from: theirs@example.org")
    expect(told).to_contain_text("Check the server's certificate: no")
    expect(save).to_be_focused()
    expect(page.locator("#host")).to_have_value("mine.example.org")
    page.set_viewport_size({"width": 1440, "height": 900})
    save.click()  # the message does not lie over it
    expect(page.locator("#mail-state")).to_contain_text("Mails go through mine.example.org")
