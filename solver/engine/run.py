"""The whole search: a whole model when it is small; else the root bound, a primal search and a last proof."""

from __future__ import annotations

import dataclasses
import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..assemble import decide
from ..errors import EngineError, OutOfTimeError
from ..formulation import formulate
from ..rules.budget import overspent_usd
from . import mathopt, primal, relaxation, rounding
from .assign import assign
from .guard import MOST_WHOLE, guarded
from .linked import Found, linked, tight, unlinked, within
from .parts import Effort
from .press import pressed
from .proof import in_reach, prove
from .start import Incumbent, better_of, guides, incumbent

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..bill import Decision
    from ..carry import Start
    from ..formulation import Formulation
    from ..plan import Termination
    from ..problem import Problem
    from ..rules.base import Rule

Array = np.ndarray[Any, np.dtype[Any]]
SMALL = 2500  # candidates × blocks of a model that is solved whole
FOR_ROOT, FOR_PRIMAL, ALL = 0.5, 0.75, 0.95  # of the time limit: by when the relaxation and the search for a plan stop
MOST_NODES = 200  # of a tree when the run must not depend on a clock
MISSED = 1e-6
CONTRADICTION = 1e-6  # of the cost: rounding noise of bounds
REPORT = "report the spec"
NOISE_USD = 1e-9  # of sums of prices
MARGIN = 1.1  # of what a plan spends beyond a budget, taken off it for the next
TRIES = 3  # plans whose traffic passes a budget, before none is given
EXACT = 1e-9  # of the cost


@dataclass(frozen=True, slots=True)
class Attempt:
    """One search of a whole model, ended by a clock or, in a run that must not depend on one, by nodes of the tree."""

    engine: mathopt.Name
    share: float  # of what is left of the time limit
    nodes: int
    most_s: float = math.inf
    counted: bool = False  # units one by one


ATTEMPTS = (
    Attempt("highs", 0.2, 20_000),
    Attempt("scip", 1.0, 2_000, most_s=5.0),
    Attempt("highs", 0.3, 20_000, counted=True),
    Attempt("highs", 1.0, 100_000),
)
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
    warm: Start | None = None
    known: Incumbent | None = None  # what the start is in this problem, when it is a plan

    def left(self) -> float:
        """Seconds left."""
        return self.time_limit_s - (time.monotonic() - self.start)

    def past(self, share: float) -> bool:
        """Whether this share of the time limit is gone."""
        return self.left() < (1 - share) * self.time_limit_s


