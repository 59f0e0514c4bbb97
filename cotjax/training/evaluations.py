"""The evaluations of a run in progress, and the metric that chooses its best checkpoint."""

from collections.abc import Callable
from pathlib import Path

from jax.sharding import Mesh
from ml_collections.config_dict import ConfigDict

from cotjax.evaluation.asking import Given
from cotjax.evaluation.given import given_rationales
from cotjax.evaluation.run import evaluate
from cotjax.evaluation.student import Student
from cotjax.training.prepare import Experiment
from cotjax.training.state import Params
from cotjax.training.step_log import in_words
from cotjax.training.writers import RunWriter


class Evaluations:
    """Asks a student the questions of the configured splits."""

    def __init__(
        self,
        config: ConfigDict,
        experiment: Experiment,
        mesh: Mesh,
        workdir: Path,
        writer: RunWriter,
    ):
        self._config, self._experiment, self._mesh = config, experiment, mesh
        self._folder, self._writer = workdir / "eval", writer
        self._given: dict[str, Given] = {}  # by split, of an order that reads rationales

    def ask(self, params: Params, step: int, between: Callable[[], None]) -> dict[str, float]:
        """Evaluates and tells; returns the metrics by `<split>/<metric>`.

        `between` is called between questions; no metric is told where it raises.
        """
        experiment, metrics = self._experiment, {}
        student = Student(experiment.model, params, experiment.tokenizer, self._mesh)
        summaries = {
            split: evaluate(
                student,
                experiment.task,
                experiment.splits[split],
                experiment.order,
                self._config,
                split=split,
                step=step,
                folder=self._folder,
                given=self._rationales(split),
                progress=self._writer.progress,
                between=between,
            )
            for split in self._config.evaluation.splits
        }
        for split, summary in summaries.items():
            scalars = {f"{split}/{name}": value for name, value in summary.items()}
            scalars = {k: v for k, v in scalars.items() if isinstance(v, int | float)}
            metrics |= scalars
            self._writer.scalars(step, scalars)
            self._writer.say(f"step {step} {split}: {in_words(summary)}")
        return metrics

    def _rationales(self, split: str) -> Given | None:
        """What an order that reads rationales is given; read once."""
        experiment = self._experiment
        if not experiment.order.reads_rationale:
            return None
        if split not in self._given:
            questions, tokenizer = experiment.splits[split], experiment.tokenizer
            self._given[split] = given_rationales(
                experiment.task, self._config, split, questions, tokenizer
            )
        return self._given[split]
