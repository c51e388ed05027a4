"""A second engine: the planning problem in exact integers for CP-SAT, built without the planner's formulation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from ortools.sat.python import cp_model

from solver.problem import Problem

from .exact import Choice, Facts, futures, objective, whole

Terms = list[tuple[Any, Fraction | int]]


@dataclass(frozen=True, slots=True)
class Optimum:
    """The cheapest choice and its exact micro-dollars; both None when there is no valid choice at all."""

    choice: Choice | None
    micro_usd: Fraction | None


class Unfit(Exception):  # noqa: N818 (not an error: the numbers are beyond 64 bits)
    """The problem's integers are too large for this engine."""


class _Rows:
    """A CP-SAT model with fractions as coefficients."""

    def __init__(self) -> None:
        self.model = cp_model.CpModel()
        self.objective: Terms = []

    def variable(self, most: int, least: int = 0) -> Any:
        """A whole number in a range."""
        return self.model.new_int_var(least, most, "")

    def at_most(self, terms: Terms, limit: Fraction | int) -> None:
        """Sum of terms ≤ limit, exactly."""
        ints, unit = _fit(terms)
        if terms:
            self.model.add(cp_model.LinearExpr.weighted_sum([x for x, _ in terms], ints) <= (limit / unit).__floor__())
        elif limit < 0:
            self.model.add_bool_or([])

    def solve(self, seconds: float) -> cp_model.CpSolver | None:
        """Prove the optimum with one worker; None when infeasible."""
        if self.objective:
            ints, _ = _fit(self.objective)
            self.model.minimize(cp_model.LinearExpr.weighted_sum([x for x, _ in self.objective], ints))
        solver = cp_model.CpSolver()
        solver.parameters.num_workers = 1
        solver.parameters.linearization_level = 2  # else a thousand times slower where numbers are large
        solver.parameters.max_deterministic_time = seconds
        solver.parameters.catch_sigint_signal = False  # else Ctrl-C later ends the process at once, and silently
        status = solver.solve(self.model)
        if status == cp_model.MODEL_INVALID:
            raise Unfit(self.model.validate()[:200])
        if status not in {cp_model.OPTIMAL, cp_model.INFEASIBLE}:
            raise TimeoutError(f"CP-SAT ended with {solver.status_name(status)}")
        return solver if status == cp_model.OPTIMAL else None


def _fit(terms: Terms) -> tuple[list[int], Fraction]:
    """Coefficients in the largest unit that makes all of them whole, and that unit."""
    ints, unit = whole([Fraction(v) for _, v in terms])
    if any(abs(v) >= 2**62 for v in ints):
        raise Unfit(str(max(map(abs, ints))))
    return ints, unit


@dataclass(frozen=True, slots=True)
class _Columns:
    replicas: dict[tuple[int, int], Any]
    bought: dict[tuple[int, int], Any]
    held: dict[int, Any]
    served: dict[tuple[int, int, int], Any]
    left: dict[tuple[int, int], Any]
    hourly: dict[tuple[int, int], Fraction]  # source, block: units an hour that one of `served` stands for


def optimum(problem: Problem, *, seconds: float = 30.0, whole_jobs: bool = True) -> Optimum:
    """The proved optimum in exact arithmetic.

    Args:
        problem: what to plan; small.
        seconds: deterministic time of the search.
        whole_jobs: jobs do whole units in each hour, as plans say; else whole units in a block, which is less strict
            and where there is no monthly budget as good as any amount. No choice comes back then.

    Raises:
        Unfit: integers beyond 64 bits.
        TimeoutError: not proved in time.
    """
    f, rows = Facts(problem), _Rows()
    x = _columns(f, rows, whole_jobs=whole_jobs)
    _demand(f, rows, x)
    _supply(f, rows, x)
    _spot(f, rows, x)
    _held(f, rows, x)
    _given_up(f, rows, x)
    _spread(f, rows, x)
    _places(f, rows, x)
    _limits(f, rows, x)
    _price(f, rows, x)
    _guards(f, rows, x)
    solver = rows.solve(seconds)
    if solver is None:
        return Optimum(None, None)
    micro_usd = sum((Fraction(v) * int(solver.value(n)) for n, v in rows.objective), Fraction(0))
    if not whole_jobs:
        return Optimum(None, micro_usd)
    found = ({k: int(solver.value(v)) for k, v in part.items()} for part in _parts(x))
    choice = Choice(*({k: n for k, n in part.items() if n} for part in found))
    assert objective(f, choice) == micro_usd
    return Optimum(choice, micro_usd)


