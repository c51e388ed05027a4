"""Contradictions of real specs: through the command line, and what it advises applied to the spec."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from solver.conflicts.places import Reach
from solver.doors.planning import exit_code, load
from solver.problem import Problem
from solver.solve import solve
from solver.spec import loads
from tests.conflicts.applied import Row, conflicts
from tests.doors.command import ROOT, Done, run

SECONDS = 10.0


def spec_of(example: str) -> dict[str, Any]:
    """A packaged example as plain values."""
    made: dict[str, Any] = json.loads(load(f"@{example}").provenance["spec"])
    return made


def changed(spec: dict[str, Any], *, limits: dict[str, Any] | None = None, **fields: Any) -> Problem:
    """The problem of a spec with fields of its first workload changed."""
    first, *rest = spec["workloads"]
    return loads(json.dumps(spec | {"workloads": [first | fields, *rest], "limits": spec["limits"] | (limits or {})}))


def documented() -> list[tuple[str, float, float]]:
    """Limit, by how much and worth of a unit, as the page of the command line shows them."""
    page = (ROOT / "docs" / "command-line.md").read_text(encoding="utf-8")
    found = re.findall(r"^\| `(\S[^`]*\])` \| ([\d,]+) \w+ \| \$([\d,.]+) \|", page, re.MULTILINE)
    return [(limit, float(by.replace(",", "")), float(worth.replace(",", ""))) for limit, by, worth in found]


@pytest.fixture(scope="module")
def contradiction(tmp_path_factory: pytest.TempPathFactory) -> tuple[Done, dict[str, Any]]:
    """The packaged contradiction on the terminal, and the table of conflicts that it leaves."""
    out = tmp_path_factory.mktemp("contradiction") / "out"
    done = run("plan", "@contradiction", "--out", out)
    return done, json.loads((out / "plan.json").read_bytes())["tables"]["conflicts"]


def test_the_contradiction_on_the_command_line(contradiction: tuple[Done, dict[str, Any]]) -> None:
    """Names, amounts and prices; exit code 4, as a quota is in the way too. What it advises makes a plan."""
    done, table = contradiction
    assert done.returncode == 4, done
    rows = [Row(**dict(zip(table["columns"], row, strict=True))) for row in table["rows"]]
    for (limit, by, worth), row in zip(documented(), rows, strict=True):
        assert limit == row.limit
        assert (by, worth) == pytest.approx((row.relax_by, row.usd_per_unit), rel=0.02)
    kinds = [row.limit.partition("[")[0] for row in rows]
    assert kinds == ["monthly budget", "quota"]
    assert rows[0].limit == "monthly budget[2027-01]"
    assert re.fullmatch(r"quota\[\w+/[\w-]+/[\w.-]+\]", rows[1].limit)
    assert "demand[assistant] \N{MINUS SIGN}" in rows[0].detail
    provider, region, node = rows[1].limit[6:-1].split("/")
    quota = {"provider": provider, "region": region, "node": node, "max_nodes": 2 + rows[1].relax_by}
    spec = spec_of("contradiction")
    budget = spec["limits"]["monthly_budget_usd"]
    assert spec["limits"]["default_max_nodes"] == 2
    fixed = changed(spec, limits={"monthly_budget_usd": budget + rows[0].relax_by, "quotas": [quota]})
    assert solve(fixed, gap=0.02).termination != "infeasible"


def test_the_contradiction_on_the_terminal(contradiction: tuple[Done, dict[str, Any]]) -> None:
    """The table is readable: heads, names and the sentence."""
    done, _ = contradiction
    assert done.returncode == 4
    for word in ("give way", "Relax by", "monthly budget[2027-01]", "quota[", "nodes", "instead"):
        assert word in done.stdout, word
    page = (ROOT / "docs" / "command-line.md").read_text(encoding="utf-8")
    (quoted,) = re.findall(r"(?:^> .*\n)+", page, re.MULTILINE)
    assert " ".join(quoted.replace("\n> ", " ").removeprefix("> ").split()) in " ".join(done.stdout.split())
    assert max(map(len, done.stdout.splitlines())) <= 120
    assert "Highs" not in done.stdout


def test_only_a_budget_in_the_way_is_exit_code_3() -> None:
    """Without quotas."""
    spec = spec_of("contradiction")
    del spec["limits"]["default_max_nodes"]
    plan = solve(changed(spec, limits={"monthly_budget_usd": 100000}), gap=0.05)
    assert plan.termination == "infeasible"
    assert plan.conflicts["limit"].tolist() == ["monthly budget[2027-01]"]
    assert exit_code(plan) == 3


def test_a_target_below_what_any_node_can_do() -> None:
    """The milliseconds named are enough, and hardly more than enough."""
    spec = spec_of("one-model")
    problem = changed(spec, ttft_ms=60)
    assert not len(problem.candidates.pool)
    (row,) = conflicts(problem, 6 * SECONDS)  # a busy machine has not come as near after ten
    assert row[:2] == ("latency[chat]", "ms to the first token")
    enough, less = (changed(spec, ttft_ms=60 + by) for by in (row.relax_by, row.relax_by - 3))
    assert not len(Reach.of(enough, 0).lost)
    assert len(Reach.of(less, 0).lost) == 1


def test_a_country_without_capacity() -> None:
    """The nearest country that has some is admitted, and then all sources are served."""
    spec = spec_of("one-model")
    problem = changed(spec, residency=["LU"])
    assert not len(problem.candidates.pool)
    (row,) = conflicts(problem, SECONDS)
    assert row[:3] == ("residency[chat]", "country", 1)
    found = re.search(r"nothing in LU can serve it; admit (\w\w): the nearest is ", row.detail)
    assert found is not None
    assert not len(Reach.of(changed(spec, residency=["LU", found[1]]), 0).lost)


def test_a_run_without_the_days_it_needs() -> None:
    """Hours are whole, and the days they make are named; with them the run has a plan."""
    spec = spec_of("training")
    spec["workloads"] = spec["workloads"][:1]
    problem = changed(spec, earliest_start="2027-01-11", deadline="2027-01-16", max_accelerators=64)
    row = conflicts(problem, SECONDS)[0]
    assert row[:2] == ("deadline[pretrain]", "hours")
    days = re.search(r"(\d+) days later", row.detail)
    assert days is not None
    assert int(days[1]) == -(-row.relax_by // 24)
    later = f"2027-0{1 + (15 + int(days[1])) // 31}-{(15 + int(days[1])) % 31 + 1:02d}"
    enough = changed(spec, earliest_start="2027-01-11", deadline=later, max_accelerators=64)
    hours = int(enough.blocks.total_hours[enough.sources.window[0]].sum())
    assert (enough.candidates.units_per_hour * hours >= enough.sources.total_units[0]).any()


def test_a_model_no_node_can_hold() -> None:
    """The demand, and the reason: there is nothing else to give way."""
    spec = spec_of("one-model")
    problem = changed(
        spec, model="glm-5.1", precision="bf16", accelerators=["T4"], input_tokens=1000, output_tokens=100
    )
    rows = conflicts(problem, SECONDS)
    assert rows[0].limit in {"accelerators[chat]", "demand[chat]"}
