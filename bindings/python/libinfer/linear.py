"""Linear models from arrays of coefficients."""

import ctypes
from typing import Any, Iterable, Optional, Sequence, Union

from . import _ffi
from .errors import InferArgumentError, InferTypeError, check
from .model import Model


def _floats(rows: Iterable[Any]) -> "ctypes.Array[ctypes.c_double]":
    values = [float(value) for value in rows]
    return (ctypes.c_double * len(values))(*values)


def _texts(names: Sequence[str]) -> "ctypes.Array[ctypes.c_char_p]":
    return (ctypes.c_char_p * len(names))(*[str(name).encode() for name in names])


def linear(
    coefficients: Sequence[Any],
    intercepts: Union[None, float, Sequence[float]] = None,
    link: str = "identity",
    classes: Optional[Sequence[Union[int, str]]] = None,
    feature_names: Optional[Sequence[str]] = None,
    mean: Optional[Sequence[float]] = None,
    scale: Optional[Sequence[float]] = None,
) -> Model:
    """A linear, logistic, softmax or log-linear model.

    coefficients: one row of K numbers, or N rows of K (lists or an array). intercepts: one number
    or N. link: "identity", "logistic", "softmax" or "exp". classes: labels of a classifier, all
    integers or all strings; one row of coefficients serves two classes. mean and scale: K numbers
    each; features are read as (x - mean) / scale.
    """
    if link not in _ffi.LINKS:
        raise InferArgumentError(f"link {link!r} is none of {', '.join(_ffi.LINKS)}")
    rows = [row.tolist() if hasattr(row, "tolist") else row for row in coefficients]
    if not rows:
        raise InferArgumentError("coefficients are empty")
    if not hasattr(rows[0], "__len__"):
        rows = [rows]
    width = len(rows[0])
    if any(len(row) != width for row in rows):
        raise InferArgumentError("rows of coefficients differ in length")

    spec = _ffi.LinearSpec()
    _ffi.lib.infer_linear_spec_init(ctypes.byref(spec))
    spec.feature_count = width
    spec.output_count = len(rows)
    spec.coefficients = _floats(value for row in rows for value in row)
    if intercepts is not None:
        if not hasattr(intercepts, "__len__"):
            intercepts = [intercepts] * len(rows)  # type: ignore[list-item]
        if len(intercepts) != len(rows):  # type: ignore[arg-type]
            raise InferArgumentError(
                f"{len(intercepts)} intercepts for {len(rows)} rows of coefficients"  # type: ignore[arg-type]
            )
        spec.intercepts = _floats(intercepts)  # type: ignore[arg-type]
    spec.link = _ffi.LINKS[link]
    if classes is not None:
        labels = list(classes)
        spec.class_count = len(labels)
        if all(isinstance(label, str) for label in labels):
            spec.class_strings = _texts(labels)
        elif all(hasattr(label, "__index__") for label in labels):
            spec.class_ints = (ctypes.c_int64 * len(labels))(*[int(label) for label in labels])
        else:
            raise InferTypeError("classes are neither all integers nor all strings")
    if feature_names is not None:
        if len(feature_names) != width:
            raise InferArgumentError(f"{len(feature_names)} feature names for {width} features")
        spec.feature_names = _texts(feature_names)
    for name, values in (("mean", mean), ("scale", scale)):
        if values is not None and len(values) != width:
            raise InferArgumentError(f"{len(values)} numbers in {name} for {width} features")
    if mean is not None:
        spec.mean = _floats(mean)
    if scale is not None:
        spec.scale = _floats(scale)
    handle = ctypes.c_void_p()
    check(_ffi.lib.infer_linear(ctypes.byref(spec), ctypes.byref(handle)))
    return Model(handle)
