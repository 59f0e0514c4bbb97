"""What scripts/benchmark.py decode asks, and which bars its figures are held to."""

import pytest

from cotjax.records import Rationale, Record
from tests.conftest import REPOSITORY


@pytest.fixture
def decode(monkeypatch):
    """The module, as scripts/benchmark.py has it."""
    monkeypatch.syspath_prepend(str(REPOSITORY / "scripts"))
    from benchmarks import decode

    return decode


def words(texts, add_special_tokens: bool = True):
    """A tokenizer: words and, of an input, an end."""
    if isinstance(texts, str):
        return {"input_ids": texts.split() + ["</s>"] * add_special_tokens}
    return {"input_ids": [words(text)["input_ids"] for text in texts]}


def test_bars_compare_with_ctranslate2(decode):
    names = [case.name for case in decode.CASES]
    rates = [1.4, 1.2, 1.3, 1.1]
    summary = {
        name: {decode.OURS: {"rate": rate * 50}, decode.FAST_PEER: {"rate": 50.0}}
        for name, rate in zip(names, rates, strict=True)
    }
    bars = decode.bars(summary)
    assert [(one["bar"], one["holds"]) for one in bars.values()] == [
        (1.3, True), (1.3, False), (1.3, True), (1.2, False)
    ]  # fmt: skip
    assert [one["reached"] for one in bars.values()] == pytest.approx(rates)


def test_a_label_alone_is_the_beginning_of_all_that_is_said(decode):
    said = (Rationale(0, "money is kept there", "bank", True),)
    record = Record("1", "Where is money?", ("bank", "river"), "bank", said)
    orders = decode.label_orders(words, [record])
    label, whole = (orders[name] for name in (decode.LABEL_ONLY, decode.WHOLE))
    (first,), (all_of_it,) = label.pop("prefixes"), whole.pop("prefixes")
    assert label == whole
    assert first[0] == "bank"
    assert all_of_it[: len(first)] == first
    assert all_of_it[-3:] == ["money", "is", "kept"]  # the last token is the student's own
