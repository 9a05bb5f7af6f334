"""What Lambda asks of a runtime beyond one answer after the other: streams, snapshots, concurrency, metrics, levels."""

import base64
import json
import signal
import time

import pytest

from conftest import LINEAR
from mock_runtime import VERSION

GOOD = {"features": [1, 2, 3]}  # 4.75 from LINEAR


def url(request):
    return {"version": "2.0", "requestContext": {"http": {"method": "POST"}}, "body": json.dumps(request)}


# ---- streams ----


@pytest.fixture
def streaming(runtime, model):
    return runtime().start("--model", model(LINEAR), env={"INFER_RESPONSE_STREAM": "1"})


def streamed(function, event):
    """A streamed answer: what its prelude says, its body, and all headers with the trailers."""
    request_id = function.send(event)
    path, headers, body, _ = function.answers.get(timeout=20)
    assert path == f"{VERSION}/runtime/invocation/{request_id}/response"
    assert headers["Lambda-Runtime-Function-Response-Mode"] == "streaming"
    assert headers["Content-Type"] == "application/vnd.awslambda.http-integration-response"
    assert headers["Transfer-Encoding"] == "chunked" and "Content-Length" not in headers
    prelude, body = body.split(b"\0" * 8, 1)
    return json.loads(prelude), body, headers


def test_a_small_answer_is_one_piece(streaming):
    prelude, body, headers = streamed(streaming, url(GOOD))
    assert prelude == {"statusCode": 200, "headers": {"content-type": "application/json"}}
    assert json.loads(body) == {"prediction": 4.75}
    assert "Lambda-Runtime-Function-Error-Type" not in headers


@pytest.mark.parametrize("request_", [{"features": [1]}, {"instances": []}, [], {"instances": [[1, 2, 3]] * 2000, **GOOD}])
def test_an_error_has_its_status(streaming, request_):
    prelude, body, headers = streamed(streaming, url(request_))
    assert prelude["statusCode"] == 400 and json.loads(body)["error"]
    assert "Lambda-Runtime-Function-Error-Type" not in headers


@pytest.mark.parametrize("rows", [1024, 1025, 2048, 50000])
def test_a_batch_comes_in_pieces(streaming, rows):
    prelude, body, _ = streamed(streaming, url({"instances": [[0, 0, i / 8] for i in range(rows)]}))
    expected = [i / 4 + 0.75 for i in range(rows)]
    if rows == 1024:
        assert json.loads(body) == {"predictions": expected}
        return
    assert prelude == {"statusCode": 200, "headers": {"content-type": "application/x-ndjson"}}
    lines = [json.loads(line)["predictions"] for line in body.splitlines()]
    assert [len(line) for line in lines[:-1]] == [1024] * (len(lines) - 1)
    assert sum(lines, []) == expected
    assert len(streaming.chunks[-1]) > len(lines)


def test_a_batch_that_fails_in_between_has_trailers(streaming):
    rows = [[1, 2, 3]] * 5000
    prelude, body, headers = streamed(streaming, url({"instances": rows[:3000] + [[1, 2]] + rows[3000:]}))
    assert prelude["statusCode"] == 200 and len(body.splitlines()) == 2
    assert headers["Trailer"]
    assert headers["Lambda-Runtime-Function-Error-Type"] == "Function.AnswerFailed"
    error = json.loads(base64.b64decode(headers["Lambda-Runtime-Function-Error-Body"], validate=True))
    assert "from 2048 on: row 952" in error["errorMessage"] and error["errorType"] == "Function.AnswerFailed"
    prelude, body, _ = streamed(streaming, url({"instances": [[1]] + rows}))
    assert prelude["statusCode"] == 400 and "row 0" in json.loads(body)["error"]
    assert streamed(streaming, url(GOOD))[0]["statusCode"] == 200


def test_only_http_events_are_streamed(streaming):
    assert streaming.invoke(GOOD) == (200, {"prediction": 4.75})
    assert streaming.chunks == []


def test_a_stream_that_is_refused_or_cut(streaming):
    for fault, status in ((500, 500), ("drop", 0), ("drop unread", 0)):
        streaming.faults = [fault]
        request_id = streaming.send(url({"instances": [[1, 2, 3]] * 20000}))
        while True:
            path, _, body, _ = streaming.answers.get(timeout=20)
            if path.endswith("/error"):
                break
        assert path.endswith(f"{request_id}/error") and f"status {status}" in json.loads(body)["errorMessage"]
    streaming.faults = []
    assert streamed(streaming, url(GOOD))[0]["statusCode"] == 200


# ---- SnapStart ----

SNAP = {"AWS_LAMBDA_INITIALIZATION_TYPE": "snap-start"}


