"""Models of scikit-learn and ONNX behind the handler, in every event, judged by scikit-learn and numpy."""

import base64
import json

import numpy as np
import onnx
import onnx.helper as h
import pytest
from onnx import TensorProto as T

from conftest import LINEAR, LOGISTIC
from mock_runtime import EXE

EVENTS = {
    "direct": lambda body: body,
    "string": lambda body: json.dumps(body),
    "v1": lambda body: {
        "resource": "/predict", "path": "/predict", "httpMethod": "POST", "headers": {"a": "b"},
        "multiValueHeaders": {"a": ["b"]}, "queryStringParameters": None,
        "requestContext": {"httpMethod": "POST", "stage": "prod"},
        "body": json.dumps(body), "isBase64Encoded": False},
    "v2": lambda body: {
        "version": "2.0", "routeKey": "$default", "rawPath": "/", "cookies": ["a=b"], "headers": {"a": "b"},
        "requestContext": {"http": {"method": "POST", "path": "/"}}, "body": json.dumps(body),
        "isBase64Encoded": False},
    "function URL, base64": lambda body: {
        "version": "2.0", "requestContext": {"http": {"method": "POST"}}, "isBase64Encoded": True,
        "body": base64.b64encode(json.dumps(body, ensure_ascii=False).encode()).decode()},
    "ALB": lambda body: {
        "requestContext": {"elb": {"targetGroupArn": "arn:aws:elasticloadbalancing"}}, "httpMethod": "POST",
        "path": "/", "headers": {"host": "x"}, "body": json.dumps(body), "isBase64Encoded": False},
}


def binary(runtime, model):
    """A logistic regression of scikit-learn behind the handler, its data, and what it says."""
    linear_model = pytest.importorskip("sklearn.linear_model")
    rng = np.random.default_rng(3)
    x = rng.normal(size=(200, 4))
    y = np.where(x @ [1, -2, 0.5, 0] + rng.normal(size=200) > 0, "malignant", "benign")
    fitted = linear_model.LogisticRegression().fit(x, y)
    path = model({"format": "libinfer-linear", "version": 1, "coefficients": fitted.coef_.tolist(),
                  "intercepts": fitted.intercept_.tolist(), "link": "logistic",
                  "classes": fitted.classes_.tolist(), "feature_names": ["a", "b", "c", "größe"]})
    return runtime().start("--model", path), x, fitted


def named(row):
    return dict(zip(["größe", "c", "b", "a"], reversed(row.tolist())))


@pytest.mark.parametrize("event", EVENTS)
def test_every_event_beside_scikit_learn(runtime, model, event):
    r, x, fitted = binary(runtime, model)
    proba, labels = fitted.predict_proba(x), fitted.predict(x)
    for i in range(20):
        request = {"features": x[i].tolist() if i % 2 else named(x[i])}
        request_id = r.send(EVENTS[event](request))
        path, _, reply, _ = r.answer()
        assert path.endswith(f"{request_id}/response")
        assert reply["statusCode"] == 200 and isinstance(reply["body"], str)
        if event == "ALB":
            assert reply["statusDescription"] == "200 OK" and reply["isBase64Encoded"] is False
        else:
            more = {"isBase64Encoded", "cookies"} if event in ("v2", "function URL, base64") else set()
            assert set(reply) == {"statusCode", "headers", "body"} | more
        body = json.loads(reply["body"])
        assert body["prediction"] == body["label"] == labels[i]
        assert list(body["probabilities"]) == ["benign", "malignant"]
        assert np.allclose(list(body["probabilities"].values()), proba[i], rtol=0, atol=1e-12)
    request_id = r.send(EVENTS[event]({"instances": [named(row) if i % 3 else row.tolist()
                                                     for i, row in enumerate(x)]}))
    body = json.loads(r.answer()[2]["body"])
    assert body["predictions"] == body["labels"] == labels.tolist()
    got = [[p["benign"], p["malignant"]] for p in body["probabilities"]]
    assert np.allclose(got, proba, rtol=0, atol=1e-12)


