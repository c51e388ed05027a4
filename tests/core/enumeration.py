"""The optimum of a tiny problem by trying everything, in plain Python integers and fractions."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import product
from typing import Any

from solver.problem import Problem

from .exact import Facts, tail

MOST_TRIES = 10_000
MANY = 200
MOST_WAYS = 400  # of a block, none of which is better than another

Vector = tuple[Fraction, ...]


class TooLarge(Exception):  # noqa: N818 (not an error)
    """More choices than can be tried."""


@dataclass(frozen=True, slots=True)
class _Way:
    """What one block may do: everything that counts beyond the block. Less is better, but for work done."""

    micro_usd: Fraction
    uses: Vector  # payments of each month with a budget, then grams
    done: tuple[int, ...]  # units of each job
    left: tuple[int, ...] = ()  # units of each workload whose unserved units are limited
    paid: Fraction = Fraction(0)  # micro-dollars if its scenario comes for sure
    spent: Vector = ()  # expected on each offer whose price may rise


def optimum(problem: Problem) -> Fraction | None:
    """Exact micro-dollars of the cheapest valid choice, None when there is none.

    Raises:
        TooLarge: there are too many choices.
    """
    f = Facts(problem)
    runs = [w for w in f.workloads if f.is_run(w)]
    places = [[c for c in f.candidates if f.owner[c] == w and f.open[c]] or [-1] for w in runs]
    held = [range(f.owned[k], f.owned[k] + 1) if f.owned[k] else range(_most(f, k) + 1) for k in f.commitments]
    tries = math.prod(map(len, places)) * math.prod(map(len, held))
    tries *= sum(math.prod(f.enough[c][b] + 1 for c in f.candidates) for b in f.blocks)
    if tries > MOST_TRIES:
        raise TooLarge
    best: Fraction | None = None
    purse = _Purse(MOST_TRIES)
    for chosen in product(*places):
        usable = [c for c in f.candidates if f.open[c] and (not f.is_run(f.owner[c]) or c in chosen)]
        for nodes in product(*held):
            chosen_nodes = dict(zip(f.commitments, nodes, strict=True))
            if not _affordable(f, chosen_nodes):
                continue
            found = _cheapest(f, usable, chosen_nodes, purse)
            if found is not None and (best is None or found < best):
                best = found
    return best


def _affordable(f: Facts, held: dict[int, int]) -> bool:
    limit = f.problem.limits.upfront_max_micro_usd
    return limit is None or sum(n * f.upfront(k) for k, n in held.items()) <= limit


class _Purse:
    """How many more choices may be tried."""

    def __init__(self, left: int) -> None:
        self.left = left

    def pay(self, price: int = 1) -> None:
        """Raise TooLarge when it is empty."""
        self.left -= price
        if self.left < 0:
            raise TooLarge


def _most(f: Facts, k: int) -> int:
    pool = [c for c in f.candidates if f.pool[c] == f.commitment_pool[k] and not f.is_spot[c]]
    most = 0
    for b in f.blocks:
        up, zones = f.up(f.commitment_pool[k], b)
        if f.active[k][b] and up:
            most = max(most, -(-sum(f.size[c] * f.enough[c][b] for c in pool) * zones // up))
    return most


def _cheapest(f: Facts, usable: list[int], held: dict[int, int], purse: _Purse) -> Fraction | None:
    """The best whole of all blocks, with these commitments and places."""
    fixed = sum((n * sum(f.held_price(k), Fraction(0)) for k, n in held.items()), Fraction(0))
    paid = [sum((n * f.held_price(k)[m] for k, n in held.items()), Fraction(0)) for m in _budgets(f)]
    blocks = []
    for b in f.blocks:
        ways = _undominated(list(_ways(f, usable, held, b, purse)))
        if not ways:
            return None
        blocks.append(ways)
    purse.pay(math.prod(map(len, blocks)))
    best: Fraction | None = None
    for chosen in product(*blocks):
        total = fixed + sum((way.micro_usd for way in chosen), Fraction(0))
        if best is None or total < best:  # no objective is below the expected cost
            penalty = _penalty(f, chosen, paid)
            if penalty is not None:
                guarded = _guarded(f, chosen, held, fixed, total, penalty)
                if guarded is not None and (best is None or guarded < best):
                    best = guarded
    return best


def _guarded(
    f: Facts, chosen: tuple[_Way, ...], held: dict[int, int], fixed: Fraction, total: Fraction, penalty: list[int]
) -> Fraction | None:
    """The objective of ways of all blocks, with the penalty of jobs in each scenario; None beyond a limit on a tail."""
    limits, share = f.problem.limits, f.problem.blocks.probability
    total += sum((p * n for p, n in zip(share, penalty, strict=True)), Fraction(0))
    if not limits.guarded:
        return total
    by_scenario = [Fraction(n) for n in penalty]
    for way, s in zip(chosen, f.scenario, strict=True):
        by_scenario[s] += way.paid
    cost = tail(f.problem, by_scenario, limits.cvar_level, fixed)
    if limits.cvar_max_micro_usd is not None and cost > limits.cvar_max_micro_usd:
        return None
    for i, u in enumerate(limits.unserved):
        units = [Fraction(0) for _ in share]
        for way, s, b in zip(chosen, f.scenario, f.blocks, strict=True):
            units[s] += way.left[i] * f.total_hours[b]
        units = [n + k for n, k in zip(units, _jobs_left(f, chosen, u.workload), strict=True)]
        if tail(f.problem, units, u.level) > u.max_units:
            return None
    return total + limits.risk_weight * (cost - total) + _rise(f, chosen, held)


def _jobs_left(f: Facts, chosen: tuple[_Way, ...], w: int) -> list[int]:
    """Units of a workload's jobs left in each scenario."""
    made = [0] * len(f.scenarios)
    for i, d in enumerate(d for d in f.sources if f.total[d]):
        for s in filter(f.works, f.scenarios):
            done = sum(way.done[i] for way, at in zip(chosen, f.scenario, strict=True) if at == s)
            made[s] += max(0, f.total[d] - done) if f.workload_of[d] == w else 0
    return made


