"""Which rationales become targets, drawn by hand: right, wrong and unparsed answers, and tags."""

import pytest

from cotjax import config as configs
from cotjax.config_rules import CHOICES
from cotjax.errors import InputError
from cotjax.records import Rationale
from cotjax.target_rules import FILTERS as KEEP_K
from cotjax.targets.filters import FILTERS
from cotjax.targets.mixture import parse_mixture
from cotjax.targets.selection import ANSWERS, Selection
from cotjax.tasks.votes import take_vote

ANSWERED = {"+": ("bank", True), "-": ("park", False), "=": ("shop", False), "?": (None, False)}


def rationales(answers: str, *tags: dict) -> list[Rationale]:
    """One for each sign: right +, wrong - or =, unparsed ?"""
    tags = tags or (None,) * len(answers)
    return [
        Rationale(number, f"text {number}", *ANSWERED[answer], tags=its)
        for number, (answer, its) in enumerate(zip(answers, tags, strict=True))
    ]


@pytest.mark.parametrize(
    ("kept", "answers", "positions"),
    [
        ("any", "-+?+", [0, 1, 2, 3]),
        ("any", "", []),
        ("right", "-+?+", [1, 3]),
        ("right", "-?", []),
        ("wrong", "-+?=", [0, 3]),  # what could not be read is neither right nor wrong
        ("wrong", "+?", []),
        ("majority", "-+-", [0, 2]),  # right or not
        ("majority", "=-+-=", [0, 4]),  # equally common: the one that came first
        ("majority", "??+", [2]),
        ("majority", "??", []),
        ("majority", "", []),
    ],
)
def test_rationales_qualify_by_their_answers(kept, answers, positions):
    assert Selection(answers=kept).qualifying(rationales(answers))[0] == positions


@pytest.mark.parametrize(
    ("answers", "commonest"),
    [
        (["4", "5", "4.0"], "4"),
        (["5", "4", "4.0"], "4"),
        (["5", "4.0", "4"], "4.0"),
        (["5", None, None, None], "5"),
        ([None], None),
        ([], None),
    ],
)
def test_answers_that_mean_the_same_vote_for_the_same(answers, commonest):
    vote = take_vote(answers, lambda one, other: float(one) == float(other))
    assert vote.winner == commonest


def test_equal_values_are_one_majority():
    texts = ("84 / 2", "7", "42", "7.5")
    its = [Rationale(n, "text", text, False) for n, text in enumerate(texts)]
    values = {"84 / 2": 42, "42": 42, "7": 7, "7.5": 7.5}
    found = Selection(answers="majority").qualifying(its, None, lambda a, b: values[a] == values[b])
    assert found == ([0, 2], {"rationales with another answer than most": 2})


def test_the_majority_is_of_those_with_the_tags():
    """Park is the commonest of all, bank of those of level 2."""
    tags = [{"level": level} for level in (1, 1, 1, 2, 2, 2)]
    its = rationales("---++-", *tags)
    assert Selection(answers="majority").qualifying(its)[0] == [0, 1, 2, 5]
    assert Selection(answers="majority", tags={"level": 2}).qualifying(its)[0] == [3, 4]


TAGGED = rationales("+-+++", {"level": 1}, {"level": 2}, {"level": "2"}, {"level": 2.0}, None)


@pytest.mark.parametrize(
    ("tags", "of_question", "positions"),
    [
        ({"level": 2}, None, [1, 2]),  # 2 and "2", not 2.0
        ({"level": "2"}, None, [1, 2]),
        ({"level": 2, "format": "plain"}, None, []),
        ({"level": 2, "format": "plain"}, {"format": "plain"}, [1, 2]),  # tags of the question
        ({"level": 1}, {"level": 1}, [0, 4]),  # the rationale's own tag counts first
        ({"level": None}, None, []),  # a missing tag is no tag
    ],
)
def test_all_tags_are_needed(tags, of_question, positions):
    assert Selection(tags=tags).qualifying(TAGGED, of_question)[0] == positions


def test_rationales_of_a_mixture_are_of_a_source():
    selection = Selection("mixture", sources=parse_mixture("level=1:3,level=2:1"))
    assert selection.qualifying(TAGGED) == (
        [0, 1, 2],
        {"rationales of no source of the mixture": 2},
    )


