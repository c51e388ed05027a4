"""The sheets Totals and Certificate of finance.xlsx: both views side by side, checks, and what is proved."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import words
from .workbook_laid import ENTRY_MONTH, LINE_MONTH, TITLES, VIEW_MONTH, VIEW_TOP, VIEWS, Laid, money, sum_of
from .workbook_pen import Pen, letter
from .workbook_rows import AS_BILLED, MICRO

if TYPE_CHECKING:
    from ..plan import Plan
    from ..problem import Accounting

SIDE_BY_SIDE: tuple[Accounting, ...] = ("cash", "amortised")
TOTALS_TOP = 3  # first row of the months
CERTIFIED = "Certificate!B6"


def totals(pen: Pen, laid: Laid) -> None:
    """Both views by month, running, and what is paid ahead; then checks."""
    pen.put(0, 0, "Totals", pen.f.title)
    pen.head(TOTALS_TOP - 1, "month", "cash", "amortised", "cash so far", "amortised so far", "paid ahead")
    end = VIEW_TOP + len(laid.amounts) + 1
    sums = {a: [sum(months) for months in zip(*laid.micro_usd[a], strict=True)] or [0] * laid.months for a in VIEWS}
    so_far: dict[Accounting, int] = dict.fromkeys(VIEWS, 0)
    for month, period in enumerate(laid.plan.periods):
        row, column = TOTALS_TOP + month, letter(VIEW_MONTH + month)
        pen.label(row, 0, period, "period")
        for col, a in enumerate(SIDE_BY_SIDE, 1):
            so_far[a] += sums[a][month]
            money(pen, row, col, f"={TITLES[a]}!{column}{end}", sums[a][month])
            money(pen, row, col + 2, f"=SUM({letter(col)}${TOTALS_TOP + 1}:{letter(col)}{row + 1})", so_far[a])
        money(pen, row, 5, f"=D{row + 1}-E{row + 1}", so_far["cash"] - so_far["amortised"])
    after = TOTALS_TOP + laid.months
    pen.put(after, 0, "Sum", pen.f.head)
    for col, a in enumerate(SIDE_BY_SIDE, 1):
        money(pen, after, col, sum_of(TOTALS_TOP, col, after - 1, col), so_far[a], pen.f.total)
    _checks(pen, laid, after + 3)
    pen.sheet.set_column(0, 0, 58)
    pen.sheet.set_column(1, 6, 18)


def _checks(pen: Pen, laid: Laid, top: int) -> None:
    """What must be 0.00, with a word beside it; and what of the bill is taken over as it stands."""
    certificate, whole = laid.plan.certificate, laid.plan.total_micro_usd
    checks = [(name, formula, 0.0) for name, formula in _identities(laid).items()]
    if certificate.bounds == "bill" and certificate.kind == "proved":
        off = round((whole - certificate.upper_micro_usd) / MICRO, 2)
        checks.append(("Worked out less the cost that is certified", f"{_own(laid)}-{CERTIFIED}", off))
    pen.head(top, "Check", "must be 0.00", "")
    for row, (name, formula, value) in enumerate(checks, top + 1):
        pen.put(row, 0, name)
        pen.sheet.write_formula(row, 1, f"=ROUND({formula},2)", pen.f.usd, value)
        said = "look here" if value else "ok"
        pen.sheet.write_formula(row, 2, f'=IF(B{row + 1}=0,"ok","look here")', pen.f.text, said)
    taken = {k for k, entry in enumerate(laid.entries) if entry.unit == AS_BILLED}
    micro = sum(sum(laid.micro_usd["cash"][k]) for k, amount in enumerate(laid.amounts) if amount.first in taken)
    months = ENTRY_MONTH, ENTRY_MONTH + laid.months - 1
    formula = sum_of(laid.top + min(taken), months[0], laid.top + max(taken), months[1], "Inputs!") if taken else "=0"
    row = top + len(checks) + 2
    pen.put(row, 0, "Of the bill, taken over as it stands (no quantity and rate known)")
    money(pen, row, 1, formula, micro)


def _identities(laid: Laid) -> dict[str, str]:
    """Differences that are nothing: the first three whatever the inputs are, the others where they are as planned."""
    p, after = laid.months, TOTALS_TOP + laid.months + 1
    cash, cost = f"B{after}", f"C{after}"
    end, last = VIEW_TOP + len(laid.amounts) + 1, VIEW_TOP + len(laid.lines)
    whole, later, bill = (letter(col) for col in (VIEW_MONTH + p, VIEW_MONTH + p + 1, LINE_MONTH + 2 * p + 2))
    left = LINE_MONTH + 2 * (p + 2)
    area = f"Monthly!{letter(left)}{VIEW_TOP + 1}:{letter(left + max(1, p) - 1)}{max(VIEW_TOP + 1, last)}"
    return {
        "Amortised: rows less months": f"Amortised!{whole}{end}-{cost}",
        "Cash: rows less months": f"Cash!{whole}{end}-{cash}",
        "Cash less amortised, less what is paid for other months": f"{cash}-{cost}-Cash!{later}{end}",
        f"Worked out ({laid.accounting}) less the bill": f"{_own(laid)}-Monthly!{bill}{last + 1}",
        "Lines and months that differ from the bill, summed": f"SUMPRODUCT(ABS({area}))",
    }


def _own(laid: Laid) -> str:
    """The sum of the view that makes the bill."""
    return f"{'B' if laid.accounting == 'cash' else 'C'}{TOTALS_TOP + laid.months + 1}"


def certificate(pen: Pen, plan: Plan) -> None:
    """What is proved, with its gap as a formula, and what it rests on."""
    c, f = plan.certificate, pen.f
    pen.put(0, 0, "Certificate", f.title)
    pen.put(2, 0, "What is proved")
    pen.put(2, 1, f"{words.certificate(plan)} {words.stopped(plan)}", f.wrap)
    pen.put(3, 0, "Kind")
    pen.put(3, 1, c.kind, f.entry)
    pen.put(4, 0, "Lower bound")
    pen.put(4, 1, c.lower_usd, f.entry_usd)
    pen.put(5, 0, "Cost of the plan" if c.bounds == "bill" else "Objective of the plan")
    pen.put(5, 1, c.upper_usd, f.entry_usd)
    pen.put(6, 0, "Gap")
    pen.sheet.write_formula(6, 1, "=IF(B6=0,0,MAX(0,B6-B5)/B6)", f.share, c.gap)
    p = plan.provenance
    facts = (("Why the search ended", plan.termination), ("Engine", p.engine), ("Seed", p.seed), ("Version", p.version))
    for row, (name, value) in enumerate(facts, 8):
        pen.put(row, 0, name)
        pen.put(row, 1, value, f.entry)
    pen.head(13, "Assumptions", "")
    for row, text in enumerate((*words.assumptions(plan), *(f"Warning: {w}" for w in p.warnings)), 14):
        pen.put(row, 1, text, f.wrap)
    pen.sheet.set_column(0, 0, 26)
    pen.sheet.set_column(1, 1, 90)
