"""A notebook, run as people run it: as cells in a kernel of its own, and what each cell shows."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[2] / "notebooks"
MOST_S = 120  # of a cell: the machine may be busy


@dataclass(frozen=True, slots=True)
class Played:
    """A notebook that was run to its end."""

    cells: list[Any]
    facts: dict[str, Any]  # by name

    def shown(self, source: str) -> str:
        """All that the cell with this source (a part of it, in one cell only) printed and showed, as text."""
        (cell,) = [c for c in self.cells if c.cell_type == "code" and source in c.source]
        return "".join(o.get("text", "") or o.get("data", {}).get("text/plain", "") for o in cell.outputs)


def play(name: str, facts: dict[str, str]) -> Played:
    """Run a notebook, and evaluate expressions (by name) of JSON values in its kernel after its last cell.

    Raises:
        nbclient.exceptions.CellExecutionError: a cell failed.
    """
    import jupytext
    from nbclient import NotebookClient

    asked = ", ".join(f"{key!r}: {expression}" for key, expression in facts.items())
    source = (FOLDER / f"{name}.py").read_text(encoding="utf-8")
    notebook = jupytext.reads(f"{source}\n# %%\nimport json\nprint(json.dumps({{{asked}}}))\n", fmt="py:percent")
    NotebookClient(notebook, timeout=MOST_S, kernel_name="python3", resources={"metadata": {"path": FOLDER}}).execute()
    *cells, last = notebook.cells
    return Played(cells=cells, facts=json.loads(last.outputs[0].text))
