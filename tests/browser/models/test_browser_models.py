"""Trained models in a browser: from a dropped archive to a version that answers, and to its end."""

from __future__ import annotations

import io
import re
import tarfile
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Page, Route, expect

from couture_workflow.services.models import library, registering
from couture_workflow.store.home import Store
from tests.support.api_server import ApiServer
from tests.support.dropping import drop
from tests.support.model_server import MODELS
from tests.support.served_models import served

pytestmark = pytest.mark.browser

HOSTILE = "a'b\"<img src=x onerror=alert(1)>ü"
#: Milliseconds for what the model server has to follow.
SLOW = 60_000


def packed(*names: str) -> bytes:
    """Return an archive with a model under each of these names."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w:gz") as tar:
        for number, name in enumerate(names, start=1):
            tar.add(MODELS / "dense" / str(number), name)
    return made.getvalue()


@pytest.fixture
def store(api_server: ApiServer) -> Iterator[Store]:
    """The server's store, and a model server that follows it."""
    store = api_server.without_dags()
    for file in store.models.list():
        store.models.delete(file.name)
    with served(store, port=api_server.serving_port):
        yield store
    for file in store.models.list():
        store.models.delete(file.name)


@pytest.fixture
def open_page(api_server: ApiServer, new_page: Callable[..., Page]) -> Callable[..., Page]:
    def open_as(address: str = "", **options: object) -> Page:
        page = new_page(**options)
        api_server.log_in(page, "dev")
        page.goto(f"{api_server.url}/couture/trained-models/{address}")
        return page

    return open_as


def confirmed(page: Page, press: str, answer: str) -> None:
    page.get_by_role("button", name=press, exact=True).click()
    page.get_by_role("dialog").get_by_role("button", name=answer, exact=True).click()


