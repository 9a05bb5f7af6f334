"""The calls of onnxruntime's InferenceSession, for programs that are written to it."""

from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Sequence, Union

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


class SessionOptions:
    """Accepted and kept: runs are in the caller's thread and models are always optimised."""

    def __init__(self) -> None:
        self.intra_op_num_threads = 0
        self.inter_op_num_threads = 0

    def add_session_config_entry(self, key: str, value: str) -> None:
        setattr(self, key, value)


def _argument(port: ValueInfo) -> NodeArg:
    return NodeArg(port.name, port.type, list(port.shape or ()))


class InferenceSession:
    """A model behind onnxruntime's interface. Results are NumPy arrays where NumPy is installed."""

    def __init__(self, path_or_bytes: Source, sess_options: Any = None,
                 providers: Optional[Sequence[Any]] = None,
                 provider_options: Optional[Sequence[Any]] = None, **kwargs: Any):
        self._model = load(path_or_bytes)
        self._options = sess_options

    def get_inputs(self) -> List[NodeArg]:
        return [_argument(port) for port in self._model.inputs]

    def get_outputs(self) -> List[NodeArg]:
        return [_argument(port) for port in self._model.outputs]

    def get_providers(self) -> List[str]:
        return ["CPUExecutionProvider"]

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
