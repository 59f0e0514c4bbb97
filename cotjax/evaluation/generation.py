"""What a student writes: the likeliest answer to each input, or several samples.

Inputs of like length stand together, and what is written comes back in the order of the inputs.
"""

import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh
from ml_collections.config_dict import ConfigDict
from rich.progress import Progress

from cotjax.decoding.beam import BeamSearch, BeamWriter
from cotjax.decoding.generate import Sampler
from cotjax.decoding.sampling import Method
from cotjax.decoding.t5_steps import unstack
from cotjax.decoding.writer import Inputs, Writer
from cotjax.evaluation.batching import Rows, advancing, group, to_devices, to_host
from cotjax.evaluation.student import Student
from cotjax.mesh import batch_parts
from cotjax.models.t5 import T5Config

REFILLS = 4  # of the slots of a batch one after the other: a quarter of them is encoded at once


def configured_search(config: ConfigDict) -> BeamSearch | None:
    """How a run's student searches for its answers; None where it answers greedily."""
    evaluation = config.evaluation
    if evaluation.num_beams == 1:
        return None
    return BeamSearch(evaluation.num_beams, evaluation.length_penalty)


def writer_of(
    config: T5Config,
    search: BeamSearch | None,
    max_tokens: int,
    stops: tuple[tuple[int, ...], ...] = (),
) -> Writer:
    """How a student writes the best text that it finds; see `generate`."""
    if search is None:
        return Sampler(config, max_tokens, stops)
    return BeamWriter(config, max_tokens, stops, search=search)


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
    between: Callable[[], None] | None = None,
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
      between: Called after every input; what it raises ends all.

    Returns:
      Tokens for every input, in the order of the inputs, on any number of devices.
    """
    answers: list[list[int]] = [[] for _ in inputs]
    writer = writer_of(student.config, search, max_tokens, stops)
    with advancing(progress, "generate", len(inputs), between) as tell:
        written = _write_all(student, writer, inputs, prefixes, None, batch_size)
        for member, tokens, length in written:
            answers[member] = tokens[:length].tolist()
            tell(1)
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
      For every input its samples. They depend on their keys and not on what stands beside them,
      but for the order in which numbers are added up.
    """
    answers: list[list[list[int]]] = [[] for _ in inputs]
    writer = Sampler(student.config, max_tokens, stops, method)
    at_once = max(batch_size // keys.shape[1], 1)
    with advancing(progress, "sample", len(inputs)) as tell:
        written = _write_all(student, writer, inputs, prefixes, keys, at_once)
        for member, tokens, lengths in written:
            answers[member] = [
                row[:length].tolist() for row, length in zip(tokens, lengths, strict=True)
            ]
            tell(1)
    return answers


def _write_all(
    student: Student,
    writer: Writer,
    inputs: Sequence[Sequence[int]],
    prefixes: Sequence[Sequence[int]] | None,
    keys: np.ndarray | None,
    batch_size: int,
) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """Yields the number of every input with what is written to it: tokens and lengths."""
    prefixes = prefixes or [[]] * len(inputs)
    lengths = [(len(i), len(prefix)) for i, prefix in zip(inputs, prefixes, strict=True)]

    def lay_out(rows: Rows) -> Inputs:
        tokens = [inputs[member] for member in rows.members]
        batch = {
            "tokens": rows.fill(tokens),
            "segments": rows.fill([[1] * len(one) for one in tokens]),
            "prefix": rows.fill([prefixes[member] for member in rows.members], axis=1),
        }
        if keys is not None:
            batch["keys"] = np.zeros((rows.count, *keys.shape[1:]), np.uint32)
            batch["keys"][: len(tokens)] = keys[rows.members]
        return Inputs(**to_devices(batch, student.mesh))

    with jax.set_mesh(student.mesh):
        params = unstack(student.config, student.params)
    for batches in _sharing(group(lengths, student.mesh, batch_size)):
        yield from _in_slots(student.mesh, writer, params, lay_out, batches)


def _sharing(batches: Iterable[Rows]) -> Iterator[list[Rows]]:
    """Batches that share slots: as long as the first, or a quarter of it at least.

    Another program to encode shorter inputs costs less than to wait until all slots are done.
    """
    sharing: list[Rows] = []
    for batch in batches:
        if sharing and 4 * batch.lengths[0] < sharing[0].lengths[0]:
            yield sharing
            sharing = []
        sharing.append(batch)
    if sharing:
        yield sharing


def _in_slots(
    mesh: Mesh,
    writer: Writer,
    params: Any,
    lay_out: Callable[[Rows], Inputs],
    batches: list[Rows],
) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """Yields what is written to the inputs of some batches as it is done, in the slots of one.

    Slots whose texts have ended are given the next inputs as soon as there are a few.
    """
    count, waiting = batches[0].count, _refills(batches, mesh)
    owners: dict[int, int] = {}  # of busy slots, the numbers of their inputs
    with jax.set_mesh(mesh):
        slots = writer.empty(params, lay_out(waiting[0]), count)
    while waiting or owners:
        with jax.set_mesh(mesh):
            while waiting and len(waiting[0].members) <= count - len(owners):
                rows = waiting.popleft()
                idle = [slot for slot in range(count) if slot not in owners][: len(rows.members)]
                owners |= dict(zip(idle, rows.members, strict=True))
                nowhere = [count] * (rows.count - len(idle))
                slots = writer.fill(params, slots, lay_out(rows), np.array([*idle, *nowhere]))
            slots = writer.advance(params, slots, len(waiting[0].members) if waiting else count)
            done, (tokens, lengths) = to_host(writer.look(slots))
        for slot in [slot for slot in owners if done[slot]]:
            yield owners.pop(slot), tokens[slot], lengths[slot]


def _refills(batches: list[Rows], mesh: Mesh) -> deque[Rows]:
    """The inputs of some batches in the portions that are encoded at once."""
    count, parts = batches[0].count, batch_parts(mesh)
    few = parts * math.ceil(count / parts / REFILLS)
    prefix = max(batch.lengths[1] for batch in batches)
    shapes = [(member, batch.lengths[0]) for batch in batches for member in batch.members]
    portions = deque()
    for first in range(0, len(shapes), few):
        members, lengths = zip(*shapes[first : first + few], strict=True)
        portions.append(Rows(list(members), few, (max(lengths), prefix)))
    return portions
