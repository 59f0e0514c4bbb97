"""Jobs of every kind: templates, two stages, two contexts, a T5; and what is refused."""

import dataclasses

import jax
import numpy as np
import pytest

from cotjax.decoding.generate import Sampler
from cotjax.decoding.writer import Inputs
from cotjax.errors import InputError
from cotjax.mesh import make_mesh
from cotjax.teacher import sample as samples
from cotjax.teacher.model import load_model
from tests.models.reference import convert
from tests.models.reference import make_reference as make_t5
from tests.teacher.tiny import (
    Watcher,
    make_teacher,
    prompts_for,
    questions,
    run_job,
    texts,
)
from tests.teacher.tokenizers import sentencepiece_like

COUNT = 6
pytestmark = pytest.mark.usefixtures("quick_to_compile")


@pytest.fixture(scope="module")
def teacher(tmp_path_factory):
    return make_teacher(tmp_path_factory.mktemp("teacher"))


TEMPLATES = {
    "raw": {"prompt__shots": None},
    "rationalise": {},
    "counterfactual": {},
    "granularity": {"prompt__level": 4},
}


@pytest.mark.parametrize("name", TEMPLATES)
def test_templates_of_every_kind_can_be_sampled(teacher, tmp_path, name):
    fields = {"samples": 1, "sampling__max_tokens": 6, "sampling__slots": 2}
    found = run_job(
        teacher, tmp_path, questions(2), prompt__template=name, **fields, **TEMPLATES[name]
    )
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
    return run_job(
        teacher, tmp_path_factory.mktemp("job") / "r", watcher=watcher, **ZERO_SHOT
    ), watcher


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
        first = next(p for p in prompts_for(teacher, **ZERO_SHOT).prompts if p.id == entry.id)
        text = f"{first.text}{entry.text.rstrip()}\nTherefore, the answer is"
        alone = dataclasses.replace(
            asked, records=(dataclasses.replace(record, question=text, choices=(), label=None),),
            task=None,
        )  # fmt: skip
        greedy = {"sampling__method": "greedy", "sampling__temperature": None, "samples": 1}
        watcher = Watcher()
        run_job(
            teacher, tmp_path, alone, watcher, prompt__template="raw", prompt__shots=None,
            sampling__max_tokens=16, sampling__stop="('\\n',)", **greedy,
        )  # fmt: skip
        assert watcher.entries[0].text == entry.conclusion

    def test_it_goes_on_as_well(self, teacher, reasoned, tmp_path):
        with pytest.raises(KeyboardInterrupt):
            run_job(teacher, tmp_path, watcher=Watcher(5), **ZERO_SHOT)
        assert run_job(teacher, tmp_path, **ZERO_SHOT).records == reasoned[0].records


def test_contrastive_decoding(teacher, tmp_path):
    fields = {"sampling__method": "contrastive", "sampling__temperature": None, "samples": 1}
    fields |= {"prompt__template": "rationalise"}
    found = run_job(teacher, tmp_path, **fields)
    assert all(one.answer == r.label for r in found.records for one in r.rationales)
    assert found.work.unshared > 2 * (found.work.prefix + found.work.prompts)


def test_prompts_that_are_too_long_are_named_and_recorded(teacher, tmp_path):
    asked = questions(3)
    long = dataclasses.replace(asked.records[1], question="very " * 700)
    asked = dataclasses.replace(asked, records=(asked.records[0], long, asked.records[2]))
    found = run_job(teacher, tmp_path, asked)
    assert found.refused == {"prompt of more than 1,008 tokens": ["q1"]}
    assert [len(record.rationales) > 0 for record in found.records] == [True, False, True]
    assert found.records[1].question == "very " * 700
    assert found.manifest.counts["not asked: prompt of more than 1,008 tokens"] == 1
    assert found.manifest.counts["rows"] == 6
    again = run_job(teacher, tmp_path, asked)
    assert again.records == found.records


class TestMistakes:
    """What a job is refused for."""

    def test_tokens_that_the_teacher_does_not_know(self, tmp_path):
        small = make_teacher(tmp_path / "teacher", vocab_size=300)
        with pytest.raises(InputError, match=r"question 'q0': .* has a vocabulary of 300: they do"):
            run_job(small, tmp_path / "records")

    def test_too_many_slots_for_the_memory(self, teacher, tmp_path, monkeypatch):
        monkeypatch.setattr("cotjax.decoding.memory.available", lambda mesh: 100_000)
        with pytest.raises(InputError, match=r"4 slots take .* GiB parameters \+ .* but there are"):
            run_job(teacher, tmp_path)
        monkeypatch.undo()
        assert texts(run_job(teacher, tmp_path, seed=1))  # the folder is free yet

    def test_a_chat_needs_a_template(self, teacher, tmp_path, monkeypatch):
        monkeypatch.setattr(samples, "load_model", None)
        with pytest.raises(InputError, match="has no chat template"):
            run_job(teacher, tmp_path / "records", prompt__chat=True)
        assert not (tmp_path / "records").exists()

    def test_a_teacher_that_overflows(self, teacher, tmp_path, monkeypatch):
        found = load_model(str(teacher), make_mesh({}, jax.devices()[:1]))
        nothing = jax.tree.map(lambda x: x * np.nan, found.params)
        monkeypatch.setattr(
            samples, "load_model", lambda *_: dataclasses.replace(found, params=nothing)
        )
        with pytest.raises(InputError, match="the teacher's numbers overflow"):
            run_job(teacher, tmp_path)

    def test_no_such_teacher(self, tmp_path):
        with pytest.raises(InputError, match=r"nowhere: no such folder"):
            run_job("./nowhere", tmp_path)


def test_a_t5(tmp_path):
    """It reads all of a prompt at once, and writes what its greedy decoder does."""
    folder, tokenizer = tmp_path / "teacher", sentencepiece_like()
    folder.mkdir()
    config_, params = convert(make_t5(gated=True, vocab_size=len(tokenizer)), folder)
    tokenizer.save_pretrained(folder)
    fields = {"sampling__method": "greedy", "sampling__temperature": None, "samples": 1}
    watcher = Watcher()
    run_job(folder, tmp_path / "records", watcher=watcher, **fields)
    assert (watcher.work.prefix, watcher.work.samples) == (0, COUNT)
    asked = prompts_for(folder, tokenizer, **fields).prompts
    lengths = [prompt.num_tokens for prompt in asked]
    tokens = np.zeros((COUNT, max(lengths)), np.int32)
    for row, prompt in enumerate(asked):
        tokens[row, : lengths[row]] = (*prompt.prefix_ids, *prompt.question_ids)
    segments = (np.arange(max(lengths)) < np.array(lengths)[:, None]).astype(np.int32)
    asked = Inputs(tokens, segments, np.zeros((COUNT, 0), np.int32))
    expected = Sampler(config_, 16).write(params, asked)
    for entry in watcher.entries:
        row = int(entry.id.removeprefix("q"))
        ids = np.asarray(expected.tokens)[row, : expected.lengths[row]]
        assert entry.text == tokenizer.decode(ids, skip_special_tokens=True)
