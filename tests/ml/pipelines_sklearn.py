"""Estimators of scikit-learn, converted by skl2onnx."""

from functools import partial

import numpy as np
from skl2onnx import to_onnx
from skl2onnx.common._container import ModelComponentContainer
from sklearn import (calibration, cluster, cross_decomposition, decomposition, discriminant_analysis, ensemble,
                     gaussian_process, linear_model, mixture, multiclass, multioutput, naive_bayes, neighbors,
                     neural_network, svm, tree)
from sklearn.gaussian_process import kernels

from tests.ml import pipelines as p

add_node = ModelComponentContainer.add_node


def add_plain_node(self, *arguments, **attributes):
    """skl2onnx hands lists of NumPy's booleans to onnx, which takes plain numbers."""
    plain = {k: [i.item() if isinstance(i, np.generic) else i for i in v] if isinstance(v, list) else v
             for k, v in attributes.items()}
    plain = {k: [int(i) if isinstance(i, bool) else i for i in v] if isinstance(v, list) else v
             for k, v in plain.items()}
    return add_node(self, *arguments, **plain)


ModelComponentContainer.add_node = add_plain_node


def sklearn_model(writer, name, model, judge, y=None, train=None, test=None, options=None, opset=None, note=""):
    """Fits, converts and judges a model of one float tensor."""
    train, test = (p.TRAIN if train is None else train), (p.TEST if test is None else test)
    model.fit(train.astype(np.float64) if train.dtype.kind == "f" else train, y)
    if judge in (p.classifier, p.decided, p.label_row) and not isinstance(model, svm.LinearSVC):
        options = {"zipmap": False, **(options or {})}
    converted = to_onnx(model, train[:1], options=None if options is None else {id(model): options},
                        target_opset=opset)
    p.write(writer, name, converted, lambda rows: judge(model, test[rows].astype(np.float64)
                                                       if test.dtype.kind == "f" else test[rows]),
            [test], note or f"scikit-learn's {type(model).__name__} by skl2onnx.",
            labels=getattr(model, "classes_", None))


SEED = {"random_state": 0}
SMALL = {"n_estimators": 9, "random_state": 0}
REGRESSORS = [
    (linear_model.LinearRegression, {}), (linear_model.Ridge, {"alpha": 0.5}), (linear_model.Lasso, {"alpha": 0.01}),
    (linear_model.ElasticNet, {"alpha": 0.01}), (linear_model.BayesianRidge, {}), (linear_model.ARDRegression, {}),
    (linear_model.HuberRegressor, {}), (linear_model.SGDRegressor, SEED), (linear_model.Lars, {}),
    (linear_model.LassoLars, {"alpha": 0.001}), (linear_model.OrthogonalMatchingPursuit, {}),
    (linear_model.TheilSenRegressor, SEED), (linear_model.RANSACRegressor, SEED),
    (linear_model.QuantileRegressor, {"alpha": 0.01}), (svm.LinearSVR, SEED),
    (svm.SVR, {"kernel": "linear"}), (svm.SVR, {"kernel": "poly", "coef0": 0.5}), (svm.SVR, {"kernel": "rbf"}),
    (svm.SVR, {"kernel": "sigmoid", "gamma": 0.05}), (svm.NuSVR, {}), (tree.DecisionTreeRegressor, SEED),
    (tree.ExtraTreeRegressor, SEED), (ensemble.RandomForestRegressor, SMALL), (ensemble.ExtraTreesRegressor, SMALL),
    (ensemble.GradientBoostingRegressor, SMALL), (ensemble.HistGradientBoostingRegressor, {"max_iter": 9}),
    (ensemble.AdaBoostRegressor, SMALL), (ensemble.BaggingRegressor, SMALL),
    (neighbors.KNeighborsRegressor, {"n_neighbors": 4}),
    (neighbors.KNeighborsRegressor, {"n_neighbors": 3, "p": 1}),
    (neural_network.MLPRegressor, {"hidden_layer_sizes": (8, 4), **SEED}),
    (neural_network.MLPRegressor, {"activation": "tanh", "hidden_layer_sizes": (6,), **SEED}),
    (neural_network.MLPRegressor, {"activation": "logistic", "hidden_layer_sizes": (6,), **SEED}),
    (neural_network.MLPRegressor, {"activation": "identity", "hidden_layer_sizes": (6,), **SEED}),
    (gaussian_process.GaussianProcessRegressor, {"alpha": 0.1, "optimizer": None}),
    (gaussian_process.GaussianProcessRegressor,
     {"alpha": 0.1, "optimizer": None, "kernel": 2.0 * kernels.RBF(1.5) + kernels.WhiteKernel(0.1)}),
    (gaussian_process.GaussianProcessRegressor,
     {"alpha": 0.1, "optimizer": None, "kernel": kernels.Matern(1.5, nu=1.5)}),
    (gaussian_process.GaussianProcessRegressor,
     {"alpha": 0.1, "optimizer": None, "kernel": kernels.RationalQuadratic(1.5, 0.5)}),
    (gaussian_process.GaussianProcessRegressor,
     {"alpha": 0.1, "optimizer": None, "kernel": kernels.DotProduct(1.0) + 0.5 * kernels.RBF(2.0)}),
    (cross_decomposition.PLSRegression, {"n_components": 2}),
    (ensemble.VotingRegressor, {"estimators": [("a", linear_model.Ridge()), ("b",
                                                                             tree.DecisionTreeRegressor(max_depth=3))]}),
    (ensemble.StackingRegressor, {"estimators": [("a", linear_model.Ridge()), ("b",
                                                                               tree.DecisionTreeRegressor(max_depth=3))]}),
]
POSITIVE = [(linear_model.PoissonRegressor, {}), (linear_model.GammaRegressor, {}),
            (linear_model.TweedieRegressor, {"power": 1.5})]
