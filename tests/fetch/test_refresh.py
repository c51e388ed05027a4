"""A refresh: what changed, what is held back, what stays as it was; past days give what they gave before."""

from __future__ import annotations

import csv
import os
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import costdata
from costdata import packaged, refreshed
from costdata.errors import DataError
from costdata.fetch import compare, store
from costdata.fetch.refresh import Report
from solver.sweep import keys

from .conftest import Player
from .listed import CARD, CATALOGUE, DAY, ICELAND, Row, refreshing, rows, table

ON_DEMAND, SPOT = (ICELAND, CARD, "on_demand"), (ICELAND, CARD, "spot")
YEAR = (ICELAND, CARD, "commit_1y")
NEXT = DAY + timedelta(days=1)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where `costdata.load` looks for refreshed prices in this test."""
    at = tmp_path / "prices"
    monkeypatch.setenv(refreshed.VARIABLE, str(at))
    return at


def counts(report: Report) -> dict[str, int]:
    """Prices by what became of them, without what none are."""
    names = ("same", "changed", "added", "gone", "held", "outranked")
    found = {name: len(getattr(report.compared, name)) for name in names}
    assert report.prices == sum(found.values()) - found["gone"]
    return {name: count for name, count in found.items() if count}


def test_what_is_unchanged_is_only_seen_again(player: Player, folder: Path) -> None:
    """The same offers to the last letter, and no longer old."""
    before = costdata.load()
    report = refreshing(player, folder, rows())
    after = costdata.load()
    assert (report.error, counts(report), report.generation) == ("", {"same": 69}, 1)
    assert after.digest == before.digest
    assert set(after.where(provider="crusoe").offers.age_days) == {0}
    assert after.as_of == DAY
    assert after.warnings[0] == "refreshed prices are used: crusoe 2026-11-26"
    assert costdata.load(before.as_of).warnings == before.warnings


def test_changed_new_and_gone(player: Player, folder: Path) -> None:
    """Each is told with its percentage, and holds from its day on; the days before are as they were."""
    days = [date(2026, 9, 30), date(2026, 10, 1), date(2026, 11, 25)]
    before = [costdata.load(day) for day in days]
    report = refreshing(player, folder, rows({ON_DEMAND: "1.60", SPOT: None, YEAR: "0.9"}))
    made = report.compared
    assert counts(report) == {"same": 67, "changed": 1, "added": 1, "gone": 1}
    assert made.changed[0].key == ("crusoe", *ON_DEMAND)
    assert (made.changed[0].before, made.changed[0].after) == (Decimal("1.45"), Decimal("1.6"))
    assert made.changed[0].percent == pytest.approx(100 * 0.15 / 1.45)
    assert (made.gone[0].key[3], made.gone[0].before, made.gone[0].percent) == ("spot", Decimal(1), None)
    after = costdata.load().where(region="crusoe/eu-iceland1", node=CARD).offers
    assert dict(zip(after.option, after.micro_usd_per_hour, strict=True)) == {
        "on_demand": 1_600_000,
        "commit_1y": 900_000,
    }
    assert list(after.source) == ["A list, 2026-11-26"] * 2
    again = [costdata.load(day) for day in days]
    assert [c.digest for c in again] == [c.digest for c in before]
    assert [list(c.offers.age_days) for c in again] == [list(c.offers.age_days) for c in before]
    assert [c.warnings for c in again] == [c.warnings for c in before]


def test_what_is_gone_stays_gone(player: Player, folder: Path) -> None:
    """On every later day, also after refreshes that have other things to say; and it may come back."""
    refreshing(player, folder, rows({SPOT: None}))
    refreshing(player, folder, rows({SPOT: None, ON_DEMAND: "1.50"}), NEXT)
    later = NEXT + timedelta(days=30)
    assert SPOT in table(folder, DAY - timedelta(days=1))
    for day in (DAY, NEXT, later, None):
        assert SPOT not in table(folder, day)
    report = refreshing(player, folder, rows({SPOT: "0.8"}), later)
    assert counts(report) == {"same": 67, "changed": 1, "added": 1}
    assert table(folder)[SPOT] == "0.8"
    assert SPOT not in table(folder, later - timedelta(days=1))


def test_the_day_of_a_refresh_stays_as_it_was_too(player: Player, folder: Path) -> None:
    """Offers, ages and warnings, after later refreshes that confirm, change and end; and the days between."""
    refreshing(player, folder, rows({ON_DEMAND: "1.60"}))
    days = [DAY, DAY + timedelta(days=3)]
    before = [costdata.load(day) for day in days]
    assert [max(c.where(provider="crusoe").offers.age_days) for c in before] == [0, 3]
    refreshing(player, folder, rows({ON_DEMAND: "1.70", SPOT: None}), DAY + timedelta(days=5))
    for then, now in zip(before, [costdata.load(day) for day in days], strict=True):
        assert (now.digest, now.warnings) == (then.digest, then.warnings)
        assert list(now.offers.age_days) == list(then.offers.age_days)


def test_two_refreshes_on_one_day(player: Player, folder: Path) -> None:
    """The later one holds; the day before knows neither."""
    refreshing(player, folder, rows({ON_DEMAND: "1.60"}))
    report = refreshing(player, folder, rows({ON_DEMAND: "1.45"}))
    assert counts(report) == {"same": 68, "changed": 1}
    assert table(folder)[ON_DEMAND] == "1.45"
    assert table(folder, DAY - timedelta(days=1))[ON_DEMAND] == "1.45"
    assert refreshed.current(folder).rows("crusoe", refreshed.PAST) == []  # type: ignore[union-attr]


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_days_of_any_refreshes_are_kept(
    data: st.DataObject, player: Player, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Against a table a day kept aside: what was in force on a day stays what is in force on it."""
    at, kept, day = tmp_path_factory.mktemp("any") / "prices", {}, DAY
    start = table(at)
    names = [ON_DEMAND, SPOT, YEAR, (ICELAND, "a100-40gb.8x", "spot")]
    for _ in range(data.draw(st.integers(1, 4))):
        changed = {key: data.draw(st.sampled_from(["0.91", "0.95", "1", None])) for key in names[:3]}
        report = refreshing(player, at, rows({**changed, ON_DEMAND: data.draw(st.sampled_from(["1.4", "1.6"]))}), day)
        assert report.error == ""
        kept[day] = table(at)
        day += timedelta(days=data.draw(st.integers(0, 3)))
        for then, was in kept.items():
            assert table(at, then) == was
        assert table(at, DAY - timedelta(days=1)) == start