def run(  # noqa: PLR0913 (options by name)
    problem: Problem,
    rules: Sequence[Rule],
    *,
    time_limit_s: float,
    gap: float,
    seed: int,
    deterministic: bool,
    report: Callable[[str, float, float], None],
    keep: Callable[[Decision, float], None] = lambda _decision, _bound: None,
    start: Start | None = None,
) -> Outcome:
    """Search until the gap or the time limit is reached.

    `report(phase, bound, cost)` hears of progress, in dollars; `keep(decision, bound)` gets each better plan at once,
    for those who may have to stop the search from outside. With a `start` the search begins there, and its outcome is
    no dearer than what the start is when it keeps the rules.

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
        warm=start,
        known=None if start is None else incumbent(problem, rules, start),
    )
    if search.known is None:
        return _searched(search)
    keep(search.known.decision, -math.inf)
    report("start", -math.inf, search.known.usd)
    try:
        found = _searched(search)
    except OutOfTimeError:
        found = Outcome(decision=None, bound=-math.inf, termination="time limit")
    return better_of(problem, rules, found, search.known)


def _searched(s: Search) -> Outcome:
    return guarded(s, _whole, _ordinary, SMALL) if s.problem.limits.guarded else _ordinary(s)


def _ordinary(s: Search) -> Outcome:
    if len(s.problem.candidates.pool) * s.problem.blocks.count <= SMALL:
        return _whole(s)
    if linked(s.problem):
        return _linked(s)
    found = _decomposed(s)
    if found is None and in_reach(s.problem):
        return _whole(s)
    if found is None:
        raise OutOfTimeError.of()
    return found


def _linked(s: Search) -> Outcome:
    """A plan over all candidates, or over those of the root of the problem without the rows that link it."""
    every, none = np.arange(len(s.problem.candidates.pool)), rounding.Cuts.none()
    whole = len(every) * s.problem.blocks.count <= MOST_WHOLE
    root = _root(dataclasses.replace(s, problem=unlinked(s.problem)))
    if root.infeasible or root.values[root.owed].max(initial=0.0) > MISSED:
        found = None if whole else _verdict(s, root)
        if found is None and not whole:
            raise OutOfTimeError.of()
        return found or _of_found(s, within(s, every, none), -math.inf)
    s.report("search", root.bound, math.inf)
    if whole:
        return _of_found(s, within(s, every, root.cuts), root.bound)
    rows = root.candidates
    if s.problem.limits.chances:
        rows = np.union1d(rows, _root(dataclasses.replace(s, problem=tight(s.problem))).candidates)
    few = within(s, rows, root.cuts)
    if few.decision is not None:
        return _of_found(s, few, root.bound, few=True)
    return _of_found(s, within(s, every, root.cuts), root.bound)


def _of_found(s: Search, found: Found, bound: float, *, few: bool = False) -> Outcome:
    """The outcome of a search over all candidates, or over a few, whose bound is none."""
    bound = bound if few else max(bound, found.bound)
    if found.none:
        return Outcome(decision=None, bound=bound, termination="infeasible")
    if found.decision is None:
        raise OutOfTimeError.of()
    return Outcome(decision=found.decision, bound=bound, termination="time limit" if s.past(ALL) else "gap not reached")


def _decomposed(s: Search) -> Outcome | None:
    """Root bound over all candidates, a plan, and a last proof when the gap is still open; None without a plan."""
    root = _root(s)
    if root.infeasible or root.values[root.owed].max(initial=0.0) > MISSED:
        return _verdict(s, root)
    f, bound = root.formulation, root.bound
    known = math.inf if s.known is None else s.known.usd
    if s.known is not None and known * (1 - s.gap) <= bound:
        return Outcome(decision=s.known.decision, bound=bound, termination="gap reached")
    values = _whole_values(s, root, known)
    if values is None:
        return None
    cost = min(known, float(root.program.cost @ values) + f.model.constant)
    if cost - bound > s.gap * cost and s.left() > 1 and in_reach(s.problem):
        proved = prove(s.problem, s.rules, root, cost, left=s.left, gap=s.gap, effort=s.effort)
        if proved > cost + CONTRADICTION * max(1.0, abs(cost)):
            raise EngineError(f"a proof says ${proved:,.2f}, a plan costs ${cost:,.2f}", where="engine", mend=REPORT)
        bound = max(bound, min(proved, cost))
        s.report("proof", bound, cost)
    if cost - bound <= s.gap * cost:
        return _outcome(f, values, bound, "gap reached")
    return _outcome(f, values, bound, "time limit" if s.past(ALL) else "gap not reached")


def _whole_values(s: Search, root: relaxation.Root, known: float) -> Array | None:
    """The cheapest whole plan found, as values of the root's program; `known` dollars are what a plan costs already."""
    f, bound = root.formulation, root.bound
    share = FOR_PRIMAL if in_reach(s.problem) else ALL

    def enough(usd: float) -> bool:
        return s.past(share) or min(usd + f.model.constant, known) * (1 - s.gap) <= bound

    def better(values: Array, usd: float) -> None:
        s.report("search", bound, min(usd + f.model.constant, known))
        if usd + f.model.constant < known and not _overspent(root, values).any():
            s.keep(decide(f, values, assign), bound)

    best, least = None, math.inf
    for guide in guides(root, s.warm, s.gap, s.effort.seed):
        values = _within_budget(s, guide, enough, better, lambda: s.left() - (1 - share) * s.time_limit_s)
        usd = math.inf if values is None else float(root.program.cost @ values)
        if usd < least:
            best, least = values, usd
        if enough(least):
            break
    return best


def _verdict(s: Search, root: relaxation.Root) -> Outcome | None:
    """Infeasible, when that is beyond doubt; None when it is not."""
    if not (root.converged or root.infeasible):
        raise OutOfTimeError.of()
    if in_reach(s.problem) and not _contradicts_itself(s):
        return None
    return _outcome(root.formulation, None if root.infeasible else root.values, root.bound, "infeasible")


def _contradicts_itself(s: Search) -> bool:
    """Whether not even parts of replicas could serve what must be served, whatever they cost."""
    f = formulate(s.problem, s.rules, direct=True)
    program = primal.closed(f.model.program(), f.obligations()).relaxed()
    return mathopt.solve(program, time_limit_s=max(1.0, s.left()), seed=s.effort.seed).status == "infeasible"


def _within_budget(
    s: Search,
    root: relaxation.Root,
    enough: Callable[[float], bool],
    better: Callable[[Array, float], None],
    seconds: Callable[[], float],
) -> Array | None:
    """The best plan found that keeps the budgets with all its traffic, which the relaxation knows in part only."""
    for _ in range(TRIES):
        values = primal.search(root, stop=enough, report=better, effort=s.effort, seconds=seconds)
        if values is None:
            return None
        beyond = _overspent(root, values)
        if not beyond.any():
            return values
        upper, paid = root.program.row_upper, root.program.matrix @ values
        less = paid - MARGIN * beyond - MISSED * np.maximum(1.0, np.abs(paid))
        root = dataclasses.replace(root, program=root.program.replace(row_upper=np.where(beyond > 0, less, upper)))
    return None


