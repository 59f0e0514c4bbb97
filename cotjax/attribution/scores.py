"""Scores of words: how much each word of a rationale matters for the label, beside the records.

A folder holds `scores-NNNNN.jsonl`, each with a `.sha256`, and a `manifest.json` that lists them
once all are written. A line belongs to one text: it is found by the question's id, the number of
the sample and a hash of the rationale, so that scores of other rationales are never taken for it.
"""

import dataclasses
import hashlib
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from cotjax import __version__
from cotjax.errors import InputError
from cotjax.json_files import build, read_json
from cotjax.records import fingerprint
from cotjax.shards import MANIFEST, Shard, read_lines, write_lines, write_manifest_file

SHARD_SIZE = 5_000  # rationales
OFF = 0.01  # of the gain: what the sum of scores may miss of it
OFF_NATS = 0.001  # and what it may where the gain is below a tenth of a nat


@dataclasses.dataclass(frozen=True)
class WordScores:
    """The scores of one rationale.

    Attributes:
      id: Of the question.
      sample: Number of the rationale among its question's.
      text_sha256: See `text_hash`.
      scores: Of each white-space word of the text.
      gain: Of integrated gradients: how much likelier the rationale makes the label than the
        baseline does, in nats; what the scores should add up to.
      steps: Of integrated gradients: in how many the path was walked. More than were asked for
        where the scores did not add up.
    """

    id: str
    sample: int
    text_sha256: str
    scores: tuple[float, ...]
    gain: float | None = None
    steps: int | None = None

    def __post_init__(self):
        if not all(map(math.isfinite, self.scores)):
            raise InputError("scores must be finite")

    @property
    def complete(self) -> bool:
        """Whether the scores add up to the gain, if there is one."""
        if self.gain is None:
            return True
        return abs(sum(self.scores) - self.gain) <= max(OFF * abs(self.gain), OFF_NATS)


@dataclasses.dataclass(frozen=True)
class ScoreManifest:
    """What a folder's scores were made from, and how.

    Attributes:
      task, split: Of the records.
      records_sha256: `records.fingerprint` of the folder of records.
      method: See `run.Request`.
      signed: Whether scores tell for and against the label, so that what counts is their size.
      settings: All that the scores depend on beside the method.
      counts: Rationales and words that were scored, and what was cut or left out, by reason.
    """

    task: str
    split: str
    records_sha256: str
    method: str
    signed: bool
    settings: dict[str, Any]
    counts: dict[str, int] | None = None
    version: str = __version__
    complete: bool = False
    shards: tuple[Shard, ...] = ()


@dataclasses.dataclass(frozen=True)
class Scores:
    """All scores of a folder.

    Attributes:
      manifest: Of the folder.
      lines: By the question's id, the number of the sample and the hash of the text.
    """

    manifest: ScoreManifest
    lines: Mapping[tuple[str, int, str], WordScores]

    def ranking(self, id: str, sample: int, text: str) -> tuple[int, ...] | None:
        """Its words that score, the most important first: see `rank`. None where it has no scores.

        Args:
          id: Of the question.
          sample: Number of the rationale among its question's.
          text: The rationale; how its words are spaced does not matter.
        """
        line = self.lines.get((id, sample, text_hash(text)))
        return None if line is None else self.rank(line)

    def rank(self, line: WordScores) -> tuple[int, ...]:
        """Positions of a line's words, the most important first; of equal ones the earlier first.

        Signed scores rank by size: the size of the lighter thing speaks against "heavier", and the
        label needs it as much. A word that scores exactly 0 says nothing and has no rank: where
        people marked two words, the third is not simply the first of the others.
        """
        sizes = [abs(score) if self.manifest.signed else score for score in line.scores]
        scored = (word for word, size in enumerate(sizes) if size)
        return tuple(sorted(scored, key=lambda word: (-sizes[word], word)))


def text_hash(text: str) -> str:
    """SHA-256 of a text on one line: of its words, each parted from the next by a space."""
    return hashlib.sha256(" ".join(text.split()).encode()).hexdigest()


def write_scores(folder: Path, manifest: ScoreManifest, lines: Iterable[WordScores]) -> None:
    """Writes all scores into a folder that exists, and then the manifest that lists them."""
    lines = list(lines)
    shards = [
        write_lines(folder, f"scores-{number:05d}.jsonl", lines[start : start + SHARD_SIZE])
        for number, start in enumerate(range(0, len(lines), SHARD_SIZE))
    ]
    write_manifest_file(folder, dataclasses.replace(manifest, complete=True, shards=tuple(shards)))


def read_manifest(folder: Path) -> ScoreManifest:
    """Reads `manifest.json`; raises InputError where there is none, or of something else."""
    path = Path(folder) / MANIFEST
    if not path.is_file():
        raise InputError(f"{folder}: is not a folder of scores (it has no {MANIFEST})")
    return build(ScoreManifest, read_json(path), str(path))


def read_scores(folder: Path, records: Path | None = None) -> Scores:
    """Reads a folder that `scripts/score_tokens.py` wrote, and checks every checksum.

    Args:
      folder: Of the scores.
      records: Folder of the records that they are to be of; None where there is none.

    Raises:
      InputError: naming what is missing, incomplete, damaged or double, or scores of other records.
    """
    folder = Path(folder)
    manifest = read_manifest(folder)
    if not manifest.complete:
        raise InputError(f"{folder}: is incomplete; finish the run of score_tokens.py")
    if records is not None and manifest.records_sha256 != fingerprint(records):
        raise InputError(
            f"{folder}: holds scores of other records than {records} (or it has changed since); "
            "score these"
        )
    lines: dict[tuple[str, int, str], WordScores] = {}
    for shard in manifest.shards:
        for where, value in read_lines(folder, shard):
            line = build(WordScores, value, where)
            key = (line.id, line.sample, line.text_sha256)
            if key in lines:
                raise InputError(f"{where}: {line.id!r}, sample {line.sample}, was scored before")
            lines[key] = line
    return Scores(manifest, lines)
