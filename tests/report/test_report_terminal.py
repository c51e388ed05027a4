"""The terminal: the fleet beside the ways, the proof, and names that cannot steer the screen."""

from __future__ import annotations

import dataclasses
import io
import re

import pytest
from rich.console import Console

from solver.plan import Plan
from solver.report.cells import clean
from solver.report.terminal import show
from tests.report.report_hostile import PAYLOADS, poisoned


def printed(plan: Plan, width: int = 200, *, colour: bool = False) -> str:
    """What `show` prints."""
    out = io.StringIO()
    show(plan, Console(file=out, width=width, force_terminal=colour, color_system="truecolor" if colour else None))
    return out.getvalue()


def test_fleet_ways_and_proof(plan: Plan) -> None:
    """Each column the reader needs, and the saving next to each way."""
    text = printed(plan)
    for fact in (
        "chat",
        "aws us-east-1",
        "p5.48xlarge",
        "6.5 (peak 9)",
        "TP8 PP1 EP1 ×1, 64 concurrent",
        "$0.412",
        "$1.650",
    ):
        assert fact in text
    line = next(row for row in text.splitlines() if "All on demand" in row)
    assert "23.7" in line
    assert "breaks the quota" in next(row for row in text.splitlines() if "greedy" in row)
    assert f"costs less than ${plan.certificate.lower_usd:,.2f}; gap 0.4" in text
    assert "Warning: 12 spot prices are older than 180 days" in text


def test_a_way_that_costs_less_than_the_plan_is_owned_up_to(plan: Plan) -> None:
    """The search ends at its gap; said only then, and not of ways that break a limit or where the bill is no goal."""
    first = {"saving_percent": [-0.25, *plan.ways["saving_percent"][1:]], "feasible": [True] * len(plan.ways)}
    first["total_micro_usd"] = [plan.total_micro_usd * 399 // 400, *plan.ways["total_micro_usd"][1:]]
    cheaper = dataclasses.replace(plan, ways=plan.ways.with_columns(**first))
    said = "costs 0.2\N{NO-BREAK SPACE}% less, within the gap: a smaller one (--gap) looks further."
    assert said in printed(cheaper)
    assert "looks further" not in printed(plan)
    broken = cheaper.ways.with_columns(feasible=[False] * len(plan.ways))
    assert "looks further" not in printed(dataclasses.replace(cheaper, ways=broken))
    goal = dataclasses.replace(cheaper.certificate, bounds="objective")
    assert "looks further" not in printed(dataclasses.replace(cheaper, certificate=goal))


def test_narrow_terminal_keeps_the_essentials(plan: Plan) -> None:
    """At 80 columns no line is longer, and the money is still there."""
    text = printed(plan, width=80)
    assert max(map(len, text.splitlines())) <= 80
    assert "$208,944" in text


def test_conflicts(infeasible: Plan) -> None:
    """What gives way, by how much, and what a unit is worth; no fleet and no proof."""
    text = printed(infeasible)
    assert "quota[aws/us-east-1/p5.48xlarge, 2027-03]" in text
    assert "3 nodes" in text
    assert "$64.25" in text
    assert "Proved" not in text


@pytest.mark.parametrize("colour", [False, True])
def test_hostile_names_cannot_steer(colour: bool) -> None:
    """No control character but line ends, no escape but the console's own colours, no link, and markup stays text."""
    _, plan = poisoned()
    text = printed(plan, width=400, colour=colour)
    own = re.sub(r"\x1b\[[0-9;]*m", "", text)
    assert not any((ord(c) < 32 and c != "\n") or 127 <= ord(c) < 160 for c in own)
    assert "\x1b]8" not in text
    assert "\u202e" not in text
    for payload in [p for p in PAYLOADS if p.startswith("[")]:
        assert clean(payload) in own
