"""What just keeps a limit is sound, and what misses it by the least there is, is not."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

import pytest

from solver.check import check
from solver.problem import SPOT, Limits, Quota

from .by_hand import USD, Choice, Place, Work, commitment, make, on_demand, spot
from .plans import plan_of

if TYPE_CHECKING:
    from solver.problem import Problem

HALF, LITTLE = Fraction(1, 2), Fraction(1, 10**9)
OFFERS = (on_demand(2 * USD), spot(USD), commitment(USD, upfront=8760 * USD))
DIRTY = (Place(region="r0", grid=500.0, zones=2),)
# by day 2 firm nodes, one of them committed, and 2 on spot serve 40 units; by night nothing runs
MIXED = Choice(
    run={(0,): (2, 0), (0, 0, SPOT): (2, 0)},
    served={(0,): (20, 0), (0, 0, SPOT): (20, 0)},
    bought={0: (1, 0)},
    held={2: 1},
)


def mixed(limits: Limits | None = None, **fields: Any) -> Problem:
    """Ten hours of 40 units, fourteen of none; each unit costs half a micro-dollar to move."""
    work = Work(**{"demand": (40, 0), "transfer": (500_000,), **fields})
    return make(offers=OFFERS, work=[work], hours=[(10,), (14,)], places=DIRTY, limits=limits)


def held(kind: Any, most: int) -> Problem:
    """At most so many nodes."""
    return mixed(Limits(quotas=(Quota(name="q", pools=(0,), kind=kind, max_nodes=most),)))


# paid: on demand 2 × 10, spot 2 × 10, commitment 24 + 24 spread or 8,760 at once, transfer 400 × 0.0000005
MONTH, MONTH_CASH = 88 * USD + 200, (20 + 20 + 24 + 8760) * USD + 200
AT_THE_LIMIT: dict[str, tuple[str, Problem, Problem]] = {
    "quota": ("quota", held("any", 4), held("any", 3)),
    "quota of firm nodes": ("quota", held("on_demand", 2), held("on_demand", 1)),
    "quota of spot": ("quota", held("spot", 2), held("spot", 1)),
    "monthly budget": (
        "budget",
        mixed(Limits(monthly_budget_micro_usd=(MONTH,))),
        mixed(Limits(monthly_budget_micro_usd=(MONTH - 1,))),
    ),
    "monthly budget, cash": (
        "budget",
        mixed(Limits(monthly_budget_micro_usd=(MONTH_CASH,), accounting="cash")),
        mixed(Limits(monthly_budget_micro_usd=(MONTH_CASH - 1,), accounting="cash")),
    ),
    # 400 × 0.501 millionths are 200.4: four tenths of a micro-dollar too many
    "monthly budget and half a micro-dollar": (
        "budget",
        mixed(Limits(monthly_budget_micro_usd=(MONTH + 1,)), transfer=(501_000,)),
        mixed(Limits(monthly_budget_micro_usd=(MONTH,)), transfer=(501_000,)),
    ),
    "hourly budget": (  # 2 + 2 × 1 + 1 + 1
        "budget",
        mixed(Limits(hourly_budget_micro_usd=6 * USD)),
        mixed(Limits(hourly_budget_micro_usd=6 * USD - 1)),
    ),
    "hourly budget, cash": (  # a payment at once is in no hour
        "budget",
        mixed(Limits(hourly_budget_micro_usd=5 * USD, accounting="cash")),
        mixed(Limits(hourly_budget_micro_usd=5 * USD - 1, accounting="cash")),
    ),
    "carbon": (  # 4 kW × 10 h × 500 g
        "carbon",
        mixed(Limits(carbon_max_g=20_000)),
        mixed(Limits(carbon_max_g=19_999)),
    ),
    "spot share": ("spot", mixed(spot_share=HALF), mixed(spot_share=HALF - LITTLE)),
    "spot share of a region": ("spot", mixed(region_share=HALF), mixed(region_share=HALF - LITTLE)),
    "spot share of two zones": ("spot", mixed(zone_share=HALF / 2), mixed(zone_share=HALF / 2 - LITTLE)),
    "latency": (  # 100 ms to the first token and 50 of network
        "latency",
        mixed(ttft_ms=150.0, rtt_ms=(50.0,)),
        mixed(ttft_ms=149.999, rtt_ms=(50.0,)),
    ),
    "demand": ("demand", mixed(), mixed(demand=(41, 0))),
    "less demand": ("demand", mixed(), mixed(demand=(39, 0))),
    "a job": (
        "demand",
        mixed(kind="batch", demand=(), total=400, must=True),
        mixed(kind="batch", demand=(), total=401, must=True),
    ),
    "a window": (
        "window",
        mixed(kind="batch", demand=(), total=400, window=(True, False)),
        mixed(kind="batch", demand=(), total=400, window=(False, True)),
    ),
    "residency": ("residency", mixed(residency=("US",)), mixed(residency=("EU",))),
}


@pytest.mark.parametrize("case", AT_THE_LIMIT)
def test_the_limit_itself_is_kept_and_the_next_is_not(case: str) -> None:
    """The same plan for two problems that differ in the last digit of one limit."""
    rule, kept, missed = AT_THE_LIMIT[case]
    assert check(kept, plan_of(kept, MIXED.decision(kept))) == []
    assert {v.rule for v in check(missed, plan_of(missed, MIXED.decision(missed)))} == {rule}


CHANGED: dict[str, tuple[str, dict[str, Any]]] = {
    "a unit beyond capacity": ("capacity", {"served": {(0,): (21, 0), (0, 0, SPOT): (19, 0)}}),
    "a node that nobody bought": ("on_demand", {"bought": {}}),
    "a node that nobody holds": ("on_demand", {"held": {}}),
    "units served by what does not run": ("capacity", {"run": {(0,): (2, 0)}}),
}


@pytest.mark.parametrize("case", CHANGED)
def test_a_decision_one_off_is_found(case: str) -> None:
    """One problem, and a decision that is one number short."""
    rule, fields = CHANGED[case]
    facts = {name: getattr(MIXED, name) for name in ("run", "served", "bought", "held")}
    problem, choice = mixed(), Choice(**{**facts, **fields})
    assert {v.rule for v in check(problem, plan_of(problem, choice.decision(problem)))} == {rule}


def broken(problem: Problem, choice: Choice) -> set[str]:
    """Names of the rules that a choice breaks."""
    return {v.rule for v in check(problem, plan_of(problem, choice.decision(problem)))}


def test_owned_nodes_are_held_all_of_them() -> None:
    """Neither one less nor one more."""
    problem = make(offers=[commitment(USD, owned=2)], work=[Work()], hours=[(10,)])
    found = [broken(problem, Choice(held={0: nodes})) for nodes in (1, 2, 3)]
    assert found == [{"commitment"}, set(), {"commitment"}]


@pytest.mark.parametrize(("most", "wrong"), [(2, set()), (1, {"quota"})])
def test_a_commitment_counts_while_it_is_in_force(most: int, wrong: set[str]) -> None:
    """Two nodes committed in the first block, two on demand in the second: never more than two at once."""
    offers = [on_demand(USD), commitment(USD, active=(True, False), paid=(10,))]
    quotas = (Quota(name="q", pools=(0,), kind="any", max_nodes=most),)
    problem = make(offers=offers, work=[Work()], hours=[(10,), (14,)], limits=Limits(quotas=quotas))
    assert broken(problem, Choice(run={(0,): (2, 2)}, bought={0: (0, 2)}, held={1: 2})) == wrong


def test_a_run_has_one_gang_in_one_place() -> None:
    """Two gangs at once, and two places one after the other, are two too many."""
    work = [Work(total=20, kind="training", gang=(1, 1))]
    places = (Place(region="r0"), Place(region="r1"))
    problem = make(offers=[on_demand(USD), on_demand(USD, 1)], work=work, hours=[(1,), (1,)], places=places)
    one = Choice(run={(0, 0): (1, 1)}, served={(0, 0): (10, 10)}, bought={0: (1, 1)})
    two = Choice(run={(0, 0): (2, 0)}, served={(0, 0): (20, 0)}, bought={0: (2, 0)})
    apart = Choice(
        run={(0, 0): (1, 0), (0, 1): (0, 1)},
        served={(0, 0): (10, 0), (0, 1): (0, 10)},
        bought={0: (1, 0), 1: (0, 1)},
    )
    assert [broken(problem, x) for x in (one, two, apart)] == [set(), {"gang"}, {"gang"}]
