"""Plan, check and explain a packaged example, as a user would."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from solver.report.json import from_json, to_json
from tests.doors.command import ROOT, refused, run

pytest.importorskip("solver.solve")


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example planned once, with all its files."""
    folder = tmp_path_factory.mktemp("plan") / "out"
    done = run("plan", "@one-model", "--out", folder, "--deterministic")
    assert done.returncode == 0, done.stderr
    assert done.stderr == f"wrote {len([f for f in folder.rglob('*') if f.is_file()])} files to {folder}\n"
    for word in (
        "chat",
        "All on demand",
        "Best single region",
        "Cheapest GPU-hour, greedy",
        "The plan saves",
        "Proved",
    ):
        assert word in done.stdout
    assert "\x1b" not in done.stdout
    return folder


def test_the_example_is_proved_within_one_percent(out: Path) -> None:
    """And no way that keeps the limits costs less than the bound."""
    plan = from_json((out / "plan.json").read_bytes())
    assert plan.certificate.kind == "proved"
    assert plan.certificate.gap <= 0.01
    for way in plan.ways.records():
        assert way["total_micro_usd"] == -1 or not way["feasible"] or (
            way["total_micro_usd"] >= plan.certificate.lower_micro_usd
        )  # fmt: skip


def test_json_is_exactly_the_plan(out: Path) -> None:
    """One document on stdout, the same as in the folder but for the seconds it took."""
    done = run("plan", "@one-model", "--format", "json", "--deterministic")
    assert (done.returncode, done.stderr) == (0, "")
    assert to_json(from_json(done.stdout)) == done.stdout
    left, right = json.loads(done.stdout), json.loads((out / "plan.json").read_bytes())
    for plan in (left, right):
        plan["provenance"].pop("seconds")
    assert left == right


def test_check_finds_the_plan_sound_and_names_what_was_changed(out: Path, tmp_path: Path) -> None:
    """Exit code 0; then 1 and the violations, once a replica is gone."""
    done = run("check", out)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("Sound")
    plan = json.loads((out / "plan.json").read_bytes())
    table = plan["tables"]["placements"]
    row = table["rows"][0]
    row[table["columns"].index("replicas")] -= 1
    changed = tmp_path / "plan.json"
    changed.write_text(json.dumps(plan), encoding="utf-8")
    done = run("check", changed)
    assert done.returncode == 1
    assert done.stdout.count("\n") >= 1
    assert "not a sound plan" in done.stderr


def test_a_plan_of_another_catalogue_says_so(out: Path, tmp_path: Path) -> None:
    """It is not checked against prices it was not made from."""
    plan = json.loads((out / "plan.json").read_bytes())
    plan["provenance"]["problem_digest"] = plan["provenance"]["catalog_digest"] = "0" * 64
    changed = tmp_path / "plan.json"
    changed.write_text(json.dumps(plan), encoding="utf-8")
    done = run("check", changed)
    assert (done.returncode, done.stdout) == (1, "")
    assert "the catalogue has changed" in done.stderr
    done = run("explain", changed)
    assert done.returncode == 0
    assert "unit prices are left out" in done.stderr


def test_explain_tells_of_the_workload(out: Path) -> None:
    """As text and as JSON; an unknown one is refused."""
    done = run("explain", out / "plan.json", "chat")
    assert (done.returncode, done.stderr) == (0, "")
    assert "a million requests at full use" in done.stdout
    found = json.loads(run("explain", out / "plan.json", "--format", "json").stdout)
    assert [w["workload"] for w in found["workloads"]] == ["chat"]
    assert found["workloads"][0]["chosen"]
    assert "nearest: chat" in refused(run("explain", out / "plan.json", "caht"))


def test_a_contradiction_ends_with_its_code_and_shows_what_must_give_way(tmp_path: Path) -> None:
    """Neither 0 nor 1, as JSON too (the terminal's table is looked at elsewhere); there is then no plan to check."""
    done = run("plan", "@contradiction", "--out", tmp_path / "out", "--format", "json")
    assert done.returncode in (3, 4), done
    assert json.loads(done.stdout)["tables"]["conflicts"]["rows"]
    assert json.loads(done.stdout) == json.loads((tmp_path / "out" / "plan.json").read_bytes())
    checked = run("check", tmp_path / "out" / "plan.json")
    assert checked.returncode == 4
    assert "nothing to check" in checked.stderr


def test_an_output_folder_that_is_none_is_refused(tmp_path: Path) -> None:
    """A file, which stays as it was."""
    (tmp_path / "file").write_text("mine", encoding="utf-8")
    assert "is a file, not a folder" in refused(run("plan", "@one-model", "--out", tmp_path / "file"))
    assert (tmp_path / "file").read_text(encoding="utf-8") == "mine"


def test_doctor_finds_nothing_broken() -> None:
    """A line a finding, the trial solve among them."""
    done = run("doctor")
    assert done.returncode == 0, done.stdout
    assert "trial solve" in done.stdout
    assert "bad " not in done.stdout


@pytest.mark.slow
def test_an_interrupt_shows_the_best_plan_or_ends_with_130() -> None:
    """And never with a traceback."""
    command = [sys.executable, "-m", "solver.cli", "plan", "@twelve-workloads", "--gap", "0"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        time.sleep(3)
        process.send_signal(signal.SIGINT)
        shown, said = process.communicate(timeout=60)
    assert "Traceback" not in said
    assert process.returncode == (130 if "interrupted" in shown + said else 0)
    assert process.returncode == 130 or "chat" in shown
