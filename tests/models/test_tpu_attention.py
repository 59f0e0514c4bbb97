"""The TPU's attention kernel, interpreted on a CPU, against JAX's own attention."""

import contextlib
import dataclasses
import functools

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
from cotjax.models.attention import segment_mask
from cotjax.models.t5 import T5
from cotjax.models.t5_config import PRESETS, check_attention
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
    """Segments of rows: two or three, then padding, of lengths that are drawn."""
    generator = np.random.default_rng(seed)
    ends = np.sort(generator.integers(1, length, (rows, 3)), axis=1)
    ids = (np.arange(length)[None, :, None] >= ends[:, None]).sum(-1) + 1
    return jnp.asarray(np.where(ids > 3, 0, ids), jnp.int32)


def draw(seed: int, *shape: int) -> jax.Array:
    return jax.random.normal(jax.random.key(seed), shape, jnp.float32)


@pytest.mark.parametrize("block_scores", [512 * 512, 128 * 256])
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
    monkeypatch.setattr(tpu_attention, "BLOCK_SCORES", block_scores)
    queries, keys = lengths
    ids = segments(2, queries, seed=0)
    mask = segment_mask(ids, ids if queries == keys else segments(2, keys, seed=1), causal)
    query = draw(0, 2, heads, queries, width) / 8
    key, value = draw(1, 2, heads, keys, width), draw(2, 2, heads, keys, width)
    bias = draw(3, 1, heads, queries, keys) if biased else None
    wanted = draw(4, 2, queries, heads, width) * (ids > 0)[..., None, None]

    def loss(ours, query, key, value, bias):
        if ours:
            means = tpu_attention.attend(query, key, value, mask.segments, bias)
        else:
            inside = (one.swapaxes(1, 2) for one in (query, key, value))
            means = jax.nn.dot_product_attention(*inside, bias, mask.allowed, scale=1.0)
        return jnp.sum(means.reshape(wanted.shape) * wanted)

    arguments = (1, 2, 3, 4) if biased else (1, 2, 3)
    with pltpu.force_tpu_interpret_mode():
        found = jax.value_and_grad(loss, argnums=arguments)(True, query, key, value, bias)
    truth = jax.value_and_grad(loss, argnums=arguments)(False, query, key, value, bias)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4), found, truth)


@pytest.mark.parametrize("mesh", [None, {"data": 2, "fsdp": 2, "tensor": 2}, {"tensor": 4}])
def test_a_student_s_gradients_are_those_with_xla(mesh, monkeypatch):
    """Of packed rows, in a loop over layers that are computed again, on one device and on more."""
    # The interpreter above imitates more of a TPU, but what it does can't be computed again.
    monkeypatch.setattr(pl, "pallas_call", functools.partial(pl.pallas_call, interpret=True))
    plain = dataclasses.replace(SMALL, scan_layers=True, remat="full", vocab_size=256)
    batch = packed(4, 128, 128)
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
    if mesh is None:
        found = gradient("pallas")
    else:
        sizes = {"data": 1, "fsdp": 1, "tensor": 1} | mesh
        count = int(np.prod(list(sizes.values())))
        with jax.set_mesh(make_mesh(sizes, jax.devices()[:count])):
            found = gradient("pallas")
    for one, other in zip(jax.tree.leaves(found), jax.tree.leaves(truth), strict=True):
        assert jnp.linalg.norm(one - other) <= 1e-4 * jnp.linalg.norm(other)


def test_rows_that_do_not_fill_registers_are_left_to_xla(monkeypatch):
    monkeypatch.setattr(tpu_attention, "attend", None)
    model, batch = T5(dataclasses.replace(SMALL, attention="pallas")), packed(2, 120, 96)
    states = jax.eval_shape(lambda: model.init_with_output(jax.random.key(0), batch)[0])
    assert states.shape == (2, 96, SMALL.vocab_size)


@pytest.mark.parametrize("dtype", ["bfloat16", "float32"])
def test_a_tpu_s_program_can_be_made_of_it(dtype):
    """As far as that goes without libtpu: to the instructions that its compiler is handed."""
    config = dataclasses.replace(SMALL, attention="pallas", dtype=dtype, scan_layers=True)
    batch = packed(2, 512, 128)
    params = jax.eval_shape(T5(config).init, jax.random.key(0), batch)["params"]

    def loss(params):
        return jnp.sum(T5(config).apply({"params": params}, batch, method="states"))

    traced = jax.jit(jax.grad(loss)).trace(params)
    assert "tpu_custom_call" in traced.lower(lowering_platforms=("tpu",)).as_text()


@pytest.mark.parametrize("mesh", [None, {"data": 2, "fsdp": 2, "tensor": 2}])
def test_its_products_count_as_often_as_they_are_computed(mesh):
    batch = packed(4, 256, 128)
    params = jax.eval_shape(T5(SMALL).init, jax.random.key(0), batch)["params"]

    def counted(attention):
        model = T5(dataclasses.replace(SMALL, attention=attention))
        return traced_flops(jax.make_jaxpr(model.apply)({"params": params}, batch).jaxpr)

    with jax.set_mesh(make_mesh(mesh)) if mesh else contextlib.nullcontext():
        assert counted("pallas") == counted("xla")


def test_it_is_refused_where_it_does_not_exist():
    with pytest.raises(InputError, match=r"pallas computes in float32, not model\.dtype=float64"):
        dataclasses.replace(SMALL, attention="pallas", dtype="float64")
    with pytest.raises(InputError, match=r"model\.attention=pallas needs a TPU: use xla"):
        check_attention("pallas", "gpu")
