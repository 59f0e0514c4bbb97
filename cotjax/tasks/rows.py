"""What a row of each published data set means: its question, choices, label and explanations.

The names of the fields are those on the Hugging Face Hub, see `hub.DATASETS`.
"""

import dataclasses
import re
from collections.abc import Callable, Mapping
from typing import Any

from cotjax.errors import InputError
from cotjax.records import Record
from cotjax.tasks.fields import Fields
from cotjax.tasks.fixed_choices import Entailment, YesNo

YES_NO, INFERENCE = YesNo.choices, Entailment.choices
FIXED_CHOICES = {
    "anli": INFERENCE,
    "coin_flip": YES_NO,
    "esnli": INFERENCE,
    "strategyqa": YES_NO,
}
UNDECIDED = ("-1", "-")  # the label of SNLI's pairs on which people did not agree
OPEN = ("asdiv", "gsm8k", "last_letter", "svamp")  # without any choices

_INLINE_CHOICES = re.compile(r"(.*?)\(A\)(.*?)\(B\)(.*)", re.DOTALL)
_OPTION_LETTER = re.compile(r"[A-Z]\s*\)\s*")
_LISTED_CHOICES = re.compile(r"\n\s*choice:.*", re.DOTALL)
_CALCULATOR = re.compile(r"<<[^<>]*>>")
_NUMBER = re.compile(r"-?\d*\.?\d+")
_ARITHMETIC = re.compile(r"[\d.+\-*/() ]+")


@dataclasses.dataclass(frozen=True)
class Content:
    """What a row says.

    Attributes:
      question: Without the choices.
      label: The gold label; of choices, the gold one's text. None if there is none.
      choices: Empty where the task has the same for all questions, or none.
      id: The data set's own.
      human: People's explanations by name; empty ones are left out of the record.
    """

    question: str
    label: str | None
    choices: tuple[str, ...] = ()
    id: str | None = None
    human: Mapping[str, str | None] = dataclasses.field(default_factory=dict)


def to_record(task_name: str, row: Mapping[str, Any], number: int, split: str) -> Record:
    """Returns a row of the task's own data set, or of `question` and `label`, as a record.

    Args:
      task_name: Says what the fields mean.
      row: Values by field. A row that has both `question` and `label` may come from anywhere; it
        may also have `choices` (texts) and `id`.
      number: Of the row in its split, from 0; the id is made of both where the row has none.
      split: Where the row stands.

    Returns:
      A record without rationales. Its label is None where the row has none, or none that can be
      used: an answer of ASDiv that isn't a number, an empty option of AQuA.

    Raises:
      InputError: naming the field that is missing or holds something else.
    """
    content = _read(task_name, Fields(row))
    choices = _choices(task_name, content.choices)
    label = _label(content.label, choices)
    human = {name: text for name, text in content.human.items() if text}
    return Record(
        content.id or f"{split}-{number}",
        content.question,
        choices,
        label,
        rationales=(),
        human=human or None,
    )


def _read(task_name: str, fields: Fields) -> Content:
    if ("question" in fields and "label" in fields) or task_name not in READERS:
        given = "choices" in fields and fields.value("choices") is not None
        choices = fields.texts("choices") if given else ()
        return Content(
            fields.text("question"), fields.label("label"), choices, fields.optional("id")
        )
    try:
        return READERS[task_name](fields)
    except InputError as error:
        raise InputError(
            f"{error} (rows have the fields of {task_name}'s data set, or 'question' and 'label')"
        ) from error


def _choices(task_name: str, found: tuple[str, ...]) -> tuple[str, ...]:
    fixed = FIXED_CHOICES.get(task_name, () if task_name in OPEN else None)
    if fixed is None:
        if not found:
            raise InputError(f"field 'choices' is missing or empty; task {task_name} needs some")
        return found
    if found and set(found) != set(fixed):
        what = f"has the choices {', '.join(fixed)}" if fixed else "has no choices"
        raise InputError(f"field 'choices' holds {list(found)}, but task {task_name} {what}")
    return fixed


def _label(label: str | None, choices: tuple[str, ...]) -> str | None:
    if choices == YES_NO and label is not None:
        label = {"true": "yes", "false": "no"}.get(label.lower(), label.lower())
    if label is not None and choices and label not in choices:
        raise InputError(f"the label {label!r} is not among the choices {list(choices)}")
    return label


def _lettered(row: Fields) -> Content:
    choices, label = row.lettered("choices", "answerKey")
    return Content(row.text("question"), label, choices, row.optional("id"))


def _commonsense_qa(row: Fields) -> Content:
    """The data set itself, or CoS-E: the same with people's explanations (Rajani et al., 2019)."""
    if "abstractive_explanation" not in row:
        return _lettered(row)
    kinds = ("abstractive", "extractive")
    human = {kind: row.optional(f"{kind}_explanation") for kind in kinds}
    choices, label = row.texts("choices"), row.label("answer")
    return Content(row.text("question"), label, choices, row.optional("id"), human)


