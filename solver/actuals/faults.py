"""What was wrong with a bill, by reason, with examples; and the reconciliation: no row and no cent goes missing."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal

from ..errors import PlannerError

PLACES = 18  # decimals of an amount inside: 1e-18 of a dollar, "atto"
EXAMPLES = 5  # of each reason

SET_ASIDE = {  # reasons for which a row cannot be used
    "cut short": "a row with too few or too many cells",
    "cost unreadable": "a cost that is no number, or none at all",
    "period unreadable": "no day the charge belongs to",
    "currency missing": "an amount of no currency",
    "repeated": "the same as another row in every column",  # only where the policy is to drop it
}
FLAGGED = {  # reasons that a reader should know of; the row counts
    "repeated": "the same as another row in every column",
    "repeated key": "as another row in all but quantities and costs",
    "negative": "below zero, and neither credit nor correction",
    "outside billing period": "a charge period outside the billing period, and no correction",
    "ends before it begins": "a charge period that ends before it begins",
    "period missing": "no charge period: the billing period counts",
    "category unknown": "a ChargeCategory that is none of FOCUS: taken as usage",
    "tags unreadable": "tags that are no JSON: the row has none",
    "quantity unreadable": "a quantity that is no number: the row has none",
    "rounded": "more than 18 decimals: rounded to 18, half to even",
    "float": "an amount stored as a binary float: its shortest decimal form counts",
}


def decimal_of(atto: int) -> Decimal:
    """An amount inside as an exact Decimal."""
    return Decimal(f"{int(atto)}E-{PLACES}")


@dataclass(slots=True)
class Amounts:
    """Rows and what they come to, in each currency: billed and effective, in 1e-18."""

    rows: int = 0
    billed: dict[str, int] = field(default_factory=dict)
    effective: dict[str, int] = field(default_factory=dict)

    def add(self, rows: int, billed: dict[str, int], effective: dict[str, int]) -> None:
        """More of them."""
        self.rows += rows
        for mine, more in ((self.billed, billed), (self.effective, effective)):
            for currency, atto in more.items():
                mine[currency] = mine.get(currency, 0) + atto

    def total(self, view: str = "billed") -> dict[str, Decimal]:
        """Exact amounts by currency."""
        return {currency: decimal_of(atto) for currency, atto in sorted(getattr(self, view).items())}


@dataclass(frozen=True, slots=True)
class Fault:
    """One row with a fault: the row is counted from the heading, which is row 1; 0 where it could not be told."""

    reason: str
    file: str
    row: int
    detail: str

    def __str__(self) -> str:
        """As one line."""
        return f"{self.file}, {f'row {self.row}' if self.row else 'a row'}: {self.reason}: {self.detail}"


@dataclass(slots=True)
class Reconciliation:
    """Rows read = rows kept + rows set aside, and so for every amount that can be read."""

    read: Amounts = field(default_factory=Amounts)
    kept: Amounts = field(default_factory=Amounts)
    set_aside: dict[str, Amounts] = field(default_factory=dict)
    flagged: dict[str, Amounts] = field(default_factory=dict)
    examples: dict[str, list[Fault]] = field(default_factory=dict)

    def example(self, faults: Iterable[Fault]) -> None:
        """Keep the first few of each reason."""
        for fault in faults:
            kept = self.examples.setdefault(fault.reason, [])
            if len(kept) < EXAMPLES:
                kept.append(fault)

    def check(self) -> None:
        """See that nothing is missing.

        Raises:
            PlannerError: rows or amounts do not add up; a fault of ours.
        """
        both = Amounts()
        for part in (self.kept, *self.set_aside.values()):
            both.add(part.rows, part.billed, part.effective)
        for view in ("billed", "effective"):
            mine, theirs = (
                {c: a for c, a in getattr(x, view).items() if a} for x in (both, self.read)
            )  # nothing of a currency is as good as no such currency
            if mine != theirs or both.rows != self.read.rows:
                text = f"{self.read.rows} rows of {theirs} read, {both.rows} of {mine} accounted for"
                raise PlannerError(text, where="reconciliation", mend="please report this")
