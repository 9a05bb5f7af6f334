"""The command `infer`: every command's answers, formats, exit codes and messages."""

import json
import math
import os
import random
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
EXE = os.environ.get("INFER_EXE", str(ROOT / "build" / "infer"))
OK, MODEL, USAGE, IO = range(4)
COMMANDS = ["predict", "run", "compile", "inspect", "verify", "bench", "ops"]

W, B = [0.5, -1.25, 2.0], 0.75
LOGISTIC = {"format": "libinfer-linear", "version": 1, "coefficients": [W], "intercepts": [B],
            "link": "logistic", "classes": [0, 1], "feature_names": ["a", "b", "c"]}
IDENTITY = {"format": "libinfer-linear", "version": 1, "coefficients": [W, [1, 1, 1]],
            "intercepts": [B, 0]}
SOFTMAX = {"format": "libinfer-linear", "version": 1, "coefficients": [[1, 0], [0, 1], [-1, -1]],
           "intercepts": [0, 0, 0], "link": "softmax", "classes": ["a,b", 'say "x"', "ü"]}


def infer(*arguments, text="", code=OK):
    result = subprocess.run([EXE, *map(str, arguments)], input=text, capture_output=True, text=True,
                            timeout=60)
    assert result.returncode == code, (result.returncode, result.stdout, result.stderr)
    if code:
        assert result.stderr
    else:
        assert not result.stderr
    return result


@pytest.fixture
def model(tmp_path):
    def write(content, name="m.json"):
        path = tmp_path / name
        path.write_text(json.dumps(content))
        return path
    return write


def score(row):
    return sum(w * x for w, x in zip(W, row)) + B


def probability(row):
    return 1 / (1 + math.exp(-score(row)))


# ---- help and usage ----


def test_help_of_all_and_each():
    text = infer("--help").stdout
    assert all(command in text for command in COMMANDS) and "Exit codes" in text
    for command in COMMANDS:
        assert infer(command, "--help").stdout.startswith(f"usage: infer {command}")
        assert infer(command, "-h").stdout.startswith("usage:")


def test_version():
    assert infer("--version").stdout.startswith("infer 0.")


@pytest.mark.parametrize("arguments", [
    [], ["dance"], ["predict"], ["predict", "--speed", "m"], ["predict", "m", "--format"],
    ["predict", "m", "--format", "xml"], ["predict", "m", "--input-format=xml"], ["run"],
    ["run", "a", "b"], ["compile"], ["compile", "m.infer"], ["inspect"], ["verify"], ["ops", "x"],
    ["bench", "m", "-n", "0"], ["bench", "m", "-n", "many"], ["inspect", "--json=1", "m"],
])
def test_wrong_usage(arguments):
    assert infer(*arguments, code=USAGE).stdout == ""


@pytest.mark.parametrize("command", ["predict", "run", "compile", "inspect", "verify", "bench"])
def test_missing_and_broken_models(command, tmp_path):
    missing = tmp_path / "missing.onnx"
    assert "missing.onnx" in infer(command, missing, code=IO).stderr
    broken = tmp_path / "broken.json"
    broken.write_text('{"format": "libinfer-linear", "version": 1, "coefficients": [[1, "x"]]}')
    assert "coefficients" in infer(command, broken, code=MODEL).stderr


# ---- predict ----


def test_features_as_arguments(model):
    row = [1.5, -2.0, 0.25]
    label, no, yes = infer("predict", model(LOGISTIC), *row).stdout.split()
    assert label == "1" and math.isclose(float(yes), probability(row), rel_tol=1e-12)
    assert math.isclose(float(no), 1 - probability(row), rel_tol=1e-12)
    first, second = infer("predict", model(IDENTITY), "--", *row).stdout.split()
    assert math.isclose(float(first), score(row), rel_tol=1e-12) and float(second) == sum(row)


