"""Neural-network operators against onnxruntime: odd shapes, attributes and versions that ONNX's data leaves out."""

import itertools

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import helper
from onnx.reference import ReferenceEvaluator

import libinfer

random = np.random.default_rng(5)
TOLERANCE = {np.float32: (1e-5, 1e-5), np.float64: (1e-11, 1e-12), np.float16: (2e-3, 2e-3)}


def data(*shape, dtype=np.float32):
    if np.issubdtype(dtype, np.integer):
        limits = np.iinfo(dtype)
        return random.integers(limits.min, limits.max, shape, endpoint=True).astype(dtype)
    return random.normal(size=shape).astype(dtype)


def build(op, version, inputs, outputs=1, constant=False, **attributes):
    names = [f"i{i}" if v is not None else "" for i, v in enumerate(inputs)]
    while not names[-1]:
        names.pop()
    given = {n: np.asarray(v) for n, v in zip(names, inputs) if n}
    node = helper.make_node(op, names, [f"o{i}" for i in range(outputs)], **attributes)
    ports = [helper.make_tensor_value_info(n, helper.np_dtype_to_tensor_dtype(v.dtype), v.shape)
             for n, v in given.items() if not constant or n == "i0"]
    weights = [onnx.numpy_helper.from_array(v, n) for n, v in given.items() if constant and n != "i0"]
    graph = helper.make_graph([node], "g", ports, [onnx.ValueInfoProto(name=o) for o in node.output], weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", version)], ir_version=10)
    return model.SerializeToString(), {p.name: given[p.name] for p in ports}


def run(model, feeds):
    with libinfer.load(model) as ours:
        return list(ours.run(feeds).values())


def onnxruntime_runs(model, feeds):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    return session.run(None, feeds)


def close(got, expected):
    for a, b in zip(got, expected, strict=True):
        assert np.shape(a) == np.shape(b)
        rtol, atol = TOLERANCE.get(b.dtype.type, (0, 0))
        np.testing.assert_allclose(a, b, rtol=rtol, atol=atol)


def compare(op, version, inputs, **options):
    model, feeds = build(op, version, inputs, **options)
    close(run(model, feeds), onnxruntime_runs(model, feeds))


def reference_runs(model, feeds):
    return ReferenceEvaluator(model).run(None, feeds)


def compare_reference(op, version, inputs, **options):
    model, feeds = build(op, version, inputs, **options)
    close(run(model, feeds), reference_runs(onnx.load_from_string(model), feeds))


def within_one(model, feeds):
    """Integers that onnxruntime rounds from numbers scaled in another order."""
    for got, expected in zip(run(model, feeds), onnxruntime_runs(model, feeds), strict=True):
        assert got.shape == expected.shape and got.dtype == expected.dtype
        off = np.abs(got.astype(np.int64) - expected)
        assert off.max() <= 1 and (off != 0).mean() < 0.02


def weights(*shape, dtype):
    """Where the processor has no instruction for products of bytes, onnxruntime's sums of two of them saturate at 16
    bits: int8 of the whole range is judged by the reference."""
    return data(*shape, dtype=dtype) // (2 if dtype == np.int8 else 1)


def table(**cases):
    """One test for each line of keyword lists; every value that is a list is a choice."""
    names = list(cases)
    return pytest.mark.parametrize("case", [dict(zip(names, values)) for values in
                                            itertools.product(*cases.values())], ids=str)


# ---- convolutions ----

PADDING = [{}, {"auto_pad": "SAME_UPPER"}, {"auto_pad": "SAME_LOWER"}, {"auto_pad": "VALID"}, {"pads": (1, 2)}]


def spatial(padding, rank):
    return {**padding, "pads": [1] * rank + [2] * rank} if "pads" in padding else padding


@table(rank=[1, 2, 3], padding=PADDING, stride=[1, 2], dilation=[1, 2], groups=[(1, 3, 5), (2, 4, 6), (4, 4, 8)])
def test_conv(case):
    rank, (group, channels, outputs) = case["rank"], case["groups"]
    same = case["padding"].get("auto_pad", "").startswith("SAME")
    dilation = 1 if same else case["dilation"]  # onnxruntime has no such padding for dilated windows
    x, w = data(2, channels, *(9, 8, 7)[:rank]), data(outputs, channels // group, *(3, 2, 3)[:rank])
    compare("Conv", 11, [x, w, data(outputs)], group=group, strides=[case["stride"]] * rank,
            dilations=[dilation] * rank, **spatial(case["padding"], rank))


@pytest.mark.parametrize("channels, outputs, size", [(64, 48, 20), (3, 16, 33), (200, 17, 14), (520, 40, 15)])
@pytest.mark.parametrize("kernel", [1, 3])
def test_conv_in_blocks(channels, outputs, size, kernel):
    x, w = data(1, channels, size, size), data(outputs, channels, kernel, kernel) / np.float32(channels)
    compare("Conv", 11, [x, w], pads=[kernel // 2] * 4)


@table(rank=[1, 2, 3], padding=PADDING, stride=[1, 3], add=[0, 1], group=[1, 2], dilation=[1, 2])
def test_conv_transpose(case):
    rank, group = case["rank"], case["group"]
    add = min(case["add"], case["stride"] - 1)
    x, w = data(2, 4, *(4, 5, 3)[:rank]), data(4, 3, *(3, 3, 4)[:rank])
    compare("ConvTranspose", 11, [x, w, data(3 * group)], group=group, strides=[case["stride"]] * rank,
            output_padding=[add] * rank, dilations=[case["dilation"]] * rank,
            **spatial(case["padding"], rank))


@pytest.mark.parametrize("shape", [(10, 9), (12, 13), (7, 8)])
@pytest.mark.parametrize("auto_pad", ["NOTSET", "SAME_UPPER", "SAME_LOWER"])
def test_conv_transpose_output_shape(shape, auto_pad):
    compare("ConvTranspose", 11, [data(1, 2, 4, 4), data(2, 3, 3, 3)], strides=[3, 3], output_shape=shape,
            auto_pad=auto_pad)


@table(rank=[1, 2, 3], group=[1, 4], stride=[1, 2, 3, 5], dilation=[1, 2], kernel=[1, 3], w=[np.uint8, np.int8])
def test_quantized_conv_strides(case):
    rank, group, w_type = case["rank"], case["group"], case["w"]
    x = data(2, 4, *(9, 40, 4)[:rank], dtype=np.uint8)
    w = weights(8, 4 // group, *[case["kernel"]] * rank, dtype=w_type)
    reach = case["dilation"] * (case["kernel"] - 1)
    options = {"group": group, "constant": True, "strides": [case["stride"]] * rank,
               "dilations": [case["dilation"]] * rank, "pads": [reach] * rank + [reach // 2] * rank}
    zero = data(dtype=w_type) if w_type == np.uint8 else np.int8(0)
    compare("ConvInteger", 10, [x, w, data(dtype=np.uint8), zero], **options)


@table(group=[1, 2], x=[np.uint8], w=[np.uint8, np.int8], per_channel=[False, True], padding=PADDING)
def test_quantized_conv(case):
    x, w = data(2, 4, 7, 6, dtype=case["x"]), weights(6, 4 // case["group"], 3, 3, dtype=case["w"])
    zero = data(6, dtype=case["w"]) if case["per_channel"] and case["w"] == np.int8 else data(dtype=case["w"])
    if zero.shape:
        zero[:] = zero[0]  # onnxruntime wants one zero point for all channels
    options = {"group": case["group"], "constant": True, **spatial(case["padding"], 2)}
    compare("ConvInteger", 10, [x, w, data(dtype=case["x"]), zero.reshape(-1)[0]], **options)
    scale = np.abs(data(*zero.shape)) * np.float32(0.01)
    within_one(*build("QLinearConv", 10, [
        x, np.array(0.02, np.float32), data(dtype=case["x"]), w, scale, zero, np.array(0.05, np.float32),
        data(dtype=case["x"]), data(6, dtype=np.int8).astype(np.int32)], **options))


@table(channels=[2, 3, 70], outputs=[5, 150], kernel=[1, 3], stride=[1, 2, 3], constant=[False, True])
def test_quantized_conv_sizes(case):
    """Whole and partial groups of channels, several blocks of columns, products large enough for tiles."""
    channels, outputs, kernel = case["channels"], case["outputs"], case["kernel"]
    x = data(2, channels, 40, 37, dtype=np.uint8)
    w = weights(outputs, channels, kernel, kernel, dtype=np.int8)
    model, feeds = build("ConvInteger", 10, [x, w, data(dtype=np.uint8), np.int8(0)], constant=case["constant"],
                         strides=[case["stride"], 1 + kernel // 2], pads=[kernel // 2, 0, kernel // 2, kernel // 2])
    expected = onnxruntime_runs(model, feeds)
    close(run(model, feeds), expected)
    for options in ({"threads": 3}, {"cpu": ["scalar"]}, {"cpu": ["avx2"]}):
        with libinfer.load(model, **options) as ours:
            close(ours.run(feeds).values(), expected)


@table(group=[1, 2], offset_group=[1, 2], mask=[False, True], dtype=[np.float32, np.float64])
def test_deform_conv(case):
    dtype, sets = case["dtype"], case["offset_group"]
    x, w = data(2, 4, 7, 6, dtype=dtype), data(6, 4 // case["group"], 3, 2, dtype=dtype)
    offset, mask = data(2, sets * 12, 4, 4, dtype=dtype), data(2, sets * 6, 4, 4, dtype=dtype)
    compare("DeformConv", 19, [x, w, offset, data(6, dtype=dtype), mask if case["mask"] else None],
            group=case["group"], offset_group=sets, strides=[2, 2], pads=[1, 1, 1, 2])


@pytest.mark.parametrize("dtype", [np.float16, np.float64])
def test_conv_of_other_types(dtype):
    x, w, b = data(1, 4, 9, 9), data(4, 2, 3, 3), data(4)
    for op, attributes in [("Conv", {"group": 2}), ("ConvTranspose", {})]:
        single, feeds = build(op, 11, [x, w, b[:2] if op != "Conv" else b], **attributes)
        other, typed = build(op, 11, [v.astype(dtype) for v in feeds.values()], **attributes)
        np.testing.assert_allclose(run(other, typed)[0].astype(np.float64), run(single, feeds)[0],
                                   rtol=1e-2, atol=2e-2 if dtype == np.float16 else 1e-5)


# ---- pools ----

POOLS = {
    "MaxPool": [(12, {}), (12, {"dilations": 2}), (12, {"storage_order": 1, "outputs": 2}), (8, {"outputs": 2}), (1, {})],
    "AveragePool": [(11, {}), (11, {"count_include_pad": 1}), (19, {"count_include_pad": 1, "dilations": 2}), (7, {})],
    "LpPool": [(11, {"p": 1}), (18, {"p": 3}), (2, {})],
}


@table(rank=[1, 2, 3], op=list(POOLS), padding=PADDING, stride=[1, 2, 3], ceil=[0, 1])
def test_pool(case):
    rank, padding = case["rank"], spatial(case["padding"], case["rank"])
    for version, more in POOLS[case["op"]]:
        attributes = {"kernel_shape": (3, 3, 3)[:rank], "strides": [case["stride"]] * rank, **padding, **more}
        if version >= 10 and case["op"] != "LpPool":
            attributes["ceil_mode"] = case["ceil"]
        if "dilations" in more:
            if "auto_pad" in padding:
                continue  # which onnxruntime computes without dilation
            attributes["dilations"] = [2] * rank
        compare(case["op"], version, [data(2, 3, *(9, 8, 7)[:rank])], **attributes)


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.float64])
@pytest.mark.parametrize("outputs", [1, 2])
def test_max_pool_of_other_types(dtype, outputs):
    compare("MaxPool", 12, [data(1, 3, 9, 8, dtype=dtype)], kernel_shape=[3, 2], pads=[1, 0, 1, 1], outputs=outputs)


@pytest.mark.parametrize("op, version, attributes", [
    ("GlobalAveragePool", 1, {}), ("GlobalMaxPool", 1, {}), ("GlobalLpPool", 2, {"p": 3})])
@pytest.mark.parametrize("shape", [(2, 3, 5), (1, 3, 17, 19), (2, 1, 3, 4, 5)])
def test_global_pool(op, version, attributes, shape):
    compare(op, version, [data(*shape)], **attributes)


def test_max_unpool():
    values, index = onnxruntime_runs(*build("MaxPool", 11, [data(1, 2, 7, 9)], outputs=2, kernel_shape=[3, 3],
                                            strides=[2, 2], pads=[1, 1, 1, 1]))
    compare("MaxUnpool", 11, [values, index], kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
    model, feeds = build("MaxUnpool", 11, [values, index + 1000], kernel_shape=[3, 3], strides=[2, 2])
    with pytest.raises(libinfer.InferError, match="index"):
        run(model, feeds)


ROIS = np.array([[0, 0, 8, 6], [2, 1, 30, 40], [-4, -3, 3, 3], [5, 5, 4, 4], [11, 9, 60, 70]], np.float32)


@table(mode=["avg", "max"], ratio=[0, 1, 3], version=[(10, {}), (16, {}),
       (16, {"coordinate_transformation_mode": "output_half_pixel"})], scale=[1.0, 0.25])
def test_roi_align(case):
    version, attributes = case["version"]
    compare("RoiAlign", version, [data(2, 3, 10, 12), ROIS, np.array([0, 1, 1, 0, 1])], mode=case["mode"],
            sampling_ratio=case["ratio"], spatial_scale=case["scale"], output_height=3, output_width=2, **attributes)


@pytest.mark.parametrize("scale", [1.0, 0.3])
def test_max_roi_pool(scale):
    rois = np.concatenate([np.array([[0], [1], [1], [0], [1]], np.float32), ROIS], axis=1)
    compare("MaxRoiPool", 1, [data(2, 3, 10, 12), rois], pooled_shape=[3, 2], spatial_scale=scale)


@pytest.mark.parametrize("op, attributes", [("GlobalLpPool", {}), ("LpPool", {"kernel_shape": [2, 3]})])
def test_p_was_a_float_in_version_1(op, attributes):
    x = data(1, 2, 5, 6)
    old, feeds = build(op, 1, [x], p=3.0, **attributes)
    close(run(old, feeds), onnxruntime_runs(*build(op, 2, [x], p=3, **attributes)))


# ---- normalizations ----


def positive(*shape, dtype=np.float32):
    return np.abs(data(*shape, dtype=dtype)) + dtype(0.1)


@pytest.mark.parametrize("shape", [(2, 3), (2, 3, 5), (1, 3, 4, 5), (2, 3, 2, 3, 4)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_batch_normalization(shape, dtype):
    inputs = [data(*shape, dtype=dtype), *(data(3, dtype=dtype) for _ in range(3)), positive(3, dtype=dtype)]
    compare("BatchNormalization", 9, inputs, epsilon=1e-3)
    compare("BatchNormalization", 15, inputs)
    if dtype == np.float32:
        compare("BatchNormalization", 14, inputs, training_mode=1, outputs=3, momentum=0.7)


def test_batch_normalization_of_each_element():
    x, *rest = data(4, 3, 2, 5), data(3, 2, 5), data(3, 2, 5), data(3, 2, 5), positive(3, 2, 5)
    compare("BatchNormalization", 7, [x, *rest], spatial=0)


@pytest.mark.parametrize("shape", [(2, 4, 5), (1, 4, 4, 5), (2, 4, 2, 3, 4)])
def test_groups_are_normalized(shape):
    compare("InstanceNormalization", 6, [data(*shape), data(4), data(4)], epsilon=1e-2)
    compare("GroupNormalization", 18, [data(*shape), data(2), data(2)], num_groups=2)
    compare("GroupNormalization", 21, [data(*shape), data(4), data(4)], num_groups=2, epsilon=1e-2)


@table(shape=[(2, 3, 4)], axis=[-1, 0, 1, 2], bias=[False, True], outputs=[1, 3], dtype=[np.float32, np.float64])
def test_layer_normalization(case):
    shape, dtype = case["shape"], case["dtype"]
    parameters = [data(*shape[case["axis"]:], dtype=dtype) for _ in range(2)]
    inputs = [data(*shape, dtype=dtype), parameters[0], parameters[1] if case["bias"] else None]
    outputs = case["outputs"] if dtype == np.float32 else 1
    compare("LayerNormalization", 17, inputs, axis=case["axis"], outputs=outputs)


@pytest.mark.parametrize("dims", [(1,), (4,), (3, 1), (2, 1, 4), (2, 3, 1)])
def test_layer_normalization_broadcasts(dims):
    x, scale = data(2, 3, 4), data(*dims)
    model, feeds = build("LayerNormalization", 17, [x, scale], axis=1)
    mean, deviation = x.mean((1, 2), keepdims=True), np.sqrt(x.var((1, 2), keepdims=True) + 1e-5)
    close(run(model, feeds), [((x - mean) / deviation * scale).astype(np.float32)])


@table(axis=[-1, 0, 1], p=[1, 2], shape=[(3, 4), (2, 3, 17)])
def test_lp_normalization(case):
    compare("LpNormalization", 1, [data(*case["shape"])], axis=case["axis"], p=case["p"])


@pytest.mark.parametrize("axes", [None, [1, 3], [0, 1, 2, 3], [3], [0, 2]])
def test_mean_variance_normalization(axes):
    compare("MeanVarianceNormalization", 9, [data(2, 3, 4, 5)], **({"axes": axes} if axes else {}))


@table(size=[1, 3, 5, 11], shape=[(2, 7, 3, 1), (1, 9, 4, 5)], beta=[0.75, 0.5])
def test_lrn(case):
    compare("LRN", 13, [data(*case["shape"])], size=case["size"], alpha=0.5, beta=case["beta"], bias=2.0)


# ---- recurrent cells ----

CELLS = {"RNN": (1, 1, 2), "GRU": (3, 2, 2), "LSTM": (4, 3, 3)}  # gates, functions, outputs
ACTIVATIONS = ["Affine", "Relu", "LeakyRelu", "ThresholdedRelu", "ScaledTanh", "HardSigmoid", "Elu", "Softsign", "Softplus"]


def cell_inputs(op, steps, batch, size, hidden, directions, full, dtype=np.float32):
    gates = CELLS[op][0]
    weights = [data(directions, gates * hidden, n, dtype=dtype) / dtype(n) for n in (size, hidden)]
    inputs = [data(steps, batch, size, dtype=dtype), *weights]
    if full:
        lengths = random.integers(1, steps, batch, endpoint=True).astype(np.int32)
        inputs += [data(directions, 2 * gates * hidden, dtype=dtype), lengths, data(directions, batch, hidden, dtype=dtype)]
        if op == "LSTM":
            inputs += [data(directions, batch, hidden, dtype=dtype), data(directions, 3 * hidden, dtype=dtype)]
    return inputs


@table(op=list(CELLS), direction=["forward", "reverse", "bidirectional"], full=[False, True],
       sizes=[(1, 1, 3, 5), (5, 1, 4, 17), (7, 3, 5, 16), (300, 2, 3, 4)], constant=[False, True])
def test_cell(case):
    op, (steps, batch, size, hidden) = case["op"], case["sizes"]
    directions = 2 if case["direction"] == "bidirectional" else 1
    inputs = cell_inputs(op, steps, batch, size, hidden, directions, case["full"])
    for more in [{"linear_before_reset": 0}, {"linear_before_reset": 1}] if op == "GRU" else [{}]:
        compare(op, 14, inputs, outputs=CELLS[op][2], hidden_size=hidden, direction=case["direction"],
                constant=case["constant"], **more)


@pytest.mark.parametrize("op", CELLS)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_cell_activations(op, activation):
    inputs = cell_inputs(op, 2, 2, 3, 5, 1, True)
    if op == "LSTM":
        inputs = inputs[:7]
    compare(op, 14, inputs, outputs=CELLS[op][2], hidden_size=5, activations=[activation] * CELLS[op][1],
            activation_alpha=[0.3, 0.4, 0.6][:CELLS[op][1]], activation_beta=[0.1, 0.2, 0.5][:CELLS[op][1]])


@pytest.mark.parametrize("op", CELLS)
def test_cell_clip(op):
    compare(op, 14, cell_inputs(op, 6, 2, 3, 5, 1, True), outputs=CELLS[op][2], hidden_size=5, clip=0.15)


def test_coupled_gates():
    compare("LSTM", 14, cell_inputs("LSTM", 6, 2, 3, 5, 1, True), outputs=3, hidden_size=5, input_forget=1)


@pytest.mark.parametrize("op", CELLS)
@pytest.mark.parametrize("dtype", [np.float64, np.float16])
def test_cell_of_other_types(op, dtype):
    inputs = cell_inputs(op, 5, 3, 4, 6, 2, True)
    options = {"outputs": CELLS[op][2], "hidden_size": 6, "direction": "bidirectional"}
    single = run(*build(op, 14, inputs, **options))
    typed = [v if v.dtype == np.int32 else v.astype(dtype) for v in inputs]
    for a, b in zip(run(*build(op, 14, typed, **options)), single):
        assert a.dtype == dtype
        np.testing.assert_allclose(a.astype(np.float64), b, rtol=0, atol=1e-2 if dtype == np.float16 else 1e-5)


@pytest.mark.parametrize("op", CELLS)
def test_cell_batch_first(op):
    inputs = cell_inputs(op, 5, 3, 4, 6, 2, True)
    options = {"outputs": CELLS[op][2], "hidden_size": 6, "direction": "bidirectional"}
    expected = run(*build(op, 14, inputs, **options))
    turned = [v if i not in (0, 5, 6) else v.swapaxes(0, 1).copy() for i, v in enumerate(inputs)]
    y, *states = run(*build(op, 14, turned, layout=1, **options))
    close([y.transpose(1, 2, 0, 3), *(s.swapaxes(0, 1) for s in states)], expected)


def test_cell_lengths_are_checked():
    inputs = cell_inputs("GRU", 5, 3, 4, 6, 1, True)
    for wrong in (-1, 6):
        inputs[4] = np.array([5, wrong, 1], np.int32)
        with pytest.raises(libinfer.InferError, match="length"):
            run(*build("GRU", 14, inputs, hidden_size=6))


# ---- quantization ----


SCALES = {"tensor": (1, None, 0), "axis 0": (0, (3,), 0), "axis 1": (1, (5,), 0), "last axis": (-1, (70,), 0),
          "blocks of the last axis": (2, (3, 5, 5), 16), "blocks of axis 1": (1, (3, 2, 70), 3)}


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int16, np.uint16])
@pytest.mark.parametrize("case", SCALES)
def test_quantize_and_dequantize(case, dtype):
    axis, shape, block = SCALES[case]
    scale, zero = positive(*(shape or ())), data(*(shape or ()), dtype=dtype)
    options = {"axis": axis, "block_size": block}
    compare("QuantizeLinear", 21, [data(3, 5, 70) * np.float32(30), scale, zero], **options)
    compare("DequantizeLinear", 21, [data(3, 5, 70, dtype=dtype), scale, zero], **options)


def test_quantize_rounds_to_even_and_saturates():
    x = np.array([0.5, 1.5, 2.5, -0.5, -1.5, 126.5, 127.5, 1e30, -1e30, np.inf, -np.inf], np.float32)
    for dtype in (np.int8, np.uint8):
        compare("QuantizeLinear", 10, [x, np.float32(1), dtype(0)])


@pytest.mark.parametrize("shape", [(3, 4), (1,), (2, 300)])
@pytest.mark.parametrize("shift", [0, 5, -5])
def test_dynamic_quantize(shape, shift):
    compare("DynamicQuantizeLinear", 11, [data(*shape) + np.float32(shift)], outputs=3)


@table(shapes=[((3, 4), (4, 5)), ((2, 3, 4), (4, 5)), ((2, 1, 3, 4), (3, 4, 5)), ((100, 30), (30, 40))],
       b=[np.int8, np.uint8], zeros=["none", "one", "columns"])
def test_integer_matmul(case):
    (a_shape, b_shape), b = case["shapes"], case["b"]
    inputs = [data(*a_shape, dtype=np.uint8), weights(*b_shape, dtype=b)]
    if case["zeros"] != "none":
        columns = case["zeros"] == "columns" and len(b_shape) == 2
        inputs += [data(dtype=np.uint8), data(*b_shape[-1:] if columns else (), dtype=b)]
    compare("MatMulInteger", 10, inputs)


@table(rows=[1, 2, 3, 50], constant=[False, True])
def test_integers_of_the_whole_range(case):
    """Sums that no 16 bits hold, on any processor."""
    rows, constant = case["rows"], case["constant"]
    a, b = data(rows, 700, dtype=np.uint8), data(700, 40, dtype=np.int8)
    for left, right in ((a, b), (a | 128, b | -128), (np.full_like(a, 255), np.full_like(b, -128)), (a | 192, b & 127 | 64)):
        compare_reference("MatMulInteger", 10, [left, right, data(dtype=np.uint8), data(dtype=np.int8)], constant=constant)
    x, w = data(1, 9, 8, 8, dtype=np.uint8), data(rows, 9, 3, 3, dtype=np.int8)
    compare_reference("ConvInteger", 10, [x | 128, w | -128, data(dtype=np.uint8), np.int8(0)], pads=[1] * 4, constant=constant)


@table(shapes=[((3, 4), (4, 5)), ((2, 3, 4), (4, 5)), ((2, 1, 3, 4), (3, 4, 5))], b=[np.int8, np.uint8], columns=[0, 1])
def test_linear_matmul(case):
    (a_shape, b_shape), b = case["shapes"], case["b"]
    lines = b_shape[-1:] if case["columns"] and len(b_shape) == 2 else ()
    within_one(*build("QLinearMatMul", 10, [
        data(*a_shape, dtype=np.uint8), np.float32(0.05), data(dtype=np.uint8), weights(*b_shape, dtype=b),
        positive(*lines) * np.float32(0.02), data(*lines, dtype=b), np.float32(0.5), data(dtype=np.uint8)]))


# ---- resampling ----

TRANSFORMS = ["half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric", "tf_crop_and_resize", "half_pixel_symmetric"]
NOTHING = np.array([], np.float32)
REGION = np.array([0, 0, 0.2, -0.1, 1, 1, 0.8, 1.3], np.float32)


@table(transform=TRANSFORMS, nearest=["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"],
       sizes=[(1, 2, 10, 18), (1, 2, 4, 4), (1, 2, 6, 2), (1, 2, 20, 1)])
def test_resize_nearest(case):
    compare("Resize", 19, [data(1, 2, 5, 9), REGION, None, np.array(case["sizes"])], mode="nearest", constant=True,
            coordinate_transformation_mode=case["transform"], nearest_mode=case["nearest"], extrapolation_value=7.0)


@table(transform=TRANSFORMS, mode=["linear", "cubic"], sizes=[(1, 2, 10, 18), (1, 2, 4, 4), (1, 2, 6, 2), (1, 2, 20, 1)],
       exclude=[0, 1])
def test_resize_between(case):
    exclude = case["exclude"] if case["mode"] == "cubic" else 0
    if case["transform"] == "tf_crop_and_resize" and case["mode"] == "cubic":
        return  # onnxruntime extrapolates there in another way
    compare("Resize", 19, [data(1, 2, 5, 9), REGION, None, np.array(case["sizes"])], mode=case["mode"], constant=True,
            coordinate_transformation_mode=case["transform"], exclude_outside=exclude)


@pytest.mark.parametrize("scales", [(2, 2), (3, 1.5), (0.5, 0.75)])
@pytest.mark.parametrize("mode", ["nearest", "linear", "cubic"])
def test_resize_by_scales(scales, mode):
    compare("Resize", 11, [data(1, 3, 8, 12), NOTHING, np.array((1, 1) + scales, np.float32)], mode=mode, constant=True)
    compare("Resize", 18, [data(1, 3, 8, 12), None, np.array(scales, np.float32)], mode=mode, axes=[2, 3])
    if mode != "cubic":
        compare("Resize", 10, [data(1, 3, 8, 12), np.array((1, 1) + scales, np.float32)], mode=mode)


@pytest.mark.parametrize("policy", ["stretch", "not_larger", "not_smaller"])
@pytest.mark.parametrize("sizes", [(7, 8), (20, 13)])
def test_resize_keeps_the_aspect(policy, sizes):
    compare("Resize", 19, [data(1, 3, 8, 12), None, None, np.array(sizes)], axes=[2, 3], mode="linear",
            keep_aspect_ratio_policy=policy)


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.int32, np.float64, np.float16])
def test_resize_of_other_types(dtype):
    x, scales = data(1, 2, 5, 6, dtype=dtype), np.array([1, 1, 2, 2], np.float32)
    if dtype not in (np.float16, np.float64):
        compare("Resize", 13, [x, None, scales], mode="nearest")
    model, feeds = build("Resize", 13, [x.astype(np.float64), None, scales], mode="linear")
    wide = run(model, feeds)[0]
    got = run(*build("Resize", 13, [x, None, scales], mode="linear"))[0]
    assert got.dtype == dtype
    if np.issubdtype(dtype, np.integer):
        np.testing.assert_array_equal(got, np.rint(wide).astype(dtype))
    else:
        np.testing.assert_allclose(got.astype(np.float64), wide, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("mode", ["nearest", "linear"])
def test_upsample(mode):
    compare("Upsample", 7, [data(1, 2, 3, 4)], mode=mode, scales=[1.0, 1.0, 2.0, 3.0])
    compare("Upsample", 9, [data(1, 2, 3, 4), np.array([1, 1, 2, 1.5], np.float32)], mode=mode)


def test_upsample_by_height_and_width():
    x = data(1, 2, 3, 4)
    for mode, name in (("nearest", "nearest"), ("bilinear", "linear")):
        old = run(*build("Upsample", 1, [x], mode=mode, height_scale=2.0, width_scale=3.0))
        close(old, onnxruntime_runs(*build("Upsample", 7, [x], mode=name, scales=[1.0, 1.0, 2.0, 3.0])))


@table(mode=["linear", "nearest", "cubic"], padding=["zeros", "border", "reflection"], align=[0, 1], rank=[2, 3])
def test_grid_sample(case):
    if case["rank"] == 3 and case["mode"] == "cubic":
        return  # which onnxruntime has for images only
    x, grid = data(2, 3, *(5, 6, 4)[:case["rank"]]), data(2, *(4, 3, 2)[:case["rank"]], case["rank"]) * np.float32(1.5)
    compare("GridSample", 20, [x, grid], mode=case["mode"], padding_mode=case["padding"], align_corners=case["align"])
    if case["rank"] == 2:
        old = {"linear": "bilinear", "cubic": "bicubic"}.get(case["mode"], case["mode"])
        compare("GridSample", 16, [x, grid], mode=old, padding_mode=case["padding"], align_corners=case["align"])


# ---- attention ----


def attention_inputs(heads, kv_heads, queries, keys, past, flat=False, size=6, value_size=5, dtype=np.float32):
    shapes = [(heads, queries, size), (kv_heads, keys, size), (kv_heads, keys, value_size)]
    if flat:
        q, k, v = (data(2, rows, n * d, dtype=dtype) for n, rows, d in shapes)
    else:
        q, k, v = (data(2, *shape, dtype=dtype) for shape in shapes)
    state = [data(2, kv_heads, past, d, dtype=dtype) for d in (size, value_size)] if past else [None, None]
    return [q, k, v, None, *state]


@table(heads=[(3, 3), (4, 2), (3, 1)], rows=[(1, 7), (5, 5), (9, 3), (70, 90)], past=[0, 4], causal=[0, 1],
       flat=[False, True])
def test_attention(case):
    (heads, kv_heads), (queries, keys), past = case["heads"], case["rows"], case["past"]
    options = {"is_causal": case["causal"], "outputs": 3 if past else 1}
    if case["flat"]:
        options |= {"q_num_heads": heads, "kv_num_heads": kv_heads}
    inputs = attention_inputs(heads, kv_heads, queries, keys, past, case["flat"])
    for mask in (None, data(queries, keys + past), data(2, 1, queries, keys + past), data(1, heads, queries, keys + past) > -0.5):
        flags = mask is not None and mask.dtype == bool
        if flags:
            mask[..., 0] = True  # no query without any key
        inputs[3] = mask
        if not (flags and case["causal"]):  # where the reference multiplies infinity by zero
            compare_reference("Attention", 23, inputs, **options)
        if not (case["causal"] and past and queries < keys):  # where onnxruntime aligns to the end
            compare("Attention", 23, inputs, **options)


@pytest.mark.parametrize("mode", [0, 1, 2, 3])
@pytest.mark.parametrize("softcap", [0.0, 2.0])
def test_attention_shows_its_scores(mode, softcap):
    inputs = attention_inputs(2, 2, 4, 5, 3)
    inputs[3] = data(4, 8)
    model, feeds = build("Attention", 24, inputs, outputs=4, qk_matmul_output_mode=mode, softcap=softcap, scale=0.3)
    got = run(model, feeds)
    if mode == 0 and softcap:  # the reference shows what the cap left
        q, k = feeds["i0"], np.concatenate([feeds["i4"], feeds["i1"]], axis=2)
        np.testing.assert_allclose(got[3], q @ k.swapaxes(2, 3) * 0.3, rtol=1e-5, atol=1e-5)
        close(got[:3], reference_runs(onnx.load_from_string(model), feeds)[:3])
    else:
        close(got, reference_runs(onnx.load_from_string(model), feeds))


@pytest.mark.parametrize("width", [5, 9])
def test_attention_of_padded_keys(width):
    inputs = attention_inputs(4, 2, 3, 9, 0)[:3] + [data(2, 1, 3, width), None, None, np.array([5, 3])]
    compare_reference("Attention", 24, inputs)


@pytest.mark.parametrize("dtype", [np.float64, np.float16])
def test_attention_of_other_types(dtype):
    inputs = attention_inputs(4, 2, 5, 6, 2)
    single = run(*build("Attention", 23, inputs, outputs=3))
    typed = [v if v is None else v.astype(dtype) for v in inputs]
    for a, b in zip(run(*build("Attention", 23, typed, outputs=3)), single):
        assert a.dtype == dtype
        np.testing.assert_allclose(a.astype(np.float64), b, rtol=0, atol=1e-2 if dtype == np.float16 else 1e-5)


@table(flat=[False, True], positions=[False, True], interleaved=[0, 1], turned=[0, 4])
def test_rotary_embedding(case):
    pairs = (case["turned"] or 8) // 2
    x = data(2, 5, 24) if case["flat"] else data(2, 3, 5, 8)
    caches = [data(*((50, pairs) if case["positions"] else (2, 5, pairs))) for _ in range(2)]
    ids = random.integers(0, 50, (2, 5)) if case["positions"] else None
    options = {"interleaved": case["interleaved"], "rotary_embedding_dim": case["turned"], "num_heads": 3}
    compare_reference("RotaryEmbedding", 23, [x, *caches, ids], **options)
    if ids is not None:
        with pytest.raises(libinfer.InferError, match="position"):
            run(*build("RotaryEmbedding", 23, [x, *caches, ids + 50], **options))


@table(rule=["linear", "gated", "delta", "gated_delta"], heads=[(2, 2), (4, 2)], past=[False, True], by_key=[False, True],
       steps=[1, 6])
def test_linear_attention(case):
    (heads, kv_heads), steps, rule = case["heads"], case["steps"], case["rule"]
    inputs = [data(2, steps, heads * 3), data(2, steps, kv_heads * 3) / 2, data(2, steps, kv_heads * 4),
              data(2, kv_heads, 3, 4) if case["past"] else None,
              -positive(2, steps, kv_heads * (3 if case["by_key"] else 1)) if "gated" in rule else None,
              positive(2, steps, 1 if case["by_key"] else kv_heads) / 4 if "delta" in rule else None]
    compare_reference("LinearAttention", 27, inputs, outputs=2, update_rule=rule, q_num_heads=heads,
                      kv_num_heads=kv_heads)


# ---- losses ----


@table(shape=[(4, 5), (3, 5, 6), (2, 5, 3, 4), (2, 5, 2, 3, 2)], reduction=["none", "sum", "mean"], weights=[False, True],
       ignore=[None, 1, -3], labels=[np.int64, np.int32])
def test_losses(case):
    shape, ignore = case["shape"], case["ignore"]
    labels = random.integers(0, shape[1], (shape[0], *shape[2:])).astype(case["labels"])
    if ignore is not None:
        labels.reshape(-1)[::3] = ignore
    inputs = [data(*shape), labels, positive(shape[1]) if case["weights"] else None]
    options = {"reduction": case["reduction"], **({} if ignore is None else {"ignore_index": ignore})}
    compare("NegativeLogLikelihoodLoss", 13, inputs, **options)
    compare_reference("SoftmaxCrossEntropyLoss", 13, inputs, outputs=2, **options)
    compare_reference("SoftmaxCrossEntropyLoss", 12, inputs, **options)


def test_labels_are_checked():
    for wrong in (-1, 5):
        with pytest.raises(libinfer.InferError, match="label"):
            run(*build("SoftmaxCrossEntropyLoss", 13, [data(2, 5), np.array([0, wrong])]))


@pytest.mark.parametrize("n", [1, 2, 3, 5, 7, 8, 9, 16, 33])
@pytest.mark.parametrize("axis", [-1, 1])
def test_softmax_of_short_rows(n, axis):
    """Of many rows at once; infinities and NaN stay in their rows."""
    x = data(*((37, 11, n) if axis == -1 else (37, n, 11))) * np.float32(30)
    rows = np.moveaxis(x, axis, -1)
    rows[3, 0, 0], rows[4, 0, n - 1], rows[5, 0, 0] = np.nan, np.inf, -np.inf
    rows[6, 0] = -np.inf
    rows[7, 0, n - 1] = np.nan
    with np.errstate(invalid="ignore"):
        wide = np.exp(x.astype(np.float64) - x.max(axis=axis, keepdims=True))
        expected = (wide / wide.sum(axis=axis, keepdims=True)).astype(np.float32)
    model, feeds = build("Softmax", 13, [x], axis=axis)
    close(run(model, feeds), [expected])


@pytest.mark.parametrize("shape", [(1,), (5,), (16,), (3, 1, 1, 7), (1, 4, 1, 1), (3, 4, 1, 16), (3, 1, 9, 1)], ids=str)
@pytest.mark.parametrize("op", ["Sub", "Div", "PRelu", "Max"])
def test_rows_that_repeat(op, shape):
    """Operands of which short rows are walked many times, on either side."""
    for last in (1, 5, 7, 16):
        if shape[-1] not in (1, last):
            continue
        x, row = data(3, 4, 9, last), data(*shape) + np.float32(3)
        compare(op, 16, [x, row])
        if op != "PRelu":
            compare(op, 16, [row, x])
