"""The train step of a config on devices that are described: shapes and shardings, no arrays."""

import dataclasses
import re
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax.sharding import Mesh
from ml_collections.config_dict import ConfigDict

from cotjax.config_rules import SIZES
from cotjax.data.work import Work
from cotjax.errors import InputError
from cotjax.mesh import batch_parts, batch_sharding, make_mesh
from cotjax.models.hf import read_config, resolve
from cotjax.models.t5_config import PRESETS, T5Config, check_attention, check_rows, computation
from cotjax.targets.orders import ORDERS
from cotjax.training.optimizer import OptimizerConfig
from cotjax.training.prepare import optimizer_of
from cotjax.training.state import abstract_state, without_rate
from cotjax.training.step import compiled_step
from cotjax.training.throughput import train_flops


@dataclasses.dataclass(frozen=True)
class Planned:
    """A train step to compile.

    Attributes:
      config: Whose step it is.
      model: Sizes of the student, and how it computes.
      mesh: Devices by axis.
      replies: Of a step; each fills a row.
      rows, encoder, decoder: Shape of a step's batch, microbatches together.
    """

    config: ConfigDict
    model: T5Config
    mesh: Mesh
    replies: int
    rows: int
    encoder: int
    decoder: int

    @property
    def model_flops(self) -> int:
        """FLOPs of a step by formula: of its replies, nothing computed twice."""
        rows, encoder, decoder = self.replies, self.encoder, self.decoder
        work = Work(
            encoder=rows * encoder,
            decoder=rows * decoder,
            encoder_squares=rows * encoder**2,
            decoder_squares=rows * decoder**2,
            products=rows * encoder * decoder,
        )
        return train_flops(self.model, work)

    @property
    def step(self) -> Callable[..., Any]:
        """The jitted step: see `compiled_step`."""
        optimizer, schedule = optimizer_of(self.config)
        loss = self.config.loss
        return compiled_step(
            self.model,
            without_rate(optimizer),
            schedule.name,
            loss.label_smoothing,
            loss.z_loss,
            self.config.optimizer.accumulation,
            self.mesh,
        )

    def trace(self) -> jax.stages.Traced:
        """The step as JAX sees it, ready to be lowered and compiled."""
        optimizer, schedule = optimizer_of(self.config)
        numbers = tuple(_scalar(type(value)) for value in dataclasses.astuple(schedule)[1:])
        arrays = self.arrays(optimizer)
        return self.step.trace(*arrays, _scalar(jnp.uint32), _scalar(float), numbers)

    def arrays(self, optimizer: OptimizerConfig) -> tuple[Any, dict[str, jax.ShapeDtypeStruct]]:
        """The state and the batch: see DESIGN's Batch for its fields."""
        widths = {
            **dict.fromkeys(("encoder_tokens", "encoder_segments"), self.encoder),
            **dict.fromkeys(("decoder_inputs", "decoder_targets"), self.decoder),
            **dict.fromkeys(("decoder_segments", "decoder_kinds"), self.decoder),
            "loss_weights": self.decoder,
            **dict.fromkeys(("segment_source", "segment_target"), 1),
        }
        batch = {
            name: jax.ShapeDtypeStruct(
                (self.rows, width),
                jnp.float32 if name == "loss_weights" else jnp.int32,
                sharding=batch_sharding(self.mesh),
            )
            for name, width in widths.items()
        }
        return abstract_state(self.model, without_rate(optimizer), self.mesh), batch


def plan(config: ConfigDict, devices: Sequence[jax.Device]) -> Planned:
    """The step that a config asks for on some devices, without reading its data.

    A reply has a row of its own, as long as the config lets a row be: packed, the same targets
    take fewer. Rows are rounded up to what mesh and accumulation divide.
    """
    mesh, data = make_mesh(config.mesh.to_dict(), devices), config.data
    multiple = batch_parts(mesh) * config.optimizer.accumulation
    platform = devices[0].platform
    check_attention(config.model.attention, platform)
    encoder = data.encoder_length or data.input_length
    decoder = data.decoder_length or data.target_length
    check_rows(config.model.attention, encoder=encoder, decoder=decoder)
    replies = data.batch_size * len(ORDERS[data.order].replies)
    return Planned(
        config,
        _model(config, platform),
        mesh,
        replies,
        rows=-(-replies // multiple) * multiple,
        encoder=encoder,
        decoder=decoder,
    )


def mesh_sizes(text: str) -> dict[str, int]:
    """Reads `fsdp=8,tensor=2`: sizes by axis, those not named being 1."""
    sizes = {"data": 1, "fsdp": 1, "tensor": 1}
    for part in text.split(","):
        axis, _, size = part.partition("=")
        if axis not in sizes or not re.fullmatch(r"-1|[1-9]\d{0,5}", size):
            raise InputError(f"--mesh={text}: write sizes by axis, such as fsdp=8,tensor=2")
        sizes[axis] = int(size)
    return sizes


def _scalar(kind: type) -> jax.ShapeDtypeStruct:
    """A number of an argument that is whole on every device."""
    dtype = {float: jnp.float32, int: jnp.int32}.get(kind, kind)
    return jax.ShapeDtypeStruct((), dtype, weak_type=kind in (float, int))


def _model(config: ConfigDict, platform: str) -> T5Config:
    """Sizes and choices of the student, as a run on such devices would have them."""
    section = config.model
    choices = computation(section, platform)
    if name := section.preset or _released(section.pretrained):
        return dataclasses.replace(PRESETS[name], **choices)
    if section.pretrained:
        return read_config(resolve(section.pretrained), **choices)
    sizes = {name: section[name] for name in SIZES}
    return T5Config(scale_decoder_outputs=section.tied, **sizes, **choices)


def _released(pretrained: str | None) -> str | None:
    """The preset of a model that Google released on the Hub: its weights need not be fetched."""
    found = re.fullmatch(r"(?:google|google-t5)/(.+)", pretrained or "")
    return found[1] if found and found[1] in PRESETS else None
