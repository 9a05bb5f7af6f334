"""Models: loading, introspection, values with and without NumPy, threads, errors."""

import array
import json
import subprocess
import sys
import threading

import numpy as np
import onnx
import pytest
from conftest import ROOT
from onnx import TensorProto, helper, numpy_helper

import libinfer

LINEAR = {
    "format": "libinfer-linear", "version": 1, "coefficients": [[1, -2, 0.5]], "intercepts": [0.25],
    "link": "logistic", "classes": [0, 1], "feature_names": ["a", "b", "c"],
    "metadata": {"author": "nobody"},
}


def graph(nodes, inputs, outputs, initializers=(), opset=17):
    made = helper.make_graph(
        nodes, "g",
        [helper.make_tensor_value_info(*i) for i in inputs],
        [helper.make_tensor_value_info(*o) for o in outputs], list(initializers))
    return helper.make_model(
        made, ir_version=8, opset_imports=[helper.make_opsetid("", opset)]).SerializeToString()


def identity(element, shape=("n", 3)):
    """A model that hands its input on."""
    return graph([helper.make_node("Concat", ["x"], ["y"], axis=0)],
                 [("x", element, shape)], [("y", element, shape)])


@pytest.fixture
def linear_json():
    return json.dumps(LINEAR).encode()


def test_loading_from_path_bytes_and_buffers(linear_json, tmp_path):
    path = tmp_path / "m.json"
    path.write_bytes(linear_json)
    results = []
    for source in (path, str(path), linear_json, bytearray(linear_json), memoryview(linear_json)):
        with libinfer.load(source) as model:
            results.append(model.predict_proba([[1, 2, 3]]))
    z = 1 - 4 + 1.5 + 0.25
    p = 1 / (1 + np.exp(-z))
    np.testing.assert_allclose(results, [[[1 - p, p]]] * 5, rtol=1e-14)


def test_what_a_model_is(linear_json):
    with libinfer.load(linear_json) as model:
        assert model.inputs == [("features", "tensor(float)", ("rows", 3))]
        assert [o.name for o in model.outputs] == ["label", "probabilities"]
        assert model.classes == [0, 1]
        assert model.feature_names == ["a", "b", "c"]
        assert model.metadata["author"] == "nobody" and model.metadata["format"] == "json"
        assert model.nodes == [("linear", "infer", "Linear")]
        size, exact = model.memory
        assert size > 0 and exact is False
        assert "features: tensor(float)" in repr(model)


