"""Weights in place: wherever raw data lies in a file, and whatever else a file says of it, answers are the same."""

import threading

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

import libinfer

RANDOM = np.random.default_rng(5)


def session(model):
    """As the model says: optimized, onnxruntime multiplies what it dequantizes in another way."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def model_of(nodes, x, y, constants, kind=TensorProto.FLOAT):
    graph = helper.make_graph(nodes, "g", [helper.make_tensor_value_info("x", kind, x)],
                              [helper.make_tensor_value_info("y", TensorProto.FLOAT, y)],
                              [numpy_helper.from_array(value, name) for name, value in constants.items()])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def moved(model, by):
    """The same with everything behind the name of its producer `by` bytes further on."""
    model.producer_name = "p" * (1 + by)
    return model.SerializeToString()


def draw(*shape):
    return RANDOM.normal(size=shape).astype(np.float32)


def networks():
    """A convolution with a norm that is folded into it, one that stays plain, products, an elementwise operator."""
    norm = {"scale": draw(40), "shift": draw(40), "mean": draw(40), "var": draw(40) ** 2 + 0.5}
    conv = helper.make_node("Conv", ["x", "w"], ["c"], pads=[1] * 4)
    yield "conv", model_of([conv, helper.make_node("BatchNormalization", ["c", *norm], ["y"])], [1, 24, 9, 9],
                           [1, 40, 9, 9], {"w": draw(40, 24, 3, 3), **norm}), (1, 24, 9, 9)
    yield "grouped", model_of([helper.make_node("Conv", ["x", "w"], ["y"], pads=[1] * 4, group=2)], [1, 48, 9, 9],
                              [1, 40, 9, 9], {"w": draw(40, 24, 3, 3)}), (1, 48, 9, 9)
    yield "depthwise", model_of([helper.make_node("Conv", ["x", "w"], ["y"], pads=[1] * 4, group=200)],
                                [1, 200, 5, 5], [1, 200, 5, 5], {"w": draw(200, 1, 3, 3)}), (1, 200, 5, 5)
    yield "plain", model_of([helper.make_node("Conv", ["x", "w"], ["y"])], [1, 3, 24, 24], [1, 40, 14, 14],
                            {"w": draw(40, 3, 11, 11)}), (1, 3, 24, 24)
    yield "few outputs", model_of([conv, helper.make_node("Mul", ["c", "two"], ["y"])], [1, 120, 5, 5],
                                  [1, 2, 5, 5], {"w": draw(2, 120, 3, 3), "two": np.float32([2])}), (1, 120, 5, 5)
    yield "products", model_of([helper.make_node("MatMul", ["x", "w"], ["h"]),
                                helper.make_node("Gemm", ["h", "v"], ["y"], transB=1, alpha=0.5)], [3, 40], [3, 50],
                               {"w": draw(40, 70), "v": draw(50, 70)}), (3, 40)
    yield "added", model_of([helper.make_node("Add", ["x", "w"], ["y"])], [40, 70], [40, 70], {"w": draw(40, 70)}), (40, 70)
    yield "constant node", model_of([helper.make_node("Constant", [], ["w"], value=numpy_helper.from_array(draw(40, 70))),
                                     helper.make_node("MatMul", ["x", "w"], ["y"])], [3, 40], [3, 70], {}), (3, 40)


def rows():
    """Slices of a weight, of rows in order and others, joined and given other shapes, and one twice."""
    cuts = [(0, 9), (-9, 999), (-999, 5), (7, 7), (3, 30)]
    numbers = {f"n{n}": np.array([n]) for n in {*sum(cuts, ()), -1, 0, 1, 35}}
    nodes = [helper.make_node("Slice", ["w", f"n{a}", f"n{b}", "n0"], [f"r{i}"]) for i, (a, b) in enumerate(cuts)]
    nodes += [helper.make_node("Slice", ["r4", "n1", "n9"], ["inner"]),
              helper.make_node("Slice", ["w", "n-1", "n-999", "n0", "n-1"], ["back"]),
              helper.make_node("Slice", ["w", "n0", "n35", "n1"], ["columns"]),
              helper.make_node("Slice", ["w", "n0", "n9", "n0", "n3"], ["apart"]),
              helper.make_node("Unsqueeze", ["w", "n0"], ["u"]), helper.make_node("Squeeze", ["u", "n0"], ["s"]),
              helper.make_node("Reshape", ["columns", "pair"], ["again"]),
              helper.make_node("Concat", [*(f"r{i}" for i in range(5)), "inner", "back", "apart", "s", "s"], ["all"],
                               axis=0),
              helper.make_node("MatMul", ["x", "again"], ["h"]), helper.make_node("Gemm", ["h", "all"], ["g"], transB=1),
              helper.make_node("Add", ["g", "h0"], ["a"]), helper.make_node("Gemm", ["h", "w"], ["b"], transB=1),
              helper.make_node("Concat", ["a", "b"], ["y"], axis=1)]
    constants = {"w": draw(40, 70), "pair": np.array([-1, 70]), "h0": draw(1), **numbers}
    return "rows", model_of(nodes, [3, 20], [3, None], constants), (3, 20)


@pytest.mark.parametrize("model, shape", [pytest.param(*case[1:], id=case[0]) for case in [*networks(), rows()]])
@pytest.mark.parametrize("by", range(4))
def test_at_any_address(tmp_path, model, shape, by):
    x = {"x": draw(*shape)}
    expected = session(model).run(None, x)[0]
    data = moved(model, by)
    path = tmp_path / "model.onnx"
    path.write_bytes(data)
    answer = libinfer.load(data).run(x)["y"]
    np.testing.assert_allclose(answer, expected, rtol=1e-4, atol=1e-4)
    loaded = libinfer.load(path)
    assert (loaded.run(x)["y"] == answer).all()
    assert (libinfer.load(loaded.to_bytes(), full_validation=True).run(x)["y"] == answer).all()


def field(number, data):
    return b"%c%s%s" % (number << 3 | 2, varint(len(data)), data)


def varint(value):
    out = b""
    while value >= 128:
        out += bytes([value & 127 | 128])
        value >>= 7
    return out + bytes([value])


LARGE = np.arange(2000, dtype=np.float32)


def with_tensor(more, raw=LARGE.tobytes()):
    """A model of one initializer, with more bytes behind the fields of its tensor."""
    tensor = numpy_helper.from_array(LARGE, "w")
    tensor.ClearField("raw_data")
    model = model_of([helper.make_node("Add", ["x", "w"], ["y"])], [2000], [2000], {})
    rest = model.graph.SerializeToString()
    graph = rest + field(5, tensor.SerializeToString() + field(9, raw) + more)
    model.ClearField("graph")
    return model.SerializeToString() + field(7, graph)


NUMBER = varint(100000 << 3)  # of the field that stands for raw data


@pytest.mark.parametrize("more", [field(9, LARGE.tobytes()), b"\x18\x00"], ids=["given twice", "a wrong segment"])
def test_what_is_said_twice(more):
    """The last counts, as everywhere in protobuf; what is malformed is refused."""
    data = with_tensor(more)
    if more[0] == 9 << 3 | 2:
        y = libinfer.load(data).run({"x": LARGE})["y"]
        assert (y == 2 * LARGE).all()
    else:
        with pytest.raises(libinfer.InferFormatError):
            libinfer.load(data)


@pytest.mark.parametrize("more", [NUMBER + varint(1), NUMBER + varint(2 ** 32 - 1), field(9, b"1234"),
                                  field(9, LARGE.tobytes()[:-4])],
                         ids=["no such number", "a far one", "a small one as well", "too little"])
def test_forged(more):
    with pytest.raises(libinfer.InferFormatError):
        libinfer.load(with_tensor(more))


def test_cut_off():
    data = with_tensor(b"")
    for size in (len(data) - 1, len(data) - 4000, len(data) - 9000):
        with pytest.raises(libinfer.InferFormatError):
            libinfer.load(data[:size])


# ---- tables and weights that a model holds as integers ----


def tables():
    q, rows, columns = RANDOM.integers(-128, 128, (300, 230)).astype(np.int8), draw(300, 1), draw(1, 230)
    cast = helper.make_node("Cast", ["q"], ["f"], to=TensorProto.FLOAT)
    for name, scale in (("rows", rows), ("all", np.float32([0.25])), ("columns", columns)):
        yield f"Mul, {name}", [cast, helper.make_node("Mul", ["f", "s"], ["t"])], {"q": q, "s": scale}
        axis = {"rows": 0, "columns": 1}.get(name)
        attributes = {} if axis is None else {"axis": axis}
        scale = scale.ravel() if axis is not None else scale.reshape(())
        for zero in (None, 0, 3):
            inputs, constants = ["q", "s"], {"q": q, "s": scale}
            if zero is not None:
                inputs.append("z")
                constants["z"] = np.full(scale.shape, zero, np.int8)
            yield (f"DequantizeLinear, {name}, {zero}",
                   [helper.make_node("DequantizeLinear", inputs, ["t"], **attributes)], constants)


@pytest.mark.parametrize("name, nodes, constants", [pytest.param(*case, id=case[0]) for case in tables()])
@pytest.mark.parametrize("reader", ["Gather", "MatMul", "Gemm", "both", "output"])
def test_integers(name, nodes, constants, reader):
    """They stay integers where products and tables can take them so, and give the same bits in any case."""
    readers = {
        "Gather": [helper.make_node("Gather", ["t", "i"], ["y"])],
        "MatMul": [helper.make_node("MatMul", ["x", "t"], ["y"])],
        "Gemm": [helper.make_node("Gemm", ["x", "t"], ["y"], transB=1)],
        "both": [helper.make_node("Gather", ["t", "i"], ["g"]),
                 helper.make_node("Gemm", ["g", "t"], ["y"], transB=1)],
        "output": [helper.make_node("Mul", ["t", "x"], ["y"])],
    }[reader]
    indices = reader in ("Gather", "both")
    constants = dict(constants)
    x = {"x": draw(*{"MatMul": (3, 300), "Gemm": (3, 230), "output": (1, 1)}.get(reader, (1,)))}
    if indices:
        readers[0].input[1] = "x"
        x = {"x": np.int64([0, 299, -1, 17])}
    model = model_of([*nodes, *readers], [None] * x["x"].ndim, None, constants,
                     TensorProto.INT64 if indices else TensorProto.FLOAT)
    loaded = libinfer.load(model.SerializeToString())
    expected = session(model).run(None, x)[0]
    answer = loaded.run(x)["y"]
    if reader == "Gather" or reader == "output":
        assert (answer == expected).all()
    else:
        np.testing.assert_allclose(answer, expected, rtol=1e-4, atol=1e-4 * np.abs(expected).max())
    scales, zero = name.split(", ")[1], name.split(", ")[2:]
    fits = {"Gather": ("rows", "all"), "MatMul": ("columns", "all"), "Gemm": ("rows", "all"), "both": ("rows", "all"),
            "output": ()}[reader]
    if scales in fits and zero != ["3"]:
        assert len(loaded.to_bytes()) < (1.1 if reader != "both" else 2.2) * 300 * 230 + 8192


def test_packing_stands_in_no_image():
    """Its operators read what they are given without a check: they are for constants of a model that is loaded."""
    model = model_of([helper.make_node("Conv", ["x", "w"], ["y"])], [1, 32, 4, 4], [1, 40, 4, 4], {"w": draw(40, 32, 1, 1)})
    image = libinfer.load(model.SerializeToString()).to_bytes()
    assert b"ToBlocks\0" in image
    with pytest.raises(libinfer.InferFormatError, match="while loading"):
        libinfer.load(image.replace(b"ToBlocks\0", b"PackConv\0"))


def deep():
    """Chains as long as a model likes: scales of scaled integers, joins of joined channels."""
    levels = 700
    nodes = [helper.make_node("Cast", ["q"], ["m0"], to=TensorProto.FLOAT)]
    nodes += [helper.make_node("Mul", [f"m{i}", "s"], [f"m{i + 1}"]) for i in range(levels)]
    yield model_of([*nodes, helper.make_node("MatMul", ["x", f"m{levels}"], ["y"])], [None, 130], None,
                   {"q": np.ones((130, 130), np.int8), "s": np.float32([1])})
    levels = 2000
    nodes = [helper.make_node("Conv", ["x", "w"], ["c0"])]
    nodes += [helper.make_node("Concat", [f"c{i}", "c0"], [f"c{i + 1}"], axis=1) for i in range(levels)]
    constants = {"w": draw(16, 3, 1, 1), "p": draw(1, 16 * (levels + 1), 1, 1)}
    yield model_of([*nodes, helper.make_node("Mul", [f"c{levels}", "p"], ["y"])], [1, 3, 4, 4], None, constants)


def test_depth_takes_no_stack():
    models = [model.SerializeToString() for model in deep()]
    loaded = []
    before = threading.stack_size(256 << 10)
    try:
        thread = threading.Thread(target=lambda: loaded.extend(libinfer.load(model) for model in models))
        thread.start()
        thread.join()
    finally:
        threading.stack_size(before)
    assert len(loaded) == len(models)
