"""OpenFaaS: behind a watchdog in each of its modes, and on standard input."""

import http.client
import json
import os
import subprocess
import threading
import time

import pytest

from conftest import LOGISTIC
from mock_runtime import EXE, ROOT
from watchdog import Watchdog

DEPLOY = ROOT / "bindings" / "serve" / "deploy" / "openfaas"
ROW = {"features": [1, 2, 3]}


@pytest.fixture
def watchdog(model):
    made = []

    def make(mode="http", arguments=(), exe=EXE, content=LOGISTIC, **environment):
        made.append(Watchdog([exe, *arguments], mode, MODEL_PATH=str(model(content)), **environment))
        return made[-1]
    yield make
    for one in made:
        one.close()


def call(w, body=ROW, method="POST", path="/function/predict", **headers):
    connection = http.client.HTTPConnection("127.0.0.1", w.port, timeout=20)
    try:
        data = json.dumps(body) if isinstance(body, dict) else body
        connection.request(method, path, data, headers)
        reply = connection.getresponse()
        raw = reply.read()
        return reply.status, reply.headers, json.loads(raw) if raw[:1] in (b"{", b"[") else raw
    finally:
        connection.close()


def test_http_mode(watchdog):
    w = watchdog()
    status, headers, answer = call(w, **{"X-Call-Id": "call-7"})
    assert status == 200 and answer["label"] == "malignant" and headers["x-request-id"] == "call-7"
    assert call(w, b"1,2,3\n", **{"Content-Type": "text/csv"})[2]["labels"] == ["malignant"]
    for path in ("/_/health", "/_/ready", "/"):
        assert call(w, None, "GET", path)[0] == 200
    assert call(w, b"{")[0] == 400 and call(w, {"features": [1]})[0] == 400
    assert call(w, b" " * 7_000_000)[0] == 413
    assert call(w)[0] == 200


def test_nothing_is_lost_while_it_drains(watchdog):
    """The watchdog goes on forwarding for its interval after it has sent SIGTERM."""
    w = watchdog(healthcheck_interval="800ms")
    results, stop = [], threading.Event()

    def work():
        while not stop.is_set():
            try:
                results.append(call(w)[0])
            except (OSError, http.client.HTTPException) as error:
                results.append(repr(error))
    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    time.sleep(0.3)
    w.drain()
    time.sleep(0.6)
    assert call(w)[0] == 200
    stop.set()
    for thread in threads:
        thread.join()
    assert set(results) == {200} and len(results) > 100
    # Quiet for less than the interval is no reason to go: requests may still come.
    time.sleep(0.5)
    assert call(w)[0] == 200 and w.forward("GET", "/_/ready", {}, b"")[0] == 503
    code, _ = w.end()
    assert code == 0