def _parts(x: _Columns) -> Sequence[dict[Any, Any]]:
    return x.replicas, x.bought, x.held, x.served, x.left


def _columns(f: Facts, rows: _Rows, *, whole_jobs: bool) -> _Columns:
    replicas = {
        (c, b): rows.variable(f.enough[c][b]) for c in f.candidates for b in f.blocks if f.open[c] and f.enough[c][b]
    }
    firm = [
        [sum(f.size[c] * f.enough[c][b] for c in f.candidates if f.pool[c] == q and not f.is_spot[c]) for b in f.blocks]
        for q in f.pools
    ]
    held = {}
    for k in f.commitments:
        ups = {b: f.up(f.commitment_pool[k], b) for b in f.blocks if f.active[k][b]}
        needs = [-(-firm[f.commitment_pool[k]][b] * zones // up) for b, (up, zones) in ups.items() if up]
        most = max(needs, default=0)
        held[k] = rows.variable(f.owned[k] or most, f.owned[k])
    served, left = {}, {}
    loose = {d for d in f.sources if f.total[d] and not whole_jobs}
    hourly = {(d, b): Fraction(1, f.total_hours[b] if d in loose else 1) for d in f.sources for b in f.blocks}
    for d, c in f.pairs:
        for b in f.blocks:
            if (c, b) in replicas and f.window[d][b]:
                asked = f.total[d] * hourly[d, b] if d in loose else f.asked(d, b)
                served[d, c, b] = rows.variable(int(min(f.enough[c][b] * f.capacity[c], asked) / hourly[d, b]))
    for d in f.sources:
        for at in f.scenarios if f.total[d] else f.blocks:
            free = not f.must[d] or (not f.total[d] and f.spared(d, at))
            left[d, at] = rows.variable((f.total[d] or f.demand[d][at]) if free else 0)
    for b, calm in f.held:
        for q in f.on_demand:
            up, zones = f.up(q, b)
            firm[q][calm] = max(firm[q][calm], -(-firm[q][b] * zones // up) if up else 0)
    bought = {(o, b): rows.variable(firm[q][b]) for q, o in f.on_demand.items() for b in f.blocks}
    return _Columns(replicas, bought, held, served, left, hourly)


def _demand(f: Facts, rows: _Rows, x: _Columns) -> None:
    """Every unit is served or left; a job is done over its hours; no replica serves more than it can."""
    for d in f.sources:
        if f.total[d]:
            for s in filter(f.works, f.scenarios):
                done = [
                    (v, -f.total_hours[b] * x.hourly[d, b])
                    for (i, _, b), v in x.served.items()
                    if i == d and f.scenario[b] == s
                ]
                rows.at_most([*done, (x.left[d, s], -1)], -f.total[d])
        else:
            for b in f.blocks:
                mine = [v for (i, _, at), v in x.served.items() if i == d and at == b]
                rows.model.add(sum(mine) + x.left[d, b] == f.demand[d][b])
    for (c, b), r in x.replicas.items():
        mine = [(v, x.hourly[d, b]) for (d, i, at), v in x.served.items() if i == c and at == b]
        rows.at_most([*mine, (r, -f.capacity[c])], 0)


def _supply(f: Facts, rows: _Rows, x: _Columns) -> None:
    """Firm nodes that run are held or bought; quotas count what is held, bought and on spot."""
    for q in f.pools:
        for b in f.blocks:
            running = [
                (r, f.size[c]) for (c, at), r in x.replicas.items() if at == b and f.pool[c] == q and not f.is_spot[c]
            ]
            rows.at_most([*running, *((n, -share) for n, share in _firm(f, x, q, b))], 0)
    for quota in f.problem.limits.quotas:
        for b in f.blocks:
            nodes: Terms = []
            for q in set(quota.pools):
                if quota.kind != "spot":
                    nodes += _firm(f, x, q, b)
                if quota.kind != "on_demand":
                    nodes += [
                        (r, f.size[c])
                        for (c, at), r in x.replicas.items()
                        if at == b and f.pool[c] == q and f.is_spot[c]
                    ]
            rows.at_most(nodes, f.allowed(quota, b))


def _firm(f: Facts, x: _Columns, q: int, b: int) -> Terms:
    """Columns of firm nodes of a pool in a block, each with the share of it that is there."""
    up, zones = f.up(q, b)
    held: Terms = [
        (x.held[k], Fraction(up, zones)) for k in f.commitments if f.commitment_pool[k] == q and f.active[k][b]
    ]
    return held + ([(x.bought[f.on_demand[q], b], Fraction(1))] if q in f.on_demand and up else [])


def _spot(f: Facts, rows: _Rows, x: _Columns) -> None:
    for w, site, share in f.shares():
        for b in f.blocks:
            terms: Terms = []
            for (c, at), r in x.replicas.items():
                if at == b and f.owner[c] == w:
                    counted = f.is_spot[c] and site in {-1, f.site[c]}
                    terms.append((r, f.capacity[c] * (counted - share)))
            rows.at_most(terms, 0)


def _held(f: Facts, rows: _Rows, x: _Columns) -> None:
    """Where no new node can be had, no more of a kind is there than was before, spread evenly over zones."""
    for b, calm in f.held:
        for q, o in f.on_demand.items():
            rows.at_most([(x.bought[o, b], 1), (x.bought[o, calm], -Fraction(*f.up(q, b)))], 0)
        for q in f.spot:
            mine = [c for c in f.candidates if f.pool[c] == q and f.is_spot[c]]
            terms: Terms = [(x.replicas[c, b], f.size[c]) for c in mine if (c, b) in x.replicas]
            terms += [
                (x.replicas[c, calm], -f.size[c] * Fraction(*f.up_for(c, b))) for c in mine if (c, calm) in x.replicas
            ]
            rows.at_most(terms, 0)


def _given_up(f: Facts, rows: _Rows, x: _Columns) -> None:
    """Futures with an outage in which something is left have so much probability at most."""
    probability, share = futures(f.problem)
    for limit in f.problem.limits.chances:
        terms: Terms = []
        for p, row in zip(probability, share, strict=True):
            given_up = rows.variable(1)
            terms.append((given_up, p))
            for (d, b), left in x.left.items():
                if f.workload_of[d] == limit.workload and f.spared(d, b) and row[f.scenario[b]]:
                    rows.at_most([(left, 1), (given_up, -f.demand[d][b])], 0)
        rows.at_most(terms, limit.max_probability)


def _spread(f: Facts, rows: _Rows, x: _Columns) -> None:
    """No place holds more than its share of a workload's capacity while nothing is lost."""
    p = f.problem
    for limit in p.limits.shares:
        mine = [c for c in f.candidates if f.owner[c] == limit.workload]
        where = {c: int(p.pool_shape[f.pool[c]]) if limit.per == "node" else f.site[c] for c in mine}
        for b in filter(lambda b: f.works(f.scenario[b]), f.blocks):
            for place in set(where.values()):
                zones = max(1, int(p.sites.zones[place])) if limit.per == "zone" else 1
                terms: Terms = [
                    (x.replicas[c, b], f.capacity[c] * ((where[c] == place) - limit.share * zones))
                    for c in mine
                    if (c, b) in x.replicas
                ]
                rows.at_most(terms, 0)


def _places(f: Facts, rows: _Rows, x: _Columns) -> None:
    """A run takes one candidate and at most one gang of it."""
    for w in f.workloads:
        if f.is_run(w):
            here = {c: rows.variable(1) for c in f.candidates if f.owner[c] == w}
            rows.at_most([(v, 1) for v in here.values()], 1)
            for (c, _), r in x.replicas.items():
                if c in here:
                    rows.at_most([(r, 1), (here[c], -1)], 0)


def _limits(f: Facts, rows: _Rows, x: _Columns) -> None:
    limits = f.problem.limits
    for month, budget in enumerate(limits.monthly_budget_micro_usd):
        for s in filter(f.works, f.scenarios) if budget is not None else ():
            terms: Terms = [(n, f.held_price(k)[month]) for k, n in x.held.items()]
            for b in f.blocks:
                if f.scenario[b] == s:
                    terms += [(v, rate * f.hours[b][month]) for v, rate in _rates(f, x, b)]
                    terms += [
                        (v, f.transfer(d, c) * x.hourly[d, b] * f.hours[b][month])
                        for (d, c, at), v in x.served.items()
                        if at == b
                    ]
            rows.at_most(terms, Fraction(budget or 0))
    if limits.hourly_budget_micro_usd is not None:
        for b in f.blocks:
            held: Terms = [(n, f.held_per_hour(k)) for k, n in x.held.items() if f.active[k][b]]
            rows.at_most([*held, *_rates(f, x, b)], Fraction(limits.hourly_budget_micro_usd))
    if limits.upfront_max_micro_usd is not None:
        rows.at_most([(n, f.upfront(k)) for k, n in x.held.items()], limits.upfront_max_micro_usd)
    if limits.carbon_max_g is not None:
        rows.at_most(
            [(r, f.grams(c, b) * f.weight[b]) for (c, b), r in x.replicas.items()], Fraction(limits.carbon_max_g)
        )


def _rates(f: Facts, x: _Columns, block: int) -> Terms:
    """Micro-dollars an hour of nodes bought by the hour in a block."""
    made: Terms = [(n, f.price[o]) for (o, b), n in x.bought.items() if b == block]
    return made + [(r, f.replica_price(c)) for (c, b), r in x.replicas.items() if b == block and f.is_spot[c]]


def _price(f: Facts, rows: _Rows, x: _Columns) -> None:
    price = rows.objective
    price += [(n, sum(f.held_price(k))) for k, n in x.held.items()]
    price += [(n, f.price[o] * f.weight[b]) for (o, b), n in x.bought.items()]
    price += [(r, (f.replica_price(c) + f.carbon_price(c, b)) * f.weight[b]) for (c, b), r in x.replicas.items()]
    price += [(v, f.transfer(d, c) * x.hourly[d, b] * f.weight[b]) for (d, c, b), v in x.served.items()]
    for (d, at), v in x.left.items():
        if not f.total[d] and f.spared(d, at):
            continue
        often = f.problem.blocks.probability[at] if f.total[d] else f.weight[at]
        price.append((v, f.penalty[f.workload_of[d]] * often))


def _guards(f: Facts, rows: _Rows, x: _Columns) -> None:
    """Tails of the cost and of unserved units, and the offers that rise."""
    limits, count = f.problem.limits, len(f.scenarios)
    held: Terms = [(n, sum(f.held_price(k), Fraction(0))) for k, n in x.held.items()]
    if limits.risk_weight or limits.cvar_max_micro_usd is not None:
        by_scenario = [_cost_of(f, x, s) for s in range(count)]
        tail = _tail(f, rows, held, by_scenario, limits.cvar_level)
        if limits.cvar_max_micro_usd is not None:
            rows.at_most(tail, Fraction(limits.cvar_max_micro_usd))
        weight = limits.risk_weight
        rows.objective[:] = [(v, (1 - weight) * n) for v, n in rows.objective] + [(v, weight * n) for v, n in tail]
    for u in limits.unserved:
        left: list[Terms] = [[] for _ in range(count)]
        for (d, at), v in x.left.items():
            if f.workload_of[d] == u.workload:
                left[at if f.total[d] else f.scenario[at]].append((v, 1 if f.total[d] else f.total_hours[at]))
        rows.at_most(_tail(f, rows, [], left, u.level), u.max_units)
    if limits.robust_budget:
        _rise(f, rows, x)


def _cost_of(f: Facts, x: _Columns, s: int) -> Terms:
    """Micro-dollars of a scenario over the horizon, without commitments."""
    made: Terms = [(n, f.price[o] * f.total_hours[b]) for (o, b), n in x.bought.items() if f.scenario[b] == s]
    for (c, b), r in x.replicas.items():
        if f.scenario[b] == s:
            made.append((r, (f.replica_price(c) + f.carbon_price(c, b)) * f.total_hours[b]))
    for (d, c, b), v in x.served.items():
        if f.scenario[b] == s:
            made.append((v, f.transfer(d, c) * x.hourly[d, b] * f.total_hours[b]))
    for (d, at), v in x.left.items():
        if (at if f.total[d] else f.scenario[at]) == s and (f.total[d] or not f.spared(d, at)):
            made.append((v, f.penalty[f.workload_of[d]] * (1 if f.total[d] else f.total_hours[at])))
    return made


def _tail(f: Facts, rows: _Rows, fixed: Terms, by_scenario: list[Terms], level: Fraction) -> Terms:
    """Terms of the mean over the worst futures; the threshold is one of the futures' amounts, whole in their unit."""
    probability, share = futures(f.problem)
    each = [
        [*fixed, *((v, t * n) for t, terms in zip(row, by_scenario, strict=True) for v, n in terms)] for row in share
    ]
    if level == 0:
        return [(v, p * n) for p, terms in zip(probability, each, strict=True) for v, n in terms]
    _, unit = _fit([term for terms in each for term in terms])
    most = [sum(int(Fraction(n) / unit) * _most(v) for v, n in terms) for terms in each]
    if max(most, default=0) >= 2**60:
        raise Unfit(str(max(most)))
    threshold = rows.variable(max(most, default=0))
    tail: Terms = [(threshold, unit)]
    for p, terms, top in zip(probability, each, most, strict=True):
        beyond = rows.variable(top)
        rows.at_most([*terms, (threshold, -unit), (beyond, -unit)], 0)
        tail.append((beyond, unit * p / (1 - level)))
    return tail


def _most(variable: Any) -> int:
    return int(list(variable.proto.domain)[-1])


def _rise(f: Facts, rows: _Rows, x: _Columns) -> None:
    """The rise of the worst choice: its dual, whose price of a choice is one of the rises, so whole in their unit."""
    each: list[Terms] = []
    for offer, share in f.problem.limits.uncertain:
        terms: Terms = [(n, share * f.price[o] * f.weight[b]) for (o, b), n in x.bought.items() if o == offer]
        for (c, b), r in x.replicas.items():
            if f.is_spot[c] and f.spot[f.pool[c]] == offer:
                terms.append((r, share * f.replica_price(c) * f.weight[b]))
        if offer in x.held and not f.owned[offer]:
            terms.append((x.held[offer], share * sum(f.held_price(offer), Fraction(0))))
        each.append(terms)
    _, unit = _fit([term for terms in each for term in terms])
    most = [sum(int(Fraction(n) / unit) * _most(v) for v, n in terms) for terms in each]
    if max(most, default=0) >= 2**60:
        raise Unfit(str(max(most)))
    price = rows.variable(max(most, default=0))
    rows.objective.append((price, unit * f.problem.limits.robust_budget))
    for terms, top in zip(each, most, strict=True):
        beyond = rows.variable(top)
        rows.at_most([*terms, (price, -unit), (beyond, -unit)], 0)
        rows.objective.append((beyond, unit))
