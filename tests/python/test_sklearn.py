"""Predictions against scikit-learn: converted from coefficients, and exported by skl2onnx."""

import warnings

import numpy as np
import pytest
from conftest import DOUBLE, FLOAT

import libinfer

sklearn = pytest.importorskip("sklearn")
from sklearn import linear_model, preprocessing, svm  # noqa: E402
from sklearn.pipeline import make_pipeline  # noqa: E402

REGRESSORS = {
    "LinearRegression": linear_model.LinearRegression(),
    "LinearRegression without intercept": linear_model.LinearRegression(fit_intercept=False),
    "Ridge": linear_model.Ridge(0.3),
    "Lasso": linear_model.Lasso(0.01),
    "ElasticNet": linear_model.ElasticNet(0.01),
    "SGDRegressor": linear_model.SGDRegressor(random_state=0),
    "PoissonRegressor": linear_model.PoissonRegressor(),
    "GammaRegressor": linear_model.GammaRegressor(),
    "Tweedie log": linear_model.TweedieRegressor(power=1.5),
    "Tweedie identity": linear_model.TweedieRegressor(power=0),
}
CLASSIFIERS = {
    "LogisticRegression": linear_model.LogisticRegression(max_iter=2000),
    "SGDClassifier": linear_model.SGDClassifier(loss="log_loss", random_state=0),
    "RidgeClassifier": linear_model.RidgeClassifier(),
    "LinearSVC": svm.LinearSVC(),
}
SCALERS = {
    "none": [],
    "StandardScaler": [preprocessing.StandardScaler()],
    "StandardScaler without mean": [preprocessing.StandardScaler(with_mean=False)],
    "StandardScaler without std": [preprocessing.StandardScaler(with_std=False)],
    "MinMaxScaler": [preprocessing.MinMaxScaler((-1, 2))],
    "MaxAbsScaler": [preprocessing.MaxAbsScaler()],
    "RobustScaler": [preprocessing.RobustScaler()],
    "RobustScaler without centering": [preprocessing.RobustScaler(with_centering=False)],
    "two": [preprocessing.MinMaxScaler(), preprocessing.StandardScaler()],
}


def fit(steps, X, y):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return sklearn.base.clone(make_pipeline(*steps)).fit(X, y)


def decided(scores):
    """Rows whose best two scores are apart: float32 may order the others differently."""
    top = np.sort(scores.reshape(len(scores), -1), 1)
    return (top[:, -1] - top[:, -2] if top.shape[1] > 1 else np.abs(top[:, 0])) > 1e-4


@pytest.mark.parametrize("scaler", SCALERS)
@pytest.mark.parametrize("name", REGRESSORS)
@pytest.mark.parametrize("seed", range(3))
def test_regressors(name, scaler, seed):
    random = np.random.default_rng(seed)
    X = random.normal(size=(80, 1 + 4 * seed)) * 2 + 1
    y = np.exp(X.mean(1) / 4 + random.normal(size=80) / 10)
    estimator = fit([*SCALERS[scaler], REGRESSORS[name]], X, y)
    with libinfer.from_sklearn(estimator) as model:
        np.testing.assert_allclose(model.predict(X), estimator.predict(X), **DOUBLE)
        f = X.astype(np.float32)
        got = model.predict(f)
        assert got.dtype == np.float32 and got.shape == (80,)
        np.testing.assert_allclose(got, estimator.predict(f.astype(np.float64)), **FLOAT)


@pytest.mark.parametrize("texts", [False, True], ids=["ints", "texts"])
@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("scaler", SCALERS)
@pytest.mark.parametrize("name", CLASSIFIERS)
def test_classifiers(name, scaler, classes, texts, iris_like):
    X, y = iris_like
    X, y = X[y < classes], y[y < classes]
    labels = np.array(["röt", "green", "blue"])[y] if texts else y * 10 - 5
    if name == "SGDClassifier" and classes == 3:
        with pytest.raises(libinfer.InferUnsupportedError, match="one-vs-rest"):
            libinfer.from_sklearn(fit([*SCALERS[scaler], CLASSIFIERS[name]], X, labels))
        return
    estimator = fit([*SCALERS[scaler], CLASSIFIERS[name]], X, labels)
    with libinfer.from_sklearn(estimator) as model:
        assert model.classes == estimator.classes_.tolist()
        assert (model.predict(X) == estimator.predict(X)).all()
        f = X.astype(np.float32)
        sure = decided(estimator.decision_function(f))
        assert sure.sum() > 90
        assert (model.predict(f) == estimator.predict(f))[sure].all()
        if hasattr(estimator, "predict_proba"):
            np.testing.assert_allclose(model.predict_proba(X), estimator.predict_proba(X), **DOUBLE)
            np.testing.assert_allclose(
                model.predict_proba(f), estimator.predict_proba(f.astype(float)), **FLOAT)
        else:
            scores = estimator.decision_function(X)
            if classes == 2:
                scores = np.stack([-scores, scores], 1)
            np.testing.assert_allclose(model.predict_proba(X), scores, **DOUBLE)


