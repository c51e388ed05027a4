"""A catalogue: what can be bought where on a day, and what lies between its regions and the world."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from . import check, network, packaged, places
from .errors import DataError, nearest, shown
from .schema import objects

if TYPE_CHECKING:
    from datetime import date

    import pandas as pd

    from .schema import Accelerator, Array, Node, Offers, OwnedCommitment, Place, Quota, Region, SpendCommitment

Pair = tuple[str, str]
Names = str | Sequence[str] | None
KINDS = ("on_demand", "spot", "commitment", "capacity_block")


@dataclass(frozen=True, kw_only=True, eq=False)
class Catalog:
    """Shapes, regions and offers as of a day, with the user's overrides applied.

    `commitments` are of whole nodes, `spend_commitments` of dollars an hour; no filter takes one of them out. `atlas`
    holds every region, whatever has been filtered since: data and traffic come from anywhere.
    """

    as_of: date
    overrides: str
    warnings: tuple[str, ...]
    accelerators: Mapping[str, Accelerator]
    nodes: Mapping[Pair, Node]
    regions: Mapping[Pair, Region]
    offers: Offers
    quotas: tuple[Quota, ...]
    commitments: tuple[OwnedCommitment, ...]
    spend_commitments: tuple[SpendCommitment, ...]
    atlas: Mapping[Pair, Region]
    carbon: Mapping[Pair, tuple[float, ...]] = field(default_factory=dict)  # g CO2e/kWh of a region by UTC hour, 24

    @cached_property
    def digest(self) -> str:
        """SHA-256 over the content; the order of rows and files does not matter."""
        import hashlib  # slow to import, and not everybody asks

        lines = ["\x1f".join(map(str, row)) for row in zip(*(c.tolist() for c in self._priced()), strict=True)]
        tables = (self.accelerators, self.nodes, self.regions)
        lines += [repr(record) for table in tables for record in table.values()]
        lines += [repr(record) for record in (*self.quotas, *self.commitments, *self.spend_commitments)]
        lines += [f"{place!r} {hours!r}" for place, hours in self.carbon.items()]
        return hashlib.sha256("\x1e".join(sorted(lines)).encode()).hexdigest()

    def _priced(self) -> list[Array]:
        """The columns that say what is offered; the age of a row depends on the day it is read."""
        return [column for name, column in self.offers.columns().items() if name != "age_days"]

    def where(
        self,
        *,
        provider: Names = None,
        region: Names = None,
        node: Names = None,
        accelerator: Names = None,
        option: Names = None,
        kind: Names = None,
        country: Names = None,
        jurisdiction: Names = None,
    ) -> Catalog:
        """Only the offers that match every filter given, and the shapes and regions they need.

        Each filter is a name or several; a region or node may be written with its provider, "aws/us-east-1".
        """
        at = [self.regions[pair] for pair in self._pairs("region")]
        made = [self.nodes[pair] for pair in self._pairs("node")]
        known = packaged.countries()
        kept = self._matching("provider", provider, self.offers.provider, {p for p, _ in self.atlas})
        kept &= self._matching("region", region, self.offers.region, {r for _, r in self.atlas}, set(self.atlas))
        kept &= self._matching("node", node, self.offers.node, {n for _, n in self.nodes}, set(self.nodes))
        kept &= self._matching(
            "accelerator", accelerator, objects(n.accelerator for n in made), {*self.accelerators, ""}
        )
        kept &= self._matching("option", option, self.offers.option, set(packaged.options()))
        kept &= self._matching("kind", kind, self.offers.kind, set(KINDS))
        kept &= self._matching("country", country, objects(r.country for r in at), set(known))
        jurisdictions = {row["jurisdiction"] for row in known.values()}
        kept &= self._matching("jurisdiction", jurisdiction, objects(r.jurisdiction for r in at), jurisdictions)
        return self._only(kept)

    def _pairs(self, column: str) -> list[Pair]:
        return list(zip(self.offers.provider.tolist(), getattr(self.offers, column).tolist(), strict=True))

    def _matching(
        self, what: str, wanted: Names, column: Array, known: set[str], pairs: set[Pair] | None = None
    ) -> Array:
        if wanted is None:
            return np.ones(len(self.offers), dtype=bool)
        kept = np.zeros(len(self.offers), dtype=bool)
        for name in [wanted] if isinstance(wanted, str) else wanted:
            provider, _, rest = name.partition("/")
            if pairs is not None and (provider, rest) in pairs:
                kept |= (self.offers.provider == provider) & (column == rest)
            elif name in known:
                kept |= column == name
            else:
                names = known | {f"{p}/{n}" for p, n in pairs} if pairs is not None and "/" in name else known
                raise DataError(f"unknown {what} {shown(name)}", where=what, mend=nearest(name, names))
        return kept

    def _only(self, kept: Array) -> Catalog:
        offers = self.offers.take(kept)
        held = {(c.provider, c.node) for c in self.commitments}
        homes = {(c.provider, c.region) for c in self.commitments}
        made = {*zip(offers.provider.tolist(), offers.node.tolist(), strict=True), *held}
        at = {*zip(offers.provider.tolist(), offers.region.tolist(), strict=True), *homes}
        return replace(
            self,
            offers=offers,
            nodes={pair: n for pair, n in self.nodes.items() if pair in made},
            regions={pair: r for pair, r in self.regions.items() if pair in at},
        )

    def not_older_than(self, max_age_days: int) -> Catalog:
        """Itself, unless one of its offers was last seen longer ago than that before its day: then an error."""
        check.not_stale(self.offers, max_age_days)
        return self

    def to_frame(self, table: str = "offers") -> pd.DataFrame:
        """A table as a DataFrame: "offers", "nodes", "regions" or "accelerators"."""
        import pandas as pd

        records: dict[str, Mapping[Any, Any]] = {
            "nodes": self.nodes,
            "regions": self.regions,
            "accelerators": self.accelerators,
        }
        if table == "offers":
            return pd.DataFrame(self.offers.columns())
        if table not in records:
            raise DataError(
                f"unknown table {shown(table)}", where="to_frame", mend=nearest(table, ["offers", *records])
            )
        rows: list[Any] = list(records[table].values())
        names = [field.name for field in fields(rows[0])] if rows else []
        return pd.DataFrame([[getattr(row, name) for name in names] for row in rows], columns=names)

    def place(self, name: str) -> Place:
        """A city ("paris", "Paris, FR"), a country ("FR", "France") or a region ("aws/us-east-1")."""
        return places.find(name, self.atlas)

    def round_trip_ms(self, place: str) -> dict[Pair, float]:
        """Milliseconds there and back from a place to each region: measured where it is a region, else by distance."""
        return network.round_trip_ms(self.place(place), self.regions)

    def internet_egress_micro_usd_per_gb(self, place: str) -> dict[Pair, int]:
        """What one GB from each region to clients at a place costs."""
        return network.egress_micro_usd_per_gb(self.place(place), self.regions)

    def dataset_transfer_micro_usd_per_gb(self, source: str) -> dict[Pair, int]:
        """What moving one GB from a region to each region costs; from a place outside the clouds nothing."""
        return network.transfer_micro_usd_per_gb(self.place(source), self.regions, self.atlas)
