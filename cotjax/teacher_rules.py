"""What no sampling job could use: values of a teacher's config that it is refused for."""

from collections.abc import Mapping
from typing import Any

from cotjax.config_rules import CHOICES as STUDENT_CHOICES
from cotjax.config_rules import MAX_SEED, nearest, require
from cotjax.errors import InputError

CHOICES = {
    "task.name": STUDENT_CHOICES["task.name"],
    "teacher.dtype": (None, "float32", "bfloat16", "float64"),
    "sampling.method": ("greedy", "temperature", "contrastive"),
}
AT_LEAST_ONE = (
    "samples",
    "questions_per_shard",
    "task.max_questions",
    "sampling.max_tokens",
    "sampling.slots",
    "sampling.steps",
)
# Options that only some methods have: set for another one, they would change nothing.
METHOD_OPTIONS = {
    "greedy": (),
    "temperature": ("temperature", "top_k", "top_p", "min_p"),
    "contrastive": ("beta", "temperature"),
}


def check_values(flat: Mapping[str, Any], schema: Mapping[str, Any]) -> None:
    """Refuses values that no job could use, naming the field."""
    for name, allowed in CHOICES.items():
        if flat[name] not in allowed:
            hint = ", ".join(map(str, allowed)) + nearest(flat[name], allowed)
            raise InputError(f"config.{name}={flat[name]!r} is not one of {hint}")
    for name in AT_LEAST_ONE:
        require(flat[name] is None or flat[name] >= 1, name, flat[name], "must be 1 or more")
    require(0 <= flat["seed"] <= MAX_SEED, "seed", flat["seed"], f"must be 0 to {MAX_SEED}")
    if not flat["teacher.model"]:
        raise InputError("config.teacher.model must name a folder, an id of the Hub or a GGUF file")
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
    if flat["sampling.min_tokens"] > flat["sampling.max_tokens"]:
        raise InputError("config.sampling.min_tokens is more than config.sampling.max_tokens")
    if not all(isinstance(stop, str) and stop for stop in flat["sampling.stop"]):
        raise InputError("config.sampling.stop must be a tuple of strings, such as ('Q:',)")
