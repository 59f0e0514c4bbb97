"""What no run could use: values and combinations of fields that a config is refused for."""

import difflib
import math
from collections.abc import Iterable, Mapping
from typing import Any

from cotjax.errors import InputError
from cotjax.models.t5_config import PRESETS

LETTERED = ("letter", "text", "letter_text")
ARITHMETIC = ("number", "equation")
LABEL_FORMATS = {  # of every task: what its class has, known here without JAX
    "anli": ("text",),
    "aqua": LETTERED,
    "arc": LETTERED,
    "asdiv": ARITHMETIC,
    "coin_flip": ("text",),
    "commonsense_qa": LETTERED,
    "comparison": ("text",),
    "date_understanding": LETTERED,
    "esnli": ("text",),
    "gsm8k": ARITHMETIC,
    "last_letter": ("text",),
    "openbookqa": LETTERED,
    "quarel": LETTERED,
    "shuffled_objects": LETTERED,
    "strategyqa": ("text",),
    "svamp": ARITHMETIC,
}
CHOICES = {
    "task.name": tuple(LABEL_FORMATS),
    "task.label_format": (*LETTERED, *ARITHMETIC),
    "data.rationales": ("teacher", "human"),
    "data.label_source": ("gold", "teacher"),
    "data.order": ("label_only", "rationale_first", "label_first", "multitask"),
    "data.selection.name": ("all", "first", "one_per_epoch"),
    "data.question_weight": ("sum", "mean"),
    "data.words.name": ("all", "first_k", "key_words"),
    "data.perturbation.name": ("none", "shuffle", "mask", "swap"),
    "data.perturbation.unit": ("words", "tokens"),
    "data.perturbation.redraw": ("epoch", "run"),
    "model.preset": (None, *PRESETS),
    "model.dtype": (None, "float32", "bfloat16", "float64"),
    "model.remat": ("none", "dots", "full"),
    "optimizer.name": ("adamw", "adafactor"),
    "schedule.name": ("constant", "linear", "cosine", "rsqrt"),
    "loss.normalise": ("tokens", "kinds"),
    "evaluation.best_metric": ("validation/accuracy", "validation/choice_accuracy"),
}
AT_LEAST_ONE = (  # or unset, where that is allowed
    "data.input_length",
    "data.target_length",
    "data.batch_size",
    "data.targets_per_question",
    "data.encoder_length",
    "data.decoder_length",
    "model.vocab_size",
    "model.d_model",
    "model.d_kv",
    "model.d_ff",
    "model.num_heads",
    "model.num_layers",
    "model.num_decoder_layers",
    "optimizer.accumulation",
    "schedule.total_steps",
    "checkpoint.every",
    "checkpoint.keep_latest",
    "evaluation.every",
    "evaluation.batch_size",
    "evaluation.max_questions",
    "evaluation.max_tokens",
    "profile.num_steps",
    "profile.log_every",
)
NOT_NEGATIVE = (  # or unset, where that is allowed
    "seed",
    "data.words.k",
    "optimizer.learning_rate",
    "optimizer.weight_decay",
    "optimizer.clip_norm",
    "optimizer.epsilon",
    "schedule.warmup_steps",
    "loss.label_weight",
    "loss.rationale_weight",
    "loss.z_loss",
    "profile.first_step",
)
FRACTIONS = ("data.perturbation.fraction", "loss.alpha", "schedule.final_fraction")  # 1 is allowed
BELOW_ONE = (
    "task.validation_fraction",
    "model.dropout_rate",
    "optimizer.beta1",
    "optimizer.beta2",
    "loss.label_smoothing",
)
SPLITS = ("train", "validation", "test")
SIZES = (
    "vocab_size",
    "d_model",
    "d_kv",
    "d_ff",
    "num_heads",
    "num_layers",
    "num_decoder_layers",
    "gated",
    "tied",
)
MAX_SEED = 2**32 - 1


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


def check_values(flat: Mapping[str, Any], schema: Mapping[str, Any]) -> None:
    """Refuses values that no run could use, naming the field."""
    for name, allowed in CHOICES.items():
        if flat[name] not in allowed:
            hint = ", ".join(map(str, allowed)) + nearest(flat[name], allowed)
            raise InputError(f"config.{name}={flat[name]!r} is not one of {hint}")
    for name, value in flat.items():
        if isinstance(value, float):
            require(math.isfinite(value), name, value, "must be a finite number")
    for name in AT_LEAST_ONE:
        require(flat[name] is None or flat[name] >= 1, name, flat[name], "must be 1 or more")
    for name in NOT_NEGATIVE:
        require(flat[name] is None or flat[name] >= 0, name, flat[name], "must not be negative")
    for name in FRACTIONS:
        require(0 <= flat[name] <= 1, name, flat[name], "must lie between 0 and 1")
    for name in BELOW_ONE:
        require(0 <= flat[name] < 1, name, flat[name], "must be 0 or more and below 1")
    require(flat["seed"] <= MAX_SEED, "seed", flat["seed"], f"must be at most {MAX_SEED}")
    _check_task(flat)
    _check_data(flat)
    _check_model(flat, schema)
    if flat["schedule.warmup_steps"] >= flat["schedule.total_steps"]:
        raise InputError("config.schedule.warmup_steps must be below config.schedule.total_steps")
    _check_loss(flat, schema)


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


