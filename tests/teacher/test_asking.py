"""What a config's fields lead to: prompts, methods, and what tells a job from another."""

import dataclasses

import pytest

from cotjax.decoding.limits import Limits
from cotjax.decoding.sampling import Contrastive, Greedy, Temperature
from cotjax.errors import InputError
from cotjax.teacher.asking import limits_of, manifest_of, method_of, prompter_of, prompts_of
from tests.teacher.tiny import CQA, config, questions
from tests.teacher.tokenizers import CHAT_TEMPLATE, byte_level


def manifest(asked=None, dtype="float32", task=CQA, **fields):
    """Of a job with these fields."""
    job = config("tiny", **fields)
    asked = questions(3, task) if asked is None else asked
    return manifest_of(job, prompter_of(job, byte_level(), task), asked, dtype)


@pytest.fixture(autouse=True)
def _no_hub(monkeypatch):
    monkeypatch.setattr("cotjax.teacher.asking.revision_of", lambda source: None)


@pytest.mark.parametrize(
    ("fields", "method"),
    [
        (
            {"sampling__temperature": 0.5, "sampling__top_k": 5, "sampling__min_p": 0.1},
            Temperature(0.5, top_k=5, min_p=0.1),
        ),
        ({"sampling__method": "greedy", "samples": 1, "sampling__temperature": None}, Greedy()),
        (
            {
                "sampling__method": "contrastive",
                "samples": 1,
                "sampling__beta": 0.7,
                "sampling__temperature": None,
                "prompt__template": "rationalise",
            },
            Contrastive(0.7),
        ),
    ],
)
def test_methods(fields, method):
    assert method_of(config("tiny", **fields)) == method


def test_limits():
    fields = {"repetition_penalty": 1.2, "no_repeat_ngram": 3, "min_tokens": 5}
    job = config("tiny", **{f"sampling__{name}": value for name, value in fields.items()})
    assert limits_of(job) == Limits(**fields)


def test_a_manifest_says_what_was_sampled():
    found = manifest(sampling__stop="('\\n\\n',)")
    assert (found.task, found.split, found.teacher, found.prompt) == (
        "commonsense_qa", "train", "tiny", "few_shot",
    )  # fmt: skip
    assert found.seed == 0
    assert not found.complete
    assert found.sampling["sampling.stop"] == ["\n\n"]
    assert found.sampling["samples"] == 3
    assert found.sampling["teacher.dtype"] == "float32"
    assert found.sampling["processes"] == 1
    assert found.sampling["questions_sha256"] == questions(3).sha256


@pytest.mark.parametrize(
    ("fields", "options"),
    [
        ({}, {"temperature", "top_k", "top_p", "min_p"}),
        ({"sampling__method": "greedy"}, set()),
        ({"sampling__method": "contrastive", "prompt__template": "rationalise"}, {"beta"}),
    ],
)
def test_a_manifest_names_the_options_of_its_method_alone(fields, options):
    if fields:
        fields |= {"samples": 1, "sampling__temperature": None}
    found = {name.removeprefix("sampling.") for name in manifest(**fields).sampling}
    assert found & {"temperature", "top_k", "top_p", "min_p", "beta"} == options


@pytest.mark.parametrize(
    "fields", [{"sampling__slots": 9}, {"sampling__steps": 2}, {"mesh__data": 2, "mesh__tensor": 4}]
)
def test_where_and_how_fast_a_job_runs_may_change(fields):
    assert manifest(**fields) == manifest()


@pytest.mark.parametrize(
    "fields",
    [
        {"seed": 1},
        {"samples": 4},
        {"questions_per_shard": 5},  # the same records, but in other files
        {"prompt__shots": 2},
        {"prompt__template": "rationalise"},
        {"sampling__temperature": 0.9},
        {"sampling__max_tokens": 13},
        {"sampling__min_tokens": 1},
        {"sampling__repetition_penalty": 1.1},
        {"sampling__stop": "('Q:',)"},
        {"sampling__top_p": 0.9},
        {"asked": questions(4)},
        {"dtype": "bfloat16"},
        {"task": None, "asked": questions(3, None), "prompt__exemplars": "commonsense_qa"},
    ],
)
def test_what_is_written_may_not_change(fields):
    assert manifest(**fields) != manifest()


def test_processes_share_the_questions_and_may_not_change(monkeypatch):
    before = manifest()
    monkeypatch.setattr("jax.process_count", lambda: 2)
    assert manifest() != before


def test_questions_of_no_task_have_no_fields_of_a_task():
    found = manifest(
        task=None, asked=questions(3, None), prompt__template="raw", prompt__shots=None
    )
    assert (found.task, found.prompt) == ("questions", "raw")
    assert not [name for name in found.sampling if name.startswith("task.")]


class TestPrompts:
    """Room for what is to be written."""

    def prompts(self, context, asked=None, **fields):
        job = config("tiny", **fields)
        prompter = prompter_of(job, byte_level(), CQA)
        return prompts_of(job, prompter, asked or questions(5), context)

    def test_a_prompt_leaves_room_for_the_sample(self):
        sizes = {prompt.id: prompt.num_tokens for prompt in self.prompts(None).prompts}
        longest = max(sizes.values())
        assert not self.prompts(longest + 16).refused
        found = self.prompts(longest + 15)
        too_long = [id_ for id_, size in sizes.items() if size == longest]
        assert found.refused == {f"prompt of more than {longest - 1:,} tokens": too_long}

    def test_a_second_prompt_needs_room_too(self):
        zero_shot = {"prompt__template": "zero_shot", "prompt__shots": None}
        longest = max(prompt.num_tokens for prompt in self.prompts(None, **zero_shot).prompts)
        conclusion = len(byte_level()("\nTherefore, the answer is")["input_ids"])
        room = 16 + conclusion + 4 + 16  # reasoning, the question for the answer, the answer
        assert not self.prompts(longest + room, **zero_shot).refused
        assert self.prompts(longest + room - 1, **zero_shot).refused

    def test_samples_as_long_as_the_context(self):
        assert self.prompts(1000, sampling__max_tokens=500)
        with pytest.raises(InputError, match=r"max_tokens=1000: the teacher's context of 1,000 t"):
            self.prompts(1000, sampling__max_tokens=1000)

    def test_contrastive_needs_a_label_to_swap(self):
        contrastive = {
            "sampling__method": "contrastive",
            "sampling__temperature": None,
            "samples": 1,
            "prompt__template": "rationalise",
        }
        found = self.prompts(None, **contrastive)
        assert all(len(prompt.contexts) == 2 for prompt in found.prompts)
        asked = questions(2)
        alone = dataclasses.replace(asked.records[0], choices=("bank",))
        asked = dataclasses.replace(asked, records=(alone, asked.records[1]))
        found = self.prompts(None, asked, **contrastive)
        assert found.refused == {"no other label to choose from": ["q0"]}


def test_a_chat_needs_a_chat_template():
    job = config("tiny", prompt__chat=True)
    with pytest.raises(InputError, match="has no chat template"):
        prompter_of(job, byte_level(), CQA)
    assert prompter_of(job, byte_level(CHAT_TEMPLATE), CQA).chat
