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

    A token weighs what its group (label or rationale) and its target weigh together. With `tokens`
    that is divided by its sum over the whole step; with `kinds` the weighted mean of each group is
    taken over its own tokens, and then weighs what the group does. EOS belongs to the group of the
    segment that it closes, CONNECTIVE to the rationale.

    Distilling Step-by-Step's alpha * label loss + (1 - alpha) * rationale loss, each a mean over
    its own tokens, is `kinds` with the weights alpha and 1 - alpha.

    Args:
      tokens: int [replies, targets, kinds], how many there are in the step.
      target_weights: float [targets].
      order: Whose replies they are.
      label_weight, rationale_weight: Of the groups.
      normalise: `tokens` or `kinds`.

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
        total = np.where(is_label, counts[is_label].sum(), counts[~is_label].sum())
    group = np.divide(weights, total, out=np.zeros(counts.shape), where=weights * counts > 0)
    return (group[:, None, :] * target_weights[:, None]).astype(np.float32)
