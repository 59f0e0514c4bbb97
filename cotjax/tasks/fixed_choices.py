"""Questions whose choices are the same every time, so that the input need not show them."""

import dataclasses
from collections.abc import Mapping
from typing import ClassVar

from cotjax.tasks.base import Question, one_line, register
from cotjax.tasks.multiple_choice import MultipleChoice


@dataclasses.dataclass(frozen=True)
class FixedChoices(MultipleChoice):
    """Formats and parses choices that have no letters, by the rules of `MultipleChoice`.

    Attributes:
      choices: The choices of every question.
    """

    label_formats: ClassVar[tuple[str, ...]] = ("text",)
    shows_letters: ClassVar[bool] = False
    choices: ClassVar[tuple[str, ...]]

    def format_input(self, question: Question) -> str:
        """Returns the question alone."""
        return one_line(question.text)


@dataclasses.dataclass(frozen=True)
class YesNo(FixedChoices):
    """Questions to be answered by yes or no, or by true or false, which mean the same."""

    choices: ClassVar[tuple[str, ...]] = ("yes", "no")
    synonyms: ClassVar[Mapping[str, str]] = {"true": "yes", "false": "no"}


@dataclasses.dataclass(frozen=True)
class Entailment(FixedChoices):
    """Whether a premise entails a hypothesis; text is `premise: {} hypothesis: {}`."""

    choices: ClassVar[tuple[str, ...]] = ("entailment", "neutral", "contradiction")


@register("strategyqa")
@dataclasses.dataclass(frozen=True)
class StrategyQA(YesNo):
    """StrategyQA (Geva et al., 2021): questions whose steps must be found; labels are booleans."""


@register("esnli")
@dataclasses.dataclass(frozen=True)
class ESNLI(Entailment):
    """e-SNLI (Camburu et al., 2018): SNLI with people's explanations."""


@register("anli")
@dataclasses.dataclass(frozen=True)
class ANLI(Entailment):
    """Adversarial NLI (Nie et al., 2020), rounds of their own; with people's reasons."""
