"""What becomes of a job when its disk is full, read-only or gone; prints a JSON line a fault.

    unshare -rm python -m tests.faults.disk_jobs FOLDER [JOB:FAULT ...]

In a mount namespace of its own, where it may mount disks. Without names every fault befalls every
job: sampling, an evaluation, and a study.
"""

import json
import sys
from pathlib import Path

from tests.faults.disks import FAULTS, Disk, Fault
from tests.faults.evaluating import Evaluation
from tests.faults.jobs import SECONDS, Job, finish, forget_caches, started, wait_for
from tests.faults.sampling import Sampling
from tests.faults.studies import Studying

# When the fault comes: there is something to lose, and much is still to be written.
MOMENTS = {Sampling(): "sampling", Evaluation(): "asking", Studying(seeds=(0,)): "run finished"}
MIB = 16


def suffer(job: Job, moment: str, disk: Disk, shared: Path, fault: Fault) -> tuple[int, str]:
    """Does a job until a fault ends it; returns its exit code and what it said on stderr."""
    forget_caches(shared)
    with started(job, disk.run, shared) as (process,):
        assert wait_for([process], job.moments(disk.run, shared)[moment]), process.stderr.read()
        fault.break_(disk)
        said = process.communicate(timeout=SECONDS)[1]
    return process.returncode, said


def main() -> None:
    folder, *names = sys.argv[1:]
    for job, moment in MOMENTS.items():
        chosen = [name for name in FAULTS if not names or f"{job.name}:{name}" in names]
        if not chosen:
            continue
        place = Path(folder) / job.name
        shared, whole = place / "shared", place / "whole"
        shared.mkdir(parents=True)
        job.prepare(shared)
        finish(job, whole, shared)
        for name in chosen:
            disk, fault = Disk(place / name.replace(" ", "-"), MIB), FAULTS[name]
            code, said = suffer(job, moment, disk, shared, fault)
            fault.mend(disk)
            finish(job, disk.run, shared)
            job.check_same(disk.run, whole)
            told = {"job": job.name, "fault": name, "code": code, "said": said}
            print(json.dumps(told), flush=True)


if __name__ == "__main__":
    main()
