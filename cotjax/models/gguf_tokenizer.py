"""The tokenizer that stands in a GGUF file's metadata, built with `tokenizers`.

transformers builds one too, but gives a vocabulary whose pre-tokenizer it doesn't know (SmolLM's
among them) GPT-2's, which doesn't part digits as the model has learnt them. Here an unknown one is
refused. Rules and their names: llama.cpp's src/llama-vocab.cpp.
"""

import dataclasses
from typing import Any

import numpy as np
from gguf import TokenType

from cotjax.errors import InputError
from cotjax.models.gguf_header import Header

SPACE = "▁"
UNKNOWN = "<unk>"
MOST_CHARACTERS = 1_024  # of a token: every way to part one is looked at; Llama 3's has 128 spaces

_GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
_CONTRACTIONS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+"
_SYMBOLS = r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
_TEKKEN_WORDS = (
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+"
    r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*"
)


@dataclasses.dataclass(frozen=True)
class PreTokenizer:
    """How text is parted before merges.

    Attributes:
      splits: Regular expressions, each parting what the one before it has left.
      whole: Whether a part that is a token as it stands is taken whole, whatever the merges.
      add_bos: Whether text begins with BOS where the file doesn't say.
      nfc: Whether text is normalised first.
    """

    splits: tuple[str, ...]
    whole: bool = False
    add_bos: bool = False
    nfc: bool = False


_LLAMA3 = PreTokenizer((rf"{_CONTRACTIONS}|\p{{N}}{{1,3}}|{_SYMBOLS}",), whole=True, add_bos=True)
_QWEN2 = PreTokenizer((rf"{_CONTRACTIONS}|\p{{N}}|{_SYMBOLS}",), nfc=True)
PRE_TOKENIZERS = {
    "default": PreTokenizer((r"[\p{P}\$\+<=>\^~\|]+", _GPT2, r"\p{N}+", r"[0-9][0-9][0-9]")),
    "gpt-2": PreTokenizer((_GPT2,)),
    "smollm": PreTokenizer((r"\p{N}", _GPT2)),
    "llama3": _LLAMA3,
    "llama-v3": _LLAMA3,
    "llama-bpe": _LLAMA3,
    "falcon3": _LLAMA3,
    "smaug-bpe": dataclasses.replace(_LLAMA3, whole=False, add_bos=False),
    "qwen2": _QWEN2,
    "deepseek-r1-qwen": _QWEN2,
    "tekken": PreTokenizer(
        (rf"{_TEKKEN_WORDS}|\p{{N}}| ?[^\s\p{{L}}\p{{N}}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+",),
        whole=True,
        add_bos=True,
    ),
}


def build_tokenizer(header: Header) -> Any:
    """The `transformers.PreTrainedTokenizerFast` of a file, with its chat template.

    It adds BOS where the model was trained with one, and never EOS: prompts are to be continued.
    As the model's own tokenizer, it drops bytes for which a byte-level vocabulary has no token
    (in SmolLM2's, six control characters).

    Raises:
      InputError: naming the key that is missing, unsupported or fits no other.
    """
    from transformers import PreTrainedTokenizerFast

    kind = header.get("tokenizer.ggml.model", str)
    if kind not in _BUILDERS:
        raise InputError(
            f"{header.path}: tokenizer.ggml.model {kind!r:.60} is not supported, only "
            f"{', '.join(_BUILDERS)}"
        )
    tokens = _read_tokens(header)
    types = _per_token(header, "token_type", len(tokens), default=TokenType.NORMAL)
    backend, add_bos = _BUILDERS[kind](header, tokens, types)
    _add_whole_tokens(backend, tokens, types)
    special = _special_tokens(header, tokens)
    if header.get("tokenizer.ggml.add_bos_token", bool, add_bos and "bos_token" in special):
        _begin_with_bos(header, backend, special)
    return PreTrainedTokenizerFast(
        tokenizer_object=backend,
        clean_up_tokenization_spaces=False,
        chat_template=header.get("tokenizer.chat_template", str, "") or None,
        **special,
    )


def _byte_level(header: Header, tokens: list[str], types: np.ndarray) -> tuple[Any, bool]:
    """GPT-2's: bytes are spelt as printable characters, and merges are listed."""
    from tokenizers import Regex, decoders, normalizers, pre_tokenizers

    name = header.get("tokenizer.ggml.pre", str, "default")
    if name not in PRE_TOKENIZERS:
        raise InputError(
            f"{header.path}: tokenizer.ggml.pre {name!r:.60} is not supported, only "
            f"{', '.join(PRE_TOKENIZERS)}"
        )
    rules = PRE_TOKENIZERS[name]
    merges = [tuple(merge.split(" ")) for merge in header.get("tokenizer.ggml.merges", list)]
    backend = _bpe(header, tokens, merges, ignore_merges=rules.whole)
    if rules.nfc:
        backend.normalizer = normalizers.NFC()
    splits = [pre_tokenizers.Split(Regex(split), "isolated") for split in rules.splits]
    bytes_ = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    backend.pre_tokenizer = pre_tokenizers.Sequence([*splits, bytes_])
    backend.decoder = decoders.ByteLevel()
    return backend, rules.add_bos


