"""Writes small valid models as seeds for the fuzz targets.

usage: gen_seeds.py FOLDER [INFER]

FOLDER gets onnx/, json/, request/, picture/, pattern/ and, where INFER (the command-line tool) is given, infer/.
"""

import io
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image
from onnx import TensorProto, helper, numpy_helper


def tensor(name, values, dtype=np.float32):
    return numpy_helper.from_array(np.asarray(values, dtype=dtype), name)


def model(nodes, inputs, outputs, initializers=(), sparse=(), opset=17, functions=(), extra=()):
    """A model from nodes; inputs and outputs are (name, element type, shape)."""
    infos = [[helper.make_tensor_value_info(*port) for port in ports] for ports in (inputs, outputs)]
    graph = helper.make_graph(nodes, "seed", *infos, initializer=list(initializers),
                              sparse_initializer=list(sparse))
    imports = [helper.make_opsetid("", opset), *(helper.make_opsetid(*e) for e in extra)]
    return helper.make_model(graph, opset_imports=imports, functions=list(functions), ir_version=9)


def linear_layers():
    node = helper.make_node
    nodes = [node("Gemm", ["x", "w", "b"], ["h"], transB=1), node("Relu", ["h"], ["r"]),
             node("Reshape", ["r", "shape"], ["s"]), node("Softmax", ["s"], ["y"], axis=-1)]
    weights = [tensor("w", np.arange(12).reshape(4, 3) / 7), tensor("b", [1, 2, 3, 4]),
               tensor("shape", [-1, 2], np.int64)]
    return model(nodes, [("x", TensorProto.FLOAT, ["n", 3])], [("y", TensorProto.FLOAT, None)], weights)


def typed_constants():
    """Every element type through an initializer, in typed fields and raw."""
    names = ["UINT8", "INT8", "UINT16", "INT16", "INT32", "INT64", "BOOL", "FLOAT16", "DOUBLE",
             "UINT32", "UINT64", "BFLOAT16", "FLOAT8E4M3FN", "FLOAT8E5M2", "UINT4", "INT4"]
    tensors = [helper.make_tensor(n, getattr(TensorProto, n), [3], [0, 1, 1]) for n in names]
    tensors.append(helper.make_tensor("STRING", TensorProto.STRING, [2], [b"a", b"\xc3\xa9"]))
    nodes = [helper.make_node("Cast", [n], [f"c_{n}"], to=TensorProto.FLOAT) for n in names]
    return model(nodes, [], [(f"c_{n}", TensorProto.FLOAT, [3]) for n in names], tensors, opset=21)


def sparse_constant():
    sparse = helper.make_sparse_tensor(tensor("w", [1, 2, 3]), tensor("i", [0, 3, 5], np.int64), [2, 3])
    nodes = [helper.make_node("Add", ["x", "w"], ["y"])]
    return model(nodes, [("x", TensorProto.FLOAT, [2, 3])], [("y", TensorProto.FLOAT, [2, 3])],
                 sparse=[sparse])


def function():
    body = [helper.make_node("Constant", [], ["c"]), helper.make_node("Add", ["a", "c"], ["b"])]
    reference = body[0].attribute.add()
    reference.name, reference.ref_attr_name, reference.type = "value_float", "shift", 1
    shift = helper.make_function("local", "Shift", ["a"], ["b"], body, [helper.make_opsetid("", 17)],
                                 ["shift"])
    nodes = [helper.make_node("Shift", ["x"], ["h"], domain="local", shift=1.5),
             helper.make_node("Shift", ["h"], ["y"], domain="local", shift=-0.5)]
    return model(nodes, [("x", TensorProto.FLOAT, [2])], [("y", TensorProto.FLOAT, [2])],
                 functions=[shift], extra=[("local", 1)])


def classifier():
    nodes = [helper.make_node("Scaler", ["x"], ["s"], domain="ai.onnx.ml", offset=[1.0, 2.0],
                              scale=[0.5, 2.0]),
             helper.make_node("LinearClassifier", ["s"], ["label", "scores"], domain="ai.onnx.ml",
                              coefficients=[1.0, -1.0, -1.0, 1.0], intercepts=[0.5, -0.5],
                              classlabels_strings=["no", "yes"], post_transform="SOFTMAX"),
             helper.make_node("ZipMap", ["scores"], ["map"], domain="ai.onnx.ml",
                              classlabels_strings=["no", "yes"])]
    m = model(nodes, [("x", TensorProto.FLOAT, [None, 2])], [("label", TensorProto.STRING, [None])],
              opset=15, extra=[("ai.onnx.ml", 3)])
    value = helper.make_tensor_type_proto(TensorProto.FLOAT, [])
    zipped = helper.make_map_type_proto(TensorProto.STRING, value)
    m.graph.output.append(helper.make_value_info("map", helper.make_sequence_type_proto(zipped)))
    return m


