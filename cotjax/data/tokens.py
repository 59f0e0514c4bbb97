"""Every question, label and rationale as tokens: made once, kept on disk under a content hash."""

import dataclasses
import hashlib
import json
import zipfile
from pathlib import Path

import numpy as np

from cotjax.data.examples import Examples
from cotjax.data.ragged import Ragged
from cotjax.data.tokenizer import Tokenizer
from cotjax.errors import InputError
from cotjax.targets.orders import Order
from cotjax.targets.perturb import stable_hash
from cotjax.targets.words import WordChoice

FORMAT = 2  # of the cached arrays; raise it when their meaning changes


@dataclasses.dataclass(frozen=True)
class TokenTable:
    """The run's table of targets; those of a question stand together.

    Attributes:
      inputs: Tokens of each question as each of the order's replies asks it, EOS included; those
        of a question stand together.
      labels, rationales, key_words: Of each target; key words as positions of words.
      words: int32 [rationale tokens], the position of each token's word in its rationale.
      question: int32 [targets], number of the question.
      samples: int32 [targets], number of the rationale among its question's.
      id_hashes: uint64 [questions], of the questions' ids.
    """

    inputs: Ragged
    labels: Ragged
    rationales: Ragged
    key_words: Ragged
    words: np.ndarray
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


def keep_words(table: TokenTable, choice: WordChoice) -> TokenTable:
    """Drops the words that `choice` doesn't keep, and numbers the others anew.

    Raises:
      InputError: if key words are asked for and a rationale names none.
    """
    if choice.name == "all":
        return table
    if choice.name == "key_words" and not table.key_words.lengths.all():
        missing = int((table.key_words.lengths == 0).sum())
        raise InputError(
            f"config.data.words.name='key_words': {missing} of {table.num_targets} rationales "
            "name no key words in their records"
        )
    masks, words = [], []
    for target in range(table.num_targets):
        of_token = table.words[slice(*table.rationales.offsets[target : target + 2])]
        num_words = int(of_token.max(initial=-1)) + 1
        key_words = table.key_words[target]
        kept = choice.keep(num_words, key_words[key_words < num_words])
        masks.append(kept[of_token])
        words.append((np.cumsum(kept) - 1)[of_token[kept[of_token]]])
    return dataclasses.replace(
        table,
        rationales=table.rationales.keep(np.concatenate(masks)),
        words=np.concatenate(words).astype(np.int32),
    )


def count_tokens(table: TokenTable, unknown: int, order: Order) -> dict[str, int]:
    """Tokens and unknown tokens of each field that the order uses."""
    counts = {}
    for field in ("inputs", "labels", *(["rationales"] if order.uses_rationale else [])):
        values = getattr(table, field).values
        counts[f"{field}/tokens"] = len(values)
        counts[f"{field}/unknown"] = int((values == unknown).sum())
    return counts


def _tokenize(examples: Examples, inputs: list[str], tokenizer: Tokenizer) -> TokenTable:
    targets = examples.targets
    rationales = tokenizer.encode_words([target.rationale for target in targets])
    return TokenTable(
        inputs=Ragged.from_lists([[*ids, tokenizer.eos] for ids in tokenizer.encode(inputs)]),
        labels=Ragged.from_lists(tokenizer.encode([target.label for target in targets])),
        rationales=Ragged.from_lists([ids for ids, _ in rationales]),
        key_words=Ragged.from_lists([target.key_words for target in targets]),
        words=Ragged.from_lists([words for _, words in rationales]).values,
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
