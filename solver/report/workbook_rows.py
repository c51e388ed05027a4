"""What a plan's bill is made of: quantities by month and what one of each costs, recomputed from plan and problem.

An entry is a row of inputs; an amount is what is rounded once a month, of one entry or of several together, just as the
bill rounds it. What the bill has beyond that (a rule of one's own) becomes entries "as billed", so that the sums meet.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ..problem import COMMITMENT, ON_DEMAND

if TYPE_CHECKING:
    from ..plan import Plan
    from ..problem import Accounting, Problem

Array = np.ndarray[Any, np.dtype[Any]]
Key = tuple[str, str, str, str, str, str]  # kind, provider, region, node, option, workload ("" for all of them)
Part = Literal["used", "hourly", "upfront"]
MICRO = 10**6
PICO = 10**12
GRAMS_IN_KG = 1000
POOLED = ("compute", "upfront")  # kinds of which the workbook shows pools, not workloads
AS_BILLED = "as billed"
PLACED = ("kind", "provider", "region", "node", "option")
INT64 = 2**63


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One row of inputs. Dollars as exact fractions; P months."""

    key: Key
    unit: str
    usd_per_unit: Fraction
    quantity: tuple[Fraction | int, ...]  # P; of a commitment, hours in which one node is paid
    workload: str = ""  # whose it is, "" for all of the pool
    nodes: int = 0  # of a commitment
    upfront_usd: Fraction = field(default_factory=Fraction)  # a node
    term_hours: int = 0
    starts: str = ""
    owned: bool = False  # bought before the plan: its upfront payment is no cash of it
    on_demand_usd: Fraction | None = None  # an hour, None where the pool is not offered on demand

    @property
    def lasting(self) -> bool:
        """Whether it is a commitment."""
        return self.nodes > 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Amount:
    """What is rounded once a month: entries `first` to `last`, added up before."""

    key: Key
    part: Part
    first: int
    last: int

    def micro_usd(self, entries: list[Entry], accounting: Accounting) -> list[int]:
        """Whole micro-dollars of each month, ties to even."""
        months = range(len(entries[self.first].quantity))
        mine = entries[self.first : self.last + 1]
        return [round(sum((self._exact(e, p, accounting) for e in mine), Fraction(0)) * MICRO) for p in months]

    def _exact(self, entry: Entry, month: int, accounting: Accounting) -> Fraction:
        quantity = Fraction(entry.quantity[month])
        if self.part == "used":
            return quantity * entry.usd_per_unit
        if self.part == "hourly":
            return entry.nodes * quantity * entry.usd_per_unit
        once = entry.nodes * entry.upfront_usd
        if accounting == "amortised":
            return once * quantity / max(1, entry.term_hours)
        first = quantity > 0 and not any(entry.quantity[:month])
        return once if first and not entry.owned else Fraction(0)


@dataclass(frozen=True, slots=True)
class Derived:
    """What a plan's bill is made of."""

    entries: list[Entry]
    amounts: list[Amount]  # in the order of their keys; in the plan's accounting they make its bill
    billed: dict[Key, list[int]]  # the bill itself, micro-dollars in each month [P]


def derive(problem: Problem, plan: Plan) -> Derived:
    """Entries and amounts of a plan, and its bill."""
    entries = [*_commitments(problem, plan), *_on_demand(problem, plan), *_spot(problem, plan)]
    entries += [*_transfer(problem, plan), *_carbon(problem, plan), *_unserved(problem, plan)]
    amounts = list(_amounts(entries))
    bill = billed(plan)
    for key, months in sorted(_missing(plan, bill, entries, amounts).items()):
        rest = tuple(Fraction(micro, MICRO) for micro in months)
        amounts.append(Amount(key=key, part="used", first=len(entries), last=len(entries)))
        entries.append(Entry(key=key, unit=AS_BILLED, usd_per_unit=Fraction(1), quantity=rest, workload=key[-1]))
    return Derived(entries, sorted(amounts, key=lambda a: (a.key, a.first)), bill)


def billed(plan: Plan) -> dict[Key, list[int]]:
    """The plan's bill in micro-dollars by key and month [P]."""
    made: dict[Key, list[int]] = {}
    month = {period: k for k, period in enumerate(plan.periods)}
    for line in plan.cost_lines.records() if len(plan.cost_lines) else ():
        kind, provider, region, node, option = (str(line[k]) for k in PLACED)
        key: Key = (kind, provider, region, node, option, "" if kind in POOLED else str(line["workload"]))
        months = made.setdefault(key, [0] * len(plan.periods))
        months[month[line["period"]]] += int(line["micro_usd"])
    return made