@pytest.mark.slow
def test_a_model_from_a_dropped_archive_to_its_end(open_page: Callable[..., Page], store: Store) -> None:
    page = open_page()
    page.set_default_timeout(60_000)
    page.on("dialog", lambda dialog: pytest.fail(f"a script of the data ran: {dialog.message}"))
    expect(page.get_by_text("No models yet")).to_be_visible()
    drop(page, {"dense.exe": ""})
    expect(page.locator("#uploads-list")).to_contain_text("The name must end in")
    drop(page, {f"{HOSTILE}.tar": bytes(3)})
    expect(page.locator("#uploads-list")).to_contain_text(f'The model "{HOSTILE}" is refused')
    expect(page.get_by_label("Upload it as")).to_have_value("a_b_img_src_x_onerror_alert_1_u.tar")
    page.get_by_text("Options of an upload").click()
    page.get_by_label("Note").fill(HOSTILE)
    drop(page, {"dense.tar.gz": packed("export/1")})

    # The list follows the version until it answers; its page tells what is known of it.
    row = page.get_by_role("row", name="dense")
    expect(row).to_contain_text("serving", timeout=SLOW)
    expect(row).to_contain_text("stable: 1", timeout=SLOW)
    row.get_by_role("link", name="dense").click()
    first = page.locator("tr[data-version='1']")
    expect(first).to_contain_text("serving", timeout=SLOW)
    page.get_by_role("button", name="Details of version 1").click()
    expect(page.get_by_role("region", name="Signatures")).to_contain_text("[?, 4]")
    expect(page.locator(".model-details").first).to_contain_text(HOSTILE)
    expect(page.locator(".model-details").first).to_contain_text("is taken off")

    # Try it.
    field = page.get_by_label("x", exact=True)
    expect(field).to_have_value("[[0,0,0,0]]")
    field.fill("[[1, 2")
    page.get_by_role("button", name="Send").click()
    expect(page.locator("#try .field-error").first).to_contain_text("Type JSON")
    field.fill("[[1, 2, 3]]")
    page.get_by_role("button", name="Send").click()
    expect(page.locator("#try-said")).to_contain_text("Refused with 400", timeout=SLOW)
    field.fill("[[1, 2, 3, 4]]")
    page.get_by_role("button", name="Send").click()
    expect(page.locator("#try-said")).to_contain_text(re.compile(r"Answered in [0-9.]+ ms"), timeout=SLOW)
    expect(page.get_by_role("region", name="Answer")).to_contain_text("outputs")
    page.get_by_text("The same with curl and with Python").click()
    expect(page.get_by_role("region", name="Lines for curl")).to_contain_text(
        re.compile(
            r"curl -d '.*\[\[1,2,3,4\]\].*' 'http://127.0.0.1:\d+/v1/models/dense/labels/stable:predict'"
        )
    )
    expect(page.get_by_role("region", name="Lines for Python")).to_contain_text("requests.post(")

    # A second version of an archive with two: what is in it is shown before one is taken.
    page.locator("#choose").set_input_files(
        {"name": "any.tar.gz", "mimeType": "application/gzip", "buffer": packed("1", "2")}
    )
    page.get_by_role("button", name="Look at version 2 and take it").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("2 versions of a model")
    dialog.get_by_label(re.compile("^2: SavedModel")).check()
    dialog.get_by_role("button", name="Take it").click()
    expect(page.locator("tr[data-version='2']")).to_contain_text("canary", timeout=SLOW)

    # Promote, roll back, stop, serve again; requests are counted.
    confirmed(page, "Promote version 2", "Promote")
    expect(page.locator("#labels")).to_contain_text("stable: 2", timeout=SLOW)
    confirmed(page, "Roll back…", "Roll back")
    expect(page.locator("#labels")).to_contain_text("stable: 1", timeout=SLOW)
    expect(page.locator("#served-table")).to_contain_text("AVAILABLE", timeout=SLOW)
    confirmed(page, "Stop serving", "Stop serving")
    expect(page.locator("#labels")).to_contain_text("not served", timeout=SLOW)
    expect(page.locator("#try")).to_be_hidden()
    page.get_by_role("button", name="Serve again").click()
    expect(first).to_contain_text("serving", timeout=SLOW)

    # Versions that a task registered are compared by their metrics; the page fits a phone, in the dark too.
    for number in (1, 2):
        registering.register_model(
            store,
            MODELS / "dense" / str(number),
            name="dense",
            kind="tensorflow",
            user="ann",
            metrics={"accuracy": 0.9 + number / 100, HOSTILE: number},
            run={"dag_id": HOSTILE, "run_id": HOSTILE, "task_id": "t", "try_number": 1, "map_index": -1},
        )
    page.reload()
    compare = page.get_by_role("region", name="Table of the metrics")
    expect(compare).to_contain_text("(-0.01)")
    compare.get_by_role("button", name="accuracy").click()
    expect(compare.get_by_role("columnheader", name="accuracy")).to_have_attribute("aria-sort", "descending")
    expect(page.locator("tr[data-version='4']")).to_contain_text(HOSTILE)
    page.emulate_media(color_scheme="dark")
    page.set_viewport_size({"width": 390, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.set_viewport_size({"width": 1280, "height": 800})

    # A description of two people, and the end.
    page.get_by_role("button", name="Describe…").click()
    library.describe(store, "tensorflow", "dense", user="ann", description="Theirs")
    page.get_by_role("dialog").get_by_label("Description").fill(HOSTILE)
    page.get_by_role("dialog").get_by_role("button", name="Save").click()
    expect(page.locator("#notices")).to_contain_text("Its description is now: Theirs. What you typed is kept")
    page.get_by_role("dialog").get_by_role("button", name="Save").click()
    expect(page.locator("#description")).to_have_text(HOSTILE)
    confirmed(page, "Delete", "Delete")
    page.get_by_role("dialog").get_by_role("button", name="Delete all the same").click()
    expect(page.get_by_text("No models yet")).to_be_visible(timeout=SLOW)
    page.locator("#deleted summary").click()
    page.get_by_role("button", name="Bring dense back").click()
    expect(page.get_by_role("row", name="dense")).to_contain_text("ready", timeout=SLOW)


def test_what_is_under_way_is_told_until_it_is_over(open_page: Callable[..., Page], store: Store) -> None:
    registering.register_model(store, MODELS / "dense" / "1", name="dense", kind="tensorflow", user="ann")
    page, held = open_page("tensorflow/dense"), list[Route]()
    page.route("**/promote", lambda route: held.append(route))
    expect(page.get_by_role("button", name="Promote version 1")).to_be_visible()
    page.clock.install()
    confirmed(page, "Promote version 1", "Promote")
    told = page.locator("#notices")
    expect(told).to_contain_text("Under way")
    page.clock.run_for(8_000)
    expect(told).to_contain_text("Under way")
    held[0].fulfill(json={})
    expect(told).not_to_contain_text("Under way")
