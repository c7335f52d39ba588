"""What a client of TensorFlow Serving sends works here: REST by httpx and curl, gRPC by official messages."""

from __future__ import annotations

import base64
import json
import math
import struct
import subprocess
from typing import Any

import grpc
import pytest

from tests.support.model_server import ModelServer, floats, message

X = [[1.0, 2.0, 3.0, 4.0]]
#: Scores of ``dense`` for X, by version.
SCORES = {1: [60.0, 70.0, 80.0], 2: [120.0, 140.0, 160.0]}
B64 = {"b64": base64.b64encode("größe".encode()).decode()}


@pytest.mark.parametrize(
    ("path", "body", "answer"),
    [
        ("dense/versions/1", {"instances": X}, {"predictions": [SCORES[1]]}),
        ("dense/labels/canary", {"instances": X * 2}, {"predictions": [SCORES[2]] * 2}),
        ("dense", {"inputs": X}, {"outputs": [SCORES[2]]}),
        ("dense/labels/stable", {"inputs": {"x": X}}, {"outputs": [SCORES[1]]}),
        ("dense/labels/stable", {"instances": [{"x": X[0]}]}, {"predictions": [SCORES[1]]}),
        (
            "many",
            {"instances": [{"whole": [1, 2], "real": [0.5, 1], "flag": False}]},
            {"predictions": [{"total": [-1.5, -3.0], "twice": [2, 4]}]},
        ),
        (
            "many",
            {"inputs": {"whole": [[1, 2]], "real": [[0.5, 1]], "flag": [True]}},
            {"outputs": {"total": [[1.5, 3.0]], "twice": [[2, 4]]}},
        ),
        (
            "words",
            {"instances": ["good", "?"]},
            {"predictions": [{"value": 1, "word": "good"}, {"value": 0, "word": "?"}]},
        ),
        ("words", {"instances": [B64]}, {"predictions": [{"value": 7, "word": "größe"}]}),
        ("words", {"inputs": ["", "bad"]}, {"outputs": {"value": [0, -1], "word": ["", "bad"]}}),
        ("two", {"signature_name": "square", "instances": [[3, 4]]}, {"predictions": [[9.0, 16.0]]}),
        ("two", {"instances": [[3, 4]]}, {"predictions": [[6.0, 8.0]]}),
        ("dense", {"instances": [], "x": 1}, None),
    ],
)
@pytest.mark.always
def test_rest_predicts(server: ModelServer, path: str, body: Any, answer: Any) -> None:
    found = server.post(f"/v1/models/{path}:predict", body)

    assert found.headers["content-type"] == "application/json"
    assert (found.status_code, found.json()) == (200, answer) if answer else found.status_code == 400


def test_both_names_of_a_model_that_keras_exported_answer(server: ModelServer) -> None:
    found = [
        server.post("/v1/models/keras:predict", {"signature_name": name, "instances": [[1, 2, 3]]}).json()
        for name in ("serve", "serving_default")
    ]

    assert found[0] == found[1]
    assert sum(found[0]["predictions"][0]) == pytest.approx(1)


def test_a_pipeline_of_scikit_learn_answers_numbers_and_text(server: ModelServer) -> None:
    rows = [{"a": [3.0], "c": ["x"]}, {"a": [-3.0], "c": ["y"]}]

    found = server.post("/v1/models/pipeline:predict", {"instances": rows}).json()["predictions"]

    assert [each["label"] for each in found] == [1, 0]
    assert [sum(each["probabilities"]) for each in found] == pytest.approx([1, 1])


def test_text_is_made_lower_case_also_where_the_locale_is_not_installed(server: ModelServer) -> None:
    texts = ["a good film", "A GOOD Film", "A BAD Film"]

    found = server.post("/v1/models/reviews:predict", {"instances": texts}).json()["predictions"]

    assert [each["label"] for each in found] == ["pos", "pos", "neg"]
    assert found[0] == found[1]


def test_curl_as_in_the_manual_of_tensorflow_serving(server: ModelServer) -> None:
    body = json.dumps({"instances": X})
    address = f"{server.url}/v1/models/dense:predict"

    found = subprocess.run(
        ["curl", "-s", "-d", body, "-X", "POST", address], capture_output=True, text=True, check=True
    )

    assert json.loads(found.stdout) == {"predictions": [SCORES[2]]}


