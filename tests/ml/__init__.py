"""The conformance suite of ai.onnx.ml: see docs/ml-conformance.md."""

import os

# One thread: the native libraries add up in the same order every time, and other work goes on undisturbed.
for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[name] = "1"
