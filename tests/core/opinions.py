"""One problem, all opinions: the engine, the second engine, enumeration where it is tiny, and the check."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cache
from typing import Any
from unittest.mock import patch

from solver.assemble import tables
from solver.bill import make_bill
from solver.check import check
from solver.engine import run as engine
from solver.engine.run import Outcome
from solver.errors import EngineError, InputError
from solver.plan import UNTOLD, Certificate, Plan
from solver.problem import Problem
from solver.rules import RULES

from . import enumeration, second_engine
from .exact import Facts, choice_of, cost, objective

LIMIT_S = 60.0
NOISE = Fraction(1, 10**6)  # of a bound, beyond which `solve` takes it for wrong
FLOAT = Fraction(1, 10**9)  # of a bound: what it may owe to floating point
SECONDS = 5.0  # deterministic time of the second engine, a hundred times what most problems take


def search(problem: Problem, *, gap: float = 0.0, large: bool = False, deterministic: bool = False) -> Outcome:
    """The engine's outcome; at gap zero unless said, and with `large` on the way that large problems take."""
    with patch.object(engine, "SMALL", 0 if large else engine.SMALL):
        return engine.run(
            problem, RULES, time_limit_s=LIMIT_S, gap=gap, seed=0, deterministic=deterministic,
            report=lambda _phase, _lower, _upper: None,
        )  # fmt: skip


def plan_of(problem: Problem, outcome: Outcome) -> Plan:
    """What was decided as a plan, with its bill and what is claimed of it."""
    assert outcome.decision is not None
    lines = make_bill(problem, outcome.decision, RULES)
    total = sum(lines["micro_usd"].tolist()) if len(lines) else 0
    bounds: Any = "bill" if problem.limits.objective_is_bill else "objective"
    if bounds == "objective":
        total = round(objective(Facts(problem), choice_of(outcome.decision)))
    lower = min(total, max(0, math.floor(outcome.bound * 1e6))) if math.isfinite(outcome.bound) else 0
    return Plan.of(
        problem,
        termination=outcome.termination,
        certificate=Certificate(kind="proved", lower_micro_usd=lower, upper_micro_usd=total, bounds=bounds),
        provenance=UNTOLD,
        cost_lines=lines,
        **tables(problem, outcome.decision),
    )


@dataclass(frozen=True, slots=True)
class Verdict:
    """Exact micro-dollars by opinion, None where a problem is said to have no plan; and what is wrong."""

    engine: Fraction | None
    known: Fraction | None  # the optimum, when `proved`
    proved: bool  # by the second engine, or by enumeration where the numbers are beyond it
    enumerated: bool
    faults: list[str] = field(default_factory=list)
    refused: str = ""  # why the engine gave no answer

    @property
    def surplus(self) -> bool:
        """Whether the plan costs more than the optimum for the units that jobs do beyond what is asked."""
        return not self.faults and self.engine is not None and self.engine != self.known


def judge(problem: Problem, *, exact: bool = True, large: bool = False, known: Known | None = None) -> Verdict:
    """All opinions on a problem, and every way in which they do not agree.

    The engine's decision must break no rule, be billed at its exact cost to within half a micro-dollar a line, and
    claim no more than is true: the bound is not above the optimum. With `exact` it must cost exactly what the others
    say, and the bound must be that (see `_surplus` for jobs); without, within what it claims, and within 1e-6 where it
    claims an optimum. `large` sends it the way that large problems take, where it need not find the optimum. `known` is
    what `known_of` says of the problem, if that has been asked before.
    """
    optimum = known or known_of(problem)
    known_usd, proved, enumerated, faults = optimum.micro_usd, optimum.proved, optimum.enumerated, [*optimum.faults]
    if exact and not proved:
        faults.append("no second opinion")
    try:
        outcome = search(problem, large=large)
    except EngineError as error:
        return Verdict(None, known_usd, proved, enumerated, faults, refused=str(error))
    if outcome.termination == "infeasible":
        if proved and known_usd is not None:
            faults.append(f"no plan, though one costs {float(known_usd):.6f}")
        return Verdict(None, known_usd, proved, enumerated, faults)
    if outcome.decision is None:
        return Verdict(None, known_usd, proved, enumerated, faults, refused=outcome.termination)
    try:
        plan = plan_of(problem, outcome)
    except InputError as error:
        return Verdict(None, known_usd, proved, enumerated, faults, refused=str(error))
    facts, choice = Facts(problem), choice_of(outcome.decision)
    engine = objective(facts, choice)
    if abs(plan.total_micro_usd - cost(facts, choice)) > Fraction(len(plan.cost_lines), 2):
        faults.append(f"billed {plan.total_micro_usd}, costs {float(cost(facts, choice)):.6f}")
    faults += [f"{n} replicas of {c} in {b}" for (c, b), n in choice.replicas.items() if n > facts.enough[c][b]]
    faults += _plan_faults(problem, plan, engine, exact=exact)
    if proved and known_usd is not None and outcome.bound * 1e6 > known_usd * (1 + NOISE) + 1:
        faults.append(f"the engine's bound {outcome.bound * 1e6:.0f} is above the optimum {float(known_usd):.6f}")
    if proved:
        faults += _claims(problem, plan, engine, known_usd, exact=exact)
    return Verdict(engine, known_usd, proved, enumerated, faults)


