"""Models to serve, and runtimes that drive the handler."""

import json

import pytest

from mock_runtime import Runtime

LINEAR = {"format": "libinfer-linear", "version": 1, "coefficients": [[0.5, -1.25, 2.0]], "intercepts": [0.75]}
LOGISTIC = {**LINEAR, "link": "logistic", "classes": ["benign", "malignant"],
            "feature_names": ["age", "size", "höhe"]}


@pytest.fixture
def model(tmp_path):
    """Writes a linear model; returns its path."""
    def write(content, name="m.json"):
        path = tmp_path / name
        path.write_text(json.dumps(content))
        return path
    return write


@pytest.fixture
def runtime():
    """Makes runtimes, and ends what is left of them."""
    made = []

    def make(**options):
        made.append(Runtime(**options))
        return made[-1]
    yield make
    for one in made:
        one.close()