def test_nan_and_infinity_go_in_and_come_out(server: ModelServer) -> None:
    found = server.post("/v1/models/two:predict", b'{"instances": [[NaN, -Infinity]]}')

    assert found.text == '{"predictions": [[NaN, -Infinity]]}'


@pytest.mark.parametrize(
    ("path", "body", "status", "error"),
    [
        ("dense", b"", 400, "JSON Parse error: The document is empty"),
        ("dense", b"{", 400, "JSON Parse error: "),
        ("dense", b"[1]", 400, "JSON Value: [1] Is not object"),
        ("dense", b"{}", 400, "Missing 'inputs' or 'instances' key"),
        ("dense", {"instances": 1}, 400, "Expecting 'instances' to be an list/array"),
        ("dense", {"instances": []}, 400, "No values in 'instances' array"),
        (
            "dense",
            {"instances": [[1]], "inputs": [[1]]},
            400,
            "expecting only one of 'inputs' or 'instances'",
        ),
        ("dense", {"signature_name": 3, "instances": X}, 400, "'signature_name' key must be a string value."),
        (
            "dense",
            {"signature_name": "no", "instances": X},
            400,
            'Serving signature name: "no" not found in signature def',
        ),
        (
            "dense",
            {"instances": [[1, 2, 3, "4"]]},
            400,
            "Failed to process element: 0 of 'instances' list. Error: INVALID_ARGUMENT: JSON Value: \"4\" "
            "Type: String is not of expected type: float",
        ),
        (
            "dense",
            {"instances": [[1, 2, 3, True]]},
            400,
            "JSON Value: true Type: True is not of expected type: float",
        ),
        (
            "dense",
            {"instances": [[1, 2, 3, None]]},
            400,
            "JSON Value: null Type: Null is not of expected type: float",
        ),
        (
            "dense",
            {"instances": [[1, 2, 3, 4], [1]]},
            400,
            "element: 1 of 'instances' list. Error: INVALID_ARGUMENT: Expecting tensor size: 4 but got: 1",
        ),
        (
            "dense",
            {"instances": [[[1, 2], [3, 4]], [[1, 2, 3, 4]]]},
            400,
            "Expecting shape [2,2] but got: [1,4]",
        ),
        (
            "dense",
            {"instances": [[1, [2], 3, 4]]},
            400,
            "Encountered list at unexpected level: 1 expected < 1",
        ),
        (
            "dense",
            {"instances": [[1, 2, 3]]},
            400,
            "Cannot feed value of shape [1,3] for input 'x', which has shape [?,4]",
        ),
        ("dense", {"instances": [{"y": [1]}]}, 400, "JSON object: does not have named input: y"),
        ("dense", {"inputs": {"y": [1]}}, 400, "Missing named input: x in 'inputs' object."),
        (
            "dense",
            {"inputs": [[1, 2, 3, 4], 5]},
            400,
            "found at incorrect level: 2 in the JSON DOM. Expected at level: 2",
        ),
        ("many", {"instances": [[1]]}, 400, "instances is a plain list, but expecting list of objects"),
        ("many", {"instances": [{"b64": "YQ=="}]}, 400, "instances is a plain list, but expecting list of"),
        ("many", {"inputs": [1]}, 400, "inputs is a plain value/list, but expecting an object"),
        ("many", {"instances": [{"whole": [1, 2]}]}, 400, "keys must be equal to: flag,real,whole"),
        (
            "many",
            {"instances": [{"whole": [1.0, 2], "real": [1, 2], "flag": True}]},
            400,
            "JSON Value: 1.0 Type: Number is not of expected type: int64",
        ),
        (
            "many",
            b'{"inputs": {"whole": [[NaN, 1]], "real": [[1, 2]], "flag": [true]}}',
            400,
            "JSON Value: NaN Type: Number is not of expected type: int64",
        ),
        (
            "many",
            {"inputs": {"whole": [[1 << 70, 1]], "real": [[1, 2]], "flag": [True]}},
            400,
            "is not of expected type: int64",
        ),
        ("slow", {"instances": [1 << 40]}, 400, "is not of expected type: int32"),
        ("words", b'{"instances": ["\\ud800"], "other": NaN}', 400, "JSON Parse error: "),
        ("words", {"instances": [{"b64": "***"}]}, 400, "Unable to base64 decode"),
        ("words", {"inputs": [{"b65": "a"}]}, 400, "not formatted correctly for base64 data"),
        ("words", {"inputs": ["good\0"]}, 400, "A text ends with a zero byte"),
        ("words", {"inputs": []}, 400, "The input 'word' has no values: its shape is [0]"),
        ("words", {"inputs": [1]}, 400, "JSON Value: 1 Type: Number is not of expected type: string"),
        ("dense/versions/7", {"instances": X}, 404, "Servable not found for request: Specific(dense, 7)"),
        ("no", {"instances": X}, 404, "Servable not found for request: Latest(no)"),
        ("examples", {"instances": ["a"]}, 404, "Servable not found for request: Latest(examples)"),
        ("dense/labels/no", {"instances": X}, 400, "Unrecognized servable version label: no"),
        ("dense/versions/99999999999999999999", {"instances": X}, 400, "Failed to convert version"),
        ("a'b%22<&>%2F..ü", {"instances": X}, 404, "Servable not found for request: Latest(a'b\"<&>/..ü)"),
    ],
)
def test_rest_says_what_is_wrong_as_tensorflow_serving_does(
    server: ModelServer, path: str, body: Any, status: int, error: str
) -> None:
    found = server.post(f"/v1/models/{path}:predict", body)

    assert found.json().keys() == {"error"}
    assert error in found.json()["error"]
    assert found.status_code == status


