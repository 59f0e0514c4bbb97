"""From a step's layout to its Batch, in the tf.data graph: gather, perturb, compose, scatter."""

from collections.abc import Mapping

import numpy as np
import tensorflow as tf

from cotjax.data.packing import RowShape
from cotjax.data.perturbed import units_of
from cotjax.data.ragged import Ragged
from cotjax.data.steps import Step, StepConfig
from cotjax.data.tokens import TokenTable
from cotjax.targets.orders import Order, Reply
from cotjax.targets.segments import NUM_KINDS, Kind
from cotjax.targets.transforms import Transform

# What `flatten` hands to the graph: int32 arrays, but for those named here.
UNIT_FIELDS = ("unit_input", "unit_row", "unit_offset", "unit_segment")  # [units]
REPLY_FIELDS = ("reply", "targets", "row", "offset", "segment", "source")  # [replies]
# [rationales, but places: their tokens], of the replies that say one, or the units that hold one.
RATIONALE_FIELDS = ("places", "rationale_lengths")
FIELDS = (*UNIT_FIELDS, *REPLY_FIELDS, *RATIONALE_FIELDS)
SIGNATURE = {
    **{name: tf.TensorSpec([None], tf.int32) for name in FIELDS},
    "streams": tf.TensorSpec([None], tf.uint32),  # [rationales]
    "coefficients": tf.TensorSpec([None, NUM_KINDS], tf.float32),  # [replies, kinds]
    "num_rows": tf.TensorSpec([], tf.int32),
}


def flatten(step: Step, order: Order, rows: slice) -> dict[str, np.ndarray]:
    """What the graph needs of a step: the units and replies that stand in `rows`."""
    layout = step.layout
    units = (layout.unit_row >= rows.start) & (layout.unit_row < rows.stop)
    here = (layout.row >= rows.start) & (layout.row < rows.stop)
    replies, targets = np.divmod(np.flatnonzero(here), len(step.targets))
    readers, read_for = np.divmod(layout.unit_reply[units], len(step.targets))
    if order.reads_rationale:
        rationales = read_for
    else:
        saying = [reply.has_rationale for reply in order.replies]
        rationales = targets[np.array(saying)[replies]]
    flat = {
        "unit_input": step.inputs[readers, read_for],
        "unit_row": layout.unit_row[units] - rows.start,
        "unit_offset": layout.unit_offset[units],
        "unit_segment": layout.unit_segment[units],
        "reply": replies,
        "targets": step.targets[targets],
        "row": layout.row[here] - rows.start,
        "offset": layout.offset[here],
        "segment": layout.segment[here],
        "source": layout.source[here],
        "places": _places(step, rationales),
        "rationale_lengths": step.rationale_lengths[rationales],
    }
    return {name: value.astype(np.int32) for name, value in flat.items()} | {
        "streams": step.streams[rationales],
        "coefficients": step.coefficients[replies, targets],
        "num_rows": np.int32(rows.stop - rows.start),
    }


