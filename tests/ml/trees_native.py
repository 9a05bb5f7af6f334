"""Tree ensembles of scikit-learn, XGBoost and LightGBM, which judge them: the nodes are theirs, without a converter."""

import lightgbm
import numpy as np
import xgboost
from sklearn.ensemble import (ExtraTreesClassifier, ExtraTreesRegressor, GradientBoostingClassifier,
                              GradientBoostingRegressor, RandomForestClassifier, RandomForestRegressor)
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from tests.ml.forest import columns, lightgbm_trees, sklearn_tree, tensors, xgboost_trees
from tests.ml.trees import holes
from tests.ml.values import features

CLASSIFIER, REGRESSOR = "TreeEnsembleClassifier", "TreeEnsembleRegressor"
X = features("float32", 110, 160, 4)
TEST = features("float32", 111, 17, 4)
SMALL = {"n_estimators": 7, "random_state": 0, "n_jobs": 1}
XGB = {**SMALL, "max_depth": 3, "base_score": 0.5, "learning_rate": 0.4}
LGBM = {**SMALL, "num_leaves": 6, "min_child_samples": 4, "verbose": -1, "deterministic": True,
        "force_row_wise": True}
NAMES = np.array(["no", "yes", "maybe", ""], dtype=object)


def target(outputs=1):
    y = np.stack([np.sin(X[:, 0]) + X[:, 1] * X[:, 2] / 4, X[:, 3] - X[:, 0], X[:, 1] ** 2], axis=1)[:, :outputs]
    return y[:, 0] if outputs == 1 else y


def classes(count):
    return (np.digitize(X[:, 0] + X[:, 1] * X[:, 2], np.linspace(-3, 3, count + 1)[1:-1]) if count > 2
            else (X[:, 0] + X[:, 1] * X[:, 2] > 0.5).astype(int))


def judged(model):
    return f"Judged by {type(model).__module__.split('.')[0]}'s {type(model).__name__}."


def sklearn_regressors(w):
    for kind, options in ((DecisionTreeRegressor, {"max_depth": 5, "random_state": 0}),
                          (RandomForestRegressor, {**SMALL, "max_depth": 4}),
                          (ExtraTreesRegressor, {**SMALL, "max_depth": 4})):
        for outputs in (1, 3):
            for missing in (False, True):
                if missing and outputs > 1:
                    continue
                model = kind(**options).fit(holes(X) if missing else X, target(outputs))
                x = holes(TEST) if missing else TEST
                members = getattr(model, "estimators_", [model])
                trees = [sklearn_tree(m.tree_, lambda v: list(enumerate(v[:, 0].tolist()))) for m in members]
                y = model.predict(x).reshape(len(x), outputs).astype(np.float32)
                name = f"tree_regressor_sklearn_{kind.__name__.lower()}_{outputs}{'_missing' if missing else ''}"
                w.case(name, REGRESSOR, [x], judged(model), expected=[y], n_targets=outputs,
                       aggregate_function="AVERAGE", **columns(trees, "target"))
                w.case(f"{name}_as_tensor", REGRESSOR, [x.astype(np.float64)], judged(model), version=3, expected=[y],
                       n_targets=outputs, aggregate_function="AVERAGE", **columns(trees, "target", double=True))
                if outputs == 1:
                    for dtype in ("float32", "float64"):
                        w.case(f"{name}_version_5_{dtype}", "TreeEnsemble", [x.astype(dtype)], judged(model),
                               version=5,
                               expected=[model.predict(x).reshape(-1, 1).astype(dtype)], n_targets=1,
                               aggregate_function=0, **tensors(trees, dtype))
    model = GradientBoostingRegressor(n_estimators=9, random_state=0).fit(X, target())
    trees = [sklearn_tree(m.tree_, lambda v: [(0, 0.1 * float(v[0, 0]))]) for m in model.estimators_[:, 0]]
    w.case("tree_regressor_sklearn_gradientboosting", REGRESSOR, [TEST], judged(model), n_targets=1,
           expected=[model.predict(TEST).reshape(-1, 1).astype(np.float32)],
           base_values=[float(model.init_.constant_.item())], **columns(trees, "target"))


