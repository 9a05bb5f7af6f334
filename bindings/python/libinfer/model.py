"""A loaded model: what it is, predictions, runs."""

import ctypes
import os
import threading
from contextlib import contextmanager
from typing import Any, Dict, Iterator, List, Mapping, NamedTuple, Optional, Sequence, Tuple, Union

from . import _ffi, values
from .errors import InferArgumentError, InferShapeError, InferStateError, InferTypeError, check

Source = Union[str, "os.PathLike[str]", bytes, bytearray, memoryview]


class ValueInfo(NamedTuple):
    """An input or output. Extents of `shape` are numbers, names, or None where anything goes;
    `shape` is None where the model does not say."""

    name: str
    type: str
    shape: Optional[Tuple[Union[int, str, None], ...]]


class Node(NamedTuple):
    name: str
    domain: str
    op: str


class Operator(NamedTuple):
    domain: str
    name: str
    since_version: int
    newest_version: int


def _text(raw: Optional[bytes]) -> str:
    return (raw or b"").decode("utf-8", "replace")


def operators() -> List[Operator]:
    """The operators of the library in use."""
    found = []
    domain, name = ctypes.c_char_p(), ctypes.c_char_p()
    since, newest = ctypes.c_int(), ctypes.c_int()
    for index in range(_ffi.lib.infer_operators()):
        check(_ffi.lib.infer_operator(index, domain, name, since, newest))
        found.append(Operator(_text(domain.value), _text(name.value), since.value, newest.value))
    return found


def _options(memory_limit: int, load_limit: int, cpu: Union[str, Sequence[str]],
             full_validation: bool, blas: str, without: Sequence[str], threads: int,
             weights: str) -> _ffi.Options:
    options = _ffi.Options()
    _ffi.lib.infer_options_init(options)
    options.struct_size = ctypes.sizeof(_ffi.Options)
    options.memory_limit = memory_limit
    options.load_limit = load_limit
    for name in [cpu] if isinstance(cpu, str) else cpu:
        if name and name not in _ffi.CPU:
            raise InferArgumentError(f"cpu {name!r} is none of {', '.join(_ffi.CPU)}")
        options.cpu_mask |= _ffi.CPU.get(name, 0)
    options.validation = _ffi.VALIDATE_FULL if full_validation else _ffi.VALIDATE_DEFAULT
    if blas not in _ffi.BLAS:
        raise InferArgumentError(f"blas {blas!r} is none of {', '.join(_ffi.BLAS)}")
    options.blas = _ffi.BLAS[blas]
    options.without = ",".join(without).encode() or None
    if not isinstance(threads, int) or not 0 <= threads < _ffi.THREADS_ALL:
        raise InferArgumentError(f"threads is {threads!r}, not a number of threads")
    options.threads = threads or _ffi.THREADS_ALL
    if weights not in _ffi.WEIGHTS:
        raise InferArgumentError(f"weights {weights!r} is neither 'bf16' nor 'int8'")
    options.weights = _ffi.WEIGHTS[weights]
    return options


def load(source: Source, *, memory_limit: int = 0, load_limit: int = 0,
         cpu: Union[str, Sequence[str]] = "", full_validation: bool = False,
         blas: str = "default", without: Sequence[str] = (), threads: int = 1,
         weights: str = "") -> "Model":
    """A model from a path or from bytes; the format (.infer, ONNX, JSON) is recognised.

    memory_limit: bytes one context may hold. load_limit: bytes a loader may hold. cpu: the
    instruction sets to allow, "scalar" for none. full_validation: check the content hash too.
    without: passes to leave out (infer.h). threads: that share the work of a run; 0: as many as
    there are processors and the CPU quota of the control group allow. weights: what those of MatMul
    and Gemm are rounded to, "bf16" (products of several rows may then round their other input,
    too) or "int8"; "": nothing.
    """
    options = _options(memory_limit, load_limit, cpu, full_validation, blas, without, threads, weights)
    handle = ctypes.c_void_p()
    if isinstance(source, (str, os.PathLike)):
        path = os.fsencode(source)
        if b"\0" in path:
            raise InferArgumentError("the path holds a zero byte")
        check(_ffi.lib.infer_load_with(path, options, handle))
        return Model(handle)
    if hasattr(source, "SerializeToString"):  # onnx.ModelProto
        source = source.SerializeToString()
    try:
        data = bytes(source) if not isinstance(source, int) else None
    except TypeError:
        data = None
    if data is None:
        raise InferTypeError(f"a path or bytes were expected, not {type(source).__name__}")
    check(_ffi.lib.infer_load_memory_with(data, len(data), _ffi.BORROW, options, handle))
    return Model(handle, data)


