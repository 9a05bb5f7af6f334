"""HTTP for anyone: what is answered, what is refused, and that the next request is served."""

import json
import os
import signal
import subprocess
import threading
import time
from pathlib import Path

import pytest

from conftest import LOGISTIC
from http_server import drain
from mock_runtime import EXE

ROW = {"features": [1, 2, 3]}
PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@pytest.fixture
def logistic(server, model):
    return server("--model", model(LOGISTIC))


def test_predict(logistic):
    status, headers, answer = logistic.predict(ROW)
    assert status == 200 and answer["label"] == "malignant"
    assert headers["content-type"] == "application/json"
    assert logistic.predict({"instances": [[1, 2, 3]] * 3})[2]["labels"] == ["malignant"] * 3
    assert logistic.predict({"features": {"age": 1, "size": 2, "höhe": 3}})[2] == answer


@pytest.mark.parametrize("method, path, status", [
    ("GET", "/health", 200), ("HEAD", "/health", 200), ("GET", "/ready", 200), ("GET", "/metrics", 200),
    ("GET", "/predict", 405), ("DELETE", "/health", 405), ("GET", "/nothing", 404), ("POST", "/", 405),
    ("GET", "/predict/", 404), ("GET", "/health?x=1", 200), ("PUT", "/predict", 405), ("PATCH", "/x", 404)])
def test_routes(logistic, method, path, status):
    got, headers, _ = logistic.request(method, path)
    assert got == status
    assert ("allow" in headers) == (status == 405)


@pytest.mark.parametrize("body, status", [
    (b"", 400), (b"{", 400), (b"[]", 400), (b"null", 400), (b'{"features":[1,2]}', 400), (b"\xff\xfe", 400),
    (b'{"features":[1,2,NaN]}', 400), (b'{"features":[1,2,"3"]}', 400), (b'{"features":' + b"[" * 70, 400),
    (b'{"instances":[' + b"[1,2,3]," * 400000 + b"[1,2,3]]}", 413)])
def test_bad_bodies(logistic, body, status):
    got, _, answer = logistic.request("POST", "/predict", body, {"content-type": "application/json"})
    assert got == status and answer["error"]
    assert logistic.predict(ROW)[0] == 200


def test_limits_are_options(server, model):
    s = server("--model", model(LOGISTIC), "--max-body", 1000, "--max-elements", 20, "--max-depth", 3)
    assert s.predict(ROW)[0] == 200
    assert s.predict({"instances": [[1, 2, 3]] * 10})[0] == 413
    assert s.predict({"features": [[[1]]]})[0] == 400
    assert s.request("POST", "/predict", b" " * 1001)[0] == 413
    chunks = b"POST /predict HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + b"200\r\n" + b" " * 512 \
        + b"\r\n200\r\n" + b" " * 512 + b"\r\n0\r\n\r\n"
    assert s.send(chunks).startswith(b"HTTP/1.1 413 ")
    huge = b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n{}"
    assert s.send(huge).startswith(b"HTTP/1.1 413 ")
    assert s.predict(ROW)[0] == 200


def test_chunked_bodies(logistic):
    raw = json.dumps(ROW).encode()
    parts = b"".join(b"%x\r\n%c\r\n" % (1, byte) for byte in raw)
    head = b"POST /predict HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert b"malignant" in logistic.send(head + parts + b"0\r\n\r\n")


def test_pipelined_requests_are_answered_in_order(logistic):
    one = b"POST /predict HTTP/1.1\r\nHost: x\r\nX-Request-Id: n%d\r\nContent-Length: 20\r\n\r\n{\"features\":[1,2,%d]}"
    reply = logistic.send(b"".join(one % (i, i) for i in range(5)) + b"GET /health HTTP/1.1\r\nConnection: close\r\n\r\n",
                          ends=False)
    places = [reply.index(b"X-Request-Id: n%d" % i) for i in range(5)]
    assert places == sorted(places) and reply.endswith(b"ok\n")


