"""From a list price to what is paid: discounts, minimum, credits, fees and taxes, in a stated order, each step shown.

The order is that of the terms as given, and it must be the order of the stages: discounts, minimum, credits, fees,
taxes. Percentages are of what stands before them, so that two discounts of 10 % make 19 %.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, Inexact, localcontext
from fractions import Fraction
from itertools import pairwise
from typing import Literal

from ..errors import InputError
from .rounding import CENTS, Exact, fraction, round_money

Of = Literal["list", "discounted", "net"]
ZERO = Decimal(0)
PERCENT = 100
DIGITS = 400  # more than any price with its discounts needs: what does not end is an error, never rounded


@dataclass(frozen=True, slots=True, kw_only=True)
class Discount:
    """So many percent off what stands before it: private pricing, an enterprise agreement, a volume rebate."""

    name: str
    percent: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Minimum:
    """At least so much is charged: the shortfall against a committed spend."""

    name: str
    amount: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Credit:
    """So much is taken off, never below zero; what is left of it is told."""

    name: str
    amount: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Fee:
    """Added on top: a percentage in tiers of the spend, so much a unit (an hour), and at least a minimum.

    `tiers` are (up to which spend, percent of the part below it and above the tier before); the last is open, None.
    `of` is the spend: at list prices, after discounts, or after minimum and credits as well.
    """

    name: str
    tiers: tuple[tuple[Decimal | None, Decimal], ...] = ()
    per_unit: Decimal = ZERO
    units: Exact = 0
    minimum: Decimal = ZERO
    of: Of = "discounted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tax:
    """So many percent of net and fees; kept apart from cost."""

    name: str
    percent: Decimal


Term = Discount | Minimum | Credit | Fee | Tax
STAGES: tuple[type[Term], ...] = (Discount, Minimum, Credit, Fee, Tax)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One term applied. `change` is negative for what is taken off."""

    term: Term
    before: Decimal
    change: Decimal
    after: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class NetPrice:
    """A unit price after discounts, exact."""

    list_price: Decimal
    net: Decimal
    steps: tuple[Step, ...]

    @property
    def percent_off(self) -> Decimal:
        """All discounts as one percentage of the list price (to 28 digits); 0 for a list price of 0."""
        return PERCENT * (self.list_price - self.net) / self.list_price if self.list_price else ZERO


@dataclass(frozen=True, slots=True, kw_only=True)
class Invoice:
    """A spend after all terms, rounded at each step; `before_tax` is the cost, `total` what is transferred."""

    at_list: Decimal
    discounted: Decimal
    net: Decimal
    fees: Decimal
    taxes: Decimal
    credit_left: Decimal
    steps: tuple[Step, ...]

    @property
    def before_tax(self) -> Decimal:
        """Net and fees."""
        return self.net + self.fees

    @property
    def total(self) -> Decimal:
        """With taxes."""
        return self.before_tax + self.taxes


def net_price(list_price: Decimal | None, discounts: Sequence[Discount] = ()) -> NetPrice | None:
    """A unit price after discounts that multiply, in the order given, nothing rounded.

    None is not offered, and stays None: a discount on a price that is not published is no price.

    Raises:
        InputError: a negative price, or a discount below 0 % or above 100 %.
    """
    if list_price is None:
        return None
    price, steps = _amount("list price", list_price), []
    for term in discounts:
        if not isinstance(term, Discount):
            raise InputError(f"{term.name!r} is no discount", where="net price", mend="use invoice() for spend")
        after = _exact(fraction(price) * (1 - _percent(term.name, term.percent)))
        steps.append(Step(term=term, before=price, change=_exact(fraction(after) - fraction(price)), after=after))
        price = after
    return NetPrice(list_price=list_price, net=price, steps=tuple(steps))


