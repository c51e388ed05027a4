"""The command lines of `autoparallel budget` and `autoparallel gate`."""

from __future__ import annotations

import dataclasses
import json
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from solver.actuals import export_plan
from solver.doors.budgeting import Costs, gate
from solver.errors import InputError
from solver.report.json import to_json
from tests.budget.plans import plan_of
from tests.diff.test_command import SPEC
from tests.doors.command import refused, run
from tests.doors.small import USD

ROWS = [("2027-01", "web", "chat", "aws", 300 * USD), ("2027-02", "lab", "run", "gcp", 100 * USD)]
BUDGETS = """\
projects: [{name: assistant, workloads: [chat]}]
budgets:
- {name: all, amount: 300}
- {name: web, team: web, amount: 290, period: quarter}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A plan of 300 and 100 dollars, one that costs a micro-dollar more, budgets, and what was spent in January."""
    plan = plan_of(ROWS, months=2)
    dearer = plan_of([*ROWS, ("2027-02", "lab", "eval", "gcp", 1)], months=2)
    for name, made in (("plan", plan), ("dearer", dearer)):
        bare = dataclasses.replace(made, provenance=dataclasses.replace(made.provenance, spec=""))
        (tmp_path / f"{name}.json").write_text(to_json(bare), encoding="utf-8")
    (tmp_path / "budgets.yaml").write_text(BUDGETS, encoding="utf-8")
    (tmp_path / "actual.csv").write_text("period,team,workload,amount\n2027-01,web,chat,310\n", encoding="utf-8")
    return tmp_path


def test_the_gate_ends_a_pipeline(folder: Path) -> None:
    """Exit code 3 with a line a breach; equal to its limit passes; what is not given is not checked."""
    done = run("gate", "plan.json", "--budget", "budgets.yaml", cwd=folder)
    assert (done.returncode, done.stderr) == (3, "")
    # 31 + 28 of the quarter's 90 days: 190.11 of 290 dollars
    assert done.stdout.splitlines() == [
        "OVER  web (team web), 2027-Q1: $300.00 planned, $190.11 allowed, over by $109.89; 59 of its 90 days are known",
        "ok    all (all), 2027-01: $300.00 planned, $300.00 allowed, left $0.00",
        "ok    all (all), 2027-02: $100.00 planned, $300.00 allowed, left $200.00",
        "small: 1 of 3 limits breached",
    ]
    done = run("gate", "dearer.json", "--budget", "400", "--max-increase", "0", "--against", "plan.json", cwd=folder)
    assert done.returncode == 3
    assert done.stdout.count("over by $0.000001") == 2


def test_a_verdict_for_machines(folder: Path) -> None:
    """JSON of a plan that passes."""
    done = run("gate", "plan.json", "--budget", "300/month", "--format", "json", cwd=folder)
    assert (done.returncode, done.stderr) == (0, "")
    assert [c["over_usd"] for c in json.loads(done.stdout)["checks"]] == ["0.000000", "-200.000000"]


def test_where_budgets_stand(folder: Path) -> None:
    """310 of 300 dollars are spent: a critical alert, exit code 3; the table shows what each month costs by team."""
    done = run("budget", "plan.json", "budgets.yaml", "--actuals", "actual.csv", "--by", "project", cwd=folder)
    assert done.returncode == 3
    assert done.stderr.startswith("error: --fail-on: alerts of all (2027-01)")
    for word in ("critical", "2027-01-31", "assistant", "(none)", "$310.00", "Spent"):
        assert word in done.stdout
    done = run("budget", "plan.json", "budgets.yaml", "--format", "json", "--fail-on", "never", cwd=folder)
    assert (done.returncode, done.stderr) == (0, "")
    told = json.loads(done.stdout)
    assert [s["estimate_usd"] for s in told["standings"]] == ["300.000000", "100.000000", "300.000000"]
    assert [(p["period"], p["team"], p["usd"]) for p in told["parts"]] == [
        ("2027-01", "web", "300.000000"), ("2027-02", "lab", "100.000000"),
    ]  # fmt: skip


