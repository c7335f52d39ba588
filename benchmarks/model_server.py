"""What a prediction takes over REST and gRPC, beside TensorFlow's own runtime behind the same server.

TensorFlow is 1.5 GB and no part of this product: the comparison is made where the variable
``TENSORFLOW_PYTHON`` names a Python that has tensorflow-cpu and the packages of the runtime ``serving`` but
for OpenVINO and onnxruntime. There the same handlers, the same HTTP and the same gRPC run with TensorFlow in
their own process. Both servers are asked in turn. In any case, versions are switched under load.
"""

from __future__ import annotations

import array
import http.client
import json
import os
import random
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import grpc

from benchmarks.measure import Result, in_turn, p95
from benchmarks.server import free_port
from couture_workflow.runtimes.serving import schema
from couture_workflow.services.models import config_file
from couture_workflow.services.models.config_file import ServedModel
from couture_workflow.services.runtimes import installed

REQUESTS, ROUNDS, SWITCHES = 200, 15, 6
PATIENCE = 120.0
RUNTIMES = Path(__file__).parents[1] / "couture_workflow" / "runtimes"
CHILD = RUNTIMES / "serving_child.py"
FIXTURES = Path(__file__).parents[1] / "tests" / "runtimes" / "serving" / "models"
TENSORFLOW = Path(__file__).parent / "model_server_tensorflow.py"
#: Model -> the shape of one row.
SHAPES: dict[str, tuple[int, ...]] = {"dense": (20,), "convolution": (32, 32, 3)}
ROWS = {"dense": 8, "convolution": 4}


def run() -> list[Result]:
    """Measure each model by each way in, then versions that change."""
    tensorflow = os.environ.get("TENSORFLOW_PYTHON", "")
    with tempfile.TemporaryDirectory() as text, ExitStack() as stack:
        folder = Path(text)
        results = []
        if tensorflow:
            subprocess.run([tensorflow, str(TENSORFLOW), "make", text], check=True, capture_output=True)
            configuration = _configuration(folder, *SHAPES)
            ours = stack.enter_context(
                _server([installed.serving(), "-I", str(CHILD), "serve"], configuration)
            )
            other = stack.enter_context(_server([tensorflow, str(TENSORFLOW), "serve"], configuration))
            for model in SHAPES:
                results += [_compared(model, way, ours, other) for way in ("REST", "gRPC")]
            results.append(_memory(ours, other))
        results += _switched(folder / "switch")
    return results


def _configuration(folder: Path, *models: str) -> Path:
    file = folder / "models.config"
    config_file.write(file, [ServedModel(each, folder / each, (1,)) for each in models])
    return file


class _Server:
    """A running server and how it is asked."""

    def __init__(self, process: subprocess.Popen[bytes], rest: int, rpc: int) -> None:
        self.process = process
        self.rest = http.client.HTTPConnection("127.0.0.1", rest, timeout=60)
        self.channel = grpc.insecure_channel(f"127.0.0.1:{rpc}")
        self.predict = self.channel.unary_unary("/tensorflow.serving.PredictionService/Predict")

    def get(self, path: str) -> Any:
        self.rest.request("GET", path)
        return json.loads(self.rest.getresponse().read())

    def post(self, path: str, body: bytes) -> bytes:
        self.rest.request("POST", path, body)
        answer = self.rest.getresponse()
        content = answer.read()
        if answer.status != 200:
            raise RuntimeError(content.decode())
        return content

    def memory(self) -> float:
        """Return MiB in memory."""
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


@contextmanager
def _server(command: list[str], configuration: Path) -> Iterator[_Server]:
    rest, rpc = free_port(), free_port()
    process = subprocess.Popen(
        [*command, "--config", str(configuration), "--rest-port", str(rest), "--grpc-port", str(rpc)]
        + ["--poll-seconds", "0.2"],
        stderr=subprocess.DEVNULL,
    )
    found = _Server(process, rest, rpc)
    try:
        _wait(found)
        yield found
    finally:
        found.channel.close()
        process.terminate()
        process.wait(60)


def _wait(server: _Server) -> None:
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        try:
            models = server.get("/monitoring/models")["models"]
        except OSError:
            server.rest.close()
        else:
            states = [each["state"] for model in models for each in model["versions"]]
            if states and all(state == "AVAILABLE" for state in states):
                return
        if server.process.poll() is not None:
            break
        time.sleep(0.2)
    raise RuntimeError("The model server did not start.")


