"""Prompts as tokens: what all of them share, what is each question's own, and what can't be asked.

Every prompt is tokenised as a whole, and the shared prefix is the longest run of tokens that all of
them begin with: so prefix and question together are exactly what the tokenizer makes of the text,
wherever it would have drawn the line.
"""

import collections
import dataclasses
from collections.abc import Iterable, Sequence

import numpy as np

from cotjax.errors import InputError
from cotjax.records import Record
from cotjax.tasks import Question, Task
from cotjax.teacher.answers import EMPTY, Verdict, judge, split_completion
from cotjax.teacher.prompts import Conversation, Prompter, UnfitQuestionError

BATCH = 256  # texts that are tokenised at once
NAMED = 5  # ids of questions that could not be asked


@dataclasses.dataclass(frozen=True)
class Prompt:
    """What a teacher reads of one question.

    Attributes:
      id: Of the question.
      text: All of it.
      prefix_ids: Tokens that all prompts of the job begin with.
      question_ids: The tokens after these; at least one.
      conversation: What the text was made of.
      label: The label that the prompt gives away, None if it gives none.
      contrast: The same with a wrong label, for contrastive decoding.
    """

    id: str
    text: str
    prefix_ids: tuple[int, ...]
    question_ids: tuple[int, ...]
    conversation: Conversation
    label: str | None = None
    contrast: "Prompt | None" = None

    @property
    def num_tokens(self) -> int:
        """Tokens of the whole prompt."""
        return len(self.prefix_ids) + len(self.question_ids)

    @property
    def contexts(self) -> tuple[tuple[int, ...], ...]:
        """Tokens after the prefix, of each context that a sample is drawn from."""
        more = (self.contrast.question_ids,) if self.contrast else ()
        return (self.question_ids, *more)

    def judge(self, completion: str, question: Question, task: Task) -> Verdict:
        """Judges a completion: where the prompt gave the label away, that is what is argued for."""
        if self.label is None:
            return judge(completion, question, task)
        parts = split_completion(completion)
        text = parts[0] if parts else completion.strip()
        if not text:
            return Verdict("", None, False, problem=EMPTY)
        return Verdict(text, self.label, task.is_right(self.label, question))


@dataclasses.dataclass(frozen=True)
class PromptSet:
    """The prompts of a job.

    Attributes:
      prefix: The text before every question.
      prefix_ids: Tokens that all prompts begin with.
      prompts: In the order of the questions.
      refused: Ids of the questions that can't be asked, by reason.
    """

    prefix: str
    prefix_ids: tuple[int, ...]
    prompts: list[Prompt]
    refused: dict[str, list[str]]


@dataclasses.dataclass(frozen=True)
class _Rendered:
    """A prompt before it is known what it shares with the others."""

    id: str
    conversation: Conversation
    text: str
    label: str | None
    ids: np.ndarray


def make_prompts(
    prompter: Prompter,
    records: Iterable[Record],
    max_tokens: int | None = None,
    contrast: bool = False,
) -> PromptSet:
    """Puts questions to a teacher.

    Args:
      prompter: How they are put.
      records: All questions of the job, not a process's share: they settle what is shared.
      max_tokens: Tokens of a prompt at most: the model's context without what is to be written.
      contrast: Whether each prompt gets a second one with a wrong label beside it.

    Raises:
      InputError: where none of the questions can be asked, or two have one id.
    """
    records, refused = list(records), collections.defaultdict(list)
    if len({record.id for record in records}) < len(records):
        ((id_, _),) = collections.Counter(record.id for record in records).most_common(1)
        raise InputError(f"question {id_!r} occurs twice; every id must be unique")
    prompters = [prompter, prompter.counterfactual()] if contrast else [prompter]
    contexts = [_render(each, records, max_tokens, refused) for each in prompters]
    kept = [record.id for record in records if all(record.id in of for of in contexts)]
    if not kept:
        reasons = "; ".join(f"{reason} ({some(ids)})" for reason, ids in refused.items())
        raise InputError(f"none of {len(records):,} questions can be asked: {reasons or 'none'}")
    prefix = prompter.prefix
    shared = _shared(
        _tokenise(prompter, [prefix])[0], [of[id_].ids for of in contexts for id_ in kept]
    )
    prefix_ids = tuple(contexts[0][kept[0]].ids[:shared].tolist())
    prompts = []
    for id_ in kept:
        prompt = None
        for of in reversed(contexts):
            prompt = _to_prompt(of[id_], prefix_ids, prompt)
        prompts.append(prompt)
    return PromptSet(prefix, prefix_ids, prompts, dict(refused))


