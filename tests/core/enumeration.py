"""The optimum of a tiny problem by trying everything, in plain Python integers."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import product
from operator import le

from solver.problem import Problem

from .exact import Facts
from .units import PICO, Futures, Units

MOST_TRIES = 10_000
MANY = 200
MOST_WAYS = 400  # of a block, none of which is better than another

Vector = tuple[int, ...]


class TooLarge(Exception):  # noqa: N818 (not an error)
    """More choices than can be tried."""


@dataclass(frozen=True, slots=True)
class _Way:
    """What one block may do: everything that counts beyond the block, in whole `Units`."""

    cost: int
    uses: Vector  # payments of each month with a budget, then grams
    done: Vector  # units of each job
    left: Vector = ()  # units of each workload whose unserved units are limited
    spent: Vector = ()  # expected on each offer whose price may rise
    paid: int = 0  # if its scenario comes for sure

    @property
    def vector(self) -> Vector:
        """All in which ways are compared; less is better."""
        return self.cost, *self.uses, *(-n for n in self.done), *self.left, *self.spent


class _Tried:
    """A problem while its choices are tried."""

    def __init__(self, problem: Problem) -> None:
        self.f = Facts(problem)
        self.units = Units(self.f)
        self.months = [m for m, usd in enumerate(problem.limits.monthly_budget_micro_usd) if usd is not None]
        self.shares = list(self.f.shares())
        self.jobs = [d for d in self.f.sources if self.f.total[d]]
        self.of_scenario = [[b for b in self.f.blocks if self.f.scenario[b] == s] for s in self.f.scenarios]
        self.limited = [u.workload for u in problem.limits.unserved]
        self.left = MOST_TRIES
        self.futures = Futures(problem)
        self.services: dict[tuple[int, tuple[tuple[int, int], ...]], tuple[int, list[_Service]]] = {}

    def pay(self, price: int = 1) -> None:
        """So many choices more; raises TooLarge when there are too many."""
        self.left -= price
        if self.left < 0:
            raise TooLarge


@dataclass(frozen=True, slots=True)
class _Service:
    """A way to serve an hour with some replicas."""

    pico_usd: int  # for transfer
    penalty: int  # micro-dollars
    done: Vector  # units of each job
    left: Vector  # units of each workload whose unserved units are limited

    @property
    def pico_of_all(self) -> int:
        """Pico-dollars for both."""
        return self.pico_usd + self.penalty * PICO


def optimum(problem: Problem) -> Fraction | None:
    """Exact micro-dollars of the cheapest valid choice, None when there is none.

    Raises:
        TooLarge: there are too many choices.
    """
    t = _Tried(problem)
    f = t.f
    hourly = problem.grid_g_co2_per_kwh is not None
    if hourly or f.held or problem.limits.chances or problem.limits.shares:  # blocks are tried one by one, nothing idle
        raise TooLarge
    runs = [w for w in f.workloads if f.is_run(w)]
    places = [[c for c in f.candidates if f.owner[c] == w and f.open[c]] or [-1] for w in runs]
    held = [range(f.owned[k], f.owned[k] + 1) if f.owned[k] else range(_most(f, k) + 1) for k in f.commitments]
    tries = math.prod(map(len, places)) * math.prod(map(len, held))
    tries *= sum(math.prod(f.enough[c][b] + 1 for c in f.candidates) for b in f.blocks)
    if tries > MOST_TRIES:
        raise TooLarge
    best: Fraction | None = None
    for chosen in product(*places):
        usable = [c for c in f.candidates if f.open[c] and (not f.is_run(f.owner[c]) or c in chosen)]
        for nodes in product(*held):
            chosen_nodes = dict(zip(f.commitments, nodes, strict=True))
            if _affordable(f, chosen_nodes):
                best = _cheapest(t, usable, chosen_nodes, best)
    return best


def _affordable(f: Facts, held: dict[int, int]) -> bool:
    limit = f.problem.limits.upfront_max_micro_usd
    return limit is None or sum(n * f.upfront(k) for k, n in held.items()) <= limit


def _most(f: Facts, k: int) -> int:
    pool = [c for c in f.candidates if f.pool[c] == f.commitment_pool[k] and not f.is_spot[c]]
    most = 0
    for b in f.blocks:
        up, zones = f.up(f.commitment_pool[k], b)
        if f.active[k][b] and up:
            most = max(most, -(-sum(f.size[c] * f.enough[c][b] for c in pool) * zones // up))
    return most


def _cheapest(t: _Tried, usable: list[int], held: dict[int, int], best: Fraction | None) -> Fraction | None:
    """The best whole of all blocks with these commitments and places, or `best` when that is no dearer."""
    f = t.f
    blocks = []
    for b in f.blocks:
        ways = _undominated(_ways(t, usable, held, b))
        if not ways:
            return best
        blocks.append(ways)
    t.pay(math.prod(map(len, blocks)))
    fixed = sum((n * sum(f.held_price(k), Fraction(0)) for k, n in held.items()), Fraction(0))
    budgets = _left_of_budgets(t, held)
    cheaper = math.inf if best is None else math.ceil((best - fixed) * t.units.cost)
    for chosen in product(*blocks):
        total = sum([way.cost for way in chosen])
        if total < cheaper:  # no objective is below the expected cost
            penalty = _penalty(t, chosen, budgets)
            if penalty is not None:
                found = _guarded(t, chosen, held, fixed, fixed + Fraction(total, t.units.cost), penalty)
                if found is not None and (best is None or found < best):
                    best = found
                    cheaper = math.ceil((best - fixed) * t.units.cost)
    return best


def _left_of_budgets(t: _Tried, held: dict[int, int]) -> list[int]:
    """Whole pico-dollars that commitments leave of each month with a budget."""
    f, made = t.f, []
    for m in t.months:
        paid = sum((n * f.held_price(k)[m] for k, n in held.items()), Fraction(0))
        budget = f.problem.limits.monthly_budget_micro_usd[m]
        assert budget is not None
        made.append(math.floor((budget - paid) * PICO))
    return made


def _guarded(
    t: _Tried, chosen: tuple[_Way, ...], held: dict[int, int], fixed: Fraction, total: Fraction, penalty: list[int]
) -> Fraction | None:
    """The objective of ways of all blocks, with the penalty of jobs in each scenario; None beyond a limit on a tail."""
    f, limits, share = t.f, t.f.problem.limits, t.f.problem.blocks.probability
    total += sum((p * n for p, n in zip(share, penalty, strict=True)), Fraction(0))
    if not limits.guarded:
        return total
    by_scenario = [n * t.units.hourly for n in penalty]
    for way, s in zip(chosen, f.scenario, strict=True):
        by_scenario[s] += way.paid
    cost = fixed + t.futures.tail(by_scenario, limits.cvar_level) / t.units.hourly
    if limits.cvar_max_micro_usd is not None and cost > limits.cvar_max_micro_usd:
        return None
    for i, u in enumerate(limits.unserved):
        units = [0 for _ in share]
        for way, s, b in zip(chosen, f.scenario, f.blocks, strict=True):
            units[s] += way.left[i] * f.total_hours[b]
        units = [n + k for n, k in zip(units, _jobs_left(t, chosen, u.workload), strict=True)]
        if t.futures.tail(units, u.level) > u.max_units:
            return None
    return total + limits.risk_weight * (cost - total) + _rise(t, chosen, held)


def _jobs_left(t: _Tried, chosen: tuple[_Way, ...], w: int) -> list[int]:
    """Units of a workload's jobs left in each scenario."""
    f, made = t.f, [0] * len(t.f.scenarios)
    for i, d in enumerate(t.jobs):
        for s in filter(f.works, f.scenarios):
            done = sum(way.done[i] for way, at in zip(chosen, f.scenario, strict=True) if at == s)
            made[s] += max(0, f.total[d] - done) if f.workload_of[d] == w else 0
    return made


