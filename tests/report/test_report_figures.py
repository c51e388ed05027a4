"""The numbers behind the figures, worked out by hand or another way."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from solver.plan import Certificate, Plan
from solver.problem import Problem
from solver.report import charts, figures, svg, words, worldmap
from solver.table import Table
from tests.report.report_samples import DAYS, PLACED, load, make_plan, price


@pytest.mark.parametrize("by", ["option", "workload", "site", "team", "provider", "kind"])
@pytest.mark.parametrize("most", [2, 3, 50])
def test_pivot_keeps_every_micro_dollar(plan: Plan, by: str, most: int) -> None:
    """Whatever is grouped or gathered as "others", the sum is the bill."""
    found = figures.pivot(plan, by, most)
    assert found.micro_usd.sum() == plan.total_micro_usd
    assert len(found.labels) <= most
    assert (np.diff(found.totals[:-1]) <= 0).all()


def test_pivot_by_hand(plan: Plan) -> None:
    """Spot in January: one node of chat in each of its two pools at the hours of peak."""
    found = figures.pivot(plan, "option")
    hours = {(q, p): sum(load(p, h) == p for h in range(24)) for w, q, p, _ in PLACED if w == 0}
    january = sum(n * DAYS[0] * price(q, 1) for (q, _), n in hours.items())
    assert found.micro_usd[found.labels.index("Spot"), 0] == january


def test_load_curve_by_hand(problem: Problem, plan: Plan) -> None:
    """The nebius pool: 6 committed, its load sorted from 6 down, three quarters used."""
    curve = next(c for c in figures.load_curves(problem, plan) if c.pool == "nebius/eu-north1/gpu-h100-sxm-8")
    loads = sorted((load(6, h) for h in range(24)), reverse=True)
    assert curve.firm_nodes.tolist() == loads
    assert curve.hours.tolist() == [365.0] * 24
    assert curve.committed_nodes.tolist() == [6.0] * 24
    assert curve.used == pytest.approx(sum(loads) / (6 * 24))


def test_load_curves_hold_all_node_hours(problem: Problem, plan: Plan) -> None:
    """Firm and spot node-hours of the five pools are those placed."""
    curves = figures.load_curves(problem, plan)
    assert len(curves) == 5
    drawn = sum(float(c.hours @ (c.firm_nodes + c.spot_nodes)) for c in curves)
    assert drawn == sum(n * 365 for n in plan.placements["nodes"].tolist())
    assert sum(c.micro_usd for c in curves) == plan.total_micro_usd
    assert [c.micro_usd for c in curves] == sorted((c.micro_usd for c in curves), reverse=True)


def test_scenarios_weigh_the_hours(problem: Problem, plan: Plan) -> None:
    """Two scenarios of one half each: every block counts for half of its hours."""
    from fractions import Fraction

    half = dataclasses.replace(problem.blocks, probability=(Fraction(1, 2), Fraction(1, 2)))
    curves = figures.load_curves(dataclasses.replace(problem, blocks=half), plan)
    assert curves[0].hours.sum() == 8760 / 2


def test_swings_are_a_tenth_of_their_lines(plan: Plan) -> None:
    """Providers and priced options each add up to a tenth of the bill; idle commitments follow no demand."""
    found = figures.swings(plan)
    for group in ("provider", "option"):
        assert sum(s.micro_usd for s in found if s.group == group) == pytest.approx(plan.total_micro_usd / 10, abs=9)
        assert sum(s.share for s in found if s.group == group) == pytest.approx(1)
    idle = plan.cost_lines["micro_usd"][plan.cost_lines["workload"] == "(idle)"].sum()
    demand = sum(s.micro_usd for s in found if s.group == "workload")
    assert demand == pytest.approx((plan.total_micro_usd - idle) / 10, abs=9)


def test_swing_by_re_pricing(plan: Plan) -> None:
    """Raising every aws line by a tenth and adding up again gives the same change."""
    lines = plan.cost_lines
    raised = sum(
        round(m * 11 / 10) if p == "aws" else m
        for m, p in zip(lines["micro_usd"].tolist(), lines["provider"], strict=True)
    )
    aws = next(s for s in figures.swings(plan) if s.label == "aws")
    assert raised - plan.total_micro_usd == pytest.approx(aws.micro_usd, abs=len(lines))


def test_map_spots(problem: Problem, plan: Plan) -> None:
    """Every dollar of the bill has a region here, dearest first."""
    spots = figures.spots(problem, plan)
    assert sum(s.micro_usd for s in spots) == plan.total_micro_usd
    assert (spots[0].provider, spots[0].region) == ("aws", "us-east-1")


def test_reasons(plan: Plan) -> None:
    """Counts of each bottleneck, most frequent first, at most three examples."""
    found = figures.reasons(plan.excuses)
    assert [(name, count) for name, count, _ in found] == [
        ("memory", 40),
        ("residency", 25),
        ("price", 9),
        ("deadline", 1),
    ]
    assert all(1 <= len(examples) <= 3 for *_, examples in found)
    assert figures.reasons(Table({})) == []


def test_projection() -> None:
    """Greenwich on the equator is in the middle; the corners are the corners."""
    at = worldmap.project(np.array([[0.0, 0.0], [-180.0, 84.0], [180.0, -56.0], [0.0, -90.0]]))
    np.testing.assert_allclose(at[0], [500.0, 84.0 / 360 * 1000])
    np.testing.assert_allclose(at[1:3], [[0.0, 0.0], [1000.0, worldmap.HEIGHT]])
    assert at[3, 1] == worldmap.HEIGHT


def test_antimeridian() -> None:
    """A ring across the date line becomes two, neither with a jump; one in the far south is left out."""
    ring = np.array([[170.0, 60.0], [-170.0, 60.0], [-170.0, 70.0], [170.0, 70.0]])
    copies = worldmap.unwrapped(ring)
    assert len(copies) == 2
    assert all(np.ptp(c[:, 0]) == 20.0 for c in copies)
    assert worldmap.unwrapped(np.array([[0.0, -80.0], [90.0, -70.0], [180.0, -80.0]])) == []


def test_bubble_area_is_cost() -> None:
    """Four times the cost is twice the radius."""
    radius = worldmap.radii(np.array([4e9, 1e9, 0.0]))
    assert radius[0] == pytest.approx(2 * radius[1])
    assert radius[2] == worldmap.SMALLEST


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.floats(200, 800), st.floats(100, 300), st.floats(5, 20)), min_size=2, max_size=12))
def test_bubbles_do_not_overlap(circles: list[tuple[float, float, float]]) -> None:
    """Wherever they start, even all in one place, a dozen circles part."""
    at, radius = np.array([c[:2] for c in circles]), np.array([c[2] for c in circles])
    centre = worldmap.apart(at, radius)
    distance = np.linalg.norm(centre[:, None] - centre[None, :], axis=2) + np.eye(len(at)) * 1e9
    assert (distance > (radius[:, None] + radius[None, :]) * 0.97).all()


@settings(max_examples=200, deadline=None)
@given(st.floats(1e-6, 1e12), st.booleans())
def test_ticks_cover_and_are_few(top: float, whole: bool) -> None:
    """From 0 to at least the top, evenly, at most six marks, whole where asked."""
    marks = svg.ticks(top, whole=whole)
    assert marks[0] == 0
    assert marks[-1] >= top * (1 - 1e-9)
    assert len(marks) <= 6
    np.testing.assert_allclose(np.diff(marks), marks[1], rtol=1e-9)
    assert not whole or all(m == int(m) for m in marks)


@pytest.mark.parametrize(
    ("micro", "digits", "shown"),
    [
        (1_234_500_000, 2, "$1,234.50"),
        (5_000, 2, "$0.00"),
        (15_000, 2, "$0.02"),
        (-2_500_000, 2, "−$2.50"),
        (-1, 2, "–"),
        (999_500_000, 0, "$1,000"),
        (412_345, 3, "$0.412"),
    ],
)
def test_dollars(micro: int, digits: int, shown: str) -> None:
    """Half to even, a true minus sign, and a dash for no price."""
    assert words.usd(micro, digits) == shown


@pytest.mark.parametrize(
    ("micro", "shown"),
    [
        (0, "$0"),
        (1e6, "$1.00"),
        (999.96e6, "$1.00k"),
        (1.234e12, "$1.23M"),
        (45.6e9, "$45.6k"),
        (7.8e15, "$7.80B"),
        (-2e9, "−$2.00k"),
    ],
)
def test_short_dollars(micro: float, shown: str) -> None:
    """Three figures and a suffix."""
    assert words.usd_short(micro) == shown


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("on_demand", "On demand"),
        ("commit_1y", "1-year commitment"),
        ("commit_3y_all_upfront", "3-year commitment, all upfront"),
        ("commit_1y+spot", "1-year commitment + spot"),
        ("capacity_block", "Capacity block"),
        ("", "Other"),
    ],
)
def test_option_names(name: str, shown: str) -> None:
    """Options as people say them."""
    assert words.option(name) == shown


def test_certificate_sentences(plan: Plan, infeasible: Plan) -> None:
    """A proof, an exact proof, a tiny gap, no proof and no plan are told apart."""

    def sentence(kind: str, lower: int, upper: int) -> str:
        made = Certificate(kind="proved" if kind == "proved" else "none", lower_micro_usd=lower, upper_micro_usd=upper)
        return words.certificate(dataclasses.replace(plan, certificate=made))

    assert (
        sentence("proved", 99_000_000, 100_000_000)
        == "Proved: no plan over these offers costs less than $99.00; gap 1.0\u00a0%."
    )
    assert sentence("proved", 10**8, 10**8).endswith("costs less than $100.00; this plan costs exactly that.")
    assert "gap less than 0.01\u00a0%" in sentence("proved", 10**12 - 10**6, 10**12)
    assert sentence("none", 0, 10**8).startswith("No bound was proved")
    assert words.certificate(infeasible).startswith("No plan meets all the requirements")


def test_saving_without_a_fair_way() -> None:
    """When every way breaks a limit there is nothing to boast of."""
    plan = make_plan()
    ways = plan.ways.with_columns(feasible=[False] * len(plan.ways))
    assert words.saving(dataclasses.replace(plan, ways=ways)) is None


def test_step_line_merges_equal_neighbours() -> None:
    """The corners of 2, 2, 1 over three hours: two steps."""
    points = charts._steps(np.array([0.0, 1.0, 2.0, 3.0]), np.array([2.0, 2.0, 1.0]))
    assert points == [(0.0, 2.0), (2.0, 2.0), (2.0, 1.0), (3.0, 1.0)]
