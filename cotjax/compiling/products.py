"""FLOPs of matrix products: of a traced step, and of a compiled program on each device."""

import math
import re
from collections import Counter
from typing import Any

from cotjax.compiling.hlo import Array, Instruction, Program

# Shapes of both sides, and what `dot_general` calls its dimension numbers: the contracted axes of
# each side, then the batch axes of each.
Product = tuple[tuple[int, ...], tuple[int, ...], tuple]


def traced_flops(jaxpr: Any) -> int:
    """FLOPs of all products of a jaxpr: all iterations of scans, recomputation too."""
    return sum(times * flops(product) for product, times in traced_products(jaxpr).items())


def flops(product: Product) -> int:
    """Two for each multiply-add."""
    left, right, ((_, contracted), (_, batch)) = product
    free = [size for axis, size in enumerate(right) if axis not in (*contracted, *batch)]
    return 2 * math.prod(left) * math.prod(free)


def traced_products(jaxpr: Any) -> Counter[Product]:
    """How often a jaxpr has each product: all iterations of scans, recomputation too."""
    found: Counter[Product] = Counter()
    for equation in jaxpr.eqns:
        if equation.primitive.name == "dot_general":
            left, right = (side.aval.shape for side in equation.invars)
            found[left, right, equation.params["dimension_numbers"]] += 1
        times = _times(equation)
        for inner in _inner(equation):
            for product, count in traced_products(inner).items():
                found[product] += times * count
    return found


def _times(equation: Any) -> int:
    """How often all devices together run what an equation holds."""
    parameters = equation.params
    if equation.primitive.name == "pallas_call":
        return math.prod(parameters["grid_mapping"].grid)
    if equation.primitive.name == "shard_map":
        (axes,) = (value for name, value in parameters.items() if name.endswith("manual_axes"))
        return math.prod(parameters["mesh"].shape[axis] for axis in axes)
    if equation.primitive.name == "while":
        return _limit(parameters["cond_jaxpr"].jaxpr)
    return parameters["length"] if equation.primitive.name == "scan" else 1


def _limit(condition: Any) -> int:
    """Iterations of a loop at most: what its condition compares the counter with."""
    compared = [one for one in condition.eqns if one.primitive.name == "lt"]
    literals = [getattr(side, "val", 1) for one in compared for side in one.invars]
    return max(map(int, literals), default=1)


def _inner(equation: Any) -> list[Any]:
    """The jaxprs that an equation runs."""
    values = [
        one
        for value in equation.params.values()
        for one in (value if isinstance(value, tuple | list) else (value,))
    ]
    jaxprs = [getattr(value, "jaxpr", value) for value in values]
    return [jaxpr for jaxpr in jaxprs if hasattr(jaxpr, "eqns")]


def compiled_flops(program: Program) -> int:
    """FLOPs of all products that one device computes, all iterations of loops counted."""
    runs = program.runs()
    return sum(
        runs[name] * _flops(instruction, instructions)
        for name, instructions in program.computations.items()
        for instruction in instructions.values()
    )


def _flops(instruction: Instruction, instructions: dict[str, Instruction]) -> int:
    if instruction.opcode == "convolution":
        return _convolution_flops(instruction, instructions)
    is_gemm = instruction.opcode == "custom-call" and "__cublas$" in instruction.text
    if instruction.opcode != "dot" and not is_gemm:
        return 0
    if is_gemm:
        axes = re.search(r'"lhs_contracting_dimensions":\[([^\]]*)\]', instruction.text)[1]
    else:
        axes = instruction.attribute("lhs_contracting_dims") or ""
    left = _operand(instruction, instructions, 0)
    contracted = math.prod(left.shape[int(axis)] for axis in re.findall(r"\d+", axes))
    return 2 * math.prod(instruction.outputs[0].shape) * contracted


def _operand(instruction: Instruction, instructions: dict[str, Instruction], at: int) -> Array:
    return instructions[instruction.operands[at]].outputs[0]


def _convolution_flops(instruction: Instruction, instructions: dict[str, Instruction]) -> int:
    """What a TPU makes of a product: batch axes may have become windows, mostly of padding."""
    left, right, out = re.split("_|->", instruction.attribute("dim_labels"))
    image, kernel = (_operand(instruction, instructions, at).shape for at in (0, 1))
    result = instruction.outputs[0].shape
    window = _window(instruction)
    spatial = [label for label in out if label.isdigit()]
    pairs = [
        _pairs(
            image[left.index(label)], result[out.index(label)], kernel[right.index(label)], *sizes
        )
        for label, sizes in zip(sorted(spatial), window, strict=True)
    ]
    outputs = result[out.index("b")] * result[out.index("f")]
    return 2 * outputs * kernel[right.index("i")] * math.prod(pairs)


def _window(instruction: Instruction) -> list[tuple[int, int, int, int]]:
    """Stride, padding before, dilation of the image and of the kernel, by spatial axis."""
    text = instruction.attribute("window") or ""
    given = dict(item.split("=") for item in text.split())
    count = len(given.get("size", "").split("x")) if "size" in given else 0

    def values(name: str, default: int) -> list[int]:
        if name not in given:
            return [default] * count
        return [int(one.split("_")[0]) for one in given[name].split("x")]

    names = (("stride", 1), ("pad", 0), ("lhs_dilate", 1), ("rhs_dilate", 1))
    return list(zip(*(values(*name) for name in names), strict=True))


def _pairs(
    image: int, result: int, kernel: int, stride: int, pad: int, dilation: int, spread: int
) -> int:
    """How many pairs of an output and a kernel position meet a value of the image."""
    places = (
        position * stride + offset * spread - pad
        for position in range(result)
        for offset in range(kernel)
    )
    reach = (image - 1) * dilation
    return sum(0 <= place <= reach and place % dilation == 0 for place in places)