def wrong(
    seeds: Iterable[int],
    draw: Callable[[int], Problem],
    kind: Callable[[int], str],
    *,
    exact: bool = True,
    large: bool = False,
) -> dict[str, list[str]]:
    """By seed and kind: what is wrong with each problem drawn, or why the engine gave no answer; see `judge`."""
    found = {}
    for seed in seeds:
        problem, known = _asked(draw, seed)
        verdict = judge(problem, exact=exact, large=large, known=known)
        if verdict.faults or verdict.refused:
            found[f"{seed} ({kind(seed)})"] = [*verdict.faults, verdict.refused]
    return found


def _plan_faults(problem: Problem, plan: Plan, engine: Fraction, *, exact: bool) -> list[str]:
    """What is wrong with a plan by itself."""
    found = [str(v) for v in check(problem, plan)]
    if abs(plan.certificate.upper_micro_usd - engine) > Fraction(len(plan.cost_lines), 2) + 1:
        found.append(f"said to be {plan.certificate.upper_micro_usd}, is {float(engine):.6f}")
    if exact and plan.termination != "optimal":
        found.append(f"ended with {plan.termination!r}")
    return found


def _claims(problem: Problem, plan: Plan, engine: Fraction, known: Fraction | None, *, exact: bool) -> list[str]:
    """What is wrong with what is said of a plan, now that the optimum is known."""
    if known is None:
        return ["a plan, though there is none"]
    found = _beyond(problem, engine, known, exact=exact) if plan.termination == "optimal" else []
    lower, noise = plan.certificate.lower_micro_usd, known * FLOAT + Fraction(len(plan.cost_lines), 2) + 1
    if lower > known + noise:
        found.append(f"bound {lower} above the optimum {float(known):.6f}")
    if exact and lower < known - noise - _surplus(problem):
        found.append(f"bound {lower} below the optimum {float(known):.6f}")
    return found


def _beyond(problem: Problem, engine: Fraction, known: Fraction, *, exact: bool) -> list[str]:
    """An optimum that is none."""
    most = known if exact else known + known / 10**6 + 1
    surplus = _surplus(problem)
    if engine > most and surplus:
        least = second_engine.optimum(problem, seconds=SECONDS, whole_jobs=False).micro_usd
        most = max(most, (least or 0) + surplus)
    return [] if known <= engine <= most else [f"engine {_said(engine)}, optimum {_said(known)}"]


def _surplus(problem: Problem) -> Fraction:
    """Micro-dollars that jobs may pay for moving units that nobody asked for.

    The engine's jobs do any amount of work, and the plan's do whole units in each hour: the last block of each job does
    up to one more in each of its hours. So the engine's plan costs up to this more than its own optimum, which the
    second engine finds with `whole_jobs=False`; what is lost is nothing but the price of moving these units.
    """
    jobs = problem.sources.total_units > 0
    dearest = problem.sources.transfer_pico_usd_per_unit[jobs].max(axis=1, initial=0).sum()
    tail = 1 - problem.limits.cvar_level if problem.limits.risk_weight else 1
    return Fraction(int(dearest) * int(problem.blocks.total_hours.max()), 10**6) / tail


@dataclass(frozen=True, slots=True)
class Known:
    """The optimum, whether it is proved, whether it was enumerated, and whether the two disagree."""

    micro_usd: Fraction | None
    proved: bool
    enumerated: bool
    faults: tuple[str, ...] = ()


def known_of(problem: Problem) -> Known:
    """What the second engine and enumeration say of a problem."""
    second: Fraction | None = None
    try:
        second, proved = second_engine.optimum(problem, seconds=SECONDS).micro_usd, True
    except (second_engine.Unfit, TimeoutError):
        proved = False
    try:
        tried = enumeration.optimum(problem)
    except enumeration.TooLarge:
        return Known(second, proved, enumerated=False)
    if proved and tried != second:
        fault = f"enumeration {_said(tried)}, second engine {_said(second)}"
        return Known(second, proved=True, enumerated=True, faults=(fault,))
    return Known(tried, proved=True, enumerated=True)


@cache
def _asked(draw: Callable[[int], Problem], seed: int) -> tuple[Problem, Known]:
    """The problem of a seed and what is known of it: both are asked for by each way of searching."""
    problem = draw(seed)
    return problem, known_of(problem)


def _said(micro_usd: Fraction | None) -> str:
    return "no plan" if micro_usd is None else f"{float(micro_usd):.6f}"
