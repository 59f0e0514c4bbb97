"""Slots that are filled anew while others write: no text depends on what stands beside it."""

import dataclasses

import jax
import numpy as np
import pytest

from cotjax.compilations import compilations
from cotjax.decoding.beam import BeamSearch
from cotjax.decoding.generate import Sampler
from cotjax.decoding.sampling import Temperature, sample_key
from cotjax.decoding.writer import Inputs, Writer
from cotjax.evaluation.generation import generate, sample, writer_of
from cotjax.evaluation.student import Student
from cotjax.mesh import leaf_shardings, make_mesh
from cotjax.models.t5 import LOGICAL_AXES
from tests.models.reference import SIZES, convert, make_reference, ragged

MAX_TOKENS = 12
COUNT, LONGEST = 22, 150
ENDS = 26  # a token that the random weights choose now and then

pytestmark = pytest.mark.usefixtures("quick_to_compile")


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    folder = tmp_path_factory.mktemp("reference")
    config, params = convert(make_reference(gated=True, num_layers=1), folder)
    return dataclasses.replace(config, eos_token_id=ENDS), params


@pytest.fixture(scope="module")
def asked():
    """Inputs of 3 to 150 tokens (so of several shapes), prefixes, and keys of two samples."""
    rng = np.random.default_rng(0)
    lengths = rng.permutation([3, 9, LONGEST, 70, *rng.integers(3, 60, COUNT - 4)])
    inputs = [rng.integers(2, SIZES["vocab_size"], length).tolist() for length in lengths]
    inputs[9] = []  # nothing is written to it
    prefixes = [rng.integers(2, ENDS, number % 3).tolist() for number in range(COUNT)]
    keys = np.array([[sample_key(0, str(n), k) for k in range(2)] for n in range(COUNT)])
    return inputs, prefixes, keys


def alone(writer: Writer, params, inputs, prefixes, keys=None):
    """What is written to each input by itself."""
    for number, (tokens, prefix) in enumerate(zip(inputs, prefixes, strict=True)):
        row, forced = np.zeros((1, LONGEST), np.int32), np.zeros((1, 2), np.int32)
        row[0, : len(tokens)], forced[0, : len(prefix)] = tokens, prefix
        own = None if keys is None else keys[number : number + 1]
        one = Inputs(row, np.int32(np.arange(LONGEST) < len(tokens))[None], forced, own)
        yield jax.tree.map(lambda leaf: leaf[0], jax.device_get(writer.write(params, one)))


def stops_in(texts: list[list[int]]) -> tuple[tuple[int, ...], ...]:
    """Stops that end these texts at several lengths."""
    return (*((text[place],) for place, text in enumerate(texts[:5])), tuple(texts[5][5:7]))


@pytest.mark.parametrize("batch_size", [3, 8])
@pytest.mark.parametrize("search", [None, BeamSearch(3)], ids=["greedy", "beams"])
def test_the_best_texts_are_those_of_each_input_alone(reference, asked, search, batch_size):
    config, params = reference
    inputs, prefixes, _ = asked
    student = Student(config, params, None, make_mesh({}, jax.devices()[:1]))
    how = {"max_tokens": MAX_TOKENS, "search": search, "prefixes": prefixes}
    stops = stops_in(generate(student, inputs, batch_size=8, **how))
    found = generate(student, inputs, batch_size=batch_size, stops=stops, **how)
    writer = writer_of(config, search, MAX_TOKENS, stops)
    expected = [
        tokens[:length].tolist() for tokens, length in alone(writer, params, inputs, prefixes)
    ]
    assert found == expected
    assert len({len(text) for text in found}) > 3  # slots are filled anew at several times


def test_samples_are_those_of_each_input_alone(reference, asked):
    config, params = reference
    inputs, prefixes, keys = asked
    student = Student(config, params, None, make_mesh({}, jax.devices()[:1]))
    method, stops = Temperature(1.3), ((5,), (7,), (9,))
    how = {"method": method, "max_tokens": MAX_TOKENS, "prefixes": prefixes, "stops": stops}
    found = sample(student, inputs, keys, batch_size=8, **how)
    writer = Sampler(config, MAX_TOKENS, stops, method)
    for texts, (tokens, lengths) in zip(
        found, alone(writer, params, inputs, prefixes, keys), strict=True
    ):
        assert texts == [row[:n].tolist() for row, n in zip(tokens, lengths, strict=True)]
    assert sum(first != second for first, second in found) > COUNT / 2
    assert len({max(map(len, texts)) for texts in found}) > 3


@pytest.mark.parametrize("search", [None, BeamSearch(2)], ids=["greedy", "beams"])
def test_devices_write_the_same(reference, asked, search):
    """On eight devices, of which each has two slots, rows, heads and width split."""
    config, params = reference
    inputs, prefixes, _ = asked
    how = {"max_tokens": MAX_TOKENS, "batch_size": 8, "prefixes": prefixes, "search": search}
    one = make_mesh({}, jax.devices()[:1])
    expected = generate(Student(config, params, None, one), inputs, **how)
    mesh = make_mesh({"data": 2, "fsdp": 2, "tensor": 2})
    placed = jax.device_put(params, leaf_shardings(params, mesh, LOGICAL_AXES))
    assert generate(Student(config, placed, None, mesh), inputs, **how) == expected


@pytest.mark.parametrize("devices", [1, 8])
def test_slots_are_filled_anew_without_compilation_and_save_steps(reference, devices):
    """64 inputs in 8 slots take about as many steps as 8 slots need for all tokens."""
    config, params = reference
    sizes = {"data": 2, "fsdp": 2, "tensor": 2} if devices == 8 else {}
    mesh = make_mesh(sizes, jax.devices()[:devices])
    params = jax.device_put(params, leaf_shardings(params, mesh, LOGICAL_AXES))
    student = Student(config, params, None, mesh)
    inputs = ragged(1, [8] * 64)[0].tolist()
    how = {"max_tokens": MAX_TOKENS, "batch_size": 8}
    how["stops"] = stops_in(generate(student, inputs[:8], **how))
    generate(student, inputs[:8], **how)
    steps, advance = [], Writer.advance

    def watched(self, params, slots, enough):
        begun = int(slots.time)
        slots = advance(self, params, slots, enough)
        steps.append(int(slots.time) - begun)
        return slots

    with pytest.MonkeyPatch.context() as patch, compilations() as compiled:
        patch.setattr(Writer, "advance", watched)
        texts = generate(student, inputs, **how)
    assert compiled == []
    assert len(steps) > 8
    # In batches of eight, each would wait for its longest text.
    alone = sum(max(map(len, texts[first : first + 8])) for first in range(0, 64, 8))
    assert sum(steps) < 0.85 * alone
