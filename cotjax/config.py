"""Load a config file, apply overrides, refuse what it can't express, dump it as JSON.

Nothing here imports JAX or TensorFlow, so a mistake is told in the first second.
"""

import dataclasses
import functools
import hashlib
import json
import os
import sys
import traceback
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from absl import flags
from ml_collections import config_flags
from ml_collections.config_dict import ConfigDict

from cotjax import config_rules, teacher_rules
from cotjax.config_checks import check_fields, nearest
from cotjax.errors import InputError, first_line
from cotjax.json_files import dump_json, read_json, replace_file

# A workdir may be taken up again with other values of these: they change where and how often
# something is done, not what is learned.
FREE_SECTIONS = ("mesh", "checkpoint", "evaluation", "profile", "guard")
FREE_FIELDS = (
    "model.dtype",
    "model.remat",
    "model.attention",
    "model.scan_layers",
    "data.cache",
    "compilation_cache_dir",
)
# But for what the metric of the best is measured by: it must mean the same all along.
BOUND_FIELDS = (
    "evaluation.best_metric",
    "evaluation.max_questions",
    "evaluation.max_tokens",
    "evaluation.num_beams",
    "evaluation.length_penalty",
)
REPOSITORY = Path(__file__).resolve().parents[1]


@dataclasses.dataclass(frozen=True)
class Schema:
    """A kind of config: the file that has all of its fields, and what it is refused for."""

    file: str
    check_values: Callable[[Mapping[str, Any], Mapping[str, Any]], None]

    @functools.cached_property
    def fields(self) -> dict[str, Any]:
        """Every field and its default: of this repository, or of the one that has the config."""
        for folder in (REPOSITORY, *map(Path, sys.path)):
            if (folder / self.file).is_file():
                return flatten(read(folder / self.file))
        raise InputError(f"{self.file} is not found: run in a clone of the repository")


STUDENT = Schema("configs/default.py", config_rules.check_values)
TEACHER = Schema("configs/teachers/default.py", teacher_rules.check_values)
SCHEMAS = {"student": STUDENT, "teacher": TEACHER}


def load(
    path: str | os.PathLike, overrides: Iterable[str] = (), schema: Schema = STUDENT
) -> ConfigDict:
    """Loads a config file (`file.py` or `file.py:argument`), overrides fields, validates.

    Args:
      path: A Python file whose `get_config()` returns a ConfigDict of the schema.
      overrides: Words such as `--config.optimizer.learning_rate=1e-3`.
      schema: What kind of config it is.

    Raises:
      InputError: for a missing file, an unknown field, a wrong type or a refused value.
    """
    config = read(path)
    if not isinstance(config, ConfigDict):
        raise InputError(f"{path}: get_config() returns {type(config).__name__}, not a ConfigDict")
    check_fields(flatten(config), schema.fields, schema.file, f"{path}: ")
    for word in overrides:
        config = _override(path, config, word, schema)
    validate(config, schema)
    return config


def set_field(config: ConfigDict, name: str, value: Any) -> None:
    """Sets a field by its dotted name; raises InputError for an unknown one or a wrong type."""
    if name not in (fields := flatten(config)):
        raise InputError(f"config.{name}: no such field{nearest(name, fields)}")
    try:
        config.update_from_flattened_dict({name: value})
    except TypeError:
        raise InputError(f"config.{name}={value!r}: expects {_kind(config, name)}") from None


def read(path: str | os.PathLike) -> Any:
    """Runs a config's or a study's `get_config` and returns what it gives, unvalidated.

    Raises:
      InputError: for a missing file, or one that fails, naming the line.
    """
    file = Path(str(path).partition(":")[0])
    if not file.is_file():
        raise InputError(f"--config={path}: no such file")
    _make_importable(file.resolve())
    try:
        given = _parse_flags(path, [])
        if isinstance(given, ConfigDict):
            flatten(given)  # fails where names of fields aren't text, or it holds itself
    except (Exception, SystemExit) as error:  # whatever a file of the user's may raise
        raise InputError(_mistake_in(file, error)) from None
    return given


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


def unflatten(flat: Mapping[str, Any]) -> dict[str, Any]:
    """The opposite of `flatten`."""
    nested: dict[str, Any] = {}
    for name, value in flat.items():
        *sections, field = name.split(".")
        within = nested
        for section in sections:
            within = within.setdefault(section, {})
        within[field] = value
    return nested


def dump(config: ConfigDict, file: Path) -> None:
    """Writes a config as JSON, atomically."""
    replace_file(file, dump_json(config.to_dict(), indent=1) + "\n")


