"""Operators on texts, against onnx.reference, onnxruntime, scikit-learn and Python's own strings."""

import re

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator
from skl2onnx import convert_sklearn
from skl2onnx.common.data_types import StringTensorType
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer

import libinfer


def model_of(op, types, outputs=1, **attributes):
    inputs = [f"x{i}" for i in range(len(types))]
    names = [f"y{i}" for i in range(outputs)]
    graph = helper.make_graph(
        [helper.make_node(op, inputs, names, **attributes)], "g",
        [helper.make_tensor_value_info(n, t, None) for n, t in zip(inputs, types)],
        [onnx.ValueInfoProto(name=n) for n in names])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)


def run(op, arrays, outputs=1, **attributes):
    types = [helper.np_dtype_to_tensor_dtype(a.dtype) if a.dtype != object else TensorProto.STRING for a in arrays]
    model = model_of(op, types, outputs, **attributes)
    feeds = {f"x{i}": a for i, a in enumerate(arrays)}
    with libinfer.load(model.SerializeToString()) as ours:
        answers = list(ours.run(feeds).values())
    return answers, model, feeds


def texts(*values):
    return np.array(values, dtype=object)


# ---- StringConcat, StringSplit ----

ODD = ["", " ", "a", "a,b", ",a,,b,", "  two  words ", "tab\tline\nend", "\u00e4\u3000\u00f6\u00a0x", "\U0001f600 \u2003\u2028y",
       "\u1680a\u180eb", "\x1ca\x1fb\x85", "a\x00b", "\ufeffa", "aaa", ", ,"]


@pytest.mark.parametrize("delimiter", [None, "", ",", " ", "a", "aa", "\u00e4", ", "])
@pytest.mark.parametrize("maxsplit", [None, 0, 1, 2, 5])
def test_split_is_that_of_python(delimiter, maxsplit):
    attributes = {k: v for k, v in (("delimiter", delimiter), ("maxsplit", maxsplit)) if v is not None}
    (parts, counts), _, _ = run("StringSplit", [texts(*ODD)], 2, **attributes)
    expected = [s.split(delimiter or None, -1 if maxsplit is None else maxsplit) for s in ODD]
    assert counts.tolist() == [len(e) for e in expected]
    most = max(map(len, expected))
    assert parts.tolist() == [e + [""] * (most - len(e)) for e in expected]


def test_split_of_nothing():
    (parts, counts), _, _ = run("StringSplit", [np.zeros((2, 0), object)], 2)
    assert parts.shape == (2, 0, 0) and counts.shape == (2, 0)
    (parts, counts), _, _ = run("StringSplit", [np.array("a b", object)], 2)
    assert parts.tolist() == ["a", "b"] and counts == 2


def test_concat_broadcasts():
    x, y = np.array([["a"], ["\u00e4b"], [""]], object), texts("1", "", "\U0001f600")
    (z,), _, _ = run("StringConcat", [x, y])
    assert z.tolist() == (x + y).tolist()


# ---- StringNormalizer ----


def normalize(values, **attributes):
    return run("StringNormalizer", [np.array(values, object)], **attributes)[0][0]


def simple(text, change):
    """Unicode's simple mappings: letters that Python makes several of stay, or become their one title case letter."""
    return "".join(c.title() if len(change(c)) > 1 and len(c.title()) == 1 else c if len(change(c)) > 1 else change(c)
                   for c in text)


def test_case_is_that_of_unicode():
    letters = ["".join(chr(c) for c in range(start, start + 256) if not 0xd800 <= c < 0xe000 and c != 0x130)
               for start in range(0, 0x20000, 256) if not 0xd800 <= start < 0xe000]
    assert normalize(letters, case_change_action="UPPER").tolist() == [simple(s, str.upper) for s in letters]
    lower = normalize(letters, case_change_action="LOWER").tolist()
    assert lower == ["".join(map(str.lower, s)) for s in letters]


