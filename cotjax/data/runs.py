"""A step as runs of tokens: what a reply says, or a unit reads, of one kind; gathered in numpy.

The tf.data graph gets a step's own tokens alone: the table would be copied to get there.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from cotjax.data.packing import NOWHERE
from cotjax.data.ragged import Ragged
from cotjax.data.steps import Step, StepConfig, Steps
from cotjax.data.units import numbers_of
from cotjax.targets.segments import NUM_KINDS, Kind
from cotjax.targets.transforms import Transform

QUESTION = NUM_KINDS  # a kind that is read alone
# In this order kinds stand in `flatten`'s arrays: the graph may change rationales, and adds them.
SAID = np.array([Kind.LABEL, Kind.CONNECTIVE, Kind.EOS, Kind.RATIONALE])
READ = np.array([QUESTION, Kind.CONNECTIVE, Kind.EOS, Kind.RATIONALE])
# What `flatten` hands over as int32, in a single array: each array costs TensorFlow as much as a
# hundred numbers.
FIELDS = (
    # Of the encoder: tokens but rationales'; of all tokens the place among those of all rows, and
    # the number of the run; of runs the segment. Then the same of the decoder.
    *("read", "read_place", "read_run", "read_segment"),
    *("said", "said_place", "said_run", "said_segment", "said_kind"),
    # Rationales' tokens, where each rationale begins [rationales + 1], and the number of a token's
    # word, token or step, where these are moved.
    *("rationale", "rationale_splits", "number"),
    # [replies] of the decoder's segments the place among those of all rows, the encoder segment
    # that is read, and the target's row of the table.
    *("place", "source", "target"),
    "num_rows",  # [1], of the encoder
)
SIGNATURE = {
    "numbers": tf.TensorSpec([None], tf.int32),  # of all FIELDS, one after the other
    "sizes": tf.TensorSpec([len(FIELDS)], tf.int32),
    "streams": tf.TensorSpec([None], tf.uint32),  # [rationales]
    "weights": tf.TensorSpec([None], tf.float32),  # [runs of the decoder], of a token's loss
}


@dataclasses.dataclass(frozen=True)
class _Runs:
    """Runs of some items, which are units or replies; by kind, and then by item.

    Attributes:
      item, kind: [runs] whose it is, and what.
      start, length: [runs] tokens before it among all rows', and of it.
    """

    item: np.ndarray
    kind: np.ndarray
    start: np.ndarray
    length: np.ndarray

    @classmethod
    def of(
        cls,
        counts: np.ndarray,
        kinds: np.ndarray,
        first: np.ndarray,
        replies: np.ndarray,
        sequences: Sequence[tuple[int, ...]],
    ) -> "_Runs":
        """Finds the runs of items that have `counts` [items, all kinds] tokens.

        Args:
          counts: How many of each kind.
          kinds: In which order.
          first: [items] where each begins.
          replies: [items] number of the reply that each is, or reads for.
          sequences: Of each reply, the kinds as they follow each other.
        """
        start = np.zeros_like(counts)
        for number, sequence in enumerate(sequences):
            own = np.ix_(replies == number, sequence)
            start[own] = np.cumsum(counts[own], axis=1) - counts[own]
        number, item = np.nonzero(counts.T[kinds])
        kind = kinds[number]
        return cls(item, kind, first[item] + start[item, kind], counts[item, kind])

    def items(self, kind: int) -> np.ndarray:
        """Those with a run of a kind."""
        return self.item[self.kind == kind]

    def tokens(self) -> tuple[np.ndarray, np.ndarray]:
        """[tokens] the place of every token among all rows', and the number of its run."""
        run = np.repeat(np.arange(len(self.length)), self.length)
        ahead = np.cumsum(self.length) - self.length
        return (self.start - ahead)[run] + np.arange(len(run)), run


def flatten(step: Step, steps: Steps, eos: int) -> dict[str, np.ndarray]:
    """What the graph needs of a step: the units and replies that stand in one of its rows."""
    read, readers = _read(step, steps, eos)
    said, sayers, weights = _said(step, steps, eos)
    targets = np.concatenate([readers, sayers])  # one of them is empty
    fields = read | said | _rationales(step, steps, targets)
    fields["num_rows"] = np.array([step.num_rows])
    numbers = [fields[name] for name in FIELDS]
    return {
        "numbers": np.concatenate(numbers, dtype=np.int32, casting="unsafe"),
        "sizes": np.array([len(some) for some in numbers], np.int32),
        "streams": step.streams[targets],
        "weights": weights,
    }


