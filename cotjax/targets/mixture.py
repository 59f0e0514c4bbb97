"""Mixtures: an epoch draws each question's rationale from one of several sources, by weights."""

import dataclasses
import math
from collections import Counter
from collections.abc import Sequence

from cotjax.config_checks import pairs
from cotjax.errors import InputError
from cotjax.targets.tags import Tagged, Tags, has_tags

MIXTURE = "data.selection.mixture"


@dataclasses.dataclass(frozen=True)
class Source:
    """A part of a mixture.

    Attributes:
      name: Its tags as the config writes them, `teacher=gpt-4o&level=1`.
      tags: Those that its rationales have.
      weight: How likely it is drawn, up to a factor that all sources share.
    """

    name: str
    tags: Tags
    weight: float


def parse_mixture(text: str) -> tuple[Source, ...]:
    """Reads `level=1:0.25,level=5:0.75`; of a source's several tags `&` stands between two.

    Raises:
      InputError: naming the config field, for a part that is no source or a source given twice.
    """
    sources = []
    for part in filter(None, map(str.strip, text.split(","))):
        name, _, weight = map(str.strip, part.rpartition(":"))
        tags = pairs(name.replace("&", ","), MIXTURE)
        if not tags or any(tags == source.tags for source in sources):
            raise InputError(
                f"config.{MIXTURE}={text!r}: write name=value:weight,... each source once"
            )
        sources.append(Source(name, tags, _weight(text, weight)))
    return tuple(sources)


def source_of(sources: Sequence[Source], rationale: Tagged, of_question: Tags | None) -> int | None:
    """The position of the only source that a rationale is of; None if it is of none.

    Raises:
      InputError: if it is of two: which weight it has would not be clear.
    """
    found = [n for n, one in enumerate(sources) if has_tags(one.tags, rationale, of_question)]
    if len(found) > 1:
        one, other = (sources[number].name for number in found[:2])
        raise InputError(
            f"config.{MIXTURE}: a rationale is of {one!r} and of {other!r} as well: name more tags"
        )
    return found[0] if found else None


def draw_weights(sources: Sequence[Source], of_rationales: Sequence[int]) -> list[float]:
    """How likely each of a question's rationales is drawn, up to a factor.

    A source has its weight, which its rationales share alike.

    Args:
      sources: Of the mixture.
      of_rationales: The source of each rationale.
    """
    sharing = Counter(of_rationales)
    return [sources[number].weight / sharing[number] for number in of_rationales]


def _weight(text: str, weight: str) -> float:
    try:
        value = float(weight)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise InputError(f"config.{MIXTURE}={text!r}: {weight!r} is no weight above 0")
    return value
