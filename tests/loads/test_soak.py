"""What counts as growth in a long run."""

import pytest

from tests.loads.soak import Look, growths, look


def looks(**last):
    """Of 2,000 steps; from step 1,600 on some numbers are others."""
    same = {"mib": 500.0, "files": 40, "threads": 30, "ms_a_step": 2.0}
    steps = range(100, 2001, 100)
    return [Look(step, **(same | (last if step >= 1600 else {}))) for step in steps]


@pytest.mark.parametrize("name", ["mib", "files", "threads", "ms_a_step"])
def test_growth_is_of_the_last_looks_by_the_first(name):
    grown = growths(looks(**{name: 1000}))
    first = getattr(looks()[0], name)
    assert grown.pop(name) == 1000 / first
    assert set(grown.values()) == {1.0}


def test_memory_that_is_given_back_hides_no_growth_after_it():
    steps = range(100, 2001, 100)
    mib = [1000.0] * 8 + [500.0] * 6 + [520.0] * 6
    grown = growths([Look(step, each, 40, 30, 2.0) for step, each in zip(steps, mib, strict=True)])
    assert grown["mib"] == 520 / 500


@pytest.mark.parametrize(("late", "factor"), [(31, 1.0), (32, 32 / 31)])
def test_a_thread_that_comes_and_goes_is_no_growth(late, factor):
    threads = [30, 31, 30, 30] * 3 + [30, late, 30, 30] * 2
    looked = [Look(100 * at, 500.0, 40, count, 2.0) for at, count in enumerate(threads, 1)]
    assert growths(looked)["threads"] == factor


def test_what_the_beginning_takes_does_not_count():
    begun = [Look(step, 1e9, 1, 1, 1e9) for step in (100, 200)]
    assert set(growths(begun + looks()[2:]).values()) == {1.0}
    with pytest.raises(ValueError, match="9 looks after step 100, and 10 needed"):
        growths(looks()[:10])


def test_a_process_sees_itself():
    before = look(1, 0.0)
    with open(__file__):
        after = look(2, 0.0)
    assert after.files == before.files + 1
    assert before.mib > 10
    assert before.threads >= 1
