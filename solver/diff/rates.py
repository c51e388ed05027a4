"""What one unit of a cost line costs, recomputed from a plan and its problem: exact, so that no effect is invented."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from ..problem import COMMITMENT
from ..rules.commitment import upfront_by_month

if TYPE_CHECKING:
    from ..plan import Plan
    from ..problem import Problem

Key = tuple[str, ...]
UNITS = {  # of a line's volume, by kind
    "compute": "node-hours", "upfront": "nodes", "transfer": "units", "carbon": "kg CO2e", "unserved": "units",
}  # fmt: skip


class Rates:
    """Micro-dollars of a unit of each line: an average where a line stands for several offers or ways."""

    def __init__(self, problem: Problem, plan: Plan) -> None:
        """Add up what was bought and moved."""
        self._problem = problem
        self._spent: dict[Key, Fraction] = {}
        self._volume: dict[Key, Fraction] = {}
        self._names = [tuple(name.split("/", 2)) for name in problem.pool_names.tolist()]
        blocks = problem.blocks
        weight = [
            [p * int(h) for h in hours] for p, hours in zip(blocks.block_probability(), blocks.hours, strict=True)
        ]
        for row in plan.purchases.records():
            self._bought(row, weight)
        for row in plan.served.records():
            self._moved(row, weight)

    def of(self, line: Key) -> Fraction | None:
        """Of a line (kind, provider, region, node, option, workload, team, month); None where it is not known."""
        kind, *place, option, workload, _, month = line
        if kind == "carbon":
            return Fraction(self._problem.limits.carbon_micro_usd_per_kg) or None
        if kind == "unserved":
            work = self._problem.workloads
            at = work.name.tolist().index(workload)
            return Fraction(int(work.unserved_micro_usd_per_unit[at])) or None
        key = (kind, *place, workload if kind == "transfer" else option, month)
        volume = self._volume.get(key, Fraction(0))
        return (self._spent[key] / volume or None) if volume else None

    def _bought(self, row: dict[str, Any], weight: list[list[Fraction]]) -> None:
        o, offer, nodes = self._problem.offers, int(row["offer"]), int(row["nodes"])
        lasting = o.kind[offer] == COMMITMENT
        hours = [Fraction(int(h)) for h in o.paid_hours[offer]] if lasting else weight[int(row["block"])]
        where = (row["provider"], row["region"], row["node"], row["option"])
        price = int(o.micro_usd_per_hour[offer])
        self._add(("compute", *where), [nodes * h for h in hours], [nodes * h * price for h in hours])
        if lasting:
            once = upfront_by_month(self._problem, np.array([offer]))[0]
            self._add(("upfront", *where), [Fraction(nodes if u else 0) for u in once], [nodes * u for u in once])

    def _moved(self, row: dict[str, Any], weight: list[list[Fraction]]) -> None:
        p, units = self._problem, int(row["units_per_hour"])
        pool = int(p.candidates.pool[int(row["candidate"])])
        pico = int(p.sources.transfer_pico_usd_per_unit[int(row["source"]), p.pool_site[pool]])
        if pico:
            volume = [units * h for h in weight[int(row["block"])]]
            self._add(("transfer", *self._names[pool], row["workload"]), volume, [v * pico / 10**6 for v in volume])

    def _add(self, key: Key, volume: list[Fraction], spent: list[Fraction]) -> None:
        for month, v, s in zip(self._problem.blocks.periods, volume, spent, strict=True):
            if v:
                at = (*key, month)
                self._volume[at] = self._volume.get(at, Fraction(0)) + v
                self._spent[at] = self._spent.get(at, Fraction(0)) + s
