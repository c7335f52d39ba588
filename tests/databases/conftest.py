"""Fixtures of the tests with databases of servers: ``kind``, the server's, and ``database``, an empty one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from couture_workflow.store.home import Store
from tests.support import databases
from tests.support.api_server import ApiServer
from tests.support.databases import Database


@pytest.fixture(params=["postgresql", "mariadb"], scope="session")
def kind(request: pytest.FixtureRequest) -> str:
    """Return each kind of server; skip one that is not installed, or whose driver is not."""
    if reason := databases.KINDS[request.param][1]():
        pytest.skip(reason)
    return str(request.param)


@pytest.fixture
def database(kind: str) -> Database:
    """Return an empty database with a user of its own."""
    return databases.make(kind)


@pytest.fixture(scope="session")
def api_server(kind: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    """Run Airflow's API server with a database of a server."""
    running = ApiServer(tmp_path_factory.mktemp("api server"), database=databases.make(kind))
    try:
        running.start()
        yield running
    finally:
        running.stop()


@pytest.fixture
def store(api_server: ApiServer) -> Store:
    """Return the store of the API server; DAG files, drafts and import errors of other tests are gone."""
    return api_server.without_dags()
