"""How many slots fit: the arithmetic, on devices that are said to be small."""

import dataclasses

import jax
import numpy as np
import pytest
from jax.sharding import NamedSharding
from jax.sharding import PartitionSpec as P

from cotjax.decoding import memory
from cotjax.decoding.causal_reader import CausalReader
from cotjax.decoding.engine import Sizes
from cotjax.decoding.memory import GIB, Need, fit, need, with_slots
from cotjax.errors import InputError
from cotjax.mesh import make_mesh
from cotjax.models.causal_config import CausalConfig, LayerKind
from cotjax.models.rope import Rope

LAYERS, HEADS, WIDTH, VOCAB = 3, 2, 8, 1000
CONFIG = CausalConfig(
    vocab_size=VOCAB,
    hidden_size=32,
    intermediate_size=48,
    num_attention_heads=4,
    num_key_value_heads=HEADS,
    head_dim=WIDTH,
    layers=(LayerKind(None, Rope(1e4)),) * LAYERS,
    max_position_embeddings=128,
    rms_norm_eps=1e-6,
    activation="silu",
    tied=True,
    qkv_bias=False,
    out_bias=False,
    qk_norm=False,
    norm_offset=0.0,
    post_norms=False,
    embedding_scale=1.0,
    query_scale=1.0,
)
PARAMS = 10_000  # float32 numbers
SIZES = Sizes(slots=0, contexts=1, entries=0, prefix=100, question=50, tokens=20)
KEY_VALUE = 2 * LAYERS * HEADS * WIDTH * 4  # bytes of a token


@dataclasses.dataclass(frozen=True)
class Teacher:
    """Whose parameters are as many numbers, the same on all devices or split over `tensor`."""

    reader: CausalReader
    params: dict


def teacher(mesh, spec=None) -> Teacher:
    weights = jax.device_put(np.zeros(PARAMS, np.float32), NamedSharding(mesh, spec or P()))
    return Teacher(CausalReader(CONFIG), {"weights": weights})


def one():
    return make_mesh({}, jax.devices()[:1])


def test_the_sum_is_that_of_its_parts():
    sizes = with_slots(SIZES, 8, samples=4)
    assert sizes.entries == 2 * 2 + 1
    found = need(teacher(one()), sizes, one())
    tokens = 100 + 5 * 50 + 8 * 20  # of the prefix, prompts and samples
    assert found.params == 4 * PARAMS
    # Beside keys and values a few numbers a slot: what is written, its log-probabilities, ...
    assert tokens * KEY_VALUE <= found.cache <= tokens * KEY_VALUE + 8 * (20 * 8 + 60) + 200
    assert found.logits == memory.LOGITS_COPIES * 4 * 8 * VOCAB
    assert found.total == found.params + found.cache + found.logits
    twice = need(teacher(one()), sizes, one(), stages=2)
    assert (twice.params, twice.cache, twice.logits) == (
        found.params,
        2 * found.cache,
        2 * found.logits,
    )


def test_a_second_context_has_rows_and_entries_of_its_own():
    sizes = with_slots(dataclasses.replace(SIZES, contexts=2), 8, samples=4)
    assert (sizes.rows, sizes.entries) == (16, 10)
    assert need(teacher(one()), sizes, one()).logits == memory.LOGITS_COPIES * 4 * 16 * VOCAB


def test_what_is_split_counts_once_a_device():
    mesh = make_mesh({"data": 4, "tensor": 2})
    sizes = with_slots(SIZES, 8, samples=8)
    whole, split = need(teacher(mesh), sizes, mesh), need(teacher(mesh, P("tensor")), sizes, mesh)
    assert (whole.params, split.params) == (4 * PARAMS, 2 * PARAMS)
    # Rows over data, heads over tensor; prefix and prompts are on all devices of data.
    tokens = 100 + 3 * 50 + 8 * 20 // 4
    assert tokens * KEY_VALUE // 2 <= split.cache <= tokens * KEY_VALUE // 2 + 1000
    assert split.logits == memory.LOGITS_COPIES * 4 * 2 * VOCAB


@pytest.mark.parametrize(
    ("room", "questions", "slots"),
    [
        (10 * GIB, 10_000, 64),  # the most that are of use on a CPU
        (10 * GIB, 3, 12),  # no more than there are samples
        (3_500_000, 10_000, 64),
        (1_500_000, 10_000, 32),
        (500_000, 10_000, 8),
        (140_000, 10_000, 1),
    ],
)
def test_as_many_slots_as_fit(monkeypatch, room, questions, slots):
    monkeypatch.setattr(memory, "available", lambda mesh: room)
    found = fit(teacher(one()), SIZES, one(), questions=questions, samples=4)
    assert found.slots == slots
    assert need(teacher(one()), found, one()).total <= room


@pytest.mark.parametrize(
    ("wanted", "questions", "slots"), [(0, 10_000, 64), (0, 3, 16), (24, 1, 24)]
)
def test_slots_are_a_multiple_of_the_devices_of_the_batch(wanted, questions, slots):
    mesh = make_mesh({"data": 4, "fsdp": 2})
    sizes = dataclasses.replace(SIZES, slots=wanted)
    assert fit(teacher(mesh), sizes, mesh, questions=questions, samples=4).slots == slots


def test_slots_that_the_mesh_does_not_divide_are_refused():
    mesh = make_mesh({"data": 8})
    sizes = dataclasses.replace(SIZES, slots=12)
    with pytest.raises(InputError, match=r"sampling\.slots=12: .* data x fsdp = 8 must divide"):
        fit(teacher(mesh), sizes, mesh, questions=9, samples=1)


@pytest.mark.parametrize(("wanted", "room"), [(64, 1_500_000), (0, 100_000)])
def test_what_can_not_fit_is_refused_with_the_sum(monkeypatch, wanted, room):
    monkeypatch.setattr(memory, "available", lambda mesh: room)
    sizes = dataclasses.replace(SIZES, slots=wanted)
    with pytest.raises(InputError) as error:
        fit(teacher(one()), sizes, one(), questions=999, samples=4)
    taken = need(teacher(one()), with_slots(sizes, wanted or 1, 4), one())
    assert f"{wanted or 1} slots take {taken} on each device" in str(error.value)
    assert "lower config.sampling.slots or max_tokens" in str(error.value)


def test_the_sum_is_written_out():
    assert str(Need(2 * GIB, GIB, GIB // 2)) == (
        "2.00 GiB parameters + 1.00 GiB keys and values + 0.50 GiB logits = 3.50 GiB"
    )


def test_devices_of_a_cpu_share_its_memory():
    alone, eight = memory.available(one()), memory.available(make_mesh({"data": 8}))
    assert alone // 8 == eight
    assert alone > GIB // 4
