"""What no run could use: values and combinations of fields that a config is refused for."""

import math
from collections.abc import Mapping
from typing import Any

from cotjax.config_checks import nearest, pairs, require
from cotjax.errors import InputError
from cotjax.models.t5_config import ATTENTION, PRESETS
from cotjax.perturbation_rules import check_perturbation
from cotjax.target_rules import check_loss, check_targets

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
    "data.order": ("label_only", "rationale_first", "label_first", "multitask", "rationale_input"),
    "data.characters": ("keep", "ascii"),
    "data.selection.name": (
        "all",
        "first",
        "one_per_epoch",
        "mixture",
        "random",
        "diverse",
        "likely",
        "open_ended",
    ),
    "data.selection.answers": ("any", "right", "wrong", "majority"),
    "data.question_weight": ("sum", "mean"),
    "data.words.name": (
        "all",
        "first_k",
        "random_k",
        "key_words",
        "without_label",
        "without_keywords",
    ),
    "data.perturbation.name": (
        "none",
        "shuffle",
        "shuffle_some",
        "reverse",
        "mask",
        "drop",
        "duplicate",
        "insert",
        "digits",
        "swap",
        "swap_same_label",
        "fill_random",
        "fill_repeat",
        "shorten",
    ),
    "data.perturbation.unit": ("words", "tokens", "steps"),
    "data.perturbation.redraw": ("epoch", "run"),
    "model.preset": (None, *PRESETS),
    "model.dtype": (None, "float32", "bfloat16", "float64"),
    "model.remat": ("none", "dots", "full"),
    "model.attention": ATTENTION,
    "optimizer.name": ("adamw", "adafactor"),
    "schedule.name": ("constant", "linear", "cosine", "rsqrt"),
    "loss.normalise": ("tokens", "kinds"),
    "guard.then": ("stop", "go_back"),
    "evaluation.best_metric": ("validation/accuracy", "validation/choice_accuracy"),
}
AT_LEAST_ONE = (  # or unset, where that is allowed
    "data.input_length",
    "data.target_length",
    "data.batch_size",
    "data.selection.k",
    "data.perturbation.length",
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
    "guard.skipped_in_a_row",
    "evaluation.every",
    "evaluation.batch_size",
    "evaluation.max_questions",
    "evaluation.max_tokens",
    "evaluation.num_beams",
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
    "guard.spike_score",
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
MAX_BATCH = 2**20  # its rows are laid out in memory
MAX_BEAMS = 256  # each is a row of the decoder
MOST = 2**32 - 1  # of any whole number; none of the sizes of released models and data comes near


def check_values(flat: Mapping[str, Any], schema: Mapping[str, Any]) -> None:
    """Refuses values that no run could use, naming the field."""
    for name, allowed in CHOICES.items():
        if flat[name] not in allowed:
            hint = ", ".join(map(str, allowed)) + nearest(flat[name], allowed)
            raise InputError(f"config.{name}={flat[name]!r} is not one of {hint}")
    for name, value in flat.items():
        if isinstance(value, float):
            require(math.isfinite(value), name, value, "must be a finite number")
        elif isinstance(value, int):
            require(abs(value) <= MOST, name, value, f"must be at most {MOST}")
    for name in AT_LEAST_ONE:
        require(flat[name] is None or flat[name] >= 1, name, flat[name], "must be 1 or more")
    for name in NOT_NEGATIVE:
        require(flat[name] is None or flat[name] >= 0, name, flat[name], "must not be negative")
    for name in FRACTIONS:
        require(0 <= flat[name] <= 1, name, flat[name], "must lie between 0 and 1")
    for name in BELOW_ONE:
        require(0 <= flat[name] < 1, name, flat[name], "must be 0 or more and below 1")
    require(flat["seed"] <= MAX_SEED, "seed", flat["seed"], f"must be at most {MAX_SEED}")
    batch_size = flat["data.batch_size"]
    require(batch_size <= MAX_BATCH, "data.batch_size", batch_size, f"must be at most {MAX_BATCH}")
    _check_task(flat)
    check_targets(flat)
    check_perturbation(flat, schema)
    _check_model(flat, schema)
    if flat["schedule.warmup_steps"] >= flat["schedule.total_steps"]:
        raise InputError("config.schedule.warmup_steps must be below config.schedule.total_steps")
    check_loss(flat, schema)
    _check_beams(flat, schema)
    _check_traced(flat["profile.steps"])


def _check_task(flat: Mapping[str, Any]) -> None:
    """A task has its own label formats; what trains, chooses the best and tests must differ."""
    pairs(flat["task.options"], "task.options")
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


def _check_model(flat: Mapping[str, Any], schema: Mapping[str, Any]) -> None:
    """Weights or a preset have sizes of their own."""
    given = [name for name in ("pretrained", "preset") if flat[f"model.{name}"]]
    if len(given) > 1:
        raise InputError("config.model.pretrained and config.model.preset exclude each other")
    for name in SIZES if given else ():
        if flat[f"model.{name}"] != schema[f"model.{name}"]:
            raise InputError(f"config.model.{name} has no effect with config.model.{given[0]}")


def _check_beams(flat: Mapping[str, Any], schema: Mapping[str, Any]) -> None:
    """Greedy decoding has no scores that a length could count in."""
    beams, penalty = "evaluation.num_beams", "evaluation.length_penalty"
    require(flat[beams] <= MAX_BEAMS, beams, flat[beams], f"must be at most {MAX_BEAMS}")
    if flat[beams] == 1 and flat[penalty] != schema[penalty]:
        raise InputError(f"config.{penalty} has no effect with config.{beams}=1")


def _check_traced(steps: tuple) -> None:
    """A trace has a first and a last step."""
    whole = all(type(step) is int for step in steps)
    if steps and not (len(steps) == 2 and whole and 1 <= steps[0] <= steps[1]):
        raise InputError(
            f"config.profile.steps={steps!r}: write the first and the last step of the trace, "
            "such as (10, 15)"
        )
