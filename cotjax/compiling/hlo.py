"""XLA's text of a compiled program, read into computations and instructions.

Nothing of JAX gives the counts that are wanted: `cost_analysis()` sees the body of a loop once, and
is empty for a GPU that is not here.
"""

import dataclasses
import functools
import math
import re
from collections.abc import Iterator

BITS = {"pred": 8, "token": 0, "opaque": 0, "c64": 64, "c128": 128}
_LEAF = re.compile(r"\b([a-z]+\d*[a-z0-9]*)\[([\d,]*)\](?:\{([^}]*)\})?")
_NAME = re.compile(r"^\s+(?:ROOT )?%?([\w.-]+) = ")
_HEADER = re.compile(r"^(?:ENTRY )?%?([\w.-]+) \(.*\{$")
_CALLS = re.compile(r"(?:calls|body|condition|to_apply|called_computations)=\{?(%[^,}\s]+)")
_BRANCHES = re.compile(r"branch_computations=\{([^}]*)\}")
_TRIPS = re.compile(r'"known_trip_count":\{"n":"(\d+)"')


@dataclasses.dataclass(frozen=True)
class Array:
    """Type, sizes and memory of an array; space 0 is the device's main memory."""

    dtype: str
    shape: tuple[int, ...]
    space: int = 0

    @property
    def bytes(self) -> int:
        """How much it takes, without the padding of its layout."""
        bits = BITS.get(self.dtype) or int((re.findall(r"\d+", self.dtype) or [0])[0])
        return -(-math.prod(self.shape) * bits // 8)


@dataclasses.dataclass(frozen=True)
class Instruction:
    """One line of a computation.

    Attributes:
      name: Without its %.
      outputs: Its arrays; more than one of a tuple.
      opcode: Such as `dot`.
      operands: Names.
      text: What follows the opcode.
      is_root: Whether the computation returns it.
    """

    name: str
    outputs: tuple[Array, ...]
    opcode: str
    operands: tuple[str, ...]
    text: str
    is_root: bool

    @functools.cached_property
    def called(self) -> tuple[str, ...]:
        """Names of the computations that it runs."""
        branches = [name for found in _BRANCHES.findall(self.text) for name in found.split(",")]
        names = [*_CALLS.findall(self.text), *branches]
        return tuple(name.strip().lstrip("%") for name in names)

    def attribute(self, name: str) -> str | None:
        """The text of an attribute, up to its closing brace or the next comma."""
        found = re.search(rf"\b{name}=(\{{[^}}]*\}}|[^,\s]+)", self.text)
        return found[1].strip("{}") if found else None


@dataclasses.dataclass(frozen=True)
class Program:
    """A program: its computations by name, each by the names of its instructions.

    A computation stands after those that it calls. `devices` run it together.
    """

    computations: dict[str, dict[str, Instruction]]
    entry: str
    devices: int = 1

    def runs(self) -> dict[str, int]:
        """How often each computation runs, the iterations of all loops around it multiplied."""
        runs = dict.fromkeys(self.computations, 0)
        runs[self.entry] = 1
        for name in reversed(self.computations):  # callers stand after what they call
            for instruction in self.computations[name].values():
                times = runs[name] * self._trips(instruction)
                for called in instruction.called:
                    runs[called] = runs.get(called, 0) + times
        return runs

    def _trips(self, instruction: Instruction) -> int:
        """Iterations of a loop: told by the compiler, or what its condition compares with."""
        if instruction.opcode != "while":
            return 1
        if told := _TRIPS.search(instruction.text):
            return int(told[1])
        condition, body = (
            self.computations[instruction.attribute(name).lstrip("%")]
            for name in ("condition", "body")
        )
        constants = map(_constant, self._within(condition))
        return -(-max(filter(None, constants), default=1) // _step(condition, body))

    def _within(self, computation: dict[str, Instruction]) -> Iterator[Instruction]:
        """The instructions of a computation and of those that it calls."""
        for instruction in computation.values():
            yield instruction
            for called in instruction.called:
                yield from self._within(self.computations.get(called, {}))


def _constant(one: Instruction) -> int | None:
    found = re.match(r"\((\d+)\)", one.text) if one.opcode == "constant" else None
    return int(found[1]) if found else None


def _step(condition: dict[str, Instruction], body: dict[str, Instruction]) -> int:
    """What the body of a loop adds to the counter of its condition; 2 where it was unrolled."""
    places = [one.attribute("index") for one in condition.values() if one.attribute("index")]
    root = next(one for one in body.values() if one.is_root)
    if len(places) != 1 or root.opcode != "tuple":
        return 1
    after = body[root.operands[int(places[0])]]
    while after.opcode == "copy":
        after = body[after.operands[0]]
    added = [_constant(body[name]) for name in after.operands if after.opcode == "add"]
    return next(filter(None, added), 1)


def parse(text: str) -> Program:
    """Reads `compiled.as_text()`."""
    computations: dict[str, dict[str, Instruction]] = {}
    entry, here = "", {}
    for line in text.splitlines():
        if header := _HEADER.match(line):
            here = computations[header[1]] = {}
            entry = header[1] if line.startswith("ENTRY") else entry
        elif name := _NAME.match(line):
            here[name[1]] = _instruction(line, name)
    sizes = re.findall(r"\b(?:num_partitions|replica_count)=(\d+)", text.partition("\n")[0])
    return Program(computations, entry, math.prod(map(int, sizes)))


def arrays(text: str) -> Iterator[Array]:
    """The arrays of a shape such as `f32[2,3]{1,0}` or a tuple of them."""
    for dtype, sizes, layout in _LEAF.findall(text):
        space = re.search(r"S\((\d+)\)", layout)
        shape = tuple(int(size) for size in sizes.split(",") if size)
        yield Array(dtype, shape, int(space[1]) if space else 0)


def _instruction(line: str, name: re.Match) -> Instruction:
    rest = line[name.end() :]
    end = _closing(rest, 0) + 1 if rest.startswith("(") else rest.index(" ")
    start = rest.index("(", end)
    operands = rest[start : _closing(rest, start) + 1]
    return Instruction(
        name[1],
        tuple(arrays(rest[:end])),
        rest[end:start].strip(),
        tuple(re.findall(r"%([\w.-]+)", operands)),
        rest[start:],
        line.lstrip().startswith("ROOT "),
    )


def _closing(text: str, start: int) -> int:
    """Where the parenthesis that opens at `start` closes."""
    depth = 0
    for place in range(start, len(text)):
        depth += (text[place] == "(") - (text[place] == ")")
        if depth == 0:
            return place
    return len(text) - 1