def test_json_output(model):
    path = model(SOFTMAX)
    answer = json.loads(infer("predict", path, "--format", "json", 1, 3).stdout)
    assert answer["label"] == 'say "x"' and set(answer["scores"]) == set(SOFTMAX["classes"])
    assert math.isclose(sum(answer["scores"].values()), 1, rel_tol=1e-12)
    assert json.loads(infer("predict", model(LOGISTIC), "-f", "json", 0, 9, 0).stdout)["label"] == 0
    assert json.loads(infer("predict", model(IDENTITY), "-f", "json", 1, 2, 3).stdout)["output"][1] == 6


def test_csv_output(model):
    import csv
    import io

    text = infer("predict", model(SOFTMAX), "--format=csv", text="1,3\n3,1\n").stdout
    header, first, second = csv.reader(io.StringIO(text))
    assert header == ["label"] + ["score_" + c for c in SOFTMAX["classes"]]
    assert first[0] == 'say "x"' and second[0] == "a,b"
    assert infer("predict", model(IDENTITY), "-f", "csv", 1, 2, 3).stdout.startswith("output_0,output_1\n")


def test_csv_rows(model):
    rows = [[random.Random(i).gauss(0, 2) for _ in range(3)] for i in range(50)]
    text = "".join(",".join(map(repr, row)) + "\n" for row in rows)
    for variant in (text, text.rstrip(), text.replace("\n", "\r\n"), "\ufeff" + text, "\n" + text):
        lines = infer("predict", model(LOGISTIC), text=variant).stdout.splitlines()
        assert len(lines) == 50
        for row, line in zip(rows, lines):
            assert math.isclose(float(line.split()[2]), probability(row), rel_tol=1e-12)


def test_csv_header_orders_and_selects_columns(model):
    text = 'name,c,"b",a\n"x, ""y""",3,2,1\nz, 3.0 ,2,1\n'
    lines = infer("predict", model(LOGISTIC), text=text).stdout.splitlines()
    assert [float(line.split()[2]) for line in lines] == pytest.approx([probability([1, 2, 3])] * 2)
    assert '"c"' in infer("predict", model(LOGISTIC), text="a,b\n1,2\n", code=MODEL).stderr
    # A model without names takes the columns as they come.
    assert infer("predict", model(IDENTITY), text="p,q,r\n1,2,3\n").stdout.split()[1] == "6"


@pytest.mark.parametrize("text,reason", [
    ("1,2,3\n1,2\n", "line 2"), ("1,2,3\n1,x,3\n", '"x"'), ("1,,3\n1,2,3\n", "column"),
    ("1,2,3\n1,,3\n", "no number"), ('1,2,3\n"1,2,3\n', "no end"), ('1,2,3\n"1"x,2,3\n', "quoted"),
    ("", "no rows"), ("a,b,c\n", "no rows"), ("1,2,3\n1,2,\0\n", "zero byte"),
])
def test_bad_csv(text, reason, model):
    assert reason in infer("predict", model(LOGISTIC), text=text, code=MODEL).stderr


