"""The lists of versions: which part is shown, and where it leads, whatever the address says."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from dataclasses import replace

import pytest

from couture_workflow.services.bricks import library as brick_library
from couture_workflow.store.home import Store
from tests.support.api_server import ApiServer

SPARK = "/couture/spark-configuration/history"
BRICK = "/couture/code-bricks/{name}/history"
DAGS = "/couture/dag-history/"
HOSTILE = "a'b\"<&>ü"


def save_spark(server: ApiServer, store: Store, count: int) -> str:
    client = server.client("admin", headers={"X-Requested-With": "tests"})
    for number in range(count):
        configurations = {"spark.executor.cores": str(number + 1), "spark.app.note": HOSTILE}
        answer = client.put("/api/configs/spark", json={"configurations": configurations})
        assert answer.status_code == 200, answer.text
    return SPARK


def save_brick(server: ApiServer, store: Store, count: int) -> str:
    name = brick_library.all_of(store)[0].brick.name
    for number in range(count):
        brick = replace(brick_library.get(store, name), title=f"{number} {HOSTILE}")
        message = f"{number} {HOSTILE}"
        brick_library.save(store, brick, user="eva", base=store.config.head(), message=message, new=False)
    return BRICK.format(name=name)


def save_dag(server: ApiServer, store: Store, count: int) -> str:
    for number in range(count):
        content = f"{number}\n".encode()
        store.dags.save({"a.sql": content}, author="eva", message=HOSTILE, base=store.dags.head())
    return f"{DAGS}?path=a.sql"


Save = Callable[[ApiServer, Store, int], str]


def shown(text: str) -> list[str]:
    return re.findall(r'<code title="([0-9a-f]{40})"', text)


def links(text: str) -> dict[str, str]:
    found = re.findall(r'href="([^"]*)">(Newer|Older|Newest versions)</a>', text)
    return {label: html.unescape(address) for address, label in found}


@pytest.mark.parametrize("save", [save_spark, save_brick, save_dag])
@pytest.mark.parametrize("skip", ["4294967296", "2147483648", "9" * 30])
def test_nothing_is_behind_the_end(save: Save, skip: str, api_server: ApiServer, store: Store) -> None:
    address = save(api_server, store, 2)
    client = api_server.client("admin")

    answer = client.get(address, params={"path": "a.sql", "skip": skip})

    assert (answer.status_code, shown(answer.text)) == (200, [])
    assert "No older versions" in answer.text
    newest = client.get(api_server.root + links(answer.text)["Newest versions"]).text
    assert len(shown(newest)) >= 2


@pytest.mark.parametrize("save", [save_spark, save_brick, save_dag])
@pytest.mark.parametrize("skip", ["-1", "x", "", "1e9"])
def test_what_is_no_number_begins_with_the_newest(
    save: Save, skip: str, api_server: ApiServer, store: Store
) -> None:
    address = save(api_server, store, 2)
    client = api_server.client("admin")

    text = client.get(address, params={"path": "a.sql", "skip": skip}).text

    assert shown(text) == shown(client.get(address).text)
    assert text.count(">Current<") == 1


def test_parts_follow_each_other(api_server: ApiServer, store: Store) -> None:
    address = save_brick(api_server, store, 53)
    client = api_server.client("admin")

    first = client.get(address).text
    second = client.get(api_server.root + links(first)["Older"]).text
    back = client.get(api_server.root + links(second)["Newer"]).text

    assert (list(links(first)), list(links(second))) == (["Older"], ["Newer"])
    assert (len(shown(first)), shown(back)) == (50, shown(first))
    assert not set(shown(first)) & set(shown(second))
    assert (first.count(">Current<"), second.count(">Current<")) == (1, 0)
    assert first.count("Restore version ") == 49
    [before] = re.findall(r'data-old="([^"]*)"', first)[-1:]
    [after] = re.findall(r'data-new="([^"]*)"', second)[:1]
    assert before == after
