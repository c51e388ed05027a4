"""Who pays for a bill: each owner's own charges, and shares of what is nobody's own; the parts add up to the bill.

An owner is a team, project or workload. What names no owner is shared: idle commitments, purchases, credits, tax and
the rest, each by its own rule. Shares are exact in micro-dollars; cents are given by largest remainder, so that they
add up to the bill rounded to cents, to 0.00.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from typing import Literal, get_args

from ..errors import InputError
from ..finance import Rates, allocate
from ..money import to_micro, to_usd
from ..table import Table
from .bill import Bill
from .variance import ATTO, VIEWS, View, bucket_of, last_day, whole_parts

By = Literal["team", "project", "workload"]
Rule = Literal["proportional", "even", "fixed"]
Savings = Literal["owner", "pooled"]
SHARED = ("idle", "purchases", "credits", "tax", "other")
PARTS = ("direct", *SHARED, "savings")
NOBODY = "(nobody)"
MICROS_A_CENT = 10_000


@dataclass(frozen=True, kw_only=True)
class Sharing:
    """How what is shared is shared.

    - rules: of each of SHARED: in proportion to direct cost, evenly, or by fixed weights
    - weights: of owners, for "fixed"; an owner may be one that has no charge of its own
    - savings: what commitments save stays with those whose rows the provider applied them to ("owner"), or is pooled
      and shared in proportion to what their covered usage would have cost without ("pooled")
    """

    rules: Mapping[str, Rule] = field(default_factory=dict)
    weights: Mapping[str, Decimal] = field(default_factory=dict)
    savings: Savings = "owner"

    def __post_init__(self) -> None:
        """Check names and weights."""
        for name, rule in self.rules.items():
            if name not in SHARED or rule not in get_args(Rule):
                mend = f"{', '.join(SHARED)}: {', '.join(get_args(Rule))}"
                raise InputError(f"{name}: {rule}", where="sharing", mend=mend)
        fixed = "fixed" in self.rules.values()
        if any(w < 0 for w in self.weights.values()) or (fixed and not any(self.weights.values())):
            raise InputError("weights must be 0 or more, and some above", where="sharing", mend="weights of owners")
        if self.savings not in get_args(Savings):
            raise InputError(f"savings {self.savings!r}", where="sharing", mend=", ".join(get_args(Savings)))

    def rule(self, part: str) -> Rule:
        """The rule of a part."""
        return self.rules.get(part, "proportional")


def showback(
    bill: Bill, by: By = "team", sharing: Sharing | None = None, *, view: View = "amortised", rates: Rates | None = None
) -> Table:
    """The bill by owner and month: period, owner, micro_usd (whole cents), and the exact micro_usd of each of PARTS.

    A month's `micro_usd` add up to its bill rounded to cents; all parts add up to the bill in micro-dollars.

    Raises:
        InputError: a currency without a rate, or a rule that is none.
    """
    if by not in get_args(By) or view not in VIEWS:
        mend = f"by {', '.join(get_args(By))}; view {', '.join(VIEWS)}"
        raise InputError(f"by {by!r}, view {view!r}", where="showback", mend=mend)
    months: dict[str, _Month] = defaultdict(_Month)
    rows = list(bill.cells.records())
    exact = [_usd(int(r[VIEWS[view]]), r, rates) for r in rows]
    listed = [_usd(int(r["contracted"]), r, rates) for r in rows]
    for i, micro in enumerate(whole_parts(exact)):
        months[str(rows[i]["period"])].add(rows[i], str(rows[i][by]), micro, round(listed[i]))
    plan = sharing or Sharing()
    made = [(period, *line) for period, month in sorted(months.items()) for line in month.lines(plan)]
    return Table.from_records(("period", "owner", "micro_usd", *(f"{p}_micro_usd" for p in PARTS)), made)


def _usd(atto: int, row: dict[str, object], rates: Rates | None) -> Fraction:
    """Exact micro-dollars."""
    currency = str(row["currency"])
    if currency == "USD":
        return Fraction(atto, ATTO)
    if rates is None:
        mend = "give dated rates of exchange, such as --rates rates.csv"
        raise InputError(f"amounts in {currency}, no rate to USD", where=str(row["period"]), mend=mend)
    return Fraction(atto, ATTO) * rates.rate(currency, "USD", last_day(row))


class _Month:
    """What a month's bill says of owners."""

    def __init__(self) -> None:
        self.direct: dict[str, int] = defaultdict(int)
        self.shared: dict[str, int] = dict.fromkeys(SHARED, 0)
        self.saved: dict[str, int] = defaultdict(int)
        self.covered: dict[str, int] = defaultdict(int)  # what covered usage would have cost

    def add(self, row: dict[str, object], owner: str, micro: int, contracted: int) -> None:
        """A cell."""
        bucket = bucket_of(row)
        part = {"utilisation": "idle", "purchases": "purchases", "credits": "credits", "tax": "tax"}.get(bucket)
        if owner and part != "idle":
            self.direct[owner] += micro
        else:
            self.shared[part or "other"] += micro
        if owner and bucket == "usage" and row["bought"] == "committed" and contracted >= micro > 0:
            self.saved[owner] += contracted - micro
            self.covered[owner] += contracted

    def lines(self, plan: Sharing) -> list[tuple[object, ...]]:
        """Owners with their parts; cents by largest remainder."""
        owners = sorted({*self.direct, *(o for o, w in plan.weights.items() if w)}) or [NOBODY]
        parts = {"direct": [self.direct.get(o, 0) for o in owners]}
        for name, micro in self.shared.items():
            parts[name] = self._share(micro, plan.rule(name), owners, plan)
        parts["savings"] = self._savings(owners) if plan.savings == "pooled" else [0] * len(owners)
        totals = [sum(parts[p][i] for p in PARTS) for i in range(len(owners))]
        cents = whole_parts([Fraction(t, MICROS_A_CENT) for t in totals])
        return [(owner, cents[i] * MICROS_A_CENT, *(parts[p][i] for p in PARTS)) for i, owner in enumerate(owners)]

    def _share(self, micro: int, rule: Rule, owners: list[str], plan: Sharing) -> list[int]:
        weights = {
            "even": [Fraction(1)] * len(owners),
            "fixed": [Fraction(plan.weights.get(o, Decimal(0))) for o in owners],
            "proportional": [Fraction(max(0, self.direct.get(o, 0))) for o in owners],
        }[rule]
        return [to_micro(part) for part in allocate(to_usd(micro), weights, places=6)]

    def _savings(self, owners: list[str]) -> list[int]:
        """What pooling moves: each gives its own saving back and takes its share of all; the moves add up to 0."""
        total = sum(self.saved.values())
        shares = allocate(to_usd(total), [Fraction(self.covered.get(o, 0)) for o in owners], places=6)
        return [self.saved.get(o, 0) - to_micro(share) for o, share in zip(owners, shares, strict=True)]
