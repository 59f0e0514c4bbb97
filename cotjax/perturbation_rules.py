"""What no perturbation could use: fields that one doesn't read, or lacks."""

from collections.abc import Mapping
from typing import Any

from cotjax.errors import InputError

FRACTIONAL = ("shuffle_some", "mask", "drop", "duplicate", "insert", "digits")
TO_A_LENGTH = ("fill_random", "fill_repeat", "shorten")
BY_STEPS = ("insert", "shorten")  # whatever the unit: it may say so
DONATED = ("swap", "swap_same_label", "insert")  # rationales of another question
READERS = {  # of the fields of data.perturbation, but for the name
    "unit": ("shuffle", "shuffle_some", "reverse", "mask", "drop", "duplicate", "digits"),
    "fraction": FRACTIONAL,
    "mask_token": ("mask",),
    "length": TO_A_LENGTH,
    "reference": TO_A_LENGTH,
    "redraw": (*FRACTIONAL, "shuffle", "swap", "swap_same_label", "fill_random", "shorten"),
}


def check_perturbation(flat: Mapping[str, Any], schema: Mapping[str, Any]) -> None:
    """Refuses fields that change nothing, and what a perturbation can't do without."""
    name = flat["data.perturbation.name"]
    for field, readers in READERS.items():
        value = flat[f"data.perturbation.{field}"]
        if field == "unit" and value == "steps" and name in BY_STEPS:
            continue
        if value != schema[f"data.perturbation.{field}"] and name not in readers:
            raise InputError(
                f"config.data.perturbation.{field}={value!r} has no effect with "
                f"config.data.perturbation.name={name!r}; it is read by {', '.join(readers)}"
            )
    length, reference = (flat[f"data.perturbation.{field}"] for field in ("length", "reference"))
    if name in TO_A_LENGTH and (length is None) != bool(reference):
        raise InputError(
            f"config.data.perturbation.name={name!r} leads to config.data.perturbation.length "
            "tokens, or to those of config.data.perturbation.reference: set one of them"
        )
    if name == "digits" and flat["data.perturbation.unit"] == "steps":
        raise InputError(
            "config.data.perturbation.unit='steps': digits are corrupted by words or tokens"
        )
    if name in DONATED and flat["data.selection.name"] == "mixture":
        raise InputError(
            f"config.data.perturbation.name={name!r} takes the rationales of another question in "
            "turn, whatever config.data.selection.mixture weighs them: use another selection"
        )
    if name in (*DONATED, "fill_random") and flat["data.words.name"] == "without_label":
        raise InputError(
            "config.data.words.name='without_label' takes its own question's label out of a "
            f"rationale, and config.data.perturbation.name={name!r} adds words of other questions' "
            "rationales, which may hold it: use one of them"
        )
    if name == "swap_same_label" and flat["data.label_source"] != "gold":
        raise InputError(
            "config.data.perturbation.name='swap_same_label' needs config.data.label_source='gold':"
            " what a teacher answers may differ between a question's rationales"
        )
