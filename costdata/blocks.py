"""How long capacity blocks may be, and how large: blocks.csv, as the vendor's documentation says it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from . import cells, packaged
from .cells import Column

NAMES = ("provider", "days_from", "days_to", "step_days", "most_nodes", "most_nodes_in_all", "source")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """Lengths in days, from and to, by steps; nodes of one block at most, and of all that are held at once."""

    provider: str
    days_from: int
    days_to: int
    step_days: int
    most_nodes: int
    most_nodes_in_all: int
    source: str

    def fits(self, days: int) -> bool:
        """Whether a block may be so many days long."""
        return self.days_from <= days <= self.days_to and (days - self.days_from) % self.step_days == 0


@cache
def sizes() -> tuple[Sizes, ...]:
    """Every row of blocks.csv."""
    columns = dict.fromkeys(NAMES, Column(cells.whole(1, 10_000)))
    columns |= {
        "provider": Column(cells.choice(packaged.providers())),
        "source": Column(cells.choice(packaged.sources())),
    }
    rows = cells.rows(packaged.FOLDER / "blocks.csv", columns)
    cells.unique(rows, ("provider", "days_from"))
    return tuple(Sizes(**{name: row[name] for name in NAMES}) for row in rows)


def of(provider: str, days: int) -> Sizes | None:
    """What holds for a block of so many days at a provider; None where it sells none so long."""
    return next((s for s in sizes() if s.provider == provider and s.fits(days)), None)
