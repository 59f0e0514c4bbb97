"""Filters at equal budget: which k of a question's many rationales are kept (Li et al. 2023).

Each takes the pools of all questions and k, and returns the positions that it keeps of each pool,
rising. A pool with fewer than k rationales keeps them all; apart from `open_ended`, which shares
the same budget out in another way, every other pool keeps exactly k. A rationale's random key
depends on the run's seed, its question's id and its number alone, so `random` keeps at k what it
keeps at k - 1 and one more.
"""

import dataclasses
import heapq
import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from scipy.sparse import csr_array

from cotjax.errors import InputError

FIFTHS = (1, 3, 5, 7, 9)  # rationales of a question by open-endedness, at 5 on average


@dataclasses.dataclass(frozen=True)
class Pool:
    """A question's rationales, of which some are to be kept.

    Attributes:
      texts: What they say.
      mean_logprobs: The teacher's log-probability by token, None where it is unknown.
      keys: uint32 [rationales], random.
    """

    texts: Sequence[str]
    mean_logprobs: Sequence[float | None]
    keys: np.ndarray


Kept = list[list[int]]


def random(pools: Sequence[Pool], k: int) -> Kept:
    """Any k: those with the smallest keys."""
    return [_smallest(pool.keys, k) for pool in pools]


def diverse(pools: Sequence[Pool], k: int) -> Kept:
    """One of each of k clusters, the one with the smallest key.

    Rationales are told apart by the Jaccard distance of their sets of words and pairs of words,
    where Li et al. embed sentences; clusters are merged by average distance.
    """
    return [_one_a_cluster(pool, k) for pool in pools]


def likely(pools: Sequence[Pool], k: int) -> Kept:
    """The k that the teacher found likeliest by token; of equals the first.

    Raises:
      InputError: if some have no log-probability.
    """
    values = [value for pool in pools for value in pool.mean_logprobs]
    if missing := values.count(None):
        raise InputError(
            f"config.data.selection.name='likely': {missing} of {len(values)} rationales have no "
            "mean_logprob in their records"
        )
    return [_smallest(-np.array(pool.mean_logprobs), k) for pool in pools]


def open_ended(pools: Sequence[Pool], k: int) -> Kept:
    """More of a question whose rationales have more different pairs of words, k on average.

    Questions are ranked by that number, which is counted over the pool alone: rationales that don't
    qualify have no part in it. From the lowest fifth to the highest they keep 1, 3, 5, 7, 9 times
    k / 5, chosen as by `random`. Where that is not whole, or more than a question has, others come
    as near as the budget lets them; every question keeps one. Ties are broken by random keys.
    """
    variety = [len(set().union(*map(_bigrams, pool.texts))) for pool in pools]
    lots = np.argsort([pool.keys.min() for pool in pools], kind="stable")  # the order of ties
    ranks = np.argsort(np.argsort(np.array(variety)[lots], kind="stable"))
    wanted = np.array(FIFTHS)[ranks * len(FIFTHS) // len(pools)] * k / 5
    available = np.array([len(pool.texts) for pool in pools])
    budget = int(np.minimum(available, k).sum())
    kept = np.empty(len(pools), int)
    kept[lots] = share_out(budget, wanted.tolist(), available[lots].tolist())
    return [_smallest(pool.keys, count) for pool, count in zip(pools, kept, strict=True)]


def share_out(budget: int, wanted: Sequence[float], available: Sequence[int]) -> list[int]:
    """Whole numbers of sum `budget`, from 1 to `available`, as near to `wanted` as can be.

    The sum of squared differences is the least there is: units go one by one to whoever lacks
    most, of equals to the first.
    """
    shares = [1] * len(wanted)
    lacking = [(1 - want, n) for n, want in enumerate(wanted) if available[n] > 1]
    heapq.heapify(lacking)
    for _ in range(budget - len(shares)):
        surplus, n = heapq.heappop(lacking)
        shares[n] += 1
        if shares[n] < available[n]:
            heapq.heappush(lacking, (surplus + 1, n))
    return shares


FILTERS: Mapping[str, Callable[[Sequence[Pool], int], Kept]] = {
    filter_.__name__: filter_ for filter_ in (random, diverse, likely, open_ended)
}


def _smallest(values: np.ndarray, k: int) -> list[int]:
    return sorted(np.argsort(values, kind="stable")[:k].tolist())


def _bigrams(text: str) -> set[tuple[str, str]]:
    words = text.casefold().split()
    return set(itertools.pairwise(words))


def _one_a_cluster(pool: Pool, k: int) -> list[int]:
    if len(pool.texts) <= k:
        return list(range(len(pool.texts)))
    if k == 1:
        return _smallest(pool.keys, 1)
    from sklearn.cluster import AgglomerativeClustering  # takes a second

    clustering = AgglomerativeClustering(k, metric="precomputed", linkage="average")
    clusters = clustering.fit_predict(_distances(pool.texts))
    members = (np.flatnonzero(clusters == cluster) for cluster in range(k))
    return sorted(int(of_it[pool.keys[of_it].argmin()]) for of_it in members)


def _distances(texts: Sequence[str]) -> np.ndarray:
    """Jaccard distances of the texts' sets of words and bigrams, [texts, texts]."""
    sets = [set(text.casefold().split()) | _bigrams(text) for text in texts]
    sizes = np.array([len(items) for items in sets])
    numbers: dict[Any, int] = {}
    columns = [numbers.setdefault(item, len(numbers)) for items in sets for item in items]
    # Sparse: a dense product would start threads, which costs more than it does.
    held = csr_array((np.ones(len(columns), int), columns, np.append(0, np.cumsum(sizes))))
    shared = (held @ held.T).toarray()
    return 1 - shared / (sizes[:, None] + sizes - shared)
