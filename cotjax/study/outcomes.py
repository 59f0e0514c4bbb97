"""Which questions a run got right, read from its predictions."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from cotjax.errors import InputError
from cotjax.json_files import read_json_lines

Outcomes = Mapping[str, bool]  # by question id: was the generated answer right?
OUTCOMES = ("right", "wrong", "unparsed")  # what a line of predictions may say; the last is wrong


def load_outcomes(file: Path) -> dict[str, bool]:
    """Reads `eval/<split>-<step>.jsonl`: by question id, whether the answer was right.

    An answer that could not be parsed is a wrong one.

    Raises:
      InputError: naming file and line, if a line is no prediction or its question came before.
    """
    outcomes: dict[str, bool] = {}
    for where, line in read_json_lines(file):
        if not isinstance(line, dict) or not isinstance(line.get("id"), str):
            raise InputError(f"{where}: not a prediction (no id); is it a file of evaluate.py?")
        if line.get("outcome") not in OUTCOMES:
            raise InputError(f"{where}: outcome must be one of {', '.join(OUTCOMES)}")
        if line["id"] in outcomes:
            raise InputError(f"{where}: question {line['id']} came before; evaluate the run again")
        outcomes[line["id"]] = line["outcome"] == "right"
    if not outcomes:
        raise InputError(f"{file}: holds no predictions; evaluate the run again")
    return outcomes


def paired(runs: Sequence[Outcomes], names: Sequence[str]) -> np.ndarray:
    """Lays runs over the same questions side by side.

    Args:
      runs: At least one.
      names: Of the runs, for errors.

    Returns:
      Right or not, bool [runs, questions]; the questions in the order of the first run.

    Raises:
      InputError: naming two runs that were asked different questions, and one of the questions.
    """
    first = runs[0]
    for run, name in zip(runs, names, strict=True):
        if run.keys() != first.keys():
            example = min(run.keys() ^ first.keys())
            raise InputError(
                f"{name} and {names[0]} were asked different questions ({example!r} is in one "
                "alone), so they can't be compared; evaluate them on the same split"
            )
    return np.array([[run[question] for question in first] for run in runs], dtype=bool)
