"""Templates, exemplars and conversations: what a teacher reads, drawn by hand."""

import dataclasses
import json

import pytest

from cotjax.errors import InputError
from cotjax.records import Record
from cotjax.tasks import Question, get_task
from cotjax.teacher.answers import judge
from cotjax.teacher.exemplars import Exemplar, load_exemplars
from cotjax.teacher.prompts import Prompter, UnfitQuestionError, make_prompter, wrong_label
from cotjax.teacher.template import Template, load_template, template_names
from tests.teacher.tokenizers import CHAT_TEMPLATE, byte_level

CQA = get_task("commonsense_qa", "letter")
BANK = Record("q1", "Where is money?", ("bank", "river", "Bank"), "bank", ())
APPLES = Record("q2", "How many are 3 and 4 apples?", ("7", "8"), "7", ())
SOLVED = (
    Exemplar("Who barks?", "Dogs bark.", "dog", ("cat", "dog")),
    Exemplar("Who purrs?", "Cats purr.", "cat", ("cat", "dog")),
)
NO_SYSTEM = (
    "{% if messages[0].role == 'system' %}{{ raise_exception('no system turn') }}{% endif %}"
)


def prompter(name, chat=False, task=CQA, exemplars=SOLVED, chat_template=CHAT_TEMPLATE, **options):
    template = load_template(name, **options)
    shown = exemplars[: template.shots]
    return Prompter(template, shown, byte_level(chat_template), chat, task)


def text_of(prompter, record=BANK):
    return prompter.text(prompter.conversation(record))


HEAD = "Q: Who barks?\n(A) cat\n(B) dog\nA:"
ASKED = "Q: Where is money?\n(A) bank\n(B) river\n(C) Bank\nA:"


def test_few_shot_in_plain_text():
    assert text_of(prompter("few_shot")) == (
        f"{HEAD} Dogs bark. So the answer is (B) dog.\n\n"
        "Q: Who purrs?\n(A) cat\n(B) dog\nA: Cats purr. So the answer is (A) cat.\n\n"
        f"{ASKED}"
    )
    assert text_of(prompter("few_shot", shots=0)) == ASKED


def test_few_shot_in_a_chat():
    assert text_of(prompter("few_shot", chat=True, shots=1)) == (
        "<|start|>user\nWho barks?\n(A) cat\n(B) dog<|end|>\n"
        "<|start|>assistant\nDogs bark. So the answer is (B) dog.<|end|>\n"
        "<|start|>user\nWhere is money?\n(A) bank\n(B) river\n(C) Bank<|end|>\n"
        "<|start|>assistant\n"
    )


def test_labels_given_away_stand_first():
    head = f"Explain why the given answer is right.\n\n{HEAD} The answer is (B) dog. Dogs bark.\n\n"
    gold = prompter("rationalise", shots=1)
    assert text_of(gold) == f"{head}{ASKED} The answer is (A) bank."
    wrong = f"{head}{ASKED} The answer is (B) river."
    assert text_of(gold.counterfactual()) == wrong
    assert text_of(prompter("counterfactual", shots=1)) == wrong


def test_zero_shot_thinks_step_by_step():
    asked = text_of(prompter("zero_shot"))
    assert asked == f"{ASKED} Let's think step by step."
    asked = text_of(prompter("zero_shot", chat=True))
    assert asked.endswith("(C) Bank<|end|>\n<|start|>assistant\nLet's think step by step.")
    assert prompter("zero_shot").template.conclusion == "\nTherefore, the answer is"


def test_raw_passes_the_question_unchanged():
    question = dataclasses.replace(BANK, question=" Say {hi}!\n\nA: ")
    assert text_of(prompter("raw"), question) == " Say {hi}!\n\nA: "
    assert prompter("raw").prefix == ""


@pytest.mark.parametrize("name", sorted({*template_names()} - {"raw", "zero_shot"}))
@pytest.mark.parametrize("task", ["commonsense_qa", "svamp"])
def test_built_in_templates_have_exemplars_for_built_in_tasks(name, task):
    task = get_task(task, "text" if task == "commonsense_qa" else "number")
    lengths = []
    for level in range(1, 7) if name == "granularity" else [None]:
        made = make_prompter(load_template(name, level), byte_level(), chat=False, task=task)
        turns = made.conversation(BANK if task.name == "commonsense_qa" else APPLES).turns
        answers = [turn.content for turn in turns if turn.role == "assistant"]
        for exemplar, answer in zip(made.exemplars, answers, strict=True):
            question = Question("", exemplar.question, exemplar.choices, exemplar.label, "")
            first_sentence = answer.partition(". ")[0]
            given = made.template.condition != "none"
            verdict = judge(first_sentence if given else answer, question, task)
            assert verdict.correct
        lengths.append(len(answers[0]))
    assert lengths == sorted(set(lengths))  # from level to level more is said


