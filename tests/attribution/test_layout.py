"""Layouts: the rationale's words where they stand, in both orders."""

import pytest

from cotjax.attribution.layout import fill, lay_out
from cotjax.evaluation.batching import Rows
from cotjax.targets.orders import make_order

QUESTION, CONNECTIVE, LABEL, EOS = [10, 11], [20, 21], [30], 1
RATIONALE, WORDS = [41, 42, 43, 44], [0, 1, 1, 2]


def lay(order: str, input_length: int = 20, target_length: int = 20):
    return lay_out(
        make_order(order), QUESTION, RATIONALE, WORDS, CONNECTIVE, LABEL,
        num_words=3, eos=EOS, input_length=input_length, target_length=target_length,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("order", "encoder", "decoder", "label", "words"),
    [
        ("rationale_input", [10, 11, 20, 21, 41, 42, 43, 44, 1], [30, 1], 0,
         [0, 0, 0, 0, 1, 2, 2, 3]),
        ("rationale_first", [10, 11, 1], [41, 42, 43, 44, 20, 21, 30, 1], 6,
         [0, 1, 2, 2, 3]),
    ],
)  # fmt: skip
def test_a_rationale_that_fits(order, encoder, decoder, label, words):
    laid = lay(order)
    assert (laid.encoder, laid.decoder, laid.label) == (encoder, decoder, label)
    assert (laid.words, laid.num_words, laid.cut) == (words, 3, 0)


@pytest.mark.parametrize(
    ("order", "lengths", "encoder", "decoder", "words", "cut"),
    [
        ("rationale_input", {"input_length": 7}, [10, 11, 20, 21, 41, 42, 1], [30, 1],
         [0, 0, 0, 0, 1, 2], 2),
        ("rationale_input", {"input_length": 4}, [10, 20, 21, 1], [30, 1], [0, 0, 0], 4),
        ("rationale_first", {"target_length": 5}, [10, 11, 1], [41, 20, 21, 30, 1], [0, 1], 3),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_cut_and_counted(order, lengths, encoder, decoder, words, cut):
    laid = lay(order, **lengths)
    assert (laid.encoder, laid.decoder) == (encoder, decoder)
    assert (laid.words, laid.num_words, laid.cut) == (words, 3, cut)


def test_a_batch_of_a_rationale_that_is_said():
    batch = fill(
        Rows([0], 2, (9, 4, 8)), [lay("rationale_first")], make_order("rationale_first"), 0
    )
    assert {name: rows.tolist()[0] for name, rows in batch.items()} == {
        "encoder_tokens": [10, 11, 1, 0],
        "encoder_segments": [1, 1, 1, 0],
        "decoder_inputs": [0, 41, 42, 43, 44, 20, 21, 30, 0],
        "decoder_targets": [41, 42, 43, 44, 20, 21, 30, 1, 0],
        "decoder_segments": [1, 1, 1, 1, 1, 1, 1, 1, 0],
        "says_label": [0, 0, 0, 0, 0, 0, 1, 1, 0],
        "words": [0, 1, 2, 2, 3, 0, 0, 0, 0],
        "segment_source": [1],
        "path": [0, 1],
    }
    assert all(
        name in ("segment_source", "path") or not rows[1].any() for name, rows in batch.items()
    )


def test_a_batch_of_a_rationale_that_is_read():
    batch = fill(
        Rows([0], 1, (3, 10, 8)), [lay("rationale_input")], make_order("rationale_input"), 0
    )
    assert batch["words"].tolist() == [[0, 0, 0, 0, 1, 2, 2, 3, 0, 0]]
    assert batch["encoder_tokens"].tolist() == [[10, 11, 20, 21, 41, 42, 43, 44, 1, 0]]
    assert batch["decoder_inputs"].tolist() == [[0, 30, 0]]
    assert batch["says_label"].tolist() == [[1, 1, 0]]


@pytest.mark.parametrize(
    ("order", "lengths", "expected"),
    [
        ("rationale_first", (6, 4, 8), [[0, 51, 2, 52, 0, 0], [0, 61, 62, 63, 0, 0]]),
        ("rationale_input", (3, 7, 8), [[0, 51, 2, 52, 0, 0, 0], [0, 61, 62, 63, 0, 0, 0]]),
    ],
)
def test_donors_stand_where_the_rationale_does(order, lengths, expected):
    rows = [[[0, 51, 2, 52], [0, 61, 62, 63]]]
    laid = [lay(order, input_length=6, target_length=6)]
    batch = fill(Rows([0], 2, lengths), laid, make_order(order), 0, rows)
    assert batch["donors"].tolist()[0] == expected
    assert batch["donors"].shape == (2, 2, len(expected[0]))
