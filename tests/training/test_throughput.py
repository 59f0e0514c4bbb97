"""FLOPs against XLA's own count, and rates against a clock that the test turns."""

import dataclasses

import jax
import numpy as np
import pytest

from cotjax.data.work import Work
from cotjax.models.t5 import PRESETS, T5, T5Config
from cotjax.training import throughput
from cotjax.training.throughput import Throughput, forward_flops, peak_flops, train_flops

SMALL = T5Config(
    vocab_size=512,
    d_model=128,
    d_kv=32,
    d_ff=256,
    num_layers=2,
    num_decoder_layers=3,
    num_heads=6,
    gated=True,
    tied=False,
    scale_decoder_outputs=False,
)
SECONDS = 2.0


def _full_batch(rows: int, encoder: int, decoder: int) -> dict[str, np.ndarray]:
    """One segment a row, no padding."""
    ones = {"encoder": np.ones((rows, encoder), np.int32), "decoder": np.ones((rows, decoder), int)}
    return {
        "encoder_tokens": ones["encoder"],
        "encoder_segments": ones["encoder"],
        "decoder_inputs": ones["decoder"],
        "decoder_segments": ones["decoder"],
        "decoder_kinds": ones["decoder"],
        "loss_weights": ones["decoder"].astype(np.float32),
        "segment_source": np.ones((rows, 1), np.int32),
    }


def _work(rows: int, encoder: int, decoder: int) -> Work:
    """The same segments, counted."""
    return Work(
        examples=rows,
        supervised=rows * decoder,
        encoder=rows * encoder,
        decoder=rows * decoder,
        encoder_squares=rows * encoder**2,
        decoder_squares=rows * decoder**2,
        products=rows * encoder * decoder,
    )


@pytest.mark.parametrize("gated", [True, False])
def test_forward_flops_are_those_that_xla_counts(gated):
    config = dataclasses.replace(SMALL, gated=gated, tied=not gated)
    batch = _full_batch(rows=4, encoder=160, decoder=96)
    params = jax.eval_shape(T5(config).init, jax.random.key(0), batch)
    compiled = jax.jit(T5(config).apply).lower(params, batch).compile()
    counted = compiled.cost_analysis()["flops"]
    formula = forward_flops(config, _work(4, 160, 96))
    # XLA counts norms, softmax and activations too.
    assert 0.96 * counted < formula < counted


@pytest.mark.parametrize(
    ("preset", "expected"),
    [("t5-v1_1-small", 110), ("t5-v1_1-base", 438), ("t5-v1_1-large", 1504), ("t5-v1_1-xl", 5472)],
)
def test_training_gigaflops_of_the_released_sizes(preset, expected):
    """Per example of 512 and 128 tokens; worked out apart from this code."""
    work = _work(1, 512, 128)
    assert train_flops(PRESETS[preset], work) / 1e9 == pytest.approx(expected, abs=0.5)


def test_rates_since_the_last_report(monkeypatch):
    monkeypatch.setattr(throughput, "_measured_cpu_peak", lambda: 1e9)
    now = [10.0]
    meter = Throughput(SMALL, jax.devices(), clock=lambda: now[0])
    work = _work(3, 10, 7)
    now[0] += 100
    meter.add(work)
    meter.restart()  # as after a compilation
    for _ in range(3):
        meter.add(work)
    now[0] += SECONDS
    assert meter.report() == pytest.approx(
        {
            "examples_per_second": 3 * work.examples / SECONDS,
            "supervised_tokens_per_second": 3 * work.supervised / SECONDS,
            "tokens_per_second": 3 * (work.encoder + work.decoder) / SECONDS,
            "mfu": 3 * train_flops(SMALL, work) / SECONDS / 1e9,
        }
    )
    now[0] += SECONDS
    assert meter.report() == {}


@dataclasses.dataclass
class _Device:
    device_kind: str
    platform: str = "tpu"
    process_index: int = 0


@pytest.mark.parametrize(
    ("kind", "tera"),
    [
        ("TPU v4", 275),
        ("TPU v5 lite", 197),
        ("TPU v5", 459),
        ("TPU v5p", 459),
        ("TPU v6 lite", 918),
        ("NVIDIA A100-SXM4-80GB", 312),
        ("NVIDIA H100 80GB HBM3", 989),
        ("NVIDIA H100 PCIe", 756),
    ],
)
def test_peak_of_several_devices(kind, tera):
    assert peak_flops([_Device(kind)] * 4) == 4 * tera * 1e12


def test_unknown_device_has_no_utilisation():
    meter = Throughput(SMALL, [_Device("TPU v99")])
    meter.add(_work(1, 2, 3))
    assert meter.report().keys() == {
        "examples_per_second",
        "supervised_tokens_per_second",
        "tokens_per_second",
    }


def test_cpu_peak_is_measured_once_for_the_devices_of_a_host():
    throughput._measured_cpu_peak.cache_clear()
    peak = peak_flops(jax.devices())
    assert 1e9 < peak < 1e14
    assert peak_flops(jax.devices()[:1]) == peak  # the same measurement
    assert throughput._measured_cpu_peak.cache_info().misses == 1
