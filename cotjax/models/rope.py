"""Rotary position embedding (Su et al. 2021, arXiv:2104.09864) and its published scalings.

A scaling stretches the rotations so that a model reads further than it was pretrained for. Its
fields are the keys of `rope_scaling` (or `rope_parameters`) in a config.json. No JAX here.
"""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from cotjax.errors import InputError


@dataclasses.dataclass(frozen=True)
class Rope:
    """The original rotation: pair i of a head turns by theta ** (-2 i / head_dim) a position."""

    rope_theta: float

    def frequencies(self, head_dim: int) -> np.ndarray:
        """Radians a position, [head_dim / 2] float64."""
        return self.rope_theta ** (-np.arange(0, head_dim, 2) / head_dim)

    @property
    def magnitude(self) -> float:
        """What queries and keys are multiplied by when they are rotated."""
        return 1.0


@dataclasses.dataclass(frozen=True)
class LinearRope(Rope):
    """Position interpolation (Chen et al. 2023, arXiv:2306.15595)."""

    factor: float

    def frequencies(self, head_dim: int) -> np.ndarray:
        """All frequencies divided alike."""
        return super().frequencies(head_dim) / self.factor


@dataclasses.dataclass(frozen=True)
class Llama3Rope(Rope):
    """Llama 3.1's scaling: slow pairs are slowed down, fast ones kept, those between blended."""

    factor: float
    low_freq_factor: float
    high_freq_factor: float
    original_max_position_embeddings: int

    def frequencies(self, head_dim: int) -> np.ndarray:
        """Blended by how many turns a pair makes in the original context."""
        fast = super().frequencies(head_dim)
        turns = self.original_max_position_embeddings * fast / (2 * math.pi)
        kept = (turns - self.low_freq_factor) / (self.high_freq_factor - self.low_freq_factor)
        return _blend(fast, fast / self.factor, kept)


@dataclasses.dataclass(frozen=True)
class YarnRope(Rope):
    """YaRN (Peng et al. 2023, arXiv:2309.00071), with which Qwen2.5 and Qwen3 are extended."""

    factor: float
    original_max_position_embeddings: int
    beta_fast: float = 32.0
    beta_slow: float = 1.0
    truncate: bool = True
    attention_factor: float | None = None

    def frequencies(self, head_dim: int) -> np.ndarray:
        """Blended along a ramp over the pairs (section 3.2, NTK by parts)."""
        fast = super().frequencies(head_dim)
        low, high = self._pair(self.beta_fast, head_dim), self._pair(self.beta_slow, head_dim)
        if self.truncate:
            low, high = math.floor(low), math.ceil(high)
        low, high = max(low, 0), min(high, head_dim - 1)
        ramp = (np.arange(head_dim // 2) - low) / max(high - low, 0.001)
        return _blend(fast, fast / self.factor, 1 - ramp)

    def _pair(self, turns: float, head_dim: int) -> float:
        """The pair that makes so many turns in the original context."""
        wavelength = self.original_max_position_embeddings / (turns * 2 * math.pi)
        return head_dim * math.log(wavelength) / (2 * math.log(self.rope_theta))

    @property
    def magnitude(self) -> float:
        """Section 3.4: the square root of the temperature of the softmax."""
        if self.attention_factor is not None:
            return self.attention_factor
        return 0.1 * math.log(self.factor) + 1.0 if self.factor > 1 else 1.0


def _blend(fast: np.ndarray, slow: np.ndarray, kept: np.ndarray) -> np.ndarray:
    kept = np.clip(kept, 0, 1)
    return fast * kept + slow * (1 - kept)


SCALINGS = {"default": Rope, "linear": LinearRope, "llama3": Llama3Rope, "yarn": YarnRope}


def read_rope(
    parameters: Mapping[str, Any], theta: float, max_position_embeddings: int, origin: str
) -> Rope:
    """The embedding of a rope_scaling or of (a part of) rope_parameters.

    `theta` counts where they name none. An unknown scaling, a missing or an unknown key is an
    InputError.
    """
    given = {key: value for key, value in parameters.items() if value is not None}
    legacy = given.pop("type", "default")  # of files before transformers 4.45
    name = given.pop("rope_type", legacy)
    if not isinstance(name, str) or name not in SCALINGS:
        raise InputError(f"{origin}: rope scaling {name!r} is not one of {', '.join(SCALINGS)}")
    if given.get("partial_rotary_factor") == 1:  # all of a head rotates, as it always does here
        del given["partial_rotary_factor"]
    fields = {field.name: field for field in dataclasses.fields(SCALINGS[name])}
    for key, value in given.items():
        if key not in fields:
            raise InputError(f"{origin}: {key} of the rope scaling {name!r} is not supported")
        good = type(value) in (int, float) and 0 < value < math.inf
        if not (type(value) is bool if key == "truncate" else good):
            raise InputError(f"{origin}: {key} of the rope scaling is {value!r:.80}")
    defaults = {"rope_theta": theta, "original_max_position_embeddings": max_position_embeddings}
    given = {key: value for key, value in defaults.items() if key in fields} | given
    for key, field in fields.items():
        if key not in given and field.default is dataclasses.MISSING:
            raise InputError(f"{origin}: {key} of the rope scaling {name!r} is missing")
    if given["rope_theta"] <= 1:
        raise InputError(f"{origin}: rope_theta is {given['rope_theta']!r}, not above 1")
    if name == "llama3" and given["low_freq_factor"] >= given["high_freq_factor"]:
        raise InputError(f"{origin}: low_freq_factor of the rope scaling is not the lower one")
    return SCALINGS[name](**given)
