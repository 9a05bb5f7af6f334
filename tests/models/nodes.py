"""Judges a model node by node: each node of it by itself gets what onnxruntime has computed in front of it.

For models that round activations to 8 bits on their way. A sum at the edge between two steps falls to either side by
the order of its terms, everything behind it moves, and some networks, quantized badly, move a lot: then the end says
nothing about the parts. A node's floats have to meet RTOL and ATOL of compare.py, its integers of 32 and 64 bits have to
be the same, and of its 8-bit integers one in a thousand (at least one) may be one step away. A quantized LSTM rounds
within itself: its floats may be a thousandth of the largest away.

What a QuantizeLinear makes of an operator between dequantized values is judged as one step, too, as is a product of
dequantized values: libinfer computes these with the integers.
"""

import numpy as np

import compare as judge

FEW = 1e-3
LSTM = 1e-3


# What onnxruntime makes precise, where the processor's sums of products of bytes saturate, by optimization alone.
SATURATING = ("DynamicQuantizeLSTM", "DynamicQuantizeMatMul", "MatMulInteger")
PRODUCTS = ("Conv", "MatMul", "Gemm")
BOUNDS = ("Relu", "Clip")


def loaded_model(source):
    import onnx

    return onnx.load_from_string(source) if isinstance(source, bytes) else onnx.load(str(source))


def groups(graph):
    """Lists of nodes that make one step between integers: DequantizeLinear, an operator, QuantizeLinear."""
    makers = {name: node for node in graph.node for name in node.output if name}

    def made_by(name, *ops):
        node = makers.get(name)
        return node if node and (not ops or node.op_type in ops) else None

    def reals(node):
        return [maker for maker in (made_by(name, "DequantizeLinear") for name in node.input) if maker]

    def functions(node):
        """What makes the operands that are functions of another value, as the Sigmoid of x * Sigmoid(x) is."""
        found = []
        for real in reals(node):
            quantize = made_by(real.input[0], "QuantizeLinear")
            function = quantize and made_by(quantize.input[0])
            if function and len(function.input) == 1 and reals(function):
                found += [*reals(function), function, quantize]
        return found

    for node in graph.node:
        steps, last = [], None
        if node.op_type == "QuantizeLinear":
            last, step = node, made_by(node.input[0])
            if step and step.op_type in BOUNDS and not reals(step):
                steps, step = [step], made_by(step.input[0])
        elif node.op_type in PRODUCTS:
            step = node
        else:
            continue
        if not step or not reals(step):
            continue
        group = [*reals(step), step, *steps, *([last] if last else [])]
        yield step, group
        if last and functions(step):
            yield step, [*functions(step), *group]


def parts(source):
    """Every step of the model's graph as a model of its own: a node for messages, nodes, the names of what they need,
    the names that are judged."""
    import onnx

    model = loaded_model(source)
    for node in model.graph.node:
        if any(attribute.type == onnx.AttributeProto.GRAPH for attribute in node.attribute):
            raise judge.Difference(f"{node.name}: a node with a graph inside cannot be judged by itself")
    for node, nodes in [*((node, [node]) for node in model.graph.node), *groups(model.graph)]:
        unique = [each for i, each in enumerate(nodes) if each not in nodes[:i]]
        there = {name for each in unique for name in each.output}
        yield node, unique, [name for name in dict.fromkeys(name for each in unique for name in each.input)
                             if name and name not in there], [name for name in unique[-1].output if name]


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
    from onnx import helper

    import libinfer
    import run as runner

    tally = judge.Tally()
    for source in sources:
        loaded = loaded_model(source)
        optimized = any(node.op_type in SATURATING for node in loaded.graph.node)
        ask = runner.onnxruntime_runner(everything(loaded), optimized)
        asked = []
        weights = {weight.name: weight for weight in loaded.graph.initializer}
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
            for node, nodes, needs, gives in parts(source):
                fed = [name for name in needs if name not in weights]
                if node.op_type in ("RandomNormal", "RandomUniform") or not all(name in values for name in fed):
                    continue
                ports = [helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(values[name].dtype),
                                                       [None] * values[name].ndim) for name in fed]
                outputs = [onnx.ValueInfoProto(name=name) for name in gives]
                graph = helper.make_graph(nodes, "part", ports, outputs,
                                          [weights[name] for name in needs if name in weights])
                part = helper.make_model(graph, opset_imports=loaded.opset_import, ir_version=loaded.ir_version)
                answer = libinfer.load(part.SerializeToString()).run({name: values[name] for name in fed}, numpy=True)
                for name, actual in answer.items():
                    check(tally, node, name, np.asarray(values[name]), np.asarray(actual))
        tally.stepped += len(asked)
    return tally