@pytest.mark.parametrize(
    ("method", "path", "status", "error"),
    [
        ("GET", "/v1/models", 400, "Missing model name in request."),
        ("GET", "/v1/models/no", 404, "Could not find any versions of model no"),
        ("GET", "/v1/models/dense/versions/9", 404, "Could not find version 9 of model dense"),
        ("GET", "/v1/models/no/metadata", 404, "Servable not found for request: Latest(no)"),
        ("GET", "/v1/models/dense:predict", 400, "Malformed request: GET /v1/models/dense:predict"),
        ("POST", "/v1/models/dense", 400, "Malformed request: POST /v1/models/dense"),
        ("PUT", "/v1/models/dense:predict", 400, "Malformed request: PUT /v1/models/dense:predict"),
        ("GET", "/", 404, "Malformed request: GET /"),
    ],
)
def test_other_paths_are_refused(
    server: ModelServer, method: str, path: str, status: int, error: str
) -> None:
    import httpx

    found = httpx.request(method, server.url + path)

    assert (found.status_code, found.json()) == (status, {"error": error})


def test_states_and_metadata_have_tensorflow_servings_shape(server: ModelServer) -> None:
    status = server.get("/v1/models/dense/labels/stable").json()
    failed = server.get("/v1/models/examples").json()["model_version_status"][0]
    metadata = server.get("/V1/models/dense/versions/1/metadata").json()

    assert status == {
        "model_version_status": [
            {"version": "1", "state": "AVAILABLE", "status": {"error_code": "OK", "error_message": ""}}
        ]
    }
    assert (failed["state"], failed["status"]["error_code"]) == ("END", "UNIMPLEMENTED")
    assert "ParseExampleV2" in failed["status"]["error_message"]
    assert metadata == {
        "model_spec": {"name": "dense", "signature_name": "", "version": "1"},
        "metadata": {
            "signature_def": {
                "signature_def": {
                    "serving_default": {
                        "inputs": {"x": tensor_info("serving_default_x:0", -1, 4)},
                        "outputs": {"scores": tensor_info("StatefulPartitionedCall:0", -1, 3)},
                        "method_name": "tensorflow/serving/predict",
                    }
                }
            }
        },
    }


def tensor_info(name: str, *sizes: int) -> dict[str, Any]:
    dims = [{"size": str(size), "name": ""} for size in sizes]
    return {"dtype": "DT_FLOAT", "tensor_shape": {"dim": dims, "unknown_rank": False}, "name": name}