def _sentencepiece(header: Header, tokens: list[str], types: np.ndarray) -> tuple[Any, bool]:
    """SentencePiece's BPE: the pair whose union has the best score is merged first.

    Where words begin with a space, so does the text after each added token, as in llama.cpp.
    """
    from tokenizers import decoders, normalizers

    scores = _per_token(header, "scores", len(tokens))
    unknown = _token(header, tokens, "unknown") or (UNKNOWN if UNKNOWN in tokens else None)
    merges = _merges(tokens, types, scores)
    backend = _bpe(header, tokens, merges, unk_token=unknown, fuse_unk=True, byte_fallback=True)
    prefix = header.get("tokenizer.ggml.add_space_prefix", bool, True)
    replace = normalizers.Replace(" ", SPACE)
    backend.normalizer = (
        normalizers.Sequence([normalizers.Prepend(SPACE), replace]) if prefix else replace
    )
    steps = [decoders.Replace(SPACE, " "), decoders.ByteFallback(), decoders.Fuse()]
    backend.decoder = decoders.Sequence([*steps, decoders.Strip(" ", 1, 0)] if prefix else steps)
    return backend, True


_BUILDERS = {"gpt2": _byte_level, "llama": _sentencepiece}


def _bpe(header: Header, tokens: list[str], merges: list[tuple], **options: Any) -> Any:
    from tokenizers import Tokenizer, models

    vocabulary = {token: id_ for id_, token in enumerate(tokens)}
    try:
        return Tokenizer(models.BPE(vocabulary, merges, **options))
    except Exception as error:  # tokenizers raises no narrower type
        reason = str(error).strip().split("\n")[0]
        raise InputError(
            f"{header.path}: tokens and merges of tokenizer.ggml don't fit: {reason}"
        ) from error


def _merges(tokens: list[str], types: np.ndarray, scores: np.ndarray) -> list[tuple[str, str]]:
    """The ways to put each ordinary token together from two, the best tokens first."""
    scored = {
        token: score
        for token, type_, score in zip(tokens, types.tolist(), scores.tolist(), strict=True)
        if type_ == TokenType.NORMAL
    }
    best_first = sorted(scored, key=lambda token: -scored[token])
    return [
        (token[:cut], token[cut:])
        for token in best_first
        for cut in range(1, len(token))
        if token[:cut] in scored and token[cut:] in scored
    ]


def _read_tokens(header: Header) -> list[str]:
    """The vocabulary, whose entries all differ."""
    tokens = header.get("tokenizer.ggml.tokens", list)
    seen = set()
    for token in tokens:
        if len(token) > MOST_CHARACTERS:
            raise InputError(f"{header.path}: tokenizer.ggml.tokens holds {token!r:.60}, too long")
        if token in seen:
            raise InputError(f"{header.path}: tokenizer.ggml.tokens holds {token!r:.60} twice")
        seen.add(token)
    return tokens


def _per_token(header: Header, name: str, count: int, default: int | None = None) -> np.ndarray:
    """A number for each token."""
    key = f"tokenizer.ggml.{name}"
    if key not in header.metadata and default is not None:
        return np.full(count, default)
    values = header.get(key, np.ndarray)
    if len(values) != count:
        raise InputError(f"{header.path}: {key} has {len(values)} values for {count} tokens")
    return values


def _token(header: Header, tokens: list[str], name: str) -> str | None:
    """The token that the file names by its id, None where it names none."""
    key = f"tokenizer.ggml.{name}_token_id"
    if key not in header.metadata:
        return None
    id_ = header.get(key, int)
    if not 0 <= id_ < len(tokens):
        raise InputError(f"{header.path}: {key} is {id_}, there are {len(tokens)} tokens")
    return tokens[id_]


def _special_tokens(header: Header, tokens: list[str]) -> dict[str, str]:
    names = {"bos": "bos", "eos": "eos", "unknown": "unk", "padding": "pad"}
    found = {short: _token(header, tokens, name) for name, short in names.items()}
    return {f"{short}_token": token for short, token in found.items() if token is not None}


def _add_whole_tokens(backend: Any, tokens: list[str], types: np.ndarray) -> None:
    """Has control tokens, and those that a model's makers added, found before text is parted."""
    from tokenizers import AddedToken

    def of_type(type_: TokenType, special: bool) -> list:
        ids = np.flatnonzero(types == type_)
        return [AddedToken(tokens[id_], normalized=False, special=special) for id_ in ids]

    backend.add_special_tokens(of_type(TokenType.CONTROL, special=True))
    backend.add_tokens(of_type(TokenType.USER_DEFINED, special=False))


def _begin_with_bos(header: Header, backend: Any, special: dict[str, str]) -> None:
    from tokenizers import processors

    bos = special.get("bos_token")
    if bos is None:
        raise InputError(
            f"{header.path}: BOS is to be added, but tokenizer.ggml.bos_token_id is missing"
        )
    backend.post_processor = processors.TemplateProcessing(
        single=[bos, "$A"],
        pair=[bos, "$A", f"{bos}:1", "$B:1"],
        special_tokens=[(bos, backend.token_to_id(bos))],
    )
