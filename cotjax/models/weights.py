"""From the tensors of a file into the shards of a mesh, whatever the model and the file's format.

Hugging Face stores a linear map as (output, input) and every layer apart; our kernels are
(input, output), and the layers of a stack may lie on axis 0. A `Layout` says which tensors make up
a parameter. A tensor is cut before it is read and a shard leaves the host before the next is read:
no process reads more than its own devices hold, nor keeps more than one shard in memory.
"""

import dataclasses
from collections.abc import Callable, Collection, Iterator
from typing import Any, Protocol

import jax
import numpy as np
from jax.sharding import NamedSharding

from cotjax.errors import InputError


class Tensors(Protocol):
    """Named tensors that can be read in part."""

    source: Any  # file or folder, for messages
    names: Collection[str]

    def shape(self, name: str) -> tuple[int, ...]:
        """The shape of a tensor."""

    def read(self, name: str, index: tuple[slice, ...]) -> np.ndarray:
        """The part `index` of a tensor, a slice for each axis."""


@dataclasses.dataclass(frozen=True)
class Layout:
    """How one parameter lies in a file: in one tensor, or where it is stacked in one a layer."""

    names: tuple[str, ...]
    stacked: bool
    transposed: bool

    def tensor_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """The shape of each tensor of a parameter of this shape."""
        shape = shape[1:] if self.stacked else shape
        return shape[::-1] if self.transposed else shape

    def read(self, tensors: Tensors, index: tuple[slice, ...], dtype: np.dtype) -> np.ndarray:
        """The part `index` of the parameter."""
        names, index = (self.names[index[0]], index[1:]) if self.stacked else (self.names, index)
        index = index[::-1] if self.transposed else index
        parts = [tensors.read(name, index).astype(dtype, copy=False) for name in names]
        parts = [part.T for part in parts] if self.transposed else parts
        return np.stack(parts) if self.stacked else parts[0]

    def split(self, parameter: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
        """The tensors of a parameter, each with its name."""
        for name, part in zip(self.names, parameter if self.stacked else [parameter], strict=True):
            # The writer takes the bytes as they lie, so a view would be written untransposed.
            yield name, np.ascontiguousarray(part.T if self.transposed else part)


LayoutOf = Callable[[str, tuple[int, ...]], Layout]  # of the parameter at a path, by its shape


def load(
    tensors: Tensors,
    abstract: Any,
    shardings: Any,
    layout: LayoutOf,
    ignored: Callable[[str], bool],
) -> Any:
    """The parameters that `abstract` (a tree of ShapeDtypeStructs) describes, born sharded.

    A tensor that is missing, of another shape, or neither wanted nor `ignored` is an InputError,
    before anything is read.
    """

    def load_leaf(path, leaf, sharding: NamedSharding) -> jax.Array:
        return _load_leaf(tensors, layout(path_name(path), leaf.shape), leaf, sharding)

    _check(tensors, abstract, layout, ignored)
    return jax.tree_util.tree_map_with_path(load_leaf, abstract, shardings)


def path_name(path: tuple) -> str:
    """The path of a leaf as 'a/b/c'."""
    return jax.tree_util.keystr(path, simple=True, separator="/")


def _load_leaf(
    tensors: Tensors, layout: Layout, leaf: jax.ShapeDtypeStruct, sharding: NamedSharding
) -> jax.Array:
    """One parameter; devices that hold copies of one another share what is read."""
    places: dict[str, tuple[tuple[slice, ...], list[jax.Device]]] = {}
    for device, index in sharding.addressable_devices_indices_map(leaf.shape).items():
        places.setdefault(str(index), (index, []))[1].append(device)
    shards = []
    for index, devices in places.values():
        part = layout.read(tensors, index, leaf.dtype)
        shards += [jax.device_put(part, device) for device in devices]
    return jax.make_array_from_single_device_arrays(leaf.shape, sharding, shards)


def _check(
    tensors: Tensors, abstract: Any, layout: LayoutOf, ignored: Callable[[str], bool]
) -> None:
    """Names and shapes."""
    unknown = {name for name in tensors.names if not ignored(name)}
    for path, leaf in jax.tree_util.tree_leaves_with_path(abstract):
        place = layout(path_name(path), leaf.shape)
        expected = list(place.tensor_shape(leaf.shape))
        for name in place.names:
            if name not in tensors.names:
                raise InputError(f"{tensors.source}: the tensor {name} is missing")
            found = list(tensors.shape(name))
            if found != expected:
                raise InputError(
                    f"{tensors.source}: {name} has the shape {found}, its config says {expected}"
                )
        unknown.difference_update(place.names)
    if unknown:
        raise InputError(
            f"{tensors.source}: holds {min(unknown)}, for which its config has no place"
        )
