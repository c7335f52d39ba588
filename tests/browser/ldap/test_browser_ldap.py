"""The page of log-in by a directory in a browser: defaults, a contradiction, a trial, review and save."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Page, expect

from couture_workflow.services.ldap import configuration, library
from couture_workflow.store.home import Store
from tests.services.slapd import ADMINS, PEOPLE, SERVICE, SERVICE_PASSWORD, Slapd, password
from tests.support.api_server import ApiServer

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not library.is_installed(), reason="needs python-ldap"),
]


@pytest.fixture
def open_page(api_server: ApiServer, new_page: Callable[..., Page]) -> Iterator[Callable[..., Page]]:
    def open_as(account: str = "admin", **options: object) -> Page:
        page = new_page(**options)
        api_server.log_in(page, account)
        page.goto(f"{api_server.url}/couture/ldap-configuration/")
        return page

    yield open_as
    configuration.choose_database(api_server.store(), user="tests")


def test_directory_is_set_up_tried_and_saved(
    open_page: Callable[..., Page], store: Store, slapd: Slapd
) -> None:
    before = configuration.read(store).commit
    page = open_page()
    page.get_by_role("button", name="Active Directory").click()
    expect(page.locator("#AUTH_LDAP_UID_FIELD")).to_have_value("sAMAccountName")
    page.get_by_role("button", name="OpenLDAP").click()
    expect(page.locator("#AUTH_LDAP_UID_FIELD")).to_have_value("uid")

    page.get_by_label("The directory", exact=True).check()
    page.locator("#LOCAL_ACCOUNTS").fill("admin")
    page.locator("#AUTH_LDAP_SERVER").fill(slapd.secure_url)
    page.locator("#AUTH_LDAP_TLS_CACERTFILE").fill(str(slapd.ca))
    page.locator("#AUTH_LDAP_BIND_USER").fill(SERVICE)
    page.locator("#AUTH_LDAP_BIND_PASSWORD").fill(SERVICE_PASSWORD)
    page.locator("#AUTH_LDAP_SEARCH").fill(PEOPLE)
    removing = page.get_by_role("button", name="Remove this group")
    for _ in range(removing.count()):  # what another test saved
        removing.first.click()
    page.get_by_role("button", name="Add group").click()
    page.get_by_label("Group", exact=True).fill(ADMINS)
    page.get_by_role("button", name="Review & Save").click()
    expect(page.locator("#AUTH_ROLES_MAPPING-error")).to_contain_text("at least one role")
    page.locator("#AUTH_ROLES_MAPPING").get_by_label("Roles", exact=True).fill("Admin, Op")
    page.get_by_role("button", name="Review & Save").click()
    expect(page.locator("#AUTH_LDAP_USE_TLS-error")).to_contain_text("Switch STARTTLS off")
    page.locator("#AUTH_LDAP_USE_TLS").uncheck()

    page.locator("#username").fill("alice")
    page.locator("#password").fill("wrong")
    page.get_by_role("button", name="Test", exact=True).click()
    expect(page.locator(".ldap-bad")).to_contain_text("Invalid credentials (49)", timeout=240_000)
    page.locator("#password").fill(password("alice"))
    page.locator("#password").press("Enter")
    expect(page.locator("#test-state")).to_have_text("The person would be let in.", timeout=240_000)
    expect(page.locator(".ldap-steps > li")).to_have_count(7)
    expect(page.locator(".ldap-bad")).to_have_count(0)
    assert configuration.read(store).commit == before  # nothing was stored

    page.get_by_role("button", name="Review & Save").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text(slapd.secure_url)
    expect(dialog).not_to_contain_text(SERVICE_PASSWORD)
    dialog.get_by_label("Message (optional)").fill("From the browser")
    with page.expect_navigation():  # the page may have said already that something is not applied
        dialog.get_by_role("button", name="Save").click()

    expect(page.locator("#pending")).to_contain_text("Saved, not yet applied")
    saved = configuration.read(store)
    assert saved.is_ldap
    assert saved.mapping == {ADMINS: ("Admin", "Op")}
    assert configuration.password(store, saved) == SERVICE_PASSWORD
    assert SERVICE_PASSWORD not in page.content()

    page.get_by_role("link", name="History").click()
    expect(page.locator(".version").first).to_contain_text("From the browser")
    page.locator(".version").first.get_by_text("Changes").click()
    expect(page.locator(".version").first).to_contain_text("AUTH_LDAP_SERVER")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_narrow_page_is_read_without_scrolling_sideways(open_page: Callable[..., Page], scheme: str) -> None:
    page = open_page(viewport={"width": 360, "height": 740}, color_scheme=scheme)
    expect(page.locator("#AUTH_LDAP_SERVER")).to_be_enabled()
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
