"""Every dollar of a difference has a line and a cause."""

from __future__ import annotations

import dataclasses
import json
from fractions import Fraction

import numpy as np
import pytest

from solver.diff import CAUSES, Gate, diff
from solver.diff.shown import headline, to_json
from solver.errors import InputError
from solver.plan import Plan
from solver.problem import ON_DEMAND, Limits, Problem
from solver.solve import solve
from solver.table import Table
from tests.core.instances import random_problem
from tests.doors.small import USD, make_offers, make_small, make_sources, make_workloads

HOUR_LINES = {"compute", "upfront", "transfer", "carbon", "unserved"}


def planned(problem: Problem, gap: float = 0.0) -> Plan:
    """A plan."""
    return solve(problem, time_limit_s=20, gap=gap, isolated=False)


def dearer(problem: Problem, percent: int) -> Problem:
    """All prices by the hour and upfront raised."""
    o = problem.offers
    offers = dataclasses.replace(
        o,
        micro_usd_per_hour=o.micro_usd_per_hour * (100 + percent) // 100,
        upfront_micro_usd=o.upfront_micro_usd * (100 + percent) // 100,
    )
    return dataclasses.replace(problem, offers=offers)


def busier(problem: Problem, percent: int) -> Problem:
    """All demand raised."""
    s = problem.sources
    sources = dataclasses.replace(s, units_per_hour=s.units_per_hour * (100 + percent) // 100)
    return dataclasses.replace(problem, sources=sources)


@pytest.mark.parametrize("seed", range(12))
def test_causes_add_up_to_the_difference_and_to_each_line(seed: int) -> None:
    """With prices, demand, transfer and carbon that all change, over months, scenarios and commitments."""
    old = random_problem(
        seed, flows=2, batches=1, scenarios=2, months=2, must_serve=0.0, limits={"carbon_micro_usd_per_kg": 900_000}
    )
    new = busier(dearer(old, 7 + seed), 3 * seed)
    plans = planned(old, 0.02), planned(new, 0.02)
    found = diff(*plans, (old, new))
    assert not found.notes
    assert found.change_micro_usd == plans[1].total_micro_usd - plans[0].total_micro_usd
    assert sum(line.change_micro_usd for line in found.lines) == found.change_micro_usd
    assert sum(found.causes.values()) == found.change_micro_usd
    for line in found.lines:
        assert line.change_micro_usd == sum(getattr(line, cause) for cause in CAUSES)
        assert line.unsplit == 0, line.name
    billed = {tuple(r.values())[:-1] for plan in plans for r in plan.cost_lines.records()}
    assert len(found.lines) == len(billed)
    assert {line.kind for line in found.lines} <= HOUR_LINES
    assert sum(b - a for a, b in found.workloads.values()) == found.change_micro_usd


def on_demand_only(factor: int = 1) -> Problem:
    """Chat may run only in gcp/eu small at $2 × factor for 15 requests an hour; no run."""
    made = make_small(offers=make_offers(factor), sources=make_sources(), workloads=make_workloads())
    s = dataclasses.replace(made.sources, total_units=np.zeros(3, dtype=np.int64))
    keep = np.array([2])
    c = {f.name: getattr(made.candidates, f.name)[keep] for f in dataclasses.fields(made.candidates)}
    return dataclasses.replace(made, sources=s, candidates=dataclasses.replace(made.candidates, **c))


def test_a_dearer_node_is_price_and_nothing_else() -> None:
    """24 nodes for 350 requests in 30 hours, 4 for 60 in 70: 1,000 node-hours, from $2 to $6."""
    old, new = on_demand_only(1), on_demand_only(3)
    found = diff(planned(old), planned(new), (old, new))
    assert found.before_micro_usd == 1000 * 2 * USD
    assert found.causes == dict.fromkeys(CAUSES, 0) | {"price": 1000 * 4 * USD}
    january = next(line for line in found.lines if line.period == "2027-01")  # 10 busy and 30 quiet hours
    assert january.rate_before == 2 * USD
    assert january.rate_after == 6 * USD
    assert january.price == (24 * 10 + 4 * 30) * 4 * USD
    assert not found.purchases
    assert not found.placements


def test_more_demand_is_volume_and_nothing_else() -> None:
    """Half as much again: 525 requests want 35 nodes, 90 want 6."""
    old = on_demand_only()
    new = busier(old, 50)
    found = diff(planned(old), planned(new), (old, new))
    assert found.causes == dict.fromkeys(CAUSES, 0) | {"volume": (11 * 30 + 2 * 70) * 2 * USD}
    (bought,) = found.purchases
    assert (bought.node, bought.before, bought.after, bought.what) == ("small", 24, 35, "more")
    (moved,) = found.placements
    assert moved.before == pytest.approx(10.0)
    assert moved.after == pytest.approx((35 * 30 + 6 * 70) / 100)


def test_both_at_once_are_told_apart() -> None:
    """Price (6 − 2) × 1,000 at the old volume, volume 2 × 470 at the old rate, and both together 4 × 470."""
    old = on_demand_only(1)
    new = busier(on_demand_only(3), 50)
    found = diff(planned(old), planned(new), (old, new))
    wanted = {"price": 4000 * USD, "volume": 940 * USD, "mix": 1880 * USD}
    assert found.causes == dict.fromkeys(CAUSES, 0) | wanted


def test_what_moves_is_removed_here_and_added_there() -> None:
    """Once big nodes are to be had at a tenth, chat leaves the small ones."""
    old = on_demand_only()
    made = make_small()
    c = {f.name: getattr(made.candidates, f.name)[:3] for f in dataclasses.fields(made.candidates)}
    o = made.offers
    cheap = np.where(o.pool == 0, o.micro_usd_per_hour // 10, o.micro_usd_per_hour)
    new = dataclasses.replace(
        old,
        candidates=dataclasses.replace(made.candidates, **c),
        offers=dataclasses.replace(o, micro_usd_per_hour=cheap),
    )
    found = diff(planned(old), planned(new), (old, new))
    assert found.causes["removed"] == -2000 * USD
    assert found.causes["added"] == (4 * 30 + 70) * USD
    assert {(h.node, h.what) for h in found.purchases} == {("small", "removed"), ("big", "added")}
    assert {(p.node, p.after > 0) for p in found.placements} == {("small", False), ("big", True)}


def test_without_the_problem_lines_are_not_split_but_still_add_up() -> None:
    """And the note says so; the wrong problem counts as none."""
    old, new = on_demand_only(1), on_demand_only(3)
    plans = planned(old), planned(new)
    for problems in ((None, None), (new, old)):
        found = diff(*plans, problems)
        assert found.causes == dict.fromkeys(CAUSES, 0) | {"unsplit": 4000 * USD}
        assert len(found.notes) == 2


def test_certificates_bound_the_change() -> None:
    """From 100..120 to 150..160 dollars the least cost rises by 30 to 60."""
    plan = planned(on_demand_only())

    def bounded(lower: int, upper: int) -> Plan:
        lines = plan.cost_lines.take(np.array([0])).with_columns(micro_usd=np.array([upper * USD]))
        c = dataclasses.replace(plan.certificate, lower_micro_usd=lower * USD, upper_micro_usd=upper * USD)
        return dataclasses.replace(plan, certificate=c, cost_lines=lines)

    found = diff(bounded(100, 120), bounded(150, 160))
    assert found.proved == (30 * USD, 60 * USD)
    assert "+$40.00 (+33.33 %)" in headline(found)


def test_plans_that_cannot_be_compared_are_refused_with_the_mend() -> None:
    """Other months, another length from the same day on, other accounting, and what is no plan."""
    plan = planned(on_demand_only())
    spec = json.dumps({"horizon": {"start": "2027-01-01", "months": 2}})
    with_spec = dataclasses.replace(plan, provenance=dataclasses.replace(plan.provenance, spec=spec))
    later = dataclasses.replace(plan.provenance, spec=spec.replace("01-01", "01-15"))
    cases = {
        "horizon": dataclasses.replace(plan, periods=("2027-03", "2027-04")),
        "horizon ": dataclasses.replace(plan, provenance=later),
        "accounting": dataclasses.replace(plan, accounting="cash"),
        "new plan": dataclasses.replace(plan, termination="infeasible", cost_lines=Table({})),
    }
    for where, other in cases.items():
        with pytest.raises(InputError) as error:
            diff(with_spec, other)
        assert error.value.where == where.strip()
        assert error.value.mend


def test_other_hours_of_the_same_months_are_refused() -> None:
    """Problems made in Python have no spec, but their hours are known."""
    old = on_demand_only()
    hours = old.blocks.hours + 1
    blocks = dataclasses.replace(old.blocks, hours=hours, period_hours=hours.sum(axis=0))
    new = dataclasses.replace(old, blocks=blocks)
    with pytest.raises(InputError, match="other hours"):
        diff(planned(old), planned(new), (old, new))


@pytest.mark.parametrize(
    ("limit", "before", "after", "passed"),
    [
        ("5%", 100, 105, True),
        ("5%", 100_000_000, 105_000_001, False),
        ("0%", 100, 100, True),
        ("0", 100, 101, False),
        ("$12.50", 0, 12_500_000, True),
        ("12.50", 0, 12_500_001, False),
        ("5 %", 0, 1, False),
        ("0.1%", 1000, 1001, True),
        ("0", 100, 99, True),
    ],
)
def test_the_gate_is_exact(limit: str, before: int, after: int, passed: bool) -> None:
    """To the micro-dollar; a free plan has no share to grow by."""
    assert Gate.read(limit).passed(before, after) is passed


@pytest.mark.parametrize("text", ["", "5 percent", "-3", "$5%", "1e3", "nan", "%", "1,000", "5%%"])
def test_what_is_no_limit_is_refused(text: str) -> None:
    """With what to write."""
    with pytest.raises(InputError, match="5%"):
        Gate.read(text)


def test_json_holds_the_whole_account() -> None:
    """Money as strings that add up; the verdict of the gate."""
    old, new = on_demand_only(1), busier(on_demand_only(3), 50)
    found = diff(planned(old), planned(new), (old, new))
    told = json.loads(to_json(found, Gate.read("5%")))
    assert told["schema"] == "autoparallel.diff/1"
    assert told["max_increase"] == {"limit": "5%", "passed": False}
    assert sum(Fraction(line["change_usd"]) for line in told["lines"]) == Fraction(told["change_usd"])
    assert sum(Fraction(x) for x in told["causes"].values()) == Fraction(told["change_usd"])
    assert {line["rate_before_usd"] for line in told["lines"]} == {"2"}
    assert told["before"]["total_usd"] == "2000.000000"
    assert (found.lines[0].kind, old.offers.kind[0]) == ("compute", ON_DEMAND)


def test_unserved_demand_is_split_too() -> None:
    """A dollar a request left, and no node worth it: 350 × 30 + 60 × 70 requests, at $1 then $2."""
    made = on_demand_only(1000)

    def at(usd: int) -> Problem:
        work = dataclasses.replace(make_workloads(unserved_usd=usd), must_serve=np.array([False, False]))
        return dataclasses.replace(made, workloads=work, limits=Limits())

    found = diff(planned(at(1)), planned(at(2)), (at(1), at(2)))
    units = 350 * 30 + 60 * 70
    assert found.causes == dict.fromkeys(CAUSES, 0) | {"price": units * USD}
