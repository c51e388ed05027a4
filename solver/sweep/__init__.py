"""Many specs of one kind: every combination of values of its fields planned once, whatever ends the run in between.

    report = run_sweep("sweep.yaml", "out")
    report.to_frame()

The pieces: `document` (the file), `fields` (paths into a spec), `keys` (what a result belongs to), `store` and `lock`,
`worker` (one scenario), `engines` (where workers are), `run` (all of them), `result` (the table).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .result import SweepReport, read_sweep
    from .run import run_sweep

__all__ = ["SweepReport", "read_sweep", "run_sweep"]


def __getattr__(name: str) -> Any:
    """Import a public name on first use."""
    from importlib import import_module

    homes = {"run_sweep": "run", "read_sweep": "result", "SweepReport": "result"}
    if name not in homes:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{homes[name]}", __name__), name)
