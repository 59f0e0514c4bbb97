"""Configs: overrides, validation, the workdir's copy."""

import pytest

from cotjax import config as configs
from cotjax.errors import InputError
from cotjax.targets.orders import ORDERS
from cotjax.targets.perturb import PERTURBATIONS
from cotjax.training.optimizer import OPTIMIZERS, SCHEDULES


@pytest.fixture
def default(repository):
    return repository / "configs" / "default.py"


def test_overrides_of_every_type(default):
    config = configs.load(
        default,
        [
            "--config.optimizer.learning_rate=1e-3",
            '--config.evaluation.splits=("validation", "test")',
            "--config.data.packing=false",
            "--config.data.records=records/cqa",
            "--config.mesh.fsdp=8",
        ],
    )
    assert config.optimizer.learning_rate == 1e-3
    assert config.evaluation.splits == ("validation", "test")
    assert (config.data.packing, config.data.records) == (False, "records/cqa")
    assert config.mesh.fsdp == 8


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("--config.optimizr.learning_rate=1", "did you mean 'optimizer.learning_rate'"),
        ("--config.learning_rate=1", "did you mean 'optimizer.learning_rate'"),
        ("--config.data.batch_size=many", "data.batch_size=many: expects int"),
        ("--config.data.batch_size=1e3", "data.batch_size=1e3: expects int"),
        ("--config.data.packing=perhaps", "data.packing=perhaps: expects bool"),
        ("--config.data.order", "write --config.data.order=VALUE"),
        ("--config.data.order=label_frist", "did you mean 'label_first'"),
        ("--config.data.batch_size=0", "data.batch_size=0 must be 1 or more"),
        ("--config.optimizer.learning_rate=-1", "must not be negative"),
        ("--config.data.perturbation.fraction=1.5", "must lie between 0 and 1"),
        ("--config.data.words.name=first_k", "data.words.k must be set"),
        ("--config.data.words.k=-1", "data.words.k=-1 must not be negative"),
        ("--config.evaluation.max_questions=0", "must be 1 or more"),
        ("--config.data.words.k=3", "needs config.data.words.name"),
        ("--config.evaluation.splits=('tests',)", "did you mean 'test'"),
        ("--config.evaluation.splits=('test',)", "must hold 'validation'"),
        ("--config.evaluation.best_metric=test/accuracy", "is not one of"),
        ("--config.task.validation_split=test", "is the test split"),
        ("--config.schedule.warmup_steps=9999", "must be below"),
        ("--config.model.dtype=float16", "config.model.dtype='float16' is not one of"),
    ],
)
def test_mistakes_name_the_field(default, word, message):
    with pytest.raises(InputError) as error:
        configs.load(default, [word])
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_a_missing_file_is_named():
    with pytest.raises(InputError, match=r"--config=nowhere\.py: no such file"):
        configs.load("nowhere.py")


def test_the_schema_names_what_the_registries_hold():
    assert configs.CHOICES["data.order"] == tuple(ORDERS)
    assert configs.CHOICES["data.perturbation.name"] == tuple(PERTURBATIONS)
    assert configs.CHOICES["optimizer.name"] == tuple(OPTIMIZERS)
    assert configs.CHOICES["schedule.name"] == tuple(SCHEDULES)


def test_every_shipped_config_is_valid(repository):
    for file in sorted((repository / "configs").glob("*.py")):
        configs.load(file)


def test_a_workdir_keeps_its_config(default, tmp_path):
    config = configs.load(default, ["--config.data.words.name=first_k", "--config.data.words.k=2"])
    configs.dump(config, tmp_path / "config.json")
    read = configs.from_workdir(tmp_path)
    assert configs.flatten(read) == configs.flatten(config)
    assert configs.config_hash(read) == configs.config_hash(config)
    configs.check_same_run(config, tmp_path)


def test_a_workdir_of_another_config_is_refused(default, tmp_path):
    configs.dump(configs.load(default), tmp_path / "config.json")
    other = configs.load(default, ["--config.data.order=label_only"])
    with pytest.raises(InputError, match=r"holds a run with config\.data\.order='label_first'"):
        configs.check_same_run(other, tmp_path)
    moved = configs.load(default, ["--config.mesh.fsdp=8", "--config.evaluation.every=7"])
    configs.check_same_run(moved, tmp_path)  # nothing that is learned differs


def test_a_damaged_workdir_is_named(tmp_path):
    with pytest.raises(InputError, match=r"config\.json is missing"):
        configs.from_workdir(tmp_path)
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(InputError, match=r"config\.json is damaged"):
        configs.from_workdir(tmp_path)
