"""The git remote in a browser: connect, follow, a conflict that is resolved, the web hook, secrets."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from couture_workflow.services.git import remote as git_remote
from couture_workflow.services.git import sync as git_sync
from couture_workflow.services.git.remote import Remote
from couture_workflow.store import atomic
from couture_workflow.store.home import Store
from tests.support import remote_page
from tests.support.api_server import ApiServer
from tests.support.git_server import GitServer, git, git_server

pytestmark = pytest.mark.browser

TOKEN = "t0k'en \"<&>"


@pytest.fixture
def store(api_server: ApiServer) -> Store:
    return Store.open(api_server.home / "couture", secret_key="QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE=")


@pytest.fixture
def server(store: Store, tmp_path: Path) -> Iterator[GitServer]:
    with git_server(tmp_path / "git", {"ci": TOKEN}) as running:
        running.repository("central.git")
        running.commit("central.git", {"remote_dag.py": "theirs = 1\n"})
        yield running
        git_remote.save(store, Remote(), user="ann", base=git_remote.load(store).commit)


@pytest.fixture
def open_page(api_server: ApiServer, new_page: Callable[..., Page]) -> Callable[..., Page]:
    def open_as(account: str = "admin", **options: object) -> Page:
        page = new_page(**options)
        api_server.log_in(page, account)
        page.goto(f"{api_server.url}/couture/dag-repository/")
        return page

    return open_as


def test_connect_sync_and_resolve_a_conflict(
    open_page: Callable[..., Page], store: Store, server: GitServer
) -> None:
    page = open_page()
    page.get_by_label("Address", exact=True).fill("https://ann:secret@example.org/x.git")
    page.get_by_role("button", name="Save and synchronise").click()
    expect(page.locator("#url-error")).to_contain_text("must not hold a name or password")

    remote_page.connect(page, server.url, TOKEN)
    assert store.dags.read("remote_dag.py") == b"theirs = 1\n"
    assert TOKEN not in page.content()

    store.dags.save({"remote_dag.py": b"mine = 1\n"}, author="ann", message="mine", base=store.dags.head())
    server.commit("central.git", {"remote_dag.py": "theirs = 2\n"})
    page.get_by_role("button", name="Sync now").click()
    expect(page.locator("#state-message")).to_contain_text("Conflict")
    page.get_by_text("Difference (here, then there)").click()
    expect(page.locator(".file-difference")).to_contain_text("mine = 1")
    expect(page.locator(".file-difference")).to_contain_text("theirs = 2")
    page.get_by_role("button", name="Merge", exact=True).click()
    expect(page.get_by_text("Choose which remote_dag.py is to be kept.")).to_be_visible()
    page.get_by_label("Keep what is here").check()
    page.get_by_role("button", name="Merge", exact=True).click()

    expect(page.locator("#state-message")).to_contain_text("OK")
    assert server.file("central.git", "remote_dag.py") == "mine = 1"


def test_commits_of_ours_are_put_on_top_of_a_rewritten_history(
    open_page: Callable[..., Page], store: Store, server: GitServer
) -> None:
    if "remote_dag.py" in store.dags.paths():
        store.dags.save({"remote_dag.py": None}, author="ann", message="m", base=store.dags.head())
    page = open_page()
    remote_page.connect(page, server.url, TOKEN)
    server.commit("central.git", {"remote_secret.py": "secret = 1\n"})
    clone = server.root / "clone-of-central.git"
    (clone / "remote_link").symlink_to("/etc")
    page.get_by_role("button", name="Sync now").click()
    expect(page.locator("#state-message")).to_contain_text("Pulled")
    store.dags.save({"remote_mine.py": b"mine = 1\n"}, author="ann", message="mine", base=store.dags.head())
    for words in (
        ("rm", "-q", "remote_secret.py"), ("add", "."), ("commit", "-q", "--amend", "-m", "without"),
        ("push", "-q", "--force", "origin", "HEAD:main"),
    ):  # fmt: skip
        git(clone, *words)

    page.get_by_role("button", name="Sync now").click()
    expect(page.locator("#state-message")).to_contain_text("history was rewritten")
    page.get_by_role("button", name="Put our commits on top").click()
    page.get_by_role("dialog").get_by_role("button", name="Put them on top").click()

    expect(page.locator("#state-message")).to_contain_text("OK")
    expect(page.locator("#notes")).to_contain_text('"remote_link" to "/etc" is left out')
    assert server.file("central.git", "remote_mine.py") == "mine = 1"
    assert "remote_secret.py" not in store.dags.paths()


def test_a_remote_that_does_not_answer_at_once(
    open_page: Callable[..., Page], store: Store, server: GitServer
) -> None:
    page = open_page()
    page.get_by_label("Address", exact=True).fill(f"file://{server.repository('late.git')}")
    page.get_by_label("Both ways").check()
    page.get_by_role("button", name="Save and synchronise").click()
    expect(page.locator("#state-message")).to_contain_text("Made the branch")
    server.commit("late.git", {"remote_late.py": "late = 1\n"})

    with atomic.locked(store.root / git_sync.LOCK):  # as somebody does whose look takes long
        page.get_by_label("Interval in seconds").fill("61")
        page.get_by_role("button", name="Save and synchronise").click()
        expect(page.locator("#form-state")).to_contain_text("has not answered yet")
        assert git_remote.load(store).interval == 61

    expect(page.locator("#form-state")).to_be_empty()
    expect(page.locator("#state-message")).to_contain_text("Pulled what was new there")
    assert store.dags.read("remote_late.py") == b"late = 1\n"


def test_the_web_hook_and_its_secret(open_page: Callable[..., Page], store: Store, server: GitServer) -> None:
    remote = Remote(url=f"file://{server.root}/central.git")
    git_remote.save(store, remote, user="ann", base=git_remote.load(store).commit)
    page = open_page()
    expect(page.locator("#hook-url")).to_have_text(page.url.split("/couture/")[0] + "/api/git-remote/hook")
    secret = git_remote.hook_secret(store)
    assert secret not in page.content()

    page.get_by_role("button", name="Show the secret").click()
    expect(page.locator("#hook-secret")).to_have_text(secret)
    page.get_by_role("button", name="Make a new one").click()
    page.get_by_role("dialog").get_by_role("button", name="Make it").click()
    expect(page.locator("#hook-secret")).not_to_have_text(secret)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_script_or_style_is_refused_and_a_phone_needs_no_sideways_scrolling(
    open_page: Callable[..., Page], scheme: str
) -> None:
    page = open_page(color_scheme=scheme, viewport={"width": 390, "height": 800})
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: said.append(str(error)))
    page.reload()
    page.get_by_role("button", name="Add credential").click()

    assert said == []
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def test_nothing_is_saved_without_an_address_and_a_connection_is_ended_by_a_button(
    open_page: Callable[..., Page], store: Store, server: GitServer
) -> None:
    before = git_remote.load(store)
    page = open_page()
    expect(page.get_by_role("button", name="Disconnect")).to_have_count(0)
    page.get_by_label("Address", exact=True).fill("  ")
    page.get_by_role("button", name="Save and synchronise").click()
    expect(page.locator("#url-error")).to_contain_text("Type the address of the repository.")
    assert git_remote.load(store).commit == before.commit

    remote = Remote(url=f"file://{server.root}/central.git")
    git_remote.save(store, remote, user="ann", base=before.commit)
    page = open_page()
    page.get_by_role("button", name="Disconnect").click()
    page.get_by_role("dialog").get_by_role("button", name="Disconnect").click()

    expect(page.get_by_text("No remote is connected.")).to_be_visible()
    assert not git_remote.load(store).is_set
