"""Folders in Hugging Face's layout: where a model or a tokenizer lies on this machine."""

import json
from pathlib import Path
from typing import Any

from huggingface_hub import snapshot_download

from cotjax.errors import InputError

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
        reason = str(error).strip().splitlines()[0]
        raise InputError(f"{source}: neither a folder nor a model of the Hub: {reason}") from error


def read_json(path: Path) -> dict[str, Any]:
    """A JSON file that holds an object."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError(f"{path}: missing, this is no folder of a model") from error
    except ValueError as error:
        raise InputError(f"{path}: not JSON in UTF-8: {error}") from error
    if not isinstance(values, dict):
        raise InputError(f"{path}: not a JSON object")
    return values
