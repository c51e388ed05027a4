"""What a comparison found: tables, and how they are shown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..errors import InputError

if TYPE_CHECKING:
    import os
    from pathlib import Path

    import pandas as pd

    from ..table import Table
    from .demand import Demand

TABLES = ("models", "break_even", "commitments")
BEST, RUNNER_UP, AT_DEMAND = "best", "runner-up", "cheapest at this demand"
ON_CLUSTER, NEAREST = "on the cluster", "nearest"


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparisonReport:
    """Models side by side. Money in its tables is whole micro-dollars; at the edges it is exact Decimal dollars.

    `models` has a row for each way shown: a model on a machine, best first. `break_even` has a row for each pair of
    ways; `commitments` for each purchase option of the machines that are best.
    """

    demand: Demand
    cluster: str  # "" for the whole catalogue
    option: str
    as_of: str
    catalog_digest: str
    version: str
    models: Table
    break_even: Table
    commitments: Table
    notes: tuple[str, ...]

    @property
    def complete(self) -> bool:
        """Whether every model has a way that meets the targets."""
        fine = {r["model"] for r in self.models.records() if r["status"] == "ok"}
        return fine == {r["model"] for r in self.models.records()}

    def to_frame(self, table: str = "models") -> pd.DataFrame:
        """A table as a DataFrame, money as Decimal dollars (None where there is no price).

        Raises:
            InputError: no such table.
        """
        import pandas as pd

        from ..report.cells import columns

        if table not in TABLES:
            raise InputError(f"unknown table {table!r:.60}", where="to_frame", mend=f"use one of {', '.join(TABLES)}")
        made = columns(getattr(self, table))
        return pd.DataFrame({c.name: pd.Series(c.values, dtype=object if c.kind == "money" else None) for c in made})

    def to_json(self) -> str:
        """Everything as JSON, money as decimal strings."""
        from ..report.comparison_json import to_json

        return to_json(self)

    def to_html(self) -> str:
        """One page that works from a file, offline, without scripts."""
        from ..report.comparison_html import page

        return page(self)

    def write(self, folder: str | os.PathLike[str]) -> list[Path]:
        """Write comparison.html, comparison.json and the tables as CSV into a folder.

        Raises:
            InputError: the folder or a file in it cannot be written, or is a link.
        """
        from ..report.comparison_files import write_all

        return write_all(self, folder)

    def _repr_html_(self) -> str:
        """A short view for notebooks."""
        from ..report.comparison_html import fragment

        return fragment(self)