def from_workdir(workdir: str | os.PathLike) -> ConfigDict:
    """Reads the config that a run has written into its workdir.

    A field that is newer than the run has its default, which keeps what was before it.
    """
    file = Path(workdir) / "config.json"
    if not file.is_file():
        raise InputError(f"{file} is missing: is --workdir the folder of a training run?")
    content = read_json(file)
    if not isinstance(content, dict) or not content:
        raise InputError(f"{file}: is not the config of a run")
    flat = STUDENT.fields | flatten(content)
    check_fields(flat, STUDENT.fields, STUDENT.file, f"{file}: ")
    config = ConfigDict(unflatten(flat))
    config.evaluation.splits = tuple(config.evaluation.splits)
    config.profile.steps = tuple(config.profile.steps)
    return config


def config_hash(config: ConfigDict) -> str:
    """A hash of all that decides what is learned."""
    content = json.dumps(_binding_fields(config), sort_keys=True)
    return hashlib.blake2b(content.encode(), digest_size=8).hexdigest()


def check_same_run(config: ConfigDict, workdir: Path) -> None:
    """Refuses to go on in a workdir that belongs to another configuration.

    One without a checkpoint has nothing to go on with, and is taken over.
    """
    if any(folder.name.isdigit() for folder in (workdir / "checkpoints").glob("*")):
        check_same_config(config, workdir)


def check_same_config(config: ConfigDict, workdir: Path) -> None:
    """Refuses a config that would teach anything else than the one that a workdir keeps."""
    there, here = _binding_fields(from_workdir(workdir)), _binding_fields(config)
    for name in sorted(there | here):
        if there.get(name) != here.get(name):
            raise InputError(
                f"{workdir} holds a run with config.{name}={there.get(name)!r}, not "
                f"{here.get(name)!r}: choose another --workdir"
            )


def validate(config: ConfigDict, schema: Schema = STUDENT) -> None:
    """Refuses unknown fields, and values that no run could use."""
    check_fields(flatten(config), schema.fields, schema.file)
    schema.check_values(flatten(config), schema.fields)


def _binding_fields(config: ConfigDict) -> dict[str, Any]:
    return {
        name: value
        for name, value in flatten(config).items()
        if name in BOUND_FIELDS
        or (name.split(".")[0] not in FREE_SECTIONS and name not in FREE_FIELDS)
    }


def _mistake_in(file: Path, error: BaseException) -> str:
    """One line for what a config file raised, with the file's own line."""
    chain = [error]
    while cause := chain[-1].__cause__ or chain[-1].__context__:  # ml_collections wraps some twice
        chain.append(cause)
    frames = [frame for one in chain for frame in traceback.extract_tb(one.__traceback__)]
    lines = [frame.lineno for frame in frames if frame.filename == str(file)]
    line = getattr(chain[-1], "lineno", None) or (lines[-1] if lines else None)
    where = f"{file}:{line}" if line else str(file)
    return f"{where}: {type(chain[-1]).__name__}: {chain[-1]}"


def _override(path: str | os.PathLike, config: ConfigDict, word: str, schema: Schema) -> ConfigDict:
    name, equals, text = word.removeprefix("--config.").partition("=")
    fields = flatten(config)
    if name not in fields:
        raise InputError(
            f"--config.{name}: no such field{nearest(name, fields)}; {schema.file} has all"
        )
    if not equals:
        raise InputError(f"--config.{name}: write --config.{name}=VALUE")
    try:
        changed = _parse_flags(path, [word])
    except (flags.Error, TypeError, ValueError, SyntaxError) as error:
        raise InputError(
            f"--config.{name}={text}: expects {_kind(config, name)} ({first_line(error)})"
        ) from None
    with config.unlocked():
        config.update_from_flattened_dict({name: flatten(changed)[name]})
    return config


def _kind(config: ConfigDict, name: str) -> str:
    """The type of a field, also of one that is not set."""
    *sections, field = name.split(".")
    return functools.reduce(getattr, sections, config).get_type(field).__name__


def _parse_flags(path: str | os.PathLike, overrides: list[str]) -> ConfigDict:
    """Lets ml_collections read the file and one set of overrides."""
    # It loads all files under this name, so one would begin with the functions of the one before.
    sys.modules.pop("config_config", None)
    argv = ["cotjax", f"--config={path}", *overrides]
    values = flags.FlagValues()
    config_flags.DEFINE_config_file("config", flag_values=values, sys_argv=argv)
    values(argv)
    return values.config


def _make_importable(file: Path) -> None:
    """Lets a config file write `from configs.default import get_config`."""
    above = [folder.parent for folder in file.parents if folder.name == "configs"]
    for folder in (*above, REPOSITORY):
        if str(folder) not in sys.path:
            sys.path.append(str(folder))
