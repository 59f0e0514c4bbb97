"""What no sampling job could use: values of a teacher's config that it is refused for."""

import math
from collections.abc import Mapping
from typing import Any

from cotjax.config_checks import nearest, require
from cotjax.config_rules import CHOICES as STUDENT_CHOICES
from cotjax.config_rules import MAX_SEED
from cotjax.errors import InputError
from cotjax.teacher.exemplars import load_exemplars
from cotjax.teacher.template import Template, load_template

CHOICES = {
    "task.name": STUDENT_CHOICES["task.name"],
    "teacher.dtype": (None, "float32", "bfloat16"),
    "sampling.method": ("greedy", "temperature", "contrastive"),
}
AT_LEAST_ONE = (  # or unset, where that is allowed
    "samples",
    "questions_per_shard",
    "task.max_questions",
    "sampling.max_tokens",
    "sampling.slots",
    "sampling.steps",
)
NOT_NEGATIVE = (
    "seed",
    "prompt.shots",
    "sampling.beta",
    "sampling.top_k",
    "sampling.min_p",
    "sampling.no_repeat_ngram",
    "sampling.min_tokens",
)
ABOVE_ZERO = ("sampling.temperature", "sampling.top_p", "sampling.repetition_penalty")
AT_MOST_ONE = ("sampling.top_p", "sampling.min_p")
# Options that only some methods have: set for another one, they would change nothing.
METHOD_OPTIONS = {
    "greedy": (),
    "temperature": ("temperature", "top_k", "top_p", "min_p"),
    "contrastive": ("beta",),
}


def check_values(flat: Mapping[str, Any], schema: Mapping[str, Any]) -> None:
    """Refuses values that no job could use, naming the field."""
    for name, allowed in CHOICES.items():
        if flat[name] not in allowed:
            hint = ", ".join(map(str, allowed)) + nearest(flat[name], allowed)
            raise InputError(f"config.{name}={flat[name]!r} is not one of {hint}")
    _check_ranges({name: value for name, value in flat.items() if value is not None})
    if not flat["teacher.model"]:
        raise InputError("config.teacher.model must name a folder, an id of the Hub or a GGUF file")
    _check_prompt(flat)
    _check_method(flat, schema)
    if flat["sampling.min_tokens"] > flat["sampling.max_tokens"]:
        raise InputError("config.sampling.min_tokens is more than config.sampling.max_tokens")
    if not all(isinstance(stop, str) and stop for stop in flat["sampling.stop"]):
        raise InputError("config.sampling.stop must be a tuple of strings, such as ('Q:',)")


def _check_ranges(given: Mapping[str, Any]) -> None:
    """Refuses numbers that are too small or too large; fields that are not set are not given."""
    rules = (
        ([name for name in given if type(given[name]) is float], math.isfinite, "must be finite"),
        (AT_LEAST_ONE, lambda value: value >= 1, "must be 1 or more"),
        (NOT_NEGATIVE, lambda value: value >= 0, "must not be negative"),
        (ABOVE_ZERO, lambda value: value > 0, "must be above 0"),
        (AT_MOST_ONE, lambda value: value <= 1, "must be at most 1"),
        (["seed"], lambda value: value <= MAX_SEED, f"must be at most {MAX_SEED}"),
    )
    for names, holds, message in rules:
        for name in names:
            if name in given:
                require(holds(given[name]), name, given[name], message)


def _check_prompt(flat: Mapping[str, Any]) -> None:
    """Reads the template and the file of exemplars: what is wrong in them is told at once."""
    names = {name: flat[f"prompt.{name}"] for name in ("template", "level", "shots", "exemplars")}
    template = load_template(names["template"], names["level"], names["shots"])
    if names["exemplars"] is not None:
        if template.shots == 0:
            raise InputError(
                f"config.prompt.exemplars={names['exemplars']!r} changes nothing: no exemplars are"
                " shown"
            )
        load_exemplars(names["exemplars"], template.style, template.shots)
    if flat["sampling.method"] == "contrastive":
        _check_contrast(template)


def _check_contrast(template: Template) -> None:
    if template.condition != "gold":
        raise InputError(
            "config.sampling.method='contrastive' needs a config.prompt.template that gives the"
            " gold label away, such as rationalise"
        )


def _check_method(flat: Mapping[str, Any], schema: Mapping[str, Any]) -> None:
    """Options that the method hasn't, and samples that would all be the same."""
    method = flat["sampling.method"]
    for option in sorted({name for names in METHOD_OPTIONS.values() for name in names}):
        field = f"sampling.{option}"
        if option not in METHOD_OPTIONS[method] and flat[field] != schema[field]:
            raise InputError(f"config.{field} changes nothing with config.sampling.method={method}")
    if method != "temperature" and flat["samples"] > 1:
        raise InputError(
            f"config.samples={flat['samples']}: with config.sampling.method={method} all samples"
            " of a question would be the same"
        )
