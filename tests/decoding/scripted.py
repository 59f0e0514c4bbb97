"""A teacher that writes what its prompt says, and a tokenizer whose tokens are letters."""

import dataclasses
from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp

from cotjax.decoding.engine import Rules, Sizes
from cotjax.decoding.limits import Limits
from cotjax.decoding.sampling import Greedy
from cotjax.decoding.scheduler import Prompt, Scheduler
from cotjax.mesh import make_mesh

LETTERS = "." + "abcdefghijklmnopqrstuvwxyz |"
END = 0  # the full stop
VOCABULARY = 96


class Letters:
    """A tokenizer: token n is the n-th letter, and those beyond are other characters."""

    def __len__(self) -> int:
        return VOCABULARY

    def encode(self, text: str, add_special_tokens: bool = False) -> list[int]:
        return [LETTERS.index(letter) for letter in text]

    def decode(self, tokens: Sequence[int], skip_special_tokens: bool = False) -> str:
        return "".join(LETTERS[n] if n < len(LETTERS) else chr(0x4E00 + n) for n in tokens)

    def batch_decode(self, rows: Sequence[Sequence[int]]) -> list[str]:
        return [self.decode(row) for row in rows]


class Script(NamedTuple):
    """Prompts [entries, question], their lengths [entries], and tokens of the prefix."""

    prompts: jax.Array
    lengths: jax.Array
    prefix: jax.Array


@dataclasses.dataclass(frozen=True)
class ScriptedReader:
    """Writes the tokens of the prompt but for the last, and then the end token."""

    logical_axes = ((r"^cache", (None, None)),)

    def empty(self, sizes: Sizes) -> Script:
        return Script(
            jnp.zeros((sizes.entries, sizes.question), jnp.int32),
            jnp.zeros(sizes.entries, jnp.int32),
            jnp.zeros(sizes.prefix, jnp.int32),
        )

    def read_prefix(self, params, cache, tokens):
        return cache._replace(prefix=tokens)

    def read_prompts(self, params, cache, tokens, lengths, at):
        prompts = cache.prompts.at[at, : tokens.shape[1]].set(tokens)
        return cache._replace(prompts=prompts, lengths=cache.lengths.at[at].set(lengths))

    def read_token(self, params, cache, token, fed, entry):
        script = cache.prompts[entry, jnp.minimum(fed, cache.prompts.shape[1] - 1)]
        wanted = jnp.where(fed < cache.lengths[entry], script, END)
        return 9.0 * jax.nn.one_hot(wanted, VOCABULARY), cache


def prompt(text: str, samples: int = 1, name: str | None = None) -> Prompt:
    """Asks for a text."""
    return Prompt(name or text, ((*Letters().encode(text), 1),), tuple(range(samples)))


def scheduler(
    slots: int,
    *,
    tokens: int = 16,
    steps: int = 32,
    patience: int = 1,
    entries: int | None = None,
    stops: tuple[str, ...] = (),
) -> Scheduler:
    """Of scripted samples."""
    sizes = Sizes(
        slots=slots, contexts=1, entries=entries or slots, prefix=2, question=40, tokens=tokens
    )
    rules = Rules(Greedy(), Limits(), (END,), steps, patience)
    mesh = make_mesh({}, jax.devices()[:1])
    return Scheduler(
        ScriptedReader(), {}, Letters(), rules, sizes, mesh, seed=0, prefix=(1, 1), stops=stops
    )
