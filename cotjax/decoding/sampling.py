"""How the next token is chosen from a model's logits: pure functions of logits and random keys.

A method chooses tokens; limits say which tokens it may not choose, or not so easily. The
log-probability of a token is always the plain model's, at temperature 1 and without any filter,
limit or contrast: so the sum over a text is what a forward pass over that text gives, and samples
that were drawn differently can be compared.

Nothing here sorts the vocabulary or takes its argmax, both slow in XLA on CPUs: filters are
thresholds, and a draw chooses a block of tokens before a token.
"""

import abc
import dataclasses
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from cotjax.config_checks import nearest
from cotjax.decoding.limits import Limits, require
from cotjax.errors import InputError
from cotjax.targets.keys import stable_hash

INFINITE = 0x7F800000  # the bits of float32's infinity
BLOCK = 256  # tokens; about the square root of a vocabulary's size


class Sampled(NamedTuple):
    """The chosen tokens [..] int32 and their log-probabilities [..] under the plain model, nats."""

    tokens: Array
    logprobs: Array


class Contrast(NamedTuple):
    """What a method of two contexts needs of the second one.

    Attributes:
      logits: [.., V], there.
      closing: bool [V], tokens that end a text by themselves: end tokens, and those that hold a
        whole stop string.
    """

    logits: Array
    closing: Array


@dataclasses.dataclass(frozen=True)
class Method(abc.ABC):
    """A rule that chooses the next token.

    Attributes:
      contexts: How many prompts the model reads to choose one token.
      is_random: Whether keys matter. Else all samples of a question are the same.
    """

    contexts: ClassVar[int] = 1
    is_random: ClassVar[bool] = False

    @abc.abstractmethod
    def choose(self, logits: Array, keys: Array, contrast: Contrast | None = None) -> Array:
        """Chooses from logits [.., V] with one key each [..]; returns tokens [..] int32.

        `contrast` is of the second context, where the method has one.
        A token whose logit is -inf is never chosen.
        """


@dataclasses.dataclass(frozen=True)
class Greedy(Method):
    """The likeliest token, the first among equals."""

    def choose(self, logits: Array, keys: Array, contrast: Contrast | None = None) -> Array:
        """See `Method.choose`."""
        return first_choice(logits)


@dataclasses.dataclass(frozen=True)
class Temperature(Method):
    """A draw from the softmax of logits / temperature, among the tokens that pass all filters.

    The filters apply after the temperature, each to what the one before it left, in the order of
    transformers' `generate`; a token that ties with the last one that stays stays too.

    Attributes:
      temperature: Above 0; Greedy is what it tends to near 0.
      top_k: Keep the k likeliest tokens; 0 keeps all (Fan et al., 2018, arXiv:1805.04833).
      top_p: Keep the fewest likeliest tokens whose probabilities add up to p or more; 1 keeps all
        (nucleus sampling: Holtzman et al., 2020, arXiv:1904.09751).
      min_p: Keep tokens with at least this share of the likeliest one's probability; 0 keeps all
        (Nguyen et al., 2025, arXiv:2407.01082).
    """

    is_random: ClassVar[bool] = True

    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    min_p: float = 0.0

    def __post_init__(self):
        require(self.temperature > 0, self, "temperature", "must be above 0; or use greedy")
        require(self.top_k >= 0, self, "top_k", "must be 0 (keep all) or more")
        require(0 < self.top_p <= 1, self, "top_p", "must be above 0 and at most 1 (keep all)")
        require(0 <= self.min_p <= 1, self, "min_p", "must lie between 0 (keep all) and 1")

    def choose(self, logits: Array, keys: Array, contrast: Contrast | None = None) -> Array:
        """See `Method.choose`."""
        return _draw(self.filtered(logits), keys)

    def filtered(self, logits: Array) -> Array:
        """Logits [.., V] over the temperature, -inf where a filter drops the token; float32."""
        logits = logits.astype(jnp.float32)
        # The maximum goes first: a tiny temperature then makes no infinity of it.
        scaled = (logits - jnp.max(logits, axis=-1, keepdims=True)) / self.temperature
        # Every filter keeps what is at least as likely as some token, so the strictest one decides.
        lowest = jnp.full((*scaled.shape[:-1], 1), -jnp.inf)
        if 0 < self.top_k < scaled.shape[-1]:
            likeliest = jax.lax.top_k(scaled, self.top_k)[0]  # [.., k], falling
            # Their last one, as a minimum: XLA would make a whole sort of a slice of top_k.
            lowest = jnp.min(likeliest, axis=-1, keepdims=True)
            if self.top_p < 1:
                lowest = _last_of_nucleus(likeliest, self.top_p)
        elif self.top_p < 1:
            lowest = _nucleus_threshold(scaled, self.top_p)
        if self.min_p > 0:
            lowest = jnp.maximum(lowest, float(np.log(self.min_p)))
        return jnp.where(scaled >= lowest, scaled, -jnp.inf)