def _number(text: str) -> str | int | float:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            pass
    return text


def _check_task(flat: Mapping[str, Any]) -> None:
    """A task has its own label formats; what trains, chooses the best and tests must differ."""
    name, label_format = flat["task.name"], flat["task.label_format"]
    if label_format not in LABEL_FORMATS[name]:
        known = " or ".join(LABEL_FORMATS[name])
        raise InputError(
            f"config.task.label_format={label_format!r}: task {name} has none such; use {known}"
        )
    train, validation, test = (flat[f"task.{split}_split"] for split in SPLITS)
    if validation == test:
        raise InputError("config.task.validation_split is the test split: the best may not see it")
    if train in (validation, test):
        raise InputError(f"config.task.train_split={train!r} is also asked in evaluation")
    if not validation and flat["task.validation_fraction"] == 0:
        raise InputError("config.task.validation_fraction=0 leaves nothing to choose the best by")
    for split in flat["evaluation.splits"]:
        if split not in SPLITS:
            raise InputError(
                f"config.evaluation.splits names {split!r}{nearest(split, SPLITS)}; "
                "write a tuple such as ('validation','test')"
            )
    if "validation" not in flat["evaluation.splits"]:
        raise InputError(
            "config.evaluation.splits must hold 'validation': the best is chosen by it"
        )


def _check_data(flat: Mapping[str, Any]) -> None:
    """Settings of targets that contradict each other, or would change nothing."""
    words, k = flat["data.words.name"], flat["data.words.k"]
    if words != "all" and k is None:
        raise InputError(f"config.data.words.k must be set for words {words!r}")
    if words == "all" and k is not None:
        raise InputError("config.data.words.k needs config.data.words.name=first_k or key_words")
    if flat["data.order"] == "label_only":
        for name, idle in (("words", "all"), ("perturbation", "none")):
            value = flat[f"data.{name}.name"]
            if value != idle:
                raise InputError(
                    f"config.data.{name}.name={value!r} changes nothing in label_only: "
                    "it has no rationale"
                )
    elif flat["data.connective"] is not None and not flat["data.connective"].strip():
        raise InputError(
            "config.data.connective must hold a word: it tells label and rationale apart"
        )
    pairs(flat["data.selection.tags"], "data.selection.tags")
    together, batch_size = flat["data.targets_per_question"], flat["data.batch_size"]
    if batch_size % together:
        raise InputError(
            f"config.data.targets_per_question={together} does not divide "
            f"config.data.batch_size={batch_size}: some questions would be split over two steps"
        )
    selection = flat["data.selection.name"]
    if together > 1 and selection != "all":
        raise InputError(
            f"config.data.targets_per_question={together} has no effect with "
            f"config.data.selection.name={selection!r}: an epoch has one target of a question"
        )


def _check_loss(flat: Mapping[str, Any], schema: Mapping[str, Any]) -> None:
    """Multitask has a weight of its own; the others have none of it."""
    multitask = flat["data.order"] == "multitask"
    idle = ("label_weight", "rationale_weight", "normalise") if multitask else ("alpha",)
    for name in (f"loss.{name}" for name in idle):
        if flat[name] != schema[name]:
            reason = "loss.alpha weighs its two tasks" if multitask else "it is multitask's"
            raise InputError(
                f"config.{name}={flat[name]!r} has no effect with "
                f"config.data.order={flat['data.order']!r}: {reason}"
            )
    if flat["loss.label_weight"] == flat["loss.rationale_weight"] == 0:
        raise InputError("config.loss.label_weight and config.loss.rationale_weight are both 0")


def _check_model(flat: Mapping[str, Any], schema: Mapping[str, Any]) -> None:
    """Weights or a preset have sizes of their own."""
    given = [name for name in ("pretrained", "preset") if flat[f"model.{name}"]]
    if len(given) > 1:
        raise InputError("config.model.pretrained and config.model.preset exclude each other")
    for name in SIZES if given else ():
        if flat[f"model.{name}"] != schema[f"model.{name}"]:
            raise InputError(f"config.model.{name} has no effect with config.model.{given[0]}")


def require(holds: bool, name: str, value: Any, message: str) -> None:
    """Raises InputError that names a config field unless something holds."""
    if not holds:
        raise InputError(f"config.{name}={value!r} {message}")
