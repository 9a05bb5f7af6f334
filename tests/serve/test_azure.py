"""Azure Functions: the package as it is deployed, in both modes, with every trigger."""

import base64
import functools
import io
import json
import math
import os
import shutil
import subprocess
import tempfile
import zipfile
from pathlib import Path

import pytest

from azure_host import Failed, Host
from conftest import LINEAR, LOGISTIC
from mock_runtime import EXE, ROOT

DEPLOY = ROOT / "bindings" / "serve" / "deploy" / "azure"
ROW = {"features": [1, 2, 3]}
TIMER = {"Schedule": {"AdjustForDST": True}, "ScheduleStatus": {"Last": "2024-01-01T00:00:00", "Next": ""},
         "IsPastDue": False}
PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@functools.cache
def package(content, functions):
    """A package for a model, given as its text."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "m.json"
        path.write_text(content)
        return subprocess.run(["sh", DEPLOY / "package.sh", EXE, path, *functions], check=True,
                              capture_output=True).stdout


@pytest.fixture
def app(tmp_path):
    """Unpacks a package of the model with these functions."""
    def make(content=LOGISTIC, functions=("predict", "queue", "blob", "timer"), proxies=False):
        data = package(json.dumps(content), tuple(functions))
        folder = tmp_path / "wwwroot"
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            for entry in archive.infolist():
                path = archive.extract(entry, folder)
                os.chmod(path, entry.external_attr >> 16)
        settings = json.loads((folder / "host.json").read_text())
        settings["customHandler"]["enableProxyingHttpRequest"] = proxies
        (folder / "host.json").write_text(json.dumps(settings))
        return folder
    return make


@pytest.fixture
def host():
    made = []

    def make(folder, *arguments, **environment):
        made.append(Host(folder, *arguments, **environment))
        return made[-1]
    yield make
    for one in made:
        one.close()


def test_package(app):
    folder = app(functions=("predict", "timer"))
    assert sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()) == [
        "host.json", "infer-serve", "model.json", "predict/function.json", "timer/function.json"]
    assert os.access(folder / "infer-serve", os.X_OK)


@pytest.mark.parametrize("file", sorted(DEPLOY.rglob("*.json"), key=str), ids=lambda path: path.parent.name + path.name)
def test_settings_have_the_documented_fields(file):
    content = json.loads(file.read_text())
    if file.name == "function.json":
        triggers = [b for b in content["bindings"] if b["type"].endswith("Trigger")]
        assert len(triggers) == 1 and triggers[0]["direction"] == "in"
        for binding in content["bindings"]:
            needed = {"httpTrigger": {"authLevel", "methods"}, "http": set(), "timerTrigger": {"schedule"},
                      "queueTrigger": {"queueName", "connection"}, "queue": {"queueName", "connection"},
                      "blobTrigger": {"path", "connection"}, "blob": {"path", "connection"}}[binding["type"]]
            assert needed | {"type", "direction", "name"} <= set(binding)
    elif file.name == "host.json":
        assert content["version"] == "2.0"
        assert content["customHandler"]["description"]["defaultExecutablePath"] == "infer-serve"
    else:
        assert content["Values"]["FUNCTIONS_WORKER_RUNTIME"] == "custom"


@pytest.mark.parametrize("proxies", [False, True])
def test_http(app, host, proxies):
    h = host(app(proxies=proxies))
    status, answer = h.http("predict", json.dumps(ROW))
    assert status == 200 and answer["label"] == "malignant" and answer["probabilities"]["malignant"] > 0.9
    assert h.http("predict", json.dumps({"instances": [[1, 2, 3]] * 2}))[1]["labels"] == ["malignant"] * 2
    assert h.http("predict", "1,2,3\n", headers={"Content-Type": "text/csv"})[0] == 200
    status, answer = h.http("predict", '{"features":[1]}')
    assert status == 400 and "1 features were given" in answer["error"]
    assert h.http("predict", "nonsense")[0] == 400
    assert h.http("predict", "")[0] == 400
    assert h.http("predict", json.dumps(ROW))[0] == 200
    assert h.stop()[0] == 0


def test_bytes_come_in_base64(app, host):
    import numpy as np
    file = io.BytesIO()
    np.save(file, np.array([[1, 2, 3]], np.float32))
    h = host(app())
    status, answer = h.http("predict", file.getvalue(), headers={"Content-Type": "application/octet-stream"})
    assert status == 200 and answer["labels"] == ["malignant"]


def test_queries_are_objects_or_texts(app, host):
    h = host(app())
    for query in ("{}", {"code": "x"}):
        assert h.http("predict", json.dumps(ROW), query=query)[0] == 200


@pytest.mark.parametrize("message", [ROW, json.dumps(ROW), json.dumps(json.dumps(ROW)),
                                     base64.b64encode(json.dumps(ROW).encode()).decode()])
def test_queue(app, host, message):
    outputs, _ = host(app()).trigger("queue", message)
    assert outputs["$return"]["label"] == "malignant"


@pytest.mark.parametrize("message", ["nonsense", "", {}, "{}", '{"features":[1]}', None, 7, [1, 2, 3]])
def test_messages_that_cannot_be_answered_fail(app, host, message):
    h = host(app())
    with pytest.raises(Failed):
        h.trigger("queue", message)
    assert h.trigger("queue", ROW)[0]["$return"]["label"] == "malignant"


def test_blob(app, host):
    import numpy as np
    file = io.BytesIO()
    np.save(file, np.array([[1, 2, 3]], np.float64))
    h = host(app())
    outputs, _ = h.trigger("blob", base64.b64encode(file.getvalue()).decode())
    assert outputs["answer"]["labels"] == ["malignant"]
    outputs, _ = h.trigger("blob", base64.b64encode(json.dumps(ROW).encode()).decode())
    assert outputs["answer"]["label"] == "malignant"


def test_timer(app, host):
    outputs, logs = host(app()).trigger("timer", TIMER)
    assert outputs == {} and logs == ["the model is ready"]


def test_the_tutorial_s_endpoint_is_a_setting(app, host):
    h = host(app(), INFER_PREDICTION="probability")
    status, answer = h.http("predict", json.dumps(ROW))
    assert status == 200 and answer["prediction"] == answer["probabilities"]["malignant"]
    many = h.http("predict", json.dumps({"instances": [[1, 2, 3], [0, 0, 0]]}))[1]
    assert many["predictions"] == [row["malignant"] for row in many["probabilities"]]


def test_regressions_keep_their_number(app, host):
    answer = host(app(LINEAR), INFER_PREDICTION="probability").http("predict", json.dumps(ROW))[1]
    assert answer == {"prediction": 4.75}


def test_the_older_name_of_the_port(app, host):
    assert host(app(), "FUNCTIONS_HTTPWORKER_PORT").http("predict", json.dumps(ROW))[0] == 200


def test_polling_ends_soon(app, host):
    assert host(app()).polls <= 20


def test_ids_and_traces_are_in_the_logs(app, host):
    h = host(app(), INFER_LOG_FORMAT="json")
    h.http("predict", "{}", headers={"Content-Type": "application/json", "traceparent": PARENT})
    lines = [json.loads(line) for line in h.stop()[1].splitlines()]
    [line] = [line for line in lines if line["level"] == "WARN"]
    assert len(line["requestId"]) == 36 and line["traceparent"] == PARENT


def test_own_handler(app, host):
    """bindings/serve/example/azure.c, in the place of infer-serve."""
    model = {**LOGISTIC, "classes": ["good", "fraud"], "feature_names": ["log_amount", "items", "night"]}
    folder = app(model)
    shutil.copy(EXE.parent / "example" / "infer-serve-azure", folder / "infer-serve")
    h = host(folder)
    outputs, _ = h.trigger("queue", {"order": "A-1", "amount": 20, "items": 3, "hour": 23})
    z = 0.75 + 0.5 * math.log(20) - 1.25 * 3 + 2
    risk = round(1 / (1 + math.exp(-z)), 3)
    answer = outputs["$return"]
    assert len(answer.pop("invocation")) == 36
    assert answer == {"order": "A-1", "decision": "hold" if risk > 0.5 else "ship", "risk": risk}
    with pytest.raises(Failed, match="amount"):
        h.trigger("queue", {"order": "A-1", "amount": -1, "items": 3, "hour": 23})


BAD = [b"", b"{", b"[]", b"null", b"7", b'"x"', b'{"Data":{}}', b'{"Data":[],"Metadata":{}}', b'{"Data":7,"Metadata":{}}',
       b'{"Data":{},"Metadata":{}}', b'{"Data":{"message":[]},"Metadata":{}}', b'{"Data":{"message":null},"Metadata":{}}',
       b'{"Data":{"message":true},"Metadata":{}}', b'{"Data":{"req":{"Method":"POST","Url":"x","Body":[]}},"Metadata":{}}',
       b'{"Data":{"a":{"b":{"c":{}}}},"Metadata":{}}', b'{"Metadata":{}}', b'{"Data":{"message":"AAA="},"Metadata":{}}',
       b'{"Data":{"message":"////"},"Metadata":{}}', b'{"Data":{"message":"\\u0000"},"Metadata":{}}',
       b'{"Data":{"message":"' + b"A" * 100000 + b'"},"Metadata":{}}', b"\xff" * 100, b"[" * 100, b'{"Data":' * 70]


@pytest.mark.parametrize("path", ["/predict", "/queue", "/blob", "/unknown", "/../etc", "/" + "x" * 200])
def test_malformed_invocations(app, host, path):
    h = host(app())
    for body in BAD:
        status, _, reply = h.exchange("POST", path, body, {"Content-Type": "application/json"})
        answer = json.loads(reply)
        inner = next(iter(answer.get("Outputs", {}).values()), {}).get("statusCode", 0) if "Outputs" in answer else status
        assert 400 <= inner < 500, (body[:60], status, reply)
        assert h.http("predict", json.dumps(ROW))[0] == 200
    assert h.stop()[0] == 0