def predict_request(name: str, **inputs: Any) -> Any:
    request = message("PredictRequest")()
    request.model_spec.name = name
    for key, value in inputs.items():
        request.inputs[key].CopyFrom(value)
    return request


@pytest.mark.always
def test_grpc_predicts_by_version_label_and_the_newest(server: ModelServer) -> None:
    found = []
    for choose in (
        lambda spec: None,
        lambda spec: spec.version.__setattr__("value", 1),
        lambda spec: setattr(spec, "version_label", "canary"),
    ):
        request = predict_request("dense", x=floats(*X))
        choose(request.model_spec)
        answer = server.call("PredictionService/Predict", request, "PredictResponse")
        scores = answer.outputs["scores"]
        found.append((answer.model_spec.version.value, list(scores.float_val)))
        assert (scores.dtype, [dim.size for dim in scores.tensor_shape.dim]) == (1, [1, 3])
        assert (answer.model_spec.name, answer.model_spec.signature_name) == ("dense", "serving_default")

    assert found == [(2, SCORES[2]), (1, SCORES[1]), (2, SCORES[2])]


def test_grpc_takes_every_form_of_a_tensor(server: ModelServer) -> None:
    kind = message("tensorflow.TensorProto")
    shape = {"dim": [{"size": 2}, {"size": 2}]}
    whole = kind(dtype=9, tensor_shape=shape, int64_val=[1, 2, 3])  # the last one stands for the rest
    real = kind(dtype=1, tensor_shape=shape, tensor_content=struct.pack("<4f", 0, 0, 0, 0))
    flag = kind(dtype=10, tensor_shape={"dim": [{"size": 2}]}, bool_val=[True, False])
    request = predict_request("many", whole=whole, real=real, flag=flag)
    request.output_filter.append("total")

    answer = server.call("PredictionService/Predict", request, "PredictResponse")
    words = predict_request(
        "words", word=kind(dtype=7, tensor_shape={"dim": [{"size": 2}]}, string_val=[b"good", b"\xff"])
    )
    texts = server.call("PredictionService/Predict", words, "PredictResponse").outputs

    assert list(answer.outputs) == ["total"]
    assert list(answer.outputs["total"].float_val) == [1, 2, -3, -3]
    assert list(texts["value"].int64_val) == [1, 0]
    assert list(texts["word"].string_val) == [b"good", b"\xff"]


def proto(**fields: Any) -> Any:
    return message("tensorflow.TensorProto")(**fields)


@pytest.mark.parametrize(
    ("request_", "code", "details"),
    [
        (predict_request("", x=floats(*X)), "INVALID_ARGUMENT", "ModelSpec has no name specified."),
        (message("PredictRequest")(), "INVALID_ARGUMENT", "Missing ModelSpec"),
        (predict_request("no", x=floats(*X)), "NOT_FOUND", "Servable not found for request: Latest(no)"),
        (
            predict_request("dense"),
            "INVALID_ARGUMENT",
            "input size does not match signature: 0!=1 len({}) != len({x}). Sent extra: {}. Missing but "
            "required: {x}.",
        ),
        (
            predict_request("dense", y=floats(*X)),
            "INVALID_ARGUMENT",
            "Sent extra: {y}. Missing but required: {x}.",
        ),
        (
            predict_request(
                "dense", x=proto(dtype=2, tensor_shape={"dim": [{"size": 1}, {"size": 4}]}, double_val=[1])
            ),
            "INVALID_ARGUMENT",
            "Expects arg[0] to be float but double is provided",
        ),
        (
            predict_request("dense", x=floats([1, 2, 3])),
            "INVALID_ARGUMENT",
            "Cannot feed value of shape [1,3]",
        ),
        (
            predict_request(
                "dense",
                x=proto(dtype=1, tensor_shape={"dim": [{"size": 1 << 40}, {"size": 4}]}, float_val=[1]),
            ),
            "INVALID_ARGUMENT",
            "takes more than the 1000000 bytes of a request",
        ),
        (
            predict_request("dense", x=proto(dtype=1, tensor_shape={"dim": [{"size": -1}]}, float_val=[1])),
            "INVALID_ARGUMENT",
            "must be known",
        ),
        (
            predict_request(
                "dense",
                x=proto(dtype=1, tensor_shape={"dim": [{"size": 1}, {"size": 4}]}, tensor_content=b"abc"),
            ),
            "INVALID_ARGUMENT",
            "tensor_content has 3 bytes",
        ),
        (predict_request("dense", x=proto(dtype=20)), "INVALID_ARGUMENT", "Tensors of dtype resource"),
        (
            predict_request("dense", x=proto(dtype=1, tensor_shape={"dim": [{"size": 101}, {"size": 4}]})),
            "INVALID_ARGUMENT",
            "at most 100",
        ),
    ],
    ids=range(12),
)
def test_grpc_says_what_is_wrong(server: ModelServer, request_: Any, code: str, details: str) -> None:
    with pytest.raises(grpc.RpcError) as error:
        server.call("PredictionService/Predict", request_, "PredictResponse")

    assert error.value.code().name == code
    assert details in error.value.details()


