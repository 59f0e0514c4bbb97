"""Orders: what a student is to say to a question, and in which order.

Wadhwa et al. 2024 compare the label alone, the rationale before it (pre-CoT) and after it
(post-CoT). Hsieh et al. 2023 (Distilling Step-by-Step) ask every question twice, once for its label
and once for its rationale, told apart by what stands before the question. With `rationale_input`
the student reads the rationale and says the label alone: Wadhwa et al.'s reader for attribution,
and what a rationale is worth at most.
"""

import dataclasses
from collections.abc import Sequence

from cotjax.targets.segments import Kind


@dataclasses.dataclass(frozen=True)
class Reply:
    """What is said, closed by EOS, to a question that is asked with a prefix.

    Attributes:
      segments: Kinds in the order in which the decoder says them.
      prefix: What the encoder reads before the question.
      context: Kinds that the encoder reads after the question.
    """

    segments: tuple[Kind, ...]
    prefix: str = ""
    context: tuple[Kind, ...] = ()

    @property
    def has_rationale(self) -> bool:
        """Whether a rationale is part of what is said."""
        return Kind.RATIONALE in self.segments

    @property
    def reads_rationale(self) -> bool:
        """Whether the encoder reads a rationale after the question."""
        return Kind.RATIONALE in self.context

    @property
    def ends_with_label(self) -> bool:
        """Whether EOS closes the label, and so belongs to its loss group."""
        return self.segments[-1] is Kind.LABEL

    @property
    def starts_with_label(self) -> bool:
        """Whether the label can be read without generating anything before it."""
        return self.segments[0] is Kind.LABEL

    def ask(self, question: str) -> str:
        """What the encoder reads, of a question in the task's format."""
        return f"{self.prefix}{question}"

    def read(
        self,
        question: Sequence[int],
        connective: Sequence[int],
        rationale: Sequence[int],
        length: int,
        eos: int,
    ) -> list[int]:
        """The encoder's tokens, `length` at most, of a question's without EOS and of its context.

        The rationale is cut first; the question leaves room for connective and EOS.
        """
        parts = {Kind.CONNECTIVE: connective, Kind.RATIONALE: rationale}
        context = [token for kind in self.context for token in parts[kind]]
        always = len(connective) if Kind.CONNECTIVE in self.context else 0
        asked = list(question[: length - 1 - always])
        return [*asked, *context[: length - 1 - len(asked)], eos]


@dataclasses.dataclass(frozen=True)
class Order:
    """The replies that make up a target: one, or one a task.

    Attributes:
      name: What the config calls it.
      replies: Each read and said by itself; one of them holds the label.
      connective: Default words between label and rationale.
    """

    name: str
    replies: tuple[Reply, ...]
    connective: str = ""

    @property
    def uses_rationale(self) -> bool:
        """Whether a rationale is part of the target, said or read."""
        return any(reply.has_rationale or reply.reads_rationale for reply in self.replies)

    @property
    def reads_rationale(self) -> bool:
        """Whether the encoder reads a rationale: an encoder pass is then one target's alone."""
        return any(reply.reads_rationale for reply in self.replies)

    @property
    def texts(self) -> tuple[str, ...]:
        """The words that it adds to a task's own."""
        return (self.connective, *(reply.prefix for reply in self.replies))

    @property
    def answer(self) -> Reply:
        """The reply with the label: what a trained student is asked for."""
        return next(reply for reply in self.replies if Kind.LABEL in reply.segments)


LABEL, CONNECTIVE, RATIONALE = Kind.LABEL, Kind.CONNECTIVE, Kind.RATIONALE
ORDERS = {
    order.name: order
    for order in (
        Order("label_only", (Reply((LABEL,)),)),
        Order("rationale_first", (Reply((RATIONALE, CONNECTIVE, LABEL)),), "So the answer is"),
        Order("label_first", (Reply((LABEL, CONNECTIVE, RATIONALE)),), "because"),
        # The prefixes of the authors' code; the paper prints [label] and [rationale].
        Order("multitask", (Reply((LABEL,), "predict: "), Reply((RATIONALE,), "explain: "))),
        Order(
            "rationale_input",
            (Reply((LABEL,), context=(CONNECTIVE, RATIONALE)),),
            "rationale:",
        ),
    )
}


def make_order(name: str, connective: str | None = None) -> Order:
    """Returns an order by name, with other words between label and rationale if given."""
    order = ORDERS[name]
    return order if connective is None else dataclasses.replace(order, connective=connective)
