#!/usr/bin/env python3
"""Writes test cases of ai.onnx.ml operators in the layout of ONNX's own node tests.

    gen_ml_cases.py DIRECTORY

Expected values come from onnxruntime. Where onnxruntime has no implementation for a type, or does not
do what the specification says, they are worked out with NumPy here, and a comment says why.
"""

import pathlib
import statistics
import sys

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

TYPES = {
    np.dtype("float32"): TensorProto.FLOAT,
    np.dtype("float64"): TensorProto.DOUBLE,
    np.dtype("int64"): TensorProto.INT64,
    np.dtype("int32"): TensorProto.INT32,
    np.dtype("int16"): TensorProto.INT16,
    np.dtype("O"): TensorProto.STRING,
}
FLOAT, INT64, STRING = TensorProto.FLOAT, TensorProto.INT64, TensorProto.STRING
NUMBERS = ["float32", "float64", "int64", "int32"]
TRANSFORMS = ["NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO"]
# Domain versions that keep the operator's meaning, with the ai.onnx version released beside them.
COMPANION = {1: 8, 2: 11, 3: 15, 4: 19, 5: 22}


class Writer:
    def __init__(self, directory):
        self.directory = pathlib.Path(directory)
        self.count = 0

    def case(self, name, op, inputs, outputs, version=1, expected=None, **attributes):
        """outputs: an element type or value type proto for each. expected: None asks onnxruntime."""
        node = helper.make_node(
            op,
            [f"x{i}" for i in range(len(inputs))],
            [f"y{i}" for i in range(len(outputs))],
            domain="ai.onnx.ml",
            **attributes,
        )
        if expected is None:
            options = onnxruntime.SessionOptions()
            options.log_severity_level = 3
            session = onnxruntime.InferenceSession(
                self.model(node, name, version, inputs, outputs).SerializeToString(),
                options,
                providers=["CPUExecutionProvider"],
            )
            expected = session.run(None, {f"x{i}": x for i, x in enumerate(inputs)})
        shapes = [getattr(y, "shape", None) for y in expected]
        model = self.model(node, name, version, inputs, outputs, shapes)
        onnx.checker.check_model(model)
        self.write(name, model, inputs, expected)

    @staticmethod
    def model(node, name, version, inputs, outputs, shapes=None):
        shapes = shapes or [None] * len(outputs)
        graph = helper.make_graph(
            [node],
            name,
            [
                helper.make_tensor_value_info(f"x{i}", TYPES[x.dtype], x.shape)
                for i, x in enumerate(inputs)
            ],
            [
                helper.make_value_info(f"y{i}", t)
                if isinstance(t, onnx.TypeProto)
                else helper.make_tensor_value_info(f"y{i}", t, shape)
                for i, (t, shape) in enumerate(zip(outputs, shapes))
            ],
        )
        return helper.make_model(
            graph,
            opset_imports=[
                helper.make_opsetid("", COMPANION[version]),
                helper.make_opsetid("ai.onnx.ml", version),
            ],
            ir_version=10,
        )

    def write(self, name, model, inputs, outputs):
        folder = self.directory / f"test_ml_{name}"
        data = folder / "test_data_set_0"
        data.mkdir(parents=True, exist_ok=True)
        onnx.save(model, folder / "model.onnx")
        for kind, values in (("input", inputs), ("output", outputs)):
            for i, value in enumerate(values):
                (data / f"{kind}_{i}.pb").write_bytes(proto_of(value, kind, i))
        self.count += 1


def proto_of(value, kind, index):
    name = f"{'x' if kind == 'input' else 'y'}{index}"
    if isinstance(value, list):  # of maps from a label to a score
        sequence = onnx.SequenceProto(name=name, elem_type=onnx.SequenceProto.MAP)
        for row in value:
            entries = sequence.map_values.add()
            if isinstance(next(iter(row)), str):
                entries.key_type = STRING
                entries.string_keys.extend(k.encode() for k in row)
            else:
                entries.key_type = INT64
                entries.keys.extend(row)
            scores = [np.array(v, np.float32) for v in row.values()]
            entries.values.CopyFrom(numpy_helper.from_list(scores))
        return sequence.SerializeToString()
    return numpy_helper.from_array(value, name).SerializeToString()


def text(*words):
    return np.array(words, dtype=object)


def floats(*values):
    return np.array(values, dtype=np.float32)


def features(dtype, seed, *shape):
    """Numbers that every type can hold where dtype is an integer type, else fractions."""
    values = np.random.default_rng(seed).normal(size=shape) * 3
    return np.round(values).astype(dtype) if dtype.startswith("int") else values.astype(dtype)


