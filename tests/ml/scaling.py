"""Scaler, Normalizer, Imputer and Binarizer."""

import warnings

import numpy as np
from sklearn.impute import SimpleImputer
from sklearn.preprocessing import Binarizer, MaxAbsScaler, MinMaxScaler, RobustScaler, StandardScaler, normalize

from tests.ml.linear import NUMBERS, batches
from tests.ml.values import features, floats

NAN = float("nan")


def scaler(w):
    op = "Scaler"
    three = {"scale": [0.5, 2.0, -1.0], "offset": [1.0, -0.25, 0.0]}
    for dtype in NUMBERS:
        w.case(f"scaler_{dtype}", op, [features(dtype, 7, 4, 3)], **three)
        w.case(f"scaler_single_{dtype}", op, [features(dtype, 7, 4, 5)], scale=[3.0], offset=[0.5])
    w.case("scaler_double_near", op, [np.array([[1e8 + 1, 1e8 - 3.25]])],
           "A double is not rounded before the offset is taken away.", scale=[1.0], offset=[1e8])
    w.case("scaler_single_cube", op, [features("float32", 8, 2, 3, 4)], "One value serves any number of dimensions.",
           scale=[3.0], offset=[0.5])
    w.case("scaler_single_vector", op, [features("float32", 8, 7)], scale=[3.0], offset=[0.5])
    w.case("scaler_vector", op, [features("float32", 9, 3)], "A vector is one row.", **three)
    x = features("float32", 10, 4, 2)
    w.case("scaler_scale_only", op, [x], "Each list is optional.", scale=[2.0, 4.0])
    w.case("scaler_offset_only", op, [x], "Each list is optional.", offset=[2.0, 4.0])
    w.case("scaler_nan", op, [floats([NAN, np.inf, -np.inf], [0, 1, 2])], "NaN and infinities go through.", **three)
    w.case("scaler_wide", op, [features("int32", 11, 3, 600)], scale=np.linspace(0.5, 2, 600).tolist(),
           offset=np.linspace(-1, 1, 600).tolist())
    w.case("scaler_alone", op, [features("float32", 9, 2, 3)], "The model imports only ai.onnx.ml.", alone=True,
           **three)
    w.case("scaler_no_rows", op, [features("float32", 9, 0, 3)], **three)
    w.case("scaler_batches", op, batches(70, 3, 3, 0, 1, 64), "One model, batches of several sizes.", **three)
    x = features("float32", 42, 30, 4)
    for model, offset, scale in (
            (StandardScaler(), "mean_", lambda m: 1 / m.scale_), (MaxAbsScaler(), None, lambda m: 1 / m.scale_),
            (RobustScaler(), "center_", lambda m: 1 / m.scale_), (MinMaxScaler(), "data_min_", lambda m: m.scale_)):
        y = model.fit_transform(x.astype(np.float64))[:7]
        name = type(model).__name__
        w.case(f"scaler_sklearn_{name.lower()}", op, [x[:7]], f"Judged by scikit-learn's {name}.",
               expected=[None if np.abs(y).min() < 1e-4 else y.astype(np.float32)],
               offset=(getattr(model, offset) if offset else np.zeros(4)).tolist(), scale=scale(model).tolist())


def normalizer(w):
    op = "Normalizer"
    silent = "L1 and L2 divide by the norms that the names say, as scikit-learn and every runtime do; the " \
             "specification's formulas would lose signs."
    for norm in ("MAX", "L1", "L2"):
        n = norm.lower()
        x = np.abs(features("float32", 12, 6, 4))
        x[2] = 0
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            y = normalize(x, norm=n)
        w.case(f"normalizer_{n}", op, [x], "Judged by scikit-learn's normalize; a row of zeros stays as it is.",
               expected=[y], norm=norm)
        x = features("float32", 12, 6, 4)
        w.case(f"normalizer_{n}_signs", op, [x], "X / max(X), as written: not the largest absolute value."
               if norm == "MAX" else silent, norm=norm, expected=None if norm == "MAX" else [normalize(x, norm=n)])
        w.case(f"normalizer_{n}_negative", op, [-np.abs(x)], "Every maximum is negative: X / max(X), as written."
               if norm == "MAX" else silent, norm=norm)
        w.case(f"normalizer_{n}_vector", op, [np.abs(x[0])], "A vector is one row.", norm=norm)
        for dtype in NUMBERS[1:]:
            w.case(f"normalizer_{n}_{dtype}", op, [np.abs(features(dtype, 13, 5, 3))], norm=norm)
        w.case(f"normalizer_{n}_no_rows", op, [x[:0]], norm=norm)
        w.case(f"normalizer_{n}_batches", op, [[np.abs(b)] for b, in batches(80, 4, 3, 0, 1, 64)],
               "One model, batches of several sizes.", norm=norm)
    w.case("normalizer_default", op, [np.abs(features("float32", 14, 3, 3))], "The default is MAX.")
    w.case("normalizer_wide", op, [features("float32", 15, 2, 1000)], norm="L2")
    w.case("normalizer_int_zeros", op, [np.array([[0, 0], [3, 4]])], norm="L2")
    w.case("normalizer_alone", op, [np.abs(features("float32", 14, 3, 3))], "The model imports only ai.onnx.ml.",
           alone=True, norm="L1")


