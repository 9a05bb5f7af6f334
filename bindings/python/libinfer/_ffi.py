"""The C library as ctypes sees it: where it is, its structures, its functions.

Everything here says what include/infer.h says, in the same order; a test compares the two.
"""

import ctypes
import os
from ctypes import (
    CFUNCTYPE,
    POINTER,
    Structure,
    c_char_p,
    c_double,
    c_float,
    c_int,
    c_int32,
    c_int64,
    c_size_t,
    c_uint32,
    c_uint64,
    c_void_p,
)
from pathlib import Path
from typing import Iterator

# ---- constants ----

OK = 0
COPY, BORROW = 0, 1
MAX_RANK = 16
THREADS_ALL = 0xFFFFFFFF
KIND_TENSOR, KIND_SEQUENCE, KIND_MAP, KIND_OPTIONAL, KIND_SPARSE = range(5)
VALIDATE_DEFAULT, VALIDATE_FULL = 0, 1
BLAS = {"default": 0, "native": 1, "openblas": 2}
WEIGHTS = {"": 0, "bf16": 1, "int8": 2}
LINKS = {"identity": 0, "logistic": 1, "softmax": 2, "exp": 3}
CPU = {
    "avx2": 1,
    "avx512": 2,
    "avx512_vnni": 4,
    "avx512_bf16": 8,
    "neon": 16,
    "amx_bf16": 32,
    "amx_int8": 64,
    "avx512_vbmi": 128,
    "fast_bf16": 256,
    "scalar": 0x80000000,
}
TYPES = {
    "undefined": 0,
    "float": 1,
    "uint8": 2,
    "int8": 3,
    "uint16": 4,
    "int16": 5,
    "int32": 6,
    "int64": 7,
    "string": 8,
    "bool": 9,
    "float16": 10,
    "double": 11,
    "uint32": 12,
    "uint64": 13,
    "complex64": 14,
    "complex128": 15,
    "bfloat16": 16,
    "float8e4m3fn": 17,
    "float8e4m3fnuz": 18,
    "float8e5m2": 19,
    "float8e5m2fnuz": 20,
    "uint4": 21,
    "int4": 22,
    "float4e2m1": 23,
    "float8e8m0": 24,
    "uint2": 25,
    "int2": 26,
}

# ---- structures ----

ALLOC = CFUNCTYPE(c_void_p, c_void_p, c_size_t)
FREE = CFUNCTYPE(None, c_void_p, c_void_p, c_size_t)
OBSERVER = CFUNCTYPE(None, c_void_p, c_size_t, c_uint64)
MISSING = CFUNCTYPE(None, c_void_p, c_char_p, c_char_p, c_int, c_char_p)
PASS_OBSERVER = CFUNCTYPE(None, c_void_p, c_void_p)


class Allocator(Structure):
    _fields_ = [("alloc", ALLOC), ("free", FREE), ("user", c_void_p)]


class Metadata(Structure):
    _fields_ = [("key", c_char_p), ("value", c_char_p)]


class Options(Structure):
    _fields_ = [
        ("struct_size", c_size_t),
        ("allocator", POINTER(Allocator)),
        ("memory_limit", c_size_t),
        ("load_limit", c_size_t),
        ("cpu_mask", c_uint32),
        ("threads", c_uint32),
        ("validation", c_uint32),
        ("blas", c_uint32),
        ("metadata", POINTER(Metadata)),
        ("metadata_count", c_size_t),
        ("iteration_limit", c_uint64),
        ("without", c_char_p),
        ("pass_observer", PASS_OBSERVER),
        ("pass_observer_user", c_void_p),
        ("weights", c_uint32),
        ("reserved", c_uint32),
    ]


class LinearSpec(Structure):
    _fields_ = [
        ("struct_size", c_size_t),
        ("feature_count", c_size_t),
        ("output_count", c_size_t),
        ("coefficients", POINTER(c_double)),
        ("intercepts", POINTER(c_double)),
        ("link", c_uint32),
        ("reserved", c_uint32),
        ("class_count", c_size_t),
        ("class_ints", POINTER(c_int64)),
        ("class_strings", POINTER(c_char_p)),
        ("feature_names", POINTER(c_char_p)),
        ("mean", POINTER(c_double)),
        ("scale", POINTER(c_double)),
    ]


