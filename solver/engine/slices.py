"""The cheapest whole numbers of machines on which slices of work fit.

Fleets are gone through from the cheapest on, and each is either refuted or filled; the first one filled is the optimum.
Prices u of a machine of each type refute a fleet y if Σ_b count[b] × min_t u[t] × load[b, t] > room × u·y: whatever is
placed where uses more than there is. They refute many fleets at once and are kept. A fleet that no prices refute is
filled by rounding the relaxation, or else searched in whole numbers by CP-SAT, whose no is believed if HiGHS agrees.
"""

from __future__ import annotations

import itertools
import math
import time
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from ..model import Program
from . import mathopt

if TYPE_CHECKING:
    from collections.abc import Iterator
Array = np.ndarray[Any, np.dtype[Any]]
MOST_FLEETS = 2_000_000  # laid out at once
SURE = 1e-9  # share by which prices must refute, beyond rounding errors of sums
STEPS = 40  # of the ascent to refuting prices, before the relaxation is solved
AIM = 0.02  # of what is used at the prices, by which they aim to refute
MOST_WAYS = 4096  # of placing what rounding leaves over
MUCH = 1e7  # machines that no plan needs
TINY = 1e-30
BITS = 50  # of the sums of whole loads that CP-SAT works with
MOVES = 60  # of single slices and pairs, to make a rounded placement fit
LATE_S = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """B buckets of alike slices and T types of machine, each of which at least one bucket can use."""

    load: Array  # float [B, T] of one slice; inf where it cannot run
    count: Array  # int64 [B] slices
    room: int  # load that a machine has room for
    price: Array  # int64 [T] of a machine, > 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """What was found: slices of each bucket on each type, machines of each type, and a bound on every fleet's price."""

    slices: Array  # int64 [B, T]
    machines: Array  # int64 [T]
    lower: int


@dataclass(slots=True)
class _Cuts:
    """Prices kept, and what every placement uses at them at least."""

    prices: list[Array] = field(default_factory=list)
    least: list[float] = field(default_factory=list)

    def add(self, prices: Array, least: float) -> None:
        self.prices.append(prices)
        self.least.append(least * (1 - SURE))

    def passed(self, fleets: Array) -> Array:
        """Fleets [F, T] that none of the prices refutes."""
        return np.asarray((fleets @ np.array(self.prices).T >= np.array(self.least)).all(axis=1))


def cheapest(work: Work, *, time_limit_s: float) -> Placement:
    """The cheapest fleet and what runs where; after the time limit the best one known, with a lower bound."""
    end, cuts, prices = time.monotonic() + time_limit_s, _Cuts(), work.price.astype(float)
    cuts.add(prices, used(work, prices))
    best, lower = _simple(work), math.ceil(cuts.least[0])
    if best.lower <= lower:
        return best
    if _cells(work, lower) > MOST_FLEETS:
        return _searched(work, best, lower, end)
    undecided: int | None = None
    for fleets in _fleets(work, lower):
        passed = np.flatnonzero(cuts.passed(fleets))
        while len(passed):
            fleet, passed = fleets[passed[0]], passed[1:]
            price = int(fleet @ work.price)
            if price >= best.lower or time.monotonic() > end:
                return _ended(best, min(price, undecided or price))
            filled, sure = _filled(work, fleet, cuts, end)
            if filled is not None:
                return Placement(slices=filled, machines=fleet, lower=undecided or price)
            undecided = undecided if sure else undecided or price
            passed = passed[cuts.passed(fleets[passed])]
    raise AssertionError("fleets never end")


def _ended(best: Placement, lower: int) -> Placement:
    return Placement(slices=best.slices, machines=best.machines, lower=min(lower, best.lower))


def used(work: Work, prices: Array) -> float:
    """What every placement uses at these prices at the least, in machines: each slice where it uses least."""
    return float(work.count @ _valued(work, prices).min(axis=1)) / work.room


def _valued(work: Work, prices: Array) -> Array:
    with np.errstate(invalid="ignore"):  # 0 × inf: it cannot run there at any price
        made: Array = np.nan_to_num(work.load * prices, copy=False, nan=np.inf, posinf=np.inf)
    return made


def fits(work: Work, slices: Array, machines: Array) -> bool:
    """Whether a placement fits, in exact fractions."""
    return bool((needed(work, slices) <= machines).all())


