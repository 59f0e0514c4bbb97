"""Distilling Step-by-Step (Hsieh et al., 2023): PaLM 540B's completions of four data sets.

Files and rules are those of https://github.com/google-research/distilling-step-by-step, in
`data_utils.py` and `metrics.py`.
"""

import dataclasses
import re
from collections.abc import Callable, Mapping
from pathlib import Path

from cotjax.errors import InputError
from cotjax.json_files import read_json_lines
from cotjax.records import Manifest, Record
from cotjax.tasks import Question, Task
from cotjax.tasks.expressions import ExpressionError, evaluate, same_value
from cotjax.tasks.rows import to_record
from cotjax.tasks.sources import to_question
from cotjax.teacher.answers import judge
from cotjax.teacher.importers.joining import read_rows
from cotjax.teacher.importers.report import Report, Tally
from cotjax.teacher.importers.request import Imported, Request

TEACHER = "PaLM-540B"


@dataclasses.dataclass(frozen=True)
class Release:
    """One data set of the release.

    Attributes:
      prefix: What its files of questions are called by.
      phrase: What stands between the rationale and the answer in its completions.
      next_exemplar: Where a completion runs on and invents the next question of its prompt.
      is_right: The release's own judgement of what follows the phrase.
      renamed: Its names of fields that are the data set's, or the general ones, otherwise.
    """

    prefix: str
    phrase: str
    next_exemplar: str
    is_right: Callable[[str, Question], bool]
    renamed: Mapping[str, str] = dataclasses.field(default_factory=dict)


def text_after_letter(conclusion: str) -> str:
    """Returns what the release's `CQADatasetLoader` takes as the answer.

    It is the text between the first letter in brackets and the next one or the end, without a
    final full stop. The release compares it with the gold text as it is, so `Mexico` is wrong
    where the choice is `mexico`, and so is `(a) train or (b) boat`.
    """
    pieces = re.split(r"\(.\)", conclusion)
    return pieces[1].strip().removesuffix(".") if len(pieces) > 1 else ""


def equation_in_brackets(conclusion: str) -> str:
    """Returns what the release's `SVAMPDatasetLoader` takes: the first to the last bracket."""
    found = re.search(r"\(.*\)", conclusion)
    return found[0] if found else ""


def _same_value(conclusion: str, question: Question) -> bool:
    """Whether the equation has the label's value; the release asks Python's `eval` for both."""
    texts = (equation_in_brackets(conclusion), question.label)
    try:
        return same_value(*map(evaluate, texts))
    except ExpressionError:
        return False


DSS = {
    "commonsense_qa": Release(
        prefix="cqa",
        phrase="So the answer is",
        next_exemplar="\n\nQ:",
        is_right=lambda conclusion, question: text_after_letter(conclusion) == question.label,
    ),
    "svamp": Release(
        prefix="svamp",
        phrase="The answer is",
        next_exemplar="\n\nQ:",
        is_right=_same_value,
        renamed={"input": "question"},
    ),
    "anli": Release(
        prefix="anli1",
        phrase="So the answer is",
        next_exemplar="Premise:",
        is_right=lambda conclusion, question: conclusion.strip()[:-1] == question.label,
    ),
    "esnli": Release(
        prefix="esnli",
        phrase="Answer:",
        next_exemplar="Premise:",
        is_right=lambda conclusion, question: conclusion.strip() == question.label,
    ),
}


def import_dss(request: Request) -> Imported:
    """Reads one data set of the release: a folder with `{prefix}_{split}.json` and `llm/`.

    Completions belong to questions by position, once the files `{split}_CoT_{number}.json` are
    joined in the order of their numbers.
    """
    if request.task not in DSS:
        raise InputError(f"the dss release has no task {request.task!r}; it has {', '.join(DSS)}")
    request.refuse_questions()
    if request.bad_rows.skips:
        raise InputError(
            "--skip_bad_records: questions and completions of dss pair by position; without a row,"
            " all after it would be another question's"
        )
    release, split = DSS[request.task], request.split
    path = request.source / f"{release.prefix}_{split}.json"
    records = _read_records(path, request.task, split)
    completions = _read_completions(request.source / "llm", split)
    if len(records) != len(completions):
        raise InputError(
            f"{path}: has {len(records)} questions, but {request.source / 'llm'} has"
            f" {len(completions)} completions of split {split!r}; they must pair one to one"
        )
    report, task = Report(), request.judge()
    tally = report.tally("completions")
    records = [
        _with_rationale(record, completion, release, task, split, tally)
        for record, completion in zip(records, completions, strict=True)
    ]
    return Imported(Manifest(request.task, split, request.teacher or TEACHER), records, report)


def _with_rationale(
    record: Record, completion: str, release: Release, task: Task, split: str, tally: Tally
) -> Record:
    question = to_question(record, split)
    text, further, _ = completion.partition(release.next_exemplar)
    if further:
        tally.noted["ran on into another exemplar: cut"] += 1
    verdict = judge(text, question, task, (release.phrase,))
    conclusion = text.partition(release.phrase)[2]
    if not tally.add(verdict, release.is_right(conclusion, question)):
        return record
    return dataclasses.replace(record, rationales=(verdict.to_rationale(sample=0),))


def _read_records(path: Path, task: str, split: str) -> list[Record]:
    release, records = DSS[task], []
    for where, value in read_json_lines(path):
        try:
            if not isinstance(value, dict):
                raise InputError("must be an object")
            row = {release.renamed.get(name, name): field for name, field in value.items()}
            record = to_record(task, row, len(records), split)
            to_question(record, split)
        except InputError as error:
            raise InputError(f"{where}: {error}") from error
        records.append(record)
    return records


def _read_completions(folder: Path, split: str) -> list[str]:
    pattern = re.compile(rf"{re.escape(split)}_CoT_(\d+)\.json")
    names = [path.name for path in folder.glob(f"{split}_CoT_*.json")]
    # By number: by name, CoT_10 would come before CoT_9.
    paths = {int(match[1]): folder / match[0] for match in map(pattern.fullmatch, names) if match}
    if not paths:
        raise InputError(f"{folder}: has no {split}_CoT_0.json; is --input the data set's folder?")
    completions: list[str] = []
    for number in range(max(paths) + 1):
        if number not in paths:
            raise InputError(f"{folder / f'{split}_CoT_{number}.json'}: is missing")
        completions += _read_texts(paths[number])
    return completions


def _read_texts(path: Path) -> list[str]:
    rows = read_rows(path)
    for where, value in rows:
        if not isinstance(value, str):
            raise InputError(f"{where}: is not text")
    return [value for _, value in rows]
