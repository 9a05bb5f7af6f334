"""Python values as the library's views, and back: tensors, strings, sequences, maps, optionals.

NumPy arrays and writable buffers are passed where they lie if they are contiguous. NumPy is used
only where the caller has imported it or asks for it.
"""

import ctypes
import operator
import struct
import sys
from typing import Any, Iterator, List, NamedTuple, Optional, Sequence, Tuple

from . import _ffi
from .errors import InferArgumentError, InferShapeError, InferTypeError

STRING = _ffi.TYPES["string"]


class Element(NamedTuple):
    """How one element type is spelled: in NumPy, as buffer formats, as a ctypes type."""

    numpy: str
    formats: str = ""
    ctype: Any = None


_L = ctypes.sizeof(ctypes.c_long)

# By the type's name. Types without a ctypes type and without a case in `_pack` need NumPy.
ELEMENTS = {
    _ffi.TYPES[name]: element
    for name, element in {
        "float": Element("float32", "f", ctypes.c_float),
        "uint8": Element("uint8", "Bc", ctypes.c_uint8),
        "int8": Element("int8", "b", ctypes.c_int8),
        "uint16": Element("uint16", "H", ctypes.c_uint16),
        "int16": Element("int16", "h", ctypes.c_int16),
        "int32": Element("int32", "i" if _L == 8 else "il", ctypes.c_int32),
        "int64": Element("int64", "ql" if _L == 8 else "q", ctypes.c_int64),
        "bool": Element("bool", "?", ctypes.c_uint8),
        "float16": Element("float16", "e"),
        "double": Element("float64", "d", ctypes.c_double),
        "uint32": Element("uint32", "I" if _L == 8 else "IL", ctypes.c_uint32),
        "uint64": Element("uint64", "QL" if _L == 8 else "Q", ctypes.c_uint64),
        "complex64": Element("complex64"),
        "complex128": Element("complex128"),
        "bfloat16": Element("bfloat16"),
        "float8e4m3fn": Element("float8_e4m3fn"),
        "float8e4m3fnuz": Element("float8_e4m3fnuz"),
        "float8e5m2": Element("float8_e5m2"),
        "float8e5m2fnuz": Element("float8_e5m2fnuz"),
        "uint4": Element("uint4", ctype=ctypes.c_uint8),
        "int4": Element("int4", ctype=ctypes.c_int8),
        "float4e2m1": Element("float4_e2m1fn"),
        "float8e8m0": Element("float8_e8m0fnu"),
        "uint2": Element("uint2", ctype=ctypes.c_uint8),
        "int2": Element("int2", ctype=ctypes.c_int8),
    }.items()
}
BY_NUMPY = {element.numpy: number for number, element in ELEMENTS.items()}
_SMALL = {"int4": "int8", "uint4": "uint8", "int2": "int8", "uint2": "uint8"}
BY_FORMAT = {code: number for number, element in ELEMENTS.items() for code in element.formats}


class SparseTensor(NamedTuple):
    """Values, their indices ([n] into the flattened tensor or [n, rank]), and the dense shape."""

    values: Any
    indices: Any
    shape: Tuple[int, ...]


# ---- types ----


class Type(NamedTuple):
    """A parsed type string: kind, element or key type, and the type inside."""

    kind: int
    element: int
    inner: Optional["Type"] = None


_KINDS = {
    "tensor": _ffi.KIND_TENSOR,
    "sparse_tensor": _ffi.KIND_SPARSE,
    "seq": _ffi.KIND_SEQUENCE,
    "map": _ffi.KIND_MAP,
    "optional": _ffi.KIND_OPTIONAL,
}


def parse_type(text: str) -> Type:
    """"seq(map(int64,tensor(float)))" as a Type."""
    word, _, rest = text.partition("(")
    if word not in _KINDS or not rest.endswith(")"):
        raise InferTypeError(f"unknown type {text!r}")
    kind, rest = _KINDS[word], rest[:-1]
    if kind in (_ffi.KIND_TENSOR, _ffi.KIND_SPARSE):
        return Type(kind, _ffi.TYPES.get(rest, 0))
    if kind == _ffi.KIND_MAP:
        key, _, inner = rest.partition(",")
        return Type(kind, _ffi.TYPES.get(key.strip(), 0), parse_type(inner.strip()))
    return Type(kind, 0, parse_type(rest))


# ---- NumPy, where it is ----


def loaded_numpy() -> Any:
    """NumPy if the program has imported it, else None."""
    return sys.modules.get("numpy")


