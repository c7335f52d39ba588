"""Which services the embedded workbench has."""

from __future__ import annotations

from pathlib import Path

import pytest

from couture_workflow.services.workbench.embedded import commands

HUB = "AIRFLOW__COUTURE_WORKFLOW__JUPYTER_HUB_URL"
OTHERS = ["api-server", "dag-processor", "dag-sync", "scheduler", "triggerer"]


@pytest.mark.parametrize("variables", [{}, {HUB: ""}, {HUB: "  "}])
def test_people_have_their_jupyter_servers_here(variables: dict[str, str]) -> None:
    assert sorted(commands(Path("/home"), variables)) == sorted([*OTHERS, "jupyter"])


def test_where_a_jupyterhub_has_them_no_service_does() -> None:
    assert sorted(commands(Path("/home"), {HUB: "https://hub.example.org"})) == OTHERS
