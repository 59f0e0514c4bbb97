"""What the runs of a study cost, what of their data was lost, and every one of their numbers."""

import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from cotjax.study.markup import details, note, swatch, table, text
from cotjax.study.report_tables import Results, titles_of

Run = Mapping[str, Any]

ASKING = (
    "Tokens are generated greedily for a test question, the token that ends an answer included; "
    "each is a pass through the decoder. Milliseconds are those of all test questions, divided by "
    "their number: generation in batches, and the scoring of labels and choices. They are the "
    "median over seeds (of an even number the lower middle one), since the first run of a shape "
    "also compiles, and tell little where other work shared the machine. × is to the baseline’s. "
    "Label nll: −log p of the right label of a test question with what closes it, in nats, after "
    "the student’s own rationale where that comes first; it and tokens are means over seeds."
)
TRAINING = (
    "Of a run, mean over seeds. Supervised tokens carry a loss. FLOPs are of matrix products, "
    "padding left out. Seconds are of training with evaluations on the way and compilation, which "
    "only the first run of a shape pays for; – where every run was interrupted."
)
LOST = (
    "Test answers that can’t be parsed (they count as wrong) and test questions that were cut to "
    "the input length, of all that were asked, seeds together. In training data, of the first "
    "seed: inputs (of multi-task training two a question) and rationales that were cut, and tokens "
    "that are unknown to the tokenizer. Variants that are not listed lost nothing."
)
NOTHING_LOST = (
    "Nothing: every test answer could be parsed, no question and no rationale was cut, and no "
    "token of the training data is unknown to the tokenizer."
)


def asking_table(results: Results) -> str:
    """What an answer costs."""
    runs = _by_variant(results)
    baseline = runs.get(results["baseline"], [])
    rows = []
    for number, (name, title) in enumerate(titles_of(results).items()):
        nll = _mean(runs[name], lambda run: run["test"].get("label_nll"))
        measured = [
            cell
            for measure in (_mean_tokens, _milliseconds)
            for cell in _with_ratio(measure(runs[name]), measure(baseline))
        ]
        rows.append([swatch(number) + text(title), *measured, _number(nll, 3)])
    heads = ("", "tokens", "×", "ms a question", "×", "label nll")
    return table(heads, rows) + note(ASKING)


def training_table(results: Results) -> str:
    """What a run was trained with."""
    rows = [
        [
            swatch(number) + text(title),
            *(
                _number(_mean(runs, lambda run, name=name: run[name]), 0)
                for name in ("steps", "targets", "supervised_tokens")
            ),
            scientific(_mean(runs, lambda run: run["flops"])),
            _number(_mean(runs, lambda run: run["seconds"]), 0),
        ]
        for number, (title, runs) in enumerate(
            zip(titles_of(results).values(), _by_variant(results).values(), strict=True)
        )
    ]
    heads = ("", "steps", "targets", "supervised tokens", "FLOPs", "seconds")
    return table(heads, rows) + note(TRAINING)


def losses_table(results: Results) -> str:
    """What could not be parsed, was cut, or is unknown to the tokenizer."""
    rows = []
    for number, (name, runs) in enumerate(_by_variant(results).items()):
        lost = _lost(runs)
        if any(count for count, _ in lost):
            title = swatch(number) + text(titles_of(results)[name])
            rows.append([title, *(_share(count, total) for count, total in lost)])
    heads = ("", "unparsed", "test cut", "inputs cut", "rationales cut", "unknown")
    told = table(heads, rows) + note(LOST) if rows else note(NOTHING_LOST)
    return told + _counts(results)


def runs_table(results: Results) -> str:
    """Every finished run by itself."""
    titles = titles_of(results)
    rows = [
        [
            text(titles.get(run["variant"], run["variant"])),
            str(run["seed"]),
            f"{run['test']['right']:,} of {run['test']['num_questions']:,}",
            _interval(run["test"]),
            f"{run['train']['right']:,} of {run['train']['num_questions']:,}",
            f"{run['test']['unparsed']:,}",
            _number(run["test"].get("label_nll"), 3),
            _number(_tokens(run), 1),
            f"{run['steps']:,}",
            _number(run["seconds"], 0),
        ]
        for name in titles
        for run in results["runs"]
        if run["variant"] == name
    ]
    heads = ("", "seed", "test right", "Wilson, %", "train right", "unparsed", "nll", "tokens",
             "steps", "seconds")  # fmt: skip
    return details(
        "Every run",
        note(
            "Wilson: the interval of 95 % of one run’s accuracy over its questions; it says "
            "nothing of how seeds differ."
        ),
        table(heads, rows),
    )


