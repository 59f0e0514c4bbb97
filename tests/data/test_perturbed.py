"""Donated and edited rationales, from the table to the batch."""

import dataclasses
from collections import Counter

import numpy as np
import pytest

from cotjax.data.perturbed import CHUNK, Perturbed, units_of
from cotjax.data.pipeline import batches
from cotjax.data.ragged import Ragged
from cotjax.data.steps import Steps
from cotjax.targets.donors import Perturbation, Swap, SwapSameLabel
from cotjax.targets.edits import Drop, Duplicate, FillRandom, FillRepeat, Insert, Shorten
from cotjax.targets.segments import Kind
from cotjax.targets.transforms import Digits, DigitTokens, Mask, Reverse, Shuffle, ShuffleSome
from tests.data.small import EOS, begins, random_table, small_table, step_config

EDITS = [
    Drop(),
    Drop(unit="steps"),
    Duplicate(fraction=1.0),
    Insert(fraction=1.0),
    FillRandom(length=20),
    FillRandom(),
    FillRepeat(length=15),
    Shorten(length=4),
    Shorten(),
]


def said_by_target(steps, step=0, kind=Kind.RATIONALE):
    """Tokens of one kind of every target of a step."""
    batch = next(batches(steps, EOS, step, step + 1))[1]
    found = {}
    for row, column in np.argwhere(batch["segment_target"] >= 0):
        here = (batch["decoder_segments"][row] == column + 1) & (
            batch["decoder_kinds"][row] == kind
        )
        found[int(batch["segment_target"][row, column])] = batch["decoder_targets"][row][here]
    return found


def test_units_of_tokens():
    table = small_table()
    assert units_of(table, "tokens").tolist() == [0, 1, 2, 0, 1, 0, 1, 2, 3]
    assert units_of(table, "words").tolist() == [0, 0, 1, 0, 1, 0, 1, 1, 2]
    assert units_of(table, "steps").tolist() == [0, 0, 1, 0, 0, 0, 0, 0, 1]


def test_units_of_rationales_without_a_token():
    table = dataclasses.replace(
        small_table(),
        rationales=Ragged.from_lists([[], [33, 34], []]),
        begins=begins([[], [0, 1], []], [[], [0, 0], []]),
    )
    assert units_of(table, "words").tolist() == [0, 1]
    assert units_of(table, "tokens").tolist() == [0, 1]


@pytest.mark.parametrize(("fraction", "emptied"), [(0.5, 0), (0.99, 0), (1.0, 3)])
def test_what_a_perturbation_leaves_nothing_of_is_counted(fraction, emptied):
    perturbed = Perturbed(small_table(), Drop(fraction=fraction), seed=0, redraw=True)
    assert perturbed.count_emptied() == emptied


@pytest.mark.parametrize(
    ("perturbation", "said"),
    [
        # Words are 30 31, 32; 33, 34; 40, 41 42, 43. Steps are 30 31, 32; 33 34; 40 41 42, 43.
        (Reverse(unit="words"), [[32, 30, 31], [34, 33], [43, 41, 42, 40]]),
        (Reverse(unit="tokens"), [[32, 31, 30], [34, 33], [43, 42, 41, 40]]),
        (Reverse(unit="steps"), [[32, 30, 31], [33, 34], [43, 40, 41, 42]]),
        (
            Duplicate("duplicate", "words", 1.0),
            [[30, 31] * 2 + [32] * 2, [33, 33, 34, 34], [40, 40, 41, 42, 41, 42, 43, 43]],
        ),
        (
            Duplicate("duplicate", "steps", 1.0),
            [[30, 31] * 2 + [32] * 2, [33, 34] * 2, [40, 41, 42] * 2 + [43] * 2],
        ),
        (Drop(fraction=1.0), [[], [], []]),
        (FillRepeat(length=5), [[30, 31, 32, 30, 31], [33, 34, 33, 34, 33], [40, 41, 42, 43, 40]]),
        # References have 2, 0 and 9 tokens.
        (FillRepeat(), [[30, 31, 32], [33, 34], [40, 41, 42, 43, 40, 41, 42, 43, 40]]),
        (Shorten(length=9), [[30, 31, 32], [33, 34], [40, 41, 42, 43]]),
    ],
)
def test_perturbed_rationales_are_as_drawn(perturbation, said):
    steps = Steps(small_table(), step_config("label_first", perturbation, target_length=32))
    found = said_by_target(steps)
    assert [found[target].tolist() for target in range(3)] == said
    labels = said_by_target(steps, kind=Kind.LABEL)
    assert [labels[target].tolist() for target in range(3)] == [[5], [5], [6, 7]]


