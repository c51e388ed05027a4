"""Histories of prices against their rows, hand-computed figures, and series whose shifts are known."""

from __future__ import annotations

import csv
import json
import math
from collections import Counter
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import costdata
import solver
from costdata import levels, packaged
from costdata.history import Change, History, _history, histories, moved_together, ratio
from solver.examples import example_text
from solver.report.json import to_json
from tests.doors.command import run

NOISE = 0.02


def made(
    steps: list[tuple[str, int]], until: str, *, option: str = "on_demand", region: str = "r", node: str = "n"
) -> History:
    """A history of steps (day, micro-dollars an hour)."""
    return History(
        provider="gcp",
        region=region,
        node=node,
        option=option,
        days=np.array([day for day, _ in steps], dtype="datetime64[D]"),
        micro_usd_per_hour=np.array([usd for _, usd in steps], dtype=np.int64),
        sources=("gcp-list",) * len(steps),
        until=date.fromisoformat(until),
    )


def daily(prices: np.ndarray, *, option: str = "spot") -> History:
    """A history with a step a day."""
    first = date(2025, 1, 1)
    days = [((first + timedelta(i)).isoformat(), round(1e6 * p)) for i, p in enumerate(prices.tolist())]
    kept = [step for i, step in enumerate(days) if not i or step[1] != days[i - 1][1]]
    return made(kept, days[-1][0], option=option)


def noise(n: int, persistence: float, seed: int) -> np.ndarray:
    """Log noise of a standard deviation of 2 %, each value keeping a share of the one before."""
    rng = np.random.default_rng(seed)
    values = [float(rng.normal())]
    for _ in range(n - 1):
        values.append(persistence * values[-1] + math.sqrt(1 - persistence**2) * float(rng.normal()))
    return NOISE * np.array(values)


def test_a3_in_iowa_on_demand_by_hand() -> None:
    """Google's list: $87.832466 from 2024-05-17, $88.49 from 2024-05-21, last seen on 2026-08-03."""
    (history,) = histories(provider="gcp", region="us-central1", node="a3-highgpu-8g", option="on_demand")
    assert history.changes == (Change(date(2024, 5, 21), 87_832_466, 88_490_000),)
    assert history.until == date(2026, 8, 3)
    moved = history.volatility
    move, years = math.log(88.49 / 87.832466), 808 / 365.25
    assert (moved.observed_days, moved.changes, moved.days_since_change) == (808, 1, 804)
    assert moved.per_year == pytest.approx(move / math.sqrt(years))
    assert moved.trend_per_year == pytest.approx(move / years)
    assert moved.mean_micro_usd == pytest.approx((4 * 87_832_466 + 804 * 88_490_000) / 808)
    assert (moved.largest_rise, moved.largest_fall) == (history.changes[0], None)
    assert history.level_shifts == history.changes


def test_every_step_is_a_row_and_every_row_a_step_or_a_confirmation() -> None:
    """All of Google's offers, by a plain walk over the two files."""
    folder = packaged.FOLDER / "providers" / "gcp"
    texts = [(folder / f"{name}.csv").read_text("utf-8").splitlines() for name in ("history", "prices")]
    rows = [row for lines in texts for row in csv.DictReader(lines)]
    rows.sort(key=lambda row: row["valid_from"])
    want: dict[tuple[str, ...], list[tuple[str, int]]] = {}
    for row in rows:
        steps = want.setdefault((row["region"], row["node"], row["option"]), [])
        usd = round(float(row["usd_per_hour"]) * 1e6)
        if not steps or steps[-1][1] != usd:
            steps.append((row["valid_from"], usd))
    found = {
        h.key[1:]: list(zip(h.days.astype(str).tolist(), h.micro_usd_per_hour.tolist(), strict=True))
        for h in histories(provider="gcp")
    }
    assert found == want


