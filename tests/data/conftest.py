"""Tiny programs, of which most are compiled once and run once."""

import jax
import pytest


@pytest.fixture(scope="module", autouse=True)
def _quick_compilation():
    """Spares most of the time to compile them; results stay within rounding."""
    jax.config.update("jax_disable_most_optimizations", True)
    yield
    jax.config.update("jax_disable_most_optimizations", False)
