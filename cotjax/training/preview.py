"""Shows what a run would train on: its first targets, through the real pipeline."""

import dataclasses
import itertools
from collections.abc import Iterator

import numpy as np
from ml_collections.config_dict import ConfigDict
from rich.console import Console
from rich.table import Table
from rich.text import Text

from cotjax.data.pipeline import batches
from cotjax.targets.keys import stable_hash
from cotjax.targets.segments import Kind
from cotjax.tasks.splits import split_lines
from cotjax.training.prepare import Experiment, prepare, selection_lines

STYLES = {
    Kind.LABEL: "bold green",
    Kind.CONNECTIVE: "yellow",
    Kind.RATIONALE: "cyan",
    Kind.PREFIX: "magenta",
    Kind.EOS: "bright_black",
}
FIELDS = ("inputs", "labels", "rationales")
COLUMNS = {  # of their counts, and their headings
    "tokens": "tokens",
    "unknown": "unknown tokens",
    "unknown_unmapped": "without data.characters",
    "cut": "texts cut",
    "tokens_cut": "tokens cut",
}
SHARES = {"unknown": "tokens", "unknown_unmapped": "tokens_unmapped"}  # of which other count


@dataclasses.dataclass(frozen=True)
class ShownReply:
    """One reply of a target.

    Attributes:
      read: What the encoder reads: kind (None of the question) and text of each part.
      segments: What the decoder is to say: kind and text of each segment.
    """

    read: tuple[tuple[Kind | None, str], ...]
    segments: tuple[tuple[Kind, str], ...]

    @property
    def input(self) -> str:
        """All that the encoder reads."""
        return " ".join(text for _, text in self.read)


@dataclasses.dataclass(frozen=True)
class ShownTarget:
    """A target as the student sees it.

    Attributes:
      step: That trains it.
      id, sample: Of the question and its rationale.
      replies: One, or one a task.
    """

    step: int
    id: str
    sample: int
    replies: tuple[ShownReply, ...]


def preview(config: ConfigDict, num: int, console: Console | None = None) -> None:
    """Prints the first `num` targets of a run, and what is cut or unknown in all of them."""
    console = console or Console(highlight=False)
    # How rows are shared out among devices changes no target, so none of the run's are needed.
    experiment = prepare(config, row_multiple=1)
    for target in itertools.islice(shown_targets(experiment, last_step=num), num):
        _print_target(console, target)
    console.print(*split_lines(experiment.splits), sep="\n", soft_wrap=True)
    console.print(_count_table(experiment.counts))
    console.print(*selection_lines(experiment.counts), sep="\n", soft_wrap=True)


def shown_targets(experiment: Experiment, last_step: int) -> Iterator[ShownTarget]:
    """Yields the targets of the steps before `last_step`, in the order of the steps."""
    steps, table = experiment.steps, experiment.steps.table
    names = {stable_hash(question.id): question.id for question in experiment.splits["train"]}
    all_batches = batches(steps, experiment.tokenizer.eos, 0, last_step)
    for step, (_, batch) in enumerate(all_batches):
        for target in steps.targets(step)[0]:
            yield ShownTarget(
                step,
                names[int(table.id_hashes[table.question[target]])],
                int(table.samples[target]),
                _replies(experiment, batch, target),
            )


def _replies(
    experiment: Experiment, batch: dict[str, np.ndarray], target: int
) -> tuple[ShownReply, ...]:
    """Reads a target back from where the batch holds it: of two tasks the label's first."""
    places = np.argwhere(batch["segment_target"] == target)
    replies = [_reply(experiment, batch, *place) for place in places]
    return tuple(sorted(replies, key=lambda reply: reply.segments[0][0]))


def _reply(
    experiment: Experiment, batch: dict[str, np.ndarray], row: int, segment: int
) -> ShownReply:
    asked = row // experiment.steps.shape.decoder_rows
    read = batch["encoder_segments"][asked] == batch["segment_source"][row, segment]
    said = batch["decoder_segments"][row] == segment + 1
    target = batch["segment_target"][row, segment]
    segments = _parts(
        experiment, batch["decoder_targets"][row][said], batch["decoder_kinds"][row][said]
    )
    return ShownReply(_read(experiment, batch["encoder_tokens"][asked][read], target), segments)


def _read(
    experiment: Experiment, tokens: np.ndarray, target: int
) -> tuple[tuple[Kind | None, str], ...]:
    """The question, and what the encoder reads after it."""
    steps = experiment.steps
    if not experiment.order.reads_rationale:
        return ((None, _spell(experiment, tokens)),)
    asked = steps.table.inputs.lengths[steps.table.question[target]] - 1  # without EOS
    connective = len(steps.config.connective)
    kinds = np.full(len(tokens) - asked, Kind.RATIONALE)
    kinds[:connective], kinds[-1] = Kind.CONNECTIVE, Kind.EOS
    return (
        (None, _spell(experiment, tokens[:asked])),
        *_parts(experiment, tokens[asked:], kinds),
    )


def _parts(
    experiment: Experiment, tokens: np.ndarray, kinds: np.ndarray
) -> tuple[tuple[Kind, str], ...]:
    """Kind and text of each run of equal kinds."""
    starts = np.flatnonzero(np.diff(kinds, prepend=-1))
    return tuple(
        (Kind(part_kinds[0]), _spell(experiment, part))
        for part, part_kinds in zip(
            np.split(tokens, starts[1:]), np.split(kinds, starts[1:]), strict=True
        )
    )


def _spell(experiment: Experiment, tokens: np.ndarray) -> str:
    """The text of tokens, with the special ones that decoding would leave out."""
    return "".join(experiment.tokenizer.pieces(tokens)).replace("\u2581", " ").strip()


def _print_target(console: Console, target: ShownTarget) -> None:
    console.rule(f"step {target.step}, question {target.id}, rationale {target.sample}")
    for reply in target.replies:
        for kind, text in reply.read:
            name, style = ("input", "") if kind is None else (f"+ {_name(kind)}", STYLES[kind])
            console.print(Text(f"{name:<14}{text}", style=style))
        for kind, text in reply.segments:
            console.print(Text(f"{_name(kind):<14}{text}", style=STYLES[kind]))


def _name(kind: Kind) -> str:
    return kind.name.lower()


def _count_table(counts: dict[str, int]) -> Table:
    """What is unknown or cut in the whole training data, by field."""
    title = f"{counts['targets']:,} targets of {counts['questions']:,} questions"
    table = Table(title=title, title_justify="left")
    table.add_column("field")
    columns = [name for name in COLUMNS if any(f"{field}/{name}" in counts for field in FIELDS)]
    for name in columns:
        table.add_column(COLUMNS[name], justify="right")
    for field in FIELDS:
        table.add_row(field, *(_cell(counts, field, name) for name in columns))
    return table


def _cell(counts: dict[str, int], field: str, name: str) -> str:
    """A count, and of unknown tokens their rate; nothing where the field has no such count."""
    count = counts.get(f"{field}/{name}")
    if count is None:
        return ""
    if name not in SHARES:
        return f"{count:,}"
    tokens = counts[f"{field}/{SHARES[name]}"]
    return f"{count:,} ({100 * count / max(tokens, 1):.2f} %)"
