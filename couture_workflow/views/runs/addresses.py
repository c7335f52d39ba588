"""Addresses of the pages of runs."""

from __future__ import annotations

import json

from flask import url_for

from couture_workflow.services.runs.records import Run, RunKey


def run_url(run: Run) -> str:
    """Return the address of a run's page."""
    return key_url(run.key)


def key_url(key: RunKey) -> str:
    """Return the address of the page of a try."""
    return url_for(
        "RunsPage.details",
        dag_id=key.dag_id,
        run_id=key.run_id,
        task_id=key.task_id,
        map_index=key.map_index,
        try_number=key.try_number,
    )


def compare_url(*keys: RunKey) -> str:
    """Return the address that compares two runs, or one with the one before it."""
    return url_for("CompareRunsPage.index", run=[key_text(key) for key in keys])


def key_text(key: RunKey) -> str:
    """Return a try as a text for an address."""
    return json.dumps([key.dag_id, key.run_id, key.task_id, key.map_index, key.try_number])