def test_a_jump_is_held_back_until_it_was_looked_at(player: Player, folder: Path) -> None:
    """More than three times or a third: the old price stays, a table says so, and who has seen it may let it in."""
    jump = rows({ON_DEMAND: "4.3501", (ICELAND, "a100-40gb.8x", "spot"): "2.66", SPOT: "0.34"})
    report = refreshing(player, folder, jump)
    assert counts(report) == {"same": 66, "changed": 1, "held": 2}
    assert {c.reason for c in report.compared.held} == {"more than ×3 or ÷3"}
    assert table(folder)[ON_DEMAND] == "1.45"
    review = folder / "review" / "listed.csv"
    told = list(csv.DictReader(review.read_text(encoding="utf-8").splitlines()))
    assert [(r["option"], r["usd_in_force"], r["usd_held_back"]) for r in told] == [
        ("on_demand", "1.45", "4.3501"), ("spot", "8", "2.66"),
    ]  # fmt: skip
    other = rows({ON_DEMAND: "4.4", (ICELAND, "a100-40gb.8x", "spot"): "0.5", SPOT: "0.34"})
    report = refreshing(player, folder, other, NEXT, accept_outliers=True)
    assert counts(report) == {"same": 67, "changed": 1, "held": 1}  # 0.5 is none that anybody has looked at
    assert table(folder)[ON_DEMAND] == "4.4"
    assert len(review.read_text().splitlines()) == 2


def test_accepting_before_anything_was_held_back_lets_nothing_in(player: Player, folder: Path) -> None:
    """Nobody can have looked at it."""
    report = refreshing(player, folder, rows({ON_DEMAND: "14.5"}), accept_outliers=True)
    assert counts(report) == {"same": 68, "held": 1}


