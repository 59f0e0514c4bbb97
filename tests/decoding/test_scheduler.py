"""Which slot writes what and when, drawn by hand: the teacher writes what its prompt says."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cotjax.decoding import scheduler as schedulers
from tests.decoding.scripted import prompt, scheduler

pytestmark = pytest.mark.usefixtures("quick_to_compile")


def texts(found):
    """Texts and reasons by the names of prompts and the numbers of samples."""
    return {(one.id, one.number): (one.text, one.finish_reason) for one in found}


def test_every_sample_is_written_once_whatever_the_slots():
    words = ["ab", "a", "abcdefgh", "", "abc", "abcd"]
    prompts = [prompt(word, samples=3, name=f"q{n}") for n, word in enumerate(words)]
    expected = {(f"q{n}", k): (word, "stop") for n, word in enumerate(words) for k in range(3)}
    for slots in (1, 3, 8, 30):
        found = list(scheduler(slots).run(prompts))
        assert len(found) == len(expected)
        assert texts(found) == expected


def test_a_slot_is_filled_again_at_once():
    """Two slots, and samples of 4, 1, 1 and 1 letters, each with its end token:

    slot 0: a b c d .
    slot 1: a . b . c .  -> six steps, of which 5 + 2 + 2 + 2 tokens are kept
    """
    job = scheduler(2)
    order = [one.text for one in job.run([prompt("abcd"), prompt("a"), prompt("b"), prompt("c")])]
    assert order == ["a", "b", "abcd", "c"]
    assert (job.work.steps, job.work.slot_steps, job.work.sampled) == (6, 12, 11)
    assert job.work.occupancy == pytest.approx(11 / 12)


def test_with_patience_the_host_looks_when_several_have_ended():
    """Slot 0: a b c d .   slot 1: a . - - .   -> the second waits for the first."""
    job = scheduler(2, patience=2)
    order = [one.text for one in job.run([prompt("abcd"), prompt("a"), prompt("b")])]
    assert order == ["abcd", "a", "b"]
    assert job.work.steps == 5 + 2


def test_the_host_looks_after_so_many_steps():
    assert [one.text for one in scheduler(2, steps=3).run([prompt("abcdefg")])] == ["abcdefg"]


def test_a_sample_is_cut_at_the_limit():
    (cut, whole) = scheduler(2, tokens=4).run([prompt("abcde"), prompt("abc")])
    assert (cut.text, cut.finish_reason, len(cut.tokens)) == ("abcd", "length", 4)
    assert (whole.text, whole.finish_reason, len(whole.tokens)) == ("abc", "stop", 4)


@pytest.mark.parametrize("steps", [1, 2, 32])
@pytest.mark.parametrize("patience", [1, 3])
def test_a_stop_string_ends_a_sample_wherever_the_host_looks(steps, patience):
    job = scheduler(3, steps=steps, patience=patience, stops=("| |", "xyz"))
    prompts = [prompt("ab| |cd"), prompt("ab| c|"), prompt("xyz"), prompt("abcdefxyzxyz")]
    found = {one.id: one for one in job.run(prompts)}
    assert {name: (one.text, len(one.tokens)) for name, one in found.items()} == {
        "ab| |cd": ("ab", 5),  # to the end of the stop string
        "ab| c|": ("ab| c|", 7),  # with the end token
        "xyz": ("", 3),
        "abcdefxyzxyz": ("abcdef", 9),
    }
    assert {one.finish_reason for one in found.values()} == {"stop"}


def test_a_stop_string_that_ends_at_the_limit_is_one():
    (found,) = scheduler(1, tokens=4, stops=("xy",)).run([prompt("abxyz")])
    assert (found.text, found.finish_reason) == ("ab", "stop")


def test_a_scheduler_can_be_used_again():
    """Also where the second run needs fewer slots than have ended in the first."""
    job = scheduler(4, patience=2)
    first = texts(job.run([prompt("ab", samples=4)]))
    second = texts(job.run([prompt("abcdef")]))
    third = texts(job.run([prompt("abc", samples=9)]))
    assert len(first) == 4
    assert second == {("abcdef", 0): ("abcdef", "stop")}
    assert set(third.values()) == {("abc", "stop")}
    assert job.work.samples == 14


def test_a_run_that_was_left_in_the_middle_leaves_nothing_behind():
    job = scheduler(2)
    next(job.run([prompt("a"), prompt("abcdefghijklmn"), prompt("z")]))
    assert texts(job.run([prompt("abc")])) == {("abc", 0): ("abc", "stop")}


def test_only_the_samples_that_are_wanted_are_written():
    wanted = [schedulers.Prompt("q", ((1, 2, 1),), (3, 5)), schedulers.Prompt("r", ((1, 1),), ())]
    assert set(texts(scheduler(2).run(wanted))) == {("q", 3), ("q", 5)}


@settings(max_examples=15, deadline=None)
@given(
    st.lists(st.text("abc", max_size=9), min_size=1, max_size=9),
    st.integers(1, 4),
    st.sampled_from([1, 3]),
)
def test_few_entries_are_enough(words, samples, entries):
    """A prompt waits until one that stood in its place has all of its samples."""
    prompts = [prompt(word, samples, name=str(n)) for n, word in enumerate(words)]
    expected = {(str(n), k): (w, "stop") for n, w in enumerate(words) for k in range(samples)}
    assert texts(scheduler(5, entries=entries).run(prompts)) == expected


class TestPrompts:
    """What is read, and how often."""

    def test_a_question_is_read_once_for_all_its_samples(self, monkeypatch):
        read = []

        def read_prompts(reader, params, slots, tokens, lengths, at):
            read.append((tokens.shape, lengths.tolist()))
            return original(reader, params, slots, tokens, lengths, at)

        original = schedulers.read_prompts
        monkeypatch.setattr(schedulers, "read_prompts", read_prompts)
        job = scheduler(8)
        list(job.run([prompt(word, samples=8) for word in ("abc", "ab", "a" * 20)]))
        assert read == [((1, 16), [3]), ((1, 16), [2]), ((1, 32), [20])]
        assert (job.work.prefix, job.work.prompts) == (2, 3 + 2 + 20)
        assert job.work.unshared == 8 * ((2 + 4) + (2 + 3) + (2 + 21))

    def test_several_are_read_at_once_each_as_wide_as_alone(self, monkeypatch):
        shapes = []

        def read_prompts(*arguments):
            shapes.append(arguments[3].shape)
            return original(*arguments)

        original = schedulers.read_prompts
        monkeypatch.setattr(schedulers, "read_prompts", read_prompts)
        words = ["a" * n for n in (1, 2, 3, 4, 5, 6, 18)]
        list(scheduler(8).run(map(prompt, words)))
        assert shapes == [(4, 16), (1, 16), (1, 16), (1, 32)]

    def test_compilations_are_few(self):
        job = scheduler(7)  # as no other test
        list(job.run([prompt("a" * n, samples=n % 3, name=str(n)) for n in range(40)]))
        sizes = len(schedulers.PROMPTS_AT_ONCE) * len(schedulers.LENGTH_FRACTIONS)
        assert 0 < job.work.compilations <= 2 + sizes  # prefix, prompts and the loop
        again = scheduler(7)
        list(again.run([prompt("a" * n, samples=2, name=str(n)) for n in range(40)]))
        assert again.work.compilations == 0
        assert job.work.compile_seconds > 0
