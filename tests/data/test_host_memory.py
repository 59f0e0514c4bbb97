"""What a stored token takes of the host's memory, and that it is stored once."""

import dataclasses
import tracemalloc

import numpy as np
import pytest

from cotjax.data.pipeline import batches
from cotjax.data.ragged import Ragged
from cotjax.data.steps import Steps
from cotjax.data.tokens import TokenTable
from tests.data.small import EOS, random_table, step_config

QUESTIONS = 20_000
MOST = 6  # bytes a token


def test_tokens_are_not_copied():
    """A token that changes in the table changes in the batches that are yet to be made."""
    table = random_table([1] * 30_000)
    steps = Steps(table, step_config(batch_size=64, target_length=32))
    fed = batches(steps, EOS, 0, steps.per_epoch)
    before = next(fed)[1]
    for field in (table.inputs, table.labels, table.rationales):
        field.values[:] = 70
    later = [batch for _, batch in fed][-20:]  # the first ones were made ahead
    assert before["encoder_tokens"].max() < 70
    read = [batch["encoder_tokens"] for batch in later]
    assert set(np.concatenate(read, axis=None)) == {0, 70, EOS}
    for batch in later:
        assert set(batch["decoder_targets"].flat) == {0, 70, EOS, *steps.config.connective}


@pytest.mark.parametrize("perturbation", ["none", "shuffle", "swap"])
def test_bytes_a_token(perturbation):
    """Of a table of uint16 tokens and its steps, of questions as long as CommonsenseQA's."""
    table = long_table()
    fields = [getattr(table, field.name) for field in dataclasses.fields(table)]
    ragged = [field for field in fields if isinstance(field, Ragged)]
    arrays = [field for field in fields if isinstance(field, np.ndarray)]
    arrays += [array for field in ragged for array in (field.values, field.offsets)]
    tokens = sum(len(field.values) for field in ragged)
    tracemalloc.start()
    try:
        steps = Steps(table, step_config(perturbation=perturbation, target_length=128))
        steps[steps.per_epoch]
        taken = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert (sum(array.nbytes for array in arrays) + taken) / tokens < MOST


def long_table() -> TokenTable:
    """A rationale a question."""
    rng = np.random.default_rng(0)

    def texts(mean: int) -> Ragged:
        lengths = rng.integers(mean // 2, mean * 3 // 2, QUESTIONS)
        return Ragged.of(rng.integers(10, 60, lengths.sum(), np.uint16), lengths)

    rationales, none = texts(40), Ragged.of(np.zeros(0, np.int32), [0] * QUESTIONS)
    return TokenTable(
        inputs=texts(45),
        labels=texts(4),
        rationales=rationales,
        key_words=none,
        label_words=none,
        keywords=none,
        begins=np.full(len(rationales.values), 3, np.uint8),
        reference=np.zeros(QUESTIONS, np.int32),
        question=np.arange(QUESTIONS, dtype=np.int32),
        samples=np.zeros(QUESTIONS, np.int32),
        id_hashes=np.arange(QUESTIONS, dtype=np.uint64),
    )
