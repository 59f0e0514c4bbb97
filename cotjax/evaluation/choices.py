"""Likelihood of closed labels: how probable a student finds each of some things it could say.

All labels of a question are decoder segments of one row that read one encoder segment, so that a
question is encoded once, whatever the number of its choices.
"""

import dataclasses
import itertools
from collections.abc import Callable, Iterable, Sequence

import numpy as np
from rich.progress import Progress

from cotjax.evaluation.batching import Rows, advancing, group, to_devices, to_host
from cotjax.evaluation.student import Student
from cotjax.targets.segments import Kind
from cotjax.training.step import eval_step

# Decoder positions of a device at once: their logits over 32,128 pieces take 0.5 GB in float32.
MOST_POSITIONS = 4096
COUNTED = [Kind.LABEL, Kind.CONNECTIVE, Kind.EOS]  # a forced PREFIX has no say


@dataclasses.dataclass(frozen=True)
class Candidates:
    """What could be said to one question.

    Attributes:
      input: Tokens of the question, EOS included.
      prefix: Tokens that the student is made to say first, such as its own rationale.
      labels: Tokens of each label, none empty.
      closing: Tokens after every label that tell its end: (EOS,), or where the connective begins.
      closing_kind: Their kind.
    """

    input: Sequence[int]
    prefix: Sequence[int]
    labels: Sequence[Sequence[int]]
    closing: Sequence[int]
    closing_kind: Kind

    def targets(self) -> list[list[int]]:
        """What the decoder is to say for each label."""
        return [[*self.prefix, *label, *self.closing] for label in self.labels]

    def kinds(self) -> list[list[int]]:
        """The kind of each of these tokens."""
        return [
            [Kind.PREFIX] * len(self.prefix)
            + [Kind.LABEL] * len(label)
            + [self.closing_kind] * len(self.closing)
            for label in self.labels
        ]


def label_logprobs(
    student: Student,
    candidates: Sequence[Candidates],
    *,
    batch_size: int,
    progress: Progress | None = None,
    between: Callable[[], None] | None = None,
) -> list[list[float]]:
    """Log-probability of each label and its closing, in nats, summed over their tokens.

    `between` is called after every batch.

    Returns:
      For every question a number for each of its labels, in order. NaN where the student's
      parameters aren't finite.
    """
    targets = [question.targets() for question in candidates]
    lengths = [
        (sum(map(len, target)), len(question.input), len(target))
        for question, target in zip(candidates, targets, strict=True)
    ]
    logprobs: list[list[float]] = [[] for _ in candidates]
    step = eval_step(student.config, student.mesh)
    with advancing(progress, "score labels", len(candidates), between) as advance:
        for rows in group(lengths, student.mesh, batch_size, MOST_POSITIONS):
            batch = _lay_out(rows, [candidates[member] for member in rows.members], student)
            nll = to_host(step(student.params, to_devices(batch, student.mesh)))["nll"]
            summed = -nll[..., COUNTED].astype(np.float64).sum(axis=-1)  # [rows, labels]
            for member, row in zip(rows.members, summed, strict=False):
                logprobs[member] = row[: len(targets[member])].tolist()
            advance(len(rows.members))
    return logprobs


def _lay_out(rows: Rows, members: Sequence[Candidates], student: Student) -> dict[str, np.ndarray]:
    """A Batch (see DESIGN) with one question a row and one label a decoder segment.

    Loss weights and the numbers of targets are left out: no loss is computed.
    """
    start = student.config.decoder_start_token_id
    targets = [question.targets() for question in members]
    decoder = {
        "decoder_inputs": [_joined([start, *said[:-1]] for said in row) for row in targets],
        "decoder_targets": [_joined(row) for row in targets],
        "decoder_segments": [_joined(_numbered(row)) for row in targets],
        "decoder_kinds": [_joined(question.kinds()) for question in members],
    }
    encoder = {
        "encoder_tokens": [question.input for question in members],
        "encoder_segments": [[1] * len(question.input) for question in members],
    }
    sources = [[1] * len(row) for row in targets]
    return (
        {name: rows.fill(values, axis=0) for name, values in decoder.items()}
        | {name: rows.fill(values, axis=1) for name, values in encoder.items()}
        | {"segment_source": rows.fill(sources, axis=2)}
    )


def _numbered(targets: Sequence[Sequence[int]]) -> list[list[int]]:
    """The segment of each token, from 1."""
    return [[number] * len(target) for number, target in enumerate(targets, start=1)]


def _joined(parts: Iterable[Sequence[int]]) -> list[int]:
    return list(itertools.chain.from_iterable(parts))