def import_numpy() -> Any:
    """NumPy, or None where it is not installed."""
    try:
        import numpy
    except ImportError:
        return None
    return numpy


def is_array(value: Any) -> bool:
    return hasattr(value, "__array__")


def holds_arrays(value: Any) -> bool:
    """Whether an array is somewhere in a feed, so that arrays are what the caller expects back."""
    if isinstance(value, (list, tuple)):
        return any(holds_arrays(item) for item in value[:1])
    if isinstance(value, dict):
        return any(holds_arrays(item) for item in value.values())
    return is_array(value)


def numpy_type(element: int, np: Any) -> Any:
    """The dtype of an element type; raw bits of types that need ml_dtypes where that is missing."""
    name = ELEMENTS[element].numpy
    if hasattr(np, name) or name == "bool":
        return np.dtype(name)
    try:
        import ml_dtypes

        return np.dtype(getattr(ml_dtypes, name))
    except (ImportError, AttributeError):
        return np.dtype("uint16" if name == "bfloat16" else "uint8")


# ---- Python to views ----


def flatten(value: Any) -> Tuple[List[int], List[Any]]:
    """Nested lists as a shape and the elements in a row."""
    shape: List[int] = []
    level = [value]
    while level:
        level = [
            item.tolist() if hasattr(item, "tolist") and not isinstance(item, (str, bytes)) else item
            for item in level
        ]
        nested = [isinstance(item, (list, tuple)) for item in level]
        if not any(nested):
            break
        width = len(level[0]) if nested[0] else -1
        if not all(nested) or any(len(item) != width for item in level):
            raise InferShapeError("rows of a nested list differ in length or depth")
        shape.append(width)
        level = [inner for item in level for inner in item]
    return shape, level


def _texts(items: Sequence[Any], keep: List[Any]) -> Any:
    pieces = []
    for item in items:
        if isinstance(item, str):
            pieces.append(item.encode())
        elif isinstance(item, bytes):
            pieces.append(item)
        else:
            raise InferTypeError(f"a string was expected, not {type(item).__name__}")
    joined = b"".join(pieces) + b"\0"
    keep.append(joined)
    at = ctypes.cast(ctypes.c_char_p(joined), ctypes.c_void_p).value or 0
    strings = (_ffi.String * len(pieces))()
    for string, piece in zip(strings, pieces):
        string.data, string.size = at, len(piece)
        at += len(piece)
    return strings


def _pack(items: Sequence[Any], element: int, keep: List[Any]) -> Any:
    """Elements of a list as memory."""
    known = ELEMENTS.get(element)
    try:
        if element == STRING:
            return _texts(items, keep)
        if element == _ffi.TYPES["bool"]:
            return (ctypes.c_uint8 * len(items))(*[bool(item) for item in items])
        if known is not None and known.ctype in (ctypes.c_float, ctypes.c_double):
            return (known.ctype * len(items))(*[float(item) for item in items])
        if known is not None and known.ctype is not None:
            # ctypes cuts integers off; struct refuses what does not fit.
            code = known.formats[:1] or ("B" if known.numpy.startswith("u") else "b")
            data = struct.pack(f"={len(items)}{code}", *[_integer(item) for item in items])
            return (known.ctype * len(items)).from_buffer_copy(data)
        if element == _ffi.TYPES["float16"]:
            data = struct.pack(f"={len(items)}e", *items)
            return (ctypes.c_uint16 * len(items)).from_buffer_copy(data)
        if element in (_ffi.TYPES["complex64"], _ffi.TYPES["complex128"]):
            part = ctypes.c_float if element == _ffi.TYPES["complex64"] else ctypes.c_double
            parts = [p for item in items for p in (complex(item).real, complex(item).imag)]
            return (part * len(parts))(*parts)
    except InferTypeError:
        raise
    except (TypeError, ValueError, OverflowError, struct.error) as error:
        name = _ffi.lib.infer_type_name(element).decode()
        raise InferTypeError(f"a list does not hold {name}: {error}") from None
    name = _ffi.lib.infer_type_name(element).decode()
    raise InferTypeError(f"{name} is possible as a NumPy array of ml_dtypes only")


def _integer(item: Any) -> int:
    if isinstance(item, float) and item.is_integer():
        return int(item)
    return operator.index(item)


