"""ONNX's backend interface, so that its test-suite runs on libinfer.

    import libinfer.backend
    libinfer.backend.prepare(model).run([x])
"""

from typing import Any, Dict, List, Optional, Sequence, Tuple

import numpy as np
import onnx
from onnx.backend.base import Backend, BackendRep, namedtupledict

from .errors import InferArgumentError
from .model import Model, load


class Representation(BackendRep):
    """A loaded model that takes inputs by position or by name."""

    def __init__(self, model: Model):
        self.model = model

    def run(self, inputs: Any, **kwargs: Any) -> Tuple[Any, ...]:
        if isinstance(inputs, dict):
            feeds: Dict[str, Any] = inputs
        else:
            if isinstance(inputs, np.ndarray):
                inputs = [inputs]
            ports = self.model.inputs
            if len(inputs) > len(ports):
                raise InferArgumentError(f"{len(inputs)} inputs for a model that takes {len(ports)}")
            feeds = {port.name: value for port, value in zip(ports, inputs)}
        names = [port.name for port in self.model.outputs]
        results = self.model.run(feeds, names, numpy=True)
        return namedtupledict("Outputs", names)(*[results[name] for name in names])


def _load(model: Any) -> Model:
    # ONNX's test-suite has models of a few kilobytes that make half a gigabyte of weights.
    return load(model, load_limit=4 << 30)


class LibinferBackend(Backend):
    @classmethod
    def is_compatible(cls, model: Any, device: str = "CPU", **kwargs: Any) -> bool:
        try:
            _load(model).close()
        except NotImplementedError:
            return False
        return cls.supports_device(device)

    @classmethod
    def prepare(cls, model: Any, device: str = "CPU", **kwargs: Any) -> Representation:
        """A model as onnx.ModelProto, as bytes or by its path."""
        if not cls.supports_device(device):
            raise InferArgumentError(f"device {device!r} is not supported; CPU is")
        return Representation(_load(model))

    @classmethod
    def run_model(cls, model: Any, inputs: Any, device: str = "CPU", **kwargs: Any) -> Tuple[Any, ...]:
        return cls.prepare(model, device, **kwargs).run(inputs)

    @classmethod
    def run_node(cls, node: Any, inputs: Any, device: str = "CPU",
                 outputs_info: Optional[Sequence[Tuple[Any, Tuple[int, ...]]]] = None,
                 **kwargs: Any) -> Tuple[Any, ...]:
        """One node by itself. opset_imports or opset_version say which version it is of."""
        names = [name for name in node.input if name]
        if isinstance(inputs, dict):
            arrays = [np.asarray(inputs[name]) for name in names]
        else:
            arrays = [np.asarray(value) for value in inputs]
        if len(arrays) != len(names):
            raise InferArgumentError(f"{len(arrays)} inputs for a node that takes {len(names)}")
        graph = onnx.helper.make_graph(
            [node], "node",
            [_typed(name, array.dtype, array.shape) for name, array in zip(names, arrays)],
            _outputs(node, outputs_info),
        )
        imports = kwargs.get("opset_imports") or [
            onnx.helper.make_opsetid(
                node.domain, kwargs.get("opset_version") or _newest(node.domain))
        ]
        model = onnx.helper.make_model(graph, opset_imports=imports)
        return cls.prepare(model, device).run(dict(zip(names, arrays)))

    @classmethod
    def supports_device(cls, device: str) -> bool:
        return device.partition(":")[0].upper() == "CPU"


def _typed(name: str, dtype: Any, shape: Sequence[int]) -> Any:
    element = (onnx.TensorProto.STRING if np.dtype(dtype).kind in "OUS"
               else onnx.helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))
    return onnx.helper.make_tensor_value_info(name, element, shape)


def _outputs(node: Any, info: Optional[Sequence[Any]]) -> List[Any]:
    names = [name for name in node.output if name]
    if info is not None:
        return [_typed(name, *typed) for name, typed in zip(names, info)]
    # Without types: the library works them out.
    return [onnx.ValueInfoProto(name=name) for name in names]


def _newest(domain: str) -> int:
    if domain in ("", "ai.onnx"):
        return onnx.defs.onnx_opset_version()
    return max(
        schema.since_version for schema in onnx.defs.get_all_schemas() if schema.domain == domain
    )


is_compatible = LibinferBackend.is_compatible
prepare = LibinferBackend.prepare
run = LibinferBackend.run_model
run_model = LibinferBackend.run_model
run_node = LibinferBackend.run_node
supports_device = LibinferBackend.supports_device
