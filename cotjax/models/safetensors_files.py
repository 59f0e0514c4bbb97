"""The tensors of a folder of safetensors, one file or indexed shards, read slice by slice."""

from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open

from cotjax.errors import InputError
from cotjax.models.hub import PICKLED, read_json

FLOATS = ("F64", "F32", "F16", "BF16")  # others are quantised: their integers are no weights


class SafetensorsFiles:
    """The tensors of a folder by name; a file is mapped into memory when first needed.

    Satisfies `weights.Tensors`. A file that is missing, truncated or no safetensors, that lacks
    what the index promises, or lies elsewhere than in the folder, is an InputError.
    """

    def __init__(self, folder: Path):
        self.source = Path(folder)
        self._open: dict[str, Any] = {}
        self._files = self._find_files()  # tensor name -> file name

    @property
    def names(self) -> Collection[str]:
        """Of all tensors."""
        return self._files.keys()

    def shape(self, name: str) -> tuple[int, ...]:
        """The shape of a tensor, of which nothing is read."""
        return tuple(self._slices(name).get_shape())

    def read(self, name: str, index: tuple[slice, ...]) -> np.ndarray:
        """The part `index` of a tensor, which alone is read."""
        return self._slices(name)[index]

    def _find_files(self) -> dict[str, str]:
        single = "model.safetensors"
        if (self.source / single).exists():
            return dict.fromkeys(self._file(single).keys(), single)
        index = self.source / "model.safetensors.index.json"
        if index.exists():
            files = read_json(index).get("weight_map")
            if not isinstance(files, dict):
                raise InputError(f"{index}: weight_map is missing")
            for name, file in files.items():
                if not isinstance(file, str) or not _is_plain(file):
                    raise InputError(
                        f"{index}: weight_map puts {name!r:.80} into {file!r:.80}, which is no "
                        "name of a safetensors file in this folder"
                    )
            return files
        if any(self.source.glob("*.bin")):
            raise InputError(f"{self.source}: holds no safetensors; {PICKLED}")
        raise InputError(f"{self.source}: holds no model.safetensors or {index.name}")

    def _file(self, name: str) -> Any:
        if name not in self._open:
            path = self.source / name
            try:
                self._open[name] = safe_open(path, framework="np")
            except (SafetensorError, OSError) as error:
                raise InputError(
                    f"{path}: truncated, missing or no safetensors: {error}"
                ) from error
        return self._open[name]

    def _slices(self, name: str) -> Any:
        path = self.source / self._files[name]
        try:
            slices = self._file(self._files[name]).get_slice(name)
        except SafetensorError as error:
            raise InputError(f"{path}: tensor {name} of the index is missing") from error
        if (kind := slices.get_dtype()) not in FLOATS:
            known = ", ".join(FLOATS)
            raise InputError(f"{path}: tensor {name} is of the type {kind}, only {known} are read")
        return slices


def _is_plain(file: str) -> bool:
    """Whether this names a file of a folder, and nothing above or below."""
    return file.endswith(".safetensors") and not {"/", "\\", "\0"} & set(file)