def test_three_times_is_not_yet_a_jump(player: Player, folder: Path) -> None:
    """Exactly three times and exactly a third pass."""
    report = refreshing(player, folder, rows({ON_DEMAND: "4.35", (ICELAND, "a100-40gb.8x", "on_demand"): "8.7"}))
    assert [c.after for c in report.compared.changed] == [Decimal("4.35"), Decimal("8.7")]


def test_a_new_price_far_off_its_accelerator(player: Player, folder: Path) -> None:
    """A hundred times off the median is held back although nothing was there to compare with."""
    region = next(r for (_, r) in packaged.regions("crusoe") if r != ICELAND)
    listed = rows({(region, CARD, "commit_1y"): "900"})
    report = refreshing(player, folder, listed)
    assert [c.reason for c in report.compared.held] == ["×100 or ÷100 off the median of its accelerator"]
    assert (region, CARD, "commit_1y") not in table(folder)
    refreshing(player, folder, listed, accept_outliers=True)
    assert table(folder)[region, CARD, "commit_1y"] == "900"


def test_spot_without_a_market_is_no_offer(player: Player, folder: Path) -> None:
    """At or above on demand: it ends what was in force, and no acceptance lets it in."""
    for day, usd, on_demand in ((DAY, "1.45", "1.45"), (NEXT, "1.2", "1.1")):
        report = refreshing(player, folder, rows({SPOT: usd, ON_DEMAND: on_demand}), day, accept_outliers=True)
        assert [c.reason for c in report.compared.held] == ["spot at or above on demand"]
        assert SPOT not in table(folder)


def test_what_was_held_back_decides_on_markets(player: Player, folder: Path) -> None:
    """On demand at a hundredth is held back, so that spot is compared with the price that stays."""
    report = refreshing(player, folder, rows({ON_DEMAND: "0.0145"}))
    assert counts(report) == {"same": 68, "held": 1}
    assert table(folder)[SPOT] == "1"


@pytest.mark.parametrize(
    ("option", "usd", "upfront", "fine"),
    [
        ("commit_1y", "0.9", "0", True),
        ("commit_1y_all_upfront", "0", "7000.5", True),
        ("commit_1y_partial_upfront", "0.4", "3500", True),
        ("commit_1y", "0.9", "10", False),
        ("commit_1y_all_upfront", "0.9", "0", False),
        ("commit_1y_partial_upfront", "0", "3500", False),
        ("commit_1y", "0", "0", False),
        ("commit_1y", "-0.9", "0", False),
        ("commit_1y", "5000.1", "0", False),
    ],
)
def test_prices_that_cannot_be_ones(
    player: Player, folder: Path, option: str, usd: str, upfront: str, fine: bool
) -> None:
    """Held back; those that can be are read back to the micro-dollar."""
    row: Row = {"region": ICELAND, "node": CARD, "option": option, "usd": usd, "upfront": upfront}
    report = refreshing(player, folder, [*rows(), row])
    assert [c.reason for c in report.compared.held] == ([] if fine else [compare.NO_PRICE])
    found = costdata.load().where(region="crusoe/eu-iceland1", node=CARD, option=option).offers
    want = [(round(Decimal(usd) * 1_000_000), round(Decimal(upfront) * 1_000_000))] if fine else []
    assert list(zip(found.micro_usd_per_hour, found.upfront_micro_usd, strict=True)) == want


def test_two_prices_of_one_offer(player: Player, folder: Path) -> None:
    """Neither is believed; twice the same is once too often, and fine."""
    twice = {"region": ICELAND, "node": CARD, "option": "on_demand", "usd": "1.5"}
    report = refreshing(player, folder, [*rows(), twice])
    assert counts(report) == {"same": 68, "held": 2}
    assert table(folder)[ON_DEMAND] == "1.45"
    assert counts(refreshing(player, folder, [*rows(), rows()[0]])) == {"same": 70}


def test_too_many_are_gone(player: Player, folder: Path) -> None:
    """More than a third: an ill source changes nothing; 23 of 69 are not more."""
    listed = rows()
    report = refreshing(player, folder, listed[:45])
    assert report.error == "24 of 69 offers in force are not in it any more"
    assert not (folder / "current").exists()
    assert refreshing(player, folder, listed[:46]).error == ""
    assert refreshing(player, folder, listed[:20], NEXT, accept_gone=True).error == ""
    assert len(table(folder)) == 20


