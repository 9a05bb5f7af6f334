"""The Lambda adapter against a runtime API of our own: paths, headers, connections, faults, the end."""

import json
import math
import shutil
import signal
import socket
import subprocess
import time

import pytest

from conftest import LINEAR
from mock_runtime import EXE, VERSION

MEGA = 1024 * 1024
GOOD = {"features": [1, 2, 3]}  # 4.75 from LINEAR


def path_of(request_id, what="response"):
    return f"/runtime/invocation/{request_id}/{what}"


def check_good(r):
    assert r.invoke(GOOD) == (200, {"prediction": 4.75})


# ---- one invocation ----


def test_paths_headers_and_body(runtime, model):
    r = runtime().start("--model", model(LINEAR))
    request_id = r.send(GOOD)
    path, headers, reply, _ = r.answer()
    assert path == path_of(request_id)
    assert headers["Content-Type"] == "application/json"
    assert headers["User-Agent"].startswith("libinfer/")
    assert headers["Host"] == r.address
    assert "Lambda-Runtime-Function-Error-Type" not in headers
    assert reply == {"statusCode": 200, "headers": {"content-type": "application/json"},
                     "body": '{"prediction":4.75}'}
    assert [(method, path) for method, path, _ in r.requests][:2] == [
        ("GET", f"{VERSION}/runtime/invocation/next"),
        ("POST", VERSION + path_of(request_id))]


@pytest.mark.parametrize("scheme", ["", "http://"])
@pytest.mark.parametrize("prefix", ["", "/.rt", "/a/b"])
def test_base_url(runtime, model, scheme, prefix):
    r = runtime(prefix=prefix).start("--model", model(LINEAR), scheme=scheme)
    check_good(r)
    assert r.requests[0][1] == f"{prefix}{VERSION}/runtime/invocation/next"


def test_base_url_by_name(runtime, model):
    r = runtime()
    port = r.address.split(":")[1]
    r.start("--model", model(LINEAR), env={"AWS_LAMBDA_RUNTIME_API": f"localhost:{port}/"})
    check_good(r)


def test_one_connection_for_many_invocations(runtime, model):
    r = runtime().start("--model", model(LINEAR))
    for _ in range(50):
        check_good(r)
    assert len(r.connections) == 1


def test_a_bad_request_is_an_answer_and_not_an_error_of_the_function(runtime, model):
    r = runtime().start("--model", model(LINEAR))
    status, body = r.invoke({"features": [1, 2]})
    assert status == 400 and "the model takes 3" in body["error"]
    check_good(r)
    assert r.stop()[0] == 0
    assert not [path for _, path, _ in r.requests if path.endswith("/error")]


def test_a_deadline_in_the_past_is_served(runtime, model):
    r = runtime().start("--model", model(LINEAR))
    for deadline in ("1", "0", "", "-5", "99999999999999999999", "soon"):
        r.send(GOOD, **{"Lambda-Runtime-Deadline-Ms": deadline})
        assert r.answer()[2]["statusCode"] == 200


@pytest.mark.parametrize("concurrent", [False, True])
def test_what_a_handler_is_told(runtime, model, concurrent):
    echo = EXE.parents[2] / "tests" / "serve" / "infer-serve-echo"
    if not echo.exists():
        pytest.skip(f"{echo} was not built")
    r = runtime().start("--model", model(LINEAR), exe=echo, env={
        "_X_AMZN_TRACE_ID": "of the start", **({"AWS_LAMBDA_MAX_CONCURRENCY": "4"} if concurrent else {})})
    for trace in ("Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=1", "Root=2", ""):
        request_id = r.send({"any": ["thing"]}, **{"Lambda-Runtime-Deadline-Ms": "1542409706888",
                                                   "Lambda-Runtime-Trace-Id": trace})
        told = json.loads(r.answer()[2]["body"])
        environment = "of the start" if concurrent else trace or None
        assert told.pop("environment", None) == environment
        assert told == {"id": request_id, "trace": trace, "deadline": 1542409706888, "features": 3,
                        "function": "arn:aws:lambda:us-east-1:123456789012:function:f",
                        "request": {"any": ["thing"]}}


# ---- where the model is ----


def test_model_path_of_the_environment(runtime, model):
    r = runtime().start(env={"MODEL_PATH": str(model(LINEAR))})
    check_good(r)


@pytest.mark.parametrize("name", ["model.infer", "model.onnx", "model.json"])
def test_model_in_the_task_root(runtime, model, tmp_path, name):
    model(LINEAR, name)  # formats are recognised by content
    r = runtime().start(env={"LAMBDA_TASK_ROOT": str(tmp_path)})
    check_good(r)


def test_model_beside_the_executable(runtime, model, tmp_path):
    model(LINEAR, "model.json")
    shutil.copy(EXE, tmp_path / "bootstrap")
    r = runtime().start(exe=tmp_path / "bootstrap", env={"LAMBDA_TASK_ROOT": "/nowhere"})
    check_good(r)


