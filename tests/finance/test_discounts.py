"""Discounts that stack, minimum, credits, fees and taxes: each step as it would stand in a spreadsheet."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from solver.errors import InputError
from solver.finance import Credit, Discount, Fee, Minimum, Tax, invoice, net_price
from solver.finance.discounts import Term

D = Decimal

PRIVATE = Discount(name="private pricing", percent=D(12))
ENTERPRISE = Discount(name="enterprise agreement", percent=D(5))
SUPPORT = Fee(  # 10 % of the first 10,000, 7 % to 80,000, 5 % to 250,000, 3 % above; at least 100
    name="support",
    tiers=((D(10_000), D(10)), (D(80_000), D(7)), (D(250_000), D(5)), (None, D(3))),
    minimum=D(100),
)

# list price an hour, percentages in their order, net
PRICES = [
    ("98.32", [], "98.32"),
    ("98.32", [12], "86.5216"),  # 98.32 × 0.88
    ("98.32", [12, 5], "82.195520"),  # × 0.95
    ("98.32", [5, 12], "82.195520"),  # percentages multiply, either way
    ("0.10", ["12.5"], "0.0875"),
    ("100", [10, 10], "81"),  # two of 10 % make 19 %, not 20 %
    ("100", [10, 10, 10], "72.9"),
    ("3.00", [100], "0"),
    ("0", [50], "0"),
    ("1", ["33.333333", "33.333333"], "0.4444444488888889"),  # 0.66666667²
]

# spend, support fee
SUPPORTED = [
    ("0", "100.00"),  # the minimum
    ("999.99", "100.00"),  # 10 % are 99.999
    ("1500", "150.00"),
    ("10000", "1000.00"),
    ("80000", "5900.00"),  # 1,000 + 7 % × 70,000
    ("85000", "6150.00"),  # + 5 % × 5,000
    ("250000", "14400.00"),  # 5,900 + 5 % × 170,000
    ("1000000", "36900.00"),  # 14,400 + 3 % × 750,000
    ("10000.07", "1000.00"),  # 7 % of 7 cents is half a cent less than a cent: 0.0049
    ("10000.08", "1000.01"),  # 0.0056
]

# spend, terms, what they come to step by step, net, fees, taxes, total
INVOICES: list[tuple[str, list[Term], list[str], str, str, str, str]] = [
    ("1000", [], [], "1000.00", "0", "0", "1000.00"),
    ("1000", [PRIVATE, ENTERPRISE], ["880.00", "836.00"], "836.00", "0", "0", "836.00"),
    # a step is rounded before the next: 33.33 × 0.88 = 29.3304, 29.33 × 0.95 = 27.8635
    ("33.33", [PRIVATE, ENTERPRISE], ["29.33", "27.86"], "27.86", "0", "0", "27.86"),
    # half a cent goes up, off as well: 10 % of 0.25 are 0.03
    ("0.25", [Discount(name="ten", percent=D(10))], ["0.22"], "0.22", "0", "0", "0.22"),
    # short of what was committed to: 150 more
    ("850", [Minimum(name="committed", amount=D(1000))], ["1000.00"], "1000.00", "0", "0", "1000.00"),
    ("1850", [Minimum(name="committed", amount=D(1000))], ["1850.00"], "1850.00", "0", "0", "1850.00"),
    ("850", [Credit(name="credit", amount=D(200))], ["650.00"], "650.00", "0", "0", "650.00"),
    ("850", [Credit(name="credit", amount=D(900))], ["0.00"], "0.00", "0", "0", "0.00"),
    # so much a node-hour: 744 h × $0.05
    (
        "500", [Fee(name="tool", per_unit=D("0.05"), units=744)],
        ["537.20"], "500.00", "37.20", "0", "537.20",
    ),
    ("500", [Tax(name="VAT", percent=D(20))], ["600.00"], "500.00", "0", "100.00", "600.00"),
    # VAT of half a cent goes up: 0.10 × 25 % = 0.025
    ("0.10", [Tax(name="VAT", percent=D(25))], ["0.13"], "0.10", "0", "0.03", "0.13"),
    # all of it: 1,000,000 − 10 % = 900,000 − 8 % = 828,000; 22,000 short of 850,000; 50,000 of credit;
    # support on 828,000: 14,400 + 3 % × 578,000 = 31,740; tax 8.25 % × 831,740 = 68,618.55
    (
        "1000000",
        [
            Discount(name="private pricing", percent=D(10)), Discount(name="agreement", percent=D(8)),
            Minimum(name="committed", amount=D(850_000)), Credit(name="migration", amount=D(50_000)),
            SUPPORT, Tax(name="sales tax", percent=D("8.25")),
        ],
        ["900000.00", "828000.00", "850000.00", "800000.00", "831740.00", "900358.55"],
        "800000.00", "31740.00", "68618.55", "900358.55",
    ),
    # the same support at list prices, and after the credit: 36,900 and 14,400 + 3 % × 600,000 = 32,400
    (
        "1000000",
        [Credit(name="c", amount=D(150_000)), Fee(name="s", tiers=SUPPORT.tiers, of="list"),
         Fee(name="t", tiers=SUPPORT.tiers, of="net")],
        ["850000.00", "886900.00", "919300.00"],
        "850000.00", "69300.00", "0", "919300.00",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("price", "percents", "net"), PRICES)
def test_prices(price: str, percents: list[str], net: str) -> None:
    """Exact, whatever the digits."""
    discounts = [Discount(name=f"{p} %", percent=D(p)) for p in percents]
    made = net_price(D(price), discounts)
    assert made is not None
    assert made.net == D(net)
    assert [s.before + s.change for s in made.steps] == [s.after for s in made.steps]


def test_each_step_is_shown() -> None:
    """98.32 − 11.7984 = 86.5216, − 4.32608 = 82.19552: 16.4 % off."""
    made = net_price(D("98.32"), [PRIVATE, ENTERPRISE])
    assert made is not None
    assert [(s.term.name, s.before, s.change, s.after) for s in made.steps] == [
        ("private pricing", D("98.32"), D("-11.7984"), D("86.5216")),
        ("enterprise agreement", D("86.5216"), D("-4.32608"), D("82.19552")),
    ]
    assert made.percent_off == D("16.4")


def test_what_is_not_offered_stays_so() -> None:
    """No price is not a price of 0."""
    assert net_price(None, [PRIVATE]) is None
    free = net_price(D(0), [PRIVATE])
    assert free is not None
    assert free.net == free.percent_off == 0


@pytest.mark.parametrize(("spend", "fee"), SUPPORTED)
def test_support(spend: str, fee: str) -> None:
    """A fee in tiers with a minimum."""
    assert str(invoice(D(spend), [SUPPORT]).fees) == fee


@pytest.mark.parametrize(("spend", "terms", "after", "net", "fees", "taxes", "whole"), INVOICES)
def test_invoices(spend: str, terms: list[Term], after: list[str], net: str, fees: str, taxes: str, whole: str) -> None:
    """Each amount after its step, and the parts."""
    made = invoice(D(spend), terms)
    assert [str(step.after) for step in made.steps] == after
    assert (made.net, made.fees, made.taxes, made.total) == (D(net), D(fees), D(taxes), D(whole))
    assert made.before_tax == D(net) + D(fees)


def test_credit_that_is_left() -> None:
    """Of 900 against 850, 50; of two credits the first is used first."""
    first, second = Credit(name="a", amount=D(900)), Credit(name="b", amount=D(25))
    assert invoice(D(850), [first]).credit_left == 50
    assert invoice(D(850), [first, second]).credit_left == 75
    assert invoice(D(910), [first, second]).credit_left == 15


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: net_price(D(-1)),
        lambda: net_price(D(1), [Discount(name="d", percent=D(101))]),
        lambda: net_price(D(1), [Discount(name="d", percent=D(-1))]),
        lambda: net_price(D(1), [cast("Any", Credit(name="c", amount=D(1)))]),
        lambda: net_price(cast("Any", 1.5)),
        lambda: invoice(D(-1)),
        lambda: invoice(D(1), [Tax(name="t", percent=D(1)), PRIVATE]),
        lambda: invoice(D(1), [Credit(name="c", amount=D(1)), Minimum(name="m", amount=D(1))]),
        lambda: invoice(D(1), [Credit(name="c", amount=D(-1))]),
        lambda: invoice(D(1), [Fee(name="f", tiers=((D(10), D(1)),))]),
        lambda: invoice(D(1), [Fee(name="f", tiers=((D(10), D(1)), (D(5), D(1)), (None, D(1))))]),
        lambda: invoice(D(1), [Fee(name="f", tiers=((None, D(1)), (None, D(1))))]),
        lambda: invoice(D(1), [Fee(name="f", of=cast("Any", "spend"))]),
    ],
)
def test_refuses(wrong: Callable[[], object]) -> None:
    """With a typed error."""
    with pytest.raises(InputError):
        wrong()


@given(st.integers(0, 10**12), st.lists(st.integers(0, 1000), max_size=5), st.integers(0, 10**9), st.integers(0, 10**9))
def test_parts_make_the_whole(cents: int, permille: list[int], least: int, credit: int) -> None:
    """Steps follow one another from the list price to the total."""
    terms: list[Term] = [Discount(name="d", percent=D(p).scaleb(-1)) for p in permille]
    terms += [Minimum(name="m", amount=D(least).scaleb(-2)), Credit(name="c", amount=D(credit).scaleb(-2))]
    made = invoice(D(cents).scaleb(-2), [*terms, SUPPORT, Tax(name="t", percent=D("7.7"))])
    amounts = [made.at_list, *(s.after for s in made.steps)]
    assert [s.before for s in made.steps] == amounts[:-1]
    assert amounts[-1] == made.total == made.at_list + sum(s.change for s in made.steps)
    assert made.net == max(D(0), max(made.discounted, D(least).scaleb(-2)) - D(credit).scaleb(-2))