@dataclasses.dataclass(frozen=True)
class Contrastive(Method):
    """SCOTT's decoding: what the gold label makes likelier than a wrong one does.

    Chooses argmax over t of log p(t | x, y, r) - beta * log p(t | x, y', r), where y is the label
    in the first context and y' the one in the second; both are continued with the same token
    (Wang et al., 2023, arXiv:2305.01879, section 3.2). With beta 0 it is Greedy. As in the paper's
    code a text also ends where the first context alone would end it: what is said after that is
    there only because the second context would not say it. That code's temperature divides the
    first context's logits alone; at one of T, beta counts T times as much.

    Attributes:
      beta: How much the second context counts; 0.5 in the paper's code.
    """

    contexts: ClassVar[int] = 2

    beta: float = 0.5

    def __post_init__(self):
        require(self.beta >= 0, self, "beta", "must be 0 (greedy) or more")

    def choose(self, logits: Array, keys: Array, contrast: Contrast | None = None) -> Array:
        """See `Method.choose`."""
        plain = first_choice(logits)
        if self.beta == 0:
            return plain
        # The normalisers are the same for every token: the argmax needs no log-softmax.
        scores = logits - self.beta * contrast.logits
        chosen = first_choice(jnp.where(jnp.isneginf(logits), -jnp.inf, scores))
        return jnp.where(contrast.closing[plain], plain, chosen)


METHODS: dict[str, type[Method]] = {
    "greedy": Greedy,
    "temperature": Temperature,
    "contrastive": Contrastive,
}


def get_method(name: str, **options: Any) -> Method:
    """Makes a method by the name that configs use; raises InputError for what it hasn't."""
    if name not in METHODS:
        hint = nearest(name, METHODS) or f"; known: {', '.join(METHODS)}"
        raise InputError(f"config.sampling.method={name!r} is no method{hint}")
    known = [field.name for field in dataclasses.fields(METHODS[name])]
    for option in options:
        if option not in known:
            hint = nearest(option, known) or f"; it has {', '.join(known) or 'none'}"
            raise InputError(f"config.sampling.{option}: method {name} has no such option{hint}")
    return METHODS[name](**options)


def sample(
    method: Method,
    limits: Limits,
    logits: Array,
    keys: Array,
    history: Array,
    lengths: Array,
    *,
    ends: tuple[int, ...],
    contrast: Contrast | None = None,
) -> Sampled:
    """Chooses one token a row within the limits, and tells the plain model's log-probability of it.

    `logits` [.., V], `keys` [..] (see `keys_at`); for the rest see `Limits.apply`.
    Where the limits forbid every token, they forbid none.
    """
    allowed = limits.apply(logits, history, lengths, ends)
    stuck = jnp.all(jnp.isneginf(allowed), axis=-1, keepdims=True)
    tokens = method.choose(jnp.where(stuck, logits, allowed), keys, contrast)
    return Sampled(tokens, token_logprobs(logits, tokens))


def sample_key(seed: int, question_id: str, sample: int) -> np.ndarray:
    """Key of one sample, uint32 [2]: it depends on nothing else, so neither does the text."""
    key = stable_hash(f"{seed}\n{sample}\n{question_id}")
    return np.array([key >> 32, key & 0xFFFFFFFF], np.uint32)


def keys_at(sample_keys: Array, positions: Array) -> Array:
    """Keys [..] for the tokens at `positions` [..] (from 0) of samples with keys [.., 2] uint32."""
    # The generator is named: a machine that is set to use another draws the same texts.
    keys = jax.random.wrap_key_data(sample_keys, impl="threefry2x32")
    folded = jax.vmap(jax.random.fold_in)(keys.reshape(-1), positions.reshape(-1))
    return folded.reshape(positions.shape)


