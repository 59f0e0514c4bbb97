"""What a config resolves to: one vocabulary for all orders, and the loss of each."""

import numpy as np
import pytest

from cotjax import config as configs
from cotjax.targets.orders import ORDERS
from cotjax.targets.segments import Kind
from cotjax.training.prepare import prepare


@pytest.fixture
def prepared(repository, tmp_path):
    def prepared(**overrides):
        words = [f"--config.{name}={value}" for name, value in overrides.items()]
        words.append(f"--config.data.cache={tmp_path}")
        return prepare(configs.load(repository / "configs" / "default.py", words), row_multiple=1)

    return prepared


def test_all_orders_share_a_vocabulary_that_knows_their_words(prepared):
    experiments = [prepared(**{"data.order": order}) for order in ORDERS]
    assert len({one.tokenizer.content_hash() for one in experiments}) == 1
    for one in experiments:
        unknown = {name: n for name, n in one.counts.items() if name.endswith("/unknown")}
        assert set(unknown.values()) == {0}
        (words,) = one.tokenizer.encode([" ".join(one.order.texts)])
        assert one.tokenizer.unknown not in words


def test_both_inputs_of_a_question_are_counted_and_cut(prepared):
    plain, both = (prepared(**{"data.order": order}) for order in ("label_only", "multitask"))
    questions = plain.counts["questions"]
    assert (both.counts["questions"], both.counts["targets"]) == (questions, questions)
    prefixes = sum(map(len, both.tokenizer.encode(["predict:", "explain:"])))
    expected = 2 * plain.counts["inputs/tokens"] + questions * prefixes
    assert both.counts["inputs/tokens"] == expected
    cut = prepared(**{"data.order": "multitask", "data.input_length": 6})
    lengths = np.sort(both.steps.table.inputs.lengths)
    assert cut.counts["inputs/cut"] == (lengths > 6).sum()
    assert cut.counts["inputs/tokens_cut"] == np.maximum(lengths - 6, 0).sum()


@pytest.mark.parametrize(
    ("fields", "label", "rationale"),
    [
        ({"data.order": "multitask"}, 0.5, 0.5),
        ({"data.order": "multitask", "loss.alpha": 0.75}, 0.75, 0.25),
        ({"loss.normalise": "kinds", "loss.rationale_weight": 3.0}, 1.0, 3.0),
    ],
)
def test_the_losses_weigh_what_the_config_says(prepared, fields, label, rationale):
    step = prepared(**fields).steps[0]
    weights = step.tokens * step.coefficients  # [replies, targets, kinds]
    of_label = weights[..., Kind.LABEL].sum()
    if len(weights) == 2:
        of_label += weights[0, :, Kind.EOS].sum()
    assert of_label == pytest.approx(label, rel=1e-5)
    assert weights.sum() == pytest.approx(label + rationale, rel=1e-5)


def test_what_several_rationales_weigh_comes_from_the_config(prepared):
    config = prepared(
        **{"data.selection.name": "one_per_epoch", "data.question_weight": "mean"}
    ).steps.config
    assert (config.one_per_epoch, config.question_weight) == (True, "mean")
    config = prepared().steps.config
    assert (config.one_per_epoch, config.question_weight) == (False, "sum")