@pytest.mark.parametrize("unit", ["words", "tokens", "steps"])
def test_what_is_shuffled_together(unit):
    table = random_table([1] * 12, longest=20)
    steps = Steps(
        table, step_config("label_first", Shuffle(unit=unit), batch_size=12, target_length=32)
    )
    size = {"words": 2, "tokens": 1, "steps": 5}[unit]  # of every unit but a rationale's last
    for target, said in said_by_target(steps).items():
        plain = table.rationales[target].tolist()
        parts = [plain[k : k + size] for k in range(0, len(plain), size)]
        left = said.tolist()
        while left:
            part = next(part for part in parts if left[: len(part)] == part)
            parts.remove(part)
            left = left[len(part) :]
        assert parts == []


@pytest.mark.parametrize("packing", [True, False])
@pytest.mark.parametrize("perturbation", EDITS, ids=lambda edit: f"{edit.name}-{edit.unit}")
def test_every_epochs_edits_fit_the_rows(perturbation, packing):
    table = random_table([1, 2] * 10, seed=3)
    config = step_config(
        "label_first", perturbation, batch_size=8, target_length=24, packing=packing
    )
    steps = Steps(table, config)
    for number in range(5 * steps.per_epoch):
        step = steps[number]
        said = step.tokens.sum(axis=(0, 2))
        assert step.tokens[0, :, Kind.RATIONALE].tolist() == step.rationale_lengths.tolist()
        assert said.max() <= min(24, steps.shape.decoder)
        assert (step.layout.offset + said).max() <= steps.shape.decoder
        assert len(step.places) == step.rationale_lengths.sum()
        assert step.num_rows in steps.row_counts


def test_what_an_edit_makes_too_long_is_cut_and_counted():
    steps = Steps(
        small_table(), step_config("label_first", Duplicate(fraction=1.0), target_length=8)
    )
    found = said_by_target(steps)  # labels, connective and EOS take 3, 3 and 4
    assert found[0].tolist() == [30, 31, 30, 31, 32]
    assert found[2].tolist() == [40, 40, 41, 42]
    assert steps.count_cut() == (2, 1 + 4)


def test_lengths_of_many_targets_are_those_of_each():
    table = random_table([1] * (CHUNK + 5))
    perturbed = Perturbed(table, Drop(), seed=1, redraw=True)
    lengths = perturbed.lengths
    for targets in ([0, 3], [CHUNK - 1, CHUNK], [CHUNK + 4]):
        np.testing.assert_array_equal(perturbed.places(np.array(targets), 0)[1], lengths[targets])


@pytest.mark.parametrize("redraw", [True, False])
def test_edits_are_drawn_afresh_in_every_epoch_or_once(redraw):
    table = random_table([1] * 30)
    perturbed = Perturbed(table, Drop(), seed=1, redraw=redraw)
    everything = np.arange(30)
    first, second = (perturbed.places(everything, epoch)[0].tolist() for epoch in (0, 1))
    assert (first == second) == (not redraw)


def test_inserted_steps_are_another_questions():
    table = random_table([2, 1, 3] * 4)
    perturbed = Perturbed(table, Insert(fraction=1.0), seed=0, redraw=True)
    for epoch in range(3):
        targets = np.arange(table.num_targets)
        places, lengths = perturbed.places(targets, epoch)
        of_place = np.searchsorted(table.rationales.offsets, places, side="right") - 1
        inserted = of_place != np.repeat(targets, lengths)
        asked = table.question[np.repeat(targets, lengths)]
        assert inserted.any()
        assert (table.question[of_place[inserted]] != asked[inserted]).all()
        own = Counter(of_place[~inserted].tolist())
        assert [own[target] for target in targets] == table.rationales.lengths.tolist()