def test_grpc_refuses_an_unknown_signature_and_output(server: ModelServer) -> None:
    signature, output = predict_request("dense", x=floats(*X)), predict_request("dense", x=floats(*X))
    signature.model_spec.signature_name = "no"
    output.output_filter.append("no")
    found = []
    for request in (signature, output):
        with pytest.raises(grpc.RpcError) as error:
            server.call("PredictionService/Predict", request, "PredictResponse")
        found.append((error.value.code().name, error.value.details()))

    assert found == [
        ("FAILED_PRECONDITION", 'Serving signature key "no" not found.'),
        (
            "INVALID_ARGUMENT",
            "output tensor alias not found in signature: no Outputs expected to be in the set {scores}.",
        ),
    ]


def test_grpc_tells_states_and_metadata(server: ModelServer) -> None:
    status = message("GetModelStatusRequest")()
    status.model_spec.name = "dense"
    metadata = message("GetModelMetadataRequest")(metadata_field=["signature_def"])
    metadata.model_spec.name = "dense"

    states = server.call("ModelService/GetModelStatus", status, "GetModelStatusResponse")
    told = server.call("PredictionService/GetModelMetadata", metadata, "GetModelMetadataResponse")
    signatures = message("SignatureDefMap")()

    assert [(each.version, each.state) for each in states.model_version_status] == [(2, 30), (1, 30)]
    assert told.metadata["signature_def"].Unpack(signatures)
    assert signatures.signature_def["serving_default"].inputs["x"].dtype == 1
    assert told.model_spec.version.value == 2


def test_classify_and_regress_need_a_signature_for_examples(server: ModelServer) -> None:
    body = {"examples": [{"x": [1.0, 2.0]}]}

    found = [
        server.post(f"/v1/models/dense:{each}", body).json()["error"] for each in ("classify", "regress")
    ]

    assert found[0].startswith("No classification inputs found in SignatureDef:")
    assert found[1].startswith("No regression inputs found in SignatureDef:")


def test_what_is_counted(server: ModelServer) -> None:
    server.post("/v1/models/dense/versions/1:predict", {"instances": X})
    server.post("/v1/models/dense/versions/1:predict", {"instances": [[1]]})

    text = server.get("/monitoring/prometheus/metrics").text
    models = {each["name"]: each for each in server.get("/monitoring/models").json()["models"]}
    dense = {each["version"]: each for each in models["dense"]["versions"]}[1]

    assert ':tensorflow:serving:request_count{model_name="dense",status="OK"}' in text
    assert (
        ':tensorflow:serving:request_latency_bucket{model_name="dense",API="Predict",entrypoint="REST",le="10"}'
        in text
    )
    assert (models["dense"]["labels"], models["dense"]["default"]) == ({"stable": 1, "canary": 2}, 2)
    assert dense["requests"] >= 2
    assert dense["errors"] >= 1
    assert 0 < dense["p50_ms"] <= dense["p95_ms"]
    assert dense["loaded"]
    assert dense["memory_bytes"] > 0
    assert math.isfinite(dense["p95_ms"])