def some(ids: Sequence[str]) -> str:
    """The first few of the ids of questions."""
    return ", ".join(ids[:NAMED]) + (", ..." if len(ids) > NAMED else "")


def conclude(prompter: Prompter, prompt: Prompt, reasoning: str) -> Prompt:
    """Returns the second prompt of a template in two stages, which asks for the answer.

    It holds the first one's text, what the teacher said to it and the template's `conclusion`
    (zero-shot chain of thought: Kojima et al., 2022, arXiv:2205.11916, section 3).

    Raises:
      InputError: where the tokenizer does not begin it with the shared prefix.
    """
    text = prompt.text + reasoning.rstrip() + prompter.template.conclusion
    ids = _tokenise(prompter, [text])[0]
    shared = len(prompt.prefix_ids)
    if tuple(ids[:shared].tolist()) != prompt.prefix_ids:
        raise InputError(f"question {prompt.id!r}: its second prompt has other tokens at its head")
    return dataclasses.replace(prompt, text=text, question_ids=tuple(ids[shared:].tolist()))


def _render(
    prompter: Prompter,
    records: Sequence[Record],
    max_tokens: int | None,
    refused: dict[str, list[str]],
) -> dict[str, _Rendered]:
    """Renders what can be asked, by id, and notes what can't."""
    rendered = {}
    for start in range(0, len(records), BATCH):
        asked = []
        for record in records[start : start + BATCH]:
            try:
                conversation = prompter.conversation(record)
            except UnfitQuestionError as error:
                _refuse(refused, str(error), record.id)
                continue
            label = prompter.given_label(record)
            asked.append((record.id, conversation, prompter.text(conversation), label))
        every_ids = _tokenise(prompter, [text for _, _, text, _ in asked])
        for (id_, conversation, text, label), ids in zip(asked, every_ids, strict=True):
            if len(ids) == 0:
                _refuse(refused, "empty prompt", id_)
            elif max_tokens is not None and len(ids) > max_tokens:
                _refuse(refused, f"prompt of more than {max_tokens:,} tokens", id_)
            else:
                rendered[id_] = _Rendered(id_, conversation, text, label, ids)
    return rendered


def _refuse(refused: dict[str, list[str]], reason: str, question: str) -> None:
    if question not in refused[reason]:  # by one context of two it may be already
        refused[reason].append(question)


def _tokenise(prompter: Prompter, texts: list[str]) -> list[np.ndarray]:
    """Tokens of each text, int32; a chat template writes its own special tokens."""
    if not texts:
        return []
    encoded = prompter.tokenizer(texts, add_special_tokens=not prompter.chat)
    return [np.array(ids, np.int32) for ids in encoded["input_ids"]]


def _shared(prefix: np.ndarray, every: Sequence[np.ndarray]) -> int:
    """How many tokens all of `every` begin with, of `prefix` at most; each keeps one of its own."""
    shared = len(prefix)
    for ids in every:
        shared = min(shared, len(ids) - 1)
        differ = np.flatnonzero(ids[:shared] != prefix[:shared])
        shared = int(differ[0]) if len(differ) else shared
    return shared


def _to_prompt(rendered: _Rendered, prefix_ids: tuple[int, ...], contrast: Prompt | None) -> Prompt:
    return Prompt(
        rendered.id,
        rendered.text,
        prefix_ids,
        tuple(rendered.ids[len(prefix_ids) :].tolist()),
        rendered.conversation,
        rendered.label,
        contrast,
    )
