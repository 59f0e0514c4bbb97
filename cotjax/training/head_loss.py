"""The loss of the decoder's final states, with the logits of a few positions at a time.

All logits of a step, [rows, T, 32128], and what their gradient needs would be most of its memory.
So the head's gradients are made while its loss is, chunk by chunk: nothing is computed twice, and
nothing is kept but the gradients (as in Liger Kernel, Hsu et al. 2024, arXiv:2410.10989).
"""

import dataclasses
import functools
import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.sharding import PartitionSpec as P

from cotjax.mesh import BATCH_AXES
from cotjax.models.t5 import T5, T5Config
from cotjax.training.losses import is_first_choice, token_nll

LOGITS = 2**25  # of a device at once: 128 MiB in float32


@dataclasses.dataclass(frozen=True)
class HeadLoss:
    """What is computed of final states; see `token_nll` for smoothing and z-loss."""

    config: T5Config
    label_smoothing: float = 0.0
    z_loss: float = 0.0

    def __call__(
        self, params: Any, states: jax.Array, targets: jax.Array, weights: jax.Array
    ) -> tuple[jax.Array, jax.Array, jax.Array]:
        """The sum of weighted objectives; and of each token, its loss and whether it is the argmax.

        Args:
          params: Of the whole model.
          states: [rows, T, d_model], before the head.
          targets, weights: [rows, T]

        Returns:
          A number, [rows, T] in nats, and bool [rows, T]. The number alone has a gradient.
        """
        name = "shared" if self.config.tied else "lm_head"
        return _loss(self, {name: params[name]}, states, targets, weights)

    def of_chunk(self, head: Any, states: jax.Array, targets: jax.Array, weights: jax.Array):
        """The same of some positions, all of their logits at once: number, (loss, argmax)."""
        logits = T5(self.config).apply({"params": head}, states, method="logits")
        smooth = {"label_smoothing": self.label_smoothing, "z_loss": self.z_loss}
        objective, nll = token_nll(logits, targets, **smooth)
        return jnp.sum(weights * objective), (nll, is_first_choice(logits, targets))


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def _loss(how: HeadLoss, head: Any, states: jax.Array, targets: jax.Array, weights: jax.Array):
    loss, (nll, right), _ = _on_devices(_summed)(how, head, states, targets, weights)
    return loss, nll, right


def _forward(how: HeadLoss, *arguments: Any):
    loss, (nll, right), gradients = _on_devices(_with_gradients)(how, *arguments)
    return (loss, nll, right), gradients


def _backward(how: HeadLoss, gradients: tuple[Any, jax.Array], cotangents: tuple):
    head, states = jax.tree.map(lambda leaf: leaf * cotangents[0].astype(leaf.dtype), gradients)
    return head, states, None, None


_loss.defvjp(_forward, _backward)


def _summed(how: HeadLoss, head: Any, *by_position: jax.Array):
    """Loss, (nll, right) of a device's rows; no gradients."""

    def add(total, chunk):
        loss, of_tokens = how.of_chunk(head, *chunk)
        return total + loss, of_tokens

    loss, of_tokens = _scan(how, add, jnp.zeros([], by_position[-1].dtype), by_position)
    return loss, of_tokens, ()


def _with_gradients(how: HeadLoss, head: Any, *by_position: jax.Array):
    """Loss, (nll, right), and the gradients of head and states, of a device's rows."""

    def add(total, chunk):
        states, *rest = chunk
        of_states = functools.partial(_of_states, how, rest)
        loss, back, of_tokens = jax.vjp(of_states, head, states, has_aux=True)
        of_head, of_states = back(jnp.ones_like(loss))
        return jax.tree.map(jnp.add, total, (loss, of_head)), (*of_tokens, of_states)

    states = by_position[0]
    loss, _ = jax.eval_shape(how.of_chunk, head, *by_position)
    zeros = jax.tree.map(jnp.zeros_like, (loss, head))
    (loss, of_head), (*of_tokens, of_states) = _scan(how, add, zeros, by_position)
    return loss, tuple(of_tokens), (of_head, of_states.astype(states.dtype))


def _of_states(how: HeadLoss, rest: list[jax.Array], head: Any, states: jax.Array):
    return how.of_chunk(head, states, *rest)


def _scan(how: HeadLoss, add: Callable, start: Any, by_position: tuple[jax.Array, ...]):
    """Scans arrays [rows, T, ...] a few positions at a time; stacks what comes out as [rows, T]."""
    rows, length = by_position[-1].shape
    count = min(length, math.ceil(rows * length * how.config.vocab_size / LOGITS))
    size = math.ceil(length / count)
    count = math.ceil(length / size)

    def split(leaf: jax.Array) -> jax.Array:
        padding = [(0, 0), (0, count * size - length)] + [(0, 0)] * (leaf.ndim - 2)
        padded = jnp.pad(leaf, padding)
        return jnp.moveaxis(padded.reshape(rows, count, size, *leaf.shape[2:]), 1, 0)

    def join(leaf: jax.Array) -> jax.Array:
        moved = jnp.moveaxis(leaf, 0, 1)
        return moved.reshape(rows, count * size, *leaf.shape[3:])[:, :length]

    if count == 1:
        return add(start, by_position)
    total, out = jax.lax.scan(add, start, tuple(map(split, by_position)))
    return total, jax.tree.map(join, out)


def _on_devices(function: Callable) -> Callable:
    """The same of the rows of every device by itself, so that sums go over devices once.

    Left to the compiler, the gradient of the head would be added up over devices in each chunk.
    """
    mesh = jax.sharding.get_abstract_mesh()
    if mesh.empty or all(mesh.shape[axis] == 1 for axis in BATCH_AXES):
        return function

    def summed(how: HeadLoss, *arguments: Any):
        def of_device(*mine: Any):
            loss, of_tokens, gradients = function(how, *mine)
            loss = jax.lax.psum(loss, BATCH_AXES)
            if gradients:
                gradients = (jax.lax.psum(gradients[0], BATCH_AXES), gradients[1])
            return loss, of_tokens, gradients

        rows = P(BATCH_AXES)
        gradients = (P(), rows) if function is _with_gradients else ()
        return jax.shard_map(
            of_device,
            in_specs=(P(), rows, rows, rows),
            out_specs=(P(), (rows, rows), gradients),
            axis_names=set(BATCH_AXES),
            check_vma=False,
        )(*arguments)

    return summed