def test_ids_and_traces_go_through(logistic):
    _, headers, _ = logistic.predict(ROW, **{"X-Request-Id": "mine", "traceparent": PARENT})
    assert headers["x-request-id"] == "mine" and headers["traceparent"] == PARENT
    first, second = (logistic.predict(ROW)[1]["x-request-id"] for _ in range(2))
    assert first and first != second
    _, headers, _ = logistic.predict(ROW, **{"X-Request-Id": "a\tb c" + "x" * 1000})
    assert headers["x-request-id"].startswith("abcxxx") and len(headers["x-request-id"]) < 128


def test_logs_are_objects_where_they_should_be(server, model):
    s = server("--model", model(LOGISTIC), "--log-format", "json", "--log-level", "debug")
    s.predict(ROW, **{"X-Request-Id": "good", "traceparent": PARENT})
    s.predict({}, **{"X-Request-Id": "bad"})
    lines = [json.loads(line) for line in s.stop()[1].splitlines()]
    by_id = {line.get("requestId"): line for line in lines}
    assert by_id["good"]["level"] == "DEBUG" and by_id["good"]["traceparent"] == PARENT
    assert by_id["bad"]["level"] == "WARN" and "status 400" in by_id["bad"]["message"]


def test_metrics(logistic):
    for _ in range(3):
        logistic.predict(ROW)
    logistic.predict({})
    text = logistic.request("GET", "/metrics")[2].decode()
    values = {line.rsplit(" ", 1)[0]: float(line.rsplit(" ", 1)[1])
              for line in text.splitlines() if not line.startswith("#")}
    assert values['http_requests_total{code="200",method="POST"}'] == 3
    assert values['http_requests_total{code="400",method="POST"}'] == 1
    assert values["http_request_duration_seconds_count"] == 4
    assert values['http_request_duration_seconds_bucket{le="+Inf"}'] == 4
    assert values['http_request_duration_seconds_bucket{le="0.1"}'] == 4
    assert 0 < values["model_load_seconds"] < 5 and values["process_resident_memory_bytes"] > 100000
    assert abs(values["process_start_time_seconds"] - time.time()) < 60


def test_requests_that_never_end(server, model):
    s = server("--model", model(LOGISTIC), "--timeout-ms", 300)
    for start in (b"POST /pre", b"POST /predict HTTP/1.1\r\nContent-Length: 100\r\n\r\n{"):
        with s.connect() as one:
            one.sendall(start)
            began = time.time()
            assert one.recv(100).startswith(b"HTTP/1.1 408 ")
            assert 0.2 < time.time() - began < 3
    # Bytes that drip do not win time, and connections that say nothing may stay.
    with s.connect() as idle, s.connect() as one:
        began = time.time()
        try:
            for byte in b"POST /predict HTTP/1.1\r\n" + b"X: y\r\n" * 100:
                one.sendall(bytes([byte]))
                time.sleep(0.02)
        except OSError:
            pass
        assert time.time() - began < 3
        idle.sendall(b"GET /health HTTP/1.1\r\n\r\n")
        assert idle.recv(100).startswith(b"HTTP/1.1 200 ")


# ---- graphs, which threads answer ----

TENSOR = {"inputs": {"x": [[1]]}}


