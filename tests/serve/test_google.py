"""Google Cloud Run and functions: signatures, CloudEvents by two independent clients, logs, the end."""

import base64
import json
import os
import re
import subprocess
import threading
import urllib.parse

import pytest

from conftest import LOGISTIC
from http_server import free_port
from mock_runtime import EXE, ROOT

DEPLOY = ROOT / "bindings" / "serve" / "deploy" / "google"
ROW = {"features": [1, 2, 3]}
ATTRIBUTES = {"type": "com.example.row", "source": "/sensors/höhe 7", "id": "A 1%é"}
CODED = base64.b64encode(json.dumps(ROW).encode()).decode()


@pytest.fixture
def google(server, model):
    """The server as Cloud Run starts it."""
    def make(signature=None, **environment):
        port = free_port()
        env = {"PORT": str(port), "K_SERVICE": "predict", **environment}
        if signature:
            env["FUNCTION_SIGNATURE_TYPE"] = signature
        return server("--model", model(LOGISTIC, "house.json"), platform=None, name_port=False, port=port, env=env)
    return make


def test_it_listens_for_everybody(google):
    s = google()
    table = open(f"/proc/{s.process.pid}/net/tcp").read()
    assert re.search(rf" 00000000:{s.port:04X} 00000000:0000 0A", table)


@pytest.mark.parametrize("signature", [None, "http", "typed"])
def test_http(google, signature):
    s = google(signature)
    for path in ("/", "/any/path?x=1"):
        status, _, answer = s.request("POST", path, ROW, {"content-type": "application/json"})
        assert status == 200 and answer["label"] == "malignant"
    assert s.request("POST", "/", b"{")[0] == 400
    for path, status in (("/", 200), ("/ready", 200), ("/robots.txt", 404), ("/favicon.ico", 404)):
        assert s.request("GET", path)[0] == status
    csv = s.request("POST", "/", b"1,2,3\n", {"content-type": "text/csv"})[0]
    assert csv == (415 if signature == "typed" else 200)


def test_unknown_signatures_end_the_process(google):
    with pytest.raises(RuntimeError, match="not http, cloudevent or typed"):
        google("nonsense")


# ---- CloudEvents ----

@pytest.mark.parametrize("signature", [None, "cloudevent"])
@pytest.mark.parametrize("mode", ["binary", "structured"])
def test_python_client(google, signature, mode):
    http = pytest.importorskip("cloudevents.v1.http")
    s = google(signature)
    event = http.CloudEvent(ATTRIBUTES, ROW)
    headers, body = (http.to_binary if mode == "binary" else http.to_structured)(event)
    # This client sends attributes as they are: what is not ASCII goes out as UTF-8.
    headers = {name: value.encode().decode("latin-1") for name, value in headers.items()}
    status, got, raw = s.request("POST", "/", body, headers)
    assert status == 200
    reply = http.from_http(dict(got), json.dumps(raw).encode())
    assert reply.data["label"] == "malignant"
    assert reply["type"] == "libinfer.prediction" and reply["source"] == "house"
    assert urllib.parse.unquote(reply["causationid"]) == ATTRIBUTES["id"]


@pytest.mark.parametrize("mode", ["binary", "structured"])
def test_newer_python_client(google, mode):
    http = pytest.importorskip("cloudevents.core.bindings.http")
    from cloudevents.core.formats.json import JSONFormat
    from cloudevents.core.v1.event import CloudEvent
    s = google("cloudevent")
    event = CloudEvent(attributes={**ATTRIBUTES, "specversion": "1.0", "datacontenttype": "application/json"}, data=ROW)
    message = (http.to_binary if mode == "binary" else http.to_structured)(event, JSONFormat())
    status, got, raw = s.request("POST", "/", message.body, message.headers)
    assert status == 200
    headers = {name.lower(): value for name, value in got.items()}
    reply = http.from_http(http.HTTPMessage(headers, json.dumps(raw).encode()), JSONFormat())
    assert reply.get_data()["label"] == "malignant"
    assert reply.get_type() == "libinfer.prediction" and reply.get_extension("causationid") == ATTRIBUTES["id"]


