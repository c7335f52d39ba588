"""How the model server is started: its Python, its command, its environment, its first configuration."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from couture_workflow.exceptions import NotFoundError, RuntimeMissingError, StartError
from couture_workflow.services.models import config_file
from couture_workflow.services.runtimes import install, installed
from couture_workflow.services.runtimes.progress import Progress

GRPC_PORT, REST_PORT = 8500, 8501
_CHILD = Path(__file__).parents[2] / "runtimes" / "serving_child.py"
#: What the model server gets of the environment; keys and passwords of the installation are none of these.
_KEPT = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "LD_LIBRARY_PATH")


@dataclass(frozen=True)
class Options:
    """What a person may choose about the model server.

    :param token_file: file with the token that requests need; None: none is needed.
    :param default_label: where requests without version and label go; "": to the newest version.
    :param tensorflow_python: a Python that has TensorFlow, for models that need it.
    :param state_file: remembers what is served over a restart; None: one beside the configuration.
    :param max_body: MiB of one request.
    """

    config: Path
    host: str = "127.0.0.1"
    grpc_port: int = GRPC_PORT
    rest_port: int = REST_PORT
    token_file: Path | None = None
    default_label: str = ""
    tensorflow_python: Path | None = None
    state_file: Path | None = None
    max_body: int = 64


def config_of(home: Path) -> Path:
    """Return the configuration of a home's model server."""
    return home / "models" / "serving" / "models.config"


def prepare(config: Path) -> None:
    """Write a configuration without models where there is none yet."""
    if not config.exists():
        config_file.write(config, ())


def python(progress: Progress | None = None) -> str:
    """Return the Python of the runtime ``serving``.

    :param progress: shows how the runtime is made where it is not there; None: it is not made.
    :raises RuntimeMissingError: it is not there, or cannot be made.
    """
    try:
        return installed.serving()
    except RuntimeMissingError:
        if progress is None:
            raise
    install.install_serving(progress=progress)
    return installed.serving()


def command(program: str, options: Options) -> list[str]:
    """Return the command line of the model server."""
    found = [program, "-I", str(_CHILD), "serve", "--config", str(options.config), "--host", options.host]
    found += ["--grpc-port", str(options.grpc_port), "--rest-port", str(options.rest_port)]
    found += ["--max-body-bytes", str(options.max_body << 20)]
    beside = options.config.with_name(f"{options.config.name}.served.json")
    found += ["--state-file", str(options.state_file or beside)]
    if options.token_file is not None:
        found += ["--token-file", str(options.token_file)]
    if options.default_label:
        found += ["--default-label", options.default_label]
    if options.tensorflow_python is not None:
        found += ["--tensorflow-python", str(options.tensorflow_python)]
    return found


def environment(base: Mapping[str, str]) -> dict[str, str]:
    """Return what the model server sees of an environment."""
    return {name: base[name] for name in _KEPT if name in base}


def check(folder: Path, *, program: str, tensorflow_python: Path | None = None) -> dict[str, Any]:
    """Return what is known of the model in a folder: signatures, size, operations, and whether it answers.

    :raises NotFoundError: there is no such folder.
    :raises StartError: the check itself does not run.
    """
    if not folder.is_dir():
        raise NotFoundError(f"There is no folder {folder}.")
    arguments = [program, "-I", str(_CHILD), "check", str(folder)]
    if tensorflow_python is not None:
        arguments += ["--tensorflow-python", str(tensorflow_python)]
    done = subprocess.run(  # noqa: S603
        arguments,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        check=False,
        env=environment(os.environ),
    )
    try:
        found: dict[str, Any] = json.loads(done.stdout)
    except ValueError as error:
        raise StartError(f"The check of {folder} did not run: {done.stderr.strip()[-500:]}") from error
    return found
