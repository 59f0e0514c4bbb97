"""What a student writes, batch after batch: the likeliest answer, or several samples."""

from collections.abc import Callable, Iterator, Sequence

import jax
import numpy as np
from rich.progress import Progress

from cotjax.decoding.generate import Generated, greedy, sampled
from cotjax.decoding.sampling import Method
from cotjax.evaluation.batching import Rows, advancing, group, to_devices, to_host
from cotjax.evaluation.student import Student
from cotjax.models.t5 import T5


def generate(
    student: Student,
    inputs: Sequence[Sequence[int]],
    *,
    max_tokens: int,
    batch_size: int,
    prefixes: Sequence[Sequence[int]] | None = None,
    stops: tuple[tuple[int, ...], ...] = (),
    progress: Progress | None = None,
) -> list[list[int]]:
    """What the student writes to each input, greedily, closing tokens included.

    Args:
      student: Who is asked.
      inputs: Tokens of each, EOS included.
      max_tokens: At most as many are written.
      batch_size: Inputs at once.
      prefixes: What the decoder is made to say first, and doesn't count as written; or nothing.
      stops: Tokens that end an answer, as EOS does.
      progress: Shows how far it is.

    Returns:
      Tokens for every input, in the order of the inputs, on any number of devices.
    """

    def write(rows: Rows, batch: dict[str, jax.Array]) -> Generated:
        return greedy(
            T5(student.config), student.params, **batch, max_tokens=max_tokens, stops=stops
        )

    answers: list[list[int]] = [[] for _ in inputs]
    written = _in_batches(student, inputs, prefixes, write, batch_size, "generate", progress)
    for member, tokens, length in written:
        answers[member] = tokens[:length].tolist()
    return answers


def sample(
    student: Student,
    inputs: Sequence[Sequence[int]],
    keys: np.ndarray,
    *,
    method: Method,
    max_tokens: int,
    batch_size: int,
    prefixes: Sequence[Sequence[int]] | None = None,
    stops: tuple[tuple[int, ...], ...] = (),
    progress: Progress | None = None,
) -> list[list[list[int]]]:
    """Several things that the student writes to each input; see `generate`.

    Args:
      student, inputs, max_tokens, prefixes, stops, progress: See `generate`.
      keys: Of each input's samples, uint32 [inputs, samples, 2]; see `sampling.sample_key`.
      method: Chooses tokens.
      batch_size: Samples at once; those of an input stand together.

    Returns:
      For every input its samples, which depend on their keys alone and not on what stands beside.
    """

    def write(rows: Rows, batch: dict[str, jax.Array]) -> Generated:
        own = np.zeros((rows.count, *keys.shape[1:]), np.uint32)
        own[: len(rows.members)] = keys[rows.members]
        return sampled(
            T5(student.config),
            student.params,
            **batch,
            **to_devices({"keys": own}, student.mesh),
            method=method,
            max_tokens=max_tokens,
            stops=stops,
        )

    answers: list[list[list[int]]] = [[] for _ in inputs]
    at_once = max(batch_size // keys.shape[1], 1)
    written = _in_batches(student, inputs, prefixes, write, at_once, "sample", progress)
    for member, tokens, lengths in written:
        answers[member] = [
            row[:length].tolist() for row, length in zip(tokens, lengths, strict=True)
        ]
    return answers


def _in_batches(
    student: Student,
    inputs: Sequence[Sequence[int]],
    prefixes: Sequence[Sequence[int]] | None,
    write: Callable[[Rows, dict[str, jax.Array]], Generated],
    batch_size: int,
    description: str,
    progress: Progress | None,
) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """Yields the number of every input with what `write` makes of it: tokens and lengths."""
    prefixes = prefixes or [[]] * len(inputs)
    lengths = [(len(i), len(prefix)) for i, prefix in zip(inputs, prefixes, strict=True)]
    with advancing(progress, description, len(inputs)) as advance:
        for rows in group(lengths, student.mesh, batch_size):
            members = [inputs[member] for member in rows.members]
            batch = {
                "encoder_tokens": rows.fill(members),
                "encoder_segments": rows.fill([[1] * len(tokens) for tokens in members]),
                "prefix": rows.fill([prefixes[member] for member in rows.members], axis=1),
            }
            batch = to_devices(batch, student.mesh)
            with jax.set_mesh(student.mesh):
                written = to_host(write(rows, batch))
            yield from zip(rows.members, *written, strict=False)
            advance(len(members))