def missing_runs(results: Results) -> str:
    """What failed and what isn't finished, with the reasons; nothing if all is there."""
    failed, waiting = results["failed"], results["waiting"]
    if not failed and not waiting:
        return ""
    titles = titles_of(results)

    def row(state: str, run: Run) -> list[str]:
        title = titles.get(run["variant"], run["variant"])
        group = "" if run["group"] == "runs" else f" <small>{text(run['group'])}</small>"
        return [
            text(title) + group,
            str(run["seed"]),
            state,
            text(run.get("reason", "not run yet")),
        ]

    rows = [row("failed", run) for run in failed]
    rows += [row("not finished", run) for run in waiting]
    return (
        '<h2 id="missing">What is not here</h2>'
        + table(("", "seed", "state", "why"), rows, "words-last")
        + note(
            "Small type names what isn’t a run that is compared: one of tuning or of shared "
            "settings, or a part of this report. No number counts a run that isn’t finished; it is "
            "done, or tried again, when the study is run again."
        )
    )


def scientific(value: float | None) -> str:
    """A large count as 1.5·10⁹."""
    if not value:
        return "–"
    digits, power = f"{value:.1e}".split("e")
    return f"{digits}·10<sup>{int(power)}</sup>"


def _lost(runs: Sequence[Run]) -> list[tuple[int, int]]:
    """How many answers, questions, rationales and tokens were lost, and of how many each."""
    asked = sum(run["test"]["num_questions"] for run in runs)
    counts = runs[0]["counts"] if runs else {}
    unknown, tokens = (
        sum(count for name, count in counts.items() if name.endswith(f"/{what}"))
        for what in ("unknown", "tokens")
    )
    inputs = counts.get("inputs/count", counts.get("questions", 0))  # which older runs don't tell
    return [
        *((sum(run["test"][what] for run in runs), asked) for what in ("unparsed", "inputs_cut")),
        (counts.get("inputs/cut", 0), inputs),
        (counts.get("rationales/cut", 0), counts.get("targets", 0)),
        (unknown, tokens),
    ]


def _counts(results: Results) -> str:
    """All that was counted in the training data, a column a variant's first seed would be wide."""
    runs = {name: runs[0]["counts"] for name, runs in _by_variant(results).items() if runs}
    names = list(dict.fromkeys(name for counts in runs.values() for name in counts))
    rows = [
        [text(titles_of(results)[variant]), *(_number(counts.get(name), 0) for name in names)]
        for variant, counts in runs.items()
    ]
    return details("All counts of the training data", table(("", *names), rows))


def _by_variant(results: Results) -> dict[str, list[Run]]:
    return {
        name: [run for run in results["runs"] if run["variant"] == name]
        for name in titles_of(results)
    }


def _tokens(run: Run) -> float | None:
    return run["test"].get("mean_tokens")


def _mean_tokens(runs: Sequence[Run]) -> float | None:
    return _mean(runs, _tokens)


def _milliseconds(runs: Sequence[Run]) -> float | None:
    """Wall time a test question, of the seed in the middle; None where it wasn't measured."""
    times = [
        1000 * seconds / run["test"]["num_questions"]
        for run in runs
        if (seconds := run["test"].get("seconds")) is not None
    ]
    return statistics.median_low(times) if times else None


def _with_ratio(value: float | None, baseline: float | None) -> tuple[str, str]:
    """A measure, and how many times the baseline's it is."""
    digits = 1 if value is None or value >= 1 else 2
    ratio = f"{value / baseline:.1f}" if value is not None and baseline else "–"
    return _number(value, digits), ratio


def _mean(runs: Sequence[Run], of: Callable[[Run], float | None]) -> float | None:
    """Mean of what runs have of something; None where none has."""
    values = [value for value in map(of, runs) if value is not None]
    return statistics.fmean(values) if values else None


def _number(value: float | None, digits: int) -> str:
    return "–" if value is None else f"{value:,.{digits}f}"


def _share(count: int, total: int) -> str:
    if not count or not total:
        return f"{count}"
    return f"{count:,} <small>{100 * count / total:.1f} %</small>"


def _interval(summary: Mapping[str, float]) -> str:
    return f"{100 * summary['accuracy_low']:.1f}–{100 * summary['accuracy_high']:.1f}"
