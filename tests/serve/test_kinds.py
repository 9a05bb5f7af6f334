"""Bodies that are not JSON: CSV, NumPy arrays, text; judged by what the same numbers give as JSON."""

import base64
import io
import json

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from conftest import LINEAR, LOGISTIC

ROWS = [[1.0, 2.0, 3.0], [-0.5, 0.25, 8.0], [0.0, 0.0, 0.125]]
PREDICTIONS = [sum(w * x for w, x in zip(LINEAR["coefficients"][0], row)) + 0.75 for row in ROWS]


def post(function, data, media):
    """The status and the body of the answer to bytes of a media type."""
    return function.invoke({"version": "2.0", "requestContext": {"http": {}}, "headers": {"content-type": media},
                            "body": base64.b64encode(data).decode(), "isBase64Encoded": True})


def npy(array, version=None):
    to = io.BytesIO()
    np.lib.format.write_array(to, array, version)
    return to.getvalue()


@pytest.fixture
def linear(runtime, model):
    return runtime().start("--model", model(LINEAR))


@pytest.fixture
def named(runtime, model):
    return runtime().start("--model", model(LOGISTIC))


@pytest.fixture
def graph(runtime, tmp_path):
    """Serves a graph that passes its single input on."""
    def start(type_, shape):
        value = helper.make_tensor_value_info("x", type_, shape)
        made = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "g", [value],
                                 [helper.make_tensor_value_info("y", type_, shape)])
        path = tmp_path / f"{type_}.onnx"
        onnx.save(helper.make_model(made, opset_imports=[helper.make_opsetid("", 19)], ir_version=9), path)
        return runtime().start("--model", path)
    return start


# ---- CSV ----


@pytest.mark.parametrize("text", [
    "1,2,3\n-0.5,.25,8\n0,0,0.125\n", "1,2,3\r\n-0.5,0.25,8.0\r\n0,0,0.125", "\ufeff1,2,3\n-5e-1,0.25,+8\n0,0,.125\n",
    '"1","2",3\n -0.5 ,\t0.25,8\n00,-0,1.25e-1\n', "a,b,c\n1,2,3\n-0.5,0.25,8\n0,0,0.125\n",
    '"a ""x"", y",b,c\n1,2,3\n-0.5,0.25,8\n0,0,0.125\n'])
@pytest.mark.parametrize("media", ["text/csv", "Text/CSV; charset=utf-8", "application/csv"])
def test_csv(linear, text, media):
    assert post(linear, text.encode(), media) == (200, {"predictions": PREDICTIONS})


def test_csv_by_name(named):
    as_json = named.invoke({"instances": [{"age": 1, "size": 2, "höhe": 3}, {"age": 4, "size": 5, "höhe": 6}]})
    assert as_json[0] == 200
    assert post(named, "age,size,höhe\n1,2,3\n4,5,6\n".encode(), "text/csv") == as_json
    assert post(named, "höhe,age,size\n3,1,2\n6,4,5\n".encode(), "text/csv") == as_json
    assert post(named, b"1,2,3\n4,5,6\n", "text/csv") == as_json
    for header in ("age,size", "age,size,höhe,x", "age,age,höhe", "age,size,hohe", "age,size,"):
        status, body = post(named, f"{header}\n1,2,3\n".encode(), "text/csv")
        assert status == 400 and body["error"], header


@pytest.mark.parametrize("text", [
    "", "\n", "a,b,c\n", "1,2\n", "1,2,3,4\n", "1,2,3\n\n", "1,2,3\n4,5\n", "1,2,3\n4,5,x\n", "1,2,3\n4,5,\n", "1,2,nan\n",
    "1,2,3\n1,2,inf\n", "1,2,3\n0x10,2,3\n", "1,2,3\n1e999,2,3\n", '1,2,"3\n', '1,2,"3"4\n', '1,2,3"\n', "1;2;3\n",
    "1,2,3\r4,5,6\n", "1,2,3\n1 2,3,4\n", "1,2,3\n--1,2,3\n", "1,2,3\n" + "1" * 300 + ",2,3\n", "1,2,\0003\n", "\xff,1,2\n",
    "a" * 300 + ",2,3\n"])
