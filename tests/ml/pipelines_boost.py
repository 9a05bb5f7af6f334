"""XGBoost, LightGBM and CatBoost, converted by onnxmltools, by skl2onnx inside of pipelines, and by CatBoost itself."""

import tempfile
from functools import partial
from pathlib import Path

import catboost
import lightgbm
import numpy as np
import onnx
import xgboost
from onnxmltools import convert_lightgbm, convert_xgboost
from onnxmltools.convert.common.data_types import FloatTensorType
from onnxmltools.convert.lightgbm.operator_converters.LightGbm import convert_lightgbm as lightgbm_converter
from onnxmltools.convert.xgboost.operator_converters.XGBoost import convert_xgboost as xgboost_converter
from skl2onnx import to_onnx, update_registered_converter
from skl2onnx.common.shape_calculator import (calculate_linear_classifier_output_shapes,
                                              calculate_linear_regressor_output_shapes)
from sklearn import impute, pipeline, preprocessing

from tests.ml import pipelines as p
from tests.ml.pipelines_prepare import holes
from tests.ml.writer import type_of

OPSET = {"": 15, "ai.onnx.ml": 3}
XGB = {"n_estimators": 9, "max_depth": 3, "random_state": 0, "n_jobs": 1}
LGBM = {"n_estimators": 9, "num_leaves": 6, "min_child_samples": 4, "random_state": 0, "n_jobs": 1, "verbose": -1,
        "deterministic": True, "force_row_wise": True}
CAT = {"iterations": 9, "depth": 3, "random_seed": 0, "thread_count": 1, "verbose": 0, "allow_writing_files": False}
WORDS = np.array(["no", "yes", "maybe"])

for kind, converter, shapes, options in (
        (xgboost.XGBClassifier, xgboost_converter, calculate_linear_classifier_output_shapes, True),
        (xgboost.XGBRegressor, xgboost_converter, calculate_linear_regressor_output_shapes, False),
        (lightgbm.LGBMClassifier, lightgbm_converter, calculate_linear_classifier_output_shapes, True),
        (lightgbm.LGBMRegressor, lightgbm_converter, calculate_linear_regressor_output_shapes, False)):
    update_registered_converter(kind, f"Boosted{kind.__name__}", shapes, converter,
                                options={"nocl": [True, False], "zipmap": [True, False, "columns"]} if options
                                else {"split": None} if kind is lightgbm.LGBMRegressor else None)


def by_onnxmltools(writer, name, model, y, judge, missing=False, zipmap=False):
    train, test = (holes(p.TRAIN), holes(p.TEST)) if missing else (p.TRAIN, p.TEST)
    model.fit(train, y)
    types = [("x", FloatTensorType([None, train.shape[1]]))]
    if isinstance(model, (lightgbm.LGBMClassifier, lightgbm.LGBMRegressor)):
        converted = convert_lightgbm(model, initial_types=types, target_opset=15, zipmap=zipmap)
    else:
        converted = convert_xgboost(model, initial_types=types, target_opset=15)
    p.write(writer, name, converted, lambda rows: judge(model, test[rows]), [test],
            f"{type(model).__module__.split('.')[0]}'s {type(model).__name__} by onnxmltools.",
            labels=getattr(model, "classes_", None))


def in_a_pipeline(writer, name, model, y, judge, zipmap=False, missing=False):
    train, test = (holes(p.TRAIN), holes(p.TEST)) if missing else (p.TRAIN, p.TEST)
    first = impute.SimpleImputer() if missing else preprocessing.StandardScaler()
    chain = pipeline.make_pipeline(first, model).fit(train, y)
    options = {id(model): {"zipmap": zipmap}} if judge is p.classifier else None
    converted = to_onnx(chain, train[:1], options=options, target_opset=OPSET)
    p.write(writer, name, converted, lambda rows: judge(chain, test[rows]), [test],
            f"A pipeline that ends in {type(model).__name__}, by skl2onnx and onnxmltools.",
            labels=model_classes(chain))


def model_classes(chain):
    return getattr(chain[-1], "classes_", None)


def by_catboost(writer, name, model, y, judge, missing=False):
    """CatBoost's models import ai.onnx.ml and nothing else."""
    train, test = (holes(p.TRAIN), holes(p.TEST)) if missing else (p.TRAIN, p.TEST)
    model.fit(train, y)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        model.save_model(str(path), format="onnx")
        converted = onnx.load(path)
    if judge is p.regressor:  # declared as a list, though the operator gives a column
        converted.graph.output[0].type.CopyFrom(type_of(np.zeros((1, 1), np.float32), free_rows=True))
    p.write(writer, name, converted, lambda rows: judge(model, test[rows]), [test],
            f"CatBoost's {type(model).__name__} as it writes it itself.", labels=getattr(model, "classes_", None))