def probit(p):
    """The normal quantile; onnxruntime approximates it to three digits."""
    if p in (0.0, 1.0):
        return np.inf if p else -np.inf
    return statistics.NormalDist().inv_cdf(p) if 0 < p < 1 else np.nan


probits = np.vectorize(lambda p: probit(float(p)), otypes=[np.float32])


def linear_regressor(w):
    x = features("float32", 1, 6, 5)
    one = {"coefficients": [0.5, -1.25, 0.1, 2.0, -0.3], "intercepts": [0.75]}
    two = {
        "coefficients": [0.5, -1.25, 0.1, 2.0, -0.3, 1.0, 0.2, -0.4, 0.6, 0.8],
        "intercepts": [0.75, -0.5],
        "targets": 2,
    }
    for transform in TRANSFORMS:
        # With one target onnxruntime leaves the score as it is, whatever the transform.
        if transform == "NONE":
            w.case("linear_regressor_one", "LinearRegressor", [x], [FLOAT], **one)
        w.case(f"linear_regressor_two_{transform.lower()}", "LinearRegressor", [x], [FLOAT],
               post_transform=transform, **two)
    w.case("linear_regressor_defaults", "LinearRegressor", [x], [FLOAT],
           coefficients=one["coefficients"])
    w.case("linear_regressor_vector", "LinearRegressor", [x[0]], [FLOAT], **one)
    wide = features("float32", 2, 3, 700)
    w.case("linear_regressor_wide", "LinearRegressor", [wide], [FLOAT], targets=3,
           coefficients=features("float32", 3, 2100).tolist(), intercepts=[1.0, 2.0, 3.0])
    # onnxruntime has LinearRegressor for float only.
    for dtype in NUMBERS[1:]:
        x = features(dtype, 4, 5, 5)
        y = x.astype(np.float64) @ np.float32(two["coefficients"]).astype(np.float64).reshape(2, 5).T
        y += np.float32(two["intercepts"])
        w.case(f"linear_regressor_{dtype}", "LinearRegressor", [x], [FLOAT],
               expected=[y.astype(np.float32)], **two)
    # onnxruntime's PROBIT is a rough approximation.
    x = floats([0.1], [0.5], [0.9], [1e-6], [0.0], [1.0], [1.5], [0.999])
    w.case("linear_regressor_probit", "LinearRegressor", [x], [FLOAT], coefficients=[1.0],
           post_transform="PROBIT", expected=[probits(x)])


def linear_classifier(w):
    x = np.vstack([features("float32", 5, 6, 3), np.zeros((1, 3), np.float32)])
    one = {"coefficients": [0.5, -1.25, 0.1], "intercepts": [0.0]}
    two = {"coefficients": [0.5, -1.25, 0.1, 0.3, 0.2, -0.9], "intercepts": [0.25, -0.5]}
    three = {
        "coefficients": [0.5, -1.25, 0.1, 0.3, 0.2, -0.9, 1.5, 0.0, 0.25],
        "intercepts": [0.25, -0.5, 0.0],
    }
    for transform in TRANSFORMS:
        t = transform.lower()
        w.case(f"linear_classifier_binary_{t}", "LinearClassifier", [x], [INT64, FLOAT],
               classlabels_ints=[7, -3], post_transform=transform, **one)
        w.case(f"linear_classifier_three_{t}", "LinearClassifier", [x], [INT64, FLOAT],
               classlabels_ints=[5, 6, 10], post_transform=transform, **three)
    w.case("linear_classifier_binary_strings", "LinearClassifier", [x], [STRING, FLOAT],
           classlabels_strings=["no", "yes"], post_transform="LOGISTIC", **one)
    w.case("linear_classifier_two_rows", "LinearClassifier", [x], [INT64, FLOAT],
           classlabels_ints=[0, 1], post_transform="SOFTMAX", multi_class=1, **two)
    w.case("linear_classifier_strings", "LinearClassifier", [x], [STRING, FLOAT],
           classlabels_strings=["a", "", "straße"], post_transform="SOFTMAX", multi_class=1, **three)
    w.case("linear_classifier_no_labels", "LinearClassifier", [x], [INT64, FLOAT], **one)
    w.case("linear_classifier_vector", "LinearClassifier", [x[0]], [INT64, FLOAT],
           classlabels_ints=[5, 6, 10], **three)
    for dtype in NUMBERS[1:]:
        w.case(f"linear_classifier_{dtype}", "LinearClassifier", [features(dtype, 6, 5, 3)],
               [INT64, FLOAT], classlabels_ints=[5, 6, 10], post_transform="LOGISTIC", **three)
    # onnxruntime's PROBIT is a rough approximation, and with one row of coefficients it reads scores
    # that were not written; the probit is odd around one half.
    p = floats([0.25], [0.5], [0.97])
    w.case("linear_classifier_binary_probit", "LinearClassifier", [p], [INT64, FLOAT],
           coefficients=[1.0], intercepts=[0.0], classlabels_ints=[0, 1], post_transform="PROBIT",
           expected=[np.array([1, 1, 1]), np.hstack([probits(1 - p), probits(p)])])
    w.case("linear_classifier_probit", "LinearClassifier", [p], [INT64, FLOAT],
           coefficients=[1.0, 0.5], intercepts=[0.0, 0.25], classlabels_ints=[0, 1],
           post_transform="PROBIT",
           expected=[np.array([1, 0, 0]), np.hstack([probits(p), probits(0.5 * p + 0.25)])])
    # onnxruntime wants intercepts; the specification does not.
    w.case("linear_classifier_no_intercepts", "LinearClassifier", [x[:2]], [INT64, FLOAT],
           classlabels_ints=[4, 5], coefficients=two["coefficients"],
           expected=(lambda z: [np.array([4, 5])[z.argmax(1)], z])(
               x[:2] @ np.float32(two["coefficients"]).reshape(2, 3).T))


