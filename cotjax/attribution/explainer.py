"""What every method has of a run: its student, and how it is asked."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from cotjax import config as configs
from cotjax.attribution.items import Item
from cotjax.checkpoints import Checkpoints
from cotjax.evaluation.student import default_mesh, load_student
from cotjax.targets.orders import make_order
from cotjax.tasks import configured_task
from cotjax.tasks.base import Question

AT_ONCE = 1_000  # texts that are encoded together: each holds a hundred times its ids meanwhile


class Explainer:
    """A trained student and the task that it was trained on."""

    def __init__(self, workdir: Path, checkpoint: str):
        """Loads a checkpoint.

        Raises:
          InputError: for a folder that isn't a run's or has no such checkpoint.
        """
        self.config = configs.from_workdir(workdir)
        self.task = configured_task(self.config)
        self.order = make_order(self.config.data.order, self.config.data.connective)
        self.student, step = load_student(workdir, checkpoint, default_mesh(self.config))
        with closing(Checkpoints(Path(workdir) / "checkpoints", read_only=True)) as checkpoints:
            data = checkpoints.meta(step)["data_fingerprint"]
        self.settings: dict[str, Any] = {
            "student": configs.config_hash(self.config),
            "student_data": data,
            "step": step,
            "label_source": self.config.data.label_source,
        }

    def lacks(self, item: Item) -> str | None:
        """See `items.Scorer`."""
        return "without a label" if self.answer(item) is None else None

    def question(self, item: Item) -> str:
        """What the student is asked."""
        return self.order.answer.ask(self.task.format_input(self._question(item)))

    def label(self, item: Item) -> str:
        """What the student is to answer."""
        return self.task.format_label(self._question(item), self.answer(item))

    def answer(self, item: Item) -> str | None:
        """The label as text: of choices, the choice's. None where the item has none."""
        gold = self.config.data.label_source == "gold"
        return item.record.label if gold else item.rationale.answer

    def _question(self, item: Item) -> Question:
        record = item.record
        label = self.answer(item) if record.label is None else record.label
        return Question(record.id, record.question, record.choices, label, split="")


def batches(items: Sequence[Item]) -> Iterator[Sequence[Item]]:
    """AT_ONCE items after the other."""
    for start in range(0, len(items), AT_ONCE):
        yield items[start : start + AT_ONCE]
