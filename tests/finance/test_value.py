"""Present value, rates of return, payback and break-even: published examples, algebra and arithmetic."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import accumulate, pairwise

import pytest
import pyxirr
from hypothesis import assume, given
from hypothesis import strategies as st

from solver.errors import InputError
from solver.finance import (
    FiscalCalendar,
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

D = Decimal
Flows = list[tuple[date, Decimal]]


def flows(*rows: str) -> Flows:
    """Days and amounts as they are written."""
    pairs = (row.split() for row in rows)
    return [(date.fromisoformat(day), D(amount)) for day, amount in pairs]


def yearly(*amounts: str) -> Flows:
    """One each 365 days."""
    return [(date(2027, 1, 1) + timedelta(days=365 * k), D(amount)) for k, amount in enumerate(amounts)]


# the example that makers of spreadsheets give for dated flows: 2,086.65 at 9 %, a return of 37.34 %
SPREADSHEET = flows("2008-01-01 -10000", "2008-03-01 2750", "2008-10-30 4250", "2009-02-15 3250", "2009-04-01 2750")

# rate, flows, value on the first day
VALUES = [
    ("0.09", SPREADSHEET, "2086.65", 2),
    ("0.09", SPREADSHEET, "2086.6476", 4),
    ("0.10", yearly("-100", "110"), "0.000000", 6),
    ("0.10", yearly("0", "0", "121"), "100.000000", 6),
    ("0.21", flows("2027-01-01 0", "2028-12-31 1"), "0.683013", 6),  # 730 days: 1 / 1.21² = 0.68301345
    ("0.10", flows("2028-01-01 0", "2029-01-01 110"), "99.973891", 6),  # 366 days: 110 / e^(ln 1.1 × 366/365)
    ("0", yearly("-3", "1", "1.5"), "-0.50", 2),
    ("-0.5", yearly("0", "1"), "2.00", 2),  # 1 / 0.5
    ("1", yearly("0", "0", "0", "8"), "1.00", 2),  # 8 / 2³
]

# flows, the one rate
RATES = [
    (yearly("-100", "110"), 0.10),
    (yearly("-100", "90"), -0.10),
    (yearly("-100", "0", "121"), 0.10),
    (yearly("-100", "50", "60.5"), 0.067_006_7),  # 60.5 x² + 50 x = 100: x = (√26,700 - 50) / 121 = 0.9372012
    (yearly("100", "-110"), 0.10),  # borrowed
    (yearly("-1", "9000"), 8999.0),
    (SPREADSHEET, 0.373_362_535),
    (yearly("-100", "210", "-210", "110"), 0.10),  # three changes of sign, one rate: (v - 1.1)(v² - v + 1)
]

# flows, all rates: with v = 1 + rate, (v - 1.1)(v - 1.2) × -100; (v - 1.1)(v - 1.2)(v - 1.5); (v - 1)²; none
SEVERAL = [
    (yearly("-100", "230", "-132"), [0.10, 0.20]),
    (yearly("1", "-3.8", "4.77", "-1.98"), [0.10, 0.20, 0.50]),
    (yearly("100", "-200", "100"), [0.0]),
    (yearly("100", "-200", "150"), []),  # 40,000 - 4 × 100 × 150 < 0
    (yearly("100", "200"), []),
    (yearly("-100", "0.001"), []),  # -99.999 %
]

MONTHLY = flows("2027-01-01 -1000", "2027-02-01 300", "2027-03-01 300", "2027-04-01 300", "2027-05-01 300")
# flows, yearly rate, the day of payback
PAYBACKS = [
    (MONTHLY, "0", "2027-05-01"),  # 300, 600, 900, 1,200
    (yearly("-1000", "500", "500", "500"), "0", "2028-12-31"),
    (yearly("-1000", "500", "500", "500"), "0.10", "2029-12-31"),  # 454.55 + 413.22 are 867.77; 375.66 more
    (yearly("-1000", "500", "500", "500"), "0.30", None),  # 384.62 + 295.86 + 227.58 are 908.06
    (yearly("-100", "150", "-100", "60"), "0", "2029-12-31"),  # back at 50, then down again: for good with the last
    (yearly("-100", "150", "-100"), "0", None),
    (yearly("100", "-50"), "0", "2027-01-01"),  # never below
    (yearly("-100", "100"), "0", "2028-01-01"),  # nothing is not below nothing
]  # fmt: skip

# a commitment's rate an hour, on demand, upfront, hours of the term, share of the hours it must be used
BREAK_EVENS = [
    ("4", "10", "0", 0, Fraction(2, 5)),
    ("0", "10", "35040", 8760, Fraction(2, 5)),  # 35,040 / 8,760 = 4
    ("3", "10", "8760", 8760, Fraction(2, 5)),  # 3 + 1
    ("3", "10", "8784", 8784, Fraction(2, 5)),  # in a leap year
    ("55.04", "98.32", "0", 0, Fraction(5504, 9832)),
    ("12", "10", "0", 0, Fraction(6, 5)),  # never
]


@pytest.mark.parametrize(("rate", "dated", "value", "places"), VALUES)
def test_values(rate: str, dated: Flows, value: str, places: int) -> None:
    """On the first day."""
    assert str(npv(D(rate), dated, places=places)) == value


def test_value_on_another_day() -> None:
    """121 in two years are 110 in one, and 133.10 a year after they came."""
    dated = yearly("0", "0", "121")
    assert npv(D("0.1"), dated, date(2028, 1, 1), 2) == 110
    assert npv(D("0.1"), dated, date(2029, 12, 31), 2) == D("133.10")


@pytest.mark.parametrize(("dated", "rate"), RATES)
def test_rates(dated: Flows, rate: float) -> None:
    """The one there is, however the signs change."""
    assert irr(dated) == pytest.approx(rate, abs=5e-5)
    assert rates_of_return(dated) == pytest.approx([rate], abs=5e-5)


@pytest.mark.parametrize(("dated", "rates"), SEVERAL)
def test_several_or_none(dated: Flows, rates: list[float]) -> None:
    """All are named, and none is taken for the answer."""
    assert rates_of_return(dated) == pytest.approx(rates, abs=1e-9)
    if len(rates) == 1:
        assert irr(dated) == pytest.approx(rates[0], abs=1e-9)
        return
    with pytest.raises(ManyRatesError if rates else NoRateError) as caught:
        irr(dated)
    assert list(getattr(caught.value, "rates", ())) == pytest.approx(rates, abs=1e-9)


@pytest.mark.parametrize(("dated", "rate", "day"), PAYBACKS)
def test_paybacks(dated: Flows, rate: str, day: str | None) -> None:
    """The day from which on nothing is missing."""
    assert payback(dated, D(rate)) == (date.fromisoformat(day) if day else None)


def test_payback_in_a_fiscal_year() -> None:
    """A month, a quarter of a year that starts in July."""
    period, quarter = payback_period(MONTHLY), payback_period(MONTHLY, FiscalCalendar(7), "quarter")
    assert period is not None
    assert quarter is not None
    assert (period.label, quarter.label) == ("2027-05", "FY2027-Q4")
    assert payback_period(yearly("-1")) is None


@pytest.mark.parametrize(("rate", "on_demand", "upfront", "hours", "share"), BREAK_EVENS)
def test_break_evens(rate: str, on_demand: str, upfront: str, hours: int, share: Fraction) -> None:
    """At that share both cost the same, exactly."""
    assert break_even_utilisation(D(rate), D(on_demand), D(upfront), hours) == share
    assert effective_rate(D(rate), D(upfront), hours) == share * Fraction(on_demand)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: npv(D("0.1"), []),
        lambda: npv(D(-1), yearly("1")),
        lambda: irr([]),
        lambda: payback([]),
        lambda: break_even_utilisation(D(1), D(0)),
        lambda: break_even_utilisation(D(1), D(2), upfront=D(1)),
    ],
)
def test_refuses(wrong: Callable[[], object]) -> None:
    """With a typed error."""
    with pytest.raises(InputError):
        wrong()


dated_flows = st.lists(
    st.tuples(
        st.dates(date(2020, 1, 1), date(2035, 1, 1)), st.integers(-(10**9), 10**9).map(lambda c: D(c).scaleb(-2))
    ),
    min_size=1,
    max_size=12,
)


@given(dated_flows, st.integers(-50, 300))
def test_values_agree_with_another_library(dated: Flows, percent: int) -> None:
    """Within what floats give."""
    days, amounts = zip(*sorted(dated), strict=True)
    other = pyxirr.xnpv(percent / 100, days, [float(a) for a in amounts])
    size = sum(abs(float(a)) for a in amounts) * max(1.0, (1 + percent / 100) ** -15)
    assert float(npv(D(percent) / 100, dated)) == pytest.approx(other, abs=1e-9 * size + 1e-6)


@given(dated_flows)
def test_every_rate_makes_the_flows_worth_nothing(dated: Flows) -> None:
    """Never more of them than changes of sign; with one change exactly the one that another library finds."""
    rates = rates_of_return(dated)
    sums: dict[date, Decimal] = {}
    for day, amount in dated:
        sums[day] = sums.get(day, D(0)) + amount
    signs = [amount > 0 for _, amount in sorted(sums.items()) if amount]
    changes = sum(a != b for a, b in pairwise(signs))
    assert len(rates) <= changes
    first = min(day for day, _ in dated)
    for rate in rates:
        worth = [float(amount) * (1 + rate) ** (-(day - first).days / 365) for day, amount in dated]
        assert abs(sum(worth)) <= 1e-7 * sum(map(abs, worth))
    if changes == 1 and len(rates) == 1:
        assert irr(dated) == pytest.approx(rates[0], rel=1e-6, abs=1e-8)


@given(st.lists(st.integers(51, 300), min_size=1, max_size=4, unique=True))
def test_known_rates_are_all_found(growths: list[int]) -> None:
    """Flows made from their rates: the coefficients of Π (v - growth)."""
    assume(all(b - a >= 10 for a, b in pairwise(sorted(growths))))
    coefficients = [D(1)]
    for growth in growths:
        shifted = [*coefficients, D(0)]
        taken = [D(0), *(c * D(growth) / 100 for c in coefficients)]
        coefficients = [a - b for a, b in zip(shifted, taken, strict=True)]
    dated = yearly(*map(str, coefficients))
    assert rates_of_return(dated) == pytest.approx([g / 100 - 1 for g in sorted(growths)], abs=1e-8)


@given(dated_flows)
def test_payback_without_a_rate_is_the_running_sum(dated: Flows) -> None:
    """Counted another way."""
    days = sorted({day for day, _ in dated})
    running = list(accumulate(sum((a for d, a in dated if d == day), D(0)) for day in days))
    below = [i for i, amount in enumerate(running) if amount < 0]
    since = below[-1] + 1 if below else 0
    assert payback(dated) == (days[since] if since < len(days) else None)
