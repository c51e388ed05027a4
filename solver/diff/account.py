"""The account: each line of two bills, and how much of its change is due to its price, its volume or both.

A line costs `rate × volume`. With `r₀ v₀` before and `r₁ v₁` after,

    price  = (r₁ − r₀) v₀        the new rate on the old volume
    volume = r₀ (v₁ − v₀)        the change of volume at the old rate
    mix    = (r₁ − r₀)(v₁ − v₀)  what both did together

which adds up to the change. A volume is the line's amount over its rate, so that the identity is exact; price and
volume are rounded to whole micro-dollars, and mix is the rest. Lines of one plan alone are `added` or `removed`; a line
whose rate is not known (the problem of a plan cannot be made again) is `unsplit`.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

from ..bill import LINE_COLUMNS
from .rates import UNITS, Rates

if TYPE_CHECKING:
    from ..plan import Plan

CAUSES = ("price", "volume", "mix", "added", "removed", "unsplit")
KEY = LINE_COLUMNS[:-1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of the bills before and after; amounts in whole micro-dollars."""

    kind: str
    provider: str
    region: str
    node: str
    option: str
    workload: str
    team: str
    period: str
    before_micro_usd: int
    after_micro_usd: int
    price: int = 0
    volume: int = 0
    mix: int = 0
    added: int = 0
    removed: int = 0
    unsplit: int = 0
    unit: str = ""  # of rate and volume: dollars a unit
    rate_before: Fraction | None = None  # micro-dollars
    rate_after: Fraction | None = None

    @property
    def change_micro_usd(self) -> int:
        """After less before: exactly the sum of its causes."""
        return self.after_micro_usd - self.before_micro_usd

    @property
    def name(self) -> str:
        """As people say it: "chat, compute, aws/us-east-1/p5.48xlarge, on_demand, 2027-01"."""
        place = "/".join(filter(None, (self.provider, self.region, self.node)))
        return ", ".join(filter(None, (self.workload, self.kind, place, self.option, self.period)))


def lines(before: Plan, after: Plan, rates: tuple[Rates | None, Rates | None]) -> list[Line]:
    """Every line of either bill, the largest change first."""
    old, new = _amounts(before), _amounts(after)
    made = [_line(key, old.get(key), new.get(key), rates) for key in sorted(old.keys() | new.keys())]
    return sorted(made, key=lambda x: -abs(x.change_micro_usd))


def _amounts(plan: Plan) -> dict[tuple[str, ...], int]:
    return {tuple(str(r[k]) for k in KEY): int(r["micro_usd"]) for r in plan.cost_lines.records()}


def _line(key: tuple[str, ...], old: int | None, new: int | None, rates: tuple[Rates | None, Rates | None]) -> Line:
    kind, provider, region, node, option, workload, team, period = key
    rate = [None if r is None or amount is None else r.of(key) for r, amount in zip(rates, (old, new), strict=True)]

    def made(**parts: int) -> Line:
        return Line(
            kind=kind, provider=provider, region=region, node=node, option=option, workload=workload, team=team,
            period=period, before_micro_usd=old or 0, after_micro_usd=new or 0, unit=UNITS.get(kind, ""),
            rate_before=rate[0], rate_after=rate[1], **parts,
        )  # fmt: skip

    if old is None:
        return made(added=new or 0)
    if new is None:
        return made(removed=-old)
    if rate[0] is None or rate[1] is None:
        return made(unsplit=new - old)
    r0, r1 = rate[0], rate[1]
    v0, v1 = old / r0, new / r1
    if r0 == r1:
        return made(volume=new - old)
    if abs(r0 * (v1 - v0)) <= 1 + r0 / r1:  # amounts are whole micro-dollars: no more is known of volumes
        return made(price=new - old)
    price, volume = round((r1 - r0) * v0), round(r0 * (v1 - v0))
    return made(price=price, volume=volume, mix=new - old - price - volume)
