"""Where one way of serving overtakes another: by demand, and by the hours a commitment is used."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from ..money import round_half_even
from ..table import Table
from .choose import OK, Choice, ranked
from .costs import break_even, commitment_hours
from .demand import Demand
from .machines import HOURS_PER_MONTH

if TYPE_CHECKING:
    from costdata import Catalog


def break_evens(ways: Sequence[tuple[str, Choice]], demand: Demand) -> Table:
    """Ways of one model among each other, and the best of each model; the one that begins cheaper is first."""
    good = [(role, c) for role, c in ways if c.status == OK]
    pairs = [(a, b) for (_, a), (_, b) in combinations(good, 2) if a.label == b.label]
    first: dict[str, Choice] = {}
    for _, c in good:
        first.setdefault(c.label, c)
    pairs += list(combinations(first.values(), 2))
    rows = [_pair(a, b, demand) for a, b in pairs]
    names = (
        *("between", "small", "small_model", "large", "large_model"),
        *("micro_usd_per_month_small", "micro_usd_per_month_large", "micro_usd_per_1k_requests_small"),
        *("micro_usd_per_1k_requests_large", "cheaper_from_requests_per_hour", "never_dearer_from_requests_per_hour"),
        *("cheaper_at_demand", "verdict"),
    )
    return Table.from_records(names, [[row[name] for name in names] for row in rows])


def _pair(a: Choice, b: Choice, demand: Demand) -> dict[str, Any]:
    small, large = sorted((a, b), key=lambda c: (c.scheme.micro_usd_per_month, c.scheme.marginal))
    cheap, dear = small.scheme, large.scheme
    found = break_even(cheap, dear)
    names = [_way(c, with_model=a.label != b.label) for c in (small, large)]
    costs = cheap.cost(demand.requests_per_hour), dear.cost(demand.requests_per_hour)
    return {
        "between": "nodes" if a.label == b.label else "models",
        "small": names[0],
        "small_model": small.label,
        "large": names[1],
        "large_model": large.label,
        "micro_usd_per_month_small": cheap.micro_usd_per_month,
        "micro_usd_per_month_large": dear.micro_usd_per_month,
        "micro_usd_per_1k_requests_small": round_half_even(1000 * cheap.marginal / HOURS_PER_MONTH),
        "micro_usd_per_1k_requests_large": round_half_even(1000 * dear.marginal / HOURS_PER_MONTH),
        "cheaper_from_requests_per_hour": np.nan if found.first is None else float(found.first),
        "never_dearer_from_requests_per_hour": np.nan if found.for_good is None else float(found.for_good),
        "cheaper_at_demand": names[costs[1] < costs[0]] if costs[0] != costs[1] else "equal",
        "verdict": _verdict(names, found.first, found.for_good),
    }


def _verdict(names: Sequence[str], first: int | None, for_good: int | None) -> str:
    if first is None or for_good is None:
        return f"{names[0]} costs less a request as well: {names[1]} does not overtake it"
    back = f", and never more from {for_good:,} on" if for_good > first else ""
    return f"{names[1]} costs less from {first:,} requests an hour{back}"


def _way(c: Choice, *, with_model: bool) -> str:
    node = f"{c.nodes} × {c.machine.node.name}" if c.nodes > 1 else c.machine.node.name
    where = f"{c.machine.node.provider} {node}".strip()
    return f"{c.label} on {where}" if with_model else f"{where} ({c.precision.name})"


def commitments(every: Mapping[str, Sequence[Choice]], catalog: Catalog) -> Table:
    """Of each model and term the commitment that costs least a request, and the hours from which it is worth it."""
    names = (
        *("model", "provider", "node", "region", "option", "micro_usd_per_hour_on_demand", "micro_usd_per_month"),
        *("micro_usd_per_1k_requests", "hours_per_month", "hours_per_month_against_best", "worth_it"),
    )
    offers = _commitment_offers(catalog)
    rows = []
    for label, found in every.items():
        good = [c for c in ranked(found) if c.status == OK]
        least: dict[str, list[Any]] = {}
        for c in good:
            for offer in offers.get((c.machine.node.provider, c.machine.node.name), ()):
                row = _committed(c, good[0], offer)
                least[offer.option] = min(least.get(offer.option, row), row, key=lambda r: (r[6], r[1:3]))
        rows += [[label, *row] for row in sorted(least.values(), key=lambda r: r[6])]
    return Table.from_records(names, rows)


@dataclass(frozen=True, slots=True)
class _Offer:
    """A commitment on a node beside its price on demand, micro-dollars."""

    region: str
    option: str
    on_demand_per_hour: int
    per_hour: int
    upfront: int
    months: int


def _commitment_offers(catalog: Catalog) -> dict[tuple[str, str], list[_Offer]]:
    """Of each node, the commitments of regions where it is on sale on demand too."""
    o = catalog.offers
    keys = list(zip(o.provider.tolist(), o.node.tolist(), o.region.tolist(), strict=True))
    hourly = {keys[i]: int(o.micro_usd_per_hour[i]) for i in np.flatnonzero(o.option == "on_demand").tolist()}
    made: dict[tuple[str, str], list[_Offer]] = {}
    for i in np.flatnonzero(o.kind == "commitment").tolist():
        provider, node, region = keys[i]
        if hourly.get(keys[i]):
            terms = int(o.micro_usd_per_hour[i]), int(o.upfront_micro_usd[i]), int(o.term_months[i])
            made.setdefault((provider, node), []).append(_Offer(region, str(o.option[i]), hourly[keys[i]], *terms))
    return made


def _committed(c: Choice, best: Choice, offer: _Offer) -> list[Any]:
    """A row, less its model: dollars a request when used all month, and hours against on demand here and at best."""
    hours = commitment_hours(offer.on_demand_per_hour, offer.per_hour, offer.upfront, offer.months)
    month = round_half_even(hours * offer.on_demand_per_hour)
    request = Fraction(month * c.nodes, c.requests_per_hour * HOURS_PER_MONTH)
    against = request * HOURS_PER_MONTH / best.micro_usd_per_request if best.micro_usd_per_request else Fraction(0)
    prices = [offer.on_demand_per_hour, month, round_half_even(1000 * request)]
    where = [c.machine.node.provider, c.machine.node.name, offer.region, offer.option]
    return [*where, *prices, float(hours), float(against), bool(against < HOURS_PER_MONTH)]
