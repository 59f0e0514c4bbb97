"""How much every reply reads and says: exact before anything is laid out."""

import numpy as np

from cotjax.data.tokens import TokenTable
from cotjax.errors import InputError
from cotjax.targets.orders import Order
from cotjax.targets.segments import NUM_KINDS, Kind


class ReplyLengths:
    """Lengths of the replies to a table's targets, whatever rationales they say or read."""

    def __init__(
        self,
        table: TokenTable,
        order: Order,
        connective: int,
        target_length: int,
        input_length: int,
    ):
        """Takes the connective's tokens, and those a reply may say and read, EOS included.

        Raises:
          InputError: if the target length would cut a label, or the input length a question:
            connective and EOS must fit too.
        """
        self._table, self._order, self._connective = table, order, connective
        everything = np.arange(table.num_targets)
        said = target_length - self.tokens(everything, 0).sum(axis=-1)  # [replies, targets]
        if said.min() < 0:
            raise InputError(
                f"config.data.target_length={target_length} would cut a label: "
                f"{target_length - int(said.min())} tokens are needed without any rationale"
            )
        read = input_length - self.read(everything, 0)
        if order.reads_rationale and read.min() < 0:
            raise InputError(
                f"config.data.input_length={input_length} would cut a question: "
                f"{input_length - int(read.min())} tokens are needed without any rationale"
            )
        rooms = [
            room
            for reply, *both in zip(order.replies, said, read, strict=True)
            for has, room in zip((reply.has_rationale, reply.reads_rationale), both, strict=True)
            if has
        ]
        self._room = np.min(rooms, axis=0) if rooms else 0 * everything

    def inputs(self, targets: np.ndarray) -> np.ndarray:
        """The rows of the table's inputs that the replies read, int [replies, targets]."""
        replies = len(self._order.replies)
        return self._table.question[targets] * replies + np.arange(replies)[:, None]

    def fit(self, targets: np.ndarray, rationales: np.ndarray) -> np.ndarray:
        """How many tokens of rationales of these lengths fit the targets, int [targets]."""
        return np.minimum(rationales, self._room[targets])

    def read(self, targets: np.ndarray, rationales: np.ndarray | int) -> np.ndarray:
        """What is read, given the rationales' lengths: int [replies, targets]."""
        context = {Kind.CONNECTIVE: self._connective, Kind.RATIONALE: rationales}
        more = [sum(context[kind] for kind in reply.context) for reply in self._order.replies]
        read = self._table.inputs.lengths_of(self.inputs(targets))
        return np.stack([row + extra for row, extra in zip(read, more, strict=True)])

    def tokens(self, targets: np.ndarray, rationales: np.ndarray | int) -> np.ndarray:
        """What is said, given the rationales' lengths: int [replies, targets, kinds]."""
        lengths = {
            Kind.LABEL: self._table.labels.lengths_of(targets),
            Kind.CONNECTIVE: self._connective,
            Kind.RATIONALE: rationales,
            Kind.EOS: 1,
        }
        tokens = np.zeros((len(self._order.replies), len(targets), NUM_KINDS), np.int64)
        for number, reply in enumerate(self._order.replies):
            for kind in (*reply.segments, Kind.EOS):
                tokens[number, :, kind] = lengths[kind]
        return tokens
