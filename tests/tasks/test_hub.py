"""Data sets of the Hub: folders in its layout, and ids on a Hub that is this machine."""

import json
import os
import subprocess
import sys

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cotjax.errors import InputError
from cotjax.tasks import get_task, hub
from cotjax.tasks.sources import load_questions, load_records
from cotjax.tasks.splits import MissingSplitError
from tests.tasks.hub_server import serve
from tests.tasks.published import PUBLISHED

NUMBERS = ("asdiv", "gsm8k", "svamp")
CLASSES = """\
    - name: label
      dtype:
        class_label:
          names:
            '0': entailment
            '1': neutral
            '2': contradiction
"""


def task_of(name):
    return get_task(name, "number" if name in NUMBERS else "text")


def write_folder(folder, configs, classes=False):
    """A data set as the Hub lays it out: `{config: {split: rows}}` in shards, and a card."""
    card = ["---", "configs:"]
    for config, splits in configs.items():
        card += [f"- config_name: {config}", "  data_files:"]
        for split, rows in splits.items():
            card += [f"  - split: {split}", f"    path: {config}/{split}-*"]
            (folder / config).mkdir(parents=True, exist_ok=True)
            for number, row in enumerate(rows):
                name = f"{split}-{number:05d}-of-{len(rows):05d}.parquet"
                pq.write_table(pa.Table.from_pylist([row]), folder / config / name)
    if classes:
        columns = next(iter(next(iter(configs.values())).values()))[0]
        card += ["dataset_info:"]
        for config in configs:
            card += [f"- config_name: {config}", "  features:"]
            for column in columns:
                card += (
                    CLASSES.splitlines()
                    if column == "label"
                    else [f"    - name: {column}", "      dtype: string"]
                )
    (folder / "README.md").write_text("\n".join([*card, "---", "# A data set"]))
    return folder


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_folder_in_the_hubs_layout(tmp_path, name):
    rows, records = PUBLISHED[name]
    config = hub.DATASETS[name][1] or "default"
    classes = name in ("anli", "esnli")
    write_folder(tmp_path / "data", {config: {"train": rows}, "other": {"train": rows}}, classes)
    assert load_records(task_of(name), f"hub:{tmp_path}/data:{config}", "train") == records
    labelled = [record for record in records if record.label is not None]
    questions = load_questions(task_of(name), f"hub:{tmp_path}/data:{config}", "train")
    assert [question.id for question in questions] == [record.id for record in labelled]


def test_classes_are_read_by_the_names_that_the_data_set_gives_them(tmp_path):
    """Here contradiction is 0, not 2; -1 is no class."""
    rows = [{"premise": "a", "hypothesis": "b", "label": label} for label in (0, 1, 2, -1)]
    folder = write_folder(tmp_path / "data", {"default": {"test_r1": rows}}, classes=True)
    card = (folder / "README.md").read_text()
    (folder / "README.md").write_text(
        card.replace("entailment", "x")
        .replace("contradiction", "entailment")
        .replace("x", "contradiction")
    )
    records = load_records(task_of("anli"), f"hub:{folder}", "test_r1")
    labels = [record.label for record in records]
    assert labels == ["contradiction", "neutral", "entailment", None]


@pytest.mark.parametrize(
    ("task", "wanted", "found"),
    [
        ("arc", "", ("allenai/ai2_arc", "ARC-Challenge")),
        ("arc", "allenai/ai2_arc", ("allenai/ai2_arc", "ARC-Challenge")),
        ("arc", "allenai/ai2_arc:ARC-Easy", ("allenai/ai2_arc", "ARC-Easy")),
        ("arc", "someone/arc", ("someone/arc", None)),
        ("comparison", "someone/sizes", ("someone/sizes", None)),
    ],
)
def test_which_data_set_is_meant(task, wanted, found):
    assert hub.find(task, wanted) == found


def test_a_folder_may_have_a_colon_in_its_name(tmp_path):
    rows, records = PUBLISHED["gsm8k"]
    folder = write_folder(tmp_path / "a:b", {"main": {"train": rows}})
    assert load_records(task_of("gsm8k"), f"hub:{folder}", "train") == records
    assert load_records(task_of("gsm8k"), f"hub:{folder}:main", "train") == records


