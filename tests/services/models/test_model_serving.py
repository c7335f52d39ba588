"""The model server is started with its own Python, and sees nothing of the installation's secrets."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from couture_workflow.exceptions import NotFoundError, RuntimeMissingError
from couture_workflow.services.models import serving
from tests.support.model_server import MODELS, ModelServer, python


def test_options_become_a_command_line() -> None:
    options = serving.Options(
        Path("/c/models.config"),
        token_file=Path("/t"),
        default_label="stable",
        tensorflow_python=Path("/tf/bin/python"),
        max_body=1,
    )

    found = serving.command("/p", options)

    assert found[:2] == ["/p", "-I"]
    assert found[3:] == [
        *("serve", "--config", "/c/models.config", "--host", "127.0.0.1"),
        *("--grpc-port", "8500", "--rest-port", "8501", "--max-body-bytes", "1048576"),
        *("--state-file", "/c/models.config.served.json", "--token-file", "/t"),
        *("--default-label", "stable", "--tensorflow-python", "/tf/bin/python"),
    ]


def test_what_was_served_is_remembered_where_it_is_told() -> None:
    found = serving.command(
        "/p", serving.Options(Path("/c/models.config"), state_file=Path("/s/served.json"))
    )

    assert found[found.index("--state-file") + 1] == "/s/served.json"


def test_secrets_of_the_environment_stay_out() -> None:
    base = {"PATH": "/bin", "AIRFLOW__CORE__FERNET_KEY": "secret", "COUTURE_ADMIN_PASSWORD": "secret"}

    assert serving.environment(base) == {"PATH": "/bin"}


def test_a_missing_runtime_is_named_with_its_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__COUTURE_WORKFLOW__RUNTIMES_PATH", str(tmp_path))

    with pytest.raises(RuntimeMissingError, match="Type: couture-workflow install --serving"):
        serving.python()


def test_the_command_serves_the_models_of_a_home(tmp_path: Path) -> None:
    server = ModelServer(tmp_path / "server")
    command = [sys.executable, "-m", "couture_workflow.cli", "serve-models", "--home", str(tmp_path)]
    command += ["--rest-port", str(server.rest_port), "--grpc-port", str(server.grpc_port)]
    python()
    server.file = serving.config_of(tmp_path)
    with server.log.open("wb") as log:
        server.process = subprocess.Popen(command, stdout=log, stderr=log, env={**os.environ})
    try:
        server.wait_for(
            lambda: server.get("/monitoring/models").json() == {"configuration_error": "", "models": []}
        )
        server.configure({"name": "dense", "base_path": MODELS / "dense"})
        server.wait_until_served("dense", 2)
    finally:
        assert server.stop() == 0


def test_a_model_is_checked_by_its_folder(tmp_path: Path) -> None:
    found = serving.check(MODELS / "two" / "1", program=python())

    assert (found["ok"], found["engine"], sorted(found["smoke"])) == (
        True,
        "openvino",
        ["serving_default", "square"],
    )
    with pytest.raises(NotFoundError, match="There is no folder"):
        serving.check(tmp_path / "none", program=python())
