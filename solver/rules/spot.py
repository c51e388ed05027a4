"""Spot: cheap nodes that may go away; a cap on how much of a workload, of a region and of a zone may rest on them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from ..bill import Line, expected
from ..formulation import matches, usd_per_hour
from ..money import round_half_even
from ..problem import SPOT
from .base import Books, Rule, Violation, block_name

if TYPE_CHECKING:
    from typing import Any

    from ..bill import Decision
    from ..formulation import Formulation
    from ..problem import Problem


KEY = 2**32  # a share row's key is workload × KEY + region + 1, region -1 for all


class Spot(Rule):
    """Each workload w and block b, with capacity = units_per_hour × replicas (spot units derated by interruptions):

    Σ spot capacity             ≤ max_spot_share[w] × Σ capacity
    Σ spot capacity in region r ≤ min(max_spot_share_per_region[w], zones[r] × max_spot_share_per_zone[w]) × Σ capacity
    cost: usd_per_hour of spot × hours[b] × nodes
    (nodes of a region are taken to be spread evenly over its zones)
    """  # noqa: D415

    name = "spot"

    def build(self, f: Formulation) -> None:
        """Shares, and the price of running spot nodes."""
        p = f.problem
        spot = np.flatnonzero(f.of("market") == SPOT)
        price = usd_per_hour(p, SPOT, absent=0.0)[f.of("pool")[spot]] * f.of("nodes_per_replica")[spot]
        f.model.cost(f.replicas[spot], price[:, None] * f.weight)
        shares = self._shares_of(f, spot)
        workload, site = f.of("workload"), p.pool_site[f.of("pool")]
        capacity = f.of("units_per_hour") / f.unit[workload]
        rows = f.model.rows(
            "spot share",
            (len(shares), p.blocks.count),
            upper=0.0,
            keys=np.array([w * KEY + r + 1 for w, r, _ in shares], dtype=np.int64),
            label=lambda at: f"{share_name(p, *shares[at[0]][:2])}, {block_name(p, at[1])}",
        )
        whose, region = (np.array([share[i] for share in shares], dtype=np.int64) for i in (0, 1))
        cap = np.array([float(share) for _, _, share in shares])
        row, every = matches(whose, workload)
        f.model.put(rows[row], f.replicas[every], (-cap[row] * capacity[every])[:, None])
        row, part = matches(whose, workload[spot])
        inside = (region[row] < 0) | (site[spot[part]] == region[row])
        row, part = row[inside], spot[part[inside]]
        f.model.put(rows[row], f.replicas[part], capacity[part, None])

    def _shares_of(self, f: Formulation, spot: Any) -> list[tuple[int, int, Fraction]]:
        """(workload, region or -1 for all, cap) of every cap that can bind."""
        p, made = f.problem, []
        workload, site = f.of("workload")[spot], p.pool_site[f.of("pool")[spot]]
        for w in np.unique(workload).tolist():
            share = min(p.workloads.max_spot_share[w], Fraction(1))
            if share < 1:
                made.append((w, -1, share))
            narrow = min(p.workloads.max_spot_share_per_region[w], p.workloads.max_spot_share_per_zone[w])
            for r in np.unique(site[workload == w]).tolist() if narrow < share else ():
                if region_share(p, w, r) < share:
                    made.append((w, r, region_share(p, w, r)))  # noqa: PERF401
        return made

    def bill(self, problem: Problem, decision: Decision) -> Iterable[Line]:
        """Running spot nodes of each workload at their price."""
        o = problem.offers
        for offer in np.flatnonzero(o.kind == SPOT).tolist():
            pool, price = int(o.pool[offer]), int(o.micro_usd_per_hour[offer])
            if not (problem.candidates.pool[decision.candidates] == pool).any():
                continue
            by_workload = decision.nodes_by_workload(problem, pool, SPOT)
            for w in np.flatnonzero(by_workload.any(axis=1)).tolist():
                for period, amount in enumerate(expected(problem, by_workload[w])):
                    micro = round_half_even(price * amount)
                    yield Line(
                        kind="compute",
                        pool=pool,
                        option=str(o.option[offer]),
                        workload=w,
                        period=period,
                        micro_usd=micro,
                    )

    def violations(self, problem: Problem, books: Books) -> Iterator[Violation]:
        """Shares as fractions of whole units, and purchases equal to running nodes."""
        yield from self._shares(problem, books)
        o, running = problem.offers, books.nodes(problem, SPOT)
        on_sale = {int(o.pool[f]): f for f in np.flatnonzero(o.kind == SPOT).tolist()}
        zero = np.zeros(problem.blocks.count, dtype=object)
        for offer, bought in books.bought.items():
            pool = int(o.pool[offer])
            if o.kind[offer] == SPOT and on_sale[pool] != offer:
                yield self.wrong(str(problem.pool_names[pool]), f"{o.option[offer]} is not the pool's spot market")
            elif o.kind[offer] == SPOT and (bought != running.get(pool, zero)).any():
                yield self.wrong(str(problem.pool_names[pool]), "spot nodes bought are not the spot nodes that run")
        for pool in running:
            if pool not in on_sale:
                yield self.wrong(str(problem.pool_names[pool]), "has no spot market")
            elif on_sale[pool] not in books.bought:
                yield self.wrong(str(problem.pool_names[pool]), "spot nodes run that nobody bought")

    def owed(self, problem: Problem, books: Books) -> Iterator[Line]:
        """Spot nodes that run for a workload, at the price of the pool's market."""
        o = problem.offers
        on_sale = {int(o.pool[f]): f for f in np.flatnonzero(o.kind == SPOT).tolist()}
        for pool, users in books.nodes_by_workload(problem, SPOT).items():
            if pool not in on_sale:
                continue
            option, rate = str(o.option[on_sale[pool]]), int(o.micro_usd_per_hour[on_sale[pool]])
            for w, nodes in users.items():
                for month, hours in enumerate(books.monthly(nodes)):
                    micro = round(rate * hours)
                    yield Line(kind="compute", period=month, micro_usd=micro, workload=w, pool=pool, option=option)

    def _shares(self, problem: Problem, books: Books) -> Iterator[Violation]:
        c, every, spot = problem.candidates, {}, {}  # type: ignore[var-annotated]
        for k, replicas in books.replicas.items():
            w, units = int(c.workload[k]), replicas * int(c.units_per_hour[k])
            every[w] = every.get(w, 0) + units
            if c.market[k] == SPOT:
                site = int(problem.pool_site[c.pool[k]])
                spot.setdefault(w, {}).setdefault(site, 0 * units)
                spot[w][site] = spot[w][site] + units
        for w, places in spot.items():
            work, sites = problem.workloads, problem.sites
            limits = {"": (sum(places.values()), work.max_spot_share[w])}
            for r, units in places.items():
                by_zone = work.max_spot_share_per_zone[w] * max(1, int(sites.zones[r]))
                share = min(by_zone, work.max_spot_share_per_region[w])
                limits[f" in {sites.provider[r]}/{sites.region[r]}"] = units, share
            for place, (units, share) in limits.items():
                for b, (part, whole) in enumerate(zip(units, every[w], strict=True)):
                    if part > share * whole:
                        name = f"{problem.workloads.name[w]}{place}, {block_name(problem, b)}"
                        yield self.wrong(
                            name, f"{part} of {whole} units an hour on spot, at most {float(share):.1%} allowed"
                        )


def region_share(problem: Problem, w: int, site: int) -> Fraction:
    """Largest share of a workload's capacity on spot in a region, from the caps of region and zone."""
    zones = max(1, int(problem.sites.zones[site]))
    return min(problem.workloads.max_spot_share_per_region[w], zones * problem.workloads.max_spot_share_per_zone[w])


def share_name(problem: Problem, w: int, site: int) -> str:
    """A share row's business name."""
    place = f" in {problem.sites.provider[site]}/{problem.sites.region[site]}" if site >= 0 else ""
    return f"{problem.workloads.name[w]}{place}"
