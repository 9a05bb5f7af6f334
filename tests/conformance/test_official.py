"""ONNX's own runner over ONNX's own test data, with libinfer.backend as the backend.

Two things are left to this file: what is drawn at random is judged by type, shape and mean, and members of
sequences that are scalars are compared, which the runner does not (it asks them for their length).
"""

import os
import tempfile
from pathlib import Path

import numpy as np
import onnx
import onnx.backend.test
import pytest
from onnx import numpy_helper

import libinfer.backend

# The runner writes the inputs of the light models here.
os.environ.setdefault("ONNX_HOME", tempfile.mkdtemp(prefix="onnx-home-"))
DATA = Path(onnx.backend.test.__file__).parent / "data" / "node"
DRAWN = ["test_bernoulli", "test_bernoulli_double", "test_bernoulli_seed"]
RUNS = 400


class Suite(onnx.backend.test.BackendTest):
    @classmethod
    def assert_similar_outputs(cls, ref_outputs, outputs, rtol, atol, model_dir=None):
        if isinstance(ref_outputs, np.ndarray) and ref_outputs.ndim == 0:
            ref_outputs, outputs = [ref_outputs], [outputs]
        super().assert_similar_outputs(ref_outputs, outputs, rtol, atol, model_dir=model_dir)


suite = Suite(libinfer.backend, __name__)
for case in suite.test_cases.values():
    for test in [name for name in dir(case) if name.endswith("_cuda") or name.startswith("test_bernoulli")]:
        delattr(case, test)
    globals()[case.__name__] = case
del case


@pytest.mark.parametrize("name", DRAWN + [f"{name}_expanded" for name in DRAWN])
def test_drawn(name):
    folder = DATA / name
    read = [numpy_helper.to_array(onnx.load_tensor(folder / "test_data_set_0" / f"{port}_0.pb"))
            for port in ("input", "output")]
    model = libinfer.backend.prepare(onnx.load(folder / "model.onnx"))
    draws = [model.run([read[0]])[0] for _ in range(RUNS)]
    assert all(y.dtype == read[1].dtype and y.shape == read[1].shape for y in draws)
    assert set(np.unique(draws)) <= {0, 1}
    # The expansion asks whether the draw is greater than the probability: its ones are the zeros.
    p = 1 - read[0] if name.endswith("_expanded") else read[0]
    deviation = np.sqrt(p * (1 - p))
    if "seed" in name:
        assert np.all(np.equal(draws, draws[0]))
        assert abs(draws[0].sum() - p.sum()) <= 5 * np.sqrt((deviation**2).sum())
    else:
        assert np.all(np.abs(np.mean(draws, axis=0) - p) <= 5 * deviation / np.sqrt(RUNS))