def scaler(w):
    for dtype in NUMBERS:
        w.case(f"scaler_{dtype}", "Scaler", [features(dtype, 7, 4, 3)], [FLOAT],
               scale=[0.5, 2.0, -1.0], offset=[1.0, -0.25, 0.0])
    w.case("scaler_single", "Scaler", [features("float32", 8, 2, 3, 4)], [FLOAT], scale=[3.0],
           offset=[0.5])
    w.case("scaler_vector", "Scaler", [features("float32", 9, 3)], [FLOAT], scale=[0.5, 2.0, -1.0],
           offset=[1.0, -0.25, 0.0])
    # onnxruntime wants both lists; the specification has either optional.
    x = features("float32", 10, 4, 2)
    w.case("scaler_scale_only", "Scaler", [x], [FLOAT], scale=[2.0, 4.0],
           expected=[x * floats(2, 4)])
    w.case("scaler_offset_only", "Scaler", [x], [FLOAT], offset=[2.0, 4.0],
           expected=[x - floats(2, 4)])
    w.case("scaler_wide", "Scaler", [features("int32", 11, 3, 600)], [FLOAT],
           scale=np.linspace(0.5, 2, 600).tolist(), offset=np.linspace(-1, 1, 600).tolist())


def normalizer(w):
    for norm in ["MAX", "L1", "L2"]:
        x = features("float32", 12, 6, 4)
        x[2] = 0
        x[3] = -np.abs(x[3])
        w.case(f"normalizer_{norm.lower()}", "Normalizer", [x], [FLOAT], norm=norm)
        w.case(f"normalizer_vector_{norm.lower()}", "Normalizer", [x[0]], [FLOAT], norm=norm)
        for dtype in NUMBERS[1:]:
            w.case(f"normalizer_{norm.lower()}_{dtype}", "Normalizer", [features(dtype, 13, 5, 3)],
                   [FLOAT], norm=norm)
    w.case("normalizer_default", "Normalizer", [features("float32", 14, 3, 3)], [FLOAT])
    w.case("normalizer_wide", "Normalizer", [features("float32", 15, 2, 1000)], [FLOAT], norm="L2")


def imputer(w):
    x = floats([1, np.nan, -1], [np.nan, 0, -1])
    w.case("imputer_nan", "Imputer", [x], [FLOAT], imputed_value_floats=[9.0, 8.0, 7.0],
           replaced_value_float=float("nan"))
    w.case("imputer_number", "Imputer", [x], [FLOAT], imputed_value_floats=[0.5],
           replaced_value_float=-1.0)
    w.case("imputer_default", "Imputer", [x], [FLOAT], imputed_value_floats=[4.0, 5.0, 6.0])
    w.case("imputer_vector", "Imputer", [x[0]], [FLOAT], imputed_value_floats=[4.0, 5.0, 6.0],
           replaced_value_float=1.0)
    n = np.array([[1, -2, 0], [-2, 0, -2]])
    w.case("imputer_int64", "Imputer", [n], [INT64], imputed_value_int64s=[10, 20, 1 << 60],
           replaced_value_int64=-2)
    # onnxruntime has Imputer for float and int64 only.
    w.case("imputer_int32", "Imputer", [n.astype(np.int32)], [TensorProto.INT32],
           imputed_value_int64s=[10, 20, 30], replaced_value_int64=-2,
           expected=[np.where(n == -2, [10, 20, 30], n).astype(np.int32)])
    w.case("imputer_float64", "Imputer", [x.astype(np.float64)], [TensorProto.DOUBLE],
           imputed_value_floats=[10.0, 20.0, 30.0], replaced_value_float=float("nan"),
           expected=[np.where(np.isnan(x), [10.0, 20.0, 30.0], x)])
    # onnxruntime takes the second axis for the features; the specification says the last one.
    cube = np.arange(12, dtype=np.float32).reshape(2, 2, 3) % 4
    w.case("imputer_cube", "Imputer", [cube], [FLOAT], imputed_value_floats=[7.0, 8.0, 9.0],
           expected=[np.where(cube == 0, floats(7, 8, 9), cube)])


