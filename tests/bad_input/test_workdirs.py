"""Workdirs of runs, and the checkpoints in them, that are damaged or none."""

import json
import shutil

import jax
import jax.numpy as jnp
import pytest

from cotjax.checkpoints import Checkpoints
from cotjax.data.tokenizer import train_tokenizer
from cotjax.evaluation.student import load_student
from tests.bad_input.refusing import refused

PARAMS = {"w": jnp.arange(8.0)}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A workdir with one checkpoint, whose model is described wrongly."""
    workdir = tmp_path_factory.mktemp("workdir")
    tokenizer = train_tokenizer(["a b"], 10)
    tokenizer.save(workdir / "tokenizer")
    checkpoints = Checkpoints(workdir / "checkpoints")
    meta = {"tokenizer_hash": tokenizer.content_hash()}
    checkpoints.save(7, PARAMS, {"count": jnp.ones(())}, meta, metric=0.5, wait=True)
    checkpoints.close()
    model = {"model": {"d_model": 4}, "tokenizer_hash": tokenizer.content_hash()}
    (workdir / "model.json").write_text(json.dumps(model))
    return workdir


@pytest.fixture
def workdir(whole, tmp_path):
    return shutil.copytree(whole, tmp_path / "workdir")


def restore(workdir):
    checkpoints = Checkpoints(workdir / "checkpoints", read_only=True)
    try:
        like = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype), PARAMS)
        return checkpoints.restore_params(checkpoints.resolve("latest"), like)
    finally:
        checkpoints.close()


def test_a_whole_checkpoint_is_restored(workdir):
    assert restore(workdir)["w"].tolist() == PARAMS["w"].tolist()


BAD_MODELS = [b"", b"[]", b"{}", b'{"model": 5}', b'{"model": {"d_modle": 4}}', b"\xff", b"\0" * 9]


@pytest.mark.parametrize("content", BAD_MODELS)
def test_a_bad_description_of_the_model_is_named(workdir, content):
    (workdir / "model.json").write_bytes(content)
    refused(lambda: load_student(workdir, "best"), workdir, f"{workdir}/model.json")


@pytest.mark.parametrize("name", ["params", "meta", "model.json", "tokenizer", "checkpoints"])
def test_what_is_missing_is_named(workdir, name):
    path = workdir / name if (workdir / name).exists() else workdir / "checkpoints" / "7" / name
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    read = restore if name in ("params", "checkpoints") else lambda w: load_student(w, "best")
    refused(lambda: read(workdir), workdir, str(workdir))


@pytest.mark.parametrize("name", ["0", "8", "-7", "newest", "../7", "7/params", ""])
def test_a_checkpoint_that_is_none_is_named(workdir, name):
    checkpoints = Checkpoints(workdir / "checkpoints", read_only=True)
    refused(lambda: checkpoints.resolve(name), workdir, f"no checkpoint {name!r}; steps that exist")
    checkpoints.close()
