"""The Open Inference Protocol, judged by Triton's client, and what it refuses."""

import json

import numpy as np
import pytest

from conftest import LOGISTIC

triton = pytest.importorskip("tritonclient.http")
ROWS = np.array([[1, 2, 3], [-1, 0, 1]], np.float32)


@pytest.fixture
def logistic(server, model):
    return server("--model", model(LOGISTIC, "house.json"))


@pytest.fixture
def client(logistic):
    one = triton.InferenceServerClient(f"127.0.0.1:{logistic.port}")
    yield one
    one.close()


def test_server_and_model(client):
    assert client.is_server_live() and client.is_server_ready() and client.is_model_ready("house")
    assert client.is_model_ready("house", "1") and not client.is_model_ready("other")
    assert client.get_server_metadata()["name"] == "libinfer"
    metadata = client.get_model_metadata("house")
    assert metadata["inputs"] == [{"name": "features", "datatype": "FP32", "shape": [-1, 3]}]
    assert [output["datatype"] for output in metadata["outputs"]] == ["BYTES", "FP32"]


@pytest.mark.parametrize("binary_in", [True, False])
@pytest.mark.parametrize("binary_out", [True, False, None])
def test_infer(client, logistic, binary_in, binary_out):
    tensor = triton.InferInput("features", ROWS.shape, "FP32")
    tensor.set_data_from_numpy(ROWS, binary_data=binary_in)
    wanted = None if binary_out is None else [triton.InferRequestedOutput(name, binary_data=binary_out)
                                              for name in ("probabilities", "label")]
    result = client.infer("house", [tensor], outputs=wanted, request_id="my-id")
    assert result.get_response()["id"] == "my-id" and result.get_response()["model_name"] == "house"
    answer = logistic.predict({"instances": ROWS.tolist()})[2]
    got = result.as_numpy("probabilities")
    want = [[row["benign"], row["malignant"]] for row in answer["probabilities"]]
    np.testing.assert_allclose(got, np.array(want, np.float32), rtol=1e-6)
    labels = [label.decode() if isinstance(label, bytes) else label for label in result.as_numpy("label")]
    assert labels == answer["labels"]
    if wanted:
        assert [output["name"] for output in result.get_response()["outputs"]] == ["probabilities", "label"]


@pytest.fixture
def types(server, tmp_path):
    """Every datatype in and out again, by Identity."""
    onnx = pytest.importorskip("onnx")
    from onnx import helper
    names = {"BOOL": "BOOL", "UINT8": "UINT8", "UINT16": "UINT16", "UINT32": "UINT32", "UINT64": "UINT64",
             "INT8": "INT8", "INT16": "INT16", "INT32": "INT32", "INT64": "INT64", "FP16": "FLOAT16",
             "FP32": "FLOAT", "FP64": "DOUBLE", "BYTES": "STRING"}
    port = lambda name, kind: helper.make_tensor_value_info(  # noqa: E731
        name, getattr(onnx.TensorProto, kind), ["n", 2])
    graph = helper.make_graph([helper.make_node("Identity", [f"i{n}"], [f"o{n}"]) for n in names], "g",
                              [port(f"i{n}", kind) for n, kind in names.items()],
                              [port(f"o{n}", kind) for n, kind in names.items()])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8),
              tmp_path / "types.onnx")
    return server("--model", tmp_path / "types.onnx")


def test_every_datatype(types):
    from tritonclient.utils import triton_to_np_dtype
    client = triton.InferenceServerClient(f"127.0.0.1:{types.port}")
    inputs, sent = [], {}
    for port in client.get_model_metadata("types")["inputs"]:
        kind = port["datatype"]
        if kind == "BYTES":
            data = np.array([[b"a", "höhe".encode()], [b"", b"x" * 70000]], dtype=object)
        else:
            data = np.array([[0, 1], [1, 100]]).astype(triton_to_np_dtype(kind))
        tensor = triton.InferInput(port["name"], data.shape, kind)
        tensor.set_data_from_numpy(data)
        inputs.append(tensor)
        sent[port["name"]] = data
    assert len(inputs) == 13
    result = client.infer("types", inputs)
    for name, data in sent.items():
        np.testing.assert_array_equal(result.as_numpy("o" + name[1:]), data)
    client.close()


def tensor(**changes):
    fields = {"name": "features", "shape": [1, 3], "datatype": "FP32", "data": [1, 2, 3], **changes}
    return {"inputs": [{key: value for key, value in fields.items() if value is not None}]}


WRONG = [
    ({}, "list of tensors"), ({"inputs": {}}, "list of tensors"), ({"inputs": [1]}, "no input"),
    ({"inputs": []}, "features"), (tensor(name="x"), 'no input "x"'), (tensor(name=3), "no input"),
    (tensor(datatype="FP64"), "datatype FP64"), (tensor(datatype=None), "datatype nothing"),
    (tensor(shape=None), "shape"), (tensor(shape=[1, -3]), "extent 1"), (tensor(shape=[1.5, 3]), "extent 0"),
    (tensor(shape=[2 ** 62, 2 ** 62]), "extent"), (tensor(shape=[1] * 17), "shape"),
    (tensor(shape=[2, 3]), "as many"), (tensor(shape=[2 ** 40]), "as many"), (tensor(data=[1, 2]), "as many"),
    (tensor(data=["1", 2, 3]), "not a number"), (tensor(data=None), "needs one of"),
    (tensor(data=[[1, 2], [3, 4]]), "as many"), (tensor(parameters={"binary_data_size": 12}), "needs one of"),
    (tensor(data=None, parameters={"binary_data_size": 12}), "body ends"),
    (tensor(data=None, parameters={"binary_data_size": -1}), "needs one of"),
    (tensor(data=None, parameters={"binary_data_size": "12"}), "needs one of"),
    ({"inputs": tensor()["inputs"] * 2}, "twice"), ({**tensor(), "outputs": [{"name": "nope"}]}, 'no output "nope"'),
    (tensor(shape=[1, 4], data=[1, 2, 3, 4]), "features"),
]


@pytest.mark.parametrize("body, reason", WRONG)
def test_wrong_requests(logistic, body, reason):
    status, _, answer = logistic.request("POST", "/v2/models/house/infer", body)
    assert status == 400 and reason in answer["error"], answer
    assert logistic.request("POST", "/v2/models/house/infer", tensor())[0] == 200


@pytest.mark.parametrize("length, data", [("x", b""), ("99999", b""), ("-1", b""), (None, b"tail"),
                                          ("head", b"1234567890123")])
def test_wrong_binary_parts(logistic, length, data):
    head = json.dumps(tensor(data=None, parameters={"binary_data_size": 12})).encode()
    headers = {"Inference-Header-Content-Length": str(len(head)) if length == "head" else length} if length else {}
    status, _, _ = logistic.request("POST", "/v2/models/house/infer", head + data, headers)
    assert status == 400
    assert logistic.request("POST", "/v2/models/house/infer", tensor())[0] == 200


def test_paths(logistic):
    for path, status in (("/v2", 200), ("/v2/models/house/versions/1", 200), ("/v2/models/house/versions/2", 404),
                         ("/v2/models/house/versions/11", 404), ("/v2/models/nope", 404), ("/v2/models/", 404),
                         ("/v2/models/house/config", 404), ("/v2/nothing", 404)):
        assert logistic.request("GET", path)[0] == status, path
    assert logistic.request("POST", "/v2/models/other/infer", tensor())[0] == 404
