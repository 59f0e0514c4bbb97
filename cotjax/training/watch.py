"""Watches the numbers of steps: which were skipped, how many in a row, and where the loss leaps."""

import dataclasses
import statistics
from collections import deque
from collections.abc import Iterable

WINDOW = 100  # losses that the next one is compared with
LEAST = 20  # of them; fewer have no spread to speak of
TO_DEVIATIONS = 1.4826  # times the median absolute deviation, the standard one of a normal's
LEAST_SPREAD = 0.01  # of the median: losses that hardly differ are no yardstick


@dataclasses.dataclass(frozen=True)
class Fault:
    """A step whose numbers are wrong, or odd.

    Attributes:
      step: Its number, counted from 1 as in the log.
      kind: `skipped`: its loss or gradients were not finite, and it left the student as it was.
        `spike`: its loss is far above those before it, and nothing was done about it.
      loss, grad_norm: As the step had them.
      score: The robust z-score of a spike.
    """

    step: int
    kind: str
    loss: float
    grad_norm: float
    score: float | None = None


class Watch:
    """Sees every step once, in order, some time after it was taken.

    Attributes:
      in_a_row: How many steps up to the last one were skipped.
      last_taken: The last step that was not; the checkpoint's before any was seen, or 0.
      diverged: The first and the last step of as many in a row as end a run, once there are.
    """

    def __init__(self, most_in_a_row: int, spike_score: float):
        """A loss of `spike_score` robust z-scores or more is a spike; 0 finds none."""
        self._most, self._spike_score = most_in_a_row, spike_score
        self.start()

    def start(self, step: int = 0, losses: Iterable[float] = ()) -> None:
        """Begins anew, or goes on after a step, where another one had the recent `losses`."""
        self._losses = deque(losses, maxlen=WINDOW)
        self.in_a_row, self.last_taken = 0, step
        self.diverged: tuple[int, int] | None = None

    @property
    def losses(self) -> list[float]:
        """The recent ones, of steps that were not skipped: what `start` goes on with."""
        return list(self._losses)

    def see(self, step: int, loss: float, grad_norm: float, skipped: bool) -> Fault | None:
        """Takes in a step, and says what was wrong with it."""
        if skipped:
            self.in_a_row += 1
            if self.in_a_row == self._most:
                self.give_up()
            return Fault(step, "skipped", loss, grad_norm)
        self.in_a_row, self.last_taken = 0, step
        score = robust_score(loss, self._losses)
        self._losses.append(loss)
        if self._spike_score and score is not None and score >= self._spike_score:
            return Fault(step, "spike", loss, grad_norm, round(score, 2))
        return None

    def give_up(self) -> None:
        """Takes the steps that were skipped in a row up to now for as many as end a run."""
        self.diverged = self.last_taken + 1, self.last_taken + self.in_a_row


def robust_score(value: float, others: Iterable[float]) -> float | None:
    """How many deviations `value` lies above the median of `others`; None if they are too few.

    The deviation is the median absolute one, scaled as in Iglewicz and Hoaglin (1993), so neither
    an earlier spike nor a few lucky steps move the yardstick.
    """
    others = list(others)
    if len(others) < LEAST:
        return None
    median = statistics.median(others)
    deviation = TO_DEVIATIONS * statistics.median(abs(other - median) for other in others)
    return (value - median) / max(deviation, LEAST_SPREAD * abs(median), 1e-12)