def test_javascript_client(google):
    directory = os.environ.get("INFER_NPM_DIR")
    if not directory or not os.path.isdir(f"{directory}/node_modules/cloudevents"):
        pytest.skip("npm's cloudevents is not installed (INFER_NPM_DIR)")
    s = google("cloudevent")
    event = {"type": "t", "source": "/s", "id": "js-1", "data": ROW, "datacontenttype": "application/json"}
    lines = [{"mode": mode, "event": event} for mode in ("binary", "structured", "emitter")]
    lines.append({"mode": "binary", "event": {**event, "data": {"features": [1]}}})
    result = subprocess.run(["node", ROOT / "tests" / "serve" / "cloudevents.js", f"http://127.0.0.1:{s.port}/"],
                            input="\n".join(map(json.dumps, lines)), capture_output=True, text=True, timeout=60)
    assert result.returncode == 0, result.stderr
    replies = [json.loads(line) for line in result.stdout.splitlines()]
    for reply in replies[:3]:
        assert reply["status"] == 200 and reply["event"]["data"]["label"] == "malignant"
        assert reply["event"]["causationid"] == "js-1" and reply["event"]["type"] == "libinfer.prediction"
    assert replies[3]["status"] == 400


def structured(**changes):
    event = {"specversion": "1.0", "type": "t", "source": "s", "id": "1", "data": ROW, **changes}
    return {key: value for key, value in event.items() if value is not None}


def post(s, content, kind="application/cloudevents+json"):
    return s.request("POST", "/", content, {"content-type": kind})


@pytest.mark.parametrize("event", [
    structured(), structured(data=json.dumps(ROW)), structured(data=None, data_base64=CODED),
    structured(data="1,2,3\n", datacontenttype="text/csv"), structured(datacontenttype="application/json; charset=utf-8"),
    structured(data={"message": {"data": CODED, "messageId": "7"}, "subscription": "x"}),
    structured(subject="x", time="2020-01-01T00:00:00Z", extension="y")])
@pytest.mark.parametrize("kind", ["application/cloudevents+json", "application/cloudevents+json; charset=utf-8",
                                  "Application/CloudEvents+JSON", "application/cloudevents"])
def test_structured_events(google, event, kind):
    status, headers, reply = post(google("cloudevent"), event, kind)
    assert status == 200 and headers["content-type"].startswith("application/cloudevents+json")
    assert "malignant" in json.dumps(reply["data"]) and reply["causationid"] == "1"


def test_batches(google):
    s = google("cloudevent")
    events = [structured(id=str(i), data={"features": [i, 2, 3]} if i != 2 else {"features": []}) for i in range(4)]
    status, headers, replies = post(s, events, "application/cloudevents-batch+json")
    assert status == 200 and headers["content-type"].startswith("application/cloudevents-batch+json")
    assert [reply["causationid"] for reply in replies] == ["0", "1", "2", "3"]
    assert len({reply["id"] for reply in replies}) == 4
    assert "error" in replies[2]["data"] and all("label" in replies[i]["data"] for i in (0, 1, 3))
    assert post(s, [], "application/cloudevents-batch+json")[2] == []


BINARY = {"ce-specversion": "1.0", "ce-type": "t", "ce-source": "s", "ce-id": "1"}


@pytest.mark.parametrize("headers", [{}, {"content-type": "application/json"}, {"content-type": "application/json; charset=utf-8"},
                                     {"ce-id": "%C3%A9%20x"}, {"ce-id": "a\tb"}])
def test_binary_events(google, headers):
    s = google("cloudevent")
    status, got, reply = s.request("POST", "/", json.dumps(ROW), {**BINARY, **headers})
    assert status == 200 and reply["label"] == "malignant"
    assert got["ce-specversion"] == "1.0" and got["ce-type"] == "libinfer.prediction" and got["ce-source"] == "house"
    assert got["ce-causationid"] == headers.get("ce-id", "1").replace("\t", "%09")


MALFORMED = [
    *[(structured(**{name: value}), "application/cloudevents+json")
      for name in ("id", "source", "type", "specversion") for value in (None, "", 7, {}, [], True)],
    *[(structured(specversion=version), "application/cloudevents+json") for version in ("0.3", "1", "1.1", "2.0", "x")],
    *[(structured(data=data), "application/cloudevents+json")
      for data in (None, 7, [], [1, 2, 3], True, "", "x", "{", {}, {"features": [1]}, {"message": {"data": "???"}},
                   {"message": {"data": ""}}, {"message": {"data": CODED[:-2]}}, {"message": 7}, {"features": "x"})],
    *[(structured(data=None, data_base64=data), "application/cloudevents+json") for data in ("?", "AAA", "", 7, "AAAA")],
    *[(body, "application/cloudevents+json") for body in (b"", b"{", b"[]", b"7", b"null", b'"x"', b"\xff", b"[" * 100, b"{}")],
    *[(body, "application/cloudevents-batch+json") for body in (b"", b"{", b"{}", b"7", b"null", b'"x"', b"[7]", b"[{}]",
                                                              b"[null]", b"[[]]", b'["x"]', b"[" * 100)],
    *[([structured(), structured(id=None)], "application/cloudevents-batch+json")],
]
MISSING = [{name: value for name, value in BINARY.items() if name != gone} for gone in BINARY]


