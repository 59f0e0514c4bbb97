"""The resolved configs of a study's runs, and what the runs were made with."""

import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from cotjax.study.budget import STRETCHED
from cotjax.study.grid import STEPS
from cotjax.study.markup import details, note, swatch, table, text
from cotjax.study.report_tables import Results

RESOLVED = (
    "Beside each run stands its resolved config, config.json. These tables hold the same: a run "
    "has its variant’s value of each field that differs, and all others from what is shared."
)
STRETCH = (
    "The length of a run follows from the budget (“What training cost” tells how many steps that "
    "was). These fields keep their proportion to it; they are shown as the base config has them."
)


def settings(results: Results) -> Iterable[str]:
    """What differs between runs, what all share, and what they were made with; all folded."""
    base, stretched = results["base"], _stretched(results)
    differ = _differing(results)
    shared = [name for name in base if name not in {"seed", *differ, *stretched}]
    seeds = ", ".join(map(str, results["seeds"]))
    parts = [note(f"Seeds {seeds}. {RESOLVED}")]
    if differ:
        parts += ["<h3>What differs</h3>", _differences(results, differ)]
    if stretched:
        parts += ["<h3>What is stretched to a run’s length</h3>", note(STRETCH)]
        parts.append(_fields(base, stretched))
    parts += ["<h3>What all share</h3>", _fields(base, shared)]
    yield details("Resolved configs", *parts)
    yield details("Versions and devices", _made_with(results["runs"]))
    yield (
        '<p class="note">Every result on this page is of this study; <code>results.json</code> '
        "beside it holds them all, <code>results.csv</code> and <code>comparisons.csv</code> the "
        "numbers.</p>"
    )


def _stretched(results: Results) -> list[str]:
    """Fields that runs of an equal budget have in proportion to their length."""
    if results["budget"]["by"] == "steps":
        return []
    return [name for name in (STEPS, *STRETCHED) if name in results["base"]]


def _differing(results: Results) -> list[str]:
    """Fields that variants override or runs have chosen, in the order in which they are met."""
    overridden = (variant["overrides"] for variant in results["variants"])
    tuned = (run["tuned"] or {} for run in results["runs"])
    fields = itertools.chain.from_iterable(itertools.chain(overridden, tuned))
    return list(dict.fromkeys(name for name in fields if name != "seed"))


def _differences(results: Results, differ: Sequence[str]) -> str:
    """A row a variant with its value of every field that differs; quiet where it is the base's."""
    base = results["base"]
    rows = [["the base config", *(_value(base.get(name), "quiet") for name in differ)]]
    for number, variant in enumerate(results["variants"]):
        own = {**variant["overrides"], **(variant["tuned"]["settings"] if variant["tuned"] else {})}
        values = (
            _value(own[name]) if name in own else _value(base.get(name), "quiet") for name in differ
        )
        rows.append([swatch(number) + text(variant["title"]), *values])
    return table(("", *differ), rows, "values")


def _value(value: Any, kind: str = "") -> str:
    """As the config has it; an empty text as its quotes, so that it is seen."""
    return f'<code class="{kind}">{text(value if value != "" else repr(value))}</code>'


def _fields(base: Mapping[str, Any], names: Iterable[str]) -> str:
    rows = "".join(f"<tr><th>{text(name)}</th><td>{_value(base[name])}</td></tr>" for name in names)
    return f'<table class="settings"><tbody>{rows}</tbody></table>'


def _made_with(runs: Sequence[Mapping[str, Any]]) -> str:
    """Versions, devices and data; a column each, where a study went on elsewhere."""
    made: dict[tuple[tuple[str, str], ...], int] = {}
    for run in runs:
        facts = {**run["versions"], "device": run["device"]}
        facts |= {f"hash of {what}": run[what] for what in ("data", "rationales") if run.get(what)}
        key = tuple((name, str(value)) for name, value in facts.items())
        made[key] = made.get(key, 0) + 1
    columns = [dict(key) for key in made]
    names = dict.fromkeys(name for column in columns for name in column)
    rows = [[text(name), *(text(column.get(name, "–")) for column in columns)] for name in names]
    heads = ("", *(f"{count} run{'s' * (count > 1)}" for count in made.values()))
    return table(heads, rows, "values")