def test_several_targets(iris_like):
    X, y = iris_like
    estimator = linear_model.LinearRegression().fit(X, np.stack([y, -2 * y], 1))
    with libinfer.from_sklearn(estimator) as model:
        np.testing.assert_allclose(model.predict(X), estimator.predict(X), **DOUBLE)


def test_feature_names_come_along(iris_like):
    X, y = iris_like
    estimator = linear_model.LogisticRegression().fit(X, y)
    estimator.feature_names_in_ = np.array(["a", "b", "c", "d"], object)
    with libinfer.from_sklearn(estimator) as model:
        assert model.feature_names == ["a", "b", "c", "d"]


def test_what_is_not_linear_says_so(iris_like):
    from sklearn.ensemble import RandomForestClassifier

    X, y = iris_like
    with pytest.raises(libinfer.InferUnsupportedError, match="RandomForestClassifier"):
        libinfer.from_sklearn(RandomForestClassifier(3).fit(X, y))
    clipping = make_pipeline(preprocessing.MinMaxScaler(clip=True), linear_model.Ridge()).fit(X, y)
    with pytest.raises(libinfer.InferUnsupportedError, match="clip"):
        libinfer.from_sklearn(clipping)
    between = make_pipeline(preprocessing.PolynomialFeatures(), linear_model.Ridge()).fit(X, y)
    with pytest.raises(NotImplementedError, match="PolynomialFeatures"):
        libinfer.from_sklearn(between)
    with pytest.raises(libinfer.InferArgumentError, match="not fitted"):
        libinfer.from_sklearn(linear_model.Ridge())


EXPORTED = {**{k: v for k, v in REGRESSORS.items() if "Tweedie" not in k},
            **{k: v for k, v in CLASSIFIERS.items() if k != "RidgeClassifier"}}


# skl2onnx cannot export a pipeline that ends in LinearSVC.
@pytest.mark.parametrize("name,scaled", [(name, scaled) for name in EXPORTED
                                         for scaled in (False, True)
                                         if not (scaled and name == "LinearSVC")])
def test_exported_by_skl2onnx(name, scaled, iris_like):
    skl2onnx = pytest.importorskip("skl2onnx")
    X, y = iris_like
    X = X.astype(np.float32)
    target = y + 1.0 if name in REGRESSORS else y
    steps = [preprocessing.StandardScaler()] if scaled else []
    estimator = fit([*steps, EXPORTED[name]], X, target)
    if not scaled:
        estimator = estimator[-1]
    shape = skl2onnx.common.data_types.FloatTensorType([None, X.shape[1]])
    proto = skl2onnx.convert_sklearn(estimator, initial_types=[("X", shape)])
    try:
        model = libinfer.load(proto)
    except libinfer.InferUnsupportedError as error:
        pytest.skip(f"no such operator in this build: {error}")
    with model:
        if name in REGRESSORS:
            np.testing.assert_allclose(
                np.ravel(model.predict(X)), estimator.predict(X), rtol=1e-5, atol=1e-5)
            return
        sure = decided(estimator.decision_function(X))
        assert (model.predict(X) == estimator.predict(X))[sure].all()
        if hasattr(estimator, "predict_proba"):
            np.testing.assert_allclose(
                model.predict_proba(X), estimator.predict_proba(X), rtol=1e-5, atol=1e-6)


def test_zipmap_is_a_list_of_dicts(iris_like):
    skl2onnx = pytest.importorskip("skl2onnx")
    X, y = iris_like
    X = X.astype(np.float32)
    estimator = linear_model.LogisticRegression().fit(X, y)
    with libinfer.load(skl2onnx.to_onnx(estimator, X[:1])) as model:
        labels, maps = model.run({"X": X}).values()
        assert (labels == estimator.predict(X)).all()
        expected = estimator.predict_proba(X)
        assert [list(row) for row in maps] == [[0, 1, 2]] * len(X)
        np.testing.assert_allclose([list(row.values()) for row in maps], expected, **FLOAT)
        np.testing.assert_allclose(model.predict_proba(X), expected, **FLOAT)
