"""The device mesh, and where every array lives on it.

A model names the axes of its parameters ('embed', 'mlp', ...) by regular expressions on their
paths; the one table `LOGICAL_TO_MESH` says which mesh axis splits which of them. Optimizer state
follows the same rules, because the path of a moment contains the path of its parameter.
"""

import functools
import itertools
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from cotjax.errors import InputError

MESH_AXES = ("data", "fsdp", "tensor")
BATCH_AXES = ("data", "fsdp")

# Parameters split over 'fsdp' along the residual stream and over 'tensor' along everything else
# that is wide; activations split over both batch axes.
LOGICAL_TO_MESH: dict[str | None, str | tuple[str, ...] | None] = {
    "batch": BATCH_AXES,
    "vocab": "tensor",
    "embed": "fsdp",
    "mlp": "tensor",
    "joined_kv": "tensor",
    "heads": "tensor",
    "layers": None,
    None: None,
}

LogicalAxes = Sequence[tuple[str, tuple[str | None, ...]]]


def make_mesh(sizes: Mapping[str, int], devices: Sequence[jax.Device] | None = None) -> Mesh:
    """Mesh over all devices (or those given) with the axes data, fsdp and tensor.

    `sizes` maps an axis to its size: an absent axis has size 1, and one may be -1, whatever is
    left. Sizes that do not multiply to the number of devices are an InputError.
    """
    devices = jax.devices() if devices is None else devices
    shape = _mesh_shape(sizes, len(devices))
    # Written out: the default would be Explicit, with which Linen's constraints fail.
    axis_types = (AxisType.Auto,) * len(MESH_AXES)
    return jax.make_mesh(shape, MESH_AXES, axis_types=axis_types, devices=devices)


