"""Keeps the chosen words of every rationale of a table."""

import dataclasses

import numpy as np

from cotjax.data.ragged import Ragged
from cotjax.data.tokens import TokenTable
from cotjax.errors import InputError
from cotjax.targets.keys import streams, word_keys
from cotjax.targets.words import WordChoice


def keep_words(table: TokenTable, choice: WordChoice) -> TokenTable:
    """Drops the words that `choice` doesn't keep, and numbers words and steps anew.

    Raises:
      InputError: if key words are asked for and a rationale names none.
    """
    if choice.name == "all":
        return table
    if choice.name == "key_words":
        _check_named(table)
    positions, words, steps = [], [], []
    for target, ranked in enumerate(_ranked(table, choice)):
        start, stop = table.rationales.offsets[target : target + 2]
        of_token = table.words[start:stop]
        kept = choice.keep(_num_words(of_token), ranked)
        first, last = (np.searchsorted(of_token, kept, side) for side in ("left", "right"))
        tokens = [start + np.arange(a, b) for a, b in zip(first, last, strict=True)]
        positions.append(np.concatenate([np.empty(0, np.int64), *tokens]))
        words.append(np.repeat(np.arange(len(kept)), last - first))
        steps.append(_renumbered(table.steps[positions[-1]]))
    taken = np.concatenate(positions)
    offsets = np.cumsum([0, *(len(tokens) for tokens in positions)])
    return dataclasses.replace(
        table,
        rationales=Ragged(table.rationales.values[taken], offsets),
        words=np.concatenate(words).astype(np.int32),
        steps=np.concatenate(steps).astype(np.int32),
    )


def count_words(table: TokenTable, kept: TokenTable, choice: WordChoice) -> dict[str, int]:
    """What a choice of words left out, and of how many rationales that held it."""
    if choice.name == "all":
        return {}
    words = [sum(_num_words(one.words[slice(*row)]) for row in _rows(one)) for one in (table, kept)]
    emptied = (table.rationales.lengths > 0) & (kept.rationales.lengths == 0)
    counts = {
        "dropped/words of rationales": words[0] - words[1],
        "kept/rationales with no word left": int(emptied.sum()),
    }
    if choice.name.startswith("without"):
        held = int((getattr(table, choice.named).lengths > 0).sum())
        counts[f"kept/rationales that held what is left out ({choice.name})"] = held
    return counts


def _ranked(table: TokenTable, choice: WordChoice) -> Ragged | list[np.ndarray]:
    """For each target the positions of words that the choice goes by."""
    if choice.name != "random_k":
        return getattr(table, choice.named or "key_words")
    stream = streams(
        choice.seed, table.id_hashes[table.question], table.samples, 0, "words.random_k"
    )
    return [
        np.argsort(word_keys(stream[[target]], np.arange(number, dtype=np.uint32))[0])
        for target, number in enumerate(
            _num_words(table.words[slice(*row)]) for row in _rows(table)
        )
    ]


def _check_named(table: TokenTable) -> None:
    if not table.key_words.lengths.all():
        missing = int((table.key_words.lengths == 0).sum())
        raise InputError(
            f"config.data.words.name='key_words': {missing} of {table.num_targets} rationales "
            "name no key words in their records"
        )


def _rows(table: TokenTable) -> zip:
    """Where each rationale's tokens begin and end."""
    return zip(table.rationales.offsets[:-1], table.rationales.offsets[1:], strict=True)


def _num_words(of_token: np.ndarray) -> int:
    return int(of_token.max(initial=-1)) + 1


def _renumbered(steps: np.ndarray) -> np.ndarray:
    """Numbers what is left from 0; what stands in the order of rank is cut where steps change."""
    return np.cumsum(np.diff(steps, prepend=steps[:1]) != 0)