class String(Structure):
    # A void pointer: the bytes are not terminated, and ctypes would look for their end.
    _fields_ = [("data", c_void_p), ("size", c_size_t)]


class ValueInfo(Structure):
    _fields_ = [
        ("struct_size", c_size_t),
        ("name", c_char_p),
        ("type_string", c_char_p),
        ("kind", c_uint32),
        ("type", c_uint32),
        ("rank", c_int32),
        ("reserved", c_uint32),
        ("shape", POINTER(c_int64)),
        ("symbols", POINTER(c_char_p)),
    ]


class Value(Structure):
    _fields_ = [
        ("kind", c_uint32),
        ("type", c_uint32),
        ("rank", c_uint32),
        ("reserved", c_uint32),
        ("shape", POINTER(c_int64)),
        ("data", c_void_p),
        ("count", c_size_t),
    ]


class PlanInfo(Structure):
    _fields_ = [
        ("struct_size", c_size_t),
        ("intermediates", c_size_t),
        ("least", c_size_t),
        ("scratch", c_size_t),
        ("context", c_size_t),
        ("exact", c_uint32),
        ("reserved", c_uint32),
    ]


class NodeWork(Structure):
    _fields_ = [
        ("struct_size", c_size_t),
        ("bytes", c_double),
        ("operations", c_double),
    ]


STRUCTURES = {
    "infer_node_work": NodeWork,
    "infer_allocator": Allocator,
    "infer_metadata": Metadata,
    "infer_options": Options,
    "infer_linear_spec": LinearSpec,
    "infer_string": String,
    "infer_value_info": ValueInfo,
    "infer_value": Value,
    "infer_plan_info": PlanInfo,
}

# ---- functions ----

# infer_model *, infer_context *, infer_pool *; enums are ints.
_MODEL = _CONTEXT = _POOL = c_void_p
_STATUS = _TYPE = _OWNERSHIP = c_int
_OUT = POINTER(c_void_p)
_TEXT_OUT = POINTER(c_char_p)
_NAMES = POINTER(c_char_p)

