"""Which targets a step trains, and how they are laid out: a pure function of (seed, step)."""

import dataclasses
import functools

import numpy as np

from cotjax.data.packing import Layout, RowShape, choose_row_counts, choose_shape, lay_out
from cotjax.data.tokens import TokenTable
from cotjax.errors import InputError
from cotjax.targets.orders import Order
from cotjax.targets.perturb import Perturbation, streams
from cotjax.targets.segments import NUM_KINDS, Kind

SURVEYED_STEPS = 32  # of an epoch, laid out to choose the row counts


@dataclasses.dataclass(frozen=True)
class StepConfig:
    """All that decides what a step holds.

    Attributes:
      order, perturbation: What targets look like.
      connective: Tokens of the connective.
      redraw: Whether perturbations draw afresh in every epoch.
      seed: Of the data order and the draws.
      batch_size: Targets a step.
      targets_per_question: Targets of a question that stand together in a step.
      target_length: Tokens of a target at most.
      label_weight, rationale_weight, normalise: See the `loss` section of the config.
      packing, encoder_length, decoder_length: See the `data` section of the config.
      row_multiple: Rows that mesh and accumulation divide evenly.
    """

    order: Order
    connective: tuple[int, ...]
    perturbation: Perturbation
    redraw: bool = True
    seed: int = 0
    batch_size: int = 32
    targets_per_question: int = 1
    target_length: int = 256
    label_weight: float = 1.0
    rationale_weight: float = 1.0
    normalise: str = "tokens"
    packing: bool = True
    encoder_length: int | None = None
    decoder_length: int | None = None
    row_multiple: int = 1


@dataclasses.dataclass(frozen=True)
class Step:
    """One step's targets, laid out; tokens are gathered later, in the tf.data graph.

    Attributes:
      epoch: Epoch of the step.
      targets: [targets] rows of the table.
      donors: [targets] rows of the table whose rationales they say.
      rationale_lengths: [targets] tokens of those that fit.
      encoder_lengths, decoder_lengths: [targets]
      streams: uint32 [targets], of the perturbation's draws.
      coefficients: float32 [kinds], loss weight of a token by kind.
      layout: Where everything stands.
      num_rows: R, unused rows included.
    """

    epoch: int
    targets: np.ndarray
    donors: np.ndarray
    rationale_lengths: np.ndarray
    encoder_lengths: np.ndarray
    decoder_lengths: np.ndarray
    streams: np.ndarray
    coefficients: np.ndarray
    layout: Layout
    num_rows: int