@pytest.mark.parametrize("sensitive", [0, 1])
@pytest.mark.parametrize("action", ["NONE", "LOWER", "UPPER"])
def test_stopwords(sensitive, action):
    values, stop = ["Monday", "monday", "\u00c4pfel", "\u00e4pfel", "TUESDAY", "", "mon"], ["monday", "\u00c4PFEL", "Tuesday"]
    got = normalize(values, stopwords=stop, is_case_sensitive=sensitive, case_change_action=action)
    known = set(stop) if sensitive else {s.lower() for s in stop}
    change = {"NONE": str, "LOWER": str.lower, "UPPER": str.upper}[action]
    assert got.tolist() == [change(v) for v in values if (v if sensitive else v.lower()) not in known]
    assert normalize([values], stopwords=stop, is_case_sensitive=sensitive).shape == (1, got.size)


def test_nothing_left_is_one_empty_text():
    assert normalize(["a", "A"], stopwords=["A"]).tolist() == [""]
    assert normalize([["a", "A"]], stopwords=["a"]).tolist() == [[""]]
    assert normalize(np.zeros(0, object)).tolist() == [""]
    assert normalize(np.zeros((1, 0), object)).tolist() == [[""]]


def test_locales():
    assert normalize(["i"], case_change_action="UPPER", locale="en_US").tolist() == ["I"]
    with pytest.raises(libinfer.InferError, match="locale tr"):
        normalize(["i"], case_change_action="UPPER", locale="tr_TR.UTF-8")


def test_shapes_that_are_none():
    with pytest.raises(libinfer.InferError, match="neither"):
        normalize([["a"], ["b"]])


# ---- TfIdfVectorizer ----


def by_onnxruntime(model, feeds):
    return onnxruntime.InferenceSession(model.SerializeToString()).run(None, feeds)[0]


@pytest.mark.parametrize("mode", ["TF", "IDF", "TFIDF"])
@pytest.mark.parametrize("weights", [False, True])
@pytest.mark.parametrize("dtype", [object, np.int32, np.int64])
def test_grams_like_onnxruntime(mode, weights, dtype):
    random = np.random.default_rng(5)
    for lengths, skip in [((1, 1), 0), ((1, 2), 0), ((2, 2), 3), ((1, 3), 2), ((3, 3), 9), ((2, 3), 1)]:
        pools = [sorted({tuple(random.integers(0, 5, n)) for _ in range(12)}) for n in (1, 2, 3)]
        flat = [w for pool in pools for gram in pool for w in gram]
        counts = np.cumsum([0] + [len(p) * (i + 1) for i, p in enumerate(pools)])[:3]
        total = sum(map(len, pools))
        columns = random.permutation(total + 3)[:total]
        attributes = dict(mode=mode, min_gram_length=lengths[0], max_gram_length=lengths[1], max_skip_count=skip,
                          ngram_counts=counts.tolist(), ngram_indexes=columns.tolist())
        if weights:
            attributes["weights"] = random.normal(size=total).tolist()
        values = random.integers(0, 6, (7, 20))
        if dtype == object:
            attributes["pool_strings"], values = [f"w{w}" for w in flat], np.char.add("w", values.astype(str)).astype(object)
        else:
            attributes["pool_int64s"], values = [int(w) for w in flat], values.astype(dtype)
        for x in (values, values[0]):
            (got,), model, feeds = run("TfIdfVectorizer", [x], **attributes)
            np.testing.assert_allclose(got, by_onnxruntime(model, feeds), rtol=1e-6)
            if mode == "TF":  # the reference has no other mode without weights, and reads them by column
                np.testing.assert_array_equal(got, ReferenceEvaluator(model).run(None, feeds)[0])


WORDS = ("the quick brown fox jumps over the lazy dog while the dog sleeps and the fox is quick to run away over hills "
         "\u00fcber \u4e2d\u6587 caf\u00e9").split()


