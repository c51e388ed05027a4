"""Money in time, as finance counts it: exact, dated, rounded where it is said to be, and pure functions only.

Nothing here knows of plans, catalogues or solvers. Amounts are Decimal, exact results Fraction; floats are refused.
"""

from __future__ import annotations

from .amortise import Basis, LadderRow, Tranche, amortise, amortised, cash_flow, ladder, recurring, total
from .application import (
    Applied,
    AppliedMany,
    Commitment,
    Coverage,
    Usage,
    application_order,
    apply_commitments,
    apply_many,
)
from .currency import MissingRateError, MixedCurrencyError, Money, Rate, Rates, StaleRateError
from .discounts import (
    Credit,
    Discount,
    Fee,
    Invoice,
    Minimum,
    NetPrice,
    Step,
    Tax,
    invoice,
    net_price,
)
from .hours import CONTRACT_MONTH_HOURS, counted_hours, exact_hours, hours_between, hours_by_period, term_end
from .periods import MONTHLY, FiscalCalendar, Period, add_months
from .rounding import allocate, round_money

__all__ = [
    "CONTRACT_MONTH_HOURS",
    "MONTHLY",
    "Applied",
    "AppliedMany",
    "Basis",
    "Commitment",
    "Coverage",
    "Credit",
    "Discount",
    "Fee",
    "FiscalCalendar",
    "Invoice",
    "LadderRow",
    "Minimum",
    "MissingRateError",
    "MixedCurrencyError",
    "Money",
    "NetPrice",
    "Period",
    "Rate",
    "Rates",
    "StaleRateError",
    "Step",
    "Tax",
    "Tranche",
    "Usage",
    "add_months",
    "allocate",
    "amortise",
    "amortised",
    "application_order",
    "apply_commitments",
    "apply_many",
    "cash_flow",
    "counted_hours",
    "exact_hours",
    "hours_between",
    "hours_by_period",
    "invoice",
    "ladder",
    "net_price",
    "recurring",
    "round_money",
    "term_end",
    "total",
]