def _tensor(shape: Sequence[int], memory: Any, address: int, element: int, count: int,
            keep: List[Any]) -> _ffi.Value:
    if len(shape) > _ffi.MAX_RANK:
        raise InferShapeError(f"{len(shape)} dimensions; at most {_ffi.MAX_RANK} are possible")
    dims = (ctypes.c_int64 * max(len(shape), 1))(*shape)
    keep += [memory, dims]
    value = _ffi.Value(_ffi.KIND_TENSOR, element, len(shape), 0)
    value.shape = ctypes.cast(dims, ctypes.POINTER(ctypes.c_int64))
    value.data = address
    value.count = count
    return value


def _from_list(items: Any, element: int, keep: List[Any]) -> _ffi.Value:
    shape, flat = flatten(items)
    memory = _pack(flat, element, keep)
    return _tensor(shape, memory, ctypes.addressof(memory), element, len(flat), keep)


def _from_array(array: Any, element: int, cast: bool, keep: List[Any]) -> _ffi.Value:
    np = import_numpy()
    array = np.asarray(array)
    if element == STRING and array.dtype.kind in "USOT":
        memory = _texts(array.reshape(-1).tolist(), keep)
        return _tensor(array.shape, memory, ctypes.addressof(memory), STRING, array.size, keep)
    if cast and element in ELEMENTS:
        array = array.astype(numpy_type(element, np), copy=False)
    given = BY_NUMPY.get(array.dtype.name)
    if given is None:
        raise InferTypeError(f"arrays of {array.dtype} are not possible")
    if array.dtype.name in _SMALL:
        array = array.astype(_SMALL[array.dtype.name])  # the bits above the element are anything
    # Contiguous, aligned and in the machine's byte order: copied only where one of them is missing.
    array = np.require(array, array.dtype.newbyteorder("="), ["C", "A"])
    return _tensor(array.shape, array, array.ctypes.data, given, array.size, keep)


def _from_buffer(view: memoryview, element: int, cast: bool, keep: List[Any]) -> _ffi.Value:
    given = BY_FORMAT.get(view.format.lstrip("@="))
    if given is None or (cast and given != element):
        return _from_list(view.tolist(), element, keep)
    count = view.nbytes // view.itemsize
    kind = ctypes.c_char * view.nbytes
    if view.c_contiguous and not view.readonly:
        memory = kind.from_buffer(view)
    else:
        memory = kind.from_buffer_copy(view.tobytes())
    return _tensor(view.shape or (), memory, ctypes.addressof(memory), given, count, keep)


def tensor(value: Any, element: int, cast: bool, keep: List[Any]) -> _ffi.Value:
    """A tensor. Arrays and buffers keep their type unless `cast`; lists become `element`."""
    if is_array(value):
        return _from_array(value, element, cast, keep)
    if element != STRING and not isinstance(value, (list, tuple, str)):
        try:
            view = memoryview(value)
        except TypeError:
            pass
        else:
            return _from_buffer(view, element, cast, keep)
    return _from_list(value, element, keep)


def _members(kind: int, element: int, members: Sequence[_ffi.Value], count: int,
             keep: List[Any]) -> _ffi.Value:
    array = (_ffi.Value * max(len(members), 1))(*members)
    keep.append(array)
    value = _ffi.Value(kind, element)
    value.data = ctypes.addressof(array)
    value.count = count
    return value


def _sparse(value: Any, element: int, keep: List[Any]) -> _ffi.Value:
    if hasattr(value, "tocoo"):  # scipy.sparse
        np, coo = import_numpy(), value.tocoo()
        value = SparseTensor(coo.data, np.stack([coo.row, coo.col], 1).astype("int64"), coo.shape)
    values, indices, shape = value
    members = [
        tensor(values, element, False, keep),
        tensor(indices, _ffi.TYPES["int64"], False, keep),
    ]
    dims = (ctypes.c_int64 * max(len(shape), 1))(*shape)
    keep.append(dims)
    view = _members(_ffi.KIND_SPARSE, members[0].type, members, members[0].count, keep)
    view.rank = len(shape)
    view.shape = ctypes.cast(dims, ctypes.POINTER(ctypes.c_int64))
    return view


