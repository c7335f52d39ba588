"""A model server that follows the models of a store, also of one that has none yet."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import httpx

from couture_workflow.services.models import configured
from couture_workflow.services.models.archives import unpacked
from couture_workflow.store.home import Store
from tests.support.model_server import ModelServer, python


@contextmanager
def served(store: Store, *, port: int | None = None) -> Iterator[ModelServer]:
    """Run a model server; skip where its runtime is not there.

    :param port: of REST; None: a free one.
    """
    python()
    configured.write(store)
    server = ModelServer(unpacked.root(store), "--default-label", "stable")
    server.rest_port = port or server.rest_port
    server.launch()
    try:
        server.wait_for(lambda: httpx.get(f"{server.url}/monitoring/models").status_code == 200)
        yield server
    finally:
        if server.process is not None and server.process.poll() is None:
            server.kill()
