"""Tokenisation: segments, words, unknown tokens, the cache."""

import dataclasses
import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cotjax.data import tokenizer as tokenizers
from cotjax.data import tokens
from cotjax.data.examples import Examples, Target
from cotjax.data.perturbed import units_of
from cotjax.data.ragged import Ragged
from cotjax.data.steps import Steps
from cotjax.data.tokenizer import load_tokenizer, train_tokenizer
from cotjax.data.tokens import (
    count_tokens,
    cut_inputs,
    tokenize,
)
from cotjax.errors import InputError
from cotjax.targets.orders import make_order
from tests.data.small import EOS, small_table, step_config

TEXTS = ["heavier ? ent12 or ent145", "ent12 is size3 while ent145 is size7", "because", "first"]
LABEL_FIRST = make_order("label_first")
WORDS = st.lists(st.sampled_from(" ".join(TEXTS).split()), min_size=1, max_size=8)


@pytest.fixture(scope="module")
def tokenizer():
    return train_tokenizer(TEXTS * 3, 200)


def examples(*rationales, key_words=()):
    targets = tuple(Target(0, n, "first", text, key_words) for n, text in enumerate(rationales))
    return Examples(("q",), (TEXTS[0],), targets, {})


def assert_same(table, other):
    for field in dataclasses.fields(table):
        arrays = [getattr(one, field.name) for one in (table, other)]
        if field.type is Ragged:
            arrays = [np.concatenate([one.values, one.offsets]) for one in arrays]
        np.testing.assert_array_equal(*arrays, strict=True, err_msg=field.name)


def test_a_new_tokenizer_has_t5s_special_ids_and_whole_words(tokenizer):
    assert (tokenizer.pad, tokenizer.eos, tokenizer.unknown) == (0, 1, 2)
    assert tokenizer.pieces(tokenizer.encode(["ent12 is size3"])[0]) == ["▁ent12", "▁is", "▁size3"]


def test_training_a_tokenizer_is_repeatable(tokenizer):
    assert train_tokenizer(TEXTS * 3, 200).content_hash() == tokenizer.content_hash()


@settings(deadline=None)
@given(st.lists(WORDS, min_size=1, max_size=4))
def test_segments_tokenised_one_by_one_equal_the_whole_string(tokenizer, segments):
    texts = [" ".join(words) for words in segments]
    joined = [token for ids in tokenizer.encode(texts) for token in ids]
    assert joined == tokenizer.encode([" ".join(texts)])[0]


@pytest.mark.parametrize("size", [1, 3, 4])
def test_texts_are_encoded_part_by_part(tokenizer, monkeypatch, size):
    expected = tokenizer.encode_words(TEXTS)
    monkeypatch.setattr(tokenizers, "AT_ONCE", size)
    assert tokenizer.encode_words(TEXTS) == expected
    assert len(expected) == len(TEXTS)
    assert tokenizer.encode([]) == []


@settings(deadline=None)
@given(WORDS)
def test_words_are_those_of_white_space(tokenizer, words):
    ids, word = tokenizer.encode_words([" ".join(words)])[0]
    for number, text in enumerate(words):
        pieces = [i for i, w in zip(ids, word, strict=True) if w == number]
        assert tokenizer.decode(pieces) == text


@settings(deadline=None)
@given(st.lists(WORDS, min_size=1, max_size=5), st.data())
def test_steps_are_those_of_the_text(tokenizer, steps, data):
    """Whatever stands between two steps, a step's tokens are its own."""
    gaps = [data.draw(st.sampled_from([" ", "\n"])) for _ in steps]
    parts = [" ".join(words) + gap for words, gap in zip(steps, gaps, strict=True)]
    starts = [0, *itertools.accumulate(map(len, parts))][:-1]
    text = "".join(parts).rstrip()
    ids, words, step = tokenizer.encode_units([text], [starts])[0]
    assert (ids, words) == tokenizer.encode_words([text])[0]
    for number, part in enumerate(parts):
        own = [i for i, s in zip(ids, step, strict=True) if s == number]
        assert own == tokenizer.encode([part.strip()])[0]


