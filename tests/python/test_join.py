"""Products of slices with the same weights become one; shapes that are known in part. Judged by onnxruntime."""

import numpy as np
import onnx
import pytest
from test_fusion import compare, model_of, operators
from test_merge import node

import libinfer

random = np.random.default_rng(9)
W = {"w": random.normal(size=(24, 20)).astype(np.float32), "v": random.normal(size=(24, 20)).astype(np.float32),
     "b": random.normal(size=20).astype(np.float32)}


def model(nodes, feeds, shapes, **constants):
    """shapes: of inputs, with -1 for what is not known."""
    indices = {f"i{i}": np.int64(i) for i in range(-1, 9)} | {"last": np.int64([2]), "half": np.int32(1)}
    read = {name for each in nodes for name in each.input}
    constants = {k: v for k, v in (W | indices | constants).items() if k in read}
    proto = onnx.load_from_string(model_of(nodes, feeds, ["y"], constants))
    for value in proto.graph.input:
        for dim, extent in zip(value.type.tensor_type.shape.dim, shapes[value.name], strict=True):
            if extent >= 0:
                dim.dim_value = extent
    return proto.SerializeToString()


def steps(count, axis=0, weights="w", after="Tanh"):
    nodes = []
    for i in range(count):
        nodes += [node(f"s{i} = Gather(x, i{i - 1})", axis=axis), node(f"p{i} = MatMul(s{i}, {weights})"),
                  node(f"q{i} = Add(p{i}, b)"), node(f"r{i} = {after}(q{i})")]
    return [*nodes, node(f"y = Max({', '.join(f'r{i}' for i in range(count))})")]


@pytest.mark.parametrize("after", ["Tanh", "Neg"])
@pytest.mark.parametrize("extents, axis", [((5, -1, 24), 0), ((5, 2, 24), -3), ((-1, 5, 24), 1), ((5, 24), 0)])
def test_steps_are_one_product(extents, axis, after):
    x = random.normal(size=[3 if e < 0 else e for e in extents]).astype(np.float32)
    data = model(steps(5, axis, after=after), {"x": x}, {"x": extents})
    found = operators(compare(data, {"x": x}))
    assert found.count("MatMulPacked") == 1 and found.count("Gather") == 5
    assert operators(libinfer.load(data, without=["join-products"])).count("MatMulPacked") == 5


def test_weights_and_slices_tell_products_apart():
    """Two of one slice with other weights, one of another tensor, one of another axis."""
    x, z = (random.normal(size=(3, 3, 24)).astype(np.float32) for _ in range(2))
    nodes = [node("s = Gather(x, i0)", axis=0), node("t = Gather(x, i1)", axis=0), node("u = Gather(x, i2)", axis=1),
             node("o = Gather(z, i1)", axis=0)]
    nodes += [node(f"a{i} = MatMul({value}, {weights})")
              for i, (value, weights) in enumerate(("sw", "tw", "sv", "tv", "uw", "ow"))]
    nodes.append(node("y = Sum(a0, a1, a2, a3, a4, a5)"))
    shapes = {"x": (3, 3, 24), "z": (3, 3, 24)}
    found = operators(compare(model(nodes, {"x": x, "z": z}, shapes), {"x": x, "z": z}))
    assert found.count("MatMulPacked") == 4 and found.count("Gather") == 6


@pytest.mark.parametrize("extents, indices, axis", [
    ((9, 2, 24), 3, 0),  # most of the whole is not wanted
    ((-1, 2, 24), 5, 0),  # or nobody knows
])
def test_what_stays_apart(extents, indices, axis):
    x = random.normal(size=[9 if e < 0 else e for e in extents]).astype(np.float32)
    found = operators(compare(model(steps(indices, axis), {"x": x}, {"x": extents}), {"x": x}))
    assert found.count("MatMulPacked") == indices


def test_slices_of_the_last_axis_stay():
    """These are no rows of the product."""
    x = random.normal(size=(24, 24, 2)).astype(np.float32)
    nodes = [node("s = Gather(x, i0)", axis=2), node("t = Gather(x, i1)", axis=2), node("a = MatMul(s, w)"),
             node("c = MatMul(t, w)"), node("y = Sub(a, c)")]
    found = operators(compare(model(nodes, {"x": x}, {"x": x.shape}), {"x": x}))
    assert found.count("MatMulPacked") == 2


# ---- shapes ----

