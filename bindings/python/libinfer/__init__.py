"""libinfer: inference for functions that start, answer and vanish.

    model = libinfer.load("model.onnx")
    model.predict([[1.0, 2.0, 3.0]])

Lists and buffers in, lists out; NumPy arrays in, NumPy arrays out. Importing this package imports
neither NumPy nor anything else beyond the standard library.
"""

from ._ffi import abi_version, version
from .errors import (
    InferArgumentError,
    InferError,
    InferFormatError,
    InferIOError,
    InferLimitError,
    InferMemoryError,
    InferShapeError,
    InferStateError,
    InferTypeError,
    InferUnsupportedError,
    InferValueError,
)
from .linear import linear
from .model import Model, Node, Operator, ValueInfo, load, operators
from .session import (
    ExecutionMode,
    GraphOptimizationLevel,
    InferenceSession,
    NodeArg,
    SessionOptions,
    get_available_providers,
)
from .sklearn import from_sklearn

__version__ = "0.1.0"

__all__ = [
    "ExecutionMode",
    "GraphOptimizationLevel",
    "InferArgumentError",
    "InferError",
    "InferFormatError",
    "InferIOError",
    "InferLimitError",
    "InferMemoryError",
    "InferShapeError",
    "InferStateError",
    "InferTypeError",
    "InferUnsupportedError",
    "InferValueError",
    "InferenceSession",
    "Model",
    "Node",
    "NodeArg",
    "Operator",
    "SessionOptions",
    "ValueInfo",
    "abi_version",
    "from_sklearn",
    "get_available_providers",
    "linear",
    "load",
    "operators",
    "version",
]
