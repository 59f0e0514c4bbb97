"""From a step's layout to its Batch: gathered in numpy; the tf.data graph does the rest.

It perturbs, composes and scatters a step's own tokens: the table would be copied to get there.
"""

from collections.abc import Mapping

import numpy as np
import tensorflow as tf

from cotjax.data.packing import RowShape
from cotjax.data.ragged import Ragged
from cotjax.data.steps import Step, StepConfig, Steps
from cotjax.data.units import numbers_of
from cotjax.targets.orders import Reply
from cotjax.targets.segments import NUM_KINDS, Kind
from cotjax.targets.transforms import Transform

# What `flatten` hands to the graph: int32 arrays, but for those named here.
UNIT_FIELDS = ("unit_row", "unit_offset", "unit_segment")  # [units]
REPLY_FIELDS = ("reply", "targets", "row", "offset", "segment", "source")  # [replies]
# Tokens and their numbers: of the units' questions, and of the replies that say a label or a
# rationale, or the units that hold one. `number` is of a rationale token's word, token or step.
TOKEN_FIELDS = ("question", "question_lengths", "label", "label_lengths")
RATIONALE_FIELDS = ("rationale", "rationale_lengths", "number")
FIELDS = (*UNIT_FIELDS, *REPLY_FIELDS, *TOKEN_FIELDS, *RATIONALE_FIELDS)
SIGNATURE = {
    **{name: tf.TensorSpec([None], tf.int32) for name in FIELDS},
    "streams": tf.TensorSpec([None], tf.uint32),  # [rationales]
    "coefficients": tf.TensorSpec([None, NUM_KINDS], tf.float32),  # [replies, kinds]
    "num_rows": tf.TensorSpec([], tf.int32),
}


def flatten(step: Step, steps: Steps, rows: slice) -> dict[str, np.ndarray]:
    """What the graph needs of a step: the units and replies that stand in `rows`."""
    layout, order, table = step.layout, steps.config.order, steps.table
    units = (layout.unit_row >= rows.start) & (layout.unit_row < rows.stop)
    decoder_rows = steps.shape.decoder_rows
    first, last = rows.start * decoder_rows, rows.stop * decoder_rows
    here = (layout.row >= first) & (layout.row < last)
    replies, targets = np.divmod(np.flatnonzero(here), len(step.targets))
    readers, read_for = np.divmod(layout.unit_reply[units], len(step.targets))
    labels, saying = (
        targets[np.array([kind in reply.segments for reply in order.replies])[replies]]
        for kind in (Kind.LABEL, Kind.RATIONALE)
    )
    rationales = read_for if order.reads_rationale else saying
    flat = {
        "unit_row": layout.unit_row[units] - rows.start,
        "unit_offset": layout.unit_offset[units],
        "unit_segment": layout.unit_segment[units],
        "reply": replies,
        "targets": step.targets[targets],
        "row": layout.row[here] - first,
        "offset": layout.offset[here],
        "segment": layout.segment[here],
        "source": layout.source[here],
        **_rows("question", table.inputs, step.inputs[readers, read_for]),
        **_rows("label", table.labels, step.targets[labels]),
        **_rationales(step, steps, rationales),
    }
    return {name: value.astype(np.int32) for name, value in flat.items()} | {
        "streams": step.streams[rationales],
        "coefficients": step.coefficients[replies, targets],
        "num_rows": np.int32(rows.stop - rows.start),
    }


