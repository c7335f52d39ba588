"""Fixtures of the tests that call the API server: ``store`` is its store, without DAG files and drafts."""

from __future__ import annotations

import pytest

from couture_workflow.store.home import Store
from tests.support.api_server import ApiServer


@pytest.fixture
def store(api_server: ApiServer) -> Store:
    """Return the store of the API server; DAG files, drafts and import errors of other tests are gone."""
    return api_server.without_dags()