@pytest.mark.parametrize("day", ["2022-02-15", "2023-08-09", "2024-10-24", "2026-02-01"])
def test_what_was_known_on_a_day_ends_with_the_catalogue_of_that_day(day: str) -> None:
    """Nothing later shows, and the last price is the one that a plan of that day is made with."""
    offers = costdata.load(day).where(provider="gcp").offers
    listed = dict(
        zip(zip(offers.region, offers.node, offers.option, strict=True), offers.micro_usd_per_hour, strict=True)
    )
    known = [h for h in histories(provider="gcp", as_of=day) if h.key[1:] in listed]
    assert len(known) == sum(not option.startswith("flexible_cud") for _, _, option in listed) > 0
    for history in known:
        assert history.micro_usd_per_hour[-1] == listed[history.key[1:]]
        assert history.until <= date.fromisoformat(day)


def test_unknown_names_are_refused_with_the_nearest() -> None:
    """Of each filter."""
    with pytest.raises(costdata.DataError, match="did you mean a3-highgpu-8g"):
        histories(provider="gcp", node="a3-highgpu-8")
    with pytest.raises(costdata.DataError, match=r"unknown provider 'gpc'.*gcp"):
        histories(provider="gpc")
    assert {h.option for h in histories(provider="gcp", option=["spot", "on_demand"])} == {"spot", "on_demand"}


@given(
    logs=st.lists(st.floats(-0.5, 0.5).filter(lambda x: abs(x) > 1e-3), min_size=1, max_size=8),
    gaps=st.lists(st.integers(1, 400), min_size=9, max_size=9),
)
def test_volatility_is_that_of_a_walk_looked_at_every_day(logs: list[float], gaps: list[int]) -> None:
    """The same from the steps as from the price of each day, however long the steps are."""
    usd = np.rint(1e9 * np.exp(np.cumsum([0.0, *logs]))).astype(np.int64)
    days = np.datetime64("2023-01-01") + np.cumsum([0, *gaps[: len(logs)]])
    until = days[-1] + gaps[-1]
    history = made(list(zip(days.astype(str).tolist(), usd.tolist(), strict=True)), str(until))
    every = history.on(np.arange(days[0], until + 1)).astype(float)
    moved = history.volatility
    years = (len(every) - 1) / 365.25
    assert moved.per_year == pytest.approx(math.sqrt(float(np.sum(np.diff(np.log(every)) ** 2)) / years))
    assert moved.mean_micro_usd == pytest.approx(float(every[:-1].mean()))
    assert (moved.lowest_micro_usd, moved.highest_micro_usd) == (every.min(), every.max())


def test_a_price_seen_once_says_nothing_of_its_moves() -> None:
    """No figure instead of a zero."""
    moved = made([("2026-01-01", 5)], "2026-01-01").volatility
    assert (moved.per_year, moved.changes_per_year, moved.days_since_change) == (None, None, None)
    assert moved.mean_micro_usd == 5


@pytest.mark.parametrize(("persistence", "size"), [(0.0, 4), (0.5, 6), (0.9, 5)])
def test_shifts_of_a_noisy_market_are_found_where_they_are(persistence: float, size: float) -> None:
    """Three shifts of several standard deviations in a year of daily prices, and nothing else."""
    shift = np.zeros(365)
    for at, sign in ((90, 1), (200, -1), (290, 1)):
        shift[at:] += sign * size * NOISE
    for seed in range(5):
        history = daily(np.exp(noise(365, persistence, seed) + shift))
        found = history.level_shifts
        days = [(c.day - date(2025, 1, 1)).days for c in found]
        assert len(days) == 3
        assert np.abs(np.array(days) - [90, 200, 290]).max() <= 3
        if not persistence:
            assert [math.log(c.factor) for c in found] == pytest.approx(
                [4 * NOISE, -4 * NOISE, 4 * NOISE], abs=0.4 * NOISE
            )


@pytest.mark.parametrize("persistence", [0.0, 0.5, 0.9, 1.0])
def test_noise_alone_has_no_shifts(persistence: float) -> None:
    """Of twenty years of days, at most two have one; a random walk is no exception."""
    walk = persistence == 1
    series = [np.exp(np.cumsum(noise(365, 0, s)) if walk else noise(365, persistence, s)) for s in range(20)]
    assert sum(bool(levels.shifts(prices)) for prices in series) <= 2
    assert all(len(daily(prices).changes) > 300 for prices in series)


