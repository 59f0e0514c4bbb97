"""Every question, label and rationale as tokens: made once, kept on disk under a content hash."""

import dataclasses
import hashlib
import itertools
import json
import zipfile
from pathlib import Path

import numpy as np

from cotjax.data.examples import Examples
from cotjax.data.ragged import Ragged
from cotjax.data.tokenizer import Tokenizer
from cotjax.targets.characters import ASCII
from cotjax.targets.keys import stable_hash
from cotjax.targets.orders import Order
from cotjax.targets.segmentation import step_starts
from cotjax.targets.words import words_of_label, words_of_reasoning

FORMAT = 4  # of the cached arrays; raise it when their meaning changes


@dataclasses.dataclass(frozen=True)
class TokenTable:
    """The run's table of targets; those of a question stand together.

    Attributes:
      inputs: Tokens of each question as each of the order's replies asks it, EOS included; those
        of a question stand together.
      labels, rationales: Of each target.
      key_words, label_words, keywords: Positions of words in each rationale: those that matter,
        most important first; those that say the label; those of reasoning.
      words, steps: int32 [rationale tokens], the position of each token's word and of its step in
        its rationale, from 0.
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
    words: np.ndarray
    steps: np.ndarray
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
    texts = [target.rationale for target in targets]
    rationales = tokenizer.encode_units(texts, [step_starts(text) for text in texts])
    references = tokenizer.encode([target.reference for target in targets])
    return TokenTable(
        inputs=Ragged.from_lists([[*ids, tokenizer.eos] for ids in tokenizer.encode(inputs)]),
        labels=Ragged.from_lists(tokenizer.encode([target.label for target in targets])),
        rationales=Ragged.from_lists([ids for ids, _, _ in rationales]),
        key_words=Ragged.from_lists([target.key_words for target in targets]),
        label_words=Ragged.from_lists([words_of_label(t.rationale, t.answer) for t in targets]),
        keywords=Ragged.from_lists([words_of_reasoning(text) for text in texts]),
        words=Ragged.from_lists([words for _, words, _ in rationales]).values,
        steps=Ragged.from_lists([steps for _, _, steps in rationales]).values,
        reference=np.array([len(ids) for ids in references], np.int32),
        question=np.array([target.question for target in targets], np.int32),
        samples=np.array([target.sample for target in targets], np.int32),
        id_hashes=np.array([stable_hash(name) for name in examples.ids], np.uint64),
    )


def _content_hash(examples: Examples, inputs: list[str], tokenizer: Tokenizer) -> str:
    state = hashlib.blake2b(digest_size=16)
    state.update(f"{FORMAT}:{tokenizer.content_hash()}".encode())
    state.update(json.dumps([examples.ids, inputs]).encode())
    state.update(json.dumps([dataclasses.astuple(target) for target in examples.targets]).encode())
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
