"""The map of characters: what it writes, and that T5 knows it."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cotjax.data.examples import Examples, Target
from cotjax.data.tokenizer import load_tokenizer, train_tokenizer, with_ascii
from cotjax.data.tokens import count_tokens, count_unmapped, tokenize
from cotjax.targets.characters import ASCII
from cotjax.targets.orders import make_order

TEXTS = ["3 ÷ 4 = 5 × 6", "so x is y", "∴ x"]
WORDS = st.lists(st.text([*"ab3.,é", *list(ASCII)[:60]], min_size=1, max_size=5), max_size=6)


@pytest.fixture(scope="module")
def plain(titler_folder):
    return load_tokenizer(titler_folder)


@pytest.fixture(scope="module")
def mapped(plain):
    return with_ascii(plain)


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("3 ÷ 4 × 5 − 6", "3 / 4 * 5 - 6"),
        ("∴x = 2², ∴ y ≥ x", "so x = 2**2, so y >= x"),
        ("∃x (balls), where x ∈ {1, 2}", "there is x (balls), where x in (1, 2)"),
        ("x < 3 ⟹ Δx ≈ ½", "x less than 3 => Delta x about 1/2"),
        ("Peña and Řehoř", "Pena and Rehor"),
        ("a café costs 5 €, 50 %", "a café costs 5 €, 50 %"),  # T5 knows it all
        ("", ""),
    ],
)
def test_what_is_written(plain, mapped, text, written):
    assert mapped.encode([text]) == plain.encode([written])
    assert mapped.unknown not in mapped.encode([text])[0]


def test_t5_knows_what_is_written_and_not_the_signs(plain):
    for sign, written in ASCII.items():
        assert plain.unknown not in plain.encode([written])[0], sign
        ids = plain.encode([f"a {sign} b"])[0]
        assert (plain.unknown in ids) == (sign not in "²³"), sign


@given(WORDS)
def test_words_stay_those_of_the_text(plain, mapped, words):
    """Offsets are those of the text before the map: a word's tokens are its own."""
    ids, of_token = mapped.encode_words([" ".join(words)])[0]
    for position, word in enumerate(words):
        own = [i for i, w in zip(ids, of_token, strict=True) if w == position]
        assert own == mapped.encode([word])[0]


def test_a_text_without_signs_is_read_as_before(plain, mapped, shared):
    texts = (shared / "data" / "README.md").read_text("utf-8").splitlines()
    texts = [text for text in texts if ASCII.keys().isdisjoint(text)]
    assert len(texts) > 5
    assert mapped.encode(texts) == plain.encode(texts)


def test_the_map_is_saved_with_the_tokenizer(mapped, plain, tmp_path):
    mapped.save(tmp_path)
    loaded = load_tokenizer(tmp_path)
    assert loaded.encode(TEXTS) == mapped.encode(TEXTS)
    assert loaded.content_hash() == mapped.content_hash() != plain.content_hash()


def test_a_new_tokenizer_is_trained_on_what_the_map_writes():
    tokenizer = train_tokenizer(TEXTS * 3, 100, "ascii")
    pieces = tokenizer.pieces(range(tokenizer.size))
    assert not any(sign in piece for piece in pieces for sign in "÷×∴")
    ids = tokenizer.encode(["∴ x", "so x"])
    assert ids[0] == ids[1]
    assert tokenizer.unknown not in ids[0]


def test_tokens_are_counted_with_and_without_the_map(mapped, plain):
    order = make_order("label_first")
    targets = (Target(0, 0, "× 3", "∴ 3 ÷ 4 ☃"), Target(0, 1, "no", "no sign"))
    examples = Examples(("q",), ("a ∃ b",), targets, {})
    tables = [tokenize(examples, one, order) for one in (mapped, plain)]
    with_map, without = (count_tokens(table, plain.unknown, order) for table in tables)
    assert count_unmapped(tables[0], examples, mapped, order) == {
        f"{name}_unmapped": count for name, count in without.items()
    }
    unknown = {
        field: (with_map[f"{field}/unknown"], without[f"{field}/unknown"])
        for field in ("inputs", "labels", "rationales")
    }
    # The snowman stays unknown.
    assert unknown == {"inputs": (0, 1), "labels": (0, 1), "rationales": (1, 3)}
    assert count_unmapped(tables[1], examples, plain, order) == {}


def test_the_symbolic_rationales_lose_all_their_unknown_tokens(shared, plain, mapped):
    """1 in 21 tokens of the symbolic format is unknown to T5."""
    file = shared / "data" / "granularity" / "svamp" / "gpt4o_level3_symbolic.json"
    texts = [row["output"] for row in json.loads(file.read_text("utf-8"))]
    share = [
        np.mean([token == one.unknown for ids in one.encode(texts) for token in ids])
        for one in (plain, mapped)
    ]
    assert 0.03 < share[0] < 0.06
    assert share[1] == 0