def test_a_dry_run_writes_nothing(player: Player, folder: Path) -> None:
    """And says what would change."""
    report = refreshing(player, folder, rows({ON_DEMAND: "1.60"}), dry_run=True)
    assert (counts(report), report.generation) == ({"same": 68, "changed": 1}, None)
    assert not folder.exists()


@pytest.mark.parametrize(
    ("extra", "error"),
    [
        ({"option": "commit_1y", "usd": "1", "forgotten": True}, "row 70 of 70 is neither"),
        ({"option": "nonsense", "usd": "1"}, "no such option: nonsense"),
        ({}, "KeyError in the importer"),
        ({"option": "commit_1y", "usd": "x"}, "InvalidOperation in the importer"),
    ],
)
def test_what_fails_changes_nothing(player: Player, folder: Path, extra: Row, error: str) -> None:
    """The table in force is the one of the refresh before."""
    refreshing(player, folder, rows({ON_DEMAND: "1.60"}))
    report = refreshing(player, folder, [*rows(), {"region": ICELAND, "node": CARD, **extra}], NEXT)
    assert report.error.startswith(error)
    assert report.generation is None
    assert (refreshed.current(folder).number, table(folder)[ON_DEMAND]) == (1, "1.6")  # type: ignore[union-attr]


def test_rows_left_out_are_counted(player: Player, folder: Path) -> None:
    """With their reason and an example."""
    report = refreshing(player, folder, [*rows(), {**rows()[0], "node": "abacus"}, {**rows()[0], "lost": True}])
    assert (report.read, report.kept, report.dropped) == (71, 69, {"unknown node": 2})
    assert report.examples == {"unknown node": ["abacus", rows()[0]["node"]]}


def test_no_price_at_all(player: Player, folder: Path) -> None:
    """Is no list, whatever is accepted."""
    assert refreshing(player, folder, [], accept_gone=True).error == "no price came"


def test_a_clock_that_runs_behind(player: Player, folder: Path) -> None:
    """Would put prices into days that have had theirs: before the newest packaged price, before the last refresh."""
    assert "the clock says 2026-09-30" in refreshing(player, folder, rows(), date(2026, 9, 30)).error
    refreshing(player, folder, rows(), NEXT)
    assert "there are prices of 2026-11-27 already" in refreshing(player, folder, rows(), DAY).error


def test_one_at_a_time(player: Player, folder: Path) -> None:
    """The second is refused, and the lock goes with its holder."""
    with store.locked(folder):
        assert refreshing(player, folder, rows()).error == "another refresh runs here"
    assert refreshing(player, folder, rows()).error == ""


