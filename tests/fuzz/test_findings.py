"""What fuzzing found, and that every target takes what it starts from."""

import pytest

from tests.fuzz.seeds import make_seeds
from tests.fuzz.targets import TARGETS

FINDINGS = {
    "a mixed number with another space than ' '": ("expressions", b"(2\x1c1/2 + 3^2* -(5 1- "),
    "the same over two lines": ("answers", b"\x03So the answer is 2\n1/2."),
    "the same with a tab": ("answers", b"\x01The answer is 2\t1/2 km"),
}


@pytest.mark.parametrize("name", FINDINGS)
def test_a_finding_stays_mended(name):
    target, data = FINDINGS[name]
    TARGETS[target](data)


@pytest.mark.parametrize("name", TARGETS)
def test_a_target_takes_what_it_starts_from(tmp_path, name):
    make_seeds(tmp_path)
    seeds = sorted((tmp_path / name).iterdir())
    assert seeds
    for seed in seeds:
        TARGETS[name](seed.read_bytes())
