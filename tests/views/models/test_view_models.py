"""The pages of trained models: what they show to whom, hostile texts, what is not there; a request to try."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from couture_workflow.services.models import document, library, registering
from tests.support.api_server import ApiServer

PAGE = "/couture/trained-models/"
HOSTILE = "a'b\"<img src=x onerror=alert(1)>{{ 7*7 }}/../ü"
NAME = "view-rules"


@pytest.fixture(scope="module")
def dev(api_server: ApiServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    store = api_server.store()
    folder: Path = tmp_path_factory.mktemp("model")
    (folder / "weights").write_text("1")
    registering.register_model(store, folder, name=NAME, kind="spark", user=HOSTILE)
    for number in range(1, 51):
        store.models.put(library.key("spark", f"{NAME}-{number:02}"), [b"1"], user=HOSTILE)
    library.describe(store, "spark", NAME, user="ann", description=HOSTILE)
    try:
        with api_server.client("dev", headers={"X-Requested-With": "tests"}) as client:
            yield client
    finally:
        for file in store.models.list(search=NAME):
            store.models.delete(file.name)


def test_the_list_shows_models_of_a_kind_in_parts(dev: httpx.Client) -> None:
    first = dev.get(f"{PAGE}?kind=spark&search={NAME}").text
    second = dev.get(f"{PAGE}?kind=spark&search={NAME}&page=2").text
    beyond = dev.get(f"{PAGE}?kind=spark&search={NAME}&page=99").text
    none = dev.get(f"{PAGE}?kind=%3Cb%3E&search=%3Cb%3Enone").text

    assert "1–50 of 51" in first
    assert f"{NAME}-49</a>" in first
    assert ("51–51 of 51" in second, "51–51 of 51" in beyond) == (True, True)
    assert "No name contains “&lt;b&gt;none”" in none
    assert ("<img src=x" in first, "&lt;img src=x onerror" in first) == (False, True)
    assert not re.search(r"\sstyle=|\son\w+=\"", first)


def test_a_model_has_a_page_for_those_who_may_read_it(dev: httpx.Client, api_server: ApiServer) -> None:
    page = dev.get(f"{PAGE}spark/{NAME}").text
    named = dev.get(f"{PAGE}{NAME}")

    assert f'data-name="{NAME}"' in page
    assert "<img src=x" not in page
    assert ("Try it" in page, 'id="delete"' in page, 'id="choose"' in page) == (False, True, True)
    assert (named.status_code, named.headers["location"]) == (302, f"/airflow{PAGE}spark/{NAME}")
    api_server.add_account("reads-models", ("can_read", "Trained Models"))
    with api_server.client("reads-models", headers={"X-Requested-With": "tests"}) as reader:
        pages = [reader.get(PAGE + address).text for address in ("?kind=spark", f"spark/{NAME}")]
        changes = [reader.put(f"/api/models/spark/{NAME}", content=b"2").status_code]
        changes += [reader.patch(f"/api/models/spark/{NAME}", json={"description": ""}).status_code]
        changes += [reader.delete(f"/api/models/spark/{NAME}").status_code]
    assert all(NAME in page for page in pages)
    assert not [
        word for word in ('id="choose"', 'id="describe"', 'id="delete"') for page in pages if word in page
    ]
    assert changes == [403, 403, 403]
    for account in ("viewer", "user", "op", "nobody"):
        with api_server.client(account) as client:
            for address in (PAGE, f"{PAGE}{NAME}", f"{PAGE}spark/{NAME}"):
                answer = client.get(address, headers={"Accept": "application/json"})
                assert answer.status_code == 403, (account, address)


def test_the_page_of_a_damaged_text_brings_the_last_good_one_back(
    dev: httpx.Client, api_server: ApiServer
) -> None:
    store, name = api_server.store(), f"{NAME}-01"
    library.describe(store, "spark", name, user="ann", description="Before")
    text = {document.path_of("spark", name): b"{"}
    store.config.save(text, author="eve", message="x", base=store.config.head())

    page = dev.get(f"{PAGE}spark/{name}")
    listed = dev.get(f"{PAGE}?kind=spark&search={name}").text
    read = dev.get(f"/api/models/spark/{name}")
    (summary,) = dev.get("/api/models/", params={"search": name}).json()["models"]
    repaired = [dev.post(f"/api/models/spark/{name}/repair").status_code for _ in range(2)]

    said = f"models/spark/{name}.yaml in the configuration repository is damaged"
    assert (page.status_code, said in page.text, 'id="repair"' in page.text, said in listed) == (200,) + (
        True,
    ) * 3
    assert summary["newest"]["state"] == "damaged"
    assert (read.status_code, read.json()["error"], repaired) == (500, "corrupt", [200, 422])
    assert dev.get(f"/api/models/spark/{name}").json()["description"] == "Before"
    rows = api_server.sql("SELECT owner FROM log WHERE event = 'models.repair' AND extra LIKE ?", f"%{name}%")
    assert rows == [("dev",)]


@pytest.mark.parametrize(
    ("address", "status"),
    [
        ("spark/no-such", 404),
        ("no-such", 404),
        (f"other/{NAME}", 404),
        (f"nothing/{NAME}", 422),
        ("spark/a%20b", 422),
    ],
)
def test_what_is_not_there_is_said(dev: httpx.Client, address: str, status: int) -> None:
    assert dev.get(PAGE + address, headers={"Accept": "application/json"}).status_code == status


@pytest.mark.parametrize(
    ("body", "status"),
    [
        pytest.param(b'{"inputs": [1]}', 422, id="a kind that is not served"),
        pytest.param(b"{", 422, id="no JSON"),
        pytest.param(b"[" * 100_000, 422, id="deep"),
        pytest.param(b'{"inputs": 1, "instances": 1}', 422, id="both"),
        pytest.param(b'{"inputs": 1, "x": 1}', 422, id="unknown field"),
        pytest.param(b" " * (2**20 + 1), 413, id="large"),
    ],
)
def test_a_request_that_cannot_be_tried_is_refused(dev: httpx.Client, body: bytes, status: int) -> None:
    answer = dev.post(f"/api/models/spark/{NAME}/versions/1/try", content=body)

    assert answer.status_code == status, answer.text
    assert answer.json()["detail"]


def test_nobody_tries_without_the_permission(api_server: ApiServer) -> None:
    with api_server.client("viewer", headers={"X-Requested-With": "tests"}) as client:
        answer = client.post(f"/api/models/spark/{NAME}/versions/1/try", json={"inputs": 1})

    assert answer.status_code == 403
