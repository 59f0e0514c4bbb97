"""A trained student whose label is explained: by gradients, occlusion or attention."""

import functools
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from ml_collections.config_dict import ConfigDict

from cotjax.attribution.again import MOST_PARTS, parts_of_path, regrouped
from cotjax.attribution.attention import attention
from cotjax.attribution.donors import Donors
from cotjax.attribution.explainer import Explainer, batches
from cotjax.attribution.forward import Function, compiled
from cotjax.attribution.gradients import (
    expected_gradients,
    gradient_x_input,
    integrated_gradients,
)
from cotjax.attribution.items import Item
from cotjax.attribution.layout import Layout, fill, lay_out
from cotjax.attribution.occlusion import occlusion
from cotjax.attribution.scores import WordScores
from cotjax.errors import InputError
from cotjax.evaluation.batching import Rows, group, to_devices, to_host
from cotjax.tasks.base import one_line

METHODS: dict[str, Function] = {
    "integrated_gradients": integrated_gradients,
    "expected_gradients": expected_gradients,
    "gradient_x_input": gradient_x_input,
    "occlusion": occlusion,
    "attention": attention,
}
ALONG_A_PATH = ("integrated_gradients", "expected_gradients")
SIGNED = (*ALONG_A_PATH, "gradient_x_input", "occlusion")  # for and against the label
ORDERS = ("rationale_input", "rationale_first")  # in which a rationale can matter for the label
SEEN_AT_TIMES = ("mask", "drop")  # perturbations that leave most words where they were


class Attribution(Explainer):
    """Scores words by what they change in the label's likelihood, or by attention to them."""

    def __init__(
        self,
        workdir: Path,
        checkpoint: str,
        method: str,
        batch_size: int,
        steps: int | None = None,
        donors: int | None = None,
    ):
        """Takes one of METHODS.

        Args:
          workdir, checkpoint: The student.
          method: One of METHODS.
          batch_size: Rationales at once.
          steps: Of each path, of those of ALONG_A_PATH; more where scores would not add up.
          donors: Baselines of expected gradients.

        Raises:
          InputError: for a student that does not know such rationales.
        """
        super().__init__(workdir, checkpoint)
        if unfit := _unfit(self.config.data):
            trained, needed = unfit
            raise InputError(
                f"--workdir={workdir}: its student was trained with config.data.{trained}; "
                f"--method={method} needs {needed}"
            )
        self._function, self._batch_size, self._num_donors = METHODS[method], batch_size, donors
        self._steps = steps
        if steps is not None:
            self._function = functools.partial(self._function, steps=steps)
            self.settings["steps"] = steps
        if donors is not None:
            self.settings["donors"] = donors

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
        """See `items.Scorer`; donors are of all items.

        A path along which the scores don't add up is walked again, in twice as many steps.
        """
        numbers = [number for number, item in enumerate(items) if wanted(item)]
        layouts = self._lay_out([items[number] for number in numbers])
        donors = self._donors(items) if self._num_donors else None

        def lines(rows: Rows, parts: int) -> Iterator[tuple[int, WordScores]]:
            instead = donors and [
                donors.instead_of(numbers[member], layouts[member].words, self._num_donors)
                for member in rows.members
            ]
            members = [layouts[member] for member in rows.members]
            results = self._explain(rows, members, instead or (), parts)
            for row, member in enumerate(rows.members):
                found = {name: part[row] for name, part in results.items()}
                yield member, _line(items[numbers[member]], found, self._steps, parts)

        lengths, parts = [layout.lengths for layout in layouts], 1
        waiting = list(group(lengths, self.student.mesh, self._batch_size))
        while waiting:
            again: set[int] = set()
            for member, line in (one for rows in waiting for one in lines(rows, parts)):
                if line.complete or parts == MOST_PARTS:
                    yield line
                    advance(1)
                else:
                    again.add(member)
            waiting, parts = list(regrouped(waiting, again)), 2 * parts

    def _explain(
        self,
        rows: Rows,
        layouts: Sequence[Layout],
        donors: Sequence[Sequence[Sequence[int]]],
        parts: int,
    ) -> dict[str, np.ndarray]:
        """What the method gives of one batch, on a path that is walked in so many parts."""
        student, order = self.student, self.order
        run = compiled(
            self._function,
            student.config,
            student.mesh,
            order.reads_rationale,
            rows.lengths[2],
            student.tokenizer.unknown,
        )
        start = student.config.decoder_start_token_id
        batches = [fill(rows, layouts, order, start, donors, of) for of in parts_of_path(parts)]
        found = [to_host(run(student.params, to_devices(one, student.mesh))) for one in batches]
        return {name: sum(one[name] for one in found) for name in found[0]}

    def _donors(self, items: Sequence[Item]) -> Donors:
        """Of all rationales of the folder."""
        tokenizer = self.student.tokenizer
        return Donors(
            [f"sample {item.rationale.sample} of {item.record.id!r}" for item in items],
            [self.label(item) for item in items],
            [
                rationale
                for some in batches(items)
                for rationale in tokenizer.encode_words([one_line(i.rationale.text) for i in some])
            ],
            tokenizer.unknown,
        )

    def _lay_out(self, items: Sequence[Item]) -> list[Layout]:
        """Tokenises and lays out rationales, each with its question and label."""
        return [layout for some in batches(items) for layout in self._lay_out_some(some)]

    def _lay_out_some(self, items: Sequence[Item]) -> Iterator[Layout]:
        tokenizer, data = self.student.tokenizer, self.config.data
        (connective,) = tokenizer.encode([self.order.connective])
        for item, question, (rationale, words), label in zip(
            items,
            tokenizer.encode([self.question(item) for item in items]),
            tokenizer.encode_words([one_line(item.rationale.text) for item in items]),
            tokenizer.encode([self.label(item) for item in items]),
            strict=True,
        ):
            yield lay_out(
                self.order, question, rationale, words, connective, label,
                num_words=len(item.words),
                eos=tokenizer.eos,
                input_length=data.input_length,
                target_length=data.target_length,
            )  # fmt: skip


def _unfit(data: ConfigDict) -> tuple[str, str] | None:
    """What a student was taught that can't tell which words matter, and what is needed instead.

    What it learned from words is to be asked of all of them, where they stand. Words that were
    masked or dropped anew each epoch were all seen at some time.
    """
    if data.order not in ORDERS:
        return f"order={data.order!r}", " or ".join(ORDERS)
    if data.words.name != "all":
        return f"words.name={data.words.name!r}", "all words"
    name, fraction, redraw = (data.perturbation[key] for key in ("name", "fraction", "redraw"))
    if name == "none" or (name in SEEN_AT_TIMES and fraction < 1 and redraw == "epoch"):
        return None
    return f"perturbation.name={name!r}", "none, or mask or drop of a part that each epoch redraws"


def _line(item: Item, results: dict[str, np.ndarray], steps: int | None, parts: int) -> WordScores:
    """An item's line, from its row of what the student gave on a path of so many parts and steps.

    Raises:
      InputError: where that is not finite.
    """
    scores = results["scores"][: len(item.words)].tolist()
    gain = float(results["gain"]) if "gain" in results else None
    try:
        return item.scored(scores, gain, steps and steps * parts)
    except InputError:
        raise InputError(
            f"{item.record.id!r}: the student's numbers are not finite; choose another --checkpoint"
        ) from None
