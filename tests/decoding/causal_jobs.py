"""Samples of tiny random decoders, and what a plain forward pass says of them."""

import functools
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh

from cotjax.decoding.causal_reader import CausalReader
from cotjax.decoding.engine import Rules, Sizes
from cotjax.decoding.limits import Limits
from cotjax.decoding.memory import with_slots
from cotjax.decoding.sampling import Method, Temperature
from cotjax.decoding.scheduler import Prompt, Sample, Scheduler
from cotjax.models import causal
from tests.decoding.scripted import Letters
from tests.models.causal_reference import SIZES, load, one_device

ENDS = (SIZES["eos_token_id"], 60, 61, 62)
PREFIX = tuple(range(20, 31))
TOKENS = 12  # of a sample at most
LENGTHS = (1, 3, 17, 6, 4, 9)  # of the prompts behind the prefix


def prompts(samples: int = 3, contexts: int = 1, lengths: Sequence[int] = LENGTHS) -> list[Prompt]:
    """Prompts of random tokens, whatever else is asked."""
    made = []
    for number, length in enumerate(lengths):
        generator = np.random.default_rng(number)
        tokens = generator.integers(3, SIZES["vocab_size"], (contexts, length)).tolist()
        made.append(Prompt(f"q{number}", tuple(map(tuple, tokens)), tuple(range(samples))))
    return made


def run(
    folder: Any,
    asked: Sequence[Prompt],
    *,
    method: Method | None = None,
    limits: Limits | None = None,
    slots: int = 8,
    mesh: Mesh | None = None,
    prefix: tuple[int, ...] = PREFIX,
    steps: int = 5,
    seed: int = 0,
    **choices: Any,
) -> dict[tuple[str, int], Sample]:
    """All samples by the prompt's id and their number."""
    mesh, method = mesh or one_device(), method or Temperature(0.9)
    config, params = load(folder, mesh, **choices)
    sizes = Sizes(
        slots=0,
        contexts=method.contexts,
        entries=0,
        prefix=len(prefix),
        question=max(LENGTHS),
        tokens=TOKENS,
    )
    sizes = with_slots(sizes, slots, samples=3)
    rules = Rules(method, limits or Limits(), ENDS, steps, patience=2)
    reader = CausalReader(config)
    job = Scheduler(reader, params, Letters(), rules, sizes, mesh, seed=seed, prefix=prefix)
    found = list(job.run(asked))
    by_name = {(one.id, one.number): one for one in found}
    assert len(by_name) == len(found), "no sample may come twice"
    return by_name


def texts(found: dict[tuple[str, int], Sample]) -> dict[tuple[str, int], tuple[int, ...]]:
    """The tokens of all samples."""
    return {name: one.tokens for name, one in found.items()}


def rescore(
    folder: Any, contexts: Sequence[Sequence[int]], samples: Sequence[Sequence[int]]
) -> list[np.ndarray]:
    """Log-probabilities [tokens, vocab] at every token of samples behind their contexts."""
    config, params = load(folder)
    width = max(len(c) + len(s) for c, s in zip(contexts, samples, strict=True))
    tokens = np.zeros((len(samples), width), np.int32)
    segments = np.zeros_like(tokens)
    for row, (context, sample) in enumerate(zip(contexts, samples, strict=True)):
        whole = [*context, *sample]
        tokens[row, : len(whole)], segments[row, : len(whole)] = whole, 1
    logits = _forward(config, params, tokens, segments)
    logprobs = np.asarray(jax.nn.log_softmax(jnp.asarray(logits)))
    return [
        logprobs[row, len(context) - 1 : len(context) + len(sample) - 1]
        for row, (context, sample) in enumerate(zip(contexts, samples, strict=True))
    ]


_forward = functools.partial(jax.jit, static_argnums=0)(causal.forward)
