"""One server with all models of the tests, for those that only ask it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.model_server import ModelServer, model

LIMITS = ("--max-body-bytes", "1000000", "--max-rows", "100")


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModelServer]:
    found = ModelServer(tmp_path_factory.mktemp("serving"), "--unchecked", *LIMITS)
    dense = {**model("dense"), "versions": [1, 2], "labels": {"stable": 1, "canary": 2}}
    others = ("many", "words", "keras", "two", "slow", "pipeline", "reviews", "examples")
    found.configure(dense, *map(model, others))
    found.start()
    found.wait_for(
        lambda: all(set(found.states(name).values()) <= {"AVAILABLE", "END"} for name in ("dense", *others))
    )
    yield found
    assert found.stop() == 0, found.log.read_text()