@pytest.mark.parametrize(
    ("text", "starts", "steps"),
    [
        ("", [], []),
        ("ent12 is", [0], [0, 0]),
        ("ent12 is", [0, 6], [0, 1]),
        ("ent12 is", [0, 2], [0, 0]),  # the whole word is one token: no step begins within
        ("ent12 is size3", [0, 2, 9], [0, 0, 1]),  # and none is counted that has no token
    ],
)
def test_steps_of_tokens_are_as_drawn(tokenizer, text, starts, steps):
    assert tokenizer.encode_units([text], [starts])[0][2] == steps


def test_white_space_goes_with_the_word_that_follows(titler_folder):
    """T5 writes x as two pieces: white space, and x."""
    tokenizer = load_tokenizer(titler_folder)
    for text in ("is x", "is \n  x", " is x"):
        ids, words = tokenizer.encode_words([text])[0]
        assert tokenizer.pieces(ids) == ["▁is", "▁", "x"]
        assert words == [0, 1, 1]


def test_a_newline_is_a_space(tokenizer):
    assert tokenizer.encode(["ent12\nis"]) == tokenizer.encode(["ent12 is"])


def test_a_tokenizer_survives_saving(tokenizer, tmp_path):
    tokenizer.save(tmp_path)
    assert load_tokenizer(tmp_path).content_hash() == tokenizer.content_hash()


def test_a_folder_without_tokenizer_is_refused(tmp_path):
    with pytest.raises(InputError, match="no tokenizer could be loaded"):
        load_tokenizer(tmp_path)


def test_real_rationales_tokenise_as_t5_does(titler_folder):
    from transformers import AutoTokenizer

    tokenizer = load_tokenizer(titler_folder)
    reference = AutoTokenizer.from_pretrained(titler_folder)
    text = "(B) bank because Of the above choices, only 3.5 ÷ 2 has to do with it."
    segments = ["(B) bank", "because", "Of the above choices, only 3.5 ÷ 2 has to do with it."]
    joined = [token for ids in tokenizer.encode(segments) for token in ids]
    assert [*joined, tokenizer.eos] == reference(text).input_ids
    assert joined.count(tokenizer.unknown) == 1  # the division sign


def test_the_table_is_as_drawn(tokenizer):
    table = tokenize(examples("ent12 is size3", "size7 ent145"), tokenizer, LABEL_FIRST)
    assert tokenizer.pieces(table.inputs[0]) == [
        "▁heavier",
        "▁?",
        "▁ent12",
        "▁or",
        "▁ent145",
        "</s>",
    ]
    assert units_of(table, "words").tolist() == [0, 1, 2, 0, 1]
    assert table.samples.tolist() == [0, 1]
    counts = count_tokens(table, tokenizer.unknown, LABEL_FIRST)
    assert (counts["rationales/tokens"], counts["rationales/unknown"]) == (5, 0)


def test_what_else_the_table_says_of_a_rationale(tokenizer):
    target = Target(0, 0, "(B)", "is it size3? However\nent12.", reference="is is", answer="Size3")
    table = tokenize(Examples(("q",), (TEXTS[0],), (target,), {}), tokenizer, LABEL_FIRST)
    words, steps = (units_of(table, unit).tolist() for unit in ("words", "steps"))
    by_word = dict(zip(words, steps, strict=True))
    assert by_word == {0: 0, 1: 0, 2: 0, 3: 1, 4: 2}
    assert table.reference.tolist() == [2]
    assert table.label_words[0].tolist() == [2]
    assert table.keywords[0].tolist() == [3]


def test_words_without_a_token_have_no_number(titler_folder):
    """T5 reads a zero-width space as none; key words are counted without it."""
    target = Target(0, 0, "(B)", "is \u200b x However", key_words=(3, 1, 0), answer="x")
    one = load_tokenizer(titler_folder)
    table = tokenize(Examples(("q",), (TEXTS[0],), (target,), {}), one, LABEL_FIRST)
    assert one.pieces(table.rationales[0]) == ["▁is", "▁", "x", "▁However"]
    assert units_of(table, "words").tolist() == [0, 1, 1, 2]
    named = (table.key_words, table.label_words, table.keywords)
    assert [words[0].tolist() for words in named] == [[2, 0], [1], [2]]