def _rise(t: _Tried, chosen: tuple[_Way, ...], held: dict[int, int]) -> Fraction:
    f, limits = t.f, t.f.problem.limits
    if not limits.robust_budget:
        return Fraction(0)
    spent = [Fraction(sum(way.spent[i] for way in chosen), t.units.spent) for i in range(len(limits.uncertain))]
    for i, (offer, share) in enumerate(limits.uncertain):
        if offer in held and not f.owned[offer]:
            spent[i] += share * held[offer] * sum(f.held_price(offer), Fraction(0))
    return sum(sorted(spent, reverse=True)[: limits.robust_budget], Fraction(0))


def _penalty(t: _Tried, chosen: tuple[_Way, ...], budgets: list[int]) -> list[int] | None:
    """Penalty of jobs not done in each scenario; None when what the blocks do together breaks a limit."""
    f, limits, penalty = t.f, t.f.problem.limits, []
    if limits.carbon_max_g is not None and sum(way.uses[-1] for way in chosen) > limits.carbon_max_g * t.units.grams:
        return None
    for s, blocks in enumerate(t.of_scenario):
        works = f.works(s)
        for i, budget in enumerate(budgets if works else ()):
            if sum(chosen[b].uses[i] for b in blocks) > budget:
                return None
        undone = _undone(t, [chosen[b] for b in blocks]) if works else 0
        if undone is None:
            return None
        penalty.append(undone)
    return penalty


