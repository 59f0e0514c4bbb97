"""CoS-E v1.11 (Rajani et al., 2019): people's explanations of CommonsenseQA's answers.

The lines of https://github.com/salesforce/cos-e, in `data/v1.11`: `{"id": .., "explanation":
{"open-ended": .., "selected": ..}}`. They know questions by id alone.
"""

import dataclasses

from cotjax.errors import InputError
from cotjax.json_files import build
from cotjax.records import Manifest
from cotjax.teacher.importers.joining import record_of
from cotjax.teacher.importers.report import Report
from cotjax.teacher.importers.request import Imported, Request

TEACHER = "none"  # people wrote the explanations; no record has a rationale
KINDS = {"open-ended": "abstractive", "selected": "extractive"}


@dataclasses.dataclass(frozen=True)
class Line:
    """A question's id, and what a person wrote and marked in it."""

    id: str
    explanation: dict[str, str]

    def __post_init__(self):
        if set(self.explanation) != set(KINDS):
            raise InputError(
                f"explanation must have {' and '.join(KINDS)}, not {', '.join(self.explanation)}"
            )

    @property
    def human(self) -> dict[str, str]:
        """The explanations that say anything, by the names that a record gives them."""
        return {KINDS[k]: text.strip() for k, text in self.explanation.items() if text.strip()}


def import_cos_e(request: Request) -> Imported:
    """Reads a file of explanations into `human` of the questions of `--questions`.

    Every question becomes a record, with or without an explanation.
    """
    questions, report = request.load_questions(), Report()
    tally = report.tally(request.source.name)
    known = {question.id for question in questions}
    human: dict[str, dict[str, str]] = {}
    for where, value in request.bad_rows.lines(request.source):
        with request.bad_rows.taking(where, value):
            line, problem = build(Line, value, where), None
            tally.labels += 1
            if line.id not in known:
                problem = "no question has this id"
            elif line.id in human:
                problem = "explains a question again: the first stands"
            elif not line.human:
                problem = "explanation is empty"
            else:
                human[line.id] = line.human
            if problem:
                tally.noted[problem] += 1
                report.remarks.append(f"{where}: {problem}")
    if not human:
        raise InputError(f"{request.source}: explains none of the {len(questions)} questions")
    records = [record_of(question, (), human.get(question.id)) for question in questions]
    return Imported(Manifest(request.task, request.split, TEACHER), records, report)
