"""Token losses, and what they sum to by kind of token.

The batch's `loss_weights` already hold coefficient / W, with W the sum of weights over the whole
global step. So the loss is a plain sum, and microbatches, devices and hosts only add.
"""

from collections.abc import Mapping

import jax
import jax.numpy as jnp

from cotjax.targets.segments import NUM_KINDS

Batch = Mapping[str, jax.Array]


def token_nll(
    logits: jax.Array, targets: jax.Array, *, label_smoothing: float = 0.0, z_loss: float = 0.0
) -> tuple[jax.Array, jax.Array]:
    """What to minimise at each token, and its plain negative log-likelihood in nats.

    Logits are [rows, length, vocab], targets [rows, length]; so are the two results. With label
    smoothing e the target distribution is 1 - e on the target plus e / vocab everywhere (Szegedy et
    al. 2016, arXiv:1512.00567, section 7). `z_loss` times the squared logarithm of the softmax's
    normaliser keeps the logits from drifting away from zero; 1e-4 is usual (PaLM, arXiv:2204.02311,
    section 5).
    """
    log_normaliser = jax.nn.logsumexp(logits, axis=-1)  # [rows, length]
    # A sum over a comparison instead of a gather: it stays local where the vocabulary is split
    # over devices, and its gradient needs no scatter.
    is_target = jnp.arange(logits.shape[-1]) == targets[..., None]  # [rows, length, vocab]
    nll = log_normaliser - jnp.sum(jnp.where(is_target, logits, 0), axis=-1)
    objective = nll
    if label_smoothing:
        uniform = log_normaliser - jnp.mean(logits, axis=-1)
        objective = (1 - label_smoothing) * nll + label_smoothing * uniform
    if z_loss:
        objective = objective + z_loss * jnp.square(log_normaliser)
    return objective, nll


def is_first_choice(logits: jax.Array, targets: jax.Array) -> jax.Array:
    """Whether the target [rows, length] is the argmax of its logits (the first among equals).

    Written as two plain reductions: on a CPU, XLA's argmax takes longer than the loss with its
    gradient (V = 32,128), and these next to nothing beside it.
    """
    vocab_size = logits.shape[-1]
    is_best = logits == jnp.max(logits, axis=-1, keepdims=True)
    return jnp.min(jnp.where(is_best, jnp.arange(vocab_size), vocab_size), axis=-1) == targets


def segment_sums(batch: Batch, nll: jax.Array, right: jax.Array) -> dict[str, jax.Array]:
    """Sums over the tokens of each target by kind, whatever their weights; padding counts 0.

    `nll` and `right` (whether the model's first choice is the target) are [R, T]. Returns 'nll'
    (float), 'right' and 'count' (int32), each [R, K, NUM_KINDS].
    """
    num_segments = batch["segment_source"].shape[1]
    in_segment = batch["decoder_segments"][..., None] == jnp.arange(1, num_segments + 1)
    of_kind = batch["decoder_kinds"][..., None] == jnp.arange(NUM_KINDS)
    member = in_segment[..., :, None] & of_kind[..., None, :]  # [R, T, K, NUM_KINDS]
    return {
        "nll": jnp.sum(jnp.where(member, nll[..., None, None], 0), axis=1),
        "right": jnp.sum(member & right[..., None, None], axis=1, dtype=jnp.int32),
        "count": jnp.sum(member, axis=1, dtype=jnp.int32),
    }


def kind_sums(batch: Batch, nll: jax.Array, right: jax.Array) -> dict[str, jax.Array]:
    """`segment_sums` added over rows and segments: 'nll', 'right', 'count', each [NUM_KINDS]."""
    return jax.tree.map(lambda sums: sums.sum(axis=(0, 1)), segment_sums(batch, nll, right))
