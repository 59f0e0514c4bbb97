"""Loss weights, drawn by hand: what a token, a group and a question count."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cotjax.data.pipeline import batches
from cotjax.data.ragged import Ragged
from cotjax.data.steps import Steps
from cotjax.data.tokens import TokenTable
from cotjax.data.weights import loss_coefficients
from cotjax.targets.keys import stable_hash
from cotjax.targets.orders import ORDERS, make_order
from cotjax.targets.segments import NUM_KINDS
from tests.data.small import EOS, begins, step_config

L, C, R, E = 1, 2, 3, 5  # LABEL, CONNECTIVE, RATIONALE, EOS


def unequal_table() -> TokenTable:
    """A question with one rationale, and one with three that are as long as it."""
    return TokenTable(
        inputs=Ragged.from_lists([[20, EOS], [22, EOS]]),
        labels=Ragged.from_lists([[5], [6], [6], [6]]),
        rationales=Ragged.from_lists([[30, 31], [40, 41], [42, 43], [44, 45]]),
        key_words=Ragged.from_lists([[]] * 4),
        label_words=Ragged.from_lists([[]] * 4),
        keywords=Ragged.from_lists([[]] * 4),
        begins=begins([[0, 1]] * 4, [[0, 0]] * 4),
        reference=np.zeros(4, np.int32),
        question=np.array([0, 1, 1, 1], np.int32),
        samples=np.array([0, 0, 1, 2], np.int32),
        id_hashes=np.array([stable_hash("a"), stable_hash("b")], np.uint64),
    )


def weights_by_target(table, config, step=0):
    """The loss weights of a padded step's rows, by target."""
    config = step_config(config, packing=False) if isinstance(config, str) else config
    batch = next(batches(Steps(table, config), EOS, step, step + 1))[1]
    return dict(zip(batch["segment_target"][:, 0].tolist(), batch["loss_weights"], strict=True))


@pytest.mark.parametrize(
    ("question_weight", "expected"),
    [
        # l c r r e of each target: 20 tokens
        ("sum", [[1 / 20] * 5, [1 / 20] * 5, [1 / 20] * 5, [1 / 20] * 5]),
        # three of them weigh a third: W = 5 + 3 * 5 / 3 = 10
        ("mean", [[1 / 10] * 5, [1 / 30] * 5, [1 / 30] * 5, [1 / 30] * 5]),
    ],
)
def test_one_question_of_two_with_one_and_three_rationales(question_weight, expected):
    config = step_config(batch_size=4, packing=False, question_weight=question_weight)
    got = weights_by_target(unequal_table(), config)
    for target, row in enumerate(expected):
        np.testing.assert_allclose(got[target], [*row, 0, 0, 0], rtol=1e-6)


def test_the_mean_is_taken_over_the_targets_of_an_epoch_not_of_a_step():
    """Two targets a step: the lone one, or two of three, or one of them."""
    config = step_config(batch_size=2, packing=False, question_weight="mean")
    steps = Steps(unequal_table(), config)
    for step in range(steps.per_epoch):
        targets = steps.targets(step)[0]
        weight = {0: 1.0, 1: 1 / 3, 2: 1 / 3, 3: 1 / 3}
        total = sum(5 * weight[int(target)] for target in targets)
        got = weights_by_target(unequal_table(), config, step)
        for target in targets:
            np.testing.assert_allclose(
                got[int(target)][:5], [weight[int(target)] / total] * 5, rtol=1e-6
            )


@pytest.mark.parametrize("order", list(ORDERS))
@pytest.mark.parametrize("normalise", ["tokens", "kinds"])
def test_mean_gives_every_question_the_same_share(order, normalise):
    """Its targets are alike here, so a share is a share of tokens as well as of targets."""
    table = unequal_table()
    if order == "multitask":
        inputs = Ragged.from_lists([[50, 20, EOS], [51, 20, EOS], [50, 22, EOS], [51, 22, EOS]])
        table = TokenTable(**{**vars(table), "inputs": inputs})
    config = step_config(order, batch_size=4, question_weight="mean", normalise=normalise)
    step = Steps(table, config)[0]
    of_target = (step.tokens * step.coefficients).sum(axis=(0, 2))
    share = [of_target[table.question[step.targets] == question].sum() for question in (0, 1)]
    assert share[0] == pytest.approx(share[1], rel=1e-6)


