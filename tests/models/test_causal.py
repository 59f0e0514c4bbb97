"""The decoder against transformers with torch, on one device and on eight."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cotjax.mesh import make_mesh
from cotjax.models import causal
from cotjax.models.causal_config import LayerKind
from cotjax.models.rope import Rope
from tests.models.causal_reference import MODELS, left_padded, load, make_reference

torch.set_num_threads(1)  # on a busy machine torch's threads wait for one another

seeds = st.integers(0, 2**32 - 1)
forward = jax.jit(causal.forward, static_argnums=0)


@pytest.fixture(scope="session")
def references(tmp_path_factory):
    """A function that makes each of MODELS once."""
    folder = tmp_path_factory.mktemp("decoders")
    return functools.cache(lambda name: make_reference(name, folder / name))


@pytest.fixture
def batch():
    """Three texts of unequal length, left-padded."""
    return left_padded([23, 1, 14])


class TestAgainstTransformers:
    """The same numbers as the PyTorch models."""

    @pytest.mark.parametrize("name", MODELS)
    def test_logits(self, references, batch, name):
        reference = references(name)
        tokens, segments = batch
        found = forward(*load(reference.folder), tokens, segments)
        expected = reference.logits(tokens, segments)
        assert found.dtype == jnp.float32
        assert expected[segments > 0].std() > 1, "logits so alike would hide mistakes"
        difference = np.abs(found - expected)[segments > 0]
        assert difference.max() < 2e-4

    @pytest.mark.parametrize(
        ("name", "change"),
        [
            ("llama 3", {"layers": (LayerKind(None, Rope(500.0)),) * 3}),
            ("mistral", {"layers": (LayerKind(None, Rope(1e4)),) * 3}),
            ("mistral", {"layers": (LayerKind(5, Rope(1e4)),) * 3}),
            ("qwen2", {"layers": (LayerKind(4, Rope(1e4)),) * 3}),
            ("qwen3", {"qk_norm": False}),
            ("gemma2", {"attention_soft_cap": None}),
            ("gemma2", {"query_scale": 0.25}),
            ("gemma3", {"layers": (LayerKind(5, Rope(50.0)),) * 4}),
        ],
    )
    def test_every_choice_counts(self, references, batch, name, change):
        """The comparison above would see each of these mistakes."""
        config, params = load(references(name).folder)
        right = forward(config, params, *batch)
        wrong = forward(dataclasses.replace(config, **change), params, *batch)
        assert np.abs(right - wrong)[batch[1] > 0].max() > 1e-2


class TestSegments:
    """Texts in a row don't see each other, wherever they stand."""

    def test_positions_count_the_tokens_of_a_segment(self, references):
        config, params = load(references("gemma3").folder)
        tokens = np.array([[5, 6, 7, 8, 9, 10, 11, 12, 13, 14]], np.int32)
        packed = np.array([[1, 1, 1, 2, 2, 2, 2, 2, 2, 2]], np.int32)
        holes = np.array([[5, 0, 6, 0, 0, 7, 0, 0]], np.int32)
        alone = forward(config, params, tokens[:, :3], packed[:, :3])
        second = forward(config, params, tokens[:, 3:], np.ones((1, 7), np.int32))
        together = forward(config, params, tokens, packed)
        spread = forward(config, params, holes, np.sign(holes))
        np.testing.assert_allclose(together[:, :3], alone, atol=1e-5)
        np.testing.assert_allclose(together[:, 3:], second, atol=1e-5)
        np.testing.assert_allclose(spread[:, [0, 2, 5]], alone, atol=1e-5)

    def test_nothing_but_padding_is_no_nan(self, references):
        zeros = np.zeros((1, 4), np.int32)
        assert np.isfinite(forward(*load(references("llama").folder), zeros, zeros)).all()


