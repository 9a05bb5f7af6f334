"""Writes cases in the layout of ONNX's node tests: a model, and files of inputs and outputs.

What a case shows, and who says so where the specification does not, stands in the doc_string of its model.
"""

import shutil
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from tests.ml.spec import OPERATORS
from tests.ml.values import Map, Maps

FLOAT, INT64, STRING = TensorProto.FLOAT, TensorProto.INT64, TensorProto.STRING
TYPES = {
    np.dtype("float16"): TensorProto.FLOAT16,
    np.dtype("float32"): FLOAT,
    np.dtype("float64"): TensorProto.DOUBLE,
    np.dtype("int64"): INT64,
    np.dtype("int32"): TensorProto.INT32,
    np.dtype("int16"): TensorProto.INT16,
    np.dtype("bool"): TensorProto.BOOL,
    np.dtype("O"): STRING,
}
# A version of ai.onnx.ml, and the ai.onnx version released beside it.
COMPANION = {1: 8, 2: 11, 3: 15, 4: 19, 5: 22}
RELATIVE, ABSOLUTE = 1e-3, 1e-7  # what ONNX's own test runner allows


def type_of(value, free_rows=False):
    if isinstance(value, Map):
        return helper.make_map_type_proto(TYPES[value.key],
                                          helper.make_tensor_type_proto(TYPES[value.value], []))
    if isinstance(value, Maps):
        return helper.make_sequence_type_proto(type_of(Map(value.key, value.value, {})))
    shape = ["N", *value.shape[1:]] if free_rows else value.shape
    return helper.make_tensor_type_proto(TYPES[value.dtype], shape)


def map_proto(value, name=""):
    proto = onnx.MapProto(name=name, key_type=TYPES[value.key])
    if value.key == np.dtype("O"):
        proto.string_keys.extend(k.encode() for k in value)
    else:
        proto.keys.extend(value)
    proto.values.elem_type = onnx.SequenceProto.TENSOR
    proto.values.tensor_values.extend(
        numpy_helper.from_array(np.array(v, dtype=value.value)) for v in value.values())
    return proto


def proto_of(value, name):
    if isinstance(value, Map):
        return map_proto(value, name)
    if isinstance(value, Maps):
        return onnx.SequenceProto(name=name, elem_type=onnx.SequenceProto.MAP,
                                  map_values=[map_proto(row) for row in value])
    return numpy_helper.from_array(value, name)


def same(got, expected):
    """Whether two values agree as ONNX's test runner sees it."""
    if isinstance(expected, list):
        return len(got) == len(expected) and all(map(same, got, expected))
    if isinstance(expected, dict):
        return got.keys() == expected.keys() and all(
            np.isclose(got[k], v, RELATIVE, ABSOLUTE) for k, v in expected.items())
    if got.shape != expected.shape or got.dtype != expected.dtype:
        return False
    if expected.dtype.kind == "f":
        return np.allclose(got, expected, RELATIVE, ABSOLUTE, equal_nan=True)
    return bool(np.array_equal(got, expected))


def check(model):
    """With ONNX's inference of types. Not of the outputs' shapes: without intercepts it takes them for empty."""
    onnx.checker.check_model(model)
    copy = onnx.ModelProto.FromString(model.SerializeToString())
    for output in copy.graph.output:
        if output.type.HasField("tensor_type"):
            output.type.tensor_type.ClearField("shape")
    onnx.shape_inference.infer_shapes(copy, check_type=True, strict_mode=True)


class Writer:
    def __init__(self, directory):
        self.directory = Path(directory)
        self.names = set()

    def case(self, name, op, inputs, note="", version=1, expected=None, outputs=(0, 1), alone=False,
             **attributes):
        """A case of one operator.

        inputs: a list of values, or a list of such lists: data sets of one model with free rows.
        expected: what a native library answers for the first data set, and spec.py must too; None: spec.py alone.
        outputs: which outputs the graph has; fewer where nobody says what another one is.
        alone: the model imports ai.onnx.ml and nothing else.
        """
        sets = inputs if isinstance(inputs[0], list) else [inputs]
        answers = [OPERATORS[op](*values, version=version, **attributes)
                   for values in sets]
        answers = [answer if isinstance(answer, tuple) else (answer,) for answer in answers]
        outputs = [i for i in outputs if i < len(answers[0])]
        if expected is not None:
            for i, value in zip(outputs, expected):
                if value is not None:
                    assert same(answers[0][i], value), \
                        f"{name}: spec.py says {answers[0][i]}, the native library {value}"
            answers[0] = tuple(answers[0][i] if i not in outputs or expected[outputs.index(i)] is None
                               else expected[outputs.index(i)] for i in range(len(answers[0])))
        node = helper.make_node(
            op, [f"x{i}" for i in range(len(sets[0]))],
            [f"y{i}" for i in range(len(answers[0]))],
            domain="ai.onnx.ml", **{k: v for k, v in attributes.items() if v is not None})
        free = len(sets) > 1
        graph = helper.make_graph(
            [node], name,
            [helper.make_value_info(f"x{i}", type_of(x, free)) for i, x in enumerate(sets[0])],
            [helper.make_value_info(f"y{i}", type_of(answers[0][i], free)) for i in outputs])
        imports = [] if alone else [helper.make_opsetid("", COMPANION[version])]
        model = helper.make_model(graph, ir_version=10, doc_string=note, opset_imports=[
            *imports, helper.make_opsetid("ai.onnx.ml", version)])
        check(model)
        self.write(f"test_ml_{name}", model, [(values, [answer[i] for i in outputs])
                                             for values, answer in zip(sets, answers)])

    def write(self, name, model, sets):
        """sets: pairs of a list of inputs and a list of outputs, in the order of the graph's."""
        assert name not in self.names, f"two cases {name}"
        self.names.add(name)
        folder = self.directory / name
        shutil.rmtree(folder, ignore_errors=True)
        for number, (inputs, outputs) in enumerate(sets):
            data = folder / f"test_data_set_{number}"
            data.mkdir(parents=True)
            for kind, values, infos in (("input", inputs, model.graph.input),
                                        ("output", outputs, model.graph.output)):
                for i, (value, info) in enumerate(zip(values, infos, strict=True)):
                    (data / f"{kind}_{i}.pb").write_bytes(proto_of(value, info.name).SerializeToString())
        onnx.save(model, folder / "model.onnx")
