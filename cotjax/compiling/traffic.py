"""Bytes that a compiled program moves: to and from a device's memory, and between devices."""

import math
import re
from collections import defaultdict

from cotjax.compiling.hlo import Instruction, Program

COLLECTIVES = (
    "all-gather",
    "all-reduce",
    "reduce-scatter",
    "all-to-all",
    "collective-permute",
    "collective-broadcast",
    "ragged-all-to-all",
)
# What moves nothing: names of what is there already, and the ends of what began before.
_FREE = {
    *("parameter", "constant", "tuple", "get-tuple-element", "bitcast", "after-all", "call"),
    *("while", "conditional", "partition-id", "replica-id", "optimization-barrier", "async-start"),
    *("async-update", "iota"),
}
_HANDED_ON = {"parameter", *COLLECTIVES}  # by a fusion that computes while a collective runs
_CONTROL = {"while", "conditional", "call", "async-start"}


def collective_bytes(program: Program) -> dict[str, int]:
    """Bytes that each device sends, by kind of collective, all iterations of loops counted.

    With n devices in a group and rings, as the compilers use them: gathered and scattered arrays
    are sent (n - 1) / n times, reduced ones twice that.
    """
    runs, control = program.runs(), _control(program)
    seen, begun = {}, defaultdict(int)
    for name, instructions in program.computations.items():
        for one in instructions.values():
            kind = one.opcode.removesuffix("-start")
            if kind not in COLLECTIVES or not runs[name]:
                continue
            if kind == "all-reduce" and name not in control and _only_sliced(one, instructions):
                kind = "reduce-scatter"  # as a TPU's fusion says it
            # A TPU's asynchronous collective stands in several fusions under one channel, also in
            # those of a loop that it merely outlasts: it is sent as often as it is begun.
            key = kind, one.attribute("channel_id") or one.name
            sent = runs[name] * _sent(kind, one, program, instructions)
            seen[key] = max(seen.get(key, 0), sent)
            if _begins(instructions):
                begun[key] += sent
    total: dict[str, int] = defaultdict(int)
    for (kind, _), sent in (seen | begun).items():
        total[kind] += sent
    return dict(total)


def _begins(here: dict[str, Instruction]) -> bool:
    return any("AsyncCollectiveStart" in one.text for one in here.values())


def _only_sliced(one: Instruction, here: dict[str, Instruction]) -> bool:
    users = [user.opcode for user in here.values() if one.name in user.operands]
    return set(users) == {"dynamic-slice"}


def _sent(kind: str, one: Instruction, program: Program, here: dict[str, Instruction]) -> int:
    size = _group_size(one, program)
    given = sum(array.bytes for name in one.operands for array in here[name].outputs)
    if kind == "collective-permute" or kind == "collective-broadcast":
        return given
    if kind == "all-gather":
        return given * (size - 1)
    return given * (size - 1) // size * (2 if kind == "all-reduce" else 1)


def _group_size(one: Instruction, program: Program) -> int:
    """Devices that take part in one group of a collective."""
    if mesh := re.search(r"replica_groups=mesh\[([^\]]*)\] \{([^}]*)\}", one.text):
        sizes = dict(re.findall(r"'(\w+)'=(\d+)", mesh[1]))
        used = re.findall(r"'(\w+)'(?::\(\d+\)(\d+))?", mesh[2])
        return math.prod(int(part or sizes[axis]) for axis, part in used)
    if table := re.search(r"replica_groups=\[(\d+),(\d+)\]", one.text):
        return int(table[2])
    if groups := re.search(r"replica_groups=\{\{([\d,]+)\}", one.text):
        return len(groups[1].split(","))
    return program.devices


def memory_bytes(program: Program, main_memory_only: bool) -> int:
    """Bytes that a device reads from and writes to its memory, all iterations of loops counted.

    A fusion reads its operands and writes its results once; of an operand that it only slices, the
    slices. With `main_memory_only`, what a TPU keeps in its other memories does not count.
    """
    runs, total = program.runs(), 0
    for name in _control(program):
        here = program.computations[name]
        moved = sum(_Moves(program, main_memory_only).of(one, here) for one in here.values())
        total += runs[name] * moved
    return total