def _rise(f: Facts, chosen: tuple[_Way, ...], held: dict[int, int]) -> Fraction:
    limits = f.problem.limits
    if not limits.robust_budget:
        return Fraction(0)
    spent = [sum((way.spent[i] for way in chosen), Fraction(0)) for i in range(len(limits.uncertain))]
    for i, (offer, share) in enumerate(limits.uncertain):
        if offer in held and not f.owned[offer]:
            spent[i] += share * held[offer] * sum(f.held_price(offer), Fraction(0))
    return sum(sorted(spent, reverse=True)[: limits.robust_budget], Fraction(0))


def _penalty(f: Facts, chosen: tuple[_Way, ...], paid: list[Fraction]) -> list[int] | None:
    """Penalty of jobs not done in each scenario; None when what the blocks do together breaks a limit.

    `paid` is what commitments take of each month with a budget.
    """
    limits, penalty = f.problem.limits, []
    if limits.carbon_max_g is not None and sum(way.uses[-1] for way in chosen) > limits.carbon_max_g:
        return None
    budgets = [usd for usd in limits.monthly_budget_micro_usd if usd is not None]
    for s in f.scenarios:
        mine = [way for way, at in zip(chosen, f.scenario, strict=True) if at == s]
        for i, budget in enumerate(budgets if f.works(s) else ()):
            if paid[i] + sum(way.uses[i] for way in mine) > budget:
                return None
        undone = _undone(f, mine) if f.works(s) else 0
        if undone is None:
            return None
        penalty.append(undone)
    return penalty


def _budgets(f: Facts) -> list[int]:
    return [m for m, usd in enumerate(f.problem.limits.monthly_budget_micro_usd) if usd is not None]


def _undone(f: Facts, ways: list[_Way]) -> int | None:
    """Penalty of the jobs' units not done in a scenario; None when they must be done."""
    penalty = 0
    for i, d in enumerate(d for d in f.sources if f.total[d]):
        left = max(0, f.total[d] - sum(way.done[i] for way in ways))
        if left and f.must[d]:
            return None
        penalty += left * f.penalty[f.workload_of[d]]
    return penalty


def _ways(f: Facts, usable: list[int], held: dict[int, int], b: int, purse: _Purse) -> Iterator[_Way]:
    """Everything a block may do that breaks no rule within the block."""
    months, hours = _budgets(f), f.hours[b]
    for counts in product(*(range(f.enough[c][b] + 1) for c in usable)):
        purse.pay()
        running = dict(zip(usable, counts, strict=True))
        bought = _bought(f, running, held, b)
        if bought is None or not _allowed(f, running, bought, held, b):
            continue
        rate = Fraction(sum(n * f.price[f.on_demand[q]] for q, n in bought.items()))
        rate += sum(n * f.replica_price(c) for c, n in running.items())
        grams = sum((n * f.grams(c) for c, n in running.items()), Fraction(0)) * f.weight[b]
        carbon = sum((n * f.carbon_price(c) for c, n in running.items()), Fraction(0))
        spent = _spent(f, running, bought, b)
        for moved, penalty, done, left in _services(f, running, b, purse):
            yield _Way(
                micro_usd=(rate + carbon + moved + penalty) * f.weight[b],
                left=left,
                paid=(rate + carbon + moved + penalty) * f.total_hours[b],
                spent=spent,
                uses=(*((rate + moved) * hours[m] for m in months), grams),
                done=tuple(units * f.total_hours[b] for units in done),
            )


