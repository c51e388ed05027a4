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
from .value import (
    ManyRatesError,
    NoRateError,
    break_even_utilisation,
    effective_rate,
    irr,
    npv,
    payback,
    payback_period,
    rates_of_return,
)

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
    "ManyRatesError",
    "Minimum",
    "MissingRateError",
    "MixedCurrencyError",
    "Money",
    "NetPrice",
    "NoRateError",
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
    "break_even_utilisation",
    "cash_flow",
    "counted_hours",
    "effective_rate",
    "exact_hours",
    "hours_between",
    "hours_by_period",
    "invoice",
    "irr",
    "ladder",
    "net_price",
    "npv",
    "payback",
    "payback_period",
    "rates_of_return",
    "recurring",
    "round_money",
    "term_end",
    "total",
]
