"""What a student writes, batch after batch: the likeliest answer, or several samples.

Inputs of like length stand together, and what is written comes back in the order of the inputs.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax
import numpy as np
from ml_collections.config_dict import ConfigDict
from rich.progress import Progress

from cotjax.decoding.beam import BeamSearch, beam_search
from cotjax.decoding.generate import greedy, sampled
from cotjax.decoding.sampling import Method
from cotjax.decoding.t5_steps import unstack
from cotjax.decoding.written import Generated
from cotjax.evaluation.batching import Rows, advancing, group, to_devices, to_host
from cotjax.evaluation.student import Student
from cotjax.models.t5 import T5, T5Config


def configured_search(config: ConfigDict) -> BeamSearch | None:
    """How a run's student searches for its answers; None where it answers greedily."""
    evaluation = config.evaluation
    if evaluation.num_beams == 1:
        return None
    return BeamSearch(evaluation.num_beams, evaluation.length_penalty)


def write(
    config: T5Config,
    search: BeamSearch | None,
    params: Any,
    batch: dict[str, jax.Array],
    *,
    max_tokens: int,
    stops: tuple[tuple[int, ...], ...] = (),
) -> Generated:
    """What a student writes to a batch of encoder tokens, encoder segments and prefixes."""
    limits = {"max_tokens": max_tokens, "stops": stops}
    if search is None:
        return greedy(T5(config), params, **batch, **limits)
    return beam_search(config, search, params, **batch, **limits)


def generate(
    student: Student,
    inputs: Sequence[Sequence[int]],
    *,
    max_tokens: int,
    batch_size: int,
    search: BeamSearch | None = None,
    prefixes: Sequence[Sequence[int]] | None = None,
    stops: tuple[tuple[int, ...], ...] = (),
    progress: Progress | None = None,
) -> list[list[int]]:
    """What the student writes to each input, closing tokens included.

    Args:
      student: Who is asked.
      inputs: Tokens of each, EOS included.
      max_tokens: At most as many are written.
      batch_size: Inputs at once.
      search: How the best text is searched for; None takes the likeliest token after token.
      prefixes: What the decoder is made to say first, and doesn't count as written; or nothing.
      stops: Tokens that end an answer, as EOS does.
      progress: Shows how far it is.

    Returns:
      Tokens for every input, in the order of the inputs, on any number of devices.
    """

    def answer(params: Any, rows: Rows, batch: dict[str, jax.Array]) -> Generated:
        return write(student.config, search, params, batch, max_tokens=max_tokens, stops=stops)

    answers: list[list[int]] = [[] for _ in inputs]
    written = _in_batches(student, inputs, prefixes, answer, batch_size, "generate", progress)
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

    def draw(params: Any, rows: Rows, batch: dict[str, jax.Array]) -> Generated:
        own = np.zeros((rows.count, *keys.shape[1:]), np.uint32)
        own[: len(rows.members)] = keys[rows.members]
        return sampled(
            T5(student.config),
            params,
            **batch,
            **to_devices({"keys": own}, student.mesh),
            method=method,
            max_tokens=max_tokens,
            stops=stops,
        )

    answers: list[list[list[int]]] = [[] for _ in inputs]
    at_once = max(batch_size // keys.shape[1], 1)
    written = _in_batches(student, inputs, prefixes, draw, at_once, "sample", progress)
    for member, tokens, lengths in written:
        answers[member] = [
            row[:length].tolist() for row, length in zip(tokens, lengths, strict=True)
        ]
    return answers


def _in_batches(
    student: Student,
    inputs: Sequence[Sequence[int]],
    prefixes: Sequence[Sequence[int]] | None,
    decode: Callable[[Any, Rows, dict[str, jax.Array]], Generated],
    batch_size: int,
    description: str,
    progress: Progress | None,
) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """Yields the number of every input with what `decode` makes of it: tokens and lengths.

    `decode` gets the parameters as decoding reads them, the rows, and their batch.
    """
    prefixes = prefixes or [[]] * len(inputs)
    lengths = [(len(i), len(prefix)) for i, prefix in zip(inputs, prefixes, strict=True)]
    with jax.set_mesh(student.mesh):
        params = unstack(student.config, student.params)
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
                written = to_host(decode(params, rows, batch))
            yield from zip(rows.members, *written, strict=False)
            advance(len(members))
