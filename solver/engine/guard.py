"""Searches that guard against the worst: tails of futures, and prices that rise.

A tail, or a worst case of prices, is the dearest of many mixtures of futures or prices: an adversary chooses one. For
any one of them the cheapest plan is an ordinary problem, and costs no more than the plan wanted does. So each choice of
the adversary gives a lower bound, and a plan that is then judged by its true objective.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from ..assemble import tables
from ..errors import EngineError
from ..formulation import formulate
from ..rules import Books
from ..rules.measures import Measures, cvar, future_unserved, measure
from ..rules.risk import Risk
from . import mathopt, relaxation
from .linked import unlinked
from .press import pressed

if TYPE_CHECKING:
    from ..bill import Decision
    from ..plan import Termination
    from ..problem import Problem
    from .run import Outcome, Search

    Way = Callable[[Search], Outcome]

Array = np.ndarray[Any, np.dtype[Any]]
MOST_WHOLE = 40_000  # candidates × blocks of a problem that can only be searched whole
TURNS = 3  # choices of the adversary that are tried
TRIES = 3  # plans beyond a limit by rounding, before none is given
DIGITS = 10**9
MOST_WEIGHT, LEAST = Fraction(999, 1000), Fraction(1, 10_000)
MARGIN = Fraction(1, 10**9)  # of a limit, by which the next try stays below it


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What an adversary may choose: how much each future counts, and which share of its rise each offer takes."""

    weight: tuple[Fraction, ...]  # F, beyond the futures' part in the expected cost; adds up to risk_weight + price
    price: Fraction  # of a dollar of the limit on CVaR
    risen: tuple[Fraction, ...]  # of Limits.uncertain, each from 0 to 1; adds up to the robust budget at most


def guarded(s: Search, whole: Way, ordinary: Way, small: int) -> Outcome:
    """Search a problem whose limits or objective look beyond expected cost.

    Raises:
        EngineError: no plan in time, or a problem too large for the only way there is to search it.
    """
    p, cells = s.problem, len(s.problem.candidates.pool) * s.problem.blocks.count
    if cells <= small:
        return _kept(s, whole)
    if what := only_whole(p):
        if cells <= MOST_WHOLE:
            return _kept(s, whole)
        raise EngineError(too_large(cells, what), where="engine", mend="name fewer regions, scenarios or workloads")
    found = _against(s, ordinary)
    if found is None and cells <= MOST_WHOLE:
        return _kept(s, whole)
    if found is None:
        mend = "raise cvar.max_usd, or give --time-limit more seconds"
        raise EngineError("no plan within the limit on the CVaR of the cost was found", where="engine", mend=mend)
    return found


def only_whole(p: Problem) -> str:
    """Why a problem is none that an adversary's choice makes ordinary; "" if it is one.

    His choice may change what a dollar costs, but no limit: budgets are of list prices, carbon of expected hours.
    """
    limits, robust = p.limits, bool(p.limits.robust_budget and p.limits.uncertain)
    tail = bool(limits.risk_weight) or limits.cvar_max_micro_usd is not None
    budgets = (*limits.monthly_budget_micro_usd, limits.hourly_budget_micro_usd, limits.upfront_max_micro_usd)
    if limits.unserved:
        return "limits on unserved tails"
    if robust and tail:
        return "a tail of costs together with robust prices"
    if robust and any(usd is not None for usd in budgets):
        return "budgets together with robust prices"
    return "a limit on carbon together with a tail of costs" if tail and limits.carbon_max_g is not None else ""


def too_large(cells: int, what: str) -> str:
    """What is said of a problem that is searched whole or not at all."""
    return f"planned up to {MOST_WHOLE:,} candidates × blocks, not {cells:,}: {what}"


def measures(problem: Problem, decision: Decision) -> Measures:
    """Exact measures of a decision."""
    return measure(problem, _books(problem, decision))


def _books(problem: Problem, decision: Decision) -> Books:
    return Books(problem, cast("Any", SimpleNamespace(**tables(problem, decision))))


def beyond(problem: Problem, decision: Decision) -> bool:
    """Whether a decision passes a limit on a tail, exactly."""
    return bool(_excess(problem, decision))


