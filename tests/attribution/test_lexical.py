"""Methods without a student: what each word gets, by hand."""

import itertools
import math

import pytest

from cotjax.attribution import lexical
from cotjax.attribution.items import Item
from cotjax.records import Rationale, Record


def item(text, label="bank", human=None, name="q", sample=0, answer=None) -> Item:
    rationale = Rationale(sample, text, answer, None)
    marks = {"extractive": human} if human else None
    return Item(Record(name, "Where?", (), label, (rationale,), human=marks), rationale)


ITEMS = [
    item("A bank, a BANK! -- holds", human="the bank holds", name="q0"),
    item("Rivers hold a fish", "river bank", name="q1"),
    item("a a a", None, name="q2", answer="a"),
]


def scores(method: str, items=ITEMS, seed=None) -> list[list[float]]:
    lines = lexical.Lexical(method, seed).score(items, lambda _: True, lambda _: None)
    return [list(line.scores) for line in lines]


def idf(documents: int) -> float:
    return math.log((1 + len(ITEMS)) / (1 + documents)) + 1


def test_tf_idf_counts_a_word_whatever_its_case_and_punctuation():
    a, one = idf(3), idf(1)
    assert scores("tf_idf") == [
        pytest.approx([2 * a, 2 * one, 2 * a, 2 * one, 0, one], rel=1e-5),
        pytest.approx([one, one, a, one], rel=1e-5),
        pytest.approx([3 * a] * 3, rel=1e-5),
    ]


def test_tf_idf_is_scikit_learns():
    from sklearn.feature_extraction.text import TfidfVectorizer

    vectorizer = TfidfVectorizer(
        tokenizer=lambda text: list(filter(None, map(lexical.form, text.split()))),
        lowercase=False,
        token_pattern=None,
        norm=None,
    )
    texts = [one.rationale.text for one in ITEMS]
    matrix, columns = vectorizer.fit_transform(texts).toarray(), vectorizer.vocabulary_
    for row, (one, got) in enumerate(zip(ITEMS, scores("tf_idf"), strict=True)):
        forms = [lexical.form(word) for word in one.words]
        expected = [matrix[row, columns[word]] if word else 0 for word in forms]
        assert got == pytest.approx(expected, rel=1e-5)


def test_label_overlap_marks_the_labels_words_alone():
    one, a = idf(1), idf(3)
    assert scores("label_overlap") == [
        pytest.approx([0, one, 0, one, 0, 0], rel=1e-5),
        [0, 0, 0, 0],  # "Rivers" is another word than "river"
        pytest.approx([a] * 3, rel=1e-5),  # without a gold label, the teacher's answer
    ]


def test_human_marks_what_people_marked():
    one = idf(1)
    assert scores("human")[0] == pytest.approx([0, one, 0, one, 0, one], rel=1e-5)


@pytest.mark.parametrize(
    ("method", "expected"),
    [
        ("human", [None, "without human.extractive", "without human.extractive"]),
        ("label_overlap", [None, None, None]),
        ("tf_idf", [None, None, None]),
    ],
)
def test_what_a_method_lacks_is_named(method, expected):
    assert [lexical.Lexical(method).lacks(one) for one in ITEMS] == expected


def test_a_rationale_without_any_answer_has_no_label():
    assert lexical.Lexical("label_overlap").lacks(item("a", None)) == "without a label"


def test_first_falls_from_word_to_word():
    assert scores("first") == [[6, 5, 4, 3, 2, 1], [4, 3, 2, 1], [3, 2, 1]]


def test_random_depends_on_seed_question_and_sample_alone():
    text = "a b c d e f"
    drawn = {
        (seed, name, sample): scores("random", [item(text, name=name, sample=sample)], seed)[0]
        for seed, name, sample in itertools.product((0, 1), ("q", "r"), (0, 1))
    }
    assert len(set(map(tuple, drawn.values()))) == 8
    other = [item("x y", name="p"), item("u v w x y z", name="q")]
    assert scores("random", other, 0)[1] == drawn[0, "q", 0]


def test_random_is_uniform():
    values = [v for one in scores("random", [item("w " * 2000)], 3) for v in one]
    assert 0 <= min(values) < max(values) < 1
    assert sum(values) / len(values) == pytest.approx(0.5, abs=0.02)
