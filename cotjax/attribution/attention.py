"""Importance by attention: what the label looks at."""

from typing import Any

from cotjax.attribution.forward import Batch, Explained, Results


def attention(explained: Explained, params: Any, batch: Batch) -> Results:
    """Attention that the positions saying the label pay to each word.

    Returns:
      `scores` [rows, num_words].
    """
    paid = explained.attention(params, batch)
    return {"scores": explained.by_word(paid, batch)}