def _amounts(entries: list[Entry]) -> Iterator[Amount]:
    """Entries next to one another with one key and no term are rounded together, commitments each by itself."""
    first = 0
    for k, entry in enumerate(entries):
        if entry.lasting:
            yield Amount(key=entry.key, part="hourly", first=k, last=k)
            if entry.upfront_usd:
                yield Amount(key=("upfront", *entry.key[1:]), part="upfront", first=k, last=k)
            continue
        follows = k > 0 and not entries[k - 1].lasting and entries[k - 1].key == entry.key and _together(entry)
        first = first if follows else k
        goes_on = k + 1 < len(entries) and not entries[k + 1].lasting and entries[k + 1].key == entry.key
        if not (goes_on and _together(entry)):
            yield Amount(key=entry.key, part="used", first=first, last=k)


def _together(entry: Entry) -> bool:
    return entry.key[0] not in POOLED


def _missing(
    plan: Plan, bill: dict[Key, list[int]], entries: list[Entry], amounts: list[Amount]
) -> dict[Key, list[int]]:
    """What the bill has more or less than the amounts, in micro-dollars by key and month."""
    left = dict(bill)
    for amount in amounts:
        months = left.setdefault(amount.key, [0] * len(plan.periods))
        made = amount.micro_usd(entries, "cash" if plan.accounting == "cash" else "amortised")
        left[amount.key] = [a - b for a, b in zip(months, made, strict=True)]
    return {key: months for key, months in left.items() if any(months)}


def _commitments(problem: Problem, plan: Plan) -> Iterator[Entry]:
    o = problem.offers
    on_demand = {int(o.pool[f]): int(o.micro_usd_per_hour[f]) for f in np.flatnonzero(o.kind == ON_DEMAND)[::-1]}
    for row in plan.purchases.records() if len(plan.purchases) else ():
        offer = int(row["offer"])
        if o.kind[offer] == COMMITMENT:
            beside = on_demand.get(int(o.pool[offer]))
            yield Entry(
                key=_compute(row),
                unit="hours a node",
                usd_per_unit=Fraction(int(o.micro_usd_per_hour[offer]), MICRO),
                quantity=tuple(o.paid_hours[offer].tolist()),
                nodes=int(row["nodes"]),
                upfront_usd=Fraction(int(o.upfront_micro_usd[offer]), MICRO),
                term_hours=int(o.term_hours[offer]),
                starts=str(row["starts"]),
                owned=bool(o.owned_nodes[offer]),
                on_demand_usd=None if beside is None else Fraction(beside, MICRO),
            )


def _on_demand(problem: Problem, plan: Plan) -> Iterator[Entry]:
    o, nodes, rows = problem.offers, dict[int, Array](), dict[int, Any]()
    for row in plan.purchases.records() if len(plan.purchases) else ():
        offer = int(row["offer"])
        if o.kind[offer] == ON_DEMAND:
            rows[offer] = row
            _add(nodes, offer, problem, int(row["block"]), int(row["nodes"]))
    for offer, bought in sorted(nodes.items()):
        yield _node_hours(problem, rows[offer], "", int(o.micro_usd_per_hour[offer]), bought)


def _spot(problem: Problem, plan: Plan) -> Iterator[Entry]:
    """By workload, as the bill rounds it."""
    bought = {}
    for row in plan.purchases.records() if len(plan.purchases) else ():
        if row["kind"] == "spot":
            bought[row["provider"], row["region"], row["node"]] = row
    nodes: dict[tuple[tuple[str, str, str], str], Array] = {}
    for row in plan.placements.records() if len(plan.placements) else ():
        place = row["provider"], row["region"], row["node"]
        if row["market"] == "spot" and place in bought:
            _add(nodes, (place, row["workload"]), problem, int(row["block"]), int(row["nodes"]))
    for (place, workload), ran in sorted(nodes.items()):
        price = int(problem.offers.micro_usd_per_hour[int(bought[place]["offer"])])
        yield _node_hours(problem, bought[place], workload, price, ran)


def _transfer(problem: Problem, plan: Plan) -> Iterator[Entry]:
    c, moved = problem.candidates, dict[tuple[str, int, int], Array]()
    for row in plan.served.records() if len(plan.served) else ():
        pool = int(c.pool[int(row["candidate"])])
        pico = int(problem.sources.transfer_pico_usd_per_unit[int(row["source"]), problem.pool_site[pool]])
        if pico:
            _add(moved, (str(row["workload"]), pool, pico), problem, int(row["block"]), int(row["units_per_hour"]))
    for (workload, pool, pico), units in sorted(moved.items()):
        unit = str(problem.workloads.unit[problem.workloads.name.tolist().index(workload)])
        key: Key = ("transfer", *_place(problem, pool), "", workload)
        quantity = _expected(problem, units)
        yield Entry(key=key, unit=unit, usd_per_unit=Fraction(pico, PICO), quantity=quantity, workload=workload)


