"""scikit-learn's linear models, and pipelines of scalers in front of them, as libinfer models.

The library folds scalers into the coefficients in double precision.
"""

from typing import Any, Callable, Dict, List, NamedTuple, Optional, Tuple

from .errors import InferArgumentError, InferUnsupportedError
from .linear import linear
from .model import Model


class _Layer(NamedTuple):
    """W x + b under a link."""

    coefficients: Any  # float64[N][K]
    intercepts: Any  # float64[N]
    link: str
    classes: Optional[List[Any]] = None


def _name(estimator: Any) -> str:
    return type(estimator).__name__


def _unsupported(estimator: Any, why: str = "") -> InferUnsupportedError:
    known = ", ".join(sorted([*_MODELS, *_SCALERS, "Pipeline"]))
    return InferUnsupportedError(
        f"from_sklearn: {_name(estimator)} {why or 'is not known; known are ' + known}"
    )


def _arrays(estimator: Any) -> Tuple[Any, Any]:
    import numpy as np

    if not hasattr(estimator, "coef_"):
        raise InferArgumentError(f"from_sklearn: {_name(estimator)} is not fitted")
    w = estimator.coef_
    if hasattr(w, "toarray"):  # sparsify()
        w = w.toarray()
    w = np.atleast_2d(np.asarray(w, np.float64))
    b = np.asarray(estimator.intercept_, np.float64).reshape(-1)
    return w, np.broadcast_to(b, (w.shape[0],)).copy()


def _classes(estimator: Any) -> List[Any]:
    import numpy as np

    labels = estimator.classes_
    if isinstance(labels, list):
        raise _unsupported(estimator, "has several targets; one is possible")
    labels = np.asarray(labels)
    if all(isinstance(label, str) for label in labels.tolist()):
        return [str(label) for label in labels]
    if labels.dtype.kind in "biu":
        return [int(label) for label in labels]
    if labels.dtype.kind == "f" and (labels == np.floor(labels)).all():
        return [int(label) for label in labels]
    raise _unsupported(estimator, f"has classes of type {labels.dtype}; integers and strings are possible")


def _regressor(link: str) -> Callable[[Any], _Layer]:
    def convert(estimator: Any) -> _Layer:
        return _Layer(*_arrays(estimator), link)

    return convert


def _tweedie(estimator: Any) -> _Layer:
    link = estimator.link
    if link == "auto":
        link = "identity" if estimator.power <= 0 else "log"
    return _Layer(*_arrays(estimator), {"identity": "identity", "log": "exp"}[link])


def _scores(estimator: Any) -> _Layer:
    """Classifiers that give decision values: the label of the largest one, or by its sign."""
    w, b = _arrays(estimator)
    classes = _classes(estimator)
    if w.shape[0] != (1 if len(classes) == 2 else len(classes)):
        raise _unsupported(estimator, "has several targets; one is possible")
    return _Layer(w, b, "identity", classes)


def _logistic(estimator: Any) -> _Layer:
    layer = _scores(estimator)
    several = layer.coefficients.shape[0] > 1
    one_vs_rest = getattr(estimator, "multi_class", "auto") == "ovr" or (
        getattr(estimator, "solver", "") == "liblinear"
    )
    if several and one_vs_rest:
        raise _unsupported(
            estimator, "is fitted one-vs-rest; only two classes or multinomial are possible"
        )
    if not several and getattr(estimator, "multi_class", "auto") == "multinomial":
        # softmax({-z, z}) is logistic(2 z).
        layer = layer._replace(
            coefficients=2 * layer.coefficients, intercepts=2 * layer.intercepts
        )
    return layer._replace(link="softmax" if several else "logistic")


def _discriminant(estimator: Any) -> _Layer:
    layer = _scores(estimator)
    return layer._replace(link="softmax" if layer.coefficients.shape[0] > 1 else "logistic")


def _sgd(estimator: Any) -> _Layer:
    layer = _scores(estimator)
    if estimator.loss != "log_loss":
        return layer
    if layer.coefficients.shape[0] > 1:
        raise _unsupported(estimator, "with log_loss is one-vs-rest; only two classes are possible")
    return layer._replace(link="logistic")


