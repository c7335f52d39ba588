"""The configuration that we write is what TensorFlow Serving and our own server read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from google.protobuf import text_format

from couture_workflow.exceptions import InvalidError
from couture_workflow.runtimes.serving.versions import model_config
from couture_workflow.services.models import config_file
from couture_workflow.services.models.config_file import ServedModel
from tests.support.model_server import message

HOSTILE = Path("/a'b\"<&>/..ü\\\n{}")


def test_both_servers_read_what_is_written(tmp_path: Path) -> None:
    file = tmp_path / "new" / "models.config"
    models = [
        ServedModel("b.c-d_1", HOSTILE, (3, 4), {"stable": 3, "canary": 4}),
        ServedModel("a", Path("/models/a"), (1,)),
    ]

    config_file.write(file, models)
    ours = model_config.read(file)
    official = text_format.Parse(file.read_text(), message("ModelServerConfig")()).model_config_list.config

    assert {name: (each.base_path, each.policy.versions, each.labels) for name, each in ours.items()} == {
        "a": (Path("/models/a"), (1,), {}),
        "b.c-d_1": (HOSTILE, (3, 4), {"stable": 3, "canary": 4}),
    }
    again = config_file.parse(f"{file.read_text()}  config {{\n  }}\n", HOSTILE.parent)
    assert {name: (each.versions, each.labels) for name, each in again.items()} == {
        each.name: (each.versions, each.labels) for each in models
    }
    assert [each.name for each in official] == ["a", "b.c-d_1"]
    assert official[1].base_path == str(HOSTILE)
    assert official[1].model_platform == "tensorflow"
    assert list(official[1].model_version_policy.specific.versions) == [3, 4]
    assert dict(official[1].version_labels) == {"stable": 3, "canary": 4}


def test_no_models_are_a_configuration_too(tmp_path: Path) -> None:
    config_file.write(tmp_path / "models.config", ())

    assert model_config.read(tmp_path / "models.config") == {}


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"name": "a/b"}, "The model 'a/b' cannot be served"),
        ({"name": ""}, "The model '' cannot be served"),
        ({"labels": {"a:b": 1}}, "The label 'a:b' cannot be served"),
        ({"base_path": Path("a")}, "must be absolute"),
        ({"versions": ()}, "needs versions to serve"),
        ({"versions": (0,)}, "needs versions to serve"),
        ({"labels": {"stable": 2}}, "names version 2, which is not among"),
    ],
)
def test_what_no_server_could_serve_is_refused(fields: dict[str, Any], error: str) -> None:
    with pytest.raises(InvalidError, match=error):
        ServedModel(**{"name": "a", "base_path": Path("/a"), "versions": (1,), **fields})


def test_one_name_stands_once() -> None:
    with pytest.raises(InvalidError, match="stands twice"):
        config_file.render([ServedModel("a", Path("/a"), (1,)), ServedModel("a", Path("/b"), (1,))])
