"""Tells of steps whose numbers went wrong, with the targets that they trained."""

import functools
from collections.abc import Iterable, Sequence

from cotjax.data.steps import Steps
from cotjax.targets.keys import stable_hash
from cotjax.tasks.base import Question
from cotjax.training.watch import Fault
from cotjax.training.writers import RunWriter

NAMED = 5  # steps, and targets of the first of them, in a line of the log; the file has all
WORDS = {
    "skipped": "whose loss or gradients were not finite: they left the student as it was",
    "spike": "whose loss leapt: the student trained on them all the same",
}


class FaultLog:
    """Writes a line to faults.jsonl for every fault, and one to the log for several of them."""

    def __init__(self, writer: RunWriter, questions: Sequence[Question]):
        """`questions` are those that the targets' ids are of."""
        self._writer, self._questions = writer, questions

    def tell(self, faults: Sequence[Fault], steps: Steps) -> None:
        """Writes what was wrong with some of the `steps`."""
        for fault in faults:
            values = {"kind": fault.kind, "loss": fault.loss, "grad_norm": fault.grad_norm}
            values |= {"score": fault.score} if fault.score is not None else {}
            values["targets"] = self.names(steps, steps.targets(fault.step - 1)[0])
            self._writer.fault(fault.step, values)
        for kind, words in WORDS.items():
            of_kind = [fault for fault in faults if fault.kind == kind]
            if of_kind:
                first = self.names(steps, steps.targets(of_kind[0].step - 1)[0])
                numbers = shortened(fault.step for fault in of_kind)
                self._writer.say(
                    f"{len(of_kind)} step(s) {words}: {numbers}; targets of the first: "
                    f"{shortened(first)}; all are in faults.jsonl"
                )

    def names(self, steps: Steps, rows: Iterable[int]) -> list[str]:
        """`id#sample` of some rows of the table."""
        table = steps.table
        return [
            f"{self._ids[int(table.id_hashes[table.question[row]])]}#{table.samples[row]}"
            for row in rows
        ]

    @functools.cached_property
    def _ids(self) -> dict[int, str]:
        return {stable_hash(question.id): question.id for question in self._questions}


def shortened(things: Iterable[object]) -> str:
    """The first few of them, and how many more there are."""
    words = [str(thing) for thing in things]
    more = f" and {len(words) - NAMED} more" if len(words) > NAMED else ""
    return ", ".join(words[:NAMED]) + more
