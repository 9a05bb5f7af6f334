"""Judges a model node by node: each node of it by itself gets what onnxruntime has computed in front of it.

For models that round activations to 8 bits on their way. A sum at the edge between two steps falls to either side by
the order of its terms, everything behind it moves, and some networks, quantized badly, move a lot: then the end says
nothing about the parts. A node's floats have to meet RTOL and ATOL of compare.py, its integers of 32 and 64 bits have to
be the same, and of its 8-bit integers one in a thousand (at least one) may be one step away. A quantized LSTM rounds
within itself: its floats may be a thousandth of the largest away.
"""

import numpy as np

import compare as judge

FEW = 1e-3
LSTM = 1e-3


def parts(source):
    """Every node of the model's graph as a model of its own, with the names of what it needs."""
    import onnx
    from onnx import helper

    model = onnx.load_from_string(source) if isinstance(source, bytes) else onnx.load(str(source))
    weights = {weight.name: weight for weight in model.graph.initializer}
    for node in model.graph.node:
        if any(attribute.type == onnx.AttributeProto.GRAPH for attribute in node.attribute):
            raise judge.Difference(f"{node.name}: a node with a graph inside cannot be judged by itself")
        yield node, [weights[name] for name in dict.fromkeys(node.input) if name in weights], \
            [name for name in dict.fromkeys(node.input) if name and name not in weights], model, helper


def everything(model):
    """The model with all that its nodes make as outputs."""
    import onnx

    whole = onnx.ModelProto()
    whole.CopyFrom(model)
    there = {output.name for output in whole.graph.output}
    whole.graph.output.extend(onnx.ValueInfoProto(name=name) for node in whole.graph.node for name in node.output
                              if name and name not in there)
    return whole.SerializeToString()


def check(tally, node, name, expected, actual):
    where = f"{node.op_type} {node.name}: {name}"
    if expected.dtype in (np.int8, np.uint8) and expected.shape == actual.shape and expected.dtype == actual.dtype:
        away = np.abs(expected.astype(int) - actual.astype(int))
        if away.max(initial=0) <= 1 and away.sum() <= max(1, FEW * away.size):
            tally.elements += away.size
            return
    if node.op_type == "DynamicQuantizeLSTM" and expected.shape == actual.shape:
        if np.abs(expected - actual).max(initial=0) <= LSTM * np.abs(expected).max(initial=0):
            tally.elements += expected.size
            return
    tally.arrays(expected, actual, where)


def compare(model, data, sources, quick):
    """The tally; raises Difference."""
    import onnx

    import libinfer
    import run as runner

    tally = judge.Tally()
    for source in sources:
        loaded = onnx.load_from_string(source) if isinstance(source, bytes) else onnx.load(str(source))
        ask = runner.onnxruntime_runner(everything(loaded), False)
        asked = []
        weights = {weight.name for weight in loaded.graph.initializer}
        lone = next(value.name for value in loaded.graph.input if value.name not in weights)

        def remember(feeds, ask=ask, asked=asked, lone=lone, loaded=loaded):
            feeds = {lone if name is None else name: value for name, value in feeds.items()}
            found = ask(feeds)
            asked.append({**feeds, **found})
            return {output.name: found[output.name] for output in loaded.graph.output}

        if len(sources) > 1:
            raise judge.Difference("several models at work together cannot be judged node by node")
        runner.answers(model, data, [remember], quick)
        for values in asked:
            for node, weights, needs, whole, helper in parts(source):
                if node.op_type in ("RandomNormal", "RandomUniform") or not all(name in values for name in needs):
                    continue
                ports = [helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(values[name].dtype),
                                                       [None] * values[name].ndim) for name in needs]
                outputs = [onnx.ValueInfoProto(name=name) for name in node.output if name]
                graph = helper.make_graph([node], "part", ports, outputs, weights)
                part = helper.make_model(graph, opset_imports=whole.opset_import, ir_version=whole.ir_version)
                answer = libinfer.load(part.SerializeToString()).run({name: values[name] for name in needs}, numpy=True)
                for name, actual in answer.items():
                    check(tally, node, name, np.asarray(values[name]), np.asarray(actual))
        tally.stepped += len(asked)
    return tally
