"""The tf.data pipeline: steps are laid out ahead, composed in the graph and prefetched."""

import dataclasses
from collections.abc import Callable, Iterator

import numpy as np
import tensorflow as tf

from cotjax.data.compose import Composer
from cotjax.data.runs import SIGNATURE, flatten
from cotjax.data.steps import Steps
from cotjax.data.together import apart, join
from cotjax.data.work import Work

TARGETS = 512  # of steps that are laid out and composed at once, or those of a single one
PREFETCHED = 2  # times as many

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
      What the whole step holds, and the host's rows of its Batch as numpy arrays: views of those of
      all steps that were composed with it.
    """
    together = max(1, TARGETS // steps.config.batch_size)

    def flat_steps() -> Iterator[dict[str, np.ndarray]]:
        for begin in range(first, last, together):
            some = [steps[number] for number in range(begin, min(begin + together, last))]
            rows = [local_rows(step.num_rows) for step in some]
            joined = join(some, rows, steps.shape.decoder_rows)
            yield flatten(joined, steps, eos) | {
                "work": np.array([dataclasses.astuple(Work.of(step, steps)) for step in some]),
                "rows": np.array([these.stop - these.start for these in rows]),
            }

    composer = Composer(steps.config, steps.shape)
    signature = SIGNATURE | {
        "work": tf.TensorSpec([None, None], tf.int64),
        "rows": tf.TensorSpec([None], tf.int64),
    }
    dataset = (
        tf.data.Dataset.from_generator(flat_steps, output_signature=signature)
        .map(
            lambda flat: (flat["work"], flat["rows"], composer(flat)),
            num_parallel_calls=tf.data.AUTOTUNE,
            deterministic=True,
        )
        .prefetch(PREFETCHED)
    )
    for works, rows, batch in dataset.as_numpy_iterator():
        for work, one in zip(works.tolist(), apart(batch, rows.tolist()), strict=True):
            yield Work(*work), one