def trees():
    columns = {"nodes_treeids": [0] * 3 + [1], "nodes_nodeids": [0, 1, 2, 0], "nodes_featureids": [1, 0, 0, 0],
               "nodes_values": [0.5, 0.0, 0.0, 0.0], "nodes_modes": ["BRANCH_GTE", "LEAF", "LEAF", "LEAF"],
               "nodes_truenodeids": [1, 0, 0, 0], "nodes_falsenodeids": [2, 0, 0, 0],
               "nodes_missing_value_tracks_true": [1, 0, 0, 0]}
    votes = {"treeids": [0, 0, 1, 1], "nodeids": [1, 2, 0, 0], "ids": [0, 1, 0, 1], "weights": [1.5, 2.5, 0.5, 1.0]}
    split = helper.make_tensor("s", TensorProto.FLOAT, [2], [0.5, 0.0])
    nodes = [helper.make_node("TreeEnsembleClassifier", ["x"], ["label", "scores"], domain="ai.onnx.ml",
                              classlabels_strings=["no", "yes"], base_values=[0.5, 0.25], **columns,
                              **{f"class_{k}": v for k, v in votes.items()}),
             helper.make_node("TreeEnsembleRegressor", ["x"], ["best"], domain="ai.onnx.ml", n_targets=2,
                              aggregate_function="MAX", **columns, **{f"target_{k}": v for k, v in votes.items()}),
             helper.make_node("TreeEnsemble", ["x"], ["sum"], domain="ai.onnx.ml", tree_roots=[0], n_targets=1,
                              nodes_featureids=[0, 1], nodes_splits=split, nodes_truenodeids=[1, 0],
                              nodes_falsenodeids=[0, 1], nodes_trueleafs=[0, 1], nodes_falseleafs=[1, 1],
                              nodes_modes=helper.make_tensor("m", TensorProto.UINT8, [2], [0, 6]),
                              membership_values=helper.make_tensor("v", TensorProto.FLOAT, [3], [2.0, 1.0, 4.0]),
                              leaf_targetids=[0, 0], leaf_weights=split)]
    return model(nodes, [("x", TensorProto.FLOAT, [None, 2])],
                 [("label", TensorProto.STRING, [None]), ("scores", TensorProto.FLOAT, [None, 2]),
                  ("best", TensorProto.FLOAT, [None, 2]), ("sum", TensorProto.FLOAT, [None, 1])],
                 extra=[("ai.onnx.ml", 5)])


def data_movement():
    node = helper.make_node
    nodes = [node("Transpose", ["x"], ["t"], perm=[1, 0]), node("Gather", ["t", "i"], ["g"]),
             node("Concat", ["g", "g"], ["c"], axis=1), node("Slice", ["c", "from", "to"], ["y"]),
             node("ReduceSum", ["y"], ["total"], keepdims=0), node("ArgMax", ["y"], ["best"])]
    constants = [tensor("i", [1, 0], np.int64), tensor("from", [0, 1], np.int64),
                 tensor("to", [2, 3], np.int64)]
    return model(nodes, [("x", TensorProto.FLOAT, ["n", 3])],
                 [("y", TensorProto.FLOAT, None), ("total", TensorProto.FLOAT, None),
                  ("best", TensorProto.INT64, None)], constants)


def texts():
    node = helper.make_node
    nodes = [node("Gather", ["words", "i"], ["picked"]), node("Concat", ["picked", "s"], ["all"], axis=0),
             node("LabelEncoder", ["all"], ["code"], domain="ai.onnx.ml",
                  keys_strings=["red", "blue"], values_int64s=[1, 2], default_int64=-1),
             node("Cast", ["code"], ["text"], to=TensorProto.STRING)]
    words = helper.make_tensor("words", TensorProto.STRING, [3], [b"red", b"", b"\xc3\xa9"])
    return model(nodes, [("i", TensorProto.INT64, [2]), ("s", TensorProto.STRING, ["n"])],
                 [("all", TensorProto.STRING, None), ("text", TensorProto.STRING, None)], [words],
                 opset=15, extra=[("ai.onnx.ml", 3)])


def extents_from_data():
    node = helper.make_node
    nodes = [node("Reshape", ["x", "shape"], ["r"]), node("Neg", ["r"], ["n"]),
             node("Shape", ["n"], ["extents"]), node("Slice", ["n", "from", "to"], ["head"]),
             node("MatMul", ["x", "w"], ["z"])]
    constants = [tensor("from", [0], np.int64), tensor("to", [1], np.int64), tensor("w", [[1], [2]])]
    return model(nodes, [("x", TensorProto.FLOAT, ["n", 2]), ("shape", TensorProto.INT64, ["k"])],
                 [("extents", TensorProto.INT64, None), ("head", TensorProto.FLOAT, None),
                  ("z", TensorProto.FLOAT, None)], constants)


