"""A status of the C library as an exception."""

from typing import Dict, Type

from . import _ffi


class InferError(Exception):
    """A call failed. `status` is the number of the status, `name` its name."""

    status = 0

    def __init__(self, message: str, status: int = 0):
        super().__init__(message)
        self.status = status or self.status

    @property
    def name(self) -> str:
        return _ffi.lib.infer_status_name(self.status).decode()


class InferArgumentError(InferError, ValueError):
    """A wrong count or an unknown name."""

    status = 1


class InferMemoryError(InferError, MemoryError):
    """No memory was left."""

    status = 2


class InferLimitError(InferError):
    """A limit set in the options would be passed."""

    status = 3


class InferIOError(InferError, OSError):
    """A file could not be opened, read, mapped or written."""

    status = 4


class InferFormatError(InferError, ValueError):
    """The bytes are not a valid model of the format they claim."""

    status = 5


class InferUnsupportedError(InferError, NotImplementedError):
    """Valid, but there is no such operator, type, format or estimator here."""

    status = 6


class InferShapeError(InferError, ValueError):
    """Extents do not fit each other or the model."""

    status = 7


class InferTypeError(InferError, TypeError):
    """An element type does not fit."""

    status = 8


class InferValueError(InferError, ValueError):
    """Data that the operator's definition forbids."""

    status = 9


class InferStateError(InferError):
    """A call out of order, such as one on a closed model."""

    status = 10


BY_STATUS: Dict[int, Type[InferError]] = {
    kind.status: kind for kind in InferError.__subclasses__()
}


def check(status: int) -> None:
    """Raises what a status stands for, with the library's own words."""
    if status:
        message = _ffi.lib.infer_last_error().decode("utf-8", "replace")
        kind = BY_STATUS.get(status, InferError)
        raise kind(message or _ffi.lib.infer_status_name(status).decode(), status)
