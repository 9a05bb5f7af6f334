"""FeatureVectorizer and ArrayFeatureExtractor."""

import numpy as np

from tests.ml.linear import NUMBERS
from tests.ml.values import features


def vectorizer(w):
    op = "FeatureVectorizer"
    for dtype in NUMBERS:
        parts = [features(dtype, 19, 3, 2), features(dtype, 20, 3, 1), features(dtype, 21, 3, 4)]
        w.case(f"feature_vectorizer_{dtype}", op, parts, inputdimensions=[2, 1, 4])
        w.case(f"feature_vectorizer_one_{dtype}", op, parts[:1], inputdimensions=[2])
        w.case(f"feature_vectorizer_default_{dtype}", op, parts, "inputdimensions is optional.")
        w.case(f"feature_vectorizer_vectors_{dtype}", op, [p[0] for p in parts], "A vector is a [1,C] row.",
               inputdimensions=[2, 1, 4])
    a, b = features("float32", 22, 3, 2), features("float32", 23, 3, 3)
    silent = "An input of another width than said: cut or filled with zeros, as several runtimes do."
    w.case("feature_vectorizer_padded", op, [a, b], silent, inputdimensions=[4, 3])
    w.case("feature_vectorizer_cut", op, [a, b], silent, inputdimensions=[1, 2])
    w.case("feature_vectorizer_many", op, [features("float32", 200 + i, 2, 1 + i % 3) for i in range(40)],
           inputdimensions=[1 + i % 3 for i in range(40)])
    w.case("feature_vectorizer_alone", op, [a, b], "The model imports only ai.onnx.ml.", alone=True,
           inputdimensions=[2, 3])
    w.case("feature_vectorizer_no_rows", op, [a[:0], b[:0]], inputdimensions=[2, 3])
    w.case("feature_vectorizer_batches", op, [[a, b], [a[:0], b[:0]], [a[:1], b[:1]],
                                              [np.tile(a, (20, 1)), np.tile(b, (20, 1))]],
           "One model, batches of several sizes.", inputdimensions=[2, 3])


def extractor(w):
    op = "ArrayFeatureExtractor"
    index = np.array([2, 0, 2])
    words = np.array([["a", "b", "c"], ["d", "e", "ß"]], dtype=object)
    row = "A vector gives one row, as in every runtime."
    for dtype in NUMBERS:
        w.case(f"array_feature_extractor_{dtype}", op, [features(dtype, 24, 4, 3), index])
        w.case(f"array_feature_extractor_vector_{dtype}", op, [features(dtype, 25, 5), index], row)
        w.case(f"array_feature_extractor_cube_{dtype}", op, [features(dtype, 26, 2, 3, 4), index])
    w.case("array_feature_extractor_string", op, [words, index])
    w.case("array_feature_extractor_vector_string", op, [words[0], index], row)
    w.case("array_feature_extractor_cube_string", op, [words.reshape(1, 2, 3), index])
    w.case("array_feature_extractor_one", op, [features("float32", 27, 4, 3), np.array([1])])
    w.case("array_feature_extractor_matrix_of_indices", op, [features("int64", 26, 2, 4), index[None, :]],
           "Indices in two dimensions count as a list, as in several runtimes.")
    w.case("array_feature_extractor_alone", op, [words, index], "The model imports only ai.onnx.ml.", alone=True)
    w.case("array_feature_extractor_no_rows", op, [features("float32", 24, 0, 3), index])
    w.case("array_feature_extractor_wide", op, [features("float32", 28, 3, 500), np.arange(499, -1, -7)])


FAMILIES = [vectorizer, extractor]