@pytest.mark.parametrize("vectorizer, ngrams", [(v, n) for v in (CountVectorizer, TfidfVectorizer) for n in ((1, 1), (1, 2), (2, 3))])
def test_tokens_like_scikit_learn(vectorizer, ngrams):
    """The vocabulary of a fitted vectorizer as skl2onnx lays it out, behind tokens split at spaces."""
    random = np.random.default_rng(3)
    documents = [" ".join(random.choice(WORDS, random.integers(3, 15))) for _ in range(30)]
    options = {"norm": None} if vectorizer is TfidfVectorizer else {}
    sk = vectorizer(token_pattern=r"\S+", ngram_range=ngrams, **options).fit(documents[:20])
    grams = sorted(((tuple(g.split(" ")), c) for g, c in sk.vocabulary_.items()), key=lambda g: (len(g[0]), g[0]))
    counts, pool = [], []
    for length in range(1, ngrams[1] + 1):
        counts.append(len(pool))
        pool += [w for g, _ in grams if len(g) == length for w in g]
    columns = [int(c) for _, c in grams]
    attributes = dict(mode="TF", min_gram_length=ngrams[0], max_gram_length=ngrams[1], max_skip_count=0,
                      ngram_counts=counts, ngram_indexes=columns, pool_strings=pool)
    if vectorizer is TfidfVectorizer:
        attributes.update(mode="TFIDF", weights=[float(sk.idf_[c]) for c in columns])
    expected = sk.transform(documents).toarray()
    (parts,), _, _ = run("StringSplit", [np.array(documents, object)], 1)
    (got,), _, _ = run("TfIdfVectorizer", [parts], **attributes)
    np.testing.assert_allclose(got, expected, rtol=1e-5)


@pytest.mark.parametrize("vectorizer", [CountVectorizer, TfidfVectorizer])
@pytest.mark.parametrize("options", [{"ngram_range": (1, 2)}, {"ngram_range": (2, 3)}, {"analyzer": "char", "ngram_range": (1, 3)}],
                         ids=str)
