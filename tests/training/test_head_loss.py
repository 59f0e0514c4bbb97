"""The head's loss, chunk by chunk, against optax on all logits at once."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from cotjax.mesh import make_mesh
from cotjax.models.t5 import T5, T5Config
from cotjax.training import head_loss
from cotjax.training.head_loss import HeadLoss

ROWS, LENGTH, VOCAB = 8, 10, 32
MESHES = {"one": None, "data": {"data": 8}, "mixed": {"data": 2, "fsdp": 2, "tensor": 2}}


def config(tied: bool) -> T5Config:
    return T5Config(VOCAB, 16, 4, 8, 1, 1, 4, gated=True, tied=tied, scale_decoder_outputs=tied)


@pytest.fixture
def arguments():
    """States, targets and weights: [ROWS, LENGTH, 16] and [ROWS, LENGTH]."""
    generator = np.random.default_rng(0)
    states = generator.normal(size=(ROWS, LENGTH, 16))
    targets = generator.integers(VOCAB, size=(ROWS, LENGTH))
    weights = generator.random((ROWS, LENGTH)) * (generator.random((ROWS, LENGTH)) > 0.3)
    return tuple(map(jnp.asarray, (states.astype(np.float32), targets, weights.astype(np.float32))))


def head_of(tied: bool) -> dict:
    table = np.random.default_rng(1).normal(size=(VOCAB, 16)).astype(np.float32)
    return {"shared": {"embedding": table}} if tied else {"lm_head": {"kernel": table.T}}


@pytest.mark.parametrize("chunk", [1, 3, LENGTH], ids="chunks of {} positions".format)
@pytest.mark.parametrize("mesh", MESHES)
def test_loss_and_gradients_are_those_of_all_logits(arguments, monkeypatch, chunk, mesh):
    tied = chunk == 3
    head, model = head_of(tied), config(tied)
    smoothing, z_loss = 0.2, 0.01
    sizes = MESHES[mesh]
    devices = 1 if sizes is None else 8 if mesh == "data" else 4
    monkeypatch.setattr(head_loss, "LOGITS", chunk * VOCAB * ROWS // devices)

    def expected(head, states, targets, weights):
        logits = T5(model).apply({"params": head}, states, method="logits")
        smooth = optax.smooth_labels(jax.nn.one_hot(targets, VOCAB), smoothing)
        loss = optax.softmax_cross_entropy(logits, smooth)
        loss += z_loss * jax.nn.logsumexp(logits, axis=-1) ** 2
        nll = optax.softmax_cross_entropy_with_integer_labels(logits, targets)
        return 3 * jnp.sum(weights * loss), (nll, logits.argmax(axis=-1) == targets)

    def chunked(head, states, targets, weights):
        loss, *of_tokens = HeadLoss(model, smoothing, z_loss)(head, states, targets, weights)
        return 3 * loss, tuple(of_tokens)

    def run(function):
        return jax.jit(jax.value_and_grad(function, argnums=(0, 1), has_aux=True))(head, *arguments)

    want = run(expected)
    with jax.set_mesh(make_mesh(sizes or {"data": 1}, jax.devices()[: 8 if sizes else 1])):
        found = run(chunked)
        untrained = jax.jit(chunked)(head, *arguments)
    for one, other in ((found, want), (untrained, want[0])):
        for mine, its in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True):
            np.testing.assert_allclose(mine, its, rtol=2e-5, atol=1e-5)


def test_no_array_is_as_large_as_all_logits(arguments, monkeypatch):
    monkeypatch.setattr(head_loss, "LOGITS", 2 * VOCAB * ROWS)
    how, head = HeadLoss(config(tied=False)), head_of(tied=False)
    program = jax.jit(jax.grad(lambda *all_of: how(*all_of)[0], argnums=(0, 1)))
    compiled = program.lower(head, *arguments).compile().as_text()
    assert f"f32[{ROWS},2,{VOCAB}]" in compiled
    assert f"f32[{ROWS},{LENGTH},{VOCAB}]" not in compiled
