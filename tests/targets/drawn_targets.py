"""The targets that docs/targets.md draws, of a run of three questions."""

import dataclasses
import functools

import numpy as np
import tensorflow as tf

from cotjax.data.examples import Examples, Target
from cotjax.data.perturbed import Perturbed, units_of
from cotjax.data.tokenizer import Tokenizer, train_tokenizer
from cotjax.data.tokens import TokenTable, tokenize
from cotjax.data.words import keep_words
from cotjax.targets.orders import ORDERS
from cotjax.targets.perturb import PERTURBATIONS
from cotjax.targets.segments import Kind
from cotjax.targets.transforms import DigitTokens, Transform
from cotjax.targets.words import WordChoice

QUESTIONS = ("How many of 12 coins are left?", "How many books?", "How long is a week?")
RATIONALES = (
    "Ann has 12 coins. However, she spends 5. So 7 coins are left.",
    "Bob reads 3 books a day. He reads for 3 days.",
    "A week has 7 days.",
)
SEED = 4  # at which the drawings below differ from each other
LABELS = ("7", "9", "7")
KEY_WORDS = ((9, 2, 7), (2,), (3,))
WORDS = {
    "all": {},
    "first_k": {"k": 3},
    "random_k": {"k": 3},
    "key_words": {"k": 2},
    "key_words, by_rank": {"k": 2, "by_rank": True},
    "without_label": {},
    "without_keywords": {},
}
SETTINGS = {  # of perturbations, but for the words and the fraction of one half
    "fill_random": {"length": 16},
    "fill_repeat": {"length": 16},
    "shorten": {"length": 8},
}


def said_in_order(order: str) -> list[tuple[str, str]]:
    """What the first question's target has the student read and say, reply by reply."""
    made = ORDERS[order]
    texts = {
        Kind.LABEL: LABELS[0],
        Kind.CONNECTIVE: made.connective,
        Kind.RATIONALE: RATIONALES[0],
    }
    return [
        (
            " ".join([reply.ask(QUESTIONS[0]), *(texts[kind] for kind in reply.context)]),
            " ".join(texts[kind] for kind in reply.segments),
        )
        for reply in made.replies
    ]


def words_that_stay(name: str) -> str:
    """The first rationale with a choice of words."""
    choice = WordChoice(name.partition(",")[0], **WORDS[name])
    return _spell(keep_words(_table(), choice).rationales[0])


def perturbed(name: str) -> str:
    """The first rationale, perturbed; `drop, steps` drops steps."""
    name, _, unit = name.partition(", ")
    kind, options = PERTURBATIONS[name], SETTINGS.get(name, {}) | ({"unit": unit} if unit else {})
    if "digit_tokens" in {field.name for field in dataclasses.fields(kind)}:
        options["digit_tokens"] = DigitTokens.of(_tokenizer().pieces(range(_tokenizer().size)))
    perturbation, table = kind(**options), _table()
    said = Perturbed(table, perturbation, SEED, redraw=True)
    places, lengths = said.places(np.array([0]), epoch=0)
    tokens = table.rationales.values[places].astype(np.int32)  # as `runs.flatten` does
    if isinstance(perturbation, Transform):
        units = units_of(table, perturbation.unit)[places]
        stream = said.streams(np.array([0]), epoch=0)
        rows = (tokens[None], units[None], lengths.astype(np.int32), stream)
        tokens = perturbation.transform(*map(tf.constant, rows)).numpy()[0]
    return _spell(tokens)


@functools.cache
def _table() -> TokenTable:
    lines = zip(LABELS, RATIONALES, KEY_WORDS, strict=True)
    targets = tuple(
        Target(number, 0, label, rationale, key_words, answer=label)
        for number, (label, rationale, key_words) in enumerate(lines)
    )
    return tokenize(
        Examples(QUESTIONS, QUESTIONS, targets, {}), _tokenizer(), ORDERS["label_first"]
    )


@functools.cache
def _tokenizer() -> Tokenizer:
    """Every word is a token."""
    numbers = " ".join(f"{n} {n}." for n in (*range(10), 34, 56))
    texts = [*QUESTIONS, *RATIONALES, *LABELS, numbers]
    return train_tokenizer(texts + [text for o in ORDERS.values() for text in o.texts], 1000)


def _spell(tokens: np.ndarray) -> str:
    pieces = _tokenizer().pieces(tokens)
    return " ".join(piece.replace("\u2581", "") for piece in pieces)
