"""Which rationales become targets, and what is counted when they don't."""

import dataclasses

import pytest

from cotjax import config as configs
from cotjax.data.examples import make_examples, training_examples
from cotjax.errors import InputError
from cotjax.records import Manifest, Rationale, Record, write_records
from cotjax.targets.mixture import parse_mixture
from cotjax.targets.selection import Selection
from cotjax.tasks import get_task
from cotjax.tasks.sources import to_question

TASK = get_task("commonsense_qa", "letter")


def record(name, *answers, label="bank"):
    rationales = tuple(
        Rationale(sample, f"reason {sample}\nof {name}", answer, answer == label)
        for sample, answer in enumerate(answers)
    )
    return Record(name, f"where is {name}?", ("park", "bank"), label, rationales)


RECORDS = [record("a", "bank", "park"), record("b"), record("c", None, "bank")]


def said(examples):
    return [(t.question, t.sample, t.label, t.rationale) for t in examples.targets]


def test_every_rationale_is_a_target_with_the_gold_label():
    examples = make_examples(TASK, RECORDS)
    assert examples.ids == ("a", "c")
    assert said(examples) == [
        (0, 0, "(B)", "reason 0\nof a"),
        (0, 1, "(B)", "reason 1\nof a"),
        (1, 0, "(B)", "reason 0\nof c"),
        (1, 1, "(B)", "reason 1\nof c"),
    ]
    assert examples.dropped == {"questions without a usable rationale": 1}


def test_the_teachers_label_needs_a_parsed_answer():
    examples = make_examples(TASK, RECORDS, label_source="teacher")
    assert [label for _, _, label, _ in said(examples)] == ["(B)", "(A)", "(B)"]
    assert examples.dropped["rationales without a parsed answer"] == 1


def test_correct_rationales_alone():
    examples = make_examples(TASK, RECORDS, selection=Selection("all", "right"))
    assert [sample for _, sample, _, _ in said(examples)] == [0, 1]
    assert examples.dropped["rationales with a wrong or unparsed answer"] == 2


def test_the_first_rationale_that_qualifies():
    examples = make_examples(TASK, RECORDS, selection=Selection("first"))
    assert [sample for _, sample, _, _ in said(examples)] == [0, 0]


def test_rationales_after_the_first_are_counted():
    examples = make_examples(TASK, RECORDS, selection=Selection("first"))
    assert examples.dropped["rationales after the first"] == 2


def test_the_first_rationale_that_has_the_teachers_label():
    examples = make_examples(TASK, RECORDS, label_source="teacher", selection=Selection("first"))
    assert [(question, sample) for question, sample, _, _ in said(examples)] == [(0, 0), (1, 1)]


def test_wrong_answers_alone_still_have_the_gold_label():
    examples = make_examples(TASK, RECORDS, selection=Selection(answers="wrong"))
    assert said(examples) == [(0, 1, "(B)", "reason 1\nof a")]
    assert examples.dropped == {
        "rationales with a right or unparsed answer": 3,
        "questions without a usable rationale": 2,
    }


def test_the_majoritys_answer_is_compared_as_the_task_does():
    """Of numbers by value: 84 / 2 and 42 are the majority."""
    answers = ("7", "84 / 2", "42")
    its = tuple(Rationale(n, f"reason {n}", answer, False) for n, answer in enumerate(answers))
    task = get_task("svamp", "number")
    examples = make_examples(
        task,
        [Record("a", "how many?", (), "8", its)],
        label_source="teacher",
        selection=Selection(answers="majority"),
    )
    assert [(sample, label) for _, sample, label, _ in said(examples)] == [(1, "42"), (2, "42")]


def test_what_is_kept_is_counted():
    records = [*RECORDS, record("d", "bank", "bank", "park")]
    assert make_examples(TASK, records).kept == {
        "rationales with a right answer": 4,
        "rationales with a wrong answer": 2,
        "rationales with no parsed answer": 1,
        "questions with 2 rationales": 2,
        "questions with 3 rationales": 1,
    }
    examples = make_examples(TASK, records, selection=Selection("random", k=1))
    assert examples.kept["questions with 1 rationale"] == 3
    assert examples.dropped["rationales not kept by random"] == 4


def test_a_filter_keeps_some_of_those_that_qualify():
    records = [record(str(n), "park", "bank", "bank", None, "bank") for n in range(30)]
    examples = make_examples(TASK, records, selection=Selection("random", "right", k=2))
    samples = [sample for _, sample, _, _ in said(examples)]
    assert len(samples) == 60
    assert set(samples) == {1, 2, 4}


def test_log_probabilities_that_are_missing_are_counted():
    with pytest.raises(InputError, match="likely': 4 of 4 rationales have no mean_logprob"):
        make_examples(TASK, RECORDS, selection=Selection("likely", k=1))


