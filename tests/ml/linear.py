"""LinearRegressor and LinearClassifier."""

import numpy as np
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.multiclass import OneVsRestClassifier

from tests.ml.values import features, floats

TRANSFORMS = ["NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO", "PROBIT"]
NUMBERS = ["float32", "float64", "int64", "int32"]
ONE = {"coefficients": [0.5, -1.25, 0.1, 2.0, -0.3], "intercepts": [0.75]}
TWO = {"coefficients": [0.5, -1.25, 0.1, 2.0, -0.3, 1.0, 0.2, -0.4, 0.6, 0.8], "intercepts": [0.75, -0.5],
       "targets": 2}
BINARY = {"coefficients": [0.5, -1.25, 0.1], "intercepts": [0.125]}
PAIR = {"coefficients": [0.5, -1.25, 0.1, 0.3, 0.2, -0.9], "intercepts": [0.25, -0.5]}
THREE = {"coefficients": [0.5, -1.25, 0.1, 0.3, 0.2, -0.9, 1.5, 0.0, 0.25], "intercepts": [0.25, -0.5, 0.0]}
SILENT = "Two labels and one row of coefficients: the specification does not say what the scores are, and " \
         "runtimes differ, so only the label is asked for."


def probabilities(columns):
    """Rows whose scores under the identity lie inside (0, 1), the domain of PROBIT."""
    return np.random.default_rng(41).uniform(0.02, 0.98, size=(6, columns)).astype(np.float32)


def batches(seed, columns, *rows):
    return [[features("float32", seed + n, n, columns)] for n in rows]


def regressor(w):
    op = "LinearRegressor"
    x = features("float32", 1, 6, 5)
    for transform in TRANSFORMS:
        name = transform.lower()
        if transform == "PROBIT":
            p = probabilities(2)
            w.case(f"linear_regressor_one_{name}", op, [p], coefficients=[1.0, 0.0], post_transform=transform)
            w.case(f"linear_regressor_two_{name}", op, [p], coefficients=[1.0, 0.0, 0.5, 0.25], targets=2,
                   post_transform=transform)
            continue
        w.case(f"linear_regressor_one_{name}", op, [x], "The transform applies to a vector of one score too.",
               post_transform=transform, **ONE)
        w.case(f"linear_regressor_two_{name}", op, [x], post_transform=transform, **TWO)
    edges = floats([0.1], [0.5], [0.9], [1e-6], [0.0], [1.0], [1.5], [0.999])
    w.case("linear_regressor_probit_edges", op, [edges], "Infinite at 0 and 1, no number outside of them.",
           coefficients=[1.0], post_transform="PROBIT")
    w.case("linear_regressor_softmax_far", op, [floats([800, -800], [90, 91], [-1000, -1001])],
           "Scores far apart neither overflow nor become NaN.", coefficients=[1.0, 0.0, 0.0, 1.0], targets=2,
           post_transform="SOFTMAX")
    w.case("linear_regressor_logistic_far", op, [floats([80, -80], [30, 1000], [-1000, 0])],
           coefficients=[1.0, 0.0, 0.0, 1.0], targets=2, post_transform="LOGISTIC")
    w.case("linear_regressor_softmax_zero_zeros", op, [floats([0, 2, -1], [1, 0, 0], [3, 1, 2])],
           "Scores of zero stay zero and take no part in the sum.", targets=3, post_transform="SOFTMAX_ZERO",
           coefficients=np.eye(3).ravel().tolist())
    w.case("linear_regressor_no_intercepts", op, [x], coefficients=ONE["coefficients"])
    w.case("linear_regressor_two_no_intercepts", op, [x], coefficients=TWO["coefficients"], targets=2)
    w.case("linear_regressor_vector", op, [x[0]], "A vector is one row.", **ONE)
    w.case("linear_regressor_vector_two", op, [x[0]], "A vector is one row.", **TWO)
    w.case("linear_regressor_wide", op, [features("float32", 2, 3, 700)], targets=3,
           coefficients=features("float32", 3, 2100).tolist(), intercepts=[1.0, 2.0, 3.0])
    w.case("linear_regressor_many_targets", op, [features("float32", 5, 4, 3)], targets=67,
           coefficients=features("float32", 6, 201).tolist(), intercepts=features("float32", 7, 67).tolist())
    w.case("linear_regressor_one_feature", op, [features("float32", 8, 5, 1)], coefficients=[2.5], intercepts=[-1.0])
    for dtype in NUMBERS:
        w.case(f"linear_regressor_one_{dtype}", op, [features(dtype, 4, 5, 5)], **ONE)
        w.case(f"linear_regressor_two_{dtype}", op, [features(dtype, 4, 5, 5)], **TWO)
    w.case("linear_regressor_alone", op, [x], "The model imports only ai.onnx.ml.", alone=True, **ONE)
    w.case("linear_regressor_no_rows", op, [x[:0]], **TWO)
    w.case("linear_regressor_batches", op, batches(50, 5, 3, 0, 1, 64), "One model, batches of several sizes.", **TWO)
    native_regressors(w)