def needed(work: Work, slices: Array) -> Array:
    """Machines of each type that a placement needs, int64 [T], exactly."""
    made = []  # a load is the decimal that it is written as: ten times 0.1 is one
    for load, here in zip(work.load.T.tolist(), slices.T.tolist(), strict=True):
        total = sum((n * Fraction(str(x)) for n, x in zip(here, load, strict=True) if n), Fraction(0))
        made.append(math.ceil(total / work.room))
    return np.array(made, dtype=np.int64)


def _simple(work: Work) -> Placement:
    """Everything on its own cheapest type, or all of it on one; `lower` holds its price."""
    types = range(len(work.price))
    choices = [_valued(work, work.price.astype(float)).argmin(axis=1)]
    choices += [np.full(len(work.count), t) for t in types if np.isfinite(work.load[:, t]).all()]
    made = []
    for choice in choices:
        slices = np.zeros(work.load.shape, dtype=np.int64)
        slices[np.arange(len(choice)), choice] = work.count
        machines = needed(work, slices)
        made.append(Placement(slices=slices, machines=machines, lower=int(machines @ work.price)))
    return min(made, key=lambda p: p.lower)


def _cells(work: Work, lower: int) -> int:
    """How many fleets `_fleets` lays out at a price."""
    counts = np.sort(lower // work.price + 2)
    return math.prod(int(n) for n in counts[:-1])


def _fleets(work: Work, lower: int) -> Iterator[Array]:
    """Fleets [F, T] in ascending order of price, in portions."""
    first = int(work.price.argmin())
    others = np.delete(np.arange(len(work.price)), first)
    cheap, low = int(work.price[first]), lower
    while True:
        high = low + cheap  # at most one count of the cheapest type brings a fleet into the portion
        axes = np.meshgrid(*(np.arange(high // p + 1) for p in work.price[others].tolist()), indexing="ij")
        rest = np.stack([axis.ravel() for axis in axes], axis=1) if axes else np.zeros((1, 0), dtype=np.int64)
        paid = rest @ work.price[others]
        number = np.maximum(0, -((paid - low) // cheap))
        total = paid + number * cheap
        inside = (total >= low) & (total < high)
        made = np.insert(rest[inside], first, number[inside], axis=1)
        yield made[np.argsort(total[inside], kind="stable")]
        low = high


def _filled(work: Work, fleet: Array, cuts: _Cuts, end: float) -> tuple[Array | None, bool]:
    """A placement on a fleet; without one, whether it is sure that there is none."""
    prices = _ascended(work, fleet, cuts.prices[-1])
    if _refutes(work, fleet, prices, cuts):
        return None, True
    prices, parts = _relaxed(work, fleet)
    if _refutes(work, fleet, prices, cuts):
        return None, True
    rounded = _rounded(work, fleet, parts)
    if rounded is not None:
        return rounded, True
    return _placed(work, fleet, end)


def _refutes(work: Work, fleet: Array, prices: Array, cuts: _Cuts) -> bool:
    least = used(work, prices)
    if float(fleet @ prices) >= least * (1 - SURE):
        return False
    cuts.add(prices, least)
    return True


def _ascended(work: Work, fleet: Array, prices: Array) -> Array:
    """Prices that may refute a fleet: steps towards what placements at these prices need beyond it."""
    types, buckets = work.load.shape[1], np.arange(len(work.count))
    for _ in range(STEPS):
        choice = _valued(work, prices).argmin(axis=1)
        busy = np.bincount(choice, work.count * work.load[buckets, choice], minlength=types) / work.room
        beyond, worth = busy - fleet, float(prices @ busy)
        short = float(prices @ beyond)
        if short > SURE * worth:
            break
        step = (AIM * worth - short) / max(float(beyond @ beyond), TINY)
        prices = np.maximum(prices + step * beyond, 0.0)
    return prices


def _relaxed(work: Work, fleet: Array) -> tuple[Array, Array]:
    """Prices [T] at which parts of slices need most beyond a fleet, and these parts [B, T]: as much to spare as can be.

    min s:  Σ_t n[b, t] = count[b],  Σ_b load[b, t] × n[b, t] ≤ room × (fleet[t] + s), t over the types of the fleet
    """
    on = np.flatnonzero(fleet)
    load, parts = work.load[:, on], np.zeros(work.load.shape)
    if not np.isfinite(load).any(axis=1).all():
        return (fleet == 0).astype(float), parts
    answer = mathopt.solve(_program(work, on, fleet[on].astype(float), np.ones((len(on), 1)), np.ones(1)))
    if answer.values is None or answer.duals is None:
        return np.zeros(len(fleet)), parts
    parts[:, on] = answer.values[: load.size].reshape(load.shape)
    prices = np.zeros(len(fleet))
    prices[on] = np.maximum(-answer.duals[len(work.count) :], 0.0)
    least = _valued(work, np.where(fleet > 0, prices, np.inf)).min(axis=1)  # other types: so dear that nothing changes
    prices[fleet == 0] = (least[:, None] / work.load[:, fleet == 0]).max(axis=0, initial=0.0)
    return prices, parts


def _program(work: Work, on: Array, fleet: Array, more: Array, cost: Array, *, whole: bool = False) -> Program:
    """Slices [B, types on] and x [X], all slices placed and load ≤ room × (fleet + more [types, X] · x): min cost·x."""
    from scipy.sparse import csr_array, hstack, kron, vstack

    load = work.load[:, on]
    some, (buckets, types) = np.isfinite(load), load.shape
    placed = kron(np.eye(buckets), np.ones((1, types)))
    loads = csr_array(
        (np.where(some, load, 0.0).ravel() / work.room, (np.tile(np.arange(types), buckets), np.arange(load.size)))
    )
    extra = len(cost)
    return Program(
        cost=np.concatenate([np.zeros(load.size), cost]),
        lower=np.concatenate([np.zeros(load.size), np.full(extra, 0.0 if whole else -MUCH)]),
        upper=np.concatenate([np.where(some, work.count[:, None], 0.0).ravel(), np.full(extra, MUCH)]),
        whole=np.full(load.size + extra, whole),
        matrix=csr_array(vstack([hstack([placed, csr_array((buckets, extra))]), hstack([loads, csr_array(-more)])])),
        row_lower=np.concatenate([work.count.astype(float), np.full(types, -np.inf)]),
        row_upper=np.concatenate([work.count.astype(float), fleet]),
    )


def _rounded(work: Work, fleet: Array, parts: Array) -> Array | None:
    """Parts of slices made whole: what rounding down leaves over in every way, then moves while they help."""
    made = np.floor(parts + SURE).astype(np.int64)
    left = np.repeat(np.arange(len(work.count)), work.count - made.sum(axis=1))
    types = np.flatnonzero(fleet)
    load = np.where(np.isfinite(work.load), work.load, MUCH)
    while len(types) ** len(left) > MOST_WAYS:  # the largest first, where most is free
        free = fleet * work.room - (load * made).sum(axis=0)
        t = types[(free - load[left[0]])[types].argmax()]
        made[left[0], t] += 1
        left = left[1:]
    ways = np.array(list(itertools.product(types.tolist(), repeat=len(left))), dtype=np.int64)
    busy = np.tile((load * made).sum(axis=0), (len(ways), 1))
    for i, b in enumerate(left):
        busy[np.arange(len(ways)), ways[:, i]] += load[b, ways[:, i]]
    best = ways[np.maximum(busy - fleet * work.room, 0.0).sum(axis=1).argmin()]
    np.add.at(made, (left, best), 1)
    return _moved(work, fleet, load, made)


def _moved(work: Work, fleet: Array, load: Array, made: Array) -> Array | None:
    """Slices moved, one or two for one another at a time, until all fits; None where no move helps."""
    room = fleet * work.room
    for _ in range(MOVES):
        busy = (load * made).sum(axis=0)
        over = float(np.maximum(busy - room, 0.0).sum())
        if over <= SURE * work.room and fits(work, made, fleet):
            return made
        change, least = None, over * (1 - SURE)
        for t, u in itertools.permutations(np.flatnonzero(fleet).tolist(), 2):
            outs, backs = np.flatnonzero(made[:, t]), np.append(np.flatnonzero(made[:, u]), -1)
            leave, come = load[outs, t], load[outs, u]
            there, here = np.append(load[backs[:-1], u], 0.0), np.append(load[backs[:-1], t], 0.0)
            at_t = np.maximum(busy[t] - leave[:, None] + here - room[t], 0.0)
            at_u = np.maximum(busy[u] + come[:, None] - there - room[u], 0.0)
            rest = over - max(0.0, busy[t] - room[t]) - max(0.0, busy[u] - room[u])
            total = at_t + at_u + rest
            if total.size and (found := float(total.min())) < least:
                i, j = np.unravel_index(total.argmin(), total.shape)
                change, least = (t, u, int(outs[i]), int(backs[j])), found
        if change is None:
            return None
        t, u, out, back = change
        made[out, t] -= 1
        made[out, u] += 1
        if back >= 0:
            made[back, u] -= 1
            made[back, t] += 1
    return None


def _placed(work: Work, fleet: Array, end: float) -> tuple[Array | None, bool]:
    """As `_filled`, by search in whole numbers: loads rounded down refute, and what fits is counted exactly."""
    for beyond in (-1, 2):  # parts of a whole load, so that rounded ones are surely less, then surely more
        status, slices = _satisfied(work, fleet, beyond, end)
        if status == "infeasible":
            return None, beyond < 0 and _short(work, fleet, end)
        if slices is None:
            return None, False
        if fits(work, slices, fleet):
            return slices, True
    return None, False


def _short(work: Work, fleet: Array, end: float) -> bool:
    """Whether HiGHS, too, finds that whole slices need more than a fleet."""
    on = np.flatnonzero(fleet)
    program = _program(work, on, fleet[on].astype(float), np.zeros((len(on), 0)), np.zeros(0), whole=True)
    return mathopt.solve(program, time_limit_s=max(LATE_S, end - time.monotonic()), tight=True).status == "infeasible"


def _satisfied(work: Work, fleet: Array, beyond: int, end: float) -> tuple[str, Array | None]:
    """CP-SAT on one fleet with whole loads."""
    from ortools.sat.python import cp_model

    some = np.isfinite(work.load) & (fleet > 0)
    largest = max(float((work.count[:, None] * np.where(some, work.load, 0.0)).sum(axis=0).max()), float(work.room))
    scale = 2.0 ** (BITS - math.ceil(math.log2(max(largest, float(work.room * fleet.max())))))
    load = np.maximum(np.floor(np.where(some, work.load, 0.0) * scale) + beyond, 0).astype(np.int64)
    model = cp_model.CpModel()
    x = {(b, t): model.new_int_var(0, int(work.count[b]), "") for b, t in np.argwhere(some).tolist()}
    for b, count in enumerate(work.count.tolist()):
        model.add(sum(x[b, t] for t in np.flatnonzero(some[b]).tolist()) == count)
    for t in np.flatnonzero(fleet).tolist():
        here = np.flatnonzero(some[:, t]).tolist()
        total = cp_model.LinearExpr.weighted_sum([x[b, t] for b in here], load[here, t].tolist())
        model.add(total <= int(fleet[t]) * work.room * int(scale))
    solver = cp_model.CpSolver()
    solver.parameters.num_workers, solver.parameters.random_seed = 1, 0
    solver.parameters.max_time_in_seconds = max(LATE_S, end - time.monotonic())
    status = solver.solve(model)
    if status == cp_model.INFEASIBLE:
        return "infeasible", None
    if status not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
        return "unknown", None
    slices = np.zeros(work.load.shape, dtype=np.int64)
    for (b, t), variable in x.items():
        slices[b, t] = solver.value(variable)
    return "feasible", slices


def _searched(work: Work, best: Placement, lower: int, end: float) -> Placement:
    """The whole model at once by HiGHS, where fleets are too many to be gone through."""
    types = np.arange(len(work.price))
    program = _program(work, types, np.zeros(len(types)), np.eye(len(types)), work.price / 1e6, whole=True)
    answer = mathopt.solve(program, time_limit_s=max(LATE_S, end - time.monotonic()), tight=True)
    if math.isfinite(answer.bound):
        lower = max(lower, math.ceil(answer.bound * 1e6 * (1 - SURE)))
    if answer.values is not None:
        slices = np.rint(answer.values[: work.load.size]).astype(np.int64).reshape(work.load.shape)
        machines = needed(work, slices)
        if int(machines @ work.price) < best.lower:
            best = Placement(slices=slices, machines=machines, lower=int(machines @ work.price))
    return _ended(best, lower)
