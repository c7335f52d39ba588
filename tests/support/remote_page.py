"""The page *DAG Repository*, as a person fills it in."""

from __future__ import annotations

from playwright.sync_api import Page, expect


def connect(page: Page, server: str, token: str) -> None:
    """Connect the repository ``central.git`` of a git server both ways, and see that it was synchronised."""
    page.get_by_label("Address", exact=True).fill(f"{server}/central.git")
    page.get_by_label("Both ways").check()
    page.get_by_role("button", name="Add credential").click()
    page.get_by_label("Addresses that begin with").fill(f"{server}/")
    page.get_by_label("User name of the token").fill("ci")
    page.get_by_label("Token, or private SSH key").fill(token)
    page.get_by_role("button", name="Save and synchronise").click()
    expect(page.locator("#state-message")).to_contain_text("OK", timeout=120_000)