def test_answer_of_an_error_in_every_event(runtime, model):
    r, _, _ = binary(runtime, model)
    for event, wrap in EVENTS.items():
        r.send(wrap({"features": {"a": 1, "b": 2, "c": 3, "groesse": 4}}))
        reply = r.answer()[2]
        assert reply["statusCode"] == 400 and "größe" in json.loads(reply["body"])["error"], event
        assert reply.get("statusDescription") == ("400 Bad Request" if event == "ALB" else None)


# ---- graphs ----


def save(path, nodes, inputs, outputs, initializers=(), opset=17, ml=3):
    info = lambda v: h.make_tensor_value_info(v[0], v[1], v[2])
    graph = h.make_graph(nodes, "g", [info(v) for v in inputs], [info(v) for v in outputs], list(initializers))
    onnx.save(h.make_model(graph, ir_version=8, opset_imports=[
        h.make_opsetid("", opset), h.make_opsetid("ai.onnx.ml", ml)]), str(path))
    return path


def mlp():
    from sklearn.neural_network import MLPClassifier
    return MLPClassifier((8,), max_iter=300, random_state=0)


def normalized():
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import Normalizer
    return make_pipeline(Normalizer(), LogisticRegression())


def logistic():
    from sklearn.linear_model import LogisticRegression
    return LogisticRegression()


def forest():
    from sklearn.ensemble import RandomForestClassifier
    return RandomForestClassifier(20, max_depth=4, random_state=1)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("zipmap", [True, False])
@pytest.mark.parametrize("labels", ["strings", "integers", "two"])
@pytest.mark.parametrize("make", [mlp, normalized, logistic, forest])
def test_classifiers_beside_scikit_learn(runtime, tmp_path, make, labels, zipmap):
    pytest.importorskip("sklearn")
    skl2onnx = pytest.importorskip("skl2onnx")
    rng = np.random.default_rng(5)
    x = rng.normal(size=(150, 5)).astype(np.float32)
    y = np.digitize(x[:, 0] + x[:, 1] ** 2, [0.5] if labels == "two" else [0, 1.5])
    if labels == "strings":
        y = np.array(["low", "middle", "höch"])[y]
    fitted = make().fit(x, y)
    converted = skl2onnx.to_onnx(fitted, x[:1], options={"zipmap": zipmap})
    path = tmp_path / "model.onnx"
    path.write_bytes(converted.SerializeToString())
    r = runtime().start("--model", path)
    names = [str(c) for c in fitted.classes_]
    proba, expected = fitted.predict_proba(x), fitted.predict(x)

    def numbers(body):
        """Of one row or of all: by class, or in the order of classes where the graph does not name them."""
        if "scores" in body:
            return body["scores"]
        by_class = body["probabilities"]
        rows = by_class if isinstance(by_class, list) else [by_class]
        assert all(set(row) == set(names) for row in rows)
        got = [[row[name] for name in names] for row in rows]
        return got if isinstance(by_class, list) else got[0]

    status, body = r.invoke({"instances": x.tolist()})
    assert status == 200 and body["predictions"] == body["labels"] == expected.tolist()
    assert np.allclose(numbers(body), proba, rtol=0, atol=2e-6)
    assert zipmap <= ("probabilities" in body)
    for i in range(5):
        status, body = r.invoke({"features": x[i].tolist()})
        assert status == 200 and body["prediction"] == body["label"] == expected[i]
        assert np.allclose(numbers(body), proba[i], rtol=0, atol=2e-6)
        status, body = r.invoke({"inputs": {"X": [x[i].tolist()]}})
        assert status == 200 and body["prediction"] == expected[i]
        assert set(body["outputs"]) == {o.name for o in converted.graph.output}


