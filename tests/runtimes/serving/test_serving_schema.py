"""Our messages are a part of the official ones: same names, numbers and types."""

from __future__ import annotations

import pytest
from google.protobuf.descriptor import Descriptor

from couture_workflow.runtimes.serving import schema
from tests.support.model_server import OFFICIAL, message

#: An enum of ours is a number there and the other way round; both are the same on the wire.
SAME_ON_THE_WIRE = {5: 14, 14: 5}

ROOTS = [
    "tensorflow.SavedModel",
    *(
        f"tensorflow.serving.{name}"
        for name in (
            "PredictRequest",
            "PredictResponse",
            "ClassificationRequest",
            "ClassificationResponse",
            "RegressionRequest",
            "RegressionResponse",
            "GetModelMetadataRequest",
            "GetModelMetadataResponse",
            "SignatureDefMap",
            "GetModelStatusRequest",
            "GetModelStatusResponse",
            "ModelServerConfig",
        )
    ),
]


def differences(ours: Descriptor, official: Descriptor, seen: set[str]) -> list[str]:
    if ours.full_name in seen:
        return []
    seen.add(ours.full_name)
    found = []
    for field in ours.fields:
        other = official.fields_by_name.get(field.name)
        if other is None:
            found.append(f"{ours.full_name}.{field.name} is not there")
            continue
        same = other.type in (field.type, SAME_ON_THE_WIRE.get(field.type))
        if not same or (other.number, other.is_repeated) != (field.number, field.is_repeated):
            found.append(f"{ours.full_name}.{field.name} differs")
        elif field.message_type is not None:
            found += differences(field.message_type, other.message_type, seen)
    return found


@pytest.mark.parametrize("name", ROOTS)
def test_fields_are_those_of_tensorflow_serving(name: str) -> None:
    ours = schema.POOL.FindMessageTypeByName(name)

    assert differences(ours, OFFICIAL.FindMessageTypeByName(name), set()) == []


@pytest.mark.parametrize("name", ["tensorflow.DataType", "tensorflow.serving.ModelVersionStatus.State"])
def test_enums_are_those_of_tensorflow_serving(name: str) -> None:
    official = {value.number: value.name for value in OFFICIAL.FindEnumTypeByName(name).values}

    assert schema.enum_names(name).items() <= official.items()


def test_what_we_do_not_know_is_kept() -> None:
    official = message("tensorflow.SavedModel")()
    graph = official.meta_graphs.add()
    graph.saver_def.filename_tensor_name = "unknown to us"
    ours = schema.message("tensorflow.SavedModel").FromString(official.SerializeToString())

    assert type(official).FromString(ours.SerializeToString()) == official