def invoice(spend: Decimal, terms: Sequence[Term] = (), places: int = CENTS) -> Invoice:
    """A spend at list prices through all terms, each step rounded to so many places (ties away from zero).

    Raises:
        InputError: a negative amount, a percentage out of range, tiers that do not rise, or a term out of order.
    """
    _in_order(terms)
    at_list = amount = round_money(_amount("spend", spend), places, "away")
    discounted, credit_left, steps = amount, ZERO, []
    for term in terms:
        if isinstance(term, Fee | Tax):
            continue
        change = round_money(_change(term, amount), places, "away")
        if isinstance(term, Credit):
            credit_left += term.amount + change
        steps.append(Step(term=term, before=amount, change=change, after=amount + change))
        amount += change
        discounted = amount if isinstance(term, Discount) else discounted
    bases: dict[str, Decimal] = {"list": at_list, "discounted": discounted, "net": amount}
    fees = list(_added(amount, [(t, _fee(t, bases)) for t in terms if isinstance(t, Fee)], places))
    charged = amount + sum((s.change for s in fees), ZERO)
    taxed = [(t, fraction(charged) * _percent(t.name, t.percent)) for t in terms if isinstance(t, Tax)]
    taxes = list(_added(charged, taxed, places))
    return Invoice(
        at_list=at_list,
        discounted=discounted,
        net=amount,
        fees=charged - amount,
        taxes=sum((s.change for s in taxes), ZERO),
        credit_left=credit_left,
        steps=(*steps, *fees, *taxes),
    )


def _change(term: Discount | Minimum | Credit, amount: Decimal) -> Fraction:
    """What a term does to an amount."""
    if isinstance(term, Discount):
        return -fraction(amount) * _percent(term.name, term.percent)
    named = fraction(_amount(term.name, term.amount))
    return max(Fraction(0), named - fraction(amount)) if isinstance(term, Minimum) else -min(named, fraction(amount))


def _fee(term: Fee, bases: Mapping[str, Decimal]) -> Fraction:
    """Tiers of the spend, each its own percentage; then units; at least the minimum."""
    if term.of not in bases:
        raise InputError(f"of {term.of!r}", where=term.name, mend=f"one of {', '.join(bases)}")
    spend, made, below = bases[term.of], Fraction(0), Fraction(0)
    for k, (up_to, percent) in enumerate(term.tiers):
        last = k == len(term.tiers) - 1
        if (up_to is None) != last or (up_to is not None and fraction(up_to) <= below):
            raise InputError("tiers must rise, and the last be open", where=term.name, mend="(…, (None, percent))")
        top = fraction(spend) if up_to is None else min(fraction(up_to), fraction(spend))
        made += max(Fraction(0), top - below) * _percent(term.name, percent)
        below = below if up_to is None else fraction(up_to)
    made += fraction(_amount(term.name, term.per_unit)) * fraction(term.units, term.name)
    return max(made, fraction(_amount(term.name, term.minimum)))


def _added(amount: Decimal, terms: Sequence[tuple[Term, Fraction]], places: int) -> Iterator[Step]:
    for term, exact in terms:
        change = round_money(exact, places, "away")
        yield Step(term=term, before=amount, change=change, after=amount + change)
        amount += change


def _in_order(terms: Sequence[Term]) -> None:
    stages = [STAGES.index(type(term)) for term in terms]
    for k, (before, after) in enumerate(pairwise(stages), 1):
        if after < before:
            mend = "discounts, minimum, credits, fees, taxes"
            raise InputError(f"stands after {terms[k - 1].name!r}", where=terms[k].name, mend=mend)


def _percent(name: str, percent: Decimal) -> Fraction:
    share = fraction(percent, name) / PERCENT
    if not 0 <= share <= 1:
        raise InputError(f"{percent} %", where=name, mend="from 0 to 100")
    return share


def _amount(name: str, amount: Decimal) -> Decimal:
    if fraction(amount, name) < 0:
        raise InputError(f"{amount} is negative", where=name, mend="0 or more")
    return amount


def _exact(value: Fraction) -> Decimal:
    """A fraction whose decimals end, as that Decimal."""
    with localcontext() as context:
        context.prec, context.traps[Inexact] = DIGITS, True
        return Decimal(value.numerator) / value.denominator