MANY_TARGETS = [
    (linear_model.LinearRegression, {}), (linear_model.Ridge, {}), (linear_model.MultiTaskLasso, {"alpha": 0.01}),
    (linear_model.MultiTaskElasticNet, {"alpha": 0.01}),
    (tree.DecisionTreeRegressor, SEED), (ensemble.RandomForestRegressor, SMALL), (neighbors.KNeighborsRegressor, {}),
    (multioutput.MultiOutputRegressor, {"estimator": ensemble.GradientBoostingRegressor(**SMALL)}),
]
CLASSIFIERS = [
    (linear_model.LogisticRegression, {}), (linear_model.LogisticRegressionCV, {"cv": 2}),
    (linear_model.SGDClassifier, {"loss": "log_loss", **SEED}), (linear_model.SGDClassifier, SEED),
    (linear_model.SGDClassifier, {"loss": "modified_huber", **SEED}), (linear_model.RidgeClassifier, {}),
    (linear_model.Perceptron, SEED), (svm.LinearSVC, SEED), (svm.SVC, {"kernel": "rbf", "probability": True, **SEED}),
    (svm.SVC, {"kernel": "linear", "probability": True, **SEED}),
    (svm.SVC, {"kernel": "poly", "coef0": 0.5, "probability": True, **SEED}),
    (svm.SVC, {"kernel": "sigmoid", "gamma": 0.05, "probability": True, **SEED}),
    (svm.NuSVC, {"nu": 0.3, "probability": True, **SEED}), (tree.DecisionTreeClassifier, {"max_depth": 4, **SEED}),
    (tree.ExtraTreeClassifier, {"max_depth": 5, **SEED}), (ensemble.RandomForestClassifier, SMALL),
    (ensemble.ExtraTreesClassifier, SMALL), (ensemble.GradientBoostingClassifier, SMALL),
    (ensemble.HistGradientBoostingClassifier, {"max_iter": 9}), (ensemble.AdaBoostClassifier, SMALL),
    (ensemble.BaggingClassifier, SMALL), (neighbors.KNeighborsClassifier, {"n_neighbors": 5}),
    (neighbors.KNeighborsClassifier, {"n_neighbors": 1}),
    (neighbors.KNeighborsClassifier, {"n_neighbors": 3, "p": 1}),
    (neural_network.MLPClassifier, {"hidden_layer_sizes": (8,), **SEED}),
    (neural_network.MLPClassifier, {"activation": "tanh", "hidden_layer_sizes": (6, 4), **SEED}),
    (naive_bayes.GaussianNB, {}), (discriminant_analysis.LinearDiscriminantAnalysis, {}),
    (discriminant_analysis.QuadraticDiscriminantAnalysis, {}),
    (calibration.CalibratedClassifierCV, {"estimator": linear_model.SGDClassifier(**SEED), "cv": 2}),
    (calibration.CalibratedClassifierCV, {"estimator": tree.DecisionTreeClassifier(max_depth=3, **SEED), "cv": 2,
                                          "method": "isotonic"}),
    (multiclass.OneVsRestClassifier, {"estimator": linear_model.LogisticRegression()}),
    (ensemble.VotingClassifier, {"estimators": [("a", linear_model.LogisticRegression()),
                                                ("b", tree.DecisionTreeClassifier(max_depth=3, **SEED))],
                                                "voting": "soft",
                                 "flatten_transform": False}),
    (ensemble.StackingClassifier, {"estimators": [("a", linear_model.LogisticRegression()),
                                                  ("b", tree.DecisionTreeClassifier(max_depth=3, **SEED))]}),
]
COUNTS = [naive_bayes.MultinomialNB, naive_bayes.ComplementNB, naive_bayes.BernoulliNB, naive_bayes.CategoricalNB]
ZIPPED = [(linear_model.LogisticRegression, {}), (ensemble.RandomForestClassifier, SMALL),
          (svm.SVC, {"probability": True, **SEED}), (naive_bayes.GaussianNB, {}),
          (ensemble.HistGradientBoostingClassifier, {"max_iter": 5})]
