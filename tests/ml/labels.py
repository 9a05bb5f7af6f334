"""LabelEncoder in its three versions, CategoryMapper and OneHotEncoder."""

import numpy as np
from onnx import numpy_helper
from sklearn.preprocessing import LabelEncoder, OneHotEncoder

from tests.ml.linear import NUMBERS
from tests.ml.values import floats, text

NAN = float("nan")
KEYS = {"int64s": [3, -1, 20], "floats": [3.5, -1.0, 20.0], "strings": ["c", "a", "tt"]}
VALUES = {"int64s": [7, 8, 9], "floats": [0.5, 1.5, 2.5], "strings": ["x", "y", "zz"]}
INPUTS = {"int64s": np.array([[20, 3], [-1, 4]]), "floats": floats([20, 3.5], [-1, 4]),
          "strings": np.array([["tt", "c"], ["a", "t"]], dtype=object)}
DEFAULTS = {"int64s": ("default_int64", 99), "floats": ("default_float", 9.5), "strings": ("default_string", "none")}
PAIRS = [("int64", "float64"), ("float64", "int64"), ("int16", "int16"), ("int32", "float32"), ("float64", "float64"),
         ("O", "int16"), ("O", "float64"), ("int16", "O"), ("float32", "int32"), ("int32", "O"), ("int64", "int64"),
         ("O", "int64"), ("int64", "O"), ("float32", "float32"), ("O", "O"), ("int16", "float64")]


def label_encoder(w):
    op = "LabelEncoder"
    words = ["a", "b", "straße", ""]
    w.case("label_encoder_1_encode", op, [text("b", "z", "a", "straße", "")], classes_strings=words, default_int64=-5)
    w.case("label_encoder_1_decode", op, [np.array([[2, 0], [9, -1]])], classes_strings=words, default_string="none")
    w.case("label_encoder_1_encode_standard", op, [text("b", "z")], classes_strings=words)
    w.case("label_encoder_1_decode_standard", op, [np.array([0, 7])], classes_strings=words)
    w.case("label_encoder_1_no_rows", op, [text("x")[:0]], classes_strings=words)
    w.case("label_encoder_1_alone", op, [text("b", "z")], "The model imports only ai.onnx.ml.", alone=True,
           classes_strings=words)
    for version in (2, 4):
        for k in KEYS:
            for v in VALUES:
                for given in (True, False):
                    other = dict([DEFAULTS[v]]) if given else {}
                    w.case(f"label_encoder_{version}_{k}_{v}_{'given' if given else 'standard'}", op, [INPUTS[k]],
                           version=version, **{f"keys_{k}": KEYS[k], f"values_{v}": VALUES[v]}, **other)
        w.case(f"label_encoder_{version}_no_rows", op, [INPUTS["strings"][:0]], version=version,
               keys_strings=["a"], values_int64s=[1])
        w.case(f"label_encoder_{version}_scalar", op, [np.array(20)], "The input can be a scalar.", version=version,
               keys_int64s=[20], values_int64s=[1])
        w.case(f"label_encoder_{version}_alone", op, [INPUTS["strings"]], "The model imports only ai.onnx.ml.",
               version=version, alone=True, keys_strings=["a"], values_int64s=[1])
        w.case(f"label_encoder_{version}_nan", op, [floats(NAN, 1, 2)], "A NaN is found.", version=version,
               keys_floats=[NAN, 1.0], values_int64s=[5, 6])
        many = np.random.default_rng(30).permutation(5000) * 3
        w.case(f"label_encoder_{version}_many", op, [np.arange(0, 15000, 7)], version=version,
               keys_int64s=many.tolist(), values_int64s=list(range(5000)))
        w.case(f"label_encoder_{version}_words", op, [text(*(f"w{i}" for i in range(0, 900, 7)))], version=version,
               keys_strings=[f"w{i}" for i in range(0, 900, 3)], values_int64s=list(range(300)))
    w.case("label_encoder_2_zeros", op, [floats(-0.0, 0.0)], "Version 2 compares bits: -0 is not 0.", version=2,
           keys_floats=[0.0], values_int64s=[7])
    w.case("label_encoder_4_nans", op, [np.array([0x7FC00000, 0xFFC00001, 0x7F800001], dtype=np.uint32).view("f4")],
           "Any NaN matches any other, whatever its bits.", version=4, keys_floats=[1.0, NAN], values_int64s=[6, 5])
    w.case("label_encoder_4_repeated", op, [text("a", "b")], "The last of equal keys counts.", version=4,
           keys_strings=["a", "b", "a"], values_int64s=[1, 2, 3])
    w.case("label_encoder_4_repeated_numbers", op, [np.array([4, 2])], "The last of equal keys counts.", version=4,
           keys_int64s=[4, 4, 2], values_strings=["first", "last", "other"])
    tensors(w)
    model = LabelEncoder().fit(["rome", "oslo", "lima", "oslo"])
    x = text("oslo", "lima", "rome", "rome")
    w.case("label_encoder_2_sklearn", op, [x], "Judged by scikit-learn's LabelEncoder.", version=2,
           expected=[model.transform(x)], keys_strings=model.classes_.tolist(), values_int64s=[0, 1, 2])
    w.case("label_encoder_2_sklearn_inverse", op, [np.array([2, 0, 1])], "Judged by scikit-learn's LabelEncoder.",
           version=2, expected=[model.inverse_transform([2, 0, 1]).astype(object)], keys_int64s=[0, 1, 2],
           values_strings=model.classes_.tolist())