class Composer:
    """Composes Batches of what `flatten` tells of their steps."""

    def __init__(self, config: StepConfig, shape: RowShape, eos: int):
        """Takes what a step holds, its row lengths and the id of EOS."""
        self._config, self._shape, self._eos = config, shape, eos

    def __call__(self, flat: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """Returns the Batch of one step (`flat`: see `flatten`)."""
        tokens, kinds = self._replies(flat)
        row_lengths = tokens.row_lengths()
        start = tf.zeros_like(flat["reply"])[:, None]  # T5's decoder starts with id 0
        inputs = tf.concat([start, tokens[:, :-1]], axis=1)
        of_token = tf.stack([kinds.value_rowids(), kinds.flat_values], axis=1)
        weights = tf.gather_nd(flat["coefficients"], of_token)
        rows = flat["num_rows"] * self._shape.decoder_rows
        decoder = _Scatter(rows, self._shape.decoder, flat["row"], flat["offset"], row_lengths)
        segments = (rows, self._shape.segments)
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
        questions = _ragged(flat, "question")
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
            self._reply(reply, tf.math.count_nonzero(flat["reply"] == number, dtype=tf.int32), flat)
            for number, reply in enumerate(self._config.order.replies)
        ]
        return tuple(tf.concat(parts, axis=0) for parts in zip(*said, strict=True))

    def _reply(
        self, reply: Reply, count: tf.Tensor, flat: Mapping[str, tf.Tensor]
    ) -> tuple[tf.RaggedTensor, tf.RaggedTensor]:
        """Tokens and kinds of one reply to so many targets, EOS at the end."""
        parts = {
            Kind.LABEL: lambda: _ragged(flat, "label"),
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
        """The rationales' tokens, after transforms: donors and edits are in them already."""
        tokens, perturbation = _ragged(flat, "rationale"), self._config.perturbation
        if not isinstance(perturbation, Transform):
            return tokens
        lengths = flat["rationale_lengths"]
        units = tokens.with_flat_values(flat["number"])
        changed = perturbation.transform(
            tokens.to_tensor(), units.to_tensor(), lengths, flat["streams"]
        )
        return tf.RaggedTensor.from_tensor(changed, lengths=lengths, row_splits_dtype=tf.int32)


class _Scatter:
    """Puts runs of tokens where a layout says, over zeros."""

    def __init__(self, num_rows, length: int, row, offset, run_lengths):
        starts = row * length + offset
        run = tf.ragged.range(starts, starts + run_lengths, row_splits_dtype=tf.int32)
        self._where = run.flat_values[:, None]
        self._size, self._shape = num_rows * length, (num_rows, length)

    def __call__(self, values: tf.Tensor) -> tf.Tensor:
        return tf.reshape(tf.scatter_nd(self._where, values, [self._size]), self._shape)


def _rows(name: str, ragged: Ragged, rows: np.ndarray) -> dict[str, np.ndarray]:
    """The values of some rows, one after the other, and their lengths."""
    places, lengths = ragged.places(rows)
    return {name: ragged.values[places], f"{name}_lengths": lengths}


def _rationales(step: Step, steps: Steps, targets: np.ndarray) -> dict[str, np.ndarray]:
    """The same of the rationales of some of a step's targets, and the numbers of their units."""
    table, perturbation = steps.table, steps.config.perturbation
    where, lengths = Ragged.of(step.places, step.rationale_lengths).places(targets)
    places = step.places[where]
    moved = isinstance(perturbation, Transform)
    number = numbers_of(table.begins[places], perturbation.unit, lengths) if moved else places[:0]
    return {
        "rationale": table.rationales.values[places],
        "rationale_lengths": lengths,
        "number": number,
    }


def _ragged(flat: Mapping[str, tf.Tensor], name: str) -> tf.RaggedTensor:
    """Tokens of `flat` as rows."""
    return tf.RaggedTensor.from_row_lengths(flat[name], flat[f"{name}_lengths"], validate=False)


def _scatter_segments(shape, flat, values: tf.Tensor, empty: int) -> tf.Tensor:
    """[rows, K] of a value a decoder segment, `empty` where there is none."""
    where = tf.stack([flat["row"], flat["segment"] - 1], axis=1)
    return tf.tensor_scatter_nd_update(tf.fill(shape, empty), where, values)


def _repeat(tokens: tuple[int, ...], count: tf.Tensor) -> tf.RaggedTensor:
    """The same tokens for every target."""
    tiled = tf.tile(tf.constant(tokens, tf.int32, [1, len(tokens)]), [count, 1])
    return tf.RaggedTensor.from_tensor(tiled, row_splits_dtype=tf.int32)
