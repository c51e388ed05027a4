"""Costs by token and break-evens: by hand, and against counting every demand."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from solver.compare.costs import BreakEven, Scheme, break_even, commitment_hours, token_prices

DOLLAR = 1_000_000


def test_a_replica_hour_split_by_hand() -> None:
    """$36 an hour, a quarter of the time for prompts: $9 over 3.6M input tokens, $27 over 720k output tokens."""
    prices = token_prices(36 * DOLLAR, 3600, (1000, 200), (0.25, 0.75))
    assert prices == (2_500_000, 37_500_000)


@given(
    hour=st.integers(0, 10**9),
    requests=st.integers(1, 10**6),
    tokens=st.tuples(st.integers(1, 10**5), st.integers(1, 10**5)),
    seconds=st.tuples(st.floats(1e-6, 100), st.floats(1e-6, 100)),
)
def test_the_two_prices_give_the_hour(
    hour: int, requests: int, tokens: tuple[int, int], seconds: tuple[float, float]
) -> None:
    """Tokens of an hour at their prices cost the hour, but for half a micro-dollar a million tokens."""
    prices = token_prices(hour, requests, tokens, seconds)
    whole = Fraction(requests * sum(price * count for price, count in zip(prices, tokens, strict=True)), 10**6)
    slack = Fraction(requests * sum(tokens), 2 * 10**6)
    assert abs(whole - hour) <= slack
    assert (prices[0] > 0) <= (hour > 0)


def test_a_break_even_by_hand() -> None:
    """$10 a replica for 10 requests against $25 for 40.

    One large replica ($25) beats three small ones ($30), so from 21 requests an hour. At 41 to 50 two large cost $50
    as do five small: not more, so 21 is for good.
    """
    small = Scheme(micro_usd_per_month=10 * DOLLAR, requests_per_hour=10)
    large = Scheme(micro_usd_per_month=25 * DOLLAR, requests_per_hour=40)
    assert break_even(small, large) == BreakEven(first=21, for_good=21)
    assert (small.cost(20), large.cost(20)) == (20 * DOLLAR, 25 * DOLLAR)
    assert (small.cost(21), large.cost(21)) == (30 * DOLLAR, 25 * DOLLAR)


def test_a_staircase_that_wins_twice() -> None:
    """$10 for 10 requests against $24 for 25: cheaper at 21 to 25 ($24 < $30), dearer at 26 to 40 ($48 > $40)."""
    small = Scheme(micro_usd_per_month=10, requests_per_hour=10)
    large = Scheme(micro_usd_per_month=24, requests_per_hour=25)
    found = break_even(small, large)
    assert found.first == 21
    assert found.for_good is not None
    assert found.for_good > 40


def test_dearer_in_every_way_never_overtakes() -> None:
    """Also where both cost the same a request."""
    small = Scheme(micro_usd_per_month=10, requests_per_hour=10)
    for month, requests in ((20, 20), (30, 20), (10, 10), (5, 10)):
        large = Scheme(micro_usd_per_month=month, requests_per_hour=requests)
        assert break_even(small, large) == BreakEven(first=None, for_good=None)


@settings(max_examples=300)
@given(
    small=st.tuples(st.integers(1, 60), st.integers(1, 30)),
    more=st.integers(1, 90),
    requests=st.integers(1, 60),
)
def test_break_evens_as_counted(small: tuple[int, int], more: int, requests: int) -> None:
    """Every demand tried one by one, far beyond where the slopes decide."""
    a = Scheme(micro_usd_per_month=small[0], requests_per_hour=small[1])
    b = Scheme(micro_usd_per_month=small[0] + more, requests_per_hour=requests)
    found = break_even(a, b)
    if b.marginal >= a.marginal:
        assert found.first is None
        return
    far = int((b.micro_usd_per_month + 1) / (a.marginal - b.marginal)) + 2 * (a.requests_per_hour + b.requests_per_hour)
    gap = [b.cost(d) - a.cost(d) for d in range(1, far + 1)]
    assert found.first == next(d for d, g in enumerate(gap, 1) if g < 0)
    assert found.for_good == max((d for d, g in enumerate(gap, 1) if g > 0), default=0) + 1


def test_replicas_are_whole() -> None:
    """One at least, and one more for the first request beyond."""
    s = Scheme(micro_usd_per_month=7, requests_per_hour=100)
    assert [s.replicas(d) for d in (0.001, 100, 100.5, 101, 1000)] == [1, 1, 2, 2, 10]
    assert s.cost(250.0) == 21


def test_hours_from_which_a_commitment_pays() -> None:
    """$4 for each of 730 hours against $10: 292. With $8,760 upfront for a year, $730 a month more: 365."""
    assert commitment_hours(10 * DOLLAR, 4 * DOLLAR, 0, 12) == 292
    assert commitment_hours(10 * DOLLAR, 4 * DOLLAR, 8760 * DOLLAR, 12) == 365


def test_a_dear_commitment_never_pays() -> None:
    """More than a month has."""
    assert commitment_hours(DOLLAR, 2 * DOLLAR, 0, 12) == pytest.approx(1460)