def binarizer(w):
    x = features("float32", 16, 4, 5)
    x[0, 0] = 0.5
    w.case("binarizer", "Binarizer", [x], [FLOAT], threshold=0.5)
    w.case("binarizer_default", "Binarizer", [features("float32", 17, 2, 2, 2)], [FLOAT])
    # onnxruntime has Binarizer for float only.
    for dtype in NUMBERS[1:]:
        x = features(dtype, 18, 3, 4)
        w.case(f"binarizer_{dtype}", "Binarizer", [x], [TYPES[x.dtype]], threshold=1.0,
               expected=[(x > 1).astype(dtype)])


def vectorizer(w):
    for dtype in NUMBERS:
        w.case(f"feature_vectorizer_{dtype}", "FeatureVectorizer",
               [features(dtype, 19, 3, 2), features(dtype, 20, 3, 1), features(dtype, 21, 3, 4)],
               [FLOAT], inputdimensions=[2, 1, 4])
    a, b = features("float32", 22, 3, 2), features("float32", 23, 3, 3)
    w.case("feature_vectorizer_padded", "FeatureVectorizer", [a, b], [FLOAT], inputdimensions=[4, 3])
    w.case("feature_vectorizer_cut", "FeatureVectorizer", [a, b], [FLOAT], inputdimensions=[1, 2])
    w.case("feature_vectorizer_vectors", "FeatureVectorizer", [a[0], b[0]], [FLOAT],
           inputdimensions=[2, 3])
    # onnxruntime wants inputdimensions; the specification has it optional.
    w.case("feature_vectorizer_default", "FeatureVectorizer", [a, b], [FLOAT],
           expected=[np.hstack([a, b])])


def extractor(w):
    index = np.array([2, 0, 2])
    for dtype in NUMBERS:
        x = features(dtype, 24, 4, 3)
        w.case(f"array_feature_extractor_{dtype}", "ArrayFeatureExtractor", [x, index],
               [TYPES[x.dtype]])
    words = np.array([["a", "b", "c"], ["d", "e", "ß"]], dtype=object)
    w.case("array_feature_extractor_string", "ArrayFeatureExtractor", [words, index], [STRING])
    w.case("array_feature_extractor_vector", "ArrayFeatureExtractor",
           [features("float32", 25, 5), index], [FLOAT])
    w.case("array_feature_extractor_cube", "ArrayFeatureExtractor",
           [features("int64", 26, 2, 3, 4), index[:, None]], [INT64])


def zipmap(w):
    def kind(key):
        return helper.make_sequence_type_proto(
            helper.make_map_type_proto(key, helper.make_tensor_type_proto(FLOAT, [])))

    # Entries of a map have no order; here they stand as the labels do.
    x = features("float32", 27, 3, 2)
    for name, key, labels in [("ints", "int64s", [10, -1]), ("strings", "strings", ["yes", "no"])]:
        w.case(f"zipmap_{name}", "ZipMap", [x], [kind(INT64 if key == "int64s" else STRING)],
               expected=[[dict(zip(labels, row)) for row in x.tolist()]],
               **{f"classlabels_{key}": labels})
    w.case("zipmap_vector", "ZipMap", [x[0]], [kind(INT64)], classlabels_int64s=[0, 1])


