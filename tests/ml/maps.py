"""CastMap, DictVectorizer and ZipMap."""

import numpy as np
from sklearn.feature_extraction import DictVectorizer

from tests.ml.linear import batches
from tests.ml.values import Map, features

ROW = "The output has a dimension of one before the values: the specification is silent, and only one runtime " \
      "has this operator."
VECTOR = "The specification says a 1-D tensor."


def cast_map(w):
    op = "CastMap"
    numbers = Map("int64", "float32", {7: 1.5, -2: -2.75, 40: 0.0, 3: 8.25})
    words = Map("int64", "O", {7: "1.5", -2: "-3", 40: "0", 3: "8"})
    whole = Map("int64", "O", {7: "15", -2: "-3", 40: "0", 3: "123456789012"})
    for name, x, casts in (("floats", numbers, ("TO_FLOAT", "TO_INT64")),
                           ("strings", words, ("TO_FLOAT", "TO_STRING"))):
        for cast in casts:
            w.case(f"cast_map_dense_{name}_{cast.lower()}", op, [x], ROW, cast_to=cast)
            some = Map(x.key, x.value, {k: v for k, v in x.items() if k >= 0})
            if cast != "TO_STRING":
                w.case(f"cast_map_sparse_{name}_{cast.lower()}", op, [some], ROW, cast_to=cast, map_form="SPARSE",
                       max_map=45)
    w.case("cast_map_dense_strings_to_int64", op, [whole], ROW, cast_to="TO_INT64")
    w.case("cast_map_default", op, [numbers], "TO_FLOAT and DENSE are the defaults. " + ROW)
    w.case("cast_map_order", op, [Map("int64", "float32", {5: 1.0, 1: 2.0, 4: 3.0, -9: 4.0})],
           "Values come in the order of their keys. " + ROW, map_form="DENSE")
    w.case("cast_map_sparse_full", op, [Map("int64", "float32", {2: 1.0, 0: 2.0, 1: 3.0})], ROW, map_form="SPARSE",
           max_map=3)
    w.case("cast_map_sparse_empty", op, [Map("int64", "float32", {})], ROW, map_form="SPARSE", max_map=4)
    w.case("cast_map_utf8", op, [Map("int64", "O", {1: "straße", 0: ""})], ROW, cast_to="TO_STRING")
    w.case("cast_map_alone", op, [numbers], "The model imports only ai.onnx.ml. " + ROW, alone=True)


def dict_vectorizer(w):
    op = "DictVectorizer"
    vocabularies = {"int64": [4, -7, 100, 2], "O": ["a", "c", "ß", ""]}
    values = {"int64": [1 << 40, -3], "float32": [1.5, -2.25], "float64": [0.1, 1e300], "O": ["x", "yy"]}
    for key, value in (("O", "int64"), ("int64", "O"), ("int64", "float32"), ("int64", "float64"), ("O", "float32"),
                       ("O", "float64")):
        vocabulary = vocabularies[key]
        attributes = {"string_vocabulary" if key == "O" else "int64_vocabulary": vocabulary}
        name = f"{key}_{value}".replace("O", "string")
        for kind, keys in (("some", [2, 0]), ("all", [3, 2, 1, 0]), ("none", [])):
            entries = {vocabulary[k]: values[value][i % 2] for i, k in enumerate(keys)}
            w.case(f"dict_vectorizer_{name}_{kind}", op, [Map(key, value, entries)], VECTOR, **attributes)
    w.case("dict_vectorizer_example", op, [Map("O", "int64", {"a": 4, "c": 8})],
           "The specification's own example.", string_vocabulary=["a", "c", "b", "z"])
    w.case("dict_vectorizer_alone", op, [Map("O", "float32", {"a": 4, "c": 8})], "The model imports only ai.onnx.ml.",
           alone=True, string_vocabulary=["a", "c", "b", "z"])
    w.case("dict_vectorizer_many", op, [Map("int64", "float32", {i: i / 4 for i in range(0, 300, 7)})], VECTOR,
           int64_vocabulary=list(range(299, -1, -1)))
    model = DictVectorizer(sparse=False, dtype=np.float32)
    model.fit([{"x": 1.0, "z": 2.0}, {"y": 0.5}])
    row = {"z": 3.5, "x": -1.0}
    w.case("dict_vectorizer_sklearn", op, [Map("O", "float32", row)],
           "Judged by scikit-learn's DictVectorizer. " + VECTOR,
           expected=[model.transform(row)[0]], string_vocabulary=model.feature_names_)


def zip_map(w):
    op = "ZipMap"
    x = features("float32", 27, 3, 3)
    labels = {"classlabels_int64s": [10, -1, 1 << 40], "classlabels_strings": ["yes", "nö", ""]}
    for key, classes in labels.items():
        name = key.split("_")[1]
        w.case(f"zip_map_{name}", op, [x], **{key: classes})
        w.case(f"zip_map_one_row_{name}", op, [x[:1]], **{key: classes})
        w.case(f"zip_map_one_class_{name}", op, [x[:, :1]], **{key: classes[:1]})
        w.case(f"zip_map_vector_{name}", op, [x[0]], "A vector is one row.", **{key: classes})
        w.case(f"zip_map_no_rows_{name}", op, [x[:0]], **{key: classes})
        w.case(f"zip_map_alone_{name}", op, [x], "The model imports only ai.onnx.ml.", alone=True, **{key: classes})
        w.case(f"zip_map_batches_{name}", op, batches(27, 3, 3, 0, 1, 64), "One model, batches of several sizes.",
               **{key: classes})
    w.case("zip_map_many", op, [features("float32", 28, 2, 150)], classlabels_int64s=list(range(150, 0, -1)))


FAMILIES = [cast_map, dict_vectorizer, zip_map]
