"""Refuses workdirs whose runs a study could not go on with, or be compared with."""

import dataclasses
import hashlib
from collections.abc import Sequence
from pathlib import Path

from ml_collections.config_dict import ConfigDict

from cotjax import config as configs
from cotjax.errors import InputError
from cotjax.json_files import dump_json
from cotjax.records import MANIFEST, fingerprint
from cotjax.study.grid import PlannedRun
from cotjax.study.kept import RESULT, read_kept
from cotjax.study.plan import state_of
from cotjax.tasks.splits import Splits


def check_configs(workdir: Path, runs: Sequence[PlannedRun]) -> None:
    """Refuses a workdir that holds one of the runs with another config."""
    for run in runs:
        folder = workdir / run.folder
        finished = state_of(folder).word == "finished"  # its checkpoints may be gone
        check = configs.check_same_config if finished else configs.check_same_run
        check(run.config, folder)


def check_data(workdir: Path, runs: Sequence[PlannedRun], splits: Splits) -> None:
    """Refuses a workdir whose finished runs answered other questions, or learned other rationales.

    What a result of an older version doesn't say is taken to be the same.
    """
    known: dict[str | None, dict[str, str | None]] = {}
    for run in runs:
        folder, records = workdir / run.folder, run.config.data.records
        if state_of(folder).word != "finished":
            continue
        if records not in known:
            known[records] = data_hashes(run.config, splits)
        result = read_kept(folder / RESULT, "steps")
        if any(result.get(name, now) != now for name, now in known[records].items()):
            raise InputError(
                f"{folder}: was run with other questions or rationales than the study's now; give "
                "another --workdir, or bring the data back"
            )


def data_hashes(config: ConfigDict, splits: Splits) -> dict[str, str | None]:
    """What tells a run's data from others: `data`, its questions, and `rationales`.

    Rationales are None where they come from no folder of records.
    """
    state = hashlib.blake2b(digest_size=8)
    for name, questions in splits.items():
        for question in questions:
            state.update(f"{name} {dump_json(dataclasses.astuple(question))}\n".encode())
    return {"data": state.hexdigest(), "rationales": _rationales(config)}


def _rationales(config: ConfigDict) -> str | None:
    """A hash of the records that a config's rationales come from."""
    form, _, place = config.task.source.partition(":")
    folder = config.data.records or (place if form == "records" else "")
    if not folder:
        return None
    of_split = Path(folder) / config.task.train_split  # if it has one for every split
    return fingerprint(of_split if (of_split / MANIFEST).is_file() else Path(folder))