def _excess(problem: Problem, decision: Decision) -> dict[int, Fraction]:
    """By how much a decision passes the limit on the cost (-1) and those on unserved units (by their number)."""
    limits, books = problem.limits, _books(problem, decision)
    found = {}
    if limits.cvar_max_micro_usd is not None:
        found[-1] = measure(problem, books).tail - limits.cvar_max_micro_usd
    for i, u in enumerate(limits.unserved):
        units = cvar(future_unserved(problem, books, u.workload), problem.futures[0], u.level)
        found[i] = units - u.max_units
    return {k: v for k, v in found.items() if v > 0}


def _kept(s: Search, whole: Way) -> Outcome:
    """The whole search; where rounding takes the plan past a limit, again with the limit that much lower."""
    bound, limits = -math.inf, s.problem.limits
    for _ in range(TRIES):
        found = whole(dataclasses.replace(s, problem=dataclasses.replace(s.problem, limits=limits)))
        bound = max(bound, found.bound) if bound == -math.inf else bound  # of the first: later ones are stricter
        if found.decision is None or found.termination == "infeasible":
            return found
        over = _excess(s.problem, found.decision)
        if not over or all(rule.name != Risk.name for rule in s.rules):  # without the rule the check has its say
            return dataclasses.replace(found, bound=bound)
        if -1 in over and limits.cvar_max_micro_usd is not None:
            less = over[-1] + MARGIN * limits.cvar_max_micro_usd
            limits = dataclasses.replace(limits, cvar_max_micro_usd=limits.cvar_max_micro_usd - math.ceil(less))
        unserved = tuple(
            dataclasses.replace(u, max_units=u.max_units - math.ceil(over.get(i, 0)))
            for i, u in enumerate(limits.unserved)
        )
        limits = dataclasses.replace(limits, unserved=unserved)
    raise EngineError("no plan keeps the limits on tails exactly", where="engine", mend="raise them a little")


def _against(s: Search, ordinary: Way) -> Outcome | None:
    """Ordinary problems at what the adversary chooses: first by the relaxation, then drawn towards the plan's worst.

    None when no plan found keeps the limit on the tail.
    """
    p, best, bound = s.problem, None, -math.inf
    least = math.inf
    choice, last = _of_relaxation(s), None
    for turn in range(TURNS):
        last = found = ordinary(_turn(s, choice, turn))
        if found.decision is None or found.termination == "infeasible":
            if best is None:
                return found
            break
        scale, limit = 1 + choice.price, Fraction(p.limits.cvar_max_micro_usd or 0) / 10**6
        bound = max(bound, float(scale) * found.bound - float(choice.price * limit))
        made = measures(p, found.decision)
        usd = float(made.objective) / 1e6
        if usd < least and not beyond(p, found.decision):
            best, least = found.decision, usd
            s.keep(best, bound)
        s.report("search", bound, least)
        if least - bound <= s.gap * least or s.past((turn + 1) / TURNS):
            break
        choice = _towards(choice, _worst(p, made, choice), Fraction(1, turn + 2))
    if best is None or last is None:
        return None
    reached = least - bound <= s.gap * least
    ended: Termination = "gap reached" if reached else "time limit" if s.past(1.0) else "gap not reached"
    return dataclasses.replace(last, decision=best, bound=bound, termination=ended)


def _turn(s: Search, choice: Choice, turn: int) -> Search:
    """An ordinary search at a choice, with its part of the time; plans are judged here, not there."""
    each = s.left() / (TURNS - turn)
    return dataclasses.replace(
        s,
        problem=_at(s.problem, choice),
        time_limit_s=s.time_limit_s - s.left() + each,
        report=lambda phase, _bound, _cost: s.report(phase, -math.inf, math.inf),
        keep=lambda _decision, _bound: None,
        warm=None,
        known=None,
    )


def _at(p: Problem, choice: Choice) -> Problem:
    """The ordinary problem at a choice; what prices rise by is cut to whole micro-dollars, which lowers the bound."""
    scale = 1 + choice.price
    tail = sum(choice.weight, Fraction(0)) - choice.price
    futures, share = p.futures
    weight = [((1 - tail) * q + w) / scale for q, w in zip(futures, choice.weight, strict=True)]
    state = [
        sum((w * row[k] for w, row in zip(weight, share, strict=True)), Fraction(0))
        for k in range(len(p.blocks.probability))
    ]
    chances = tuple(dataclasses.replace(c, futures=futures) for c in p.limits.chances)
    o = p.offers
    price, upfront = o.micro_usd_per_hour.copy(), o.upfront_micro_usd.copy()
    for (offer, rise), part in zip(p.limits.uncertain, choice.risen, strict=True):
        price[offer] += int(rise * part * int(price[offer]))
        upfront[offer] += int(rise * part * int(upfront[offer]))
    return dataclasses.replace(
        p,
        blocks=dataclasses.replace(p.blocks, probability=tuple(state)),
        offers=dataclasses.replace(o, micro_usd_per_hour=price, upfront_micro_usd=upfront),
        limits=dataclasses.replace(p.limits.unguarded(), chances=chances),
        outages=None if p.outages is None else dataclasses.replace(p.outages, probability=tuple(weight)),
    )


