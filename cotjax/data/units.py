"""Words and steps of rationales, kept as two bits a token: what begins with it."""

import numpy as np

BITS = {"words": 1, "steps": 2}


def pack(words: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """Which tokens of a rationale begin a word, and which a step: uint8 [tokens].

    Args:
      words, steps: int [tokens], a number of each token's word and step; where it changes, another
        one begins. The first token begins both.
    """
    packed = np.zeros(len(words), np.uint8)
    for unit, numbers in (("words", words), ("steps", steps)):
        packed[:1] |= BITS[unit]
        packed[1:][np.diff(numbers) != 0] |= BITS[unit]
    return packed


def begins_of(packed: np.ndarray, unit: str) -> np.ndarray:
    """Which tokens begin one of the `words`, `tokens` or `steps`: bool [tokens]."""
    return np.ones(len(packed), bool) if unit == "tokens" else packed & BITS[unit] != 0


def numbers_of(packed: np.ndarray, unit: str, lengths: np.ndarray) -> np.ndarray:
    """The position of each token's unit in its rationale, from 0: int32 [tokens].

    Args:
      packed: See `pack`, of rationales that stand one after the other.
      unit: `words`, `tokens` or `steps`.
      lengths: int [rationales], tokens of each.
    """
    units = np.cumsum(begins_of(packed, unit), dtype=np.int32)
    some = lengths[lengths > 0]
    return units - np.repeat(units[np.cumsum(some) - some], some)
