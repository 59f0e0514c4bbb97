"""The Hub's token is told to the Hub alone: to nobody who reads the screen or the workdir."""

import os
import subprocess
import sys

import pytest

from tests.conftest import REPOSITORY
from tests.tasks.hub_server import serve
from tests.tasks.published import PUBLISHED
from tests.tasks.test_hub import write_folder

TOKEN = "hf_abcdefghijklmnopqrstuvwxyzABCDEFGH"
GATED, OPEN = "someone/gated", "openai/gsm8k"
SHOW = ["show_task.py", "--task=gsm8k", "--label_format=number"]
TRAIN = [
    "train.py",
    f"--config={REPOSITORY / 'configs' / 'default.py'}",
    "--workdir=run",
    "--config.task.name=gsm8k",
    "--config.task.label_format=number",
]
QUICK = {
    "data.cache": "cache",
    "model.d_model": 16,
    "model.d_ff": 16,
    "model.num_layers": 1,
    "model.num_decoder_layers": 1,
    "data.batch_size": 8,
    "schedule.warmup_steps": 1,
    "schedule.total_steps": 2,
    "evaluation.max_questions": 8,
}


@pytest.mark.parametrize(
    ("command", "code", "says"),
    [
        ([*SHOW, f"--source=hub:{OPEN}:main"], 0, ""),
        ([*SHOW, f"--source=hub:{GATED}"], 2, "is a gated dataset"),
        ([*TRAIN, f"--config.task.source=hub:{GATED}"], 2, "is a gated dataset"),
        ([*TRAIN, "--config.task.source=hub:nobody/nothing"], 2, "nothing' doesn't exist"),
    ],
    ids=["shown", "refused", "not trained on", "unknown"],
)
def test_a_token_is_told_to_the_hub_alone(command, code, says, tmp_path):
    rows = PUBLISHED["gsm8k"][0]
    folder = write_folder(tmp_path / "data", {"main": {"train": rows}})
    repositories, heard = {(OPEN, "main"): folder, (GATED, "main"): folder}, []
    with serve(repositories, {GATED}, heard) as address:
        hub = {"HF_ENDPOINT": address, "HF_HUB_OFFLINE": "0"}
        ended = run(command, tmp_path, HF_TOKEN=TOKEN, **hub)
    assert f"Bearer {TOKEN}" in heard  # or there would be nothing to tell
    assert ended.returncode == code, ended.stderr
    assert says in ended.stderr
    assert TOKEN not in ended.stdout + ended.stderr
    for path in tmp_path.rglob("*"):
        assert not path.is_file() or TOKEN.encode() not in path.read_bytes(), path


def test_a_run_leaves_no_secret(tmp_path):
    """In its config, its logs or its cache, though one stands in its environment."""
    quick = [f"--config.{k}={v}" for k, v in QUICK.items()]
    ended = run([*TRAIN[:3], *quick], tmp_path, HF_TOKEN=TOKEN)
    assert ended.returncode == 0, ended.stderr
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert {"config.json", "log.txt", "metrics.jsonl"} <= {path.name for path in files}
    assert any(path.is_relative_to(tmp_path / "cache") for path in files)
    assert not [path for path in files if TOKEN.encode() in path.read_bytes()]
    assert TOKEN not in ended.stdout + ended.stderr


def run(command, folder, **environment):
    """A script in a folder, with a cache of the Hub's of its own."""
    home = {"HF_HOME": str(folder / "home")}
    return subprocess.run(
        [sys.executable, REPOSITORY / "scripts" / command[0], *command[1:]],
        cwd=folder,
        env=os.environ | home | {"PYTHONPATH": str(REPOSITORY)} | environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
