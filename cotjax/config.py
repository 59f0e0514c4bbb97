"""Load a config file, apply overrides, refuse what it can't express, dump it as JSON.

Nothing here imports JAX or TensorFlow, so a mistake is told in the first second.
"""

import difflib
import hashlib
import json
import os
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from absl import flags
from ml_collections import config_flags
from ml_collections.config_dict import ConfigDict

from cotjax.errors import InputError

CHOICES = {
    "task.label_format": ("letter", "text", "letter_text"),
    "data.label_source": ("gold", "teacher"),
    "data.order": ("label_only", "rationale_first", "label_first"),
    "data.selection.name": ("all", "first"),
    "data.words.name": ("all", "first_k", "key_words"),
    "data.perturbation.name": ("none", "shuffle", "mask", "swap"),
    "data.perturbation.unit": ("words", "tokens"),
    "data.perturbation.redraw": ("epoch", "run"),
    "model.dtype": (None, "float32", "bfloat16", "float64"),
    "model.remat": ("none", "dots", "full"),
    "optimizer.name": ("adamw", "adafactor"),
    "schedule.name": ("constant", "linear", "cosine", "rsqrt"),
    "loss.normalise": ("tokens", "kinds"),
    "evaluation.best_metric": ("validation/accuracy", "validation/choice_accuracy"),
}
AT_LEAST_ONE = (
    "data.input_length",
    "data.target_length",
    "data.batch_size",
    "data.targets_per_question",
    "optimizer.accumulation",
    "schedule.total_steps",
    "checkpoint.every",
    "checkpoint.keep_latest",
    "evaluation.every",
    "evaluation.batch_size",
    "profile.num_steps",
    "profile.log_every",
    # Unset, or 1 or more.
    "data.encoder_length",
    "data.decoder_length",
    "evaluation.max_questions",
    "evaluation.max_tokens",
)
NOT_NEGATIVE = (
    "optimizer.learning_rate",
    "optimizer.weight_decay",
    "optimizer.clip_norm",
    "schedule.warmup_steps",
    "loss.label_weight",
    "loss.rationale_weight",
    "loss.label_smoothing",
    "loss.z_loss",
    "seed",
    # Unset, or not negative.
    "data.words.k",
    "profile.first_step",
)
FRACTIONS = (
    "task.validation_fraction",
    "data.perturbation.fraction",
    "schedule.final_fraction",
    "model.dropout_rate",
    "loss.label_smoothing",
)
SPLITS = ("train", "validation", "test")

# A workdir may be taken up again with other values of these: they change where and how often
# something is done, not what is learned.
FREE_SECTIONS = ("mesh", "checkpoint", "evaluation", "profile")
FREE_FIELDS = ("model.dtype", "model.remat", "model.scan_layers", "data.cache")


def load(path: str | os.PathLike, overrides: Iterable[str] = ()) -> ConfigDict:
    """Loads a config file (`file.py` or `file.py:argument`), overrides fields, validates.

    Args:
      path: A Python file whose `get_config()` returns a ConfigDict of the default schema.
      overrides: Words such as `--config.optimizer.learning_rate=1e-3`.

    Raises:
      InputError: for a missing file, an unknown field, a wrong type or a refused value.
    """
    config = read(path)
    for word in overrides:
        config = _override(path, config, word)
    validate(config)
    return config


def read(path: str | os.PathLike) -> ConfigDict:
    """Runs a config file's `get_config` and returns what it gives, unvalidated."""
    return _parse_flags(path, [])