def test_snapshot(runtime, model):
    r = runtime()
    r.events.put((b"", []))  # the answer to restore/next
    r.start("--model", model(LINEAR), env=SNAP)
    assert r.invoke(GOOD) == (200, {"prediction": 4.75})
    assert [path for _, path, _ in r.requests][:2] == [f"{VERSION}/runtime/restore/next",
                                                       f"{VERSION}/runtime/invocation/next"]


def test_snapshot_that_is_not_restored(runtime, model):
    r = runtime()
    r.events.put(500)
    r.start("--model", model(LINEAR), env=SNAP)
    path, headers, body, _ = r.answer()
    assert path == "/runtime/restore/error"
    assert headers["Lambda-Runtime-Function-Error-Type"] == body["errorType"] == "Runtime.RestoreFailed"
    assert r.wait()[0] == 1


def test_snapshot_of_a_model_that_is_missing(runtime, tmp_path):
    r = runtime().start("--model", tmp_path / "none", env=SNAP)
    assert r.answer()[0] == "/runtime/init/error" and r.wait()[0] == 1


def test_other_initialisations_do_not_wait(runtime, model):
    r = runtime().start("--model", model(LINEAR), env={"AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand"})
    r.invoke(GOOD)
    assert r.requests[0][1] == f"{VERSION}/runtime/invocation/next"


# ---- several at once ----


@pytest.fixture
def four(runtime, model):
    return runtime().start("--model", model(LINEAR), env={"AWS_LAMBDA_MAX_CONCURRENCY": "4"})


def test_four_polls_at_once(four):
    for _ in range(4):
        four.next_poll()
    ids = {four.send({"features": [i, 0, 0]}): i for i in range(400)}
    for _ in range(400):
        path, _, reply, _ = four.answer()
        assert json.loads(reply["body"])["prediction"] == ids.pop(path.split("/")[3]) / 2 + 0.75
    assert not ids and len(four.connections) == 4


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_all_polls(four, number):
    for _ in range(4):
        four.next_poll()
    started = time.monotonic()
    four.process.send_signal(number)
    code, errors = four.wait()
    assert code == 0 and errors == "" and time.monotonic() - started < 1


def test_connections_that_are_cut(four):
    for _ in range(6):
        four.events.put("drop")
    for _ in range(20):
        assert four.invoke(GOOD) == (200, {"prediction": 4.75})


@pytest.mark.parametrize("value", ["1", "0", "x", ""])
def test_one_poll_where_one_is_asked_for(runtime, model, value):
    r = runtime().start("--model", model(LINEAR), env={"AWS_LAMBDA_MAX_CONCURRENCY": value})
    for _ in range(5):
        r.invoke(GOOD)
    assert len(r.connections) == 1


# ---- metrics and logs ----


def test_metrics(runtime, model):
    r = runtime().start("--model", model(LINEAR), env={"INFER_EMF": "Shop/Models", "AWS_LAMBDA_FUNCTION_NAME": "f",
                                                       "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST"})
    request_id = r.send(GOOD)
    r.answer()
    r.invoke({"instances": [[1, 2, 3]] * 7})
    r.invoke({"features": [1]})
    r.process.terminate()
    output, _ = r.process.communicate(timeout=20)
    good, batch, bad = map(json.loads, output.decode().splitlines())
    assert abs(good["_aws"]["Timestamp"] - time.time() * 1000) < 60000
    assert good["_aws"]["CloudWatchMetrics"] == [{
        "Namespace": "Shop/Models", "Dimensions": [["FunctionName"]],
        "Metrics": [{"Name": "Duration", "Unit": "Milliseconds"}, {"Name": "Errors", "Unit": "Count"},
                    {"Name": "Rows", "Unit": "Count"}]}]
    assert good["FunctionName"] == "f" and good["FunctionVersion"] == "$LATEST" and good["requestId"] == request_id
    assert good["xRayTraceId"].startswith("Root=1-")
    assert [(line["Errors"], line["Rows"]) for line in (good, batch, bad)] == [(0, 1), (0, 7), (1, 0)]
    assert all(0 < line["Duration"] < 1000 for line in (good, batch, bad))


@pytest.mark.parametrize("level, lines", [("INFO", 1), ("WARN", 1), ("ERROR", 0), ("FATAL", 0), ("TRACE", 1)])
def test_levels(runtime, model, level, lines):
    r = runtime().start("--model", model(LINEAR), env={"AWS_LAMBDA_LOG_FORMAT": "JSON", "AWS_LAMBDA_LOG_LEVEL": level})
    request_id = r.send({"features": [1]}, **{"Lambda-Runtime-Trace-Id": "Root=1-5759e988-bd862e3fe1be46a994272793"})
    r.answer()
    _, errors, _ = r.stop()
    assert errors.count("\n") == lines
    for line in map(json.loads, errors.splitlines()):
        assert list(line)[:2] == ["timestamp", "level"] and line["level"] == "WARN"
        assert line["requestId"] == request_id and line["xRayTraceId"].startswith("Root=1-5759e988")
        assert line["message"].startswith("status 400: ")