def test_saving_and_opening(linear_json, tmp_path):
    path = tmp_path / "m.infer"
    X = np.random.default_rng(0).normal(size=(20, 3))
    with libinfer.load(linear_json) as model:
        expected = model.predict_proba(X)
        model.save(path)
        image = model.to_bytes()
        model.verify()
    assert path.read_bytes() == image
    for source in (path, image):
        with libinfer.load(source, full_validation=True) as model:
            assert (model.predict_proba(X) == expected).all()
    broken = bytearray(image)
    broken[len(broken) // 2] ^= 1
    with pytest.raises(libinfer.InferError):
        libinfer.load(bytes(broken), full_validation=True)


def test_lists_in_lists_out_arrays_in_arrays_out(linear_json):
    X = [[1.0, 2.0, 3.0], [-1.0, 0.5, 2.0]]
    with libinfer.load(linear_json) as model:
        lists = model.predict_proba(X)
        assert type(lists) is list and type(lists[0][0]) is float
        assert lists == model.predict_proba(np.array(X)).tolist()
        floats = model.predict_proba(np.array(X, np.float32))
        assert floats.dtype == np.float32
        flat = array.array("f", [1, 2, 3])
        assert model.predict_proba(flat) == floats[:1].tolist()
        assert model.predict(X) == model.predict(np.array(X)).tolist()
        assert type(model.predict(X)[0]) is int
        assert model.run({"features": X})["label"] == model.predict(X)
        assert model.predict_proba([]) == []
        assert model.predict_proba(np.empty((0, 3))).shape == (0, 2)


def test_arrays_of_any_layout(linear_json):
    X = np.random.default_rng(1).normal(size=(6, 3))
    with libinfer.load(linear_json) as model:
        expected = model.predict_proba(X)
        for other in (np.asfortranarray(X), X[::-1][::-1], X.astype(">f8"), np.repeat(X, 2, 1)[:, ::2]):
            assert (model.predict_proba(other) == expected).all()


def test_wrong_shapes_are_refused(linear_json):
    with libinfer.load(linear_json) as model:
        for X in ([[1, 2]], np.zeros((3, 2)), np.zeros((2, 6)), [1, 2, 3, 4], [[1, 2, 3], [1, 2]]):
            with pytest.raises(libinfer.InferShapeError):
                model.predict(X)
        with pytest.raises(libinfer.InferTypeError):
            model.predict([["x", 2, 3]])


NUMBERS = {
    "float32": TensorProto.FLOAT, "float64": TensorProto.DOUBLE, "float16": TensorProto.FLOAT16,
    "int8": TensorProto.INT8, "int16": TensorProto.INT16, "int32": TensorProto.INT32,
    "int64": TensorProto.INT64, "uint8": TensorProto.UINT8, "uint16": TensorProto.UINT16,
    "uint32": TensorProto.UINT32, "uint64": TensorProto.UINT64, "bool": TensorProto.BOOL,
    "complex64": TensorProto.COMPLEX64, "complex128": TensorProto.COMPLEX128,
}


@pytest.mark.parametrize("name", NUMBERS)
def test_every_type_goes_in_and_out(name):
    x = np.array([[0, 1, 5], [2, 3, 4]]).astype(name)
    with libinfer.load(identity(NUMBERS[name])) as model:
        y = model.run({"x": x})["y"]
        assert y.dtype == x.dtype and (y == x).all()
        assert model.run({"x": x.tolist()})["y"] == x.tolist()
        assert model.run({"x": np.asfortranarray(x)})["y"].tolist() == x.tolist()


def test_limits_of_integers_in_lists():
    with libinfer.load(identity(TensorProto.INT64)) as model:
        x = [[-(2 ** 63), 2 ** 63 - 1, 0]]
        assert model.run({"x": x})["y"] == x
        with pytest.raises(libinfer.InferTypeError):
            model.run({"x": [[2 ** 63, 0, 0]]})
    with libinfer.load(identity(TensorProto.UINT8)) as model:
        for bad in (256, -1, 1.5, "1"):
            with pytest.raises(libinfer.InferTypeError):
                model.run({"x": [[bad, 0, 0]]})


def test_bfloat16():
    ml_dtypes = pytest.importorskip("ml_dtypes")
    x = np.array([[1.5, -2, 3]], ml_dtypes.bfloat16)
    with libinfer.load(identity(TensorProto.BFLOAT16)) as model:
        y = model.run({"x": x})["y"]
        assert y.dtype == x.dtype and (y == x).all()
        assert model.run({"x": x}, numpy=False)["y"] == [[1.5, -2, 3]]


def test_strings():
    x = [["", "a", "größe"], ["zwei\0", "b" * 100, "☃"]]
    with libinfer.load(identity(TensorProto.STRING)) as model:
        assert model.run({"x": x})["y"] == x
        assert model.run({"x": np.array(x, object)})["y"].tolist() == x
        with pytest.raises(libinfer.InferTypeError):
            model.run({"x": [[1, 2, 3]]})


def test_buffers():
    with libinfer.load(identity(TensorProto.FLOAT)) as model:
        x = memoryview(array.array("f", range(6))).cast("B").cast("f", [2, 3])
        assert model.run({"x": x})["y"] == [[0, 1, 2], [3, 4, 5]]
    with libinfer.load(identity(TensorProto.UINT8, ("n",))) as model:
        assert model.run({"x": b"\1\2\3"})["y"] == [1, 2, 3]
        assert model.run({"x": bytearray(b"\1\2\3")})["y"] == [1, 2, 3]


def test_scalars_and_empty_tensors():
    with libinfer.load(identity(TensorProto.FLOAT)) as model:
        y = model.run({"x": np.empty((0, 3), np.float32)})["y"]
        assert y.shape == (0, 3)
    neg = graph([helper.make_node("Reshape", ["x", "s"], ["y"])],
                [("x", TensorProto.FLOAT, [1])], [("y", TensorProto.FLOAT, [])],
                [helper.make_tensor("s", TensorProto.INT64, [0], [])])
    with libinfer.load(neg) as model:
        assert model.run({"x": [2.5]})["y"] == 2.5
        assert model.run({"x": np.array([2.5], np.float32)})["y"].shape == ()


def test_outputs_survive_later_runs():
    with libinfer.load(identity(TensorProto.FLOAT)) as model:
        first = model.run({"x": np.ones((1, 3), np.float32)})["y"]
        model.run({"x": np.zeros((1, 3), np.float32)})
        assert (first == 1).all()


def test_errors_carry_status_name_and_reason(tmp_path, linear_json):
    with pytest.raises(libinfer.InferIOError) as caught:
        libinfer.load(tmp_path / "missing.onnx")
    assert isinstance(caught.value, OSError) and caught.value.status == 4
    assert caught.value.name == "INFER_ERROR_IO" and "missing.onnx" in str(caught.value)
    with pytest.raises(libinfer.InferFormatError) as caught:
        libinfer.load(b'{"format": "libinfer-linear"')
    assert isinstance(caught.value, ValueError)
    with pytest.raises(libinfer.InferError):
        libinfer.load(b"")
    for wrong in (3, None, 1.5, ["x"]):
        with pytest.raises(libinfer.InferTypeError):
            libinfer.load(wrong)
    with libinfer.load(linear_json) as model:
        with pytest.raises(libinfer.InferArgumentError, match="nothing"):
            model.run({"nothing": [[1, 2, 3]]})
        with pytest.raises(libinfer.InferArgumentError, match="nowhere"):
            model.run({"features": [[1, 2, 3]]}, ["nowhere"])
        with pytest.raises(libinfer.InferTypeError):
            model.run({"features": np.zeros((1, 3), np.int32)})
        with pytest.raises(libinfer.InferIOError):
            model.save(tmp_path / "no" / "such" / "folder.infer")
    with pytest.raises(libinfer.InferStateError):
        model.predict([[1, 2, 3]])
    with pytest.raises(libinfer.InferValueError):
        libinfer.linear([[float("nan")]])
    with pytest.raises(libinfer.InferArgumentError, match="link"):
        libinfer.linear([[1.0]], link="probit")


def test_limits(linear_json):
    with pytest.raises(libinfer.InferLimitError):
        libinfer.load(linear_json, load_limit=100)
    with pytest.raises(libinfer.InferArgumentError):
        libinfer.load(linear_json, cpu="pentium")
    with libinfer.load(linear_json, cpu="scalar") as scalar, libinfer.load(linear_json) as model:
        X = np.random.default_rng(2).normal(size=(10, 3)).astype(np.float32)
        np.testing.assert_allclose(scalar.predict_proba(X), model.predict_proba(X), rtol=1e-5)


def test_linear_from_lists():
    with libinfer.linear([1, 2], 3) as model:
        assert model.predict([[10, 20], [0, 0]]) == [53, 3]
        with pytest.raises(libinfer.InferTypeError, match="no classifier"):
            model.predict_proba([[1, 2]])
    with libinfer.linear([[1, 0], [0, 1]], [0, 0], "softmax", ["left", "right"]) as model:
        assert model.predict([[3, 1], [1, 3]]) == ["left", "right"]
    with libinfer.linear([[0.5]], link="exp") as model:
        np.testing.assert_allclose(model.predict([[2.0]]), [np.e], rtol=1e-15)


def test_threads_share_a_model():
    onnx_model = graph(
        [helper.make_node("Concat", ["x", "x"], ["y"], axis=1)],
        [("x", TensorProto.FLOAT, ["n", 3])], [("y", TensorProto.FLOAT, ["n", 6])])
    wrong = []
    with libinfer.load(onnx_model) as model, libinfer.linear([1, 1, 1]) as sums:
        def work(number):
            for i in range(200):
                x = np.full((1 + i % 3, 3), number * 1000 + i, np.float32)
                y = model.run({"x": x})["y"]
                if y.shape != (len(x), 6) or (y != x[0, 0]).any():
                    wrong.append((number, i))
                if (sums.predict(x) != 3 * x[0, 0]).any():
                    wrong.append((number, i))
        threads = [threading.Thread(target=work, args=(n,)) for n in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert not wrong


def test_threads_give_the_same_bits():
    random = np.random.default_rng(3)
    weights = random.normal(size=(512, 700)).astype(np.float32)
    onnx_model = graph(
        [helper.make_node("MatMul", ["x", "w"], ["h"]), helper.make_node("Tanh", ["h"], ["y"])],
        [("x", TensorProto.FLOAT, ["n", 512])], [("y", TensorProto.FLOAT, ["n", 700])],
        [numpy_helper.from_array(weights, "w")])
    x = random.normal(size=(300, 512)).astype(np.float32)
    with libinfer.load(onnx_model) as one:
        wanted = one.run({"x": x})["y"]
    for threads in (0, 2, 3, 5):
        with libinfer.load(onnx_model, threads=threads) as many:
            assert (many.run({"x": x})["y"] == wanted).all()
    for wrong in (-1, 1.5, 1 << 32):
        with pytest.raises(libinfer.InferArgumentError):
            libinfer.load(onnx_model, threads=wrong)
    with pytest.raises(libinfer.InferArgumentError):
        libinfer.load(onnx_model, threads=2000)


def test_closing_while_others_run():
    model = libinfer.linear([1, 1, 1])
    ended, results = threading.Event(), []

    def work():
        try:
            while True:
                results.append(model.run({"features": [[1, 2, 3]]})["output"])
        except libinfer.InferStateError:
            ended.set()

    thread = threading.Thread(target=work)
    thread.start()
    while not results:
        pass
    model.close()
    thread.join(10)
    assert ended.is_set() and all(result == [[6]] for result in results)


def test_without_numpy(linear_json):
    """A process in which NumPy cannot be imported."""
    program = """
import sys
sys.modules["numpy"] = None
import array, libinfer
with libinfer.load(sys.stdin.buffer.read()) as m:
    p = m.predict_proba([[1, 2, 3], [0, 0, 0]])
    assert type(p[0][0]) is float and len(p) == 2
    assert m.predict_proba(array.array("d", [1, 2, 3])) == p[:1]
    assert m.predict([[1, 2, 3]]) == [0], m.predict([[1, 2, 3]])
    out = m.run({"features": [[1, 2, 3]]})
    assert out["label"] == [0] and abs(out["probabilities"][0][1] - p[0][1]) < 1e-6
    session = libinfer.InferenceSession(m.to_bytes())
    assert session.run(["label"], {"features": [[1.0, 2.0, 3.0]]}) == [[0]]
assert libinfer.linear([1, 2]).predict([[1, 1]]) == [3]
print("done")
"""
    result = subprocess.run([sys.executable, "-c", program], input=linear_json, capture_output=True,
                            env={**__import__("os").environ,
                                 "PYTHONPATH": str(ROOT / "bindings" / "python")})
    assert result.stdout == b"done\n", result.stderr.decode()


def test_importing_does_not_import_numpy():
    program = "import sys, libinfer; libinfer.linear([1, 2]).predict([[1, 1]]); print('numpy' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True,
                            env={**__import__("os").environ,
                                 "PYTHONPATH": str(ROOT / "bindings" / "python")})
    assert result.stdout == "False\n", result.stderr


def test_operators():
    found = libinfer.operators()
    assert ("infer", "Linear") in [(op.domain, op.name) for op in found]
    assert all(1 <= op.since_version <= op.newest_version for op in found)


def test_versions():
    assert libinfer.version() == libinfer.__version__
    assert libinfer.abi_version() >= 1
    assert onnx.__version__


def zipped(labels):
    """A classifier that is no linear model: squares, scores, maps."""
    names = {("classlabels_strings" if isinstance(labels[0], str) else "classlabels_int64s"): labels}
    made = helper.make_graph(
        [helper.make_node("Mul", ["x", "x"], ["s"]),
         helper.make_node("Softmax", ["s"], ["p"]),
         helper.make_node("ZipMap", ["p"], ["z"], domain="ai.onnx.ml", **names)], "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3])],
        [helper.make_value_info("z", helper.make_sequence_type_proto(helper.make_map_type_proto(
            TensorProto.STRING if isinstance(labels[0], str) else TensorProto.INT64,
            helper.make_tensor_type_proto(TensorProto.FLOAT, []))))])
    return helper.make_model(made, ir_version=8, opset_imports=[
        helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)]).SerializeToString()