def test_limits_of_the_watchdog_are_kept(watchdog, slow_model):
    slow = slow_model(60)
    w = watchdog(arguments=["--model", slow, "--threads", "1"], max_inflight="1", exec_timeout="20s")
    statuses = []
    threads = [threading.Thread(target=lambda: statuses.append(call(w, {"inputs": {"x": [[1]]}})[0])) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(statuses) == {200, 429}
    late = watchdog(arguments=["--model", slow, "--threads", "1"], exec_timeout="50ms")
    assert call(late, {"inputs": {"x": [[1]]}})[0] == 504


@pytest.mark.parametrize("mode", ["serializing", "streaming"])
def test_a_process_for_each_request(watchdog, mode):
    w = watchdog(mode)
    assert call(w)[:1] == (200,) and call(w)[2]["label"] == "malignant"
    assert call(w, b"1,2,3\n", **{"Content-Type": "text/csv"})[2]["labels"] == ["malignant"]
    status, _, answer = call(w, {"features": [1]})
    assert status == 500 and "1 features were given" in answer["error"]
    assert call(w, b"")[0] == 500
    assert call(w, b" " * 7_000_000)[2]["error"].startswith("the request has")


def run(model, body, **environment):
    clean = {name: value for name, value in os.environ.items() if name not in ("PORT", "fprocess")}
    return subprocess.run([EXE, "--model", model], input=body, capture_output=True, timeout=20,
                          env={**clean, **environment})


def test_standard_input(model):
    path = model(LOGISTIC)
    result = run(path, json.dumps(ROW).encode())
    assert result.returncode == 0 and json.loads(result.stdout)["label"] == "malignant" and not result.stderr
    result = run(path, b"1,2,3\n4,5,6\n", Http_Content_Type="text/csv")
    assert len(json.loads(result.stdout)["labels"]) == 2
    for body in (b"", b"{", b"[]", b"null", b'{"features":[]}', b"\xff" * 10, b" " * 7_000_000, b"[" * 1000):
        result = run(path, body)
        assert result.returncode == 1 and json.loads(result.stdout)["error"] and b"status 4" in result.stderr
    assert run("/no/model", b"{}").returncode == 1


def test_durations(watchdog):
    """What the watchdog writes in Go's way: the server is gone within the sum of interval and write_timeout."""
    w = watchdog(healthcheck_interval="0.1s", write_timeout="1m")
    began = time.time()
    w.drain()
    assert w.end()[0] == 0 and time.time() - began < 5


MALFORMED = [b"{", b"}", b"[", b"null", b"7", b'"x"', b"{}", b'{"features":7}', b'{"features":[1,2]}', b"\xff\xfe", b"\x00" * 9,
             b'{"features":[1,2,NaN]}', b'{"instances":[]}', b'{"instances":[[1]]}', b'{"inputs":[]}', b"[" * 500, b"a=1",
             b'{"features":[1,2,3]}x', b'{"features":[1,2,3],"instances":[]}', b'{"features":{"age":1}}']


def test_malformed_requests(watchdog):
    w = watchdog()
    for path in ("/", "/function/predict", "/x?y=z", "/%00"):
        for kind in ("application/json", "", "text/plain"):
            for body in MALFORMED:
                status, _, answer = call(w, body, path=path, **({"Content-Type": kind} if kind else {}))
                assert status in (400, 415) and answer["error"], (body, status)
    assert call(w)[0] == 200


def test_own_handler(watchdog):
    """bindings/serve/example/openfaas.c: CSV through the watchdog in http mode, and through standard input."""
    content = {**LOGISTIC, "classes": ["cold", "hot"], "feature_names": ["visits", "minutes", "pages"]}
    exe = EXE.parent / "example" / "infer-serve-openfaas"
    for mode in ("http", "serializing"):
        w = watchdog(mode, exe=exe, content=content)
        csv = b"ann,10,0.5,3\r\nbob,0,9,0\ncy,4,1,2\n"
        assert call(w, csv, **{"Content-Type": "text/csv"})[2] == {"hot": ["ann", "cy"]}
        assert call(w, {"leads": "ann,10,0.5,3"})[2] == {"hot": ["ann"]}
        for wrong in (b"ann,1,2", b"ann", b"a,1,2,x", b"a,1,2,3,4", b",,,"):
            status, _, answer = call(w, wrong, **{"Content-Type": "text/csv"})
            assert status in (422, 500) and "line 1" in answer["error"]


# ---- deploying ----

def test_template():
    yaml = pytest.importorskip("yaml")
    folder = DEPLOY / "template" / "libinfer"
    template = yaml.safe_load((folder / "template.yml").read_text())
    assert template["language"] == "libinfer" and "welcome_message" in template
    text = (folder / "Dockerfile").read_text()
    stages = [line.split() for line in text.splitlines() if line.startswith("FROM")]
    assert "of-watchdog" in stages[0][-3] + stages[0][-1] and stages[-1][1] == "scratch"
    for variable in ("fprocess", "mode", "upstream_url"):
        assert f"{variable}=" in text
    stack = yaml.safe_load((DEPLOY / "stack.yml").read_text())
    [function] = stack["functions"].values()
    assert function["lang"] == "libinfer" and (DEPLOY / function["handler"]).is_dir()
