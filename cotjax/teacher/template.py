"""Templates: how a question is put to a teacher, as data in JSON files."""

import dataclasses
import string
from pathlib import Path

from cotjax.config_checks import nearest
from cotjax.errors import InputError
from cotjax.json_files import build, read_json

CONDITIONS = ("none", "gold", "wrong")
_FOLDER = Path(__file__).parent / "templates"


@dataclasses.dataclass(frozen=True)
class Template:
    """How a question is put to a teacher. Braces name what is filled in.

    Attributes:
      system: The instruction at the head; may be empty.
      question: How a question is asked: {question}, and {choices} as `choice` writes them.
      choice: A choice that has a letter: {letter}, {choice}.
      options: Choices without letters, which are those of every question: {options}.
      label: How a label that is a lettered choice is written: {letter}, {choice}.
      answer: An exemplar's answer: {rationale}, {label}.
      cue: How the answer begins that the teacher is to continue: {label} where it is given away.
      conclusion: What a second prompt adds to the teacher's reasoning, to ask for the answer.
      condition: Which label the prompt gives away: `none`, `gold`, or a `wrong` one.
      style: Of the exemplars to take.
      shots: How many exemplars; null: all there are.
      levels: Instructions from the least to the most detailed: one fills {detail} in `system`, and
        its number {level} in `style`.
      plain: A question in plain text, up to where its answer begins: {question}.
      stop: What ends an answer in plain text; a chat ends by itself.
      tags: Of all rationales that come of it.
    """

    system: str = ""
    question: str = "{question}{choices}"
    choice: str = "\n({letter}) {choice}"
    options: str = "\nOptions: {options}"
    label: str = "({letter}) {choice}"
    answer: str = "{rationale}"
    cue: str = ""
    conclusion: str = ""
    condition: str = "none"
    style: str = "plain"
    shots: int | None = None
    levels: tuple[str, ...] = ()
    plain: str = "{question}"
    stop: tuple[str, ...] = ()
    tags: dict[str, str | int | float] | None = None

    def __post_init__(self):
        for field, names in _PLACEHOLDERS.items():
            if self.levels or field not in ("system", "style"):
                _check_placeholders(field, getattr(self, field), names)
        if self.condition not in CONDITIONS:
            raise InputError(f"condition must be {', '.join(CONDITIONS)}, not {self.condition!r}")
        if ("{label}" in self.cue) != (self.condition != "none"):
            raise InputError("cue must hold {label} where condition gives one away, and only there")

    def at_level(self, level: int | None) -> "Template":
        """Returns the template with the instruction and exemplars of a level, from 1."""
        if not self.levels:
            if level is not None:
                raise InputError(f"config.prompt.level={level}: this template has no levels")
            return self
        if level is None or not 1 <= level <= len(self.levels):
            raise InputError(f"config.prompt.level={level} must be 1 to {len(self.levels)}")
        return dataclasses.replace(
            self,
            system=self.system.format(detail=self.levels[level - 1]),
            style=self.style.format(level=level),
            levels=(),
            tags={**(self.tags or {}), "level": level},
        )


_PLACEHOLDERS = {
    "system": {"detail"},
    "question": {"question", "choices"},
    "choice": {"letter", "choice"},
    "options": {"options"},
    "label": {"letter", "choice"},
    "answer": {"rationale", "label"},
    "cue": {"label"},
    "style": {"level"},
    "plain": {"question"},
}


def template_names() -> list[str]:
    """Returns the names of the built-in templates."""
    return sorted(path.stem for path in _FOLDER.glob("*.json"))


def load_template(name: str, level: int | None = None, shots: int | None = None) -> Template:
    """Reads a built-in template, or one from a JSON file.

    Args:
      name: Of the template, or of a file that ends in `.json`.
      level: Of its levels, from 1; None where it has none.
      shots: How many exemplars to show, if not as many as the template says.

    Raises:
      InputError: where there is no such template or level, or the file's field that is wrong.
    """
    is_file = name.endswith(".json")
    path = Path(name) if is_file else _FOLDER / f"{name}.json"
    if not is_file and name not in template_names():
        hint = nearest(name, template_names()) or f"; known: {', '.join(template_names())}"
        raise InputError(f"config.prompt.template={name!r} is no template{hint}")
    template = build(Template, read_json(path), str(path)).at_level(level)
    if shots is None:
        return template
    if template.shots == 0 and shots > 0:
        raise InputError(f"config.prompt.shots={shots}: template {name} shows no exemplars")
    return dataclasses.replace(template, shots=shots)


def _check_placeholders(field: str, text: str, names: set[str]) -> None:
    try:
        found = {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}
    except ValueError as error:
        raise InputError(f"{field}: {error} in {text!r}; write a brace itself twice") from error
    if unknown := found - names:
        raise InputError(f"{field} has no {{{min(unknown)}}}; use {', '.join(sorted(names))}")
