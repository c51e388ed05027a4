"""What to commit to, as a user asks: of a history, of a spec, of a plan; and what is refused."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest

from tests.doors.command import refused, run

SPEC = """
name: small
horizon: {start: 2027-01-01, months: 1}
prices: {providers: [gcp], regions: [us-central1], options: [on_demand]}
workloads:
  - {kind: serving, name: chat, model: llama-3.1-8b, precision: fp8, input_tokens: 1500, output_tokens: 300,
     ttft_ms: 2000, tpot_ms: 60, traffic: [{origin: gcp/us-central1, requests_per_hour: 60000, profile: consumer}]}
"""
BRIEF = ("--ladder", "1", "--futures", "3", "--paths", "20")


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six weeks of 10 nodes by day and 6 at night, of one shape; nothing random."""
    path = tmp_path_factory.mktemp("history") / "nodes.csv"
    times = np.datetime64("2026-09-20T00", "h") + np.arange(24 * 42)
    rows = [f"{t}:00:00Z,aws/us-east-1/g5.12xlarge,{10 if 8 <= i % 24 < 20 else 6}\n" for i, t in enumerate(times)]
    path.write_text("time,series,value\n" + "".join(rows))
    return path


def test_a_history_that_repeats_itself(history: Path, tmp_path: Path) -> None:
    """Six nodes always run, four half of the time: at 0.63 of the price six are committed to, from the day after on."""
    done = run(
        "commit",
        history,
        "--option",
        "commit_1y",
        "--months",
        "12",
        *BRIEF,
        "--out",
        tmp_path / "out",
        "--format",
        "json",
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    (bought,) = found["purchases"]
    assert (bought["starts"], bought["ends"], bought["quantity"]) == ("2026-11-01", "2027-11-01", 6)
    assert (found["start"], found["hours"]) == ("2026-11-01", 8760)
    # six at $3.57336, four at $5.672 for half of the hours
    hourly = 6 * 3.57336 + 4 * 5.672 / 2
    assert float(found["expected_usd"]) == pytest.approx(8760 * hourly, rel=0.02)
    assert found["gap"] <= 1e-3
    assert sum(round(float(m["amortised_usd"]) * 1e6) for m in found["months"]) == round(
        float(found["expected_usd"]) * 1e6
    )
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {"commitments.json", "commitments.html", "purchases.csv", "months.csv", "futures.csv"}
    assert json.loads((tmp_path / "out" / "commitments.json").read_text()) == found
    page = (tmp_path / "out" / "commitments.html").read_text()
    assert "g5.12xlarge" in page
    assert "6 nodes" in page


def test_what_is_shown(history: Path) -> None:
    """The purchase, the months, the proof; and as CSV the purchases."""
    shown = run("commit", history, "--option", "commit_1y", "--months", "2", *BRIEF)
    assert shown.returncode == 0, shown.stderr
    for words in (
        "2026-11-01",
        "6 nodes",
        "All on demand",
        "No other quantities cost less",
        "Had each future been known",
    ):
        assert words in " ".join(shown.stdout.split())
    listed = run("commit", history, "--option", "commit_1y", "--months", "2", *BRIEF, "--format", "csv")
    (row,) = csv.DictReader(io.StringIO(listed.stdout))
    assert (row["option"], row["where"], row["quantity"]) == ("commit_1y", "aws/us-east-1/g5.12xlarge", "6")


def test_what_is_held_already_is_used_first(history: Path, tmp_path: Path) -> None:
    """Four of the six are held, at another price: two more are bought."""
    (tmp_path / "commitments.csv").write_text(
        "provider,region,node,option,nodes,price_per_hour,starts,ends\n"
        "aws,us-east-1,g5.12xlarge,commit_1y,4,3.4,2026-03-01,2028-03-01\n"
    )
    done = run(
        "commit", history, "--option", "commit_1y", "--months", "2", *BRIEF, "--overrides", tmp_path, "--format", "json"
    )
    found = json.loads(done.stdout)
    assert [(r["quantity"], r["starts"]) for r in found["purchases"]] == [(2, "2026-11-01")]
    assert [(r["quantity"], r["utilisation"]) for r in found["inventory"]] == [(4, pytest.approx(1.0))]


def test_a_spec_and_its_plan_agree(tmp_path: Path) -> None:
    """The plan of a spec, planned on the way or before; a month of it, then repeated for as long as terms run."""
    (tmp_path / "small.yaml").write_text(SPEC)
    assert run("plan", tmp_path / "small.yaml", "--out", tmp_path / "out", "--deterministic").returncode == 0
    asked = ("--ladder", "1", "--format", "json", "--months", "14")
    before = run("commit", tmp_path / "out" / "plan.json", *asked)
    assert before.returncode == 0, before.stderr
    found = json.loads(before.stdout)
    assert found["purchases"]
    assert any("last four weeks of the plan" in note for note in found["notes"])
    ending = json.loads(run("commit", tmp_path / "out", *asked, "--beyond", "end").stdout)
    assert ending["hours"] == 31 * 24
    along = json.loads(run("commit", tmp_path / "small.yaml", *asked).stdout)
    assert [r["where"] for r in along["purchases"]] == [r["where"] for r in found["purchases"]]


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (("--option", "commit_7y"), "commit_7y"),
        (("--option", "on_demand"), "on_demand"),
        (("--ladder", "0"), "0 months"),
        (("--months", "0"), "0 months"),
        (("--futures", "0"), "0 futures"),
        (("--risk-weight", "1.5"), "1.5"),
        (("--risk-weight", "nan"), "nan"),
        (("--cvar-level", "1"), "1"),
        (("--upfront-max", "-1"), "-1"),
        (("--as-of", "yesterday"), "yesterday"),
    ],
)
def test_bad_options_are_refused(history: Path, more: tuple[str, ...], words: str) -> None:
    """By name, with the mend."""
    done = run("commit", history, *more)
    assert refused(done)
    assert words in done.stderr


def test_bad_histories_are_refused(tmp_path: Path) -> None:
    """No such file, a series that names no pool, a shape that nobody sells."""
    assert refused(run("commit", tmp_path / "none.csv"))
    rows = [f"2026-10-{d:02d}T00:00:00Z,SERIES,3\n" for d in range(1, 31)]
    for series, words in (("all", "names no pool"), ("aws/us-east-1/p9.huge", "no price on demand")):
        path = tmp_path / "history.csv"
        path.write_text("time,series,value\n" + "".join(rows).replace("SERIES", series))
        done = run("commit", path)
        assert refused(done)
        assert words in done.stderr
