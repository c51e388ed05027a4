"""Two plans side by side: the account, what is bought and run elsewhere, and what the certificates say of it all."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..errors import InputError
from ..problem import COMMITMENT, OFFER_KINDS
from .account import CAUSES, Line, lines
from .rates import Rates

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..plan import Certificate, Plan
    from ..problem import Problem

LASTING = OFFER_KINDS[COMMITMENT]
ALIKE = 1e-9  # node counts that differ by rounding of floats


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """Nodes bought of an offer: held, of a commitment; at the peak, of what is bought by the hour."""

    provider: str
    region: str
    node: str
    option: str
    starts: str
    before: int
    after: int

    @property
    def what(self) -> str:
        """Whether it is new, gone, or there are more or fewer."""
        if not self.before or not self.after:
            return "removed" if self.before else "added"
        return "more" if self.after > self.before else "fewer"


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """Mean nodes on which a workload runs in a pool."""

    workload: str
    provider: str
    region: str
    node: str
    before: float
    after: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """All that differs. Amounts are whole micro-dollars over the horizon."""

    names: tuple[str, str]
    before_micro_usd: int
    after_micro_usd: int
    lines: list[Line]  # every line of either bill, the largest change first
    purchases: list[Holding]
    placements: list[Placement]
    certificates: tuple[Certificate, Certificate]
    terminations: tuple[str, str]
    notes: tuple[str, ...] = ()

    @property
    def change_micro_usd(self) -> int:
        """After less before: exactly the sum over the lines, and over the causes."""
        return self.after_micro_usd - self.before_micro_usd

    @property
    def causes(self) -> dict[str, int]:
        """The change by cause: price, volume, mix, added, removed, unsplit."""
        return {cause: sum(getattr(line, cause) for line in self.lines) for cause in CAUSES}

    @property
    def workloads(self) -> dict[str, tuple[int, int]]:
        """Cost before and after by workload, in order of name."""
        made: dict[str, tuple[int, int]] = {}
        for line in self.lines:
            before, after = made.get(line.workload, (0, 0))
            made[line.workload] = before + line.before_micro_usd, after + line.after_micro_usd
        return dict(sorted(made.items()))

    @property
    def proved(self) -> tuple[int, int] | None:
        """Between what the change of the least possible cost lies, by the two certificates; None without both."""
        old, new = self.certificates
        if "none" in (old.kind, new.kind):
            return None
        return new.lower_micro_usd - old.upper_micro_usd, new.upper_micro_usd - old.lower_micro_usd


def diff(before: Plan, after: Plan, problems: tuple[Problem | None, Problem | None] = (None, None)) -> Difference:
    """The account of the change from one plan to another.

    Args:
        before: the old plan.
        after: the new one.
        problems: the problem of each; without one, or with another than the plan's, lines are not split into causes.

    Raises:
        InputError: one of them is no plan at all, or their months, hours or accounting differ.
    """
    _comparable(before, after)
    rates: list[Rates | None] = []
    notes = []
    for which, plan, problem in zip(("old", "new"), (before, after), problems, strict=True):
        known = problem is not None and problem.digest() == plan.provenance.problem_digest
        rates.append(Rates(problem, plan) if known and problem is not None else None)
        if not known:
            notes.append(f"prices of the {which} plan are not known: its lines are not split by cause")
    if problems[0] is not None and problems[1] is not None:
        _same_hours(problems[0], problems[1])
    return Difference(
        names=(before.name, after.name),
        before_micro_usd=before.total_micro_usd,
        after_micro_usd=after.total_micro_usd,
        lines=lines(before, after, (rates[0], rates[1])),
        purchases=list(_purchases(before, after)),
        placements=list(_placements(before, after)),
        certificates=(before.certificate, after.certificate),
        terminations=(before.termination, after.termination),
        notes=tuple(notes),
    )


def _comparable(before: Plan, after: Plan) -> None:
    for which, plan in (("old", before), ("new", after)):
        if plan.termination == "infeasible":
            mend = "relax what its conflicts name and plan again"
            raise InputError("has no bill: its requirements contradict one another", where=f"{which} plan", mend=mend)
    if before.accounting != after.accounting:
        said = f"{before.accounting} accounting in the old plan, {after.accounting} in the new one"
        raise InputError(said, where="accounting", mend="plan both with the same `accounting`")
    spans = [_span(plan) for plan in (before, after)]
    if before.periods != after.periods or (None not in spans and spans[0] != spans[1]):
        told = (s or f"{p.periods[0]} to {p.periods[-1]}" for s, p in zip(spans, (before, after), strict=True))
        said = " and ".join(told)
        raise InputError(f"the plans are of {said}", where="horizon", mend="plan both with the same `horizon`")


def _span(plan: Plan) -> str | None:
    """The horizon as the plan's spec states it; None for a plan without a spec."""
    try:
        horizon = json.loads(plan.provenance.spec)["horizon"]
        return f"{horizon['months']} months from {horizon['start']}"
    except (ValueError, KeyError, TypeError):
        return None


def _same_hours(before: Problem, after: Problem) -> None:
    if before.blocks.period_hours.tolist() != after.blocks.period_hours.tolist():
        raise InputError("the months have other hours", where="horizon", mend="plan both with the same `horizon`")


def _purchases(before: Plan, after: Plan) -> Iterable[Holding]:
    old, new = _nodes(before), _nodes(after)
    for key in sorted(old.keys() | new.keys()):
        if old.get(key, 0) != new.get(key, 0):
            provider, region, node, option, starts = key
            yield Holding(
                provider=provider, region=region, node=node, option=option, starts=starts, before=old.get(key, 0),
                after=new.get(key, 0),
            )  # fmt: skip


def _nodes(plan: Plan) -> dict[tuple[str, ...], int]:
    """Nodes of each offer: commitments with the same start add up, others count at their peak."""
    made: dict[tuple[str, ...], int] = {}
    for r in plan.purchases.records():
        key = tuple(str(r[k]) for k in ("provider", "region", "node", "option", "starts"))
        nodes, so_far = int(r["nodes"]), made.get(key, 0)
        made[key] = so_far + nodes if r["kind"] == LASTING else max(so_far, nodes)
    return made


def _placements(before: Plan, after: Plan) -> Iterable[Placement]:
    old, new = _means(before), _means(after)
    for key in sorted(old.keys() | new.keys()):
        was, now = old.get(key, 0.0), new.get(key, 0.0)
        if abs(was - now) > ALIKE * max(was, now):
            workload, provider, region, node = key
            yield Placement(workload=workload, provider=provider, region=region, node=node, before=was, after=now)


def _means(plan: Plan) -> dict[tuple[str, ...], float]:
    made: dict[tuple[str, ...], float] = {}
    rows: Iterable[dict[str, Any]] = plan.fleet.records() if len(plan.fleet) else ()
    for r in rows:
        key = tuple(str(r[k]) for k in ("workload", "provider", "region", "node"))
        made[key] = made.get(key, 0.0) + float(r["nodes_mean"])
    return made
