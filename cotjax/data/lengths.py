"""How much every reply reads and says: exact before anything is laid out."""

import numpy as np

from cotjax.data.tokens import TokenTable
from cotjax.errors import InputError
from cotjax.targets.orders import Order
from cotjax.targets.segments import NUM_KINDS, Kind


class ReplyLengths:
    """Lengths of the replies to a table's targets, whoever donates their rationales."""

    def __init__(self, table: TokenTable, order: Order, connective: int, target_length: int):
        """Takes the connective's tokens, and those that a reply may have, EOS included.

        Raises:
          InputError: if the target length would cut a label: connective and EOS must fit too.
        """
        self._table, self._order, self._connective = table, order, connective
        everything = np.arange(table.num_targets)
        room = target_length - self.tokens(everything, 0).sum(axis=-1)  # [replies, targets]
        if room.min() < 0:
            raise InputError(
                f"config.data.target_length={target_length} would cut a label: "
                f"{target_length - int(room.min())} tokens are needed without any rationale"
            )
        saying = [reply.has_rationale for reply in order.replies]
        self._room = room[saying].min(axis=0) if any(saying) else 0 * everything

    def inputs(self, targets: np.ndarray) -> np.ndarray:
        """The rows of the table's inputs that the replies read, int [replies, targets]."""
        replies = len(self._order.replies)
        return self._table.question[targets] * replies + np.arange(replies)[:, None]

    def rationales(self, targets: np.ndarray, donors: np.ndarray) -> np.ndarray:
        """How many tokens of their donors' rationales fit the targets, int [targets]."""
        return np.minimum(self._table.rationales.lengths[donors], self._room[targets])

    def tokens(self, targets: np.ndarray, rationales: np.ndarray | int) -> np.ndarray:
        """What is said, given the rationales' lengths: int [replies, targets, kinds]."""
        lengths = {
            Kind.LABEL: self._table.labels.lengths[targets],
            Kind.CONNECTIVE: self._connective,
            Kind.RATIONALE: rationales,
            Kind.EOS: 1,
        }
        tokens = np.zeros((len(self._order.replies), len(targets), NUM_KINDS), np.int64)
        for number, reply in enumerate(self._order.replies):
            for kind in (*reply.segments, Kind.EOS):
                tokens[number, :, kind] = lengths[kind]
        return tokens

    def count_cut(self, donors: np.ndarray) -> tuple[int, int]:
        """How many rationales don't fit the targets that they are donated to, and their tokens.

        `donors` is int [all targets].
        """
        if not self._order.uses_rationale:
            return 0, 0
        fitting = self.rationales(np.arange(len(donors)), donors)
        cut = self._table.rationales.lengths[donors] - fitting
        return int((cut > 0).sum()), int(cut.sum())
