"""The orders, and other words between label and rationale."""

import pytest

from cotjax.targets.orders import ORDERS, make_order
from cotjax.targets.segments import Kind


@pytest.mark.parametrize(
    ("name", "segments", "connective", "has_rationale", "starts_with_label", "ends_with_label"),
    [
        ("label_only", "LABEL", "", False, True, True),
        ("rationale_first", "RATIONALE CONNECTIVE LABEL", "So the answer is", True, False, True),
        ("label_first", "LABEL CONNECTIVE RATIONALE", "because", True, True, False),
    ],
)
def test_what_an_order_says(
    name, segments, connective, has_rationale, starts_with_label, ends_with_label
):
    order = make_order(name)
    (reply,) = order.replies
    assert order.name == name
    assert order.answer is reply
    assert reply.segments == tuple(Kind[segment] for segment in segments.split())
    assert reply.ask("who ?") == "who ?"
    assert order.connective == connective
    assert order.uses_rationale == reply.has_rationale == has_rationale
    assert reply.starts_with_label == starts_with_label
    assert reply.ends_with_label == ends_with_label


def test_multitask_asks_twice_as_the_authors_code_does():
    order = make_order("multitask")
    label, rationale = order.replies
    assert order.answer is label
    assert (label.ask("who ?"), rationale.ask("who ?")) == ("predict: who ?", "explain: who ?")
    assert (label.segments, rationale.segments) == ((Kind.LABEL,), (Kind.RATIONALE,))
    assert order.uses_rationale
    assert order.texts == ("", "predict: ", "explain: ")
    assert (label.has_rationale, rationale.has_rationale) == (False, True)
    assert (label.ends_with_label, rationale.ends_with_label) == (True, False)


def test_rationale_input_says_the_label_alone():
    order = make_order("rationale_input")
    (reply,) = order.replies
    assert (reply.segments, reply.context) == ((Kind.LABEL,), (Kind.CONNECTIVE, Kind.RATIONALE))
    assert (reply.has_rationale, reply.reads_rationale) == (False, True)
    assert (reply.starts_with_label, reply.ends_with_label) == (True, True)
    assert order.uses_rationale
    assert order.reads_rationale
    assert order.texts == ("rationale:", "")
    assert [name for name, other in ORDERS.items() if other.reads_rationale] == [order.name]


@pytest.mark.parametrize("connective", ["", "since"])
def test_another_connective_leaves_the_order_as_it_is(connective):
    order = make_order("label_first", connective)
    assert order.connective == connective
    assert order.replies == ORDERS["label_first"].replies
    assert ORDERS["label_first"].connective == "because"


def test_kinds_are_pinned():
    """Weights and metrics are arrays by kind: other numbers would mix up what is saved."""
    assert {kind.name: int(kind) for kind in Kind} == {
        "PADDING": 0,
        "LABEL": 1,
        "CONNECTIVE": 2,
        "RATIONALE": 3,
        "PREFIX": 4,
        "EOS": 5,
    }