def test_malformed_events(google):
    s = google("cloudevent")
    count = 0
    for body, kind in MALFORMED:
        status, _, answer = post(s, body, kind)
        assert status == 400 and answer["error"], (body, status)
        count += 1
    for headers in [*MISSING, {**BINARY, "ce-specversion": "0.3"}, {**BINARY, "ce-id": ""}, {**BINARY, "ce-type": ""}, {}]:
        for body in (json.dumps(ROW), "", "{", "7"):
            assert s.request("POST", "/", body, headers)[0] == 400, (headers, body)
            count += 1
    for body in ("", "{", "7", "[]", "null", '{"features":[1]}', '{"message":{"data":"?"}}'):
        assert s.request("POST", "/", body, BINARY)[0] == 400, body
        count += 1
    assert count > 100
    assert post(s, structured())[0] == 200
    assert s.stop()[0] == 0


# ---- logs, concurrency, the end ----

def test_logs_are_cloud_logging_s(google):
    s = google("http", GOOGLE_CLOUD_PROJECT="shop")
    s.request("POST", "/", b"{", {"X-Cloud-Trace-Context": "0123456789abcdef0123456789abcdef/1;o=1"})
    s.request("POST", "/", b"{", {"traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"})
    lines = [json.loads(line) for line in s.stop()[1].splitlines()]
    assert lines[0]["severity"] == "INFO"
    first, second = [line for line in lines if line["severity"] == "WARNING"]
    assert first["logging.googleapis.com/trace"] == "projects/shop/traces/0123456789abcdef0123456789abcdef"
    assert second["logging.googleapis.com/trace"] == "projects/shop/traces/4bf92f3577b34da6a3ce929d0e0e4736"
    assert "status 400" in first["message"]


def test_many_at_once(google):
    s = google("http")
    results = []

    def work():
        for _ in range(20):
            results.append(s.request("POST", "/", ROW)[0])
    threads = [threading.Thread(target=work) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [200] * 320
    assert s.stop()[0] == 0


def test_own_handler(server, model):
    """bindings/serve/example/google.c: an event's data through a handler that makes the features itself."""
    content = {**LOGISTIC, "classes": ["fine", "faulty"], "feature_names": ["mean", "deviation", "last"],
               "coefficients": [[0, 0, 1]], "intercepts": [-5]}
    port = free_port()
    s = server("--model", model(content), platform=None, name_port=False, port=port,
               exe=EXE.parent / "example" / "infer-serve-google", env={"PORT": str(port), "K_SERVICE": "s"})
    for readings, alarm in (([20, 21, 20, 40], True), ([20, 21, 20, 20.5], False)):
        status, _, reply = post(s, structured(data={"sensor": "7", "readings": readings}))
        assert status == 200 and reply["data"] == {"sensor": "7", "alarm": alarm}
    for data in ({}, {"sensor": "7"}, {"sensor": "7", "readings": [1]}, {"sensor": "7", "readings": [1, "2"]}):
        assert post(s, structured(data=data))[0] == 422


# ---- deploying ----

def test_container_and_service():
    yaml = pytest.importorskip("yaml")
    lines = [line.split() for line in (DEPLOY / "Dockerfile").read_text().splitlines()
             if line.strip() and not line.startswith("#")]
    assert lines[0] == ["FROM", "scratch"] and {line[0] for line in lines} <= {"FROM", "COPY", "USER", "ENTRYPOINT"}
    service = yaml.safe_load((DEPLOY / "service.yaml").read_text())
    assert service["apiVersion"] == "serving.knative.dev/v1" and service["kind"] == "Service"
    spec = service["spec"]["template"]["spec"]
    [container] = spec["containers"]
    assert spec["containerConcurrency"] > 1
    assert container["startupProbe"]["httpGet"]["path"] == "/" and container["ports"] == [{"name": "http1", "containerPort": 8080}]
