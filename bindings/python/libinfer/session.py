"""The calls of onnxruntime's InferenceSession, for programs that are written to it."""

import enum
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Sequence, Union

from .errors import InferUnsupportedError
from .model import Source, ValueInfo, load


class NodeArg(NamedTuple):
    """An input or output: extents of `shape` are numbers, names, or None."""

    name: str
    type: str
    shape: List[Union[int, str, None]]


class ModelMetadata(NamedTuple):
    producer_name: str
    graph_name: str
    custom_metadata_map: Dict[str, str]


class GraphOptimizationLevel(enum.IntEnum):
    """Models are always optimised: each level means that."""

    ORT_DISABLE_ALL = 0
    ORT_ENABLE_BASIC = 1
    ORT_ENABLE_EXTENDED = 2
    ORT_ENABLE_LAYOUT = 3
    ORT_ENABLE_ALL = 99


class ExecutionMode(enum.IntEnum):
    """Nodes run one after the other, in the caller's thread, in both."""

    ORT_SEQUENTIAL = 0
    ORT_PARALLEL = 1


class SessionOptions:
    """onnxruntime's options that change how fast a session is, not what it answers: taken and kept, so that
    programs run unchanged. Threads start where intra_op_num_threads asks for several; the rest does nothing. Names that are not here do not exist, and what cannot be left out is refused
    by InferenceSession."""

    _DEFAULTS = {
        "enable_cpu_mem_arena": True,
        "enable_mem_pattern": True,
        "enable_mem_reuse": True,
        "enable_profiling": False,
        "execution_mode": ExecutionMode.ORT_SEQUENTIAL,
        "graph_optimization_level": GraphOptimizationLevel.ORT_ENABLE_ALL,
        "inter_op_num_threads": 0,
        "intra_op_num_threads": 0,
        "log_severity_level": -1,
        "log_verbosity_level": 0,
        "logid": "",
        "optimized_model_filepath": "",
        "use_deterministic_compute": False,
    }
    __slots__ = (*_DEFAULTS, "_config")

    def __init__(self) -> None:
        for name, value in self._DEFAULTS.items():
            setattr(self, name, value)
        self._config: Dict[str, str] = {}

    def add_session_config_entry(self, key: str, value: str) -> None:
        self._config[key] = value

    def get_session_config_entry(self, key: str) -> str:
        return self._config[key]


def get_available_providers() -> List[str]:
    return ["CPUExecutionProvider"]


def _argument(port: ValueInfo) -> NodeArg:
    return NodeArg(port.name, port.type, list(port.shape or ()))


class InferenceSession:
    """A model behind onnxruntime's interface. Results are NumPy arrays where NumPy is installed."""

    def __init__(self, path_or_bytes: Source, sess_options: Any = None,
                 providers: Optional[Sequence[Any]] = None,
                 provider_options: Optional[Sequence[Any]] = None, **kwargs: Any):
        for option in ("enable_profiling", "optimized_model_filepath"):
            if getattr(sess_options, option, None):
                raise InferUnsupportedError(f"InferenceSession: {option} is not supported")
        names = [p if isinstance(p, str) else p[0] for p in providers or get_available_providers()]
        if not set(names) & set(get_available_providers()):
            raise InferUnsupportedError(f"InferenceSession: no provider is supported of {', '.join(names)}")
        threads = max(1, getattr(sess_options, "intra_op_num_threads", 0))  # 0: one, not all
        self._model = load(path_or_bytes, threads=threads)
        self._options = sess_options if sess_options is not None else SessionOptions()

    def get_inputs(self) -> List[NodeArg]:
        return [_argument(port) for port in self._model.inputs]

    def get_outputs(self) -> List[NodeArg]:
        return [_argument(port) for port in self._model.outputs]

    def get_providers(self) -> List[str]:
        return get_available_providers()

    def get_session_options(self) -> Any:
        return self._options

    def get_modelmeta(self) -> ModelMetadata:
        metadata = self._model.metadata
        metadata.pop("format", None)
        return ModelMetadata(metadata.pop("producer", ""), metadata.pop("graph", ""), metadata)

    def run(self, output_names: Optional[Sequence[str]], input_feed: Mapping[str, Any],
            run_options: Any = None) -> List[Any]:
        """The outputs named, or all of them, in that order."""
        names = list(output_names or [port.name for port in self._model.outputs])
        results = self._model.run(input_feed, names, numpy=True)
        return [results[name] for name in names]
