"""The decoding of a batch that is only described: what is compiled of it, on virtual devices."""

import pytest

from cotjax.compiling.decoding import plan_decoding
from cotjax.compiling.hardware import Topology
from cotjax.compiling.measured import measure
from cotjax.compiling.planned import mesh_sizes
from cotjax.compiling.report import one_table
from tests.compiling.test_planned import small

pytestmark = pytest.mark.usefixtures("quick_to_compile")


def planned_on(repository, devices, **changes):
    config = small(repository, **{"evaluation.batch_size": 6} | changes)
    config.mesh.update(mesh_sizes(f"data={devices}"))
    topology = Topology.parse(f"cpu:{devices}")
    return plan_decoding(config, topology.devices()), topology


@pytest.mark.parametrize("beams", [1, 3])
def test_flops_of_all_tokens_are_counted_and_agree_three_ways(repository, beams):
    planned, topology = planned_on(
        repository, 2, **{"evaluation.num_beams": beams, "evaluation.max_tokens": 7}
    )
    assert (planned.rows, planned.encoder, planned.decoder) == (6, 8, 7)
    measured = measure(planned, topology)
    counts = measured.counts
    model = planned.model
    joined = model.num_heads * model.d_kv
    # A beam's query also meets the tokens of the other beams, which its path masks.
    others = 4 * joined * model.num_decoder_layers * 6 * beams * (beams - 1) * 7**2
    assert counts.traced == counts.model + others
    assert counts.compiled * 2 == pytest.approx(counts.traced, rel=0.02)
    assert one_table(measured, topology).row_count > 10


def test_rows_are_what_the_mesh_divides(repository):
    planned, _ = planned_on(repository, 4)
    assert (planned.replies, planned.rows, planned.decoder) == (6, 8, 4)
