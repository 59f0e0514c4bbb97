"""Which tokens of the table each target's rationale is made of, before anything is cut off it."""

import functools

import numpy as np

from cotjax.data.tokens import TokenTable
from cotjax.data.units import begins_of, numbers_of
from cotjax.targets.donors import Perturbation
from cotjax.targets.edits import Edit
from cotjax.targets.keys import streams
from cotjax.targets.transforms import Transform
from cotjax.targets.units import Source

CHUNK = 1024  # targets that are looked at at once when all of them are
DONORS = 4  # questions at most whose steps are inserted into one rationale


class Perturbed:
    """The rationales of a table's targets, given by others or edited, epoch by epoch."""

    def __init__(self, table: TokenTable, perturbation: Perturbation, seed: int, redraw: bool):
        """Finds the first target of every question, and the questions of equal label."""
        self._table, self._perturbation = table, perturbation
        self._seed, self._redraw = seed, redraw
        self._first_of_question = np.searchsorted(table.question, np.arange(table.num_questions))
        self._per_question = np.bincount(table.question, minlength=table.num_questions)
        self._labels = _numbered(table, self._first_of_question)
        self._source = _source(table, perturbation) if isinstance(perturbation, Edit) else None

    @functools.lru_cache(maxsize=2)  # noqa: B019 - lives as long as the run
    def donors(self, epoch: int) -> np.ndarray:
        """int64 [all targets]: the target whose rationale each one is given."""
        question = self._table.question
        donor = self._perturbation.donors(self._labels, self._seed, self._drawn(epoch))[question]
        number = np.arange(len(question)) - self._first_of_question[question]
        return self._first_of_question[donor] + number % self._per_question[donor]

    def streams(self, targets: np.ndarray, epoch: int) -> np.ndarray:
        """uint32 [n], of the draws for some targets."""
        table = self._table
        return streams(
            self._seed,
            table.id_hashes[table.question[targets]],
            table.samples[targets],
            self._drawn(epoch),
            self._perturbation.name,
        )

    def places(self, targets: np.ndarray, epoch: int) -> tuple[np.ndarray, np.ndarray]:
        """Where the tokens of some targets' rationales stand among the table's.

        Returns:
          int64 [all tokens], one target after the other, and int64 [n], tokens of each.
        """
        donors = self.donors(epoch)
        if self._source is None:
            return self._table.rationales.places(donors[targets])
        chain = [donors[targets]]
        # One cycle leads through all questions, and only its end back to the target's own.
        while len(chain) < min(DONORS, self._table.num_questions - 1):
            chain.append(donors[chain[-1]])
        stream = self.streams(targets, epoch)
        return self._perturbation.edit(self._source, targets, np.stack(chain, axis=1), stream)

    @functools.cached_property
    def lengths(self) -> np.ndarray:
        """int64 [all targets], tokens of each target's rationale in epoch 0."""
        return self._survey[0]

    def count_same(self) -> int:
        """How many targets have in epoch 0 what they would have without any perturbation."""
        return int(self._survey[1].sum())

    def count_emptied(self) -> int:
        """How many rationales have no token left in epoch 0, of those that had any."""
        return int(((self.lengths == 0) & (self._table.rationales.lengths > 0)).sum())

    def most(self) -> np.ndarray:
        """int64 [all targets], tokens that no epoch's draws exceed."""
        if self._source is not None:
            return self._perturbation.most(self._source)
        lengths = self._table.rationales.lengths
        swapped = (self.donors(0) != np.arange(len(lengths))).any()
        return np.full_like(lengths, lengths.max()) if swapped else lengths

    @functools.cached_property
    def _survey(self) -> tuple[np.ndarray, np.ndarray]:
        """Lengths of all rationales in epoch 0, and which of them are as they were."""
        everything = np.arange(self._table.num_targets)
        chunks = np.split(everything, everything[CHUNK::CHUNK])
        lengths, same = zip(*(self._compare(chunk) for chunk in chunks), strict=True)
        return np.concatenate(lengths), np.concatenate(same)

    def _compare(self, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Lengths of some perturbed rationales, and whether each one is as it was."""
        if isinstance(self._perturbation, Edit):
            return self._compare_edited(targets)
        donors = self.donors(0)[targets]
        same = donors == targets
        if isinstance(self._perturbation, Transform):
            same = _num_changed(self._table, self._perturbation, targets) == 0
        return self._table.rationales.lengths_of(donors), same

    def _compare_edited(self, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The same of rationales that are edited."""
        places, lengths = self.places(targets, 0)
        row = np.repeat(np.arange(len(targets)), lengths)
        within = np.arange(len(places)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        moved = places != self._table.rationales.offsets[targets][row] + within
        same = np.bincount(row[moved], minlength=len(targets)) == 0
        return lengths, same & (lengths == self._table.rationales.lengths_of(targets))

    def _drawn(self, epoch: int) -> int:
        return epoch if self._redraw else 0


def units_of(table: TokenTable, unit: str) -> np.ndarray:
    """The number of each rationale token's `words`, `tokens` or `steps`, int32 [all tokens]."""
    return numbers_of(table.begins, unit, table.rationales.lengths)


def _source(table: TokenTable, edit: Edit) -> Source:
    length = getattr(edit, "length", None)
    goals = table.reference if length is None else np.full(table.num_targets, length)
    offsets = table.rationales.offsets.astype(np.int64)
    return Source(offsets, units_of(table, edit.unit), goals.astype(np.int64))


def _num_changed(table: TokenTable, transform: Transform, targets: np.ndarray) -> np.ndarray:
    """How many units of some rationales a transform changes, int64 [n]."""
    places, lengths = table.rationales.places(targets)
    starts = np.flatnonzero(begins_of(table.begins[places], transform.unit))
    changeable = transform.is_changeable(table.rationales.values[places])
    held = np.logical_or.reduceat(changeable, starts)
    row = np.repeat(np.arange(len(targets)), lengths)[starts]
    return transform.num_changed(np.bincount(row[held], minlength=len(targets)))


def _numbered(table: TokenTable, targets: np.ndarray) -> np.ndarray:
    """The same number for targets of equal label, int64 [n]."""
    numbers: dict[bytes, int] = {}
    return np.array([numbers.setdefault(table.labels[t].tobytes(), len(numbers)) for t in targets])
