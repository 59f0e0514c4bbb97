"""What no run could train on: settings of targets and losses that contradict each other."""

from collections.abc import Mapping
from typing import Any

from cotjax.config_checks import pairs, require
from cotjax.errors import InputError
from cotjax.targets.mixture import parse_mixture

FILTERS = ("random", "diverse", "likely", "open_ended")  # keep k rationales of a question
SOME_WORDS = ("first_k", "random_k", "key_words")  # keep k words or a fraction
CHOSEN_BY_LABEL = ("key_words", "without_label")  # which words these are, the gold label decides
ONE_TARGET = ("first", "one_per_epoch", "mixture")  # a question, in every epoch
SAYS_NO_RATIONALE = ("label_only", "rationale_input")  # of the orders


def check_targets(flat: Mapping[str, Any]) -> None:
    """Settings of targets that contradict each other, or would change nothing."""
    fraction = flat["data.fraction"]
    require(0 < fraction <= 1, "data.fraction", fraction, "must be above 0 and at most 1")
    _check_words(flat)
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
    _check_selection(flat)
    together, batch_size = flat["data.targets_per_question"], flat["data.batch_size"]
    if batch_size % together:
        raise InputError(
            f"config.data.targets_per_question={together} does not divide "
            f"config.data.batch_size={batch_size}: some questions would be split over two steps"
        )
    selection = flat["data.selection.name"]
    if selection in ONE_TARGET or flat["data.selection.k"] == 1:
        for field, idle in (("targets_per_question", 1), ("question_weight", "sum")):
            value = flat[f"data.{field}"]
            if value != idle:
                raise InputError(
                    f"config.data.{field}={value!r} has no effect with "
                    f"config.data.selection.name={selection!r}: an epoch has one target of a "
                    "question"
                )


def _check_words(flat: Mapping[str, Any]) -> None:
    """A choice of some words says how many, in one of two ways, and a test can make it too."""
    name, k, fraction = (flat[f"data.words.{field}"] for field in ("name", "k", "fraction"))
    if name in SOME_WORDS and k is None and fraction is None:
        raise InputError(
            f"config.data.words.k must be set for words {name!r}, or config.data.words.fraction"
        )
    if name in CHOSEN_BY_LABEL and flat["data.order"] == "rationale_input":
        raise InputError(
            f"config.data.words.name={name!r} goes by the gold label, and what it leaves out would "
            "tell that of test questions, whose rationales config.data.order='rationale_input' "
            "reads: use other words"
        )
    if k is not None and fraction is not None:
        raise InputError(f"config.data.words.k={k} and config.data.words.fraction: set one of them")
    for field, value in (("k", k), ("fraction", fraction)):
        if name not in SOME_WORDS and value is not None:
            raise InputError(
                f"config.data.words.{field}={value} needs config.data.words.name="
                f"{', '.join(SOME_WORDS)}, not {name!r}"
            )
    if fraction is not None:
        require(0 < fraction <= 1, "data.words.fraction", fraction, "must be above 0, at most 1")
    if flat["data.words.by_rank"] and name != "key_words":
        raise InputError(
            f"config.data.words.by_rank=True has no effect with config.data.words.name={name!r}: "
            "key_words alone have ranks"
        )


def _check_selection(flat: Mapping[str, Any]) -> None:
    """What a selection needs is given, and nothing else."""
    name, k, mixture = (flat[f"data.selection.{field}"] for field in ("name", "k", "mixture"))
    pairs(flat["data.selection.tags"], "data.selection.tags")
    pairs(flat["data.perturbation.reference"], "data.perturbation.reference")
    if name in FILTERS and k is None:
        raise InputError(f"config.data.selection.k must be set for selection {name!r}")
    if name not in FILTERS and k is not None:
        raise InputError(
            f"config.data.selection.k={k} has no effect with config.data.selection.name={name!r}; "
            f"{', '.join(FILTERS)} keep k"
        )
    sources = parse_mixture(mixture)
    if name == "mixture" and len(sources) < 2:
        raise InputError(
            f"config.data.selection.mixture={mixture!r}: a mixture has two sources or more, such "
            "as level=1:0.25,level=5:0.75"
        )
    if name != "mixture" and sources:
        raise InputError(
            f"config.data.selection.mixture={mixture!r} has no effect with "
            f"config.data.selection.name={name!r}"
        )
    if flat["data.scores"] is not None and flat["data.words.name"] != "key_words":
        raise InputError(
            f"config.data.scores={flat['data.scores']!r} has no effect with "
            f"config.data.words.name={flat['data.words.name']!r}: key_words are chosen by scores"
        )


def check_loss(flat: Mapping[str, Any], schema: Mapping[str, Any]) -> None:
    """Multitask has a weight of its own, the others have none of it; what isn't said has none."""
    order = flat["data.order"]
    idle = {"alpha": "it is multitask's"}
    if order == "multitask":
        fields = ("label_weight", "rationale_weight", "normalise")
        idle = dict.fromkeys(fields, "loss.alpha weighs its two tasks")
    elif order in SAYS_NO_RATIONALE:
        idle["rationale_weight"] = "the student says no rationale"
    for field, reason in idle.items():
        value = flat[f"loss.{field}"]
        if value != schema[f"loss.{field}"]:
            raise InputError(
                f"config.loss.{field}={value!r} has no effect with "
                f"config.data.order={order!r}: {reason}"
            )
    if flat["loss.label_weight"] == flat["loss.rationale_weight"] == 0:
        raise InputError("config.loss.label_weight and config.loss.rationale_weight are both 0")
