"""The decoding of a batch on devices that are described: shapes and shardings, no arrays."""

import dataclasses
from collections.abc import Sequence

import jax
import jax.numpy as jnp
from ml_collections.config_dict import ConfigDict

from cotjax.compiling.planned import Planned, plan
from cotjax.data.work import Work
from cotjax.decoding.writer import Inputs, Writer
from cotjax.evaluation.generation import configured_search, writer_of
from cotjax.mesh import batch_parts, batch_sharding
from cotjax.training.optimizer import OptimizerConfig
from cotjax.training.state import abstract_state
from cotjax.training.throughput import forward_flops


class PlannedDecoding(Planned):
    """What a batch of questions takes that is written to its end, each as much as it may be."""

    @property
    def model_flops(self) -> int:
        """FLOPs by formula: a question is encoded once, whatever the number of its beams."""
        questions, beams = self.replies, self.config.evaluation.num_beams
        work = Work(
            encoder=questions * self.encoder,
            decoder=questions * beams * self.decoder,
            encoder_squares=questions * self.encoder**2,
            decoder_squares=questions * beams * self.decoder**2,
            products=questions * beams * self.encoder * self.decoder,
        )
        return forward_flops(self.model, work)

    def trace(self) -> jax.stages.Traced:
        """The loop as JAX sees it, ready to be lowered and compiled."""
        writer = writer_of(self.model, configured_search(self.config), self.decoder)
        params = abstract_state(self.model, OptimizerConfig(), self.mesh).params
        with jax.set_mesh(self.mesh):
            tokens = self._rows(self.encoder)
            batch = Inputs(tokens, tokens, self._rows(0))
            return Writer.write.trace(writer, params, batch)

    def _rows(self, width: int) -> jax.ShapeDtypeStruct:
        sharding = batch_sharding(self.mesh)
        return jax.ShapeDtypeStruct((self.rows, width), jnp.int32, sharding=sharding)


def plan_decoding(config: ConfigDict, devices: Sequence[jax.Device]) -> PlannedDecoding:
    """The decoding that evaluation asks for, without reading questions.

    Questions are as long as the config lets them be; rows are rounded up to what the mesh divides.
    """
    step, data, evaluation = plan(config, devices), config.data, config.evaluation
    multiple = batch_parts(step.mesh)
    fields = {field.name: getattr(step, field.name) for field in dataclasses.fields(step)}
    return PlannedDecoding(
        **fields
        | {
            "replies": evaluation.batch_size,
            "rows": -(-evaluation.batch_size // multiple) * multiple,
            "encoder": data.input_length,
            "decoder": evaluation.max_tokens or data.target_length,
        }
    )