def test_what_does_not_qualify_has_one_reason():
    sources = parse_mixture("level=2&format=a:1,level=2&format=b:1")
    selection = Selection("mixture", "wrong", {"level": 2}, sources=sources)
    tags = [{"level": 2, "format": name} for name in "aabc"] + [{"level": 1}]
    assert selection.qualifying(rationales("+?---", *tags)) == (
        [2],
        {
            "rationales with other tags": 1,
            "rationales with a right or unparsed answer": 2,
            "rationales of no source of the mixture": 1,
        },
    )


@pytest.mark.parametrize(
    ("name", "kept", "left_out"),
    [
        ("all", [[0, 1, 2], [0]], {}),
        ("one_per_epoch", [[0, 1, 2], [0]], {}),  # an epoch draws from all
        ("mixture", [[0, 1, 2], [0]], {}),
        ("first", [[0], [0]], {"rationales after the first": 2}),
    ],
)
def test_what_is_chosen_of_those_that_qualify(name, kept, left_out):
    questions = [rationales("+++"), rationales("+")]
    assert Selection(name).choose(["a", "b"], questions) == (kept, left_out)


def test_filters_keep_k_and_count_the_others():
    questions = [rationales("+++++"), rationales("++")]
    kept, left_out = Selection("random", k=3).choose(["a", "b"], questions)
    assert [len(positions) for positions in kept] == [3, 2]
    assert left_out == {"rationales not kept by random": 2}


def test_random_choices_are_pinned():
    """A change here would change every published run."""
    kept, _ = Selection("random", k=2, seed=3).choose(["a", "b"], [rationales("+++++")] * 2)
    assert kept == [[0, 2], [1, 4]]


@pytest.mark.parametrize("name", ["random", "diverse"])
def test_a_draw_depends_on_seed_and_its_own_question_alone(name):
    def draw(seed, *ids):
        kept, _ = Selection(name, k=2, seed=seed).choose(ids, [rationales("++++++")] * len(ids))
        return dict(zip(ids, map(tuple, kept), strict=True))

    ids = [str(number) for number in range(20)]
    whole = draw(0, *ids)
    assert draw(0, "7", "3") == {"7": whole["7"], "3": whole["3"]}
    assert len(set(whole.values())) > 5
    assert draw(1, *ids) != whole


def test_the_schema_names_what_there_is():
    assert set(CHOICES["data.selection.answers"]) == {"any", *ANSWERS}
    assert tuple(FILTERS) == KEEP_K
    others = {"all", "first", "one_per_epoch", "mixture"}
    assert set(CHOICES["data.selection.name"]) == {*FILTERS, *others}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["selection.name=random"], r"selection\.k must be set for selection 'random'"),
        (["selection.k=3"], r"selection\.k=3 has no effect with .*selection\.name='all'; random, "),
        (["selection.name=first", "selection.k=3"], r"selection\.k=3 has no effect"),
        (["selection.name=random", "selection.k=0"], r"selection\.k=0 must be 1 or more"),
        (["selection.name=mixture"], "mixture='': a mixture has two sources or more"),
        (["selection.name=mixture", "selection.mixture=level=1:1"], "two sources or more"),
        (["selection.mixture=level=1:1,level=2:1"], "has no effect with .*name='all'"),
        (
            ["selection.name=mixture", "selection.mixture=a=1:1,b=1:1", "targets_per_question=2"],
            "targets_per_question=2 has no effect",
        ),
        (["selection.name=random", "selection.k=1", "targets_per_question=2"], "has no effect"),
        (["perturbation.reference=level"], r"perturbation\.reference='level': write name=value"),
        (["scores=DIR"], r"scores='DIR' has no effect with config\.data\.words\.name='all'"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(repository, words, message):
    with pytest.raises(InputError, match=message) as error:
        configs.load(
            repository / "configs" / "default.py", [f"--config.data.{word}" for word in words]
        )
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "words",
    [
        ["selection.name=diverse", "selection.k=4", "targets_per_question=2"],
        ["selection.name=mixture", "selection.mixture=level=1&teacher=x:1,level=2:0.5"],
    ],
)
def test_settings_that_fit_are_taken(repository, words):
    configs.load(repository / "configs" / "default.py", [f"--config.data.{word}" for word in words])