FUNCTIONS = {
    "infer_status_name": (c_char_p, [_STATUS]),
    "infer_last_error": (c_char_p, []),
    "infer_version": (c_char_p, []),
    "infer_abi_version": (c_uint32, []),
    "infer_load": (_STATUS, [c_char_p, _OUT]),
    "infer_open": (_STATUS, [c_char_p, _OUT]),
    "infer_predict": (_STATUS, [_MODEL, POINTER(c_float), c_size_t, POINTER(c_float), c_size_t]),
    "infer_predict_f64": (
        _STATUS,
        [_MODEL, POINTER(c_double), c_size_t, POINTER(c_double), c_size_t],
    ),
    "infer_free": (None, [_MODEL]),
    "infer_options_init": (None, [POINTER(Options)]),
    "infer_load_with": (_STATUS, [c_char_p, POINTER(Options), _OUT]),
    "infer_open_with": (_STATUS, [c_char_p, POINTER(Options), _OUT]),
    "infer_load_memory": (_STATUS, [c_void_p, c_size_t, _OWNERSHIP, _OUT]),
    "infer_load_memory_with": (
        _STATUS,
        [c_void_p, c_size_t, _OWNERSHIP, POINTER(Options), _OUT],
    ),
    "infer_open_memory_with": (
        _STATUS,
        [c_void_p, c_size_t, _OWNERSHIP, POINTER(Options), _OUT],
    ),
    "infer_linear_spec_init": (None, [POINTER(LinearSpec)]),
    "infer_linear": (_STATUS, [POINTER(LinearSpec), _OUT]),
    "infer_save": (_STATUS, [_MODEL, c_char_p]),
    "infer_model_image": (_STATUS, [_MODEL, _OUT, POINTER(c_size_t)]),
    "infer_verify": (_STATUS, [_MODEL]),
    "infer_type_name": (c_char_p, [_TYPE]),
    "infer_type_size": (c_size_t, [_TYPE]),
    "infer_model_inputs": (c_size_t, [_MODEL]),
    "infer_model_outputs": (c_size_t, [_MODEL]),
    "infer_model_input": (_STATUS, [_MODEL, c_size_t, POINTER(ValueInfo)]),
    "infer_model_output": (_STATUS, [_MODEL, c_size_t, POINTER(ValueInfo)]),
    "infer_model_feature_count": (c_size_t, [_MODEL]),
    "infer_model_output_count": (c_size_t, [_MODEL]),
    "infer_model_feature_name": (c_char_p, [_MODEL, c_size_t]),
    "infer_model_class_count": (c_size_t, [_MODEL]),
    "infer_model_class": (c_char_p, [_MODEL, c_size_t]),
    "infer_model_class_type": (_TYPE, [_MODEL]),
    "infer_model_metadata_count": (c_size_t, [_MODEL]),
    "infer_model_metadata": (_STATUS, [_MODEL, c_size_t, _TEXT_OUT, _TEXT_OUT]),
    "infer_model_nodes": (c_size_t, [_MODEL]),
    "infer_model_node": (_STATUS, [_MODEL, c_size_t, _TEXT_OUT, _TEXT_OUT, _TEXT_OUT]),
    "infer_model_memory": (_STATUS, [_MODEL, POINTER(c_size_t), POINTER(c_int)]),
    "infer_operators": (c_size_t, []),
    "infer_operator": (
        _STATUS,
        [c_size_t, _TEXT_OUT, _TEXT_OUT, POINTER(c_int), POINTER(c_int)],
    ),
    "infer_operator_inputs": (_STATUS, [c_size_t, POINTER(c_size_t), POINTER(c_size_t)]),
    "infer_operator_types": (_STATUS, [c_size_t, c_size_t, POINTER(c_uint64)]),
    "infer_missing": (_STATUS, [c_char_p, MISSING, c_void_p]),
    "infer_context_new": (_STATUS, [_MODEL, _OUT]),
    "infer_context_new_in": (_STATUS, [_MODEL, c_void_p, c_size_t, _OUT]),
    "infer_context_free": (None, [_CONTEXT]),
    "infer_pool_new": (_STATUS, [c_uint32, POINTER(Allocator), _OUT]),
    "infer_pool_free": (None, [_POOL]),
    "infer_pool_threads": (c_uint32, [_POOL]),
    "infer_context_set_pool": (_STATUS, [_CONTEXT, _POOL]),
    "infer_context_threads": (c_uint32, [_CONTEXT]),
    "infer_context_memory": (c_size_t, [_CONTEXT]),
    "infer_context_node_work": (_STATUS, [_CONTEXT, c_size_t, POINTER(NodeWork)]),
    "infer_context_observe": (_STATUS, [_CONTEXT, OBSERVER, c_void_p]),
    "infer_context_predict_f64": (
        _STATUS,
        [_CONTEXT, POINTER(c_double), c_size_t, POINTER(c_double), c_size_t],
    ),
    "infer_run": (
        _STATUS,
        [_CONTEXT, _NAMES, POINTER(Value), c_size_t, _NAMES, POINTER(Value), c_size_t],
    ),
    "infer_output": (_STATUS, [_CONTEXT, c_char_p, POINTER(Value)]),
    "infer_model_plan": (_STATUS, [_MODEL, _NAMES, POINTER(Value), c_size_t, POINTER(PlanInfo)]),
    "infer_link_operators": (None, []),
}

# ---- finding and loading ----


def _candidates() -> Iterator[str]:
    """Where the library may be, best first."""
    named = os.environ.get("INFER_LIBRARY")
    if named:
        # Whoever names a library gets that one or an error, never another.
        yield named
        return
    package = Path(__file__).resolve().parent
    beside = package / "libinfer.so"
    if beside.exists():
        yield str(beside)
    if len(package.parents) > 2:
        built = package.parents[2] / "build" / "libinfer.so"
        if built.exists():
            yield str(built)
    yield "libinfer.so.0"


def load_library() -> ctypes.CDLL:
    """The library with every function's signature set."""
    tried = []
    for path in _candidates():
        try:
            library = ctypes.CDLL(path)
        except OSError as error:
            tried.append(f"{path}: {error}")
            continue
        for name, (result, arguments) in FUNCTIONS.items():
            function = getattr(library, name)
            function.restype = result
            function.argtypes = arguments
        return library
    raise ImportError(
        "libinfer.so cannot be loaded; set INFER_LIBRARY to its path. Tried:\n  " + "\n  ".join(tried)
    )


lib = load_library()


def version() -> str:
    """The version of the C library in use."""
    return lib.infer_version().decode()


def abi_version() -> int:
    """The ABI version of the C library in use."""
    return lib.infer_abi_version()
