from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.support.dropping import drop

pytestmark = [pytest.mark.workbench, pytest.mark.browser]

ARTIFACTS = "/api/artifacts/files"
HOSTILE = "a'b\"<&>ü.py"


def jar(text: str) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as file:
        file.writestr("META-INF/MANIFEST.MF", "Manifest-Version: 1.0\nMain-Class: org.example.Main\n")
        file.writestr("a'b\"<&>ü.txt", text)
    return content.getvalue()


@pytest.fixture
def artifacts(workbench: Any, page: Page) -> Page:
    """Open Code Artifacts as an administrator, and fail on an error of a script."""
    problems: list[str] = []
    workbench.login(page, "admin")
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on(
        "console",
        lambda message: problems.append(message.text) if "Content Security" in message.text else None,
    )
    page.goto(f"{workbench.url}/couture/code-artifacts/")
    yield page
    assert problems == []


def upload_of(page: Page, name: str) -> Any:
    return page.get_by_role("region", name="Uploads").get_by_role("listitem").filter(has_text=name)


def row_of(page: Page, name: str) -> Any:
    return page.get_by_role("row").filter(has=page.get_by_role("rowheader", name=name, exact=True))


def test_files_are_chosen_checked_one_by_one_and_listed(artifacts: Page) -> None:
    files = {
        "browser-1.jar": jar("one"),
        "browser-broken.jar": b"no zip",
        "browser-odd.py": b"def (\n",
        "browser notes.txt": b"",
        HOSTILE: b"x = 1\n",
    }

    artifacts.get_by_label("Upload files").set_input_files(
        [{"name": name, "mimeType": "", "buffer": content} for name, content in files.items()]
    )

    expect(upload_of(artifacts, "browser-1.jar")).to_contain_text("Uploaded as browser-1.jar")
    expect(upload_of(artifacts, "browser-broken.jar")).to_contain_text("it is not a sound .jar file")
    expect(upload_of(artifacts, "browser-odd.py")).to_contain_text("does not compile in Python 3")
    expect(upload_of(artifacts, "browser notes.txt")).to_contain_text("must end in .jar, .py, .zip or .whl")
    expect(upload_of(artifacts, HOSTILE)).to_contain_text("A name has only letters")
    expect(artifacts.get_by_role("status").filter(has_text="2 finished, 3 failed")).to_be_visible()
    expect(row_of(artifacts, "browser-1.jar")).to_contain_text("by admin")
    expect(row_of(artifacts, "browser-broken.jar")).to_have_count(0)

    renamed = upload_of(artifacts, HOSTILE)
    renamed.get_by_label("Upload it as").fill("browser-ü.py")
    renamed.get_by_role("button", name="Upload", exact=True).click()
    expect(row_of(artifacts, "browser-ü.py")).to_be_visible()


def test_files_are_dropped_anywhere_on_the_page(artifacts: Page) -> None:
    drop(artifacts, {"dropped-1.py": "x = 1\n", "dropped-2.py": "x = 2\n"})

    expect(row_of(artifacts, "dropped-1.py")).to_be_visible()
    expect(row_of(artifacts, "dropped-2.py")).to_be_visible()
    drop(artifacts, {"dropped-1.py": "x = 1\n", "dropped-2.py": "x = 3\n"})
    expect(upload_of(artifacts, "dropped-1.py").last).to_contain_text("Unchanged")
    expect(upload_of(artifacts, "dropped-2.py").last).to_contain_text("Uploaded as version 2")