def test_the_argument_comes_first(runtime, model, tmp_path):
    model({**LINEAR, "intercepts": [0]}, "model.json")
    r = runtime().start(f"--model={model(LINEAR)}", env={
        "MODEL_PATH": str(tmp_path / "model.json"), "LAMBDA_TASK_ROOT": str(tmp_path)})
    check_good(r)


@pytest.mark.parametrize("content", [None, "not a model", '{"format": "libinfer-linear"}'])
def test_init_error(runtime, tmp_path, content):
    path = tmp_path / "model.bin"
    if content:
        path.write_text(content)
    r = runtime().start("--model", path)
    reported, headers, body, _ = r.answer()
    assert reported == "/runtime/init/error"
    assert headers["Lambda-Runtime-Function-Error-Type"] == body["errorType"] == "Runtime.ModelUnavailable"
    assert body["errorMessage"] and body["stackTrace"] == []
    code, errors = r.wait()
    assert code == 1 and body["errorMessage"] in errors
    assert [path for _, path, _ in r.requests] == [VERSION + "/runtime/init/error"]


# ---- connections that end ----


def test_drop_in_the_middle_of_a_poll(runtime, model):
    r = runtime().start("--model", model(LINEAR))
    check_good(r)
    r.events.put("drop")
    check_good(r)
    assert len(r.connections) == 2
    for _ in range(3):
        r.events.put("drop")
    check_good(r)
    assert r.stop()[0] == 0


def test_drop_before_the_answer_was_taken(runtime, model):
    """The answer is not lost: it is sent once more on a new connection."""
    r = runtime().start("--model", model(LINEAR))
    for fault in ("drop unread", "drop"):
        r.faults = [fault]
        check_good(r)
    assert len(r.connections) == 3


def test_drop_while_stopped(runtime, model):
    """Frozen by SIGSTOP as the platform does it, with the connection gone when it goes on."""
    r = runtime().start("--model", model(LINEAR))
    check_good(r)
    r.next_poll(), r.next_poll()
    r.process.send_signal(signal.SIGSTOP)
    r.events.put("drop")
    time.sleep(0.3)
    r.process.send_signal(signal.SIGCONT)
    check_good(r)


def test_two_lost_answers_are_reported_and_the_next_is_served(runtime, model):
    r = runtime().start("--model", model(LINEAR))
    r.faults = ["drop", "drop"]
    request_id = r.send(GOOD)
    path, _, body, _ = r.answer()
    assert path == path_of(request_id, "error") and "status 0" in body["errorMessage"]
    check_good(r)


@pytest.mark.parametrize("status", [400, 403, 413, 500])
def test_an_answer_that_is_refused(runtime, model, status):
    r = runtime().start("--model", model(LINEAR))
    r.faults = [status]
    request_id = r.send(GOOD)
    assert r.answer()[3] == status
    path, headers, body, _ = r.answer()
    assert path == path_of(request_id, "error")
    assert headers["Lambda-Runtime-Function-Error-Type"] == body["errorType"]
    assert body["errorType"] == ("Function.ResponseSizeTooLarge" if status == 413 else "Runtime.AnswerRefused")
    check_good(r)
    code, errors, _ = r.stop()
    assert code == 0 and f"RequestId: {request_id}" in errors and f"status {status}" in errors


def test_a_large_answer_that_is_refused_before_it_was_read(runtime, model):
    r = runtime().start("--model", model(LINEAR))
    r.faults = ["refuse unread"]
    request_id = r.send({"instances": [[0, 0, 0.1 * i] for i in range(200000)]})
    path, _, body, _ = r.answer()
    assert path == path_of(request_id, "error")
    check_good(r)


def test_polls_that_fail_for_a_while(runtime, model):
    r = runtime().start("--model", model(LINEAR))
    for _ in range(6):
        r.events.put(500)
    check_good(r)
    assert r.stop()[0] == 0


def test_a_poll_without_an_id_is_no_invocation(runtime, model):
    r = runtime().start("--model", model(LINEAR))
    for bad in ("", "../../x", "a b", "x" * 5000):
        r.send(GOOD, **{"Lambda-Runtime-Aws-Request-Id": bad})
    check_good(r)
    assert [path for method, path, _ in r.requests if method == "POST"] == [VERSION + path_of(
        f"00000000-0000-4000-8000-{5:012d}")]


def test_no_runtime_at_all(model):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    started = time.monotonic()
    result = subprocess.run([EXE, "--model", model(LINEAR)], capture_output=True, text=True, timeout=60,
                            env={"AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{port}"})
    assert result.returncode == 1 and "no invocations" in result.stderr
    assert 3 < time.monotonic() - started < 30  # it waited in between, and not for ever


# ---- the end ----


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_during_a_poll(runtime, model, number):
    r = runtime().start("--model", model(LINEAR))
    check_good(r)
    r.next_poll(), r.next_poll()
    started = time.monotonic()
    r.process.send_signal(number)
    code, errors = r.wait()
    assert code == 0 and errors == "" and time.monotonic() - started < 1


def test_signal_between_failing_polls(runtime, model):
    r = runtime().start("--model", model(LINEAR))
    for _ in range(12):
        r.events.put(500)
    time.sleep(0.5)
    code, _, seconds = r.stop()
    assert code == 0 and seconds < 1


