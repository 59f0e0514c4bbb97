"""Beam search against transformers' `generate`, whose results it is to have."""

import dataclasses
import json

import jax
import numpy as np
import pytest
import torch
import transformers

from cotjax.decoding.beam import BeamSearch, BeamWriter
from cotjax.decoding.generate import Sampler
from cotjax.decoding.writer import Inputs
from cotjax.mesh import batch_sharding, leaf_shardings, make_mesh
from cotjax.models import hf
from cotjax.models.t5 import LOGICAL_AXES
from tests.models.reference import SIZES, convert, make_reference, ragged

MAX_TOKENS = 10
ENCODER_LENGTHS = [11, 3, 7, 1, 9, 5, 2, 8]
ENDS = 26  # a token that the random weights choose now and then

pytestmark = pytest.mark.usefixtures("quick_to_compile")


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    model = make_reference(gated=True, num_layers=1, num_decoder_layers=1)
    config, params = convert(model, tmp_path_factory.mktemp("reference"))
    return model, dataclasses.replace(config, eos_token_id=ENDS), params


def search(config, params, tokens, segments, how, prefix=None, max_tokens=MAX_TOKENS, stops=()):
    """The rows that beam search writes, as lists of their own lengths."""
    prefix = np.zeros((len(tokens), 0), np.int32) if prefix is None else prefix
    writer = BeamWriter(config, max_tokens, stops, search=how)
    written = jax.device_get(writer.write(params, Inputs(tokens, segments, prefix)))
    after = np.arange(max_tokens) >= written.lengths[:, None]
    np.testing.assert_array_equal(written.tokens[after], 0)
    return [row[:length].tolist() for row, length in zip(*written, strict=True)]


def transformers_search(model, tokens, segments, how, ends, prefix=(), max_tokens=MAX_TOKENS):
    """What transformers' generate writes, cut after the token that ends it."""
    start = torch.tensor([[0, *prefix]] * len(tokens))
    written = model.generate(
        input_ids=torch.tensor(tokens, dtype=torch.long),
        attention_mask=torch.tensor(segments),
        decoder_input_ids=start,
        max_new_tokens=max_tokens,
        num_beams=how.num_beams,
        length_penalty=how.length_penalty,
        eos_token_id=ends,
        pad_token_id=0,
        do_sample=False,
    )
    rows = written[:, start.shape[1] :].tolist()
    return [row[: next((n + 1 for n, t in enumerate(row) if t in ends), None)] for row in rows]


@pytest.mark.parametrize("penalty", [1.0, 3.0, -0.5])
def test_results_equal_those_of_transformers(reference, penalty):
    model, config, params = reference
    tokens, segments = ragged(1, ENCODER_LENGTHS)
    how = BeamSearch(4, penalty)
    expected = transformers_search(model, tokens, segments, how, [ENDS])
    assert search(config, params, tokens, segments, how) == expected
    # Texts end early unless a longer one is always better, and then not all in the same way.
    assert {len(row) for row in expected} == {
        1.0: {2, 3, 5, 6, 10}, 3.0: {MAX_TOKENS}, -0.5: {2, 3}
    }[penalty]  # fmt: skip


def test_one_beam_is_greedy(reference):
    _, config, params = reference
    tokens, segments = ragged(2, ENCODER_LENGTHS)
    asked = Inputs(tokens, segments, np.zeros((len(tokens), 0), np.int32))
    written = jax.device_get(Sampler(config, MAX_TOKENS, ((5,),)).write(params, asked))
    expected = [row[:length].tolist() for row, length in zip(*written, strict=True)]
    assert search(config, params, tokens, segments, BeamSearch(1), stops=((5,),)) == expected


def test_a_stop_ends_a_text_as_the_end_of_sequence_does(reference):
    model, config, params = reference
    tokens, segments = ragged(3, ENCODER_LENGTHS)
    how = BeamSearch(3)
    free = search(config, params, tokens, segments, how)
    stop = free[0][0]
    expected = transformers_search(model, tokens, segments, how, [ENDS, stop])
    assert search(config, params, tokens, segments, how, stops=((stop,),)) == expected
    assert expected != free


def test_prefixes_of_unequal_length_are_fed_first_and_not_returned(reference):
    model, config, params = reference
    tokens, segments = ragged(1, [6, 4, 5])
    prefix = np.array([[7, 8, 9], [5, 0, 0], [0, 0, 0]])
    how = BeamSearch(4)
    found = search(config, params, tokens, segments, how, prefix=prefix)
    for row, forced in enumerate(([7, 8, 9], [5], [])):
        one = slice(row, row + 1)
        assert [found[row]] == transformers_search(
            model, tokens[one], segments[one], how, [ENDS], forced
        )


def test_other_ways_to_compute_write_the_same(reference):
    """In a loop over layers, on eight devices, and beside rows without any token."""
    _, config, params = reference
    tokens, segments = ragged(1, ENCODER_LENGTHS)
    how = BeamSearch(4)
    expected = search(config, params, tokens, segments, how)
    scanned = dataclasses.replace(config, scan_layers=True)
    assert search(scanned, params, tokens, segments, how) == expected
    mesh = make_mesh({"data": 2, "fsdp": 2, "tensor": 2})
    placed = jax.device_put(params, leaf_shardings(params, mesh, LOGICAL_AXES))
    with jax.set_mesh(mesh):
        rows = jax.device_put((tokens, segments), batch_sharding(mesh))
        assert search(config, placed, *rows, how) == expected
    segments[2] = 0
    expected[2] = []
    assert search(config, params, tokens, segments, how) == expected


def test_beams_share_what_the_encoder_gave(reference):
    """No array has what cross-attention reads once for every beam."""
    _, config, params = reference
    tokens, segments = ragged(1, ENCODER_LENGTHS)
    how, batch, length = BeamSearch(6), len(tokens), max(ENCODER_LENGTHS)
    writer = BeamWriter(config, MAX_TOKENS, search=how)
    asked = Inputs(tokens, segments, np.zeros((batch, 0), np.int32))
    lowered = BeamWriter.write.lower(writer, params, asked).as_text()
    heads, width = SIZES["num_heads"], SIZES["d_kv"]
    assert f"tensor<{batch}x{heads}x{length}x{width}xf32>" in lowered
    for rows in (f"{6 * batch}", f"{batch}x6", f"6x{batch}"):
        assert f"tensor<{rows}x{heads}x{length}x{width}xf32>" not in lowered


@pytest.mark.slow
def test_real_weights_write_what_transformers_writes(titler_folder, shared):
    """Questions of CommonsenseQA, which these weights translate with 11 to 48 tokens."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(titler_folder)
    model = transformers.T5ForConditionalGeneration.from_pretrained(titler_folder).eval()
    config = hf.read_config(titler_folder)
    params = hf.load_params(titler_folder, config, make_mesh({}, jax.devices()[:1]))
    with open(shared / "data" / "dss" / "cqa" / "cqa_test.json", encoding="utf-8") as lines:
        asked = [json.loads(line)["question"] for line, _ in zip(lines, range(8), strict=False)]
    texts = [f"translate English to French: {question}" for question in asked]
    encoded = tokenizer(texts, padding=True, return_tensors="np")
    tokens, segments = encoded["input_ids"], encoded["attention_mask"]
    how = BeamSearch(4, 1.5)
    found = search(config, params, tokens, segments, how, max_tokens=40)
    expected = transformers_search(model, tokens, segments, how, [config.eos_token_id], (), 40)
    assert found == expected
    assert all(len(row) > 8 for row in found)
