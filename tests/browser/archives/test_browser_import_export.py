"""Import/Export in a real browser: the plan is what is done, whoever else is at work."""

from __future__ import annotations

import io
import re
import tarfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests.support.api_server import ApiServer

pytestmark = [pytest.mark.browser]

DAG = 'from airflow.sdk import DAG\n\nwith DAG(dag_id="{0}", schedule=None):\n    pass\n'
BROKEN = "from airflow.sdk import DAG\ndef (\n"


def packed(files: Mapping[str, str]) -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w:gz") as made:
        for name, content in files.items():
            header = tarfile.TarInfo(name)
            header.size = len(content.encode())
            made.addfile(header, io.BytesIO(content.encode()))
    return target.getvalue()


@pytest.fixture
def admin(api_server: ApiServer) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=api_server.url, auth=("admin", "admin"), timeout=120) as client:
        yield client


@pytest.fixture
def opened(api_server: ApiServer, new_page: Callable[..., Page]) -> Iterator[Callable[..., Page]]:
    """Return a function that opens the page as an account, and fail on an error of a script."""
    problems: list[str] = []

    def open_page(account: str = "admin", **options: Any) -> Page:
        page = new_page(**options)
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on(
            "console",
            lambda message: problems.append(message.text) if "Content Security" in message.text else None,
        )
        cookie = {"name": "_token", "value": api_server.token(account), "url": f"{api_server.url}/"}
        page.context.add_cookies([cookie])  # type: ignore[list-item]
        page.goto(f"{api_server.url}/couture/import-export/")
        return page

    yield open_page
    assert problems == []


def choose(page: Page, files: Mapping[str, str] | bytes, *, noun: str = "DAGs") -> None:
    page.get_by_label("What the archive holds").select_option(noun)
    content = files if isinstance(files, bytes) else packed(files)
    page.get_by_label("Archive (.tar.gz)").set_input_files(
        {"name": "x.tar.gz", "mimeType": "application/gzip", "buffer": content}
    )


def row(page: Page, name: str) -> Any:
    return page.get_by_role("row").filter(has=page.get_by_role("rowheader", name=name, exact=True))


def test_everything_is_exported_by_a_button(
    opened: Callable[..., Page], admin: httpx.Client, tmp_path: Path
) -> None:
    admin.put("/api/dags/files/exported.sql", json={"content": "select 1"})
    page = opened()
    expect(page.get_by_role("listitem").filter(has_text="DAG files:")).to_contain_text(
        re.compile(r"DAG files: [1-9]")
    )

    with page.expect_download() as downloading:
        page.get_by_role("link", name="Export DAGs").click()

    assert downloading.value.suggested_filename == "couture-dags.tar.gz"
    path = tmp_path / "x.tar.gz"
    downloading.value.save_as(path)
    with tarfile.open(path) as found:
        assert "dags/exported.sql" in found.getnames()


def test_the_plan_is_shown_changed_and_done(
    opened: Callable[..., Page], admin: httpx.Client, api_server: ApiServer
) -> None:
    admin.put("/api/dags/files/plan/here.sql", json={"content": "select 1"})
    page = opened()

    choose(page, {"dags/plan/here.sql": "select 2", "dags/plan/new.py": DAG.format("planned")})
    expect(row(page, "plan/here.sql")).to_contain_text("Replaced")
    expect(row(page, "plan/new.py")).to_contain_text("New")
    assert admin.get("/api/dags/files/plan/new.py").status_code == 404

    policy = page.get_by_label("Files that are here with another content")
    policy.select_option("Import nothing")
    expect(row(page, "plan/here.sql")).to_contain_text("Conflict")
    expect(page.get_by_role("button", name="Import", exact=True)).to_be_disabled()
    policy.select_option("Leave them as they are")
    expect(row(page, "plan/here.sql")).to_contain_text("Left as it is")
    page.get_by_label("Message for the history").fill("By hand <b>")
    page.get_by_role("button", name="Import", exact=True).click()

    expect(page.get_by_text("Imported 1 file.")).to_be_visible()
    expect(page.get_by_role("heading", name="Plan:")).to_have_count(0)
    assert admin.get("/api/dags/files/plan/here.sql").json()["content"] == "select 1"
    assert "planned" in admin.get("/api/dags/files/plan/new.py").json()["content"]
    assert list((api_server.home / "couture" / "imports").glob("*.gz")) == []


