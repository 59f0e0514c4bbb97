"""What XLA's own float32 products reach: of big cubes, and of the shapes that a step has."""

import functools
import statistics
import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from benchmarks.turns import Figures, Order, answer
from cotjax.compiling.products import Product, flops

CUBE = 2048
TRIALS = 5
CUBE_PRODUCT = ((CUBE, CUBE), (CUBE, CUBE), (((1,), (0,)), ((), ())))


def measure(order: Order) -> Figures:
    """FLOP/s of the cube, and of the products that `order` lists with their counts."""
    listed = [(_tuples(product), count) for product, count in order["products"]]
    done = sum(flops(product) * count for product, count in listed)
    seconds = sum(seconds_of(product) * count for product, count in listed)
    cube = flops(CUBE_PRODUCT) / seconds_of(CUBE_PRODUCT)
    return {"cube_flops": cube, "replay_flops": done / seconds, "step_flops": done}


def seconds_of(product: Product) -> float:
    """Seconds of one product of random float32 numbers: the median of a few."""
    left, right, dimensions = product
    keys = jax.random.split(jax.random.key(0))
    sides = [jax.random.normal(key, shape) for key, shape in zip(keys, (left, right), strict=True)]
    run = _compiled(dimensions)
    run(*sides).block_until_ready()
    seconds = []
    for _ in range(TRIALS):
        start = time.perf_counter()
        run(*sides).block_until_ready()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)


@functools.cache
def _compiled(dimensions: tuple) -> Callable:
    return jax.jit(
        lambda left, right: jax.lax.dot_general(
            left, right, dimensions, preferred_element_type=jnp.float32
        )
    )


def _tuples(value: Any) -> Any:
    """Lists, as JSON has them, as tuples all the way down."""
    return tuple(map(_tuples, value)) if isinstance(value, list | tuple) else value


if __name__ == "__main__":
    answer(measure)
