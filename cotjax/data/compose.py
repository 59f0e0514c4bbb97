"""From a step's runs to its Batch, in the tf.data graph.

It perturbs rationales, and puts all tokens in their places.
"""

from collections.abc import Mapping

import tensorflow as tf

from cotjax.data.packing import RowShape
from cotjax.data.runs import FIELDS
from cotjax.data.steps import StepConfig
from cotjax.targets.transforms import Transform


class Composer:
    """Composes Batches of what `flatten` tells of their steps."""

    def __init__(self, config: StepConfig, shape: RowShape):
        """Takes what a step holds and its row lengths."""
        self._config, self._shape = config, shape

    def __call__(self, flat: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """Returns the Batch of a step, or of several that are joined (`flat`: see `flatten`)."""
        numbers = tf.split(flat["numbers"], flat["sizes"], num=len(FIELDS))
        fields = dict(zip(FIELDS, numbers, strict=True))
        reads = self._config.order.reads_rationale
        with_rationale = "read" if reads else "said"
        rationale = self._perturbed(fields, flat["streams"])
        fields[with_rationale] = tf.concat([fields[with_rationale], rationale], axis=0)
        rows = fields["num_rows"][0]
        return self._encoder(fields, rows) | self._decoder(fields, flat["weights"], rows)

    def _encoder(self, fields: Mapping[str, tf.Tensor], rows: tf.Tensor) -> dict[str, tf.Tensor]:
        put = _Put((rows, self._shape.encoder), fields["read_place"], fields["read_run"])
        return {
            "encoder_tokens": put(fields["read"]),
            "encoder_segments": put.runs(fields["read_segment"]),
        }

    def _decoder(
        self, fields: Mapping[str, tf.Tensor], weights: tf.Tensor, rows: tf.Tensor
    ) -> dict[str, tf.Tensor]:
        rows *= self._shape.decoder_rows
        put = _Put((rows, self._shape.decoder), fields["said_place"], fields["said_run"])
        tokens, segments = put(fields["said"]), put.runs(fields["said_segment"])
        goes_on = segments == _shifted(segments)
        shape = rows, self._shape.segments
        return {
            # T5's decoder starts with id 0.
            "decoder_inputs": tf.where(goes_on, _shifted(tokens), 0),
            "decoder_targets": tokens,
            "decoder_segments": segments,
            "decoder_kinds": put.runs(fields["said_kind"]),
            "loss_weights": put.runs(weights),
            "segment_source": _scatter(fields["place"], fields["source"], shape),
            "segment_target": _scatter(fields["place"], fields["target"] + 1, shape) - 1,
        }

    def _perturbed(self, fields: Mapping[str, tf.Tensor], streams: tf.Tensor) -> tf.Tensor:
        """The rationales' tokens, after transforms: donors and edits are in them already."""
        perturbation, splits = self._config.perturbation, fields["rationale_splits"]
        if not isinstance(perturbation, Transform):
            return fields["rationale"]
        tokens, units = (
            tf.RaggedTensor.from_row_splits(fields[name], splits, validate=False).to_tensor()
            for name in ("rationale", "number")
        )
        lengths = splits[1:] - splits[:-1]
        changed = perturbation.transform(tokens, units, lengths, streams)
        return tf.boolean_mask(changed, tf.sequence_mask(lengths, tf.shape(tokens)[1]))


class _Put:
    """Puts tokens in their places, over zeros."""

    def __init__(self, shape: tuple, place: tf.Tensor, run: tf.Tensor):
        """Takes the shape of all rows, and of every token the place among them and the run."""
        self._shape, self._place, self._run = shape, place, run

    def __call__(self, tokens: tf.Tensor) -> tf.Tensor:
        """Rows with a value for every token, [tokens]."""
        return _scatter(self._place, tokens, self._shape)

    def runs(self, values: tf.Tensor) -> tf.Tensor:
        """Rows with a value for every run, [runs]."""
        return self(tf.gather(values, self._run))


def _scatter(place: tf.Tensor, values: tf.Tensor, shape: tuple) -> tf.Tensor:
    """Rows over zeros, of values for some of their places."""
    return tf.reshape(tf.scatter_nd(place[:, None], values, [shape[0] * shape[1]]), shape)


def _shifted(rows: tf.Tensor) -> tf.Tensor:
    """What stands before each place of rows, 0 before the first."""
    return tf.pad(rows[:, :-1], [[0, 0], [1, 0]])
