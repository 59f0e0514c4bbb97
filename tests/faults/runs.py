"""Training runs, on one process or on two, that are killed and started again."""

from collections.abc import Mapping
from pathlib import Path

import jax
import numpy as np
import orbax.checkpoint as ocp

from cotjax.training.writers import read_scalars
from tests.conftest import REPOSITORY
from tests.faults import moments
from tests.faults.jobs import Job, Moment, tokens

STEPS = 12
IMPATIENT = """
import runpy, sys
from cotjax import lost  # which imports no JAX

lost.JOINED_WITHIN = 60
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""
FIELDS = {
    "model.d_model": 16,
    "model.d_kv": 4,
    "model.d_ff": 16,
    "model.num_layers": 1,
    "model.num_decoder_layers": 1,
    "data.batch_size": 512,  # four steps an epoch: twelve steps cross two ends of epochs
    "data.perturbation.name": "shuffle",
    "schedule.total_steps": STEPS,
    "schedule.warmup_steps": 2,
    "checkpoint.every": 3,
    "evaluation.every": 6,
    "evaluation.max_questions": 8,
    "evaluation.max_tokens": 4,
    "profile.log_every": 1,
}


class Training(Job):
    """A run of twelve steps."""

    name = "training"

    def words(self, folder: Path, shared: Path) -> list[str]:
        return [
            str(REPOSITORY / "scripts" / "train.py"),
            f"--config={REPOSITORY / 'configs' / 'default.py'}",
            f"--workdir={folder}",
            f"--config.data.cache={tokens(shared)}",
            *(f"--config.{name}={value}" for name, value in FIELDS.items()),
        ]

    def moments(self, folder: Path, shared: Path) -> Mapping[str, Moment]:
        logged = len(trained(folder)) if folder.exists() else 0
        return {
            "tokenising": moments.tokenising(shared),
            "compiling": moments.compiling(shared),
            "preparing": moments.preparing(folder),
            "evaluating": moments.evaluating(folder),
            "stepping": moments.stepping(folder, logged + 2),
            "saving": moments.saving(folder),
            "renamed": moments.renamed(folder),
        }

    def progress(self, folder: Path) -> str:
        return f"{len(trained(folder)) if folder.exists() else 0} steps"

    def check_same(self, folder: Path, whole: Path) -> None:
        """Final parameters, optimizer state and logged numbers are the same bit for bit."""
        assert [line[0] for line in trained(folder)] == list(range(1, STEPS + 1))
        assert trained(folder) == trained(whole)
        assert evaluated(folder) == evaluated(whole)
        for item in ("params", "optimizer"):
            found, expected = (_arrays(one, item) for one in (folder, whole))
            jax.tree.map(np.testing.assert_array_equal, found, expected)


class GroupTraining(Training):
    """The same run, done by two processes, which wait a minute for each other to join."""

    name = "group"
    processes = 2

    def words(self, folder: Path, shared: Path) -> list[str]:
        return ["-c", IMPATIENT, *super().words(folder, shared)]


def trained(workdir: Path) -> list[tuple[float, ...]]:
    """What the training lines say, without times."""
    names = ("step", "loss", "grad_norm", "label_loss", "rationale_loss")
    return [tuple(line[name] for name in names) for line in read_scalars(workdir) if "loss" in line]


def evaluated(workdir: Path) -> list[dict[str, float]]:
    """What the evaluations' lines say."""
    return [line for line in read_scalars(workdir) if "validation/accuracy" in line]


def _arrays(workdir: Path, item: str):
    """As numpy has them: the devices that they lay on may not be here."""
    folder = workdir / "checkpoints" / str(STEPS) / item
    with ocp.PyTreeCheckpointer() as checkpointer:
        leaves = checkpointer.metadata(folder).item_metadata.tree
        as_numpy = jax.tree.map(lambda _: ocp.RestoreArgs(restore_type=np.ndarray), leaves)
        return checkpointer.restore(folder, restore_args=as_numpy)
