"""Readers of published rationales: a release's files in, records and a table of counts out."""

import collections
import dataclasses
import re
from collections.abc import Callable
from pathlib import Path

from rich.console import Console
from rich.table import Table

from cotjax.errors import InputError
from cotjax.json_files import build, read_json, read_json_lines
from cotjax.records import Manifest, Rationale, Record, write_records
from cotjax.tasks import Question, Task, get_task


@dataclasses.dataclass
class Report:
    """What an import read, parsed, judged right and dropped.

    Attributes:
      questions: Questions read.
      completions: Completions read.
      answers: Completions in which the task's parser found an answer.
      hedges: Answers that name several choices; the parser takes the first.
      right: Answers that are the gold label.
      release_right: The same by the rule of the release's own code.
      rationales: Rationales kept.
      human: Questions with people's explanations.
      dropped: Rationales that were not kept, by reason.
    """

    questions: int = 0
    completions: int = 0
    answers: int = 0
    hedges: int = 0
    right: int = 0
    release_right: int = 0
    rationales: int = 0
    human: int = 0
    dropped: collections.Counter[str] = dataclasses.field(default_factory=collections.Counter)

    def table(self, title: str) -> Table:
        """Returns the counts, and the shares of completions, for a terminal."""
        table = Table("", "count", "share", title=title)
        table.columns[1].justify = table.columns[2].justify = "right"
        rows = [
            ("questions read", self.questions),
            ("completions read", self.completions),
            ("hold an answer", self.answers),
            ("  of these name several choices (the first counts)", self.hedges),
            ("hold none: counted as wrong", self.completions - self.answers),
            ("right by the task's parser", self.right),
            ("right by the release's rule", self.release_right),
            ("rationales kept", self.rationales),
            ("rationales dropped", self.dropped.total()),
            *((f"  {reason}", count) for reason, count in self.dropped.most_common()),
            ("questions with human explanations", self.human),
        ]
        for name, count in rows:
            table.add_row(name, f"{count:,}", f"{100 * count / max(self.completions, 1):.1f} %")
        return table


@dataclasses.dataclass(frozen=True)
class Imported:
    """What an importer made of its files."""

    manifest: Manifest
    records: list[Record]
    report: Report


Importer = Callable[[str, str, Path, Path | None], Imported]


def import_rationales(
    format: str, task: str, split: str, source: Path, output: Path, questions: Path | None = None
) -> Report:
    """Reads a release, writes a folder of records and prints what became of everything.

    Args:
      format: One of `IMPORTERS`.
      task: The task whose parser judges the teacher.
      split: The split to read.
      source: The release's folder or file.
      output: The folder of records to make.
      questions: The file of questions, where it isn't the release's own.

    Raises:
      InputError: naming the file, line and field that is wrong; nothing is written then.
    """
    if format not in IMPORTERS:
        raise InputError(f"no --format={format}; known: {', '.join(IMPORTERS)}")
    imported = IMPORTERS[format](task, split, source, questions)
    manifest = write_records(output, imported.manifest, imported.records)
    console = Console()
    console.print(imported.report.table(f"{task} {split}: {manifest.teacher}"))
    console.print(f"{len(imported.records):,} records in {output}", soft_wrap=True)
    return imported.report


# Distilling Step-by-Step (Hsieh et al., 2023): https://github.com/google-research/distilling-step-by-step


@dataclasses.dataclass(frozen=True)
class CosExample:
    """A line of the release's CommonsenseQA files, with CoS-E's explanations by people."""

    id: str
    question: str
    choices: tuple[str, ...]
    answer: str
    abstractive_explanation: str
    extractive_explanation: str

    def to_question(self, split: str) -> Question:
        """Returns the example as a question."""
        return Question(self.id, self.question, self.choices, self.answer, split)

    @property
    def human(self) -> dict[str, str]:
        """What a person wrote, and the words of the question that a person marked."""
        texts = {
            "abstractive": self.abstractive_explanation,
            "extractive": self.extractive_explanation,
        }
        return {kind: text for kind, text in texts.items() if text.strip()}


