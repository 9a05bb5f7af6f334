"""all-MiniLM-L6-v2 in float: the weights of a safetensors file in a graph as torch.onnx writes one.

At opset 14 layer normalization is spelled out (ReduceMean, Sub, Pow, ...), at 17 it is one node. GELU is spelled
with Erf, attention with MatMul, Softmax and reshapes by Shape, Gather, Unsqueeze and Concat.
"""

import json
import struct

import numpy as np
from onnx import TensorProto, helper, numpy_helper

HIDDEN, HEADS, LAYERS, EPSILON = 384, 12, 6, 1e-12
DTYPES = {"F32": np.float32, "I64": np.int64, "F16": np.float16}


def read_safetensors(path):
    """Name -> array: eight bytes with the size of a JSON header, the header, the data."""
    data = path.read_bytes()
    size, = struct.unpack("<Q", data[:8])
    tensors = {}
    for name, entry in json.loads(data[8:8 + size]).items():
        if name == "__metadata__":
            continue
        begin, end = (8 + size + offset for offset in entry["data_offsets"])
        tensors[name] = np.frombuffer(data[begin:end], DTYPES[entry["dtype"]]).reshape(entry["shape"])
    return tensors


class Writer:
    """Nodes with names as an exporter gives them, constants as Constant nodes, weights as initializers."""

    def __init__(self, weights, opset):
        self.weights, self.opset = weights, opset
        self.nodes, self.initializers, self.count = [], {}, 0

    def node(self, operator, inputs, scope, outputs=1, **attributes):
        self.count += 1
        names = [f"{scope}/{operator}_{self.count}_output_{i}" for i in range(outputs)]
        self.nodes.append(helper.make_node(operator, inputs, names, f"{scope}/{operator}_{self.count}",
                                           **attributes))
        return names[0]

    def constant(self, value, scope):
        array = np.asarray(value)
        array = array.astype(np.float32) if array.dtype.kind == "f" else array.astype(np.int64)
        return self.node("Constant", [], scope, value=numpy_helper.from_array(array))

    def weight(self, name, transpose=False):
        """An initializer; matrices of MatMul are stored transposed under a name of the exporter's kind."""
        stored = f"onnx::MatMul_{name}" if transpose else name
        if stored not in self.initializers:
            array = self.weights[name].T if transpose else self.weights[name]
            self.initializers[stored] = numpy_helper.from_array(np.ascontiguousarray(array), stored)
        return stored

    def linear(self, x, name, scope):
        product = self.node("MatMul", [x, self.weight(f"{name}.weight", transpose=True)], scope)
        return self.node("Add", [self.weight(f"{name}.bias"), product], scope)

    def layer_norm(self, x, name, scope):
        scale, bias = self.weight(f"{name}.weight"), self.weight(f"{name}.bias")
        if self.opset >= 17:
            return self.node("LayerNormalization", [x, scale, bias], scope, axis=-1, epsilon=EPSILON)
        mean = self.node("ReduceMean", [x], scope, axes=[-1])
        centred = self.node("Sub", [x, mean], scope)
        square = self.node("Pow", [centred, self.constant(2.0, scope)], scope)
        variance = self.node("ReduceMean", [square], scope, axes=[-1])
        shifted = self.node("Add", [variance, self.constant(EPSILON, scope)], scope)
        unit = self.node("Div", [centred, self.node("Sqrt", [shifted], scope)], scope)
        return self.node("Add", [self.node("Mul", [unit, scale], scope), bias], scope)

    def gelu(self, x, scope):
        scaled = self.node("Div", [x, self.constant(float(np.sqrt(2.0)), scope)], scope)
        erf = self.node("Add", [self.node("Erf", [scaled], scope), self.constant(1.0, scope)], scope)
        return self.node("Mul", [self.node("Mul", [x, erf], scope), self.constant(0.5, scope)], scope)

    def extent(self, x, axis, scope):
        shape = self.node("Shape", [x], scope)
        extent = self.node("Gather", [shape, self.constant(axis, scope)], scope, axis=0)
        return self.node("Unsqueeze", [extent, self.constant([0], scope)], scope)

    def reshape(self, x, tail, scope):
        """[batch, sequence, ...tail] of a tensor."""
        parts = [self.extent(x, 0, scope), self.extent(x, 1, scope)]
        parts += [self.constant([extent], scope) for extent in tail]
        return self.node("Reshape", [x, self.node("Concat", parts, scope, axis=0)], scope)

    def heads(self, x, scope, perm):
        split = self.reshape(x, [HEADS, HIDDEN // HEADS], scope)
        return self.node("Transpose", [split], scope, perm=perm)

    def layer(self, x, mask, number):
        weights, scope = f"encoder.layer.{number}", f"/encoder/layer.{number}"
        attention = f"{weights}.attention.self"
        query = self.heads(self.linear(x, f"{attention}.query", scope), scope, [0, 2, 1, 3])
        value = self.heads(self.linear(x, f"{attention}.value", scope), scope, [0, 2, 1, 3])
        key = self.heads(self.linear(x, f"{attention}.key", scope), scope, [0, 2, 3, 1])
        scores = self.node("MatMul", [query, key], scope)
        scores = self.node("Div", [scores, self.constant(float(np.sqrt(HIDDEN // HEADS)), scope)], scope)
        scores = self.node("Softmax", [self.node("Add", [scores, mask], scope)], scope, axis=-1)
        context = self.node("MatMul", [scores, value], scope)
        context = self.node("Transpose", [context], scope, perm=[0, 2, 1, 3])
        context = self.reshape(context, [HIDDEN], scope)
        dense = self.linear(context, f"{weights}.attention.output.dense", scope)
        x = self.layer_norm(self.node("Add", [dense, x], scope), f"{weights}.attention.output.LayerNorm", scope)
        inner = self.gelu(self.linear(x, f"{weights}.intermediate.dense", scope), scope)
        dense = self.linear(inner, f"{weights}.output.dense", scope)
        return self.layer_norm(self.node("Add", [dense, x], scope), f"{weights}.output.LayerNorm", scope)

    def embeddings(self):
        scope, prefix = "/embeddings", "embeddings"
        words = self.node("Gather", [self.weight(f"{prefix}.word_embeddings.weight"), "input_ids"], scope)
        types = self.node("Gather", [self.weight(f"{prefix}.token_type_embeddings.weight"),
                                     "token_type_ids"], scope)
        both = self.node("Add", [words, types], scope)
        positions = self.node("Slice", [self.weight(f"{prefix}.position_ids"), self.constant([0], scope),
                                        self.extent("input_ids", 1, scope), self.constant([1], scope),
                                        self.constant([1], scope)], scope)
        places = self.node("Gather", [self.weight(f"{prefix}.position_embeddings.weight"), positions], scope)
        return self.layer_norm(self.node("Add", [both, places], scope), f"{prefix}.LayerNorm", scope)

    def attention_mask(self):
        """0 where a token is, the lowest float where padding is."""
        scope = ""
        mask = self.node("Unsqueeze", ["attention_mask", self.constant([1], scope)], scope)
        mask = self.node("Unsqueeze", [mask, self.constant([2], scope)], scope)
        mask = self.node("Cast", [mask], scope, to=TensorProto.FLOAT)
        mask = self.node("Sub", [self.constant(1.0, scope), mask], scope)
        return self.node("Mul", [mask, self.constant(float(np.finfo(np.float32).min), scope)], scope)

    def model(self):
        mask = self.attention_mask()
        x = self.embeddings()
        for number in range(LAYERS):
            x = self.layer(x, mask, number)
        self.nodes[-1].output[0] = "last_hidden_state"
        feeds = [helper.make_tensor_value_info(name, TensorProto.INT64, ["batch_size", "sequence_length"])
                 for name in ("input_ids", "attention_mask", "token_type_ids")]
        answer = helper.make_tensor_value_info("last_hidden_state", TensorProto.FLOAT,
                                               ["batch_size", "sequence_length", HIDDEN])
        graph = helper.make_graph(self.nodes, "main_graph", feeds, [answer], list(self.initializers.values()))
        return helper.make_model(graph, producer_name="pytorch", ir_version=8,
                                 opset_imports=[helper.make_opsetid("", self.opset)])


def write(data, opset):
    return [Writer(read_safetensors(data["weights"]), opset).model().SerializeToString()]


def opset14(data):
    return write(data, 14)


def opset17(data):
    return write(data, 17)
