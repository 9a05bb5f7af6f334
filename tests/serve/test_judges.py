"""Runtimes that others wrote: AWS's Runtime Interface Emulator, and @vercel/fun, which freezes and thaws."""

import importlib.util
import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from conftest import LINEAR
from mock_runtime import EXE

GOOD = {"features": [1, 2, 3]}
BAD = {"features": [1, 2]}
NAMESPACES = ["-n", "-m", "-p", "--fork", "--kill-child", "--mount-proc"]


@pytest.fixture
def package(tmp_path):
    """A function's folder as it is deployed: bootstrap and model.json."""
    folder = tmp_path / "task"
    folder.mkdir()
    shutil.copy(EXE, folder / "bootstrap")
    (folder / "bootstrap").chmod(0o755)
    (folder / "model.json").write_text(json.dumps(LINEAR))
    return folder


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


@pytest.fixture
def rie(tmp_path):
    """A copy of AWS's emulator that may be executed."""
    spec = importlib.util.find_spec("samcli")
    source = Path(spec.submodule_search_locations[0]) / "local/rapid/aws-lambda-rie-x86_64" if spec else None
    if not source or not source.exists():
        pytest.skip("aws-sam-cli, which brings the emulator, is not installed")
    if os.uname().machine != "x86_64":
        pytest.skip("the emulator here is for x86_64")
    rie = tmp_path / "rie"
    shutil.copy(source, rie)
    rie.chmod(0o755)
    return rie


