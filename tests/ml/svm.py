"""SVMClassifier and SVMRegressor, judged by libsvm as scikit-learn has it."""

import warnings

import numpy as np
from sklearn.svm import SVC, SVR, NuSVC, NuSVR, OneClassSVM

from tests.ml.linear import NUMBERS, TRANSFORMS
from tests.ml.values import features

KERNELS = {"linear": {}, "poly": {"gamma": 0.2, "coef0": 0.75, "degree": 3}, "rbf": {"gamma": 0.3},
           "sigmoid": {"gamma": 0.05, "coef0": -0.25}}
ROWS = 9


def kernel_attributes(model):
    return {"kernel_type": model.kernel.upper(),
            "kernel_params": [getattr(model, "gamma", 0.0) if model.kernel != "linear" else 0.0, model.coef0,
                              float(model.degree)]}


def classifier_attributes(model):
    """libsvm's own signs: scikit-learn turns those of a binary model around in its public attributes."""
    out = {"coefficients": model._dual_coef_.ravel().tolist(), "rho": model._intercept_.tolist(),
           "support_vectors": model.support_vectors_.ravel().tolist(),
           "vectors_per_class": model.n_support_.tolist(), **kernel_attributes(model)}
    if model.probability is True:
        out |= {"prob_a": model._probA.tolist(), "prob_b": model._probB.tolist()}
    return out