def _mesh_shape(sizes: Mapping[str, int], num_devices: int) -> tuple[int, ...]:
    """The sizes in the order of the axes, with -1 worked out."""
    unknown = sorted(set(sizes) - set(MESH_AXES))
    if unknown:
        raise InputError(f"config.mesh.{unknown[0]}: unknown axis, use {', '.join(MESH_AXES)}")
    shape = [sizes.get(axis, 1) for axis in MESH_AXES]
    for axis, size in zip(MESH_AXES, shape, strict=True):
        if size < 1 and size != -1:
            raise InputError(f"config.mesh.{axis}={size}: a size is at least 1, or -1 for the rest")
    if shape.count(-1) > 1:
        raise InputError("config.mesh: only one axis may be -1")
    known = math.prod(size for size in shape if size != -1)
    if num_devices % known or (-1 not in shape and known != num_devices):
        wanted = " x ".join(f"{axis}={size}" for axis, size in zip(MESH_AXES, shape, strict=True))
        raise InputError(
            f"config.mesh: {wanted} does not divide into {num_devices} device(s); "
            "set one axis to -1 or change the sizes"
        )
    return tuple(num_devices // known if size == -1 else size for size in shape)


def leaf_shardings(tree: Any, mesh: Mesh, logical_axes: LogicalAxes) -> Any:
    """The same tree with a NamedSharding at every leaf, for parameters and optimizer state alike.

    The leaves are arrays or ShapeDtypeStructs. The first pair of `logical_axes` whose expression is
    found in the leaf's path 'a/b/c' names its axes. A leaf without a rule is a ValueError.
    """

    def sharding(path, leaf) -> NamedSharding:
        name = jax.tree_util.keystr(path, simple=True, separator="/")
        return NamedSharding(mesh, _partition(name, leaf.shape, mesh, logical_axes))

    return jax.tree_util.tree_map_with_path(sharding, tree)


def _partition(name: str, shape: tuple[int, ...], mesh: Mesh, logical_axes: LogicalAxes) -> P:
    """The PartitionSpec of one leaf."""
    if (
        math.prod(shape) == 1
    ):  # step counters, and the (1,) that Adafactor keeps for an unused moment
        return P()
    axes = next((axes for pattern, axes in logical_axes if re.search(pattern, name)), None)
    if axes is None:
        raise ValueError(f"no sharding rule matches the leaf {name!r} of shape {shape}")
    if len(axes) < len(shape):
        raise ValueError(f"the rule {axes} of {name!r} does not cover its shape {shape}")
    if len(axes) > len(shape):
        # Adafactor's row and column statistics: which axis was averaged away depends on the
        # sizes, and they are too small to be worth splitting.
        return P()
    return P(*(mesh_axis(axis, size, mesh) for axis, size in zip(axes, shape, strict=True)))


def mesh_axis(logical: str | None, size: int, mesh: Mesh) -> str | tuple[str, ...] | None:
    """The mesh axis that splits a dimension, None where it does not divide it."""
    axis = LOGICAL_TO_MESH[logical]
    if axis is None:
        return None
    parts = math.prod(mesh.shape[name] for name in ((axis,) if isinstance(axis, str) else axis))
    return axis if size % parts == 0 else None


def batch_sharding(mesh: Mesh) -> NamedSharding:
    """Rows split over the data and fsdp axes; all other axes whole."""
    return NamedSharding(mesh, P(BATCH_AXES))


def batch_parts(mesh: Mesh) -> int:
    """How many parts a batch is split into."""
    return math.prod(mesh.shape[axis] for axis in BATCH_AXES)


def local_rows(mesh: Mesh, rows: int) -> slice:
    """The rows of a global batch of `rows` rows that this process must supply.

    An InputError where the data and fsdp axes do not divide the rows.
    """
    parts = batch_parts(mesh)
    if rows % parts:
        raise InputError(
            f"config.mesh: data x fsdp = {parts} does not divide a batch of {rows} rows; "
            "change config.mesh or config.data.batch_size"
        )
    slices = batch_sharding(mesh).addressable_devices_indices_map((rows,)).values()
    bounds = sorted(
        {(part.start or 0, rows if part.stop is None else part.stop) for (part,) in slices}
    )
    for (_, stop), (start, _) in itertools.pairwise(bounds):
        if start != stop:
            raise InputError("config.mesh: a process would hold rows that are not neighbours")
    return slice(bounds[0][0], bounds[-1][1])


def to_global(batch: Mapping[str, np.ndarray], mesh: Mesh, rows: int) -> dict[str, jax.Array]:
    """Global arrays of `rows` rows from every process's own rows (`local_rows`).

    Arrays that have several rows for each of the others' (`RowShape.decoder_rows`) keep them.
    """
    sharding, mine = batch_sharding(mesh), min(map(len, batch.values()))

    def whole(local: np.ndarray) -> jax.Array:
        shape = (rows * len(local) // mine, *local.shape[1:])
        return jax.make_array_from_process_local_data(sharding, local, shape)

    return {name: whole(local) for name, local in batch.items()}


def replicated(tree: Any, mesh: Mesh) -> Any:
    """Numbers and arrays that all processes have alike, as global arrays, whole everywhere."""
    put = functools.partial(jax.make_array_from_process_local_data, NamedSharding(mesh, P()))
    return jax.tree.map(lambda leaf: put(np.asarray(leaf)), tree)


def constrain_batch(x: jax.Array) -> jax.Array:
    """Keeps axis 0 of an activation split over the batch axes; the others are the compiler's.

    Does nothing without a mesh in context (`with jax.set_mesh(mesh)`), or where the mesh does not
    divide axis 0.
    """
    mesh = jax.sharding.get_abstract_mesh()
    if mesh.empty or x.shape[0] % batch_parts(mesh):
        return x
    rest = (P.UNCONSTRAINED,) * (x.ndim - 1)
    return jax.lax.with_sharding_constraint(x, P(BATCH_AXES, *rest))


def constrain_rows(tree: Any, *axes: str | None) -> Any:
    """Splits axis 0 of all arrays over the batch axes, further ones as named; the rest is whole.

    So that a program hands on what the next one, or itself, was compiled for. Does nothing without
    a mesh in context, and leaves whole what the mesh does not divide.
    """
    mesh = jax.sharding.get_abstract_mesh()
    if mesh.empty:
        return tree

    def split(x: jax.Array) -> jax.Array:
        axes_of = zip(("batch", *axes), x.shape, strict=False)
        spec = P(*(mesh_axis(axis, size, mesh) for axis, size in axes_of))
        return jax.lax.with_sharding_constraint(x, spec)

    return jax.tree.map(split, tree)


def gather_width(table: jax.Array) -> jax.Array:
    """Makes the rows of a table [vocab, embed] whole on every device, still split by 'vocab'.

    Before a lookup: from rows that 'fsdp' splits XLA would give activations split by width and
    then move them all. Does nothing without a mesh in context.
    """
    if jax.sharding.get_abstract_mesh().empty:
        return table
    return jax.lax.with_sharding_constraint(table, P(LOGICAL_TO_MESH["vocab"], None))