@pytest.fixture
def emulator(package, rie):
    """Starts AWS's emulator around the function; gives a function that invokes it."""
    front, api = free_port(), free_port()
    env = {"PATH": os.environ["PATH"], "LAMBDA_TASK_ROOT": str(package), "AWS_LAMBDA_FUNCTION_TIMEOUT": "30"}
    process = subprocess.Popen(
        [rie, "--runtime-interface-emulator-address", f"127.0.0.1:{front}", "--runtime-api-address",
         f"127.0.0.1:{api}", "--log-level", "error", str(package / "bootstrap")],
        env=env, cwd=package, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    url = f"http://127.0.0.1:{front}/2015-03-31/functions/function/invocations"

    def invoke(event):
        data = event if isinstance(event, bytes) else json.dumps(event).encode()
        for _ in range(100):
            try:
                with urllib.request.urlopen(urllib.request.Request(url, data), timeout=60) as reply:
                    return json.loads(reply.read())
            except urllib.error.HTTPError as failed:
                return json.loads(failed.read())
            except (ConnectionError, urllib.error.URLError):
                if process.poll() is not None:
                    raise
                time.sleep(0.05)
        raise TimeoutError(url)
    yield invoke
    process.terminate()
    try:
        process.communicate(timeout=10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()


def check(reply, status=200):
    assert reply["statusCode"] == status, reply
    body = json.loads(reply["body"])
    assert body == {"prediction": 4.75} if status == 200 else body["error"]


def test_emulator_answers(emulator):
    check(emulator(GOOD))
    check(emulator(BAD), 400)
    check(emulator(b"{"), 400)
    check(emulator({"httpMethod": "POST", "body": json.dumps(GOOD)}))
    for _ in range(50):
        check(emulator(GOOD))


def test_emulator_with_large_bodies(emulator):
    """Up to 6 MB arrive whole; the emulator cuts what is longer, which is then no JSON or too large."""
    check(emulator(json.dumps(GOOD).encode() + b" " * (5 * 1024 * 1024)))
    too_long = json.dumps({**GOOD, "x": "y" * (7 * 1024 * 1024)}).encode()
    assert emulator(too_long)["statusCode"] in (400, 413)
    check(emulator(GOOD))


def test_emulator_with_a_large_answer(emulator):
    rows = 100000
    reply = emulator({"instances": [[0, 0, i / 8] for i in range(rows)]})
    assert json.loads(reply["body"])["predictions"] == [i / 4 + 0.75 for i in range(rows)]
    check(emulator(GOOD))


def test_emulator_and_a_model_that_is_missing(emulator, package):
    (package / "model.json").unlink()
    reply = emulator(GOOD)
    assert reply["errorType"] == "Runtime.ModelUnavailable" and "model" in reply["errorMessage"]


def test_emulator_with_several_at_once(package, rie):
    """As on managed instances: four polls, each on a connection of its own."""
    if os.geteuid() != 0 or subprocess.run(["unshare", *NAMESPACES, "true"], capture_output=True).returncode:
        pytest.skip("namespaces of one's own need root")
    package.chmod(0o755)
    (package / "model.json").chmod(0o644)
    script = Path(__file__).parent / "managed.py"
    result = subprocess.run(["unshare", *NAMESPACES, sys.executable, script, rie, package, "200"], timeout=120,
                            input=json.dumps(GOOD), capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    told = json.loads(result.stdout)
    assert told["threads"] == 5
    assert len(told["replies"]) == 200
    for reply in told["replies"]:
        assert "statusCode" in reply, reply
        check(json.loads(reply))


def fun(package, events, pause, tmp_path):
    folder = os.environ.get("INFER_NPM_DIR")
    if not folder or not (Path(folder) / "node_modules/@vercel/fun").is_dir():
        pytest.skip("INFER_NPM_DIR has no node_modules/@vercel/fun")
    if not shutil.which("node"):
        pytest.skip("node is not installed")
    result = subprocess.run(["node", Path(__file__).parent / "fun.js", package, str(pause)],
                            input="\n".join(map(json.dumps, events)), capture_output=True, text=True, timeout=120,
                            env={**os.environ, "XDG_CACHE_HOME": str(tmp_path / "cache")})
    assert result.returncode == 0, result.stderr
    replies = [json.loads(line) for line in result.stdout.splitlines()]
    assert len(replies) == len(events), result.stderr
    return replies


def test_fun_freezes_and_thaws(package, tmp_path):
    events = [GOOD, BAD, {"version": "2.0", "requestContext": {"http": {}}, "body": json.dumps(GOOD)}] * 4
    for reply, event in zip(fun(package, events, 200, tmp_path), events):
        assert reply["StatusCode"] == 200 and "FunctionError" not in reply
        check(json.loads(reply["Payload"]), 400 if event == BAD else 200)


def test_fun_freezes_longer_than_connections_are_kept(package, tmp_path):
    """Node closes what is idle for five seconds."""
    for reply in fun(package, [GOOD, GOOD], 6500, tmp_path):
        assert "FunctionError" not in reply
        check(json.loads(reply["Payload"]))


def test_fun_and_a_model_that_is_missing(package, tmp_path):
    (package / "model.json").unlink()
    [reply] = fun(package, [GOOD], 0, tmp_path)
    assert reply["FunctionError"] == "Unhandled"
    assert json.loads(reply["Payload"])["errorType"] == "Runtime.ModelUnavailable"


# ---- cargo-lambda, where cargo is there ----

STUB = '[package]\nname = "stub"\nversion = "0.1.0"\nedition = "2021"\n\n[[bin]]\nname = "stub"\npath = "stub.rs"\n'


@pytest.fixture
def cargo_lambda(tmp_path):
    """cargo-lambda's runtime API and function URL, on a port of its own."""
    program = os.environ.get("INFER_CARGO_LAMBDA") or shutil.which("cargo-lambda")
    if not program or not os.path.exists(program) or not shutil.which("cargo"):
        pytest.skip("cargo or cargo-lambda is not installed (INFER_CARGO_LAMBDA names it)")
    (tmp_path / "Cargo.toml").write_text(STUB)
    (tmp_path / "stub.rs").write_text("fn main() {}\n")
    port = free_port()
    process = subprocess.Popen([program, "lambda", "watch", "--only-lambda-apis", "-A", "127.0.0.1", "-P", str(port)],
                               cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for _ in range(200):
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            break
        except OSError:
            time.sleep(0.05)
    yield port
    process.terminate()
    process.wait(20)


def test_cargo_lambda(cargo_lambda, model):
    handler = subprocess.Popen([EXE, "--model", model(LINEAR)],
                               env={**os.environ, "AWS_LAMBDA_RUNTIME_API": f"http://127.0.0.1:{cargo_lambda}/.rt"},
                               stderr=subprocess.DEVNULL)
    try:
        def post(path, body):
            request = urllib.request.Request(f"http://127.0.0.1:{cargo_lambda}{path}", body,
                                             {"content-type": "application/json"})
            try:
                with urllib.request.urlopen(request, timeout=30) as reply:
                    return reply.status, json.loads(reply.read())
            except urllib.error.HTTPError as failed:
                return failed.code, json.loads(failed.read())
        direct = post("/2015-03-31/functions/_/invocations", b'{"features":[1,2,3]}')
        assert direct[0] == 200 and json.loads(direct[1]["body"]) == {"prediction": 4.75}
        assert post("/", b'{"features":[1,2,3]}') == (200, {"prediction": 4.75})
        status, answer = post("/", b'{"features":[1,2]}')
        assert status == 400 and "2 features" in answer["error"]
        assert post("/", b"1,2,3\n")[0] == 400
        assert post("/", b'{"features":[1,2,3]}') == (200, {"prediction": 4.75})
    finally:
        handler.terminate()
        assert handler.wait(20) == 0