def fitted(classes, kind=SVC, seed=20, dtype="float64", **options):
    """A model and rows on which its label is that of its probabilities too: libsvm and scikit-learn say one
    thing each where they are not."""
    x = features("float64" if dtype.startswith("float") else dtype, seed, 90, 3)
    x = x.astype(np.float32).astype(np.float64)
    y = (x @ features("float32", seed + 1, 3, classes)).argmax(axis=1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        model = kind(random_state=0, decision_function_shape="ovo", **options).fit(x, y)
        if options.get("probability"):
            x = x[model.predict_proba(x).argmax(axis=1) == model.predict(x)]
    decisions = np.abs(model.decision_function(x).reshape(len(x), -1))
    return model, x[(decisions > 1e-3).all(axis=1)][:ROWS]


def native(model, x):
    if model.probability is True:
        return model.predict_proba(x).astype(np.float32)
    scores = model.decision_function(x).reshape(len(x), -1).astype(np.float32)
    return np.hstack([scores, -scores]) if len(model.classes_) == 2 else scores


def classifier(w):
    op = "SVMClassifier"
    for kernel, params in KERNELS.items():
        for classes in (2, 3, 4):
            for probability in (False, True):
                model, x = fitted(classes, kernel=kernel, probability=probability, **params)
                names = [f"c{i}" for i in range(classes)]
                labels = model.predict(x)
                ints = [3 * i - 2 for i in range(classes)]
                kind = f"{kernel}_{classes}{'_probability' if probability else ''}"
                note = "Judged by scikit-learn's SVC: " + (
                    "predict_proba." if probability else "decision_function of pairs of classes."
                    if classes > 2 else "decision_function d; the scores are {d, -d}, libsvm's sign in the second "
                                        "column, as several runtimes have it.")
                w.case(f"svm_classifier_{kind}", op, [x.astype(np.float32)], note, classlabels_ints=ints,
                       expected=[np.array(ints)[labels], native(model, x)], **classifier_attributes(model))
                if kernel == "rbf":
                    w.case(f"svm_classifier_{kind}_strings", op, [x.astype(np.float32)], note,
                           classlabels_strings=names,
                           expected=[np.array(names, dtype=object)[labels], native(model, x)],
                           **classifier_attributes(model))
    model, x = fitted(3, NuSVC, kernel="rbf", nu=0.3, gamma=0.2, probability=True)
    w.case("svm_classifier_nu_probability", op, [x.astype(np.float32)], "Judged by scikit-learn's NuSVC.",
           expected=[model.predict(x), native(model, x)], classlabels_ints=[0, 1, 2], **classifier_attributes(model))
    for dtype in NUMBERS:
        for probability in (False, True):
            model, x = fitted(3, kernel="rbf", gamma=0.3, dtype=dtype, probability=probability)
            w.case(f"svm_classifier_{dtype}{'_probability' if probability else ''}", op, [x.astype(dtype)],
                   "Judged by scikit-learn's SVC.", expected=[model.predict(x), native(model, x)],
                   classlabels_ints=[0, 1, 2], **classifier_attributes(model))
    model, x = fitted(3, kernel="rbf", gamma=0.3)
    proba, _ = fitted(3, kernel="rbf", gamma=0.3, probability=True)
    x = x.astype(np.float32)
    three = {"classlabels_ints": [0, 1, 2]}
    for transform in TRANSFORMS:
        fit = proba if transform == "PROBIT" else model
        w.case(f"svm_classifier_post_{transform.lower()}", op, [x], "The transform applies to the "
               + ("probabilities." if fit is proba else "decisions."), post_transform=transform, **three,
               **classifier_attributes(fit))
    w.case("svm_classifier_vector", op, [x[0]], "A vector is one row.", **three, **classifier_attributes(proba))
    w.case("svm_classifier_alone", op, [x], "The model imports only ai.onnx.ml.", alone=True, **three,
           **classifier_attributes(proba))
    w.case("svm_classifier_no_rows", op, [x[:0]], **three, **classifier_attributes(proba))
    w.case("svm_classifier_batches", op, [[x[:3]], [x[:0]], [x[:1]], [np.tile(x, (15, 1))]],
           "One model, batches of several sizes.", **three, **classifier_attributes(proba))
    linear = {"coefficients": [0.5, -1.25, 0.1, 0.3, 0.2, -0.9, 1.5, 0.0, 0.25], "rho": [0.125],
              "kernel_params": [0.0, 0.0, 0.0]}
    for transform in TRANSFORMS[:4]:
        w.case(f"svm_classifier_no_vectors_{transform.lower()}", op, [x], "No support vectors: a linear model.",
               post_transform=transform, **three, **linear)
    w.case("svm_classifier_no_kernel_params", op, [x], "kernel_params is optional.",
           **three, **{k: v for k, v in linear.items() if k != "kernel_params"})
    w.case("svm_classifier_no_vectors_strings", op, [x], "No support vectors: a linear model.",
           classlabels_strings=["a", "b", "c"], **linear)


def away(x, scores):
    """Rows whose score is not near zero, where float and double would differ."""
    return x[np.abs(scores) > 0.05 * np.abs(scores).max()][:ROWS]


def regressor(w):
    op = "SVMRegressor"
    x = features("float32", 30, 80, 3)
    y = np.sin(x[:, 0]) + 0.5 * x[:, 1]
    for kernel, params in KERNELS.items():
        for kind in (SVR, NuSVR, OneClassSVM):
            model = kind(kernel=kernel, **params)
            model.fit(x.astype(np.float64), None if kind is OneClassSVM else y)
            score = model.decision_function if kind is OneClassSVM else model.predict
            rows = away(x, score(x.astype(np.float64)))
            expected = model.predict(rows.astype(np.float64)).reshape(-1, 1).astype(np.float32)
            w.case(f"svm_regressor_{kernel}_{kind.__name__.lower()}", op, [rows],
                   f"Judged by scikit-learn's {kind.__name__}.predict.", expected=[expected],
                   one_class=int(kind is OneClassSVM), **regressor_attributes(model))
    for dtype in NUMBERS:
        for kind in (SVR, OneClassSVM):
            whole = features(dtype, 31, 60, 3).astype(np.float32).astype(np.float64)
            model = kind(kernel="rbf", gamma=0.1)
            model.fit(whole, None if kind is OneClassSVM else whole[:, 0] - 0.5 * whole[:, 2])
            score = model.decision_function if kind is OneClassSVM else model.predict
            rows = away(whole, score(whole))
            w.case(f"svm_regressor_{dtype}_{kind.__name__.lower()}", op, [rows.astype(dtype)],
                   f"Judged by scikit-learn's {kind.__name__}.predict.", one_class=int(kind is OneClassSVM),
                   expected=[model.predict(rows).reshape(-1, 1).astype(np.float32)], **regressor_attributes(model))
    model = SVR(kernel="rbf", gamma=0.2).fit(x.astype(np.float64), y)
    attributes = regressor_attributes(model)
    for transform in TRANSFORMS[:4]:
        w.case(f"svm_regressor_post_{transform.lower()}", op, [x[:ROWS]],
               "The transform applies to a vector of one score too.", post_transform=transform, **attributes)
    squeezed = SVR(kernel="rbf", gamma=0.2).fit(x.astype(np.float64), 0.5 + 0.1 * y)
    w.case("svm_regressor_post_probit", op, [x[:ROWS]], post_transform="PROBIT", **regressor_attributes(squeezed))
    w.case("svm_regressor_vector", op, [x[0]], "A vector is one row.", **attributes)
    w.case("svm_regressor_alone", op, [x[:4]], "The model imports only ai.onnx.ml.", alone=True, **attributes)
    w.case("svm_regressor_no_rows", op, [x[:0]], **attributes)
    w.case("svm_regressor_batches", op, [[x[:3]], [x[:0]], [x[:1]], [x]], "One model, batches of several sizes.",
           **attributes)
    linear = {"coefficients": [0.5, -1.25, 2.0], "rho": [0.125], "kernel_params": [0.0, 0.0, 0.0]}
    w.case("svm_regressor_no_vectors", op, [x[:5]], "No support vectors: a linear model.", **linear)
    w.case("svm_regressor_no_vectors_one_class", op, [x[:5]], "No support vectors: a linear model.", one_class=1,
           **linear)
    del linear["kernel_params"]
    w.case("svm_regressor_no_kernel_params", op, [x[:5]], "kernel_params is optional.", **linear)


def regressor_attributes(model):
    return {"coefficients": model.dual_coef_.ravel().tolist(), "rho": model.intercept_.tolist(),
            "support_vectors": model.support_vectors_.ravel().tolist(),
            "n_supports": len(model.support_vectors_), **kernel_attributes(model)}


FAMILIES = [classifier, regressor]