@pytest.mark.parametrize("pick, shape_attrs, known", [
    ("i1", {}, True), ("i-1", {}, True), ("last", {}, True), ("half", {}, True), ("i0", {}, False),
    ("i0", {"start": 1}, True), ("i-1", {"start": -3, "end": -2}, False), ("i-1", {"start": -2, "end": -1}, True),
])
def test_extents_that_are_known(pick, shape_attrs, known):
    x = random.normal(size=(4, 3, 24)).astype(np.float32)
    nodes = [node("n = Shape(x)", **shape_attrs), node(f"k = Gather(n, {pick})", axis=0), node("f = Cast(k)", to=1),
             node("y = Mul(x, f)")]
    found = operators(compare(model(nodes, {"x": x}, {"x": (-1, 3, 24)}), {"x": x}))
    assert found == (["Mul"] if known else ["Shape", "Gather", "Cast", "Mul"])


@pytest.mark.parametrize("parts, stays", [(("n", "rows", "last8"), False), (("rows", "n", "last8"), False),
                                          (("n", "m"), True), (("n", "zero", "last8"), True)])
def test_a_list_with_one_unknown_entry(parts, stays):
    """The others are known: a Shape of the result tells them."""
    x = random.normal(size=(4, 24, 8)).astype(np.float32)
    constants = {"front": np.int64([0]), "all": np.int64([192]), "rows": np.int64([24]), "zero": np.int64([0]),
                 "last8": np.int64([8])}
    nodes = [node("s = Shape(x)"), node("k = Gather(s, i0)", axis=0), node("n = Unsqueeze(k, front)"),
             *([node("h = Mul(n, all)"), node("m = Div(h, n)")] if "m" in parts else []),
             node(f"l = Concat({', '.join(parts)})", axis=0), node("r = Reshape(x, l)"), node("t = Shape(r)"),
             node("u = Gather(t, i1)", axis=0), node("f = Cast(u)", to=1), node("y = Mul(r, f)")]
    found = operators(compare(model(nodes, {"x": x}, {"x": (-1, 24, 8)}, **constants), {"x": x}))
    assert ("Concat" in found) == stays
    if parts[0] == "n" and not stays:
        assert found == ["Reshape", "Mul"]


# ---- stacks ----

@pytest.mark.parametrize("op, keepdims, join, reduce, becomes", [
    ("ReduceMax", 0, 2, -1, "Max"), ("ReduceMin", 0, -1, 2, "Min"), ("ReduceMax", 0, 1, 1, "Max"),
    ("ReduceMax", 1, 2, 2, None), ("ReduceMax", 0, 2, 1, None), ("ReduceSum", 0, 2, 2, None),
])
def test_the_largest_of_a_stack(op, keepdims, join, reduce, becomes):
    feeds = {name: random.normal(size=(3, 5)).astype(np.float32) for name in "xzo"}
    feeds["x"][0, 0] = feeds["z"][1, 1] = np.nan
    feeds["o"][2] = np.inf
    nodes = [node(f"u{i} = Unsqueeze({name}, at)") for i, name in enumerate("xzo")]
    nodes += [node("s = Concat(u0, u1, u2)", axis=join)]
    nodes += [node("y = ReduceSum(s, axes)", keepdims=keepdims) if op == "ReduceSum" else
              node(f"y = {op}(s)", axes=[reduce], keepdims=keepdims)]
    data = model(nodes, feeds, {name: (-1, 5) for name in "xzo"}, at=np.int64([join]), axes=np.int64([reduce]))
    fold = {"ReduceMax": np.max, "ReduceMin": np.min, "ReduceSum": np.sum}[op]  # onnxruntime forgets some NaN
    stack = np.concatenate([np.expand_dims(feeds[name], join) for name in "xzo"], axis=join)
    loaded = libinfer.load(data)
    got = loaded.run(feeds, numpy=True)["y"]
    np.testing.assert_allclose(got, fold(stack, axis=reduce, keepdims=bool(keepdims)), rtol=1e-6)
    assert operators(loaded) == ([becomes] if becomes else ["Unsqueeze"] * 3 + ["Concat", op])


def test_a_stack_of_what_has_the_extent():
    """Nothing was stacked: the pieces had the axis before."""
    x = random.normal(size=(3, 5, 2)).astype(np.float32)
    nodes = [node("s = Concat(x, x)", axis=2), node("y = ReduceMax(s)", axes=[2], keepdims=0)]
    assert operators(compare(model(nodes, {"x": x}, {"x": (-1, 5, 2)}), {"x": x})) == ["Concat", "ReduceMax"]
