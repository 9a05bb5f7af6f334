"""com.microsoft: what optimizers fuse, against onnxruntime (see microsoft.py)."""

import numpy as np
import pytest

import libinfer
from microsoft import build, BYTES, bytes_of, Cases, close, pick, reals, scale, zero
from test_microsoft import n_bits
from test_microsoft_text import crop

cases = Cases()


# ---- what optimizers fuse ----

@cases("Gelu")
@cases("QuickGelu")
@cases("FastGelu")
def gelu(random, number):
    shape = pick(number, (3, 5), (2, 3, 8), (1000,), (1, 1, 1, 7))
    return [reals(random, *shape) * 3], {}


@cases("FastGelu")
@cases("BiasGelu")
def bias_gelu(random, number):
    shape = pick(number, (3, 5), (2, 3, 8), (1000,), (1, 1, 1, 7))
    return [reals(random, *shape) * 3, reals(random, shape[-1])], {}


@cases("QuickGelu", 4)
def quick(random, number):
    return gelu(random, number)[0], {"alpha": pick(number, 1.0, 1.702, 0.5, -1.0)}


@cases("FusedMatMul", 24)
def fused_mat_mul(random, number):
    batch = pick(number, (), (2,), (2, 3))
    m, k, n = pick(number // 3, (3, 4, 5), (1, 8, 2), (6, 1, 3))
    trans_a, trans_b = number // 2 % 2, number // 4 % 2
    batch_a = bool(batch) and number % 8 == 5
    a = [*batch, k, m] if trans_a else [*batch, m, k]
    if batch_a:
        a = [a[-2], *a[:-2], a[-1]]
    return [reals(random, *a), reals(random, *batch, *((n, k) if trans_b else (k, n)))], {
        "transA": trans_a, "transB": trans_b, "alpha": pick(number, 1.0, 0.125), "transBatchA": int(batch_a)}, {
            "ranked": True, "weights": (1,)}


@cases("TransposeMatMul")
def transpose_mat_mul(random, number):
    trans_a, trans_b = number % 2, number // 2 % 2
    return [reals(random, 2, *((4, 3) if trans_a else (3, 4))), reals(random, 2, *((5, 4) if trans_b else (4, 5)))], {
        "transA": trans_a, "transB": trans_b, "alpha": pick(number // 4, 1.0, 0.5)}, {"ranked": True}


GEMM_ACTIVATIONS = [{"activation": "Relu"}, {"activation": "LeakyRelu", "activation_alpha": 0.1},
                    {"activation": "Sigmoid"}, {"activation": "Tanh"}, {"activation": "Elu", "activation_alpha": 0.5},
                    {"activation": "HardSigmoid", "activation_alpha": 0.3, "activation_beta": 0.4},
                    {"activation": "Softplus"}, {"activation": "Softsign"},
                    {"activation": "ThresholdedRelu", "activation_alpha": 0.3},
                    {"activation": "Selu", "activation_alpha": 1.5, "activation_gamma": 1.1}]


@cases("FusedGemm", 20)
def fused_gemm(random, number):
    trans_a, trans_b = number % 2, number // 2 % 2
    return [reals(random, *((4, 3) if trans_a else (3, 4))), reals(random, *((5, 4) if trans_b else (4, 5))),
            pick(number, reals(random, 5), None, reals(random, 3, 1))], {
                "transA": trans_a, "transB": trans_b, "alpha": 0.5, "beta": 2.0, **pick(number, *GEMM_ACTIVATIONS)}


@cases("FusedConv", 16)
def fused_conv(random, number):
    activation = pick(number, {"activation": "Relu"}, {"activation": "LeakyRelu", "activation_params": [0.1]},
                      {"activation": "Clip", "activation_params": [-0.5, 0.7]}, {"activation": "Sigmoid"},
                      {"activation": "Tanh"}, {"activation": "HardSigmoid", "activation_params": [0.2, 0.5]}, {})
    shape = pick(number // 2, {}, {"pads": [1, 1, 1, 1]}, {"strides": [2, 2]}, {"group": 2})
    group = shape.get("group", 1)
    x = reals(random, 2, 4, 7, 6)
    y = {"pads": (7, 6), "strides": (3, 2)}.get(next(iter(shape), ""), (5, 4))
    z = reals(random, 2, 6, *y) if number % 3 == 0 else None
    bias = reals(random, 6) if number % 2 or z is not None else None
    return [x, reals(random, 6, 4 // group, 3, 3), bias, z], {"kernel_shape": [3, 3], **shape, **activation}, {
        "weights": (1, 2)}


@cases("SkipLayerNormalization", 12)
def skip_norm(random, number):
    b, s, h = pick(number, (2, 3, 8), (1, 1, 16), (3, 5, 7))
    skip = pick(number // 3, (b, s, h), (1, s, h), (s, h))
    extra = {"outputs": pick(number, ["o0"], ["o0", "", "", "o3"])}
    return [reals(random, b, s, h), reals(random, *skip), reals(random, h), reals(random, h) if number % 4 else None,
            reals(random, h) if number % 5 else None], {"epsilon": pick(number, 1e-12, 1e-5)}, extra


@cases("SkipSimplifiedLayerNormalization", 8)
def skip_simplified(random, number):
    b, s, h = pick(number, (2, 3, 8), (1, 1, 16), (3, 5, 7))
    extra = {"outputs": pick(number, ["o0"], ["o0", "", "", "o3"])}
    return [reals(random, b, s, h), reals(random, b, s, h), reals(random, h),
            reals(random, h) if number % 5 else None], {"epsilon": pick(number, 1e-12, 1e-5)}, extra


@cases("SimplifiedLayerNormalization", 8, domain="")
def simplified(random, number):
    shape = pick(number, (2, 3, 8), (5, 16), (1, 2, 3, 4))
    dtype = pick(number // 3, np.float32, np.float32, np.float64)
    return [reals(random, *shape, dtype=dtype), reals(random, shape[-1], dtype=dtype)], {
        "epsilon": pick(number, 1e-6, 1e-3), "axis": -1}, {"outputs": pick(number // 2, 1, 2) if dtype == np.float32 else 1}


@cases("EmbedLayerNormalization", 12)
def embed(random, number):
    b, s, h = pick(number, (2, 3, 8), (1, 1, 16), (3, 5, 4))
    ids = random.integers(0, 20, (b, s)).astype(np.int32)
    segments = number % 3 != 2
    mask = (np.arange(s) < random.integers(1, s + 1, (b, 1))).astype(np.int32) if number % 4 else None
    places = random.integers(0, 9, pick(number, (b, s), (1, s))).astype(np.int32) if number % 5 == 3 else None
    return [ids, random.integers(0, 2, (b, s)).astype(np.int32) if segments else None, reals(random, 20, h),
            reals(random, 9, h), reals(random, 2, h) if segments else None, reals(random, h), reals(random, h), mask,
            places], {"epsilon": pick(number, 1e-12, 1e-5)}, {"outputs": pick(number, 2, 3), "weights": (2, 3, 4, 5, 6)}


@cases("QEmbedLayerNormalization", 8, outputs=2)
def q_embed(random, number):
    b, s, h = pick(number, (2, 3, 8), (1, 1, 16), (3, 5, 4))
    dtype = pick(number, *BYTES)
    segments = number % 3 != 2
    ids = random.integers(0, 20, (b, s)).astype(np.int32)
    mask = (np.arange(s) < random.integers(1, s + 1, (b, 1))).astype(np.int32) if number % 4 else None
    tables = [bytes_of(random, dtype, *shape) for shape in ((20, h), (9, h), (2, h), (h,), (h,))]
    scales = [scale(random) for _ in tables]
    zeros = [zero(random, dtype) for _ in tables]
    for part in (tables, scales, zeros):
        part[2] = part[2] if segments else None
    return [ids, random.integers(0, 2, (b, s)).astype(np.int32) if segments else None, *tables, mask, *scales,
            *zeros], {}


# ---- attention ----

def random_mask(random, kind, b, s, t):
    """Padding masks of a kind; a first key is never masked, but where the sequence starts later."""
    ends = random.integers(1, t + 1, b).astype(np.int32)
    starts = (random.integers(0, t, b) % ends).astype(np.int32)
    two = (np.arange(t) < ends[:, None]).astype(np.int32)
    three = np.tile(two[:, None], (1, s, 1)) * random.integers(0, 2, (b, s, t)).astype(np.int32)
    three[:, :, 0] = 1
    return {None: None, "ends": ends, "bounds": np.concatenate([ends, starts]), "two": two, "three": three}[kind]


ATTENTION = [(2, 3, 2, 4), (1, 1, 3, 8), (2, 7, 1, 5), (3, 5, 4, 2)]  # batch, rows, heads, size


@cases("Attention", 40)
def attention(random, number):
    b, s, n, h = pick(number, *ATTENTION)
    kind = pick(number // 4, None, "ends", "bounds", "two", "three")
    past = 4 if number % 3 == 1 and kind != "bounds" else 0
    inputs = 6
    sizes = [n * h, n * h, n * h]
    attributes = {"num_heads": n}
    if number % 5 == 2 and not past:
        sizes[2] = n * 3
        attributes["qkv_hidden_sizes"] = sizes
    if number % 4 == 3:
        attributes["unidirectional"] = 1
    if number % 7 == 3:
        attributes["scale"] = 0.3
    if number % 6 == 5:
        attributes["mask_filter_value"] = -50.0
    bias = reals(random, *pick(number, (b, n), (1, n), (1, 1)), s, s) if number % 9 == 4 and not past else None
    return [reals(random, b, s, inputs), reals(random, inputs, sum(sizes)), reals(random, sum(sizes)),
            random_mask(random, kind, b, s, s + past), reals(random, 2, b, n, past, h) if past else None, bias],  \
        attributes, {"outputs": 2 if past or number % 3 == 2 and len(set(sizes)) == 1 else 1, "weights": (1, 2)}


@cases("QAttention", 24)
def q_attention(random, number):
    b, s, n, h = pick(number, *ATTENTION)
    kind = pick(number // 4, None, "ends", "bounds", "two", "three")
    past = 4 if number % 3 == 1 and kind != "bounds" else 0
    dtype, weight = np.uint8, pick(number, *BYTES)  # onnxruntime has no inputs of int8
    columns = 3 * n * h if number % 5 == 2 else 1
    zeros = np.zeros(columns, weight) if columns > 1 else bytes_of(random, weight, 1, narrow=True)
    shape = () if columns == 1 else (columns,)
    return [bytes_of(random, dtype, b, s, 6), bytes_of(random, weight, 6, 3 * n * h, narrow=True),
            reals(random, 3 * n * h), np.array(0.02, np.float32),
            random.uniform(0.005, 0.02, columns).astype(np.float32).reshape(shape),
            random_mask(random, kind, b, s, s + past), zero(random, dtype), zeros.reshape(shape),
            reals(random, 2, b, n, past, h) if past else None], {
                "num_heads": n, "unidirectional": int(number % 4 == 3)}, {
                    "outputs": 2 if past else 1, "weights": (1, 2, 4, 7)}


@cases("MultiHeadAttention", 40)
def multi_head(random, number):
    b, s, n, h = pick(number, *ATTENTION)
    cross = number % 5 == 3
    past = 4 if number % 3 == 1 and not cross else 0
    keys = 6 if cross else s
    size = 3 if number % 4 == 2 and not past else h
    kind = pick(number // 3, None, "ends", "two", "three")
    apart = cross and number % 2
    key = reals(random, b, n, keys, h) if apart else reals(random, b, keys, n * h)
    value = reals(random, b, n, keys, h) if apart else reals(random, b, keys, n * size)
    bias = reals(random, 2 * n * h + n * (h if apart else size)) if number % 2 == 0 else None
    scores = reals(random, *pick(number, (b, n), (1, n), (1, 1)), s, keys + past) if number % 7 == 4 else None
    attributes = {"num_heads": n}
    if number % 6 == 5 and not cross:
        attributes["unidirectional"] = 1
    if number % 7 == 3:
        attributes["scale"] = 0.3
    return [reals(random, b, s, n * h), key, value, bias, random_mask(random, kind, b, s, keys + past), scores,
            *([reals(random, b, n, past, h) for _ in range(2)] if past else [None, None])], attributes, {
                "outputs": 3 if past else 1}


@pytest.mark.parametrize("packed", ["qkv", "kv"])
def test_packed_heads(packed):
    """onnxruntime packs for other processors only."""
    random = np.random.default_rng(4)
    q, k, v = (reals(random, 2, 3, 4, 5) for _ in range(3))
    flat = [x.reshape(2, 3, 20) for x in (q, k, v)]
    inputs = [np.stack([q, k, v], 3)] if packed == "qkv" else [flat[0], np.stack([k, v], 3)]
    answers = []
    for given in (inputs, flat):
        model, feeds = build("MultiHeadAttention", given, {"num_heads": 4}, "com.microsoft")
        with libinfer.load(model) as ours:
            answers += ours.run(feeds).values()
    close(*answers)


@cases("RotaryEmbedding", 20)
def rotary(random, number):
    b, s, n, h = pick(number, (2, 3, 2, 8), (1, 1, 3, 16), (2, 7, 1, 4), (3, 5, 4, 32))
    part = h // 2 if number % 5 == 2 else 0
    apart = number % 2
    angles = random.uniform(0, 6, (20, (part or h) // 2)).astype(np.float32)
    positions = np.array([3]) if number % 3 == 0 else random.integers(0, 20, (b, s))
    heads = n if part or number % 4 > 1 else 0
    x = reals(random, b, n, s, h) if apart else reals(random, b, s, n * h)
    return [x, positions.astype(np.int64), np.cos(angles), np.sin(angles)], {
        "interleaved": number // 2 % 2, "num_heads": heads, "rotary_embedding_dim": part}, {
            "weights": (2, 3), "ranked": not heads}


@cases("GroupQueryAttention", 48)
def group_query(random, number):
    """A prompt, or a step of generation from a cache that is as long as it has to be, or longer."""
    b, n, groups, h = pick(number, (1, 4, 2, 16), (2, 2, 2, 32), (1, 6, 2, 16), (3, 4, 1, 16))
    prompt = number // 4 % 2 == 0
    rows = pick(number, 5, 3, 1) if prompt else pick(number // 8, 1, 1, 3 if b == 1 else 1)
    lengths = random.integers(1, 7, b) + rows
    total = rows if prompt else int(lengths.max())
    if prompt:
        lengths[:] = rows
    room = (rows + 1) * (number // 8 % 2)
    past = 0 if prompt else total - rows + room
    caches = [reals(random, b, groups, past, h) for _ in range(2)]
    for cache in caches:
        for i in range(b):
            cache[i, :, max(int(lengths[i]) - rows, 0):] = 0
    if prompt and number % 3 == 0:
        caches = [None, None]
    packed = number % 5 == 2
    parts = [reals(random, b, rows, heads * h) for heads in (n, groups, groups)]
    attributes = {"num_heads": n, "kv_num_heads": groups}
    turn = number % 3 != 2
    angles = random.uniform(0, 6, (30, h // 2)).astype(np.float32)
    if turn:
        attributes |= {"do_rotary": 1, "rotary_interleaved": number // 3 % 2}
    if number % 7 == 3:
        attributes["scale"] = 0.3
    if number % 7 == 4:
        attributes["softcap"] = 2.0
    if number % 5 == 3:
        attributes["local_window_size"] = 3
    if number % 11 == 5:
        attributes["smooth_softmax"] = 1
    sink = reals(random, n) if number % 11 == 7 else None
    bias = reals(random, pick(number, 1, b), pick(number, n, 1), rows, total) if number % 9 == 4 else None
    return [np.concatenate(parts, 2) if packed else parts[0], *([None, None] if packed else parts[1:]), *caches,
            (lengths - 1).astype(np.int32), np.array(total, np.int32),
            *([np.cos(angles), np.sin(angles)] if turn else [None, None]), None, bias, sink], attributes, {
                "outputs": 3, "weights": (7, 8)}


# ---- narrow types, which onnxruntime has on other processors ----

HALVES = [("MatMulNBits", n_bits), ("SkipLayerNormalization", skip_norm), ("GroupQueryAttention", group_query),
          ("MultiHeadAttention", multi_head), ("Attention", attention), ("FusedMatMul", fused_mat_mul),
          ("BiasGelu", bias_gelu), ("RotaryEmbedding", rotary), ("QuickGelu", quick), ("CropAndResize", crop)]


@pytest.mark.parametrize(("op", "make"), HALVES, ids=[op for op, _ in HALVES])
@pytest.mark.parametrize("number", [0, 1, 4, 5])
def test_half(op, make, number):
    inputs, attributes, *more = make(np.random.default_rng(number), number)
    outputs = more[0].get("outputs", 1) if more else 1
    answers = []
    for kind in (np.float16, np.float32):
        given = [x.astype(np.float16).astype(kind) if x is not None and x.dtype == np.float32 else x for x in inputs]
        model, feeds = build(op, given, attributes, "com.microsoft", outputs=outputs)
        with libinfer.load(model) as ours:
            answers.append(list(ours.run(feeds).values()))
    for half, full in zip(*answers):
        assert half.dtype == np.float16
        np.testing.assert_allclose(half, full, rtol=0.01, atol=0.01 * np.abs(full).max())


test_operator = cases.test()
