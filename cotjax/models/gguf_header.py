"""The header of a GGUF file: its metadata, and where and how each tensor lies.

The format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md. `gguf.GGUFReader` reads it
too, but makes several arrays of each string (1.6 s for a vocabulary of 49152), and follows a
length that lies to the end of memory; here nothing is made before the file is known to hold it.
"""

import dataclasses
import math
import struct
from pathlib import Path
from typing import Any

import numpy as np
from gguf import (
    GGML_QUANT_SIZES,
    GGUF_DEFAULT_ALIGNMENT,
    GGUF_MAGIC,
    GGMLQuantizationType,
    GGUFValueType,
)

from cotjax.errors import InputError

VERSIONS = (2, 3)
TYPES = (
    GGMLQuantizationType.F32,
    GGMLQuantizationType.F16,
    GGMLQuantizationType.BF16,
    GGMLQuantizationType.Q8_0,
    GGMLQuantizationType.Q4_0,
    GGMLQuantizationType.Q4_1,
    GGMLQuantizationType.Q5_0,
    GGMLQuantizationType.Q5_1,
    GGMLQuantizationType.Q4_K,
    GGMLQuantizationType.Q5_K,
    GGMLQuantizationType.Q6_K,
)
FORMATS = {
    GGUFValueType.UINT8: "B",
    GGUFValueType.INT8: "b",
    GGUFValueType.UINT16: "H",
    GGUFValueType.INT16: "h",
    GGUFValueType.UINT32: "I",
    GGUFValueType.INT32: "i",
    GGUFValueType.FLOAT32: "f",
    GGUFValueType.BOOL: "?",
    GGUFValueType.UINT64: "Q",
    GGUFValueType.INT64: "q",
    GGUFValueType.FLOAT64: "d",
}
# Far more than any model has, and little enough to be refused before it is made.
MOST_STRINGS = 2**22  # in an array; the largest vocabularies have 2**18 tokens, 2**19 merges
MOST_BYTES = 2**24  # of one string
MOST_AXES = 4  # GGML_MAX_DIMS


@dataclasses.dataclass(frozen=True)
class Tensor:
    """How one tensor lies in the file; `shape` is in the order of numpy, `start` in bytes."""

    shape: tuple[int, ...]
    type: GGMLQuantizationType
    start: int

    @property
    def row_bytes(self) -> int:
        """Bytes of a row, that is of the last axis, which holds whole blocks."""
        block, size = GGML_QUANT_SIZES[self.type]
        return self.shape[-1] // block * size

    @property
    def num_bytes(self) -> int:
        """Bytes in the file."""
        return math.prod(self.shape[:-1]) * self.row_bytes


class Header:
    """What stands before the tensors of a GGUF file.

    Attributes:
      path: The file.
      data: The file's bytes, mapped into memory.
      metadata: Values by key; arrays of strings are lists, other arrays are numpy's.
      tensors: The tensors by their names in the file.

    Raises:
      InputError: if the file is no GGUF, truncated, or its tensors don't lie as they should.
    """

    def __init__(self, path: Path):
        self.path = Path(path)
        self.data = _map(self.path)
        cursor = _Cursor(self.path, self.data)
        num_tensors, num_keys = _read_preamble(cursor)
        self.metadata = _read_metadata(cursor, num_keys)
        self.tensors = _read_tensors(cursor, num_tensors, self._alignment())

    def get(self, key: str, kind: type, default: Any = None) -> Any:
        """The value of a key; an int passes as a float, and a float comes in its shortest decimals.

        Raises:
          InputError: if it is of another kind, or missing where no default is given.
        """
        value = self.metadata.get(key, default)
        if value is None:
            raise InputError(f"{self.path}: the metadata has no {key}")
        if kind is float and isinstance(value, (int, float)) and not isinstance(value, bool):
            return float(str(np.float32(value)))  # 1e-05 was written as 9.999999747378752e-06
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            raise InputError(f"{self.path}: {key} is {value!r:.60}, not of type {kind.__name__}")
        return value

    def _alignment(self) -> int:
        alignment = self.get("general.alignment", int, GGUF_DEFAULT_ALIGNMENT)
        if alignment < 1 or alignment & (alignment - 1):
            raise InputError(f"{self.path}: general.alignment is {alignment}, not a power of two")
        return alignment


def _map(path: Path) -> np.ndarray:
    """The bytes of a file, none of which are read yet."""
    try:
        if path.stat().st_size == 0:
            raise InputError(f"{path}: empty, not a GGUF file")
        return np.memmap(path, mode="r", dtype=np.uint8)
    except OSError as error:
        raise InputError(f"{path}: can't be read: {error.strerror}") from error


