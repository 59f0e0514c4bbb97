"""Paths that are walked again in smaller steps, where the scores of a first walk don't add up."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator

from cotjax.evaluation.batching import Rows

MOST_PARTS = 16  # of a path: with 64 steps each, what is still off after 1,024 is told


def parts_of_path(count: int) -> list[tuple[float, float]]:
    """Where equal parts of a path begin and end.

    Each is walked in as many steps as the whole was, so that no other program is compiled.
    """
    return [(part / count, (part + 1) / count) for part in range(count)]


def regrouped(batches: Iterable[Rows], members: Collection[int]) -> Iterator[Rows]:
    """Some members of batches, as many as fit together again, in the shapes that they had."""
    by_shape: dict[tuple[int, tuple[int, ...]], list[int]] = defaultdict(list)
    for rows in batches:
        by_shape[rows.count, rows.lengths] += [one for one in rows.members if one in members]
    for (count, lengths), together in by_shape.items():
        for start in range(0, len(together), count):
            yield Rows(together[start : start + count], count, lengths)