def imputer(w):
    op = "Imputer"
    x = floats([1, NAN, -1], [NAN, 0, -1])
    for dtype in NUMBERS[:2]:
        y = x.astype(dtype)
        w.case(f"imputer_nan_{dtype}", op, [y], imputed_value_floats=[9.0, 8.0, 7.0], replaced_value_float=NAN)
        w.case(f"imputer_number_{dtype}", op, [y], "NaN is not the value to replace.", imputed_value_floats=[0.5],
               replaced_value_float=-1.0)
        w.case(f"imputer_default_{dtype}", op, [y], "The default replaces zero.",
               imputed_value_floats=[4.0, 5.0, 6.0])
        w.case(f"imputer_single_{dtype}", op, [y], "One value serves every feature.", imputed_value_floats=[4.0],
               replaced_value_float=NAN)
        w.case(f"imputer_vector_{dtype}", op, [y[0]], "A vector is one row.", imputed_value_floats=[4.0, 5.0, 6.0],
               replaced_value_float=1.0)
        w.case(f"imputer_with_nan_{dtype}", op, [y], imputed_value_floats=[NAN], replaced_value_float=-1.0)
        w.case(f"imputer_infinity_{dtype}", op, [np.array([[np.inf, -np.inf, 2]], dtype=dtype)],
               imputed_value_floats=[3.0], replaced_value_float=np.inf)
        cube = np.arange(12).reshape(2, 2, 3).astype(dtype) % 4
        w.case(f"imputer_cube_{dtype}", op, [cube], "Features are the last dimension.",
               imputed_value_floats=[7.0, 8.0, 9.0])
        rows = features(dtype, 44, 20, 3)
        rows[np.random.default_rng(45).random((20, 3)) < 0.3] = NAN
        for strategy in ("mean", "median"):
            model = SimpleImputer(strategy=strategy).fit(rows)
            values = model.statistics_.astype(np.float32)
            model.statistics_ = values.astype(dtype)
            w.case(f"imputer_sklearn_{strategy}_{dtype}", op, [rows], "Judged by scikit-learn's SimpleImputer.",
                   expected=[model.transform(rows)], imputed_value_floats=values.tolist(), replaced_value_float=NAN)
    n = np.array([[1, -2, 0], [-2, 0, -2]])
    for dtype in NUMBERS[2:]:
        y, large = n.astype(dtype), int(np.iinfo(dtype).max)
        w.case(f"imputer_{dtype}", op, [y], imputed_value_int64s=[10, 20, large], replaced_value_int64=-2)
        w.case(f"imputer_default_{dtype}", op, [y], "The default replaces zero.", imputed_value_int64s=[10, 20, 30])
        w.case(f"imputer_single_{dtype}", op, [y], "One value serves every feature.", imputed_value_int64s=[-large],
               replaced_value_int64=-2)
        w.case(f"imputer_vector_{dtype}", op, [y[0]], "A vector is one row.", imputed_value_int64s=[5, 6, 7],
               replaced_value_int64=1)
        w.case(f"imputer_cube_{dtype}", op, [np.arange(12).reshape(2, 2, 3).astype(dtype) % 4],
               "Features are the last dimension.", imputed_value_int64s=[7, 8, 9])
    w.case("imputer_large_int64", op, [np.array([[(1 << 53) + 1, 1 << 53]])], "Integers are compared as integers.",
           imputed_value_int64s=[0], replaced_value_int64=(1 << 53) + 1)
    two = {"imputed_value_floats": [7.0, 8.0, 9.0], "replaced_value_float": NAN}
    w.case("imputer_alone", op, [x], "The model imports only ai.onnx.ml.", alone=True, **two)
    w.case("imputer_no_rows", op, [x[:0]], **two)
    w.case("imputer_batches", op, [[x], [x[:0]], [x[:1]], [np.tile(x, (32, 1))]],
           "One model, batches of several sizes.", **two)


def binarizer(w):
    op = "Binarizer"
    for dtype in NUMBERS:
        x = features(dtype, 18, 3, 4)
        x[0, 0] = 1
        for threshold in (1.0, -0.5, None):
            name = f"binarizer_{dtype}_{'default' if threshold is None else 'one' if threshold > 0 else 'negative'}"
            model = Binarizer(threshold=threshold or 0.0)
            w.case(name, op, [x], "Judged by scikit-learn's Binarizer.", expected=[model.fit_transform(x)],
                   **({} if threshold is None else {"threshold": threshold}))
        w.case(f"binarizer_vector_{dtype}", op, [features(dtype, 17, 6)], threshold=0.5)
        w.case(f"binarizer_cube_{dtype}", op, [features(dtype, 17, 2, 2, 2)], threshold=0.5)
    w.case("binarizer_nan", op, [floats([NAN, np.inf, -np.inf, 0])], "NaN is not greater.", threshold=0.0)
    w.case("binarizer_int_fraction", op, [np.array([[0, 1, 2]], dtype=np.int32)],
           "The threshold is not rounded to the input's type.", threshold=0.75)
    w.case("binarizer_alone", op, [features("float32", 17, 2, 2)], "The model imports only ai.onnx.ml.", alone=True)
    w.case("binarizer_no_rows", op, [features("float32", 17, 0, 2)])
    w.case("binarizer_batches", op, batches(90, 3, 3, 0, 1, 64), "One model, batches of several sizes.",
           threshold=0.5)


FAMILIES = [scaler, normalizer, imputer, binarizer]
