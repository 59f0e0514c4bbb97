"""metrics.jsonl: always JSON, and readable whatever a killed run left of it."""

import json
import math

import pytest

from cotjax.training.writers import RunWriter, read_scalars


def refuse(constant: str) -> None:
    raise AssertionError(f"{constant} is no JSON")


def test_what_is_not_finite_is_null(tmp_path):
    with RunWriter(tmp_path) as writer:
        writer.scalars(1, {"loss": math.nan, "grad_norm": math.inf, "learning_rate": 0.5})
    text = (tmp_path / "metrics.jsonl").read_text("utf-8")
    assert json.loads(text, parse_constant=refuse) == {
        "step": 1,
        "loss": None,
        "grad_norm": None,
        "learning_rate": 0.5,
    }
    (line,) = read_scalars(tmp_path)
    assert math.isnan(line["loss"])
    assert line["learning_rate"] == 0.5


@pytest.mark.parametrize("damage", [b'{"step": 2, "lo', b"\xff\xfe\x00", b"3", b"{}", b"\n"])
def test_damaged_lines_and_steps_to_be_taken_again_are_dropped(tmp_path, damage):
    lines = [b'{"step": 1, "loss": 2.0}', damage, b'{"step": 3, "loss": 1.0}']
    (tmp_path / "metrics.jsonl").write_bytes(b"\n".join(lines))
    assert [line["step"] for line in read_scalars(tmp_path)] == [1, 3]
    with RunWriter(tmp_path) as writer:
        writer.forget_after(2)
        writer.scalars(3, {"loss": 1.5})
    assert read_scalars(tmp_path) == [{"step": 1, "loss": 2.0}, {"step": 3, "loss": 1.5}]


def test_without_a_file_there_is_nothing_to_forget(tmp_path):
    with RunWriter(tmp_path) as writer:
        writer.forget_after(2)
    assert read_scalars(tmp_path) == []
