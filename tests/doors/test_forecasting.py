"""The command that forecasts, as it is run."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from .command import run


@pytest.fixture(scope="module")
def demand(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten weeks of days of two series, on a week's pattern."""
    file = tmp_path_factory.mktemp("demand") / "demand.csv"
    days = np.datetime64("2026-01-05") + np.arange(70)
    rng = np.random.default_rng(5)
    lines = [
        f"{day},{name},{100 + 20 * (i % 7 < 5) + rng.normal(0, 4):.2f}"
        for name in ("chat", "search")
        for i, day in enumerate(days)
    ]
    file.write_text("\n".join(["time,series,value", *lines]) + "\n", encoding="utf-8")
    return file


def test_table_and_files(demand: Path, tmp_path: Path) -> None:
    """Months, methods, coverage; every step in the CSV; the launch is in the figures."""
    out = tmp_path / "out"
    done = run("forecast", demand, "--horizon", "6w", "--unit", "nodes", "--event", "2026-04-01:chat:+50", "--out", out)
    assert done.returncode == 0, done.stderr
    assert "Mean, nodes" in done.stdout
    assert "90 % intervals held" in done.stdout
    assert "wrote 4 files" in done.stderr
    rows = list(csv.DictReader((out / "forecast.csv").read_text().splitlines()))
    assert len(rows) == 2 * 42
    mean = {(r["time"], r["series"]): float(r["mean"]) for r in rows}
    assert mean["2026-04-08", "chat"] - mean["2026-03-25", "chat"] == pytest.approx(50, abs=10)
    assert mean["2026-04-08", "search"] == pytest.approx(120, abs=8)
    assert all(float(r["lower"]) < float(r["mean"]) < float(r["upper"]) for r in rows)
    page = (out / "forecast.html").read_text()
    assert page.count("<svg") == 2
    assert "http" not in page.replace("http-equiv", "")
    found = json.loads((out / "forecast.json").read_text())
    assert [s["series"] for s in found["series"]] == ["chat", "search"]
    assert {m["month"] for m in found["months"]} == {"2026-03", "2026-04"}


def test_json_is_the_file(demand: Path) -> None:
    """And horizons in months end on the day."""
    done = run("forecast", demand, "--horizon", "1m", "--format", "json", "--paths", "20")
    found = json.loads(done.stdout)
    assert (found["from"], found["to"]) == ("2026-03-16T00", "2026-04-15T00")


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--horizon", "soon"], "'soon' is no horizon"),
        (["--horizon", "9y"], "a horizon of 3,287 days"),
        (["--event", "launch"], "'launch' is no event"),
        (["--growth", "more"], "'more' is no growth"),
        (["--holidays", "XX"], "holidays of 'XX' are not known"),
        (["--zone", "Nowhere"], "unknown time zone 'Nowhere'"),
    ],
)
def test_mistakes_are_exit_code_2(demand: Path, more: list[str], said: str) -> None:
    """Each with a mend."""
    done = run("forecast", demand, *more)
    assert done.returncode == 2
    assert said in done.stderr
    assert done.stdout == ""
