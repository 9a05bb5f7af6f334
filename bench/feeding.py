"""The inputs of a contest: recorded, varied, written for bench/programs/contest_feeds.c; and what a run multiplies."""

import struct
from collections import Counter

import numpy as np
import onnx

LEAST = 8  # different inputs at least
QUANTIZED = {"ConvInteger", "MatMulInteger", "QLinearConv", "QLinearMatMul", "DynamicQuantizeMatMul", "DynamicQuantizeLSTM",
             "MatMulIntegerToFloat", "QGemm"}
NESTED = {"If", "Loop", "Scan"}


def session(source, **options):
    import onnxruntime as ort

    settings = ort.SessionOptions()
    settings.log_severity_level = 4
    for name, value in options.items():
        setattr(settings, name, value)
    return ort.InferenceSession(source if isinstance(source, bytes) else str(source), settings,
                                providers=["CPUExecutionProvider"])


def recorded(model, sources, data, place):
    """What the play of a real model feeds its model number `place`."""
    found = []

    def runner(number):
        peer = session(sources[number])
        lone, names = peer.get_inputs()[0].name, [value.name for value in peer.get_outputs()]

        def run(feeds):
            feeds = {lone if name is None else name: np.asarray(value, order="C") for name, value in feeds.items()}
            if number == place:
                found.append(feeds)
            return dict(zip(names, peer.run(names, feeds)))

        return run

    for _ in model.play([runner(number) for number in range(len(sources))], data, False):
        pass
    return found


def signature(feeds):
    return tuple((name, value.shape) for name, value in feeds.items())


def leading(feeds):
    """The extent that comes first in all inputs, or None."""
    extents = {value.shape[0] if value.ndim else None for value in feeds.values()}
    return extents.pop() if len(extents) == 1 else None


def batches(found, path):
    """{batch: feeds of one shape}: those of one row that came most often, others taken apart where there are none and the
    model takes what is left, and eight together where every input has the rows first."""
    single = [feeds for feeds in found if leading(feeds) == 1 or 1 in {value.shape[0] for value in feeds.values() if value.ndim}]
    if not single:
        apart = [{name: value[i:i + 1] for name, value in feeds.items()}
                 for feeds in found if leading(feeds) for i in range(leading(feeds))]
        single = apart if apart and accepted(path, apart[0], 1) else found
    most = Counter(map(signature, single)).most_common(1)[0][0]
    single = [feeds for feeds in single if signature(feeds) == most]
    random = np.random.default_rng(5)
    while len(single) < LEAST:  # the same with a little noise in what is a float
        single.append({name: (value + 0.02 * value.std() * random.standard_normal(value.shape)).astype(value.dtype)
                       if value.dtype.kind == "f" else value for name, value in single[len(single) % 3 % len(single)].items()})
    result = {1: single}
    if leading(single[0]) == 1:
        groups = [[single[(i + j) % len(single)] for j in range(8)] for i in range(0, min(len(single), 64), 2)]
        result[8] = [{name: np.concatenate([feeds[name] for feeds in group]) for name in single[0]} for group in groups]
    return result


def accepted(path, feeds, rows):
    """Whether ONNX Runtime computes it, with as many rows as went in."""
    try:
        answers = session(path).run(None, feeds)
    except Exception:  # whatever it says, the model is made for another batch
        return False
    return getattr(answers[0], "shape", (0,))[:1] == (rows,)


def write(path, all_feeds):
    parts = [struct.pack("<Q", len(all_feeds))]
    for feeds in all_feeds:
        parts.append(struct.pack("<Q", len(feeds)))
        for name, value in feeds.items():
            kind = onnx.helper.np_dtype_to_tensor_dtype(value.dtype)
            raw = name.encode()
            parts += [struct.pack("<Q", len(raw)), raw, struct.pack(f"<{2 + value.ndim}Q", kind, value.ndim, *value.shape),
                      value.tobytes()]
    path.write_bytes(b"".join(parts))


def weights(path):
    """Bytes of the tensors of a model."""
    graph = onnx.load(str(path)).graph
    return sum(tensor.ByteSize() for tensor in graph.initializer)


def product(values):
    return int(np.prod(values, dtype=np.int64))


def macs(path, feeds):
    """Multiply-adds in float of one run, from the shapes that ONNX Runtime finds; None where it is not float, or not all
    in the open."""
    model = onnx.load(str(path))
    graph = model.graph
    kinds = {node.op_type for node in graph.node}
    if kinds & (QUANTIZED | NESTED):
        return None
    nodes = [node for node in graph.node if node.op_type in ("Conv", "ConvTranspose", "Gemm", "MatMul", "LSTM", "GRU", "RNN")]
    known = {tensor.name: tuple(tensor.dims) for tensor in graph.initializer}
    wanted = {name for node in nodes for name in [*node.input, *node.output] if name} - set(known) - set(feeds)
    del graph.output[:]
    graph.output.extend(onnx.ValueInfoProto(name=name) for name in sorted(wanted))
    if not nodes:
        return None
    try:
        values = session(model.SerializeToString()).run(sorted(wanted), feeds)
    except Exception:  # a share of the machine is an extra
        return None
    known.update({name: value.shape for name, value in feeds.items()}, **dict(zip(sorted(wanted), (v.shape for v in values))))
    total = 0
    for node in nodes:
        shapes = [known.get(name) for name in node.input]
        out = known.get(node.output[0])
        attributes = {attribute.name: onnx.helper.get_attribute_value(attribute) for attribute in node.attribute}
        if node.op_type == "Conv":
            total += product(out) * product(shapes[1][1:])
        elif node.op_type == "ConvTranspose":
            total += product(shapes[0]) * product(shapes[1][1:])
        elif node.op_type == "Gemm":
            total += product(out) * shapes[0][0 if attributes.get("transA") else 1]
        elif node.op_type == "MatMul":
            total += product(out) * shapes[0][-1]
        else:
            total += product(shapes[0][:2]) * (product(shapes[1]) + product(shapes[2]))
    return total