@pytest.mark.filterwarnings("ignore:The conversion of CountVectorizer")
def test_models_of_skl2onnx(vectorizer, options):
    """What stands before the tokenizer, which is no operator of ONNX, and what stands behind it."""
    random = np.random.default_rng(4)
    documents = [" ".join(random.choice(WORDS, random.integers(3, 15))).title() for _ in range(30)]
    sk = vectorizer(**options).fit(documents[:20])
    model = convert_sklearn(sk, initial_types=[("x", StringTensorType([None, 1]))], target_opset={"": 18})
    at = next(i for i, n in enumerate(model.graph.node) if n.op_type == "Tokenizer")

    def part(nodes, source, target):
        graph = helper.make_graph(nodes, "part", [helper.make_tensor_value_info(source, TensorProto.STRING, None)],
                                  [onnx.ValueInfoProto(name=target)], model.graph.initializer)
        known = [o for o in model.opset_import if o.domain != "com.microsoft"]
        return libinfer.load(helper.make_model(graph, opset_imports=known, ir_version=8).SerializeToString())

    with part(model.graph.node[:at], "x", model.graph.node[at].input[0]) as before:
        (lower,) = before.run({"x": np.array(documents[:1], object).reshape(1, 1)}).values()
    assert lower.ravel().tolist() == [documents[0].lower()]
    split = str.split if options.get("analyzer") != "char" else list
    split = sk.build_tokenizer() if split is str.split else split
    tokens = [split(d.lower()) for d in documents]
    longest = max(map(len, tokens))
    padded = np.array([[t + ["#"] * (longest - len(t))] for t in tokens], object)
    with part(model.graph.node[at + 1:], model.graph.node[at].output[0], model.graph.output[0].name) as behind:
        (got,) = behind.run({model.graph.node[at].output[0]: padded}).values()
    np.testing.assert_allclose(got, sk.transform(documents).toarray(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("change, words", [
    (dict(ngram_counts=[0, 5]), "divide"), (dict(ngram_counts=[0, 3, 2]), "divide"), (dict(ngram_counts=[-1]), "divide"),
    (dict(ngram_indexes=[0]), "more n-grams"), (dict(ngram_indexes=[0, -1, 1, 2]), "ngram_indexes"),
    (dict(ngram_indexes=[0, 2**40, 1, 2]), "ngram_indexes"), (dict(weights=[1.0]), "weights"),
    (dict(pool_strings=["a", "a", "b", "c"]), "twice"), (dict(pool_strings=None), "must be set"),
    (dict(min_gram_length=0), "n-grams of 0"), (dict(max_gram_length=-1), "n-grams"), (dict(max_skip_count=-1), "skipped"),
    (dict(mode="TFX"), "mode"), (dict(edges=[1]), "edges"), (dict(ngram_counts=None), "ngram_counts")])
def test_pools_that_are_none(change, words):
    attributes = dict(mode="TF", min_gram_length=1, max_gram_length=1, max_skip_count=0, ngram_counts=[0],
                      ngram_indexes=[0, 1, 2, 3], pool_strings=list("abcd"))
    attributes = {k: v for k, v in {**attributes, **change}.items() if v is not None}
    with pytest.raises(libinfer.InferError, match=words):
        run("TfIdfVectorizer", [texts("a")], **attributes)


# ---- RegexFullMatch ----

SUBJECTS = ["", "a", "b", "A", "aa", "ab", "aab", "abab", "a\n", "\n", "a\nb", "\u00e4", "\u00c4", "1", "a1", " ", "\t", "\v", "_",
            "-", "]", "[", "^", "\\", "{", "a{,2}", "a.b", "\u03b1", "\u4e2d", "K", "\u212a", "s", "\u017f", "\x00", "z9_", "a-z",
            "\U0001f600", ".", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "x@y.com", "\u00df", "\u1e9e", "\r\n", "\x85", "\u2028", ":", "E"]

PATTERNS = [
    "", "a", "a|ab", "(a|ab)(c|bcd)?", "a*", "a+?b", "(a+)+b", "^a$", "a$", "$a", "a\\z", "\\Aa", "\\ba\\b", "a\\B", ".", "(?s).",
    "(?s).*", ".*", "(?i)K", "(?i)[k-s]", "(?i)\\w", "\\w+", "\\W", "\\d", "\\D", "\\s", "\\S", "[\\s]", "[^\\s]", "[\\S]", "[^\\S]",
    "[\\d\\s]", "\\v", "[\\v]", "\\x41", "\\x{3b1}", "\\x{1F600}", "\\101", "\\0", "\\07", "\\pL", "\\PL", "\\p{Greek}", "\\p{^Greek}",
    "\\P{^L}", "[\\p{Greek}a]", "[^\\pL]", "\\p{Lu}", "\\pN+", "[[:alpha:]]", "[[:^alpha:]]", "[[:space:]]", "[[:word:]]+",
    "[[:alpha:][:digit:]]+", "[]a]", "[^]a]", "[a-]", "[-a]", "[a\\-z]", "[\\]]", "[[]", "[[.a.]", "[a^]", "[\\^]", "[a-c-e]+",
    "a{2}", "a{2,}", "a{1,2}", "a{,2}", "a{", "a{x}", "{", "}", "]", "a{32}", "\\Qa.b\\E", "\\Qa.b", "\\.", "\\_", "a\\ b", "\\-",
    "(?:a|b)*", "(?P<n>a)b", "(?<n>a)b", "(?i:a)b", "(?i)a(?-i)b", "(?im)^a$\\n^b$", "(?m)a$\\nb", "(?m)^", "(?m)\\n^", "(?U)a*", "(?s:.)",
    "^*", "$*", "\\b*a", "(^)*a", "()", "(|a)+", "(a*)*", "(a|b|)*", "a||b", "\u00e4", "[\u00e4\u03b1]", "[^\u00e4]", "[\u03b0-\u03b2]",
    "(?i)\u00e4", "(?i)\u00df", ".{2}", "\\C", "\\C*", "\\n", "[^a]", "[^\\n]", "\\t", "[\\t-\\r]", "a#b", "a b", "(?i)\\x{17f}",
    # refused by RE2
    "(a)\\1", "(?=a)a", "(?!b)a", "(?<=a)b", "(?<!a)b", "(?>a)", "(?R)", "(?1)", "(?#x)a", "a++", "a*+", "a?+", "a**", "a{2}{3}",
    "a{1001}", "\\K", "\\G", "\\R", "\\X", "\\h", "\\H", "\\N", "\\Z", "\\e", "\\cA", "\\g1", "\\k<n>", "\\y", "(?x)a b", "(?J)", "(?n)",
    "(?", "(?P=n)", "(?P>n)", "(?'n'a)", "(?|a)", "(?(1)a)", "(?C)", "(*ACCEPT)", "(*UTF)a", "[[:<:]]a", "[a-\\d]", "[\\b]", "[z-a]", "[",
    "[a", "(", ")", "*a", "a|*", "\\", "\\x", "\\x{110000}", "\\p{Nope}", "\\pX", "[[:nope:]]", "\\8", "\\1", "\\E", "(?-)", "(?i-)",
    "[\\Qa\\E]", "\\u00e4", "\\U0001f600", "\\L", "\\l", "\\o{101}", "\\d**", "(?i)*", "x{2,1}", "\\p{L&}", "\\p{Greek", "\\xg1",
]


def matches(pattern, values):
    return run("RegexFullMatch", [np.array(values, object)], pattern=pattern)[0][0].tolist()


def by_re2(pattern, values):
    """onnxruntime matches by RE2; None where it refuses the pattern."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    model = model_of("RegexFullMatch", [TensorProto.STRING], pattern=pattern)
    try:
        session = onnxruntime.InferenceSession(model.SerializeToString(), options)
    except Exception:  # of its own kinds
        return None
    return session.run(None, {"x0": np.array(values, object)})[0].tolist()


# Single bytes are refused.
DIFFERENT = {"\\C", "\\C*"}


@pytest.mark.parametrize("pattern", PATTERNS)
def test_patterns_like_re2(pattern):
    expected = by_re2(pattern, SUBJECTS)
    if expected is None or pattern in DIFFERENT:
        with pytest.raises(libinfer.InferError):
            matches(pattern, SUBJECTS)
    else:
        assert [s for s, m in zip(SUBJECTS, matches(pattern, SUBJECTS)) if m] == \
               [s for s, m in zip(SUBJECTS, expected) if m]


def test_random_patterns_like_re2():
    random = np.random.default_rng(17)
    pieces = ["a", "b", "1", ".", "\\w", "\\d", "\\s", "[ab]", "[^a]", "[a-z1]", "(", "(?:", "(?i:", ")", "|", "*", "+", "?", "{2}", "{1,3}",
              "*?", "^", "$", "\\b", "\u00e4", "\\x{e4}", "[[:alpha:]]", "\\pL", "-", "\\n", "(?s)", "(?m)"]
    subjects = ["".join(random.choice(list("ab1\u00e4 \nA-"), random.integers(0, 5))) for _ in range(60)]
    taken = 0
    for _ in range(2000):
        pattern = "".join(random.choice(pieces, random.integers(1, 8)))
        expected = by_re2(pattern, subjects)
        try:
            got = matches(pattern, subjects)
        except libinfer.InferError:
            got = None
        # Behind flags RE2 repeats what stands before them, which is refused here.
        assert got == expected or re.search(r"\(\?[sm]\)+[*+?{]", pattern) and got is None, pattern
        taken += got is not None
    assert taken > 300


def test_hostile_patterns_end():
    long = "a" * 200
    for pattern in ["(a+)+b", "(a|a)*b", "(a*)*b", "((a+)+)+b", "(.*)*x(.*)*y", "(a|aa)+c", "(x+x+)+y", "(.*?){30}b"]:
        try:
            assert matches(pattern, [long + "!"]) == [False]
        except libinfer.InferError as error:
            assert "limit" in str(error)
    for pattern in ["(" * 1000 + "a" + ")" * 1000, "((a{1000}){1000}){1000}", "a" * 200000, "[" + "a-z" * 20000 + "]"]:
        try:
            matches(pattern, [long])
        except libinfer.InferError:
            pass
    assert matches("(a|b)*", ["ab" * 100000]) == [True]
    assert matches("[^x]*", ["\u4e2d" * 100000]) == [True]


def test_texts_of_a_run_do_not_lie_where_the_next_one_writes():
    nodes = [helper.make_node("StringConcat", ["a", "b"], ["c"]), helper.make_node("StringConcat", ["c", "b"], ["y"])]
    ports = [helper.make_tensor_value_info(name, TensorProto.STRING, [3]) for name in "abcy"]
    graph = helper.make_graph(nodes, "g", ports[:2], ports[2:])
    model = libinfer.load(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)],
                                            ir_version=10).SerializeToString())
    for n in range(60):
        a = np.array([f"{n}a" * (7 * n + 1), "b" * 30 * n, "c"], dtype=object)
        b = np.array(["x" * n, "y" * 9, "z"], dtype=object)
        answer = model.run({"a": a, "b": b})
        assert list(answer["c"]) == list(a + b) and list(answer["y"]) == list(a + b + b)