def _undone(t: _Tried, ways: list[_Way]) -> int | None:
    """Penalty of the jobs' units not done in a scenario; None when they must be done."""
    f, penalty = t.f, 0
    for i, d in enumerate(t.jobs):
        left = max(0, f.total[d] - sum(way.done[i] for way in ways))
        if left and f.must[d]:
            return None
        penalty += left * f.penalty[f.workload_of[d]]
    return penalty


def _ways(t: _Tried, usable: list[int], held: dict[int, int], b: int) -> Iterator[_Way]:
    """Everything a block may do that breaks no rule within the block."""
    f, units = t.f, t.units
    weight, hours, by_month = units.weight[b], f.total_hours[b], [f.hours[b][m] for m in t.months]
    for counts in product(*(range(f.enough[c][b] + 1) for c in usable)):
        t.pay()
        running = {c: n for c, n in zip(usable, counts, strict=True) if n}
        bought = _bought(f, running, held, b)
        if bought is None or not _allowed(t, running, bought, held, b):
            continue
        rate = sum(n * f.price[f.on_demand[q]] for q, n in bought.items())
        rate += sum(n * f.replica_price(c) for c, n in running.items())
        carbon = sum(n * units.of_carbon[c] for c, n in running.items())
        grams = sum(n * units.of_grams[c] for c, n in running.items()) * weight
        spent = _spent(t, running, bought, b)
        for service in _services(t, running, b):
            hourly = (rate + service.penalty) * units.hourly + carbon + service.pico_usd * units.per_pico
            yield _Way(
                cost=hourly * weight,
                uses=(*((rate * PICO + service.pico_usd) * h for h in by_month), grams),
                done=tuple([n * hours for n in service.done]),
                left=service.left,
                spent=spent,
                paid=hourly * hours,
            )


def _spent(t: _Tried, running: dict[int, int], bought: dict[int, int], b: int) -> Vector:
    """Expected rise of each offer whose price may rise, by what a block buys of it."""
    f, made = t.f, []
    for (offer, _), share in zip(f.problem.limits.uncertain, t.units.of_share, strict=True):
        paid = sum(n * f.price[offer] for q, n in bought.items() if f.on_demand[q] == offer)
        paid += sum(n * f.replica_price(c) for c, n in running.items() if f.is_spot[c] and f.spot[f.pool[c]] == offer)
        made.append(share * paid * t.units.weight[b])
    return tuple(made)


def _bought(f: Facts, running: dict[int, int], held: dict[int, int], b: int) -> dict[int, int] | None:
    """Nodes on demand in each pool: what firm replicas need beyond the commitments in force; None when not on sale."""
    made = {}
    for q in f.pools:
        need = sum(n * f.size[c] for c, n in running.items() if f.pool[c] == q and not f.is_spot[c])
        need -= f.usable(q, b, sum(n for k, n in held.items() if f.commitment_pool[k] == q and f.active[k][b]))
        if need > 0:
            if q not in f.on_demand or not f.up(q, b)[0]:
                return None
            made[q] = need
    return made


