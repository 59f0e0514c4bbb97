"""The tf.data pipeline: steps are laid out ahead, composed in the graph and prefetched."""

import dataclasses
from collections.abc import Callable, Iterator

import numpy as np
import tensorflow as tf

from cotjax.data.compose import Composer
from cotjax.data.runs import SIGNATURE, flatten
from cotjax.data.steps import Steps
from cotjax.data.work import Work

PREFETCHED_STEPS = 4

tf.config.set_visible_devices([], "GPU")  # TensorFlow would take all memory of the accelerators


def batches(
    steps: Steps,
    eos: int,
    first: int,
    last: int,
    local_rows: Callable[[int], slice] = lambda rows: slice(0, rows),
) -> Iterator[tuple[Work, dict[str, np.ndarray]]]:
    """Yields the work and the Batch of steps `first` to `last` - 1.

    Args:
      steps: What every step holds; laid out alike on every host.
      eos: Id of EOS.
      first, last: Steps of the run, from 0.
      local_rows: Maps a step's number of rows to those that this host supplies.

    Yields:
      What the whole step holds, and the host's rows of its Batch as numpy arrays.
    """

    def flat_steps() -> Iterator[dict[str, np.ndarray]]:
        for number in range(first, last):
            step = steps[number]
            work = np.array(dataclasses.astuple(Work.of(step, steps)), np.int64)
            yield flatten(step, steps, eos, local_rows(step.num_rows)) | {"work": work}

    composer = Composer(steps.config, steps.shape)
    signature = SIGNATURE | {"work": tf.TensorSpec([None], tf.int64)}
    dataset = (
        tf.data.Dataset.from_generator(flat_steps, output_signature=signature)
        .map(
            lambda flat: (flat["work"], composer(flat)),
            num_parallel_calls=tf.data.AUTOTUNE,
            deterministic=True,
        )
        .prefetch(PREFETCHED_STEPS)
    )
    for work, batch in dataset.as_numpy_iterator():
        yield Work(*map(int, work)), batch