def test_levels_differ_in_instruction_exemplar_and_tags():
    coarse, fine = load_template("granularity", 1), load_template("granularity", 6)
    assert coarse.system != fine.system
    assert (coarse.style, fine.style) == ("level 1", "level 6")
    assert fine.tags == {"format": "plain", "level": 6}
    assert load_template("symbolic").tags == {"format": "symbolic"}


def test_choices_of_every_question_have_no_letters():
    task = get_task("strategyqa", "text")
    question = Record("s", "Do dogs bark?", ("yes", "no"), "yes", ())
    asked = prompter("rationalise", task=task, shots=0)
    assert text_of(asked, question).endswith(
        "Q: Do dogs bark?\nOptions: yes, no\nA: The answer is yes."
    )


def test_an_equation_is_given_away_as_its_value():
    """SVAMP's labels are equations, but the exemplars' are numbers."""
    question = Record("s", "Half of 84?", (), "( 84.0 / 2.0 )", ())
    asked = prompter("rationalise", task=get_task("svamp", "number"), shots=0)
    assert text_of(asked, question).endswith("The answer is 42.")


def test_a_question_of_no_task_has_letters_where_it_has_choices():
    assert text_of(prompter("few_shot", task=None, shots=0)) == ASKED


@pytest.mark.parametrize("name", ["rationalise", "counterfactual"])
def test_a_label_that_is_not_there_cannot_be_given_away(name):
    unlabelled = dataclasses.replace(BANK, label=None)
    with pytest.raises(UnfitQuestionError, match="no gold label"):
        text_of(prompter(name), unlabelled)


@pytest.mark.parametrize("choices", [(), ("bank", "Bank ")])
def test_where_all_choices_say_the_same_none_is_wrong(choices):
    question = Record("q", "Where?", choices, "bank", ())
    with pytest.raises(UnfitQuestionError, match="no other label"):
        text_of(prompter("counterfactual"), question)


def test_a_wrong_label_is_any_other_choice_and_always_the_same():
    choices = ("a", "b", "c", "B")
    questions = [Record(f"q{n}", "?", choices, "b", ()) for n in range(300)]
    drawn = [wrong_label(question, seed=0) for question in questions]
    assert 100 < drawn.count("a") < 200
    assert set(drawn) == {"a", "c"}
    assert drawn == [wrong_label(question, seed=0) for question in questions]
    assert drawn != [wrong_label(question, seed=1) for question in questions]


def test_more_choices_than_letters_are_not_cut():
    choices = tuple(f"choice {n}" for n in range(27))
    with pytest.raises(UnfitQuestionError, match="more than 26 choices"):
        text_of(prompter("few_shot"), Record("q", "?", choices, None, ()))


def test_only_a_gold_label_has_a_counterfactual():
    with pytest.raises(InputError, match=r"'contrastive' needs .* rationalise"):
        prompter("few_shot").counterfactual()


def test_a_chat_template_without_system_turn_gets_the_instruction_in_the_question():
    chat = prompter("plain", chat=True, shots=0, chat_template=NO_SYSTEM + CHAT_TEMPLATE)
    assert text_of(chat).startswith("<|start|>user\nAnswer the question. Reason first")
    assert "\n\nWhere is money?" in text_of(chat)


def test_a_chat_template_that_refuses_altogether_is_named():
    refuses = "{{ raise_exception('roles must alternate') }}"
    with pytest.raises(InputError, match="chat template refuses the prompt: roles must alternate"):
        text_of(prompter("few_shot", chat=True, chat_template=refuses))


def test_a_chat_does_not_depend_on_the_day():
    dated = "{{ strftime_now('%d %b %Y') }}" + CHAT_TEMPLATE
    assert text_of(prompter("raw", chat=True, chat_template=dated)).startswith(
        "26 Jul 2024<|start|>"
    )


def test_a_tokenizer_without_chat_template_is_refused():
    with pytest.raises(InputError, match=r"no chat template; set config\.prompt\.chat=False"):
        prompter("few_shot", chat=True, chat_template=None)


def test_the_hash_knows_whatever_a_prompt_is_made_of():
    made = prompter("few_shot")
    others = [
        prompter("few_shot", exemplars=SOLVED[:1]),
        prompter("rationalise"),
        prompter("granularity", level=1),
        prompter("granularity", level=2),
        prompter("few_shot", chat=True),
        prompter("few_shot", chat=True, chat_template=CHAT_TEMPLATE + " "),
    ]
    assert len({made.sha256, *(other.sha256 for other in others)}) == 7
    assert made.sha256 == prompter("few_shot").sha256
    assert len(made.sha256) == 64