def label_encoder(w):
    w.case("label_encoder_1_encode", "LabelEncoder", [text("b", "z", "a")], [INT64],
           classes_strings=["a", "b", "c", "a"], default_int64=-5)
    w.case("label_encoder_1_decode", "LabelEncoder", [np.array([[2, 0], [9, -1]])], [STRING],
           classes_strings=["a", "b", "c"], default_string="none")
    w.case("label_encoder_1_default", "LabelEncoder", [np.array([0, 7])], [STRING],
           classes_strings=["a"])
    keys = {"int64s": [3, -1, 20], "floats": [3.5, -1.0, 20.0], "strings": ["c", "a", "tt"]}
    lists = {"int64s": [7, 8, 9], "floats": [0.5, 1.5, 2.5], "strings": ["x", "y", "zz"]}
    inputs = {
        "int64s": np.array([[20, 3], [-1, 4]]),
        "floats": floats([20, 3.5], [-1, 4]),
        "strings": np.array([["tt", "c"], ["a", "t"]], dtype=object),
    }
    kinds = {"int64s": INT64, "floats": FLOAT, "strings": STRING}
    defaults = {"int64s": ("default_int64", 99), "floats": ("default_float", 9.5),
                "strings": ("default_string", "none")}
    for version in (2, 4):
        for k in keys:
            for v in lists:
                attributes = {f"keys_{k}": keys[k], f"values_{v}": lists[v]}
                if k != v:
                    attributes[defaults[v][0]] = defaults[v][1]
                w.case(f"label_encoder_{version}_{k}_{v}", "LabelEncoder", [inputs[k]], [kinds[v]],
                       version=version, **attributes)
    # onnxruntime keeps the first of equal keys in version 2, where nothing is specified.
    w.case("label_encoder_2_repeated", "LabelEncoder", [text("a", "b")], [INT64], version=2,
           keys_strings=["a", "b", "a"], values_int64s=[1, 2, 3])
    # It does so in version 4 too, but there the last one counts.
    w.case("label_encoder_4_repeated", "LabelEncoder", [text("a", "b")], [INT64], version=4,
           keys_strings=["a", "b", "a"], values_int64s=[1, 2, 3], expected=[np.array([3, 2])])
    nan = float("nan")
    w.case("label_encoder_4_nan", "LabelEncoder", [floats(nan, -nan, 1, 2, -0.0)], [INT64],
           version=4, keys_floats=[nan, 1.0, 0.0], values_int64s=[5, 6, 7])
    # Version 2 asks for a comparison of bits, which finds a NaN; onnxruntime does not find it.
    w.case("label_encoder_2_nan", "LabelEncoder", [floats(nan, 1, 2)], [INT64], version=2,
           keys_floats=[nan, 1.0], values_int64s=[5, 6], expected=[np.array([5, 6, -1])])
    # onnxruntime has few of the pairs of types, so these are looked up here.
    pairs = [("int64", "float64"), ("float64", "int64"), ("int16", "int16"), ("int32", "float32"),
             ("float64", "float64"), ("O", "int16"), ("O", "float64"), ("int16", "O"),
             ("float32", "int32"), ("int32", "O")]
    for k, v in pairs:
        keys = np.array(["5", "3", "11"] if k == "O" else [5, 3, 11], dtype=k)
        values = np.array(["x", "y", "z"] if v == "O" else [20, 30, 40], dtype=v)
        other = np.array(["none"] if v == "O" else [77], dtype=v)
        standard = {"O": "_Unused", "f": -0.0}.get(np.dtype(v).kind, -1)
        x = np.array([["11", "5"], ["4", "3"]] if k == "O" else [[11, 5], [4, 3]], dtype=k)
        for given in (True, False):
            missing = other[0] if given else standard
            table = dict(zip(keys.tolist(), values.tolist()))
            y = np.array([[table.get(e, missing) for e in row] for row in x.tolist()], dtype=v)
            attributes = {"keys_tensor": numpy_helper.from_array(keys),
                          "values_tensor": numpy_helper.from_array(values)}
            if given:
                attributes["default_tensor"] = numpy_helper.from_array(other)
            name = f"label_encoder_4_tensor_{k}_{v}_{'given' if given else 'standard'}"
            w.case(name.replace("_O", "_string"), "LabelEncoder", [x], [TYPES[np.dtype(v)]],
                   version=4, expected=[y], **attributes)
    many = np.random.default_rng(30).permutation(5000) * 3
    w.case("label_encoder_4_many", "LabelEncoder", [np.arange(0, 15000, 7)], [INT64], version=4,
           keys_int64s=many.tolist(), values_int64s=list(range(5000)))


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    w = Writer(sys.argv[1])
    for family in (linear_regressor, linear_classifier, scaler, normalizer, imputer, binarizer,
                   vectorizer, extractor, zipmap, label_encoder):
        family(w)
    print(f"{w.count} cases in {sys.argv[1]}")


if __name__ == "__main__":
    main()
