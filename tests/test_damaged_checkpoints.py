"""Checkpoints whose files are cut, zeroed, flipped or gone: found out, named, never believed."""

import gc
import json
import shutil
from contextlib import closing

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cotjax.checkpoints import Checkpoints
from cotjax.checksums import changed, checksums
from cotjax.errors import InputError
from cotjax.mesh import leaf_shardings, make_mesh
from tests.test_checkpoints import RULES, like, state

pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


def flip(content):
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


DAMAGES = {
    "cut": lambda content: content[: len(content) // 2],
    "empty": lambda content: b"",
    "zeros": lambda content: bytes(len(content)),
    "flipped": flip,
    "gone": None,
}


def damage(file, kind):
    if kind == "gone":
        file.unlink()
    else:
        file.write_bytes(DAMAGES[kind](file.read_bytes()))


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A folder of checkpoints: step 1 has the best metric, step 2 is the latest."""
    folder = tmp_path_factory.mktemp("saved")
    with closing(Checkpoints(folder)) as checkpoints:
        for step, metric in ((1, 0.9), (2, 0.5)):
            checkpoints.save(step, *state(), {"step": step}, metric)
    return folder


@pytest.fixture
def folder(saved, tmp_path):
    return shutil.copytree(saved, tmp_path / "folder")


def restored(folder, step):
    """Parameters, optimizer state and note, from a folder opened for reading."""
    mesh = make_mesh({"data": 1}, jax.devices()[:1])
    with closing(Checkpoints(folder, read_only=True)) as checkpoints:
        assert checkpoints.latest_step() == 2
        return checkpoints.restore(step, *(like(tree, mesh) for tree in state()))


def reason(folder):
    """What is wrong with step 2; nothing (an empty text) if it is as it was saved."""
    try:
        found = restored(folder, 2)
    except InputError as error:
        return str(error)
    jax.tree.map(np.testing.assert_array_equal, list(found), [*state(), {"step": 2}])
    return ""


@pytest.mark.parametrize("kind", DAMAGES)
def test_every_damaged_file_is_told_or_does_no_harm(saved, folder, kind):
    files = [path.relative_to(saved) for path in (saved / "2").rglob("*") if path.is_file()]
    told = set()
    for name in files:
        damage(folder / name, kind)
        if line := reason(folder):
            told.add(name.parts[1])
            assert line.startswith(f"{folder}/2: ")
            assert "damaged" in line
            assert "\n" not in line
        shutil.copy(saved / name, folder / name)
    assert told == {"params", "optimizer", "meta"}
    assert reason(folder) == ""
    gc.collect()  # Orbax opens every leaf before it reads the first; now it complains of the others


@pytest.mark.parametrize("kind", DAMAGES)
def test_the_best_stays_known_when_its_file_of_metrics_is_damaged(folder, kind):
    damage(folder / "1" / "metrics" / "metrics", kind)
    with closing(Checkpoints(folder)) as checkpoints:
        assert checkpoints.best_step() == 1
        checkpoints.save(3, *state(), {"step": 3}, 0.7, wait=True)
        assert checkpoints.all_steps() == [1, 3]


def test_a_damaged_latest_is_set_aside_and_the_best_stays(folder):
    with closing(Checkpoints(folder)) as checkpoints:
        assert checkpoints.set_aside(2) == folder / "damaged-2"
        assert [checkpoints.latest_step(), checkpoints.best_step()] == [1, 1]
        checkpoints.save(2, *state(), {"step": 2}, 0.5, wait=True)
        assert checkpoints.set_aside(2) == folder / "damaged-2-again"


def test_older_checkpoints_have_no_checksums(folder):
    file = folder / "2" / "meta" / "metadata"
    note = json.loads(file.read_text())
    del note["checkpoint"]
    file.write_text(json.dumps(note))
    assert reason(folder) == ""


LEAVES = {
    "float32": np.linspace(-1, 1, 64, dtype=np.float32).reshape(8, 8),
    "bfloat16": np.linspace(-1, 1, 64).reshape(8, 8).astype(jnp.bfloat16),
    "int32": np.arange(-32, 32, dtype=np.int32).reshape(8, 8),
    "bool": np.arange(64).reshape(8, 8) % 3 == 0,
    "uint8": np.arange(64, dtype=np.uint8).reshape(8, 8),
}


@pytest.mark.parametrize("name", LEAVES)
def test_one_changed_bit_changes_a_checksum(name):
    leaf, expected = LEAVES[name], checksums({"a": LEAVES[name]})
    for place in range(0, leaf.nbytes, 7):
        content = bytearray(leaf.tobytes())
        content[place] ^= 1
        other = np.frombuffer(content, leaf.dtype).reshape(leaf.shape)
        assert changed(expected, checksums({"a": other})) == ["a"]


def test_places_and_signs_count():
    """A plain sum of bits would not see two signs that change, or numbers that change places."""
    leaf = LEAVES["float32"]
    for other in (leaf[::-1], leaf.T, -leaf, leaf.reshape(4, 16)[::-1].reshape(8, 8)):
        assert changed(checksums([leaf]), checksums([other.copy()])) == ["0"]


@pytest.mark.parametrize("sizes", [{"data": 8}, {"fsdp": 8}, {"fsdp": 4, "tensor": 2}])
def test_checksums_are_the_same_on_every_mesh(sizes):
    params, _ = state()
    mesh = make_mesh(sizes)
    placed = jax.device_put(params, leaf_shardings(params, mesh, RULES))
    assert checksums(placed) == checksums(params)


def test_another_dtype_cannot_be_compared():
    leaf = LEAVES["float32"]
    assert changed(checksums([leaf]), checksums([leaf.astype(jnp.bfloat16)])) == []
