"""Greedy decoding against transformers, and against decoding without a cache, row by row."""

import dataclasses
import json

import jax
import numpy as np
import pytest
import torch
import transformers

from cotjax.decoding.generate import Sampler
from cotjax.decoding.sampling import Temperature, keys_at, sample_key
from cotjax.decoding.writer import Inputs
from cotjax.mesh import batch_sharding, leaf_shardings, make_mesh
from cotjax.models import hf
from cotjax.models.t5 import LOGICAL_AXES, T5
from tests.models.reference import convert, make_reference, ragged

MAX_TOKENS = 24
ENCODER_LENGTHS = [11, 3, 7, 1, 9, 5, 2, 8]
# transformers' generate counts the encoder's layers where it makes the decoder's cache.
EQUAL_STACKS = {"num_layers": 3, "num_decoder_layers": 3}


@pytest.fixture(scope="module", params=[False, True], ids=["v1.0-tied", "v1.1-untied"])
def reference(request, tmp_path_factory):
    model = make_reference(gated=request.param, **EQUAL_STACKS)
    return model, *convert(model, tmp_path_factory.mktemp("reference"))


@pytest.fixture(scope="module")
def student(tmp_path_factory):
    return convert(make_reference(gated=True), tmp_path_factory.mktemp("student"))


def write(config, params, tokens, segments, max_tokens=MAX_TOKENS, stops=(), prefix=None):
    """The rows that are written greedily, each of its own length; checks what comes after."""
    prefix = np.zeros((len(tokens), 0), np.int32) if prefix is None else prefix
    asked = Inputs(tokens, segments, prefix)
    written = jax.device_get(Sampler(config, max_tokens, stops).write(params, asked))
    assert written.tokens.shape == (len(tokens), max_tokens)
    after = np.arange(max_tokens) >= written.lengths[:, None]
    np.testing.assert_array_equal(written.tokens[after], 0)
    return [row[:length].tolist() for row, length in zip(*written, strict=True)]


def transformers_greedy(model, tokens, segments, max_tokens, prefix=()):
    """What transformers' generate writes, cut after the end-of-sequence token."""
    start = torch.tensor([[0, *prefix]] * len(tokens))
    written = model.generate(
        input_ids=torch.tensor(tokens, dtype=torch.long),
        attention_mask=torch.tensor(segments),
        decoder_input_ids=start,
        max_new_tokens=max_tokens,
        do_sample=False,
    )
    rows = written[:, start.shape[1] :].tolist()
    return [row[: row.index(1) + 1] if 1 in row else row for row in rows]


def cut(row: list[int], stop: list[int]) -> list[int]:
    """A row up to and with the first occurrence of `stop`."""
    for end in range(len(stop), len(row) + 1):
        if row[end - len(stop) : end] == stop:
            return row[:end]
    return row


def test_greedy_equals_transformers(reference):
    model, config, params = reference
    tokens, segments = ragged(1, ENCODER_LENGTHS)
    expected = transformers_greedy(model, tokens, segments, MAX_TOKENS)
    assert write(config, params, tokens, segments) == expected
    assert len({tuple(row) for row in expected}) > 1


def test_a_row_ends_with_the_end_of_sequence_token(student):
    config, params = student
    tokens, segments = ragged(1, ENCODER_LENGTHS)
    free = write(dataclasses.replace(config, eos_token_id=-1), params, tokens, segments)
    end = free[0][3]
    ending = dataclasses.replace(config, eos_token_id=end)
    assert write(ending, params, tokens, segments) == [cut(row, [end]) for row in free]


def test_a_row_ends_with_any_of_the_stops(student):
    config, params = student
    tokens, segments = ragged(1, ENCODER_LENGTHS)
    free = write(config, params, tokens, segments)
    pair, triple = free[0][4:6], free[1][7:10]
    found = write(config, params, tokens, segments, stops=(tuple(pair), tuple(triple)))
    assert found == [min(cut(row, pair), cut(row, triple), key=len) for row in free]
    assert len(found[0]) <= 6
    assert len(found[1]) <= 10
    # A stop longer than all that may be written is never met.
    assert write(config, params, tokens, segments, max_tokens=2, stops=(tuple(triple),)) == [
        row[:2] for row in free
    ]


def test_prefixes_of_unequal_length_are_fed_first_and_not_returned(reference):
    model, config, params = reference
    tokens, segments = ragged(1, [6, 4, 5])
    prefix = np.array([[7, 8, 9], [5, 0, 0], [0, 0, 0]])
    found = write(config, params, tokens, segments, prefix=prefix)
    for row, forced in enumerate(([7, 8, 9], [5], [])):
        one = slice(row, row + 1)
        assert [found[row]] == transformers_greedy(
            model, tokens[one], segments[one], MAX_TOKENS, forced
        )


def test_a_prefix_ends_no_row(student):
    config, params = student
    tokens, segments = ragged(1, [6, 4])
    prefix = np.array([[7, 8], [7, config.eos_token_id]])
    free = write(config, params, tokens, segments, prefix=prefix)
    stopped = write(config, params, tokens, segments, prefix=prefix, stops=((7, 8),))
    assert stopped == [cut(row, [7, 8]) for row in free]
    assert len(stopped[1]) > 0


