"""The command that compares models."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from . import guard, screen


def compare(models: list[str], cluster: Path | None, out: Path | None, *, as_json: bool, **asked: Any) -> int:
    """Compare, write and print; files are written before anything is printed.

    Returns:
        0; or 4 when a model has no machine that serves it as asked, which the output explains.
    """
    from ..compare import compare_models

    report = compare_models(models, cluster, **asked)
    if out is not None:
        paths = report.write(out)
        sys.stderr.write(f"wrote {len(paths)} files to {guard.plain(str(out))}\n")
    if as_json:
        sys.stdout.write(report.to_json())
    else:
        from ..report.comparison_terminal import show

        show(report, screen.console())
    return 0 if report.complete else guard.INFEASIBLE
