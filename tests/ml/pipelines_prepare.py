"""Scalers, encoders, imputers, text and whole pipelines of scikit-learn, converted by skl2onnx."""

from functools import partial

import numpy as np
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType, Int64TensorType, StringTensorType
from sklearn import (compose, decomposition, ensemble, feature_extraction, feature_selection, impute, linear_model,
                     naive_bayes, neural_network, pipeline, preprocessing, random_projection, svm)

from tests.ml import pipelines as p
from tests.ml.pipelines_sklearn import OLD, SEED, SMALL, sklearn_model

CITIES = np.array(["oslo", "rome", "lima", "straße", ""], dtype=object)
SIZES = np.array(["small", "middle", "large"], dtype=object)


def words(seed, rows, vocabulary):
    return vocabulary[np.random.default_rng(seed).integers(len(vocabulary), size=rows)]


CATEGORIES = np.stack([words(3, 150, CITIES), words(4, 150, SIZES)], axis=1)
UNKNOWN = np.stack([words(5, 200, CITIES), words(6, 200, np.append(SIZES, "huge"))], axis=1)
KNOWN = np.stack([words(5, 200, CITIES), words(6, 200, SIZES)], axis=1)
NUMBERS = np.random.default_rng(7).integers(0, 4, size=(150, 2))
MORE_NUMBERS = np.random.default_rng(8).integers(0, 4, size=(200, 2))


def holes(x, seed=9):
    y = x.copy()
    y[np.random.default_rng(seed).random(x.shape) < 0.2] = np.nan
    return y


SCALERS = [
    ("standardscaler", preprocessing.StandardScaler()),
    ("standardscaler_no_mean", preprocessing.StandardScaler(with_mean=False)),
    ("standardscaler_no_std", preprocessing.StandardScaler(with_std=False)),
    ("minmaxscaler", preprocessing.MinMaxScaler((-1, 2))),
    ("minmaxscaler_clip", preprocessing.MinMaxScaler(clip=True)),
    ("maxabsscaler", preprocessing.MaxAbsScaler()), ("robustscaler", preprocessing.RobustScaler()),
    ("robustscaler_quantiles", preprocessing.RobustScaler(quantile_range=(10, 80))),
    ("powertransformer", preprocessing.PowerTransformer()),
    ("powertransformer_raw", preprocessing.PowerTransformer(standardize=False)),
    ("quantiletransformer", preprocessing.QuantileTransformer(n_quantiles=20, **SEED)),
    ("normalizer_l1", preprocessing.Normalizer("l1")), ("normalizer_l2", preprocessing.Normalizer("l2")),
    ("binarizer", preprocessing.Binarizer(threshold=0.3)),
    ("kbinsdiscretizer_ordinal", preprocessing.KBinsDiscretizer(4, encode="ordinal", strategy="uniform")),
    ("kbinsdiscretizer_onehot", preprocessing.KBinsDiscretizer(3, encode="onehot-dense", strategy="quantile")),
    ("kbinsdiscretizer_kmeans", preprocessing.KBinsDiscretizer(3, encode="ordinal", strategy="kmeans")),
    ("polynomialfeatures", preprocessing.PolynomialFeatures(2)),
    ("polynomialfeatures_interactions", preprocessing.PolynomialFeatures(3, interaction_only=True,
                                                                         include_bias=False)),
    ("gaussianrandomprojection", random_projection.GaussianRandomProjection(3, **SEED)),
    ("variancethreshold", feature_selection.VarianceThreshold(0.5)),
    ("functiontransformer", preprocessing.FunctionTransformer()),
]
ENCODERS = [
    ("onehotencoder", preprocessing.OneHotEncoder(sparse_output=False)),
    ("onehotencoder_sparse", preprocessing.OneHotEncoder()),
    ("onehotencoder_ignore", preprocessing.OneHotEncoder(handle_unknown="ignore", sparse_output=False)),
    ("onehotencoder_drop", preprocessing.OneHotEncoder(drop="first", sparse_output=False)),
    ("ordinalencoder", preprocessing.OrdinalEncoder()),
    ("ordinalencoder_unknown", preprocessing.OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)),
]
SENTENCES = np.array(["the quick brown fox", "a lazy dog sleeps", "the fox jumps over the dog", "quick quick slow",
                      "one two three", "over and over", "Dogs AND Foxes"], dtype=object)