@pytest.mark.parametrize("labels", [[7, -1, 3], ["a", "", "ä"]])
def test_a_zipmap_names_classes_and_counts_outputs(labels):
    X = np.array([[1, 2, 3], [0.5, 0, -1]], np.float32)
    with libinfer.load(zipped(labels)) as model:
        assert model.classes == labels and model.output_count == 3
        scores = np.exp(X * X) / np.exp(X * X).sum(1, keepdims=True)
        np.testing.assert_allclose(model.predict_proba(X), scores, rtol=1e-5)
        rows = model.run({"x": X})["z"]
        assert [list(row) for row in rows] == [labels, labels]


def predict_f64(model, row, outputs):
    """infer_predict_f64 as C programs call it."""
    import ctypes

    from libinfer import _ffi
    from libinfer.errors import check
    x, y = (ctypes.c_double * len(row))(*row), (ctypes.c_double * outputs)()
    with model._use() as handle:
        check(_ffi.lib.infer_predict_f64(handle, x, len(row), y, outputs))
    return list(y)


def test_doubles_stay_doubles_and_integers_whole():
    third = 1 / 3
    with libinfer.load(identity(TensorProto.DOUBLE)) as model:
        assert predict_f64(model, [third, 1e300, -2], 3) == [third, 1e300, -2]
    with libinfer.load(identity(TensorProto.INT64)) as model:
        assert predict_f64(model, [1, 2.0**53, -3], 3) == [1, 2.0**53, -3]
        with pytest.raises(libinfer.InferValueError, match="feature 1 is 1.5"):
            predict_f64(model, [1, 1.5, 2], 3)


@pytest.mark.parametrize("shape, features", [((3,), 3), (("n",), 1), ((1, 3), 3), (("n", 3), 3)])
def test_features_a_row(shape, features):
    with libinfer.load(identity(TensorProto.FLOAT, shape)) as model:
        assert (model.feature_count, model.output_count) == (features, features)
        row = [1.0, 2.0, 3.0][:features]
        np.testing.assert_array_equal(np.ravel(model.predict(row)), row)
        np.testing.assert_array_equal(np.ravel(model.predict(np.array(row))), row)
