"""Convolutional graphs laid out in blocks of channels: onnxruntime judges the answers, the nodes what was fused."""

import struct

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import helper, numpy_helper

import libinfer

random = np.random.default_rng(11)


class Net:
    """A graph in the making; each method adds a node and gives its output's name."""

    def __init__(self):
        self.nodes, self.constants = [], []

    def constant(self, value):
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def add(self, op, *inputs, **attributes):
        name = f"v{len(self.nodes)}"
        inputs = [i if isinstance(i, str) else self.constant(i) for i in inputs]
        self.nodes.append(helper.make_node(op, inputs, [name], **attributes))
        return name

    def conv(self, x, channels, outputs, kernel=(3, 3), bias=True, group=1, **attributes):
        fan_in = channels // group * int(np.prod(kernel))
        w = numbers(outputs, channels // group, *kernel) / np.float32(np.sqrt(fan_in))
        extra = [numbers(outputs)] if bias else []
        return self.add("Conv", x, w, *extra, group=group, **attributes)

    def norm(self, x, channels):
        return self.add("BatchNormalization", x, numbers(channels), numbers(channels), numbers(channels),
                        np.abs(numbers(channels)) + np.float32(0.5))

    def model(self, channels, size, *outputs, batch="n", version=17):
        x = helper.make_tensor_value_info("x", 1, [batch, channels, *size])
        ports = [helper.make_tensor_value_info(o, 1, None) for o in outputs]
        graph = helper.make_graph(self.nodes, "g", [x], ports, self.constants)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", version)],
                                 ir_version=8).SerializeToString()


def numbers(*shape):
    return random.normal(size=shape).astype(np.float32)


def check(data, *shape, nodes=None, tolerance=2e-5):
    """Answers within a part of the largest; `nodes`: the operators, or some of them with how many."""
    x = numbers(*shape)
    expected = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"]).run(None, {"x": x})
    with libinfer.load(data) as model:
        found = [n.op for n in model.nodes]
        got = list(model.run({"x": x}).values())
    for a, b in zip(got, expected, strict=True):
        assert a.shape == b.shape
        assert np.abs(a - b).max() <= tolerance * max(np.abs(b).max(), 1e-3)
    if isinstance(nodes, list):
        assert found == nodes
    for op, count in (nodes if isinstance(nodes, dict) else {}).items():
        assert found.count(op) == count, found
    return found


GEOMETRY = [
    {"kernel": (1, 1)}, {"kernel": (3, 3), "pads": [1, 1, 1, 1]}, {"kernel": (3, 3)},
    {"kernel": (3, 3), "pads": [1, 1, 1, 1], "strides": [2, 2]}, {"kernel": (1, 1), "strides": [2, 2]},
    {"kernel": (5, 2), "pads": [2, 0, 1, 3]}, {"kernel": (3, 3), "dilations": [2, 3], "pads": [2, 3, 2, 3]},
    {"kernel": (3, 3), "auto_pad": "SAME_UPPER", "strides": [2, 1]}, {"kernel": (2, 4), "auto_pad": "SAME_LOWER"},
    {"kernel": (7, 7), "pads": [3, 3, 3, 3], "strides": [2, 2]},
]
CHANNELS = [(3, 16, 1), (1, 24, 1), (16, 16, 1), (20, 40, 1), (64, 33, 1), (32, 32, 32), (24, 24, 24), (12, 24, 12),
            (64, 64, 4), (68, 136, 4), (34, 34, 2), (130, 70, 1)]


@pytest.mark.parametrize("geometry", GEOMETRY, ids=str)
@pytest.mark.parametrize("channels, outputs, group", CHANNELS)
def test_convolution(geometry, channels, outputs, group):
    net = Net()
    y = net.conv("x", channels, outputs, group=group, bias=bool(outputs % 3), **geometry)
    found = check(net.model(channels, ("h", "w"), y), 2, channels, 13, 17)
    assert "ConvBlocked" in found


ROWS = [
    {"kernel": (1,)}, {"kernel": (3,), "pads": [1, 1]}, {"kernel": (5,), "pads": [0, 3], "strides": [2]},
    {"kernel": (4,), "dilations": [3], "pads": [4, 5]}, {"kernel": (2,), "auto_pad": "SAME_LOWER", "strides": [3]},
    {"kernel": (200,), "pads": [99, 100], "strides": [7]}, {"kernel": (300,), "pads": [150, 150]},
]


@pytest.mark.parametrize("geometry", ROWS, ids=str)
@pytest.mark.parametrize("channels, outputs, group", CHANNELS)
def test_convolution_of_a_row(geometry, channels, outputs, group):
    net = Net()
    y = net.conv("x", channels, outputs, group=group, bias=bool(outputs % 3), **geometry)
    found = check(net.model(channels, ("w",), y), 2, channels, 117)
    grows = group == 12 and geometry["kernel"][0] > 100  # a panel of outputs has blocks of inputs
    product = channels == 1 and geometry["kernel"][0] > 100
    assert ("ConvBlocked" in found) != (grows or product) and ("Frames" in found) == product