def _overspent(root: relaxation.Root, values: Array) -> Array:
    """Dollars beyond the budget in each row of the program that is one, 0 in the others; float [m]."""
    f, program = root.formulation, root.program
    made, limits = np.zeros(program.shape[0]), f.problem.limits
    most = {"hourly budget": limits.hourly_budget_micro_usd, "upfront cash": limits.upfront_max_micro_usd}
    for group in f.model.groups:
        if group.name == "monthly budget":
            made[group.rows] = overspent_usd(f.problem, decide(f, values, assign))
        if group.name in most:
            made[group.rows] = program.matrix[group.rows] @ np.round(values) - (most[group.name] or 0) / 1e6
    return np.where(made > NOISE_USD, made, 0.0)


def _root(s: Search) -> relaxation.Root:
    """The root relaxation; asked again at a higher price before it may say that something cannot be served."""
    root = _root_at(s, pressed(s.problem))
    if not root.infeasible and root.values[root.owed].max(initial=0.0) <= MISSED:
        return root
    return _root_at(s, pressed(s.problem, beyond_doubt=True))


def _root_at(s: Search, problem: Problem) -> relaxation.Root:
    return relaxation.solve_root(
        problem,
        s.rules,
        stop=lambda: s.past(FOR_ROOT),
        report=lambda b: s.report("bound", b, math.inf),
        seed=s.effort.seed,
        gap=s.gap,
        first=None if s.warm is None else s.warm.candidates,
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
    matters = any(usd is not None for usd in problem.limits.monthly_budget_micro_usd) or problem.limits.guarded
    matters |= bool(s.transfer_pico_usd_per_unit[jobs].any())
    hours = problem.blocks.total_hours.min(initial=1)
    return matters and max(s.units_per_hour.max(initial=0), s.total_units.max(initial=0) // hours) <= FEW_UNITS


def _whole(s: Search) -> Outcome:
    """The whole model at once, by two engines: neither is believed against the other, be it optimal or infeasible.

    Where they leave more open than they should, the same with units counted one by one.
    """
    answers: list[tuple[mathopt.Answer, Formulation]] = []
    models: dict[bool, Formulation] = {}
    clock = math.isfinite(s.time_limit_s)
    for a in ATTEMPTS:
        if len(answers) > 1 and _settled([answer for answer, _ in answers], s.gap):
            break
        counted = a.counted or few_units(s.problem)
        f = models[counted] = models.get(counted) or formulate(s.problem, s.rules, counted=counted)
        answer = mathopt.solve(
            primal.closed(f.model.program(), f.obligations()), engine=a.engine, gap=s.gap, seed=s.effort.seed,
            tight=True, node_limit=None if clock else a.nodes,
            time_limit_s=min(a.share * s.left(), a.most_s) if clock else math.inf,
        )  # fmt: skip
        answers.append((answer, f))
    best, f = min(answers, key=lambda a: a[0].objective)
    if best.values is not None:
        noise, bound = CONTRADICTION * max(1.0, abs(best.objective)), _bound([a for a, _ in answers])
        reached = best.objective - bound <= max(s.gap * abs(best.objective), noise)
        ended: Termination = ("optimal" if s.gap == 0 else "gap reached") if reached else "time limit"
        return _outcome(f, best.values, bound, ended)
    if any(a.status != "infeasible" for a, _ in answers):
        s.report("bound", _bound([a for a, _ in answers]), math.inf)
        raise OutOfTimeError.of()
    answer = mathopt.solve(f.model.program(), time_limit_s=max(1.0, s.left()), gap=s.gap, seed=s.effort.seed)
    return _outcome(f, answer.values, answer.bound, "infeasible")


def _bound(answers: Sequence[mathopt.Answer]) -> float:
    """The best of the bounds that no plan contradicts, be it by little: such a search has cut plans off."""
    cost = min(a.objective for a in answers)
    return max((a.bound for a in answers if a.bound <= cost + EXACT * max(1.0, abs(cost))), default=-math.inf)


def _settled(answers: Sequence[mathopt.Answer], gap: float) -> bool:
    """Whether nothing is left to find out."""
    cost = min(a.objective for a in answers)
    if math.isinf(cost):
        return all(a.status == "infeasible" for a in answers)
    return cost - _bound(answers) <= max(gap * abs(cost), EXACT * max(1.0, abs(cost)))
