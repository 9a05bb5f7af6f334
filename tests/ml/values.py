"""The values of cases: tensors are arrays, maps and lists of maps know their types."""

import numpy as np


class Map(dict):
    """A map from a key type to a value type, which an empty one could not tell."""

    def __init__(self, key, value, entries):
        super().__init__(entries)
        self.key, self.value = np.dtype(key), np.dtype(value)


class Maps(list):
    """A sequence of maps."""

    def __init__(self, key, value, rows):
        super().__init__(Map(key, value, row) for row in rows)
        self.key, self.value = np.dtype(key), np.dtype(value)


def text(*words):
    return np.array(words, dtype=object)


def floats(*values):
    return np.array(values, dtype=np.float32)


def features(dtype, seed, *shape):
    """Normally distributed numbers; whole ones for integer types."""
    values = np.random.default_rng(seed).normal(size=shape) * 3
    return np.round(values).astype(dtype) if np.dtype(dtype).kind == "i" else values.astype(dtype)