@pytest.mark.parametrize("geometry", GEOMETRY + ROWS[:5], ids=str)
@pytest.mark.parametrize("channels, outputs", [(c, o) for c, o, group in CHANNELS if group == 1])
@pytest.mark.parametrize("batch", [1, 2, 29])
def test_convolution_of_small_maps(geometry, channels, outputs, batch):
    """The places of all images are one product, of a plain image and of one in blocks."""
    net, rank = Net(), len(geometry["kernel"])
    y = net.conv(net.conv("x", channels, outputs, **geometry), outputs, outputs, kernel=(1, 1)[:rank])
    z = net.add("Add", net.conv(y, outputs, outputs, kernel=(3, 3)[:rank], pads=[1] * 2 * rank), y)
    size = (7, 6) if rank == 2 else (11,)
    data = net.model(channels, size, net.add("Clip", z, np.float32(-1), np.float32(2)))
    check(data, batch, channels, *size, nodes={"ConvBlocked": 3, "Add": 0, "Clip": 0})


def test_rows_stay_in_blocks():
    net = Net()
    y = net.norm(net.conv("x", 3, 32, kernel=(3,), pads=[1, 1]), 32)
    y = net.add("Relu", net.add("Add", net.add("Mul", y, numbers(32, 1)), numbers(1, 32, 1)))
    a = net.add("MaxPool", y, kernel_shape=[3], strides=[2], pads=[1, 0])
    b = net.add("AveragePool", y, kernel_shape=[2], strides=[2], ceil_mode=1)
    y = net.add("Concat", a, b, axis=-2)
    y = net.add("Add", y, net.conv(y, 64, 64, kernel=(1,)))
    y = net.add("GlobalAveragePool", net.conv(y, 64, 20, kernel=(3,)))
    found = check(net.model(3, ("w",), y), 3, 3, 42, nodes={"ToBlocks": 0, "FromBlocks": 2, "ConvBlocked": 3})
    assert "Relu" not in found


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("length, options", [(64, {}), (256, {"strides": [128]}), (400, {"strides": [160], "pads": [200, 200]}),
                                             (100, {"strides": [150], "pads": [3, 70]}), (64, {"pads": [90, 0]})], ids=str)
def test_long_kernels_of_one_channel_are_products(length, options, bias):
    net = Net()
    y = net.conv("x", 1, 34, kernel=(length,), bias=bias, **options)
    z = net.conv("x", 1, 34, kernel=(length,), bias=bias, **options)
    y = net.add("Add", net.add("Pow", y, np.float32(2)), net.add("Pow", z, np.float32(2)))
    check(net.model(1, ("w",), y), 2, 1, 1300, nodes={"Conv": 0, "ConvBlocked": 0, "Frames": 1, "MatMulPacked": 2})


def test_short_or_wide_kernels_are_not():
    net = Net()
    short = net.conv("x", 1, 16, kernel=(63,))
    wide = net.conv(short, 16, 16, kernel=(64,), pads=[32, 32])
    apart = net.conv("x", 1, 16, kernel=(64,), dilations=[2])
    check(net.model(1, ("w",), short, wide, apart), 2, 1, 300, nodes={"Frames": 0})


def test_a_row_of_unknown_length():
    net = Net()
    shape = net.add("Gather", np.int64([[1, 4, 66], [2, 4, 33]]), net.add("ReduceMax", net.add(
        "Cast", net.add("Greater", "x", np.float32(-100)), to=7), keepdims=0))
    y = net.conv(net.add("Reshape", "x", shape), 4, 16, kernel=(3,))
    check(net.model(4, ("w",), y), 2, 4, 33, nodes={"ConvBlocked": 1})


def test_norm_and_activations_fold():
    net = Net()
    y = net.norm(net.conv("x", 3, 32, pads=[1] * 4), 32)
    y = net.add("Relu", net.add("Add", net.add("Mul", y, numbers(32, 1, 1)), numbers(1, 32, 1, 1)))
    y = net.norm(net.conv(y, 32, 48, kernel=(1, 1), bias=False), 48)
    y = net.add("Clip", y, np.float32(0), np.float32(6))
    y = net.add("Div", net.add("Sub", net.conv(y, 48, 20), numbers(20, 1, 1)), np.float32(3))
    check(net.model(3, (12, 12), y), 3, 3, 12, 12, nodes=["ConvBlocked"] * 3 + ["FromBlocks"])


ACTIVATIONS = [("LeakyRelu", {"alpha": 0.2}), ("LeakyRelu", {}), ("HardSigmoid", {}), ("HardSwish", {}),
               ("HardSigmoid", {"alpha": 1 / 6, "beta": 0.25}), ("Sigmoid", {})]


@pytest.mark.parametrize("conv", [{"kernel": (1, 1)}, {"pads": [1] * 4}, {"group": 40, "pads": [1] * 4}], ids=str)
@pytest.mark.parametrize("op, options", ACTIVATIONS, ids=str)
def test_activations_join_convolutions(op, options, conv):
    net = Net()
    y = net.conv("x", 3, 40, kernel=(2, 2))
    y = net.add(op, net.conv(y, 40, 40, **conv), **options)
    y = net.add("Add", np.float32([0.25]), net.add("Mul", y, np.float32(-1.5)))
    y = net.add("Max", y, np.full((1, 1, 1, 1), -0.25, np.float32))
    check(net.model(3, (14, 15), y), 2, 3, 14, 15, nodes=["ConvBlocked", "ConvActivated", "FromBlocks"])


@pytest.mark.parametrize("conv", [{"kernel": (1, 1)}, {"pads": [1] * 4}, {"group": 40, "pads": [1] * 4}], ids=str)
@pytest.mark.parametrize("shape", [(40, 1, 1), (1, 40, 1, 1), (1,), (1, 1, 1)], ids=str)
def test_slopes_join_convolutions(shape, conv):
    net = Net()
    y = net.conv("x", 3, 40, kernel=(2, 2))
    y = net.add("PRelu", net.conv(y, 40, 40, **conv), numbers(*shape))
    y = net.add("Min", net.add("MaxPool", y, kernel_shape=[2, 2]), np.float32(1.5))
    check(net.model(3, ("h", "w"), y), 2, 3, 14, 15,
          nodes=["ConvBlocked", "ConvActivated", "PoolBlocked", "Min", "FromBlocks"])


