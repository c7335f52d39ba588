"""Reads an ``.onnx`` file before onnxruntime does: it must parse, and name no files outside of its folder."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from google.protobuf.message import DecodeError

from .. import schema
from ..status import ServingError, invalid

#: Bytes of the file itself: protobuf ends there; weights may stand in files beside it.
_MAX_BYTES = (2 << 30) - 1


def find(folder: Path) -> Path | None:
    """Return the one ``.onnx`` file of a folder, or None.

    :raises ServingError: there are several.
    """
    files = sorted(
        each for each in folder.iterdir() if each.name.casefold().endswith(".onnx") and each.is_file()
    )
    if len(files) > 1:
        raise invalid(
            f"The folder has {len(files)} .onnx files ({files[0].name}, {files[1].name}, ...), and a version "
            "of a model has one."
        )
    return files[0] if files else None


@dataclass(frozen=True)
class Read:
    """What an ONNX file says.

    :param operations: those of another domain with its name.
    :param unranked: inputs and outputs of any shape; onnxruntime does not tell them from single values.
    """

    operations: frozenset[str]
    unranked: frozenset[str]


def check(file: Path) -> Read:
    """Read the model.

    :raises ServingError: it is no ONNX model, or reaches out of its folder.
    """
    if not file.resolve().is_relative_to(file.parent.resolve()):
        raise invalid(f"{file.name} is a link out of the model's folder.")
    if file.stat().st_size > _MAX_BYTES:
        raise invalid(f"{file.name} has {file.stat().st_size >> 20} MiB, more than an ONNX file can have.")
    try:
        model = schema.message("onnx.ModelProto").FromString(file.read_bytes())
    except (DecodeError, OSError) as error:
        raise invalid(f"{file.name} is no ONNX model, or only a part of one: it cannot be parsed.") from error
    if not model.ir_version or not model.graph.node:
        raise invalid(f"{file.name} is no ONNX model, or only a part of one: there is no graph in it.")
    nodes, tensors = _walk(model)
    for tensor in tensors:
        for entry in tensor.external_data:
            if entry.key == "location":
                _check_location(file, entry.value)
    operations = (f"{node.domain}.{node.op_type}" if node.domain else node.op_type for node in nodes)
    values = (*model.graph.input, *model.graph.output)
    unranked = (each.name for each in values if not each.type.tensor_type.HasField("shape"))
    return Read(frozenset(operations), frozenset(unranked))


def _walk(model: Any) -> tuple[list[Any], Iterator[Any]]:
    """Return all nodes and all tensors, those in the branches of conditions and loops too."""
    graphs, nodes, attributes = [model.graph], [], []
    pending = [*(node for each in model.functions for node in each.node)]
    while graphs or pending:
        if graphs:
            graph = graphs.pop()
            pending.extend(graph.node)
            attributes.append(graph)
            continue
        node = pending.pop()
        nodes.append(node)
        for attribute in node.attribute:
            attributes.append(attribute)
            if attribute.HasField("g"):
                graphs.append(attribute.g)
            graphs.extend(attribute.graphs)
    return nodes, (tensor for each in attributes for tensor in _tensors(each))


def _tensors(holder: Any) -> Iterator[Any]:
    """Yield the tensors of a graph or of an attribute."""
    if hasattr(holder, "initializer"):
        yield from holder.initializer
        sparse = holder.sparse_initializer
    else:
        yield holder.t
        yield from holder.tensors
        sparse = [holder.sparse_tensor, *holder.sparse_tensors]
    for each in sparse:
        yield each.values
        yield each.indices


def _check_location(file: Path, location: str) -> None:
    path = PurePosixPath(location)
    root = file.parent.resolve()
    if path.is_absolute() or ".." in path.parts or "\\" in location or "\0" in location:
        raise ServingError(7, f"{file.name} names data outside of its folder: {location[:200]!r}.")
    target = root / path
    if not target.resolve().is_relative_to(root):
        raise ServingError(7, f"{location[:200]!r} is a link out of the model's folder.")
    if not target.is_file():
        raise invalid(f"{file.name} needs the file {location[:200]!r}, which is not in the folder.")