def test_one_per_epoch_weighs_one_whatever_the_question_weight():
    config = step_config(one_per_epoch=True, question_weight="mean", packing=False)
    (one, other) = weights_by_target(unequal_table(), config).values()
    np.testing.assert_allclose(one, other, rtol=1e-6)


COUNTS = st.integers(0, 50)
TARGETS = st.lists(
    st.tuples(COUNTS, COUNTS, st.sampled_from([1.0, 0.5, 1 / 3])), min_size=1, max_size=5
)
GROUP_WEIGHT = st.just(0.0) | st.floats(1e-3, 2)


def counted(order, targets):
    """Tokens of each reply, target and kind, and the targets' weights, as `targets` says."""
    tokens = np.zeros((len(order.replies), len(targets), NUM_KINDS), np.int64)
    for number, reply in enumerate(order.replies):
        for target, (labels, rationales, _) in enumerate(targets):
            says = {L: labels, R: rationales, C: 2, E: 1}
            for kind in (*reply.segments, E):
                tokens[number, target, kind] = says[kind]
    return tokens, np.array([weight for *_, weight in targets])


@given(
    st.sampled_from(list(ORDERS)),
    TARGETS,
    GROUP_WEIGHT,
    GROUP_WEIGHT,
    st.sampled_from(["tokens", "tasks"]),
)
def test_groups_count_what_their_weights_say(order, targets, label, rationale, normalise):
    """Sums of weights are 1, or those of the groups that have tokens; none is negative."""
    order = make_order(order)
    tokens, weights = counted(order, targets)
    got = loss_coefficients(tokens, weights, order, label, rationale, normalise)
    assert got.shape == tokens.shape
    assert np.isfinite(got).all()
    assert (got >= 0).all()
    sums = {"label": 0.0, "rationale": 0.0}
    present = {"label": False, "rationale": False}
    for number, reply in enumerate(order.replies):
        for kind in (*reply.segments, E):
            of_label = kind == L or (kind == E and reply.segments[-1] == L)
            name = "label" if of_label else "rationale"
            sums[name] += float((tokens[number, :, kind] * got[number, :, kind]).sum())
            present[name] |= bool(tokens[number, :, kind].any())
    asked = {"label": label * present["label"], "rationale": rationale * present["rationale"]}
    if normalise == "tasks":
        assert sums == pytest.approx(asked, rel=1e-5)
    else:
        assert sum(sums.values()) == pytest.approx(float(sum(asked.values()) > 0), rel=1e-5)


@given(TARGETS, GROUP_WEIGHT, GROUP_WEIGHT)
def test_a_label_token_weighs_the_same_in_every_order(targets, label, rationale):
    """With `kinds`; an EOS that closes the label weighs as much as one of its tokens."""
    weights, said = {}, any(labels for labels, *_ in targets)
    for name in ORDERS:
        order = make_order(name)
        tokens, shares = counted(order, targets)
        got = loss_coefficients(tokens, shares, order, label, rationale, "kinds")
        assert np.isfinite(got).all()
        weights[name] = got[0, :, L]
        assert (tokens * got)[..., L].sum() == pytest.approx(label * said, rel=1e-5)
        if order.replies[0].ends_with_label:
            has_label = tokens[0, :, L] > 0
            np.testing.assert_array_equal(got[0, has_label, E], got[0, has_label, L])
    for one in weights.values():
        np.testing.assert_array_equal(one, weights["label_only"])


def test_a_label_of_one_token_weighs_one_wherever_it_stands():
    """As a step of two targets has it: half a step's label each, EOS beside it or not."""
    for order, of_eos in (
        ("label_only", 1 / 2),
        ("rationale_first", 1 / 2),
        ("label_first", 1 / 10),
    ):
        made = make_order(order)
        tokens, shares = counted(made, [(1, 2, 1.0), (1, 2, 1.0)])
        got = loss_coefficients(tokens, shares, made, 1.0, 1.0, "kinds")
        np.testing.assert_allclose(got[0, :, L], 1 / 2)
        np.testing.assert_allclose(got[0, :, E], of_eos)