def _control(program: Program) -> set[str]:
    """Computations that run by themselves, not as a part of a fusion or a reduction."""
    found = {program.entry}
    for name in reversed(program.computations):
        for one in program.computations[name].values():
            if name in found and one.opcode in _CONTROL:
                found.update(one.called)
    return found


def _is_under_way(one: Instruction, here: dict[str, Instruction]) -> bool:
    """Whether a fusion computes beside a collective, whose result it hands on."""
    users = {user.opcode for user in here.values() if one.name in user.operands}
    return one.opcode in COLLECTIVES and users == {"tuple"}


class _Moves:
    """What single instructions move."""

    def __init__(self, program: Program, main_memory_only: bool):
        self._program, self._main = program, main_memory_only

    def of(self, one: Instruction, here: dict[str, Instruction]) -> int:
        """Bytes that an instruction reads and writes."""
        if one.opcode in _FREE or "AllocateBuffer" in one.text:
            return 0
        if one.opcode.endswith("-done") or one.name.startswith("async-collective-done"):
            return 0
        if one.opcode == "fusion":
            return self._written(one) + sum(
                self._read(one.called[0], at, self._size(here[operand]))
                for at, operand in enumerate(one.operands)
            )
        if one.opcode in ("dynamic-slice", "gather", "slice"):
            return 2 * self._size(one)
        if one.opcode in ("dynamic-update-slice", "scatter"):
            return 2 * self._size(here[one.operands[-1 if one.opcode == "scatter" else 1]])
        if one.opcode in ("copy-start", "slice-start"):  # two ends, and both have the same size
            ends = one.outputs[:2]
            moved = min(array.bytes for array in ends)
            return sum(moved for array in ends if self._counts(array.space))
        return self._size(one) + sum(self._size(here[operand]) for operand in one.operands)

    def _counts(self, space: int) -> bool:
        return space == 0 or not self._main

    def _size(self, one: Instruction) -> int:
        return sum(array.bytes for array in one.outputs if self._counts(array.space))

    def _read(self, fused: str, at: int, whole: int) -> int:
        """What a fusion reads of its operand number `at`, of `whole` bytes."""
        if not whole:
            return 0
        here = self._program.computations[fused]
        parameter = next(
            one
            for one in here.values()
            if one.opcode == "parameter" and one.text.startswith(f"({at})")
        )
        return min(whole, self._used(parameter, here, whole))

    def _used(self, value: Instruction, here: dict[str, Instruction], whole: int) -> int:
        total = 0
        for user in here.values():
            if value.name not in user.operands:
                continue
            at = user.operands.index(value.name)
            if user.opcode in ("dynamic-slice", "slice", "gather") and at == 0:
                total += sum(array.bytes for array in user.outputs)
            elif user.opcode == "dynamic-update-slice" and at == 0:
                total += 0  # in place: what is not replaced stays
            elif user.opcode == "fusion":
                read = self._read(user.called[0], at, whole)
                total += read if user.is_root else min(read, self._used(user, here, whole))
            elif user.opcode == "tuple" or _is_under_way(user, here):
                total += 0  # handed on as it is
            elif user.opcode in ("bitcast", "copy") and not user.is_root:
                total += self._used(user, here, whole)
            else:
                return whole
        return total

    def _written(self, fusion: Instruction) -> int:
        """What a fusion writes: of an array that it updates in place, the update."""
        here = self._program.computations[fusion.called[0]]
        root = next(one for one in here.values() if one.is_root)
        parts = [here[name] for name in root.operands] if root.opcode == "tuple" else [root]
        if len(parts) != len(fusion.outputs):
            return self._size(fusion)
        return sum(
            self._update(part, array.bytes, here)
            for part, array in zip(parts, fusion.outputs, strict=True)
            if self._counts(array.space) and not (part is not root and part.opcode in _HANDED_ON)
        )

    def _update(self, part: Instruction, whole: int, here: dict[str, Instruction]) -> int:
        if part.opcode == "bitcast":
            return self._update(here[part.operands[0]], whole, here)
        if part.opcode != "dynamic-update-slice":
            return whole
        return sum(array.bytes for array in here[part.operands[1]].outputs)
