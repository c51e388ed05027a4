"""The backtest as a whole: documents, groups of zones, tables, files, the command."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from solver.errors import InputError
from solver.replay.document import grid_names, read_backtest
from solver.replay.policies import POLICIES
from solver.replay.study import backtest, interval, jobs_of, zone_groups
from solver.spot import read_markets
from tests.doors.command import run

SMALL = {
    "name": "small",
    "prices": {"on_demand_usd_per_hour": 3.0, "spot_usd_per_hour": 0.9},
    "jobs": {"work_hours": [4.0], "deadline_ratio": [1.2, 2.0], "restart_hours": [0.1], "zones": [1, 2], "starts": 2},
    "services": [{"name": "chat", "replicas": [2], "zones": [1]}],
}


@pytest.fixture
def traces(tmp_path: Path) -> Path:
    """Two zones of two days, half an hour a tick."""
    draw = np.random.default_rng(1)
    folder = tmp_path / "traces" / "aws"
    folder.mkdir(parents=True)
    for zone in ("a", "b"):
        data = np.repeat(draw.integers(0, 2, 24), 4).tolist()
        content = {"metadata": {"gap_seconds": 1800}, "data": data}
        (folder / f"{zone}_v100_1.json").write_text(json.dumps(content), encoding="utf-8")
    return tmp_path / "traces"


def test_packaged_backtests_can_be_read() -> None:
    """Both of them, with what they are named for."""
    assert grid_names() == ("spot-jobs", "spot-service")
    assert read_backtest("@spot-jobs").jobs is not None
    assert read_backtest("@spot-service").services[0].name == "chat"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"prices": {"on_demand_usd_per_hour": 0.0, "spot_usd_per_hour": 1.0}}, "on_demand_usd_per_hour"),
        ({"jobs": {"work_hours": []}}, "work_hours"),
        ({"jobs": {"deadline_ratio": [0.5]}}, "deadline_ratio"),
        ({"jobs": {"zones": [1, 1]}}, "zones"),
        ({"jobs": {"speed": 3}}, "speed"),
        ({"jobs": {"work_hours": [float(h) for h in range(1, 101)], "starts": 10_000}}, "more than"),
        ({"services": [{"name": "chat", "replicas": []}]}, "replicas"),
        ({"services": [{"name": "chat", "replicas": [1], "unserved_limit": 2.0}]}, "unserved_limit"),
        ({"services": [{"name": "chat", "replicas": [1], "cold_start_minutes": -1.0}]}, "cold_start_minutes"),
        ({"jobs": None, "services": []}, "neither"),
    ],
)
def test_a_bad_document_is_refused_by_field(change: dict[str, object], said: str) -> None:
    """The message names what is wrong."""
    with pytest.raises(InputError, match=said):
        read_backtest({**SMALL, **change})


def test_prices_by_zone() -> None:
    """The first pattern that matches."""
    by_zone = [{"zone": "us-*", "spot_usd_per_hour": 0.5}, {"zone": "us-east", "spot_usd_per_hour": 0.1}]
    document = read_backtest({**SMALL, "prices": {**SMALL["prices"], "by_zone": by_zone}})  # type: ignore[dict-item]
    from solver.spot import Market

    market = Market(name="m", zones=("us-east", "eu"), gap_seconds=60, counts=np.ones((2, 3), dtype=np.int64))
    assert document.prices.of(market).spot_usd_per_hour.tolist() == [0.5, 0.9]


def test_zones_are_grouped_in_order() -> None:
    """Each alone; neighbours, none twice; all where there are fewer."""
    assert zone_groups(3, [1]) == [(0,), (1,), (2,)]
    assert zone_groups(5, [2]) == [(0, 1), (2, 3)]
    assert zone_groups(2, [1, 3]) == [(0,), (1,), (0, 1)]


def test_jobs_end_within_the_trace(traces: Path) -> None:
    """And those that cannot are counted: 48 h of trace, so 40 h × 2 does not fit."""
    (market,) = read_markets(traces)
    grid = read_backtest({**SMALL, "jobs": {"work_hours": [4.0, 40.0], "deadline_ratio": [1.1, 2.0], "starts": 3}}).jobs
    assert grid is not None
    jobs, left_out = jobs_of(grid, market)
    assert left_out == 3 * (4 + 1)  # 40 h × 2; and half an hour of start does not fit into 4 h × 1.1
    assert jobs.count == 3 * (4 * 4 - 5)
    assert (jobs.start * 0.5 + jobs.deadline_hours <= 48 + 1e-9).all()


def test_the_table_adds_up(traces: Path) -> None:
    """The mean of all is that of the jobs; the way from uniform progress to the omniscient is 0 and 100 at its ends."""
    found = backtest([read_backtest(SMALL)], read_markets(traces), POLICIES, processes=1)
    assert found.rows.count == 4 * 3  # both zones alone, and together
    whole = {row["policy"]: row for row in found.table("all")}
    share = found.rows.usd["markov"] / found.rows.on_demand_usd
    assert whole["markov"]["cost_percent"] == pytest.approx(100 * share.mean())
    assert whole["on-demand"]["cost_percent"] == pytest.approx(100)
    assert whole["uniform-progress"]["of_the_way_percent"] == pytest.approx(0)
    assert whole["markov"]["late"] == 0
    assert (found.rows.foresight_usd <= np.min(list(found.rows.usd.values()), axis=0) + 1e-6).all()
    assert len(found.table()) == 4 * len(POLICIES)


def test_intervals_hold_the_mean() -> None:
    """Of equal values nothing is left open; of whole groups more is than of single values."""
    values, group = np.repeat([1.0, 2.0, 3.0, 4.0], 25), np.repeat(["a", "b", "c", "d"], 25)
    assert interval(np.ones(9), np.repeat("x", 9)) == (1.0, 1.0)
    one, several = interval(values, np.repeat("x", 100)), interval(values, group)
    assert several[0] < one[0] < 2.5 < one[1] < several[1]


def test_the_command(traces: Path, tmp_path: Path) -> None:
    """Tables, files with the same figures, a page without scripts; the same bytes again."""
    spec = tmp_path / "small.json"
    spec.write_text(json.dumps(SMALL), encoding="utf-8")
    words = ["backtest", str(spec), "--traces", str(traces), "--format", "json", "--out", str(tmp_path / "out")]
    done = run(*words)
    assert done.returncode == 0, done.stderr
    shown = json.loads(done.stdout)
    assert {row["late"] for row in shown["jobs"]} == {0}
    assert {row["policy"] for row in shown["services"]} > {"sized by risk"}
    assert json.loads((tmp_path / "out" / "backtest.json").read_text(encoding="utf-8")) == shown
    page = (tmp_path / "out" / "backtest.html").read_text(encoding="utf-8")
    assert "<script" not in page
    assert "omniscient" in page
    assert len((tmp_path / "out" / "jobs.csv").read_text(encoding="utf-8").splitlines()) == 13
    assert run(*words).stdout == done.stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["@none"], "no packaged backtest"),
        (["@spot-jobs", "--policy", "x"], "no policy"),
        (["@spot-jobs"], "no folder"),
    ],
)
def test_the_command_refuses_by_name(words: list[str], said: str, tmp_path: Path) -> None:
    """Bad input is exit code 2 and one message."""
    done = run("backtest", *words, "--traces", str(tmp_path / "none"))
    assert (done.returncode, said in done.stderr) == (2, True), done.stderr
