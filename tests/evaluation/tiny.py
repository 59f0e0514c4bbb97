"""A tiny random student of the comparison task, and questions to ask it."""

import dataclasses
import functools

import jax
import numpy as np

from cotjax.data.tokenizer import Tokenizer, train_tokenizer
from cotjax.evaluation.predict import Prediction, predict
from cotjax.evaluation.student import Student
from cotjax.mesh import leaf_shardings, make_mesh
from cotjax.models.hf import abstract_params
from cotjax.models.t5 import LOGICAL_AXES, T5Config
from cotjax.targets.orders import ORDERS, Order, make_order
from cotjax.tasks import get_task
from cotjax.tasks.base import Question

TASK = get_task(
    "comparison",
    "text",
    entities=20,
    sizes=4,
    train_questions=60,
    validation_questions=20,
    test_questions=20,
)


def questions(count: int) -> list[Question]:
    """The first training questions; every third has words before it, so lengths differ."""
    records = TASK.oracle_records("train")[:count]
    return [
        Question(r.id, f"{'is one or ' * (n % 3)}{r.question}", r.choices, r.label, "train")
        for n, r in enumerate(records)
    ]


@functools.cache
def tokenizer() -> Tokenizer:
    """Knows the task's words and those of the orders."""
    records = TASK.oracle_records("train")
    texts = [text for r in records for text in (r.question, r.label, r.rationales[0].text)]
    texts += [text for order in ORDERS.values() for text in order.texts]
    return train_tokenizer(texts, 96)


def config(**fields) -> T5Config:
    """Sizes of the student; all axes divide by eight."""
    sizes = {
        "vocab_size": 96,
        "d_model": 32,
        "d_kv": 4,
        "d_ff": 48,
        "num_layers": 1,
        "num_decoder_layers": 1,
        "num_heads": 8,
        "gated": True,
        "tied": False,
        "scale_decoder_outputs": False,
    }
    return T5Config(**(sizes | fields))


@functools.cache
def student(devices: int = 1, seed: int = 0, **sizes: int) -> Student:
    """A student whose random weights are large enough for it to say different things.

    Args:
      devices: How many of the virtual ones it lies on.
      seed: Of the weights.
      **sizes: Of the mesh; by default the rows are split.
    """
    mesh = make_mesh(sizes or {"data": devices}, jax.devices()[:devices])
    abstract = abstract_params(config())
    generator = np.random.default_rng(seed)
    params = jax.tree.map(
        lambda leaf: generator.normal(scale=_scale(leaf.shape), size=leaf.shape).astype(np.float32),
        abstract,
    )
    params = jax.device_put(params, leaf_shardings(abstract, mesh, LOGICAL_AXES))
    return Student(config(), params, tokenizer(), mesh)


def _scale(shape: tuple[int, ...]) -> float:
    return 1.0 if len(shape) < 2 else shape[-2] ** -0.5


def ask(
    order: str | Order, count: int = 13, student_: Student | None = None, **changes
) -> list[Prediction]:
    """Predictions of the first questions, always in the same shapes: each is compiled once."""
    arguments = {"max_tokens": 12, "input_length": 32, "batch_size": 5} | changes
    order = make_order(order) if isinstance(order, str) else order
    return predict(student_ or student(), TASK, questions(count), order, **arguments)


def as_dicts(predictions: list[Prediction]) -> list[dict]:
    """Predictions as plain dictionaries, without what rounding touches."""
    rounded = ("label_logprob", "choice_logprobs")
    return [
        {name: value for name, value in dataclasses.asdict(one).items() if name not in rounded}
        for one in predictions
    ]
