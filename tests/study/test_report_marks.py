"""Marks of variants: told apart up to many of them, by the colour-blind too, on light and dark."""

import itertools
import re

import numpy as np
import pytest

from cotjax.study.markup import swatch
from cotjax.study.style import STYLE
from cotjax.study.svg import DISTINCT, HUES, marker

# Machado, Oliveira, Fernandes 2009, severity 1: what is left of linear RGB.
SEEN = {
    "by all": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216],
                   [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413],
                     [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602],
                   [0.004733, 0.691367, 0.303900]],
}  # fmt: skip
# Ottosson 2020, OKLab: linear RGB to cone responses, and their cube roots to lightness and hues.
CONES = [[0.4122214708, 0.5363325363, 0.0514459929], [0.2119034982, 0.6806995451, 0.1073969566],
         [0.0883024619, 0.2817188376, 0.6299787005]]  # fmt: skip
LAB = [[0.2104542553, 0.7936177850, -0.0040720468], [1.9779984951, -2.4285922050, 0.4505937099],
       [0.0259040371, 0.7827717662, -0.8086757660]]  # fmt: skip
LUMINANCE = np.array([0.2126, 0.7152, 0.0722])
LIGHT, DARK = STYLE.split("@media (prefers-color-scheme: dark)")


def linear(colour: str) -> np.ndarray:
    part = np.array([int(colour[at : at + 2], 16) for at in (1, 3, 5)]) / 255
    return np.where(part <= 0.04045, part / 12.92, ((part + 0.055) / 1.055) ** 2.4)


def lab(colour: str, seen: str) -> np.ndarray:
    return np.array(LAB) @ np.cbrt(CONES @ np.clip(SEEN[seen] @ linear(colour), 0, 1))


def palette(scheme: str) -> list[str]:
    found = dict(re.findall(r"--series-(\d): (#\w{6})", scheme))
    return [found[str(number)] for number in range(HUES + 1)]


def test_marks_repeat_after_many_variants_only():
    assert DISTINCT == 25
    assert len({swatch(number) for number in range(DISTINCT)}) == DISTINCT
    assert swatch(DISTINCT) == swatch(1)
    assert all(marker(number) != marker(number + 1) for number in range(1, HUES))


@pytest.mark.parametrize("seen", SEEN)
@pytest.mark.parametrize("scheme", [LIGHT, DARK], ids=["light", "dark"])
def test_hues_differ_however_they_are_seen(scheme, seen):
    colours = [lab(colour, seen) for colour in palette(scheme)]
    assert min(np.linalg.norm(a - b) for a, b in itertools.combinations(colours, 2)) > 0.09


@pytest.mark.parametrize("scheme", [LIGHT, DARK], ids=["light", "dark"])
def test_marks_stand_out_from_the_page(scheme):
    """WCAG 2.2, 1.4.11: graphics have a contrast of 3:1 at least."""
    paper = LUMINANCE @ linear(re.search(r"--paper: (#\w{6})", scheme)[1])
    for colour in palette(scheme):
        dim, bright = sorted((paper, LUMINANCE @ linear(colour)))
        assert (bright + 0.05) / (dim + 0.05) >= 3
