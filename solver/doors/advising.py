"""The command that advises on one model and one machine."""

from __future__ import annotations

import sys
from typing import Any


def advise(model: str, *, as_json: bool, **asked: Any) -> None:
    """Print the advice; a target out of reach is an error that names the resource in the way."""
    from ..advise import advise as of
    from ..report import advice as report

    found = of(model, **asked)
    sys.stdout.write(report.to_json(found) if as_json else report.to_text(found))
