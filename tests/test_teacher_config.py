"""Configs of sampling jobs: what they take, and what they are refused for in the first second."""

import dataclasses
import json

import pytest

from cotjax import config as configs
from cotjax.decoding.sampling import METHODS
from cotjax.errors import InputError
from cotjax.teacher_rules import CHOICES, METHOD_OPTIONS
from tests.teacher.tiny import SMOLLM2


def load(*words):
    return configs.load(SMOLLM2, [f"--config.{word}" for word in words], configs.TEACHER)


def test_every_shipped_config_is_valid(repository):
    files = sorted((repository / "configs" / "teachers").glob("*.py"))
    assert files
    for file in files:
        configs.load(file, ["--config.teacher.model=x"], configs.TEACHER)


def test_overrides_of_every_type():
    config = load(
        "samples=8",
        "sampling.temperature=1",
        "sampling.stop=('\\n\\n', \"Q:\")",
        "prompt.chat=true",
        "teacher.model=some/model",
        "sampling.slots=16",
    )
    assert (config.samples, config.sampling.temperature) == (8, 1.0)
    assert config.sampling.stop == ("\n\n", "Q:")
    assert load("sampling.stop=Q:").sampling.stop == ("Q:",)
    assert (config.prompt.chat, config.teacher.model) == (True, "some/model")
    assert config.sampling.slots == 16


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("sampling.tempreature=1", "did you mean 'sampling.temperature'"),
        ("temperature=1", "did you mean 'sampling.temperature'"),
        ("sampling.stop=('',)", "must be a tuple of strings"),
        ("sampling.stop=(3,)", "must be a tuple of strings"),
        ("samples=few", "samples=few: expects int"),
        ("samples=0", "config.samples=0 must be 1 or more"),
        ("task.max_questions=0", "must be 1 or more"),
        ("questions_per_shard=0", "must be 1 or more"),
        ("sampling.max_tokens=0", "must be 1 or more"),
        ("sampling.slots=0", "must be 1 or more"),
        ("sampling.min_tokens=65", "sampling.min_tokens is more than config.sampling.max_tokens"),
        ("sampling.temperature=0", "temperature=0.0 must be above 0"),
        ("sampling.temperature=nan", "must be finite"),
        ("sampling.top_p=0", "must be above 0"),
        ("sampling.top_p=1.5", "must be at most 1"),
        ("sampling.min_p=-0.1", "must not be negative"),
        ("sampling.top_k=-1", "must not be negative"),
        ("sampling.repetition_penalty=0", "must be above 0"),
        ("sampling.no_repeat_ngram=-1", "must not be negative"),
        ("sampling.method=gredy", "did you mean 'greedy'"),
        ("sampling.method=greedy", "all samples of a question would be the same"),
        (
            "sampling.beta=0.9",
            "config.sampling.beta changes nothing with config.sampling.method=te",
        ),
        ("seed=-1", "must not be negative"),
        ("seed=4294967296", "must be at most 4294967295"),
        ("task.name=commonsenseqa", "did you mean 'commonsense_qa'"),
        ("teacher.model=", "config.teacher.model must name"),
        ("teacher.dtype=float16", "config.teacher.dtype='float16' is not one of"),
        ("teacher.dtype=float64", "is not one of"),  # it would need another mode of JAX
        ("prompt.template=few_shots", "did you mean 'few_shot'"),
        ("prompt.template=nowhere.json", "nowhere.json"),
        ("prompt.level=2", "this template has no levels"),
        ("prompt.exemplars=nowhere.json", "config.prompt.exemplars='nowhere.json' is no file"),
    ],
)
def test_mistakes_name_the_field(word, message):
    with pytest.raises(InputError) as error:
        load(word)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["sampling.method=greedy", "samples=1", "sampling.temperature=1"],
            "config.sampling.temperature changes nothing with config.sampling.method=greedy",
        ),
        (
            [
                "sampling.method=contrastive",
                "samples=1",
                "prompt.template=rationalise",
                "sampling.temperature=1",
            ],
            "config.sampling.temperature changes nothing with config.sampling.method=contrastive",
        ),
        (["sampling.method=contrastive", "samples=1"], "gives the gold label away"),
        (
            ["sampling.method=contrastive", "samples=1", "prompt.template=counterfactual"],
            "gives the gold label away",
        ),
        (
            ["sampling.method=contrastive", "samples=2", "prompt.template=rationalise"],
            "config.samples=2: with config.sampling.method=contrastive all samples",
        ),
        (["prompt.template=granularity"], "config.prompt.level=None must be 1 to 6"),
        (["prompt.template=granularity", "prompt.level=7"], "config.prompt.level=7 must be 1 to 6"),
        (["prompt.template=raw", "prompt.shots=2"], "template raw shows no exemplars"),
        (["prompt.template=raw", "prompt.exemplars=commonsense_qa"], "changes nothing"),
        (["prompt.exemplars=commonsense_qa", "prompt.shots=99"], "but 99 are needed"),
    ],
)
def test_fields_that_contradict_each_other(words, message):
    with pytest.raises(InputError) as error:
        load(*words)
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[{", r"exemplars\.json:1: not JSON"),
        ('[\n{"question": "Q", "rationale": "R"}]', r"exemplars\.json:2: .*label"),
        ('[{"question": "Q", "rationale": "", "label": "L"}]', "rationale is empty"),
        ("{}", "must be a list"),
        ("[]", "has 0 exemplars of style 'plain'"),
    ],
)
def test_exemplars_that_do_not_parse(tmp_path, content, message):
    file = tmp_path / "exemplars.json"
    file.write_text(content)
    with pytest.raises(InputError, match=message):
        load(f"prompt.exemplars={file}")


def test_a_template_that_does_not_parse(tmp_path):
    file = tmp_path / "mine.json"
    file.write_text(json.dumps({"cue": "The answer is {lable}"}))
    with pytest.raises(InputError, match=r"cue has no \{lable\}"):
        load(f"prompt.template={file}")


def test_the_schema_names_what_there_is():
    assert CHOICES["sampling.method"] == tuple(METHODS)
    assert set(METHOD_OPTIONS) == set(METHODS)
    for name, method in METHODS.items():
        assert {field.name for field in dataclasses.fields(method)} == set(METHOD_OPTIONS[name])
