"""Every question, label and rationale as tokens: made once, kept on disk under a content hash."""

import dataclasses
import hashlib
import itertools
import json
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from cotjax.data.examples import Examples, Target
from cotjax.data.ragged import Ragged
from cotjax.data.tokenizer import AT_ONCE, Tokenizer
from cotjax.data.units import pack
from cotjax.targets.characters import ASCII
from cotjax.targets.keys import stable_hash
from cotjax.targets.orders import Order
from cotjax.targets.segmentation import step_starts
from cotjax.targets.words import words_of_label, words_of_reasoning

FORMAT = 5  # of the cached arrays; raise it when their meaning changes


@dataclasses.dataclass(frozen=True)
class TokenTable:
    """The run's table of targets; those of a question stand together.

    Attributes:
      inputs: Tokens of each question as each of the order's replies asks it, EOS included; those
        of a question stand together. Of any table uint16, or int32 where the vocabulary needs it.
      labels, rationales: Of each target.
      key_words, label_words, keywords: Positions of words in each rationale, of those that have a
        token: the words that matter, most important first; that say the label; of reasoning.
      begins: uint8 [rationale tokens], which of them begin a word or a step: see `units.pack`.
      reference: int32 [targets], tokens of the rationale whose length the target's is to have; 0
        where there is none.
      question: int32 [targets], number of the question.
      samples: int32 [targets], number of the rationale among its question's.
      id_hashes: uint64 [questions], of the questions' ids.
    """

    inputs: Ragged
    labels: Ragged
    rationales: Ragged
    key_words: Ragged
    label_words: Ragged
    keywords: Ragged
    begins: np.ndarray
    reference: np.ndarray
    question: np.ndarray
    samples: np.ndarray
    id_hashes: np.ndarray

    @property
    def num_targets(self) -> int:
        """Targets of an epoch."""
        return len(self.question)

    @property
    def num_questions(self) -> int:
        """Questions that have a target."""
        return len(self.id_hashes)


def tokenize(
    examples: Examples, tokenizer: Tokenizer, order: Order, cache: Path | None = None
) -> TokenTable:
    """Tokenises every text once; a second run reads the arrays from `cache`.

    Of the order only the prefixes matter: orders without any share their arrays.
    """
    inputs = [reply.ask(text) for text in examples.inputs for reply in order.replies]
    if cache is None:
        return _tokenize(examples, inputs, tokenizer)
    file = cache / f"{_content_hash(examples, inputs, tokenizer)}.npz"
    if file.exists():
        try:
            return _load(file)
        except (OSError, ValueError, KeyError, zipfile.BadZipFile):  # damaged: made anew
            file.unlink()
    table = _tokenize(examples, inputs, tokenizer)
    _save(table, file)
    return table


def cut_inputs(table: TokenTable, length: int, eos: int) -> tuple[TokenTable, int, int]:
    """Cuts inputs to `length` tokens, EOS included.

    Returns:
      The table, how many inputs were cut, and how many tokens were cut off them.
    """
    lengths = table.inputs.lengths
    position = np.arange(len(table.inputs.values)) - np.repeat(table.inputs.offsets[:-1], lengths)
    cut = table.inputs.keep(position < length)
    values = cut.values.copy()
    values[cut.offsets[1:] - 1] = eos
    inputs = Ragged(values, cut.offsets)
    over = np.maximum(lengths - length, 0)
    return dataclasses.replace(table, inputs=inputs), int((over > 0).sum()), int(over.sum())


def count_tokens(table: TokenTable, unknown: int, order: Order) -> dict[str, int]:
    """Tokens and unknown tokens of each field that the order uses."""
    counts = {}
    for field in ("inputs", "labels", *(["rationales"] if order.uses_rationale else [])):
        values = getattr(table, field).values
        counts[f"{field}/tokens"] = len(values)
        counts[f"{field}/unknown"] = int((values == unknown).sum())
    return counts


def count_unmapped(
    table: TokenTable, examples: Examples, tokenizer: Tokenizer, order: Order
) -> dict[str, int]:
    """Tokens and unknown ones of each field as they would be without the map of characters.

    Of whole rationales: `table` is what `tokenize` makes of the examples. Nothing without a map.
    """
    if tokenizer.unmapped is None:
        return {}
    texts = {
        "inputs": [text for text in examples.inputs for _ in order.replies],
        "labels": [target.label for target in examples.targets],
        "rationales": [target.rationale for target in examples.targets],
    }
    counts = count_tokens(table, tokenizer.unknown, order)
    for field in {name.partition("/")[0] for name in counts}:
        signs = [text for text in texts[field] if not ASCII.keys().isdisjoint(text)]
        for one, sign in ((tokenizer, -1), (tokenizer.unmapped, 1)):
            ids = list(itertools.chain.from_iterable(one.encode(signs)))
            counts[f"{field}/tokens"] += sign * len(ids)
            counts[f"{field}/unknown"] += sign * ids.count(one.unknown)
    return {f"{name}_unmapped": count for name, count in counts.items()}


