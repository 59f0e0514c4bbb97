"""T5's linear maps and norms."""

from typing import Any

import flax.linen as nn
import jax
from jax import Array

from cotjax.models.t5_config import T5Config


def norm(config: T5Config) -> nn.RMSNorm:
    """T5's layer norm: no mean is subtracted and no bias added."""
    return nn.RMSNorm(
        epsilon=config.layer_norm_epsilon, dtype=config.dtype, param_dtype=config.wide_dtype
    )


def dense(config: T5Config, features: int, stddev: float, out_dtype: str | None = None) -> nn.Dense:
    """A linear map without bias, initialised with Hugging Face's standard deviation.

    Its results have the dtype of the computation, or `out_dtype`.
    """

    def product(x: Array, kernel: Array, _: Any, precision: Any = None) -> Array:
        # As matrices: for the kernel's gradient, XLA's CPU compiler would otherwise compute what
        # x's gradient is made of a second time, transposed, which took a quarter of a step.
        flat = jax.lax.dot(
            x.reshape(-1, x.shape[-1]),
            kernel,
            precision=precision,
            preferred_element_type=out_dtype,
        )
        return flat.reshape(*x.shape[:-1], features)

    return nn.Dense(
        features,
        use_bias=False,
        dtype=config.dtype,
        param_dtype=config.wide_dtype,
        kernel_init=nn.initializers.normal(stddev),
        dot_general=product,
    )