def test_steps_are_inserted_again_only_where_no_donor_has_another():
    """Two steps a rationale, eight in one: four donors have as many as it has places."""
    table = random_table([1] * 10)
    lengths = np.array([8] + [2] * 9)
    rationales = Ragged.of(np.arange(lengths.sum()), lengths)
    every = begins([range(lengths.sum())], [range(lengths.sum())])  # a word and a step each
    table = dataclasses.replace(table, rationales=rationales, begins=every)
    perturbed = Perturbed(table, Insert(fraction=1.0), seed=0, redraw=True)
    places, _ = perturbed.places(np.array([0]), 0)
    assert sorted(places)[:8] == list(range(8))
    assert len(places) == len(set(places)) == 16
    few = dataclasses.replace(  # two questions: the only other one gives its steps four times
        random_table([1, 1]), rationales=Ragged.of(np.arange(10), [8, 2]), begins=every[:10]
    )
    places, _ = Perturbed(few, Insert(fraction=1.0), seed=0, redraw=True).places(np.array([0]), 0)
    assert sorted(places) == [*range(8), *[8] * 4, *[9] * 4]


def test_rationales_of_questions_with_the_same_label():
    table = random_table([2, 1, 3, 1, 2])
    of_question = [[7], [8, 9], [7], [8], [8, 9]]  # the fourth is alone
    labels = [of_question[question] for question in table.question]
    table = dataclasses.replace(table, labels=Ragged.from_lists(labels))
    perturbed = Perturbed(table, SwapSameLabel(), seed=0, redraw=True)
    assert perturbed.count_same() == 1
    for epoch in range(3):
        donors = perturbed.donors(epoch)
        assert [labels[donor] for donor in donors] == labels
        own = table.question[donors] == table.question
        np.testing.assert_array_equal(own, table.question == 3)


@pytest.mark.parametrize(
    ("perturbation", "same"),
    [
        # Of 3, 2 and 4 tokens, in 2, 2 and 3 words, and in 2, 1 and 2 steps.
        (Perturbation(), 3),
        (Swap(), 0),
        (Reverse(unit="words"), 0),
        (Shuffle(unit="steps"), 1),
        (ShuffleSome(), 2),  # of 2, 2 and 3 words 1, 1 and 2
        (Mask(fraction=0.2), 2),  # of 2, 2 and 3 words 0, 0 and 1
        (Drop(fraction=0.2), 2),
        (Drop(unit="tokens", fraction=0.2), 1),
        (Duplicate(fraction=0.0), 3),
        (Insert(fraction=0.25), 1),  # half a step is rounded up
        (FillRepeat(length=3), 2),
        (FillRandom(), 2),  # references have 2, 0 and 9 tokens
        (Shorten(), 2),
        (Shorten(length=1), 0),
        (Digits(fraction=1.0, digit_tokens=DigitTokens.of(["a"] * 33 + ["1", "2"] + ["b"] * 9)), 2),
    ],
    ids=lambda value: getattr(value, "name", None),
)
def test_what_a_perturbation_leaves_alone_is_counted(perturbation, same):
    assert Perturbed(small_table(), perturbation, seed=0, redraw=True).count_same() == same


@pytest.mark.parametrize("perturbation", [Reverse(unit="steps"), Mask(fraction=0.1)])
def test_the_count_is_that_of_the_batch(perturbation):
    table = random_table([1] * 40, longest=20)
    steps = Steps(table, step_config("label_first", perturbation, batch_size=40, target_length=32))
    said = said_by_target(steps)
    same = sum(said[target].tolist() == table.rationales[target].tolist() for target in said)
    assert same == steps.perturbed.count_same() > 0
