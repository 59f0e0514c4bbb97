"""The tiny random student, with rationales of the comparison task laid out for it."""

import functools

from cotjax.attribution.donors import Donors
from cotjax.attribution.forward import Function, compiled
from cotjax.attribution.layout import Layout, fill, lay_out
from cotjax.evaluation.batching import group, to_devices, to_host
from cotjax.evaluation.student import Student
from cotjax.targets.orders import make_order
from tests.evaluation import tiny

COUNT = 11


def parts(count: int = COUNT) -> list[tuple[list[int], list[int], list[int], list[int]]]:
    """Tokens of question, rationale (with the words of its tokens) and label; lengths differ."""
    tokenizer, laid = tiny.tokenizer(), []
    for question, record in zip(
        tiny.questions(count), tiny.TASK.oracle_records("train"), strict=False
    ):
        text = " ".join(record.rationales[0].text.split()[: 4 + len(laid) % 4])
        ((rationale, words),) = tokenizer.encode_words([text])
        question, label = tokenizer.encode([question.text, record.label])
        laid.append((question, rationale, words, label))
    return laid


def layouts(order: str, count: int = COUNT, **lengths: int) -> list[Layout]:
    """Of the first training rationales."""
    tokenizer, made = tiny.tokenizer(), make_order(order)
    (connective,) = tokenizer.encode([made.connective])
    room = {"input_length": 64, "target_length": 64} | lengths
    return [
        lay_out(
            made, question, rationale, words, connective, label,
            num_words=max(words) + 1, eos=tokenizer.eos, **room,
        )
        for question, rationale, words, label in parts(count)
    ]  # fmt: skip


def donors(order: str, count: int) -> list[list[list[int]]]:
    """What stands at the tokens of every layout instead, of so many rationales of another label."""
    laid, tokenizer = parts(), tiny.tokenizer()
    choice = Donors(
        [f"n{number}" for number in range(len(laid))],
        [str(label) for _, _, _, label in laid],
        [(rationale, words) for _, rationale, words, _ in laid],
        tokenizer.unknown,
    )
    return [
        choice.instead_of(number, layout.words, count)
        for number, layout in enumerate(layouts(order))
    ]


@functools.cache
def explain(
    function: Function,
    order: str,
    student: Student | None = None,
    batch_size: int = 4,
    count: int = 0,
    path: tuple[float, float] = (0.0, 1.0),
):
    """What a method says of every layout, with `count` donors: a list of {name: numpy row}."""
    student, made, laid = student or tiny.student(), make_order(order), layouts(order)
    instead, found = donors(order, count), [{} for _ in laid]
    for rows in group([layout.lengths for layout in laid], student.mesh, batch_size):
        members, others = ([of[member] for member in rows.members] for of in (laid, instead))
        batch = to_devices(fill(rows, members, made, 0, others, path), student.mesh)
        sizes = (made.reads_rationale, rows.lengths[2], student.tokenizer.unknown)
        run = compiled(function, student.config, student.mesh, *sizes)
        results = to_host(run(student.params, batch))
        for row, member in enumerate(rows.members):
            found[member] = {name: part[row] for name, part in results.items()}
    return found
