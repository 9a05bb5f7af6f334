"""The models that the demo and the benchmarks use, trained on scikit-learn's own data."""

from pathlib import Path

import numpy
import skl2onnx
from skl2onnx.common.data_types import FloatTensorType
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler


def export(estimator, features, path):
    options = {id(estimator): {"zipmap": False}} if hasattr(estimator, "predict_proba") else None
    onnx_model = skl2onnx.convert_sklearn(
        estimator, initial_types=[("x", FloatTensorType([None, features]))], options=options)
    Path(path).write_bytes(onnx_model.SerializeToString())


def breast_cancer():
    """The pipeline of the demo, its rows and the data set's names."""
    data = load_breast_cancer()
    pipeline = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    pipeline.fit(data.data, data.target)
    return pipeline, data


def linear_regression():
    data = load_breast_cancer()
    return LinearRegression().fit(data.data, data.target.astype(float))


def linear(path):
    export(linear_regression(), 30, path)


def logistic(path):
    pipeline, _ = breast_cancer()
    export(pipeline, 30, path)


def softmax(path):
    """784 features, 10 classes, as of a digits classifier."""
    random = numpy.random.default_rng(7)
    x, y = random.normal(size=(300, 784)), numpy.arange(300) % 10
    export(LogisticRegression(max_iter=20).fit(x, y), 784, path)


ALL = {"linear n=30": linear, "logistic n=30": logistic, "softmax 784x10": softmax}