def _tokenize(examples: Examples, inputs: list[str], tokenizer: Tokenizer) -> TokenTable:
    targets = examples.targets
    said = _rationales(targets, tokenizer)
    begins = said.pop("begins").values
    references = _encoded([target.reference for target in targets], tokenizer)
    return TokenTable(
        inputs=_encoded(inputs, tokenizer, [tokenizer.eos]),
        labels=_encoded([target.label for target in targets], tokenizer),
        begins=begins,
        **said,
        reference=references.lengths.astype(np.int32),
        question=np.array([target.question for target in targets], np.int32),
        samples=np.array([target.sample for target in targets], np.int32),
        id_hashes=np.array([stable_hash(name) for name in examples.ids], np.uint64),
    )


def _encoded(texts: Sequence[str], tokenizer: Tokenizer, end: Sequence[int] = ()) -> Ragged:
    """Tokens of each text, and what ends it."""
    ids = ([*one, *end] for part in _parts(texts) for one in tokenizer.encode(part))
    return Ragged.from_lists(ids, _token_type(tokenizer))


def _rationales(targets: Sequence[Target], tokenizer: Tokenizer) -> dict[str, Ragged]:
    """The fields of a TokenTable that are of rationales."""
    types = {"rationales": _token_type(tokenizer), "begins": np.uint8}
    parts = []
    for some in _parts(targets):
        rows = list(_said(some, tokenizer))
        parts.append(
            {
                field: Ragged.from_lists((row[field] for row in rows), types.get(field, np.int32))
                for field in rows[0]
            }
        )
    return {field: Ragged.join([part[field] for part in parts]) for field in parts[0]}


def _said(targets: Sequence[Target], tokenizer: Tokenizer) -> Iterator[dict[str, Sequence[int]]]:
    """What `_rationales` tells of each target."""
    texts = [target.rationale for target in targets]
    units = tokenizer.encode_units(texts, [step_starts(text) for text in texts])
    for target, text, (ids, words, steps) in zip(targets, texts, units, strict=True):
        named = {
            "key_words": target.key_words,
            "label_words": words_of_label(text, target.answer),
            "keywords": words_of_reasoning(text),
        }
        number = {word: number for number, word in enumerate(dict.fromkeys(words))}
        yield {"rationales": ids, "begins": pack(words, steps)} | {
            field: [number[word] for word in positions if word in number]
            for field, positions in named.items()
        }


def _parts(items: Sequence) -> Iterator[Sequence]:
    """So many at once that their tokens take little memory beside the table's."""
    return (items[start : start + AT_ONCE] for start in range(0, len(items), AT_ONCE))


def _token_type(tokenizer: Tokenizer) -> type[np.integer]:
    return np.uint16 if tokenizer.size <= 2**16 else np.int32


def _content_hash(examples: Examples, inputs: list[str], tokenizer: Tokenizer) -> str:
    state = hashlib.blake2b(digest_size=16)
    numbers = (FORMAT, len(examples.ids), len(inputs))
    state.update(f"{tokenizer.content_hash()} {numbers}".encode())
    for one in (*examples.ids, *inputs, *examples.targets):
        content = one if isinstance(one, str) else dataclasses.astuple(one)
        state.update(f"{json.dumps(content)}\n".encode())
    return state.hexdigest()


def _save(table: TokenTable, file: Path) -> None:
    arrays = {}
    for field in dataclasses.fields(table):
        value = getattr(table, field.name)
        if isinstance(value, Ragged):
            arrays[f"{field.name}.values"], arrays[f"{field.name}.offsets"] = (
                value.values,
                value.offsets,
            )
        else:
            arrays[field.name] = value
    file.parent.mkdir(parents=True, exist_ok=True)
    temporary = file.with_name(f".{file.stem}-{np.random.default_rng().integers(2**62)}.npz")
    np.savez(temporary, **arrays)
    temporary.replace(file)


def _load(file: Path) -> TokenTable:
    with np.load(file, allow_pickle=False) as arrays:
        return TokenTable(
            **{
                field.name: Ragged(arrays[f"{field.name}.values"], arrays[f"{field.name}.offsets"])
                if field.type is Ragged
                else arrays[field.name]
                for field in dataclasses.fields(TokenTable)
            }
        )