@pytest.mark.parametrize("batch", [1, 5])
def test_slopes_of_small_maps(batch):
    net = Net()
    y = net.add("PRelu", net.conv(net.conv("x", 3, 40, kernel=(2, 2)), 40, 70), numbers(70, 1, 1))
    check(net.model(3, (5, 6), y), batch, 3, 5, 6, nodes=["ConvBlocked", "ConvActivated", "FromBlocks"])


def test_other_slopes_stay():
    net = Net()
    y = net.conv("x", 3, 40, kernel=(2, 2))
    z = net.add("PRelu", y, numbers(40, 13, 14))
    y = net.add("PRelu", y, numbers(14))
    check(net.model(3, (14, 15), y, z), 2, 3, 14, 15, nodes={"PRelu": 2, "ConvActivated": 0})


def test_activations_join_in_order():
    """An activation behind a sum or a bound, or that others read as well, and what stays behind it."""
    net = Net()
    a = net.conv("x", 3, 32)
    y = net.add("Add", net.conv(a, 32, 32, kernel=(1, 1)), a)
    y = net.add("Mul", y, net.add("Sigmoid", y))
    y = net.add("Min", np.float32(0.75), net.conv(y, 32, 32))
    y = net.add("LeakyRelu", y, alpha=-0.5)
    y = net.add("HardSwish", net.conv(y, 32, 32))
    y = net.add("Mul", net.add("Add", y, np.float32(1)), np.float32(3))
    z = net.add("Sigmoid", net.conv(y, 32, 32))
    y = net.add("Max", z, net.add("Neg", z))
    check(net.model(3, (14, 15), y), 2, 3, 14, 15,
          nodes={"ConvActivated": 3, "ConvBlocked": 2, "LeakyRelu": 1, "Mul": 1, "Chain": 1, "FromBlocks": 1})