def tensors(w):
    for k, v in PAIRS:
        keys = np.array(["5", "3", "11"] if k == "O" else [5, 3, 11], dtype=k)
        values = np.array(["x", "y", "z"] if v == "O" else [20, 30, 40], dtype=v)
        x = np.array([["11", "5"], ["4", "3"]] if k == "O" else [[11, 5], [4, 3]], dtype=k)
        for given in (True, False):
            attributes = {"keys_tensor": numpy_helper.from_array(keys),
                          "values_tensor": numpy_helper.from_array(values)}
            if given:
                attributes["default_tensor"] = numpy_helper.from_array(
                    np.array(["none"] if v == "O" else [77], dtype=v))
            name = f"label_encoder_4_tensor_{k}_{v}_{'given' if given else 'standard'}".replace("_O", "_string")
            w.case(name, "LabelEncoder", [x], version=4, **attributes)
    x = np.array([NAN, 0.1, np.float32(0.1)])
    w.case("label_encoder_4_tensor_double_keys", "LabelEncoder", [x],
           "Doubles are not rounded before they are compared.",
           version=4, keys_tensor=numpy_helper.from_array(np.array([0.1, NAN])),
           values_tensor=numpy_helper.from_array(np.array([1, 2])))


def category_mapper(w):
    op = "CategoryMapper"
    cats = {"cats_int64s": [5, -1, 1 << 40, 0], "cats_strings": ["five", "minus", "groß", ""]}
    words, numbers = text("groß", "five", "nothing", ""), np.array([[5, 0, 7], [1 << 40, -1, -2]])
    w.case("category_mapper_strings", op, [words], "Needs no en_US locale.", default_int64=-9, **cats)
    w.case("category_mapper_strings_standard", op, [words], "The default is -1.", **cats)
    w.case("category_mapper_ints", op, [numbers], default_string="none", **cats)
    w.case("category_mapper_ints_standard", op, [numbers], "The default is _Unused.", **cats)
    w.case("category_mapper_matrix", op, [words.reshape(2, 2)], default_int64=0, **cats)
    w.case("category_mapper_cube", op, [numbers.reshape(1, 3, 2)], default_string="?", **cats)
    w.case("category_mapper_scalar", op, [np.array(5)], **cats)
    w.case("category_mapper_case", op, [text("Five", "FIVE", "five")], "Strings are compared by their bytes.", **cats)
    w.case("category_mapper_no_rows", op, [words[:0]], default_int64=-9, **cats)
    w.case("category_mapper_alone", op, [words], "The model imports only ai.onnx.ml.", alone=True, **cats)
    w.case("category_mapper_many", op, [text(*(f"w{i}" for i in range(0, 700, 3)))],
           cats_int64s=list(range(500, 0, -1)), cats_strings=[f"w{i}" for i in range(500)])


def one_hot(w):
    op = "OneHotEncoder"
    numbers = [7, 2, -3, 1 << 20]
    x = np.array([[2, 7, 4], [-3, 1 << 20, 0]])
    for dtype in NUMBERS:
        y = x.astype(dtype)
        known = np.array([7, 7, -3, 2], dtype=dtype)
        w.case(f"one_hot_encoder_{dtype}", op, [y], "An unknown category gives zeros.", cats_int64s=numbers)
        w.case(f"one_hot_encoder_strict_{dtype}", op, [known], "Every category is known.", cats_int64s=numbers,
               zeros=0)
        w.case(f"one_hot_encoder_cube_{dtype}", op, [y.reshape(1, 2, 3)], cats_int64s=numbers)
    for dtype in NUMBERS[:2]:
        w.case(f"one_hot_encoder_fractions_{dtype}", op, [np.array([2.75, 2.25, -3.5, -0.5], dtype=dtype)],
               "Fractions are cast to integers, towards zero.", cats_int64s=[2, 3, -3, -4, 0])
    w.case("one_hot_encoder_large_int64", op, [np.array([(1 << 53) + 1, 1 << 53])],
           cats_int64s=[1 << 53, (1 << 53) + 1])
    words = ["red", "grün", "", "blue"]
    w.case("one_hot_encoder_strings", op, [text("blue", "", "Red", "grün")], "An unknown category gives zeros.",
           cats_strings=words)
    w.case("one_hot_encoder_strings_strict", op, [text("blue", "red")], cats_strings=words, zeros=0)
    w.case("one_hot_encoder_strings_matrix", op, [np.array([["blue", "x"], ["red", ""]], dtype=object)],
           cats_strings=words)
    w.case("one_hot_encoder_scalar", op, [np.array(2)], cats_int64s=numbers)
    w.case("one_hot_encoder_no_rows", op, [x[:0]], cats_int64s=numbers)
    w.case("one_hot_encoder_strings_no_rows", op, [text("x")[:0]], cats_strings=words)
    w.case("one_hot_encoder_alone", op, [x], "The model imports only ai.onnx.ml.", alone=True, cats_int64s=numbers)
    w.case("one_hot_encoder_many", op, [np.arange(-2, 120)], cats_int64s=list(range(100)))
    model = OneHotEncoder(handle_unknown="ignore", sparse_output=False, dtype=np.float32)
    cities = np.array([["oslo"], ["rome"], ["lima"], ["paris"]], dtype=object)
    model.fit(cities[:3])
    w.case("one_hot_encoder_sklearn", op, [cities[:, 0]], "Judged by scikit-learn's OneHotEncoder.",
           expected=[model.transform(cities)], cats_strings=model.categories_[0].tolist())


FAMILIES = [label_encoder, category_mapper, one_hot]
