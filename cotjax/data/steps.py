"""Which targets a step trains, and how they are laid out: a pure function of (seed, step)."""

import copy
import dataclasses
import functools
import itertools
from collections.abc import Iterable

import numpy as np

from cotjax.data.epochs import draw_one, draw_weighted, epoch_order
from cotjax.data.lengths import ReplyLengths
from cotjax.data.packing import Layout, Replies, RowShape, lay_out
from cotjax.data.perturbed import Perturbed
from cotjax.data.shapes import choose_row_counts, choose_shape
from cotjax.data.tokens import TokenTable
from cotjax.data.weights import loss_coefficients
from cotjax.errors import InputError
from cotjax.targets.donors import Perturbation
from cotjax.targets.orders import Order
from cotjax.targets.units import cut

SURVEYED_STEPS = 32  # laid out to choose the row counts, of as many epochs as it takes
SURVEYED_REPLIES = 256  # in steps that are laid out in every shape that rows may have


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
      input_length: Tokens that are read at most, where a rationale is among them.
      question_weight: Of a question's N targets in an epoch: `sum`, each weighs 1; `mean`, 1 / N.
      label_weight, rationale_weight, normalise: See `loss_coefficients`.
      packing, encoder_length, decoder_length: See the `data` section of the config.
      row_multiple: Rows that mesh and accumulation divide evenly.
      length_multiple: Of which row lengths are, where they are chosen from the data.
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
    input_length: int = 512
    question_weight: str = "sum"
    label_weight: float = 1.0
    rationale_weight: float = 1.0
    normalise: str = "tokens"
    packing: bool = True
    encoder_length: int | None = None
    decoder_length: int | None = None
    row_multiple: int = 1
    length_multiple: int = 8


