"""A finished training run, as small as it can be."""

from pathlib import Path

import pytest

from cotjax import config as configs
from cotjax.training.run import train

OVERRIDES = {
    "schedule.total_steps": 2,
    "schedule.warmup_steps": 1,
    "data.target_length": 16,
    "model.num_layers": 1,
    "model.num_decoder_layers": 1,
    "model.d_model": 32,
    "evaluation.max_tokens": 4,
}


@pytest.fixture(scope="package")
def workdir(tmp_path_factory, repository) -> Path:
    """The folder of a run of two steps of configs/default.py, evaluated at its start and end."""
    folder = tmp_path_factory.mktemp("run")
    words = [f"--config.{name}={value}" for name, value in OVERRIDES.items()]
    words.append(f"--config.data.cache={folder / 'cache'}")
    train(configs.load(repository / "configs" / "default.py", words), folder / "workdir")
    return folder / "workdir"
