"""Which targets an epoch holds, and in which order: pure functions of (seed, epoch)."""

import numpy as np

from cotjax.targets.keys import mix, streams


def draw_one(
    question: np.ndarray, samples: np.ndarray, id_hashes: np.ndarray, seed: int, epoch: int
) -> np.ndarray:
    """One target of each question, another one in the next epoch.

    A question's targets are shuffled, gone through one an epoch, and shuffled anew: of n, each
    comes once in every n epochs. A draw depends on seed, epoch and the question's own targets.

    Args:
      question: int [targets], the question of each, rising from 0.
      samples: int [targets], number of each target's rationale among its question's.
      id_hashes: uint64 [questions], of the questions' ids.
      seed, epoch: Key of the draw.

    Returns:
      int64 [questions]
    """
    count = np.bincount(question)
    shuffles_before = (epoch // count).astype(np.uint32)
    keys = streams(seed, id_hashes[question], samples, 0, "one_per_epoch")
    keys = mix(keys ^ mix(shuffles_before)[question])
    shuffled = np.lexsort((keys, question))
    return shuffled[np.cumsum(count) - count + epoch % count]


def draw_weighted(
    question: np.ndarray, weights: np.ndarray, id_hashes: np.ndarray, seed: int, epoch: int
) -> np.ndarray:
    """One target of each question, each as likely as its weight says.

    A draw depends on seed, epoch and the question's own weights. It takes additions, products and
    comparisons of floats alone, which every machine rounds alike, so all hosts draw the same.

    Args:
      question: int [targets], the question of each, rising from 0.
      weights: float [targets], above 0; they need not add up to 1.
      id_hashes: uint64 [questions], of the questions' ids.
      seed, epoch: Key of the draw.

    Returns:
      int64 [questions]
    """
    count = np.bincount(question)
    first = np.cumsum(count) - count
    by_question = np.zeros((len(count), count.max()))
    by_question[question, np.arange(len(question)) - first[question]] = weights
    sums = np.cumsum(by_question, axis=1)
    keys = streams(seed, id_hashes, np.zeros(len(count), int), epoch, "mixture")
    drawn = keys * 2.0**-32 * sums[:, -1]
    return first + (sums <= drawn[:, None]).sum(axis=1)


def epoch_order(
    per_question: np.ndarray, together: int, batch_size: int, seed: int, epoch: int
) -> np.ndarray:
    """The order of an epoch's targets: every target once.

    With one target a question it is `Generator(Philox(key=[seed, epoch])).permutation(n)`. A
    question with more is visited in rounds, `together` of its targets a round, so that the
    others come in other steps. Those that are left over where `together` does not divide their
    number come last, a question's in one step as long as others fill the steps before.

    Args:
      per_question: int [questions], targets of each, numbered one question after the other.
      together: Targets of a question that stand together; it divides `batch_size`.
      batch_size: Targets a step.
      seed, epoch: Key of the draw.

    Returns:
      int64 [targets]
    """
    generator = np.random.Generator(np.random.Philox(key=[seed, epoch]))
    first = np.cumsum(per_question) - per_question
    order: list[np.ndarray] = []
    visited = np.array([], np.int64)  # the question of each target so far
    rounds = per_question // together
    for number in range(int(rounds.max()) + 1):
        left_over = number == rounds.max()
        asked = np.flatnonzero(per_question % together if left_over else rounds > number)
        asked = asked[generator.permutation(len(asked))]
        # What the last round left of an unfilled step must not meet its own questions there.
        unfilled = visited[len(visited) - len(visited) % batch_size :]
        seen = np.isin(asked, unfilled)
        asked = np.concatenate([asked[~seen], asked[seen]])
        if left_over:
            asked = asked[_fill(per_question[asked] % together, len(unfilled), batch_size)]
        begin = (rounds[asked] if left_over else number) * together
        count = np.minimum(per_question[asked] - begin, together)
        within = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
        order.append(np.repeat(first[asked] + begin, count) + within)
        visited = np.concatenate([visited, np.repeat(asked, count)])
    return np.concatenate(order)


def _fill(sizes: np.ndarray, begun: int, batch_size: int) -> np.ndarray:
    """An order in which groups of targets fill steps, of which the first has `begun` already.

    The largest that fits comes next, of equals the first. Where none fits, the smallest is split.
    """
    waiting = {size: np.flatnonzero(sizes == size).tolist()[::-1] for size in np.unique(sizes)}
    order = []
    for _ in range(len(sizes)):
        room = batch_size - begun
        fitting = [size for size, groups in waiting.items() if groups and size <= room]
        size = max(fitting, default=None) or min(s for s, groups in waiting.items() if groups)
        order.append(waiting[size].pop())
        begun = (begun + size) % batch_size
    return np.array(order, int)