def test_csv_that_is_wrong(linear, text):
    status, body = post(linear, text.encode("latin-1"), "text/csv")
    assert status == 400 and body["error"], text
    assert post(linear, b"1,2,3\n", "text/csv") == (200, {"predictions": [4.75]})


def test_csv_of_many_rows(runtime, model):
    r = runtime().start("--model", model(LINEAR), "--max-elements", 30000)
    text = b"1,2,3\n" * 10000
    assert post(r, text, "text/csv") == (200, {"predictions": [4.75] * 10000})
    assert post(r, text + b"1,2,3\n", "text/csv")[0] == 413


# ---- NumPy ----


@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("media", ["application/x-npy", "application/octet-stream", ""])
def test_npy_rows(linear, version, order, media):
    assert post(linear, npy(np.array(ROWS, order=order), version), media) == (200, {"predictions": PREDICTIONS})


@pytest.mark.parametrize("dtype", ["b1", "i1", "u1"] + [end + kind for end in "<>" for kind in
                                                      ("i2", "i4", "i8", "u2", "u4", "u8", "f2", "f4", "f8")])
def test_npy_types(linear, dtype):
    rows = np.array([[1, 0, 1], [0, 1, 1]] if dtype == "b1" else [[1, 2, 3], [100, 7, 50]]).astype(dtype)
    expected = [float(np.dot(LINEAR["coefficients"][0], row.astype(float)) + 0.75) for row in rows]
    assert post(linear, npy(rows), "application/x-npy") == (200, {"predictions": expected})
    assert post(linear, npy(rows[0]), "application/x-npy") == (200, {"prediction": expected[0]})


@pytest.mark.parametrize("type_, dtype", [
    (TensorProto.FLOAT, "f4"), (TensorProto.DOUBLE, "f8"), (TensorProto.UINT8, "u1"), (TensorProto.INT8, "i1"),
    (TensorProto.INT16, "i2"), (TensorProto.INT32, "i4"), (TensorProto.INT64, "i8"), (TensorProto.UINT16, "u2"),
    (TensorProto.UINT32, "u4"), (TensorProto.BOOL, "b1"), (TensorProto.FLOAT16, "f2")])
def test_npy_tensors(graph, type_, dtype):
    r = graph(type_, ["a", "b", "c", "d"])
    random = np.random.default_rng(1)
    array = random.integers(0, 2 if dtype == "b1" else 100, (2, 3, 4, 5)).astype(dtype)
    for order in "CF":
        for end in "<>":
            data = npy(np.asarray(array, order=order).astype(np.dtype(dtype).newbyteorder(end), order="K"))
            status, body = post(r, data, "application/x-npy")
            assert status == 200, body
            assert body["outputs"]["y"] == array.tolist()


def test_npy_of_another_type(graph):
    r = graph(TensorProto.FLOAT, ["a", "b", "c"])
    assert post(r, npy(np.arange(8, dtype="i8").reshape(2, 2, 2)), "")[1]["outputs"]["y"] == [[[0, 1], [2, 3]], [[4, 5], [6, 7]]]
    r = graph(TensorProto.UINT8, ["a", "b", "c"])
    assert post(r, npy(np.full((1, 1, 2), 255, "i8")), "")[1]["outputs"]["y"] == [[[255, 255]]]
    for bad in (np.full((1, 1, 1), 256, "i8"), np.full((1, 1, 1), -1, "i4"), np.full((1, 1, 1), 1.5, "f4"),
                np.full((1, 1, 1), 2 ** 64 - 1, "u8"), np.full((1, 1, 1), np.nan, "f8")):
        assert post(r, npy(bad), "")[0] == 400, bad


