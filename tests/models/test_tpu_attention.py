"""The TPU's attention kernel, interpreted on a CPU, against JAX's own attention."""

import contextlib
import dataclasses
import functools
import math
from unittest import mock

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.experimental import pallas as pl
from jax.experimental.pallas import tpu as pltpu

from cotjax.compiling.products import traced_flops
from cotjax.errors import InputError
from cotjax.mesh import make_mesh
from cotjax.models import tpu_attention
from cotjax.models.attention import Mask, segment_mask
from cotjax.models.t5 import T5
from cotjax.models.t5_config import PRESETS, check_attention, check_rows
from tests.models.test_cudnn import packed

SMALL = dataclasses.replace(
    PRESETS["flan-t5-small"], num_layers=2, num_decoder_layers=2, num_heads=4, d_ff=64
)


@pytest.fixture(autouse=True)
def exactly():
    """Products of full precision."""
    with jax.default_matmul_precision("highest"):
        yield


def segments(rows: int, length: int, seed: int) -> jax.Array:
    """Segments of rows: up to three, then padding, of lengths that are drawn."""
    generator = np.random.default_rng(seed)
    ends = np.sort(generator.integers(1, length, (rows, 3)), axis=1)
    ids = (np.arange(length)[None, :, None] >= ends[:, None]).sum(-1) + 1
    return jnp.asarray(np.where(ids > 3, 0, ids), jnp.int32)


def draw(seed: int, *shape: int) -> jax.Array:
    return jax.random.normal(jax.random.key(seed), shape, jnp.float32)


def cases(dtype: str) -> tuple[list[jax.Array], jax.Array, Mask]:
    """Queries, keys, values and bias of a decoder, the means' weights in a loss, and the mask."""
    ids = segments(2, 256, seed=0)
    query, key, value = (draw(seed, 2, 4, 256, 64) for seed in range(3))
    arrays = [one.astype(dtype) for one in (query / 8, key, value)]
    return [*arrays, draw(3, 1, 4, 256, 256)], draw(4, 2, 256, 4, 64), segment_mask(ids, ids, True)


def ours(mask: Mask, query, key, value, bias):
    means = tpu_attention.attend(query, key, value, mask.segments, bias)
    return means.reshape(*means.shape[:2], query.shape[1], -1)


def of_jax(mask: Mask, query, key, value, bias):
    inside = (one.swapaxes(1, 2) for one in (query, key, value))
    bias = None if bias is None else bias.astype(query.dtype)
    return jax.nn.dot_product_attention(*inside, bias, mask.allowed, scale=1.0)


def gradients(attend, mask, wanted, arrays):
    """A loss of the means, and its gradients."""

    def loss(*arrays):
        return jnp.sum(attend(mask, *arrays).astype(jnp.float32) * wanted)

    places = [place for place, one in enumerate(arrays) if one is not None]
    return jax.value_and_grad(loss, argnums=places)(*arrays)


@pytest.mark.parametrize("block_scores", [2 * 512 * 512, 3 * 128 * 256])
@pytest.mark.parametrize(
    ("heads", "width", "lengths", "causal", "biased"),
    [
        (4, 64, (256, 256), False, True),  # an encoder, two heads side by side
        (3, 64, (256, 256), True, True),  # a decoder; three heads don't fill registers
        (2, 128, (384, 256), False, False),  # a decoder that reads an encoder
    ],
)
def test_means_and_gradients_are_those_of_jax(
    heads, width, lengths, causal, biased, block_scores, monkeypatch
):
    """Those of queries without any key among them, which read all alike."""
    monkeypatch.setattr(tpu_attention, "BLOCK_SCORES", block_scores)
    queries, keys = lengths
    ids = segments(2, queries, seed=0)
    of_keys = ids if queries == keys else jnp.minimum(segments(2, keys, seed=1), 2)
    mask = segment_mask(ids, of_keys, causal)
    query = draw(0, 2, heads, queries, width) / 8
    key, value = draw(1, 2, heads, keys, width), draw(2, 2, heads, keys, width)
    bias = draw(3, 1, heads, queries, keys) if biased else None
    given = mask, draw(4, 2, queries, heads, width), (query, key, value, bias)
    with pltpu.force_tpu_interpret_mode():
        found = gradients(ours, *given)
    truth = gradients(of_jax, *given)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4), found, truth)


@pytest.mark.parametrize("block_scores", [2 * 512 * 512, 3 * 128 * 256])
def test_in_bfloat16_it_is_no_further_off_than_jax(block_scores, monkeypatch):
    monkeypatch.setattr(tpu_attention, "BLOCK_SCORES", block_scores)
    arrays, wanted, mask = cases("bfloat16")
    with pltpu.force_tpu_interpret_mode():
        _, found = gradients(ours, mask, wanted, arrays)
    _, peer = gradients(of_jax, mask, wanted, arrays)
    _, truth = gradients(of_jax, mask, wanted, [one.astype(jnp.float32) for one in arrays])
    for one, other, exact in zip(found, peer, truth, strict=True):
        assert one.dtype == other.dtype
        error, most = (jnp.linalg.norm(x.astype(jnp.float32) - exact) for x in (one, other))
        assert error <= max(1.2 * most, 1e-3 * jnp.linalg.norm(exact))


