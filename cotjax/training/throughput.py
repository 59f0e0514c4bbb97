"""How fast a run goes: examples and tokens per second, and model FLOPs utilisation (MFU).

FLOPs are counted by formula from the lengths of the segments, so padding and recomputation are no
work: utilisation falls when a batch is badly packed, as it should. Matrix products alone count.
"""

import functools
import time
from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp

from cotjax.data.work import Work
from cotjax.models.t5_config import T5Config


def forward_flops(config: T5Config, work: Work) -> int:
    """FLOPs of the forward pass: two for each multiply-add of a matrix product."""
    inner = config.num_heads * config.d_kv
    attention = 8 * config.d_model * inner  # query, key, value, out, of one token
    mlp = (6 if config.gated else 4) * config.d_model * config.d_ff
    pair = 4 * inner  # one query looks at one key: its score, and its share of the value
    encoder = work.encoder * (attention + mlp) + work.encoder_squares * pair
    decoder = (
        work.decoder * (attention + attention // 2 + mlp)  # cross-attention: query and out
        + work.encoder * attention // 2  # cross-attention: key and value
        + (work.decoder_squares + work.products) * pair
    )
    head = 2 * work.decoder * config.d_model * config.vocab_size
    return config.num_layers * encoder + config.num_decoder_layers * decoder + head


def train_flops(config: T5Config, work: Work) -> int:
    """FLOPs of a train step: the backward pass has two products for each of the forward one."""
    return 3 * forward_flops(config, work)


# Peak bfloat16 FLOP/s of one JAX device, dense, by the makers' data sheets. The first name that
# begins a `device_kind` counts. TPU v3 and TPU7x have two devices a chip; the others one.
PEAK_FLOPS = {
    "TPU v3": 61.5e12,
    "TPU v4": 275e12,
    "TPU v5 lite": 197e12,
    "TPU v5e": 197e12,
    "TPU v5": 459e12,
    "TPU v6": 918e12,
    "TPU7x": 1153.5e12,
    "NVIDIA A100": 312e12,
    "NVIDIA H100 PCIe": 756e12,
    "NVIDIA H100": 989e12,
    "NVIDIA H200": 989e12,
    "NVIDIA B200": 2250e12,
}


def peak_flops(devices: Sequence[jax.Device]) -> float | None:
    """Peak FLOP/s of all devices together; None where the table does not know them.

    A CPU's is measured in float32, once a process; its devices share the cores of a host, so it
    counts once for each host.
    """
    if devices[0].platform == "cpu":
        return _measured_cpu_peak() * len({device.process_index for device in devices})
    kind = devices[0].device_kind
    return next(
        (len(devices) * peak for name, peak in PEAK_FLOPS.items() if kind.startswith(name)), None
    )


@functools.cache
def _measured_cpu_peak() -> float:
    """FLOP/s of the best of a few float32 matrix products, which take about a second in all."""
    size, trials = 2048, 5
    cpu = jax.local_devices(backend="cpu")[0]
    matrix = jax.device_put(jnp.ones((size, size), jnp.float32), cpu)
    product = jax.jit(jnp.matmul)
    product(matrix, matrix).block_until_ready()
    seconds = []
    for _ in range(trials):
        start = time.perf_counter()
        product(matrix, matrix).block_until_ready()
        seconds.append(time.perf_counter() - start)
    return 2 * size**3 / min(seconds)


class Throughput:
    """Rates since the last report.

    The train step is asynchronous: report only after its metrics have been read. What is not
    training (compilation, evaluation, saving) stays out by `restart()` when it is over.
    """

    def __init__(
        self,
        config: T5Config,
        devices: Sequence[jax.Device],
        clock: Callable[[], float] = time.perf_counter,
    ):
        self._config = config
        self._devices = devices
        self._clock = clock
        self.restart()

    def restart(self) -> None:
        """Forgets what was done, and starts the clock."""
        self._work = Work()
        self._start = self._clock()

    def add(self, work: Work) -> None:
        """Counts the work of one global step."""
        self._work += work

    def report(self) -> dict[str, float]:
        """Rates per second and MFU, none where no work was counted; then `restart()`."""
        seconds = max(self._clock() - self._start, 1e-9)
        rates = self._rates(seconds) if self._work.examples else {}
        self.restart()
        return rates

    def _rates(self, seconds: float) -> dict[str, float]:
        """Rates per second, and MFU where the devices' peak is known."""
        work = self._work
        rates = {
            "examples_per_second": work.examples / seconds,
            "supervised_tokens_per_second": work.supervised / seconds,
            "tokens_per_second": (work.encoder + work.decoder) / seconds,
        }
        peak = peak_flops(self._devices)
        if peak is not None:
            rates["mfu"] = train_flops(self._config, work) / seconds / peak
        return rates
