"""Tags of rationales (level, format, teacher): what experiments select by."""

from collections.abc import Mapping
from typing import Protocol

Tags = Mapping[str, str | int | float]


class Tagged(Protocol):
    """Whatever has tags of its own, or None."""

    tags: Tags | None


def has_tags(wanted: Tags, rationale: Tagged, of_question: Tags | None = None) -> bool:
    """Whether a rationale has all the wanted tags; values are compared as texts.

    `of_question` are its question's: it has them too, but where its own say otherwise.
    """
    found = {**(of_question or {}), **(rationale.tags or {})}
    return all(name in found and str(found[name]) == str(value) for name, value in wanted.items())


def spell(tags: Tags) -> str:
    """Tags as a config writes them: `level=3,format=plain`."""
    return ",".join(f"{name}={value}" for name, value in tags.items())
