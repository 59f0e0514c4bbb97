"""What is compiled is counted, and read by the next process where a folder keeps it."""

import os
import subprocess
import sys

import jax
import jax.numpy as jnp

from cotjax.compilations import compilations

PROGRAM = """
import sys
import jax
import jax.numpy as jnp
from cotjax import compilations

compilations._KEPT_FROM = 0.0  # the program below is compiled at once
compilations.keep_compiled(sys.argv[1])
hits = []
listen = jax.monitoring.register_event_listener
listen(lambda event, **_: hits.append(event.endswith("/cache_hits")))
print(float(jax.jit(lambda x: jnp.sin(x) @ x)(jnp.arange(3.0))), sum(hits))
"""


def test_each_context_counts_what_is_compiled_while_it_lasts():
    with compilations() as outer:
        with compilations() as inner:
            pass
        jax.jit(lambda x: x + 4)(jnp.ones(3)).block_until_ready()
        with compilations() as last:
            jax.jit(lambda x: x * 5)(jnp.ones(3)).block_until_ready()
    jax.jit(lambda x: x * 6)(jnp.ones(3)).block_until_ready()
    assert inner == []
    assert len(outer) > len(last) > 0


def test_what_was_compiled_is_read_by_the_next_process(tmp_path, repository):
    environment = os.environ | {"PYTHONPATH": str(repository)}
    command = [sys.executable, "-c", PROGRAM, str(tmp_path / "kept")]
    first, second = (
        subprocess.run(
            command, env=environment, capture_output=True, text=True, check=True, timeout=120
        ).stdout.split()
        for _ in range(2)
    )
    assert first[0] == second[0]
    assert int(first[1]) == 0
    assert int(second[1]) > 0
