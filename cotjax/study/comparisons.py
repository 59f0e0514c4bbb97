"""The comparisons of a study's finished runs, by family, from their answers to test questions."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cotjax.errors import InputError
from cotjax.study.definition import Study
from cotjax.study.grid import PlannedRun
from cotjax.study.kept import RESULT, VOTE, read_kept
from cotjax.study.one_run import predictions_file, votes_file
from cotjax.study.outcomes import Outcomes, load_outcomes
from cotjax.study.problems import Problems
from cotjax.study.statistics import BY_VOTE, compare
from cotjax.tasks.splits import Splits

FAMILIES = ("comparisons", "comparisons_against", "comparisons_vote")


def compared(
    study: Study, workdir: Path, runs: Sequence[PlannedRun], splits: Splits, problems: Problems
) -> dict[str, list[dict[str, Any]]]:
    """Comparisons on the test questions: each family is corrected by itself.

    Variants with the baseline, those that name others with these, and every variant's answers by
    vote with its own likeliest ones.
    """
    outcomes = _outcomes(workdir, runs, splits, problems)
    if study.samples is not None:
        voted = [run for run in runs if _votes(workdir, run) == study.samples]
        outcomes |= _outcomes(workdir, voted, splits, problems, study.samples)
    pairs = study.families | {
        "comparisons_vote": [(v.name + BY_VOTE, v.name) for v in study.variants]
    }
    found: dict[str, list[dict[str, Any]]] = {}
    for family in FAMILIES:
        found[family] = []
        named = (study.baseline_variant.name, study.seeds[0], f"no {family.replace('_', ' ')}")
        with problems.of(*named):
            found[family] = [dataclasses.asdict(one) for one in compare(outcomes, pairs[family])]
    return found


def _outcomes(
    workdir: Path,
    runs: Sequence[PlannedRun],
    splits: Splits,
    problems: Problems,
    samples: int | None = None,
) -> dict[str, dict[int, Outcomes]]:
    """By variant and seed, which test questions were answered rightly; with `samples`, by vote."""
    asked = {question.id for question in splits["test"]}
    outcomes: dict[str, dict[int, Outcomes]] = {}
    for run in runs:
        folder, name = workdir / run.folder, run.variant.name
        with problems.of(name, run.seed, "no votes compared" if samples else "not compared"):
            file = votes_file(folder, samples) if samples else predictions_file(folder)
            found = load_outcomes(file)
            if found.keys() != asked:
                raise InputError(f"{file}: does not answer the study's test questions, each once")
            outcomes.setdefault(name + BY_VOTE * bool(samples), {})[run.seed] = found
    return outcomes


def _votes(workdir: Path, run: PlannedRun) -> int | None:
    """How many samples to a question a finished run has let vote."""
    return read_kept(workdir / run.folder / RESULT).get(VOTE, {}).get("samples")
