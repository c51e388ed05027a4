"""Demand that must be served is served on the large way, however dear; only a contradiction is called infeasible."""

from __future__ import annotations

import pytest

from solver.bill import make_bill
from solver.errors import InputError, PlannerError
from solver.model import Model
from solver.problem import Limits, Problem, Quota
from solver.rules import RULES
from tests.check.by_hand import USD, Place, Work, commitment, make, on_demand

from .opinions import search

YEAR = ((8760,),)


def must(**fields: object) -> Work:
    """A workload whose units may not be left; a replica serves ten an hour."""
    return Work(demand=(5,), must=True, **fields)  # type: ignore[arg-type]


def problems() -> dict[str, tuple[Problem, float]]:
    """Problems in which one kind of cost is far beyond what a node costs an hour, and what the cheapest plan costs."""
    free, place = on_demand(1), (Place(region="r0", watts=1000, grid=1000.0),)
    priced = Limits(carbon_micro_usd_per_kg=1000 * USD)
    prepaid = commitment(0, upfront=1000 * USD)
    return {
        "transfer": (make(offers=[free], work=[must(transfer=(10**15,))], hours=YEAR), 8760e-6 + 5 * 8760 * 1000),
        "carbon": (make(offers=[free], work=[must()], hours=YEAR, places=place, limits=priced), 8760e-6 + 8760 * 1000),
        "prepaid": (make(offers=[prepaid], work=[must()], hours=YEAR), 1000.0),
        "little asked for": (
            make(offers=[commitment(USD)], work=[Work(demand=(10, 1), must=True)], hours=((1,), (8759,))), 8760.0
        ),
    }  # fmt: skip


@pytest.mark.parametrize("name", problems())
def test_dear_is_not_impossible(name: str) -> None:
    """The cheapest plan, found and proved."""
    problem, usd = problems()[name]
    outcome = search(problem, large=True)
    assert outcome.decision is not None
    assert outcome.termination == "gap reached"
    lines = make_bill(problem, outcome.decision, RULES)
    assert lines["micro_usd"].sum() / 1e6 == pytest.approx(usd)
    assert outcome.bound == pytest.approx(usd, rel=1e-6)


def test_a_contradiction_is_one() -> None:
    """No node is allowed, or fewer than are needed."""
    for nodes in (0, 2):
        quota = Quota(name="q", pools=(0,), kind="any", max_nodes=nodes)
        work = Work(demand=(25,), must=True)
        problem = make(offers=[on_demand(USD)], work=[work], hours=YEAR, limits=Limits(quotas=(quota,)))
        assert search(problem, large=True).termination == "infeasible"


def test_a_bill_that_no_table_holds() -> None:
    """4·10¹⁴ dollars of transfer: beyond 64 bits of micro-dollars, and said so."""
    work = Work(demand=(5000,), must=True, transfer=(9 * 10**18,))
    problem = make(offers=[on_demand(USD)], work=[work], hours=YEAR)
    outcome = search(problem)
    assert outcome.decision is not None
    with pytest.raises(InputError, match=r"transfer aws r0 .* beyond \$9,000,000,000,000"):
        make_bill(problem, outcome.decision, RULES)


@pytest.mark.parametrize("bounds", [{"upper": float("inf")}, {"upper": float("nan")}, {"lower": -float("inf")}])
def test_columns_have_an_end(bounds: dict[str, float]) -> None:
    """Else a reduced cost of next to nothing could be worth anything."""
    with pytest.raises(PlannerError, match="without an end"):
        Model().columns((3,), **{"upper": 1.0, **bounds})  # type: ignore[arg-type]
