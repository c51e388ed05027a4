"""Typical hours against calendars computed by hand and by walking through every hour."""

from __future__ import annotations

import datetime
import itertools
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from solver.calendar import Cells, Horizon, Scenario, make_cells, merge, probabilities, units_per_hour
from solver.errors import InputError
from solver.finance import add_months
from solver.workloads import Traffic

D = datetime.date


def whole(horizon: Horizon, *cuts: D, scenarios: int = 1) -> Cells:
    """Cells of a horizon."""
    return make_cells(horizon, scenarios, cuts)


@pytest.mark.parametrize(
    ("start", "months", "periods", "hours"),
    [
        (D(2027, 1, 1), 12, 12, 8760),
        (D(2028, 1, 1), 12, 12, 8784),  # leap year
        (D(2028, 2, 1), 1, 1, 696),  # 29 days
        (D(2027, 2, 1), 1, 1, 672),
        (D(2027, 1, 15), 1, 2, 744),  # 15 January to 15 February
        (D(2027, 1, 31), 1, 2, 672),  # clipped to 28 February: one day of January, 27 of February
        (D(2027, 3, 1), 1, 1, 744),  # clocks change in Europe and America, but not in UTC
        (D(2027, 11, 15), 3, 4, 2208),  # over the end of the year
    ],
)
def test_true_hours(start: D, months: int, periods: int, hours: int) -> None:
    """Months have their true hours, and cells add up to them."""
    horizon = Horizon(start=start, months=months)
    cells = whole(horizon)
    assert len(horizon.periods) == periods
    assert cells.hours.sum() == hours == (horizon.end - horizon.start).days * 24
    by_month = np.bincount(cells.month, weights=cells.hours)
    assert (by_month == horizon.hours(horizon.start, horizon.end)).all()


def test_january_2027_by_hand() -> None:
    """21 weekdays and 10 weekend days, so many hours for each hour of the day."""
    cells = whole(Horizon(start=D(2027, 1, 1), months=1))
    assert set(cells.hours[cells.weekend == 0].tolist()) == {21}
    assert set(cells.hours[cells.weekend == 1].tolist()) == {10}
    assert len(cells.hours) == 48


@given(
    start=st.dates(D(2024, 1, 1), D(2028, 12, 31)),
    months=st.integers(1, 14),
    cuts=st.lists(st.dates(D(2024, 1, 1), D(2030, 1, 1)), max_size=4),
)
@settings(max_examples=60, deadline=None)
def test_cells_are_the_hours_of_the_horizon(start: D, months: int, cuts: list[D]) -> None:
    """Walking through every day gives the same counts."""
    horizon = Horizon(start=start, months=months)
    cells = whole(horizon, *cuts)
    edges = sorted({d.toordinal() for d in (*horizon.month_starts, *cuts) if horizon.start <= d < horizon.end})
    walked: dict[tuple[int, int], int] = {}
    for ordinal in range(horizon.start.toordinal(), horizon.end.toordinal()):
        first = max(e for e in edges if e <= ordinal)
        key = (first, int(D.fromordinal(ordinal).weekday() >= 5))
        walked[key] = walked.get(key, 0) + 1
    found = {(int(f), int(w)): int(h) for f, w, h in zip(cells.first, cells.weekend, cells.hours, strict=True)}
    assert found == walked
    assert len(cells.hours) == 24 * len(walked)


def test_add_months_keeps_to_the_calendar() -> None:
    """The last day of a shorter month, and years roll over."""
    assert add_months(D(2027, 1, 31), 1) == D(2027, 2, 28)
    assert add_months(D(2028, 1, 31), 1) == D(2028, 2, 29)
    assert add_months(D(2027, 12, 1), 1) == D(2028, 1, 1)
    assert add_months(D(2027, 1, 1), 36) == D(2030, 1, 1)
    assert add_months(D(2028, 2, 29), 12) == D(2029, 2, 28)


def test_demand_by_hand() -> None:
    """Peak × profile × weekend × growth × scenario, rounded up, exact in the decimals as written."""
    profile = (0.3, *(1.0,) * 23)
    traffic = Traffic(
        origin="paris", requests_per_hour=40_000, profile=profile, growth_per_month=0.02, weekend_factor=0.6
    )
    low, high = Scenario(name="base", probability=0.5), Scenario(name="high", probability=0.5, demand_factor=1.3)
    cells = whole(Horizon(start=D(2027, 1, 1), months=3), scenarios=2)
    units = units_per_hour(traffic, cells, [low.factor("chat"), high.factor("chat")], 3)

    def at(scenario: int, month: int, weekend: int, hour: int) -> int:
        mine = (cells.scenario == scenario) & (cells.month == month) & (cells.weekend == weekend) & (cells.hour == hour)
        return int(units[mine][0])

    assert at(0, 0, 0, 0) == 12_000  # 0.3 × 40,000 is not 12,001
    assert at(0, 0, 0, 5) == 40_000
    assert at(0, 0, 1, 5) == 24_000
    assert at(0, 2, 0, 5) == 41_616
    assert at(1, 2, 0, 5) == 54_101  # 54,100.8
    assert at(1, 1, 1, 0) == 9_548  # 9,547.2


def test_growth_beyond_counting_is_refused() -> None:
    """Whole numbers stay exact in floats."""
    traffic = Traffic(origin="paris", requests_per_hour=1e12, growth_per_month=1.0)
    cells = whole(Horizon(start=D(2027, 1, 1), months=60))
    with pytest.raises(InputError, match="beyond counting"):
        units_per_hour(traffic, cells, [Fraction(1)], 60)