MESHES = [None, {"data": 2, "fsdp": 2, "tensor": 2}, {"data": 8}, {"tensor": 8}]


@pytest.mark.parametrize("mesh", MESHES)
def test_a_student_s_gradients_are_those_with_xla(mesh, monkeypatch):
    """On meshes that divide rows and heads and that don't; two decoder rows to one of the encoder.

    In a loop over layers that are computed again.
    """
    # The interpreter above imitates more of a TPU, but what it does can't be computed again.
    monkeypatch.setattr(pl, "pallas_call", functools.partial(pl.pallas_call, interpret=True))
    attend = mock.Mock(wraps=tpu_attention.attend)
    monkeypatch.setattr(tpu_attention, "attend", attend)
    plain = dataclasses.replace(SMALL, scan_layers=True, remat="full", vocab_size=256)
    batch = packed(8, 128, 128) | {
        name: array for name, array in packed(4, 128, 128).items() if name.startswith("encoder")
    }
    batch |= {name: batch[name] % 256 for name in ("encoder_tokens", "decoder_inputs")}
    params = jax.jit(T5(plain).init)(jax.random.key(0), batch)["params"]
    weights = (batch["decoder_segments"] > 0)[..., None]

    def loss(params, attention):
        model = T5(dataclasses.replace(plain, attention=attention))
        variables, key = {"params": params}, {"dropout": jax.random.key(1)}
        states = model.apply(variables, batch, False, rngs=key, method="states")
        return jnp.sum(jnp.sin(states) * weights)

    def gradient(attention):
        return jax.jit(jax.value_and_grad(loss), static_argnums=1)(params, attention)

    truth = gradient("xla")
    assert not attend.called
    with on_mesh(mesh):
        found = gradient("pallas")
    assert attend.called
    for one, other in zip(jax.tree.leaves(found), jax.tree.leaves(truth), strict=True):
        assert jnp.linalg.norm(one - other) <= 1e-4 * jnp.linalg.norm(other)


def on_mesh(sizes: dict[str, int] | None):
    """A context of so many of the devices."""
    if sizes is None:
        return contextlib.nullcontext()
    return jax.set_mesh(make_mesh(sizes, jax.devices()[: math.prod(sizes.values())]))


@pytest.mark.parametrize("lengths", [(120, 96), (4096, 100)])
def test_rows_that_do_not_fill_registers_or_overfill_the_chip_are_left_to_xla(lengths, monkeypatch):
    monkeypatch.setattr(tpu_attention, "attend", None)
    model, batch = T5(dataclasses.replace(SMALL, attention="pallas")), packed(2, *lengths)
    states = jax.eval_shape(lambda: model.init_with_output(jax.random.key(0), batch)[0])
    assert states.shape == (2, lengths[1], SMALL.vocab_size)


@pytest.mark.parametrize(
    ("heads", "lengths", "dtype"),
    [(4, (512, 128), "bfloat16"), (3, (1024, 256), "bfloat16"), (4, (512, 512), "float32")],
)
def test_a_tpu_s_program_can_be_made_of_it(heads, lengths, dtype):
    """As far as that goes without libtpu: to the instructions that its compiler is handed."""
    changes = {"num_heads": heads, "dtype": dtype, "scan_layers": True}
    config = dataclasses.replace(SMALL, attention="pallas", **changes)
    batch = packed(2, *lengths)
    params = jax.eval_shape(T5(config).init, jax.random.key(0), batch)["params"]

    def loss(params):
        return jnp.sum(T5(config).apply({"params": params}, batch, method="states"))

    text = jax.jit(jax.grad(loss)).trace(params).lower(lowering_platforms=("tpu",)).as_text()
    assert text.count("@tpu_custom_call") == 6  # three attentions, forwards and backwards


@pytest.mark.parametrize("mesh", [None, {"data": 2, "fsdp": 2, "tensor": 2}])
def test_its_products_count_as_often_as_they_are_computed(mesh):
    batch = packed(4, 256, 128)
    params = jax.eval_shape(T5(SMALL).init, jax.random.key(0), batch)["params"]

    def traced(attention):
        model = T5(dataclasses.replace(SMALL, attention=attention))
        return jax.make_jaxpr(model.apply)({"params": params}, batch)

    with on_mesh(mesh):
        fused = traced("pallas")
        assert "pallas_call" in str(fused)
        assert traced_flops(fused.jaxpr) == traced_flops(traced("xla").jaxpr)


def test_it_is_refused_where_it_does_not_exist():
    with pytest.raises(InputError, match=r"pallas has no model\.dtype=float64"):
        dataclasses.replace(SMALL, attention="pallas", dtype="float64")
    with pytest.raises(InputError, match=r"model\.attention=pallas needs a TPU: use xla"):
        check_attention("pallas", "gpu")


@pytest.mark.parametrize("length", [96, 500, 2048])
def test_rows_that_it_does_not_take_are_refused(length):
    check_rows("xla", encoder=length, decoder=128)
    with pytest.raises(InputError, match=rf"not of {length}: set config\.data\.decoder_length"):
        check_rows("pallas", encoder=512, decoder=length)