def test_catalogues_do_not_replace_a_providers_own_list(
    player: Player, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For thirty days after it was seen; nor does what they lack end what they did not bring."""
    monkeypatch.setattr("costdata.fetch.refresh._owners", lambda: frozenset({"A list"}))
    refreshing(player, folder, rows({ON_DEMAND: "1.60"}))
    report = refreshing(player, folder, rows({ON_DEMAND: "1.70", SPOT: None}), NEXT, of=CATALOGUE)
    assert counts(report) == {"outranked": 68}
    new = rows({ON_DEMAND: "1.70", SPOT: None, YEAR: "0.9"})
    assert counts(refreshing(player, folder, new, DAY + timedelta(days=30), of=CATALOGUE)) == {
        "outranked": 68,
        "added": 1,
    }
    report = refreshing(player, folder, new, DAY + timedelta(days=31), of=CATALOGUE)
    assert counts(report) == {"same": 68, "changed": 1}
    assert (table(folder)[ON_DEMAND], table(folder)[SPOT]) == ("1.7", "1")
    report = refreshing(player, folder, new[:-1], DAY + timedelta(days=32), of=CATALOGUE)
    assert [c.key[1:] for c in report.compared.gone] == [YEAR]


def test_the_last_few_generations_are_kept(player: Player, folder: Path) -> None:
    """Five, and nothing unfinished."""
    (folder / "generations" / "000099.partial").mkdir(parents=True)
    for i in range(7):
        refreshing(player, folder, rows({ON_DEMAND: f"1.{50 + i}"}), DAY + timedelta(days=i))
    names = sorted(p.name for p in (folder / "generations").iterdir())
    assert names == [f"{n:06d}" for n in range(3, 8)]
    assert len(refreshed.current(folder).rows("crusoe", refreshed.PAST)) == 6  # type: ignore[union-attr]


@pytest.mark.parametrize("name", ["current", "manifest.json", "crusoe.prices.csv", "crusoe.history.csv"])
@pytest.mark.parametrize("change", ["cut", "empty", "other", "lost"])
def test_a_damaged_table_is_refused(player: Player, folder: Path, name: str, change: str) -> None:
    """By name, with what to do; only a lost pointer is as if nothing had been refreshed."""
    refreshing(player, folder, rows({ON_DEMAND: "1.60"}))
    path = folder / name if name == "current" else folder / "generations" / "000001" / name
    data = path.read_bytes()
    new = {"cut": data[:-1], "empty": b"", "other": data.replace(b"1", b"2")}.get(change)
    path.unlink() if new is None else path.write_bytes(new if new != data else data + b"x")
    if (name, change) == ("current", "lost"):
        assert table(folder)[ON_DEMAND] == "1.45"
        return
    with pytest.raises(DataError, match=r"refreshed prices .*(is not what was written|cannot be read|does not name)"):
        costdata.load()


def test_a_full_disk_leaves_the_old_prices(player: Player, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At every write."""
    refreshing(player, folder, rows({ON_DEMAND: "1.60"}))
    real, left, at = os.fsync, [0], 0

    def full(handle: int) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise OSError(28, "No space left on device")
        real(handle)

    for at in range(12):
        left[0] = at
        monkeypatch.setattr(os, "fsync", full)
        report = refreshing(player, folder, rows({ON_DEMAND: "1.70"}), NEXT)
        monkeypatch.undo()
        if not report.error:
            break
        assert "No space left on device" in report.error
        assert table(folder)[ON_DEMAND] in {"1.6", "1.7"}
    assert at > 5
    assert table(folder)[ON_DEMAND] == "1.7"


def test_an_empty_variable_reads_the_packaged_prices_alone(
    player: Player, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As if nothing had been refreshed."""
    before = costdata.load("2026-11-26").digest
    refreshing(player, folder, rows({ON_DEMAND: "1.60"}))
    assert costdata.load("2026-11-26").digest != before
    monkeypatch.setenv(refreshed.VARIABLE, "")
    assert costdata.load("2026-11-26").digest == before


@pytest.mark.parametrize(
    ("data", "want"), [("/data", "/data"), ("", "/home/me/.local/share"), ("relative", "/home/me/.local/share")]
)
def test_where_refreshed_prices_live(monkeypatch: pytest.MonkeyPatch, data: str, want: str) -> None:
    """The user's data folder; one that is not absolute is none."""
    monkeypatch.delenv(refreshed.VARIABLE)
    monkeypatch.setenv("HOME", "/home/me")
    monkeypatch.setenv("XDG_DATA_HOME", data)
    assert str(refreshed.folder()) == f"{want}/autoparallel/prices"


def test_sweeps_see_refreshed_prices(player: Player, folder: Path) -> None:
    """Results of other prices are not taken for these."""
    before = keys.prices(keys.read_catalogue("", ""))
    past = keys.prices(keys.read_catalogue("2026-11-25", ""))
    refreshing(player, folder, rows({ON_DEMAND: "1.60"}))
    assert keys.prices(keys.read_catalogue("", "")) != before
    assert keys.prices(keys.read_catalogue("2026-11-25", "")) == past


def test_a_review_table_that_is_none(player: Player, folder: Path) -> None:
    """Is not read as one that accepts nothing."""
    refreshing(player, folder, rows())
    (folder / "review" / "listed.csv").write_text("provider,region\nx,y\n", encoding="utf-8")
    assert "not a table of prices held back" in refreshing(player, folder, rows(), accept_outliers=True).error
