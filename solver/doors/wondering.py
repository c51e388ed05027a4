"""The command that plans anew with a changed spec."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from . import guard, screen
from .differing import show
from .planning import Search, exit_code, read_plan


def whatif(path: Path, changes: list[str], out: Path | None, search: Search, *, as_json: bool, limit: int) -> int:
    """Plan anew, write the new plan, and print the account of the change.

    Returns:
        As of `plan`: 0, or 3 or 4 when what is set leaves no plan.
    """
    from ..whatif import read_changes, what_if

    wanted, old = read_changes(changes), read_plan(path)
    with screen.progress() as follow:
        found = what_if(
            old, wanted, time_limit_s=search.time_limit_s, gap=search.gap, seed=search.seed,
            deterministic=search.deterministic, progress=follow, memory_limit_gib=search.memory_limit_gib,
        )  # fmt: skip
    if out is not None:
        from ..report import write_all

        paths = write_all(found.problem, found.plan, out)
        sys.stderr.write(f"wrote {len(paths)} files to {guard.plain(str(out))}\n")
    known = old.provenance.warnings
    for note in (*found.notes, *(w for w in found.plan.provenance.warnings if w not in known)):
        sys.stderr.write(f"note: {guard.plain(note)}\n")
    if as_json:
        from ..diff.shown import to_json
        from ..report.json import to_json as plan_json

        text = plan_json(found.plan) if found.difference is None else to_json(found.difference)
        sys.stdout.write(text)
    elif found.difference is None:
        from ..report.terminal import show as show_plan

        show_plan(found.plan, screen.console())
    else:
        said = ", ".join(f"{name} = {json.dumps(value, default=str)}" for name, value in wanted.items())
        screen.console().print(guard.plain(said), markup=False)
        show(found.difference, limit)
    return exit_code(found.plan)
