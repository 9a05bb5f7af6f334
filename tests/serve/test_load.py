"""The load of load.py in short: nothing fails, memory is flat."""

import shutil

import pytest

import load


@pytest.mark.parametrize("name", load.PLATFORMS)
def test_load(name, tmp_path):
    if not shutil.which("wrk"):
        pytest.skip("wrk is not installed")
    result = load.drive(name, 2, tmp_path)
    assert result["requests"] > 1000 and result["failed"] == 0, result
    # Memory of a busy second may come at any moment; of a leak of a byte a request it would be more.
    assert result["after_kb"] - result["before_kb"] < 512, result
    assert result["after_kb"] < 4096, result
    assert result["exit"] == 0 and result["lost"] == 0 and result["drained"] > 2500, result