def _carbon(problem: Problem, plan: Plan) -> Iterator[Entry]:
    price, ran = problem.limits.carbon_micro_usd_per_kg, dict[tuple[str, int, float], Array]()
    for row in plan.placements.records() if price and len(plan.placements) else ():
        pool = int(problem.candidates.pool[int(row["candidate"])])
        hours, block = problem.grid[problem.pool_site[pool]], int(row["block"])
        grid = float(hours[block if len(hours) > 1 else 0])
        _add(ran, (str(row["workload"]), pool, grid), problem, block, int(row["nodes"]))
    for (workload, pool, grid), nodes in sorted(ran.items()):
        watts = int(problem.shapes.power_w[problem.pool_shape[pool]])
        grams = Fraction(watts, 1000) * Fraction(grid)
        kg = tuple(hours * grams / GRAMS_IN_KG for hours in _expected(problem, nodes))
        key: Key = ("carbon", *_place(problem, pool), "", workload)
        yield Entry(key=key, unit="kg CO2e", usd_per_unit=Fraction(price, MICRO), quantity=kg, workload=workload)


def _unserved(problem: Problem, plan: Plan) -> Iterator[Entry]:
    """Units left of flows in their months, of jobs in the last month of their window."""
    s, blocks, work = problem.sources, problem.blocks, problem.workloads
    left: dict[int, list[Fraction]] = {}
    for row in plan.unserved.records() if len(plan.unserved) else ():
        source, block, units = int(row["source"]), int(row["block"]), int(row["units"])
        months = left.setdefault(int(s.workload[source]), [Fraction(0)] * len(blocks.periods))
        if block >= 0:
            weight = blocks.probability[int(blocks.scenario[block])]
            months[:] = [m + weight * units * int(h) for m, h in zip(months, blocks.hours[block], strict=True)]
        else:
            inside = np.flatnonzero(blocks.hours[s.window[source]].sum(axis=0))
            months[int(inside[-1]) if len(inside) else -1] += blocks.probability[int(row["scenario"])] * units
    for w, months in sorted(left.items()):
        price = Fraction(int(work.unserved_micro_usd_per_unit[w]), MICRO)
        key: Key = ("unserved", "", "", "", "", str(work.name[w]))
        unit, whose = str(work.unit[w]), key[-1]
        yield Entry(key=key, unit=unit, usd_per_unit=price, quantity=tuple(months), workload=whose)


def _node_hours(problem: Problem, row: dict[str, Any], workload: str, price: int, nodes: Array) -> Entry:
    """Expected node-hours of each month."""
    return Entry(
        key=_compute(row),
        workload=workload,
        unit="node-hours",
        usd_per_unit=Fraction(price, MICRO),
        quantity=_expected(problem, nodes),
    )


def _compute(row: dict[str, Any]) -> Key:
    return ("compute", str(row["provider"]), str(row["region"]), str(row["node"]), str(row["option"]), "")


def _place(problem: Problem, pool: int) -> tuple[str, str, str]:
    provider, region, node = str(problem.pool_names[pool]).split("/", 2)
    return provider, region, node


def _add(sums: dict[Any, Array], key: Any, problem: Problem, block: int, amount: int) -> None:
    """Add an amount an hour in a block."""
    if key not in sums:
        sums[key] = np.zeros(problem.blocks.count, dtype=object)
    sums[key][block] += amount


def _expected(problem: Problem, per_hour: Array) -> tuple[Fraction, ...]:
    """Expected amount in each month of a whole amount an hour in each block [B] -> [P]."""
    blocks = problem.blocks
    made = [Fraction(0)] * len(blocks.periods)
    for s, probability in enumerate(blocks.probability):
        mine = (blocks.scenario == s) & (per_hour != 0)
        if mine.any():
            most = max(map(abs, per_hour[mine].tolist())) * int(blocks.hours[mine].sum())
            kind = np.int64 if most < INT64 else object
            months = per_hour[mine].astype(kind) @ blocks.hours[mine].astype(kind)
            made = [m + probability * int(x) for m, x in zip(made, months, strict=True)]
    return tuple(made)