class _Context:
    """Working memory of one run at a time."""

    def __init__(self, model: ctypes.c_void_p):
        self.handle = ctypes.c_void_p()
        check(_ffi.lib.infer_context_new(model, self.handle))

    def free(self) -> None:
        _ffi.lib.infer_context_free(self.handle)
        self.handle = ctypes.c_void_p()


class Model:
    """A model. Any number of threads may use one at once. Made by `load`, `linear`, `from_sklearn`."""

    def __init__(self, handle: ctypes.c_void_p, borrowed: Optional[bytes] = None):
        self._handle: Optional[ctypes.c_void_p] = handle
        self._borrowed = borrowed  # the library may use these bytes where they lie
        self._lock = threading.Lock()
        self._spare: List[_Context] = []
        self._users = 0
        self._closed = False
        lib = _ffi.lib
        self.inputs = self._ports(lib.infer_model_inputs, lib.infer_model_input)
        self.outputs = self._ports(lib.infer_model_outputs, lib.infer_model_output)
        self._types = {port.name: values.parse_type(port.type) for port in self.inputs}
        self.feature_count: int = lib.infer_model_feature_count(handle)
        self.output_count: int = lib.infer_model_output_count(handle)
        self.classes = self._labels()
        self.feature_names = self._feature_names()
        nodes = self.nodes
        self._linear = len(nodes) == 1 and nodes[0][1:] == ("infer", "Linear")
        self._primary = self._find_primary()

    # ---- lifetime ----

    def close(self) -> None:
        """Releases the model, at the latest when calls in other threads have ended."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            last = self._users == 0
        if last:
            self._free()

    def _free(self) -> None:
        for context in self._spare:
            context.free()
        self._spare = []
        _ffi.lib.infer_free(self._handle)
        self._handle = None
        self._borrowed = None

    def __enter__(self) -> "Model":
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    def __del__(self) -> None:
        if getattr(self, "_lock", None) is not None and _ffi is not None:
            self.close()

    def __repr__(self) -> str:
        def side(ports: List[ValueInfo]) -> str:
            return ", ".join(f"{port.name}: {port.type}" for port in ports)

        return f"<libinfer.Model ({side(self.inputs)}) -> ({side(self.outputs)})>"

    @contextmanager
    def _use(self) -> Iterator[ctypes.c_void_p]:
        """The handle, alive until the block ends."""
        with self._lock:
            if self._closed or self._handle is None:
                raise InferStateError("the model is closed")
            self._users += 1
        try:
            yield self._handle
        finally:
            with self._lock:
                self._users -= 1
                last = self._closed and self._users == 0
            if last:
                self._free()

    @contextmanager
    def _context(self) -> Iterator[_Context]:
        """A context that no other thread has."""
        with self._use() as handle:
            with self._lock:
                context = self._spare.pop() if self._spare else None
            if context is None:
                context = _Context(handle)
            try:
                yield context
            finally:
                with self._lock:
                    self._spare.append(context)

    # ---- what it is ----

    def _ports(self, count: Any, describe: Any) -> List[ValueInfo]:
        ports = []
        for index in range(count(self._handle)):
            info = _ffi.ValueInfo(struct_size=ctypes.sizeof(_ffi.ValueInfo))
            check(describe(self._handle, index, info))
            shape: Optional[Tuple[Union[int, str, None], ...]] = None
            if info.rank >= 0:
                shape = tuple(
                    info.shape[i] if info.shape[i] >= 0 else (_text(info.symbols[i]) or None)
                    for i in range(info.rank)
                )
            ports.append(ValueInfo(_text(info.name), _text(info.type_string), shape))
        return ports

    def _labels(self) -> Union[List[int], List[str], None]:
        lib = _ffi.lib
        texts = [
            _text(lib.infer_model_class(self._handle, i))
            for i in range(lib.infer_model_class_count(self._handle))
        ]
        if not texts:
            return None
        if lib.infer_model_class_type(self._handle) == values.STRING:
            return texts
        return [int(text) for text in texts]

    def _feature_names(self) -> Optional[List[str]]:
        lib = _ffi.lib
        names = [
            lib.infer_model_feature_name(self._handle, i)
            for i in range(self.feature_count)
        ] if self.feature_count and lib.infer_model_feature_name(self._handle, 0) else []
        return [_text(name) for name in names] or None

    @property
    def nodes(self) -> List[Node]:
        """What a run executes."""
        with self._use() as handle:
            found = []
            name, domain, op = ctypes.c_char_p(), ctypes.c_char_p(), ctypes.c_char_p()
            for index in range(_ffi.lib.infer_model_nodes(handle)):
                check(_ffi.lib.infer_model_node(handle, index, name, domain, op))
                found.append(Node(_text(name.value), _text(domain.value), _text(op.value)))
            return found

    @property
    def metadata(self) -> Dict[str, str]:
        with self._use() as handle:
            found = {}
            key, value = ctypes.c_char_p(), ctypes.c_char_p()
            for index in range(_ffi.lib.infer_model_metadata_count(handle)):
                check(_ffi.lib.infer_model_metadata(handle, index, key, value))
                found[_text(key.value)] = _text(value.value)
            return found

    @property
    def memory(self) -> Tuple[int, bool]:
        """Bytes a context holds after a run, and whether that is exact (all shapes are fixed)."""
        with self._use() as handle:
            size, exact = ctypes.c_size_t(), ctypes.c_int()
            check(_ffi.lib.infer_model_memory(handle, size, exact))
            return size.value, bool(exact.value)

    # ---- files ----

    def save(self, path: Union[str, "os.PathLike[str]"]) -> None:
        """Writes the model as a prepared image, whole or not at all."""
        with self._use() as handle:
            check(_ffi.lib.infer_save(handle, os.fsencode(path)))

    def to_bytes(self) -> bytes:
        """The prepared image."""
        with self._use() as handle:
            data, size = ctypes.c_void_p(), ctypes.c_size_t()
            check(_ffi.lib.infer_model_image(handle, data, size))
            return ctypes.string_at(data, size.value)

    def verify(self) -> None:
        """Compares the image's content hash; raises InferFormatError if bytes have changed."""
        with self._use() as handle:
            check(_ffi.lib.infer_verify(handle))

    # ---- running ----

    def run(self, feeds: Mapping[str, Any], outputs: Optional[Sequence[str]] = None, *,
            numpy: Optional[bool] = None) -> Dict[str, Any]:
        """Runs the model on named inputs and gives its outputs, or those asked for, by name.

        Tensors are arrays, buffers or nested lists; sequences are lists, maps dicts, an empty
        optional None. Arrays come back if a feed has one; `numpy` says so otherwise.
        """
        return self._run(feeds, outputs, numpy, cast=False)

    def _run(self, feeds: Mapping[str, Any], outputs: Optional[Sequence[str]],
             numpy: Optional[bool], cast: bool) -> Dict[str, Any]:
        if numpy is None:
            numpy = any(values.holds_arrays(feed) for feed in feeds.values())
        np = values.import_numpy() if numpy else None
        keep: List[Any] = []
        views = (_ffi.Value * max(len(feeds), 1))()
        for i, (name, feed) in enumerate(feeds.items()):
            if name not in self._types:
                known = ", ".join(self._types) or "none"
                raise InferArgumentError(f"the model has no input {name!r}; its inputs: {known}")
            views[i] = values.to_view(feed, self._types[name], cast, keep)
        wanted = [port.name for port in self.outputs] if outputs is None else list(outputs)
        names = (ctypes.c_char_p * max(len(feeds), 1))(*[name.encode() for name in feeds])
        out_names = (ctypes.c_char_p * max(len(wanted), 1))(*[name.encode() for name in wanted])
        results = (_ffi.Value * max(len(wanted), 1))()
        with self._context() as context:
            check(_ffi.lib.infer_run(context.handle, names, views, len(feeds), out_names, results,
                                     len(wanted)))
            # Copied here: the context's next run, perhaps another thread's, overwrites them.
            return {name: values.from_view(results[i], np) for i, name in enumerate(wanted)}

    # ---- predicting ----

    def _find_primary(self) -> Optional[str]:
        """The output that infer_predict gives: the first with floating-point elements, or the
        first of numbers."""
        floats = ("float", "double", "float16", "bfloat16")
        numeric = None
        for port in self.outputs:
            kind = values.parse_type(port.type)
            while kind.inner is not None:
                kind = kind.inner
            if kind.element in [_ffi.TYPES[name] for name in floats]:
                return port.name
            if kind.element != values.STRING and numeric is None:
                numeric = port.name
        return numeric

    def _flat(self, X: Any) -> Tuple[Any, int, int, Any, Any]:
        """Features in a row: their memory, its address, rows, the C type, and NumPy or None."""
        np = values.import_numpy() if values.is_array(X) else None
        if np is not None:
            array = np.asarray(X)
            double = self._linear and array.dtype.kind == "f" and array.dtype.itemsize >= 8
            array = np.require(array, np.float64 if double else np.float32, ["C", "A"])
            shape, count, address, memory = array.shape, array.size, array.ctypes.data, array
        else:
            # Numbers of Python are doubles, those of array('f') are not.
            element = _ffi.TYPES["double" if self._linear else "float"]
            if getattr(X, "typecode", "") == "f" or getattr(X, "format", "") == "f":
                element = _ffi.TYPES["float"]
            memory = []
            view = values.tensor(X, element, True, memory)
            shape, count, address = view.shape[:view.rank], view.count, view.data
            double = element == _ffi.TYPES["double"]
        width = self.feature_count
        given = count if len(shape) < 2 else count // max(shape[0], 1)
        if count and given != width:
            raise InferShapeError(f"{given} features a row were given, the model takes {width}")
        return memory, address, count // width, ctypes.c_double if double else ctypes.c_float, np

    def _scores(self, X: Any) -> Any:
        """The primary output through infer_predict: [rows, output_count]."""
        memory, address, rows, kind, np = self._flat(X)
        width = self.output_count
        if np is not None:
            result = np.empty((rows, width), np.float64 if kind is ctypes.c_double else np.float32)
            to = ctypes.cast(result.ctypes.data, ctypes.POINTER(kind))
        else:
            result = to = (kind * (rows * width))()
        if rows:
            call = _ffi.lib.infer_predict
            if kind is ctypes.c_double:
                call = _ffi.lib.infer_predict_f64
            with self._use() as handle:
                check(call(handle, ctypes.cast(address, ctypes.POINTER(kind)),
                           rows * self.feature_count, to, rows * width))
        del memory
        if np is not None:
            return result
        flat = list(result)
        return [flat[i * width:(i + 1) * width] for i in range(rows)]

    def _one_input(self, X: Any, output: Optional[str]) -> Any:
        if len(self.inputs) != 1 or output is None:
            raise InferTypeError(
                f"the model takes {len(self.inputs)} inputs and gives {len(self.outputs)} outputs; use run"
            )
        shape = self.inputs[0].shape
        flat = getattr(X, "ndim", None) == 1 or (
            isinstance(X, (list, tuple)) and X and not isinstance(X[0], (list, tuple)))
        if flat and shape is not None and len(shape) == 2:
            X = X.reshape(1, -1) if values.is_array(X) else [X]  # one row
        return self._run({self.inputs[0].name: X}, [output], None, cast=True)[output]

    def _primary_output(self, X: Any) -> Any:
        dense = self._linear
        if not dense and self._primary is not None and self.feature_count and self.output_count:
            # Of a ZipMap the probabilities alone.
            kinds = {port.name: port.type for port in self.outputs}
            dense = kinds[self._primary].startswith("seq(map(") and [
                port.type for port in self.inputs] == ["tensor(float)"]
        if dense:
            return self._scores(X)
        result = self._one_input(X, self._primary)
        if isinstance(result, list) and result and isinstance(result[0], dict):
            result = [list(row.values()) for row in result]
            return values.import_numpy().array(result) if values.is_array(X) else result
        return result

    def predict(self, X: Any) -> Any:
        """Labels of a classifier, else the primary output; of one value a row, a flat list of
        them. X is one row or several."""
        if self.classes is None:
            result = self._primary_output(X)
            if self._linear and self.output_count == 1:
                return result[:, 0] if values.is_array(result) else [row[0] for row in result]
            return result
        if self._linear:
            scores = self._primary_output(X)
            if values.is_array(scores):
                np = values.import_numpy()
                labels = np.array(self.classes, object if isinstance(self.classes[0], str) else None)
                return labels[scores.argmax(1)]
            return [self.classes[max(range(len(row)), key=row.__getitem__)] for row in scores]
        labels = {"tensor(int64)", "tensor(string)"}
        name = next((port.name for port in self.outputs if port.type in labels), None)
        return self._one_input(X, name)

    def predict_proba(self, X: Any) -> Any:
        """The primary output of a classifier, a row of one value for each class: probabilities, or
        decision values of a model that has no probabilities."""
        if self.classes is None:
            raise InferTypeError("the model is no classifier: it has no class labels")
        return self._primary_output(X)