def to_view(value: Any, kind: Type, cast: bool, keep: List[Any]) -> _ffi.Value:
    """A value as an input of a type. What the view points to stays alive with `keep`."""
    inner = kind.inner
    if kind.kind == _ffi.KIND_TENSOR or inner is None:
        if kind.kind == _ffi.KIND_SPARSE:
            return _sparse(value, kind.element, keep)
        return tensor(value, kind.element, cast, keep)
    if kind.kind == _ffi.KIND_OPTIONAL:
        members = [] if value is None else [to_view(value, inner, cast, keep)]
        return _members(kind.kind, 0, members, len(members), keep)
    if kind.kind == _ffi.KIND_SEQUENCE:
        if isinstance(value, (str, bytes, dict)) or not hasattr(value, "__len__"):
            raise InferTypeError("a sequence was expected")
        members = [to_view(item, inner, cast, keep) for item in value]
        return _members(kind.kind, 0, members, len(members), keep)
    if not isinstance(value, dict):
        raise InferTypeError("a dict was expected")
    keys = tensor(list(value), kind.element, False, keep)
    items = list(value.values())
    if inner.kind == _ffi.KIND_TENSOR and not any(hasattr(item, "__len__") and not isinstance(
            item, (str, bytes)) for item in items):
        values = tensor(items, inner.element, False, keep)
    else:
        values = to_view(items, Type(_ffi.KIND_SEQUENCE, 0, inner), cast, keep)
    return _members(kind.kind, kind.element, [keys, values], 2, keep)


# ---- views to Python ----


def _nest(flat: List[Any], shape: Sequence[int]) -> Any:
    if not shape:
        return flat[0]
    if len(shape) == 1:
        return flat
    step = _product(shape[1:])
    return [_nest(flat[i * step:(i + 1) * step], shape[1:]) for i in range(shape[0])]


def _product(shape: Sequence[int]) -> int:
    product = 1
    for extent in shape:
        product *= extent
    return product


def _strings(view: _ffi.Value) -> Iterator[str]:
    array = (_ffi.String * view.count).from_address(view.data) if view.count else ()
    for string in array:
        raw = ctypes.string_at(string.data, string.size) if string.size else b""
        yield raw.decode("utf-8", "replace")


def _numbers(view: _ffi.Value) -> List[Any]:
    element, count = view.type, view.count
    known = ELEMENTS.get(element)
    if known is None:
        raise InferTypeError(f"element type {element} is not known here")
    if not count:
        return []
    if element == _ffi.TYPES["bool"]:
        return [bool(item) for item in (ctypes.c_uint8 * count).from_address(view.data)]
    if known.ctype is not None:
        return list((known.ctype * count).from_address(view.data))
    size = _ffi.lib.infer_type_size(element)
    raw = ctypes.string_at(view.data, count * size)
    if element == _ffi.TYPES["float16"]:
        return list(struct.unpack(f"={count}e", raw))
    if element == _ffi.TYPES["bfloat16"]:
        halves = struct.unpack(f"={count}H", raw)
        return list(struct.unpack(f"={count}f", struct.pack(f"={count}I", *[h << 16 for h in halves])))
    if element in (_ffi.TYPES["complex64"], _ffi.TYPES["complex128"]):
        parts = struct.unpack(f"={2 * count}{'f' if size == 8 else 'd'}", raw)
        return [complex(*parts[i:i + 2]) for i in range(0, 2 * count, 2)]
    name = _ffi.lib.infer_type_name(element).decode()
    raise InferTypeError(f"{name} is possible as a NumPy array only")


def from_view(view: _ffi.Value, np: Any) -> Any:
    """A copy of what a view shows: arrays with NumPy (`np`), lists with None."""
    if view.kind == _ffi.KIND_TENSOR:
        shape = view.shape[:view.rank] if view.rank else []
        if np is None:
            return _nest(list(_strings(view)) if view.type == STRING else _numbers(view), shape)
        if view.type == STRING:
            array = np.empty(view.count, object)
            array[:] = list(_strings(view))
            return array.reshape(shape)
        if view.type not in ELEMENTS:
            raise InferTypeError(f"element type {view.type} is not known here")
        array = np.empty(shape, numpy_type(view.type, np))
        if array.nbytes:
            ctypes.memmove(array.ctypes.data, view.data, array.nbytes)
        return array
    members = (_ffi.Value * (2 if view.kind in (_ffi.KIND_MAP, _ffi.KIND_SPARSE) else view.count))
    items = members.from_address(view.data) if view.data else ()
    if view.kind == _ffi.KIND_SEQUENCE:
        return [from_view(item, np) for item in items]
    if view.kind == _ffi.KIND_OPTIONAL:
        return from_view(items[0], np) if view.count else None
    if view.kind == _ffi.KIND_MAP:
        values = from_view(items[1], np if items[1].kind == _ffi.KIND_SEQUENCE else None)
        return dict(zip(from_view(items[0], None), values))
    if view.kind == _ffi.KIND_SPARSE:
        shape = tuple(view.shape[:view.rank])
        return SparseTensor(from_view(items[0], np), from_view(items[1], np), shape)
    raise InferArgumentError(f"values of kind {view.kind} are not known here")
