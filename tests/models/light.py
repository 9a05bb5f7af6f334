"""The light models of the onnx package with weights to compute with.

As they come all their weights are one number, made by ConstantOfShape, and the answer is the same for every
image. Here each such tensor becomes an initializer with drawn numbers of the size that its use asks for; the
graph stays as it is.
"""

import numpy as np
import onnx
from onnx import helper, numpy_helper

import drawn
import plays

BLOCK = np.random.default_rng(20).standard_normal(1_000_003).astype(np.float32)


def normal(shape, offset):
    """Normal numbers, cut from one block: quick even for the largest models."""
    count = int(np.prod(shape))
    return np.resize(np.roll(BLOCK, -offset), count).reshape(shape)


def weight(use, shape, offset):
    """Numbers for a tensor by what it is used as: (operator, input)."""
    operator, index = use
    noise = normal(shape, offset)
    if operator == "BatchNormalization":
        return {1: 1 + 0.1 * noise, 2: 0.1 * noise, 3: 0.1 * noise, 4: 1 + 0.2 * np.abs(noise)}[index]
    if operator in ("Conv", "Gemm") and index == 1:
        fan_in = int(np.prod(shape[1:]))
        return noise * np.float32(np.sqrt(2 / fan_in))
    if operator == "Mul":
        return 1 + 0.1 * noise
    return 0.1 * noise


def moderate(model):
    """Scales the last layer so that what goes into Softmax is of order one: sums along shortcuts grow, and a
    Softmax of large numbers is 1 for one class whatever the image."""
    import onnxruntime as ort

    ort.set_default_logger_severity(3)
    makers = {name: node for node in model.graph.node for name in node.output}
    softmax = next((node for node in model.graph.node if node.op_type == "Softmax"), None)
    if softmax is None:
        return
    last = makers[softmax.input[0]]
    while last.op_type not in ("Gemm", "Conv"):
        last = makers[last.input[0]]
    answer = onnx.ValueInfoProto()
    answer.CopyFrom(model.graph.output[0])
    model.graph.output[0].CopyFrom(helper.make_tensor_value_info(last.output[0], onnx.TensorProto.FLOAT, None))
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    model.graph.output[0].CopyFrom(answer)
    image = plays.pixels(drawn.scene(224, 224), *plays.IMAGENET)[None]
    scale = np.float32(1.5 / session.run(None, {session.get_inputs()[0].name: image})[0].std())
    for tensor in model.graph.initializer:
        if tensor.name in last.input[1:]:
            tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor) * scale, tensor.name))


def filled(data):
    """The model with drawn weights, serialized."""
    model = onnx.load(str(data["graph"]))
    graph = model.graph
    shapes = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    uses = {}
    for node in graph.node:
        for index, name in enumerate(node.input):
            uses.setdefault(name, (node.op_type, index))
    # A vector that is made a map of one pixel first is used as what the map is used as.
    for node in graph.node:
        if node.op_type == "Unsqueeze" and node.output[0] in uses:
            uses[node.input[0]] = uses[node.output[0]]
    kept = []
    for number, node in enumerate(graph.node):
        if node.op_type != "ConstantOfShape":
            kept.append(node)
            continue
        shape = tuple(int(extent) for extent in shapes[node.input[0]])
        name = node.output[0]
        values = weight(uses.get(name, ("", 0)), shape, 7919 * number % BLOCK.size)
        graph.initializer.add(name=name, dims=shape, data_type=onnx.TensorProto.FLOAT,
                              raw_data=values.astype(np.float32).tobytes())
    for tensor in list(graph.initializer):
        if tensor.name in {node.input[0] for node in graph.node if node.op_type == "ConstantOfShape"}:
            graph.initializer.remove(tensor)
    names = {tensor.name for tensor in graph.initializer}
    inputs = [value for value in graph.input if value.name in names or value.name not in shapes]
    del graph.input[:]
    graph.input.extend(inputs)
    del graph.node[:]
    graph.node.extend(kept)
    model.ir_version = 4  # from which on initializers need not be inputs
    moderate(model)
    return [model.SerializeToString()]