def test_signal_at_once(runtime, model):
    r = runtime().start("--model", model(LINEAR))
    r.next_poll()
    code, _, seconds = r.stop()
    assert code == 0 and seconds < 1


# ---- many ----


def requests_of_all_kinds():
    """Pairs of an event and its expected status; predictions are checked where they are cheap."""
    large = b'{"features":[1,2,3],"padding":"' + b"x" * (7 * MEGA) + b'"}'
    for i in range(62):
        row = [i, i / 7, -i]
        value = sum(w * x for w, x in zip(LINEAR["coefficients"][0], row)) + 0.75
        body = json.dumps({"features": row})
        yield {"features": row}, 200, value
        yield {"httpMethod": "POST", "body": body}, 200, value
        yield b"\x00" * i, 400, None
        yield {"features": row + [1]}, 400, None
        yield {"version": "2.0", "requestContext": {"http": {}}, "body": body}, 200, value
        yield {"httpMethod": "POST", "body": body[:-1 - i % 5]}, 400, None
        yield {"instances": [row] * (i + 1)}, 200, None
        yield {"inputs": {"features": [row]}}, 200, value
        if i % 20 == 0:
            yield large, 413, None
        if i % 20 == 1:
            yield b"[" * 3000 * (i + 1), 400, None


def test_five_hundred_in_a_row(runtime, model):
    r = runtime().start("--model", model(LINEAR))
    count = 0
    for event, expected, value in requests_of_all_kinds():
        status, body = r.invoke(event)
        assert status == expected, (event if len(event) < 1000 else len(event), body)
        if value is not None:
            assert math.isclose(body["prediction"], value, rel_tol=1e-6, abs_tol=1e-6)
        count += 1
    assert count >= 500 and len(r.connections) == 1
    check_good(r)
    code, errors, _ = r.stop()
    assert code == 0
    assert "Sanitizer" not in errors


def test_largest_body_and_large_answer(runtime, model):
    r = runtime().start("--model", model(LINEAR))
    event = json.dumps({"instances": [[0, 0, 0.5]] * 20}).encode()
    status, body = r.invoke(event + b" " * (6 * MEGA - len(event)))
    assert status == 200 and body == {"predictions": [1.75] * 20}
    status, body = r.invoke(event + b" " * (6 * MEGA - len(event) + 1))
    assert status == 413 and str(6 * MEGA) in body["error"]
    rows = [[0, 0, i / 10] for i in range(200000)]
    status, body = r.invoke({"instances": rows})
    assert status == 200 and len(body["predictions"]) == 200000
    assert all(abs(y - (2 * x[2] + 0.75)) < 1e-9 for y, x in zip(body["predictions"], rows))


def test_limit_of_the_body(runtime, model):
    r = runtime().start("--model", model(LINEAR), "--max-body", 100)
    check_good(r)
    assert r.invoke({"features": [1, 2, 3], "more": "x" * 100})[0] == 413
    check_good(r)


# ---- logs ----


def test_logs_as_text(runtime, model):
    r = runtime().start("--model", model(LINEAR))
    request_id = r.send({"features": {"a\nERROR forged": 1}})
    r.answer()
    code, errors, _ = r.stop()
    assert code == 0
    assert errors.count("\n") == 1 and errors.startswith(f"WARN RequestId: {request_id} status 400: ")


def test_logs_as_json(runtime, model):
    r = runtime().start("--model", model(LINEAR), env={"AWS_LAMBDA_LOG_FORMAT": "JSON"})
    request_id = r.send({"features": "ü\n"})
    r.answer()
    check_good(r)
    _, errors, _ = r.stop()
    line = json.loads(errors)
    assert line["level"] == "WARN" and line["requestId"] == request_id and "status 400" in line["message"]
    assert time.strptime(line["timestamp"][:19], "%Y-%m-%dT%H:%M:%S") and line["timestamp"].endswith("Z")


# ---- the command line ----


def run(*arguments, env=None):
    return subprocess.run([EXE, *arguments], capture_output=True, text=True, timeout=10, env=env or {})


def test_usage():
    for arguments, env in ((("--platform", "lambda"), {}), (("--nonsense",), {}),
                           (("--platform", "none"), {}), (("--model",), {}),
                           (("--max-body", "0"), {}), (("--max-body", "6MB"), {}), (("--max-body=-1",), {}),
                           ((), {"AWS_LAMBDA_RUNTIME_API": ""}), ((), {"AWS_LAMBDA_RUNTIME_API": "a b:1"})):
        result = run(*arguments, env=env)
        assert result.returncode == 2 and result.stderr and not result.stdout, (arguments, env, result)
    assert "usage:" in run("--x").stderr and "AWS_LAMBDA_RUNTIME_API" in run("--x").stderr


def test_help_and_version():
    result = run("--help")
    assert result.returncode == 0 and "usage:" in result.stdout and "lambda" in result.stdout
    result = run("--version")
    assert result.returncode == 0 and result.stdout.startswith("infer-serve 0.")
