"""post_transform of ai.onnx.ml, and what else the classifiers and regressors share."""

import statistics

import numpy as np
from scipy.special import expit, softmax


def probit(p):
    """The quantile of the normal distribution."""
    if p in (0.0, 1.0):
        return np.inf if p else -np.inf
    return statistics.NormalDist().inv_cdf(p) if 0 < p < 1 else np.nan


def softmax_zero(z):
    """Scores that are zero stay zero and take no part; nothing says more, and every runtime does this."""
    out = np.zeros_like(z)
    if (z != 0).any():
        out[z != 0] = softmax(z[z != 0])
    return out


TRANSFORMS = {
    "NONE": lambda z: z,
    "SOFTMAX": softmax,
    "LOGISTIC": expit,
    "SOFTMAX_ZERO": softmax_zero,
    "PROBIT": lambda z: np.array([probit(float(p)) for p in z]),
}


def transformed(scores, post_transform, dtype=np.float32):
    """Each row of scores is the vector that the transform works on, with one score as with many."""
    rows = [TRANSFORMS[post_transform](row) for row in np.asarray(scores, dtype=np.float64)]
    return np.array(rows).reshape(np.shape(scores)).astype(dtype)


def as_rows(x):
    """[N,F] in double; a vector is one row."""
    return np.atleast_2d(x).astype(np.float64)


def labels_of(indices, ints=None, strings=None):
    """Class labels for indices of classes; without any they are the indices."""
    if strings:
        return np.array([strings[i] for i in indices], dtype=object)
    return np.array([ints[i] if ints else i for i in indices], dtype=np.int64)
