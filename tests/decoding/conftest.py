"""Fixtures of the sampler's tests."""

import jax
import pytest


@pytest.fixture(scope="module")
def quick_to_compile():
    """Spares most of the time to compile programs that run for milliseconds."""
    jax.config.update("jax_disable_most_optimizations", True)
    yield
    jax.config.update("jax_disable_most_optimizations", False)
