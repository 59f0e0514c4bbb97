"""Orders: how label, connective and rationale compose a target.

Wadhwa et al. 2024 compare the label alone, the rationale before it (pre-CoT) and after it
(post-CoT).
"""

import dataclasses

from cotjax.targets.segments import Kind


@dataclasses.dataclass(frozen=True)
class Order:
    """The segments of a target, closed by EOS.

    Attributes:
      name: What the config calls it.
      segments: Kinds in the order in which the decoder says them.
      connective: Default words between label and rationale.
    """

    name: str
    segments: tuple[Kind, ...]
    connective: str = ""

    @property
    def uses_rationale(self) -> bool:
        """Whether a rationale is part of the target."""
        return Kind.RATIONALE in self.segments

    @property
    def ends_with_label(self) -> bool:
        """Whether EOS closes the label, and so belongs to its loss group."""
        return self.segments[-1] is Kind.LABEL

    @property
    def starts_with_label(self) -> bool:
        """Whether the label can be read without generating anything before it."""
        return self.segments[0] is Kind.LABEL


ORDERS = {
    order.name: order
    for order in (
        Order("label_only", (Kind.LABEL,)),
        Order("rationale_first", (Kind.RATIONALE, Kind.CONNECTIVE, Kind.LABEL), "So the answer is"),
        Order("label_first", (Kind.LABEL, Kind.CONNECTIVE, Kind.RATIONALE), "because"),
    )
}


def make_order(name: str, connective: str | None = None) -> Order:
    """Returns an order by name, with other words between label and rationale if given."""
    order = ORDERS[name]
    return order if connective is None else dataclasses.replace(order, connective=connective)