class _Cursor:
    """Reads values one after another, and never past the end of the file."""

    def __init__(self, path: Path, data: np.ndarray):
        self.path = path
        self.position = 0
        self.reading = "its first bytes"  # told when the file ends too early
        self.size = len(data)
        self._data = data
        self._view = memoryview(data)

    def number(self, code: str) -> Any:
        """A number or truth value in the notation of `struct`."""
        start = self.advance(struct.calcsize(code))
        return struct.unpack_from(f"<{code}", self._view, start)[0]

    def string(self) -> str:
        """A length and that many bytes of UTF-8."""
        length = self.number("Q")
        start = self.advance(length)
        if length > MOST_BYTES:
            raise InputError(f"{self.path}: {self.reading} claims a text of {length} bytes")
        try:
            return str(self._view[start : self.position], "utf-8")
        except UnicodeDecodeError as error:
            raise InputError(f"{self.path}: {self.reading} holds text not in UTF-8") from error

    def array(self) -> list[str] | np.ndarray:
        """A type, a length and that many values."""
        type_, length = self.number("I"), self.number("Q")
        if type_ in FORMATS:
            start = self.advance(length * struct.calcsize(FORMATS[type_]))
            return self._data[start : self.position].view(f"<{FORMATS[type_]}")
        if type_ != GGUFValueType.STRING:
            raise InputError(f"{self.path}: {self.reading} is an array of the type {type_}")
        if length > MOST_STRINGS:
            raise InputError(f"{self.path}: {self.reading} claims {length} strings")
        return [self.string() for _ in range(length)]

    def advance(self, size: int) -> int:
        """The position before `size` bytes, which are now behind."""
        start = self.position
        if size > self.size - start:
            raise InputError(
                f"{self.path}: truncated: it ends after {self.size} bytes, within {self.reading}"
            )
        self.position += size
        return start


def _read_preamble(cursor: _Cursor) -> tuple[int, int]:
    """The numbers of tensors and of keys."""
    if cursor.number("I") != GGUF_MAGIC:
        raise InputError(f"{cursor.path}: not a GGUF file, it doesn't begin with 'GGUF'")
    version = cursor.number("I")
    if version not in VERSIONS:
        big_endian = " (big-endian)" if version & 0xFFFF == 0 else ""
        raise InputError(
            f"{cursor.path}: GGUF version {version}{big_endian}, only 2 and 3 are read"
        )
    return cursor.number("Q"), cursor.number("Q")


def _read_metadata(cursor: _Cursor, num_keys: int) -> dict[str, Any]:
    metadata = {}
    for position in range(num_keys):
        cursor.reading = f"key {position + 1} of {num_keys} of the metadata"
        key, type_ = cursor.string(), cursor.number("I")
        cursor.reading = f"the metadata {key!r:.80}"
        if key in metadata:
            raise InputError(f"{cursor.path}: {cursor.reading} stands twice")
        if type_ in FORMATS:
            metadata[key] = cursor.number(FORMATS[type_])
        elif type_ == GGUFValueType.STRING:
            metadata[key] = cursor.string()
        elif type_ == GGUFValueType.ARRAY:
            metadata[key] = cursor.array()
        else:
            raise InputError(f"{cursor.path}: {cursor.reading} has the unknown type {type_}")
    return metadata


def _read_tensors(cursor: _Cursor, num_tensors: int, alignment: int) -> dict[str, Tensor]:
    """The tensors, each checked to lie right behind the one before it, and the last in the file."""
    tensors: dict[str, Tensor] = {}  # their starts still count from the first tensor
    end = 0
    for position in range(num_tensors):
        cursor.reading = f"the description of tensor {position + 1} of {num_tensors}"
        name = cursor.string()
        if name in tensors:
            raise InputError(f"{cursor.path}: the tensor {name!r:.80} stands twice")
        tensors[name] = tensor = _read_tensor(cursor, name)
        if tensor.start != end:
            raise InputError(
                f"{cursor.path}: the tensor {name!r:.80} is said to begin at byte {tensor.start} "
                f"of the data, but the tensor before it ends at {end}"
            )
        end += -(-tensor.num_bytes // alignment) * alignment
    first = -(-cursor.position // alignment) * alignment
    for name, tensor in tensors.items():
        end = first + tensor.start + tensor.num_bytes
        if end > cursor.size:
            raise InputError(
                f"{cursor.path}: truncated: it ends after {cursor.size} bytes, the tensor "
                f"{name!r:.80} {tensor.shape} of {tensor.type.name} at {end}"
            )
    return {
        name: dataclasses.replace(tensor, start=first + tensor.start)
        for name, tensor in tensors.items()
    }


def _read_tensor(cursor: _Cursor, name: str) -> Tensor:
    num_axes = cursor.number("I")
    if not 1 <= num_axes <= MOST_AXES:
        raise InputError(f"{cursor.path}: the tensor {name!r:.80} has {num_axes} axes")
    shape = tuple(cursor.number("Q") for _ in range(num_axes))[::-1]
    type_ = cursor.number("I")
    if type_ not in TYPES:
        known = type_ in set(GGMLQuantizationType)
        found = GGMLQuantizationType(type_).name if known else f"number {type_}"
        raise InputError(
            f"{cursor.path}: the tensor {name!r:.80} has the type {found}, supported are "
            f"{', '.join(supported.name for supported in TYPES)}"
        )
    tensor = Tensor(shape, GGMLQuantizationType(type_), start=cursor.number("Q"))
    block = GGML_QUANT_SIZES[tensor.type][0]
    if not all(shape) or shape[-1] % block:
        raise InputError(
            f"{cursor.path}: the tensor {name!r:.80} has the shape {shape}; no axis may be empty, "
            f"and rows of {tensor.type.name} have a multiple of {block} values"
        )
    return tensor
