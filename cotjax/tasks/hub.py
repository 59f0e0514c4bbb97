"""Data sets of the Hugging Face Hub, or folders laid out like them, through `datasets`."""

import itertools
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from cotjax.errors import InputError
from cotjax.tasks.splits import MissingSplitError

DATASETS: dict[str, tuple[str, str | None]] = {  # of every task: id, name of the config
    "anli": ("facebook/anli", None),
    "aqua": ("deepmind/aqua_rat", "raw"),
    "arc": ("allenai/ai2_arc", "ARC-Challenge"),
    "asdiv": ("EleutherAI/asdiv", None),
    "coin_flip": ("skrishna/coin_flip", None),
    "commonsense_qa": ("tau/commonsense_qa", None),
    "date_understanding": ("tasksource/bigbench", "date_understanding"),
    "esnli": ("esnli/esnli", "plain_text"),
    "gsm8k": ("openai/gsm8k", "main"),
    "last_letter": ("ChilleD/LastLetterConcat", None),
    "openbookqa": ("allenai/openbookqa", "main"),
    "quarel": ("community-datasets/quarel", None),
    "shuffled_objects": ("tasksource/bigbench", "tracking_shuffled_objects"),
    "strategyqa": ("ChilleD/StrategyQA", None),
    "svamp": ("ChilleD/SVAMP", None),
}
CONVERSION = "refs/convert/parquet"  # the branch where the Hub keeps its Parquet conversions
REMEDIES = {  # what to do, by a part of what `datasets` says
    "gated": "accept its terms there, then set HF_TOKEN or run `hf auth login`",
    "doesn't exist": "give an id as the Hub writes it, or hub:FOLDER",
    "Couldn't reach": "load it once while online (it stays in the cache), or give hub:FOLDER",
    "Config name is missing": "write hub:ID:CONFIG",
    "scripts are no longer supported": "its code is never run, and there is no Parquet conversion",
}
ROWS_AT_ONCE = 1_000


def find(task_name: str, wanted: str) -> tuple[str, str | None]:
    """Returns the id or folder of a data set, and the name of its config or None.

    Args:
      task_name: Has a data set of its own on the Hub.
      wanted: `ID_OR_FOLDER`, `ID_OR_FOLDER:CONFIG`, or nothing: the task's own.

    Raises:
      InputError: if nothing is wanted and the task has none.
    """
    own = DATASETS.get(task_name)
    if not wanted:
        if own is None:
            raise InputError(f"task {task_name} has no data set on the Hub; use source hub:ID")
        return own
    place, colon, config = wanted.rpartition(":")
    if not colon or Path(wanted).is_dir():
        place, config = wanted, ""
    if not config and own and own[0] == place:
        return own
    return place, config or None


def read_rows(place: str, config: str | None, split: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yields where a row stands and its values by field; `datasets` keeps what it loaded.

    Class labels are yielded by their names. No code of the data set's is ever run: of one that
    is a script, the Hub's own conversion to Parquet is read.

    Raises:
      MissingSplitError: naming the splits that there are.
      InputError: if the data set can't be found, reached or read.
    """
    import datasets  # takes a moment, and many runs do without

    where = f"hub:{place}" + (f":{config}" if config else "")
    if place.startswith(("/", ".", "~")) and not Path(place).expanduser().is_dir():
        raise InputError(f"{where}: there is no such folder")
    try:
        builder = _builder(datasets, place, config)
        builder.download_and_prepare()
        splits = list(builder.info.splits)
        dataset = builder.as_dataset(split) if split in splits else None
    except (OSError, ValueError, RuntimeError, datasets.exceptions.DatasetsError) as error:
        raise InputError(f"{where}: {_told(error)}") from error
    if dataset is None:
        raise MissingSplitError(f"{where}: has no split {split!r}; it has {', '.join(splits)}")
    names = {
        field: feature.names
        for field, feature in dataset.features.items()
        if isinstance(feature, datasets.ClassLabel)
    }
    tables = dataset.with_format("arrow").iter(ROWS_AT_ONCE)
    rows = itertools.chain.from_iterable(table.to_pylist() for table in tables)
    for number, row in enumerate(rows):
        for field, classes in names.items():
            row[field] = _class_name(row[field], classes)
        yield f"{where}: row {number} of split {split!r}", row


def _builder(datasets: ModuleType, place: str, config: str | None) -> Any:
    """The builder of a data set, or of its conversion where it is a script."""
    place = str(Path(place).expanduser()) if place.startswith("~") else place
    try:
        return datasets.load_dataset_builder(place, config)
    except (RuntimeError, ConnectionError):
        # Without the Hub nobody knows what it is, but its conversion may have been kept.
        files = {} if Path(place).is_dir() else _converted(place, config or "default")
        if not files:
            raise
        return datasets.load_dataset_builder("parquet", data_files=files)


def _converted(place: str, config: str) -> dict[str, list[str]]:
    """The files of each split that the Hub converted to Parquet; without the Hub, those kept."""
    import huggingface_hub

    pattern = f"{config}/*/*.parquet"
    try:
        folder = huggingface_hub.snapshot_download(
            place, repo_type="dataset", revision=CONVERSION, allow_patterns=pattern
        )
    except (OSError, ValueError):
        return {}
    files: dict[str, list[str]] = {}
    for path in sorted(Path(folder).glob(pattern)):
        files.setdefault(path.parent.name, []).append(str(path))
    return files


def _class_name(number: int | None, names: list[str]) -> str | None:
    """The name of a class; -1 stands for none."""
    return None if number is None or number < 0 else names[number]


def _told(error: Exception) -> str:
    """An error of `datasets` on one line, with what to do about it."""
    if type(error).__name__ == "DatasetGenerationError":  # says nothing, but has a cause
        error = error.__cause__ or error
    text = " ".join(str(error).split()) or type(error).__name__
    for sign, remedy in REMEDIES.items():
        if sign in text:
            return f"{text.rstrip('.')}; {remedy}"
    return text
