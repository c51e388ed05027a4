"""What the README shows works as shown."""

from __future__ import annotations

import re
from pathlib import Path

import solver

ROOT = Path(__file__).parents[2]


def blocks(language: str) -> list[str]:
    """Fenced blocks of one language."""
    return re.findall(rf"^```{language}\n(.*?)^```", (ROOT / "README.md").read_text("utf-8"), re.MULTILINE | re.DOTALL)


def test_spec_loads(tmp_path: Path) -> None:
    """The spec makes a problem with candidates."""
    (spec,) = blocks("yaml")
    file = tmp_path / "fleet.yaml"
    file.write_text(spec, encoding="utf-8")
    assert len(solver.load(file).candidates.workload)
