"""Answers that are searched for with beams: as configured, in order, told of."""

import io

import jax
import numpy as np
import pytest
from rich.console import Console

from cotjax import config as configs
from cotjax.decoding.beam import BeamSearch, BeamWriter
from cotjax.decoding.writer import Inputs
from cotjax.errors import InputError
from cotjax.evaluation.generation import configured_search, generate
from cotjax.evaluation.metrics import summarise
from cotjax.evaluation.report import summary_table
from cotjax.evaluation.run import evaluate
from cotjax.targets.orders import make_order
from tests.conftest import REPOSITORY
from tests.evaluation import tiny

pytestmark = pytest.mark.usefixtures("quick_to_compile")
DEFAULT = REPOSITORY / "configs" / "default.py"
LIMITS = {"max_tokens": 6, "batch_size": 3}


def test_a_config_without_beams_is_greedy():
    assert configured_search(configs.load(DEFAULT)) is None
    words = ["--config.evaluation.num_beams=4", "--config.evaluation.length_penalty=0.6"]
    assert configured_search(configs.load(DEFAULT, words)) == BeamSearch(4, 0.6)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["num_beams=0"], "evaluation.num_beams=0 must be 1 or more"),
        (["num_beams=1000"], "evaluation.num_beams=1000 must be at most 256"),
        (["length_penalty=2.0"], "length_penalty has no effect with config.evaluation.num_beams=1"),
        (["num_beams=2", "length_penalty=inf"], "must be a finite number"),
    ],
)
def test_a_config_is_refused(words, message):
    with pytest.raises(InputError) as error:
        configs.load(DEFAULT, [f"--config.evaluation.{word}" for word in words])
    assert message in str(error.value)


def test_answers_are_those_of_each_question_alone_in_order():
    student, search = tiny.student(), BeamSearch(3, 1.5)
    texts = [question.text for question in tiny.questions(7)]
    inputs, _ = student.encode_inputs(texts, 32)
    found = generate(student, inputs, search=search, **LIMITS)
    writer = BeamWriter(student.config, LIMITS["max_tokens"], search=search)
    assert found == generate(tiny.student(8), inputs, search=search, **LIMITS)
    for tokens, answer in zip(inputs, found, strict=True):
        # Padded as the longest of all is: a shape of its own for each would take long to compile.
        padded = np.zeros((1, 32), np.int32)
        padded[0, : len(tokens)] = tokens
        asked = Inputs(padded, (padded > 0).astype(np.int32), np.zeros((1, 0), np.int32))
        alone = writer.write(student.params, asked)
        assert jax.device_get(alone.tokens)[0, : int(alone.lengths[0])].tolist() == answer


def test_a_summary_tells_how_answers_were_searched_for():
    config = configs.load(DEFAULT, ["--config.evaluation.num_beams=2"])
    config.update_from_flattened_dict({"evaluation.max_tokens": 6, "data.input_length": 32})
    summary = evaluate(
        tiny.student(), tiny.TASK, tiny.questions(5), make_order("label_only"), config,
        split="test", step=1, folder=None,
    )  # fmt: skip
    assert summary["beam_search"] == {"num_beams": 2, "length_penalty": 1.0}
    console = Console(file=io.StringIO(), width=120)
    console.print(summary_table(summary, "a title"), summary_table(summarise([]), "another"))
    assert console.file.getvalue().count("best of 2 beams") == 1