def _allowed(t: _Tried, running: dict[int, int], bought: dict[int, int], held: dict[int, int], b: int) -> bool:
    """Spot caps, quotas and the hourly budget."""
    f = t.f
    for w, site, share in t.shares:
        mine = {c: n * f.capacity[c] for c, n in running.items() if f.owner[c] == w}
        if sum(n for c, n in mine.items() if f.is_spot[c] and site in {-1, f.site[c]}) > share * sum(mine.values()):
            return False
    for quota in f.problem.limits.quotas:
        firm = Fraction(sum(bought.get(q, 0) for q in set(quota.pools)))
        firm += sum(
            n * Fraction(*f.up(f.commitment_pool[k], b))
            for k, n in held.items()
            if f.commitment_pool[k] in quota.pools and f.active[k][b]
        )
        spot = sum(n * f.size[c] for c, n in running.items() if f.is_spot[c] and f.pool[c] in quota.pools)
        if firm * (quota.kind != "spot") + spot * (quota.kind != "on_demand") > f.allowed(quota, b):
            return False
    budget = f.problem.limits.hourly_budget_micro_usd
    if budget is None:
        return True
    paid = sum((n * f.held_per_hour(k) for k, n in held.items() if f.active[k][b]), Fraction(0))
    paid += sum(n * f.price[f.on_demand[q]] for q, n in bought.items())
    return paid + sum(n * f.replica_price(c) for c, n in running.items()) <= budget


def _services(t: _Tried, running: dict[int, int], b: int) -> list[_Service]:
    """The cheapest ways to serve with these replicas, of those alike in all else; all are tried, and paid for."""
    room = {c: n * t.f.capacity[c] for c, n in running.items()}
    key = b, tuple(running.items())
    if key not in t.services:
        before = t.left
        found = list(_serve(t, 0, room, b))
        moved = bool(t.months)  # payments of a month know no penalty
        best: dict[tuple[int, Vector, Vector], _Service] = {}
        for service in found:
            alike = service.pico_usd * moved, service.done, service.left
            if alike not in best or service.pico_of_all < best[alike].pico_of_all:
                best[alike] = service
        t.services[key] = before - t.left, list(best.values())
    else:
        t.pay(t.services[key][0])
    return t.services[key][1]


def _serve(t: _Tried, d: int, left: dict[int, int], b: int) -> Iterator[_Service]:
    """Every way to serve the sources from `d` on with what is left of each candidate."""
    f = t.f
    if d == len(f.sources):
        yield _Service(0, 0, (), (0,) * len(t.limited))
        return
    where = [c for c in left if f.window[d][b] and f.reaches(d, c)]
    asked, job = f.asked(d, b), bool(f.total[d])
    pico = [f.pico_usd[d][f.site[c]] for c in where]
    for units in _splits(t, d, {c: min(left[c], asked) for c in where}, asked):
        served = sum(units)
        short = asked - served
        if short < 0 or (short and f.must[d] and not job):
            continue
        moved = sum([n * usd for n, usd in zip(units, pico, strict=True)])
        own = 0 if job else short
        rest = left | {c: left[c] - n for c, n in zip(where, units, strict=True)}
        for other in _serve(t, d + 1, rest, b):
            yield _Service(
                pico_usd=moved + other.pico_usd,
                penalty=own * f.penalty[f.workload_of[d]] + other.penalty,
                done=(served, *other.done) if job else other.done,
                left=tuple([n + own * (w == f.workload_of[d]) for n, w in zip(other.left, t.limited, strict=True)]),
            )


def _splits(t: _Tried, d: int, most: dict[int, int], asked: int) -> Iterator[Vector]:
    """Units to each candidate: all that there are; the best alone where too many, for a flow on its own.

    A flow on its own goes where moving is cheapest first, as long as that costs less than leaving it or it must go.
    """
    f, count = t.f, math.prod(n + 1 for n in most.values())
    if count <= MANY or len(f.sources) > 1 or f.total[d] or t.months or t.limited:
        t.pay(count)
        yield from product(*(range(n + 1) for n in most.values()))
        return
    chosen = dict.fromkeys(most, 0)
    for c, n in sorted(most.items(), key=lambda at: f.transfer(d, at[0])):
        if f.must[d] or f.transfer(d, c) <= f.penalty[f.workload_of[d]]:
            chosen[c] = min(n, asked - sum(chosen.values()))
    t.pay()
    yield tuple(chosen.values())


def _undominated(ways: Iterator[_Way]) -> list[_Way]:
    """The ways that no other is at least as good as in every respect."""
    by_vector, kept = {way.vector: way for way in ways}, list[Vector]()
    for vector in sorted(by_vector):
        if not any(all(map(le, other, vector)) for other in kept):
            kept.append(vector)
            if len(kept) > MOST_WAYS:
                raise TooLarge
    return [by_vector[vector] for vector in kept]
