"""A train step that is only described: what is compiled of it, on virtual CPU devices."""

import json

import jax
import pytest
from flax.traverse_util import flatten_dict

from cotjax import config as configs
from cotjax.compiling.hardware import Topology
from cotjax.compiling.measured import Counts, as_json, measure, roofline
from cotjax.compiling.planned import mesh_sizes, plan
from cotjax.compiling.report import one_table, sweep_table
from cotjax.errors import InputError
from cotjax.json_files import dump_json
from cotjax.training.optimizer import OptimizerConfig
from cotjax.training.state import abstract_state

SMALL = {
    "model.d_model": 16,
    "model.d_ff": 32,
    "model.vocab_size": 64,
    "model.num_layers": 2,
    "model.num_decoder_layers": 2,
    "model.dropout_rate": 0.0,
    "model.scan_layers": True,
    "data.input_length": 8,
    "data.target_length": 4,
    "data.batch_size": 8,
    "optimizer.name": "adafactor",
}


def small(repository, **changes):
    words = [f"--config.{name}={value}" for name, value in (SMALL | changes).items()]
    return configs.load(repository / "configs" / "default.py", words)


def planned_on(repository, devices, mesh, **changes):
    config = small(repository, **changes)
    config.mesh.update(mesh_sizes(mesh))
    topology = Topology.parse(f"cpu:{devices}")
    return plan(config, topology.devices()), topology


@pytest.fixture(scope="module")
def scaled(repository, quick_to_compile):
    """The step at 4 rows a device on 2 and on 8 devices, with copies or parts of the parameters."""
    return {
        (axis, devices): measure(
            *planned_on(
                repository, devices, f"{axis}={devices}", **{"data.batch_size": 4 * devices}
            )
        )
        for axis in ("data", "fsdp")
        for devices in (2, 8)
    }


def test_flops_of_all_layers_are_counted_and_agree_three_ways(scaled):
    for (_, devices), measured in scaled.items():
        counts = measured.counts
        planned = measured.planned
        squares = planned.encoder**2 + planned.decoder**2
        # The gradient of the relative bias adds up over rows by a product.
        added = 2 * planned.rows * planned.model.num_heads * squares * planned.model.num_layers
        assert counts.traced == counts.model + added
        assert counts.compiled * devices == pytest.approx(counts.model, rel=0.02)


def float32_bytes(planned, within=""):
    """Of all parameters, or of those whose path has a part of this name."""
    params = abstract_state(planned.model, OptimizerConfig(), planned.mesh).params
    sizes = {path: leaf.size for path, leaf in flatten_dict(params).items()}
    return 4 * sum(size for path, size in sizes.items() if not within or within in path)


@pytest.mark.parametrize("axis", ["data", "fsdp"])
def test_weak_scaling_by_the_textbook(scaled, axis):
    """A device's work stays, and of n each sends 2 (n - 1) / n times the float32 gradients.

    Where it has parts of the parameters, also (n - 1) / n times what it gathers: layers forward and
    backward, the rest once. (A CPU's compiler sums and slices; others scatter, for half of it.)
    """
    two, eight = (scaled[axis, devices].counts for devices in (2, 8))
    assert eight.compiled == pytest.approx(two.compiled, rel=0.02)
    planned = scaled[axis, 2].planned
    gradients, layers = float32_bytes(planned), float32_bytes(planned, within="layers")
    for devices, counts in ((2, two), (8, eight)):
        share = (devices - 1) / devices
        expected = {"all-reduce": 2 * share * gradients}
        if axis == "fsdp":
            expected["all-gather"] = share * (gradients + layers)
        assert set(counts.collectives) == set(expected)
        for kind, sent in expected.items():
            # A little more: each use of the shared embedding has a gradient of its own.
            assert 0.98 <= counts.collectives[kind] / sent < 1.1


def test_what_is_printed_and_written(scaled):
    topology = Topology.parse("cpu:2")
    content = json.loads(dump_json(as_json(scaled["data", 2], topology)))
    assert content["mesh"] == {"data": 2, "fsdp": 1, "tensor": 1}
    assert content["counts"]["model"] == scaled["data", 2].counts.model
    assert content["memory"]["total"] > content["memory"]["arguments"] > 0
    assert one_table(scaled["data", 2], topology).row_count > 10
    assert sweep_table(list(scaled.values()), topology).row_count == 4


def test_rows_are_what_mesh_and_accumulation_divide(repository):
    changes = {"data.batch_size": 9, "optimizer.accumulation": 2, "data.order": "multitask"}
    planned, _ = planned_on(repository, 8, "data=4,fsdp=2", **changes)
    assert (planned.replies, planned.rows) == (18, 32)


def test_released_weights_need_not_be_here(repository):
    config = small(repository)
    config = configs.load(
        repository / "configs" / "default.py", ["--config.model.pretrained=google/flan-t5-base"]
    )
    model = plan(config, Topology.parse("cpu:8").devices()[:1]).model
    assert (model.d_model, model.num_layers) == (768, 12)


def test_the_longest_resource_sets_the_ceiling():
    topology = Topology.parse("v5e:2x2")
    counts = Counts(
        model=4 * 197 * 10**9,
        traced=4 * 197 * 10**9,
        compiled=300 * 10**9,  # 1.52 ms
        memory=819 * 10**7,  # 10 ms
        collectives={"all-gather": 45 * 10**6, "all-reduce": 45 * 10**6},  # 1 ms over two links
    )
    found = roofline(counts, topology)
    assert found.binds == "memory"
    assert found.seconds["memory"] == pytest.approx(0.01)
    assert found.seconds["interconnect"] == pytest.approx(0.001)
    assert found.ceiling == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("v5e", "write v5e:4x4"),
        ("v7:2x2", "write v5e:4x4"),
        ("v5e:0x2", "write v5e:4x4"),
        ("v5e:2x2x2", "v5e has 2 dimension"),
        ("h100:16", "one host has 8 GPUs"),
        ("cpu:9", "JAX has 8 CPU device"),
    ],
)
def test_topologies_that_are_none(name, message):
    jax.devices()  # from now on JAX has as many as it has
    with pytest.raises(InputError, match=message):
        Topology.parse(name).devices()


def test_a_missing_compiler_is_told_with_its_remedy(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"pip install 'cotjax\[tpu\]'"):
        Topology.parse("v5e:2x2").devices()
    with pytest.raises(InputError, match=r"pip install 'cotjax\[cuda\]'"):
        Topology.parse("h100:8").devices()


def test_a_compiler_of_another_version_is_told_with_its_remedy(repository, monkeypatch):
    def refuse(self):
        raise jax.errors.JaxRuntimeError("RET_CHECK failure: async-update")

    monkeypatch.setattr(jax.stages.Compiled, "as_text", refuse)
    planned, _ = planned_on(repository, 1, "data=1")
    with pytest.raises(InputError, match=r"pip install 'cotjax\[tpu\]' \(RET_CHECK failure"):
        measure(planned, Topology.parse("v5e:2x2"))


@pytest.mark.parametrize("text", ["fsdp", "fsdp=0", "model=2", "fsdp=2;tensor=2"])
def test_meshes_that_are_none(text):
    with pytest.raises(InputError, match="write sizes by axis"):
        mesh_sizes(text)
