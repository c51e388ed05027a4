"""A problem in whole numbers and fractions, read straight from its arrays: the ground that second opinions stand on.

Shares nothing with solver/formulation.py, solver/rules or solver/bill.py. Money is micro-dollars.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from itertools import combinations

import numpy as np

from solver.bill import Decision
from solver.problem import COMMITMENT, ON_DEMAND, SPOT, Problem, Quota

Months = tuple[Fraction, ...]


class Facts:
    """What a problem asks for and what things cost, as Python integers and fractions."""

    def __init__(self, problem: Problem) -> None:
        """Read the arrays."""
        self.problem = problem
        o, c, s, w = problem.offers, problem.candidates, problem.sources, problem.workloads
        self.workloads, self.sources, self.candidates = range(len(w.name)), range(len(s.origin)), range(len(c.pool))
        self.blocks, self.months = range(problem.blocks.count), range(len(problem.blocks.periods))
        self.scenarios, self.pools = range(len(problem.blocks.probability)), range(len(problem.pool_shape))
        self.hours: list[list[int]] = problem.blocks.hours.tolist()  # [B][P]
        self.total_hours = [sum(row) for row in self.hours]
        self.scenario: list[int] = problem.blocks.scenario.tolist()
        self.weight: list[Fraction] = [
            problem.blocks.probability[self.scenario[b]] * self.total_hours[b] for b in self.blocks
        ]
        self.workload_of: list[int] = s.workload.tolist()
        self.demand: list[list[int]] = s.units_per_hour.tolist()
        self.total: list[int] = s.total_units.tolist()
        self.window: list[list[bool]] = s.window.tolist()
        self.must: list[bool] = [bool(w.must_serve[v]) for v in self.workload_of]
        self.penalty: list[int] = w.unserved_micro_usd_per_unit.tolist()
        self.owner: list[int] = c.workload.tolist()
        self.pool: list[int] = c.pool.tolist()
        self.size: list[int] = c.nodes_per_replica.tolist()
        self.capacity: list[int] = c.units_per_hour.tolist()
        self.is_spot = [m == SPOT for m in c.market.tolist()]
        self.site: list[int] = [int(problem.pool_site[q]) for q in self.pool]
        self.price: list[int] = o.micro_usd_per_hour.tolist()
        self.on_demand = {int(o.pool[f]): int(f) for f in np.flatnonzero(o.kind == ON_DEMAND)}
        self.spot = {int(o.pool[f]): int(f) for f in np.flatnonzero(o.kind == SPOT)}
        self.commitments: list[int] = np.flatnonzero(o.kind == COMMITMENT).tolist()
        self.commitment_pool: list[int] = o.pool.tolist()
        self.active: list[list[bool]] = o.active.tolist()
        self.owned: list[int] = o.owned_nodes.tolist()

    @cached_property
    def open(self) -> list[bool]:
        """Candidates that residency allows and whose market exists [C]."""
        made, sites = [], self.problem.sites
        for c in self.candidates:
            allowed = self.problem.workloads.residency[self.owner[c]]
            home = {str(sites.jurisdiction[self.site[c]]), str(sites.country[self.site[c]])}
            made.append(
                (not allowed or bool(home & set(allowed))) and (not self.is_spot[c] or self.pool[c] in self.spot)
            )
        return made

    def reaches(self, d: int, c: int) -> bool:
        """Whether units of a source may go to a candidate."""
        return self._reach[d][c]

    @cached_property
    def _reach(self) -> list[list[bool]]:
        return [[self._in_reach(d, c) for c in self.candidates] for d in self.sources]

    def _in_reach(self, d: int, c: int) -> bool:
        mine = self.owner[c] == self.workload_of[d] and self.open[c]
        late = float(self.problem.sources.rtt_ms[d, self.site[c]]) + float(self.problem.candidates.ttft_ms[c])
        return mine and late <= float(self.problem.workloads.ttft_ms[self.workload_of[d]])

    @cached_property
    def pairs(self) -> list[tuple[int, int]]:
        """(source, candidate) between which units may go."""
        return [(d, c) for d in self.sources for c in self.candidates if self.reaches(d, c)]

    @cached_property
    def pico_usd(self) -> list[list[int]]:
        """Pico-dollars of moving a unit, by source and site."""
        made: list[list[int]] = self.problem.sources.transfer_pico_usd_per_unit.tolist()
        return made

    def transfer(self, d: int, c: int) -> Fraction:
        """Micro-dollars of moving a unit."""
        return Fraction(self.pico_usd[d][self.site[c]], 10**6)

    def grams(self, c: int, b: int) -> Fraction:
        """Emissions of a running replica in an hour of a block."""
        p, q, hourly = self.problem, self.pool[c], self.problem.grid_g_co2_per_kwh
        watts, site = int(p.shapes.power_w[p.pool_shape[q]]), p.pool_site[q]
        grid = float(p.sites.g_co2_per_kwh[site] if hourly is None else hourly[site, b])
        return self.size[c] * Fraction(watts, 1000) * Fraction(grid)

    def carbon_price(self, c: int, b: int) -> Fraction:
        """Micro-dollars for the emissions of a running replica in an hour of a block."""
        return self.grams(c, b) * self.problem.limits.carbon_micro_usd_per_kg / 1000

    def replica_price(self, c: int) -> int:
        """Micro-dollars an hour that a running replica costs by itself: on spot its nodes, on firm nodes nothing."""
        return self.price[self.spot[self.pool[c]]] * self.size[c] if self.is_spot[c] else 0

    def held_price(self, k: int) -> Months:
        """Micro-dollars of one committed node in each month."""
        o = self.problem.offers
        paid: list[int] = o.paid_hours[k].tolist()
        once = int(o.upfront_micro_usd[k])
        if self.problem.limits.accounting == "amortised":
            return tuple(Fraction(self.price[k] * h) + Fraction(once * h, max(1, int(o.term_hours[k]))) for h in paid)
        first = next((m for m, h in enumerate(paid) if h), 0)
        return tuple(
            Fraction(self.price[k] * h + (once if m == first and not self.owned[k] else 0)) for m, h in enumerate(paid)
        )

    def held_per_hour(self, k: int) -> Fraction:
        """Micro-dollars of one committed node in an hour in force, for an hourly budget."""
        o, rate = self.problem.offers, Fraction(self.price[k])
        if self.problem.limits.accounting == "amortised":
            rate += Fraction(int(o.upfront_micro_usd[k]), max(1, int(o.term_hours[k])))
        return rate

    def upfront(self, k: int) -> int:
        """Micro-dollars paid at once for a committed node; what is owned was paid before."""
        return 0 if self.owned[k] else int(self.problem.offers.upfront_micro_usd[k])

    def up(self, q: int, b: int) -> tuple[int, int]:
        """Zones of a pool that are there in a block, and all of them."""
        return self._zones[q][b]

    @cached_property
    def _zones(self) -> list[list[tuple[int, int]]]:
        return [[self._zones_up(q, b) for b in self.blocks] for q in self.pools]

    def _zones_up(self, q: int, b: int) -> tuple[int, int]:
        p, r = self.problem, int(self.problem.pool_site[q])
        zones = max(1, int(p.sites.zones[r]))
        return (zones if p.outages is None else int(p.outages.up[r, b])), zones

    def up_for(self, c: int, b: int) -> tuple[int, int]:
        """Zones in which nodes of a candidate's kind are there, and all of them."""
        up, zones = self.up(self.pool[c], b)
        spot = None if self.problem.outages is None else self.problem.outages.spot
        return (int(spot[self.pool[c], b]) if spot is not None and self.is_spot[c] else up), zones

    @cached_property
    def held(self) -> list[tuple[int, int]]:
        """Blocks in which no new node can be had, each with a block of the same hours in which nothing is lost."""
        out = self.problem.outages
        pairs = [] if out is None or not out.hold else out.calm.T.tolist()
        return [(b, calm) for b, calm in pairs if out is not None and out.hold[self.scenario[b]]]

    def spared(self, d: int, b: int) -> bool:
        """Whether what a source leaves in a block has no price: it may be given up, as long as that is improbable."""
        chance = any(limit.workload == self.workload_of[d] for limit in self.problem.limits.chances)
        return chance and not self.total[d] and not self.works(self.scenario[b])

    def usable(self, q: int, b: int, held: int) -> int:
        """Of so many committed nodes of a pool, spread evenly over its zones, those that are there."""
        up, zones = self.up(q, b)
        return held * up // zones

    def works(self, s: int) -> bool:
        """Whether jobs work and months are paid in a scenario: it is no outage."""
        return self.problem.outages is None or not self.problem.outages.state[s]

    def allowed(self, quota: Quota, b: int) -> int:
        """Nodes that a quota allows in a block."""
        return max(0, quota.max_nodes - (quota.missing[b] if quota.missing else 0))

    def shares(self) -> Iterator[tuple[int, int, Fraction]]:
        """Caps below 1 on spot: (workload, site or −1 for all, share of its running capacity)."""
        w, sites = self.problem.workloads, self.problem.sites
        for v in self.workloads:
            if w.max_spot_share[v] < 1:
                yield v, -1, w.max_spot_share[v]
            for r in range(len(sites.region)):
                by_zone = max(1, int(sites.zones[r])) * w.max_spot_share_per_zone[v]
                share = min(w.max_spot_share_per_region[v], by_zone)
                if share < 1:
                    yield v, r, share

    def is_run(self, v: int) -> bool:
        """Whether a workload is a training run: one place, one gang."""
        return str(self.problem.workloads.kind[v]) == "training"

    @cached_property
    def enough(self) -> list[list[int]]:
        """Replicas of each candidate in each block that plans may run at most [C][B].

        As many as do all that is asked of the workload by themselves. More could serve nothing; all that they could do
        is to stand idle so that more of the workload may run on spot, which plans do not do.
        """
        made = []
        for c in self.candidates:
            sources = [d for d in self.sources if self.workload_of[d] == self.owner[c]]
            row = [-(-sum(self.asked(d, b) for d in sources) // self.capacity[c]) for b in self.blocks]
            row = [min(most, 1) if self.is_run(self.owner[c]) else most for most in row]
            row = [most if self.up_for(c, b)[0] else 0 for b, most in enumerate(row)]
            if any(limit.workload == self.owner[c] for limit in self.problem.limits.shares):
                more = max(self.capacity[k] for k in self.candidates if self.owner[k] == self.owner[c])
                wide = [-(-(sum(self.asked(d, b) for d in sources) + more) // self.capacity[c]) for b in self.blocks]
                row = [max(a, most) if most else 0 for a, most in zip(wide, row, strict=True)]
            for b, calm in self.held:  # spot nodes may have to be ready for what loses a zone of them
                up, zones = self.up_for(c, b)
                if up and self.is_spot[c]:
                    row[calm] = max(row[calm], -(-row[b] * zones // up))
            made.append(row if self.open[c] else [0] * len(row))
        return made

    def asked(self, d: int, b: int) -> int:
        """Units an hour that a source asks of a block at most: a job might do all its work in it."""
        if not self.total[d]:
            return self.demand[d][b]
        return -(-self.total[d] // self.total_hours[b]) if self.window[d][b] else 0


@dataclass(frozen=True, slots=True)
class Choice:
    """A complete plan in whole numbers; what is not named is zero."""

    replicas: dict[tuple[int, int], int]  # candidate, block
    bought: dict[tuple[int, int], int]  # on-demand offer, block
    held: dict[int, int]  # commitment
    served: dict[tuple[int, int, int], int]  # source, candidate, block: units an hour
    left: dict[tuple[int, int], int]  # source, block for flows; source, scenario for jobs


def choice_of(decision: Decision) -> Choice:
    """What the engine decided."""
    c, o, k = decision.candidates.tolist(), decision.on_demand_offers.tolist(), decision.commitments.tolist()
    left = {(int(d), int(b)): int(decision.unserved[d, b]) for d, b in np.argwhere(decision.unserved)}
    left |= {(int(d), int(s)): int(decision.undone[d, s]) for d, s in np.argwhere(decision.undone)}
    return Choice(
        replicas={(c[i], int(b)): int(decision.replicas[i, b]) for i, b in np.argwhere(decision.replicas)},
        bought={(o[i], int(b)): int(decision.on_demand[i, b]) for i, b in np.argwhere(decision.on_demand)},
        held={k[i]: int(decision.committed[i]) for i in np.flatnonzero(decision.committed)},
        served={
            (int(decision.pairs[0, e]), c[decision.pairs[1, e]], int(b)): int(decision.served[e, b])
            for e, b in np.argwhere(decision.served)
        },
        left=left,
    )


def cost(facts: Facts, x: Choice) -> Fraction:
    """Exact micro-dollars of a choice: nodes, commitments, transfer, carbon and what is left undone."""
    f, weight = facts, facts.weight
    total = sum((n * sum(f.held_price(k), Fraction(0)) for k, n in x.held.items()), Fraction(0))
    total += sum(n * f.price[o] * weight[b] for (o, b), n in x.bought.items())
    total += sum(n * (f.replica_price(c) + f.carbon_price(c, b)) * weight[b] for (c, b), n in x.replicas.items())
    total += sum(n * f.transfer(d, c) * weight[b] for (d, c, b), n in x.served.items())
    for (d, at), n in x.left.items():
        if not f.total[d] and f.spared(d, at):
            continue
        total += n * f.penalty[f.workload_of[d]] * (f.problem.blocks.probability[at] if f.total[d] else weight[at])
    return total


def futures(problem: Problem) -> tuple[list[Fraction], list[list[Fraction]]]:
    """Probability of each future, and the share of its time in each scenario."""
    if problem.outages is not None:
        return list(problem.outages.probability), [list(row) for row in problem.outages.share]
    count = len(problem.blocks.probability)
    return list(problem.blocks.probability), [[Fraction(int(i == k)) for k in range(count)] for i in range(count)]


def scenario_costs(facts: Facts, x: Choice) -> tuple[Fraction, list[Fraction]]:
    """Micro-dollars of commitments, and of the rest in each scenario if it lasts the whole horizon."""
    f, made = facts, [Fraction(0)] * len(facts.problem.blocks.probability)
    held = sum((n * sum(f.held_price(k), Fraction(0)) for k, n in x.held.items()), Fraction(0))
    for (o, b), n in x.bought.items():
        made[f.scenario[b]] += n * f.price[o] * f.total_hours[b]
    for (c, b), n in x.replicas.items():
        made[f.scenario[b]] += n * (f.replica_price(c) + f.carbon_price(c, b)) * f.total_hours[b]
    for (d, c, b), n in x.served.items():
        made[f.scenario[b]] += n * f.transfer(d, c) * f.total_hours[b]
    for (d, at), n in x.left.items():
        penalty = 0 if not f.total[d] and f.spared(d, at) else n * f.penalty[f.workload_of[d]]
        made[at if f.total[d] else f.scenario[at]] += penalty if f.total[d] else penalty * f.total_hours[at]
    return held, made


def left_in_scenarios(facts: Facts, x: Choice, w: int) -> list[Fraction]:
    """Units of a workload left in each scenario."""
    made = [Fraction(0)] * len(facts.problem.blocks.probability)
    for (d, at), n in x.left.items():
        if facts.workload_of[d] == w:
            made[at if facts.total[d] else facts.scenario[at]] += n if facts.total[d] else n * facts.total_hours[at]
    return made


def tail(problem: Problem, by_scenario: list[Fraction], level: Fraction, fixed: Fraction = Fraction(0)) -> Fraction:
    """Mean over the worst futures that have the probability 1 − level: the least η + E(cost − η)⁺ ÷ (1 − level)."""
    probability, share = futures(problem)
    cost = [fixed + sum((t * v for t, v in zip(row, by_scenario, strict=True)), Fraction(0)) for row in share]

    def at(eta: Fraction) -> Fraction:
        beyond = (p * max(c - eta, Fraction(0)) for p, c in zip(probability, cost, strict=True))
        return eta + sum(beyond, Fraction(0)) / (1 - level)

    return min(map(at, cost))


def rise(facts: Facts, x: Choice) -> Fraction:
    """What the dearest choice of offers whose prices may rise adds, by trying all choices."""
    f, limits = facts, facts.problem.limits
    if not limits.robust_budget:
        return Fraction(0)
    spent = []
    for offer, share in limits.uncertain:
        by_hour = sum((n * f.price[o] * f.weight[b] for (o, b), n in x.bought.items() if o == offer), Fraction(0))
        for (c, b), n in x.replicas.items():
            if f.is_spot[c] and f.spot[f.pool[c]] == offer:
                by_hour += n * f.replica_price(c) * f.weight[b]
        if offer in x.held and not f.owned[offer]:
            by_hour += x.held[offer] * sum(f.held_price(offer), Fraction(0))
        spent.append(share * by_hour)
    chosen = combinations(spent, min(limits.robust_budget, len(spent)))
    return max((sum(some, Fraction(0)) for some in chosen), default=Fraction(0))


def objective(facts: Facts, x: Choice) -> Fraction:
    """Exact micro-dollars of what is to be least."""
    limits = facts.problem.limits
    made = cost(facts, x) + rise(facts, x)
    if limits.risk_weight:
        held, by_scenario = scenario_costs(facts, x)
        made += limits.risk_weight * (tail(facts.problem, by_scenario, limits.cvar_level, held) - cost(facts, x))
    return made


def payments(facts: Facts, x: Choice, month: int, scenario: int) -> Fraction:
    """Exact micro-dollars paid in a month of a scenario, as a monthly budget counts them."""
    f = facts
    total = sum((n * f.held_price(k)[month] for k, n in x.held.items()), Fraction(0))
    rates = [(b, Fraction(n * f.price[o])) for (o, b), n in x.bought.items()]
    rates += [(b, Fraction(n * f.replica_price(c))) for (c, b), n in x.replicas.items()]
    rates += [(b, n * f.transfer(d, c)) for (d, c, b), n in x.served.items()]
    return total + sum(rate * f.hours[b][month] for b, rate in rates if f.scenario[b] == scenario)


def hourly(facts: Facts, x: Choice, block: int) -> Fraction:
    """Exact micro-dollars an hour paid for nodes in a block, as an hourly budget counts them."""
    f = facts
    total = sum((n * f.held_per_hour(k) for k, n in x.held.items() if f.active[k][block]), Fraction(0))
    total += sum(n * f.price[o] for (o, b), n in x.bought.items() if b == block)
    return total + sum(n * f.replica_price(c) for (c, b), n in x.replicas.items() if b == block)


def emissions(facts: Facts, x: Choice) -> Fraction:
    """Exact expected grams."""
    return sum((n * facts.grams(c, b) * facts.weight[b] for (c, b), n in x.replicas.items()), Fraction(0))


def whole(values: list[Fraction]) -> tuple[list[int], Fraction]:
    """The values in the largest common unit that makes all of them whole, and that unit."""
    scale = math.lcm(*(v.denominator for v in values)) if values else 1
    ints = [int(v * scale) for v in values]
    common = math.gcd(*ints) or 1
    return [v // common for v in ints], Fraction(common, scale)
