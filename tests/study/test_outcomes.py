"""Which questions a run got right: read from what an evaluation wrote, laid side by side."""

import numpy as np
import pytest

from cotjax.errors import InputError
from cotjax.evaluation.predict import Prediction
from cotjax.evaluation.run import write
from cotjax.study.outcomes import load_outcomes, paired


def prediction(identity: str, outcome: str) -> Prediction:
    return Prediction(identity, "said", None, outcome, label="a", num_tokens=1)


def test_what_an_evaluation_wrote_is_read_and_unparsed_is_wrong(tmp_path):
    said = [prediction("q1", "right"), prediction("q2", "wrong"), prediction("q3", "unparsed")]
    write(tmp_path, "test-100", said, {})
    assert load_outcomes(tmp_path / "test-100.jsonl") == {"q1": True, "q2": False, "q3": False}


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("", "holds no predictions"),
        ('{"outcome": "right"}', ":1: not a prediction"),
        ("[1]", ":1: not a prediction"),
        ('{"id": "a", "outcome": "right"}\n{"id": "b"}', ":2: outcome must be one of right, wrong"),
        ('{"id": "a", "outcome": true}', ":1: outcome must be one of"),
        ('{"id": "a", "outcome": ["right"]}', ":1: outcome must be one of"),
        ('{"id": "a", "outcome": "right"}\n' * 2, ":2: question a came before"),
        ('{"id": "a", "outcome"', ":1: not JSON"),
    ],
)
def test_a_file_of_other_things_is_refused(tmp_path, lines, message):
    file = tmp_path / "test-1.jsonl"
    file.write_text(lines, encoding="utf-8")
    with pytest.raises(InputError, match=message):
        load_outcomes(file)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"test-1.jsonl: cannot be read"):
        load_outcomes(tmp_path / "test-1.jsonl")


def test_runs_are_joined_by_question_whatever_the_order_of_lines():
    first = {"a": True, "b": False, "c": False}
    second = {"c": True, "a": True, "b": False}
    expected = [[1, 0, 0], [1, 0, 1]]
    assert np.array_equal(paired([first, second], ["first", "second"]), expected)


@pytest.mark.parametrize(
    "other", [{"a": True}, {"a": True, "b": True, "c": True}, {"a": 1, "c": 1}]
)
def test_runs_that_were_asked_different_questions_are_refused(other):
    with pytest.raises(InputError, match="y and x were asked different questions"):
        paired([{"a": True, "b": False}, other], ["x", "y"])