def token_logprobs(logits: Array, tokens: Array) -> Array:
    """Log-softmax of logits [.., V] at tokens [..]."""
    chosen = jnp.take_along_axis(logits, tokens[..., None], axis=-1)[..., 0]
    return chosen - jax.nn.logsumexp(logits, axis=-1)


def first_choice(logits: Array) -> Array:
    """Argmax of logits [.., V] over the last axis, the first among equals, int32 [..].

    Two plain reductions: XLA's argmax on a CPU takes five times as long.
    """
    size = logits.shape[-1]
    is_best = logits == jnp.max(logits, axis=-1, keepdims=True)
    best = jnp.min(jnp.where(is_best, jnp.arange(size, dtype=jnp.int32), size), axis=-1)
    return jnp.minimum(best, size - 1)  # logits that are NaN have no best


def _draw(logits: Array, keys: Array) -> Array:
    """Draws from the softmax of logits [.., V]: a block of tokens first, and then a token of it.

    Both by the Gumbel-max trick (Maddison et al., 2014, arXiv:1411.0030), which hardly ever chooses
    another token where numbers are rounded otherwise, beside other samples or on other devices. A
    random point on the cumulative distribution would: there is a border at every token. In two
    steps it takes a small part of the random numbers that one step would.
    """
    padding = [(0, 0)] * (logits.ndim - 1) + [(0, -logits.shape[-1] % BLOCK)]
    blocks = jnp.pad(logits, padding, constant_values=-jnp.inf).reshape(*keys.shape, -1, BLOCK)
    of_block, of_token = (
        keys_.reshape(keys.shape) for keys_ in jax.vmap(jax.random.split)(keys.reshape(-1)).T
    )
    block = _draw_one(jnp.log(jnp.sum(jnp.exp(blocks), axis=-1)), of_block)  # [..]
    members = jnp.take_along_axis(blocks, block[..., None, None], axis=-2)[..., 0, :]
    return block * BLOCK + _draw_one(members, of_token)


def _draw_one(logits: Array, keys: Array) -> Array:
    """Draws from the softmax of logits [.., n] with a random number each."""
    draw = jax.vmap(lambda key: jax.random.gumbel(key, logits.shape[-1:], logits.dtype))
    return first_choice(logits + draw(keys.reshape(-1)).reshape(logits.shape))


def _last_of_nucleus(falling: Array, top_p: float) -> Array:
    """The least of the logits [.., k], in falling order, that top-p keeps among them; [.., 1]."""
    weights = jnp.exp(falling)
    above = jnp.cumsum(weights, axis=-1) - weights
    keeps = above < top_p * jnp.sum(weights, axis=-1, keepdims=True)
    return jnp.min(jnp.where(keeps, falling, jnp.inf), axis=-1, keepdims=True)


def _nucleus_threshold(logits: Array, top_p: float) -> Array:
    """The largest number such that top-p's mass or more lies at logits from it on; [.., 1].

    Bisects the bits of the threshold, from the highest down: 32 sums take a tenth of the time
    of a sort. `logits` are float32 and at most 0; more negative ones have greater bits.
    """
    weights = jnp.exp(logits)
    wanted = top_p * jnp.sum(weights, axis=-1, keepdims=True)
    depths = jax.lax.bitcast_convert_type(-logits + 0.0, jnp.int32)  # + 0.0: no negative zero

    def enough(depth: Array) -> Array:
        mass = jnp.sum(jnp.where(depths <= depth, weights, 0), axis=-1, keepdims=True)
        return mass >= wanted

    def halve(step: int, depth: Array) -> Array:
        """Sets a bit where all depths without it hold too little."""
        bit = jnp.int32(1) << (30 - step)
        return jnp.where(enough(depth + bit - 1), depth, depth + bit)

    depth = jax.lax.fori_loop(0, 31, halve, jnp.zeros(wanted.shape, jnp.int32))
    depth = jnp.minimum(depth, INFINITE)  # where rounding leaves even the whole too little
    return -jax.lax.bitcast_convert_type(depth, jnp.float32)