def test_only_plain_text_needs_stop_strings():
    assert prompter("few_shot").stops == ("\n\n",)
    assert prompter("few_shot", chat=True).stops == ()


def write(path, value):
    path.write_text(value if isinstance(value, str) else json.dumps(value, indent=1))
    return path


def test_exemplars_come_from_a_file(tmp_path):
    rows = [dataclasses.asdict(exemplar) for exemplar in SOLVED]
    rows.append({"question": "?", "rationale": "R", "label": "1", "style": "symbolic"})
    path = str(write(tmp_path / "mine.json", rows))
    assert load_exemplars(path, "plain", None) == SOLVED
    assert load_exemplars(path, "plain", 1) == SOLVED[:1]
    assert [e.label for e in load_exemplars(path, "symbolic", 1)] == ["1"]
    with pytest.raises(InputError, match="has 2 exemplars of style 'plain', but 3 are needed"):
        load_exemplars(path, "plain", 3)
    with pytest.raises(InputError, match="has 0 exemplars of style 'level 1', but 1"):
        load_exemplars(path, "level 1", None)


GOOD = '{"question": "?", "rationale": "R", "label": "1"}'


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (f"[{GOOD},\n\n{{}}]", "mine.json:3: question is missing"),
        (f'[\n{GOOD[:-1]}, "choises": []}}]', "mine.json:2: choises .* did you mean 'choices'"),
        (f'[{GOOD},\n{GOOD[:-1]}, "choices": ["2"]}}\n]', "mine.json:2: label '1' is not among"),
        ('[{"question": " ", "rationale": "R", "label": "1"}]', "mine.json:1: question is empty"),
        (f"[{GOOD},\n7]", "mine.json:2: the value must be an object, not 7"),
        (f"[\n{GOOD},\n{{]", "mine.json:3: not JSON"),
        (GOOD, "mine.json: must be a list of exemplars"),
        ("[ ]", "mine.json: has 0 exemplars"),
    ],
)
def test_exemplars_that_do_not_parse_are_blamed_by_line_and_field(tmp_path, content, message):
    path = write(tmp_path / "mine.json", content)
    with pytest.raises(InputError, match=message):
        load_exemplars(str(path), "plain", None)


@pytest.mark.parametrize(
    ("source", "task", "message"),
    [
        ("aritmetic", "svamp", "'aritmetic' is no file; did you mean 'arithmetic'"),
        ("none.json", "svamp", "'none.json' is no file; built in: arithmetic, commonsense_qa"),
        (None, "strategyqa", "must name a JSON file: task strategyqa has no built-in exemplars"),
        (None, None, "must name a JSON file: questions of no task"),
    ],
)
def test_exemplars_that_are_not_there(source, task, message):
    formats = {"svamp": "number", "strategyqa": "text"}
    task = get_task(task, formats[task]) if task else None
    with pytest.raises(InputError, match=rf"config\.prompt\.exemplars.*{message}"):
        load_exemplars(source, "plain", None, task)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"name": "few_shots"}, "template='few_shots' is no template; did you mean 'few_shot'"),
        ({"name": "../x"}, "is no template"),
        ({"name": "granularity"}, "level=None must be 1 to 6"),
        ({"name": "granularity", "level": 7}, "level=7 must be 1 to 6"),
        ({"name": "few_shot", "level": 1}, "level=1: this template has no levels"),
        ({"name": "zero_shot", "shots": 2}, "shots=2: template zero_shot shows no exemplars"),
        ({"name": "none.json"}, "none.json: cannot be read"),
    ],
)
def test_templates_that_are_not_there(options, message):
    with pytest.raises(InputError, match=message):
        load_template(**options)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"question": "{text}"}, r"question has no \{text\}; use choices, question"),
        ({"answer": "{rationale"}, "answer: expected '}' before end of string"),
        ({"condition": "bronze"}, "condition must be none, gold, wrong"),
        ({"condition": "gold"}, "cue must hold {label}"),
        ({"cue": "{label}"}, "cue must hold {label}"),
        ({"colour": "red"}, "colour is not a known field"),
    ],
)
def test_a_template_of_ones_own_is_checked(tmp_path, fields, message):
    path = write(tmp_path / "mine.json", fields)
    with pytest.raises(InputError, match=rf"mine\.json: {message}"):
        load_template(str(path))


def test_a_template_of_ones_own(tmp_path):
    path = write(
        tmp_path / "mine.json", {"system": "Be {brief}.", "plain": "{question}!", "shots": 0}
    )
    mine = Prompter(load_template(str(path)), (), byte_level(), chat=False, task=CQA)
    assert text_of(mine) == "Be {brief}.\n\nWhere is money?\n(A) bank\n(B) river\n(C) Bank!"
    assert Template().question == "{question}{choices}"
