"""The check tells what a model is, asks it once, and refuses what cannot or must not be served."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.support.model_server import CHILD, MODELS, python


def checked(folder: Path, *arguments: str) -> dict[str, Any]:
    done = subprocess.run(
        [python(), "-I", str(CHILD), "check", str(folder), *arguments],
        capture_output=True,
        text=True,
        timeout=120,
    )
    found: dict[str, Any] = json.loads(done.stdout)
    assert done.returncode == (0 if found["ok"] else 1), done.stderr
    return found


@pytest.mark.always
def test_a_saved_model_is_described_and_asked() -> None:
    found = checked(MODELS / "many" / "1")

    assert found["signatures"]["serving_default"] == {
        "method": "tensorflow/serving/predict",
        "inputs": {
            "flag": {"dtype": "DT_BOOL", "shape": [-1]},
            "real": {"dtype": "DT_FLOAT", "shape": [-1, 2]},
            "whole": {"dtype": "DT_INT64", "shape": [-1, 2]},
        },
        "outputs": {
            "total": {"dtype": "DT_FLOAT", "shape": [-1, 2]},
            "twice": {"dtype": "DT_INT64", "shape": [-1, 2]},
        },
    }
    assert found["smoke"] == {"serving_default": {"total": ["float32", [1, 2]], "twice": ["int64", [1, 2]]}}
    assert (found["format"], found["engine"], found["tensorflow"]) == ("SavedModel", "openvino", "2.21.0")
    assert found["bytes"] == sum(
        each.stat().st_size for each in (MODELS / "many" / "1").rglob("*") if each.is_file()
    )
    assert found["memory_bytes"] > 0


def test_every_signature_is_asked() -> None:
    assert checked(MODELS / "two" / "1")["smoke"].keys() == {"serving_default", "square"}


def test_an_onnx_model_is_described(tmp_path: Path) -> None:
    shutil.copy(MODELS / "pipeline" / "1" / "model.onnx", tmp_path / "Model.ONNX")

    found = checked(tmp_path)

    assert (found["ok"], found["format"], found["engine"]) == (True, "ONNX", "onnxruntime")
    assert found["signatures"]["serving_default"]["inputs"]["c"] == {"dtype": "DT_STRING", "shape": [-1, 1]}


def test_text_is_made_lower_case_in_the_check_too() -> None:
    found = checked(MODELS / "reviews" / "1")

    assert "StringNormalizer" in found["operations"]
    assert found["ok"], found["error"]


def test_an_operation_in_an_old_form_is_named(tmp_path: Path) -> None:
    shape = field(2, field(2, bytes([1 << 3, 1])))
    value = field(2, field(1, bytes([1 << 3, 1]) + shape))
    node = field(1, b"x") + field(1, b"y") + field(2, b"z") + field(4, b"Pow")
    graph = field(1, node) + b"".join(
        field(number, field(1, name) + value) for number, name in ((11, b"x"), (11, b"y"), (12, b"z"))
    )
    onnx(tmp_path, bytes([1 << 3, 3]) + field(7, graph) + field(8, bytes([2 << 3, 6])))

    found = checked(tmp_path, "--inside")

    assert found["unknown_operations"] == ["Pow"]
    assert "uses Pow in its form of opset 1, which onnxruntime cannot run. Export" in found["error"]


@pytest.mark.parametrize(
    ("shape", "told", "sent"),
    [(None, None, [[1.5], [2.5]]), (b"", [], 1.5)],
    ids=["any shape", "a single value"],
)
def test_a_tensor_of_any_shape_is_told_from_a_single_value(
    tmp_path: Path, shape: bytes | None, told: list[int] | None, sent: Any
) -> None:
    value = field(2, field(1, bytes([1 << 3, 1]) + (b"" if shape is None else field(2, shape))))
    identity(tmp_path, value)
    request = tmp_path / "assets.extra" / "smoke_request.json"
    request.parent.mkdir()
    request.write_text(json.dumps({"inputs": sent}))

    found = checked(tmp_path, "--inside")

    assert found["ok"], found["error"]
    assert found["signatures"]["serving_default"]["inputs"]["x"] == {"dtype": "DT_FLOAT", "shape": told}


def test_a_type_that_no_request_has_is_named(tmp_path: Path) -> None:
    value = field(2, field(1, bytes([1 << 3, 16]) + field(2, b"")))
    identity(tmp_path, value)

    assert "'x' is a tensor(bfloat16), which no request can have" in checked(tmp_path, "--inside")["error"]


def test_an_operation_that_the_engine_does_not_know_is_named() -> None:
    found = checked(MODELS / "examples" / "1")

    assert found["unknown_operations"] == ["ParseExampleV2"]
    assert "ParseExampleV2, which OpenVINO cannot run" in found["error"]
    assert found["signatures"].keys() == {"serving_default", "regress"}


def test_a_request_that_comes_with_the_model_is_sent(tmp_path: Path) -> None:
    folder = tmp_path / "1"
    shutil.copytree(MODELS / "words" / "1", folder)
    (folder / "assets.extra").mkdir()
    request = folder / "assets.extra" / "smoke_request.json"

    request.write_text('{"instances": ["good", "bad"]}')
    good = checked(folder)
    request.write_text('{"instances": [1]}')
    bad = checked(folder)

    assert good["smoke"] == {"serving_default": {"value": ["int64", [2]], "word": ["object", [2]]}}
    assert "is not of expected type: string" in bad["error"]


def pb(folder: Path, content: bytes) -> None:
    (folder / "saved_model.pb").write_bytes(content)


def half(folder: Path) -> None:
    content = (MODELS / "dense" / "1" / "saved_model.pb").read_bytes()
    pb(folder, content[: len(content) // 2])


def without_weights(folder: Path) -> None:
    shutil.copy(MODELS / "dense" / "1" / "saved_model.pb", folder)


def half_weights(folder: Path) -> None:
    shutil.copytree(MODELS / "dense" / "1", folder, dirs_exist_ok=True)
    data = folder / "variables" / "variables.data-00000-of-00001"
    data.write_bytes(data.read_bytes()[:40])


def weights_elsewhere(folder: Path) -> None:
    without_weights(folder)
    (folder / "variables").symlink_to("/etc")


def onnx(folder: Path, content: bytes) -> None:
    (folder / "model.onnx").write_bytes(content)


def identity(folder: Path, value: bytes) -> None:
    """Write an ONNX model that answers with what it is given.

    :param value: the type of both.
    """
    node = field(1, b"x") + field(2, b"y") + field(4, b"Identity")
    ends = field(11, field(1, b"x") + value) + field(12, field(1, b"y") + value)
    graph = field(1, node) + field(2, b"g") + ends
    onnx(folder, bytes([1 << 3, 8]) + field(7, graph) + field(8, bytes([2 << 3, 17])))


def field(number: int, content: bytes) -> bytes:
    return bytes([number << 3 | 2, len(content)]) + content


def external(folder: Path, location: bytes) -> None:
    """Write an ONNX model whose one tensor lies in another file."""
    entry = field(1, b"location") + field(2, location)
    tensor = field(8, b"w") + field(13, entry) + bytes([14 << 3, 1])
    graph = field(1, field(4, b"Identity")) + field(5, tensor)
    onnx(folder, bytes([1 << 3, 8]) + field(7, graph))


@pytest.mark.parametrize(
    ("make", "error"),
    [
        (lambda folder: None, "neither saved_model.pb nor an .onnx file"),
        (lambda folder: (folder / "saved_model.pbtxt").touch(), "written as text"),
        (lambda folder: pb(folder, b""), "saved_model.pb is empty"),
        (lambda folder: pb(folder, b"garbage " * 100), "is no SavedModel, or only a part of one"),
        (lambda folder: pb(folder, b"\x08\x01"), "there is no graph in it"),
        (half, "only a part of one"),
        (without_weights, ""),
        (half_weights, ""),
        (weights_elsewhere, "variables is a link out of the model's folder"),
        (lambda folder: onnx(folder, b"garbage"), "is no ONNX model, or only a part of one"),
        (lambda folder: external(folder, b"../secret"), "names data outside of its folder: '../secret'"),
        (lambda folder: external(folder, b"/etc/passwd"), "names data outside of its folder: '/etc/passwd'"),
        (lambda folder: external(folder, b"weights"), "needs the file 'weights'"),
        (lambda folder: [(folder / name).touch() for name in ("a.onnx", "b.onnx")], "2 .onnx files"),
    ],
)
def test_what_is_no_model_is_refused_with_a_sentence(tmp_path: Path, make: Any, error: str) -> None:
    make(tmp_path)

    found = checked(tmp_path, "--inside")

    assert not found["ok"]
    assert error in found["error"]
    assert "Traceback" not in found["error"]


def test_a_model_that_is_larger_than_the_memory_is_refused_before_it_is_loaded(tmp_path: Path) -> None:
    shutil.copytree(MODELS / "dense" / "1", tmp_path, dirs_exist_ok=True)
    with (tmp_path / "variables" / "variables.data-00001-of-00002").open("wb") as file:
        file.truncate(2**40)

    found = checked(tmp_path)

    assert not found["ok"]
    assert re.fullmatch(
        r"The model needs about 1,258,\d{3} MiB of memory, and [\d,]+ MiB are free\.", found["error"]
    )


def test_nobody_is_left_of_a_check_whose_asker_was_killed(tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    folder = tmp_path / "kept" / "1"
    shutil.copytree(MODELS / "dense" / "1", folder)
    asker = "import subprocess, sys; subprocess.run(sys.argv[1:])"
    command = [python(), "-I", str(CHILD), "check", str(folder)]
    process = subprocess.Popen([sys.executable, "-c", asker, *command], stdout=subprocess.DEVNULL)

    def checks() -> list[psutil.Process]:
        found = [each for each in psutil.process_iter(["cmdline"]) if each.pid != process.pid]
        return [each for each in found if str(folder) in (each.info["cmdline"] or [])]

    until(lambda: any("--inside" in each.info["cmdline"] for each in checks()))
    process.kill()
    process.wait()
    until(lambda: not checks())


def until(said: Callable[[], bool]) -> None:
    for _ in range(1200):
        if said():
            return
        time.sleep(0.02)
    raise AssertionError("it did not come")


def test_memory_and_time_of_the_check_are_limited() -> None:
    memory = checked(MODELS / "dense" / "1", "--memory-bytes", "1000000")
    seconds = checked(MODELS / "dense" / "1", "--seconds", "0")

    assert memory["error"] == "The model needs more memory than the 0 MiB that it may take."
    assert seconds["error"] == "The model did not load and answer within 0 s."
