"""The three orders, and other words between label and rationale."""

import pytest

from cotjax.targets.orders import ORDERS, make_order
from cotjax.targets.segments import Kind


@pytest.mark.parametrize(
    ("name", "segments", "connective", "uses_rationale", "starts_with_label", "ends_with_label"),
    [
        ("label_only", "LABEL", "", False, True, True),
        ("rationale_first", "RATIONALE CONNECTIVE LABEL", "So the answer is", True, False, True),
        ("label_first", "LABEL CONNECTIVE RATIONALE", "because", True, True, False),
    ],
)
def test_what_an_order_says(
    name, segments, connective, uses_rationale, starts_with_label, ends_with_label
):
    order = make_order(name)
    assert order.name == name
    assert order.segments == tuple(Kind[segment] for segment in segments.split())
    assert order.connective == connective
    assert order.uses_rationale == uses_rationale
    assert order.starts_with_label == starts_with_label
    assert order.ends_with_label == ends_with_label


@pytest.mark.parametrize("connective", ["", "since"])
def test_another_connective_leaves_the_order_as_it_is(connective):
    order = make_order("label_first", connective)
    assert order.connective == connective
    assert order.segments == ORDERS["label_first"].segments
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