def microsoft():
    """com.microsoft's operators with bodies of their own."""
    def node(op, *given, **attributes):
        return helper.make_node(op, *given, domain="com.microsoft", **attributes)
    ones, zeros = np.ones, np.zeros
    nodes = [node("QLinearAdd", ["q", "s", "z", "q", "s", "z", "s", "z"], ["sum"]),
             node("QLinearSigmoid", ["sum", "s", "z", "s", "z"], ["map"]),
             node("QLinearSoftmax", ["map", "s", "z", "s", "z"], ["soft"], opset=13),
             node("MatMulNBits", ["x", "b", "scales", "points", "", "bias"], ["product"], K=20, N=3, block_size=16),
             node("DynamicQuantizeLSTM", ["steps", "w", "r", "", "", "", "", "", "ws", "wz", "ws", "wz"],
                  ["states", "last"], hidden_size=2),
             node("Tokenizer", ["texts"], ["tokens"], separators=[" ", "[,.]"], pad_value="#", mark=1, mincharnum=1),
             node("CropAndResize", ["image", "boxes", "images", "size"], ["crops"]),
             node("MurmurHash3", ["texts"], ["hash"]), node("Inverse", ["square"], ["inverse"])]
    weights = [tensor("s", 0.02), tensor("z", 3, np.uint8), tensor("b", np.arange(48).reshape(3, 2, 8), np.uint8),
               tensor("scales", ones((3, 2))), tensor("points", [[3], [4], [5]], np.uint8), tensor("bias", [1, 2, 3]),
               tensor("w", ones((1, 3, 8)), np.int8), tensor("r", ones((1, 2, 8)), np.int8),
               tensor("ws", [0.1]), tensor("wz", zeros(1), np.int8), tensor("boxes", [[0, 0, 1, 1]]),
               tensor("images", [0], np.int32), tensor("size", [2, 3], np.int32)]
    inputs = [("q", TensorProto.UINT8, ["n", 2]), ("x", TensorProto.FLOAT, ["n", 20]),
              ("steps", TensorProto.FLOAT, ["t", 1, 3]), ("texts", TensorProto.STRING, ["n"]),
              ("image", TensorProto.FLOAT, [1, 1, "h", "v"]), ("square", TensorProto.FLOAT, ["k", "k"])]
    outputs = [("soft", TensorProto.UINT8, None), ("product", TensorProto.FLOAT, None),
               ("states", TensorProto.FLOAT, None), ("last", TensorProto.FLOAT, None),
               ("tokens", TensorProto.STRING, None), ("crops", TensorProto.FLOAT, None),
               ("hash", TensorProto.UINT32, None), ("inverse", TensorProto.FLOAT, None)]
    return model(nodes, inputs, outputs, weights, extra=[("com.microsoft", 1)])


ONNX = [linear_layers, typed_constants, sparse_constant, function, classifier, trees, data_movement, texts,
        extents_from_data, microsoft]

JSON = {
    "row": {"coefficients": [0.5, -1, 2e-3], "intercepts": 1},
    "logistic": {"coefficients": [[1, 2]], "intercepts": [0.5], "link": "logistic",
                 "classes": [0, 1], "mean": [1, 2], "scale": [2, 4]},
    "softmax": {"coefficients": [[1, 2], [3, 4], [5, 6]], "link": "softmax",
                "classes": ["a", "b", "\u00e9"], "feature_names": ["p", "q"],
                "metadata": {"note": "three classes"}},
    "exp": {"coefficients": [[-1e-300]], "link": "exp"},
}


def npy(array):
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def picture(kind, mode="RGB", **options):
    file = io.BytesIO()
    image = Image.fromarray(np.arange(9 * 7 * 3, dtype=np.uint8).reshape(9, 7, 3)).convert(mode)
    image.save(file, kind, **options)
    return file.getvalue()


def requests():
    """Bodies behind the byte that tells fuzz_request their type and their model."""
    rows = np.arange(6).reshape(2, 3)
    gateway = {"version": "2.0", "requestContext": {"http": {}}, "headers": {"content-type": "text/csv"}}
    bodies = {
        1: [b'{"features":[1,2.5,-3]}', '{"features":{"age":1,"size":2,"höhe":3}}'.encode(),
            b'{"instances":[[1,2,3],[4,5,6]]}', b'{"inputs":{"features":[[1,2,3]]}}', b'{"text":"a"}'],
        2: [b"1,2,3\n4,5,6\n", "age,size,höhe\r\n1,2,3\r\n".encode()],
        3: [npy(rows.astype(t)) for t in ("f4", ">f8", "i8", "u1", "?")] + [npy(np.asfortranarray(rows / 2))],
        4: [b"some text"],
        6: [picture("JPEG"), picture("JPEG", progressive=True)],
        7: [picture("PNG"), picture("PNG", mode="P"), picture("PNG", mode="LA"), picture("PNG", mode="1")],
        8: [json.dumps({**gateway, "body": "1,2,3"}).encode(),
            json.dumps({**gateway, "isBase64Encoded": True, "body": "MSwyLDM="}).encode(),
            json.dumps({"Records": [{"eventSource": "aws:sqs", "messageId": "m", "body": '{"features":[1,2,3]}'}]})
            .encode()],
    }
    return {f"{kind}_{i}_{model}": bytes([3 * kind + model]) + body
            for kind, list_ in bodies.items() for i, body in enumerate(list_) for model in (0, 1, 2)}