def test_flat_demand_is_one_block() -> None:
    """Nothing differs, nothing is kept apart; the hours by month are."""
    horizon = Horizon(start=D(2027, 1, 1), months=12)
    cells = whole(horizon)
    same = np.ones((1, len(cells.hours)), dtype=np.int64)
    blocks, cell = merge(cells, same, np.zeros((0, len(cells.hours)), bool), horizon, (Fraction(1),))
    assert blocks.count == len(cell) == 1
    assert (blocks.hours[0] == blocks.period_hours).all()
    assert (blocks.calendar["hours"].sum(), len(blocks.calendar)) == (8760, 576)


@given(data=st.data())
@settings(max_examples=40, deadline=None)
def test_merging_is_exact(data: st.DataObject) -> None:
    """Each cell's requirement is its block's, no two blocks outside windows are alike, and no hour is lost."""
    horizon = Horizon(start=data.draw(st.dates(D(2027, 1, 1), D(2028, 12, 1))), months=data.draw(st.integers(1, 5)))
    count = data.draw(st.integers(1, 3))
    probability = tuple(Fraction(1, count) for _ in range(count))
    first = horizon.start + datetime.timedelta(days=data.draw(st.integers(0, 20)))
    last = min(first + datetime.timedelta(days=data.draw(st.integers(1, 40))), horizon.end)
    cells = whole(horizon, first, last, scenarios=count)
    requirement = np.random.default_rng(data.draw(st.integers(0, 99))).integers(0, 2, (2, len(cells.hours)))
    windows = cells.inside(first, last)[None][: data.draw(st.integers(0, 1))]
    blocks, cell = merge(cells, requirement, windows, horizon, probability)
    calendar = blocks.calendar
    totals = np.zeros_like(blocks.hours)
    months = np.array([horizon.periods.index(p) for p in calendar["period"]])
    np.add.at(totals, (calendar["block"], months), calendar["hours"])
    assert (totals == blocks.hours).all()
    assert (blocks.hours.sum(axis=0) == count * blocks.period_hours).all()
    outside = ~np.asarray(windows.any(axis=0))[cell]
    keys = list(zip(*requirement[:, cell].tolist(), cells.scenario[cell].tolist(), strict=True))
    free = [k for k, o in zip(keys, outside, strict=True) if o]
    assert len(set(free)) == len(free)
    by_place = {}
    for c in range(len(cells.hours)):
        place = (horizon.periods[cells.month[c]], cells.weekend[c], cells.hour[c], cells.scenario[c], cells.first[c])
        by_place[place] = (*requirement[:, c].tolist(), int(cells.scenario[c]))
    for r in calendar.records():
        mine = {
            v
            for k, v in by_place.items()
            if k[:4] == (r["period"], int(r["day"] == "weekend"), r["hour_utc"], r["scenario"])
        }
        assert keys[r["block"]] in mine


@pytest.mark.parametrize("days", [1, 2, 5, 30, 59])
@pytest.mark.parametrize("scenarios", [1, 2])
def test_a_run_can_take_any_whole_number_of_hours(days: int, scenarios: int) -> None:
    """Sums of blocks in a window reach every number from 0 to its hours, in each scenario."""
    horizon = Horizon(start=D(2027, 1, 1), months=3)
    first, last = D(2027, 1, 16), D(2027, 1, 16) + datetime.timedelta(days=days)
    cells = whole(horizon, first, last, scenarios=scenarios)
    window = cells.inside(first, last)[None]
    same = np.ones((1, len(cells.hours)), dtype=np.int64)
    probability = tuple(Fraction(1, scenarios) for _ in range(scenarios))
    blocks, cell = merge(cells, same, window, horizon, probability)
    for scenario in range(scenarios):
        mine = window[0][cell] & (blocks.scenario == scenario)
        lengths = blocks.total_hours[mine].tolist()
        reached = {0}
        for length in lengths:
            reached |= {r + length for r in reached}
        assert reached == set(range(days * 24 + 1))


def test_two_windows_share_the_cells_of_their_overlap() -> None:
    """Windows cut each other; every block is inside each window or outside it."""
    horizon = Horizon(start=D(2027, 1, 1), months=2)
    days = [(D(2027, 1, 5), D(2027, 1, 20)), (D(2027, 1, 10), D(2027, 2, 10))]
    cells = whole(horizon, *itertools.chain(*days))
    windows = np.stack([cells.inside(*d) for d in days])
    same = np.ones((1, len(cells.hours)), dtype=np.int64)
    blocks, cell = merge(cells, same, windows, horizon, (Fraction(1),))
    for row, (first, last) in zip(windows, days, strict=True):
        assert blocks.total_hours[row[cell]].sum() == (last - first).days * 24


def test_probabilities_are_decimals() -> None:
    """0.7 + 0.2 + 0.1 is one; 0.7 + 0.2 is not."""
    three = [Scenario(name=n, probability=p) for n, p in (("a", 0.7), ("b", 0.2), ("c", 0.1))]
    assert probabilities(three) == (Fraction(7, 10), Fraction(1, 5), Fraction(1, 10))
    with pytest.raises(InputError, match=r"add up to 0.9"):
        probabilities(three[:2])
    with pytest.raises(InputError, match="same name"):
        probabilities([Scenario(name="a", probability=0.5), Scenario(name="a", probability=0.5)])


@pytest.mark.parametrize("months", [0, -1, 121, 1.5, True, "12"])
def test_bad_horizons(months: object) -> None:
    """Whole months, ten years at most."""
    with pytest.raises(InputError, match="months"):
        Horizon(start=D(2027, 1, 1), months=months)  # type: ignore[arg-type]