TEXTS = [
    ("countvectorizer", feature_extraction.text.CountVectorizer()),
    ("countvectorizer_binary", feature_extraction.text.CountVectorizer(binary=True)),
    ("countvectorizer_bigrams", feature_extraction.text.CountVectorizer(ngram_range=(1, 2))),
    ("countvectorizer_case", feature_extraction.text.CountVectorizer(lowercase=False)),
    ("countvectorizer_chars", feature_extraction.text.CountVectorizer(analyzer="char", ngram_range=(1, 2))),
    ("countvectorizer_stop_words", feature_extraction.text.CountVectorizer(stop_words=["the", "and"])),
    ("tfidfvectorizer", feature_extraction.text.TfidfVectorizer()),
    ("tfidfvectorizer_l1", feature_extraction.text.TfidfVectorizer(norm="l1")),
    ("tfidfvectorizer_smooth", feature_extraction.text.TfidfVectorizer(smooth_idf=False)),
]


def text_model(writer, name, model, y=None):
    """One column of sentences."""
    model.fit(SENTENCES, y)
    test = np.tile(SENTENCES, 4).reshape(-1, 1)
    words_ = model if y is None else model[0]
    options = {id(words_): {"tokenexp": "[a-zA-Z0-9_]+"}} if words_.analyzer == "word" else {}
    if y is not None:
        options[id(model)] = {"zipmap": False}
    converted = to_onnx(model, initial_types=[("x", StringTensorType([None, 1]))], options=options)
    judge = p.classifier if y is not None else p.transformer
    p.write(writer, name, converted, lambda rows: judge(model, test[rows, 0]), [test],
            "scikit-learn's text features by skl2onnx: Tokenizer is onnxruntime's own operator.",
            labels=getattr(model, "classes_", None))


def column_model(writer, name, columns, judge, model, y, zipmap=False, opset=None):
    """Inputs of several types, which the model has side by side. columns: (name, type, training, test)."""
    train = np.hstack([c[2].astype(object) for c in columns])
    test = [c[3] for c in columns]
    model.fit(train, y)
    options = {id(model): {"zipmap": zipmap}} if judge is p.classifier else None
    converted = to_onnx(model, initial_types=[(n, kind([None, data.shape[1]])) for n, kind, data, _ in columns],
                        options=options, target_opset=opset)
    p.write(writer, name, converted, lambda rows: judge(model, np.hstack([x[rows].astype(object) for x in test])),
            test, "Columns of several types in a ColumnTransformer, by skl2onnx.",
            labels=getattr(model, "classes_", None))


def mixed(final, numeric=None, text_=None):
    """Floats in columns 0 to 4, strings in 5 and 6."""
    return pipeline.Pipeline([("columns", compose.ColumnTransformer([
        ("numbers", numeric or preprocessing.StandardScaler(), list(range(5))),
        ("strings", text_ or preprocessing.OneHotEncoder(handle_unknown="ignore"), [5, 6])])), *final])


