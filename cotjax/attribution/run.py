"""The scoring job: records in, scores of their words out, however often it is interrupted."""

import dataclasses
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
from rich.progress import Progress

from cotjax.attribution import embeddings, explained, lexical
from cotjax.attribution.donors import DONORS
from cotjax.attribution.gradients import STEPS
from cotjax.attribution.items import Item, Scorer
from cotjax.attribution.scores import (
    ScoreManifest,
    Scores,
    WordScores,
    read_manifest,
    read_scores,
    write_scores,
)
from cotjax.claims import CLAIM, alone_in
from cotjax.errors import InputError
from cotjax.evaluation.batching import advancing
from cotjax.group import initialize_distributed, wait_for_all
from cotjax.journal import Journal
from cotjax.json_files import temporary_name
from cotjax.records import fingerprint, read_records
from cotjax.shards import MANIFEST, differences, write_manifest_file

BATCH_SIZE = 32
LEFT_OUT = "left out: "  # in the manifest's counts, before the reason


@dataclasses.dataclass(frozen=True)
class Request:
    """What is to be scored, and how.

    Attributes:
      records: Folder of the records.
      output: Folder of the scores; the same request goes on with it.
      method: One of `lexical.METHODS`, `explained.METHODS` or `embeddings.METHODS`.
      workdir, checkpoint: The student of those that need one.
      steps: Of each path of integrated and expected gradients; None for `gradients.STEPS`.
      donors: Baselines of expected gradients; None for `donors.DONORS`.
      seed: Of random; None for 0.
      batch_size: Rationales that a student is shown at once; None for BATCH_SIZE.
    """

    records: Path
    output: Path
    method: str
    workdir: Path | None = None
    checkpoint: str | None = None
    steps: int | None = None
    donors: int | None = None
    seed: int | None = None
    batch_size: int | None = None

    def __post_init__(self):
        needs_student = self.method not in lexical.METHODS
        if needs_student and self.workdir is None:
            raise InputError(f"--method={self.method} needs a student: --workdir")
        for name, value, used in (
            ("workdir", self.workdir, needs_student),
            ("checkpoint", self.checkpoint, needs_student),
            ("steps", self.steps, self.method in explained.ALONG_A_PATH),
            ("donors", self.donors, self.method == "expected_gradients"),
            ("seed", self.seed, self.method == "random"),
            ("batch_size", self.batch_size, self.method in explained.METHODS),
        ):
            if value is not None and not used:
                raise InputError(f"--{name}={value} has no effect with --method={self.method}")


def score_records(request: Request, progress: Progress | None = None) -> Scores:
    """Scores all rationales of a folder, or goes on with them.

    Raises:
      InputError: for records, a run or an output folder that won't do, or that another job writes
        into; if nothing is scored.
    """
    initialize_distributed()
    manifest, records = read_records(request.records)
    every = [Item(record, rationale) for record in records for rationale in record.rationales]
    scorer = _scorer(request, manifest.task)
    about = ScoreManifest(
        task=manifest.task,
        split=manifest.split,
        records_sha256=fingerprint(request.records),
        method=request.method,
        signed=request.method in explained.SIGNED,
        settings=scorer.settings,
    )
    with alone_in(request.output):
        if not _begin(request.output, about):
            _score_all(request, about, scorer, every, progress)
        _tidy(request.output)
    return read_scores(request.output)


def _score_all(
    request: Request,
    about: ScoreManifest,
    scorer: Scorer,
    every: Sequence[Item],
    progress: Progress | None,
) -> None:
    """Scores what of a folder is not scored yet, and writes it with what was counted."""
    left_out = Counter(reason for item in every if (reason := scorer.lacks(item)))
    items = [item for item in every if scorer.lacks(item) is None]
    if not items:
        reasons = ", ".join(f"{count} {reason}" for reason, count in left_out.items())
        raise InputError(f"{request.records}: no rationale to score ({reasons or 'none there'})")
    lines = _score(request, scorer, items, progress)
    counts = _count(lines) | scorer.counts(items)
    counts |= {f"{LEFT_OUT}{reason}": count for reason, count in left_out.items()}
    _write(request.output, dataclasses.replace(about, counts=counts), lines)


