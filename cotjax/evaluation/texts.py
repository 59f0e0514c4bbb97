"""Free questions: a file of texts in, a file of what a student writes to each out."""

import dataclasses
import json
from pathlib import Path

from rich.progress import Progress

from cotjax import config as configs
from cotjax.errors import InputError
from cotjax.evaluation.generation import configured_search, generate
from cotjax.evaluation.student import (
    Student,
    best_or_latest,
    default_mesh,
    load_pretrained_student,
    load_student,
)
from cotjax.json_files import read_json_lines, replace_file
from cotjax.targets.orders import Order, make_order

BATCH_SIZE = 64
# Of a student that no run's config describes: the lengths that T5 was pretrained with.
INPUT_LENGTH = 512
MAX_TOKENS = 256


@dataclasses.dataclass(frozen=True)
class Answered:
    """What became of a file of texts.

    Attributes:
      texts: How many were answered.
      cut: How many of them were cut to the input length.
      unknown: Their unknown tokens.
      checkpoint: Who was asked: `best` or `latest` of a run, None for a model.
    """

    texts: int
    cut: int
    unknown: int
    checkpoint: str | None


def answer_file(
    source: Path,
    output: Path,
    *,
    workdir: Path | None = None,
    model: str | None = None,
    max_tokens: int | None = None,
    progress: Progress | None = None,
) -> Answered:
    """Answers the `text` of every line of `source`, in order.

    A run's student is asked as in its evaluation: with the prefix of its label task, if it has one,
    and where it was taught to read rationales, with the line's.

    Args:
      source: JSON lines; other fields than `text`, and `rationale` where it is needed, are not
        read.
      output: Takes lines of `text`, `output` and `num_tokens`, all of them or none.
      workdir: A training run, whose best checkpoint is asked (the latest, where it has evaluated
        none yet); or else
      model: a Hugging Face folder or Hub id.
      max_tokens: Generated at most; by default as the run's evaluation, or 256.
      progress: Shows how far it is.

    Raises:
      InputError: for an unusable file, naming the line; for an unusable student.
    """
    if (workdir is None) == (model is None):
        raise InputError("give either --workdir or --model")
    texts = read_texts(source)
    if not output.absolute().parent.is_dir():
        raise InputError(f"{output.parent}: no such folder; --output is a file in an existing one")
    checkpoint = search = None
    if workdir is not None:
        config = configs.from_workdir(workdir)
        checkpoint = best_or_latest(workdir)
        student, _ = load_student(workdir, checkpoint, default_mesh(config))
        order = make_order(config.data.order, config.data.connective)
        rationales = read_texts(source, "rationale") if order.reads_rationale else None
        inputs, cut = _inputs(student, order, texts, rationales, config.data.input_length)
        max_tokens = max_tokens or config.evaluation.max_tokens or config.data.target_length
        search = configured_search(config)
    else:
        student = load_pretrained_student(model)
        inputs, cut = student.encode_inputs(texts, INPUT_LENGTH)
        max_tokens = max_tokens or MAX_TOKENS
    written = generate(
        student,
        inputs,
        max_tokens=max_tokens,
        batch_size=BATCH_SIZE,
        search=search,
        progress=progress,
    )
    replace_file(output, _lines(student, texts, written))
    unknown = sum(tokens.count(student.tokenizer.unknown) for tokens in inputs)
    return Answered(len(texts), sum(map(bool, cut)), unknown, checkpoint)


def read_texts(file: Path, field: str = "text") -> list[str]:
    """Reads a field of every line; an InputError names the line that has none."""
    texts = []
    for where, value in read_json_lines(file):
        if not isinstance(value, dict):
            raise InputError(f"{where}: must be an object with a field {field!r}")
        if not isinstance(value.get(field), str):
            problem = "must be a string" if field in value else "is missing"
            raise InputError(f"{where}: the field {field!r} {problem}")
        texts.append(value[field])
    return texts


def _inputs(
    student: Student,
    order: Order,
    texts: list[str],
    rationales: list[str] | None,
    length: int,
) -> tuple[list[list[int]], list[int]]:
    """What the encoder reads of each text, and how many tokens of it were cut."""
    asked = [order.answer.ask(text) for text in texts]
    if rationales is None:
        return student.encode_inputs(asked, length)
    encode, eos = student.tokenizer.encode, student.tokenizer.eos
    connective = encode([order.connective])[0]
    parts = list(zip(encode(asked), encode(rationales), strict=True))
    inputs = [order.answer.read(text, connective, r, length, eos) for text, r in parts]
    whole = [len(text) + len(connective) + len(r) + 1 for text, r in parts]
    return inputs, [before - len(read) for before, read in zip(whole, inputs, strict=True)]


def _lines(student: Student, texts: list[str], written: list[list[int]]) -> str:
    lines = (
        {"text": text, "output": student.tokenizer.decode(tokens), "num_tokens": len(tokens)}
        for text, tokens in zip(texts, written, strict=True)
    )
    return "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