def native_regressors(w):
    x = features("float32", 9, 40, 4)
    y = features("float32", 10, 40, 3)
    for name, model in (("linear_regression", LinearRegression()), ("ridge", Ridge()),
                        ("linear_regression_no_intercept", LinearRegression(fit_intercept=False))):
        for targets in (1, 3):
            model.fit(x.astype(np.float64), y[:, :targets].astype(np.float64))
            intercepts = np.atleast_1d(model.intercept_).tolist() if model.fit_intercept else None
            w.case(f"linear_regressor_sklearn_{name}_{targets}", "LinearRegressor", [x[:9]],
                   f"Judged by scikit-learn's {type(model).__name__}.predict.", targets=targets,
                   expected=[model.predict(x[:9].astype(np.float64)).reshape(9, targets).astype(np.float32)],
                   coefficients=model.coef_.ravel().tolist(), intercepts=intercepts)


def classifier(w):
    op = "LinearClassifier"
    x = np.vstack([features("float32", 5, 6, 3), np.zeros((1, 3), np.float32)])
    labels = {"ints": ([7, -3], [5, 6, 10]), "strings": (["no", "yes"], ["a", "", "straße"])}
    for kind, (two, three) in labels.items():
        key = f"classlabels_{kind}"
        for transform in TRANSFORMS:
            t = f"{kind}_{transform.lower()}"
            if transform == "PROBIT":
                p = probabilities(2)
                w.case(f"linear_classifier_pair_{t}", op, [p], coefficients=[1.0, 0.0, 0.5, 0.25],
                       intercepts=[0.0, 0.125], post_transform=transform, **{key: two})
                w.case(f"linear_classifier_three_{t}", op, [p], post_transform=transform,
                       coefficients=[1.0, 0.0, 0.5, 0.25, 0.0, 1.0], intercepts=[0.0, 0.125, 0.0], **{key: three})
                continue
            only = transform != "LOGISTIC"
            w.case(f"linear_classifier_binary_{t}", op, [x], SILENT if only else "One row of coefficients for "
                   "two classes: the scores are {1 - p, p}.", outputs=(0,) if only else (0, 1),
                   post_transform=transform, **{key: two}, **BINARY)
            w.case(f"linear_classifier_pair_{t}", op, [x], post_transform=transform, **{key: two}, **PAIR)
            for multi in (0, 1):
                w.case(f"linear_classifier_three_{t}_multi{multi}", op, [x], "multi_class changes nothing.",
                       multi_class=multi, post_transform=transform, **{key: three}, **THREE)
    w.case("linear_classifier_vector", op, [x[0]], "A vector is one row.", classlabels_ints=[5, 6, 10], **THREE)
    w.case("linear_classifier_vector_binary", op, [x[0]], "A vector is one row.", classlabels_ints=[0, 1],
           post_transform="LOGISTIC", **BINARY)
    for dtype in NUMBERS:
        w.case(f"linear_classifier_{dtype}", op, [features(dtype, 6, 5, 3)], classlabels_ints=[5, 6, 10],
               post_transform="LOGISTIC", **THREE)
        w.case(f"linear_classifier_strings_{dtype}", op, [features(dtype, 6, 5, 3)], post_transform="SOFTMAX",
               classlabels_strings=["a", "b", "c"], **THREE)
    w.case("linear_classifier_no_intercepts", op, [x[:2]], "Intercepts are optional.", classlabels_ints=[4, 5],
           coefficients=PAIR["coefficients"])
    w.case("linear_classifier_binary_no_intercepts", op, [x], "Intercepts are optional.", classlabels_ints=[4, 5],
           coefficients=BINARY["coefficients"], post_transform="LOGISTIC")
    w.case("linear_classifier_ties", op, [floats([1, 1, 0], [2, 0, 2], [0, 0, 0])], "The first of equal scores wins.",
           classlabels_ints=[3, 2, 1], coefficients=np.eye(3).ravel().tolist(), intercepts=[0.0, 0.0, 0.0])
    w.case("linear_classifier_large_labels", op, [x], classlabels_ints=[1 << 60, -(1 << 60), 0], **THREE)
    w.case("linear_classifier_many", op, [features("float32", 12, 5, 4)], classlabels_ints=list(range(100, 250)),
           coefficients=features("float32", 13, 600).tolist(), intercepts=features("float32", 14, 150).tolist(),
           post_transform="SOFTMAX")
    w.case("linear_classifier_label_only", op, [x], "The scores are not asked for.", outputs=(0,),
           classlabels_ints=[5, 6, 10], **THREE)
    w.case("linear_classifier_scores_only", op, [x], "The labels are not asked for.", outputs=(1,),
           classlabels_ints=[5, 6, 10], **THREE)
    w.case("linear_classifier_alone", op, [x], "The model imports only ai.onnx.ml.", alone=True,
           classlabels_ints=[5, 6, 10], **THREE)
    w.case("linear_classifier_no_rows", op, [x[:0]], classlabels_ints=[5, 6, 10], **THREE)
    w.case("linear_classifier_no_rows_strings", op, [x[:0]], classlabels_strings=["a", "b", "c"], **THREE)
    w.case("linear_classifier_batches", op, batches(60, 3, 3, 0, 1, 64), "One model, batches of several sizes.",
           classlabels_strings=["a", "b", "c"], post_transform="SOFTMAX", **THREE)
    native_classifiers(w)


