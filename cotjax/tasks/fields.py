"""The fields of a row from a published data set, checked as they are read."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from cotjax.errors import InputError

_WHOLE_NUMBER = re.compile(r"-?\d{1,18}")


class Fields:
    """A row's values by field; what is missing or of another type is an InputError naming it."""

    def __init__(self, row: Mapping[str, Any]):
        self._row = row

    def __contains__(self, name: str) -> bool:
        return name in self._row

    def value(self, name: str) -> Any:
        """The value of a field, whatever it is."""
        if name not in self._row:
            there = ", ".join(map(repr, self._row)) or "no field"
            raise InputError(f"field {name!r} is missing; the row has {there}")
        return self._row[name]

    def text(self, name: str) -> str:
        """A text that isn't empty."""
        text = self.optional(name)
        if text is None:
            raise InputError(f"field {name!r} must hold text, not {_show(self.value(name))}")
        return text

    def optional(self, name: str) -> str | None:
        """A text, or a whole number as text; None where the field is absent, null or empty."""
        value = self._row.get(name)
        if type(value) is int:
            return str(value)
        if value is not None and not isinstance(value, str):
            raise InputError(f"field {name!r} must hold text, not {_show(value)}")
        return (value or "").strip() or None

    def texts(self, name: str) -> tuple[str, ...]:
        """A list of texts."""
        value = self.value(name)
        if not _is_list(value) or not all(isinstance(one, str) for one in value):
            raise InputError(f"field {name!r} must be a list of texts, not {_show(value)}")
        return tuple(one.strip() for one in value)

    def number(self, name: str) -> int | None:
        """A whole number, None where it is null or negative: so data sets write that it's unknown.

        Text will do, because a CSV file has nothing else.
        """
        value = self.value(name)
        if isinstance(value, str) and _WHOLE_NUMBER.fullmatch(value.strip()):
            value = int(value)
        if value is None or (type(value) is int and value < 0):
            return None
        if type(value) is not int:
            raise InputError(f"field {name!r} must be a whole number, not {_show(value)}")
        return value

    def label(self, name: str) -> str | None:
        """A label as text: of a number the shortest form; None where the data set has none."""
        value = self.value(name)
        if value is None or (isinstance(value, str) and not value.strip()):
            return None
        if isinstance(value, bool):
            return str(value).lower()
        if isinstance(value, float):
            return f"{value:.0f}" if value.is_integer() else repr(value)
        if isinstance(value, int | str):
            return str(value).strip()
        raise InputError(f"field {name!r} must hold a label, not {_show(value)}")

    def lettered(self, name: str, key: str) -> tuple[tuple[str, ...], str | None]:
        """Choices with letters, and the text of the one that the field `key` names.

        The choices are an object of two lists, `label` and `text`, or a list of such objects.
        """
        value, letter = self.value(name), self.label(key)
        if _is_list(value) and all(isinstance(one, Mapping) for one in value):
            value = {part: [one.get(part) for one in value] for part in ("label", "text")}
        if not isinstance(value, Mapping):
            raise InputError(f"field {name!r} must hold choices, not {_show(value)}")
        letters, texts = (Fields(value).texts(part) for part in ("label", "text"))
        if letter is None:
            return texts, None
        if len(letters) != len(texts) or letter not in letters:
            raise InputError(f"field {key!r} is {letter!r}, but {name!r} has {list(letters)}")
        return texts, texts[letters.index(letter)]


def _is_list(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str | bytes)


def _show(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
