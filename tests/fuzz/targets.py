"""What is fuzzed: each takes any bytes, and anything but its own refusal is a finding."""

import contextlib
import json
import struct
import tempfile
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

from cotjax.errors import InputError
from cotjax.json_files import build, dump_json, parse_json, to_json
from cotjax.models.gguf import GGUFFile
from cotjax.models.safetensors_files import SafetensorsFiles
from cotjax.records import Record
from cotjax.tasks import Question, get_task
from cotjax.tasks.expressions import ExpressionError, evaluate, same_value, to_decimal
from cotjax.teacher.answers import judge

# Of each parser one; numbers are read by AQuA's, too.
QUESTIONS = [
    (get_task("commonsense_qa", "letter"), ("bank", "pond", "the bank."), "bank"),
    (get_task("aqua", "letter"), ("5 km", "1/2", "$7.5", "none"), "5 km"),
    (get_task("strategyqa", "text"), ("yes", "no"), "yes"),
    (get_task("gsm8k", "number"), (), "42"),
    (get_task("svamp", "equation"), (), "( 84.0 / 2.0 )"),
    (get_task("last_letter", "text"), (), "yo"),
    (get_task("coin_flip", "text"), ("yes", "no"), "no"),
    (get_task("date_understanding", "letter"), ("01/02/2003", "3"), "3"),
]
PAYLOAD = 8  # bytes behind a header
_TEMPORARY = tempfile.TemporaryDirectory(prefix="cotjax-fuzz-")  # goes when Python ends
FOLDER = Path(_TEMPORARY.name)


def records(data: bytes) -> None:
    """A line of records is refused, or comes back as it was when it is written."""
    try:
        record = build(Record, parse_json(data.decode("utf-8")), "f:1")
    except (InputError, ValueError):
        return
    again = parse_json(dump_json(to_json(record)))
    assert build(Record, again, "f:1") == record
    json.dumps(again, ensure_ascii=False).encode("utf-8")


def answers(data: bytes) -> None:
    """No parser raises, and an answer of choices is one of them."""
    text = data[1:].decode("utf-8", "replace")
    task, choices, label = QUESTIONS[data[0] % len(QUESTIONS) if data else 0]
    question = Question("q", "How many?", choices, label, "train")
    verdict = judge(text, question, task)
    answer = task.parse(text, question)
    for one in (answer, verdict.answer):
        assert one is None or not choices or one in choices
        task.is_right(one, question)


def expressions(data: bytes) -> None:
    """An expression has an exact value of bounded size, or a reason why not."""
    text = data.decode("utf-8", "replace")
    try:
        value = evaluate(text)
    except ExpressionError:
        return
    assert isinstance(value, Fraction)
    assert same_value(Fraction(to_decimal(value)), value)


def safetensors(data: bytes) -> None:
    """Everything that a file promises can be read, or is refused.

    What begins as a header does is given a length that fits, which nobody would guess.
    """
    if data.startswith(b"{"):
        data = struct.pack("<Q", len(data)) + data + bytes(PAYLOAD)
    (FOLDER / "model.safetensors").write_bytes(data)
    with contextlib.suppress(InputError):
        files = SafetensorsFiles(FOLDER)
        for name in files.names:
            shape = files.shape(name)
            part = files.read(name, (slice(None),) * len(shape))
            assert part.shape == shape
            assert part.nbytes <= 8 * len(data)


def gguf(data: bytes) -> None:
    """Header, config, every tensor and the tokenizer can be read, or are refused."""
    path = FOLDER / "model.gguf"
    path.write_bytes(data)
    with contextlib.suppress(InputError):
        file = GGUFFile(path)
        for name in file.names:
            with contextlib.suppress(InputError):
                assert file.read(name).shape == file.shape(name)
        with contextlib.suppress(InputError):
            assert file.config
        file.tokenizer()


TARGETS: dict[str, Callable[[bytes], None]] = {
    target.__name__: target for target in (records, answers, expressions, safetensors, gguf)
}
