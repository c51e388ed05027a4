"""The command `autoparallel`: what each command takes; `solver.doors` does what it says."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module

from ..doors.guard import guarded
from .app import app

# each adds its commands, in the order of the help
for part in ("planning", "money", "bills", "spot", "models", "catalog"):
    import_module(f".{part}", __name__)


def main(args: Sequence[str] | None = None) -> None:
    """Run the command line and exit with its code."""
    sys.exit(guarded(lambda: app(args, prog_name="autoparallel", standalone_mode=False)))