def native_classifiers(w):
    x = features("float32", 15, 60, 4)
    for classes in (2, 3, 5):
        y = np.arange(60) % classes
        y[x[:, 0] > 1] = 0
        for strings in (False, True):
            names = np.array([f"class {i}" for i in range(classes)]) if strings else np.arange(classes) * 10 - 10
            labels = {"classlabels_strings" if strings else "classlabels_ints": names.tolist()}
            kind = f"{classes}_{'strings' if strings else 'ints'}"
            model = LogisticRegression(max_iter=300).fit(x.astype(np.float64), names[y])
            expected = [model.predict(x[:11]), model.predict_proba(x[:11]).astype(np.float32)]
            expected[0] = expected[0].astype(object if strings else np.int64)
            w.case(f"linear_classifier_sklearn_logistic_{kind}", "LinearClassifier", [x[:11]],
                   "Judged by scikit-learn's LogisticRegression.", expected=expected,
                   coefficients=model.coef_.ravel().tolist(), intercepts=model.intercept_.tolist(),
                   post_transform="LOGISTIC" if classes == 2 else "SOFTMAX", multi_class=int(classes > 2), **labels)
            if classes == 2:
                continue
            model = OneVsRestClassifier(LogisticRegression(max_iter=300)).fit(x.astype(np.float64), names[y])
            coefficients = np.vstack([m.coef_ for m in model.estimators_])
            w.case(f"linear_classifier_sklearn_one_vs_rest_{kind}", "LinearClassifier", [x[:11]],
                   "Judged by scikit-learn's OneVsRestClassifier, whose predict and decision_function it is.",
                   expected=[model.predict(x[:11]).astype(object if strings else np.int64),
                             model.decision_function(x[:11]).astype(np.float32)],
                   coefficients=coefficients.ravel().tolist(), **labels,
                   intercepts=np.concatenate([m.intercept_ for m in model.estimators_]).tolist())


FAMILIES = [regressor, classifier]
