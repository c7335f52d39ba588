"""Makes the models and descriptors that the tests of the model server use: ``make_models.py [FOLDER]``.

Run once, by hand, in an environment with tensorflow-cpu 2.21, tensorflow-serving-api 2.21, scikit-learn and
skl2onnx; what it made is committed, so that the tests need none of them.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import numpy as np
import tensorflow as tf

HERE = Path(__file__).parent
F32, TEXT = tf.float32, tf.string


class Dense(tf.Module):
    """Scores of three classes from four numbers."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.weights = tf.Variable(np.arange(12, dtype="float32").reshape(4, 3) * factor)

    @tf.function(input_signature=[tf.TensorSpec([None, 4], F32, name="x")])
    def predict(self, x: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"scores": x @ self.weights}


class Many(tf.Module):
    """One dtype for each input, and two outputs."""

    @tf.function(
        input_signature=[
            tf.TensorSpec([None, 2], tf.int64, name="whole"),
            tf.TensorSpec([None, 2], F32, name="real"),
            tf.TensorSpec([None], tf.bool, name="flag"),
        ]
    )
    def predict(self, whole: tf.Tensor, real: tf.Tensor, flag: tf.Tensor) -> dict[str, tf.Tensor]:
        total = tf.cast(whole, F32) + real
        return {"total": tf.where(flag[:, tf.newaxis], total, -total), "twice": whole * 2}


class Words(tf.Module):
    """A table of words: text in, text and a number out."""

    def __init__(self) -> None:
        super().__init__()
        keys = tf.constant(["good", "bad", "größe"])
        values = tf.constant([1, -1, 7], tf.int64)
        self.table = tf.lookup.StaticHashTable(tf.lookup.KeyValueTensorInitializer(keys, values), 0)

    @tf.function(input_signature=[tf.TensorSpec([None], TEXT, name="word")])
    def predict(self, word: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"value": self.table.lookup(word), "word": word}


class Two(tf.Module):
    """Two signatures that differ."""

    @tf.function(input_signature=[tf.TensorSpec([None, 2], F32, name="x")])
    def double(self, x: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"y": x * 2}

    @tf.function(input_signature=[tf.TensorSpec([None, 2], F32, name="x")])
    def square(self, x: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"y": x * x}


class Examples(tf.Module):
    """Classification and regression of serialized examples, which only TensorFlow itself can read."""

    @tf.function(input_signature=[tf.TensorSpec([None], TEXT, name="inputs")])
    def classify(self, inputs: tf.Tensor) -> dict[str, tf.Tensor]:
        x = tf.io.parse_example(inputs, {"x": tf.io.FixedLenFeature([2], F32)})["x"]
        words = tf.tile(tf.constant([["low", "high"]]), [tf.shape(x)[0], 1])
        return {"classes": words, "scores": tf.nn.softmax(x)}

    @tf.function(input_signature=[tf.TensorSpec([None], TEXT, name="inputs")])
    def regress(self, inputs: tf.Tensor) -> dict[str, tf.Tensor]:
        x = tf.io.parse_example(inputs, {"x": tf.io.FixedLenFeature([2], F32)})["x"]
        return {"outputs": tf.reduce_sum(x, axis=1)}


class Slow(tf.Module):
    """Takes a while: as many rounds as it is told."""

    @tf.function(input_signature=[tf.TensorSpec([None], tf.int32, name="rounds")])
    def predict(self, rounds: tf.Tensor) -> dict[str, tf.Tensor]:
        start = tf.ones([64, 64], F32)
        step = lambda i, x: (i + 1, tf.tanh(x @ start))  # noqa: E731
        _, end = tf.while_loop(lambda i, x: i < tf.reduce_max(rounds), step, (tf.constant(0), start))
        return {"sum": tf.reduce_sum(end) + tf.cast(rounds, F32) * 0}


def save(folder: Path, module: tf.Module, **signatures: object) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    options = tf.saved_model.SaveOptions(save_debug_info=False)
    tf.saved_model.save(module, str(folder), signatures=signatures, options=options)


def saved_models(root: Path) -> None:
    for version, factor in ((1, 1.0), (2, 2.0)):
        module = Dense(factor)
        save(root / "dense" / str(version), module, serving_default=module.predict)
    many = Many()
    save(root / "many" / "1", many, serving_default=many.predict)
    words = Words()
    save(root / "words" / "1", words, serving_default=words.predict)
    two = Two()
    save(root / "two" / "1", two, serving_default=two.double, square=two.square)
    examples = Examples()
    save(root / "examples" / "1", examples, serving_default=examples.classify, regress=examples.regress)
    slow = Slow()
    save(root / "slow" / "1", slow, serving_default=slow.predict)


def keras_model(root: Path) -> None:
    """What Keras' own ``model.export`` writes: one function as ``serve`` and as ``serving_default``."""
    import keras

    keras.utils.set_random_seed(1)
    model = keras.Sequential([keras.layers.Input((3,)), keras.layers.Dense(2, activation="softmax")])
    shutil.rmtree(root / "keras", ignore_errors=True)
    model.export(str(root / "keras" / "1"), verbose=False)


def onnx_model(root: Path) -> None:
    """A pipeline of scikit-learn with numbers and text."""
    import pandas as pd
    from skl2onnx import convert_sklearn
    from skl2onnx.common.data_types import FloatTensorType, StringTensorType
    from sklearn.compose import make_column_transformer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    random = np.random.default_rng(0)
    data = pd.DataFrame({"a": random.normal(size=200), "c": random.choice(["x", "y"], 200)})
    wanted = (data.a + (data.c == "x") > 0).astype(int)
    columns = make_column_transformer((StandardScaler(), ["a"]), (OneHotEncoder(), ["c"]))
    pipeline = make_pipeline(columns, LogisticRegression()).fit(data, wanted)
    types = [("a", FloatTensorType([None, 1])), ("c", StringTensorType([None, 1]))]
    made = convert_sklearn(pipeline, initial_types=types, options={"zipmap": False})
    folder = root / "pipeline" / "1"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.onnx").write_bytes(made.SerializeToString())


def text_model(root: Path) -> None:
    """Write a pipeline of scikit-learn that makes text lower case, as its vectorizers do by themselves."""
    from skl2onnx import convert_sklearn
    from skl2onnx.common.data_types import StringTensorType
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    reviews = ["good film", "bad film", "good music", "terrible bad"] * 3
    pipeline = make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(reviews, ["pos", "neg"] * 6)
    types = [("text", StringTensorType([None]))]
    made = convert_sklearn(pipeline, initial_types=types, options={"zipmap": False})
    folder = root / "reviews" / "1"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.onnx").write_bytes(made.SerializeToString())


def descriptors(file: Path) -> None:
    """Write what the official packages say of TensorFlow Serving's messages and services."""
    from google.protobuf import descriptor_pb2
    from tensorflow.core.protobuf import saved_model_pb2
    from tensorflow_serving.apis import model_service_pb2, prediction_service_pb2

    found = descriptor_pb2.FileDescriptorSet()
    seen: set[str] = set()

    def add(each: object) -> None:
        if each.name in seen:
            return
        seen.add(each.name)
        for needed in each.dependencies:
            add(needed)
        each.CopyToProto(found.file.add())

    for module in (prediction_service_pb2, model_service_pb2, saved_model_pb2):
        add(module.DESCRIPTOR)
    file.write_bytes(found.SerializeToString())


if __name__ == "__main__":
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else HERE / "models"
    saved_models(target)
    keras_model(target)
    onnx_model(target)
    text_model(target)
    descriptors(HERE / "official.binpb")
