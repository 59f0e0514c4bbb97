"""What folders of records hold: one table over all of them, with lengths and unknown tokens."""

import collections
import dataclasses
import functools
from collections.abc import Iterable, Sequence
from pathlib import Path

from rich.table import Column, Table

from cotjax.data.tokenizer import Tokenizer, load_tokenizer
from cotjax.models.hf import resolve_tokenizer
from cotjax.records import DROPPED, Manifest, Rationale, read_records

FIELDS = ("question", "label", "rationale")

Named = Sequence[tuple[str, Rationale]]  # with the ids of their questions


@dataclasses.dataclass(frozen=True)
class Length:
    """Tokens (words without a tokenizer) of a field in all its texts.

    Attributes:
      texts: How many there are.
      tokens: In all of them.
      unknown: Of these, not in the tokenizer's vocabulary; None without a tokenizer.
    """

    texts: int
    tokens: int
    unknown: int | None

    @property
    def mean(self) -> float | None:
        """Tokens a text."""
        return self.tokens / self.texts if self.texts else None


@dataclasses.dataclass(frozen=True)
class Description:
    """A folder, or the part of it that came from one file or has the same tags.

    Attributes:
      folder: The folder of records.
      part: The file or the tags; None for the whole folder.
      questions: Questions with or without rationales; of a part, those that it has rationales for.
      rows: Completions read, or gold labels where a file holds nothing else.
      parsed: Completions with an answer.
      right: Completions with the right answer.
      rationales: Completions kept.
      dropped: Completions not kept, by reason.
      lengths: By field; a part has only the rationales'.
    """

    folder: str
    part: str | None
    questions: int
    rows: int
    parsed: int
    right: int
    rationales: int
    dropped: dict[str, int]
    lengths: dict[str, Length]


def describe(folders: Sequence[Path], tokenizer: str | None = None) -> list[Description]:
    """Describes every folder and its parts.

    Args:
      folders: Folders of records.
      tokenizer: A folder or Hub id of the tokenizer to count by; white-space words if None.

    Raises:
      InputError: naming the folder that holds no records, or the tokenizer that can't be loaded.
    """
    counter = load_tokenizer(resolve_tokenizer(tokenizer)) if tokenizer else None
    return [row for folder in folders for row in _describe_folder(folder, counter)]


def descriptions_table(rows: Iterable[Description], unit: str) -> Table:
    """Returns a row for each description; `unit` is what lengths count: words or tokens."""
    counts = ("questions", "rows", "parsed", "right", "rationales")
    fields = FIELDS if unit == "tokens" else ()
    numbers = (*counts, f"{unit} a rationale", *(f"unknown in {field}" for field in fields))
    table = Table(Column("records", no_wrap=True), *(Column(n, justify="right") for n in numbers))
    table.add_column("dropped")
    for row in rows:
        mean = row.lengths["rationale"].mean
        table.add_row(
            row.folder if row.part is None else f"  {row.part}",
            *(f"{getattr(row, name):,}" for name in counts),
            "" if mean is None else f"{mean:.1f}",
            *(_unknown(row.lengths.get(field)) for field in fields),
            ", ".join(f"{count:,} {reason}" for reason, count in row.dropped.items()),
        )
    return table


def _describe_folder(folder: Path, tokenizer: Tokenizer | None) -> list[Description]:
    manifest, records = read_records(folder)
    rationales = [(record.id, r) for record in records for r in record.rationales]
    texts = {
        "question": [" ".join([record.question, *record.choices]) for record in records],
        "label": [record.label for record in records if record.label is not None],
    }
    lengths = {field: _length(values, tokenizer) for field, values in texts.items()}
    describe_part = functools.partial(_describe, str(folder), tokenizer)
    whole = describe_part(None, manifest.counts, rationales)
    whole = dataclasses.replace(whole, questions=len(records), lengths=lengths | whole.lengths)
    parts = _parts(manifest, rationales)
    return [whole, *(describe_part(name, *part) for name, part in parts.items())]


def _parts(manifest: Manifest, rationales: Named) -> dict[str, tuple[dict[str, int] | None, Named]]:
    """Returns counts and rationales of each file or else, if several were given, of equal tags."""
    by_tags = collections.defaultdict(list)
    for identifier, rationale in rationales:
        by_tags[_tag_text(rationale.tags)].append((identifier, rationale))
    if manifest.sources is not None:
        return {
            source.name: (source.counts, by_tags[_tag_text(source.tags)] if source.tags else [])
            for source in manifest.sources
        }
    return {tags: (None, some) for tags, some in by_tags.items()} if len(by_tags) > 1 else {}


def _describe(
    folder: str,
    tokenizer: Tokenizer | None,
    part: str | None,
    counts: dict[str, int] | None,
    rationales: Named,
) -> Description:
    """Describes some rationales; what their writer didn't count is read from them."""
    answers = [rationale for _, rationale in rationales]
    found = {
        "rows": len(answers),
        "parsed": sum(r.answer is not None for r in answers),
        "right": sum(bool(r.correct) for r in answers),
        **(counts or {}),
    }
    return Description(
        folder=folder,
        part=part,
        questions=len({identifier for identifier, _ in rationales}),
        rows=found["rows"] or found.get("labels", 0),
        parsed=found["parsed"],
        right=found["right"],
        rationales=len(answers),
        dropped={n.removeprefix(DROPPED): c for n, c in found.items() if n.startswith(DROPPED)},
        lengths={"rationale": _length([r.text for r in answers], tokenizer)},
    )


def _length(texts: Sequence[str], tokenizer: Tokenizer | None) -> Length:
    if tokenizer is None:
        return Length(len(texts), sum(len(text.split()) for text in texts), None)
    ids = tokenizer.encode(texts)
    unknown = sum(row.count(tokenizer.unknown) for row in ids)
    return Length(len(texts), sum(map(len, ids)), unknown)


def _tag_text(tags: dict[str, str | int | float] | None) -> str:
    """Returns tags as `data.selection.tags` takes them."""
    return ",".join(f"{name}={value}" for name, value in (tags or {}).items()) or "no tags"


def _unknown(length: Length | None) -> str:
    if length is None or length.unknown is None or not length.tokens:
        return ""
    if not length.unknown:
        return "0"
    return f"{length.unknown:,} ({100 * length.unknown / length.tokens:.2f} %)"
