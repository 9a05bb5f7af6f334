"""What passes make of exporters' patterns: the nodes that are left, and the answers, judged by onnxruntime."""

import numpy as np
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

import libinfer

random = np.random.default_rng(11)


def model_of(nodes, inputs, outputs, constants, opset=17):
    """inputs: names and arrays; outputs: names."""
    def port(name, array=None):
        kind = TensorProto.FLOAT if array is None else helper.np_dtype_to_tensor_dtype(array.dtype)
        return helper.make_tensor_value_info(name, kind, None if array is None else [None] * array.ndim)

    double = any(a.dtype == np.float64 for a in inputs.values())
    given = [port(name, array) for name, array in inputs.items()]
    made = [helper.make_tensor_value_info(name, TensorProto.DOUBLE if double else TensorProto.FLOAT, None)
            for name in outputs]
    initializers = [numpy_helper.from_array(np.asarray(v), k) for k, v in constants.items()]
    graph = helper.make_graph(nodes, "g", given, made, initializers)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)],
                             ir_version=10).SerializeToString()


def compare(data, feeds, rtol=2e-5, atol=2e-6):
    """The model, whose answers are onnxruntime's: loaded, and through its image."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    expected = dict(zip(names, session.run(names, feeds)))
    model = libinfer.load(data)
    for each in (model, libinfer.load(model.to_bytes())):
        actual = each.run(feeds, numpy=True)
        for name in names:
            assert actual[name].dtype == expected[name].dtype and actual[name].shape == expected[name].shape
            np.testing.assert_allclose(actual[name], expected[name], rtol, atol)
    return model


def operators(model):
    return [node.op for node in model.nodes]


# ---- weights of recurrent nets ----

CELLS = {"RNN": (1, {}), "LSTM": (4, {}), "GRU": (3, {}), "GRU late": (3, {"linear_before_reset": 1})}


@pytest.mark.parametrize("hidden", [1, 8, 21])
@pytest.mark.parametrize("direction", ["forward", "reverse", "bidirectional"])
@pytest.mark.parametrize("cell", CELLS)
def test_recurrent_weights_are_packed(cell, direction, hidden):
    gates, attributes = CELLS[cell]
    op, directions, width = cell.split()[0], 2 if direction == "bidirectional" else 1, 5
    shapes = {"W": (directions, gates * hidden, width), "R": (directions, gates * hidden, hidden),
              "B": (directions, 2 * gates * hidden)}
    constants = {name: random.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}
    outputs = ["y", "y_h", "y_c"] if op == "LSTM" else ["y", "y_h"]
    node = helper.make_node(op, ["x", "W", "R", "B"], outputs, hidden_size=hidden, direction=direction,
                            **attributes)
    for steps, batch in ((1, 1), (3, 1), (4, 3), (2, 17)):
        feeds = {"x": random.normal(size=(steps, batch, width)).astype(np.float32)}
        model = compare(model_of([node], feeds, outputs, constants), feeds)
        assert operators(model) == [op + "Packed"]
        # onnxruntime has no cells of doubles: its floats judge them.
        wide = {"x": feeds["x"].astype(np.float64)}
        doubles = {name: value.astype(np.float64) for name, value in constants.items()}
        double = libinfer.load(model_of([node], wide, outputs, doubles))
        assert operators(double) == [op + "Packed"]
        for name, value in double.run(wide, numpy=True).items():
            np.testing.assert_allclose(value, model.run(feeds, numpy=True)[name], 1e-4, 1e-5)
