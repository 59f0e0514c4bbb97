"""Which question gives its rationale to which: chosen in numpy, anew in every epoch."""

import dataclasses

import numpy as np

from cotjax.errors import InputError
from cotjax.targets.keys import stable_hash


@dataclasses.dataclass(frozen=True)
class Perturbation:
    """Leaves a rationale as it is; the others replace what they change.

    Attributes:
      name: What the config calls it, and the name of its random stream.
    """

    name: str = "none"

    def donors(self, labels: np.ndarray, seed: int, epoch: int) -> np.ndarray:
        """Whose rationale each question is given, int [questions]; here its own.

        Args:
          labels: int [questions], the same number for questions of equal label.
          seed: Of the run.
          epoch: Of fresh draws; 0 throughout for draws that are fixed for the run.
        """
        return np.arange(len(labels))


@dataclasses.dataclass(frozen=True)
class Swap(Perturbation):
    """Gives every question another question's rationale: a derangement."""

    name: str = "swap"

    def donors(self, labels: np.ndarray, seed: int, epoch: int) -> np.ndarray:
        """See `Perturbation.donors`: the questions form one random cycle."""
        if len(labels) < 2:
            raise InputError(
                f"config.data.perturbation.name={self.name!r} needs two questions or more"
            )
        cycle = _permutation(len(labels), self.name, seed, epoch)
        donors = np.empty(len(labels), np.int64)
        donors[cycle] = np.roll(cycle, -1)
        return donors


@dataclasses.dataclass(frozen=True)
class SwapSameLabel(Perturbation):
    """Gives every question the rationale of another one with the same label.

    A question whose label no other has keeps its own.
    """

    name: str = "swap_same_label"

    def donors(self, labels: np.ndarray, seed: int, epoch: int) -> np.ndarray:
        """See `Perturbation.donors`: the questions of a label form one random cycle."""
        cycle = _permutation(len(labels), self.name, seed, epoch)
        cycle = cycle[np.argsort(labels[cycle], kind="stable")]
        last = np.append(np.diff(labels[cycle]) != 0, True)  # of its label
        first = np.roll(last, 1)
        following = np.roll(cycle, -1)
        following[last] = cycle[first]
        donors = np.empty(len(labels), np.int64)
        donors[cycle] = following
        if (donors == np.arange(len(labels))).all():
            raise InputError(
                f"config.data.perturbation.name={self.name!r} changes nothing: "
                "no two questions have the same label"
            )
        return donors


def _permutation(count: int, name: str, seed: int, epoch: int) -> np.ndarray:
    key = [seed, stable_hash(f"{name}:{epoch}", 32)]
    return np.random.Generator(np.random.Philox(key=key)).permutation(count)