def _scorer(request: Request, task: str) -> Scorer:
    method = request.method
    if method == "random":
        return lexical.Lexical(method, request.seed or 0)
    if method in lexical.METHODS:
        return lexical.Lexical(method)
    student = (request.workdir, request.checkpoint or "best")
    if method in embeddings.METHODS:
        scorer = embeddings.Similarity(*student, method)
    else:
        scorer = explained.Attribution(
            *student,
            method,
            request.batch_size or BATCH_SIZE,
            steps=(request.steps or STEPS) if method in explained.ALONG_A_PATH else None,
            donors=(request.donors or DONORS) if method == "expected_gradients" else None,
        )
    if scorer.task.name != task:
        raise InputError(
            f"{request.records}: holds task {task!r}, but the student of {request.workdir} was"
            f" trained on {scorer.task.name!r}"
        )
    return scorer


def _begin(folder: Path, about: ScoreManifest) -> bool:
    """Begins a folder, or goes on with it; returns whether it was finished before.

    Raises:
      InputError: where it can't be written, or holds anything but a part of these scores.
    """
    folder.mkdir(parents=True, exist_ok=True)
    names = {path.name for path in folder.iterdir()}
    before = None
    if MANIFEST in names:
        before = read_manifest(folder)
        _check_same(folder, before, about)
    elif names - {CLAIM, temporary_name(MANIFEST)}:  # which a kill at the very beginning leaves
        raise InputError(f"--output={folder}: holds something else; choose another")
    wait_for_all("scoring: looked")  # before process 0 writes what the others look at
    if before is None and jax.process_index() == 0:
        write_manifest_file(folder, about)
    return before is not None and before.complete


def _check_same(folder: Path, before: ScoreManifest, now: ScoreManifest) -> None:
    """Refuses to go on with scores of other records, or made otherwise."""
    if different := differences(_identity(before), _identity(now)):
        raise InputError(
            f"--output={folder}: was begun with other settings: {different}; choose another folder"
        )


def _identity(manifest: ScoreManifest) -> dict[str, Any]:
    names = ("task", "split", "records_sha256", "method")
    return {name: getattr(manifest, name) for name in names} | manifest.settings


def _score(
    request: Request, scorer: Scorer, items: Sequence[Item], progress: Progress | None
) -> list[WordScores]:
    """The lines of all items, in their order; what is in the journal is not scored again."""
    journal = Journal(request.output, 0, WordScores)
    done = set(journal.entries)
    wait_for_all("scoring: read")  # before process 0 writes on
    if done and progress:
        progress.console.print(f"going on: {len(done):,} of {len(items):,} rationales are there")
    try:
        with advancing(progress, request.method, len(items) - len(done)) as advance:
            for line in scorer.score(items, lambda item: item.key not in done, advance):
                if jax.process_index() == 0:
                    journal.add(line)
                else:
                    journal.entries[line.id, line.sample] = line
    finally:
        journal.close()
    return [journal.entries[item.key] for item in items]


def _count(lines: Sequence[WordScores]) -> dict[str, int]:
    counts = {"rationales": len(lines), "words": sum(len(line.scores) for line in lines)}
    counts["all words score 0"] = sum(not any(line.scores) for line in lines)
    if lines[0].gain is not None:
        fewest = min(line.steps or 0 for line in lines)
        counts["walked in more steps"] = sum((line.steps or 0) > fewest for line in lines)
        counts["sums off by over 1 %"] = sum(not line.complete for line in lines)
    return counts


def _write(folder: Path, manifest: ScoreManifest, lines: Sequence[WordScores]) -> None:
    """Writes shards and manifest."""
    if jax.process_index() == 0:
        write_scores(folder, manifest, lines)
    wait_for_all("scoring: written")


def _tidy(folder: Path) -> None:
    """Deletes the journal of a finished folder, also one that a kill just before this left."""
    if jax.process_index() == 0:
        Journal(folder, 0, WordScores).remove()
    wait_for_all("scoring: finished")
