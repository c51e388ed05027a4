"""The command line of `autoparallel whatif`."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import pytest

from tests.diff.test_command import SPEC
from tests.doors.command import refused, run


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small fleet."""
    folder = tmp_path_factory.mktemp("whatif")
    spec = folder / "fleet.yaml"
    spec.write_text(SPEC.replace("REQUESTS", "500000"), encoding="utf-8")
    done = run("plan", spec, "--out", folder / "old", "--deterministic")
    assert done.returncode == 0, done.stderr
    return folder / "old" / "plan.json"


def test_it_plans_anew_and_accounts_for_the_change(plan: Path, tmp_path: Path) -> None:
    """The plan in --out costs what the account says, is sound, and is that of a cold run."""
    setting = "workloads.chat.traffic[0].requests_per_hour=900000"
    done = run("whatif", plan, "--set", setting, "--deterministic", "--json", "--out", tmp_path / "new")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    new = json.loads((tmp_path / "new" / "plan.json").read_bytes())
    assert told["before"]["total_usd"] == json.loads(plan.read_bytes())["total_usd"]
    assert told["after"]["total_usd"] == new["total_usd"]
    assert Decimal(told["change_usd"]) > 0
    assert json.loads(new["provenance"]["spec"])["workloads"][0]["traffic"][0]["requests_per_hour"] == 900000
    assert run("check", tmp_path / "new").returncode == 0
    spec = tmp_path / "cold.yaml"
    spec.write_text(SPEC.replace("REQUESTS", "900000"), encoding="utf-8")
    cold = json.loads(run("plan", spec, "--deterministic", "--format", "json").stdout)
    assert Decimal(cold["total_usd"]) == pytest.approx(Decimal(new["total_usd"]), rel=Decimal("0.01"))


def test_the_table_says_what_was_set(plan: Path) -> None:
    """Before the account."""
    done = run("whatif", plan, "--set", "workloads.chat.team=web")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith('workloads.chat.team = "web"\n')


def test_what_leaves_no_plan_says_what_is_in_the_way(plan: Path) -> None:
    """A budget that is too small is exit code 3, as of `plan`."""
    done = run("whatif", plan, "--set", "limits.monthly_budget_usd=100")
    assert done.returncode == 3
    assert "monthly budget" in done.stdout


def test_bad_settings_name_the_place_and_the_mend(plan: Path) -> None:
    """No path, no such field, a value that does not fit."""
    assert "PATH=VALUE" in refused(run("whatif", plan, "--set", "nothing"))
    assert "max_spot_share" in refused(run("whatif", plan, "--set", "workloads.chat.max_spot_shares=1"))
    assert "max_spot_share" in refused(run("whatif", plan, "--set", "workloads.chat.max_spot_share=7"))
    assert "chat" in refused(run("whatif", plan, "--set", "workloads.chatt.team=web"))
