"""JSON from people's disks: read strictly, and blamed by file, line and field when it is wrong."""

import codecs
import dataclasses
import difflib
import functools
import json
import math
import sys
import textwrap
import types
import typing
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

from cotjax.errors import InputError, naming

T = TypeVar("T")
MOST_DEPTH = 100  # lists and objects inside each other; whoever walks them must not be deeper


def read_json(path: Path) -> Any:
    """Returns the JSON value in the file `path`; raises InputError naming file and line."""
    text = _decode(_read(path), str(path), first_line=1)
    return _parse(text, path, first_line=1)


def read_json_lines(
    path: Path, on_bad: Callable[[str, InputError], None] | None = None
) -> Iterator[tuple[str, Any]]:
    """Yields (`path:line`, JSON value) for every line of `path` that isn't blank.

    Args:
      path: Of the file.
      on_bad: Takes `path:line` and what is wrong with a line, which is then left out.

    Raises:
      InputError: naming the file and the line that is not UTF-8 or not JSON.
    """
    # Only the newline ends a line: str.splitlines would also cut at U+2028 inside a string.
    for number, raw in enumerate(_read_lines(path), start=1):
        try:
            line = _decode(raw, str(path), first_line=number)
            if not line.strip():
                continue
            value = _parse(line, path, first_line=number)
        except InputError as error:
            if on_bad is None:
                raise
            on_bad(f"{path}:{number}", error)
        else:
            yield f"{path}:{number}", value


def parse_json(text: str) -> Any:
    """Returns a JSON value, read strictly.

    Raises:
      ValueError: where it is none (a JSONDecodeError), holds a number that isn't finite, half of a
        surrogate pair or a field twice, or is nested too deep.
    """
    try:
        value = _DECODER.decode(text)
    except RecursionError:
        raise ValueError(f"nested more than {MOST_DEPTH} deep") from None
    if text.count("[") + text.count("{") > MOST_DEPTH:
        _check_depth(value)
    if "\\ud" in text.lower():  # half of a surrogate pair can be escaped, but not written
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    return value


def build(cls: type[T], value: Any, where: str) -> T:
    """Makes a dataclass from a JSON object, and checks every field's name and type.

    Nested dataclasses, tuples, mappings and unions are checked too. What the dataclass itself
    refuses (an InputError in `__post_init__`) gets the same prefix.

    Args:
      cls: The dataclass to make.
      value: A value as the `json` module returns it.
      where: What an error begins with, such as `file:line`.

    Raises:
      InputError: naming `where` and the field.
    """
    try:
        return _convert(value, cls, "")
    except InputError as error:
        raise InputError(f"{where}: {error}") from error


def dump_json(value: Any, indent: int | None = None) -> str:
    """Returns JSON text; NaN and infinity, which JSON has not, become null."""
    return json.dumps(_finite(value), ensure_ascii=False, allow_nan=False, indent=indent)


def replace_file(file: Path, content: str | bytes) -> None:
    """Writes a file as a whole or not at all.

    Raises:
      OSError: naming the file that could not be written; what of it was written is removed.
    """
    temporary = file.with_name(temporary_name(file.name))
    with naming(temporary):
        try:
            temporary.write_bytes(content.encode("utf-8") if isinstance(content, str) else content)
        except OSError:
            temporary.unlink(missing_ok=True)
            raise
    temporary.replace(file)


def temporary_name(name: str) -> str:
    """Under which a file stands beside its place until it is whole; a kill may leave it."""
    return f".{name}.tmp"