def header(text, data=b"\0" * 24, version=1):
    text = text.encode()
    size = len(text).to_bytes(2 if version == 1 else 4, "little")
    return b"\x93NUMPY" + bytes([version, 0]) + size + text + data


GOOD_HEADER = "{'descr': '<f8', 'fortran_order': False, 'shape': (1, 3), }\n"


def test_a_header_of_ones_own(linear):
    assert post(linear, header(GOOD_HEADER), "") == (200, {"predictions": [0.75]})


@pytest.mark.parametrize("data", [
    b"\x93NUMPY", b"\x93NUMPY\x01\x00", b"\x93NUMPY\x01\x00\xff\xff{}", b"\x93NUMPY\x02\x00\xff\xff\xff\xff{}",
    header(GOOD_HEADER, b"\0" * 23), header(GOOD_HEADER, b"\0" * 25), header(GOOD_HEADER, version=4), header(""),
    *[header(GOOD_HEADER.replace(old, new)) for old, new in (
        ("<f8", "<f3"), ("<f8", "|O"), ("<f8", "<U3"), ("'<f8'", "[('a', '<f8')]"), ("False", "0"), ("(1, 3)", "(1, -3)"),
        ("(1, 3)", "3"), ("(1, 3)", "(1 3)"), ("(1, 3)", "(1,3"), ("(1, 3)", "(0, 3)"), ("(1, 3)", "(3, 1)"), ("<f8", "<c16"),
        ("(1, 3)", "(4294967296, 4294967296, 3)"), ("(1, 3)", "(99999999999999999999, 3)"), ("shape", "shap"),
        ("(1, 3)", "(" + "1," * 17 + "3)"), ("(1, 3)", "(0, 9223372036854775807)"), ("descr", "x"), ("fortran", "c"))]],
    ids=range(27))
def test_npy_that_is_wrong(linear, data):
    status, body = post(linear, data, "application/x-npy")
    assert status == 400 and body["error"]
    assert post(linear, header(GOOD_HEADER), "")[0] == 200


def test_npy_that_is_too_much(runtime, model):
    r = runtime().start("--model", model(LINEAR), "--max-elements", 30)
    assert post(r, npy(np.zeros((10, 3))), "")[0] == 200
    assert post(r, npy(np.zeros((11, 3))), "")[0] == 413


# ---- text ----


@pytest.mark.parametrize("shape", [[1], [1, 1], ["n"], ["n", 1], []])
def test_text(graph, shape):
    r = graph(TensorProto.STRING, shape)
    for text in ("hello", "grüße, 世界", "a,b\nc", "5", '"quoted"'):
        for answer in (post(r, text.encode(), "text/plain; charset=utf-8"), r.invoke({"text": text})):
            status, body = answer
            assert status == 200 and np.array(body["outputs"]["y"]).shape == (1,) * len(shape)
            assert body["prediction"] == text


def test_text_that_is_wrong(graph, linear):
    r = graph(TensorProto.STRING, [2])
    assert post(r, b"x", "text/plain")[0] == 400 and r.invoke({"text": 5})[0] == 400
    assert r.invoke({"text": "a", "features": [1]})[0] == 400
    assert post(linear, b"hello", "text/plain")[0] == 415 and linear.invoke({"text": "hello"})[0] == 415
    assert post(linear, b' {"features": [1, 2, 3]}', "text/plain") == (200, {"prediction": 4.75})


# ---- others ----


@pytest.mark.parametrize("media", ["", "application/json", "application/json; charset=utf-8", "application/x-www-form-urlencoded",
                                   "application/vnd.x+json", "text/csv2", "application/octet-stream"])
def test_the_rest_is_json(linear, media):
    assert post(linear, json.dumps({"features": [1, 2, 3]}).encode(), media) == (200, {"prediction": 4.75})
    assert post(linear, b"1,2,3\n", media)[0] == 400