def test_prices_that_mostly_stand_are_steps_and_need_no_estimate() -> None:
    """Five moves in a year of spot, and any number of moves of a list price."""
    prices = np.repeat([1.0, 1.01, 1.02, 1.0, 2.0], 73)
    assert len(daily(prices).level_shifts) == 4
    listed = daily(np.exp(noise(365, 0, 1)), option="on_demand")
    assert listed.level_shifts == listed.changes


def test_a_ratio_moves_only_where_the_market_does() -> None:
    """On demand and spot rise by a tenth together; spot alone halves later."""
    on_demand = made([("2025-01-01", 1_000_000), ("2025-06-01", 1_100_000)], "2026-01-01")
    spot = made(
        [("2025-02-01", 400_000), ("2025-06-01", 440_000), ("2025-09-01", 220_000)], "2026-01-01", option="spot"
    )
    days, values = ratio(spot, on_demand)
    assert days.astype(str).tolist() == ["2025-02-01", "2025-09-01"]
    assert values.tolist() == [0.4, 0.2]


def test_what_moved_by_one_factor_on_one_day_is_one_group() -> None:
    """Two regions by 7 %, a third on that day by 7.2 %, a fourth by 7 % a week later."""
    some = [
        made([("2025-01-01", usd), (day, round(usd * factor))], "2026-01-01", region=region)
        for region, usd, day, factor in [
            ("a", 3_000_000, "2025-03-06", 1.07),
            ("b", 3_333_333, "2025-03-06", 1.07),
            ("c", 3_000_000, "2025-03-06", 1.072),
            ("d", 3_000_000, "2025-03-13", 1.07),
        ]
    ]
    found = moved_together(some)
    assert [(g.day.isoformat(), round(g.factor, 4), [k[1] for k in g.keys]) for g in found] == [
        ("2025-03-06", 1.07, ["a", "b"]),
        ("2025-03-06", 1.072, ["c"]),
        ("2025-03-13", 1.07, ["d"]),
    ]


def test_every_change_of_google_is_in_one_group() -> None:
    """And the rise of 0.76 % of A3 and A2 Ultra on 2024-05-21 is one, in 16 regions."""
    some = histories(provider="gcp")
    found = moved_together(some)
    counted = Counter((g.day, key) for g in found for key in g.keys)
    assert counted == Counter((c.day, h.key) for h in some for c in h.changes)
    assert set(counted.values()) == {1}
    (rise,) = [g for g in found if g.day == date(2024, 5, 21) and g.option == "on_demand"]
    assert (len(rise.keys), len({region for _, region, _, _ in rise.keys}), round(rise.factor, 4)) == (36, 16, 1.0076)


def test_a_plan_of_a_past_day_is_the_same_after_newer_prices(tables: Path, tmp_path: Path) -> None:
    """To the byte: every price in force today is replaced by a later one, three times as dear."""
    spec = tmp_path / "fleet.yaml"
    spec.write_text(example_text("one-model").replace("2026-10-01", "2026-09-01"), encoding="utf-8")

    def planned() -> str:
        return to_json(solver.solve(solver.load(spec), deterministic=True))

    before, newest = planned(), costdata.load().digest
    for prices in tables.glob("providers/*/prices.csv"):
        _renew(prices)
    assert costdata.load().digest != newest
    assert planned() == before


def _renew(prices: Path) -> None:
    """Rows in force go to the history, and three times as dear ones take their place."""
    head, *rows = prices.read_text("utf-8").splitlines(keepends=True)
    past = prices.with_name("history.csv")
    old = past.read_text("utf-8") if past.exists() else head
    past.write_text(old + "".join(rows), encoding="utf-8")
    new = []
    for row in rows:
        cells = row.split(",")
        cells[3], cells[6] = str(float(cells[3]) * 3), "2026-11-20"
        new.append(",".join(cells))
    prices.write_text(head + "".join(new), encoding="utf-8")