def models():
    made = {}

    def add(name, model, judge=p.transformer, **more):
        assert name not in made, name
        made[name] = partial(sklearn_model, model=model, judge=judge, **more)

    for name, model in SCALERS:
        add(name, model)
    add("binarizer_old", preprocessing.Binarizer(threshold=0.3), opset=OLD)
    add("standardscaler_old", preprocessing.StandardScaler(), opset=OLD)
    for name, model in ENCODERS:
        test = UNKNOWN if "ignore" in name or "unknown" in name else KNOWN
        add(f"{name}_strings", model, train=CATEGORIES, test=test)
        add(f"{name}_ints", type(model)(**model.get_params()), train=NUMBERS, test=MORE_NUMBERS)
    for kind in ("continuous", "binary"):
        y = p.target() if kind == "continuous" else p.classes(2)
        add(f"targetencoder_{kind}", preprocessing.TargetEncoder(target_type=kind, **SEED), train=CATEGORIES,
            test=KNOWN, y=y)
        add(f"targetencoder_{kind}_ints", preprocessing.TargetEncoder(target_type=kind, **SEED), train=NUMBERS,
            test=MORE_NUMBERS, y=y)
    for strategy in ("mean", "median", "most_frequent", "constant"):
        add(f"simpleimputer_{strategy}", impute.SimpleImputer(strategy=strategy, fill_value=0.5),
            train=holes(p.TRAIN),
            test=holes(p.TEST))
    add("normalizer_max", preprocessing.Normalizer("max"), test=np.abs(p.TEST), note="Values from zero up: below it "
        "scikit-learn divides by the largest absolute value and the operator by the largest value.")
    smooth = np.random.default_rng(10).normal(size=(350, 5)).astype(np.float32)  # no two distances are equal
    add("knnimputer", impute.KNNImputer(n_neighbors=3), train=holes(smooth[:150]), test=holes(smooth[150:]))
    add("featurehasher", feature_extraction.FeatureHasher(8, input_type="string", dtype=np.float32), train=CATEGORIES,
        test=KNOWN)
    add("featurehasher_unsigned", feature_extraction.FeatureHasher(8, input_type="string", dtype=np.float32,
                                                                   alternate_sign=False), train=CATEGORIES,
                                                                   test=KNOWN)
    add("selectkbest", feature_selection.SelectKBest(k=2), y=p.classes(2))
    add("selectpercentile", feature_selection.SelectPercentile(percentile=50), y=p.classes(2))
    add("selectfrommodel", feature_selection.SelectFromModel(linear_model.LogisticRegression()), y=p.classes(2))
    add("rfe", feature_selection.RFE(linear_model.LogisticRegression(), n_features_to_select=2), y=p.classes(2))
    add("featureunion", pipeline.FeatureUnion([("a", preprocessing.StandardScaler()), ("b", decomposition.PCA(2))]))
    for name, model in TEXTS:
        made[name] = partial(text_model, model=model)
    made["text_pipeline_naive_bayes"] = partial(text_model, model=pipeline.Pipeline(
        [("words", feature_extraction.text.CountVectorizer()), ("model", naive_bayes.MultinomialNB())]),
        y=np.arange(7) % 2)
    made["text_pipeline_logistic"] = partial(text_model, model=pipeline.Pipeline(
        [("words", feature_extraction.text.TfidfVectorizer()), ("model", linear_model.LogisticRegression())]),
        y=np.arange(7) % 3)
    chain(add)
    columns(made)
    return made.items()