def _values(model: str) -> list[Any]:
    generator = random.Random(1)

    def made(sizes: tuple[int, ...]) -> Any:
        return [made(sizes[1:]) for _ in range(sizes[0])] if sizes else round(generator.gauss(0, 1), 4)

    return [made(SHAPES[model]) for _ in range(ROWS[model])]


def _flat(value: Any) -> Iterator[float]:
    if isinstance(value, list):
        for each in value:
            yield from _flat(each)
    else:
        yield value


def _request(model: str, way: str) -> Callable[[_Server], None]:
    """Return what sends one request; the request itself is made once."""
    if way == "REST":
        body = json.dumps({"instances": _values(model)}).encode()
        return lambda server: _drop(server.post(f"/v1/models/{model}:predict", body))
    message = schema.message("tensorflow.serving.PredictRequest")()
    message.model_spec.name = model
    tensor = message.inputs["x"]
    tensor.dtype = 1
    for size in (ROWS[model], *SHAPES[model]):
        tensor.tensor_shape.dim.add(size=size)
    tensor.tensor_content = array.array("f", _flat(_values(model))).tobytes()
    content = message.SerializeToString()
    return lambda server: _drop(server.predict(content, timeout=60))


def _drop(answer: bytes) -> None:
    if not answer:
        raise RuntimeError("The server answered with nothing.")


def _times(send: Callable[[_Server], None], server: _Server) -> list[float]:
    found = []
    for _ in range(REQUESTS // ROUNDS + 1):
        began = time.perf_counter()
        send(server)
        found.append((time.perf_counter() - began) * 1000)
    return found


def _compared(model: str, way: str, ours: _Server, other: _Server) -> Result:
    send = _request(model, way)
    mine, theirs = (
        [value for series in each for value in series]
        for each in in_turn(ROUNDS, partial(_times, send, ours), partial(_times, send, other))
    )
    return Result(
        f"{way} prediction, {model} model, p50",
        f"{median(mine):.2f} ms (p95 {p95(mine):.2f}, {1000 / (sum(mine) / len(mine)):.0f} a second)",
        f"TensorFlow {median(theirs):.2f} ms (p95 {p95(theirs):.2f}, "
        f"{1000 / (sum(theirs) / len(theirs)):.0f} a second)",
        median(mine) / median(theirs),
        1.0,
    )


def _memory(ours: _Server, other: _Server) -> Result:
    mine, theirs = ours.memory(), other.memory()
    return Result(
        "memory of the server with these models", f"{mine:.0f} MiB", f"{theirs:.0f} MiB", mine / theirs, 0.6
    )


def _switched(folder: Path) -> list[Result]:
    """Change the served version under load and count what fails."""
    shutil.copytree(FIXTURES / "dense", folder / "dense")
    file = folder / "models.config"

    def serve(version: int) -> None:
        labels = {"stable": version}
        config_file.write(file, [ServedModel("dense", folder / "dense", (version,), labels)])

    serve(1)
    times: list[float] = []
    failed: list[str] = []
    with _server([installed.serving(), "-I", str(CHILD), "serve"], file) as server:
        end = threading.Event()
        sender = threading.Thread(target=_load, args=(server.rest.port, end, times, failed))
        sender.start()
        for number in range(SWITCHES):
            version = 2 - number % 2
            serve(version)
            _until_served(server, version)
        end.set()
        sender.join()
    return [
        Result(
            f"failed requests in {SWITCHES} changes of the served version",
            f"{len(failed)} of {len(times)}",
            "",
            len(failed),
            0,
            "requests",
        )
    ]


def _until_served(server: _Server, version: int) -> None:
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        (model,) = server.get("/monitoring/models")["models"]
        if model["labels"].get("stable") == version and model["default"] == version:
            return
        time.sleep(0.05)
    raise RuntimeError(f"Version {version} was not served.")


def _load(port: int, end: threading.Event, times: list[float], failed: list[str]) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    while not end.is_set():
        began = time.perf_counter()
        connection.request("POST", "/v1/models/dense/labels/stable:predict", b'{"instances": [[1, 2, 3, 4]]}')
        answer = connection.getresponse()
        content = answer.read()
        times.append(time.perf_counter() - began)
        if answer.status != 200:
            failed.append(content.decode())
