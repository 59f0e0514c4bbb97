"""The model against transformers, and against itself computed in other ways."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from transformers.models.t5.modeling_t5 import T5Attention

from cotjax.errors import InputError
from cotjax.mesh import leaf_shardings, make_mesh
from cotjax.models import hf
from cotjax.models.attention import relative_buckets
from cotjax.models.t5 import LOGICAL_AXES, PRESETS, T5, T5Config, empty_cache
from tests.models.reference import SIZES, convert, make_reference, ragged

TINY = T5Config(
    **SIZES | {"num_layers": 1, "num_decoder_layers": 2},
    gated=True,
    tied=False,
    scale_decoder_outputs=False,
)
TINY64 = dataclasses.replace(TINY, dtype="float64")


@pytest.fixture(scope="module", autouse=True)
def _quick_compilation():
    """These programs run for milliseconds: spares most of the time to compile them."""
    jax.config.update("jax_disable_most_optimizations", True)
    yield
    jax.config.update("jax_disable_most_optimizations", False)


@pytest.fixture
def float64():
    with jax.enable_x64(True):
        yield


def make_params(config: T5Config) -> dict:
    """Random parameters of a size that keeps states near 1; drawn by numpy, to compile nothing."""
    shapes = jax.eval_shape(T5(config).init, jax.random.key(0), as_batch([[2]], [[1]], [[2]]))
    rng = np.random.default_rng(0)

    def draw(path, leaf):
        scale = leaf.shape[-2] ** -0.5 if path[-1].key == "kernel" else 1
        return (rng.normal(size=leaf.shape) * scale).astype(leaf.dtype)

    return jax.tree_util.tree_map_with_path(draw, shapes["params"])


def as_batch(encoder_tokens, encoder_segments, decoder_inputs, decoder_segments=None, source=None):
    """A Batch without what only the loss needs; by default one decoder segment a row."""
    inputs = np.array(decoder_inputs)
    segments = np.ones_like(inputs) if decoder_segments is None else np.array(decoder_segments)
    return {
        "encoder_tokens": np.array(encoder_tokens),
        "encoder_segments": np.array(encoder_segments),
        "decoder_inputs": inputs,
        "decoder_segments": segments,
        "segment_source": np.ones((len(inputs), 1), int) if source is None else np.array(source),
    }


def logits_of(config: T5Config, params: dict, batch: dict) -> np.ndarray:
    return np.asarray(jax.jit(T5(config).apply)({"params": params}, batch))


def packed_batch() -> dict:
    """Two rows of ragged segments, the second with a decoder segment less."""
    encoder_tokens, _ = ragged(3, [7, 7])
    decoder_inputs, _ = ragged(4, [6, 6])
    return as_batch(
        encoder_tokens,
        [[1, 1, 1, 1, 2, 2, 2], [1, 1, 1, 2, 2, 0, 0]],
        decoder_inputs,
        [[1, 1, 2, 2, 2, 3], [1, 1, 1, 2, 0, 0]],
        [[2, 1, 1], [1, 2, 0]],
    )


# Against transformers ------------------------------------------------------------------------


@pytest.fixture(scope="module", params=[False, True], ids=["v1.0-tied", "v1.1-untied"])
def reference(request, tmp_path_factory):
    model = make_reference(gated=request.param)
    return model, *convert(model, tmp_path_factory.mktemp("reference"))


def test_encoder_states_and_logits_equal_transformers(reference):
    model, config, params = reference
    # 150 and 140 tokens: further apart than the last bucket begins.
    tokens, segments = ragged(1, [150, 3, 41])
    inputs, decoder_segments = ragged(2, [5, 140, 1])
    inputs[:, 0] = 0  # as a decoder begins; padding is known by segments alone
    with torch.no_grad():
        expected = model(
            input_ids=torch.tensor(tokens),
            attention_mask=torch.tensor(segments),
            decoder_input_ids=torch.tensor(inputs),
            decoder_attention_mask=torch.tensor(decoder_segments),
        )
    states = jax.jit(functools.partial(T5(config).apply, method=T5.encode))(
        {"params": params}, tokens, segments
    )
    logits = logits_of(config, params, as_batch(tokens, segments, inputs, decoder_segments))
    real, written = segments > 0, decoder_segments > 0
    np.testing.assert_allclose(
        states[real], expected.encoder_last_hidden_state.numpy()[real], rtol=0, atol=2e-4
    )
    np.testing.assert_allclose(logits[written], expected.logits.numpy()[written], rtol=0, atol=2e-4)
    assert config.tied == config.scale_decoder_outputs == (not config.gated)


@pytest.mark.parametrize("bidirectional", [True, False])
@pytest.mark.parametrize(("num_buckets", "max_distance"), [(32, 128), (32, 64), (16, 20)])
def test_relative_buckets_equal_transformers(bidirectional, num_buckets, max_distance):
    positions = np.arange(-3000, 3001)
    rule = {"num_buckets": num_buckets, "max_distance": max_distance}
    expected = T5Attention._relative_position_bucket(torch.tensor(positions), bidirectional, **rule)
    found = relative_buckets(positions, bidirectional=bidirectional, **rule)
    np.testing.assert_array_equal(found, expected.numpy())


@pytest.mark.slow
def test_real_weights_give_the_recorded_states_and_logits(titler_folder, shared):
    config = hf.read_config(titler_folder)
    params = hf.load_params(titler_folder, config, make_mesh({}, jax.devices()[:1]))
    fixture = np.load(shared / "fixtures" / "titler_parity.npz")
    encode = jax.jit(functools.partial(T5(config).apply, method=T5.encode))
    for number in range(2):
        tokens = fixture[f"input_ids{number}"]
        states = encode({"params": params}, tokens, np.ones_like(tokens))
        batch = as_batch(tokens, np.ones_like(tokens), fixture[f"greedy{number}"])
        logits = logits_of(config, params, batch)
        close = functools.partial(np.testing.assert_allclose, rtol=0, atol=2e-4)
        close(states, fixture[f"enc{number}"])
        close(logits[:, :4], fixture[f"logits{number}_first4"])
        close(logits.max(-1), fixture[f"logits{number}_max"])
        close(jax.nn.logsumexp(logits, -1), fixture[f"logits{number}_lse"])
        np.testing.assert_array_equal(logits.argmax(-1), fixture[f"logits{number}_argmax"])


# Packing -------------------------------------------------------------------------------------


def test_packed_rows_equal_separate_rows(float64):
    params = make_params(TINY64)
    #           a              b
    tokens = [[5, 6, 7, 8, 9, 10, 11, 12, 0, 0]]
    encoder = [[1, 1, 1, 1, 1, 2, 2, 2, 0, 0]]
    #          a's target     b's target  a's second target
    inputs = [[0, 20, 21, 22, 0, 23, 24, 0, 25, 0]]
    decoder = [[1, 1, 1, 1, 2, 2, 2, 3, 3, 0]]
    packed = as_batch(tokens, encoder, inputs, decoder, [[1, 2, 1]])
    separate = as_batch(
        [[5, 6, 7, 8, 9], [10, 11, 12, 0, 0], [5, 6, 7, 8, 9]],
        [[1, 1, 1, 1, 1], [1, 1, 1, 0, 0], [1, 1, 1, 1, 1]],
        [[0, 20, 21, 22], [0, 23, 24, 0], [0, 25, 0, 0]],
        [[1, 1, 1, 1], [1, 1, 1, 0], [1, 1, 0, 0]],
    )
    expected = logits_of(TINY64, params, separate)[separate["decoder_segments"] > 0]
    found = logits_of(TINY64, params, packed)[packed["decoder_segments"] > 0]
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-9)


def test_targets_that_share_an_encoder_segment_equal_separate_passes(float64):
    params = make_params(TINY64)
    shared = as_batch(
        [[5, 6, 7, 8]],
        [[1, 1, 1, 1]],
        [[0, 20, 21, 0, 22, 0, 23, 24, 25]],
        [[1, 1, 1, 2, 2, 3, 3, 3, 3]],
        [[1, 1, 1]],
    )
    found = logits_of(TINY64, params, shared)[0]
    for inputs, first, end in (
        ([0, 20, 21, 0], 0, 3),
        ([0, 22, 0, 0], 3, 5),
        ([0, 23, 24, 25], 5, 9),
    ):
        alone = as_batch([[5, 6, 7, 8]], [[1, 1, 1, 1]], [inputs])
        expected = logits_of(TINY64, params, alone)[0, : end - first]
        np.testing.assert_allclose(found[first:end], expected, rtol=0, atol=1e-9)


def test_empty_rows_are_finite_and_change_nothing():
    params = make_params(TINY)
    batch = packed_batch()
    empty = {name: np.concatenate([x, np.zeros_like(x)]) for name, x in batch.items()}

    @jax.jit
    def summed(params, batch):
        logits = T5(TINY).apply({"params": params}, batch)
        return jnp.sum(jnp.cos(logits) * (batch["decoder_segments"] > 0)[..., None]), logits

    def gradient(batch):
        return jax.grad(summed, has_aux=True)(params, batch)

    (expected, logits), (found, with_empty) = gradient(batch), gradient(empty)
    assert np.isfinite(with_empty).all()
    np.testing.assert_allclose(with_empty[:2], logits, rtol=0, atol=1e-5)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=0, atol=1e-4), found, expected)


# Ways to compute the same --------------------------------------------------------------------


@functools.cache
def loss_and_gradients(dropout: bool, **changes):
    model = T5(dataclasses.replace(TINY64, **changes))

    def loss(params):
        key = {"dropout": jax.random.key(7)}
        return jnp.sum(
            jnp.cos(model.apply({"params": params}, packed_batch(), not dropout, rngs=key))
        )

    return jax.jit(jax.value_and_grad(loss))(make_params(TINY64))


@pytest.mark.parametrize(
    ("dropout", "changes"),
    [
        (False, {"scan_layers": True}),
        (False, {"remat": "full"}),
        (False, {"remat": "dots"}),
        (True, {"scan_layers": True, "remat": "full"}),
    ],
    ids=str,
)
def test_scan_and_remat_give_the_same_gradients(float64, dropout, changes):
    expected = loss_and_gradients(dropout)
    found = loss_and_gradients(dropout, **changes)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=0, atol=1e-9), found, expected)


def test_remat_remembers_less():
    def remembered(remat: str) -> int:
        model = T5(dataclasses.replace(TINY, remat=remat, scan_layers=True))

        def forward(params):
            return model.apply({"params": params}, packed_batch())

        def residuals(params):
            return jax.tree.leaves(jax.vjp(forward, params)[1])

        return sum(leaf.size for leaf in jax.eval_shape(residuals, make_params(TINY)))

    assert remembered("full") < remembered("dots") < remembered("none")


@pytest.mark.parametrize(("scan_layers", "begun"), [(False, 0), (True, 0), (False, 33)])
def test_cached_decoding_equals_uncached(float64, scan_layers, begun):
    config = dataclasses.replace(TINY64, scan_layers=scan_layers)
    variables = {"params": make_params(config)}
    tokens, segments = ragged(1, [9, 4])
    inputs, _ = ragged(2, [40, 40])
    expected = logits_of(config, variables["params"], as_batch(tokens, segments, inputs))
    apply = functools.partial(T5(config).apply, variables)
    cross = apply(apply(tokens, segments, method=T5.encode), method=T5.cross_cache)
    cache = empty_cache(config, 2, 50)
    step = jax.jit(functools.partial(apply, method=T5.decode_step))
    for index in range(40):
        time = begun + index  # the cache is a ring
        seen = (time - np.arange(50)) % 50 <= index
        seen = np.tile(seen[:, None], (2, 1, 1, 1))
        logits, cache = step(inputs[:, index, None], time, cache, cross, segments, seen)
        np.testing.assert_allclose(logits[:, 0], expected[:, index], rtol=0, atol=1e-9)


def test_sharded_logits_equal_those_of_one_device():
    params = make_params(TINY)
    batch = {name: np.tile(x, (2, 1)) for name, x in packed_batch().items()}
    mesh = make_mesh({"data": 2, "fsdp": 2, "tensor": 2})
    placed = jax.device_put(params, leaf_shardings(params, mesh, LOGICAL_AXES))
    with jax.set_mesh(mesh):
        found = logits_of(TINY, placed, batch)
    np.testing.assert_allclose(found, logits_of(TINY, params, batch), rtol=0, atol=1e-5)


# Numerics and dropout ------------------------------------------------------------------------


def test_bfloat16_keeps_parameters_and_logits_in_float32():
    config = dataclasses.replace(TINY, dtype="bfloat16")
    params = make_params(config)
    found = logits_of(config, params, packed_batch())
    assert found.dtype == np.float32
    assert {leaf.dtype for leaf in jax.tree.leaves(params)} == {np.dtype("float32")}
    # 8 bits of mantissa, over five layers of states that are about 1.
    np.testing.assert_allclose(found, logits_of(TINY, params, packed_batch()), rtol=0, atol=0.1)


def test_float16_and_unknown_choices_are_refused():
    with pytest.raises(InputError, match="float16 overflows"):
        dataclasses.replace(TINY, dtype="float16")
    with pytest.raises(InputError, match="'int8' is not one of float32, bfloat16"):
        dataclasses.replace(TINY, dtype="int8")
    with pytest.raises(InputError, match=r"model\.remat: 'half' is not one of none, full, dots"):
        dataclasses.replace(TINY, remat="half")


def test_dropout_is_off_by_default_and_keyed_when_on():
    params, model = make_params(TINY), T5(dataclasses.replace(TINY, scan_layers=True))

    @jax.jit
    def dropped(seed):
        key = {"dropout": jax.random.key(seed)}
        return model.apply({"params": params}, packed_batch(), False, rngs=key)

    np.testing.assert_array_equal(dropped(1), dropped(1))
    assert np.abs(dropped(1) - dropped(2)).max() > 0.01
    assert np.abs(dropped(1) - logits_of(TINY, params, packed_batch())).max() > 0.01


# Shapes --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("t5-small", 60_506_624),
        ("t5-base", 222_903_552),
        ("t5-large", 737_668_096),
        ("t5-3b", 2_851_598_336),
        ("t5-11b", 11_307_321_344),
        ("t5-v1_1-small", 76_961_152),
        ("t5-v1_1-base", 247_577_856),
        ("t5-v1_1-large", 783_150_080),
        ("t5-v1_1-xl", 2_849_757_184),
        ("t5-v1_1-xxl", 11_135_332_352),
    ],
)
def test_presets_have_the_released_number_of_parameters(name, count):
    batch = as_batch([[2]], [[1]], [[2]])
    shapes = jax.eval_shape(T5(PRESETS[name]).init, jax.random.key(0), batch)
    assert sum(leaf.size for leaf in jax.tree.leaves(shapes)) == count


def test_flan_presets_are_those_of_v1_1():
    for size in ("small", "base", "large", "xl", "xxl"):
        assert PRESETS[f"flan-t5-{size}"] == PRESETS[f"t5-v1_1-{size}"]


@pytest.mark.parametrize("gated", [False, True])
def test_parameters_are_stacked_and_start_as_in_transformers(gated):
    config = dataclasses.replace(
        TINY, gated=gated, tied=not gated, d_model=64, d_kv=16, d_ff=96, num_layers=3
    )
    shape = as_batch([[2]], [[1]], [[2]])
    params = jax.jit(T5(config).init)(jax.random.key(0), shape)["params"]
    stddev = {"query": (64 * 16) ** -0.5, "out": 64**-0.5, "wo": 96**-0.5, "shared": 1.0}
    for path, leaf in jax.tree_util.tree_leaves_with_path(params):
        names = [key.key for key in path]
        if names[-1] == "scale":
            np.testing.assert_array_equal(leaf, np.ones_like(leaf))
        else:
            expected = stddev.get(names[-2], 64**-0.5)
            # Five standard errors of a standard deviation of this many draws.
            assert abs(np.std(leaf) / expected - 1) < 5 * (2 * leaf.size) ** -0.5, names
        if "layers" in names:
            assert len(leaf) == (2 if names[0] == "decoder" else 3)
            assert names[-1] == "scale" or not np.array_equal(leaf[0], leaf[-1])
    assert ("lm_head" in params) == gated


def test_every_parameter_has_logical_axes():
    for gated in (False, True):
        config = dataclasses.replace(TINY, gated=gated, tied=not gated)
        leaf_shardings(make_params(config), make_mesh({"fsdp": 2, "tensor": 4}), LOGICAL_AXES)
