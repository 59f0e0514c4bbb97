"""A finished run whose student reads the rationale, as small as it can be."""

from pathlib import Path

import pytest

from cotjax import config as configs
from cotjax.training.run import train
from tests.evaluation.conftest import OVERRIDES


@pytest.fixture(scope="package")
def reader(tmp_path_factory, repository) -> Path:
    """The folder of a run of two steps of configs/default.py with the rationale as input."""
    folder = tmp_path_factory.mktemp("run")
    changes = OVERRIDES | {"data.order": "rationale_input", "data.cache": folder / "cache"}
    words = [f"--config.{name}={value}" for name, value in changes.items()]
    train(configs.load(repository / "configs" / "default.py", words), folder / "workdir")
    return folder / "workdir"
