"""Jobs that are killed at many moments end as if nobody had touched them.

    python -m tests.faults.test_killed --what=sampling --kills=40 [--seed=0]

The suite kills a few, at chosen moments. By this command there are as many as wanted, at chosen and
random ones, each job being killed again until it has ended between two kills.
"""

import argparse
import random
import signal
import tempfile
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.faults import moments
from tests.faults.evaluating import Evaluation, Predicting
from tests.faults.jobs import Job, finish, forget_caches, is_now, kill
from tests.faults.runs import GroupTraining, Training
from tests.faults.sampling import Sampling
from tests.faults.studies import Studying

KILL, TERM, INT = signal.SIGKILL, signal.SIGTERM, signal.SIGINT
JOBS = (Training(), GroupTraining(), Sampling(), Evaluation(), Predicting(), Studying())
ANEW = ("tokenising", "compiling", "asking")  # moments that must not find what is kept from before
ABORTED = ", another one aborted"  # by JAX, as may happen where process 0 is gone
EACH = 8  # kills of a job before it may end


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """With a run that nobody touches, and what it has tokenised and compiled."""
    folder = tmp_path_factory.mktemp("shared")
    Evaluation().prepare(folder)
    Studying(seeds=(0,)).prepare(folder)
    return folder


@pytest.mark.slow
def test_a_run_killed_again_and_again_ends_as_one_that_was_not(shared, tmp_path):
    job, killed = Training(), tmp_path / "killed"
    kill(job, killed, shared, "saving", KILL)
    kill(job, killed, shared, moments.stepping(killed, 5), TERM)
    assert "SIGTERM: saved step" in (killed / "log.txt").read_text()
    (errors,) = kill(job, killed, shared, moments.stepping(killed, 8), INT, INT).said
    assert "SIGINT: stops as soon" in errors
    finish(job, killed, shared)
    job.check_same(killed, shared / "run")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("job", "moment"),
    [(Evaluation(), "writing"), (Studying(seeds=(0,)), "run finished")],
    ids=lambda value: getattr(value, "name", value),
)
def test_another_job_that_is_killed_ends_as_one_that_was_not(job, moment, shared, tmp_path):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    finish(job, whole, shared)
    assert kill(job, killed, shared, moment, KILL).said
    finish(job, killed, shared)
    job.check_same(killed, whole)


def random_kill(rng: random.Random, job: Job, folder: Path, shared: Path, seconds: float) -> str:
    """Kills a job at a chosen or a random moment.

    Returns:
      Which, in words; nothing where it ended before.
    """
    coming = [name for name, moment in job.moments(folder, shared).items() if not is_now(moment)]
    name = rng.choice([*coming, "random", "random"])
    signals = rng.choice([(KILL,), (KILL,), (TERM,), (INT,), (TERM, TERM), (INT, TERM)])
    if name in ANEW:
        forget_caches(shared)
    moment = moments.after(rng.uniform(0, seconds)) if name == "random" else name
    killed = kill(job, folder, shared, moment, *signals, victim=rng.randrange(job.processes))
    words = f"{name} {'+'.join(one.name for one in signals)}"
    if signals == (TERM,) and killed.said:
        print(f"ended {killed.seconds:.1f} s after SIGTERM", flush=True)
    if killed.aborted:
        words += ABORTED
    return words if killed.said else ""


def kill_often(rng: random.Random, job: Job, kills: int, place: Path) -> Counter[str]:
    """Kills jobs until there were enough kills, each job to its end; returns what was done."""
    shared, whole, done, ended = place / "shared", place / "whole", Counter(), 0
    shared.mkdir()
    job.prepare(shared)
    began = time.monotonic()
    finish(job, whole, shared)
    seconds = time.monotonic() - began
    while done.total() < kills:
        killed, before = place / f"killed-{ended}", done.total()
        while done.total() < min(before + EACH, kills):
            what = random_kill(rng, job, killed, shared, seconds)
            if not what:
                break
            done[what] += 1
            print(f"{done.total()}: {what}, after {job.progress(killed)}", flush=True)
        finish(job, killed, shared)
        job.check_same(killed, whole)
        ended += 1
        print(f"{ended} ended the same", flush=True)
    return done


def main() -> None:
    """Kills jobs of one kind."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--what", choices=[job.name for job in JOBS], default="training")
    parser.add_argument("--kills", type=int, default=40)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    (job,) = (job for job in JOBS if job.name == options.what)
    with tempfile.TemporaryDirectory() as folder:
        done = kill_often(random.Random(options.seed), job, options.kills, Path(folder))
    aborted = sum(count for what, count in done.items() if what.endswith(ABORTED))
    print(f"{done.total()} kills of {job.name}, {aborted} with an abort by JAX: {dict(done)}")


if __name__ == "__main__":
    main()
