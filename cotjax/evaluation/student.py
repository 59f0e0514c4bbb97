"""A student that can be asked: parameters on a mesh, and their tokenizer."""

import dataclasses
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import jax
from jax.sharding import Mesh
from ml_collections.config_dict import ConfigDict

from cotjax import config as configs
from cotjax.checkpoints import Checkpoints
from cotjax.compilations import keep_compiled
from cotjax.data.tokenizer import Tokenizer, load_tokenizer
from cotjax.errors import InputError
from cotjax.group import initialize_distributed
from cotjax.json_files import read_json
from cotjax.mesh import leaf_shardings, make_mesh
from cotjax.models.hf import (
    abstract_params,
    check_tokenizer,
    export,
    load_params,
    read_config,
    resolve,
)
from cotjax.models.t5 import LOGICAL_AXES, T5Config
from cotjax.models.t5_config import has_attention


@dataclasses.dataclass(frozen=True, eq=False)
class Student:
    """A model with its parameters, wherever on the mesh these lie."""

    config: T5Config
    params: Any
    tokenizer: Tokenizer
    mesh: Mesh

    def encode_inputs(self, texts: Sequence[str], length: int) -> tuple[list[list[int]], list[int]]:
        """What the encoder reads of each text, EOS included, and how many tokens of it were cut."""
        whole = self.tokenizer.encode(texts)
        inputs = [[*ids[: length - 1], self.tokenizer.eos] for ids in whole]
        return inputs, [max(len(ids) + 1 - length, 0) for ids in whole]


def load_student(
    workdir: Path, checkpoint: str | int, mesh: Mesh | None = None
) -> tuple[Student, int]:
    """Loads the student of a training run, and the step that it stopped at.

    Args:
      workdir: The run's folder.
      checkpoint: `best`, `latest` or a step.
      mesh: Where the parameters are to lie; by default all devices (see `default_mesh`).

    Raises:
      InputError: for a folder that isn't a run's, a checkpoint that it doesn't hold, or a
        tokenizer that this one wasn't trained with.
    """
    workdir = Path(workdir).absolute()
    if not workdir.is_dir():
        raise InputError(f"{workdir}: no such folder; --workdir is the folder of a training run")
    file = workdir / "model.json"
    content = read_json(file)
    try:
        config = T5Config(**content["model"])
        expected = content["tokenizer_hash"]
    except (KeyError, TypeError) as error:
        raise InputError(f"{file}: not the description of a student ({error})") from None
    tokenizer = load_tokenizer(workdir / "tokenizer")
    mesh = mesh or default_mesh()
    if not has_attention(config.attention, jax.default_backend()):  # it was trained on others
        config = dataclasses.replace(config, attention="xla")
    with closing(Checkpoints(workdir / "checkpoints", read_only=True)) as checkpoints:
        step = checkpoints.resolve(checkpoint)
        # Of the checkpoint too: the other files may have been replaced since.
        if {expected, checkpoints.meta(step)["tokenizer_hash"]} != {tokenizer.content_hash()}:
            raise InputError(
                f"{workdir}/tokenizer: not the tokenizer that the student was trained with"
            )
        params = checkpoints.restore_params(step, _params_like(config, mesh))
    return Student(config, params, tokenizer, mesh), step


def best_or_latest(workdir: Path) -> str:
    """`best`, or `latest` for a run that was stopped before any checkpoint was evaluated."""
    with closing(Checkpoints(workdir / "checkpoints", read_only=True)) as checkpoints:
        return "latest" if checkpoints.best_step() is None else "best"


def load_pretrained_student(
    source: str, mesh: Mesh | None = None, dtype: str | None = None
) -> Student:
    """Loads a student from a Hugging Face folder or Hub id.

    Args:
      source: Folder or id, with config.json, safetensors and tokenizer.
      mesh: Where the parameters are to lie; by default all devices (see `default_mesh`).
      dtype: Of the computation; by default bfloat16, float32 on CPU.
    """
    folder, mesh = resolve(source), mesh or default_mesh()
    on_cpu = jax.default_backend() == "cpu"
    dtype = dtype or ("float32" if on_cpu else "bfloat16")
    config = read_config(folder, dtype=dtype, scan_layers=not on_cpu)
    tokenizer = load_tokenizer(folder)
    check_tokenizer(tokenizer.size, config)
    return Student(config, load_params(folder, config, mesh), tokenizer, mesh)


def export_checkpoint(workdir: Path, checkpoint: str, output: Path) -> int:
    """Writes a checkpoint of a run as a Hugging Face folder; returns its step."""
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise InputError(f"{output}: exists already; choose another folder or empty it")
    config = configs.from_workdir(workdir)
    student, step = load_student(workdir, checkpoint, default_mesh(config))
    export(output, student.params, student.config, Path(workdir) / "tokenizer")
    return step


def default_mesh(config: ConfigDict | None = None) -> Mesh:
    """The mesh of a run's config where it fits the devices here, else one that splits the data.

    What is compiled is kept where the config says.
    """
    initialize_distributed()
    if config is not None:
        keep_compiled(config.compilation_cache_dir)
        try:
            return make_mesh(config.mesh.to_dict())
        except InputError:  # trained on other devices than these
            pass
    return make_mesh({"data": -1, "fsdp": 1, "tensor": 1})


def _params_like(config: T5Config, mesh: Mesh) -> Any:
    """Shapes, dtypes and shardings of the parameters on `mesh`: what a restore needs."""
    abstract = abstract_params(config)
    return jax.tree.map(
        lambda leaf, sharding: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding),
        abstract,
        leaf_shardings(abstract, mesh, LOGICAL_AXES),
    )
