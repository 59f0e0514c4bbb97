"""Reading XLA's text: loops, products and bytes of small programs that were counted by hand."""

import pytest

from cotjax.compiling import hlo
from cotjax.compiling.products import compiled_flops
from cotjax.compiling.traffic import collective_bytes, memory_bytes

# A loop of four steps: a gather of [8, 16] from 4 devices, and a product with it. The second
# computation of the gather is its asynchronous end, under the same channel.
LOOP = """HloModule m, num_partitions=4

%body (p: (s32[], f32[32,8], f32[4,8,4])) -> (s32[], f32[32,8], f32[4,8,4]) {
  %p = (s32[], f32[32,8]{1,0}, /*index=2*/f32[4,8,4]{2,1,0}) parameter(0)
  %i = s32[] get-tuple-element(%p), index=0
  %x = f32[32,8]{1,0} get-tuple-element(%p), index=1
  %w = f32[4,8,4]{2,1,0:T(8,128)S(1)} get-tuple-element(%p), index=2
  %part = f32[8,4]{1,0} fusion(%w, %i), kind=kLoop, calls=%slice_one
  %whole = f32[8,16]{1,0} all-gather(%part), channel_id=1, GROUPS, dimensions={1}
  %end = f32[8,16]{1,0} fusion(%part), kind=kCustom, calls=%gather_end
  %y = f32[32,16]{1,0} dot(%x, %whole), lhs_contracting_dims={1}, rhs_contracting_dims={0}
  ROOT %t = (s32[], f32[32,8], f32[4,8,4]) tuple(%i, %x, %w)
}

%condition (p.1: (s32[], f32[32,8], f32[4,8,4])) -> pred[] {
  %p.1 = (s32[], f32[32,8]{1,0}, f32[4,8,4]{2,1,0}) parameter(0)
  %limit = s32[] constant(4)
  %i.1 = s32[] get-tuple-element(%p.1), index=0
  ROOT %less = pred[] compare(%i.1, %limit), direction=LT
}

ENTRY %main (a: f32[32,8]) -> f32[32,8] {
  %a = f32[32,8]{1,0} parameter(0)
  %t.1 = (s32[], f32[32,8]{1,0}, f32[4,8,4]{2,1,0}) tuple(%zero, %a, %b)
  %loop = (s32[], f32[32,8], f32[4,8,4]) while(%t.1), condition=%condition, body=%body
  ROOT %out = f32[32,8]{1,0} get-tuple-element(%loop), index=1
}
"""
FUSED = """%slice_one (q: f32[4,8,4], j: s32[]) -> f32[8,4] {
  %q = f32[4,8,4]{2,1,0} parameter(0)
  %j = s32[] parameter(1)
  %one = f32[1,8,4]{2,1,0} dynamic-slice(%q, %j), dynamic_slice_sizes={1,8,4}
  ROOT %flat = f32[8,4]{1,0} bitcast(%one)
}

%gather_end (r: f32[8,4]) -> f32[8,16] {
  %r = f32[8,4]{1,0} parameter(0)
  ROOT %again = f32[8,16]{1,0} all-gather(%r), channel_id=1, GROUPS, dimensions={1}
}

"""


def program(groups: str = "replica_groups={{0,1,2,3}}") -> hlo.Program:
    head, rest = LOOP.split("\n\n", 1)
    return hlo.parse(f"{head}\n\n{FUSED}{rest}".replace("GROUPS", groups))


def test_a_loop_runs_as_often_as_its_condition_says():
    runs = program().runs()
    assert (runs["main"], runs["body"], runs["gather_end"]) == (1, 4, 4)


def test_the_compiler_may_tell_how_often():
    told = 'body=%body, backend_config={"known_trip_count":{"n":"7"}}'
    text = (FUSED + LOOP).replace("body=%body", told)
    assert hlo.parse(text).runs()["body"] == 7


def test_an_unrolled_loop_runs_less_often():
    counted = "%two = s32[] constant(2)\n  %next = s32[] add(%i, %two)\n  ROOT %t = ("
    text = (FUSED + LOOP).replace("ROOT %t = (", counted).replace("tuple(%i,", "tuple(%next,")
    assert hlo.parse(text).runs()["body"] == 2


def test_products_of_all_iterations():
    assert compiled_flops(program()) == 4 * 2 * 32 * 16 * 8


