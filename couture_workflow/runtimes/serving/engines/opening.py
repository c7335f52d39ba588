"""Chooses the engine of a version's folder and opens it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..models import onnx_model, saved_model
from ..status import UnsupportedError, invalid
from .engine import Engine


@dataclass(frozen=True)
class Choices:
    """How models are run.

    :param tensorflow_python: a Python with TensorFlow, or None.
    :param threads: of one request; 0: as many as there are cores.
    """

    tensorflow_python: Path | None = None
    threads: int = 0


def open_engine(folder: Path, choices: Choices) -> Engine:
    """Load the model in a folder.

    :raises ServingError: there is no model that can be served; the message says what is wrong with it.
    """
    if (folder / saved_model.FILE).exists():
        return _open_saved_model(folder, choices)
    file = onnx_model.find(folder)
    if file is None:
        if (folder / "saved_model.pbtxt").exists():
            raise invalid("The SavedModel is written as text (saved_model.pbtxt). Save it as saved_model.pb.")
        raise invalid("The folder has neither saved_model.pb nor an .onnx file.")
    from .onnx import OnnxEngine

    read = onnx_model.check(file)
    return OnnxEngine(file, unranked=read.unranked, threads=choices.threads)


def _open_saved_model(folder: Path, choices: Choices) -> Engine:
    from .openvino import OpenVinoEngine
    from .tensorflow import TensorFlowEngine

    try:
        model = saved_model.read(folder)
        return OpenVinoEngine(model, threads=choices.threads)
    except UnsupportedError:
        if choices.tensorflow_python is None:
            raise
    return TensorFlowEngine(folder, choices.tensorflow_python, threads=choices.threads)