class Steps:
    """The steps of a run over a table of targets.

    Attributes:
      per_epoch: Steps of an epoch; the last may hold fewer targets.
      shape: Lengths of a row.
      row_counts: The numbers of rows that steps may have.
      connective_length: Tokens of a target's connective.
    """

    def __init__(self, table: TokenTable, config: StepConfig):
        """Surveys some steps to choose the row shape and counts.

        Raises:
          InputError: if the target length would cut a label: connective and EOS must fit too.
        """
        self.table, self.config = table, config
        self.per_epoch = -(-table.num_targets // config.batch_size)
        self._first_of_question = np.searchsorted(table.question, np.arange(table.num_questions))
        self._per_question = np.bincount(table.question, minlength=table.num_questions)
        uses_rationale = config.order.uses_rationale
        self.connective_length = len(config.connective) if uses_rationale else 0
        self._whole = table.rationales.lengths if uses_rationale else 0 * table.rationales.lengths
        self._fixed = table.labels.lengths + self.connective_length + 1
        if self._fixed.max() > config.target_length:
            raise InputError(
                f"config.data.target_length={config.target_length} would cut a label: "
                f"{int(self._fixed.max())} tokens are needed without any rationale"
            )
        self.shape = self._choose_shape()
        self.row_counts: tuple[int, ...] = ()  # none yet while steps are surveyed
        self.row_counts = self._choose_row_counts()

    def __getitem__(self, step: int) -> Step:
        """Lays out a step, counted from 0."""
        config, table = self.config, self.table
        targets, epoch = self.targets(step)
        donors = self._donors(epoch)[targets]
        kept = np.minimum(self._whole[donors], config.target_length - self._fixed[targets])
        encoder_lengths = table.inputs.lengths[table.question[targets]]
        decoder_lengths = self._fixed[targets] + kept
        layout = lay_out(
            table.question[targets], encoder_lengths, decoder_lengths, self.shape, config.packing
        )
        return Step(
            epoch=epoch,
            targets=targets,
            donors=donors,
            rationale_lengths=kept,
            encoder_lengths=encoder_lengths,
            decoder_lengths=decoder_lengths,
            streams=streams(
                config.seed,
                table.id_hashes[table.question[targets]],
                table.samples[targets],
                epoch if config.redraw else 0,
                config.perturbation.name,
            ),
            coefficients=self._coefficients(targets, kept),
            layout=layout,
            num_rows=next((rows for rows in self.row_counts if rows >= layout.rows), layout.rows),
        )

    def targets(self, step: int) -> tuple[np.ndarray, int]:
        """Rows of the table that a step trains, and its epoch."""
        epoch, position = divmod(step, self.per_epoch)
        start = position * self.config.batch_size
        return self._order(epoch)[start : start + self.config.batch_size], epoch

    def count_cut(self, epoch: int = 0) -> tuple[int, int]:
        """How many rationales of an epoch don't fit their target, and the tokens cut off them."""
        whole = self._whole[self._donors(epoch)]
        cut = np.maximum(whole - (self.config.target_length - self._fixed), 0)
        return int((cut > 0).sum()), int(cut.sum())

    @functools.lru_cache(maxsize=2)  # noqa: B019 - lives as long as the run
    def _order(self, epoch: int) -> np.ndarray:
        return epoch_order(
            self._per_question,
            self.config.targets_per_question,
            self.config.batch_size,
            self.config.seed,
            epoch,
        )

    @functools.lru_cache(maxsize=2)  # noqa: B019 - lives as long as the run
    def _donors(self, epoch: int) -> np.ndarray:
        """int64 [all targets]: the target whose rationale each one says."""
        config, question = self.config, self.table.question
        draw = epoch if config.redraw else 0
        donor = config.perturbation.donors(self.table.num_questions, config.seed, draw)[question]
        number = np.arange(len(question)) - self._first_of_question[question]
        return self._first_of_question[donor] + number % self._per_question[donor]

    def _coefficients(self, targets: np.ndarray, kept: np.ndarray) -> np.ndarray:
        """Loss weight of a token by kind: weight over the sum of its normalisation group."""
        config, order = self.config, self.config.order
        label = int(self.table.labels.lengths[targets].sum())
        rationale = int(kept.sum()) + self.connective_length * len(targets)
        label += len(targets) if order.ends_with_label else 0  # EOS goes with what it closes
        rationale += 0 if order.ends_with_label else len(targets)
        weights = np.array([config.label_weight, config.rationale_weight])
        totals = weights * (label, rationale)
        if config.normalise == "tokens":
            group = np.divide(weights, totals.sum(), out=np.zeros(2), where=totals.sum() > 0)
        else:
            group = np.divide(weights, (label, rationale), out=np.zeros(2), where=totals > 0)
        coefficients = np.zeros(NUM_KINDS, np.float32)
        coefficients[Kind.LABEL] = group[0]
        coefficients[[Kind.CONNECTIVE, Kind.RATIONALE]] = group[1]
        coefficients[Kind.EOS] = group[0] if order.ends_with_label else group[1]
        return coefficients

    def _choose_shape(self) -> RowShape:
        """Row lengths that hold any target, whoever donates its rationale."""
        config, table = self.config, self.table
        encoder = table.inputs.lengths[table.question]
        decoder = np.minimum(self._fixed + self._whole[self._donors(0)], config.target_length)
        if config.perturbation.donors(2, 0, 0)[0] != 0:  # other epochs pair lengths otherwise
            worst = min(int(self._fixed.max() + self._whole.max()), config.target_length)
            decoder = np.append(decoder, worst)
            encoder = np.append(encoder, encoder.max())
        return choose_shape(
            encoder, decoder, config.encoder_length, config.decoder_length, config.packing
        )

    def _choose_row_counts(self) -> tuple[int, ...]:
        full = max(self.table.num_targets // self.config.batch_size, 1)
        needed = [self[step].layout.rows for step in range(min(SURVEYED_STEPS, full))]
        most = min(self.config.batch_size, self.table.num_targets)
        return choose_row_counts(needed, most, self.config.row_multiple)


def epoch_order(
    per_question: np.ndarray, together: int, batch_size: int, seed: int, epoch: int
) -> np.ndarray:
    """The order of an epoch's targets: every target once.

    With one target a question it is `Generator(Philox(key=[seed, epoch])).permutation(n)`. A
    question with more is visited in rounds, `together` of its targets a round, so that the
    others come in other steps.

    Args:
      per_question: int [questions], targets of each, numbered one question after the other.
      together: Targets of a question that stand together.
      batch_size: Targets a step.
      seed, epoch: Key of the draw.

    Returns:
      int64 [targets]
    """
    generator = np.random.Generator(np.random.Philox(key=[seed, epoch]))
    first = np.cumsum(per_question) - per_question
    order: list[np.ndarray] = []
    visited = np.array([], np.int64)  # the question of each target so far
    for begin in range(0, int(per_question.max()), together):
        asked = np.flatnonzero(per_question > begin)
        asked = asked[generator.permutation(len(asked))]
        # What the last round left of an unfilled step must not meet its own questions there.
        unfilled = visited[len(visited) - len(visited) % batch_size :]
        seen = np.isin(asked, unfilled)
        asked = np.concatenate([asked[~seen], asked[seen]])
        count = np.minimum(per_question[asked] - begin, together)
        within = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
        order.append(np.repeat(first[asked] + begin, count) + within)
        visited = np.concatenate([visited, np.repeat(asked, count)])
    return np.concatenate(order)