def pictures():
    """A picture of each format, and what becomes of it when bytes change or are missing."""
    random = np.random.default_rng(5)
    pixels = random.integers(0, 256, (13, 17, 4), dtype=np.uint8)
    for name, form, bands, options in [
            ("png", "PNG", 3, {}), ("jpeg", "JPEG", 3, {}), ("progressive", "JPEG", 3, {"progressive": True}),
            ("webp", "WEBP", 3, {}), ("lossless", "WEBP", 4, {"lossless": True}), ("tiff", "TIFF", 3, {}),
            ("lzw", "TIFF", 4, {"compression": "tiff_lzw"}), ("jp2", "JPEG2000", 3, {}), ("j2k", "JPEG2000", 3, {"no_jp2": True}),
            ("bmp", "BMP", 3, {}), ("ppm", "PPM", 3, {})]:
        file = io.BytesIO()
        Image.fromarray(pixels[:, :, :bands]).save(file, form, **options)
        whole = file.getvalue()
        yield name, whole
        for i in range(40):
            bad = bytearray(whole)
            for at in random.integers(0, min(len(bad), [60, 300, len(bad)][i % 3]), random.integers(1, 5)):
                bad[at] = random.integers(0, 256)
            yield f"{name}-{i}", bytes(bad[:random.integers(0, len(bad) + 1)] if i % 4 == 0 else bad)
    palette = random.bytes(1024)
    for i, (bits, compression) in enumerate([(8, 1), (4, 2), (1, 0), (4, 0), (8, 0), (16, 3), (32, 3)] * 6):
        head = b"BM" + bytes(8) + (1078).to_bytes(4, "little") + (40).to_bytes(4, "little")
        size = (9).to_bytes(4, "little") + (7 if i % 2 else 2**32 - 7).to_bytes(4, "little")
        rest = b"\1\0" + bits.to_bytes(2, "little") + compression.to_bytes(4, "little") + bytes(20)
        yield f"runs-{i}", head + size + rest + palette + bytes(v % 7 for v in random.bytes(200))


def patterns():
    """Patterns with a text behind them."""
    pieces = ["a", "\\w", "[a-z]", "[^\\S[:alpha:]]", "(", ")", "(?i:", "(?P<n>", "|", "*", "+?", "{2,3}", "{", "}", "]", "[", "\\",
              "\\p{Greek}", "\\x{3b1}", "\\x", "\\Q", "\\E", "^", "$", "\\1", "(?=", "(?", "-", "\u00e4", "\\07", "."]
    random = np.random.default_rng(6)
    for i in range(300):
        pattern = "".join(random.choice(pieces, random.integers(0, 12))).encode()
        yield f"random-{i}", pattern[:random.integers(0, len(pattern) + 1)] + b"\n" + random.bytes(i % 9) + b"aa\xc3\xa4"
    for i, pattern in enumerate(["(a+)+b", "(.*)*x", "(" * 300, "((a{1000}){1000}){1000}", "[" * 100, "\\S" * 1000]):
        yield f"hostile-{i}", pattern.encode() + b"\n" + b"a" * 100


def main():
    folder = Path(sys.argv[1])
    tool = sys.argv[2] if len(sys.argv) > 2 else None
    models = []
    for kind in ("onnx", "json", "infer", "request", "picture", "pattern"):
        (folder / kind).mkdir(parents=True, exist_ok=True)
    for make in ONNX:
        path = folder / "onnx" / f"{make.__name__}.onnx"
        path.write_bytes(make().SerializeToString())
        models.append(path)
    for name, fields in JSON.items():
        path = folder / "json" / f"{name}.json"
        path.write_text(json.dumps({"format": "libinfer-linear", "version": 1, **fields}))
        models.append(path)
    for name, body in requests().items():
        (folder / "request" / name).write_bytes(body)
    for kind, seeds in (("picture", pictures()), ("pattern", patterns())):
        for name, data in seeds:
            (folder / kind / name).write_bytes(data)
    for path in models if tool else []:
        subprocess.run([tool, "compile", path, "-o", folder / "infer" / f"{path.stem}.infer"], check=True)


if __name__ == "__main__":
    main()
