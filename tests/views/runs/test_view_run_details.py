"""The page Run details: what an address may hold."""

from __future__ import annotations

import pytest

from tests.support.api_server import ApiServer


@pytest.mark.parametrize("number", ["9" * 30, "4294967296", "-5", "x"])
@pytest.mark.parametrize("name", ["map_index", "try_number"])
def test_a_run_that_there_is_not_is_not_found(name: str, number: str, api_server: ApiServer) -> None:
    answer = api_server.client("admin").get("/couture/runs/no/such/task", params={name: number})

    assert answer.status_code == 404
    assert "Traceback" not in answer.text