def test_what_is_to_come_may_be_told_otherwise(folder: Path) -> None:
    """Paths, the pace of past months, a forecast of days, and a bill instead of a table."""
    paths = [f"{k},2027-0{m},{100 * m + k}" for k in range(20) for m in (1, 2)]
    (folder / "paths.csv").write_text("\n".join(["path,period,amount", *paths, ""]), encoding="utf-8")
    done = run(
        "gate", "plan.json", "--budget", "305", "--paths", "paths.csv", "--max-breach-probability", "0.8", cwd=folder
    )
    # 300 + 2 k dollars: above 305 for k from 3 to 19, 17 of 20; 319 is the mean
    assert "OVER  budget (all), plan: $319.00 planned, $305.00 allowed, over by $14.00" in done.stdout
    assert "probability 0.85, 0.8 allowed" in done.stdout
    days = [f"2027-01-{d:02d},web,chat,10" for d in range(1, 31)]
    (folder / "days.csv").write_text("\n".join(["period,team,workload,amount", *days, ""]), encoding="utf-8")
    told = run(
        *("budget", "plan.json", "2000", "--actuals", "days.csv", "--forecast", "--format", "json"), cwd=folder
    )  # fmt: skip
    (found,) = json.loads(told.stdout)["standings"]
    assert float(found["estimate_usd"]) == pytest.approx(590, rel=0.02)  # ten dollars on each of 59 days
    assert "paths of a forecast of 30 days" in json.loads(told.stdout)["basis"]
    slow = run("budget", "plan.json", "2000", "--actuals", "days.csv", "--pace", cwd=folder)
    assert "0 whole months were planned and spent" in refused(slow)
    plan, out = plan_of(ROWS, months=2), folder / "bill.csv"
    export_plan(plan, out)
    billed = run("budget", "plan.json", "budgets.yaml", "--bill", "bill.csv", "--format", "json", cwd=folder)
    assert [s["spent_usd"] for s in json.loads(billed.stdout)["standings"]] == [
        "300.000000",
        "100.000000",
        "300.000000",
    ]


def test_a_plan_at_the_demand_that_is_forecast(tmp_path: Path) -> None:
    """Twice the traffic that a flat month was planned for costs twice as much: all of it is bought on demand."""
    (tmp_path / "fleet.yaml").write_text(SPEC.replace("REQUESTS", "500000"), encoding="utf-8")
    assert run("plan", "fleet.yaml", "--out", "out", "--deterministic", cwd=tmp_path).returncode == 0
    days = [date(2026, 12, 4) + timedelta(days=k) for k in range(28)]
    rows = [f"{day},chat,1000000" for day in days]
    (tmp_path / "demand.csv").write_text("\n".join(["time,series,value", *rows, ""]), encoding="utf-8")
    planned = float(json.loads((tmp_path / "out" / "plan.json").read_bytes())["total_usd"])
    done = run(
        *("gate", "out", "--budget", f"{1.5 * planned:.2f}", "--demand", "demand.csv"),
        *("--max-breach-probability", "0.5", "--format", "json"), cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 3, done.stderr
    checks = {c["limit"]: c for c in json.loads(done.stdout)["checks"]}
    assert float(checks["budget"]["planned_usd"]) == pytest.approx(2 * planned, rel=1e-6)
    assert checks["probability"]["breach_probability"] == 1
    assert "paths of a forecast of demand" in checks["probability"]["said"]
    (tmp_path / "late.csv").write_text("\n".join(["time,series,value", *rows, ""]).replace("2026-12", "2027-12"))
    assert "ends after the plan" in refused(
        run("gate", "out", "--budget", "100000", "--demand", "late.csv", cwd=tmp_path)
    )


@pytest.mark.parametrize(
    ("budgets", "costs", "increase", "most_probable", "said"),
    [
        ("a lot", {}, (None, None), None, "neither a file nor an amount"),
        ("5", {}, ("5%", None), None, "--max-increase, --against: one without the other"),
        ("5", {}, (None, None), 0.1, "only one future"),
        ("5", {}, (None, None), 1.5, "a share from 0 to 1"),
        ("5", {"as_of": "2027-02-01"}, (None, None), None, "give --actuals or --bill, too"),
        ("5", {"pace": True, "forecast": True}, (None, None), None, "give one of them"),
        ("5", {"actuals": Path("budgets.yaml")}, (None, None), None, "unknown column"),
        (None, {}, (None, None), None, "no limit is given"),
    ],
)
def test_bad_arguments_are_told_with_the_mend(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    budgets: str | None,
    costs: dict[str, Any],
    increase: tuple[str | None, Path | None],
    most_probable: float | None,
    said: str,
) -> None:
    """Before anything is printed."""
    monkeypatch.chdir(folder)
    with pytest.raises(InputError) as found:
        gate(Path("plan.json"), budgets, Costs(**costs), increase, most_probable, None, style="text")
    assert said in str(found.value)


def test_a_plan_that_is_none(folder: Path) -> None:
    """Exit code 4: there is no bill to hold against anything."""
    plan = dataclasses.replace(plan_of(ROWS, months=2), termination="infeasible")
    (folder / "none.json").write_text(to_json(plan), encoding="utf-8")
    done = run("gate", "none.json", "--budget", "5", cwd=folder)
    assert (done.returncode, done.stdout) == (4, "")
    assert "contradict" in done.stderr
