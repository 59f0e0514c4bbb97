"""Small JSON files that a study keeps of its runs, and what to do about one that is damaged."""

from pathlib import Path
from typing import Any

from cotjax.errors import InputError
from cotjax.json_files import read_json

RESULT = "result.json"  # in the folder of a finished run
FAILURE = "failure.json"  # in that of a run that could not be finished
MODEL = "model.json"  # in that of every run that has begun
BUDGET = "budget.json"  # in the workdir of a study of matched budgets
VOTE = "test_vote"  # in a result: the summary of the test answers by vote
REMEDIES = {
    RESULT: "delete it, and the run is evaluated again",
    FAILURE: "delete it, and the run is tried again",
    MODEL: "delete the run's folder, and it is trained again",
    BUDGET: "delete it, and what it holds is counted again",
}


def read_kept(file: Path, *fields: str) -> dict[str, Any]:
    """What a file holds, which is an object with at least these fields.

    Raises:
      InputError: naming the file and what to do, where it is damaged.
    """
    remedy = REMEDIES[file.name]
    try:
        value = read_json(file)
    except InputError as error:
        raise InputError(f"{error}; {remedy}") from None
    if not isinstance(value, dict):
        raise InputError(f"{file}: damaged (no object); {remedy}")
    if missing := [field for field in fields if field not in value]:
        raise InputError(f"{file}: damaged (has no {missing[0]!r}); {remedy}")
    return value
