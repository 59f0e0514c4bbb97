"""Prompts: what a teacher is asked, as a template says that is data.

A template and exemplars make a conversation of every question: an instruction, solved questions,
the question itself, and the words with which the answer begins. A conversation becomes text by the
chat template of the teacher's tokenizer, or plainly as `Q: ...` and `A: ...`.
"""

import dataclasses
import datetime
import functools
import hashlib
import itertools
import string
from typing import Any

import jinja2

from cotjax.errors import InputError
from cotjax.json_files import dump_json, to_json
from cotjax.records import Record
from cotjax.targets.keys import stable_hash
from cotjax.tasks import Question, Task
from cotjax.tasks.base import normalise
from cotjax.tasks.multiple_choice import MultipleChoice
from cotjax.teacher.exemplars import Exemplar, load_exemplars
from cotjax.teacher.template import Template

# Some chat templates write today's date. This one, Llama 3's default, stands in for it: a prompt
# must not change when a job that was stopped goes on the next day.
_DATE = datetime.date(2024, 7, 26)
_DATE_PARTS = "".join(
    f"|replace('%{part}', '{_DATE.strftime(f'%{part}')}')" for part in "aAbBdjmyY"
)
_FIXED_DATE = f"{{% macro strftime_now(form) %}}{{{{ form{_DATE_PARTS} }}}}{{% endmacro %}}"


class UnfitQuestionError(InputError):
    """A template can't ask this question; the others can be asked."""


@dataclasses.dataclass(frozen=True)
class Turn:
    """What one side of a conversation says: `system`, `user` or `assistant`."""

    role: str
    content: str


@dataclasses.dataclass(frozen=True)
class Conversation:
    """What a teacher reads, and how its answer begins.

    Attributes:
      turns: The last one is the user's.
      cue: The beginning of the answer; may be empty.
    """

    turns: tuple[Turn, ...]
    cue: str


