"""Which services the embedded workbench has."""

from __future__ import annotations

from pathlib import Path

import pytest

from couture_workflow.exceptions import StartError
from couture_workflow.services.models import readiness
from couture_workflow.services.workbench import model_service
from couture_workflow.services.workbench.embedded import commands

HUB = "AIRFLOW__COUTURE_WORKFLOW__JUPYTER_HUB_URL"
MODELS = "AIRFLOW__COUTURE_WORKFLOW__SERVE_MODELS"
URL, GRPC = "AIRFLOW__COUTURE_WORKFLOW__SERVING_URL", "AIRFLOW__COUTURE_WORKFLOW__SERVING_GRPC"
OTHERS = ["api-server", "dag-processor", "dag-sync", "scheduler", "serving", "triggerer"]


@pytest.mark.parametrize("variables", [{}, {HUB: ""}, {HUB: "  "}])
def test_people_have_their_jupyter_servers_here(variables: dict[str, str]) -> None:
    assert sorted(commands(Path("/home"), variables)) == sorted([*OTHERS, "jupyter"])


@pytest.mark.parametrize("value", ["True", " true ", "1"])
def test_models_are_served_from_the_start_on_where_the_option_says_so(value: str) -> None:
    found = commands(Path("/home"), {MODELS: value})

    assert found["serving"][-5:] == ["serve-models", "--home", "/home", "--default-label", "stable"]
    assert model_service.on_demand_variables(Path("/home"), {MODELS: value}) == {}


@pytest.mark.parametrize("value", ["False", "f", " 0 "])
def test_no_models_are_served_where_the_option_says_so(value: str) -> None:
    assert "serving" not in commands(Path("/home"), {MODELS: value})


def test_another_word_for_the_option_is_refused() -> None:
    with pytest.raises(StartError, match="SERVE_MODELS is 'always': set it to auto, True or False"):
        commands(Path("/home"), {MODELS: "always"})


@pytest.mark.parametrize(
    ("variables", "ports"),
    [
        ({}, ["8501", "8500", "0"]),
        ({MODELS: "auto", URL: "http://localhost:9501", GRPC: "127.0.0.1:9500"}, ["9501", "9500", "1"]),
    ],
)
def test_models_are_served_from_the_first_one_on(variables: dict[str, str], ports: list[str]) -> None:
    words = commands(Path("/home"), variables)["serving"]

    assert words[words.index("model") :][:3] == ["model", "/home/files/models", "tensorflow."]
    assert words[-5:] == ["/home", "/home/airflow/model-server.json", *ports]
    found = model_service.on_demand_variables(Path("/home"), variables)
    assert found == {readiness.VARIABLE: "/home/airflow/model-server.json"}


@pytest.mark.parametrize(
    "url", ["http://serving:8501", "https://127.0.0.1:8501", "http://127.0.0.1", "http://[", "127.0.0.1:8501"]
)
def test_where_pages_ask_a_server_elsewhere_none_is_started(url: str) -> None:
    assert "serving" not in commands(Path("/home"), {URL: url})
    assert model_service.on_demand_variables(Path("/home"), {URL: url}) == {}


def test_the_model_server_listens_where_pages_and_tasks_look_for_it() -> None:
    places = {URL: "http://127.0.0.1:9501", GRPC: "127.0.0.1:9500"}

    found = commands(Path("/home"), {MODELS: "True", **places})

    assert found["serving"][-4:] == ["--rest-port", "9501", "--grpc-port", "9500"]


def test_where_a_jupyterhub_has_them_no_service_does() -> None:
    assert sorted(commands(Path("/home"), {HUB: "https://hub.example.org"})) == OTHERS