def test_what_changed_since_is_shown_before_anything_is_done(
    opened: Callable[..., Page], admin: httpx.Client
) -> None:
    page = opened()
    choose(page, {"changed.sql": "mine"})
    expect(row(page, "changed.sql")).to_contain_text("New")
    admin.put("/api/dags/files/changed.sql", json={"content": "theirs"})

    page.get_by_role("button", name="Import", exact=True).click()

    expect(page.get_by_role("alert")).to_contain_text("Something changed since the plan was made")
    expect(row(page, "changed.sql")).to_contain_text("Replaced")
    assert admin.get("/api/dags/files/changed.sql").json()["content"] == "theirs"
    page.get_by_role("button", name="Import", exact=True).click()
    expect(page.get_by_text("Imported 1 file.")).to_be_visible()
    assert admin.get("/api/dags/files/changed.sql").json()["content"] == "mine"


def test_errors_of_the_gate_are_listed_and_overridden_only_knowingly(
    opened: Callable[..., Page], admin: httpx.Client
) -> None:
    page = opened()
    choose(page, {"page_broken.py": BROKEN})
    expect(page.get_by_text("The save gate found errors")).to_be_visible()
    expect(page.get_by_text("page_broken.py:2:").first).to_be_visible()

    page.get_by_role("button", name="Import in spite of errors").click()
    page.get_by_role("dialog").get_by_role("button", name="Cancel").click()
    assert admin.get("/api/dags/files/page_broken.py").status_code == 404

    page.get_by_role("button", name="Import in spite of errors").click()
    page.get_by_role("dialog").get_by_role("button", name="Import all the same").click()
    expect(page.get_by_text("Imported 1 file.")).to_be_visible()
    admin.delete("/api/dags/files/page_broken.py")


def test_old_dags_are_upgraded_on_request(opened: Callable[..., Page], admin: httpx.Client) -> None:
    page = opened()
    old = DAG.replace("airflow.sdk", "airflow").replace("schedule", "schedule_interval")
    choose(page, {"page_old.py": old.format("page_old")})
    expect(row(page, "page_old.py")).to_be_visible()

    page.get_by_label("Upgrade DAGs of an older Airflow").check()
    expect(page.get_by_text("Rewritten by the upgrade")).to_be_visible()
    page.get_by_role("button", name="Import", exact=True).click()

    expect(page.get_by_text("Imported 1 file.")).to_be_visible()
    assert "schedule_interval" not in admin.get("/api/dags/files/page_old.py").json()["content"]


def test_hostile_and_broken_archives_are_told_as_text(opened: Callable[..., Page]) -> None:
    page = opened()

    choose(page, {"a'b\"<img src=x>ü.py": ""})
    expect(page.get_by_role("alert")).to_contain_text("<img src=x>ü.py")
    choose(page, b"no gzip")
    expect(page.get_by_role("alert")).to_contain_text("This is no gzip file")
    choose(page, {"spark.yaml": "jars: [nowhere.jar]"}, noun="Configurations")
    expect(page.get_by_text("Missing: import or upload these first")).to_be_visible()
    expect(page.get_by_role("button", name="Import", exact=True)).to_be_disabled()
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_role("heading", name="Plan:")).to_have_count(0)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_a_phone(scheme: str, opened: Callable[..., Page]) -> None:
    page = opened(viewport={"width": 390, "height": 800}, color_scheme=scheme)
    choose(page, {f"long/{'folder/' * 12}name_{number}.sql": "x" for number in range(3)})
    expect(page.get_by_role("heading", name="Plan: New: 3")).to_be_visible()

    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_whoever_may_not_open_it_is_refused(api_server: ApiServer) -> None:
    with api_server.client("dev") as client:
        assert client.get("/couture/import-export/").status_code == 403
        for path in ("plan", "import", "drop"):
            answer = client.post(f"/couture/import-export/{path}", json={"kept": "0" * 32})
            assert answer.status_code in (400, 403)
