"""Rationales to perturb, drawn as the number of tokens of each of their units."""

import numpy as np
import tensorflow as tf
from hypothesis import strategies as st

from cotjax.targets.keys import streams
from cotjax.targets.units import Source

RATIONALES = st.lists(
    st.lists(st.integers(1, 3), min_size=1, max_size=8), min_size=1, max_size=6
)  # tokens of each unit
SEEDS = st.integers(0, 2**31)
FRACTIONS = st.floats(0, 1)


def draw(count, seed=0, name="shuffle", epoch=0):
    """Streams of some targets."""
    ids = np.arange(count, dtype=np.uint64) * np.uint64(0x123456789ABCDEF)
    return streams(seed, ids, np.zeros(count, int), epoch, name)


def batch_of(rationales):
    """Tokens that name their unit and place, units, lengths."""
    rows = [
        [(u, 10 * u + t + 1) for u, size in enumerate(sizes) for t in range(size)]
        for sizes in rationales
    ]
    width = max(map(len, rows))
    tokens, units = np.zeros((2, len(rows), width), np.int32)
    for row, pairs in enumerate(rows):
        units[row, : len(pairs)], tokens[row, : len(pairs)] = zip(*pairs, strict=True)
    return tokens, units, np.array([len(pairs) for pairs in rows], np.int32)


def transform(perturbation, rationales, seed=0):
    """Tokens, units and lengths of a batch, and the tokens that a transform makes of it."""
    tokens, units, lengths = batch_of(rationales)
    stream = draw(len(tokens), seed, perturbation.name)
    changed = perturbation.transform(*map(tf.constant, (tokens, units, lengths, stream)))
    return tokens, units, lengths, changed.numpy()


def source_of(rationales, goals=0):
    """All rationales of a run; tokens are numbered through."""
    lengths = [sum(sizes) for sizes in rationales]
    units = [u for sizes in rationales for u, size in enumerate(sizes) for _ in range(size)]
    return Source(
        np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)]),
        np.array(units, np.int32),
        np.broadcast_to(np.int64(goals), len(rationales)),
    )


def edit(perturbation, rationales, seed=0, goals=0, donors=None, targets=None):
    """What is said of each rationale: a list of (rationale, unit, place in it) a token."""
    source = source_of(rationales, goals)
    everything = np.arange(len(rationales))
    targets = everything if targets is None else np.array(targets)
    donors = np.roll(everything, -1) if donors is None else donors
    donors = np.reshape(donors, (len(rationales), -1))
    stream = draw(len(rationales), seed, perturbation.name)[targets]
    places, lengths = perturbation.edit(source, targets, donors[targets], stream)
    assert len(places) == lengths.sum()
    assert (lengths <= perturbation.most(source)[targets]).all()
    names = [
        (r, u, t)
        for r, sizes in enumerate(rationales)
        for u, size in enumerate(sizes)
        for t in range(size)
    ]
    said = [names[place] for place in places]
    ends = np.cumsum(lengths)
    return [said[end - length : end] for end, length in zip(ends, lengths, strict=True)]


def units_said(tokens):
    """The (rationale, unit) of every unit that is said whole, in order."""
    return [(r, u) for r, u, place in tokens if place == 0]