def test_csv_is_a_stream_in_constant_memory(model):
    """100 MB of rows pass through 64 MiB of address space."""
    path, rows = model(IDENTITY), 400_000
    limited = f'ulimit -v 65536; exec "{EXE}" predict "{path}"'
    line = ("1.5,2.5,3.5" + " " * 240 + "\n").encode()
    process = subprocess.Popen(["bash", "-c", limited], stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    import threading
    answers = []
    reader = threading.Thread(target=lambda: answers.extend(process.stdout))
    reader.start()
    for _ in range(rows // 1000):
        process.stdin.write(line * 1000)
    process.stdin.close()
    assert process.wait(60) == OK, process.stderr.read()
    reader.join()
    assert len(answers) == rows and set(answers) == {answers[0]}


def test_json_rows(model):
    path, want = model(LOGISTIC), [probability([1, 2, 3]), probability([-1, 0, 4])]
    for text in ("[[1,2,3],[-1,0,4]]", "[1,2,3]\n[-1,0,4]\n", "[1,2,3] [[-1,0,4]]",
                 '{"c":3,"a":1,"b":2}\n{"a":-1,"b":0,"c":4,"more":"x"}',
                 '[{"c":3,"a":1,"b":2},{"a":-1,"b":0,"c":4}]'):
        lines = infer("predict", path, text=text).stdout.splitlines()
        assert [float(line.split()[2]) for line in lines] == pytest.approx(want, rel=1e-12)


@pytest.mark.parametrize("text,reason", [
    ("[1,2]", "3 numbers"), ('[1,2,"x"]', "feature 3"), ('{"a":1,"b":2}', '"c"'), ("[1,2,3]\n[1,", "row 1"),
    ("[[1,2,3],7]", "row 2"), ("[]", "row 1"), ("{]", "column"),
])
def test_bad_json(text, reason, model):
    assert reason in infer("predict", model(LOGISTIC), text=text, code=MODEL).stderr


def test_numbers_that_json_cannot_hold(model):
    out = infer("predict", model(IDENTITY), "-f", "json", text='["NaN", 1, 1]["Infinity", 0, 0]').stdout
    first, second = map(json.loads, out.splitlines())
    assert first["output"] == ["NaN", "NaN"] and second["output"] == ["Infinity", "Infinity"]


def test_wrong_arguments(model):
    assert "3" in infer("predict", model(LOGISTIC), 1, 2, code=MODEL).stderr
    assert '"x"' in infer("predict", model(LOGISTIC), 1, "x", 2, code=MODEL).stderr


def test_input_file(model, tmp_path):
    rows = tmp_path / "rows.csv"
    rows.write_text("1,2,3\n")
    assert infer("predict", model(IDENTITY), "-i", rows).stdout.split()[1] == "6"
    infer("predict", model(IDENTITY), "-i", tmp_path / "none.csv", code=IO)


def test_output_that_cannot_be_written(model):
    if not os.path.exists("/dev/full"):
        pytest.skip("no /dev/full")
    with open("/dev/full", "w") as full:
        result = subprocess.run([EXE, "predict", str(model(IDENTITY)), "1", "2", "3"], stdout=full,
                                stderr=subprocess.PIPE)
    assert result.returncode == IO and b"standard output" in result.stderr


# ---- run ----


def test_run_gives_every_output(model):
    path = model(LOGISTIC)
    out = json.loads(infer("run", path, text='{"features": [[1,2,3],[-1,9,0]]}').stdout)
    assert out["label"] == [1, 0]
    assert [p[1] for p in out["probabilities"]] == pytest.approx(
        [probability([1, 2, 3]), probability([-1, 9, 0])], rel=1e-5)
    assert set(json.loads(infer("run", path, "-o", "label", text='{"features": [[1,2,3]]}').stdout)) == {"label"}


@pytest.mark.parametrize("text,reason", [
    ("[1]", "object"), ("{", "column"), ('{"x": 1}', '"x"'), ('{"features": [[1,2]]}', ""),
    ('{"features": [[1,2,3],[1,2]]}', "length"), ('{"features": [["a","b","c"]]}', "float"), ("{}", ""),
])
def test_bad_feeds(text, reason, model):
    assert reason in infer("run", model(LOGISTIC), text=text, code=MODEL).stderr


def identity(tmp_path, element, shape):
    onnx = pytest.importorskip("onnx")
    node = onnx.helper.make_node("Concat", ["x"], ["y"], axis=0)
    graph = onnx.helper.make_graph(
        [node], "g", [onnx.helper.make_tensor_value_info("x", getattr(onnx.TensorProto, element), shape)],
        [onnx.helper.make_tensor_value_info("y", getattr(onnx.TensorProto, element), shape)])
    path = tmp_path / "identity.onnx"
    onnx.save(onnx.helper.make_model(graph, ir_version=8,
                                     opset_imports=[onnx.helper.make_opsetid("", 17)]), path)
    return path


@pytest.mark.parametrize("element,x", [
    ("FLOAT", [[1.5, -0.1], [1e-30, "NaN"]]), ("DOUBLE", [[0.1, 1e300], ["Infinity", "-Infinity"]]),
    ("FLOAT16", [[0.5, -65504.0], [6e-8, 1.0]]), ("BFLOAT16", [[1.5, -2.0]]),
    ("INT8", [[-128, 127]]), ("UINT8", [[0, 255]]), ("INT32", [[-2**31, 2**31 - 1]]),
    ("INT64", [[-2**63, 2**63 - 1]]), ("UINT32", [[0, 2**32 - 1]]), ("UINT64", [[0, 2**63 - 1]]),
    ("BOOL", [[True, False]]), ("STRING", [["", 'ä"\\\n\u0000x']]),
])
def test_types_go_through_json(element, x, tmp_path):
    out = json.loads(infer("run", identity(tmp_path, element, ["n", 2]), text=json.dumps({"x": x})).stdout)
    if element == "FLOAT16":
        assert out["y"] == [[0.5, -65504.0], [5.960464477539063e-08, 1.0]] or out["y"][1][0] == pytest.approx(5.9604645e-08, rel=1e-6)
    else:
        assert out["y"] == x


@pytest.mark.parametrize("element,x", [
    ("INT8", [[128, 0]]), ("UINT8", [[-1, 0]]), ("INT64", [[1.5, 0]]), ("BOOL", [[1, 0]]),
    ("STRING", [[1, 2]]), ("FLOAT", [[True, 1]]), ("COMPLEX64", [[1, 2]]),
])
def test_elements_of_a_wrong_type(element, x, tmp_path):
    infer("run", identity(tmp_path, element, ["n", 2]), text=json.dumps({"x": x}), code=MODEL)


def test_classifier_with_a_zipmap(tmp_path):
    onnx = pytest.importorskip("onnx")
    h, T = onnx.helper, onnx.TensorProto
    nodes = [h.make_node("LinearClassifier", ["x"], ["label", "p"], domain="ai.onnx.ml",
                         coefficients=[1.0, 2, -1, 0, 3, -2], intercepts=[0.1, 0.2, -0.3],
                         post_transform="SOFTMAX", multi_class=1, classlabels_ints=[3, 1, 7]),
             h.make_node("ZipMap", ["p"], ["z"], domain="ai.onnx.ml", classlabels_int64s=[3, 1, 7])]
    kind = h.make_map_type_proto(T.INT64, h.make_tensor_type_proto(T.FLOAT, []))
    graph = h.make_graph(nodes, "g", [h.make_tensor_value_info("x", T.FLOAT, ["n", 2])],
                         [h.make_tensor_value_info("label", T.INT64, ["n"]),
                          h.make_value_info("z", h.make_sequence_type_proto(kind))])
    path = tmp_path / "z.onnx"
    onnx.save(h.make_model(graph, ir_version=8, opset_imports=[
        h.make_opsetid("", 17), h.make_opsetid("ai.onnx.ml", 3)]), path)
    z = [0.1 + 1 + 4, 0.2 - 1, -0.3 + 3 - 4]
    want = [math.exp(v) / sum(map(math.exp, z)) for v in z]
    out = json.loads(infer("run", path, text='{"x": [[1, 2]]}').stdout)
    assert out["label"] == [3] and list(out["z"][0]) == ["3", "1", "7"]
    assert list(out["z"][0].values()) == pytest.approx(want, rel=1e-5)
    answer = json.loads(infer("predict", path, "-f", "json", 1, 2).stdout)
    assert answer["label"] == 3 and list(answer["scores"].values()) == pytest.approx(want, rel=1e-5)


# ---- compile, verify, inspect, bench, ops ----


def test_compile_and_verify(model, tmp_path):
    path, out = model(LOGISTIC), tmp_path / "other.infer"
    assert str(out) in infer("compile", path, "-o", out).stdout
    assert infer("compile", "-q", path).stdout == ""
    assert (tmp_path / "m.infer").read_bytes() == out.read_bytes()
    assert infer("predict", out, 1, 2, 3).stdout == infer("predict", path, 1, 2, 3).stdout
    assert "ok" in infer("verify", out, path).stdout
    infer("compile", path, "-o", tmp_path / "no" / "folder.infer", code=IO)


def test_compile_keeps_how_images_are_prepared(model, tmp_path):
    path, out, block = model(LOGISTIC), tmp_path / "o.infer", tmp_path / "block.json"
    block.write_text('{"layout": "NCHW"}')
    infer("compile", path, "-o", out, "--preprocess", block)
    assert '{"layout":"NCHW"}' in infer("inspect", out).stdout.replace("\\", "")
    for wrong, reason in (("[]", "is not a JSON object"), ("{", "line 1"), ('{"a":1,"a":2}', "line 1")):
        block.write_text(wrong)
        assert reason in infer("compile", path, "-o", out, "--preprocess", block, code=MODEL).stderr
    infer("compile", path, "-o", out, "--preprocess", tmp_path / "none.json", code=MODEL)


def test_verify_finds_a_changed_byte(model, tmp_path):
    path, out = model(LOGISTIC), tmp_path / "m.infer"
    infer("compile", "-q", path)
    data = out.read_bytes()
    weights = data.find(__import__("struct").pack("<f", W[1]))
    assert weights > 0
    out.write_bytes(data[:weights] + b"\1" + data[weights + 1:])
    assert "hash" in infer("verify", out, code=MODEL).stderr
    out.write_bytes(data[:-64])
    infer("verify", out, code=MODEL)


def test_inspect(model):
    path = model({**LOGISTIC, "metadata": {"author": "nobody"}})
    about = json.loads(infer("inspect", path, "--json").stdout)
    assert about["inputs"] == [{"name": "features", "type": "tensor(float)", "shape": ["rows", 3]}]
    assert [o["name"] for o in about["outputs"]] == ["label", "probabilities"]
    assert about["features"] == 3 and about["values"] == 2 and about["classes"] == ["0", "1"]
    assert about["feature_names"] == ["a", "b", "c"] and about["metadata"]["author"] == "nobody"
    assert about["nodes"][0]["op"] == "Linear" and about["memory"]["image"] > 0
    text = infer("inspect", path).stdout
    assert "features  tensor(float) [rows, 3]" in text and "infer.Linear" in text and "nobody" in text
    assert "linear" in infer("inspect", path, "--nodes").stdout


def test_passes(model):
    about = json.loads(infer("inspect", model(LOGISTIC), "--passes", "--json").stdout)
    names = [p["name"] for p in about["passes"]]
    assert names[0] == "remove-dead" and {"fold-linear", "fuse-idioms", "prepare"} <= set(names)
    for p, then in zip(about["passes"], about["passes"][1:]):
        assert p["nodes"][1] == then["nodes"][0] and p["constant_bytes"][1] == then["constant_bytes"][0]
    text = infer("inspect", model(LOGISTIC), "--passes").stdout
    assert len(text.splitlines()) == len(names) + 1 and "fold-linear" in text


def test_passes_of_a_graph(tmp_path):
    onnx = pytest.importorskip("onnx")
    nodes = [onnx.helper.make_node("Sigmoid", ["x"], ["s"]), onnx.helper.make_node("Mul", ["x", "s"], ["y"]),
             onnx.helper.make_node("Exp", ["x"], ["nobody"])]
    ports = [onnx.helper.make_tensor_value_info(name, 1, [4]) for name in "xy"]
    path = tmp_path / "swish.onnx"
    onnx.save(onnx.helper.make_model(onnx.helper.make_graph(nodes, "g", ports[:1], ports[1:]), ir_version=8,
                                     opset_imports=[onnx.helper.make_opsetid("", 17)]), path)
    passes = {p["name"]: p for p in json.loads(infer("inspect", path, "--passes", "--json").stdout)["passes"]}
    assert passes["remove-dead"]["nodes"] == [3, 2]
    assert passes["remove-dead"]["changes"] == [{"domain": "ai.onnx", "op": "Exp", "nodes": -1}]
    assert {c["op"]: c["nodes"] for c in passes["fuse-idioms"]["changes"]} == {"Mul": -1, "Sigmoid": -1, "Swish": 1}
    infer("compile", "-q", path)
    assert "through its passes" in infer("inspect", "--passes", tmp_path / "swish.infer", code=MODEL).stderr


def test_memory_for_given_shapes(tmp_path):
    onnx = pytest.importorskip("onnx")
    nodes = [onnx.helper.make_node("MatMul", ["x", "x"], ["m"]), onnx.helper.make_node("Concat", ["m", "x"], ["c"], axis=0),
             onnx.helper.make_node("ReduceMax", ["c"], ["y"])]
    ports = [onnx.helper.make_tensor_value_info(name, 1, dims) for name, dims in (("x", ["n", "n"]), ("y", [1, 1]))]
    path = tmp_path / "m.onnx"
    onnx.save(onnx.helper.make_model(onnx.helper.make_graph(nodes, "g", ports[:1], ports[1:]), ir_version=8,
                                     opset_imports=[onnx.helper.make_opsetid("", 17)]), path)
    memory = json.loads(infer("inspect", path, "--json", "--shape", "x=64,64").stdout)["memory"]
    assert memory["exact"] and memory["least"] == memory["intermediates"] == 3 * 64 * 64 * 4
    assert not json.loads(infer("inspect", path, "--json").stdout)["memory"]["exact"]
    assert "at least 49152;" in infer("inspect", path, "--shape=x=64,64").stdout
    assert "rank" in infer("inspect", path, "--shape", "x=64").stdout
    for wrong in ("x", "x=a", "x=1,", "x=1;;"):
        infer("inspect", path, "--shape", wrong, code=USAGE)


def test_bench(model):
    result = json.loads(infer("bench", model(LOGISTIC), "-n", 500, "--json").stdout)
    assert result["predictions"] == 500 and result["call"] == "infer_predict"
    assert 0 <= result["min_ns"] <= result["median_ns"] <= result["p99_ns"]
    assert "median" in infer("bench", model(LOGISTIC), "-n", "10").stdout


def test_bench_profile(tmp_path):
    numpy_helper, np = pytest.importorskip("onnx.numpy_helper"), pytest.importorskip("numpy")
    from onnx import TensorProto, helper
    ports = [helper.make_tensor_value_info(n, TensorProto.FLOAT, ["rows", 64]) for n in "xy"]
    weights = numpy_helper.from_array(np.random.default_rng(1).normal(size=(64, 64)).astype(np.float32), "w")
    graph = helper.make_graph([helper.make_node("MatMul", ["x", "w"], ["h"], name="<b>"),
                               helper.make_node("Tanh", ["h"], ["y"], name="bend")],
                              "g", ports[:1], ports[1:], [weights])
    path, trace, page = (tmp_path / name for name in ("m.onnx", "t.json", "p.html"))
    path.write_bytes(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)],
                                       ir_version=8).SerializeToString())
    arguments = ["bench", path, "--profile", "-n", 5, "--shape", "x=32,64", "--threads", 2]
    found = json.loads(infer(*arguments, "--json", "--trace", trace, "--page", page).stdout)
    product = found["nodes"][0]
    assert found["runs"] == 5 and found["threads"] == 2 and found["peak_fma_per_ns"] > 0
    assert product["operations"] == 2 * 32 * 64 * 64 and product["ns"] > 0
    assert product["bytes"] == 4 * (2 * 32 * 64 + 64 * 64) and 0 < product["share"] < 2
    events = json.loads(trace.read_text())["traceEvents"]
    assert [e["ph"] for e in events] == ["X"] * len(found["nodes"]) and events[0]["args"]["node"] == "<b>"
    text = page.read_text()
    assert "&lt;b&gt;" in text and "<b>" not in text and text.count('class="bar"') == len(found["nodes"])
    table = infer(*arguments).stdout
    assert "MatMulPacked" in table and "operators" in table and "GB/s" in table
    for wrong in (["--threads", "0"], ["--threads", "many"], ["--shape", "x"], ["-n", "0"]):
        infer("bench", path, *wrong, code=USAGE)
    infer("bench", path, "--trace", tmp_path, code=IO)


