"""The JSON note of a checkpoint: what a run must know of it, its metric and its checksums.

The last two are ours and stand in a field of their own, under a checksum of the whole note. Notes
of older checkpoints have no such field and are taken as they are.
"""

import hashlib
import json
import math
from collections.abc import Mapping
from typing import Any

OWN = "checkpoint"  # the field


def make_note(
    meta: Mapping[str, Any], metric: float | None, checksums: Mapping[str, Any]
) -> dict[str, Any]:
    """The note of a checkpoint; a metric that is not finite is none."""
    has_metric = metric is not None and math.isfinite(metric)
    own = {"metric": float(metric) if has_metric else None, "checksums": checksums}
    return {**meta, OWN: own | {"sha256": _sha256({**meta, OWN: own})}}


def meta_of(note: Mapping[str, Any]) -> dict[str, Any]:
    """What a note was made of, without what is ours."""
    return {name: value for name, value in note.items() if name != OWN}


def checksums_of(note: Mapping[str, Any]) -> dict[str, Any] | None:
    """The checksums of arrays by name; None in older notes."""
    return note.get(OWN, {}).get("checksums")


def is_whole(note: Mapping[str, Any]) -> bool:
    """Whether a note is as it was made."""
    if OWN not in note:
        return True
    own = dict(note[OWN])
    return own.pop("sha256", None) == _sha256({**note, OWN: own})


def _sha256(note: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(note, sort_keys=True).encode()).hexdigest()