def _openbookqa(row: Fields) -> Content:
    choices, label = row.lettered("choices", "answerKey")
    return Content(row.text("question_stem"), label, choices, row.optional("id"))


def _quarel(row: Fields) -> Content:
    found = _INLINE_CHOICES.fullmatch(row.text("question"))
    if not found:
        raise InputError("field 'question' must hold '(A) ... (B) ...'")
    question, *choices = (part.strip() for part in found.groups())
    index = row.number("answer_index")
    if index is not None and index >= len(choices):
        raise InputError(f"field 'answer_index' must be 0 or 1, not {index}")
    label = None if index is None else choices[index]
    return Content(question, label, tuple(choices), row.optional("id"))


def _strategyqa(row: Fields) -> Content:
    human = {"facts": _joined(row, "facts")}
    return Content(row.text("question"), row.label("answer"), id=row.optional("qid"), human=human)


def _anli(row: Fields) -> Content:
    human = {"reason": row.optional("reason")}
    return Content(_premise(row), _inference(row), id=row.optional("uid"), human=human)


def _esnli(row: Fields) -> Content:
    names = [f"explanation_{number}" for number in (1, 2, 3)]
    return Content(_premise(row), _inference(row), human={n: row.optional(n) for n in names})


def _premise(row: Fields) -> str:
    return f"premise: {row.text('premise')} hypothesis: {row.text('hypothesis')}"


def _inference(row: Fields) -> str | None:
    names = dict(zip("012", INFERENCE, strict=True)) | dict.fromkeys(UNDECIDED)
    label = row.label("label")
    return names.get(label, label)


def _gsm8k(row: Fields) -> Content:
    solution, mark, answer = row.text("answer").rpartition("####")
    if not mark:
        raise InputError("field 'answer' must end in '#### ' and a number")
    human = {"solution": _CALCULATOR.sub("", solution).strip()}
    return Content(row.text("question"), answer.strip().replace(",", ""), human=human)


def _svamp(row: Fields) -> Content:
    question = f"{row.text('Body')} {row.text('Question')}"
    label = row.optional("Equation") or row.label("Answer")
    return Content(question, label, id=row.optional("ID"))


def _asdiv(row: Fields) -> Content:
    """Answers such as `9 (apples)`; formulas such as `7+2=9`."""
    question = f"{row.text('body')} {row.text('question')}"
    answer = row.text("answer").partition("(")[0].strip().replace(",", "")
    if not _NUMBER.fullmatch(answer):
        return Content(question, None)
    equation, _, result = row.text("formula").partition("=")
    is_equation = _ARITHMETIC.fullmatch(equation) and result.strip() == answer
    return Content(question, equation.strip() if is_equation else answer)


def _aqua(row: Fields) -> Content:
    options = row.texts("options")
    choices = tuple(_OPTION_LETTER.sub("", option, count=1) for option in options)
    letter = row.label("correct")
    letters = [option[:1] for option in options]
    if letter is not None and letter not in letters:
        raise InputError(f"field 'correct' is {letter!r}, but 'options' has {letters}")
    label = choices[letters.index(letter)] if letter and all(choices) else None
    human = {"rationale": row.optional("rationale")}
    return Content(row.text("question"), label, choices, human=human)


def _last_letter(row: Fields) -> Content:
    return Content(row.text("question"), row.label("answer"))


def _coin_flip(row: Fields) -> Content:
    question = row.text("inputs").removeprefix("Q:").removesuffix("A:").strip()
    return Content(question, row.label("targets"))


def _big_bench(row: Fields) -> Content:
    """BIG-bench lists the choices in the question too (Srivastava et al., 2022)."""
    question = _LISTED_CHOICES.sub("", row.text("inputs"))
    question = question.removeprefix("Q:").removesuffix("A:").strip()
    choices, scores = row.texts("multiple_choice_targets"), row.value("multiple_choice_scores")
    right = [choice for choice, score in zip(choices, scores or (), strict=False) if score == 1]
    return Content(question, right[0] if len(right) == 1 else None, choices, row.optional("idx"))


def _joined(row: Fields, name: str) -> str | None:
    """A text, or a list of them, as one text."""
    if name in row and isinstance(row.value(name), list):
        return " ".join(row.texts(name))
    return row.optional(name)


READERS: dict[str, Callable[[Fields], Content]] = {
    "anli": _anli,
    "aqua": _aqua,
    "arc": _lettered,
    "asdiv": _asdiv,
    "coin_flip": _coin_flip,
    "commonsense_qa": _commonsense_qa,
    "date_understanding": _big_bench,
    "esnli": _esnli,
    "gsm8k": _gsm8k,
    "last_letter": _last_letter,
    "openbookqa": _openbookqa,
    "quarel": _quarel,
    "shuffled_objects": _big_bench,
    "strategyqa": _strategyqa,
    "svamp": _svamp,
}
