"""A run whose newest checkpoint is damaged, and a run that another process is doing."""

import json
import os
import socket

import pytest

from cotjax import claims
from cotjax.errors import InputError
from cotjax.training.run import train
from tests.training.runs import trained

pytestmark = [pytest.mark.usefixtures("quick_to_compile"), pytest.mark.slow]


def spoil(checkpoint):
    """Empties the files that hold the numbers of a checkpoint."""
    files = [path for path in checkpoint.glob("params/**/d/*") if path.is_file()]
    assert files
    for path in files:
        path.write_bytes(b"")


def test_a_run_goes_on_from_the_newest_whole_checkpoint(make_config, tmp_path):
    config = make_config(checkpoint__keep_latest=2, evaluation__every=4)
    train(config, tmp_path)
    losses, checkpoints = trained(tmp_path), tmp_path / "checkpoints"
    spoil(checkpoints / "8")
    train(config, tmp_path)
    assert trained(tmp_path) == losses
    names = {path.name for path in checkpoints.iterdir()}
    assert {"8", "damaged-8"} <= names
    log = (tmp_path / "log.txt").read_text()
    assert f"{checkpoints}/8: does not fit this config, or is damaged: " in log
    assert "it is now damaged-8, and step 4 is gone on with\n4 step(s) were logged" in log
    for step in ("4", "8"):
        if (checkpoints / step).exists():
            spoil(checkpoints / step)
    with pytest.raises(InputError, match=f"{checkpoints}/8: .*damaged"):
        train(config, tmp_path)  # rather than to begin again without a word
    assert (checkpoints / "8").exists()


def test_a_second_run_is_refused(make_config, tmp_path):
    other = os.getppid()
    claim = {"host": socket.gethostname(), "process": other, "since": "2026-01-01T00:00:00+00:00"}
    text = json.dumps(claim | {"process_began": claims._beginning(other)})
    (tmp_path / claims.CLAIM).write_text(text)
    with pytest.raises(InputError, match=rf"in use by .* \(process {other}, since 2026-01-01"):
        train(make_config(), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [claims.CLAIM]
    assert (tmp_path / claims.CLAIM).read_text() == text
