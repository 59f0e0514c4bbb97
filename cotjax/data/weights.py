"""Loss weights: data that make the loss of a step a plain sum over its tokens."""

import numpy as np

from cotjax.targets.orders import Order
from cotjax.targets.segments import NUM_KINDS, Kind


def loss_coefficients(
    tokens: np.ndarray,
    target_weights: np.ndarray,
    order: Order,
    label_weight: float,
    rationale_weight: float,
    normalise: str,
) -> np.ndarray:
    """The loss weight of a token, by its reply, target and kind.

    A token weighs what its group (label or rationale) and its target weigh together, divided by a
    sum of such weights over the whole step: with `tokens` over all of its tokens, with the others
    over the token's own group. EOS belongs to the group of the segment that it closes, CONNECTIVE
    to the rationale. With `kinds` an EOS that closes the label weighs as much as a token of the
    label, but does not count in the label's sum: label tokens weigh the same in every order,
    whether they stand last or not.

    Distilling Step-by-Step's alpha * label loss + (1 - alpha) * rationale loss, each a mean over
    what the student says to its task, is `tasks` with the weights alpha and 1 - alpha.

    Args:
      tokens: int [replies, targets, kinds], how many there are in the step.
      target_weights: float [targets].
      order: Whose replies they are.
      label_weight, rationale_weight: Of the groups.
      normalise: `tokens`, `kinds`, or multitask's `tasks`.

    Returns:
      float32 [replies, targets, kinds]
    """
    is_label = np.zeros((len(order.replies), NUM_KINDS), bool)
    is_label[:, Kind.LABEL] = True
    is_label[:, Kind.EOS] = [reply.ends_with_label for reply in order.replies]
    weights = np.where(is_label, label_weight, rationale_weight)
    counts = np.einsum("rtk,t->rk", tokens, target_weights)
    if normalise == "tokens":
        total = np.full(counts.shape, (weights * counts).sum())
    else:
        labels = counts[is_label] if normalise == "tasks" else counts[:, Kind.LABEL]
        total = np.where(is_label, labels.sum(), counts[~is_label].sum())
    counted = weights * counts * total > 0
    group = np.divide(weights, total, out=np.zeros(counts.shape), where=counted)
    return (group[:, None, :] * target_weights[:, None]).astype(np.float32)
