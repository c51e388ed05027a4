"""The sentences and number formats that every reader meets: one wording for page, terminal and workbook."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Decimal
from typing import TYPE_CHECKING

import numpy as np

from ..money import to_usd
from .cells import clean

if TYPE_CHECKING:
    from ..plan import Plan

MINUS = "\u2212"
_STOPPED = {
    "optimal": "The search is complete.",
    "gap reached": "The search stopped at the gap asked for.",
    "gap not reached": "The search ended without reaching the gap asked for.",
    "time limit": "The search stopped at the time limit.",
    "interrupted": "The search was interrupted; this is the best plan found until then.",
    "engine failed": "The engine failed; this is the best plan found until then.",
    "infeasible": "The requirements contradict one another.",
}
_ACCOUNTING = {
    "amortised": "Amortised: an upfront payment is spread evenly over the hours of its term.",
    "cash": "Cash: every payment stands in the month it is made, upfront payments in full.",
}
_OPTIONS = {"on_demand": "On demand", "spot": "Spot", "unserved": "Not served", "": "Other"}


def usd(micro_usd: int, digits: int = 2) -> str:
    """Micro-dollars as "$1,234.50", half to even; "–" for the −1 that says there is no such price."""
    if micro_usd == -1:
        return "–"
    amount = to_usd(micro_usd).quantize(Decimal(1).scaleb(-digits), ROUND_HALF_EVEN)
    return f"{MINUS if amount < 0 else ''}${abs(amount):,f}"


def usd_short(micro_usd: float) -> str:
    """Micro-dollars with three figures for a chart, "$1.23M"."""
    amount = abs(micro_usd) / 1e6
    sign = MINUS if micro_usd < 0 else ""
    for size, suffix in ((1e9, "B"), (1e6, "M"), (1e3, "k")):
        if amount >= 0.9995 * size:
            return f"{sign}${_three(amount / size)}{suffix}"
    return f"{sign}${_three(amount)}" if amount else "$0"


def percent(value: float, digits: int = 1) -> str:
    """A percentage already in percent, "12.3 %"."""
    return f"{value:.{digits}f}\u00a0%".replace("-", MINUS)


def number(value: float, digits: int = 0) -> str:
    """A quantity with thousands separators; "–" for NaN."""
    return "–" if np.isnan(value) else f"{value:,.{digits}f}".replace("-", MINUS)


def option(name: str) -> str:
    """A purchase option for people: commit_1y_all_upfront is "1-year commitment, all upfront"."""
    if name in _OPTIONS:
        return _OPTIONS[name]
    if "+" in name:
        return sentence(" + ".join(option(part).lower() for part in name.split("+")))
    from costdata.packaged import options

    known = options().get(name)
    if known is not None and known.kind == "commitment":
        return known.title
    return sentence(clean(name).replace("_", " "))


def sentence(text: str) -> str:
    """Text with a capital first letter."""
    return text[:1].upper() + text[1:]


def horizon(plan: Plan) -> str:
    """The months planned, "12 months, 2027-01 to 2027-12"."""
    count = len(plan.periods)
    if not count:
        return "no months"
    return f"{count} months, {plan.periods[0]} to {plan.periods[-1]}" if count > 1 else f"1 month, {plan.periods[0]}"


def monthly_micro_usd(plan: Plan) -> int:
    """Mean cost of a month, half to even."""
    return round(plan.total_micro_usd / max(1, len(plan.periods)))


def certificate(plan: Plan) -> str:
    """What is known of the cost, in one sentence."""
    if plan.termination == "infeasible":
        return "No plan meets all the requirements at once; what would have to give way is listed with its price."
    if plan.certificate.kind != "proved":
        return "No bound was proved: a cheaper plan may exist."
    gap, lower = plan.certificate.gap * 100, usd(plan.certificate.lower_micro_usd)
    shown = "less than 0.01\u00a0%" if 0 < gap < 0.01 else percent(gap, 2 if gap < 0.1 else 1)  # noqa: PLR2004
    rest = "this plan costs exactly that." if gap == 0 else f"gap {shown}."
    if plan.certificate.bounds == "objective":
        rest = (
            f"this plan's is {usd(plan.certificate.upper_micro_usd)}, {rest}" if gap else "this plan's is exactly that."
        )
        return f"Proved: no plan over these offers has an objective (see the table of risk) below {lower}; {rest}"
    return f"Proved: no plan over these offers costs less than {lower}; {rest}"


def stopped(plan: Plan) -> str:
    """Why the search ended, kept apart from what is known; and when one of the usual ways costs less, that it may."""
    usual = saving(plan) if plan.certificate.bounds == "bill" else None
    if usual is None or usual[1] >= 0:
        return _STOPPED[plan.termination]
    by = percent(-usual[1], 1 if usual[1] <= -0.1 else 2)  # noqa: PLR2004
    less = f"{sentence(usual[0])} costs {by} less, within the gap: a smaller one (--gap) looks further."
    return f"{_STOPPED[plan.termination]} {less}"


def accounting(plan: Plan) -> str:
    """How payments are laid over months."""
    return _ACCOUNTING.get(plan.accounting, plan.accounting)


def saving(plan: Plan) -> tuple[str, float] | None:
    """The way people buy today that comes closest while keeping every limit, and how much less the plan costs (%)."""
    ways = plan.ways
    if not len(ways) or not plan.total_micro_usd:
        return None
    fine = (ways["total_micro_usd"] >= 0) & ways["feasible"].astype(bool)
    if not fine.any():
        return None
    best = min(np.flatnonzero(fine), key=lambda i: int(ways["total_micro_usd"][i]))
    return str(ways["way"][best]), float(ways["saving_percent"][best])


def assumptions(plan: Plan) -> list[str]:
    """What every figure rests on."""
    p = plan.provenance
    prices = f"Prices: published list prices as of {p.as_of}"
    prices += f", then the overrides in {p.overrides}." if p.overrides else ", without negotiated discounts."
    evidence = set(plan.fleet["evidence"].tolist()) if "evidence" in plan.fleet else set()
    whole = "Months have their true number of hours in UTC; node counts are whole in every hour."
    facts = [prices, accounting(plan), whole]
    if evidence:
        facts.append(
            "Latency and throughput are modelled, not measured on this fleet; the basis of each row is: "
            + ", ".join(sorted(map(str, evidence)))
            + "."
        )
    facts.append("The bound holds for the offers, layouts and demand considered; it says nothing of offers left out.")
    return facts


def _three(value: float) -> str:
    digits = 0 if value >= 99.95 else 1 if value >= 9.995 else 2  # noqa: PLR2004
    return f"{value:,.{digits}f}"


def contradiction(plan: Plan) -> str:
    """Which limits cannot all be met, in a sentence or two; "" where that is not known."""
    rows = list(plan.contradiction.records())
    if not rows:
        return ""
    named = [f"{r['limit']} ({r['says']})" for r in rows]
    sure = all(r["proof"] == "confirmed" for r in rows)
    beside = "" if sure else " This is an estimate: there was no time to confirm it."
    if len(named) == 1:
        return f"{named[0]} cannot be met, whatever else gives way.{beside}"
    what = f"{', '.join(named[:-1])} and {named[-1]} contradict one another"
    return f"{what}; without any one of them there is a plan.{beside}"
