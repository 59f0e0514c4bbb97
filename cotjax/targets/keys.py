"""Counter-based random keys, the same in numpy and TensorFlow.

Every unit of a rationale (word, token or step) draws a 32-bit key from (seed, id of the question,
sample, epoch or 0, name of the perturbation, position of the unit), so a draw depends on neither
the batch, the step nor the machine.
"""

import hashlib
from typing import Any

import numpy as np

Uint32 = Any  # a numpy array or a TensorFlow tensor of unsigned 32-bit integers


def stable_hash(text: str, bits: int = 64) -> int:
    """A hash of a text that is the same in every process and on every machine."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=bits // 8).digest(), "little")


def mix(state: Uint32) -> Uint32:
    """The 32-bit finaliser of MurmurHash3: a bijection that scatters neighbouring numbers.

    Division by a power of two stands for a right shift: numpy and TensorFlow share it.
    """
    state = (state ^ (state // np.uint32(1 << 16))) * np.uint32(0x85EBCA6B)
    state = (state ^ (state // np.uint32(1 << 13))) * np.uint32(0xC2B2AE35)
    return state ^ (state // np.uint32(1 << 16))


def word_keys(stream: Uint32, positions: Uint32) -> Uint32:
    """Random keys of units: `stream` [n] (see `streams`) by `positions` [units] -> [n, units]."""
    weyl = positions * np.uint32(0x9E3779B9) + np.uint32(0x7F4A7C15)
    return mix(mix(stream[:, None] ^ mix(weyl)[None, :]) + weyl[None, :])


def second_stream(stream: Uint32) -> Uint32:
    """Another stream of the same targets, for a second draw that the first says nothing about."""
    return mix(stream ^ np.uint32(0x5BD1E995))


def share(count: int | np.ndarray, fraction: float) -> np.ndarray:
    """round(fraction * count), int64; half is rounded up, so that it grows evenly with fraction."""
    return np.floor(count * fraction + 0.5).astype(np.int64)


def streams(
    seed: int, id_hashes: np.ndarray, samples: np.ndarray, epoch: int, name: str
) -> np.ndarray:
    """One 32-bit stream a target, from all that its draw may depend on.

    Args:
      seed: Seed of the run.
      id_hashes: uint64 [n], `stable_hash` of the questions' ids.
      samples: int [n], number of the rationale among its question's.
      epoch: Epoch of fresh draws; 0 throughout for draws that are fixed for the run.
      name: Name of the perturbation, so that two of them don't share their draws.

    Returns:
      uint32 [n]
    """
    state = np.full(len(id_hashes), stable_hash(f"{name}:{seed}:{epoch}", 32), np.uint32)
    low, high = id_hashes.astype(np.uint32), (id_hashes >> np.uint64(32)).astype(np.uint32)
    for part in (low, high, samples.astype(np.uint32)):
        state = mix(state ^ mix(part + np.uint32(0x9E3779B9)))
    return state
