"""What each operator of ai.onnx.ml means: the specification's words in NumPy.

Plain and slow, in double and whole numbers; attributes keep ONNX's names. Nothing here is taken from a runtime's
source. Where the specification is silent a comment says who decides. Trees and support vectors have files of
their own; OPERATORS at the end lists everything.
"""

import numpy as np

from tests.ml.spec_links import as_rows, labels_of, transformed
from tests.ml.spec_svm import svm_classifier, svm_regressor
from tests.ml.spec_trees import tree_ensemble, tree_ensemble_classifier, tree_ensemble_regressor
from tests.ml.values import Maps

# ---- linear models ----


def linear_scores(x, coefficients, intercepts, outputs):
    w = np.array(coefficients, dtype=np.float32).astype(np.float64).reshape(outputs, -1)
    b = np.array(intercepts or [0.0], dtype=np.float32).astype(np.float64)
    return as_rows(x) @ w.T + b


def linear_regressor(x, version, coefficients, intercepts=None, targets=1, post_transform="NONE"):
    return transformed(linear_scores(x, coefficients, intercepts, targets), post_transform)


def linear_classifier(x, version, coefficients, intercepts=None, classlabels_ints=None,
                      classlabels_strings=None, multi_class=0, post_transform="NONE"):
    """multi_class says how the model was trained; evaluation is the same."""
    features = as_rows(x).shape[1]
    scores = linear_scores(x, coefficients, intercepts, len(coefficients) // features)
    if scores.shape[1] == 1:
        # One row of coefficients for two classes: positive is the second, as in every native library.
        best = (scores[:, 0] > 0).astype(int)
        scores = np.hstack([-scores, scores])
    else:
        best = scores.argmax(axis=1)
    labels = labels_of(best, classlabels_ints, classlabels_strings)
    return labels, transformed(scores, post_transform)


# ---- scaling ----


def scaler(x, version, scale=(1.0,), offset=(0.0,)):
    y = (x.astype(np.float64) - np.float32(offset)) * np.float32(scale)
    return y.astype(np.float32)


def normalizer(x, version, norm="MAX"):
    """MAX divides by max(X), as written. For L1 and L2 the formulas, taken literally, would lose signs or
    divide by sums near zero; scikit-learn and every runtime divide by the norms that the names say."""
    x = x.astype(np.float64)
    divisor = {"MAX": lambda: x.max(axis=-1, keepdims=True),
               "L1": lambda: np.abs(x).sum(axis=-1, keepdims=True),
               "L2": lambda: np.sqrt((x * x).sum(axis=-1, keepdims=True))}[norm]()
    return (x / np.where(divisor == 0, 1, divisor)).astype(np.float32)


def imputer(x, version, imputed_value_floats=None, imputed_value_int64s=None, replaced_value_float=0.0,
            replaced_value_int64=0):
    if x.dtype.kind == "f":
        old, new = np.float32(replaced_value_float), np.float32(imputed_value_floats)
    else:
        old, new = np.int64(replaced_value_int64), np.int64(imputed_value_int64s)
    missing = np.isnan(x) if old != old else x == old
    return np.where(missing, new, x).astype(x.dtype)


def binarizer(x, version, threshold=0.0):
    return (x > np.float32(threshold)).astype(x.dtype)


# ---- features ----


def feature_vectorizer(*inputs, version, inputdimensions=None):
    """An input of another width than said is cut or filled with zeros, as several runtimes do."""
    rows = [as_rows(x) for x in inputs]
    sizes = inputdimensions or [x.shape[1] for x in rows]
    fit = [np.pad(x[:, :size], ((0, 0), (0, max(0, size - x.shape[1])))) for x, size in zip(rows, sizes)]
    return np.hstack(fit).astype(np.float32)


def array_feature_extractor(x, y, version):
    """A vector gives one row, as in every runtime."""
    return np.atleast_2d(x)[..., y.reshape(-1)]


# ---- labels and categories ----


def looked_up(x, table, default, dtype, key=lambda v: v):
    values = [table.get(key(v), default) for v in x.reshape(-1).tolist()]
    return np.array(values, dtype=dtype).reshape(x.shape)


def category_mapper(x, version, cats_int64s, cats_strings, default_int64=-1, default_string="_Unused"):
    if x.dtype == object:
        return looked_up(x, dict(zip(cats_strings, cats_int64s)), default_int64, np.int64)
    return looked_up(x, dict(zip(cats_int64s, cats_strings)), default_string, object)


def float_key(bits):
    """How version 2 compares: by bits. Version 4 takes any NaN for any other."""
    def key(v):
        if isinstance(v, float):
            return v.hex() if v == v and bits else "nan" if v != v else v
        return v
    return key


def label_encoder(x, version, classes_strings=None, keys_tensor=None, values_tensor=None, default_tensor=None,
                  default_int64=-1, default_string="_Unused", default_float=-0.0, **lists):
    """keys_* and values_* by type, in lists or tensors."""
    if version == 1:
        if x.dtype == object:
            return looked_up(x, {s: i for i, s in enumerate(classes_strings)}, default_int64, np.int64)
        return looked_up(x, dict(enumerate(classes_strings)), default_string, object)
    kinds = {"int64s": np.int64, "floats": np.float32, "strings": object}

    def column(name, tensor):
        if tensor is not None:
            return to_array(tensor)
        (values, kind), = [(v, kinds[k[len(name):]]) for k, v in lists.items() if k.startswith(name)]
        return np.array(values, dtype=kind)

    keys, values = column("keys_", keys_tensor), column("values_", values_tensor)
    if default_tensor is not None:
        default = to_array(default_tensor).item()
    else:
        default = {"O": default_string, "f": default_float, "i": default_int64}[values.dtype.kind]
    key = float_key(bits=version == 2)
    table = {key(k): v for k, v in zip(keys.tolist(), values.tolist(), strict=True)}
    return looked_up(x, table, default, values.dtype, key)


def to_array(tensor):
    from onnx import numpy_helper

    array = numpy_helper.to_array(tensor)
    return array if array.dtype.kind in "if" else array.astype(str).astype(object)


def one_hot_encoder(x, version, cats_int64s=None, cats_strings=None, zeros=1):
    cats = cats_strings or cats_int64s
    flat = x.reshape(-1) if x.dtype == object else x.reshape(-1).astype(np.int64)
    y = np.zeros((flat.size, len(cats)), dtype=np.float32)
    for row, value in zip(y, flat.tolist()):
        assert zeros or value in cats, "an unknown category is an error"
        if value in cats:
            row[cats.index(value)] = 1
    return y.reshape(*x.shape, len(cats))


# ---- maps ----


def cast_map(x, version, cast_to="TO_FLOAT", map_form="DENSE", max_map=1):
    """Only onnxruntime has this operator, and only it says that there is a dimension of one before the values."""
    dtype, convert, blank = {"TO_FLOAT": (np.float32, float, 0), "TO_INT64": (np.int64, lambda v: int(float(v)), 0),
                             "TO_STRING": (object, str, "")}[cast_to]
    if map_form == "DENSE":
        values = [convert(x[k]) for k in sorted(x)]
    else:
        values = [convert(x[k]) if k in x else blank for k in range(max_map)]
    return np.array([values], dtype=dtype)


def dict_vectorizer(x, version, int64_vocabulary=None, string_vocabulary=None):
    blank = "" if x.value == object else 0
    vocabulary = int64_vocabulary or string_vocabulary
    assert set(x) <= set(vocabulary), "every key must be in the vocabulary"
    return np.array([x.get(k, blank) for k in vocabulary], dtype=x.value)


def zip_map(x, version, classlabels_int64s=None, classlabels_strings=None):
    """A vector is one row."""
    keys = classlabels_strings or classlabels_int64s
    return Maps("O" if classlabels_strings else "int64", "float32",
                [dict(zip(keys, row, strict=True)) for row in np.atleast_2d(x).tolist()])


OPERATORS = {
    "ArrayFeatureExtractor": array_feature_extractor,
    "Binarizer": binarizer,
    "CastMap": cast_map,
    "CategoryMapper": category_mapper,
    "DictVectorizer": dict_vectorizer,
    "FeatureVectorizer": feature_vectorizer,
    "Imputer": imputer,
    "LabelEncoder": label_encoder,
    "LinearClassifier": linear_classifier,
    "LinearRegressor": linear_regressor,
    "Normalizer": normalizer,
    "OneHotEncoder": one_hot_encoder,
    "SVMClassifier": svm_classifier,
    "SVMRegressor": svm_regressor,
    "Scaler": scaler,
    "TreeEnsemble": tree_ensemble,
    "TreeEnsembleClassifier": tree_ensemble_classifier,
    "TreeEnsembleRegressor": tree_ensemble_regressor,
    "ZipMap": zip_map,
}
