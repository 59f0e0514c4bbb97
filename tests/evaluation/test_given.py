"""Rationales that a student is given: where they come from, and where they stand."""

import dataclasses

import numpy as np
import pytest

from cotjax import config as configs
from cotjax.data.pipeline import batches
from cotjax.errors import InputError
from cotjax.evaluation.asking import Given, ask
from cotjax.evaluation.given import given_rationales
from cotjax.evaluation.metrics import summarise
from cotjax.records import Manifest, Rationale, write_records
from cotjax.targets.keys import stable_hash
from cotjax.targets.orders import make_order
from cotjax.targets.segments import Kind
from cotjax.tasks.base import Question
from cotjax.training.prepare import prepare
from tests.evaluation import tiny

FIRST, READS = make_order("rationale_first"), make_order("rationale_input")


def encode(text: str) -> list[int]:
    return tiny.tokenizer().encode([text])[0]


def decode(tokens: list[int]) -> str:
    return tiny.tokenizer().decode(tokens)


def load(repository, **fields):
    words = [f"--config.{name.replace('__', '.')}={value}" for name, value in fields.items()]
    return configs.load(repository / "configs" / "default.py", words)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Records of validation: none, one, or two rationales to a question, the first one wrong."""
    folder = tmp_path_factory.mktemp("records") / "validation"
    records = []
    for number, record in enumerate(tiny.TASK.oracle_records("validation")[:6]):
        others = [choice for choice in record.choices if choice != record.label]
        both = (
            Rationale(0, "ent1 is\nfirst", others[0], False, tags={"level": 1}),
            Rationale(1, "ent2 is size3 while ent1", record.label, True, tags={"level": 2}),
        )
        records.append(dataclasses.replace(record, rationales=both[: number % 3]))
    manifest = Manifest(task="comparison", split="validation", teacher="test")
    write_records(folder, manifest, records)
    return folder


def asked(folder) -> list[Question]:
    records = tiny.TASK.oracle_records("validation")[:6]
    return [Question(r.id, r.question, r.choices, r.label, "validation") for r in records]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, [None, "ent1 is first", "ent1 is first"] * 2),
        ({"data__words__name": "first_k", "data__words__k": 2}, [None, "ent1 is", "ent1 is"] * 2),
        ({"data__selection__tags": "level=2"}, [None, None, "ent2 is size3 while ent1"] * 2),
        # No test depends on the gold label, and what is random in training is left out.
        ({"data__words__name": "without_label"}, [None, "ent1 is first", "ent1 is first"] * 2),
        ({"data__selection__answers": "right"}, [None, "ent1 is first", "ent1 is first"] * 2),
        ({"data__perturbation__name": "shuffle"}, [None, "ent1 is first", "ent1 is first"] * 2),
    ],
)
def test_the_first_selected_rationale_is_given(repository, folder, fields, expected):
    config = load(repository, data__order="rationale_first", data__records=folder, **fields)
    got = given_rationales(tiny.TASK, config, "validation", asked(folder), tiny.tokenizer())
    texts = [got.rationales.get(question.id) for question in asked(folder)]
    assert [tokens and decode(tokens) for tokens in texts] == expected
    assert got.target_length == config.data.target_length
    by_label = config.data.words.name == "without_label"  # given whole, or it would tell
    assert got.words == ("all" if by_label else config.data.words.name)


def test_rationales_come_from_the_folder_of_the_questions(repository, folder):
    config = load(repository, data__order="rationale_first", data__records="nowhere")
    of_folder = given_rationales(
        tiny.TASK, config, "validation", asked(folder), tiny.tokenizer(), folder
    )
    assert len(of_folder.rationales) == 4


def test_a_held_out_part_has_its_rationales_in_the_training_split(repository):
    config = load(repository, data__order="rationale_input", task__validation_split="")
    records = tiny.TASK.oracle_records("train")[5:9]
    questions = [Question(r.id, r.question, r.choices, r.label, "train") for r in records]
    config.task.options = "entities=20,sizes=4,train_questions=60"
    got = given_rationales(tiny.TASK, config, "validation", questions, tiny.tokenizer())
    assert {name: decode(tokens) for name, tokens in got.rationales.items()} == {
        record.id: record.rationales[0].text for record in records
    }


def test_a_split_without_any_rationale_is_refused(repository, tmp_path):
    bare = [dataclasses.replace(r, rationales=()) for r in tiny.TASK.oracle_records("test")[:3]]
    manifest = Manifest(task="comparison", split="test", teacher="none")
    write_records(tmp_path / "test", manifest, bare)
    config = load(repository, data__order="rationale_first", data__records=tmp_path)
    questions = [Question(r.id, r.question, r.choices, r.label, "test") for r in bare]
    with pytest.raises(InputError, match=r"to give on split 'test'.*without a usable"):
        given_rationales(tiny.TASK, config, "test", questions, tiny.tokenizer())
    with pytest.raises(InputError, match=r"to give on split 'train'.*has no records"):
        given_rationales(tiny.TASK, config, "train", questions, tiny.tokenizer())


@pytest.mark.parametrize(
    ("order", "length", "question", "rationale"),
    [
        # Read: 3 tokens of question, 1 of the connective, 5 of the rationale, EOS.
        ("rationale_input", 10, 3, 5),
        ("rationale_input", 9, 3, 4),
        ("rationale_input", 5, 3, 0),
        ("rationale_input", 4, 2, 0),
        # Said, of 7 tokens: 1 of the connective, 1 of the longest label, EOS.
        ("rationale_first", 4, 3, 4),
        ("rationale_first", 3, 2, 4),
    ],
)
def test_where_a_rationale_stands(order, length, question, rationale):
    asked = Question("q", "heavier ? ent1", ("first", "second"), "first", "test")
    order, written = make_order(order, "while"), encode("ent1 is size3 while ent2")
    connective, [*words] = encode("while"), encode("heavier ? ent1")
    assert [len(words), len(connective), len(written)] == [3, 1, 5]
    given = Given({"q": written}, target_length=7)
    (got,) = ask(tiny.tokenizer(), tiny.TASK, [asked], order, length, given)
    with_connective = [*written[:rationale], *connective]
    if order.reads_rationale:
        assert got.input == [*words[:question], *connective, *written[:rationale], 1]
        assert got.prefix == []
    else:
        assert got.input == [*words[:question], 1]
        assert got.prefix == with_connective
    assert (got.cut, got.rationale_cut) == (3 - question, 5 - rationale)
    assert got.rationale == written[:rationale]


@pytest.mark.parametrize(
    ("order", "lengths", "words"),
    [
        ("rationale_input", {"data__input_length": 64}, None),
        ("rationale_input", {"data__input_length": 10}, None),
        ("rationale_input", {"data__input_length": 64}, 3),
        ("rationale_first", {"data__target_length": 64}, None),
        ("rationale_first", {"data__target_length": 12}, None),
        ("rationale_first", {"data__target_length": 64}, 3),
    ],
)
def test_a_rationale_stands_where_training_has_it(repository, tmp_path, order, lengths, words):
    """Token for token, in what the encoder reads and the decoder is made to say."""
    chosen = {"data__words__name": "first_k", "data__words__k": words} if words else {}
    options = "entities=20,sizes=4,train_questions=60,validation_questions=20,test_questions=20"
    config = load(
        repository, data__order=order, task__options=options, data__cache=tmp_path, **lengths,
        **chosen,
    )  # fmt: skip
    experiment = prepare(config, row_multiple=1)
    table, questions = experiment.steps.table, experiment.splits["train"]
    given = given_rationales(experiment.task, config, "train", questions, experiment.tokenizer)
    asked = ask(
        experiment.tokenizer, experiment.task, questions, experiment.order,
        config.data.input_length, given,
    )  # fmt: skip
    trained = {}
    for _, batch in batches(experiment.steps, experiment.tokenizer.eos, 0, 2):
        for row, segment in np.argwhere(batch["segment_target"] >= 0):
            read = batch["encoder_segments"][row] == batch["segment_source"][row, segment]
            said = np.isin(batch["decoder_kinds"][row], [Kind.RATIONALE, Kind.CONNECTIVE])
            said &= batch["decoder_segments"][row] == segment + 1
            target = batch["segment_target"][row, segment]
            trained[int(table.id_hashes[table.question[target]])] = (
                batch["encoder_tokens"][row][read].tolist(),
                batch["decoder_targets"][row][said].tolist(),
            )
    assert len(trained) == 60
    assert trained == {
        stable_hash(question.id): (one.input, one.prefix)
        for question, one in zip(questions, asked, strict=True)
    }
    was_cut = any(one.rationale_cut for one in asked)
    assert was_cut == (min(lengths.values()) < 64)


@pytest.mark.parametrize("order", [FIRST, READS])
def test_a_question_without_a_rationale_is_asked_without(order):
    given = Given({tiny.questions(3)[1].id: encode("ent1 is size3")}, 32)
    got = tiny.ask(order, count=3, given=given)
    alone = tiny.ask(order, count=3)
    assert [one.given for one in got] == [False, True, False]
    without = [dataclasses.replace(one, given=False) for one in alone[::2]]
    assert tiny.as_dicts(got[::2]) == tiny.as_dicts(without)
    assert got[1].rationale == "ent1 is size3"
    summary = summarise(got)
    assert [summary[f"rationales_{name}"] for name in ("given", "missing", "cut")] == [1, 2, 0]


@pytest.mark.parametrize("length", [32, 16])
def test_a_reader_without_a_rationale_reads_the_connective_as_in_training(length):
    """What a rationale of which no word is left looks like there."""
    questions, connective = tiny.questions(3), encode(READS.connective)
    given = [None, Given({}, 32), Given({one.id: [] for one in questions}, 32)]
    none, missing, empty = (
        ask(tiny.tokenizer(), tiny.TASK, questions, READS, length, one) for one in given
    )
    assert none == missing
    for one, other in zip(missing, empty, strict=True):
        assert one.input == other.input
        assert one.input[-len(connective) - 1 :] == [*connective, tiny.tokenizer().eos]
        assert len(one.input) <= length
        assert (one.rationale, other.rationale) == (None, [])
        assert one.cut == other.cut
