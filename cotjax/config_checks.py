"""What every kind of config is checked with: fields against a schema, values, near misses."""

import difflib
from collections.abc import Iterable, Mapping
from typing import Any

from cotjax.errors import InputError


def check_fields(
    flat: Mapping[str, Any], schema: Mapping[str, Any], file: str, where: str = ""
) -> None:
    """Refuses a config that adds, lacks or retypes a field of the schema, which stands in `file`.

    `where` begins the message, such as `file.py: `.
    """
    for name in flat:
        if name not in schema:
            raise InputError(f"{where}config.{name} is no field{nearest(name, schema)}")
    for name, default in schema.items():
        if name not in flat:
            raise InputError(f"{where}config.{name} is missing; start from {file}")
        value = flat[name]
        kind = float if isinstance(default, float) else type(default)
        fits = type(value) in (kind, int) if kind is float else type(value) is kind
        if default is not None and not fits:
            raise InputError(f"{where}config.{name}={value!r}: expects {kind.__name__}")


def pairs(text: str, field: str) -> dict[str, str | int | float]:
    """Reads `name=value,name=value`; values that look like numbers are numbers.

    Raises:
      InputError: naming the config field, for a part that isn't a pair or a name given twice.
    """
    found: dict[str, str | int | float] = {}
    for part in filter(None, map(str.strip, text.split(","))):
        name, equals, value = map(str.strip, part.partition("="))
        if not (name and equals and value) or name in found:
            raise InputError(f"config.{field}={text!r}: write name=value,name=value")
        found[name] = _number(value)
    return found


def nearest(name: Any, known: Iterable[Any]) -> str:
    """A hint such as `; did you mean 'x'?`, or nothing."""
    words = [str(word) for word in known]
    close = difflib.get_close_matches(str(name), words, n=1, cutoff=0.5)
    if not close:  # the right field in a wrong section
        last = str(name).rpartition(".")[2]
        close = [word for word in words if word.rpartition(".")[2] == last][:1]
    return f"; did you mean {close[0]!r}?" if close else ""


def require(holds: bool, name: str, value: Any, message: str) -> None:
    """Raises InputError that names a config field unless something holds."""
    if not holds:
        raise InputError(f"config.{name}={value!r} {message}")


def _number(text: str) -> str | int | float:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            pass
    return text