def test_margins_are_scores(runtime, tmp_path):
    """A classifier with one margin for two classes: its label is its own, not that of the largest score."""
    linear_model = pytest.importorskip("sklearn.linear_model")
    skl2onnx = pytest.importorskip("skl2onnx")
    rng = np.random.default_rng(8)
    x = rng.normal(size=(100, 3)).astype(np.float32)
    fitted = linear_model.RidgeClassifier().fit(x, x[:, 0] > 0.3)
    path = tmp_path / "model.onnx"
    path.write_bytes(skl2onnx.to_onnx(fitted, x[:1]).SerializeToString())
    r = runtime().start("--model", path)
    status, body = r.invoke({"instances": x.tolist()})
    assert status == 200 and body["labels"] == fitted.predict(x).astype(int).tolist()
    assert np.allclose(np.ravel(body["scores"]), fitted.decision_function(x), rtol=0, atol=1e-5)


@pytest.mark.filterwarnings("ignore")
def test_regression_graph_beside_scikit_learn(runtime, tmp_path):
    network = pytest.importorskip("sklearn.neural_network")
    skl2onnx = pytest.importorskip("skl2onnx")
    rng = np.random.default_rng(6)
    x = rng.normal(size=(100, 3)).astype(np.float32)
    fitted = network.MLPRegressor(hidden_layer_sizes=(8,), max_iter=300, random_state=0).fit(x, x[:, 0] * x[:, 1])
    path = tmp_path / "model.onnx"
    path.write_bytes(skl2onnx.to_onnx(fitted, x[:1]).SerializeToString())
    r = runtime().start("--model", path)
    expected = fitted.predict(x)
    status, body = r.invoke({"instances": x.tolist()})
    assert status == 200 and set(body) == {"predictions"}
    assert np.allclose(body["predictions"], expected, rtol=1e-5, atol=1e-5)
    # The shortest text of a float32.
    assert all(len(repr(number)) <= 14 for number in body["predictions"])
    status, body = r.invoke({"features": x[0].tolist()})
    assert status == 200 and abs(body["prediction"] - expected[0]) < 1e-5


TYPES = {
    "float": (T.FLOAT, [[1.5, -2.25], [3e38, 1e-45]]),
    "double": (T.DOUBLE, [[0.1, -1e300]]),
    "float16": (T.FLOAT16, [[1.5, -2, 65504, 6e-8]]),
    "int8": (T.INT8, [-128, 127]),
    "int16": (T.INT16, [-32768, 32767]),
    "int32": (T.INT32, [[-2 ** 31], [2 ** 31 - 1]]),
    "int64": (T.INT64, [-2 ** 63, 2 ** 63 - 1]),
    "uint8": (T.UINT8, [0, 255]),
    "uint16": (T.UINT16, [0, 65535]),
    "uint32": (T.UINT32, [0, 2 ** 32 - 1]),
    "uint64": (T.UINT64, [0, 2 ** 63 - 1]),
    "bool": (T.BOOL, [[True, False], [False, True]]),
    "string": (T.STRING, [["a", ""], ["ü\u0000\n\"", "😀"]]),
    "scalar": (T.FLOAT, 2.5),
    "empty": (T.FLOAT, []),
    "deep": (T.INT64, [[[[[[1, 2]]]]]]),
}


@pytest.mark.parametrize("name", TYPES)
def test_tensors_of_every_type(runtime, tmp_path, name):
    """What goes in comes out: through Identity, with another input beside."""
    element, value = TYPES[name]
    shape = list(np.shape(value))
    path = save(tmp_path / "m.onnx", [h.make_node("Identity", ["x"], ["y"]), h.make_node("Neg", ["k"], ["n"])],
                [("x", element, shape), ("k", T.INT64, [1])], [("y", element, shape), ("n", T.INT64, [1])])
    r = runtime().start("--model", path)
    status, body = r.invoke({"inputs": {"k": [7], "x": value}})
    assert status == 200, body
    got = body["outputs"]
    assert got["n"] == [-7]
    if element in (T.FLOAT, T.FLOAT16):
        kind = np.float32 if element == T.FLOAT else np.float16
        assert np.array_equal(np.array(got["y"], kind), np.array(value, kind))
    else:
        assert got["y"] == value
    assert ("prediction" in body) == (np.size(value) == 1)


