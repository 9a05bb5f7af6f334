"""The line about requests that take long."""

import json
import re

import pytest


def test_slow_requests_are_logged_with_the_times_of_nodes(runtime, slow_model):
    r = runtime().start("--model", slow_model(), "--slow-ms", 1, "--log-format", "json")
    status, answer = r.invoke({"inputs": {"x": [[1]]}})
    assert status == 200 and abs(answer["prediction"] - 600) < 0.1
    lines = [json.loads(line) for line in r.stop()[1].splitlines()]
    [line] = [line for line in lines if line["message"].startswith("slow request")]
    # Whichever node the machine held up comes first.
    total, node = map(float, re.match(r"slow request: ([\d.]+) ms, .*MatMul long0 ([\d.]+) ms",
                                      line["message"]).groups())
    assert 1 <= node <= total
    assert line["level"] == "WARN" and line["requestId"].startswith("00000000")


@pytest.mark.parametrize("request_", [{"features": [1]}, {"instances": [[1], [1]]}])
def test_rows_name_nodes_as_well(runtime, slow_model, request_):
    r = runtime().start("--model", slow_model(6), "--slow-ms", 1)
    status, answer = r.invoke(request_)
    assert status == 200, answer
    [line] = [line for line in r.stop()[1].splitlines() if "slow request" in line]
    assert len(re.findall(r", MatMul long\d [\d.]+ ms", line)) >= 4, line  # of five


def test_fast_requests_are_not(runtime, slow_model):
    r = runtime().start("--model", slow_model(), "--slow-ms", 60000)
    assert r.invoke({"inputs": {"x": [[1]]}})[0] == 200
    assert "slow" not in r.stop()[1]
