"""The job as a whole with a tiny teacher: the same records whatever happens on the way."""

import dataclasses
import functools
from unittest import mock

import jax
import numpy as np
import pytest

from cotjax.decoding import scheduler as schedulers
from cotjax.decoding.generate import greedy
from cotjax.errors import InputError
from cotjax.mesh import make_mesh
from cotjax.models import causal
from cotjax.models.t5 import T5
from cotjax.records import read_records
from cotjax.teacher import sample as samples
from cotjax.teacher import writer as writers
from cotjax.teacher.asking import prompter_of, prompts_of
from cotjax.teacher.model import load_model
from cotjax.teacher.sample import sample_questions
from tests.models.reference import convert
from tests.models.reference import make_reference as make_t5
from tests.teacher.tiny import CQA, END, Watcher, config, make_teacher, questions
from tests.teacher.tokenizers import byte_level, sentencepiece_like

COUNT = 6
WIDTH = 400  # of a prompt and its sample


@pytest.fixture(scope="module", autouse=True)
def _quick_to_compile():
    jax.config.update("jax_disable_most_optimizations", True)
    yield
    jax.config.update("jax_disable_most_optimizations", False)


@pytest.fixture(scope="module")
def teacher(tmp_path_factory):
    return make_teacher(tmp_path_factory.mktemp("teacher"))


@pytest.fixture(scope="module")
def undisturbed(teacher, tmp_path_factory):
    """The folder of a job of three samples to each question, what was seen of it and came of it."""
    folder, watcher = tmp_path_factory.mktemp("job") / "records", Watcher()
    return folder, watcher, job(teacher, folder, watcher=watcher)


def job(teacher, folder, asked=None, watcher=None, devices=1, **fields):
    """The records of a job on so many devices."""
    with mock.patch.object(jax, "local_devices", return_value=jax.devices()[:devices]):
        return sample_questions(
            config(teacher, **fields), asked or questions(COUNT), folder, watcher or Watcher()
        )


