"""Which leaves of a state hold numbers that are not finite."""

from typing import Any

import jax
import jax.numpy as jnp


def poisoned_leaves(tree: Any) -> list[str]:
    """Paths `a/b/c` of the leaves with a NaN or an infinity; waits for them to be computed."""
    finite = jax.device_get(_are_finite(tree))
    return [
        jax.tree_util.keystr(path, simple=True, separator="/")
        for path, leaf_is_finite in jax.tree_util.tree_leaves_with_path(finite)
        if not leaf_is_finite
    ]


@jax.jit
def _are_finite(tree: Any) -> Any:
    return jax.tree.map(lambda leaf: jnp.isfinite(leaf).all(), tree)