OUTLIERS = [(ensemble.IsolationForest, {"max_samples": 32, **SMALL}), (svm.OneClassSVM, {"gamma": 0.2}),
            (neighbors.LocalOutlierFactor, {"novelty": True, "n_neighbors": 7})]
JUDGES = {svm.LinearSVC: p.decided, linear_model.RidgeClassifier: p.decided,
          discriminant_analysis.QuadraticDiscriminantAnalysis: p.label_row}
OLD = {"": 15, "ai.onnx.ml": 1}


def named(prefix, rows, tail=""):
    """Names for rows of (class, options): the class, numbered where it comes more than once."""
    seen = {}
    for kind, options in rows:
        number = seen[kind] = seen.get(kind, 0) + 1
        yield f"{prefix}{kind.__name__.lower()}{tail}{f'_{number}' if number > 1 else ''}", kind, options


def models():
    """Pairs of a name and a function of a writer and the name."""
    made = {}

    def add(name, model, judge, **more):
        assert name not in made, name
        made[name] = partial(sklearn_model, model=model, judge=judge, **more)

    for name, kind, options in named("", REGRESSORS):
        add(name, kind(**options), p.regressor, y=p.target())
    for name, kind, options in named("", POSITIVE, "_positive"):
        add(name, kind(**options), p.regressor, y=np.exp(p.target()))
    for name, kind, options in named("", MANY_TARGETS, "_targets"):
        add(name, kind(**options), p.regressor, y=p.targets())
    for count in (2, 3):
        for name, kind, options in named("", CLASSIFIERS, f"_{count}"):
            if (kind, count) != (discriminant_analysis.LinearDiscriminantAnalysis, 2):
                add(name, kind(**options), JUDGES.get(kind, p.classifier), y=p.classes(count))
        words = np.array(["no", "yes", "maybe"])
        for name, kind, options in named("", ZIPPED, f"_{count}"):
            add(f"{name}_strings", kind(**options), p.classifier, y=words[p.classes(count)])
            add(f"{name}_zipmap", kind(**options), p.classifier, y=p.classes(count), options={"zipmap": True})
            add(f"{name}_zipmap_strings", kind(**options), p.classifier, y=words[p.classes(count)],
                options={"zipmap": True})
            add(f"{name}_zipmap_columns", kind(**options), p.classifier, y=p.classes(count),
                options={"zipmap": "columns"})
            add(f"{name}_old", kind(**options), p.classifier, y=p.classes(count), opset=OLD)
        counts, more = np.abs(np.round(p.TRAIN * 2)), np.abs(np.round(p.TEST * 2))
        for name, kind, options in named("", [(kind, {}) for kind in COUNTS], f"_{count}"):
            if kind is naive_bayes.CategoricalNB:
                whole, other = np.minimum(counts, 3).astype(np.int64), np.minimum(more, 3).astype(np.int64)
                add(name, kind(), p.classifier, y=p.classes(count), train=whole, test=other)
            else:
                add(name, kind(), p.classifier, y=p.classes(count), train=counts, test=more)
    for name, kind, options in named("", OUTLIERS):
        add(name, kind(**options), p.outlier, opset={"": 17, "ai.onnx.ml": 3})
    add("kmeans", cluster.KMeans(4, n_init=2, random_state=0), p.cluster)
    add("minibatchkmeans", cluster.MiniBatchKMeans(4, n_init=2, random_state=0), p.cluster)
    for covariance in ("full", "tied", "diag", "spherical"):
        add(f"gaussianmixture_{covariance}", mixture.GaussianMixture(3, covariance_type=covariance, random_state=0),
            lambda m, x: [m.predict(x), m.predict_proba(x)])
    for name, model in (("pca", decomposition.PCA(3)), ("pca_whiten", decomposition.PCA(2, whiten=True)),
                        ("incrementalpca", decomposition.IncrementalPCA(3)),
                        ("truncatedsvd", decomposition.TruncatedSVD(3, random_state=0)),
                        ("kernelpca", decomposition.KernelPCA(3, kernel="rbf", gamma=0.1, random_state=0))):
        add(name, model, p.transformer)
    add("lineardiscriminantanalysis_missing_solver", discriminant_analysis.LinearDiscriminantAnalysis(solver="lsqr"),
        p.classifier, y=p.classes(3))
    return made.items()
