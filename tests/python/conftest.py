"""What the Python tests share: where things are, and models to try."""

import os
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "bindings" / "python"))
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

# Against scikit-learn: relative, with an absolute floor where values are near zero.
FLOAT = {"rtol": 1e-5, "atol": 1e-6}
DOUBLE = {"rtol": 1e-12, "atol": 1e-14}


@pytest.fixture
def root():
    return ROOT


@pytest.fixture
def iris_like():
    """Three classes of random points, with names for the columns."""
    import numpy as np

    random = np.random.default_rng(7)
    y = random.integers(0, 3, 150)
    X = random.normal(size=(150, 4)) + y[:, None] * [1.0, -0.5, 2.0, 0.2]
    return X, y
