"""The tf.data pipeline: steps are laid out ahead, composed in the graph and prefetched."""

import dataclasses
from collections.abc import Callable, Iterator

import numpy as np
import tensorflow as tf

from cotjax.data.compose import SIGNATURE, Composer, flatten
from cotjax.data.steps import Step, Steps

PREFETCHED_STEPS = 4

tf.config.set_visible_devices([], "GPU")  # TensorFlow would take all memory of the accelerators


@dataclasses.dataclass(frozen=True)
class StepSizes:
    """Sums over a whole step, all hosts together; lengths are tokens that are not padding.

    Attributes:
      epoch: Epoch of the step.
      targets: Targets.
      encoder_tokens, decoder_tokens: Sums of lengths.
      encoder_squares, decoder_squares, products: Sums of squared lengths, and of encoder times
        decoder length, for counting the operations of attention.
      encoder_positions, decoder_positions: R * S and R * T.
    """

    epoch: int
    targets: int
    encoder_tokens: int
    decoder_tokens: int
    encoder_squares: int
    decoder_squares: int
    products: int
    encoder_positions: int
    decoder_positions: int


def sizes_of(step: Step, steps: Steps) -> StepSizes:
    """Counts a step's tokens; an encoder pass that several targets share counts once."""
    encoder = step.encoder_lengths[step.layout.unit_target]
    return StepSizes(
        epoch=step.epoch,
        targets=len(step.targets),
        encoder_tokens=int(encoder.sum()),
        decoder_tokens=int(step.decoder_lengths.sum()),
        encoder_squares=int((encoder**2).sum()),
        decoder_squares=int((step.decoder_lengths**2).sum()),
        products=int((step.encoder_lengths * step.decoder_lengths).sum()),
        encoder_positions=step.num_rows * steps.shape.encoder,
        decoder_positions=step.num_rows * steps.shape.decoder,
    )


def batches(
    steps: Steps,
    eos: int,
    first: int,
    last: int,
    local_rows: Callable[[int], slice] = lambda rows: slice(0, rows),
) -> Iterator[tuple[StepSizes, dict[str, np.ndarray]]]:
    """Yields sizes and the Batch of steps `first` to `last` - 1.

    Args:
      steps: What every step holds; laid out alike on every host.
      eos: Id of EOS.
      first, last: Steps of the run, from 0.
      local_rows: Maps a step's number of rows to those that this host supplies.

    Yields:
      Sizes of the whole step, and the host's rows of the Batch as numpy arrays.
    """

    def flat_steps() -> Iterator[dict[str, np.ndarray]]:
        for number in range(first, last):
            step = steps[number]
            sizes = np.array(dataclasses.astuple(sizes_of(step, steps)), np.int64)
            rows = local_rows(step.num_rows)
            yield flatten(step, steps.table, rows) | {"sizes": sizes}

    composer = Composer(steps.table, steps.config, steps.shape, eos)
    signature = SIGNATURE | {"sizes": tf.TensorSpec([None], tf.int64)}
    dataset = (
        tf.data.Dataset.from_generator(flat_steps, output_signature=signature)
        .map(
            lambda flat: (flat["sizes"], composer(flat)),
            num_parallel_calls=tf.data.AUTOTUNE,
            deterministic=True,
        )
        .prefetch(PREFETCHED_STEPS)
    )
    for sizes, batch in dataset.as_numpy_iterator():
        yield StepSizes(*map(int, sizes)), batch