def flatten(config: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Returns the fields of nested sections under dotted names."""
    flat = {}
    for name in sorted(config):
        value = config[name]
        if isinstance(value, Mapping | ConfigDict):
            flat |= flatten(value, f"{prefix}{name}.")
        else:
            flat[prefix + name] = tuple(value) if isinstance(value, list) else value
    return flat


def dump(config: ConfigDict, file: Path) -> None:
    """Writes a config as JSON, atomically."""
    temporary = file.with_suffix(".tmp")
    temporary.write_text(json.dumps(config.to_dict(), indent=1) + "\n", encoding="utf-8")
    temporary.replace(file)


def from_workdir(workdir: str | os.PathLike) -> ConfigDict:
    """Reads the config that a run has written into its workdir."""
    file = Path(workdir) / "config.json"
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{file} is missing: is --workdir the folder of a training run?") from None
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise InputError(f"{file} is damaged ({error}): restore it or train again") from None
    config = ConfigDict(content)
    config.evaluation.splits = tuple(config.evaluation.splits)
    return config


def config_hash(config: ConfigDict) -> str:
    """A hash of all that decides what is learned."""
    content = json.dumps(_binding_fields(config), sort_keys=True)
    return hashlib.blake2b(content.encode(), digest_size=8).hexdigest()


def check_same_run(config: ConfigDict, workdir: Path) -> None:
    """Refuses to go on in a workdir that belongs to another configuration."""
    if not (workdir / "config.json").exists():
        return
    there, here = _binding_fields(from_workdir(workdir)), _binding_fields(config)
    for name in sorted(there | here):
        if there.get(name) != here.get(name):
            raise InputError(
                f"{workdir} holds a run with config.{name}={there.get(name)!r}, not "
                f"{here.get(name)!r}: choose another --workdir"
            )


def validate(config: ConfigDict) -> None:
    """Refuses values that no run could use, naming the field."""
    flat = flatten(config)
    missing = [name for name in (*CHOICES, *AT_LEAST_ONE, *NOT_NEGATIVE) if name not in flat]
    if missing:
        raise InputError(f"config.{missing[0]} is missing: start from configs/default.py")
    for name, allowed in CHOICES.items():
        if flat[name] not in allowed:
            hint = ", ".join(map(str, allowed)) + _nearest(flat[name], allowed)
            raise InputError(f"config.{name}={flat[name]!r} is not one of {hint}")
    for name in AT_LEAST_ONE:
        _require(flat[name] is None or flat[name] >= 1, name, flat[name], "must be 1 or more")
    for name in NOT_NEGATIVE:
        _require(flat[name] is None or flat[name] >= 0, name, flat[name], "must not be negative")
    for name in FRACTIONS:
        _require(0 <= flat[name] <= 1, name, flat[name], "must lie between 0 and 1")
    _validate_together(flat)


def _validate_together(flat: Mapping[str, Any]) -> None:
    """Refuses fields that contradict each other."""
    if flat["data.words.name"] != "all" and flat["data.words.k"] is None:
        raise InputError(f"config.data.words.k must be set for words {flat['data.words.name']!r}")
    if flat["data.words.name"] == "all" and flat["data.words.k"] is not None:
        raise InputError("config.data.words.k needs config.data.words.name=first_k or key_words")
    if flat["model.pretrained"] and flat["model.preset"]:
        raise InputError("config.model.pretrained and config.model.preset exclude each other")
    if flat["schedule.warmup_steps"] >= flat["schedule.total_steps"]:
        raise InputError("config.schedule.warmup_steps must be below config.schedule.total_steps")
    for split in flat["evaluation.splits"]:
        if split not in SPLITS:
            nearest = _nearest(split, SPLITS)
            raise InputError(f"config.evaluation.splits names {split!r}{nearest}: use {SPLITS}")
    if "validation" not in flat["evaluation.splits"]:
        raise InputError(
            "config.evaluation.splits must hold 'validation': the best is chosen by it"
        )
    if flat["task.validation_split"] is None and flat["task.validation_fraction"] == 0:
        raise InputError("config.task.validation_fraction=0 leaves nothing to choose the best by")
    if flat["task.validation_split"] == flat["task.test_split"]:
        raise InputError("config.task.validation_split is the test split: the best may not see it")


def _binding_fields(config: ConfigDict) -> dict[str, Any]:
    return {
        name: value
        for name, value in flatten(config).items()
        if name.split(".")[0] not in FREE_SECTIONS and name not in FREE_FIELDS
    }


def _override(path: str | os.PathLike, config: ConfigDict, word: str) -> ConfigDict:
    name, equals, text = word.removeprefix("--config.").partition("=")
    fields = flatten(config)
    if name not in fields:
        nearest = _nearest(name, fields)
        raise InputError(f"--config.{name}: no such field{nearest}; configs/default.py has all")
    if not equals:
        raise InputError(f"--config.{name}: write --config.{name}=VALUE")
    try:
        changed = _parse_flags(path, [word])
    except (flags.Error, TypeError, ValueError, SyntaxError) as error:
        kind = type(fields[name]).__name__ if fields[name] is not None else "another type"
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"--config.{name}={text}: expects {kind} ({reason})") from None
    with config.unlocked():
        config.update_from_flattened_dict({name: flatten(changed)[name]})
    return config


def _parse_flags(path: str | os.PathLike, overrides: list[str]) -> ConfigDict:
    """Lets ml_collections read the file and one set of overrides."""
    file = Path(str(path).partition(":")[0])
    if not file.is_file():
        raise InputError(f"--config={path}: no such file")
    _make_importable(file.resolve())
    argv = ["cotjax", f"--config={path}", *overrides]
    values = flags.FlagValues()
    config_flags.DEFINE_config_file("config", flag_values=values, sys_argv=argv)
    values(argv)
    return values.config


def _make_importable(file: Path) -> None:
    """Lets a config file write `from configs.default import get_config`."""
    for folder in file.parents:
        if folder.name == "configs" and str(folder.parent) not in sys.path:
            sys.path.insert(0, str(folder.parent))


def _nearest(name: Any, known: Iterable[Any]) -> str:
    """A hint such as `; did you mean 'x'?`, or nothing."""
    words = [str(word) for word in known]
    close = difflib.get_close_matches(str(name), words, n=1, cutoff=0.5)
    if not close:  # the right field in a wrong section
        last = str(name).rpartition(".")[2]
        close = [word for word in words if word.rpartition(".")[2] == last][:1]
    return f"; did you mean {close[0]!r}?" if close else ""


def _require(holds: bool, name: str, value: Any, message: str) -> None:
    if not holds:
        raise InputError(f"config.{name}={value!r} {message}")
