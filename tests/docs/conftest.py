"""Where the built library, its command and the checkout are."""

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def root():
    return ROOT


@pytest.fixture
def build():
    return Path(os.environ.get("INFER_LIBRARY", ROOT / "build" / "libinfer.so")).parent
