"""Mixtures of sources: how they are written, which rationale is of which, what it weighs."""

import pytest

from cotjax.errors import InputError
from cotjax.records import Rationale
from cotjax.targets.mixture import Source, draw_weights, parse_mixture, source_of


def test_sources_are_tags_and_weights():
    assert parse_mixture(" level=1:0.25, teacher=gpt-4o&level=5:3 ") == (
        Source("level=1", {"level": 1}, 0.25),
        Source("teacher=gpt-4o&level=5", {"teacher": "gpt-4o", "level": 5}, 3.0),
    )
    assert parse_mixture("model=a:b:1") == (Source("model=a:b", {"model": "a:b"}, 1.0),)
    assert parse_mixture("") == ()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("level=1", "write name=value"),
        ("0.5", "write name=value"),
        (":0.5", "write name=value"),
        ("level:0.5", "write name=value"),
        ("level=1&level=2:1", "write name=value"),
        ("level=1:1,level=1:2", "each source once"),
        ("a=1&b=2:1,b=2&a=1:2", "each source once"),
        ("level=1:0,level=2:1", "'0' is no weight above 0"),
        ("level=1:-1", "'-1' is no weight"),
        ("level=1:nan", "'nan' is no weight"),
        ("level=1:inf", "'inf' is no weight"),
        ("level=1:half", "'half' is no weight"),
    ],
)
def test_mistakes_name_the_field(text, message):
    with pytest.raises(InputError, match=r"config\.data\.selection\.mixture=") as error:
        parse_mixture(text)
    assert message in str(error.value)


def tagged(**tags):
    return Rationale(0, "text", None, None, tags=tags)


def test_a_rationale_is_of_the_source_whose_tags_it_has():
    sources = parse_mixture("level=1:1,level=2&format=plain:1")
    assert source_of(sources, tagged(level=1), None) == 0
    assert source_of(sources, tagged(level=2, format="plain"), None) == 1
    assert source_of(sources, tagged(level=2), {"format": "plain"}) == 1
    assert source_of(sources, tagged(level=2), None) is None
    assert source_of(sources, tagged(), None) is None


def test_a_rationale_of_two_sources_is_refused():
    sources = parse_mixture("level=1:1,format=plain:1")
    with pytest.raises(InputError, match="of 'level=1' and of 'format=plain' as well"):
        source_of(sources, tagged(level=1, format="plain"), None)


@pytest.mark.parametrize(
    ("of_rationales", "weights"),
    [
        ([0, 1], [1.0, 3.0]),
        ([0, 0, 1], [0.5, 0.5, 3.0]),  # however many it has, a source is as likely
        ([1, 1, 1], [1.0, 1.0, 1.0]),
        ([], []),
    ],
)
def test_a_sources_rationales_share_its_weight(of_rationales, weights):
    sources = parse_mixture("level=1:1,level=2:3")
    assert draw_weights(sources, of_rationales) == weights