@pytest.mark.parametrize(
    ("task", "place", "split", "message"),
    [
        ("gsm8k", "{}/good:main", "dev", "main: has no split 'dev'; it has train, test"),
        ("gsm8k", "{}/good", "train", r"Config name is missing.*\['main', 'socratic'\].*hub:ID:C"),
        ("gsm8k", "{}/good:mian", "train", r"'mian' not found. Available: \['main', 'socratic'\]"),
        ("gsm8k", "{}/good:socratic", "train", r"row 1 of split 'train': field 'answer' must end"),
        ("svamp", "{}/good:main", "train", "row 0 of split 'train': field 'Body' is missing"),
        (
            "gsm8k",
            "{}/secret",
            "test",
            "none of the 1 rows of split 'test' of gsm8k has a label",
        ),
        ("gsm8k", "{}/mixed", "train", "mixed: Couldn't cast .* column names don't match"),
        ("gsm8k", "{}/missing", "train", "hub:.*missing: there is no such folder"),
        ("gsm8k", "{}/empty", "train", "empty doesn't contain any data files"),
        (
            "gsm8k",
            "{}/script",
            "train",
            "scripts are no longer supported.*never run, and there",
        ),
        ("gsm8k", "{}/damaged", "train", "damaged: .*Parquet"),
        (
            "gsm8k",
            "",
            "train",
            "hub:openai/gsm8k:main: Couldn't reach .*; load it once while online",
        ),
        (
            "comparison",
            "",
            "train",
            "task comparison has no data set on the Hub; use source hub:ID",
        ),
    ],
)
def test_what_cannot_be_loaded_is_told_in_one_line(tmp_path, task, place, split, message):
    rows = PUBLISHED["gsm8k"][0]
    wrong = [rows[0], {"question": "How many?", "answer": "Many."}]
    secret = [{"question": "How many?", "label": None}]
    write_folder(
        tmp_path / "good",
        {"main": {"train": rows, "test": rows}, "socratic": {"train": wrong}},
    )
    write_folder(tmp_path / "secret", {"main": {"test": secret}})
    write_folder(tmp_path / "mixed", {"main": {"train": rows, "test": secret}})
    (tmp_path / "empty").mkdir()
    (tmp_path / "script").mkdir()
    (tmp_path / "script" / "script.py").write_text("raise SystemExit('it was run')")
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged" / "train.parquet").write_bytes(b"PAR1")
    source = f"hub:{place.format(tmp_path)}".removesuffix(":")
    with pytest.raises(InputError, match=message) as told:
        load_questions(task_of(task), source, split)
    assert "\n" not in str(told.value)
    assert isinstance(told.value, MissingSplitError) == ("has no split" in message)


PROGRAM = """
import json, sys
from cotjax.errors import InputError
from cotjax.records import Record
from cotjax.tasks import get_task
from cotjax.tasks.sources import load_records
answers = []
for task, label_format, source, split in json.loads(sys.argv[1]):
    try:
        records = load_records(get_task(task, label_format), source, split)
        answers.append([record.question for record in records])
    except InputError as error:
        answers.append(str(error))
print(json.dumps(answers))
"""


def load_in_another_process(tmp_path, repository, wanted, **environment):
    """What `load_records` answers to each of `wanted` where HF_* are set from the start."""
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM, json.dumps(wanted)],
        env={
            **os.environ,
            "PYTHONPATH": str(repository),
            "HF_HOME": str(tmp_path / "home"),
            "HF_DATASETS_CACHE": str(tmp_path / "home" / "datasets"),
            **environment,
        },
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


def test_data_sets_of_a_hub(tmp_path, repository):
    """By id from a server, then from the cache alone when the server is gone."""
    gsm8k, nli = PUBLISHED["gsm8k"][0], PUBLISHED["esnli"][0]
    write_folder(tmp_path / "gsm8k", {"main": {"train": gsm8k}, "socratic": {"train": gsm8k[:1]}})
    (tmp_path / "script").mkdir()
    (tmp_path / "script" / "esnli.py").write_text("raise SystemExit('it was run')")
    converted = tmp_path / "converted" / "plain_text" / "train"
    converted.mkdir(parents=True)
    pq.write_table(pa.Table.from_pylist(nli), converted / "0000.parquet")
    repositories = {
        ("openai/gsm8k", "main"): tmp_path / "gsm8k",
        ("esnli/esnli", "main"): tmp_path / "script",
        ("esnli/esnli", "refs/convert/parquet"): tmp_path / "converted",
        ("someone/secret", "main"): tmp_path / "gsm8k",
    }
    wanted = [
        ("gsm8k", "number", "hub", "train"),
        ("gsm8k", "number", "hub:openai/gsm8k:socratic", "train"),
        ("esnli", "text", "hub", "train"),
        ("esnli", "text", "hub", "test"),
        ("gsm8k", "number", "hub:openai/gsm9k", "train"),
        ("gsm8k", "number", "hub:someone/secret", "train"),
    ]
    with serve(repositories, gated={"someone/secret"}) as address:
        answers = load_in_another_process(
            tmp_path, repository, wanted, HF_ENDPOINT=address, HF_HUB_OFFLINE="0"
        )
    questions = [record.question for record in PUBLISHED["gsm8k"][1]]
    assert answers[0] == questions
    assert answers[1] == questions[:1]
    assert answers[2] == [record.question for record in PUBLISHED["esnli"][1]]
    assert answers[3] == "hub:esnli/esnli:plain_text: has no split 'test'; it has train"
    assert answers[4].startswith("hub:openai/gsm9k: Dataset 'openai/gsm9k' doesn't exist")
    assert answers[5].startswith("hub:someone/secret: Dataset 'someone/secret' is a gated")
    assert "HF_TOKEN" in answers[5]
    offline = load_in_another_process(tmp_path, repository, wanted, HF_HUB_OFFLINE="1")
    assert offline[:4] == answers[:4]
    assert "load it once while online" in offline[4]