def _read(step: Step, steps: Steps, eos: int) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Fields of what the encoder reads, and the targets whose rationale it reads."""
    layout, replies, table = step.layout, steps.config.order.replies, steps.table
    here = np.flatnonzero(layout.unit_row != NOWHERE)
    readers, targets = np.divmod(layout.unit_reply[here], len(step.targets))
    questions, lengths = table.inputs.places(step.inputs[readers, targets])
    questions = np.delete(questions, np.cumsum(lengths) - 1)  # without EOS: it ends the context
    connective, rationale = (
        np.array([kind in reply.context for reply in replies])[readers]
        for kind in (Kind.CONNECTIVE, Kind.RATIONALE)
    )
    counts = np.zeros((len(here), NUM_KINDS + 1), np.int64)
    counts[:, QUESTION], counts[:, Kind.EOS] = lengths - 1, 1
    counts[:, Kind.CONNECTIVE] = connective * len(steps.config.connective)
    counts[:, Kind.RATIONALE] = rationale * step.rationale_lengths[targets]
    first = layout.unit_row[here] * steps.shape.encoder + layout.unit_offset[here]
    sequences = [(QUESTION, *reply.context, Kind.EOS) for reply in replies]
    runs = _Runs.of(counts, READ, first, readers, sequences)
    place, run = runs.tokens()
    fields = {
        "read": _tokens(table.inputs.values[questions], runs, steps.config, eos),
        "read_place": place,
        "read_run": run,
        "read_segment": layout.unit_segment[here][runs.item],
    }
    return fields, targets[runs.items(Kind.RATIONALE)]


def _said(
    step: Step, steps: Steps, eos: int
) -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]:
    """Fields of what the decoder says, the targets whose rationale it says, and runs' weights."""
    layout, table, shape = step.layout, steps.table, steps.shape
    here = np.flatnonzero(layout.row != NOWHERE)
    replies, targets = np.divmod(here, len(step.targets))
    row, segment = layout.row[here], layout.segment[here]
    sequences = [(*reply.segments, Kind.EOS) for reply in steps.config.order.replies]
    counts, first = step.tokens[replies, targets], row * shape.decoder + layout.offset[here]
    runs = _Runs.of(counts, SAID, first, replies, sequences)
    labels, _ = table.labels.places(step.targets[targets[runs.items(Kind.LABEL)]])
    place, run = runs.tokens()
    fields = {
        "said": _tokens(table.labels.values[labels], runs, steps.config, eos),
        "said_place": place,
        "said_run": run,
        "said_segment": segment[runs.item],
        "said_kind": runs.kind,
        "place": row * shape.segments + segment - 1,
        "source": layout.source[here],
        "target": step.targets[targets],
    }
    weights = step.coefficients[replies, targets][runs.item, runs.kind]
    return fields, targets[runs.items(Kind.RATIONALE)], weights


def _tokens(first: np.ndarray, runs: _Runs, config: StepConfig, eos: int) -> np.ndarray:
    """Tokens of all runs but rationales', those of the first kind being given."""
    connectives, ends = (len(runs.items(kind)) for kind in (Kind.CONNECTIVE, Kind.EOS))
    connective = np.array(config.connective, np.int64)
    return np.concatenate([first, np.tile(connective, connectives), np.full(ends, eos)])


def _rationales(step: Step, steps: Steps, targets: np.ndarray) -> dict[str, np.ndarray]:
    """Fields of the rationales of some of a step's targets."""
    table, perturbation = steps.table, steps.config.perturbation
    where, lengths = Ragged.of(step.places, step.rationale_lengths).places(targets)
    places = step.places[where]
    moved = isinstance(perturbation, Transform)
    number = numbers_of(table.begins[places], perturbation.unit, lengths) if moved else places[:0]
    return {
        "rationale": table.rationales.values[places],
        "rationale_splits": np.append(0, np.cumsum(lengths)),
        "number": number,
    }
