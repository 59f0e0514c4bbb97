"""A study's results as one page that needs nothing else."""

from collections.abc import Iterable

from cotjax.study.markup import figure, note, paragraphs, text
from cotjax.study.plots import accuracy_dots, difference_rows
from cotjax.study.report_against import against
from cotjax.study.report_axes import axes_figures
from cotjax.study.report_costs import (
    asking_table,
    losses_table,
    missing_runs,
    runs_table,
    training_table,
)
from cotjax.study.report_curves import learning
from cotjax.study.report_examples import differing, places, targets
from cotjax.study.report_settings import settings
from cotjax.study.report_tables import (
    Results,
    guesses_of,
    main_table,
    mcnemar_table,
    notes_of_comparisons,
    precision_table,
    titles_of,
)
from cotjax.study.report_tuning import tuning
from cotjax.study.report_votes import votes
from cotjax.study.statistics import by_variant
from cotjax.study.style import STYLE

SAME = 0.01  # accuracies that are nearer have one line


def page(results: Results) -> str:
    """The report: HTML with its style and plots inside.

    Args:
      results: What `results.json` holds, with a finished run of every variant; every number on the
        page comes from there.
    """
    body = [
        f"<h1>{text(results['title'])}</h1>",
        *paragraphs(results["about"], first_class="lead"),
        *_first_notes(results),
        "<h2>Right answers</h2>",
        figure(
            accuracy_dots(by_variant(results), _guess_lines(results)),
            _dots_caption(results),
            "rows",
        ),
        *_comparisons(results),
        against(results, places(results)),
        runs_table(results),
        axes_figures(results),
        votes(results),
        tuning(results),
        "<h2>While they learned</h2>",
        learning(results),
        "<h2>What each was taught to say</h2>",
        targets(results),
        "<h2>Where they differ</h2>",
        *_differing(results),
        "<h2>What answers cost</h2>",
        asking_table(results),
        "<h2>What training cost</h2>",
        training_table(results),
        "<h2>What was cut or not understood</h2>",
        losses_table(results),
        missing_runs(results),
        "<h2>What to bear in mind</h2>",
        "<ul>" + "".join(f"<li>{text(line)}</li>" for line in results["caveats"]) + "</ul>",
        *settings(results),
    ]
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{text(results['title'])}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n"
        + "\n".join(part for part in body if part)
        + "\n</main>\n</body>\n</html>\n"
    )


def _first_notes(results: Results) -> Iterable[str]:
    """What all runs have alike, and whether all is here."""
    if results["budget"]["text"]:
        yield f"<p><strong>Budget.</strong> {text(results['budget']['text'])}</p>"
    failed, waiting = len(results["failed"]), len(results["waiting"])
    if failed or waiting:
        said = " and ".join(
            f"{count} {word}"
            for count, word in ((failed, "failed"), (waiting, "not finished"))
            if count
        )
        yield (
            f'<p class="warning">Not all is here: {said} '
            '(<a href="#missing">which and why</a>).</p>'
        )


def _comparisons(results: Results) -> Iterable[str]:
    """The differences to the baseline, as a figure and with all that judges them."""
    titles = titles_of(results)
    order = {name: number for number, name in enumerate(titles)}
    rows = [(order[one["variant"]], titles[one["variant"]], one) for one in results["comparisons"]]
    if rows:
        baseline = titles[results["baseline"]]
        yield "<h2>Against the baseline</h2>"
        yield figure(
            difference_rows(rows, "differences"),
            f"Test accuracy less that of “{baseline}”, with the interval of 95 %.",
            "rows",
        )
    yield main_table(results, places(results))
    yield from notes_of_comparisons(results)
    if rows:
        yield mcnemar_table(results, results["comparisons"])
        yield precision_table(results, results["comparisons"])


def _differing(results: Results) -> Iterable[str]:
    if results["differences"]:
        yield note(
            "Test questions that exactly one of the two got right, on one seed: up to three that "
            "the first alone did and three that the other alone did, picked by a hash of "
            "their names. What a variant’s target for such a question would be stands beside what "
            "it said."
        )
    yield differing(results)


def _guess_lines(results: Results) -> dict[str, float]:
    """Lines for comparison by their names; just one where two could not be told apart."""
    guesses = guesses_of(results)
    majority, chance = guesses["majority"], guesses.get("chance")
    if chance is not None and abs(chance - majority) < SAME:
        return {f"chance {100 * chance:.1f}, majority": majority}
    return guesses


def _dots_caption(results: Results) -> str:
    train, test = (results["runs"][0][split]["num_questions"] for split in ("train", "test"))
    return (
        f"A mark a seed: filled, of {test:,} test questions; hollow, of {train:,} questions that "
        "were trained on. The upright line and the number on the right are the mean of the filled "
        "dots. The thin line through a dot is that run’s 95 % Wilson interval: how far its "
        "questions settle its accuracy, not how far seeds differ. Dashed: majority, the share of "
        "the commonest answer among the test questions, and where all of them have choices, "
        "chance, that of a random one. They were asked once, of the "
        f"{results['checkpoint']} checkpoint of every run."
    )