def to_json(value: Any) -> Any:
    """Returns a dataclass as a JSON object; optional fields that are None are absent."""
    if dataclasses.is_dataclass(value):
        fields = {f: getattr(value, f.name) for f in dataclasses.fields(value)}
        return {
            field.name: to_json(item)
            for field, item in fields.items()
            if item is not None or field.default is dataclasses.MISSING
        }
    if isinstance(value, Mapping):
        return {key: to_json(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_json(item) for item in value]
    return value


def _read(path: Path) -> bytes:
    with _opened(path) as file:
        return file.read().removeprefix(codecs.BOM_UTF8)  # some editors write it


def _read_lines(path: Path) -> Iterator[bytes]:
    """One line after the other, so that the file need not fit in memory."""
    with _opened(path) as file:
        for number, line in enumerate(file):
            line = line.removesuffix(b"\n")
            yield line if number else line.removeprefix(codecs.BOM_UTF8)


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    try:
        with Path(path).open("rb") as file:
            yield file
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    except ValueError as error:
        raise InputError(f"{str(path)!r}: cannot be the name of a file ({error})") from error


def _decode(raw: bytes, path: str, first_line: int) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        line = first_line + raw[: error.start].count(b"\n")
        raise InputError(
            f"{path}:{line}: not UTF-8 (byte 0x{raw[error.start]:02x}); convert the file to UTF-8"
        ) from error


def _parse(text: str, path: Path, first_line: int) -> Any:
    try:
        return parse_json(text)
    except json.JSONDecodeError as error:
        line = first_line + error.lineno - 1
        raise InputError(f"{path}:{line}: not JSON ({error.msg}); is it cut short?") from error
    except ValueError as error:
        raise InputError(f"{path}:{first_line}: not valid JSON ({error})") from error


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not a JSON number")


def _finite_number(digits: str) -> float:
    """A number that a double can hold: 1e999 would become infinity."""
    if math.isinf(value := float(digits)):
        raise ValueError(f"{digits:.20} is too large a number")
    return value


def _distinct_fields(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object none of whose fields stands twice: one of them would be lost."""
    fields = dict(pairs)
    if len(fields) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in fields if names.count(name) > 1)
        raise ValueError(f"the field {twice[:60]!r} stands twice")
    return fields


def _check_depth(value: Any) -> None:
    layer = [value]
    for _ in range(MOST_DEPTH):
        layer = [
            inner
            for outer in layer
            if isinstance(outer, dict | list)
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
        if not layer:
            return
    raise ValueError(f"nested more than {MOST_DEPTH} deep")


_DECODER = json.JSONDecoder(
    parse_constant=_refuse_constant,
    parse_float=_finite_number,
    object_pairs_hook=_distinct_fields,
)


@functools.cache
def _hints(cls: type) -> dict[str, Any]:
    return typing.get_type_hints(cls)


def _convert(value: Any, hint: Any, name: str) -> Any:
    """Returns `value` as the type that `hint` names; `name` is the field's, for errors."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if dataclasses.is_dataclass(hint):
        return _convert_object(value, hint, name)
    if origin in (types.UnionType, typing.Union):
        return _convert_union(value, arguments, name)
    if origin is tuple and isinstance(value, list):
        return tuple(_convert(v, arguments[0], f"{name}[{i}]") for i, v in enumerate(value))
    if origin is dict and isinstance(value, dict):
        return {key: _convert(v, arguments[1], f"{name}.{key}") for key, v in value.items()}
    if hint is float and type(value) in (int, float) and abs(value) <= sys.float_info.max:
        return float(value)
    if hint is Any or (type(value) is hint and hint is not float):
        return value
    raise InputError(f"{name} must be {_describe(hint)}, not {_show(value)}")


def _convert_object(value: Any, cls: type, name: str) -> Any:
    prefix = f"{name}." if name else ""
    if not isinstance(value, dict):
        raise InputError(f"{name or 'the value'} must be an object, not {_show(value)}")
    fields = {field.name: field for field in dataclasses.fields(cls)}
    for key in value:
        if key not in fields:
            near = difflib.get_close_matches(key, fields, n=1)
            known = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(fields)}"
            raise InputError(f"{prefix}{key} is not a known field; {known}")
    for key, field in fields.items():
        if key not in value and field.default is dataclasses.MISSING:
            raise InputError(f"{prefix}{key} is missing")
    hints = _hints(cls)
    converted = {key: _convert(v, hints[key], f"{prefix}{key}") for key, v in value.items()}
    try:
        return cls(**converted)
    except InputError as error:
        raise InputError(f"{prefix}{error}") from error


def _convert_union(value: Any, members: tuple[Any, ...], name: str) -> Any:
    """Converts to `X | None`, or to a union of plain types, where the value's own type decides."""
    if value is None and type(None) in members:
        return None
    members = tuple(member for member in members if member is not type(None))
    if len(members) == 1:
        return _convert(value, members[0], name)
    if type(value) in members:
        return _convert(value, type(value), name)
    wanted = " or ".join(map(_describe, members))
    raise InputError(f"{name} must be {wanted}, not {_show(value)}")


def _describe(hint: Any) -> str:
    names = {
        str: "text", int: "a whole number", float: "a number", bool: "true or false",
        dict: "an object", tuple: "a list",
    }  # fmt: skip
    return names[typing.get_origin(hint) or hint]


def _show(value: Any) -> str:
    containers = {dict: "an object", list: "a list"}
    return containers.get(type(value)) or textwrap.shorten(json.dumps(value), 60)


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _finite(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