@pytest.mark.parametrize("name, wrong", [
    ("int8", [128, 0]), ("int8", [1.0, 2]), ("uint8", [-1, 0]), ("uint32", [2 ** 32, 0]), ("bool", [[1, 0], [0, 1]]),
    ("string", [["a", 1], ["b", "c"]]), ("float", [["NaN", 1], [1, 1]]), ("float", [[1e39, 1], [1, 1]]),
    ("float16", [[65520, 1, 1, 1]]), ("int64", [True, 1]), ("float", [[1, 2], [3]]), ("float", [[1, 2, 3], [1, 2, 3]]),
    ("float", None), ("float", {}), ("int32", [[1], [None]]), ("int64", "5")])
def test_tensors_that_do_not_fit(runtime, tmp_path, name, wrong):
    element, value = TYPES[name]
    shape = list(np.shape(value))
    path = save(tmp_path / "m.onnx", [h.make_node("Identity", ["x"], ["y"])],
                [("x", element, shape)], [("y", element, shape)])
    r = runtime().start("--model", path)
    status, body = r.invoke({"inputs": {"x": wrong}})
    assert status == 400 and body["error"]
    assert r.invoke({"inputs": {"x": value}})[0] == 200


def test_what_json_has_no_numbers_for_is_null(runtime, tmp_path):
    path = save(tmp_path / "m.onnx", [h.make_node("Log", ["x"], ["y"])],
                [("x", T.FLOAT, ["n"])], [("y", T.FLOAT, ["n"])])
    r = runtime().start("--model", path)
    status, body = r.invoke({"inputs": {"x": [0, -1, 1]}})
    assert status == 200 and body["outputs"]["y"] == [None, None, 0.0]


def test_inputs_missing_and_unknown(runtime, tmp_path):
    path = save(tmp_path / "m.onnx", [h.make_node("Add", ["a", "b"], ["y"])],
                [("a", T.FLOAT, ["n"]), ("b", T.FLOAT, ["n"])], [("y", T.FLOAT, ["n"])])
    r = runtime().start("--model", path)
    assert r.invoke({"inputs": {"a": [1, 2], "b": [3, 4]}}) == (200, {"outputs": {"y": [4.0, 6.0]}})
    status, body = r.invoke({"inputs": {"a": [1, 2]}})
    assert status == 400 and "b" in body["error"]
    status, body = r.invoke({"inputs": {"a": [1], "b": [1], "c": [1]}})
    assert status == 400 and '"c"' in body["error"]
    status, body = r.invoke({"inputs": {"a": [1, 2], "b": [1, 2, 3]}})
    assert status == 400
    status, body = r.invoke({"features": [1, 2]})
    assert status == 400 and "inputs" in body["error"]
    assert r.invoke({"inputs": {"a": [1], "b": [2]}}) == (200, {"outputs": {"y": [3.0]}, "prediction": 3.0})


def test_no_memory_is_503_and_the_next_is_served(runtime, tmp_path):
    """A product that would take more than the function has."""
    path = save(tmp_path / "m.onnx", [h.make_node("MatMul", ["a", "b"], ["c"]),
                                      h.make_node("ReduceSum", ["c"], ["y"], keepdims=0)],
                [("a", T.FLOAT, ["n", 1]), ("b", T.FLOAT, [1, "m"])], [("y", T.FLOAT, [])])
    r = runtime().start("--model", path, env={"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128"})
    many = 20000
    status, body = r.invoke({"inputs": {"a": [[1]] * many, "b": [[1] * many]}})
    assert status == 503 and body["error"]
    assert r.invoke({"inputs": {"a": [[2]], "b": [[3]]}}) == (200, {"outputs": {"y": 6.0}, "prediction": 6.0})
    assert r.stop()[0] == 0