def test_an_upload_shows_progress_is_stopped_and_tried_again(artifacts: Page, tmp_path: Path) -> None:
    large = tmp_path / "slow.py"
    large.write_bytes(b"#" * 30 * 2**20)
    network = artifacts.context.new_cdp_session(artifacts)
    network.send("Network.enable")
    slow = {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": 2**19}  # a minute
    network.send("Network.emulateNetworkConditions", slow)

    artifacts.get_by_label("Upload files").set_input_files(large)

    item = upload_of(artifacts, "slow.py")
    expect(item.get_by_role("progressbar")).to_be_visible()
    expect(item).to_contain_text(re.compile(r"\d MiB of 30.0 MiB"))
    item.get_by_role("button", name="Stop slow.py").click()
    expect(item).to_contain_text("Stopped. Nothing was stored.")
    expect(row_of(artifacts, "slow.py")).to_have_count(0)

    network.send("Network.emulateNetworkConditions", {**slow, "uploadThroughput": -1})
    item.get_by_role("button", name="Try slow.py again").click()
    expect(item).to_contain_text("Uploaded as slow.py")
    expect(row_of(artifacts, "slow.py")).to_contain_text("30.0 MiB")


def test_search_while_typing_finds_and_keeps_the_address(artifacts: Page, workbench: Any) -> None:
    admin = workbench.client("admin")
    for name in ("needle-1.py", "hay.py"):
        admin.put(f"{ARTIFACTS}/{name}", content=b"")
    artifacts.reload()

    artifacts.get_by_label("Search by name").press_sequentially("NEEDLE")

    expect(row_of(artifacts, "hay.py")).to_have_count(0)
    expect(row_of(artifacts, "needle-1.py")).to_be_visible()
    expect(artifacts.get_by_label("Search by name")).to_be_focused()
    expect(artifacts).to_have_url(re.compile("search=NEEDLE"))  # the list follows each pause of the typing
    artifacts.get_by_label("Search by name").fill("no such thing")
    expect(artifacts.get_by_role("heading", name="No name contains “no such thing”")).to_be_visible()


def test_a_file_is_deleted_after_a_question_and_brought_back(artifacts: Page, workbench: Any) -> None:
    admin = workbench.client("admin")
    admin.put(f"{ARTIFACTS}/doomed.py", content=b"")
    artifacts.reload()

    artifacts.get_by_role("button", name="Delete doomed.py").press("Enter")
    artifacts.get_by_role("dialog", name="Delete doomed.py?").press("Escape")
    expect(row_of(artifacts, "doomed.py")).to_be_visible()
    artifacts.get_by_role("button", name="Delete doomed.py").click()
    artifacts.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(row_of(artifacts, "doomed.py")).to_have_count(0)
    assert admin.get(f"{ARTIFACTS}/doomed.py").status_code == 404

    artifacts.get_by_role("link", name="Deleted").click()
    artifacts.get_by_role("button", name="Bring doomed.py back").click()
    expect(artifacts.get_by_role("button", name="Bring doomed.py back")).to_have_count(0)
    assert admin.get(f"{ARTIFACTS}/doomed.py").status_code == 200


def test_a_dependency_in_use_is_deleted_only_after_its_users_were_shown(page: Page, workbench: Any) -> None:
    admin = workbench.client("admin")
    admin.put("/api/dependencies/files/used.jar", content=jar("used"))
    workbench.login(page, "admin")
    page.goto(f"{workbench.url}/couture/spark-dependencies/")
    settings = admin.get("/api/configs/spark").json()
    settings.pop("commit")
    admin.put("/api/configs/spark", json={**settings, "jars": ["used.jar"]}).raise_for_status()
    try:
        page.get_by_role("button", name="Delete used.jar").click()  # the page is older than the use
        page.get_by_role("dialog", name="Delete used.jar?").get_by_role("button", name="Delete").click()
        question = page.get_by_role("dialog", name="used.jar is in use")
        expect(question.get_by_role("listitem")).to_have_text(["Spark Configuration (jars)"])
        question.get_by_role("button", name="Cancel").click()
        assert admin.get("/api/dependencies/files/used.jar").status_code == 200

        page.reload()
        expect(row_of(page, "used.jar")).to_contain_text("Spark Configuration (jars)")
        page.get_by_role("button", name="Delete used.jar").click()
        page.get_by_role("button", name="Delete all the same").click()
        expect(row_of(page, "used.jar")).to_have_count(0)
        assert admin.get("/api/dependencies/files/used.jar").status_code == 404
    finally:
        admin.post("/api/dependencies/files/used.jar/undelete")
        admin.put("/api/configs/spark", json=settings).raise_for_status()


def test_source_is_shown_and_an_earlier_version_restored(artifacts: Page, workbench: Any) -> None:
    admin = workbench.client("admin")
    for text in ("first", "<b>second</b>"):
        admin.put(f"{ARTIFACTS}/shown_ü.py", content=f'text = "{text}"\n'.encode())

    artifacts.reload()
    artifacts.get_by_role("link", name="shown_ü.py", exact=True).click()

    source = artifacts.get_by_role("region", name="Source of shown_ü.py")
    expect(source).to_have_text('text = "<b>second</b>"\n')
    artifacts.get_by_role("link", name="Look inside version 1").click()
    expect(source).to_have_text('text = "first"\n')
    artifacts.get_by_role("button", name="Restore version 1").click()
    artifacts.get_by_role("dialog").get_by_role("button", name="Restore").click()
    expect(artifacts.get_by_role("rowheader", name="3 current")).to_be_visible()
    assert admin.get(f"{ARTIFACTS}/shown_ü.py").json()["version"] == 3


def test_a_jar_shows_its_manifest_and_members(artifacts: Page, workbench: Any) -> None:
    workbench.client("admin").put(f"{ARTIFACTS}/look-inside.jar", content=jar("x"))

    artifacts.goto(f"{workbench.url}/couture/code-artifacts/files/look-inside.jar")

    expect(artifacts.get_by_text("The manifest names org.example.Main as the main class.")).to_be_visible()
    members = artifacts.get_by_role("region", name="Files in look-inside.jar")
    expect(members.get_by_role("cell", name="a'b\"<&>ü.txt")).to_be_visible()


def test_a_developer_sees_only_what_the_role_may_do(page: Page, workbench: Any) -> None:
    workbench.client("admin").put("/api/dependencies/files/fixed.zip", content=jar("x"))
    workbench.login(page, "developer")

    page.goto(f"{workbench.url}/couture/spark-dependencies/")
    expect(row_of(page, "fixed.zip")).to_be_visible()
    expect(page.get_by_label("Upload files")).to_be_attached()
    expect(page.get_by_role("button", name="Delete fixed.zip")).to_have_count(0)
    page.get_by_label("Upload files").set_input_files(
        {"name": "fixed.zip", "mimeType": "", "buffer": jar("changed")}
    )
    expect(upload_of(page, "fixed.zip")).to_contain_text("your role may not replace it")


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280, 1920])
def test_no_page_is_wider_than_the_window(
    new_page: Callable[..., Page], workbench: Any, width: int, theme: str
) -> None:
    long = "long-" + "x" * 180 + ".py"
    workbench.client("admin").put(f"{ARTIFACTS}/{long}", content=b"x = '" + b"y" * 500 + b"'\n")
    page = new_page(viewport={"width": width, "height": 800}, color_scheme=theme)
    workbench.login(page, "admin")

    for path in ("", f"files/{long}"):
        page.goto(f"{workbench.url}/couture/code-artifacts/{path}")
        assert (
            page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") == 0
        )