@dataclasses.dataclass(frozen=True)
class Prompter:
    """Puts questions to one teacher.

    Attributes:
      template: What is said around a question.
      exemplars: Solved questions, in order.
      tokenizer: The teacher's, of `transformers`.
      chat: Whether its chat template is used, or plain text.
      task: What the questions are of; None for questions of no task.
      seed: Settles which wrong label a prompt gives away.
    """

    template: Template
    exemplars: tuple[Exemplar, ...]
    tokenizer: Any
    chat: bool
    task: Task | None = None
    seed: int = 0

    def __post_init__(self):
        if self.chat and not self.tokenizer.chat_template:
            raise InputError(
                "the teacher's tokenizer has no chat template; set config.prompt.chat=False for"
                " plain text, or use an instruction-tuned teacher"
            )

    @property
    def stops(self) -> tuple[str, ...]:
        """What ends an answer, beside the model's own end."""
        return () if self.chat else self.template.stop

    @property
    def sha256(self) -> str:
        """Hash of all that goes into a prompt beside the question: for the manifest."""
        value = {
            "template": to_json(self.template),
            "exemplars": to_json(self.exemplars),
            "chat": self.tokenizer.get_chat_template() if self.chat else None,
        }
        return hashlib.sha256(canonical(value).encode()).hexdigest()

    @property
    def prefix(self) -> str:
        """The text that stands before every question."""
        probes = (self.text(self._converse(probe, (), probe)) for probe in "01")
        return "".join(one for one, _ in itertools.takewhile(_are_same, zip(*probes, strict=False)))

    def given_label(self, record: Record) -> str | None:
        """The label that the prompt gives away, None where it gives none.

        Raises:
          UnfitQuestionError: where the question has no label, or no other to choose.
        """
        if self.template.condition == "none":
            return None
        if record.label is None:
            raise UnfitQuestionError("no gold label")
        if self.template.condition == "gold":
            return record.label
        return wrong_label(record, self.seed)

    def conversation(self, record: Record) -> Conversation:
        """Puts a question; raises UnfitQuestionError where the template can't."""
        return self._converse(record.question, record.choices, self.given_label(record), record)

    def text(self, conversation: Conversation) -> str:
        """Returns all that the teacher reads: its own words come next."""
        return self._chat(conversation) if self.chat else self._plain(conversation)

    def counterfactual(self) -> "Prompter":
        """Returns the same with a wrong label in place of the gold one, for contrastive decoding.

        Raises:
          InputError: where the template gives no label away.
        """
        if self.template.condition != "gold":
            raise InputError(
                "config.sampling.method='contrastive' needs a config.prompt.template that gives"
                " the gold label away, such as rationalise"
            )
        return dataclasses.replace(
            self, template=dataclasses.replace(self.template, condition="wrong")
        )

    def _converse(
        self,
        question: str,
        choices: tuple[str, ...],
        label: str | None,
        record: Record | None = None,
    ) -> Conversation:
        given = "" if label is None else self._write_label(label, choices, record)
        turns = (*self._head, Turn("user", self._ask(question, choices)))
        return Conversation(turns, self.template.cue.format(label=given))

    @functools.cached_property
    def _head(self) -> tuple[Turn, ...]:
        """The instruction and the exemplars."""
        turns = [Turn("system", self.template.system)] if self.template.system else []
        for solved in self.exemplars:
            written = self._write_label(solved.label, solved.choices)
            answer = self.template.answer.format(rationale=solved.rationale, label=written)
            turns.append(Turn("user", self._ask(solved.question, solved.choices)))
            turns.append(Turn("assistant", answer))
        return tuple(turns)

    def _ask(self, question: str, choices: tuple[str, ...]) -> str:
        lines = ""
        if len(choices) > len(string.ascii_uppercase):
            raise UnfitQuestionError("more than 26 choices")
        if choices and self._has_letters:
            lines = "".join(
                self.template.choice.format(letter=letter, choice=choice)
                for letter, choice in zip(string.ascii_uppercase, choices, strict=False)
            )
        elif choices:
            lines = self.template.options.format(options=", ".join(choices))
        return self.template.question.format(question=question, choices=lines)

    def _write_label(
        self, label: str, choices: tuple[str, ...], record: Record | None = None
    ) -> str:
        if choices and self._has_letters:
            letter = string.ascii_uppercase[choices.index(label)]
            return self.template.label.format(letter=letter, choice=label)
        if self.task and record and not choices:  # an equation may be a data set's label
            question = Question(record.id, record.question, (), label, split="")
            return self.task.format_label(question, label)
        return label

    @property
    def _has_letters(self) -> bool:
        """Whether choices have letters: those that are the same in every question have none."""
        return not isinstance(self.task, MultipleChoice) or self.task.shows_letters

    def _plain(self, conversation: Conversation) -> str:
        parts = [""]
        for turn in conversation.turns:
            match turn.role:
                case "system":
                    parts[-1] = turn.content
                case "user":
                    parts.append(self.template.plain.format(question=turn.content))
                case _:
                    parts[-1] += f" {turn.content}"
        if conversation.cue:
            parts[-1] += f" {conversation.cue}"
        return "\n\n".join(filter(None, parts))

    def _chat(self, conversation: Conversation) -> str:
        try:
            return self._apply_chat_template(conversation.turns) + conversation.cue
        except jinja2.TemplateError:  # Gemma's, for one, has no system turn
            turns = _without_system(conversation.turns)
        try:
            return self._apply_chat_template(turns) + conversation.cue
        except jinja2.TemplateError as error:
            raise InputError(
                f"the tokenizer's chat template refuses the prompt: {error}"
            ) from error

    def _apply_chat_template(self, turns: tuple[Turn, ...]) -> str:
        template = self.tokenizer.get_chat_template()
        return self.tokenizer.apply_chat_template(
            [dataclasses.asdict(turn) for turn in turns],
            tokenize=False,
            add_generation_prompt=True,
            enable_thinking=False,  # Qwen3's: the rationale is the template's, not a monologue
            chat_template=_FIXED_DATE * ("strftime_now" in template) + template,
        )


def make_prompter(
    template: Template,
    tokenizer: Any,
    chat: bool,
    exemplars: str | None = None,
    task: Task | None = None,
    seed: int = 0,
) -> Prompter:
    """Makes a prompter with the exemplars that the template shows; see `load_exemplars`."""
    shown = load_exemplars(exemplars, template.style, template.shots, task)
    return Prompter(template, shown, tokenizer, chat, task, seed)


def wrong_label(record: Record, seed: int) -> str:
    """Returns another choice than the gold one, by a hash of the seed and the question's id.

    Raises:
      UnfitQuestionError: where there is no other.
    """
    gold = normalise(record.label)
    others = {normalise(choice): choice for choice in record.choices if normalise(choice) != gold}
    if not others:
        raise UnfitQuestionError("no other label to choose from")
    return list(others.values())[stable_hash(f"{seed}\n{record.id}") % len(others)]


def _are_same(pair: tuple[str, str]) -> bool:
    return pair[0] == pair[1]


def canonical(value: Any) -> str:
    """Returns JSON text that is the same whatever the order of keys."""
    return dump_json(_sorted(value))


def _sorted(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _sorted(value[key]) for key in sorted(value)}
    return [_sorted(item) for item in value] if isinstance(value, list) else value


def _without_system(turns: tuple[Turn, ...]) -> tuple[Turn, ...]:
    """Puts the instruction at the head of the first question."""
    if turns[0].role != "system":
        return turns
    first = Turn("user", f"{turns[0].content}\n\n{turns[1].content}")
    return first, *turns[2:]
