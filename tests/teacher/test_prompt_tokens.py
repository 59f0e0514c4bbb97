"""Prefix and question are together what the tokenizer makes of the whole, and nothing is cut."""

import dataclasses

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cotjax.errors import InputError
from cotjax.records import Record
from cotjax.tasks import Question, get_task
from cotjax.teacher.prompt_tokens import conclude, make_prompts
from cotjax.teacher.prompts import make_prompter
from cotjax.teacher.template import load_template
from tests.teacher.tokenizers import CHAT_TEMPLATE, byte_level, sentencepiece_like

CQA = get_task("commonsense_qa", "letter")
CHOICES = ("bank", "river")
TOKENIZERS = {
    "bytes": (byte_level, False),
    "sentencepiece": (sentencepiece_like, False),
    "chat": (lambda: byte_level(CHAT_TEMPLATE), True),
}


def make(name="few_shot", tokenizer="bytes", shots=1, **options):
    builder, chat = TOKENIZERS[tokenizer]
    template = load_template(name, shots=None if name in ("raw", "zero_shot") else shots, **options)
    return make_prompter(template, builder(), chat, task=CQA)


def ask(*questions, label="bank"):
    return [Record(f"q{n}", text, CHOICES, label, ()) for n, text in enumerate(questions)]


@pytest.mark.parametrize("tokenizer", TOKENIZERS)
@pytest.mark.parametrize("name", ["few_shot", "rationalise", "raw", "zero_shot"])
@settings(max_examples=15, deadline=None)
@given(st.lists(st.text(" \nWhere: é日", min_size=1, max_size=9), min_size=1, max_size=4))
def test_prefix_and_question_are_the_whole(tokenizer, name, questions):
    prompter = make(name, tokenizer)
    found = make_prompts(prompter, ask(*questions), contrast=name == "rationalise")
    special = not prompter.chat
    for prompt in found.prompts:
        for each in filter(None, (prompt, prompt.contrast)):
            whole = prompter.tokenizer(each.text, add_special_tokens=special)["input_ids"]
            assert [*each.prefix_ids, *each.question_ids] == whole
            assert each.question_ids
            assert each.prefix_ids == found.prefix_ids
            assert each.text.startswith(found.prefix) or name == "raw"


@pytest.mark.parametrize("tokenizer", TOKENIZERS)
def test_nearly_all_of_the_text_before_the_question_is_shared(tokenizer):
    prompter = make("few_shot", tokenizer)
    found = make_prompts(prompter, ask("Where is money?", "Is it?", "7 dogs?"))
    alone = prompter.tokenizer(found.prefix, add_special_tokens=not prompter.chat)["input_ids"]
    assert len(alone) - 2 <= len(found.prefix_ids) <= len(alone)
    assert found.prefix.endswith("Q: " if tokenizer != "chat" else "user\n")


def test_a_token_that_reaches_over_the_border_belongs_to_the_question():
    """The prefix ends with a space, which the tokenizer gives to the word that follows."""
    found = make_prompts(make(), ask("Where is money?"))
    tokenizer = byte_level()
    assert tokenizer.decode(found.prefix_ids).endswith("\n\nQ:")
    assert tokenizer.decode(found.prompts[0].question_ids).startswith(" Where is")


def test_a_prompt_keeps_a_token_of_its_own():
    (prompt,) = make_prompts(make("raw"), ask("Q")).prompts
    assert (len(prompt.prefix_ids), len(prompt.question_ids)) == (0, 1)


def test_too_long_prompts_are_named_and_never_cut():
    short, long = ask("Where is money?", "Where is money? " * 20)
    prompter = make()
    sizes = [p.num_tokens for p in make_prompts(prompter, [short, long]).prompts]
    found = make_prompts(prompter, [short, long], max_tokens=sizes[1] - 1)
    assert [prompt.id for prompt in found.prompts] == ["q0"]
    assert found.refused == {f"prompt of more than {sizes[1] - 1:,} tokens": ["q1"]}
    assert len(make_prompts(prompter, [short, long], max_tokens=sizes[1]).prompts) == 2


def test_what_a_template_cannot_ask_is_counted_by_reason():
    records = [
        *ask("Where?", "Who?"),
        dataclasses.replace(ask("What?")[0], id="q2", label=None),
        Record("q3", "How?", ("same", "Same"), "same", ()),
    ]
    found = make_prompts(make("rationalise"), records, contrast=True)
    assert [prompt.id for prompt in found.prompts] == ["q0", "q1"]
    assert found.refused == {"no gold label": ["q2"], "no other label to choose from": ["q3"]}
    alone = make_prompts(make("rationalise"), records)
    assert [prompt.id for prompt in alone.prompts] == ["q0", "q1", "q3"]


def test_nothing_to_ask_is_refused():
    unasked = ask("a", "b", "c", "d", "e", "f", label=None)
    with pytest.raises(InputError, match=r"none of 2 .* asked: no gold label \(q0, q1\)$"):
        make_prompts(make("rationalise"), unasked[:2])
    with pytest.raises(InputError, match=r"no gold label \(q0, q1, q2, q3, q4, \.\.\.\)$"):
        make_prompts(make("rationalise"), unasked)
    with pytest.raises(InputError, match="none of 1 questions can be asked: empty prompt"):
        make_prompts(make("raw"), [Record("q", "", (), None, ())])
    with pytest.raises(InputError, match="none of 0 questions"):
        make_prompts(make(), [])


def test_two_questions_of_one_id_are_refused():
    with pytest.raises(InputError, match="question 'q0' occurs twice"):
        make_prompts(make(), ask("a") + ask("b"))


def test_contexts_of_a_contrast_share_the_prefix():
    found = make_prompts(make("rationalise"), ask("Where is money?"), contrast=True)
    (prompt,) = found.prompts
    tails = [byte_level().decode(ids) for ids in prompt.contexts]
    assert tails[0].endswith("The answer is (A) bank.")
    assert tails[1].endswith("The answer is (B) river.")
    assert (prompt.label, prompt.contrast.label) == ("bank", "river")


@pytest.mark.parametrize("tokenizer", TOKENIZERS)
def test_the_second_prompt_goes_on_from_the_first(tokenizer):
    prompter = make("zero_shot", tokenizer)
    (first,) = make_prompts(prompter, ask("Where is money?")).prompts
    second = conclude(prompter, first, " A bank keeps it.\n")
    assert second.text == f"{first.text} A bank keeps it.\nTherefore, the answer is"
    whole = prompter.tokenizer(second.text, add_special_tokens=not prompter.chat)["input_ids"]
    assert [*second.prefix_ids, *second.question_ids] == whole


@pytest.mark.parametrize(
    ("name", "completion", "verdict"),
    [
        ("few_shot", " Banks do. So the answer is (A) bank.", ("Banks do.", "bank", True)),
        ("few_shot", " Banks do.", ("", None, False)),
        ("rationalise", " Banks do.", ("Banks do.", "bank", True)),
        ("rationalise", " Banks do. So the answer is (B).", ("Banks do.", "bank", True)),
        ("counterfactual", " Rivers do.", ("Rivers do.", "river", False)),
        ("counterfactual", " ", ("", None, False)),
    ],
)
def test_a_label_that_was_given_away_is_the_answer(name, completion, verdict):
    (record,) = ask("Where is money?")
    (prompt,) = make_prompts(make(name), [record]).prompts
    question = Question(record.id, record.question, CHOICES, "bank", "train")
    found = prompt.judge(completion, question, CQA)
    assert (found.text, found.answer, found.correct) == verdict
    assert (found.problem is None) == bool(verdict[0])