def test_only_the_asked_questions():
    questions = {"c": to_question(RECORDS[2], "train")}
    unlabelled = dataclasses.replace(record("d", "bank"), label=None)
    examples = make_examples(TASK, [*RECORDS, unlabelled], questions=questions)
    assert examples.ids == ("c",)
    assert examples.dropped == {
        "records of other questions": 2,
        "records without a gold label": 1,
    }


def test_an_id_that_means_two_questions_is_refused():
    other = dataclasses.replace(to_question(RECORDS[0], "train"), text="who is a?")
    with pytest.raises(InputError, match=r"asks 'where is a\?' under the id 'a'"):
        make_examples(TASK, RECORDS, questions={"a": other})


def test_nothing_left_is_told_with_the_reasons():
    with pytest.raises(InputError, match=r"no target to train on \(1 questions without a"):
        make_examples(TASK, [record("b")])


def tagged(name, *levels, **of_question):
    rationales = tuple(
        Rationale(sample, f"reason {sample}", "bank", True, tags={"level": level})
        for sample, level in enumerate(levels)
    )
    choices = ("park", "bank")
    return Record(name, f"where is {name}?", choices, "bank", rationales, tags=of_question or None)


def test_tagged_rationales_alone():
    records = [tagged("a", 1, 2, "2"), tagged("b", 1)]
    examples = make_examples(TASK, records, selection=Selection(tags={"level": 2}))
    assert [(question, sample) for question, sample, *_ in said(examples)] == [(0, 1), (0, 2)]
    assert examples.dropped == {
        "rationales with other tags": 2,
        "questions without a usable rationale": 1,
    }


def test_a_tag_of_the_question_is_its_rationales_tag():
    records = [tagged("a", 1, format="plain"), tagged("b", 1, format="symbolic")]
    selection = Selection(tags={"level": 1, "format": "plain"})
    assert make_examples(TASK, records, selection=selection).ids == ("a",)


@pytest.mark.parametrize(
    ("tags", "message"),
    [
        ({"level": 9}, "tags='level=9': no rationale is tagged so; there are format=x, level=1, "),
        ({"levl": 1}, "tags='levl=1': no rationale is tagged so; there are"),
        ({"level": 2, "format": "x"}, "tags='level=2,format=x': no rationale"),
    ],
)
def test_tags_that_no_rationale_has_are_refused_with_those_there_are(tags, message):
    records = [tagged("a", 1, format="x"), tagged("b", 2)]
    with pytest.raises(InputError, match=message):
        make_examples(TASK, records, selection=Selection(tags=tags))


MIXED = [tagged("a", 1, 2, 2), tagged("b", 2), tagged("c", 3), tagged("d", 1, 3)]


def test_a_mixture_weighs_its_sources():
    selection = Selection("mixture", sources=parse_mixture("level=1:1,level=2:3"))
    examples = make_examples(TASK, MIXED, selection=selection)
    assert [(question, sample) for question, sample, *_ in said(examples)] == [
        (0, 0),
        (0, 1),
        (0, 2),
        (1, 0),
        (2, 0),
    ]
    assert examples.draw_weights == (1.0, 1.5, 1.5, 3.0, 1.0)
    assert examples.ids == ("a", "b", "d")
    assert examples.kept == {
        "rationales with a right answer": 5,
        "rationales of level=1": 2,
        "targets of level=1 in a mean epoch": 1,  # 1/4 of a, all of d
        "rationales of level=2": 3,
        "targets of level=2 in a mean epoch": 2,
        "questions with 1 rationale": 2,
        "questions with 3 rationales": 1,
    }
    assert examples.dropped == {
        "rationales of no source of the mixture": 2,
        "questions without a usable rationale": 1,
    }
    assert make_examples(TASK, MIXED).draw_weights is None


def test_a_source_that_no_rationale_has_is_refused():
    selection = Selection("mixture", sources=parse_mixture("level=1:1,level=9:3"))
    with pytest.raises(InputError, match="mixture='level=9': no rationale is tagged so"):
        make_examples(TASK, MIXED, selection=selection)


def test_targets_refer_to_a_rationale_of_their_question():
    """The first with the tags, whether it becomes a target itself or not."""
    examples = make_examples(
        TASK, MIXED, selection=Selection(tags={"level": 1}), reference={"level": 3}
    )
    assert [(target.question, target.reference) for target in examples.targets] == [
        (0, ""),
        (1, "reason 1"),
    ]
    assert examples.kept["questions without a rationale to refer to"] == 1
    assert {target.reference for target in make_examples(TASK, MIXED).targets} == {""}
    with pytest.raises(InputError, match=r"perturbation\.reference='level=9': no rationale is"):
        make_examples(TASK, MIXED, reference={"level": 9})