def residual(net, x, channels):
    y = net.add("Relu", net.norm(net.conv(x, channels, channels // 2, kernel=(1, 1)), channels // 2))
    y = net.add("Relu", net.norm(net.conv(y, channels // 2, channels // 2, pads=[1] * 4), channels // 2))
    y = net.norm(net.conv(y, channels // 2, channels, kernel=(1, 1)), channels)
    return net.add("Relu", net.add("Add", x, y))


@pytest.mark.parametrize("batch", [2, "n"])
def test_residual(batch):
    net = Net()
    y = net.add("MaxPool", net.conv("x", 3, 64, pads=[1] * 4), kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4)
    y = residual(net, residual(net, y, 64), 64)
    down = net.conv(y, 64, 128, kernel=(1, 1), strides=[2, 2])
    y = net.add("Sum", net.conv(y, 64, 128, strides=[2, 2], pads=[1] * 4), down)
    y = net.add("Flatten", net.add("GlobalAveragePool", net.add("Relu", y)))
    data = net.model(3, (32, 32), y, batch=batch)
    check(data, 2, 3, 32, 32, nodes={"ConvBlocked": 9, "Add": 0, "Sum": 0, "Relu": 0, "FromBlocks": 1})


def test_batches_that_differ_are_broadcast():
    """A constant with a batch of its own gives another to what it is added to."""
    net = Net()
    wide = net.add("Add", "x", numbers(3, 16, 8, 8))
    a, b = (net.conv(v, 16, 16, kernel=(1, 1)) for v in ("x", wide))
    data = net.model(16, (8, 8), net.add("Add", a, b))
    check(data, 1, 16, 8, 8, nodes={"Add": 2})
    check(data, 3, 16, 8, 8)


def test_unknown_extents_are_broadcast():
    net = Net()
    a = net.conv("x", 16, 16, kernel=(1, 1))
    b = net.conv(net.add("GlobalAveragePool", "x"), 16, 16, kernel=(1, 1))
    check(net.model(16, ("h", "w"), net.add("Add", a, b)), 2, 16, 5, 7, nodes={"Add": 1})


def test_squeeze_and_excite():
    net = Net()
    y = net.add("HardSwish", net.conv("x", 3, 24, strides=[2, 2]))
    y = net.conv(y, 24, 24, group=24, kernel=(5, 5), pads=[2] * 4)
    s = net.add("Relu", net.conv(net.add("GlobalAveragePool", y), 24, 8, kernel=(1, 1)))
    s = net.add("HardSigmoid", net.conv(s, 8, 24, kernel=(1, 1)))
    y = net.add("Mul", y, s)
    y = net.add("Mul", y, net.add("Sigmoid", y))
    y = net.add("LeakyRelu", net.conv(y, 24, 40, kernel=(1, 1)), alpha=0.1)
    check(net.model(3, ("h", "w"), y), 2, 3, 33, 21, nodes={"FromBlocks": 1, "ToBlocks": 0})


def test_dense_blocks():
    net = Net()
    y = net.conv("x", 3, 32)
    for channels in (32, 48, 64):
        z = net.add("Relu", net.norm(y, channels))
        z = net.add("Relu", net.norm(net.conv(z, channels, 64, kernel=(1, 1)), 64))
        y = net.add("Concat", y, net.conv(z, 64, 16, pads=[1] * 4), axis=1)
    y = net.add("AveragePool", net.add("Relu", net.norm(y, 80)), kernel_shape=[2, 2], strides=[2, 2])
    check(net.model(3, (18, 18), y), 2, 3, 18, 18,
          nodes={"AffineBlocked": 1, "AffineJoined": 3, "Concat": 0, "Relu": 0, "FromBlocks": 1, "ToBlocks": 0})


@pytest.mark.parametrize("pool", [None, "MaxPool", "AveragePool"])
@pytest.mark.parametrize("size", [(1, 1), (3, 3), (2, 3)], ids=str)
def test_convolutions_of_joined_parts(size, pool):
    """One of each part, added up; what is added to the result and bounds stay behind all of them."""
    net = Net()
    x = net.conv("x", 3, 16, pads=[1] * 4)
    parts = [net.conv(x, 16, 64, kernel=(1, 1)), net.conv(x, 16, 64, pads=[1] * 4), net.conv(x, 16, 40, pads=[1] * 4)]
    y = net.add("Concat", *parts, axis=1)
    if pool:
        y = net.add(pool, y, kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4)
    y = net.conv(y, 168, 24, kernel=size)
    y = net.add("HardSwish", net.add("Add", y, net.conv(y, 24, 24, kernel=(1, 1))))
    found = check(net.model(3, (13, 15), y), 2, 3, 13, 15,
                  nodes={"Concat": 0, "ConvBlocked": 7, "ConvActivated": 1, "PoolBlocked": 3 if pool else 0})
    assert "Add" not in found


def test_what_stays_joined():
    net = Net()
    x = net.conv("x", 3, 16)
    parts = [net.conv(x, 16, 32, kernel=(1, 1)), net.conv(x, 16, 32, kernel=(1, 1))]
    many = net.conv(net.add("Concat", *parts, axis=1), 64, 33, kernel=(1, 1))
    twice = net.add("Concat", *parts, axis=1)
    few, also = net.conv(twice, 64, 16, kernel=(1, 1)), net.conv(twice, 64, 16)
    groups = net.conv(net.add("Concat", *parts, axis=1), 64, 8, group=2)
    data = net.model(3, (9, 9), many, few, also, groups)
    check(data, 2, 3, 9, 9, nodes={"Concat": 1, "ConvBlocked": 7})


@pytest.mark.parametrize("parts", [(20, 30), (24, 24, 24, 24), (8, 17, 33), (16, 9, 16, 12), (5, 3, 28)], ids=str)
def test_channels_that_do_not_fill_blocks_are_joined(parts):
    net = Net()
    x = net.conv("x", 3, 16)
    joined = [net.conv(x, 16, p, pads=[1] * 4) if p >= 8 else
              net.add("Slice", x, np.int64([0]), np.int64([p]), np.int64([1])) for p in parts]
    y = net.conv(net.add("Concat", *joined, axis=1), sum(parts), 16)
    check(net.model(3, ("h", 9), y), 2, 3, 12, 9, nodes={"ConcatBlocked": 1, "Concat": 0})


RESIZES = [{"scales": [1, 1, 2, 2]}, {"scales": [1, 1, 2, 3], "coordinate_transformation_mode": "asymmetric",
                                      "nearest_mode": "floor"},
           {"scales": [1, 1, 1.5, 0.5]}, {"scales": [1, 1, 2, 2], "mode": "linear"},
           {"scales": [1, 1, 3, 2], "mode": "linear", "coordinate_transformation_mode": "align_corners"},
           {"scales": [2, 0.7], "axes": [2, 3], "mode": "cubic"}, {"sizes": [2, 24, 9, 16]},
           {"sizes": [9, 16], "axes": [2, 3], "mode": "linear", "antialias": 1}]


@pytest.mark.parametrize("options", RESIZES, ids=str)
def test_resize(options):
    net = Net()
    options = dict(options)
    scales, sizes = options.pop("scales", None), options.pop("sizes", None)
    lists = [np.float32(scales)] if scales else ["", np.int64(sizes)]
    y = net.conv("x", 3, 24)
    z = net.add("Resize", y, "", *lists, **options)
    y = net.conv(z, 24, 16, kernel=(1, 1))
    size, batch = ((9, 7), 2) if sizes else (("h", "w"), "n")
    check(net.model(3, size, y, batch=batch, version=18), 2, 3, 9, 7, nodes={"ToBlocks": 0, "FromBlocks": 1, "Resize": 1})


def test_resizes_of_other_axes_stay_plain():
    net = Net()
    y = net.add("Resize", net.conv("x", 3, 24), "", np.float32([1, 2, 1, 1]))
    check(net.model(3, (9, 7), y), 2, 3, 9, 7, nodes=["ConvBlocked", "FromBlocks", "Resize"])


TRANSPOSED = [{"kernel": (2, 2), "strides": [2, 2]}, {"kernel": (4, 4), "strides": [2, 2], "pads": [1, 1, 1, 1]},
              {"kernel": (3, 3), "strides": [2, 2], "pads": [1, 1, 1, 1], "output_padding": [1, 1]},
              {"kernel": (3, 5), "strides": [2, 3], "pads": [0, 1, 1, 2]}, {"kernel": (3, 3), "pads": [1, 1, 1, 1]},
              {"kernel": (8, 4), "strides": [4, 4], "pads": [2, 0, 2, 0]}, {"kernel": (5, 4), "strides": [3, 2]}]


@pytest.mark.parametrize("channels, outputs", [(16, 16), (24, 24), (20, 9), (24, 1), (16, 3)])
@pytest.mark.parametrize("options", TRANSPOSED, ids=str)
def test_transposed(options, channels, outputs):
    net = Net()
    options = dict(options)
    w = numbers(channels, outputs, *options.pop("kernel")) / np.float32(np.sqrt(channels))
    y = net.conv("x", 3, channels, pads=[1] * 4)
    y = net.add("ConvTranspose", y, w, numbers(outputs), **options)
    y = net.add("Relu", net.norm(net.add("Add", y, numbers(1, outputs, 1, 1)), outputs))
    found = check(net.model(3, ("h", "w"), net.conv(y, outputs, 8) if outputs >= 8 else y), 2, 3, 9, 12,
                  nodes={"ConvTranspose": 0, "PhasesBlocked": 1, "BatchNormalization": 0, "Add": 0, "FromBlocks": outputs >= 8})
    assert ("Relu" in found) == (outputs < 8)


def test_transposed_over_a_row():
    net = Net()
    y = net.conv("x", 3, 16, kernel=(3,))
    y = net.add("ConvTranspose", y, numbers(16, 12, 4), strides=[2], pads=[1, 1], auto_pad="NOTSET")
    z = net.add("ConvTranspose", y, numbers(12, 2, 3), strides=[2], output_padding=[1], pads=[1, 1])
    check(net.model(3, ("w",), y, z), 2, 3, 20, nodes={"ConvTranspose": 0, "PhasesBlocked": 2})


@pytest.mark.parametrize("options", [{"group": 2}, {"dilations": [2, 2]}, {"auto_pad": "SAME_UPPER"},
                                     {"output_shape": [14, 14]}, {"output_padding": [1, 1]}, {"strides": [5, 5]}], ids=str)
def test_other_transposed_stay_plain(options):
    net = Net()
    y = net.conv("x", 3, 16)
    y = net.add("ConvTranspose", y, numbers(16, 8, 2, 2), **{"strides": [2, 2], **options})
    y = net.norm(y, 8 * options.get("group", 1))
    check(net.model(3, (9, 9), y), 2, 3, 9, 9, nodes={"ConvTranspose": 1, "PhasesBlocked": 0})


@pytest.mark.parametrize("swap", [False, True])
def test_gates(swap):
    net = Net()
    y = net.conv("x", 3, 24, pads=[1] * 4)
    s = net.add("Relu", net.conv(net.add("GlobalAveragePool", y), 24, 6, kernel=(1, 1)))
    s = net.add("HardSigmoid", net.conv(s, 6, 24, kernel=(1, 1)))
    y = net.add("Add", net.add("Mul", s, y), y) if swap else net.add("Add", y, net.add("Mul", y, s))
    y = net.conv(y, 24, 16)
    check(net.model(3, ("h", "w"), y), 2, 3, 13, 11, nodes={"Add": 0, "Mul": 1, "ConvActivated": 1})


def test_what_is_no_gate():
    net = Net()
    y, z = net.conv("x", 3, 24), net.conv("x", 3, 24)
    a = net.add("Mul", y, z)
    b = net.add("Mul", y, net.add("GlobalAveragePool", z))
    check(net.model(3, (9, 9), net.add("Add", y, a), net.add("Add", y, b), b), 2, 3, 9, 9)


@pytest.mark.parametrize("parts", [(16, 16), (32, 16, 20), (48, 3), (16, 20, 16), (20, 28)], ids=str)
def test_split(parts):
    net = Net()
    y = net.conv("x", 3, sum(parts))
    outputs = [f"part{i}" for i in range(len(parts))]
    net.nodes.append(helper.make_node("Split", [y, net.constant(np.int64(parts))], outputs, axis=1))
    z = [net.conv(o, p, p, pads=[1] * 4) if p >= 8 else o for o, p in zip(outputs, parts)]
    z[0] = net.add("Add", z[0], outputs[0])
    y = net.conv(net.add("Concat", *z, axis=1), sum(parts), 16)
    whole = all(sum(parts[:i]) % 16 == 0 for i in range(len(parts)))
    check(net.model(3, ("h", "w"), y), 2, 3, 9, 11,
          nodes={"Slice": len(parts), "Split": 0, "ToBlocks": 0, "FromBlocks": 1} if whole else {"Split": 1})


def test_slices_of_channels():
    net = Net()
    y = net.conv("x", 3, 48)
    inside = [net.add("Slice", y, *(np.int64([i]) for i in cut)) for cut in ((16, 32, 1), (-16, 1000, -3), (0, 20, 1))]
    z = net.add("Concat", *(net.conv(v, c, 16) for v, c in zip(inside, (16, 16, 20))), axis=1)
    outside = [net.add("Slice", y, *(np.int64([i]) for i in cut)) for cut in ((8, 24, 1), (0, 32, 1, 2), (1, 6, 2))]
    check(net.model(3, (9, 11), z, *outside), 2, 3, 9, 11, nodes={"ToBlocks": 0, "FromBlocks": 3, "Slice": 6})


# Start, end, axis and step of a slice in front of the whole and of one behind it.
WRAPS = [((0, 3), (-5, 2**31 - 1), 2, None), ((0, 3), (-5, 2**31 - 1), -1, 1), ((9, 2), (3, 9), -1, (-3, 2))]


@pytest.mark.parametrize("size", [(23,), (11, 17)], ids=str)
@pytest.mark.parametrize("wrap", WRAPS, ids=str)
@pytest.mark.parametrize("number", [np.int64, np.int32])
def test_places_are_cut_and_joined_in_blocks(wrap, size, number):
    """As circular and causal padding is spelled before convolutions."""
    net, axes = Net(), len(size)
    first, last, axis, step = wrap
    steps = step if isinstance(step, tuple) else (step, step)
    y = net.conv("x", 3, 20, kernel=(3,) * axes)
    cuts = [net.add("Slice", y, number([start]), number([end]), number([axis]), *([number([s])] if s else []))
            for (start, end), s in zip((first, last), steps)]
    z = net.add("Concat", cuts[1], y, cuts[0], axis=axis)
    out = net.add("Add", net.add("Relu", net.conv(z, 20, 20, kernel=(3,) * axes, dilations=[2] * axes)), numbers(1))
    check(net.model(3, ("w", "h")[:axes], out), 2, 3, *size,
          nodes={"ToBlocks": 0, "FromBlocks": 1, "Slice": 2, "Concat": 1, "ConvBlocked": 2})


def test_zeros_are_joined_in_blocks():
    net = Net()
    y = net.conv("x", 20, 20, kernel=(1,))
    z = net.add("Concat", np.zeros((1, 20, 4), np.float32), y, numbers(1, 20, 2), axis=2)
    check(net.model(20, ("w",), net.conv(z, 20, 24, kernel=(3,), dilations=[2]), batch=1), 1, 20, 9,
          nodes=["ToBlocks", "ConvBlocked", "Concat", "ConvBlocked", "FromBlocks"])


def test_other_places_stay_plain():
    """What is not in blocks is not brought there to be joined; lists of axes are not cut there."""
    net = Net()
    y = net.conv("x", 3, 24, pads=[1] * 4)
    z = net.add("Concat", y, net.add("Tile", net.add("ReduceSum", "x", np.int64([1])), np.int64([1, 24, 1, 1])), axis=3)
    cut = net.add("Slice", y, np.int64([1, 1]), np.int64([5, 6]), np.int64([2, 3]))
    check(net.model(3, (9, 8), z, cut), 2, 3, 9, 8, nodes={"ToBlocks": 0, "FromBlocks": 1, "Concat": 1, "Slice": 1})


@pytest.mark.parametrize("groups, channels", [(4, 136), (2, 32), (3, 24), (8, 40)])
def test_shuffle(groups, channels):
    net = Net()
    y = net.conv("x", 3, channels, kernel=(1, 1))
    y = net.add("Reshape", y, np.array([0, groups, channels // groups, 6, 10]))
    y = net.add("Reshape", net.add("Transpose", y, perm=[0, 2, 1, 3, 4]), np.array([-1, channels, 6, 10]))
    y = net.conv(y, channels, channels, group=channels, pads=[1] * 4)
    y = net.conv(y, channels, channels, group=groups, kernel=(1, 1))
    check(net.model(3, (6, 10), y), 2, 3, 6, 10, nodes=["ConvBlocked", "ShuffleBlocked", "ConvBlocked", "ConvBlocked",
                                                        "FromBlocks"])


@pytest.mark.parametrize("groups, channels", [(4, 136), (2, 32), (3, 24), (8, 40)])
@pytest.mark.parametrize("strides, relu", [([2, 2], False), ([1, 2], False), ([2, 2], True), ([1, 1], False)])
@pytest.mark.parametrize("bias", [False, True])
def test_shuffles_go_behind_strides(groups, channels, strides, relu, bias):
    """Of fewer places; not where that would keep an activation from its convolution."""
    net = Net()
    y = net.conv("x", 3, channels, kernel=(1, 1))
    y = net.add("Reshape", y, np.array([0, groups, channels // groups, 6, 10]))
    y = net.add("Reshape", net.add("Transpose", y, perm=[0, 2, 1, 3, 4]), np.array([-1, channels, 6, 10]))
    y = net.conv(y, channels, channels, group=channels, bias=bias, pads=[1] * 4, strides=strides)
    y = net.norm(y, channels) if bias else y
    y = net.conv(net.add("Relu", y) if relu else y, channels, channels, group=groups, kernel=(1, 1))
    middle = ["ConvBlocked", "ShuffleBlocked"] if max(strides) > 1 and not relu else ["ShuffleBlocked", "ConvBlocked"]
    check(net.model(3, (6, 10), y), 2, 3, 6, 10, nodes=["ConvBlocked", *middle, "ConvBlocked", "FromBlocks"])


@pytest.mark.parametrize("options", [{"size": 5}, {"size": 7, "alpha": 0.1, "bias": 2.0}, {"size": 3, "beta": 0.5},
                                     {"size": 33, "alpha": 1.0}, {"size": 35}], ids=str)
def test_lrn(options):
    net = Net()
    y = net.conv(net.add("LRN", net.conv("x", 3, 40), **options), 40, 16)
    found = check(net.model(3, (9, 9), y), 2, 3, 9, 9)
    assert ("LrnBlocked" in found) == (options["size"] <= 33)


POOLS = [("MaxPool", {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 0, 1, 1]}),
         ("MaxPool", {"kernel_shape": [3, 2], "dilations": [2, 3], "pads": [2, 1, 1, 0]}),
         ("MaxPool", {"kernel_shape": [3, 2], "strides": [2, 1], "auto_pad": "SAME_UPPER"}),
         ("MaxPool", {"kernel_shape": [3, 3], "strides": [2, 2], "ceil_mode": 1}),
         ("AveragePool", {"kernel_shape": [3, 3], "pads": [1] * 4}),
         ("AveragePool", {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1] * 4, "count_include_pad": 1,
                          "ceil_mode": 1}),
         ("GlobalMaxPool", {}), ("GlobalAveragePool", {})]


@pytest.mark.parametrize("op, options", POOLS, ids=str)
def test_pools(op, options):
    net = Net()
    y = net.add(op, net.conv("x", 3, 20), **options)
    check(net.model(3, ("h", "w"), y, version=19), 2, 3, 12, 14, nodes=["ConvBlocked", "PoolBlocked", "FromBlocks"])


def test_values_in_both_forms():
    """Outputs of the graph, and readers that are no friends of blocks."""
    net = Net()
    a = net.conv("x", 16, 16)
    b = net.add("Relu", a)
    c = net.conv(b, 16, 8)
    d = net.add("Softmax", b, axis=1)
    check(net.model(16, (8, 8), a, b, c, d), 2, 16, 8, 8)


@pytest.mark.parametrize("outputs", [1, 3])
def test_few_outputs_of_what_is_in_blocks(outputs):
    net = Net()
    y = net.conv("x", 3, 20)
    y = net.add("Sigmoid", net.conv(y, 20, outputs, kernel=(1, 1)))
    check(net.model(3, ("h", 9), y), 2, 3, 9, 9, nodes=["ConvBlocked", "ConvActivated", "FromBlocks"])


def test_what_stays_plain():
    net = Net()
    few = net.conv("x", 16, 4)
    check(net.model(16, (8, 8), few), 1, 16, 8, 8, nodes=["Conv"])
    net = Net()
    y = net.add("Conv", "x", net.add("Mul", net.constant(numbers(16, 16, 3, 3)), "s"))
    scalar = helper.make_tensor_value_info("s", 1, [])
    model = onnx.load_from_string(net.model(16, (8, 8), y))
    model.graph.input.append(scalar)
    with libinfer.load(model.SerializeToString()) as loaded:
        assert "Conv" in [n.op for n in loaded.nodes]


def test_infinities_stay_where_they_are():
    """A window without infinities gives a number where sums are direct."""
    net = Net()
    data = net.model(16, (8, 8), net.conv("x", 16, 16, kernel=(1, 1)))
    x = numbers(1, 16, 8, 8)
    x[0, 3, 2, 2] = np.inf
    with libinfer.load(data) as model:
        y = next(iter(model.run({"x": x}).values()))
    assert np.isfinite(y).sum() == 16 * 63


@pytest.mark.parametrize("allowed", [True, False])
@pytest.mark.parametrize("channels,kernel,size,place", [(32, (3, 3), (28, 28), (9, 9)), (64, (1, 3), (1, 400), (0, 9))])
def test_fewer_products_are_an_option(channels, kernel, size, place, allowed):
    """They spread an infinity over outputs that have no part in it; a direct sum does not."""
    net = Net()
    around = [n // 2 for n in kernel]
    net.add("Conv", "x", np.ones((channels, channels, *kernel), np.float32), pads=around * 2)
    x = np.zeros((1, channels, *size), np.float32)
    x[(0, 3, *place)] = np.inf
    with libinfer.load(net.model(channels, size, "v0"), without=[] if allowed else ["allow-winograd"]) as model:
        assert [n.op for n in model.nodes].count("ConvBlocked") == 1
        got = model.run({"x": x})["v0"]
    near = np.zeros(got.shape, bool)
    near[(..., *(slice(at - n, at + n + 1) for at, n in zip(place, around)))] = True
    assert np.all(~np.isfinite(got[near]))
    assert np.all(got[~near] == 0) != allowed


@pytest.mark.parametrize("kernel,dilation,size", [((1, 3), 1, (3, 150)), ((3, 1), 1, (90, 5)), ((1, 3), 7, (1, 590)),
                                                  ((5, 1), 1, (261, 1)), ((1, 9), 2, (1, 270)), ((2, 1), 3, (241, 2)),
                                                  ((5, 5), 1, (24, 24)), ((4, 2), 2, (20, 31))])
def test_along_lines(kernel, dilation, size):
    net = Net()
    rows = kernel[1] == 1
    pads = [1, 0, 2, 0] if rows else [0, 1, 0, 2]
    y = net.conv("x", 33, 40, kernel=kernel, dilations=[dilation, 1] if rows else [1, dilation], pads=pads)
    y = net.add("LeakyRelu", y)
    check(net.model(33, size, y), 2, 33, *size, nodes=["ToBlocks", "ConvActivated", "FromBlocks"])


@pytest.mark.parametrize("kernel,size,images", [((1, 3), (1, 90), 1), ((1, 1), (9, 7), 1), ((5, 1), (61, 1), 1),
                                               ((1, 3), (1, 9), 4), ((2, 2), (3, 3), 3)])
def test_residual_behind_gelu(kernel, size, images):
    """What is added behind an activation is, too, where results are written."""
    net = Net()
    x = net.conv("x", 33, 40, kernel=(1, 1))
    y = net.conv(x, 40, 40, kernel=kernel, auto_pad="SAME_UPPER")
    erf = net.add("Erf", net.add("Div", y, np.float32(np.sqrt(2))))
    y = net.add("Mul", net.add("Mul", y, net.add("Add", erf, np.float32(1))), np.float32(0.5))
    y = net.add("Add", y, x)
    check(net.model(33, size, y), images, 33, *size, nodes=["ToBlocks", "ConvBlocked", "ConvActivated", "FromBlocks"])


@pytest.mark.parametrize("group", [1, 32])
def test_residual_behind_sigmoid(group):
    """Kernels of single channels add before their activation alone."""
    net = Net()
    x = net.conv("x", 32, 32, kernel=(1, 1))
    y = net.add("Add", net.add("Sigmoid", net.conv(x, 32, 32, group=group, pads=[1] * 4)), x)
    added = ["Add"] if group > 1 else []
    check(net.model(32, (19, 21), y), 2, 32, 19, 21,
          nodes=["ToBlocks", "ConvBlocked", "ConvActivated", *added, "FromBlocks"])


def test_gelu_by_tanh():
    net = Net()
    y = net.add("Gelu", net.conv("x", 32, 32), approximate="tanh")
    check(net.model(32, (9, 9), y, version=20), 2, 32, 9, 9, nodes=["ToBlocks", "ConvActivated", "FromBlocks"])


def test_forged_records(tmp_path):
    """Numbers of the records that are not what the passes wrote: refused, or harmless."""
    net = Net()
    y = net.add("LRN", net.add("Relu", net.norm(net.conv("x", 16, 16, strides=[2, 2], pads=[1] * 4), 16)), size=3)
    y = net.conv(y, 16, 16, group=16, pads=[1] * 4)
    y = net.add("Concat", y, net.add("MaxPool", y, kernel_shape=[3, 3], pads=[1] * 4), axis=1)
    y = net.add("Relu", net.norm(net.add("Mul", y, y), 32))
    data = net.model(16, (8, 8), y, batch=1)
    with libinfer.load(data) as model:
        model.save(tmp_path / "m.infer")
    image = (tmp_path / "m.infer").read_bytes()
    x = numbers(1, 16, 8, 8)
    refused = 0
    places = [i for i in range(0, len(image) - 8, 8) if 0 < struct.unpack_from("<q", image, i)[0] <= 64]
    for at in places:
        for value in (-1, 0, 2, 17, 1 << 20, 1 << 31, 1 << 40, (1 << 63) - 1):
            forged = bytearray(image)
            struct.pack_into("<q", forged, at, value)
            try:
                with libinfer.load(bytes(forged), memory_limit=1 << 26) as model:
                    model.run({"x": x})
            except libinfer.InferError:
                refused += 1
    assert refused > len(places)


@pytest.mark.parametrize("size", [(1, 1), (1, 2), (3, 1), (2, 2), (1, 5), (3, 7), (5, 13)], ids=str)
@pytest.mark.parametrize("channels", [17, 32, 47])
def test_in_and_out_of_blocks(channels, size):
    """Few places and many, blocks that are full and not; each channel goes where it came from."""
    net = Net()
    x = net.conv("x", channels, channels, (1, 1))
    data = net.model(channels, size, net.add("Softmax", net.add("Relu", x), axis=1))
    found = check(data, 3, channels, *size)
    assert "FromBlocks" in found


@pytest.mark.parametrize("outputs", [16, 24, 40])
@pytest.mark.parametrize("strides", [1, 2])
def test_networks_begin(outputs, strides):
    """Few plain channels in rows of whole tiles, HardSwish, the largest of 3 x 3 places, a single panel of outputs."""
    net = Net()
    y = net.add("HardSwish", net.conv("x", 3, outputs, pads=[1] * 4, strides=[2, 2]))
    y = net.add("MaxPool", y, kernel_shape=[3, 3], pads=[1] * 4, strides=[strides] * 2)
    y = net.conv(y, outputs, 16, kernel=(1, 1))
    check(net.model(3, (23, 81), y), 2, 3, 23, 81, nodes=["ConvActivated", "PoolBlocked", "ConvBlocked", "FromBlocks"])


@pytest.mark.parametrize("batch", [1, 3])
def test_threads_share_what_is_in_blocks(batch):
    """Work that is cut: the bits are those of one thread."""
    net = Net()
    y = net.add("LRN", net.conv("x", 3, 68, pads=[1] * 4), size=5, alpha=0.1)
    y = net.conv(y, 68, 136, kernel=(1, 1), group=2)
    y = net.add("Reshape", y, np.array([0, 4, 34, 60, 44]))
    y = net.add("Reshape", net.add("Transpose", y, perm=[0, 2, 1, 3, 4]), np.array([0, 136, 60, 44]))
    y = net.conv(y, 136, 136, group=136, pads=[1] * 4)
    y = net.add("MaxPool", net.conv(y, 136, 64, group=4, kernel=(1, 1)), kernel_shape=[3, 3], pads=[1] * 4)
    data = net.model(3, (60, 44), net.conv(y, 64, 32, pads=[1] * 4), batch=batch)
    check(data, batch, 3, 60, 44, nodes={"LrnBlocked": 1, "ShuffleBlocked": 1, "PoolBlocked": 1, "ConvBlocked": 5})
    x = {"x": numbers(batch, 3, 60, 44)}
    with libinfer.load(data, threads=1) as one:
        wanted = [v.tobytes() for v in one.run(x).values()]
    for threads in (2, 3, 5):
        with libinfer.load(data, threads=threads) as many:
            assert [v.tobytes() for v in many.run(x).values()] == wanted, threads


@pytest.mark.parametrize("threads", [1, 2])
def test_images_at_once(threads):
    """Winograd's algorithm takes the tiles of all images; one model is run with few and many."""
    net = Net()
    inner = net.add("Relu", net.conv("x", 48, 40, pads=[1, 1, 1, 1]))
    data = net.model(48, (7, 9), net.add("Add", net.conv(inner, 40, 48, pads=[1, 1, 1, 1]), "x"))
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    with libinfer.load(data, threads=threads) as model:
        for images in (1, 8, 3, 40, 1):
            x = numbers(images, 48, 7, 9)
            expected, = session.run(None, {"x": x})
            actual, = model.run({"x": x}).values()
            assert np.abs(actual - expected).max() <= 2e-5 * np.abs(expected).max()