def sklearn_classifiers(w):
    for kind, options in ((DecisionTreeClassifier, {"max_depth": 4, "random_state": 0}),
                          (RandomForestClassifier, {**SMALL, "max_depth": 4}),
                          (ExtraTreesClassifier, {**SMALL, "max_depth": 4})):
        for count in (2, 3, 4):
            for missing in (False, True):
                y, x = classes(count), holes(TEST) if missing else TEST
                model = kind(**options).fit(holes(X) if missing else X, y)
                members = getattr(model, "estimators_", [model])
                share = 1 / len(members)
                both = [sklearn_tree(m.tree_, lambda v: [(i, share * p) for i,
                                                         p in enumerate((v[0] / v[0].sum()).tolist())])
                        for m in members]
                one = [sklearn_tree(m.tree_, lambda v: [(0, share * float(v[0, 1] / v[0].sum()))]) for m in members]
                p = model.predict_proba(x).astype(np.float32)
                clear = np.sort(p, axis=1)
                keep = clear[:, -1] - clear[:, -2] > 1e-5  # a tie is rounding's
                x, p = x[keep], p[keep]
                label = model.predict(x)
                name = f"tree_classifier_sklearn_{kind.__name__.lower()}_{count}{'_missing' if missing else ''}"
                w.case(name, CLASSIFIER, [x], judged(model), expected=[label, p],
                       classlabels_int64s=list(range(count)),
                       **columns(both, "class"))
                w.case(f"{name}_strings", CLASSIFIER, [x], judged(model), expected=[NAMES[label], p],
                       classlabels_strings=NAMES[:count].tolist(), **columns(both, "class"))
                if count == 2:
                    w.case(f"{name}_one_id", CLASSIFIER, [x],
                           judged(model) + " Only the second class's share is written.",
                           expected=[label, p], classlabels_int64s=[0, 1], **columns(one, "class"))
    model = GradientBoostingClassifier(n_estimators=9, random_state=0).fit(X, classes(2))
    trees = [sklearn_tree(m.tree_, lambda v: [(0, 0.1 * float(v[0, 0]))]) for m in model.estimators_[:, 0]]
    odds = model.init_.class_prior_
    w.case("tree_classifier_sklearn_gradientboosting", CLASSIFIER, [TEST], judged(model),
           expected=[model.predict(TEST), model.predict_proba(TEST).astype(np.float32)], classlabels_int64s=[0, 1],
           post_transform="LOGISTIC", base_values=[float(np.log(odds[1] / odds[0]))], **columns(trees, "class"))
    model = GradientBoostingClassifier(n_estimators=5, random_state=0).fit(X, classes(3))
    trees = [sklearn_tree(m.tree_, lambda v, c=c: [(c, 0.1 * float(v[0, 0]))])
             for row in model.estimators_ for c, m in enumerate(row)]
    w.case("tree_classifier_sklearn_gradientboosting_3", CLASSIFIER, [TEST], judged(model),
           expected=[model.predict(TEST), model.predict_proba(TEST).astype(np.float32)], classlabels_int64s=[0, 1, 2],
           post_transform="SOFTMAX", base_values=np.log(model.init_.class_prior_).tolist(), **columns(trees, "class"))


def boosted(w):
    """What XGBoost and LightGBM have in common; base_score 0.5 is a margin of zero for classes."""
    for library, regressor, classifier, options, read, base in (
            ("xgboost", xgboost.XGBRegressor, xgboost.XGBClassifier, XGB,
             lambda m, c=1: xgboost_trees(m.get_booster(), c), [0.5]),
            ("lightgbm", lightgbm.LGBMRegressor, lightgbm.LGBMClassifier, LGBM,
             lambda m, c=1: lightgbm_trees(m.booster_, c), None)):
        for missing in (False, True):
            x, test = (holes(X), holes(TEST)) if missing else (X, TEST)
            tail = f"{library}{'_missing' if missing else ''}"
            model = regressor(**options).fit(x, target())
            y = model.predict(test).reshape(-1, 1).astype(np.float32)
            w.case(f"tree_regressor_{tail}", REGRESSOR, [test], judged(model), expected=[y], n_targets=1,
                   base_values=base, **columns(read(model), "target"))
            w.case(f"tree_regressor_{tail}_as_tensor", REGRESSOR, [test.astype(np.float64)], judged(model), version=3,
                   expected=[y], n_targets=1, base_values=base, **columns(read(model), "target", double=True))
            if base is None:
                w.case(f"tree_ensemble_{tail}", "TreeEnsemble", [test], judged(model), version=5, expected=[y],
                       n_targets=1, **tensors(read(model), np.float32))
            for count in (2, 3):
                y = classes(count)
                model = classifier(**options).fit(x, y)
                p, label = model.predict_proba(test).astype(np.float32), model.predict(test).astype(np.int64)
                trees = read(model, count if count > 2 else 1)
                name = f"tree_classifier_{tail}_{count}"
                transform = "LOGISTIC" if count == 2 else "SOFTMAX"
                w.case(name, CLASSIFIER, [test], judged(model), expected=[label, p], post_transform=transform,
                       classlabels_int64s=list(range(count)), **columns(trees, "class"))
                w.case(f"{name}_strings", CLASSIFIER, [test], judged(model), expected=[NAMES[label], p],
                       post_transform=transform, classlabels_strings=NAMES[:count].tolist(),
                       **columns(trees, "class"))
                w.case(f"{name}_as_tensor", CLASSIFIER, [test.astype(np.float64)], judged(model), version=3,
                       expected=[label, p], post_transform=transform, classlabels_int64s=list(range(count)),
                       **columns(trees, "class", double=True))
    model = xgboost.XGBClassifier(**{**XGB, "n_estimators": 2, "learning_rate": 0.3, "max_depth": 2,
                                     "min_child_weight": 5}).fit(X, (np.arange(160) % 7 > 0).astype(int))
    trees = xgboost_trees(model.get_booster())
    assert min(columns(trees, "class")["class_weights"]) > 0
    w.case("tree_classifier_xgboost_all_positive", CLASSIFIER, [TEST],
           judged(model) + " Every leaf is above zero, and so are all margins: the label is the second class though a "
           "margin is below one half.", expected=[model.predict(TEST).astype(np.int64),
                                                  model.predict_proba(TEST).astype(np.float32)],
           classlabels_int64s=[0, 1], post_transform="LOGISTIC", **columns(trees, "class"))


FAMILIES = [sklearn_regressors, sklearn_classifiers, boosted]
