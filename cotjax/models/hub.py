"""Folders in Hugging Face's layout: where a model or a tokenizer lies on this machine."""

from pathlib import Path
from typing import Any

from huggingface_hub import snapshot_download

from cotjax import json_files
from cotjax.errors import InputError, first_line

VOCABULARIES = ("tokenizer.json", "tokenizer.model", "spiece.model", "vocab.json")
TOKENIZER_FILES = (
    *VOCABULARIES,
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "merges.txt",
    "chat_template.jinja",
)
TOKENIZER_PATTERNS = ("config.json", *TOKENIZER_FILES)  # the config may name the tokenizer's class
MODEL_PATTERNS = (
    "model*.safetensors",
    "model.safetensors.index.json",
    "generation_config.json",
    *TOKENIZER_PATTERNS,
)
PICKLED = (
    "pickled weights (*.bin) can run code when read; if you trust them, transformers' "
    "save_pretrained turns them into safetensors"
)


def resolve(source: str) -> Path:
    """The local folder of a model: `source` itself, or a copy of the Hub id that it is.

    From the Hub come config, safetensors and tokenizer alone, never pickled weights or code.
    """
    folder = _resolve(source, MODEL_PATTERNS)
    from_hub = folder != Path(source).expanduser()
    if from_hub and not any(folder.glob("model*.safetensors")):
        raise InputError(f"{source}: no safetensors came from the Hub; {PICKLED}")
    return folder


def resolve_tokenizer(source: str) -> Path:
    """The local folder of a tokenizer, as `resolve` finds it; no weights come along."""
    return _resolve(source, TOKENIZER_PATTERNS)


def _resolve(source: str, patterns: tuple[str, ...]) -> Path:
    folder = Path(source).expanduser()
    if folder.is_dir():
        return folder
    if folder.is_absolute() or source.startswith(".") or source.count("/") > 1:
        raise InputError(f"{source}: no such folder")
    try:
        return Path(snapshot_download(source, allow_patterns=list(patterns)))
    except (OSError, ValueError) as error:
        reason = first_line(error)
        raise InputError(f"{source}: neither a folder nor a model of the Hub: {reason}") from error


def load_fast_tokenizer(folder: Path) -> Any:
    """The tokenizer of a folder, as transformers reads it; no code that lies there is ever run.

    Raises:
      InputError: where there is none, or its files are damaged or ask for code of their own.
    """
    from transformers import AutoTokenizer

    # Without any of these, transformers would make a T5's tokenizer that knows no words.
    if not any((Path(folder) / name).exists() for name in VOCABULARIES):
        missing = ", ".join(VOCABULARIES)
        raise InputError(f"{folder}: no tokenizer could be loaded (it holds none of {missing})")
    try:
        # Left open, transformers asks at the terminal whether to run a folder's code.
        tokenizer = AutoTokenizer.from_pretrained(
            folder, local_files_only=True, trust_remote_code=False
        )
        tokenizer.decode(tokenizer("a text")["input_ids"])  # some damage is found no sooner
        return tokenizer
    except Exception as error:  # damaged files end in errors of every kind
        told = first_line(error)
        raise InputError(f"{folder}: no tokenizer could be loaded ({told:.200})") from error


def read_json(path: Path) -> dict[str, Any]:
    """A JSON file that holds an object."""
    if not path.exists():
        raise InputError(f"{path}: missing, this is no folder of a model")
    values = json_files.read_json(path)
    if not isinstance(values, dict):
        raise InputError(f"{path}: not a JSON object")
    return values