def _of_relaxation(s: Search) -> Choice:
    """The adversary's best choice against a relaxation over the candidates that expected cost alone would use."""
    p = s.problem
    plain = pressed(dataclasses.replace(p, limits=p.limits.unguarded()))
    root = relaxation.solve_root(
        unlinked(plain), s.rules, stop=lambda: s.past(0.2), report=lambda _bound: None, seed=s.effort.seed, gap=s.gap
    )
    full = dataclasses.replace(plain, limits=p.limits)
    f = formulate(full, s.rules, root.candidates, direct=True)
    answer = mathopt.solve(f.model.program().relaxed(), seed=s.effort.seed)
    futures = p.futures[0]
    weight, price, risen = np.zeros(len(futures)), 0.0, np.zeros(len(p.limits.uncertain))
    if answer.duals is not None:
        place = {offer: i for i, (offer, _) in enumerate(p.limits.uncertain)}
        for group in f.model.groups:
            y = answer.duals[group.rows]
            if group.name == "future cost":
                weight = np.maximum(-y, 0)
            elif group.name == "cvar":
                price = float(max(-y[0], 0))
            elif group.name == "price range" and group.keys is not None:
                risen[[place[k] for k in group.keys.tolist()]] = np.maximum(y, 0)
    return allowed(p, weight, price, risen)


def allowed(p: Problem, weight: Array, price: float, risen: Array) -> Choice:
    """The nearest choice that the adversary may make, exactly: more would be no bound."""
    limits, futures = p.limits, p.futures[0]
    paid = Fraction(round(price * DIGITS), DIGITS) if limits.cvar_max_micro_usd is not None else Fraction(0)
    total = limits.risk_weight + paid
    most = [total * q / (1 - limits.cvar_level) for q in futures]
    made = [min(Fraction(round(float(w) * DIGITS), DIGITS), m) for w, m in zip(weight, most, strict=True)]
    over = sum(made, Fraction(0)) - total
    for i in np.argsort(weight, kind="stable").tolist() if over > 0 else ():
        less = min(over, made[i])
        made[i], over = made[i] - less, over - less
    for i in np.argsort(-weight, kind="stable").tolist() if over < 0 else ():
        more = min(-over, most[i] - made[i])
        made[i], over = made[i] + more, over + more
    if limits.risk_weight > MOST_WEIGHT:  # where a state counts for nothing, leaving what must be served is free
        made = [(1 - LEAST) * m + LEAST * total * q for m, q in zip(made, futures, strict=True)]
    parts = [min(Fraction(1), Fraction(int(u * DIGITS), DIGITS)) for u in risen.tolist()]
    sum_of_parts = sum(parts, Fraction(0))
    if sum_of_parts > limits.robust_budget:
        parts = [u * limits.robust_budget / sum_of_parts for u in parts]
    return Choice(weight=tuple(made), price=paid, risen=tuple(parts))


def _worst(p: Problem, made: Measures, choice: Choice) -> Choice:
    """What the adversary would choose against a plan: the dearest futures, the offers that rise most."""
    order = sorted(range(len(made.cost)), key=lambda i: -made.cost[i])
    total = sum(choice.weight, Fraction(0))
    weight, left = [Fraction(0)] * len(order), total
    for i in order:
        weight[i] = min(left, total * made.probability[i] / (1 - made.level))
        left -= weight[i]
    risen = tuple(Fraction(int(offer in made.risen)) for offer, _ in p.limits.uncertain)
    return Choice(weight=tuple(weight), price=choice.price, risen=risen)


def _towards(one: Choice, other: Choice, step: Fraction) -> Choice:
    """A choice between two."""

    def between(a: Sequence[Fraction], b: Sequence[Fraction]) -> tuple[Fraction, ...]:
        return tuple(x + step * (y - x) for x, y in zip(a, b, strict=True))

    return Choice(
        weight=between(one.weight, other.weight), price=one.price + step * (other.price - one.price),
        risen=between(one.risen, other.risen),
    )  # fmt: skip
