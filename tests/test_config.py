"""Configs: overrides, validation, the workdir's copy."""

import json

import pytest

from cotjax import config as configs
from cotjax.config_rules import CHOICES
from cotjax.errors import InputError
from cotjax.targets.orders import ORDERS
from cotjax.targets.perturb import PERTURBATIONS
from cotjax.tasks import task_names
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
        ("--config.data.words.k=few", "data.words.k=few: expects int"),
        ("--config.data.packing=perhaps", "data.packing=perhaps: expects bool"),
        ("--config.data.order", "write --config.data.order=VALUE"),
        ("--config.data.order=label_frist", "did you mean 'label_first'"),
        ("--config.data.batch_size=0", "data.batch_size=0 must be 1 or more"),
        ("--config.optimizer.learning_rate=-1", "must not be negative"),
        ("--config.data.perturbation.fraction=1.5", "must lie between 0 and 1"),
        ("--config.data.words.name=first_k", "data.words.k must be set"),
        ("--config.data.words.k=-1", "data.words.k=-1 must not be negative"),
        ("--config.evaluation.max_questions=0", "must be 1 or more"),
        ("--config.model.preset=t5-smal", "did you mean 't5-small'"),
        ("--config.task.name=comparsion", "did you mean 'comparison'"),
        ("--config.task.label_format=number", "task comparison has none such; use text"),
        ("--config.seed=4294967296", "must be at most 4294967295"),
        ("--config.seed=-1", "must not be negative"),
        ("--config.optimizer.learning_rate=nan", "must be a finite number"),
        ("--config.loss.label_weight=inf", "must be a finite number"),
        ("--config.optimizer.beta1=1", "below 1"),
        ("--config.model.num_heads=0", "must be 1 or more"),
        ("--config.model.dropout_rate=1.0", "below 1"),
        ("--config.task.train_split=test", "is also asked in evaluation"),
        ("--config.data.connective= ", "must hold a word"),
        ("--config.data.targets_per_question=5", "does not divide config.data.batch_size=32"),
        ("--config.data.words.k=3", "needs config.data.words.name"),
        ("--config.data.selection.tags=level", "data.selection.tags='level': write name=value"),
        ("--config.data.selection.tags=level=1,level=2", "write name=value,name=value"),
        ("--config.loss.alpha=1.5", "must lie between 0 and 1"),
        ("--config.data.fraction=0", "must be above 0 and at most 1"),
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


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["model.preset=t5-small", "model.num_layers=3"], "model.num_layers has no effect"),
        (["model.pretrained=x", "model.gated=True"], "model.gated has no effect"),
        (["model.pretrained=x", "model.preset=t5-small"], "exclude each other"),
        (["data.order=label_only", "data.perturbation.name=swap"], "changes nothing"),
        (["loss.label_weight=0", "loss.rationale_weight=0"], "are both 0"),
        (["data.order=multitask", "loss.label_weight=2"], "loss.label_weight=2.0 has no effect"),
        (["data.order=multitask", "loss.rationale_weight=0"], "loss.rationale_weight=0.0 has no"),
        (["data.order=multitask", "loss.normalise=kinds"], "loss.normalise='kinds' has no effect"),
        (["data.order=label_only", "loss.alpha=1"], "loss.alpha=1.0 has no effect.*multitask"),
        (
            ["data.selection.name=one_per_epoch", "data.targets_per_question=2"],
            "targets_per_question=2 has no effect with config.data.selection.name='one_per_epoch'",
        ),
        (["task.validation_split=", "task.validation_fraction=0"], "leaves nothing to choose"),
    ],
)
def test_fields_that_contradict_each_other(default, words, message):
    with pytest.raises(InputError, match=message):
        configs.load(default, [f"--config.{word}" for word in words])


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (
            "c.data.odrer = 'label_only'",
            r"config\.data\.odrer is no field; did you mean 'data.order'",
        ),
        ("c.data.batch_size = '64'", r"my\.py:5: TypeError"),
        ("c.data.batch_size = 1 / 0", r"my\.py:5: ZeroDivisionError"),
        ("del c.data", r"config\.data\.allow_incomplete is missing"),
        ("c.data.batch_size = (", r"my\.py:5: SyntaxError"),
    ],
)
def test_mistakes_in_a_file_are_named(tmp_path, body, message):
    file = tmp_path / "my.py"
    file.write_text(
        "from configs.default import get_config as default_config\n\n"
        f"def get_config():\n    c = default_config()\n    {body}\n    return c\n"
    )
    with pytest.raises(InputError, match=message):
        configs.load(file)


def test_a_file_without_get_config_is_refused(tmp_path):
    (tmp_path / "my.py").write_text("x = 1\n")
    with pytest.raises(InputError, match="get_config"):
        configs.load(tmp_path / "my.py")


def test_a_missing_file_is_named():
    with pytest.raises(InputError, match=r"--config=nowhere\.py: no such file"):
        configs.load("nowhere.py")


def test_the_schema_names_what_the_registries_hold():
    assert sorted(CHOICES["task.name"]) == task_names()
    assert CHOICES["data.order"] == tuple(ORDERS)
    assert CHOICES["data.perturbation.name"] == tuple(PERTURBATIONS)
    assert CHOICES["optimizer.name"] == tuple(OPTIMIZERS)
    assert CHOICES["schedule.name"] == tuple(SCHEDULES)


def test_every_shipped_config_is_valid(repository):
    for file in sorted((repository / "configs").glob("*.py")):
        if file.name != "recipes.py":  # what others are made of
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
    (tmp_path / "checkpoints" / "100").mkdir(parents=True)
    other = configs.load(default, ["--config.data.order=label_only"])
    with pytest.raises(InputError, match=r"holds a run with config\.data\.order='label_first'"):
        configs.check_same_run(other, tmp_path)
    moved = configs.load(default, ["--config.mesh.fsdp=8", "--config.evaluation.every=7"])
    configs.check_same_run(moved, tmp_path)  # nothing that is learned differs
    metric = configs.load(default, ["--config.evaluation.best_metric=validation/choice_accuracy"])
    with pytest.raises(InputError, match="best_metric"):
        configs.check_same_run(metric, tmp_path)


def test_a_workdir_without_checkpoints_is_taken_over(default, tmp_path):
    configs.dump(configs.load(default), tmp_path / "config.json")
    configs.check_same_run(configs.load(default, ["--config.seed=1"]), tmp_path)


def test_a_workdir_from_before_a_field_existed_has_its_default(default, tmp_path):
    config = configs.load(default, ["--config.seed=3"])
    older = config.to_dict()
    del older["data"]["fraction"], older["compilation_cache_dir"]
    (tmp_path / "config.json").write_text(json.dumps(older))
    assert configs.flatten(configs.from_workdir(tmp_path)) == configs.flatten(config)


def test_a_damaged_workdir_is_named(tmp_path):
    with pytest.raises(InputError, match=r"config\.json is missing"):
        configs.from_workdir(tmp_path)
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(InputError, match=r"config\.json:1: "):
        configs.from_workdir(tmp_path)
    for content in ("[]", "{}"):
        (tmp_path / "config.json").write_text(content)
        with pytest.raises(InputError, match=r"config\.json: is not the config of a run"):
            configs.from_workdir(tmp_path)
