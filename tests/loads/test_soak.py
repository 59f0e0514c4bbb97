"""What counts as growth in a long run."""

import threading

import pytest

from tests.loads.soak import POOL, WORKER, Look, count, growths, look, too_much


def looks(**last):
    """Of 2,000 steps; from step 1,600 on some numbers are others."""
    same = {"mib": 500.0, "files": 40, "threads": 30, "pool": 8, "ms_a_step": 2.0}
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
    grown = growths(
        [Look(step, each, 40, 30, 8, 2.0) for step, each in zip(steps, mib, strict=True)]
    )
    assert grown["mib"] == 520 / 500


@pytest.mark.parametrize(("late", "factor"), [(31, 1.0), (32, 32 / 31)])
def test_threads_grow_when_more_are_seen_than_before(late, factor):
    threads = [30, 31, 30, 30] * 3 + [30, late, 30, 30] * 2
    looked = [Look(100 * at, 500.0, 40, each, 8, 2.0) for at, each in enumerate(threads, 1)]
    assert growths(looked)["threads"] == factor


def test_what_the_beginning_takes_does_not_count():
    begun = [Look(step, 1e9, 1, 1, 999, 1e9) for step in (100, 200)]
    assert set(growths(begun + looks()[2:]).values()) == {1.0}
    with pytest.raises(ValueError, match="9 looks after step 100, and 10 needed"):
        growths(looks()[:10])


NOTHING = {"mib": 1.0, "files": 1.0, "threads": 1.0, "ms_a_step": 1.0}


@pytest.mark.parametrize(
    ("name", "factor"),
    [("mib", 1.02), ("mib", 1.021), ("files", 1.0001), ("threads", 1.0001), ("ms_a_step", 1.11)],
)
def test_what_is_growth(name, factor):
    assert too_much(NOTHING | {name: factor}, POOL) == [name]


def test_what_is_none():
    assert too_much({"mib": 1.0199, "files": 1.0, "threads": 0.9, "ms_a_step": 1.09}, POOL) == []


def test_the_pool_has_a_bound_of_its_own():
    assert too_much(NOTHING, 129) == ["pool"]


def test_workers_of_the_pool_are_counted_apart():
    names = ["python", WORKER, "ts_pool_overseer", WORKER, "python", WORKER]
    assert count(names) == (3, 3)
    assert count(["python"]) == (1, 0)


def test_a_process_sees_itself():
    before, over = look(1, 0.0), threading.Event()
    thread = threading.Thread(target=over.wait)
    thread.start()
    with open(__file__):
        after = look(2, 0.0)
    over.set()
    thread.join()
    assert after.files == before.files + 1
    assert after.threads == before.threads + 1
    assert before.mib > 10
