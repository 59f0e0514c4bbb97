"""A checkpoint that one host alone can't read: all hosts decide alike, and none waits for ever."""

import pytest

from tests.processes import run_processes

pytestmark = pytest.mark.slow

# Each process has a folder of its own, as on disks that are not shared; one file differs.
READ = """
import json, shutil, sys
from pathlib import Path
import jax.numpy as jnp
import numpy as np
from jax.sharding import PartitionSpec
from cotjax.group import initialize_distributed, wait_for_all
from cotjax.mesh import make_mesh
initialize_distributed()
from cotjax.checkpoints import Checkpoints
from cotjax.errors import InputError

place = Path(sys.argv[1])
mesh = make_mesh({"data": 4})
sharding = jax.NamedSharding(mesh, PartitionSpec("data"))
like = {"w": jax.ShapeDtypeStruct((8, 4), jnp.float32, sharding=sharding)}
checkpoints = Checkpoints(place / "0", keep_latest=3)
for step in (4, 8, 12):
    values = np.full((8, 4), step, np.float32)
    tree = {"w": jax.make_array_from_callback((8, 4), sharding, lambda part: values[part])}
    checkpoints.save(step, tree, tree, {"step": step}, None, wait=True)
checkpoints.close()
if jax.process_index() == 0:
    shutil.copytree(place / "0", place / "1")
    for pattern in ("8/params/**/d/*", "12/meta/metadata"):
        files = [path for path in (place / "1").glob(pattern) if path.is_file()]
        assert files
        for path in files:
            path.write_bytes(b"")
wait_for_all("copied")
own, told = Checkpoints(place / str(jax.process_index()), keep_latest=3), []
for step in (12, 8):
    try:
        own.restore(step, like, like)
    except InputError as error:
        told.append(str(error))
params, _, meta = own.restore(4, like, like)
largest = max(float(shard.data.max()) for shard in params["w"].addressable_shards)
print()
print(json.dumps({"told": told, "meta": meta, "largest": largest}))
"""


def test_all_hosts_refuse_what_one_can_not_read(tmp_path):
    first, second = run_processes(2, READ, str(tmp_path))
    for number, step in enumerate((12, 8)):
        by_first, by_second = first["told"][number], second["told"][number]
        assert by_first.startswith(f"{tmp_path}/0/{step}: damaged as process 1 finds it")
        assert by_second.startswith(f"{tmp_path}/1/{step}: does not fit this config, or is damaged")
    for one in (first, second):
        assert one["meta"] == {"step": 4}
        assert one["largest"] == 4.0
