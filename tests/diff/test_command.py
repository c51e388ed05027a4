"""The command line of `autoparallel diff`."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import pytest

from tests.doors.command import refused, run

SPEC = """
name: small
horizon: {start: 2027-01-01, months: 1}
prices: {as_of: 2026-08-03, providers: [aws], regions: [us-east-1], options: [on_demand]}
workloads:
- kind: serving
  name: chat
  model: llama-3.1-8b
  input_tokens: 1000
  output_tokens: 200
  ttft_ms: 1000
  tpot_ms: 60
  accelerators: [H100]
  traffic:
  - {origin: aws/us-east-1, requests_per_hour: REQUESTS, profile: flat}
"""


@pytest.fixture(scope="module")
def plans(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A small fleet, and the same for ten times the traffic."""
    folder, made = tmp_path_factory.mktemp("diff"), []
    for name, requests in (("old", 50_000), ("new", 500_000)):
        spec = folder / f"{name}.yaml"
        spec.write_text(SPEC.replace("REQUESTS", str(requests)), encoding="utf-8")
        done = run("plan", spec, "--out", folder / name, "--deterministic")
        assert done.returncode == 0, done.stderr
        made.append(folder / name / "plan.json")
    return made[0], made[1]


def test_the_json_is_the_difference_of_the_two_bills(plans: tuple[Path, Path]) -> None:
    """In the same place on the same node: all of it is volume."""
    done = run("diff", *plans, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    told = json.loads(done.stdout)
    bills = [Decimal(json.loads(p.read_bytes())["total_usd"]) for p in plans]
    assert Decimal(told["change_usd"]) == bills[1] - bills[0] > 0
    assert Decimal(told["causes"]["volume"]) + Decimal(told["causes"]["added"]) > 0
    assert Decimal(told["causes"]["unsplit"]) == 0


def test_the_table_names_the_workload_and_the_cause(plans: tuple[Path, Path]) -> None:
    """And what is proved of the change."""
    done = run("diff", *plans)
    assert (done.returncode, done.stderr) == (0, "")
    for word in ("added", "chat", "compute", "2027-01", "on_demand", "dearer beyond doubt"):
        assert word in done.stdout
    assert run("diff", plans[0], plans[0]).stdout.startswith("$")


def test_the_gate_ends_a_pipeline_with_exit_code_3(plans: tuple[Path, Path]) -> None:
    """Only when the increase is above it; a fall never is."""
    dear = run("diff", *plans, "--max-increase", "5%", "--json")
    assert dear.returncode == 3
    assert json.loads(dear.stdout)["max_increase"] == {"limit": "5%", "passed": False}
    assert "dearer by more than 5%" in dear.stderr
    assert run("diff", *plans, "--max-increase", "5000000").returncode == 0
    assert run("diff", *reversed(plans), "--max-increase", "0%").returncode == 0


def test_bad_arguments_are_told_with_the_mend(plans: tuple[Path, Path], tmp_path: Path) -> None:
    """A limit that is none, a file that is none, a plan in another currency or of other months."""
    assert "5%" in refused(run("diff", *plans, "--max-increase", "a lot"))
    assert "nowhere.json" in refused(run("diff", plans[0], tmp_path / "nowhere.json"))
    euros = tmp_path / "euros.json"
    euros.write_text(plans[1].read_text().replace('"total_usd"', '"total_eur"'))
    assert "total_usd" in refused(run("diff", plans[0], euros))
    later = tmp_path / "later.yaml"
    later.write_text(SPEC.replace("REQUESTS", "50000").replace("2027-01-01", "2027-02-01"))
    assert run("plan", later, "--out", tmp_path / "later").returncode == 0
    said = refused(run("diff", plans[0], tmp_path / "later"))
    assert "1 months from 2027-01-01 and 1 months from 2027-02-01" in said
    assert "same `horizon`" in said
