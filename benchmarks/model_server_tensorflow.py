"""TensorFlow's side of the benchmark ``model_server``, run by a Python that has TensorFlow.

``make FOLDER`` writes the models; ``serve`` is the product's own server with TensorFlow in its process in the
place of OpenVINO.
"""

from __future__ import annotations

import sys
import types
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).parents[1] / "couture_workflow" / "runtimes"))


def make(folder: Path) -> None:
    """Write a dense and a convolutional SavedModel, as Keras exports them."""
    import keras
    import tensorflow as tf

    layers = keras.layers
    models = {
        "dense": keras.Sequential(
            [
                layers.Input((20,)),
                layers.Dense(128, activation="relu"),
                layers.BatchNormalization(),
                layers.Dense(64, activation="gelu"),
                layers.Dense(3, activation="softmax"),
            ]
        ),
        "convolution": keras.Sequential(
            [
                layers.Input((32, 32, 3)),
                layers.Conv2D(16, 3, activation="relu", padding="same"),
                layers.MaxPooling2D(),
                layers.SeparableConv2D(32, 3, activation="relu"),
                layers.BatchNormalization(),
                layers.GlobalAveragePooling2D(),
                layers.Dense(10),
            ]
        ),
    }
    for name, model in models.items():
        archive = keras.export.ExportArchive()
        archive.track(model)
        spec = tf.TensorSpec([None, *model.input_shape[1:]], tf.float32, name="x")
        archive.add_endpoint("serving_default", fn=model.call, input_signature=[spec])
        archive.write_out(str(folder / name / "1"), verbose=False)


def serve(arguments: list[str]) -> int:
    """Run the server with TensorFlow's engine."""
    from serving.engines import tensorflow_child
    from serving.models import saved_model

    class InProcess:
        name, alive = "tensorflow", True

        def __init__(self, model: saved_model.SavedModel, *, threads: int) -> None:
            self.signatures = model.signatures
            self._functions = tensorflow_child.load(str(model.folder), threads)

        def run(self, signature: str, feed: Any, outputs: tuple[str, ...]) -> Any:
            return tensorflow_child.run(self._functions[signature], feed, list(outputs))

        def close(self) -> None:
            self._functions = {}

    for name, engine in (("openvino", "OpenVinoEngine"), ("onnx", "OnnxEngine")):
        module = types.ModuleType(f"serving.engines.{name}")
        setattr(module, engine, InProcess)
        sys.modules[f"serving.engines.{name}"] = module
        from serving import engines

        setattr(engines, name, module)
    from serving import command

    return command.main(["serve", "--unchecked", *arguments])


if __name__ == "__main__":
    if sys.argv[1] == "make":
        make(Path(sys.argv[2]))
    else:
        sys.exit(serve(sys.argv[2:]))