# ---- a handler of one's own ----


def test_house_prices(runtime, model):
    house = EXE.parent / "example" / "infer-serve-house"
    if not house.exists():
        pytest.skip(f"{house} was not built")
    weights, start = [0.8, 0.05, 0.1, 0.2, 0.6], 9.0
    path = model({"format": "libinfer-linear", "version": 1, "coefficients": [weights], "intercepts": [start]})
    r = runtime().start("--model", path, exe=house)
    status, body = r.invoke({"area_m2": 120, "rooms": 4, "city": "Bern"})
    price = np.exp(start + 0.8 * np.log(120) + 0.05 * 4 + 0.2)
    assert status == 200 and body == {"price": round(price / 1000) * 1000.0, "currency": "CHF"}
    for wrong in ({"area_m2": 0, "rooms": 4, "city": "Bern"}, {"area_m2": 120, "rooms": "4", "city": "Bern"},
                  {"area_m2": 120, "rooms": 4, "city": "Paris"}, {"area_m2": 120, "rooms": 4}, {}):
        status, body = r.invoke(wrong)
        assert status == 422 and body["error"]
    assert r.invoke([1, 2])[0] == 400
    assert r.stop()[0] == 0


def test_names_and_labels_from_the_json_form(runtime, model):
    """Binary labels as strings, straight from the JSON form, features by non-ASCII names."""
    r = runtime().start("--model", model(LOGISTIC))
    status, body = r.invoke({"features": {"höhe": 3, "size": 2, "age": 1}})
    z = sum(w * x for w, x in zip(LINEAR["coefficients"][0], [1, 2, 3])) + 0.75
    assert status == 200 and body["label"] == "malignant"
    assert abs(body["probabilities"]["malignant"] - 1 / (1 + np.exp(-z))) < 1e-12


# ---- rows for graphs of other shapes ----


def graph(path, op, element, shape, out=None):
    return save(path / "m.onnx", [h.make_node(op, ["x"], ["y"])], [("x", element, shape)],
                [("y", out or element, shape)])


def test_batches_for_a_graph_of_one_row(runtime, tmp_path):
    """Exporters often fix the batch at one."""
    r = runtime().start("--model", graph(tmp_path, "Relu", T.FLOAT, [1, 3]))
    assert r.invoke({"features": [1, -2, 3]}) == (200, {"prediction": [1.0, 0.0, 3.0]})
    assert r.invoke({"instances": [[1, -2, 3], [-4, 5, 6], [7, 8, -9]]}) == (
        200, {"predictions": [[1.0, 0.0, 3.0], [0.0, 5.0, 6.0], [7.0, 8.0, 0.0]]})
    assert r.invoke({"instances": [[1, -2, 3], [1, 2]]})[0] == 400


def test_features_of_integers(runtime, tmp_path):
    r = runtime().start("--model", graph(tmp_path, "Neg", T.INT64, ["n", 2]))
    assert r.invoke({"features": [1, -2]}) == (200, {"prediction": [-1.0, 2.0]})
    for wrong in (1.5, 1.0, 2 ** 53 + 1, -2 ** 63, True, "1"):
        status, body = r.invoke({"instances": [[1, 1], [0, wrong]]})
        assert status == 400 and "row 1: feature 1 is not an integer" in body["error"]


def test_graphs_without_rows(runtime, tmp_path):
    r = runtime().start("--model", graph(tmp_path, "Relu", T.FLOAT, ["n", "m"]))
    assert r.invoke({"features": [1, -2, 3]})[0] == 400
    assert r.invoke({"inputs": {"x": [[1, -2]]}}) == (200, {"outputs": {"y": [[1.0, 0.0]]}})
