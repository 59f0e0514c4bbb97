"""Which steps are told of, and when skipped ones end a run."""

import json

import numpy as np
import pytest
from scipy.stats import median_abs_deviation

from cotjax.training.faults import shortened
from cotjax.training.watch import LEAST, WINDOW, Watch, robust_score
from cotjax.training.writers import RunWriter


def see_all(watch, losses):
    """The faults of steps 1, 2, ...; a loss that is None is of a skipped step."""
    seen = (
        watch.see(step, np.nan if loss is None else loss, 1.0, skipped=loss is None)
        for step, loss in enumerate(losses, start=1)
    )
    return [(fault.step, fault.kind) for fault in seen if fault]


def test_skipped_steps_in_a_row_end_a_run():
    watch = Watch(most_in_a_row=3, spike_score=0)
    faults = see_all(watch, [1.0, None, None, 1.0, None])
    assert faults == [(2, "skipped"), (3, "skipped"), (5, "skipped")]
    assert (watch.in_a_row, watch.last_taken, watch.diverged) == (1, 4, None)
    watch.see(6, np.nan, np.nan, skipped=True)
    watch.see(7, np.nan, np.nan, skipped=True)
    assert watch.diverged == (5, 7)
    for step in (8, 9):  # whether it is asked now or later does not matter
        watch.see(step, 1.0, 1.0, skipped=False)
    assert watch.diverged == (5, 7)
    watch.start(step=4)
    assert (watch.in_a_row, watch.last_taken, watch.diverged) == (0, 4, None)


def test_a_spike_is_a_leap_out_of_the_noise_and_not_the_noise():
    noise = np.random.default_rng(0).normal(scale=0.2, size=300)
    losses = 6 * np.exp(-np.arange(300) / 80) + 2 + noise  # falling, as losses do
    assert see_all(Watch(9, spike_score=10), losses) == []
    losses[[5, 150, 151]] = 30.0  # the first one has too few before it
    assert see_all(Watch(9, spike_score=10), losses) == [(151, "spike"), (152, "spike")]
    assert see_all(Watch(9, spike_score=0), losses) == []


def test_a_level_that_stays_is_no_spike_for_long():
    rng = np.random.default_rng(0)
    losses = [*rng.normal(2, 0.1, 100), *rng.normal(9, 0.1, 200)]
    faults = see_all(Watch(9, spike_score=10), losses)
    assert faults[0] == (101, "spike")
    assert len(faults) <= WINDOW // 2


def test_losses_that_hardly_differ_are_no_yardstick():
    assert see_all(Watch(9, spike_score=10), [2.0] * LEAST + [2.01]) == []
    assert see_all(Watch(9, spike_score=10), [2.0] * LEAST + [3.0]) == [(LEAST + 1, "spike")]


def test_the_score_is_that_of_scipy():
    values = np.random.default_rng(1).gamma(2.0, size=57)
    deviation = median_abs_deviation(values, scale="normal")
    expected = (9.0 - np.median(values)) / deviation
    assert robust_score(9.0, values) == pytest.approx(expected, rel=1e-4)
    assert robust_score(9.0, values[: LEAST - 1]) is None


def test_what_goes_on_sees_what_would_have_been_seen():
    losses = [*np.random.default_rng(2).normal(3, 0.1, 130), 5.0]
    whole, first, second = Watch(9, 10), Watch(9, 10), Watch(9, 10)
    see_all(first, losses[:60])
    second.start(60, json.loads(json.dumps(first.losses)))
    expected = [whole.see(step, loss, 1.0, False) for step, loss in enumerate(losses, 1)]
    found = [second.see(step, loss, 1.0, False) for step, loss in enumerate(losses[60:], 61)]
    assert found == expected[60:]
    assert found[-1].score == expected[-1].score > 10


def test_faults_that_will_come_again_are_forgotten(tmp_path):
    with RunWriter(tmp_path) as writer:
        for step in (3, 5, 9):
            writer.fault(step, {"kind": "skipped", "loss": float("nan")})
        with (tmp_path / "faults.jsonl").open("a") as file:
            file.write('{"step": 1, "ki')  # a kill
        writer.forget_after(5)
    lines = [json.loads(line) for line in (tmp_path / "faults.jsonl").read_text().splitlines()]
    assert lines == [{"step": step, "kind": "skipped", "loss": None} for step in (3, 5)]


def test_lists_are_shortened():
    assert shortened("abc") == "a, b, c"
    assert shortened(range(8)) == "0, 1, 2, 3, 4 and 3 more"
