"""Reads ``saved_model.pb`` without TensorFlow: signatures and operations, and refuses what is no SavedModel.

OpenVINO serves the signature ``serving_default`` and says nothing of others. So a model with several is
taken apart: ``alone`` writes a SavedModel in which one of them is the default. Names for the same function,
as Keras exports them (``serve`` and ``serving_default``), are found and compiled once.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from google.protobuf.message import DecodeError

from .. import schema
from ..status import ServingError, UnsupportedError, invalid
from .signatures import DEFAULT, Signature, from_message

FILE = "saved_model.pb"
#: Bytes of a saved_model.pb: protobuf itself ends there.
_MAX_BYTES = (2 << 30) - 1
_SERVE_TAG = "serve"
#: What TensorFlow writes beside the signatures that people make.
_INTERNAL = {"__saved_model_init_op", "__saved_model_train_op"}
#: Operations that read or write files or run code, so that a model could reach out of its folder.
_UNSAFE = frozenset({"ReadFile", "WriteFile", "MatchingFiles", "PyFunc", "PyFuncStateless", "EagerPyFunc"})


@dataclass(frozen=True)
class SavedModel:
    """What a SavedModel says of itself.

    :param same: signature -> the first one that is the same function.
    """

    folder: Path
    signatures: Mapping[str, Signature]
    same: Mapping[str, str]
    operations: frozenset[str]
    tensorflow: str
    message: Any

    @property
    def distinct(self) -> list[str]:
        """Return one name for each function."""
        return sorted(set(self.same.values()), key=lambda name: (name != DEFAULT, name))


def read(folder: Path) -> SavedModel:
    """Return what ``folder/saved_model.pb`` says.

    :raises ServingError: it is no SavedModel for serving, or reaches out of its folder.
    """
    message = _parse(folder)
    graph = next((each for each in message.meta_graphs if _SERVE_TAG in each.meta_info_def.tags), None)
    if graph is None:
        raise invalid(f"{FILE} has no graph with the tag 'serve'. Export the model for serving.")
    signatures = {
        name: from_message(name, each)
        for name, each in sorted(graph.signature_def.items())
        if name not in _INTERNAL
    }
    if not signatures:
        raise invalid(
            f"{FILE} has no signature, so there is nothing to ask for. Save the model with signatures."
        )
    empty = [name for name, each in signatures.items() if not each.outputs]
    if empty:
        raise invalid(f"The signature {empty[0]!r} has no outputs.")
    operations = frozenset(node.op for node in _nodes(graph.graph_def))
    if unsafe := sorted(operations & _UNSAFE):
        raise ServingError(
            7, f"The model uses {', '.join(unsafe)}, which reach out of the model, and is not served."
        )
    return SavedModel(
        folder,
        signatures,
        _same(graph, signatures),
        operations,
        graph.meta_info_def.tensorflow_version,
        message,
    )


def _parse(folder: Path) -> Any:
    file = folder / FILE
    _refuse_links(folder)
    try:
        if file.stat().st_size > _MAX_BYTES:
            raise invalid(f"{FILE} has {file.stat().st_size >> 20} MiB, more than a SavedModel can have.")
        content = file.read_bytes()
    except OSError as error:
        raise invalid(f"{FILE} cannot be read: {error.strerror}.") from error
    if not content:
        raise invalid(f"{FILE} is empty.")
    try:
        message = schema.message("tensorflow.SavedModel").FromString(content)
    except DecodeError as error:
        raise invalid(f"{FILE} is no SavedModel, or only a part of one: it cannot be parsed.") from error
    if not message.meta_graphs:
        raise invalid(f"{FILE} is no SavedModel, or only a part of one: there is no graph in it.")
    return message


def _refuse_links(folder: Path) -> None:
    """Refuse links that leave the model's folder: what they point to would be read as weights or assets."""
    root = folder.resolve()
    for place, folders, files in os.walk(folder, followlinks=False):
        for path in (Path(place) / name for name in [*folders, *files]):
            if path.is_symlink() and not path.resolve().is_relative_to(root):
                raise invalid(f"{path.relative_to(folder)} is a link out of the model's folder.")


def _nodes(graph: Any) -> Iterator[Any]:
    yield from graph.node
    for function in graph.library.function:
        yield from function.node_def


def _same(graph: Any, signatures: Mapping[str, Signature]) -> dict[str, str]:
    """Return for each signature the first one that calls the same function with the same captured values."""
    nodes = {node.name: node for node in graph.graph_def.node}
    bodies = {each.signature.name: each for each in graph.graph_def.library.function}
    first: dict[Any, str] = {}
    ordered = sorted(signatures, key=lambda name: (name != DEFAULT, name))
    return {name: first.setdefault(_key(signatures[name], nodes, bodies), name) for name in ordered}


def _key(signature: Signature, nodes: Mapping[str, Any], bodies: Mapping[str, Any]) -> Any:
    """Return what two names of one function have in common, and two functions have not."""
    fed = {tensor.tensor.partition(":")[0]: name for name, tensor in signature.inputs.items()}
    outputs = []
    for name, tensor in sorted(signature.outputs.items()):
        node_name, _, index = tensor.tensor.partition(":")
        node = nodes.get(node_name)
        # Asked for what it does not have, a map of messages makes it: so this is looked at first.
        if node is None or "f" not in node.attr or node.attr["f"].func.name not in bodies:
            return signature.name
        body = bodies[node.attr["f"].func.name]
        called = tuple(each.SerializeToString(deterministic=True) for each in body.node_def)
        outputs.append((name, index, node.op, tuple(fed.get(each, each) for each in node.input), called))
    inputs = tuple((name, each.dtype, each.shape) for name, each in sorted(signature.inputs.items()))
    return inputs, tuple(outputs), signature.method


@contextmanager
def alone(model: SavedModel, name: str) -> Iterator[Path]:
    """Give a folder with the same model in which the signature ``name`` is the only one, and the default."""
    if name == DEFAULT and len(model.distinct) == 1:
        yield model.folder
        return
    changed = schema.message("tensorflow.SavedModel")()
    changed.CopyFrom(model.message)
    for graph in changed.meta_graphs:
        chosen = graph.signature_def.get(name) if name in graph.signature_def else None
        kept = {each: graph.signature_def[each] for each in _INTERNAL if each in graph.signature_def}
        saved = {each: type(value).FromString(value.SerializeToString()) for each, value in kept.items()}
        if chosen is not None:
            saved[DEFAULT] = type(chosen).FromString(chosen.SerializeToString())
        graph.signature_def.clear()
        for each, value in saved.items():
            graph.signature_def[each].CopyFrom(value)
    with TemporaryDirectory(prefix="model-") as made:
        (Path(made) / FILE).write_bytes(changed.SerializeToString())
        for path in model.folder.iterdir():
            if path.name != FILE:
                (Path(made) / path.name).symlink_to(path.absolute())
        yield Path(made)


def unsupported(operations: tuple[str, ...]) -> UnsupportedError:
    """Return the error of a model with operations that OpenVINO does not know."""
    return UnsupportedError(
        f"The model uses {', '.join(operations)}, which OpenVINO cannot run. TensorFlow itself can: give a "
        "Python that has it (--tensorflow-python), or serve the model with tensorflow/serving.",
        operations=operations,
    )