def test_samples_are_drawn_from_the_logits_of_transformers(reference):
    """Token by token and row by row, without a cache; behind prefixes of unequal length."""
    model, config, params = reference
    tokens, segments = ragged(1, [6, 4])
    prefix = np.array([[7, 8, 9], [5, 0, 0]], np.int32)
    keys = np.array([[sample_key(0, str(row), number) for number in range(3)] for row in range(2)])
    method = Temperature(0.8)
    written = Sampler(config, 6, (), method).write(params, Inputs(tokens, segments, prefix, keys))
    for row, number in np.ndindex(2, 3):
        said, forced = [], [token for token in prefix[row].tolist() if token]
        while len(said) < 6 and 1 not in said:
            with torch.no_grad():
                logits = model(
                    input_ids=torch.tensor(tokens[row : row + 1], dtype=torch.long),
                    attention_mask=torch.tensor(segments[row : row + 1]),
                    decoder_input_ids=torch.tensor([[0, *forced, *said]]),
                ).logits[0, -1]
            key = keys_at(keys[row, number], np.int32(len(said)))
            said.append(int(method.choose(logits.numpy(), key)))
        length = int(written.lengths[row, number])
        assert written.tokens[row, number, :length].tolist() == said
    assert len({tuple(row) for row in written.tokens.reshape(6, 6).tolist()}) == 6


def test_empty_rows_write_nothing_and_change_nothing(student):
    config, params = student
    tokens, segments = ragged(1, [6, 1, 4])
    full = write(config, params, tokens, segments)
    segments[1] = 0
    assert write(config, params, tokens, segments) == [full[0], [], full[2]]


def test_compiled_once_and_left_when_all_rows_are_done(student, monkeypatch):
    config, params = student
    config = dataclasses.replace(config, dropout_rate=0.25)  # a config that was never compiled
    traces, steps = [], []
    decode_step = T5.decode_step

    def counted(self, tokens, time, *rest):
        traces.append(time)
        jax.debug.callback(lambda i: steps.append(int(i)), time)
        return decode_step(self, tokens, time, *rest)

    monkeypatch.setattr(T5, "decode_step", counted)
    first = ragged(1, ENCODER_LENGTHS)
    free = write(config, params, *first)
    for seed in (2, 3):
        write(config, params, *ragged(seed, ENCODER_LENGTHS))
    once = len(traces)
    ending = dataclasses.replace(config, eos_token_id=free[0][2])
    tokens, segments = first
    segments[1:] = 0
    traces.clear(), steps.clear()
    short = write(ending, params, tokens, segments)
    jax.effects_barrier()
    assert len(traces) == once  # so three batches were traced as often as one
    assert steps == list(range(len(short[0])))
    assert len(short[0]) <= 3


@pytest.mark.parametrize("changes", [{"scan_layers": True}, {"dtype": "float64"}], ids=str)
def test_other_ways_to_compute_write_the_same(student, changes):
    config, params = student
    tokens, segments = ragged(1, ENCODER_LENGTHS)
    expected = write(config, params, tokens, segments)
    with jax.enable_x64("dtype" in changes):
        assert write(dataclasses.replace(config, **changes), params, tokens, segments) == expected


def test_bfloat16_decodes(student):
    config, params = student
    config = dataclasses.replace(config, dtype="bfloat16")
    rows = write(config, params, *ragged(1, ENCODER_LENGTHS))
    assert all(0 < len(row) <= MAX_TOKENS for row in rows)


def test_a_sharded_batch_writes_the_same(student):
    config, params = student
    tokens, segments = ragged(1, ENCODER_LENGTHS)
    expected = write(config, params, tokens, segments)
    mesh = make_mesh({"data": 2, "fsdp": 2, "tensor": 2})
    placed = jax.device_put(params, leaf_shardings(params, mesh, LOGICAL_AXES))
    with jax.set_mesh(mesh):
        rows = jax.device_put((tokens, segments), batch_sharding(mesh))
        assert write(config, placed, *rows) == expected


@pytest.fixture(scope="module")
def titler(titler_folder):
    """Real weights: the tokenizer, the model of transformers, and ours as config and parameters."""
    config = hf.read_config(titler_folder)
    return (
        transformers.AutoTokenizer.from_pretrained(titler_folder),
        transformers.T5ForConditionalGeneration.from_pretrained(titler_folder).eval(),
        (config, hf.load_params(titler_folder, config, make_mesh({}, jax.devices()[:1]))),
    )


def as_task(question: dict) -> str:
    """As the task asks it: answers are a letter, two to four tokens."""
    choices = zip("ABCDE", question["choices"], strict=True)
    listed = " ".join(f"({letter}) {choice}" for letter, choice in choices)
    return f"question: {question['question']} choices: {listed}"


def as_translation(question: dict) -> str:
    """These weights answer it with 16 to 37 tokens, so the cache is read over many steps."""
    return f"translate English to French: {question['question']}"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("form", "count", "shortest"), [(as_task, 64, 2), (as_translation, 16, 10)]
)
def test_real_weights_write_what_transformers_writes(titler, shared, form, count, shortest):
    """Questions of CommonsenseQA, decoded greedily to their end."""
    tokenizer, model, (config, params) = titler
    with open(shared / "data" / "dss" / "cqa" / "cqa_test.json", encoding="utf-8") as lines:
        texts = [form(json.loads(line)) for line, _ in zip(lines, range(count), strict=False)]
    encoded = tokenizer(texts, padding=True, return_tensors="np")
    tokens, segments = encoded["input_ids"], encoded["attention_mask"]
    found = write(config, params, tokens, segments, max_tokens=64)
    assert found == transformers_greedy(model, tokens, segments, max_tokens=64)
    assert all(shortest <= len(row) < 64 and row[-1] == config.eos_token_id for row in found)
