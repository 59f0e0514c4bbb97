"""Tables of what was compiled."""

from rich.table import Table

from cotjax.compiling.hardware import GIB, Topology
from cotjax.compiling.measured import Measured


def one_table(measured: Measured, topology: Topology) -> Table:
    """All figures of one step, a line each."""
    planned = measured.planned
    table = Table("a step", "", title=f"{topology.name}, mesh {_mesh(measured)}", min_width=60)
    shape = f"{planned.rows} rows of {planned.encoder} and {planned.decoder} tokens"
    table.add_row("batch", f"{planned.replies} replies in {shape}")
    table.add_row("fits", _fits(measured))
    if measured.memory:
        for name in ("arguments", "temporaries", "outputs", "code", "total"):
            table.add_row(f"{name}, a device", f"{getattr(measured.memory, name) / GIB:,.2f} GiB")
    if counts := measured.counts:
        table.add_row("model FLOPs", f"{counts.model:.3e}")
        table.add_row("products as traced", f"{counts.traced / counts.model:.3f} x model FLOPs")
        compiled = counts.compiled * topology.size / counts.model
        table.add_row("products as compiled", f"{compiled:.3f} x model FLOPs")
        table.add_row("memory traffic, a device", f"{counts.memory / GIB:,.2f} GiB")
        for kind, sent in sorted(counts.collectives.items()):
            table.add_row(f"{kind}, sent by a device", f"{sent / GIB:,.3f} GiB")
    if measured.roofline:
        for resource, seconds in measured.roofline.seconds.items():
            binds = " (binds)" if resource == measured.roofline.binds else ""
            table.add_row(f"{resource}, at least", f"{1e3 * seconds:,.2f} ms{binds}")
        table.add_row("MFU at most", f"{measured.roofline.ceiling:.1%}")
    table.add_row("compiled in", f"{measured.seconds:.0f} s")
    return table


def sweep_table(best_first: list[Measured], topology: Topology) -> Table:
    """A line for each step that was tried."""
    columns = ("mesh", "replies", "remat", "fits", "GiB a device", "binds", "MFU at most")
    table = Table(*columns, title=topology.name)
    for one in best_first:
        table.add_row(*sweep_row(one))
    return table


def sweep_row(one: Measured) -> tuple[str, ...]:
    """The cells of one line of the sweep."""
    return (
        _mesh(one),
        str(one.planned.replies),
        one.planned.model.remat,
        _fits(one),
        f"{one.memory.total / GIB:.2f}" if one.memory else "",
        one.roofline.binds if one.roofline else "",
        f"{one.roofline.ceiling:.1%}" if one.roofline else "",
    )


def _mesh(measured: Measured) -> str:
    shape = measured.planned.mesh.shape
    return " ".join(f"{axis}={size}" for axis, size in shape.items() if size > 1) or "one device"


def _fits(measured: Measured) -> str:
    said = {True: "yes", False: "no", None: "memory of the device is not known"}[measured.fits]
    return f"{said}: {measured.too_large}" if measured.too_large else said