@pytest.mark.parametrize(
    ("groups", "size"),
    [
        ("replica_groups={{0,1,2,3}}", 4),
        ("replica_groups={{0,2},{1,3}}", 2),
        ("replica_groups=[2,2]<=[4]", 2),
        ("replica_groups=mesh['a'=2,'b'=2] {'a'}", 2),
        ("replica_groups=mesh['a'=2,'b'=2] {'a','b'}", 4),
        ("replica_groups={}", 4),
    ],
)
def test_a_gather_sends_a_part_to_all_others_and_counts_once(groups, size):
    assert collective_bytes(program(groups)) == {"all-gather": 4 * (8 * 4 * 4) * (size - 1)}


def test_a_sum_that_a_fusion_slices_is_a_scatter():
    text = """HloModule m, num_partitions=4

%all-reduce-scatter (input: f32[8,16]) -> f32[8,4] {
  %input = f32[8,16]{1,0} parameter(0)
  %sum = f32[8,16]{1,0} all-reduce(%input), channel_id=1, replica_groups={}, to_apply=%add
  %at = s32[] constant(4)
  ROOT %part = f32[8,4]{1,0} dynamic-slice(%sum, %at, %at), dynamic_slice_sizes={8,4}
}

ENTRY %main (a: f32[8,16]) -> f32[8,4] {
  %a = f32[8,16]{1,0} parameter(0)
  ROOT %f = f32[8,4]{1,0} fusion(%a), kind=kCustom, calls=%all-reduce-scatter
}
"""
    assert collective_bytes(hlo.parse(text)) == {"reduce-scatter": 8 * 16 * 4 * 3 // 4}


# A gather of [8, 16] from 4 devices that is begun before a loop, runs beside what four iterations
# of it negate, and ends after it.
OUTLASTING = """HloModule m, num_partitions=4

%begin (a: f32[2,16]) -> (f32[2,16], f32[8,16]) {
  %a = f32[2,16]{1,0} parameter(0)
  %whole = f32[8,16]{1,0} all-gather(%a), channel_id=1, replica_groups={}, dimensions={0}
  ROOT %begun = (f32[2,16]{1,0}, f32[8,16]{1,0}) custom-call(%whole), custom_call_target="AsyncCollectiveStart"
}

%beside (b: f32[2,16], c: f32[8,16], x: f32[32]) -> (f32[32], f32[2,16], f32[8,16]) {
  %b = f32[2,16]{1,0} parameter(0)
  %c = f32[8,16]{1,0} parameter(1)
  %x = f32[32]{0} parameter(2)
  %more = f32[8,16]{1,0} all-gather(%b), channel_id=1, replica_groups={}, dimensions={0}
  %less = f32[32]{0} negate(%x)
  ROOT %on = (f32[32]{0}, f32[2,16]{1,0}, f32[8,16]{1,0}) tuple(%less, %b, %more)
}

%end (d: f32[2,16], e: f32[8,16]) -> f32[8,16] {
  %d = f32[2,16]{1,0} parameter(0)
  %e = f32[8,16]{1,0} parameter(1)
  %last = f32[8,16]{1,0} all-gather(%d), channel_id=1, replica_groups={}, dimensions={0}
  ROOT %ended = f32[8,16]{1,0} custom-call(%d, %e, %last), custom_call_target="AsyncCollectiveDone"
}

%body (p: (f32[32], f32[2,16], f32[8,16])) -> (f32[32], f32[2,16], f32[8,16]) {
  %p = (f32[32]{0}, f32[2,16]{1,0}, f32[8,16]{1,0}) parameter(0)
  %y = f32[32]{0} get-tuple-element(%p), index=0
  %part = f32[2,16]{1,0} get-tuple-element(%p), index=1
  %all = f32[8,16]{1,0} get-tuple-element(%p), index=2
  ROOT %step = (f32[32]{0}, f32[2,16]{1,0}, f32[8,16]{1,0}) fusion(%part, %all, %y), kind=kLoop, calls=%beside
}

%condition (q: (f32[32], f32[2,16], f32[8,16])) -> pred[] {
  %q = (f32[32]{0}, f32[2,16]{1,0}, f32[8,16]{1,0}) parameter(0)
  ROOT %true = pred[] constant(true)
}

ENTRY %main (f: f32[2,16], g: f32[32]) -> f32[8,16] {
  %f = f32[2,16]{1,0} parameter(0)
  %g = f32[32]{0} parameter(1)
  %async-collective-start = (f32[2,16]{1,0}, f32[8,16]{1,0}) fusion(%f), kind=kCustom, calls=%begin
  %h = f32[2,16]{1,0} get-tuple-element(%async-collective-start), index=0
  %i = f32[8,16]{1,0} get-tuple-element(%async-collective-start), index=1
  %t = (f32[32]{0}, f32[2,16]{1,0}, f32[8,16]{1,0}) tuple(%g, %h, %i)
  %loop = (f32[32]{0}, f32[2,16]{1,0}, f32[8,16]{1,0}) while(%t), condition=%condition, body=%body, backend_config={"known_trip_count":{"n":"4"}}
  %j = f32[2,16]{1,0} get-tuple-element(%loop), index=1
  %k = f32[8,16]{1,0} get-tuple-element(%loop), index=2
  ROOT %async-collective-done = f32[8,16]{1,0} fusion(%j, %k), kind=kCustom, calls=%end
}
"""  # noqa: E501


def test_a_gather_that_outlasts_a_loop_counts_once():
    part, whole, negated = 2 * 16 * 4, 8 * 16 * 4, 32 * 4
    outlasting = hlo.parse(OUTLASTING)
    assert collective_bytes(outlasting) == {"all-gather": 3 * part}
    begun = part + (part + whole)  # reads its part, and keeps it beside the whole
    assert memory_bytes(outlasting, main_memory_only=True) == begun + 4 * 2 * negated


def test_memory_traffic_counts_slices_and_leaves_other_memories_out():
    part, whole, x, y, index = 8 * 4 * 4, 8 * 16 * 4, 32 * 8 * 4, 32 * 16 * 4, 4
    compared = 2 * 4 + 1  # in the condition
    moved = part + index + (part + whole) + (part + whole) + (x + whole + y) + compared
    assert memory_bytes(program(), main_memory_only=False) == 4 * (part + moved)
    assert memory_bytes(program(), main_memory_only=True) == 4 * moved


def test_an_update_in_place_moves_the_update():
    text = """HloModule m

%write (p: f32[100,8], u: f32[1,8], i: s32[]) -> f32[100,8] {
  %p = f32[100,8]{1,0} parameter(0)
  %u = f32[1,8]{1,0} parameter(1)
  %i = s32[] parameter(2)
  ROOT %out = f32[100,8]{1,0} dynamic-update-slice(%p, %u, %i)
}

ENTRY %main (a: f32[100,8], b: f32[1,8], c: s32[]) -> f32[100,8] {
  %a = f32[100,8]{1,0} parameter(0)
  %b = f32[1,8]{1,0} parameter(1)
  %c = s32[] parameter(2)
  ROOT %f = f32[100,8]{1,0} fusion(%a, %b, %c), kind=kLoop, calls=%write
}
"""
    assert memory_bytes(hlo.parse(text), main_memory_only=False) == 2 * 32 + 4


@pytest.mark.parametrize(
    ("line", "flops"),
    [
        # A plain product [32, 8] x [8, 16], and a batch of 5 of them as windows over padding.
        ("f32[32,16] convolution(%a, %b), dim_labels=bf_io->bf", 2 * 32 * 8 * 16),
        (
            "f32[5,32,16] convolution(%c, %d), "
            "window={size=5 stride=4 pad=0_0 lhs_dilate=5}, dim_labels=0bf_0io->0bf",
            2 * 32 * 8 * 16 * 5,
        ),
        (
            'f32[32,16] custom-call(%a, %b), custom_call_target="__cublas$gemm", '
            'backend_config={"lhs_contracting_dimensions":["1"]}',
            2 * 32 * 8 * 16,
        ),
    ],
)
def test_products_in_other_clothes(line, flops):
    text = f"""ENTRY %main () -> f32[32,16] {{
  %a = f32[32,8]{{1,0}} parameter(0)
  %b = f32[8,16]{{1,0}} parameter(1)
  %c = f32[5,32,8]{{2,1,0}} parameter(2)
  %d = f32[5,8,16]{{2,1,0}} parameter(3)
  ROOT %out = {line}
}}
"""
    assert compiled_flops(hlo.parse(text)) == flops
