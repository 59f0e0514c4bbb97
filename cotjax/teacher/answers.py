"""Where a teacher's rationale ends and its answer begins."""

import dataclasses
import re
from collections.abc import Sequence
from typing import Any

from cotjax.records import Rationale
from cotjax.tasks import Question, Task, get_task
from cotjax.tasks.base import label_formats

PHRASES = (
    "So the answer is",
    "The answer is",
    "The correct answer is",
    "The final answer is",
    "Therefore, the answer (arabic numerals) is",  # Kojima et al. 2022, for arithmetic
    "-->",  # Ho et al. 2023
    "####",  # GSM8K
)
NO_PHRASE = "no answer phrase"
EMPTY = "empty rationale"
MOST_CHARACTERS = 10_000  # that are searched for an answer: a bracket that repeats takes minutes

# A new word begins, or a sentence without the space before it: "the arctic regionsThe answer is".
_START = r"(?:(?<!\w)|(?-i:(?<=[a-z\d])(?=[A-Z])))"
# "Thus, the answer is" begins with "Thus": it belongs to the phrase, not to the rationale.
_LEAD_IN = r"(?:(?:and so|so|thus|hence|therefore|conclusion)\b[,:]?\s+)?"
_CHOICE_LETTER = re.compile(r"\(([A-Za-z])\)")


@dataclasses.dataclass(frozen=True)
class Verdict:
    """What a completion comes to.

    Attributes:
      text: The rationale alone.
      answer: The teacher's answer, None if it has none that can be parsed.
      correct: Whether that is the gold label.
      several: Whether the answer names several choices, of which the first counts.
      problem: Why the completion gives no rationale; None if it gives one.
    """

    text: str
    answer: str | None
    correct: bool
    several: bool = False
    problem: str | None = None

    def to_rationale(self, sample: int, **details: Any) -> Rationale:
        """Returns the rationale; `details` are its other fields, such as `tags`."""
        return Rationale(sample, self.text, self.answer, self.correct, **details)


def split_completion(text: str, phrases: Sequence[str] = PHRASES) -> tuple[str, str] | None:
    """Returns the rationale and what follows the last answer phrase, None where there is none.

    A phrase is found without regard to case and spacing. "Thus," and the like before it go with
    it, so the rationale never ends in the middle of a sentence that gives the answer.
    """
    matches = list(_phrase_pattern(phrases).finditer(text))
    if not matches:
        return None
    return text[: matches[-1].start()].strip(), text[matches[-1].end() :].strip()


def judge(
    completion: str, question: Question, task: Task, phrases: Sequence[str] = PHRASES
) -> Verdict:
    """Splits a completion at the last of the answer phrases and judges what follows."""
    parts = split_completion(completion, phrases)
    if parts is None:
        return Verdict("", None, False, problem=NO_PHRASE)
    rationale, conclusion = parts
    # The arrow tells every parser that the answer is the first candidate after it.
    return judge_parts(rationale, f"--> {conclusion[:MOST_CHARACTERS]}", question, task)


def judge_parts(rationale: str, conclusion: str, question: Question, task: Task) -> Verdict:
    """Judges a completion that came in two parts."""
    answer = task.parse(conclusion, question)
    return Verdict(
        text=rationale.strip(),
        answer=answer,
        correct=task.is_right(answer, question),
        several=bool(question.choices) and len(set(_CHOICE_LETTER.findall(conclusion))) > 1,
        problem=None if rationale.strip() else EMPTY,
    )


def judge_task(name: str) -> Task:
    """Returns a task to read answers with: how it would write a label makes no difference there.

    Raises:
      InputError: if there is no such task.
    """
    return get_task(name, label_formats(name)[0])


def _phrase_pattern(phrases: Sequence[str]) -> re.Pattern[str]:
    words = [r"\s+".join(map(re.escape, phrase.split())) for phrase in phrases]
    return re.compile(rf"{_START}{_LEAD_IN}(?:{'|'.join(words)})", re.IGNORECASE)