@dataclasses.dataclass(frozen=True)
class Release:
    """One data set of the release.

    Attributes:
      prefix: What its question files are called by.
      phrase: What stands between the rationale and the answer in its completions.
      label_format: How its completions write a label.
      example: The dataclass of a line of questions.
      answer: The release's own reading of what follows the phrase.
    """

    prefix: str
    phrase: str
    label_format: str
    example: type[CosExample]
    answer: Callable[[str], str]


def text_after_letter(conclusion: str) -> str:
    """Returns what the release's `CQADatasetLoader` takes as the answer.

    It is the text between the first letter in brackets and the next one or the end, without a
    final full stop. The release compares it with the gold text as it is, so `Mexico` is wrong
    where the choice is `mexico`, and so is `(a) train or (b) boat`.
    """
    pieces = re.split(r"\(.\)", conclusion)
    return pieces[1].strip().removesuffix(".") if len(pieces) > 1 else ""


DSS = {
    "commonsense_qa": Release(
        "cqa", "So the answer is", "letter_text", CosExample, text_after_letter
    ),
}
DSS_TEACHER = "PaLM-540B"
NEXT_EXEMPLAR = "\n\nQ:"  # PaLM runs on and invents the next question of its prompt


def import_dss(task: str, split: str, source: Path, questions: Path | None = None) -> Imported:
    """Reads one data set of the release: a folder with `{prefix}_{split}.json` and `llm/`.

    Completions belong to questions by position, once the files `{split}_CoT_{number}.json` are
    joined in the order of their numbers.
    """
    if task not in DSS:
        raise InputError(f"the dss release has no task {task!r}; it has {', '.join(DSS)}")
    release = DSS[task]
    path = questions or source / f"{release.prefix}_{split}.json"
    examples = _read_examples(path, release, split)
    completions = _read_completions(source / "llm", split)
    if len(examples) != len(completions):
        raise InputError(
            f"{path}: has {len(examples)} questions, but {source / 'llm'} has {len(completions)}"
            f" completions of split {split!r}; they must pair one to one"
        )
    report = Report()
    judge = get_task(task, release.label_format)
    records = [
        _to_record(example, question, completion, release, judge, report)
        for (example, question), completion in zip(examples, completions, strict=True)
    ]
    return Imported(Manifest(task, split, DSS_TEACHER), records, report)


def _to_record(
    example: CosExample,
    question: Question,
    completion: str,
    release: Release,
    task: Task,
    report: Report,
) -> Record:
    rationale = _to_rationale(question, completion, release, task, report)
    report.questions += 1
    report.human += bool(example.human)
    return Record(
        id=question.id,
        question=question.text,
        choices=question.choices,
        label=question.label,
        rationales=(rationale,) if rationale else (),
        human=example.human or None,
    )


def _to_rationale(
    question: Question, completion: str, release: Release, task: Task, report: Report
) -> Rationale | None:
    """Splits a completion at the answer phrase; None, and counted, where that can't be done."""
    report.completions += 1
    text, phrase, conclusion = completion.split(NEXT_EXEMPLAR)[0].partition(release.phrase)
    if not phrase:
        report.dropped["no answer phrase"] += 1
        return None
    answer = task.parse(conclusion, question)
    correct = task.is_right(answer, question)
    report.answers += answer is not None
    report.hedges += len(set(re.findall(r"\(.\)", conclusion))) > 1
    report.right += correct
    report.release_right += release.answer(conclusion) == question.label
    if not text.strip():
        report.dropped["empty rationale"] += 1
        return None
    report.rationales += 1
    return Rationale(sample=0, text=text.strip(), answer=answer, correct=correct)


def _read_examples(path: Path, release: Release, split: str) -> list[tuple[CosExample, Question]]:
    examples = []
    for where, value in read_json_lines(path):
        example = build(release.example, value, where)
        try:
            examples.append((example, example.to_question(split)))
        except InputError as error:
            raise InputError(f"{where}: {error}") from error
    return examples


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
        completions += _read_strings(paths[number])
    return completions


def _read_strings(path: Path) -> list[str]:
    values = read_json(path)
    if not isinstance(values, list):
        raise InputError(f"{path}: must be a list of completions")
    for number, value in enumerate(values):
        if not isinstance(value, str):
            raise InputError(f"{path}: completion {number} is not text")
    return values


IMPORTERS: dict[str, Importer] = {"dss": import_dss}
