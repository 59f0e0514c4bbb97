"""Configs of small runs, which share what is tokenised."""

import pytest

from cotjax import config as configs
from tests.training.runs import SMALL


@pytest.fixture(scope="package")
def make_config(repository, tmp_path_factory):
    """A function of fields, their dots written as `__`, to the config of a small run."""
    cache = tmp_path_factory.mktemp("cache")

    def make(**changes):
        changes = {name.replace("__", "."): value for name, value in changes.items()}
        fields = SMALL | {"data.cache": cache} | changes
        words = [f"--config.{name}={value}" for name, value in fields.items()]
        return configs.load(repository / "configs" / "default.py", words)

    return make
