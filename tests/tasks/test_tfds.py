"""Data sets of TensorFlow Datasets: its own classes and features, without its downloads."""

import pytest
import tensorflow as tf
import tensorflow_datasets

from cotjax.errors import InputError
from cotjax.tasks import get_task, task_names, tfds
from cotjax.tasks.sources import load_questions, load_records
from cotjax.tasks.splits import MissingSplitError
from tests.tasks.published import PUBLISHED, record

LETTERS = ("A", "B", "C", "D")
# Of every task that TFDS has: rows in its own fields; records are those of the Hub's rows.
EXAMPLES = {
    "anli": [
        {
            "uid": "0fd0",
            "context": "A woman is playing a piano.",
            "hypothesis": "A person makes music.",
            "label": "e",
        }
    ],
    "arc": [  # TFDS writes letters for numbers
        PUBLISHED["arc"][0][0],
        PUBLISHED["arc"][0][1]
        | {
            "choices": {"text": ["ice", "steam", "fog"], "label": ["A", "B", "C"]},
            "answerKey": "A",
        },
    ],
    "commonsense_qa": [
        {
            "id": "075e",
            "question": "Where is a bank?",
            "choices": ["river", "town", "town"],
            "answer": "town",
            "abstractive_explanation": "Banks are in towns.",
            "extractive_explanation": "bank",
        }
    ],
    "esnli": PUBLISHED["esnli"][0],
    "gsm8k": [row | {"annotation": "", "short_answer": "72"} for row in PUBLISHED["gsm8k"][0]],
    "openbookqa": [
        {
            "question": {
                "stem": "The sun is responsible for",
                **{f"choice_{letter}": f"choice {letter}" for letter in LETTERS},
            },
            "fact1": "the sun is the source of energy",
            "humanScore": 1.0,
            "clarity": 2.0,
            "turkIdAnonymized": "b356d338b7",
            "answerKey": "C",
        }
    ],
}
CHANGED = {
    "anli": [
        record(
            "0fd0", PUBLISHED["anli"][1][0].question, PUBLISHED["anli"][1][0].choices, "entailment"
        )
    ],
    "commonsense_qa": [
        record(
            "075e",
            "Where is a bank?",
            ("river", "town", "town"),
            "town",
            {"abstractive": "Banks are in towns.", "extractive": "bank"},
        )
    ],
    "openbookqa": [
        record(
            "train-0",
            "The sun is responsible for",
            tuple(f"choice {letter}" for letter in LETTERS),
            "choice C",
        )
    ],
}


def task_of(name):
    return get_task(name, "number" if name in ("gsm8k", "svamp") else "text")


def _tensors(value):
    """An encoded example, its lists as tensors of one more axis."""
    if isinstance(value, dict):
        return {name: _tensors(part) for name, part in value.items()}
    return tf.stack(value) if isinstance(value, list) else value


def serving(rows):
    """What takes the place of reading the files of a data set."""

    def as_dataset(builder, *_, **__):
        features = builder.info.features
        examples = [_tensors(features.encode_example(row)) for row in rows]
        return tf.data.Dataset.from_generator(
            lambda: iter(examples), output_signature=features.get_tensor_spec()
        )

    return tensorflow_datasets.testing.mock_data(as_dataset_fn=as_dataset)


def test_a_data_set_of_every_task_that_has_one():
    assert set(EXAMPLES) == set(tfds.DATASETS)


@pytest.mark.parametrize("name", EXAMPLES)
def test_rows_in_the_features_of_tfds(name):
    with serving(EXAMPLES[name]):
        records = load_records(task_of(name), "tfds", "train")
    assert records == CHANGED.get(name, PUBLISHED[name][1])


def test_other_configs_are_read_by_name():
    with serving(EXAMPLES["anli"]):
        (question,) = load_questions(task_of("anli"), "tfds:anli/r3", "test")
    assert question.split == "test"
    assert tfds.find("anli", "anli/r3") == "anli/r3"


def test_random_values_of_the_right_types():
    """TFDS's own mocking, which knows the features alone."""
    with tensorflow_datasets.testing.mock_data(num_examples=3):
        records = load_records(task_of("esnli"), "tfds", "validation")
    assert len({record.id for record in records}) == 3


@pytest.mark.parametrize(
    ("name", "source", "message"),
    [
        ("svamp", "tfds", "TFDS has no data set for task svamp, only for anli, arc, .*openbookqa"),
        ("gsm8k", "tfds:anli", "tfds:anli: task gsm8k reads tfds:gsm8k, no other data set"),
        ("anli", "tfds:anli/r9", "tfds:anli/r9: .*BuilderConfig r9 not found"),
    ],
)
def test_a_wrong_name_is_told_in_one_line(name, source, message):
    with pytest.raises(InputError, match=message) as told:
        load_records(task_of(name), source, "train")
    assert "\n" not in str(told.value)


def test_a_data_set_that_tfds_prepared(tmp_path, monkeypatch):
    """From generated examples to files and back, as after a download."""
    rows = [row | {"label": row["label"] if row["label"] >= 0 else 0} for row in EXAMPLES["esnli"]]
    builder = tensorflow_datasets.builder_cls("esnli")
    monkeypatch.setattr(tensorflow_datasets.core.constants, "DATA_DIR", str(tmp_path))
    monkeypatch.setattr(builder, "_split_generators", lambda *_: {"train": enumerate(rows)})
    records = load_records(task_of("esnli"), "tfds", "train")
    assert sorted(record.question for record in records) == sorted(
        record.question for record in PUBLISHED["esnli"][1]
    )
    with pytest.raises(MissingSplitError, match="tfds:esnli: has no split 'dev'; it has train"):
        load_records(task_of("esnli"), "tfds", "dev")


def test_a_failing_download_is_told_in_one_line(tmp_path, monkeypatch):
    def fail(*_):
        raise ConnectionError("no route\nto host")

    builder = tensorflow_datasets.builder_cls("gsm8k")
    monkeypatch.setattr(tensorflow_datasets.core.constants, "DATA_DIR", str(tmp_path))
    monkeypatch.setattr(builder, "_split_generators", fail)
    with pytest.raises(InputError, match="tfds:gsm8k: no route to host"):
        load_records(task_of("gsm8k"), "tfds", "train")


def test_tensorflow_keeps_off_the_accelerators():
    with serving(EXAMPLES["gsm8k"]):
        load_records(task_of("gsm8k"), "tfds", "train")
    assert tf.config.get_visible_devices("GPU") == []
    assert set(tfds.DATASETS) <= set(task_names())
