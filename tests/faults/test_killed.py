"""Runs that are killed at many moments end as if nobody had touched them.

    python -m tests.faults.test_killed --kills=40 [--seed=0]

The suite runs a few kills, at chosen moments. By this command there are as many as wanted, at
chosen and random ones, each run being killed again until it has ended between two of them.
"""

import argparse
import random
import signal
import tempfile
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.faults import moments, runs

KILL, TERM, INT = signal.SIGKILL, signal.SIGTERM, signal.SIGINT


def kill(workdir: Path, cache: Path, moment: moments.Moment, *signals: signal.Signals) -> str:
    """Starts a run and sends it signals at a moment.

    Returns:
      What it said on the error stream; nothing happened to a run that ended before the moment.
    """
    process = runs.start(workdir, cache)
    runs.wait_for(process, moment)
    for number in signals:
        process.send_signal(number)
    _, errors = process.communicate(timeout=180)
    if moment():
        expected = {-signals[-1], 128 + signals[0], 0}  # 0: just before its end
        assert process.returncode in expected, errors
    return errors


@pytest.mark.slow
def test_a_run_killed_again_and_again_ends_as_one_that_was_not(tmp_path):
    whole, killed, cache = (tmp_path / name for name in ("whole", "killed", "cache"))
    runs.finish(whole, cache)
    kill(killed, cache, moments.saving(killed), KILL)
    kill(killed, cache, moments.stepping(killed, 5), TERM)
    assert "SIGTERM: saved step" in (killed / "log.txt").read_text()
    errors = kill(killed, cache, moments.stepping(killed, 8), INT, INT)
    assert "SIGINT: stops when" in errors
    runs.finish(killed, cache)
    runs.check_same(killed, whole)


def random_kill(rng: random.Random, workdir: Path, cache: Path, seconds: float) -> str:
    """Kills a run at a chosen or a random moment; returns which, in words."""
    name = rng.choice(["preparing", "evaluating", "stepping", "saving", "renamed", "random"])
    end = time.monotonic() + rng.uniform(0, seconds)
    logged = len(runs.trained(workdir)) if workdir.exists() else 0
    moment = {
        "preparing": moments.preparing(workdir),
        "evaluating": moments.evaluating(workdir),
        "stepping": moments.stepping(workdir, logged + rng.randint(1, 3)),
        "saving": moments.saving(workdir),
        "renamed": moments.renamed(workdir),
        "random": lambda: time.monotonic() > end,
    }[name]
    signals = rng.choice([(KILL,), (KILL,), (TERM,), (INT,), (TERM, TERM), (INT, TERM)])
    kill(workdir, cache, moment, *signals)
    return f"{name} {'+'.join(one.name for one in signals)}"


def main() -> None:
    """Kills runs until there were enough, each of them to its end."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=40)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    rng, done = random.Random(options.seed), Counter()
    with tempfile.TemporaryDirectory() as folder:
        whole, cache = Path(folder) / "whole", Path(folder) / "cache"
        began = time.monotonic()
        runs.finish(whole, cache)
        seconds = time.monotonic() - began
        for number in range(options.kills):
            killed = Path(folder) / f"killed-{number // 8}"
            what = random_kill(rng, killed, cache, seconds)
            done[what] += 1
            print(f"{number + 1}: {what}, after {len(runs.trained(killed))} steps", flush=True)
            if number % 8 == 7 or number == options.kills - 1:
                runs.finish(killed, cache)
                runs.check_same(killed, whole)
                print("the same, bit for bit", flush=True)
    print(f"{sum(done.values())} kills: {dict(done)}")


if __name__ == "__main__":
    main()
