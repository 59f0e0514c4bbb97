"""A planned step that is run: on the devices here, of full rows."""

import jax
import pytest

from cotjax import config as configs
from cotjax.compiling import timed
from cotjax.compiling.planned import plan
from cotjax.errors import InputError
from cotjax.training.prepare import optimizer_of


@pytest.fixture
def config():
    words = ["data.batch_size=8", "data.input_length=16", "data.target_length=8"]
    return configs.load("configs/default.py", [f"--config.{word}" for word in words])


def test_a_step_is_timed_on_all_devices(config, monkeypatch):
    monkeypatch.setattr(timed, "peak_flops", lambda devices: 1e12 * len(devices))
    planned = plan(config, jax.devices())
    found = timed.run_steps(planned, 2)
    assert 0 < found.seconds < found.first
    peak = 1e12 * jax.device_count()
    assert found.utilisation == pytest.approx(planned.model_flops / found.seconds / peak)
    assert timed.as_json(found)["rows"] == 8
    assert timed.timed_table(found).row_count >= 5


def test_rows_are_full(config):
    planned = plan(config, jax.devices()[:1])
    batch = timed._batch(planned, optimizer_of(config)[0])
    assert (batch["encoder_segments"] == 1).all()
    assert (batch["decoder_segments"] == 1).all()
    assert (batch["segment_source"] == 1).all()
    assert batch["encoder_tokens"].shape == (8, 16)
    assert batch["loss_weights"].sum() == pytest.approx(1)
    assert int(batch["decoder_targets"].min()) >= 2


def test_cudnn_without_a_gpu_is_refused(config):
    config.model.attention, config.model.dtype = "cudnn", "bfloat16"
    with pytest.raises(InputError, match="cudnn needs an NVIDIA GPU"):
        plan(config, jax.devices())