def _spent(f: Facts, running: dict[int, int], bought: dict[int, int], b: int) -> Vector:
    """Expected rise of each offer whose price may rise, by what a block buys of it."""
    made = []
    for offer, share in f.problem.limits.uncertain:
        paid = sum(n * f.price[offer] for q, n in bought.items() if f.on_demand[q] == offer)
        paid += sum(n * f.replica_price(c) for c, n in running.items() if f.is_spot[c] and f.spot[f.pool[c]] == offer)
        made.append(share * paid * f.weight[b])
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


def _allowed(f: Facts, running: dict[int, int], bought: dict[int, int], held: dict[int, int], b: int) -> bool:
    """Spot caps, quotas and the hourly budget."""
    for w, site, share in f.shares():
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


def _services(
    f: Facts, running: dict[int, int], b: int, purse: _Purse
) -> Iterator[tuple[Fraction, Fraction, tuple[int, ...], tuple[int, ...]]]:
    """Every way to serve with these replicas: transfer and penalty an hour, units an hour of each job.

    Last come the units an hour left of each workload whose unserved units are limited.
    """
    room = {c: n * f.capacity[c] for c, n in running.items() if n}
    jobs = [d for d in f.sources if f.total[d]]

    limited = [u.workload for u in f.problem.limits.unserved]

    def serve(d: int, left: dict[int, int]) -> Iterator[tuple[Fraction, Fraction, tuple[int, ...], tuple[int, ...]]]:
        if d == len(f.sources):
            yield Fraction(0), Fraction(0), (), (0,) * len(limited)
            return
        where = [c for c in left if f.window[d][b] and f.reaches(d, c)]
        asked = f.asked(d, b)
        for units in _splits(f, d, {c: min(left[c], asked) for c in where}, asked, purse):
            short = asked - sum(units)
            if short < 0 or (short and f.must[d] and d not in jobs):
                continue
            rest = left | {c: left[c] - n for c, n in zip(where, units, strict=True)}
            moved = sum((n * f.transfer(d, c) for c, n in zip(where, units, strict=True)), Fraction(0))
            penalty = Fraction(0 if d in jobs else short * f.penalty[f.workload_of[d]])
            own = 0 if d in jobs else short
            for other, more, done, unserved in serve(d + 1, rest):
                missed = tuple(n + own * (w == f.workload_of[d]) for n, w in zip(unserved, limited, strict=True))
                yield moved + other, penalty + more, ((sum(units), *done) if d in jobs else done), missed

    yield from serve(0, room)


def _splits(f: Facts, d: int, most: dict[int, int], asked: int, purse: _Purse) -> Iterator[tuple[int, ...]]:
    """Units to each candidate: all that there are; the best alone where too many, for a flow on its own.

    A flow on its own goes where moving is cheapest first, as long as that costs less than leaving it or it must go.
    """
    count = math.prod(n + 1 for n in most.values())
    if count <= MANY or len(f.sources) > 1 or f.total[d] or _budgets(f) or f.problem.limits.unserved:
        purse.pay(count)
        yield from product(*(range(n + 1) for n in most.values()))
        return
    chosen = dict.fromkeys(most, 0)
    for c, n in sorted(most.items(), key=lambda at: f.transfer(d, at[0])):
        if f.must[d] or f.transfer(d, c) <= f.penalty[f.workload_of[d]]:
            chosen[c] = min(n, asked - sum(chosen.values()))
    purse.pay()
    yield tuple(chosen.values())


def _undominated(ways: list[_Way]) -> list[_Way]:
    """The ways that no other is at least as good as in every respect."""
    cheapest: dict[tuple[Any, ...], _Way] = {}
    for way in ways:
        key = (way.uses, way.done, way.left, way.spent)
        if key not in cheapest or way.micro_usd < cheapest[key].micro_usd:
            cheapest[key] = way
    kept: list[_Way] = []
    for way in sorted(cheapest.values(), key=lambda w: (w.micro_usd, w.uses, tuple(-n for n in w.done))):
        if not any(_as_good(other, way) for other in kept):
            kept.append(way)
            if len(kept) > MOST_WAYS:
                raise TooLarge
    return kept


def _as_good(a: _Way, b: _Way) -> bool:
    return (
        a.micro_usd <= b.micro_usd
        and all(x <= y for x, y in zip(a.uses, b.uses, strict=True))
        and all(x <= y for x, y in zip(a.left, b.left, strict=True))
        and all(x <= y for x, y in zip(a.spent, b.spent, strict=True))
        and all(x >= y for x, y in zip(a.done, b.done, strict=True))
    )
