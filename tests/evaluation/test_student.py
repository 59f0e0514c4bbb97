"""Loading a student from a run or a Hugging Face folder, and giving it away again."""

import json
import shutil

import jax
import numpy as np
import pytest
from transformers import AutoTokenizer, T5ForConditionalGeneration

from cotjax import config as configs
from cotjax.data.tokenizer import train_tokenizer
from cotjax.errors import InputError
from cotjax.evaluation.generation import generate
from cotjax.evaluation.student import (
    default_mesh,
    export_checkpoint,
    load_pretrained_student,
    load_student,
)
from cotjax.mesh import make_mesh

TEXTS = ["heavier ? ent1 or ent2", "heavier ? ent30 or ent4", "or ent5"]


@pytest.fixture
def copy(workdir, tmp_path):
    return shutil.copytree(workdir, tmp_path / "copy")


def test_an_exported_student_says_the_same_in_transformers(workdir, tmp_path):
    folder = tmp_path / "exported"
    assert export_checkpoint(workdir, "best", folder) == 2
    mesh = make_mesh({}, jax.devices()[:1])
    trained, _ = load_student(workdir, "best", mesh)
    exported = load_pretrained_student(str(folder), mesh)
    for one, other in zip(
        jax.tree.leaves(trained.params), jax.tree.leaves(exported.params), strict=True
    ):
        np.testing.assert_array_equal(one, other)
    inputs, _ = trained.encode_inputs(TEXTS, 32)
    model, tokenizer = T5ForConditionalGeneration.from_pretrained(folder), AutoTokenizer
    encoded = tokenizer.from_pretrained(folder)(TEXTS, add_special_tokens=False)["input_ids"]
    assert inputs == [[*tokens, exported.tokenizer.eos] for tokens in encoded]
    written = generate(exported, inputs, max_tokens=6, batch_size=3)
    for asked, answer in zip(inputs, written, strict=True):
        asked = model.dummy_inputs["input_ids"].new_tensor([asked])
        reference = model.generate(asked, max_new_tokens=6, do_sample=False)
        assert reference[0, 1:].tolist() == answer


def test_export_spares_what_is_there(workdir, tmp_path):
    (tmp_path / "mine.txt").touch()
    with pytest.raises(InputError, match="exists already"):
        export_checkpoint(workdir, "best", tmp_path)


def test_another_tokenizer_is_refused(copy):
    content = json.loads((copy / "model.json").read_text("utf-8"))
    (copy / "model.json").write_text(json.dumps(content | {"tokenizer_hash": "0"}), "utf-8")
    with pytest.raises(InputError, match="not the tokenizer that the student"):
        load_student(copy, "best")


def test_a_tokenizer_that_was_replaced_is_refused(copy):
    """Although model.json, replaced with it, agrees."""
    other = train_tokenizer(["other words"], 96)
    other.save(copy / "tokenizer")
    content = json.loads((copy / "model.json").read_text("utf-8"))
    content["tokenizer_hash"] = other.content_hash()
    (copy / "model.json").write_text(json.dumps(content), "utf-8")
    with pytest.raises(InputError, match="not the tokenizer that the student"):
        load_student(copy, "best")


@pytest.mark.parametrize(
    ("trained", "platform", "kept"),
    [
        ("cudnn", "cpu", "xla"),
        ("cudnn", "tpu", "xla"),
        ("pallas", "cpu", "xla"),
        ("pallas", "gpu", "xla"),
        ("pallas", "tpu", "pallas"),
    ],
)
def test_a_student_s_attention_is_kept_where_it_is(copy, trained, platform, kept, monkeypatch):
    content = json.loads((copy / "model.json").read_text("utf-8"))
    content["model"] |= {"attention": trained, "dtype": "bfloat16"}
    (copy / "model.json").write_text(json.dumps(content), "utf-8")
    monkeypatch.setattr(jax, "default_backend", lambda: platform)
    student, _ = load_student(copy, "best")
    assert student.config.attention == kept


@pytest.mark.parametrize("content", ["{}", '{"model": {"size": 1}, "tokenizer_hash": ""}', "{"])
def test_a_damaged_description_is_refused(copy, content):
    (copy / "model.json").write_text(content, "utf-8")
    with pytest.raises(InputError, match=r"model\.json"):
        load_student(copy, "best")


def test_a_folder_without_a_run_is_refused(tmp_path):
    with pytest.raises(InputError, match="no such folder"):
        load_student(tmp_path / "nowhere", "best")
    with pytest.raises(InputError, match=r"model\.json"):
        load_student(tmp_path, "best")


def test_a_run_of_other_devices_is_evaluated_on_these(workdir):
    config = configs.from_workdir(workdir)
    config.mesh.data, config.mesh.fsdp = 3, 5
    assert dict(default_mesh(config).shape) == {"data": 8, "fsdp": 1, "tensor": 1}
    config.mesh.data, config.mesh.fsdp = 2, 4
    assert dict(default_mesh(config).shape) == {"data": 2, "fsdp": 4, "tensor": 1}


def test_inputs_are_cut_before_eos():
    from tests.evaluation import tiny

    student = tiny.student()
    (whole,), (none,) = student.encode_inputs(TEXTS[:1], 32)
    (short,), (cut,) = student.encode_inputs(TEXTS[:1], 3)
    assert none == 0
    assert short == [*whole[:2], student.tokenizer.eos]
    assert cut == len(whole) - 3
