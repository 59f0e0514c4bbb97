"""Which targets a step trains, and how they are laid out: a pure function of (seed, step)."""

import dataclasses
import functools

import numpy as np

from cotjax.data.epochs import draw_one, epoch_order
from cotjax.data.lengths import ReplyLengths
from cotjax.data.packing import Layout, RowShape, choose_row_counts, choose_shape, lay_out
from cotjax.data.tokens import TokenTable
from cotjax.data.weights import loss_coefficients
from cotjax.targets.orders import Order
from cotjax.targets.perturb import Perturbation, streams

SURVEYED_STEPS = 32  # of an epoch, laid out to choose the row counts


@dataclasses.dataclass(frozen=True)
class StepConfig:
    """All that decides what a step holds.

    Attributes:
      order, perturbation: What targets look like.
      connective: Tokens of the connective.
      redraw: Whether perturbations draw afresh in every epoch.
      seed: Of the data order and the draws.
      one_per_epoch: Whether an epoch holds one target a question, drawn anew, or all of them.
      batch_size: Targets a step.
      targets_per_question: Targets of a question that stand together in a step.
      target_length: Tokens of a reply at most.
      question_weight: Of a question's N targets in an epoch: `sum`, each weighs 1; `mean`, 1 / N.
      label_weight, rationale_weight, normalise: See `loss_coefficients`.
      packing, encoder_length, decoder_length: See the `data` section of the config.
      row_multiple: Rows that mesh and accumulation divide evenly.
    """

    order: Order
    connective: tuple[int, ...]
    perturbation: Perturbation
    redraw: bool = True
    seed: int = 0
    one_per_epoch: bool = False
    batch_size: int = 32
    targets_per_question: int = 1
    target_length: int = 256
    question_weight: str = "sum"
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

    A target has one reply, or one a task: see `Order`.

    Attributes:
      targets: [targets] rows of the table.
      donors: [targets] rows of the table whose rationales they say.
      rationale_lengths: [targets] tokens of those that fit.
      streams: uint32 [targets], of the perturbation's draws.
      inputs: [replies, targets] rows of the table's inputs.
      tokens: [replies, targets, kinds], how many each reply says of each kind.
      coefficients: float32 [replies, targets, kinds], loss weight of each of these tokens.
      layout: Where everything stands; its replies are [replies, targets], flattened.
      num_rows: R, unused rows included.
    """

    targets: np.ndarray
    donors: np.ndarray
    rationale_lengths: np.ndarray
    streams: np.ndarray
    inputs: np.ndarray
    tokens: np.ndarray
    coefficients: np.ndarray
    layout: Layout
    num_rows: int


class Steps:
    """The steps of a run over a table of targets.

    Attributes:
      targets_per_epoch: Targets of an epoch.
      per_epoch: Steps of an epoch; the last may hold fewer targets.
      shape: Lengths of a row.
      row_counts: The numbers of rows that steps may have.
    """

    def __init__(self, table: TokenTable, config: StepConfig):
        """Surveys some steps to choose the row shape and counts.

        Raises:
          InputError: if the target length would cut a label, or a row is too short.
        """
        self.table, self.config = table, config
        self.targets_per_epoch = table.num_questions if config.one_per_epoch else table.num_targets
        self.per_epoch = -(-self.targets_per_epoch // config.batch_size)
        self._first_of_question = np.searchsorted(table.question, np.arange(table.num_questions))
        self._per_question = np.bincount(table.question, minlength=table.num_questions)
        self._lengths = ReplyLengths(
            table, config.order, len(config.connective), config.target_length
        )
        self.shape = self._choose_shape()
        self.row_counts: tuple[int, ...] = ()  # none yet while steps are surveyed
        self.row_counts = self._choose_row_counts()

    def __getitem__(self, step: int) -> Step:
        """Lays out a step, counted from 0."""
        config, table = self.config, self.table
        targets, epoch = self.targets(step)
        donors = self._donors(epoch)[targets]
        kept = self._lengths.rationales(targets, donors)
        tokens = self._lengths.tokens(targets, kept)
        inputs = self._lengths.inputs(targets)
        layout = lay_out(
            inputs.ravel(),
            table.inputs.lengths[inputs].ravel(),
            tokens.sum(axis=-1).ravel(),
            self.shape,
            config.packing,
        )
        return Step(
            targets=targets,
            donors=donors,
            rationale_lengths=kept,
            streams=streams(
                config.seed,
                table.id_hashes[table.question[targets]],
                table.samples[targets],
                epoch if config.redraw else 0,
                config.perturbation.name,
            ),
            inputs=inputs,
            tokens=tokens,
            coefficients=loss_coefficients(
                tokens,
                self._weights(targets),
                config.order,
                config.label_weight,
                config.rationale_weight,
                config.normalise,
            ),
            layout=layout,
            num_rows=next((rows for rows in self.row_counts if rows >= layout.rows), layout.rows),
        )

    def targets(self, step: int) -> tuple[np.ndarray, int]:
        """Rows of the table that a step trains, and its epoch."""
        epoch, position = divmod(step, self.per_epoch)
        start = position * self.config.batch_size
        return self._order(epoch)[start : start + self.config.batch_size], epoch

    def targets_before(self, step: int) -> int:
        """How many targets the steps before `step` trained."""
        epochs, position = divmod(step, self.per_epoch)
        of_epoch = min(position * self.config.batch_size, self.targets_per_epoch)
        return epochs * self.targets_per_epoch + of_epoch

    def count_cut(self) -> tuple[int, int]:
        """How many rationales, donated as in epoch 0, don't fit, and the tokens cut off them."""
        return self._lengths.count_cut(self._donors(0))

    @functools.lru_cache(maxsize=2)  # noqa: B019 - lives as long as the run
    def _order(self, epoch: int) -> np.ndarray:
        """int64 [targets of the epoch]: rows of the table."""
        config, table = self.config, self.table
        how = (config.targets_per_question, config.batch_size, config.seed, epoch)
        if not config.one_per_epoch:
            return epoch_order(self._per_question, *how)
        drawn = draw_one(table.question, table.samples, table.id_hashes, config.seed, epoch)
        return drawn[epoch_order(np.ones_like(drawn), *how)]

    @functools.lru_cache(maxsize=2)  # noqa: B019 - lives as long as the run
    def _donors(self, epoch: int) -> np.ndarray:
        """int64 [all targets]: the target whose rationale each one says."""
        config, question = self.config, self.table.question
        draw = epoch if config.redraw else 0
        donor = config.perturbation.donors(self.table.num_questions, config.seed, draw)[question]
        number = np.arange(len(question)) - self._first_of_question[question]
        return self._first_of_question[donor] + number % self._per_question[donor]

    def _weights(self, targets: np.ndarray) -> np.ndarray:
        """What each target weighs, float [targets]: see `StepConfig.question_weight`."""
        config = self.config
        if config.question_weight == "sum" or config.one_per_epoch:
            return np.ones(len(targets))
        return 1 / self._per_question[self.table.question[targets]]

    def _choose_shape(self) -> RowShape:
        """Row lengths that hold any reply, whoever donates its rationale."""
        config, table, lengths = self.config, self.table, self._lengths

        def reply_lengths(donors: np.ndarray) -> np.ndarray:
            return lengths.tokens(targets, lengths.rationales(targets, donors)).sum(axis=-1)

        targets = np.arange(table.num_targets)
        encoder = table.inputs.lengths[lengths.inputs(targets)].ravel()
        decoder = reply_lengths(self._donors(0)).ravel()
        if config.perturbation.donors(2, 0, 0)[0] != 0:  # other epochs pair lengths otherwise
            worst = reply_lengths(np.full_like(targets, table.rationales.lengths.argmax())).max()
            decoder = np.append(decoder, worst)
            encoder = np.append(encoder, encoder.max())
        return choose_shape(
            encoder, decoder, config.encoder_length, config.decoder_length, config.packing
        )

    def _choose_row_counts(self) -> tuple[int, ...]:
        config = self.config
        full = max(self.targets_per_epoch // config.batch_size, 1)
        needed = [self[step].layout.rows for step in range(min(SURVEYED_STEPS, full))]
        most = min(config.batch_size, self.targets_per_epoch) * len(config.order.replies)
        return choose_row_counts(needed, most, config.row_multiple)
