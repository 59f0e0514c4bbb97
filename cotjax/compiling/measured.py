"""Compiles a planned step and reads off what it takes: memory, FLOPs, bytes, and a roofline."""

import dataclasses
import re
import time
from typing import Any

import jax
import jaxlib

from cotjax.compiling import hlo
from cotjax.compiling.hardware import EXTRAS, Topology
from cotjax.compiling.planned import Planned
from cotjax.compiling.products import compiled_flops, traced_flops
from cotjax.compiling.traffic import collective_bytes, memory_bytes
from cotjax.errors import InputError, first_line


@dataclasses.dataclass(frozen=True)
class Memory:
    """Bytes of one device, as the compiler lays them out; outputs in place of arguments not."""

    arguments: int
    temporaries: int
    outputs: int
    code: int

    @property
    def total(self) -> int:
        """All that the step needs at once."""
        return self.arguments + self.temporaries + self.outputs + self.code


@dataclasses.dataclass(frozen=True)
class Counts:
    """What a step does: `model` and `traced` FLOPs of all devices, the rest of each one.

    Attributes:
      model: FLOPs by formula, nothing computed twice.
      traced: FLOPs of all products of the step as it is traced, recomputation included.
      compiled: FLOPs of all products of the compiled program.
      memory: Bytes that it moves to and from the device's memory.
      collectives: Bytes that it sends, by kind.
    """

    model: int
    traced: int
    compiled: int
    memory: int
    collectives: dict[str, int]

    @property
    def bound(self) -> float:
        """No ceiling of the model and its policy is higher, on any mesh and for any batch."""
        return self.model / max(self.model, self.traced)


@dataclasses.dataclass(frozen=True)
class Roofline:
    """The least time of a step by each resource, and what share of it is useful.

    Attributes:
      seconds: By resource: compute, memory, interconnect; each as if the others took no time.
      binds: The resource that takes longest.
      ceiling: The model FLOPs utilisation that no run of this program can exceed.
    """

    seconds: dict[str, float]
    binds: str
    ceiling: float


@dataclasses.dataclass(frozen=True)
class Measured:
    """A step compiled, or what the compiler said why not.

    Attributes:
      planned: The step.
      seconds: Of the compilation, tracing included.
      too_large: The compiler's words, where it found too little memory.
      memory, counts, roofline: None where it was not compiled; the roofline also where the peaks of
        the devices are not known.
      fits: Whether a device has the memory; None is unknown.
    """

    planned: Planned
    seconds: float
    too_large: str = ""
    memory: Memory | None = None
    counts: Counts | None = None
    roofline: Roofline | None = None
    fits: bool | None = None


def measure(planned: Planned, topology: Topology) -> Measured:
    """Compiles a step; one that needs too much memory is an answer too."""
    start = time.monotonic()
    traced = planned.trace()
    try:
        compiled = traced.lower().compile()
    except jax.errors.JaxRuntimeError as error:
        return Measured(planned, time.monotonic() - start, _too_large(error), fits=False)
    seconds = time.monotonic() - start
    memory, counts = _memory(compiled), _counts(planned, traced, compiled, topology)
    available = topology.hardware.memory
    fits = None if available is None else memory.total <= available
    return Measured(planned, seconds, "", memory, counts, roofline(counts, topology), fits)


def roofline(counts: Counts, topology: Topology) -> Roofline | None:
    """The ceiling that counts set on devices; None where their peaks are not known."""
    hardware, links = topology.hardware, topology.interconnect
    if hardware.peak is None:
        return None
    # Products of a fused kernel are hidden from the text, and those of cuDNN from the trace.
    flops = max(counts.compiled, max(counts.traced, counts.model) / topology.size)
    sent = sum(counts.collectives.values())
    seconds = {
        "compute": flops / hardware.peak,
        "memory": counts.memory / hardware.bandwidth,
        "interconnect": sent / links if links else 0.0,
    }
    binds = max(seconds, key=seconds.get)
    useful = counts.model / topology.size / hardware.peak
    return Roofline(seconds, binds, useful / seconds[binds])


def _memory(compiled: jax.stages.Compiled) -> Memory:
    stats = compiled.memory_analysis()
    return Memory(
        stats.argument_size_in_bytes,
        stats.temp_size_in_bytes,
        stats.output_size_in_bytes - stats.alias_size_in_bytes,
        stats.generated_code_size_in_bytes,
    )


def _counts(
    planned: Planned, traced: jax.stages.Traced, compiled: jax.stages.Compiled, topology: Topology
) -> Counts:
    program = hlo.parse(_text(compiled, topology))
    return Counts(
        model=planned.model_flops,
        traced=traced_flops(traced.jaxpr.jaxpr),
        compiled=compiled_flops(program),
        memory=memory_bytes(program, main_memory_only=topology.hardware.platform == "tpu"),
        collectives=collective_bytes(program),
    )


def _text(compiled: jax.stages.Compiled, topology: Topology) -> str:
    """The compiled program, which a compiler of another version may have written in its own way."""
    try:
        return compiled.as_text()
    except jax.errors.JaxRuntimeError as error:
        if topology.hardware.platform not in EXTRAS:
            raise
        library, extra = EXTRAS[topology.hardware.platform]
        raise InputError(
            f"jaxlib {jaxlib.__version__} can't read what this {library} has compiled, which is of "
            f"another version: pip install '{extra}' ({first_line(error)})"
        ) from error


def _too_large(error: Exception) -> str:
    """What the compiler says of memory; any other error is the program's, and raised again."""
    text = " ".join(str(error).split())
    if not re.search("RESOURCE_EXHAUSTED|[Oo]ut of memory", text):
        raise error
    used = re.search(r"Used [\d.]+\w of [\d.]+\w \w+", text)
    return used[0] if used else text[:200]


def as_json(measured: Measured, topology: Topology) -> dict[str, Any]:
    """All figures of a step by name; bytes and FLOPs are plain numbers."""
    planned, model = measured.planned, measured.planned.model
    sections = {
        name: dataclasses.asdict(value)
        for name in ("memory", "counts", "roofline")
        if (value := getattr(measured, name))
    }
    if measured.memory:
        sections["memory"] |= {
            "total": measured.memory.total,
            "available": topology.hardware.memory,
        }
    return {
        "topology": topology.name,
        "devices": topology.size,
        "mesh": dict(planned.mesh.shape),
        "replies": planned.replies,
        "rows": planned.rows,
        "encoder": planned.encoder,
        "decoder": planned.decoder,
        "accumulation": planned.config.optimizer.accumulation,
        "optimizer": planned.config.optimizer.name,
        "model": dataclasses.asdict(model),
        "fits": measured.fits,
        "too_large": measured.too_large,
        **sections,
        "compile_seconds": round(measured.seconds, 1),
        "jax": jax.__version__,
    }
