"""The whole search: a whole model when it is small; else the root bound, a primal search and a last proof."""

from __future__ import annotations

import dataclasses
import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..assemble import decide
from ..errors import EngineError
from ..formulation import formulate
from ..rules.budget import overspent_usd
from . import mathopt, primal, relaxation
from .assign import assign
from .parts import Effort
from .proof import in_reach, prove
from .rounding import dearest_node

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..bill import Decision
    from ..formulation import Formulation
    from ..plan import Termination
    from ..problem import Problem
    from ..rules.base import Rule

Array = np.ndarray[Any, np.dtype[Any]]
SMALL = 2500  # candidates × blocks of a model that is solved whole
FOR_ROOT, FOR_PRIMAL, ALL = 0.5, 0.6, 0.95  # of the time limit: by when the relaxation and the search for a plan stop
MOST_NODES = 200  # of a tree when the run must not depend on a clock
PRESS = (10.0, 1000.0)  # times the dearest replica: what the search thinks of a unit that must be served and is not
MOST_MICRO_USD = 1e18  # that an int64 holds
MISSED = 1e-6
LEAST_USD = 1e-9
CONTRADICTION = 1e-6  # of the cost: rounding noise of bounds
REPORT = "report the spec"
MARGIN = 1.1  # of what a plan spends beyond a budget, taken off it for the next
TRIES = 3  # plans whose traffic passes a budget, before none is given
ENGINES: tuple[mathopt.Name, ...] = ("highs", "scip")
WHOLE_NODES = 100_000
SECOND_S = 5.0  # seconds at most for the second engine's opinion
FEW_UNITS = 10_000  # an hour


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What the search ended with."""

    decision: Decision | None  # for an infeasible problem, with what cannot be served left unserved
    bound: float  # dollars
    termination: Termination


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """One search: the problem, its rules, and when to stop."""

    problem: Problem
    rules: Sequence[Rule]
    time_limit_s: float  # inf in a deterministic run
    gap: float
    effort: Effort
    report: Callable[[str, float, float], None]
    keep: Callable[[Decision, float], None]
    start: float

    def left(self) -> float:
        """Seconds left."""
        return self.time_limit_s - (time.monotonic() - self.start)

    def past(self, share: float) -> bool:
        """Whether this share of the time limit is gone."""
        return self.left() < (1 - share) * self.time_limit_s


def run(
    problem: Problem,
    rules: Sequence[Rule],
    *,
    time_limit_s: float,
    gap: float,
    seed: int,
    deterministic: bool,
    report: Callable[[str, float, float], None],
    keep: Callable[[Decision, float], None] = lambda _decision, _bound: None,
) -> Outcome:
    """Search until the gap or the time limit is reached.

    `report(phase, bound, cost)` hears of progress, in dollars; `keep(decision, bound)` gets each better plan at once,
    for those who may have to stop the search from outside.

    Raises:
        EngineError: no plan was found in time, and none of the requirements was shown to be out of reach.
    """
    search = Search(
        problem=problem,
        rules=rules,
        time_limit_s=math.inf if deterministic else time_limit_s,
        gap=gap,
        effort=Effort(seed=seed, nodes=MOST_NODES if deterministic else None),
        report=report,
        keep=keep,
        start=time.monotonic(),
    )
    if len(problem.candidates.pool) * problem.blocks.count <= SMALL:
        return _whole(search)
    return _decomposed(search)


def pressed(problem: Problem, times: float) -> Problem:
    """The problem with a prohibitive price on what must be served: so many times its dearest replica's.

    Prices as low as that keep the numbers of the relaxation alike; a relaxation that leaves such units all the same
    is asked again at a price beyond any doubt before anything is said of the problem.
    """
    w, c = problem.workloads, problem.candidates
    unit = np.zeros(len(w.name))
    dearest = dearest_node(problem)[c.pool] * c.nodes_per_replica / np.maximum(c.units_per_hour, 1)
    np.maximum.at(unit, c.workload, dearest)
    unit *= max(1.0, worth_of_choice(problem))
    asked = np.ceil(np.minimum(unit * times * 1e6, MOST_MICRO_USD)).astype(np.int64)
    price = np.where(w.must_serve, np.maximum(asked, 1), w.unserved_micro_usd_per_unit)
    return dataclasses.replace(problem, workloads=dataclasses.replace(w, unserved_micro_usd_per_unit=price))


def worth_of_choice(problem: Problem) -> float:
    """Most that a dollar spent on what may stay unserved saves: it must not be worth more than what must be served."""
    w, c, o = problem.workloads, problem.candidates, problem.offers
    node = np.full(len(problem.pool_shape), np.inf)
    np.minimum.at(node, o.pool, (o.micro_usd_per_hour + o.upfront_micro_usd / np.maximum(o.term_hours, 1)) / 1e6)
    unit = np.full(len(w.name), np.inf)
    np.minimum.at(unit, c.workload, node[c.pool] * c.nodes_per_replica / np.maximum(c.units_per_hour, 1))
    worth = w.unserved_micro_usd_per_unit / 1e6 / np.maximum(unit, LEAST_USD)
    return float(worth[~w.must_serve & np.isfinite(unit)].max(initial=0.0))


def _decomposed(s: Search) -> Outcome:
    """Root bound over all candidates, a plan, and a last proof when the gap is still open."""
    root = _root(s)
    f, bound = root.formulation, root.bound
    if root.infeasible or root.values[root.owed].max(initial=0.0) > MISSED:
        if not (root.converged or root.infeasible):
            raise _out_of_time()
        values = None if root.infeasible else root.values
        return _outcome(f, values, bound, "infeasible")

    share = FOR_PRIMAL if in_reach(s.problem) else ALL

    def enough(usd: float) -> bool:
        return s.past(share) or (usd + f.model.constant) * (1 - s.gap) <= bound

    def better(values: Array, usd: float) -> None:
        s.report("search", bound, usd + f.model.constant)
        decision = decide(f, values, assign)
        if not (overspent_usd(s.problem, decision) > 0).any():
            s.keep(decision, bound)

    values = _within_budget(s, root, enough, better, lambda: s.left() - (1 - share) * s.time_limit_s)
    if values is None:
        raise _out_of_time()
    cost = float(root.program.cost @ values) + f.model.constant
    if cost - bound > s.gap * cost and s.left() > 1 and in_reach(s.problem):
        found = prove(s.problem, s.rules, root, cost, left=s.left, gap=s.gap, effort=s.effort)
        if found > cost + CONTRADICTION * max(1.0, abs(cost)):
            raise EngineError(f"a proof says ${found:,.2f}, a plan costs ${cost:,.2f}", where="engine", mend=REPORT)
        bound = max(bound, min(found, cost))
        s.report("proof", bound, cost)
    if cost - bound <= s.gap * cost:
        return _outcome(f, values, bound, "gap reached")
    return _outcome(f, values, bound, "time limit" if s.past(ALL) else "gap not reached")


def _within_budget(
    s: Search,
    root: relaxation.Root,
    enough: Callable[[float], bool],
    better: Callable[[Array, float], None],
    seconds: Callable[[], float],
) -> Array | None:
    """The best plan found that keeps the budgets with all its traffic, which the relaxation knows in part only."""
    f = root.formulation
    for _ in range(TRIES):
        values = primal.search(root, stop=enough, report=better, effort=s.effort, seconds=seconds)
        if values is None:
            return None
        beyond = overspent_usd(s.problem, decide(f, values, assign))
        if not (beyond > 0).any():
            return values
        upper, paid = root.program.row_upper.copy(), root.program.matrix @ values
        for group in f.model.groups:
            if group.name == "monthly budget":
                upper[group.rows] = np.where(beyond > 0, paid[group.rows] - MARGIN * beyond, upper[group.rows])
        root = dataclasses.replace(root, program=root.program.replace(row_upper=upper))
    return None


def _root(s: Search) -> relaxation.Root:
    """The root relaxation; asked again at a higher price before it may say that something cannot be served."""
    for times in PRESS[:-1]:
        root = _root_at(s, times)
        if not root.infeasible and root.values[root.owed].max(initial=0.0) <= MISSED:
            return root
    return _root_at(s, PRESS[-1])


def _root_at(s: Search, times: float) -> relaxation.Root:
    return relaxation.solve_root(
        pressed(s.problem, times),
        s.rules,
        stop=lambda: s.past(FOR_ROOT),
        report=lambda b: s.report("bound", b, math.inf),
        seed=s.effort.seed,
        gap=s.gap,
    )


def _outcome(f: Formulation, values: Array | None, bound: float, termination: Termination) -> Outcome:
    decision = None if values is None else decide(f, values, assign)
    return Outcome(decision=decision, bound=bound, termination=termination)


def few_units(problem: Problem) -> bool:
    """Whether a whole unit more or less may matter, and units are few enough to be counted one by one.

    It may where a budget counts the transfer of units, and where jobs pay for what they move in whole units an hour.
    """
    s = problem.sources
    jobs = s.total_units > 0
    matters = any(usd is not None for usd in problem.limits.monthly_budget_micro_usd)
    matters |= bool(s.transfer_pico_usd_per_unit[jobs].any())
    hours = problem.blocks.total_hours.min(initial=1)
    return matters and max(s.units_per_hour.max(initial=0), s.total_units.max(initial=0) // hours) <= FEW_UNITS


def _whole(s: Search) -> Outcome:
    """The whole model at once, by two engines: neither is believed against the other, be it optimal or infeasible."""
    f = formulate(s.problem, s.rules, counted=few_units(s.problem))
    elastic = f.model.program()
    program = primal.closed(elastic, f.obligations())
    answers: list[mathopt.Answer] = []
    for engine in ENGINES:
        limit = None if math.isfinite(s.time_limit_s) else WHOLE_NODES
        seconds = min(s.left(), SECOND_S) if answers else s.left()
        answers += [mathopt.solve(
            program, engine=engine, time_limit_s=seconds, node_limit=limit, gap=s.gap, seed=s.effort.seed, tight=True
        )]  # fmt: skip
    best = min(answers, key=lambda a: a.objective)
    if best.values is not None:
        noise = CONTRADICTION * max(1.0, abs(best.objective))
        bound = max((a.bound for a in answers if a.bound <= best.objective + noise), default=-math.inf)
        reached = best.objective - bound <= max(s.gap * abs(best.objective), noise)
        ended: Termination = ("optimal" if s.gap == 0 else "gap reached") if reached else "time limit"
        return _outcome(f, best.values, bound, ended)
    if any(a.status != "infeasible" for a in answers):
        raise _out_of_time()
    answer = mathopt.solve(elastic, time_limit_s=max(1.0, s.left()), gap=s.gap, seed=s.effort.seed)
    return _outcome(f, answer.values, answer.bound, "infeasible")


def _out_of_time() -> EngineError:
    return EngineError("no plan within the time limit", where="engine", mend="give --time-limit more seconds")