@settings(max_examples=30, deadline=None)
@given(first=st.integers(0, 500), second=st.integers(0, 500), shift=st.integers(0, 500), seed=seeds)
def test_rotated_products_depend_on_the_distance_alone(first, second, shift, seed):
    frequencies = Rope(1e4).frequencies(16).astype(np.float32)
    flags = causal.LayerFlags(causal.NO_WINDOW, frequencies, np.float32(1.5))
    query, key = np.random.default_rng(seed).normal(size=(2, 1, 16)).astype(np.float32)

    def product(query_position, key_position):
        turned = (
            causal.rotate(x, jnp.asarray(position), flags)
            for x, position in ((query, query_position), (key, key_position))
        )
        return float(jnp.vdot(*turned))

    moved = product(first + shift, second + shift)
    assert moved == pytest.approx(product(first, second), abs=2e-3)
    assert product(first, first) == pytest.approx(1.5**2 * float(np.vdot(query, key)), abs=2e-3)


class TestLayers:
    """The layers as a sampler runs them."""

    @pytest.mark.parametrize("name", ["llama", "gemma3"])
    @pytest.mark.parametrize("scan_layers", [True, False])
    def test_one_token_at_a_time(self, references, name, scan_layers):
        """Slots of tokens over a cache of keys and values give the logits of whole texts."""
        config, params = load(references(name).folder, scan_layers=scan_layers)
        tokens, segments = left_padded([9, 9], seed=1)
        expected = forward(config, params, tokens, segments)

        def attend(query, key, value, window, cache, index):
            positions = jnp.arange(tokens.shape[1])
            here = (positions == index)[None, :, None, None]
            keys, values = (
                jnp.where(here, new[:, None], old)
                for new, old in zip((key, value), cache, strict=True)
            )
            visible = (positions <= index) & (index - positions < window)
            found = causal.attention(
                config, query[:, None], keys, values, visible[None, None].repeat(2, 0)
            )
            return found[:, 0], (keys, values)

        @jax.jit
        def step(token, index, caches):
            x = causal.embed(config, params, token)
            x, caches = causal.decoder_layers(
                config,
                params,
                x,
                jnp.full(2, index),
                functools.partial(attend, index=index),
                caches,
            )
            return causal.head(config, params, x), caches

        shape = (2, 9, config.num_key_value_heads, config.head_dim)
        caches = [(jnp.zeros(shape), jnp.zeros(shape))] * len(config.layers)
        if scan_layers:
            caches = jax.tree.map(lambda *layers: jnp.stack(layers), *caches)
        for index in range(9):
            logits, caches = step(tokens[:, index], index, caches)
            np.testing.assert_allclose(logits, expected[:, index], atol=2e-5)

    def test_half_precision(self, references, batch):
        reference = references("qwen3")
        config, params = load(reference.folder, dtype="bfloat16")
        assert {leaf.dtype for leaf in jax.tree.leaves(params)} == {jnp.dtype("bfloat16")}
        logits = forward(config, params, *batch)
        assert logits.dtype == jnp.float32
        difference = np.abs(logits - reference.logits(*batch))[batch[1] > 0]
        assert 1e-3 < difference.mean() < 0.1


class TestMeshes:
    """Eight devices give what one gives."""

    @pytest.mark.parametrize("name", ["mistral", "gemma2"])
    @pytest.mark.parametrize("sizes", [{"data": 4, "tensor": 2}, {"data": 2, "tensor": 4}])
    @pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-5), ("float64", 1e-9)])
    def test_the_same_logits(self, references, name, sizes, dtype, tolerance):
        folder = references(name).folder
        tokens, segments = left_padded([12, 3, 7, 12], seed=2)
        with jax.enable_x64(dtype == "float64"):
            one = forward(*load(folder, dtype=dtype), tokens, segments)
            mesh = make_mesh(sizes)
            with jax.set_mesh(mesh):
                eight = forward(*load(folder, mesh, dtype=dtype), tokens, segments)
            assert one.dtype == eight.dtype == dtype
            np.testing.assert_allclose(eight, one, rtol=0, atol=tolerance)