def test_bench_runs_what_predict_cannot(tmp_path):
    result = json.loads(infer("bench", identity(tmp_path, "INT32", ["n", "m"]), "-n", 20, "--json").stdout)
    assert result["call"] == "infer_run"


def test_ops():
    listed = json.loads(infer("ops", "--json").stdout)
    by_name = {(o["domain"], o["name"]): o for o in listed}
    linear, gather = by_name["infer", "Linear"], by_name["ai.onnx", "Gather"]
    assert (linear["since_version"], linear["newest_version"]) == (1, 1)
    assert gather["inputs"][1] == {"types": ["int32", "int64"], "same_as_first": False, "composite": False}
    assert (gather["least_inputs"], gather["most_inputs"]) == (2, 2)
    assert by_name["ai.onnx", "Concat"]["most_inputs"] == -1 and by_name["ai.onnx", "Concat"]["inputs"][1]["same_as_first"]
    lines = infer("ops").stdout.splitlines()
    assert len(lines) == len(listed)
    assert next(line for line in lines if " Gather " in line).endswith("; 1: int32 int64")


def test_inspect_names_all_operators_that_are_missing(tmp_path):
    from onnx import TensorProto, helper

    node = helper.make_node
    body = helper.make_graph([node("Nowhere", [], ["b"], name="inner", domain="com.example")], "body", [],
                             [helper.make_tensor_value_info("b", TensorProto.FLOAT, None)])
    function = helper.make_function("com.example", "Called", ["x"], ["y"], [node("Strange", ["x"], ["y"], name="in f")],
                                    [helper.make_opsetid("", 13)])
    nodes = [node("Relu", ["x"], ["r"]), node("Strange", ["r"], ["s"], name="first"), node("Strange", ["s"], ["t"]),
             node("Called", ["t"], ["u"], domain="com.example"), node("RegexFullMatch", ["u"], ["v"], name="too new"),
             node("If", ["v"], ["y"], then_branch=body, else_branch=body)]
    graph = helper.make_graph(nodes, "g", [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1])],
                              [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)])
    imports = [helper.make_opsetid("", 13), helper.make_opsetid("com.example", 2)]
    path = tmp_path / "missing.onnx"
    path.write_bytes(helper.make_model(graph, opset_imports=imports, functions=[function], ir_version=8).SerializeToString())
    told = infer("inspect", path, "--json", code=1)
    assert "node first: ai.onnx.Strange version 13: the operator is not in this library; 6 nodes need" in told.stderr
    found = {(o["domain"], o["name"], o["version"]): o["nodes"] for o in json.loads(told.stdout)["missing_operators"]}
    assert found == {("ai.onnx", "Strange", 13): ["first", "", "in f"], ("ai.onnx", "RegexFullMatch", 13): ["too new"],
                     ("com.example", "Nowhere", 2): ["inner", "inner"]}
    assert "  com.example.Nowhere 2: inner inner\n" in infer("inspect", path, code=1).stdout