def files(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def said(summary):
    """Texts by question and sample."""
    return {(r.id, one.sample): one.text for r in summary.records for one in r.rationales}


def test_what_a_job_leaves(undisturbed):
    folder, watcher, summary = undisturbed
    manifest, records = read_records(folder)
    assert (manifest, records) == (summary.manifest, summary.records)
    assert [record.id for record in records] == [f"q{n}" for n in range(COUNT)]
    assert len(watcher.entries) == len({(e.id, e.sample) for e in watcher.entries}) == 3 * COUNT
    rationales = [one for record in records for one in record.rationales]
    assert manifest.counts["rows"] == 3 * COUNT
    assert manifest.counts["rationales"] == len(rationales)
    assert len({one.num_tokens for one in rationales}) > 4, "lengths must differ"
    assert {one.finish_reason for one in rationales} == {"stop", "length"}
    assert all(one.tags == {"format": "plain"} for one in rationales)
    assert all(one.mean_logprob == one.logprob / one.num_tokens for one in rationales)


def test_the_log_probability_is_that_of_a_plain_forward_pass(teacher, tmp_path, monkeypatch):
    """Of prompt and sample as one text, the end token or the stop string's tokens included."""
    drawn = []

    def to_entry(sample):
        drawn.append(sample)
        return original(sample)

    original = writers._to_entry
    monkeypatch.setattr(writers, "_to_entry", to_entry)
    stops = "('e',)"
    found = job(teacher, tmp_path, sampling__stop=stops, sampling__max_tokens=5)
    model = load_model(str(teacher), make_mesh({}, jax.devices()[:1]))
    asked = {prompt.id: prompt for prompt in prompts(teacher).prompts}
    rationales = {(r.id, one.sample): one for r in found.records for one in r.rationales}
    ends = set()
    for sample in drawn:
        prompt, ids = asked[sample.id], sample.tokens
        whole = np.array([[*prompt.prefix_ids, *prompt.question_ids, *ids]], np.int32)
        padded = np.pad(whole, ((0, 0), (0, WIDTH - whole.shape[1])))
        segments = (np.arange(WIDTH) < whole.shape[1]).astype(np.int32)[None]
        logits = forward(model.reader.config, model.params, padded, segments)
        here = slice(whole.shape[1] - len(ids) - 1, whole.shape[1] - 1)
        logprobs = np.asarray(jax.nn.log_softmax(logits[0, here]))
        expected = logprobs[np.arange(len(ids)), ids].sum()
        ends.add("end" if ids[-1] == END else sample.finish_reason)
        if (sample.id, sample.number) in rationales:
            kept = rationales[sample.id, sample.number]
            assert kept.logprob == pytest.approx(expected, abs=1e-4)
            assert kept.num_tokens == len(ids)
    assert ends == {"end", "stop", "length"}


forward = functools.partial(jax.jit, static_argnums=0)(causal.forward)


def prompts(teacher, **fields):
    """What the questions are asked with."""
    made = config(teacher, **fields)
    return prompts_of(made, prompter_of(made, byte_level(), CQA), questions(COUNT), None)


def test_what_is_shared_is_read_once(teacher, undisturbed):
    _, _, summary = undisturbed
    found = prompts(teacher)
    assert len(found.prefix_ids) > 100
    assert summary.work.prefix == len(found.prefix_ids)
    assert summary.work.prompts == sum(len(p.question_ids) - 1 for p in found.prompts)
    assert summary.work.unshared == 3 * sum(p.num_tokens for p in found.prompts)


class TestGoingOn:
    """A job that was stopped, at any point and as often as you like."""

    @pytest.mark.parametrize("stops", [(1,), (5, 1, 7), (17,)])
    def test_the_records_are_those_of_a_job_that_was_not(
        self, teacher, undisturbed, tmp_path, stops
    ):
        seen = []
        for most in stops:
            watcher = Watcher(most)
            with pytest.raises(KeyboardInterrupt):
                job(teacher, tmp_path, watcher=watcher)
            seen += watcher.entries
        last = Watcher()
        job(teacher, tmp_path, watcher=last)
        seen += last.entries
        assert files(tmp_path) == files(undisturbed[0])  # to the byte
        names = [(entry.id, entry.sample) for entry in seen]
        assert len(names) == len(set(names)) == 3 * COUNT, "none may be repeated or missed"

    def test_slots_steps_and_devices_may_change(self, teacher, undisturbed, tmp_path):
        for number, fields in enumerate(
            ({"sampling__slots": 1, "sampling__steps": 3}, {"sampling__slots": 8, "devices": 8})
        ):
            with pytest.raises(KeyboardInterrupt):
                job(teacher, tmp_path, watcher=Watcher(3 + number), **fields)
        found = job(teacher, tmp_path, devices=4, mesh__tensor=2)
        assert said(found) == said(undisturbed[2])

    def test_a_finished_job_is_not_begun_again(self, teacher, undisturbed, monkeypatch):
        monkeypatch.setattr(samples, "load_model", None)  # nor is the teacher loaded
        before = files(undisturbed[0])
        found = job(teacher, undisturbed[0])
        assert found.records == undisturbed[2].records
        assert found.work.samples == 0
        assert files(undisturbed[0]) == before

    def test_another_job_is_refused_before_the_teacher_is_loaded(
        self, teacher, undisturbed, monkeypatch
    ):
        monkeypatch.setattr(samples, "load_model", None)
        with pytest.raises(InputError, match=r"samples=4 \(there 3\), sampling\.max_tokens=9"):
            job(teacher, undisturbed[0], samples=4, sampling__max_tokens=9)
        with pytest.raises(InputError, match="questions_sha256="):
            job(teacher, undisturbed[0], questions(COUNT + 1))


class TestOtherOrders:
    """Texts don't depend on what stands beside them."""

    def test_slots_that_are_chosen_from_the_memory(self, teacher, undisturbed, tmp_path):
        assert said(job(teacher, tmp_path, sampling__slots=None)) == said(undisturbed[2])

    def test_order_of_the_questions(self, teacher, undisturbed, tmp_path):
        asked = questions(COUNT)
        turned = dataclasses.replace(asked, records=asked.records[::-1])
        assert said(job(teacher, tmp_path, turned)) == said(undisturbed[2])

    def test_more_samples_begin_with_the_same(self, teacher, undisturbed, tmp_path):
        found = said(job(teacher, tmp_path, samples=5))
        assert {name: text for name, text in found.items() if name[1] < 3} == said(undisturbed[2])


TEMPLATES = {
    "raw": {"prompt__shots": None},
    "rationalise": {},
    "counterfactual": {},
    "granularity": {"prompt__level": 4},
}


@pytest.mark.parametrize("name", TEMPLATES)
def test_templates_of_every_kind_can_be_sampled(teacher, tmp_path, name):
    fields = {"samples": 1, "sampling__max_tokens": 6, "sampling__slots": 2}
    found = job(teacher, tmp_path, questions(2), prompt__template=name, **fields, **TEMPLATES[name])
    assert found.manifest.prompt == name
    assert found.manifest.counts["rows"] == 2
    rationales = [one for record in found.records for one in record.rationales]
    tags = {"granularity": {"level": 4, "format": "plain"}, "raw": None}.get(name)
    for one in rationales:
        assert name not in ("granularity", "raw") or one.tags == tags
        if name == "rationalise":
            assert one.correct
        if name == "counterfactual":
            assert not one.correct
            assert one.answer is not None


ZERO_SHOT = {"prompt__template": "zero_shot", "prompt__shots": None}


@pytest.fixture(scope="module")
def reasoned(teacher, tmp_path_factory):
    """A job in two stages, and what was seen of it."""
    watcher = Watcher()
    return job(teacher, tmp_path_factory.mktemp("job") / "r", watcher=watcher, **ZERO_SHOT), watcher


class TestTwoStages:
    """Reasoning first, then a second prompt for the answer."""

    def test_every_sample_has_a_conclusion(self, reasoned):
        _, watcher = reasoned
        assert len(watcher.entries) == 3 * COUNT
        assert all(entry.conclusion is not None for entry in watcher.entries)
        assert len({entry.conclusion for entry in watcher.entries}) > 3
        assert not any("\n" in entry.conclusion for entry in watcher.entries)

    def test_reasoning_that_a_second_prompt_can_not_hold_has_no_answer(self, teacher, reasoned):
        """Bytes that make no character are three bytes each when they are read again."""
        summary, watcher = reasoned
        asked = summary.work.samples - 3 * COUNT
        without = [entry for entry in watcher.entries if not entry.conclusion]
        assert 0 < 3 * COUNT - asked <= len(without)
        assert asked > COUNT
        rationales = {(r.id, one.sample): one for r in summary.records for one in r.rationales}
        for entry in without:
            assert rationales[entry.id, entry.sample].answer is None

    def test_a_conclusion_is_what_greedy_decoding_says(self, teacher, reasoned, tmp_path):
        """Asked as a question of its own."""
        _, watcher = reasoned
        entry = max(watcher.entries, key=lambda entry: len(entry.conclusion))
        asked = questions(COUNT)
        record = next(r for r in asked.records if r.id == entry.id)
        first = next(p for p in prompts(teacher, **ZERO_SHOT).prompts if p.id == entry.id)
        text = f"{first.text}{entry.text.rstrip()}\nTherefore, the answer is"
        alone = dataclasses.replace(
            asked, records=(dataclasses.replace(record, question=text, choices=(), label=None),),
            task=None,
        )  # fmt: skip
        greedy = {"sampling__method": "greedy", "sampling__temperature": None, "samples": 1}
        watcher = Watcher()
        job(
            teacher, tmp_path, alone, watcher, prompt__template="raw", prompt__shots=None,
            sampling__max_tokens=16, sampling__stop="('\\n',)", **greedy,
        )  # fmt: skip
        assert watcher.entries[0].text == entry.conclusion

    def test_it_goes_on_as_well(self, teacher, reasoned, tmp_path):
        with pytest.raises(KeyboardInterrupt):
            job(teacher, tmp_path, watcher=Watcher(5), **ZERO_SHOT)
        assert job(teacher, tmp_path, **ZERO_SHOT).records == reasoned[0].records


def test_contrastive_decoding(teacher, tmp_path):
    fields = {"sampling__method": "contrastive", "prompt__template": "rationalise", "samples": 1}
    found = job(teacher, tmp_path, **fields)
    assert [one.answer for r in found.records for one in r.rationales][:2] == ["bank", "pot 1"]
    assert found.work.unshared > 2 * (found.work.prefix + found.work.prompts)


def test_prompts_that_are_too_long_are_named_and_recorded(teacher, tmp_path):
    asked = questions(3)
    long = dataclasses.replace(asked.records[1], question="very " * 700)
    asked = dataclasses.replace(asked, records=(asked.records[0], long, asked.records[2]))
    found = job(teacher, tmp_path, asked)
    assert found.refused == {"prompt of more than 1,008 tokens": ["q1"]}
    assert [len(record.rationales) > 0 for record in found.records] == [True, False, True]
    assert found.records[1].question == "very " * 700
    assert found.manifest.counts["not asked: prompt of more than 1,008 tokens"] == 1
    assert found.manifest.counts["rows"] == 6
    again = job(teacher, tmp_path, asked)
    assert again.records == found.records


class TestMistakes:
    """What a job is refused for."""

    def test_tokens_that_the_teacher_does_not_know(self, tmp_path):
        small = make_teacher(tmp_path / "teacher", vocab_size=300)
        with pytest.raises(InputError, match=r"question 'q0': .* has a vocabulary of 300: they do"):
            job(small, tmp_path / "records")

    def test_too_many_slots_for_the_memory(self, teacher, tmp_path, monkeypatch):
        monkeypatch.setattr("cotjax.decoding.memory.available", lambda mesh: 100_000)
        with pytest.raises(InputError, match=r"4 slots take .* GiB parameters \+ .* but there are"):
            job(teacher, tmp_path)
        monkeypatch.undo()
        assert said(job(teacher, tmp_path, seed=1))  # the folder is free yet

    def test_a_chat_needs_a_template(self, teacher, tmp_path, monkeypatch):
        monkeypatch.setattr(samples, "load_model", None)
        with pytest.raises(InputError, match="has no chat template"):
            job(teacher, tmp_path / "records", prompt__chat=True)
        assert not (tmp_path / "records").exists()

    def test_a_teacher_that_overflows(self, teacher, tmp_path, monkeypatch):
        found = load_model(str(teacher), make_mesh({}, jax.devices()[:1]))
        nothing = jax.tree.map(lambda x: x * np.nan, found.params)
        monkeypatch.setattr(
            samples, "load_model", lambda *_: dataclasses.replace(found, params=nothing)
        )
        with pytest.raises(InputError, match="the teacher's numbers overflow"):
            job(teacher, tmp_path)

    def test_no_such_teacher(self, tmp_path):
        with pytest.raises(InputError, match=r"nowhere: no such folder"):
            job("./nowhere", tmp_path)


def test_a_t5(tmp_path):
    """It reads all of a prompt at once, and writes what its greedy decoder does."""
    folder, tokenizer = tmp_path / "teacher", sentencepiece_like()
    folder.mkdir()
    config_, params = convert(make_t5(gated=True, vocab_size=len(tokenizer)), folder)
    tokenizer.save_pretrained(folder)
    fields = {"sampling__method": "greedy", "sampling__temperature": None, "samples": 1}
    watcher = Watcher()
    job(folder, tmp_path / "records", watcher=watcher, **fields)
    assert (watcher.work.prefix, watcher.work.samples) == (0, COUNT)
    made = config(folder, **fields)
    asked = prompts_of(made, prompter_of(made, tokenizer, CQA), questions(COUNT), None).prompts
    lengths = [prompt.num_tokens for prompt in asked]
    tokens = np.zeros((COUNT, max(lengths)), np.int32)
    for row, prompt in enumerate(asked):
        tokens[row, : lengths[row]] = (*prompt.prefix_ids, *prompt.question_ids)
    segments = (np.arange(max(lengths)) < np.array(lengths)[:, None]).astype(np.int32)
    expected = greedy(T5(config_), params, tokens, segments, max_tokens=16)
    for entry in watcher.entries:
        row = int(entry.id.removeprefix("q"))
        ids = np.asarray(expected.tokens)[row, : expected.lengths[row]]
        assert entry.text == tokenizer.decode(ids, skip_special_tokens=True)


def test_compilations_are_few(undisturbed):
    sizes = len(schedulers.PROMPTS_AT_ONCE) * len(schedulers.LENGTH_FRACTIONS)
    assert 0 < undisturbed[2].work.compilations <= 2 + sizes