@pytest.mark.parametrize(("size", "dtype"), [(2**16, np.uint16), (2**16 + 1, np.int32)])
def test_tokens_take_two_bytes_where_the_vocabulary_fits(tokenizer, monkeypatch, size, dtype):
    made = tokenize(examples("ent12 is size3"), tokenizer, LABEL_FIRST)
    monkeypatch.setattr(tokenizer, "size", size)
    table = tokenize(examples("ent12 is size3"), tokenizer, LABEL_FIRST)
    for field in ("inputs", "labels", "rationales"):
        values = getattr(table, field).values
        assert values.dtype == dtype
        assert values.tolist() == getattr(made, field).values.tolist()


def test_a_table_made_in_parts_is_the_same(tokenizer, monkeypatch):
    said = ("ent12 is size3. However size7", "", "is ent145", "", "size3")
    whole = tokenize(examples(*said, key_words=(1, 0)), tokenizer, LABEL_FIRST)
    for at_once in (1, 2, 5):
        monkeypatch.setattr(tokens, "AT_ONCE", at_once)
        assert_same(tokenize(examples(*said, key_words=(1, 0)), tokenizer, LABEL_FIRST), whole)
    assert whole.key_words.lengths.tolist() == [2, 0, 2, 0, 1]


def test_unknown_tokens_are_counted(tokenizer):
    table = tokenize(examples("ent12 Ω"), tokenizer, LABEL_FIRST)
    assert count_tokens(table, tokenizer.unknown, LABEL_FIRST)["rationales/unknown"] >= 1


def test_the_cache_gives_the_same_table_and_mends_itself(tokenizer, tmp_path):
    made = tokenize(examples("ent12 is size3"), tokenizer, LABEL_FIRST, tmp_path)
    (file,) = tmp_path.iterdir()
    for damage in (False, True):
        if damage:
            file.write_bytes(file.read_bytes()[:100])
        read = tokenize(examples("ent12 is size3"), tokenizer, LABEL_FIRST, tmp_path)
        assert_same(read, made)
    tokenize(examples("ent12 is size7"), tokenizer, LABEL_FIRST, tmp_path)
    assert len(list(tmp_path.iterdir())) == 2  # another text, another file


def test_long_questions_are_cut_before_eos_and_counted():
    table, *cut = cut_inputs(small_table(), 2, EOS)
    assert cut == [1, 1]
    assert [table.inputs[0].tolist(), table.inputs[1].tolist()] == [[20, EOS], [22, EOS]]


def test_a_target_length_that_would_cut_a_label_is_refused():
    Steps(small_table(), step_config(target_length=4))
    with pytest.raises(InputError, match=r"config\.data\.target_length=3 would cut a label: 4"):
        Steps(small_table(), step_config(target_length=3))


def test_a_rationale_of_2048_tokens_is_cut_and_counted(tokenizer):
    table = tokenize(examples(" ".join(["size3"] * 2048), "ent12"), tokenizer, LABEL_FIRST)
    steps = Steps(table, step_config(target_length=32))
    assert steps.count_cut() == (1, 2048 - (32 - 3))
    assert steps[0].tokens.sum(axis=-1).max() == 32


def test_a_sentencepiece_model_alone_is_a_tokenizer(tmp_path):
    """As google/t5-v1_1-small has on the Hub."""
    import sentencepiece

    (tmp_path / "text").write_text("\n".join(["the bank is (A) or (B) because money"] * 20))
    sentencepiece.SentencePieceTrainer.train(
        input=str(tmp_path / "text"),
        model_prefix=str(tmp_path / "spiece"),
        vocab_size=24,
        pad_id=0,
        eos_id=1,
        unk_id=2,
        bos_id=-1,
    )
    (tmp_path / "config.json").write_text('{"model_type": "t5"}')
    tokenizer = load_tokenizer(tmp_path)
    reference = sentencepiece.SentencePieceProcessor(model_file=str(tmp_path / "spiece.model"))
    text = "the money is (B)"
    assert tokenizer.encode([text])[0] == reference.encode(text)
    assert (tokenizer.pad, tokenizer.eos, tokenizer.unknown) == (0, 1, 2)
