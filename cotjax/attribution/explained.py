"""A trained student whose label is explained: by gradients, occlusion, attention, similarity."""

import functools
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from cotjax import config as configs
from cotjax.attribution.attention import attention
from cotjax.attribution.embeddings import WordVectors
from cotjax.attribution.forward import Function, compiled
from cotjax.attribution.gradients import gradient_x_input, integrated_gradients
from cotjax.attribution.items import Item
from cotjax.attribution.layout import Layout, fill, lay_out
from cotjax.attribution.occlusion import occlusion
from cotjax.attribution.scores import WordScores
from cotjax.errors import InputError
from cotjax.evaluation.batching import group, to_devices, to_host
from cotjax.evaluation.student import default_mesh, load_student
from cotjax.targets.orders import make_order
from cotjax.tasks import configured_task
from cotjax.tasks.base import Question, one_line

METHODS: dict[str, Function] = {
    "integrated_gradients": integrated_gradients,
    "gradient_x_input": gradient_x_input,
    "occlusion": occlusion,
    "attention": attention,
}
SIGNED = ("integrated_gradients", "gradient_x_input", "occlusion")  # for and against the label
SIMILARITIES = ("label_similarity", "question_similarity")
ORDERS = ("rationale_input", "rationale_first")  # in which a rationale can matter for the label


class Explainer:
    """What every method has of a run: its student, and how it is asked."""

    def __init__(self, workdir: Path, checkpoint: str):
        """Loads a checkpoint.

        Raises:
          InputError: for a folder that isn't a run's or has no such checkpoint.
        """
        self.config = configs.from_workdir(workdir)
        self.task = configured_task(self.config)
        self.order = make_order(self.config.data.order, self.config.data.connective)
        self.student, step = load_student(workdir, checkpoint, default_mesh(self.config))
        self.settings: dict[str, Any] = {
            "student": configs.config_hash(self.config),
            "step": step,
            "label_source": self.config.data.label_source,
        }

    def lacks(self, item: Item) -> str | None:
        """See `items.Scorer`."""
        return "without a label" if self._label(item) is None else None

    def question(self, item: Item) -> str:
        """What the student is asked."""
        return self.order.answer.ask(self.task.format_input(self._question(item)))

    def label(self, item: Item) -> str:
        """What the student is to answer."""
        return self.task.format_label(self._question(item), self._label(item))

    def _label(self, item: Item) -> str | None:
        gold = self.config.data.label_source == "gold"
        return item.record.label if gold else item.rationale.answer

    def _question(self, item: Item) -> Question:
        record = item.record
        label = self._label(item) if record.label is None else record.label
        return Question(record.id, record.question, record.choices, label, split="")


class Similarity(Explainer):
    """Scores words by their likeness to the label's or the question's; any student will do."""

    def __init__(self, workdir: Path, checkpoint: str, method: str):
        """Takes one of SIMILARITIES."""
        super().__init__(workdir, checkpoint)
        self._to_label = method == "label_similarity"
        embedding = to_host(self.student.params["shared"]["embedding"])
        self._vectors = WordVectors(self.student.tokenizer, embedding)

    def counts(self, items: Sequence[Item]) -> dict[str, int]:
        """See `items.Scorer`."""
        return {}

    def score(
        self, items: Sequence[Item], wanted: Callable[[Item], bool], advance: Callable[[int], None]
    ) -> Iterator[WordScores]:
        """See `items.Scorer`."""
        for item in filter(wanted, items):
            other = self.label(item) if self._to_label else item.record.question
            yield item.scored(self._vectors.similarity(one_line(item.rationale.text), other))
            advance(1)


class Attribution(Explainer):
    """Scores words by what they change in the label's likelihood, or by attention to them."""

    def __init__(
        self, workdir: Path, checkpoint: str, method: str, batch_size: int, steps: int | None
    ):
        """Takes one of METHODS; `steps` are those of integrated gradients.

        Raises:
          InputError: for a student whose label does not come after a rationale.
        """
        super().__init__(workdir, checkpoint)
        if self.order.name not in ORDERS:
            raise InputError(
                f"--workdir={workdir}: its student was trained with config.data.order="
                f"{self.order.name!r}; --method={method} needs {' or '.join(ORDERS)}"
            )
        self._function, self._batch_size = METHODS[method], batch_size
        if steps is not None:
            self._function = functools.partial(self._function, steps=steps)
            self.settings["steps"] = steps

    def counts(self, items: Sequence[Item]) -> dict[str, int]:
        """See `items.Scorer`."""
        layouts = self._lay_out(items)
        return {
            "rationales cut": sum(layout.cut > 0 for layout in layouts),
            "tokens cut": sum(layout.cut for layout in layouts),
        }

    def score(
        self, items: Sequence[Item], wanted: Callable[[Item], bool], advance: Callable[[int], None]
    ) -> Iterator[WordScores]:
        """See `items.Scorer`."""
        items = list(filter(wanted, items))
        layouts, student = self._lay_out(items), self.student
        start = student.config.decoder_start_token_id
        for rows in group([layout.lengths for layout in layouts], student.mesh, self._batch_size):
            run = compiled(
                self._function,
                student.config,
                student.mesh,
                self.order.reads_rationale,
                rows.lengths[2],
                student.tokenizer.unknown,
            )
            members = [layouts[member] for member in rows.members]
            batch = to_devices(fill(rows, members, self.order, start), student.mesh)
            results = to_host(run(student.params, batch))
            for row, member in enumerate(rows.members):
                yield _line(items[member], {name: part[row] for name, part in results.items()})
            advance(len(members))

    def _lay_out(self, items: Sequence[Item]) -> list[Layout]:
        """Tokenises and lays out rationales, each with its question and label."""
        tokenizer, data = self.student.tokenizer, self.config.data
        (connective,) = tokenizer.encode([self.order.connective])
        return [
            lay_out(
                self.order, question, rationale, words, connective, label,
                num_words=len(item.words),
                eos=tokenizer.eos,
                input_length=data.input_length,
                target_length=data.target_length,
            )
            for item, question, (rationale, words), label in zip(
                items,
                tokenizer.encode([self.question(item) for item in items]),
                tokenizer.encode_words([one_line(item.rationale.text) for item in items]),
                tokenizer.encode([self.label(item) for item in items]),
                strict=True,
            )
        ]  # fmt: skip


def _line(item: Item, results: dict[str, np.ndarray]) -> WordScores:
    """An item's line, from its row of what the student gave."""
    gain = results.get("gain")
    scores = results["scores"][: len(item.words)]
    try:
        return item.scored(scores.tolist(), None if gain is None else float(gain))
    except InputError:
        raise InputError(
            f"{item.record.id!r}: the student's numbers are not finite; choose another --checkpoint"
        ) from None