class Composer:
    """Composes Batches from the tables of a run, which live in the graph as constants."""

    def __init__(self, table: TokenTable, config: StepConfig, shape: RowShape, eos: int):
        """Moves the table's arrays to TensorFlow."""
        self._inputs = _Table(table.inputs)
        self._labels = _Table(table.labels)
        self._rationales = tf.constant(table.rationales.values, tf.int32)
        if isinstance(config.perturbation, Transform):
            self._units = tf.constant(units_of(table, config.perturbation.unit), tf.int32)
        self._config, self._shape, self._eos = config, shape, eos

    def __call__(self, flat: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """Returns the Batch of one step (`flat`: see `flatten`)."""
        tokens, kinds = self._replies(flat)
        row_lengths = tokens.row_lengths()
        start = tf.zeros_like(flat["reply"])[:, None]  # T5's decoder starts with id 0
        inputs = tf.concat([start, tokens[:, :-1]], axis=1)
        of_token = tf.stack([kinds.value_rowids(), kinds.flat_values], axis=1)
        weights = tf.gather_nd(flat["coefficients"], of_token)
        decoder = _Scatter(
            flat["num_rows"], self._shape.decoder, flat["row"], flat["offset"], row_lengths
        )
        segments = (flat["num_rows"], self._shape.segments)
        return self._encoder(flat) | {
            "decoder_inputs": decoder(inputs.flat_values),
            "decoder_targets": decoder(tokens.flat_values),
            "decoder_segments": decoder(tf.repeat(flat["segment"], row_lengths)),
            "decoder_kinds": decoder(kinds.flat_values),
            "loss_weights": decoder(weights),
            "segment_source": _scatter_segments(segments, flat, flat["source"], empty=0),
            "segment_target": _scatter_segments(segments, flat, flat["targets"], empty=-1),
        }

    def _encoder(self, flat: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        tokens = self._read(flat)
        lengths = tokens.row_lengths()
        scatter = _Scatter(
            flat["num_rows"], self._shape.encoder, flat["unit_row"], flat["unit_offset"], lengths
        )
        return {
            "encoder_tokens": scatter(tokens.flat_values),
            "encoder_segments": scatter(tf.repeat(flat["unit_segment"], lengths)),
        }

    def _read(self, flat: Mapping[str, tf.Tensor]) -> tf.RaggedTensor:
        """Tokens of every unit: the question and, where the order has one, its context."""
        questions = self._inputs.rows(flat["unit_input"])
        if not self._config.order.reads_rationale:
            return questions
        count = questions.nrows()
        parts = {
            Kind.CONNECTIVE: lambda: _repeat(self._config.connective, count),
            Kind.RATIONALE: lambda: self._perturbed(flat),
        }
        context = [parts[kind]() for kind in self._config.order.answer.context]
        return tf.concat([questions[:, :-1], *context, _repeat((self._eos,), count)], axis=1)

    def _replies(self, flat: Mapping[str, tf.Tensor]) -> tuple[tf.RaggedTensor, tf.RaggedTensor]:
        """Tokens and kinds of every reply; those of one number stand together in `flat`."""
        said = [
            self._reply(reply, tf.boolean_mask(flat["targets"], flat["reply"] == number), flat)
            for number, reply in enumerate(self._config.order.replies)
        ]
        return tuple(tf.concat(parts, axis=0) for parts in zip(*said, strict=True))

    def _reply(
        self, reply: Reply, targets: tf.Tensor, flat: Mapping[str, tf.Tensor]
    ) -> tuple[tf.RaggedTensor, tf.RaggedTensor]:
        """Tokens and kinds of one reply to each target, EOS at the end."""
        count = tf.size(targets)
        parts = {
            Kind.LABEL: lambda: self._labels.rows(targets),
            Kind.CONNECTIVE: lambda: _repeat(self._config.connective, count),
            Kind.RATIONALE: lambda: self._perturbed(flat),
            Kind.EOS: lambda: _repeat((self._eos,), count),
        }
        order = (*reply.segments, Kind.EOS)
        tokens = [parts[kind]() for kind in order]
        kinds = [
            part.with_flat_values(tf.fill(tf.shape(part.flat_values), int(kind)))
            for kind, part in zip(order, tokens, strict=True)
        ]
        return tf.concat(tokens, axis=1), tf.concat(kinds, axis=1)

    def _perturbed(self, flat: Mapping[str, tf.Tensor]) -> tf.RaggedTensor:
        """The rationales' tokens, after transforms: donors and edits are in `places`."""
        places = tf.RaggedTensor.from_row_lengths(
            flat["places"], flat["rationale_lengths"], validate=False
        )
        tokens = places.with_flat_values(tf.gather(self._rationales, places.flat_values))
        perturbation, lengths = self._config.perturbation, flat["rationale_lengths"]
        if not isinstance(perturbation, Transform):
            return tokens
        units = places.with_flat_values(tf.gather(self._units, places.flat_values))
        changed = perturbation.transform(
            tokens.to_tensor(), units.to_tensor(), lengths, flat["streams"]
        )
        return tf.RaggedTensor.from_tensor(changed, lengths=lengths, row_splits_dtype=tf.int32)


class _Table:
    """A Ragged as TensorFlow constants."""

    def __init__(self, ragged: Ragged):
        self._values = tf.constant(ragged.values, tf.int32)
        self._offsets = tf.constant(ragged.offsets, tf.int32)

    def rows(self, rows: tf.Tensor) -> tf.RaggedTensor:
        """Some rows."""
        starts, ends = tf.gather(self._offsets, rows), tf.gather(self._offsets, rows + 1)
        where = tf.ragged.range(starts, ends, row_splits_dtype=tf.int32)
        return where.with_flat_values(tf.gather(self._values, where.flat_values))


class _Scatter:
    """Puts runs of tokens where a layout says, over zeros."""

    def __init__(self, num_rows, length: int, row, offset, run_lengths):
        starts = row * length + offset
        run = tf.ragged.range(starts, starts + run_lengths, row_splits_dtype=tf.int32)
        self._where = run.flat_values[:, None]
        self._size, self._shape = num_rows * length, (num_rows, length)

    def __call__(self, values: tf.Tensor) -> tf.Tensor:
        return tf.reshape(tf.scatter_nd(self._where, values, [self._size]), self._shape)


def _places(step: Step, rationales: np.ndarray) -> np.ndarray:
    """Places of some targets' rationales, one after the other."""
    ends = np.cumsum(step.rationale_lengths)
    lengths = step.rationale_lengths[rationales]
    ahead = np.cumsum(lengths) - lengths
    shift = np.repeat((ends[rationales] - lengths) - ahead, lengths)
    return step.places[np.arange(len(shift)) + shift]


def _scatter_segments(shape, flat, values: tf.Tensor, empty: int) -> tf.Tensor:
    """[rows, K] of a value a decoder segment, `empty` where there is none."""
    where = tf.stack([flat["row"], flat["segment"] - 1], axis=1)
    return tf.tensor_scatter_nd_update(tf.fill(shape, empty), where, values)


def _repeat(tokens: tuple[int, ...], count: tf.Tensor) -> tf.RaggedTensor:
    """The same tokens for every target."""
    tiled = tf.tile(tf.constant(tokens, tf.int32, [1, len(tokens)]), [count, 1])
    return tf.RaggedTensor.from_tensor(tiled, row_splits_dtype=tf.int32)
