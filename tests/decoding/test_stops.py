"""Stop strings against a naive search in the whole text, whatever the tokens and chunks."""

import itertools

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from cotjax.decoding.stops import StopStrings, Watch
from cotjax.errors import InputError
from tests.teacher.tokenizers import byte_level, sentencepiece_like

STOPS = st.lists(st.text("ab\né", min_size=1, max_size=4), max_size=3)


class Bytes:
    """A tokenizer whose token i is the i-th of the given strings of bytes."""

    def __init__(self, pieces):
        self.pieces = pieces

    def decode(self, tokens, skip_special_tokens):
        assert skip_special_tokens
        return b"".join(self.pieces[t] for t in tokens).decode("utf-8", errors="replace")


def naive(text, stops):
    """Length of the text up to the end of the first complete stop string, and its own length."""
    for end in range(len(text) + 1):
        sizes = [len(stop) for stop in stops if text[:end].endswith(stop)]
        if sizes:
            return end, max(sizes)
    return None


def cut(whole, places):
    """Cuts at places, which are taken modulo the length."""
    bounds = sorted({0, len(whole), *(place % (len(whole) + 1) for place in places)})
    return [whole[i:j] for i, j in itertools.pairwise(bounds)]


@settings(max_examples=400, deadline=None)
@given(
    st.text("ab\né日", max_size=16),
    STOPS,
    st.lists(st.integers(0, 60), max_size=40),
    st.lists(st.integers(0, 60), max_size=8),
)
@example("aab\n", ["ab\n", "b"], [1, 2, 3], [2])
@example("aé", ["é"], [2], [1, 2])
def test_any_chunking_gives_what_a_search_in_the_whole_text_gives(text, stops, cuts, chunks):
    pieces = cut(text.encode(), cuts)
    found = naive(text, stops)
    kept, said = len(pieces), text
    if found:
        end, size = found
        said = text[: end - size]
        sizes = np.cumsum([len(piece) for piece in pieces])
        kept = int(np.searchsorted(sizes, len(text[:end].encode()))) + 1
    strings = StopStrings(stops, Bytes(pieces))
    watch = Watch(strings)
    released = [watch.feed(chunk) for chunk in cut(list(range(len(pieces))), chunks)]
    assert text.startswith("".join(released))
    released.append(watch.finish())
    assert ("".join(released), watch.text) == (said, said)
    assert (watch.used, watch.ended) == (kept, found is not None)
    assert strings.find(range(len(pieces))) == ((kept, said) if found else None)


@pytest.mark.parametrize(
    ("chunks", "released"),
    [
        (["It is so.", "\n", "\n", "Q"], ["It is so.", "", "", ""]),
        (["It is so.", "\n", "No"], ["It is so.", "", "\nNo"]),
        (["so\n", "\nA", "\n\n"], ["so", "\n\nA", ""]),
        (["so\n\nQ: x"], ["so"]),
    ],
)
def test_text_is_held_back_while_it_may_be_a_stop_string(chunks, released):
    watch = Watch(StopStrings(["\n\nQ"], Bytes([chunk.encode() for chunk in chunks])))
    assert [watch.feed([number]) for number in range(len(chunks))] == released


def test_what_was_held_back_is_said_at_the_end():
    watch = Watch(StopStrings(["\n\nQ"], Bytes([b"so\n", b"\xe6\x97"])))
    assert (watch.feed([0, 1]), watch.finish()) == ("so", "\n�")


@pytest.mark.parametrize("make", [byte_level, sentencepiece_like])
@pytest.mark.parametrize("stops", [["\n\n"], ["Q:", " river"], ["ï", "日本"], [" "]])
def test_only_marked_tokens_complete_a_stop_string(make, stops):
    tokenizer = make()
    strings = StopStrings(stops, tokenizer)
    marks = strings.marks(ends=(2,)).completing
    assert marks.shape == (len(tokenizer),)
    for text in ("A river.\n\nQ: Who?", "naïve 日本 Q:\n\n", "Q\n \nQ:", "money  safe \n\n\n"):
        tokens = tokenizer.encode(text, add_special_tokens=False)
        text = strings.decode(tokens)  # some tokenizers have no double spaces
        found, end = strings.find(tokens), naive(text, stops)
        assert (found is None) == (end is None)
        if found:
            assert marks[tokens[found[0] - 1]]
            assert found[1] == text[: end[0] - end[1]]
    assert marks.mean() < 0.9


@pytest.mark.parametrize("make", [byte_level, sentencepiece_like])
def test_a_watched_text_is_the_decoded_text(make):
    tokenizer = make()
    text = "Where do people keep 日本 café money?\nA bank “safe”  é."
    tokens = tokenizer.encode(text, add_special_tokens=False)
    watch = Watch(StopStrings([], tokenizer))
    for token in tokens:
        watch.feed([token])
    watch.finish()
    assert watch.text == tokenizer.decode(tokens, skip_special_tokens=True)


def test_an_empty_stop_string_is_refused():
    with pytest.raises(InputError, match="stop string is empty"):
        StopStrings(["\n", ""], byte_level())


@pytest.mark.parametrize("make", [byte_level, sentencepiece_like])
def test_tokens_that_close_a_text(make):
    """Those that hold a whole stop string, beside the end tokens."""
    tokenizer = make()
    closing = StopStrings(["er", "ne"], tokenizer).marks(ends=(2, 5)).closing
    texts = [tokenizer.decode([token], skip_special_tokens=True) for token in range(len(closing))]
    held = {token for token, text in enumerate(texts) if "er" in text or "ne" in text}
    assert set(np.flatnonzero(closing)) == held | {2, 5}
    assert len(held) > 2


def test_an_end_token_may_lie_beyond_the_tokenizer():
    size = len(byte_level())
    assert np.flatnonzero(StopStrings([], byte_level()).marks((size + 3,)).closing) == [size + 3]


def test_without_stop_strings_nothing_is_marked():
    strings = StopStrings([], byte_level())
    assert not strings.marks(ends=(2,)).completing.any()
    assert strings.find([5, 6]) is None