def in_threads(count, work):
    results = [None] * count

    def run(i):
        results[i] = work(i)
    threads = [threading.Thread(target=run, args=(i,)) for i in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def test_threads_answer_together(server, slow_model):
    s = server("--model", slow_model(), "--threads", 2)
    answers = in_threads(8, lambda i: s.predict({"inputs": {"x": [[i]]}}))
    assert [status for status, _, _ in answers] == [200] * 8
    for i, (_, _, answer) in enumerate(answers):
        assert answer["prediction"] == pytest.approx(600 * i * i, rel=1e-4)


def test_one_prediction_by_several_threads(server, slow_model):
    alone, shared = (server("--model", slow_model(), "--run-threads", n) for n in (1, 3))
    count = [len(list(Path(f"/proc/{s.process.pid}/task").iterdir())) for s in (alone, shared)
             if s.predict({"inputs": {"x": [[2]]}})[0] == 200]
    assert alone.predict({"inputs": {"x": [[3]]}})[2] == shared.predict({"inputs": {"x": [[3]]}})[2]
    assert count[1] > count[0]


def test_too_many_requests(server, slow_model):
    s = server("--model", slow_model(40), "--threads", 1, "--max-requests", 2)
    answers = in_threads(8, lambda i: s.predict(TENSOR))
    statuses = sorted(status for status, _, _ in answers)
    assert statuses.count(200) >= 2 and statuses.count(429) >= 1 and set(statuses) == {200, 429}
    assert all(headers["retry-after"] == "1" for status, headers, _ in answers if status == 429)
    assert s.predict(TENSOR)[0] == 200


def test_late_answers(server, slow_model):
    s = server("--model", slow_model(150), "--threads", 1, "--timeout-ms", 100)
    began = time.time()
    assert s.predict(TENSOR)[0] == 504
    assert s.request("GET", "/health")[0] == 200
    assert time.time() - began < 2
    code, error = s.stop()
    assert "no answer within" not in error or "504" in error
    assert code in (0, 1)


def test_clients_that_go_away(server, slow_model):
    s = server("--model", slow_model(20), "--threads", 1)
    body = json.dumps(TENSOR).encode()
    for _ in range(5):
        with s.connect() as one:
            one.sendall(b"POST /predict HTTP/1.1\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
    assert s.predict(TENSOR)[0] == 200
    assert s.stop()[0] == 0


# ---- the end ----

@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_cleanly(logistic, number):
    assert logistic.predict(ROW)[0] == 200
    began = time.time()
    os.kill(logistic.process.pid, number)
    assert logistic.process.wait(10) == 0 and time.time() - began < 3


def test_nothing_accepted_is_lost_while_it_drains(server, model):
    """10,000 requests on 64 connections that work while SIGTERM comes: every one that was sent is answered."""
    s = server("--model", model(LOGISTIC))
    answered, lost = drain(s, "/predict", "application/json", json.dumps(ROW))
    assert s.process.wait(20) == 0
    assert lost == [] and answered > 2500


def test_not_ready_while_it_drains(server, slow_model):
    s = server("--model", slow_model(100), "--threads", 1, "--drain-ms", 20000)
    waiting = threading.Thread(target=lambda: s.predict(TENSOR))
    waiting.start()
    time.sleep(0.1)
    s.process.terminate()
    time.sleep(0.05)
    status, headers, _ = s.request("GET", "/ready")
    assert status == 503 and headers["connection"] == "close"
    waiting.join()
    assert s.process.wait(20) == 0


# ---- the command ----

def test_infer_serve(server, model):
    infer = EXE.parents[1] / "cli" / "infer"
    path = model(LOGISTIC)
    s = server("serve", path, platform=None, exe=infer)
    assert s.predict(ROW)[0] == 200
    for words, code in ((["serve"], 2), (["serve", "/no/model"], 1), (["serve", path, "--port", "x"], 2),
                        (["serve", path, "--nothing"], 2), (["serve", "--help"], 0),
                        (["serve", path, "--address", "nowhere"], 1), (["serve", path, "--port", str(s.port)], 1)):
        assert subprocess.run([infer, *map(str, words)], capture_output=True, timeout=20).returncode == code, words


def test_memory_is_limited(server, slow_model):
    """A run that wants more than it may have is told so, and the server goes on."""
    s = server("--model", slow_model(1, 600), "--memory-limit", 500000)
    status, _, answer = s.predict(TENSOR)
    assert status == 503 and "may hold 500000" in answer["error"]
    assert s.request("GET", "/health")[0] == 200