@dataclasses.dataclass(frozen=True)
class Step:
    """One step's targets, laid out; tokens are gathered later.

    A target has one reply, or one a task: see `Order`.

    Attributes:
      targets: [targets] rows of the table.
      places: [tokens] where their rationales' tokens stand among the table's, as far as they fit,
        one target after the other.
      rationale_lengths: [targets] how many of these are each target's.
      streams: uint32 [targets], of the perturbation's draws.
      inputs: [replies, targets] rows of the table's inputs.
      read: [replies, targets] tokens that the encoder reads for each reply.
      tokens: [replies, targets, kinds], how many each reply says of each kind.
      coefficients: float32 [replies, targets, kinds], loss weight of each of these tokens.
      layout: Where everything stands; its replies are [replies, targets], flattened.
      num_rows: R, unused rows included.
    """

    targets: np.ndarray
    places: np.ndarray
    rationale_lengths: np.ndarray
    streams: np.ndarray
    inputs: np.ndarray
    read: np.ndarray
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
      perturbed: Whose rationales the targets have, and what is made of them.
    """

    def __init__(
        self, table: TokenTable, config: StepConfig, draw_weights: np.ndarray | None = None
    ):
        """Surveys some steps to choose the row shape and counts.

        Args:
          table: All targets of the run.
          config: What its steps hold.
          draw_weights: float [targets]: where an epoch draws one target a question, how likely each
            is, up to a factor; by default they come in turn.

        Raises:
          InputError: if a label or a question would be cut, or a row is too short.
        """
        self.table, self.config, self._draw_weights = table, config, draw_weights
        self._left_out: tuple[tuple[int, frozenset[int]], ...] = ()  # from which step on, which
        self.targets_per_epoch = table.num_questions if config.one_per_epoch else table.num_targets
        self.per_epoch = -(-self.targets_per_epoch // config.batch_size)
        self._per_question = np.bincount(table.question, minlength=table.num_questions)
        self.perturbed = Perturbed(table, config.perturbation, config.seed, config.redraw)
        self._lengths = ReplyLengths(
            table,
            config.order,
            len(config.connective),
            config.target_length,
            config.input_length,
        )
        self.shape = self._choose_shape()
        self.row_counts: tuple[int, ...] = ()  # none yet while steps are surveyed
        self.row_counts = self._choose_row_counts()

    def __getitem__(self, step: int) -> Step:
        """Lays out a step, counted from 0."""
        return self.lay_out(*self.targets(step))

    def lay_out(self, targets: np.ndarray, epoch: int) -> Step:
        """Lays out a step of some rows of the table, as an epoch has them."""
        config = self.config
        places, kept = self._kept(targets, epoch)
        measured = self._measured(targets, kept)
        layout = lay_out(self._replies(**measured), self.shape, config.packing)
        return Step(
            targets=targets,
            places=places,
            rationale_lengths=kept,
            streams=self.perturbed.streams(targets, epoch),
            **measured,
            coefficients=loss_coefficients(
                measured["tokens"],
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
        left_out = self._left_out_by(step)
        order = self._remaining(epoch, left_out) if left_out else self._order(epoch)
        return order[start : start + self.config.batch_size], epoch

    def without(self, targets: Iterable[int], first: int) -> "Steps":
        """The same steps, but without some rows of the table from step `first` on.

        Another target of the epoch stands in for each, so that every step holds as many as before.

        Raises:
          InputError: if no row is left.
        """
        fewer = copy.copy(self)
        fewer._left_out = (*self._left_out, (first, frozenset(targets)))
        if len(fewer._left_out_by(first)) == self.table.num_targets:
            raise InputError("no target is left to train on: all had to be left out")
        return fewer

    def targets_before(self, step: int) -> int:
        """How many targets the steps before `step` trained."""
        epochs, position = divmod(step, self.per_epoch)
        of_epoch = min(position * self.config.batch_size, self.targets_per_epoch)
        return epochs * self.targets_per_epoch + of_epoch

    def count_cut(self) -> tuple[int, int]:
        """How many rationales don't fit, as epoch 0 has them, and the tokens cut off them."""
        if not self.config.order.uses_rationale:
            return 0, 0
        lengths = self.perturbed.lengths
        lost = lengths - self._lengths.fit(np.arange(len(lengths)), lengths)
        return int((lost > 0).sum()), int(lost.sum())

    @functools.lru_cache(maxsize=2)  # noqa: B019 - lives as long as the run
    def _order(self, epoch: int) -> np.ndarray:
        """int64 [targets of the epoch]: rows of the table."""
        config, table = self.config, self.table
        how = (config.targets_per_question, config.batch_size, config.seed, epoch)
        if not config.one_per_epoch:
            return epoch_order(self._per_question, *how)
        key = (table.id_hashes, config.seed, epoch)
        if self._draw_weights is None:
            drawn = draw_one(table.question, table.samples, *key)
        else:
            drawn = draw_weighted(table.question, self._draw_weights, *key)
        return drawn[epoch_order(np.ones_like(drawn), *how)]

    @property
    def _full_steps(self) -> int:
        """Steps of an epoch that hold a whole batch, or the one that holds all targets."""
        return max(self.targets_per_epoch // self.config.batch_size, 1)

    def _left_out_by(self, step: int) -> frozenset[int]:
        """Rows of the table that are left out in a step."""
        return frozenset().union(*(rows for first, rows in self._left_out if step >= first))

    @functools.lru_cache(maxsize=2)  # noqa: B019 - lives as long as the run
    def _remaining(self, epoch: int, left_out: frozenset[int]) -> np.ndarray:
        """The epoch's order with stand-ins for what is left out.

        A stand-in comes from half an epoch on, so hardly any step holds it twice.
        """
        order, left_out = self._order(epoch), np.array(sorted(left_out))
        out = np.isin(order, left_out)
        kept = order[~out]
        if not len(kept):  # an epoch of one target a question has others
            kept = np.setdiff1d(np.arange(self.table.num_targets), left_out)
        stand_ins = kept[(np.arange(len(order)) + len(kept) // 2) % len(kept)]
        return np.where(out, stand_ins, order)

    def _weights(self, targets: np.ndarray) -> np.ndarray:
        """What each target weighs, float [targets]: see `StepConfig.question_weight`."""
        config = self.config
        if config.question_weight == "sum" or config.one_per_epoch:
            return np.ones(len(targets))
        return 1 / self._per_question[self.table.question[targets]]

    def _kept(self, targets: np.ndarray, epoch: int) -> tuple[np.ndarray, np.ndarray]:
        """Where the rationales' tokens stand, as many as fit, and how many these are."""
        places, lengths = self.perturbed.places(targets, epoch)
        return cut(places, lengths, self._lengths.fit(targets, lengths))

    def _measured(self, targets: np.ndarray, kept: np.ndarray) -> dict[str, np.ndarray]:
        """`Step`'s inputs, read and tokens of targets with so many tokens of rationales."""
        lengths = self._lengths
        return {
            "inputs": lengths.inputs(targets),
            "read": lengths.read(targets, kept),
            "tokens": lengths.tokens(targets, kept),
        }

    def _replies(self, inputs: np.ndarray, read: np.ndarray, tokens: np.ndarray) -> Replies:
        """What is to be laid out of what was measured."""
        own_passes = self.config.order.reads_rationale
        return Replies(
            inputs=np.arange(inputs.size) if own_passes else inputs.ravel(),
            read=read.ravel(),
            said=tokens.sum(axis=-1).ravel(),
        )

    def _choose_shape(self) -> RowShape:
        """The shape of rows that hold any reply, whatever an epoch draws for its rationale."""
        config, everything = self.config, np.arange(self.table.num_targets)
        drawn = (self.perturbed.lengths, self.perturbed.most())
        kept = [(everything, self._lengths.fit(everything, lengths)) for lengths in drawn]
        replies = [self._replies(**self._measured(*both)) for both in kept]
        steps = -(-SURVEYED_REPLIES // (config.batch_size * len(config.order.replies)))
        surveyed = [self.targets(step) for step in range(min(steps, self._full_steps))]
        kept = [(targets, self._kept(targets, epoch)[1]) for targets, epoch in surveyed]
        return choose_shape(
            [self._replies(**self._measured(*both)) for both in kept],
            longest=(
                max(int(one.read.max()) for one in replies),
                max(int(one.said.max()) for one in replies),
            ),
            shortest=min(int(one.said.min()) for one in replies),
            encoder=config.encoder_length,
            decoder=config.decoder_length,
            packing=config.packing,
            multiple=config.length_multiple,
        )

    def _choose_row_counts(self) -> tuple[int, ...]:
        config = self.config
        full = (step for step in itertools.count() if step % self.per_epoch < self._full_steps)
        needed = [self[step].layout.rows for step in itertools.islice(full, SURVEYED_STEPS)]
        most = min(config.batch_size, self.targets_per_epoch) * len(config.order.replies)
        return choose_row_counts(needed, most, config.row_multiple)