def test_tags_of_records_without_any():
    with pytest.raises(InputError, match="there are no tags"):
        make_examples(TASK, RECORDS, selection=Selection(tags={"level": 1}))


def test_questions_that_need_no_rationale_are_a_target_each():
    records = [record("a"), record("b")]
    examples = make_examples(TASK, records, needs_rationale=False)
    assert said(examples) == [(0, 0, "(B)", ""), (1, 0, "(B)", "")]
    assert examples.dropped == {}


@pytest.fixture
def configured(repository, tmp_path):
    """The examples of a config on records of CommonsenseQA, with or without rationales."""

    def examples(records, **fields):
        write_records(tmp_path / "train", Manifest("commonsense_qa", "train", "T"), records)
        fields = {
            "task.name": "commonsense_qa",
            "task.label_format": "letter",
            "task.source": f"records:{tmp_path}",
        } | fields
        words = [f"--config.{name}={value}" for name, value in fields.items()]
        config = configs.load(repository / "configs" / "default.py", words)
        questions = [to_question(record, "train") for record in records]
        return training_examples(TASK, config, questions)

    return examples


BARE = [record("a"), record("b")]


def test_a_source_without_rationales_trains_the_label_alone(configured):
    examples = configured(BARE, **{"data.order": "label_only"})
    assert said(examples) == [(0, 0, "(B)", ""), (1, 0, "(B)", "")]


def test_where_some_have_a_rationale_the_others_are_dropped_whatever_the_order(configured):
    for order in ("label_only", "multitask"):
        examples = configured([*RECORDS], **{"data.order": order})
        assert examples.ids == ("a", "c")
        assert examples.dropped == {"questions without a usable rationale": 1}


@pytest.mark.parametrize(
    "fields",
    [
        {"data.order": "multitask"},
        {"data.order": "label_first"},
        {"data.order": "label_only", "data.label_source": "teacher"},
        {"data.order": "label_only", "data.selection.tags": "level=1"},
        {"data.order": "label_only", "data.selection.answers": "right"},
        {"data.order": "label_only", "data.selection.name": "first"},
    ],
)
def test_what_needs_rationales_is_refused_where_there_are_none(configured, fields):
    name, value = list(fields.items())[-1]
    with pytest.raises(InputError, match=r"config\.data\.records is unset and") as error:
        configured(BARE, **fields)
    assert f"config.{name}={value!r} needs some" in str(error.value)


class FirstLast:
    """Scores of the rationales named: the later a word, the more it matters."""

    def __init__(self, *named):
        self.named = named

    def ranking(self, name, sample, text):
        words = len(text.split())
        return tuple(reversed(range(words))) if (name, sample) in self.named else None


def test_scores_rank_the_words_of_the_chosen():
    """They count instead of the key words of the records."""
    its = [Rationale(n, text, "bank", True, key_words=(0,)) for n, text in enumerate(("a b", "c"))]
    records = [dataclasses.replace(record(name), rationales=tuple(its)) for name in "de"]
    first = Selection("first")
    scores = FirstLast(("d", 0), ("e", 0), ("e", 1))
    examples = make_examples(TASK, records, selection=first, scores=scores)
    assert [target.key_words for target in examples.targets] == [(1, 0), (1, 0)]
    assert make_examples(TASK, records, selection=first).targets[0].key_words == (0,)
    with pytest.raises(InputError, match=r"1 of 4 rationales have no .* sample 1 of question 'd'"):
        make_examples(TASK, records, scores=scores)


def test_a_config_names_the_folder_of_scores(configured, tmp_path):
    fields = {"data.words.name": "key_words", "data.words.k": 2, "data.scores": tmp_path}
    with pytest.raises(InputError, match="is not a folder of scores"):
        configured(RECORDS, **fields)


def test_a_config_names_selection_and_reference(configured):
    records = [tagged(str(number), 1, 1, 2) for number in range(30)]

    def samples(**fields):
        fields = {"data.selection.name": "random", "data.selection.k": 1} | fields
        examples = configured(records, **fields)
        assert {target.reference for target in examples.targets} == {"reason 2"}
        return [target.sample for target in examples.targets]

    reference = {"data.perturbation.name": "fill_random", "data.perturbation.reference": "level=2"}
    first = samples(**reference)
    assert set(first) == {0, 1, 2}
    assert samples(**reference) == first
    assert samples(**reference, seed=1) != first


def test_records_that_are_named_and_have_none_are_refused(configured, tmp_path):
    with pytest.raises(InputError, match=r"leaves no target to train on \(2 questions without a"):
        configured(BARE, **{"data.order": "label_only", "data.records": tmp_path})
