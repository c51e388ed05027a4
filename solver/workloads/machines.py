"""Machines and precisions that nobody spelled out: the usual make of a node, and how a model is stored by default."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import InputError
from ..perf.constants import precision as precision_of
from ..perf.constants import stored_as

if TYPE_CHECKING:
    from costdata import Accelerator, Node

    from ..perf.architectures import Architecture
    from ..perf.constants import Precision

USUAL_GBIT_PER_S = 400.0  # of an accelerator's network


def usual_node(kind: Accelerator, count: int) -> Node:
    """A node of so many accelerators, joined by their own links, 400 Gbit/s each to other nodes."""
    from costdata import Node

    return Node(
        provider="",
        name=f"{count} × {kind.name}",
        accelerator=kind.name,
        accelerators=count,
        vcpus=0,
        ram_gib=0.0,
        nic_gbit_per_s=USUAL_GBIT_PER_S * count,
        scaleup_gb_per_s=kind.scaleup_gb_per_s,
        scaleup_domain=count,
        power_w=0,
        source="usual make",
    )


def runs(p: Precision, kind: Accelerator) -> bool:
    """Whether an accelerator can: FP8 needs FP8 units; FP4 needs FP4 or FP8 units; int4 and BF16 run anywhere."""
    eight, four = kind.fp8_tflop_per_s > 0, kind.fp4_tflop_per_s > 0
    return kind.bf16_tflop_per_s > 0 and {"fp8": eight, "fp4": eight or four}.get(p.compute, True)


def precisions(
    a: Architecture, kind: Accelerator, wanted: str | None = None, *, narrower: bool = False
) -> list[Precision]:
    """How a model may be stored on an accelerator.

    Args:
        a: the model.
        kind: what it runs on.
        wanted: the one to use; None is as published, or BF16 where that cannot run.
        narrower: FP8 as well, where BF16 was published.

    Raises:
        InputError: unknown, or the accelerator cannot run it.
    """
    native = precision_of(stored_as(a, wanted or a.native_precision))
    if wanted and not runs(native, kind):
        raise InputError(
            f"{kind.name} has no {native.compute.upper()} units", where="precision", mend="use bf16 or int4"
        )
    found = [native if runs(native, kind) else precision_of("bf16")]
    if not runs(found[0], kind):
        raise InputError(f"{kind.name} has no units for BF16", where="accelerator", mend="use a later one")
    narrow = precision_of("fp8")
    return [*found, narrow] if narrower and found[0].name == "bf16" and runs(narrow, kind) else found
