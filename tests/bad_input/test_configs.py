"""Config files, overrides and the config of a workdir: typos, types, ranges, contradictions."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cotjax import config as configs
from cotjax.tasks import get_task
from cotjax.tasks.base import configured_task
from tests.bad_input.refusing import attempt, refused

DEFAULT = "configs/default.py"

BAD_OVERRIDES = {
    "data.ordre=label_first": "did you mean 'data.order'",
    "data=5": "--config.data: no such field",
    "=1": "no such field",
    "seed": "write --config.seed=VALUE",
    "seed=": "expects int",
    "seed=1.5": "expects int",
    "seed=-1": "must not be negative",
    "seed=99999999999999999999": "must be at most",
    "data.input_length=True": "expects int",
    "data.batch_size=0": "must be 1 or more",
    "data.batch_size=1e3": "expects int",
    "data.batch_size=1048577": "must be at most 1048576",
    "model.vocab_size=99999999999999999999": "must be at most",
    "model.d_model=-512": "must be 1 or more",
    "model.dtype=float16": "is not one of",
    "model.scan_layers=maybe": "expects bool",
    "optimizer.learning_rate=nan": "must be a finite number",
    "optimizer.learning_rate=1e999": "must be a finite number",
    "optimizer.learning_rate=-1": "must not be negative",
    "optimizer.learning_rate=1e-3;": "expects float",
    "optimizer.beta1=1": "below 1",
    "schedule.total_steps=0": "must be 1 or more",
    "data.perturbation.fraction=nan": "must be a finite number",
    "task.name=../commonsense_qa": "is not one of",
    "task.options=entities": "write name=value",
    "task.options==5": "write name=value",
    "evaluation.splits=('validation',5)": "evaluation.splits names 5",
    f"evaluation.splits={'(' * 400}": "evaluation.splits names",
    "evaluation.splits=__import__('os').getcwd()": "evaluation.splits names",
    "data.selection.tags=level": "write name=value",
    "data.selection.mixture=level=1:nan": "data.selection.mixture",
    "checkpoint.every=0": "must be 1 or more",
    "profile.steps=(15,10)": "write the first and the last step",
    "profile.steps=(0,10)": "write the first and the last step",
    "profile.steps=5": "write the first and the last step",
    "profile.steps=('a','b')": "write the first and the last step",
}


@pytest.mark.parametrize("word", BAD_OVERRIDES)
def test_a_bad_override_names_the_field(tmp_path, monkeypatch, repository, word):
    monkeypatch.chdir(repository)
    name = word.partition("=")[0]
    line = refused(lambda: configs.load(DEFAULT, [f"--config.{word}"]), tmp_path)
    assert f"config.{name}" in line
    assert BAD_OVERRIDES[word] in line


BASE = "from configs.default import get_config as base\n\ndef get_config():\n    c = base()\n"
UNLOCKED = BASE + "    c.unlock()\n    {}\n    return c\n"

BAD_FILES = {
    "empty": (b"", "get_config"),
    "bytes": (b"\xff\xfe\x00", "config.py"),
    "a NUL": (b"x = 1\0", "null bytes"),
    "brackets without end": (b"x = " + b"(" * 500, "config.py:1: SyntaxError"),
    "a missing module": (b"import no_such_module", "config.py:1: ModuleNotFoundError"),
    "a file that ends Python": (b"import sys\nsys.exit(0)", "config.py:2: SystemExit"),
    "a function that ends Python": (b"def get_config():\n    raise SystemExit", "config.py:2: Sys"),
    "recursion": (b"def get_config():\n    return get_config()", "config.py:2: RecursionError"),
    "nothing returned": (b"def get_config():\n    pass", "returns NoneType, not a ConfigDict"),
    "a list": (b"def get_config():\n    return [1]", "config.py: "),
    "a dict": (b"def get_config():\n    return {'seed': 1}", "returns dict, not a Con"),
    "a section that is gone": (
        UNLOCKED.format("del c.data"),
        "config.data.allow_incomplete is mis",
    ),
    "a section of a number": (UNLOCKED.format("c.data = 5"), "config.py:6: TypeError: 5 is of"),
    "a new field": (UNLOCKED.format("c.data.ordr = 5"), "did you mean 'data.order'"),
    "a field of text": (UNLOCKED.format("c.data.batch_size = '8'"), "config.py:6: TypeError: 8 is"),
    "a field of nothing": (UNLOCKED.format("c.seed = None"), "config.seed=None: expects int"),
    "a truth": (UNLOCKED.format("c.data.batch_size = True"), "batch_size=True: expects int"),
    "an object": (UNLOCKED.format("c.data.order = object()"), "config.py:6: TypeError: <object"),
    "NaN": (UNLOCKED.format("c.optimizer.learning_rate = float('nan')"), "must be a finite number"),
    "a name of a number": (UNLOCKED.format("c.update({5: 6})"), "config.py: TypeError"),
    "a config in itself": (UNLOCKED.format("c.data.me = c"), "config.py: RecursionError"),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_a_bad_file_is_named(tmp_path, monkeypatch, repository, name):
    content, message = BAD_FILES[name]
    path = tmp_path / "config.py"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    monkeypatch.setattr("sys.dont_write_bytecode", True)
    monkeypatch.syspath_prepend(repository)
    refused(lambda: configs.load(path), tmp_path, message)


@pytest.mark.parametrize("path", ["", "no.py", ".", "a\0b.py", "configs"])
def test_a_file_that_is_none_is_named(tmp_path, path):
    refused(lambda: configs.load(path), tmp_path, f"--config={path}: no such file")


BAD_WORKDIRS = {
    "empty": b"",
    "a list": b"[]",
    "nothing in it": b"{}",
    "not UTF-8": b'{"seed": "\xff"}',
    "cut": b'{"seed": 0, "data": {"ord',
    "NaN": b'{"seed": NaN}',
    "nested without end": b'{"a":' * 5_000,
    "a section of a number": b'{"data": 5}',
    "an unknown field": b'{"sed": 0}',
    "a field of text": b'{"seed": "0"}',
    "a field of nothing": b'{"seed": null}',
    "a field of fields": b'{"data": {"order": {"name": "x"}}}',
    "a field twice": b'{"seed": 0, "seed": 1}',
}


@pytest.mark.parametrize("name", BAD_WORKDIRS)
def test_a_bad_config_of_a_workdir_is_named(tmp_path, name):
    (tmp_path / "config.json").write_bytes(BAD_WORKDIRS[name])
    refused(lambda: configs.from_workdir(tmp_path), tmp_path, f"{tmp_path}/config.json")


def test_a_config_of_a_workdir_cut_anywhere_is_named(tmp_path, repository):
    config = configs.load(repository / DEFAULT)
    configs.dump(config, tmp_path / "config.json")
    whole = (tmp_path / "config.json").read_bytes().rstrip()
    for length in range(0, len(whole), 7):
        (tmp_path / "config.json").write_bytes(whole[:length])
        _, refusal = attempt(lambda: configs.from_workdir(tmp_path))
        assert refusal.startswith(f"{tmp_path}/config.json:")


TOO_LARGE = {
    "comparison": {"entities": 10**11},
    "last_letter": {"train_questions": 10**10},
    "shuffled_objects": {"test_questions": 10**10},
}


@pytest.mark.parametrize("name", TOO_LARGE)
def test_a_made_task_larger_than_memory_is_refused(tmp_path, name):
    (option,) = TOO_LARGE[name]
    refused(lambda: get_task(name, "text", **TOO_LARGE[name]), tmp_path, "memory", option)


@pytest.mark.parametrize("kind", configs.SCHEMAS)
@settings(max_examples=100)
@given(data=st.data())
def test_any_value_of_any_field_is_valid_or_refused(repository, kind, data):
    """Whatever a word says, it comes to a config, or to one line that names its field."""
    schema = configs.SCHEMAS[kind]
    field = data.draw(st.sampled_from(sorted(schema.fields)))
    values = st.sampled_from(
        ["", "0", "-1", "1.5", "nan", "None", "()", "('a',)", "true", "9" * 30]
    )
    word = f"--config.{field}={data.draw(values | st.text(max_size=8))}"
    config, refusal = attempt(lambda: configs.load(repository / schema.file, [word], schema))
    if config is None:
        assert "config." in refusal
    else:
        json.dumps(config.to_dict())
        if schema is configs.STUDENT:
            attempt(lambda: configured_task(config))
