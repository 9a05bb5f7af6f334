"""com.microsoft: what converters emit, against onnxruntime and scikit-learn."""

import numpy as np
import pytest
import skl2onnx
from skl2onnx.common.data_types import StringTensorType
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer

import libinfer
from microsoft import build, Cases, onnxruntime_runs, pick, reals

cases = Cases()


# ---- what converters emit ----

@cases("ExpandDims")
def expand_dims(random, number):
    shape = pick(number, (2, 3), (4,), (2, 1, 3))
    axis = pick(number, 0, 1, -1, -2)
    return [reals(random, *shape), np.array(pick(number // 4, axis, [axis]), np.int32).reshape(())], {}, {
        "weights": (1,)}


@cases("GatherND")
def gather_nd(random, number):
    index = pick(number, np.int32, np.int64)
    shape = pick(number // 2, (3, 1), (2, 2), (2, 3, 1), (4, 3))
    data = pick(number // 2, reals(random, 4, 4, 4), random.integers(0, 9, (4, 4, 4)))
    return [data, random.integers(0, 4, shape).astype(index)], {}


@cases("Trilu")
def trilu(random, number):
    k = np.array(number - 4, np.int64) if number % 3 else None
    return [pick(number, reals(random, 2, 4, 5), random.integers(0, 9, (4, 4))), k], {"upper": number // 2 % 2}


@cases("Range")
def range_(random, number):
    dtype = pick(number, np.float32, np.int64, np.int32, np.float64, np.int16)
    shape = pick(number // 2, (), (1,))
    numbers = pick(number, (0, 7, 2), (5, -3, -1), (2, 9, None), (1, 1, 1))
    return [None if v is None else np.full(shape, v, dtype) for v in numbers], {}


@cases("Pad", 12)
def pad(random, number):
    mode = pick(number, "constant", "reflect", "edge")
    pads = np.array(pick(number // 3, [1, 0, 2, 1], [0, 2, 0, 0], [0, 1, 1, 2]), np.int64)
    if mode == "constant" and number % 2:
        pads = np.array([-1, 1, 0, -2], np.int64)
    value = np.array(pick(number, 2.5, [1.5]), np.float32) if mode == "constant" and number % 4 else None
    return [reals(random, 3, 4), pads.reshape(pick(number, (4,), (1, 4))), value], {"mode": mode}, {"weights": (1, 2)}


@cases("Unique", outputs=3)
def unique(random, number):
    return [random.integers(0, 6, pick(number, 9, 1, 30, 0)).astype(np.float32)], {}


@cases("CDist", 12)
def distances(random, number):
    dtype = pick(number, np.float32, np.float64)
    m, k, n = pick(number, (3, 5, 4), (1, 40, 7), (6, 1, 1))
    return [reals(random, m, n, dtype=dtype), reals(random, k, n, dtype=dtype)], {
        "metric": pick(number // 2, "euclidean", "sqeuclidean")}, {"weights": (1,)}


@cases("Inverse", 8)
def inverse(random, number):
    n = pick(number, 3, 1, 6, 20)
    dtype = pick(number, np.float32, np.float64)
    return [(reals(random, *pick(number // 2, (), (3,), (2, 2)), n, n) + 4 * np.eye(n)).astype(dtype)], {}


@cases("MurmurHash3", 16)
def murmur(random, number):
    dtype = pick(number, np.int32, np.int64, np.float32, np.float64, np.uint32, np.uint64, object)
    x = np.array([["", "a", "ab"], ["abc", "abcd", "Grüße und mehr"]], object) if dtype is object else \
        (random.normal(size=(2, 5)) * 1e6).astype(np.int64).astype(dtype)
    return [x], {"seed": pick(number // 3, 0, 42, 2 ** 31), "positive": pick(number // 2, 1, 0)}


@cases("CropAndResize", 12)
def crop(random, number):
    boxes = np.array([[0, 0, 1, 1], [0.1, 0.2, 0.9, 0.7], [-0.2, -0.1, 1.2, 1.3], [0.9, 0.8, 0.1, 0.2]], np.float32)
    size = pick(number, (3, 4), (1, 1), (5, 1), (2, 7))
    return [reals(random, 2, 3, 4, 5), boxes, random.integers(0, 2, 4).astype(np.int32), np.array(size, np.int32)], {
        "mode": pick(number // 4, "bilinear", "nearest"), "extrapolation_value": pick(number, 0.0, 7.5)}, {
            "weights": (1, 2, 3)}


TOKENS = [{"separators": [" "]}, {"separators": [" ", ","]}, {"separators": [""]}, {"tokenexp": "."},
          {"tokenexp": "[a-zA-Z]+|[0-9]+"}, {"tokenexp": "a|ab|aab"}, {"separators": ["X|XY", "a*"]},
          {"separators": ["\\b"]}, {"separators": ["^ ", " $", "[.,] ?"]}, {"tokenexp": "^.", "mincharnum": 1},
          {"tokenexp": "\\w+", "mincharnum": 2}, {"separators": ["[0-9]"], "mincharnum": 3}, {"tokenexp": "a*"},
          {"separators": ["o", " ", ""]}, {"tokenexp": "(?i)A(b)?"}, {"separators": ["é", "(ß|e)+"]}]
TEXTS = [["hello world", "a  b, c", ""], [" ab12cd3 aabXYbXc, d ", "foo bar."], ["Grüße, héé", "naïve"],
         [["a b", "c"], ["d e f", ""]], ["", ""], [" aab ab b", "x\ny"]]


@cases("Tokenizer", 96)
def tokenizer(random, number):
    attributes = {"mincharnum": 1, **TOKENS[number % 16]}
    return [np.array(TEXTS[number // 16], object)], {
        "mark": number // 3 % 2, "pad_value": pick(number, "#", "", "<pad>"), **attributes}


@pytest.mark.parametrize("shape", [(0,), (2, 0), (0, 3)])
def test_no_texts(shape):
    attributes = {"mark": 1, "pad_value": "", "mincharnum": 1, "separators": [" "]}
    model, feeds = build("Tokenizer", [np.zeros(shape, object)], attributes, "com.microsoft")
    with libinfer.load(model) as ours:
        assert np.shape(next(iter(ours.run(feeds).values()))) == onnxruntime_runs(model, feeds)[0].shape


@pytest.mark.parametrize("attributes", [{}, {"separators": ["("]}, {"tokenexp": ""}, {"tokenexp": "(a)\\1"},
                                        {"separators": [" "], "mincharnum": 0}, {"tokenexp": ".", "mincharnum": 2}],
                         ids=str)
def test_tokenizers_that_cannot_be(attributes):
    given = {"mark": 0, "pad_value": "", "mincharnum": 1, **attributes}
    with pytest.raises(libinfer.InferError):
        libinfer.load(build("Tokenizer", [np.array(["a"], object)], given, "com.microsoft")[0])


DOCUMENTS = ["this is the first document", "This document, is the second one!", "and the third_ones", "is this the first?"]


@pytest.mark.parametrize("vectorizer", [CountVectorizer(), CountVectorizer(lowercase=False, binary=True),
                                        TfidfVectorizer(ngram_range=(1, 2)), CountVectorizer(token_pattern="[a-z]+"),
                                        TfidfVectorizer(analyzer="char", ngram_range=(1, 2))], ids=str)
@pytest.mark.filterwarnings("ignore")
def test_vectorizers_like_scikit_learn(vectorizer):
    """As skl2onnx converts them; onnxruntime wants a locale for these."""
    expected = vectorizer.fit_transform(DOCUMENTS).toarray()
    model = skl2onnx.to_onnx(vectorizer, initial_types=[("t", StringTensorType([None, 1]))])
    with libinfer.load(model.SerializeToString()) as ours:
        got = next(iter(ours.run({"t": np.array(DOCUMENTS, object).reshape(-1, 1)}).values()))
    np.testing.assert_allclose(got, expected, rtol=1e-6, atol=1e-7)


test_operator = cases.test()