def cat_classifier(model, x):
    return [model.predict(x).ravel(), model.predict_proba(x)]


def models():
    made = {}
    y = {count: p.classes(count) for count in (2, 3)}
    positive = np.exp(p.target())
    for missing in (False, True):
        tail = "_missing" if missing else ""
        for name, model, target in (
                ("xgbregressor", xgboost.XGBRegressor(**XGB), p.target()),
                ("xgbregressor_base", xgboost.XGBRegressor(base_score=0.25, **XGB), p.target()),
                ("xgbregressor_poisson", xgboost.XGBRegressor(objective="count:poisson", **XGB), np.round(positive)),
                ("xgbregressor_gamma", xgboost.XGBRegressor(objective="reg:gamma", **XGB), positive),
                ("xgbrfregressor", xgboost.XGBRFRegressor(**XGB), p.target()),
                ("lgbmregressor", lightgbm.LGBMRegressor(**LGBM), p.target()),
                ("lgbmregressor_dart", lightgbm.LGBMRegressor(boosting_type="dart", **LGBM), p.target()),
                ("lgbmregressor_poisson", lightgbm.LGBMRegressor(objective="poisson", **LGBM), np.round(positive)),
                ("lgbmregressor_gamma", lightgbm.LGBMRegressor(objective="gamma", **LGBM), positive),
                ("lgbmregressor_quantile", lightgbm.LGBMRegressor(objective="quantile", **LGBM), p.target())):
            made[name + tail] = partial(by_onnxmltools, model=model, y=target, judge=p.regressor, missing=missing)
        made["catboostregressor" + tail] = partial(by_catboost, model=catboost.CatBoostRegressor(**CAT), y=p.target(),
                                                   judge=p.regressor, missing=missing)
        for count in (2, 3):
            for words in (False, True):
                target, end = (WORDS[y[count]], "_strings") if words else (y[count], "")
                if not words:
                    made[f"xgbclassifier_{count}{tail}"] = partial(
                        by_onnxmltools, model=xgboost.XGBClassifier(**XGB), y=target, judge=p.classifier,
                        missing=missing)
                for zipmap in (False, True):
                    made[f"lgbmclassifier_{count}{end}{'_zipmap' if zipmap else ''}{tail}"] = partial(
                        by_onnxmltools, model=lightgbm.LGBMClassifier(**LGBM), y=target, judge=p.classifier,
                        missing=missing, zipmap=zipmap)
                made[f"catboostclassifier_{count}{end}{tail}"] = partial(
                    by_catboost, model=catboost.CatBoostClassifier(**CAT), y=target, judge=cat_classifier,
                    missing=missing)
            made[f"chain_xgbclassifier_{count}{tail}"] = partial(
                in_a_pipeline, model=xgboost.XGBClassifier(**XGB), y=y[count], judge=p.classifier, missing=missing)
            made[f"chain_lgbmclassifier_{count}{tail}"] = partial(
                in_a_pipeline, model=lightgbm.LGBMClassifier(**LGBM), y=y[count], judge=p.classifier, missing=missing)
            made[f"chain_lgbmclassifier_{count}_zipmap{tail}"] = partial(
                in_a_pipeline, model=lightgbm.LGBMClassifier(**LGBM), y=y[count], judge=p.classifier, missing=missing,
                zipmap=True)
        made[f"chain_xgbregressor{tail}"] = partial(in_a_pipeline, model=xgboost.XGBRegressor(**XGB), y=p.target(),
                                                    judge=p.regressor, missing=missing)
        made[f"chain_lgbmregressor{tail}"] = partial(in_a_pipeline, model=lightgbm.LGBMRegressor(**LGBM),
                                                     y=p.target(),
                                                     judge=p.regressor, missing=missing)
    made["xgbrfclassifier_2"] = partial(by_onnxmltools, model=xgboost.XGBRFClassifier(**XGB), y=y[2],
                                        judge=p.classifier)
    made["lgbmclassifier_2_unbalanced"] = partial(by_onnxmltools,
                                                  model=lightgbm.LGBMClassifier(is_unbalance=True, **LGBM),
                                                  y=y[2], judge=p.classifier)
    return made.items()