def chain(add):
    """Pipelines of one float tensor."""
    for name, steps in (
            ("scaler_logistic", [preprocessing.StandardScaler(), linear_model.LogisticRegression()]),
            ("imputer_scaler_logistic", [impute.SimpleImputer(), preprocessing.StandardScaler(),
                                         linear_model.LogisticRegression()]),
            ("minmax_pca_svc", [preprocessing.MinMaxScaler(), decomposition.PCA(3), svm.SVC(probability=True,
                                                                                            **SEED)]),
            ("polynomial_logistic", [preprocessing.PolynomialFeatures(2),
                                     linear_model.LogisticRegression(max_iter=500)]),
            ("bins_bayes", [preprocessing.KBinsDiscretizer(4, encode="onehot-dense"), naive_bayes.BernoulliNB()]),
            ("scaler_mlp", [preprocessing.StandardScaler(), neural_network.MLPClassifier((8,), **SEED)]),
            ("select_forest", [feature_selection.SelectKBest(k=3), ensemble.RandomForestClassifier(**SMALL)])):
        for count in (2, 3):
            test = {"train": holes(p.TRAIN), "test": holes(p.TEST)} if "imputer" in name else {}
            add(f"chain_{name}_{count}", pipeline.make_pipeline(*steps), p.classifier, y=p.classes(count), **test)
            add(f"chain_{name}_{count}_zipmap", pipeline.make_pipeline(*steps), p.classifier, y=p.classes(count),
                options={"zipmap": True}, **test)
    for name, steps in (
            ("scaler_ridge", [preprocessing.StandardScaler(), linear_model.Ridge()]),
            ("power_pca_ridge", [preprocessing.PowerTransformer(), decomposition.PCA(3), linear_model.Ridge()]),
            ("robust_svr", [preprocessing.RobustScaler(), svm.SVR()]),
            ("scaler_boosting", [preprocessing.StandardScaler(), ensemble.GradientBoostingRegressor(**SMALL)])):
        add(f"chain_{name}", pipeline.make_pipeline(*steps), p.regressor, y=p.target())


def columns(made):
    """Pipelines of mixed inputs."""
    floats = ("numbers", FloatTensorType, p.TRAIN, p.TEST)
    strings = ("strings", StringTensorType, CATEGORIES, UNKNOWN)
    known = ("strings", StringTensorType, CATEGORIES, KNOWN)
    missing = ("numbers", FloatTensorType, holes(p.TRAIN), holes(p.TEST))
    y = p.classes(2) ^ (CATEGORIES[:, 0] == "oslo")
    names = np.array(["no", "yes"])[y]
    impute_scale = pipeline.make_pipeline(impute.SimpleImputer(strategy="median"), preprocessing.StandardScaler())
    ordinal = preprocessing.OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    for zipmap in (False, True):
        tail = "_zipmap" if zipmap else ""
        for name, model, labels in (
                ("logistic", linear_model.LogisticRegression(), y),
                ("logistic_strings", linear_model.LogisticRegression(), names),
                ("forest", ensemble.RandomForestClassifier(**SMALL), y),
                ("svc", svm.SVC(probability=True, **SEED), y),
                ("boosting", ensemble.GradientBoostingClassifier(**SMALL), names)):
            made[f"columns_{name}{tail}"] = partial(column_model, columns=[floats, strings], judge=p.classifier,
                                                    model=mixed([("model", model)]), y=labels, zipmap=zipmap)
        made[f"columns_missing{tail}"] = partial(
            column_model, columns=[missing, strings], judge=p.classifier, y=y, zipmap=zipmap,
            model=mixed([("model", linear_model.LogisticRegression())], numeric=impute_scale))
        made[f"columns_ordinal{tail}"] = partial(
            column_model, columns=[floats, strings], judge=p.classifier, y=y, zipmap=zipmap,
            model=mixed([("model", ensemble.RandomForestClassifier(**SMALL))], text_=ordinal))
    made["columns_target_encoder"] = partial(
        column_model, columns=[floats, known], judge=p.classifier, y=y,
        model=mixed([("model", linear_model.LogisticRegression())], text_=preprocessing.TargetEncoder(**SEED)))
    made["columns_regressor"] = partial(column_model, columns=[floats, strings], judge=p.regressor, y=p.target(),
                                        model=mixed([("model", linear_model.Ridge())]))
    made["columns_transformer"] = partial(column_model, columns=[floats, known], judge=p.transformer, y=None,
                                          model=mixed([]))
    whole = ("codes", Int64TensorType, NUMBERS, MORE_NUMBERS)
    made["columns_ints"] = partial(
        column_model, columns=[floats, whole], judge=p.classifier, y=y,
        model=mixed([("model", linear_model.LogisticRegression())]))
    made["columns_old"] = partial(
        column_model, columns=[floats, strings], judge=p.classifier, y=y, opset=OLD, zipmap=True,
        model=mixed([("model", ensemble.RandomForestClassifier(**SMALL))]))