_MODELS: Dict[str, Callable[[Any], _Layer]] = {
    **dict.fromkeys(
        [
            "ARDRegression",
            "BayesianRidge",
            "ElasticNet",
            "ElasticNetCV",
            "HuberRegressor",
            "Lars",
            "Lasso",
            "LassoCV",
            "LassoLars",
            "LinearRegression",
            "LinearSVR",
            "MultiTaskElasticNet",
            "MultiTaskLasso",
            "OrthogonalMatchingPursuit",
            "Ridge",
            "RidgeCV",
            "SGDRegressor",
            "TheilSenRegressor",
        ],
        _regressor("identity"),
    ),
    **dict.fromkeys(["GammaRegressor", "PoissonRegressor"], _regressor("exp")),
    "TweedieRegressor": _tweedie,
    **dict.fromkeys(
        ["LinearSVC", "Perceptron", "RidgeClassifier", "RidgeClassifierCV"], _scores
    ),
    **dict.fromkeys(["LogisticRegression", "LogisticRegressionCV"], _logistic),
    "LinearDiscriminantAnalysis": _discriminant,
    "SGDClassifier": _sgd,
}

# Each scaler as x' = a x + c.


def _center_and_scale(center: str) -> Callable[[Any, int], Tuple[Any, Any]]:
    def convert(scaler: Any, width: int) -> Tuple[Any, Any]:
        import numpy as np

        middle, scale = getattr(scaler, center, None), scaler.scale_
        # The flags decide: an unscaled StandardScaler keeps its mean_.
        if middle is None or not getattr(scaler, "with_mean", True):
            middle = np.zeros(width)
        a = np.ones(width) if scale is None else 1 / np.asarray(scale, np.float64)
        return a, -np.asarray(middle, np.float64) * a

    return convert


def _min_max(scaler: Any, width: int) -> Tuple[Any, Any]:
    if scaler.clip:
        raise _unsupported(scaler, "with clip=True is not linear")
    return scaler.scale_, scaler.min_


def _max_abs(scaler: Any, width: int) -> Tuple[Any, Any]:
    import numpy as np

    if getattr(scaler, "clip", False):
        raise _unsupported(scaler, "with clip=True is not linear")
    return 1 / np.asarray(scaler.scale_, np.float64), np.zeros(width)


_SCALERS: Dict[str, Callable[[Any, int], Tuple[Any, Any]]] = {
    "MaxAbsScaler": _max_abs,
    "MinMaxScaler": _min_max,
    "RobustScaler": _center_and_scale("center_"),
    "StandardScaler": _center_and_scale("mean_"),
}


def _steps(estimator: Any) -> List[Any]:
    """The steps of a pipeline, of pipelines within it too, without those that do nothing."""
    if _name(estimator) != "Pipeline":
        return [estimator]
    return [
        inner
        for _, step in estimator.steps
        if step is not None and not isinstance(step, str)
        for inner in _steps(step)
    ]


def from_sklearn(estimator: Any) -> Model:
    """A fitted linear estimator of scikit-learn, or a pipeline of scalers and one, as a Model.

    InferUnsupportedError says what cannot be converted and why.
    """
    import numpy as np

    steps = _steps(estimator)
    if not steps or _name(steps[-1]) not in _MODELS:
        raise _unsupported(steps[-1] if steps else estimator)
    layer = _MODELS[_name(steps[-1])](steps[-1])
    w, b = layer.coefficients, layer.intercepts
    factor, offset = np.ones(w.shape[1]), np.zeros(w.shape[1])
    for step in steps[:-1]:
        if _name(step) not in _SCALERS:
            raise _unsupported(step)
        if not hasattr(step, "scale_"):
            raise InferArgumentError(f"from_sklearn: {_name(step)} is not fitted")
        a, c = (np.asarray(v, np.float64) for v in _SCALERS[_name(step)](step, w.shape[1]))
        factor, offset = factor * a, offset * a + c
    names = getattr(steps[0], "feature_names_in_", None)
    return linear(
        w, b, layer.link, layer.classes, None if names is None else [str(name) for name in names],
        mean=-offset / factor, scale=1 / factor,
    )
