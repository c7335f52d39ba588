"""A model server of its own for tests, and TensorFlow Serving's official messages to ask it with."""

from __future__ import annotations

import os
import shutil
import signal
import struct
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from couture_workflow.exceptions import RuntimeMissingError
from couture_workflow.services.runtimes import installed
from tests.support.servers import free_port

FOLDER = Path(__file__).parents[1] / "runtimes" / "serving"
MODELS = FOLDER / "models"
CHILD = Path(__file__).parents[2] / "couture_workflow" / "runtimes" / "serving_child.py"
PATIENCE = 180.0


def python() -> str:
    """Return the Python of the runtime, or skip."""
    try:
        return installed.serving()
    except RuntimeMissingError:
        pytest.skip("needs the runtime of the model server")


def _official() -> descriptor_pool.DescriptorPool:
    pool = descriptor_pool.DescriptorPool()
    found = descriptor_pb2.FileDescriptorSet.FromString((FOLDER / "official.binpb").read_bytes())
    for each in found.file:
        pool.Add(each)
    return pool


OFFICIAL = _official()


def message(name: str) -> Any:
    """Return a class of the official messages, such as ``PredictRequest`` or ``tensorflow.TensorProto``."""
    full = name if "." in name else f"tensorflow.serving.{name}"
    return message_factory.GetMessageClass(OFFICIAL.FindMessageTypeByName(full))


def configuration(*models: Mapping[str, Any]) -> str:
    """Return a model configuration as TensorFlow Serving reads it.

    Each model has ``name``, ``base_path`` and, if wanted, ``versions`` (policy ``specific``) and ``labels``.
    """
    lines = []
    for each in models:
        parts = [
            f'name: "{each["name"]}"',
            f'base_path: "{each["base_path"]}"',
            'model_platform: "tensorflow"',
        ]
        if versions := each.get("versions"):
            numbers = " ".join(f"versions: {number}" for number in versions)
            parts.append(f"model_version_policy {{ specific {{ {numbers} }} }}")
        for label, number in each.get("labels", {}).items():
            parts.append(f'version_labels {{ key: "{label}" value: {number} }}')
        lines.append("config { " + " ".join(parts) + " }")
    return "model_config_list {\n" + "\n".join(lines) + "\n}\n"


class ModelServer:
    """One server process; its configuration may be changed while it runs."""

    def __init__(self, folder: Path, *arguments: str, poll_seconds: float = 0.1) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.file = folder / "models.config"
        self.log = folder / "server.log"
        self.rest_port, self.grpc_port = free_port(), free_port()
        self.arguments = [*arguments, "--poll-seconds", str(poll_seconds)]
        self.process: subprocess.Popen[bytes] | None = None
        self.headers: dict[str, str] = {}

    def configure(self, *models: Mapping[str, Any]) -> None:
        """Replace the configuration as a whole."""
        fresh = self.file.with_suffix(".new")
        fresh.write_text(configuration(*models))
        fresh.replace(self.file)

    def start(self) -> ModelServer:
        """Start it, and wait until it knows of a model."""
        self.launch()
        self.wait_for(
            lambda: httpx.get(self.url + "/monitoring/models", headers=self.headers).json()["models"]
        )
        return self

    def launch(self) -> None:
        """Start it and wait for nothing."""
        command = [python(), "-I", str(CHILD), "serve", "--config", str(self.file), *self.arguments]
        command += ["--rest-port", str(self.rest_port), "--grpc-port", str(self.grpc_port)]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)

    def stop(self) -> int:
        """End it in peace and return its exit code."""
        assert self.process is not None
        self.process.terminate()
        return self.process.wait(PATIENCE)

    def kill(self) -> None:
        """End it as a crash does."""
        assert self.process is not None
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait(10)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.rest_port}"

    def wait_for(self, found: Any) -> Any:
        """Call until the result is true and return it; errors of a server that is not there yet are none."""
        until = time.monotonic() + PATIENCE
        while True:
            try:
                if value := found():
                    return value
            except httpx.TransportError:
                pass
            assert self.process is None or self.process.poll() is None, self.log.read_text()[-3000:]
            assert time.monotonic() < until, self.log.read_text()[-3000:]
            time.sleep(0.05)

    def wait_until_served(self, name: str, version: int) -> None:
        """Wait until a version is available."""
        self.wait_for(lambda: self.states(name).get(version) == "AVAILABLE")

    def get(self, path: str) -> httpx.Response:
        return httpx.get(self.url + path, headers=self.headers, timeout=30)

    def post(self, path: str, body: Any) -> httpx.Response:
        content = {"content": body} if isinstance(body, bytes) else {"json": body}
        return httpx.post(self.url + path, headers=self.headers, timeout=30, **content)

    def states(self, name: str) -> dict[int, str]:
        """Return the state of each version that the server tells of."""
        answer = self.get(f"/v1/models/{name}")
        found = answer.json().get("model_version_status", [])
        return {int(each["version"]): each["state"] for each in found}

    def error(self, name: str, version: int) -> str:
        """Return why a version is not served."""
        answer = self.get(f"/v1/models/{name}/versions/{version}").json()
        return str(answer["model_version_status"][0]["status"]["error_message"])

    def newest(self, name: str) -> dict[str, Any]:
        """Return what is told of the newest version of a model."""
        models = {each["name"]: each for each in self.get("/monitoring/models").json()["models"]}
        found: dict[str, Any] = models[name]["versions"][0]
        return found

    def call(
        self, method: str, request: Any, answer: str, *, metadata: Sequence[tuple[str, str]] = ()
    ) -> Any:
        """Call a method of gRPC with an official message, as the official stubs do."""
        with grpc.insecure_channel(f"127.0.0.1:{self.grpc_port}") as channel:
            function = channel.unary_unary(
                f"/tensorflow.serving.{method}",
                request_serializer=lambda each: each.SerializeToString(),
                response_deserializer=message(answer).FromString,
            )
            return function(request, timeout=30, metadata=metadata)


def rounds_for(server: ModelServer, seconds: float) -> int:
    """Return how many rounds the model ``slow`` needs for about so many seconds on this machine, now."""
    began = time.monotonic()
    server.post("/v1/models/slow:predict", {"instances": [5000]}).raise_for_status()
    return int(5000 * seconds / (time.monotonic() - began))


def floats(*rows: Sequence[float]) -> Any:
    """Return a matrix as ``tf.make_tensor_proto`` makes it of an array of numpy."""
    found = message("tensorflow.TensorProto")(dtype=1)
    for size in (len(rows), len(rows[0])):
        found.tensor_shape.dim.add(size=size)
    values = [value for row in rows for value in row]
    found.tensor_content = struct.pack(f"<{len(values)}f", *values)
    return found


def model(name: str, to: Path | None = None, *, versions: Sequence[int] = (1,)) -> dict[str, Any]:
    """Return what configures one of the models of the tests; with ``to``, a copy of it there."""
    if to is None:
        return {"name": name, "base_path": MODELS / name}
    for version in versions:
        shutil.copytree(MODELS / name / "1", to / name / str(version), dirs_exist_ok=True)
    return {"name": name, "base_path": to / name, "versions": list(versions)}