def row(day: str, usd: str, upfront: str = "0", seen: str = "") -> list[str]:
    """A dated row as the refreshed tables have it; without a price it ends the offer."""
    return ["r", "n", "commit_1y_partial_upfront", usd, "1", "0", day, "AWS price list", upfront, seen, ""]


def test_an_offer_that_went_and_came_back() -> None:
    """Days without it are not observed; a price paid in part at once is spread over the term of 8,760 hours."""
    key = ("aws", "r", "n", "commit_1y_partial_upfront")
    rows = [
        row("2026-01-01", "1", "8760", seen="2026-01-20"),
        row("2026-02-01", ""),
        row("2026-03-01", "2", "8760", seen="2026-03-11"),
    ]
    history = _history(key, rows, None)
    assert history is not None
    assert history.micro_usd_per_hour.tolist() == [2_000_000, 0, 3_000_000]
    assert history.changes == (Change(date(2026, 3, 1), 2_000_000, 3_000_000),)
    moved = history.volatility
    assert (moved.observed_days, moved.lowest_micro_usd, history.until) == (41, 2_000_000, date(2026, 3, 11))
    assert moved.mean_micro_usd == pytest.approx((31 * 2e6 + 10 * 3e6) / 41)
    gone = _history(key, rows, date(2026, 2, 10))
    assert gone is not None
    assert gone.changes == ()
    same = _history(key, [*rows[:2], row("2026-03-01", "1", "8760")], None)
    assert same is not None
    assert same.changes == ()
    assert _history(key, rows, date(2025, 12, 31)) is None


def shown(*args: str) -> str:
    """What the command prints."""
    done = run("prices", "history", "--provider", "gcp", *args)
    assert done.returncode == 0, done.stderr
    return done.stdout


PAIR = ("--region", "us-central1", "--node", "a3-highgpu-8g")


def test_the_command_prints_what_the_module_finds() -> None:
    """Steps with their changes and the share of on demand, in JSON and in CSV; each offer's moves."""
    found = json.loads(shown(*PAIR, "--option", "spot", "--format", "json"))
    (spot,) = histories(provider="gcp", region="us-central1", node="a3-highgpu-8g", option="spot")
    assert [(step["from"], step["usd_per_hour"]) for step in found["steps"]][:2] == [
        ("2024-05-17", "61.948147"),
        ("2024-05-21", "62.547325"),
    ]
    assert len(found["steps"]) == len(spot.days)
    assert found["steps"][0]["share_of_on_demand"] == round(61.948147 / 87.832466, 4)
    assert sum(step["days"] for step in found["steps"]) == spot.volatility.observed_days
    (moves,) = found["moves"]
    assert (moves["changes"], moves["largest_fall_day"], moves["largest_fall_percent"]) == (25, "2025-03-13", -42.301)
    rows = list(csv.DictReader(shown(*PAIR, "--option", "spot", "--format", "csv").splitlines()))
    assert [r["usd_per_hour"] for r in rows] == [step["usd_per_hour"] for step in found["steps"]]


def test_the_command_shows_what_moved_together_and_what_was_known_on_a_day() -> None:
    """One rise in 16 regions; nothing of it the day before; a wrong name is refused."""
    rows = list(
        csv.DictReader(shown("--option", "on_demand", "--show", "together", "--format", "csv").splitlines()),
    )
    (rise,) = [r for r in rows if r["day"] == "2024-05-21"]
    assert (rise["offers"], len(rise["regions"].split("|")), rise["percent"]) == ("36", 16, "0.758")
    before = shown(*PAIR, "--option", "on_demand", "--as-of", "2024-05-20")
    assert "87.8325" in before
    assert "88.4900" not in before
    done = run("prices", "history", "--node", "a3-highgpu-8x")
    assert (done.returncode, "did you mean a3-highgpu-8g" in done.stderr) == (2, True)
