"""Tokenizers: a Hugging Face one, or a small one trained on the task's own text."""

import copy
import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
from tokenizers import Encoding

from cotjax.errors import InputError
from cotjax.models.hub import load_fast_tokenizer
from cotjax.targets.characters import ASCII

PAD, EOS, UNKNOWN = "<pad>", "</s>", "<unk>"  # ids 0, 1, 2, as in T5
AT_ONCE = 10_000  # texts, of whose tokens the library tells a hundred bytes each


class Tokenizer:
    """A T5-like tokenizer: pieces start words with white space, no prefix, EOS by hand.

    Attributes:
      eos, unknown, pad: Their ids.
      size: Number of ids, added tokens included.
      unmapped: The same without its map of characters, where it was given one.
    """

    def __init__(self, fast):
        """Wraps a `transformers.PreTrainedTokenizerFast`."""
        self._fast = fast
        self._backend = fast.backend_tokenizer
        self._backend.no_truncation()
        self._backend.no_padding()
        self.eos, self.unknown, self.pad = (
            fast.eos_token_id,
            fast.unk_token_id,
            fast.pad_token_id,
        )
        self.size = len(fast)
        self.unmapped: Tokenizer | None = None

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """Ids of each text, without EOS."""
        return [code.ids for code in self._encode(texts)]

    def encode_words(self, texts: Sequence[str]) -> list[tuple[list[int], list[int]]]:
        """Ids of each text, and for each id the position of its white-space word."""
        return [(ids, words) for ids, words, _ in self.encode_units(texts, [[0]] * len(texts))]

    def encode_units(
        self, texts: Sequence[str], starts: Sequence[Sequence[int]]
    ) -> list[tuple[list[int], list[int], list[int]]]:
        """Ids of each text, and for each id the positions of its word and of its step.

        Args:
          texts: One string each.
          starts: Where each text's steps begin. A token over a boundary goes with what it ends in.
        """
        units = []
        for text, code, first in zip(texts, self._encode(texts), starts, strict=True):
            space, offsets = _spaces(text), code.offsets
            units.append((code.ids, _word_of(space, offsets), _step_of(space, offsets, first)))
        return units

    def decode(self, ids: Iterable[int]) -> str:
        """Text of ids, special tokens left out."""
        return self._fast.decode([int(i) for i in ids], skip_special_tokens=True)

    def pieces(self, ids: Iterable[int]) -> list[str]:
        """The vocabulary's entry of each id."""
        return self._fast.convert_ids_to_tokens([int(i) for i in ids])

    def token_id(self, piece: str, field: str) -> int:
        """Id of an entry of the vocabulary; `field` is the config key that named it."""
        token = self._fast.convert_tokens_to_ids(piece)
        if token is None or (token == self.unknown and piece != self._fast.unk_token):
            raise InputError(f"config.{field}={piece!r} is not in the tokenizer's vocabulary")
        return token

    def save(self, folder: Path) -> None:
        """Writes the files that `load_tokenizer` and transformers read."""
        self._fast.save_pretrained(folder)

    def content_hash(self) -> str:
        """A hash of the vocabulary and rules."""
        return hashlib.blake2b(self._backend.to_str().encode(), digest_size=8).hexdigest()

    def _encode(self, texts: Sequence[str]) -> Iterator[Encoding]:
        for start in range(0, len(texts), AT_ONCE):
            part = texts[start : start + AT_ONCE]
            lines = [text.replace("\n", " ") for text in part]  # T5 has no newline
            yield from self._backend.encode_batch(lines, add_special_tokens=False)


def load_tokenizer(folder: str | os.PathLike) -> Tokenizer:
    """Loads a tokenizer from a local folder in Hugging Face's layout.

    Raises:
      InputError: if the folder holds none, or one without pad, EOS and unknown tokens.
    """
    fast = load_fast_tokenizer(Path(folder))
    for name in ("pad_token_id", "eos_token_id", "unk_token_id"):
        if getattr(fast, name) is None:
            raise InputError(f"{folder}: the tokenizer has no {name}; T5 needs pad, EOS, unknown")
    return Tokenizer(fast)


def with_ascii(tokenizer: Tokenizer) -> Tokenizer:
    """The tokenizer that reads the signs of `characters.ASCII` as it has them written.

    The map is a part of it: whoever loads what it saves, reads texts in the same way. Offsets stay
    those of the text before the map, and so do words and steps.
    """
    mapped = Tokenizer(copy.deepcopy(tokenizer._fast))
    mapped._backend.normalizer = _ascii_normalizer(mapped._backend.normalizer)
    mapped.unmapped = tokenizer
    return mapped


def train_tokenizer(texts: Iterable[str], vocab_size: int, characters: str = "keep") -> Tokenizer:
    """Trains a byte-pair tokenizer with T5's special ids and word marks on `texts`.

    Args:
      texts: Whatever the student reads or says.
      vocab_size: Entries at most; fewer if the texts hold fewer distinct pieces.
      characters: `ascii`: what `characters.ASCII` maps is mapped first; `keep`: nothing is.
    """
    from tokenizers import Tokenizer as Backend
    from tokenizers import decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    backend = Backend(models.BPE(unk_token=UNKNOWN))
    if characters == "ascii":
        backend.normalizer = _ascii_normalizer()
    backend.pre_tokenizer = pre_tokenizers.Metaspace()
    backend.decoder = decoders.Metaspace()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size, special_tokens=[PAD, EOS, UNKNOWN], show_progress=False
    )
    backend.train_from_iterator((text.replace("\n", " ") for text in texts), trainer)
    return Tokenizer(
        PreTrainedTokenizerFast(
            tokenizer_object=backend, pad_token=PAD, eos_token=EOS, unk_token=UNKNOWN
        )
    )


def _ascii_normalizer(following=None):
    """The map, then one space where it left several, then the rules that there were."""
    from tokenizers import Regex, normalizers

    rules = [normalizers.Replace(sign, text) for sign, text in ASCII.items()]
    rules += [normalizers.Replace(Regex(" {2,}"), " "), normalizers.Strip()]
    return normalizers.Sequence(rules + [following] * (following is not None))


def _spaces(text: str) -> np.ndarray:
    """Which characters are white space; an empty text is one."""
    return np.array([character.isspace() for character in text] or [True])


def _last_characters(space: np.ndarray, offsets: Sequence[tuple[int, int]]) -> np.ndarray:
    """The last character of each token; of white space alone, the one that follows."""
    places = np.where(space, len(space) - 1, np.arange(len(space)))
    following = np.minimum.accumulate(places[::-1])[::-1]  # or itself, where it is no white space
    return following[[max(end - 1, 0) for _, end in offsets]]


def _word_of(space: np.ndarray, offsets: Sequence[tuple[int, int]]) -> list[int]:
    """Position of the white-space word in which each token ends."""
    starts = ~space & np.concatenate([[True], space[:-1]])
    word = np.cumsum(starts) - 1  # at each character
    return word[_last_characters(space, offsets)].tolist()


def _step_of(
    space: np.ndarray, offsets: Sequence[tuple[int, int]], starts: Sequence[int]
) -> list[int]:
    """Position of the step in which each token ends, counting those that have a token."""
    steps = np.searchsorted(starts, _last_characters(space, offsets), side="right")
    return np.cumsum(np.diff(steps, prepend=steps[:1]) != 0).tolist()
