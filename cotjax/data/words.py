"""Keeps the chosen words of every rationale of a table."""

import dataclasses

import numpy as np

from cotjax.data.ragged import Ragged
from cotjax.data.tokens import TokenTable
from cotjax.data.units import BITS, begins_of, numbers_of, pack
from cotjax.errors import InputError
from cotjax.targets.keys import streams, word_keys
from cotjax.targets.words import WordChoice


def keep_words(table: TokenTable, choice: WordChoice) -> TokenTable:
    """Drops the words that `choice` doesn't keep; a step is cut where others come between.

    Raises:
      InputError: if key words are asked for and no rationale names any.
    """
    if choice.name == "all":
        return table
    if choice.name == "key_words":
        _check_named(table)
    words, steps = (numbers_of(table.begins, unit, table.rationales.lengths) for unit in BITS)
    positions, begins = [], []
    for target, ranked in enumerate(_ranked(table, choice)):
        start, stop = table.rationales.offsets[target : target + 2]
        of_token = words[start:stop]
        kept = choice.keep(int(of_token.max(initial=-1)) + 1, ranked)
        first, last = (np.searchsorted(of_token, kept, side) for side in ("left", "right"))
        tokens = [start + np.arange(a, b) for a, b in zip(first, last, strict=True)]
        positions.append(np.concatenate([np.empty(0, np.int64), *tokens]))
        begins.append(pack(words[positions[-1]], steps[positions[-1]]))
    taken = np.concatenate(positions)
    lengths = [len(tokens) for tokens in positions]
    return dataclasses.replace(
        table,
        rationales=Ragged.of(table.rationales.values[taken], lengths),
        begins=np.concatenate(begins),
    )


def count_words(table: TokenTable, kept: TokenTable, choice: WordChoice) -> dict[str, int]:
    """What a choice of words left out, and of how many rationales that held it."""
    if choice.name == "all":
        return {}
    words = [sum(_lengths(one)) for one in (table, kept)]
    emptied = (table.rationales.lengths > 0) & (kept.rationales.lengths == 0)
    counts = {
        "dropped/words of rationales": words[0] - words[1],
        "kept/rationales with no word left": int(emptied.sum()),
    }
    if choice.name.startswith("without"):
        held = int((getattr(table, choice.named).lengths > 0).sum())
        counts[f"kept/rationales that held what is left out ({choice.name})"] = held
    if choice.name == "key_words":
        counts["kept/rationales with fewer key words than asked for"] = _count_short(table, choice)
    return counts


def _count_short(table: TokenTable, choice: WordChoice) -> int:
    """Rationales that name fewer key words than the choice takes of so many words."""
    return sum(
        len(choice.keep(number, named)) < len(choice.keep(number, np.arange(number)))
        for number, named in zip(_lengths(table), table.key_words, strict=True)
    )


def _ranked(table: TokenTable, choice: WordChoice) -> Ragged | list[np.ndarray]:
    """For each target the positions of words that the choice goes by."""
    if choice.name != "random_k":
        return getattr(table, choice.named or "key_words")
    stream = streams(
        choice.seed, table.id_hashes[table.question], table.samples, 0, "words.random_k"
    )
    return [
        np.argsort(word_keys(stream[[target]], np.arange(number, dtype=np.uint32))[0])
        for target, number in enumerate(_lengths(table))
    ]


def _check_named(table: TokenTable) -> None:
    """Refuses a table without key words; a rationale without any is counted."""
    if not table.key_words.lengths.any():
        raise InputError(
            f"config.data.words.name='key_words': none of {table.num_targets} rationales has any "
            "key word, in its record or by config.data.scores"
        )


def _lengths(table: TokenTable) -> list[int]:
    """Words of each rationale."""
    words = np.cumsum(np.append(0, begins_of(table.begins, "words")))
    return np.diff(words[table.rationales.offsets]).tolist()
