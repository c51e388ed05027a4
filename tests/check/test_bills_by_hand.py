"""Bills worked out by hand: each comment is the sum, each number its result in micro-dollars.

Every bill is made of a decision and then recomputed by the check, from the plan alone.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import pytest

from solver.bill import LINE_COLUMNS, make_bill
from solver.check import check
from solver.problem import SPOT, Limits
from solver.rules import RULES
from solver.table import Table

from .by_hand import USD, Choice, Offer, Place, Work, commitment, make, on_demand, spot
from .mutations import settled
from .plans import plan_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from solver.problem import Problem

JAN, FEB, LEAP_FEB, MAR, APR = 744, 672, 696, 744, 720  # hours
TERM = 8760  # hours of a year
THIRD = Fraction(1, 3)
ONE_NODE = ((1,),)


@dataclass(frozen=True, kw_only=True)
class Bill:
    """A problem, what is decided, and its lines: "kind option workload month" (no option in those that have none)."""

    problem: Problem
    choice: Choice
    lines: Mapping[str, int]


def bill(
    lines: Mapping[str, int],
    offers: Sequence[Offer],
    hours: Sequence[Sequence[int]],
    *,
    run: Any = (),
    work: Sequence[Mapping[str, Any]] = (),
    **fields: Any,
) -> Bill:
    """A bill and its decision; the other fields are those of Choice and of `make`.

    `run` are nodes of workloads a, b, c … in each block, unless it is a mapping as in Choice. Demand is what is served
    and what is left. On demand is bought what runs beyond the commitments held, unless it is said.
    """
    chosen = {f.name: fields.pop(f.name) for f in dataclasses.fields(Choice) if f.name in fields}
    running = run if isinstance(run, dict) else {(w,): nodes for w, nodes in enumerate(run)}
    count = max([1, len(work), *(key[0] + 1 for key in running)])
    given = [dict(work[w]) if w < len(work) else {} for w in range(count)]
    for w, facts in enumerate(given):
        flows = [units for key, units in chosen.get("served", {}).items() if key[0] == w]
        flows.append(chosen.get("left", {}).get(w, [0] * len(hours)))
        if not facts.get("total"):
            facts["demand"] = tuple(sum(units) for units in zip(*flows, strict=True))
    problem = make(offers=offers, work=[Work(**facts) for facts in given], hours=hours, **fields)
    if "bought" not in chosen:
        need = [sum(nodes[b] for key, nodes in running.items() if len(key) < 3) for b in range(len(hours))]
        for k, nodes in chosen.get("held", {}).items():
            need = [n - nodes * int(active) for n, active in zip(need, problem.offers.active[k], strict=True)]
        if max(need) > 0:
            chosen["bought"] = {0: [max(0, n) for n in need]}
    return Bill(problem=problem, choice=Choice(run=running, **chosen), lines=lines)


def two_pools(*regions: str) -> dict[str, Any]:
    """Places for a problem with more than one."""
    return {"places": tuple(Place(region=r) for r in regions)}


def thirds(*nodes: int) -> dict[str, Any]:
    """Three futures, equally probable, of one hour each; workload a runs so many nodes in each."""
    return {"hours": ((1,),) * 3, "scenario": (0, 1, 2), "probability": (THIRD,) * 3, "run": [nodes]}


def moved(pico: int) -> dict[str, Any]:
    """One unit served by one free node in one hour, its transfer at so many pico-dollars."""
    return {
        "offers": [on_demand(0)], "hours": ONE_NODE, "run": [(1,)], "served": {(0,): (1,)},
        "work": [{"transfer": (pico,)}],
    }  # fmt: skip


ON_DEMAND = {
    # 2 × 744
    "31 days": bill({"compute on_demand a 2027-01": 1_488_000_000}, [on_demand(2 * USD)], [(JAN,)], run=[(1,)]),
    # 2 × 720
    "30 days": bill(
        {"compute on_demand a 2027-04": 1_440_000_000}, [on_demand(2 * USD)], [(APR,)], run=[(1,)], periods=["2027-04"]
    ),
    # 2 × 672
    "28 days": bill(
        {"compute on_demand a 2027-02": 1_344_000_000}, [on_demand(2 * USD)], [(FEB,)], run=[(1,)], periods=["2027-02"]
    ),
    # 2 × 696
    "29 days": bill(
        {"compute on_demand a 2028-02": 1_392_000_000}, [on_demand(2 * USD)], [(LEAP_FEB,)], run=[(1,)],
        periods=["2028-02"],
    ),
    # 3 × 0.123457 = 0.370371 an hour; × 744, × 672, × 744, × 720
    "four months": bill(
        {"compute on_demand a 2027-01": 275_556_024, "compute on_demand a 2027-02": 248_889_312,
         "compute on_demand a 2027-03": 275_556_024, "compute on_demand a 2027-04": 266_667_120},
        [on_demand(123_457)], [(JAN, FEB, MAR, APR)], run=[(3,)],
    ),
    # 3 × 10 + 1 × 14
    "day and night": bill({"compute on_demand a 2027-01": 44 * USD}, [on_demand(USD)], [(10,), (14,)], run=[(3, 1)]),
    # 2 × 10; 2 × 20
    "a block in two months": bill(
        {"compute on_demand a 2027-01": 20 * USD, "compute on_demand a 2027-02": 40 * USD},
        [on_demand(USD)], [(10, 20)], run=[(2,)],
    ),
    # 1 × 5 in January only; 2 × 7 in February only
    "a block for each month": bill(
        {"compute on_demand a 2027-01": 5 * USD, "compute on_demand a 2027-02": 14 * USD},
        [on_demand(USD)], [(5, 0), (0, 7)], run=[(1, 2)],
    ),
    # 1 × 10; 2 × 10
    "two workloads": bill(
        {"compute on_demand a 2027-01": 10 * USD, "compute on_demand b 2027-01": 20 * USD},
        [on_demand(USD)], [(10,)], run=[(1,), (2,)],
    ),
    # 10 × 1 in one region, 10 × 2 × 2 in the other
    "two regions": bill(
        {"compute on_demand a 2027-01": 10 * USD, "r1: compute on_demand a 2027-01": 40 * USD},
        [on_demand(USD), on_demand(2 * USD, 1)], [(10,)], run={(0, 0): (1,), (0, 1): (2,)}, bought={0: (1,), 1: (2,)},
        **two_pools("r0", "r1"),
    ),
    # 3 replicas of 2 nodes: 6 × 10
    "gangs of two": bill(
        {"compute on_demand a 2027-01": 60 * USD},
        [on_demand(USD)], [(10,)], run=[(3,)], work=[{"gang": (2,)}], bought={0: (6,)},
    ),
    # 3 bought, 1 needed: 10 used, 20 idle
    "more than is needed": bill(
        {"compute on_demand a 2027-01": 10 * USD, "compute on_demand (idle) 2027-01": 20 * USD},
        [on_demand(USD)], [(10,)], run=[(1,)], bought={0: (3,)},
    ),
    # nothing runs by night: 14 idle
    "bought for nobody": bill(
        {"compute on_demand a 2027-01": 10 * USD, "compute on_demand (idle) 2027-01": 14 * USD},
        [on_demand(USD)], [(10,), (14,)], run=[(1, 0)], bought={0: (1, 1)},
    ),
    # commitments are used first: 2 held do for 2 that run, so the node bought is idle
    "bought though committed": bill(
        {"compute on_demand (idle) 2027-01": 20 * USD, "compute commit_1y a 2027-01": 10 * USD,
         "compute commit_1y b 2027-01": 10 * USD},
        [on_demand(2 * USD), commitment(USD)], [(10,)], run=[(1,), (1,)], held={1: 2}, bought={0: (1,)},
    ),
    "free": bill({}, [on_demand(0)], [(10,)], run=[(1,)]),
}  # fmt: skip

SPOTS = {
    # 0.333333 × 3 × 7
    "spot": bill({"compute spot a 2027-01": 6_999_993}, [spot(333_333)], [(7,)], run={(0, 0, SPOT): (3,)}),
    # each workload its own line: 0.35 × 10; 2 × 0.35 × 10
    "spot of two workloads": bill(
        {"compute spot a 2027-01": 3_500_000, "compute spot b 2027-01": 7_000_000},
        [spot(350_000)], [(10,)], run={(0, 0, SPOT): (1,), (1, 0, SPOT): (2,)},
    ),
    # on demand 1 × 10, spot 2 × 0.4 × 10; the node on demand is a's alone
    "spot beside on demand": bill(
        {"compute on_demand a 2027-01": 10 * USD, "compute spot b 2027-01": 8 * USD},
        [on_demand(USD), spot(400_000)], [(10,)], run={(0,): (1,), (1, 0, SPOT): (2,)},
    ),
    # spot takes no share of the commitment: 1 × 10 for a, 10 × 0.4 for b
    "spot beside a commitment": bill(
        {"compute commit_1y a 2027-01": 10 * USD, "compute spot b 2027-01": 4 * USD},
        [commitment(USD), spot(400_000)], [(10,)], run={(0,): (1,), (1, 0, SPOT): (1,)}, held={0: 1},
    ),
    # 2 × 0.5 × 744, then × 672
    "spot in two months": bill(
        {"compute spot a 2027-01": 744 * USD, "compute spot a 2027-02": 672 * USD},
        [spot(500_000)], [(JAN, FEB)], run={(0, 0, SPOT): (2,)},
    ),
}  # fmt: skip

COMMITTED = {
    # 0.5 × the true hours of each month
    "commitment": bill(
        {"compute commit_1y a 2027-01": 372 * USD, "compute commit_1y a 2027-02": 336 * USD,
         "compute commit_1y a 2027-03": 372 * USD, "compute commit_1y a 2027-04": 360 * USD},
        [commitment(500_000)], [(JAN, FEB, MAR, APR)], run=[(1,)], held={0: 1},
    ),
    # 0.5 × 696
    "commitment in a leap year": bill(
        {"compute commit_1y a 2028-02": 348 * USD},
        [commitment(500_000, starts="2028-01-01", term_hours=8784)], [(LEAP_FEB,)], run=[(1,)], held={0: 1},
        periods=["2028-02"],
    ),
    # paid whether used or not: 2 × 744
    "idle commitment": bill({"compute commit_1y (idle) 2027-01": 1_488 * USD}, [commitment(USD)], [(JAN,)], held={0: 2},
                            work=[{}]),
    # 744 used of 2 × 744
    "half idle": bill(
        {"compute commit_1y a 2027-01": 744 * USD, "compute commit_1y (idle) 2027-01": 744 * USD},
        [commitment(USD)], [(JAN,)], run=[(1,)], held={0: 2},
    ),
    # 2 × 10 of 2 × 24 node-hours used
    "idle by night": bill(
        {"compute commit_1y a 2027-01": 20 * USD, "compute commit_1y (idle) 2027-01": 28 * USD},
        [commitment(USD)], [(10,), (14,)], run=[(2, 0)], held={0: 2},
    ),
    # 4 × 10, one part of four for a and three for b
    "shared commitment": bill(
        {"compute commit_1y a 2027-01": 10 * USD, "compute commit_1y b 2027-01": 30 * USD},
        [commitment(USD)], [(10,)], run=[(1,), (3,)], held={0: 4},
    ),
    # a has 2 of 3 nodes: 2/3 of the commitment's 0.5 × 3 and of the 2 × 3 on demand
    "commitment and on demand": bill(
        {"compute on_demand a 2027-01": 4 * USD, "compute on_demand b 2027-01": 2 * USD,
         "compute commit_1y a 2027-01": 1_000_000, "compute commit_1y b 2027-01": 500_000},
        [on_demand(USD), commitment(500_000)], [(3,)], run=[(2,), (1,)], held={1: 1},
    ),
    # thirds of 1.000000 leave 1 over, for a; thirds of 2.000000 leave 2 over, for a and b
    "thirds": bill(
        {"compute commit_1y a 2027-01": 333_334, "compute commit_1y b 2027-01": 333_333,
         "compute commit_1y c 2027-01": 333_333, "compute on_demand a 2027-01": 666_667,
         "compute on_demand b 2027-01": 666_667, "compute on_demand c 2027-01": 666_666},
        [on_demand(USD), commitment(USD)], [(1,)], run=[(1,), (1,), (1,)], held={1: 1},
    ),
    # 10 micro-dollars over 1 : 2 : 4 are 1.43, 2.86, 5.71: cut to 1, 2, 5, and the 2 left over to b and c
    "largest remainders": bill(
        {"compute commit_1y a 2027-01": 1, "compute commit_1y b 2027-01": 3, "compute commit_1y c 2027-01": 6},
        [on_demand(0), commitment(10)], [(1,)], run=[(1,), (2,), (4,)], held={1: 1},
    ),
    # 0.000001 for a and idle half each: a comes first
    "a tie with nobody": bill(
        {"compute commit_1y a 2027-01": 1}, [commitment(1, paid=(1,))], [(1,), (1,)], run=[(1, 0)], held={0: 1},
    ),
    # January is a's, February is b's
    "users change": bill(
        {"compute commit_1y a 2027-01": 10 * USD, "compute commit_1y b 2027-02": 12 * USD},
        [commitment(USD)], [(10, 0), (0, 12)], run=[(1, 0), (0, 1)], held={0: 1},
    ),
    # a used 1 × 6 and b 1 × 4 of 2 × 10 node-hours
    "users take turns": bill(
        {"compute commit_1y a 2027-01": 6 * USD, "compute commit_1y b 2027-01": 4 * USD,
         "compute commit_1y (idle) 2027-01": 10 * USD},
        [commitment(USD)], [(6,), (4,)], run=[(1, 0), (0, 1)], held={0: 2},
    ),
    # from the middle of February: 2 × 744 and 2 × 336 on demand before, 336 and 744 committed after
    "starts within the horizon": bill(
        {"compute on_demand a 2027-01": 1_488 * USD, "compute on_demand a 2027-02": 672 * USD,
         "compute commit_1y a 2027-02": 336 * USD, "compute commit_1y a 2027-03": 744 * USD},
        [on_demand(2 * USD), commitment(USD, paid=(0, 336, MAR), active=(False, True), starts="2027-02-15")],
        [(JAN, 336, 0), (0, 336, MAR)], run=[(1, 1)], held={1: 1},
    ),
    # until 11 February: 744 and 240; 2 × 432 on demand after
    "ends within the horizon": bill(
        {"compute commit_1y a 2027-01": 744 * USD, "compute commit_1y a 2027-02": 240 * USD,
         "compute on_demand a 2027-02": 864 * USD},
        [on_demand(2 * USD), commitment(USD, paid=(JAN, 240), active=(True, False), starts="2026-02-11", owned=1)],
        [(JAN, 240), (0, 432)], run=[(1, 1)], held={1: 1},
    ),
    # the first covers both months, the second February; one node runs, so in February half of each is idle
    "two starts of one option": bill(
        {"compute commit_1y a 2027-01": 744 * USD, "compute commit_1y a 2027-02": 672 * USD,
         "compute commit_1y (idle) 2027-02": 672 * USD},
        [commitment(USD), commitment(USD, paid=(0, FEB), active=(False, True), starts="2027-02-01")],
        [(JAN, 0), (0, FEB)], run=[(1, 1)], held={0: 1, 1: 1},
    ),
    # 1 of 2 runs: half of 10 × 1 and half of 10 × 0.8
    "two options": bill(
        {"compute commit_1y a 2027-01": 5 * USD, "compute commit_1y (idle) 2027-01": 5 * USD,
         "compute commit_3y a 2027-01": 4 * USD, "compute commit_3y (idle) 2027-01": 4 * USD},
        [commitment(USD), commitment(800_000, option="commit_3y", term_hours=26_304)], [(10,)], run=[(1,)],
        held={0: 1, 1: 1},
    ),
    # owned are 3, each 744
    "owned": bill(
        {"compute commit_1y a 2027-01": 744 * USD, "compute commit_1y (idle) 2027-01": 1_488 * USD},
        [commitment(USD, owned=3)], [(JAN,)], run=[(1,)], held={0: 3},
    ),
    # one owned at 0.6 and one bought at 0.7 under one option, one of the two used: half of 446.4 + 520.8
    "owned and bought": bill(
        {"compute commit_1y a 2027-01": 483_600_000, "compute commit_1y (idle) 2027-01": 483_600_000},
        [commitment(600_000, owned=1), commitment(700_000)], [(JAN,)], run=[(1,)], held={0: 1, 1: 1},
    ),
}  # fmt: skip

UPFRONT = {
    # 8,760 over 8,760 hours: 1 × 744, 1 × 672; the rest of the term lies beyond the horizon
    "all upfront, amortised": bill(
        {"upfront commit_1y a 2027-01": 744 * USD, "upfront commit_1y a 2027-02": 672 * USD},
        [commitment(0, upfront=TERM * USD)], [(JAN, FEB)], run=[(1,)], held={0: 1},
    ),
    # all of it in January
    "all upfront, cash": bill(
        {"upfront commit_1y a 2027-01": 8_760 * USD},
        [commitment(0, upfront=TERM * USD)], [(JAN, FEB)], run=[(1,)], held={0: 1}, limits=Limits(accounting="cash"),
    ),
    # 0.4 × 744 and 4,380 × 744 ÷ 8,760
    "partly upfront, amortised": bill(
        {"compute commit_1y a 2027-01": 297_600_000, "upfront commit_1y a 2027-01": 372 * USD},
        [commitment(400_000, upfront=4_380 * USD)], [(JAN,)], run=[(1,)], held={0: 1},
    ),
    # 0.4 × 744, 0.4 × 672 and 4,380 in January
    "partly upfront, cash": bill(
        {"compute commit_1y a 2027-01": 297_600_000, "compute commit_1y a 2027-02": 268_800_000,
         "upfront commit_1y a 2027-01": 4_380 * USD},
        [commitment(400_000, upfront=4_380 * USD)], [(JAN, FEB)], run=[(1,)], held={0: 1},
        limits=Limits(accounting="cash"),
    ),
    # a three-year term from 2027 has a leap day: 1,096 × 24 = 26,304 hours; 1 an hour × 696
    "three years, February 2028": bill(
        {"upfront commit_3y a 2028-02": 696 * USD},
        [commitment(0, option="commit_3y", upfront=26_304 * USD, term_hours=26_304)], [(LEAP_FEB,)], run=[(1,)],
        held={0: 1}, periods=["2028-02"],
    ),
    # cash is paid in the month of the start, February: 2 × 100; by then January has been on demand
    "cash of a later start": bill(
        {"compute on_demand a 2027-01": 744 * USD, "upfront commit_1y a 2027-02": 100 * USD,
         "upfront commit_1y (idle) 2027-02": 100 * USD},
        [on_demand(USD), commitment(0, upfront=100 * USD, paid=(0, FEB, MAR), active=(False, True))],
        [(JAN, 0, 0), (0, FEB, MAR)], run=[(1, 1)], held={1: 2}, limits=Limits(accounting="cash"),
    ),
    # the upfront payment was made before: only 0.4 × 744
    "owned, cash": bill(
        {"compute commit_1y a 2027-01": 297_600_000},
        [commitment(400_000, upfront=4_380 * USD, owned=1)], [(JAN,)], run=[(1,)], held={0: 1},
        limits=Limits(accounting="cash"),
    ),
    # 2 × 8,760 × 744 ÷ 8,760, and the last 100 hours of the term
    "owned, amortised": bill(
        {"upfront commit_1y a 2027-01": 1_488 * USD, "upfront commit_1y a 2027-02": 200 * USD},
        [commitment(0, upfront=TERM * USD, owned=2, paid=(JAN, 100), active=(True, False))],
        [(JAN, 100), (0, 572)], run=[(2, 0)], held={0: 2},
    ),
    # 1.000000 over three hours, one in each month: 0.333333 in each
    "thirds of a payment": bill(
        {"upfront commit_1y a 2027-01": 333_333, "upfront commit_1y a 2027-02": 333_333,
         "upfront commit_1y a 2027-03": 333_333},
        [commitment(0, upfront=USD, term_hours=3)], [(1, 1, 1)], run=[(1,)], held={0: 1},
    ),
    # 5 over two hours, one of them in the horizon: 2.5 goes to the even 2
    "half a micro-dollar": bill(
        {"upfront commit_1y a 2027-01": 2},
        [commitment(0, upfront=5, term_hours=2)], ONE_NODE, run=[(1,)], held={0: 1},
    ),
    # 1.000001 in halves of 0.5000005: the odd one to a, who comes first; the second node is free
    "an odd payment shared": bill(
        {"upfront commit_1y a 2027-01": 500_001, "upfront commit_1y b 2027-01": 500_000},
        [on_demand(0), commitment(0, upfront=1_000_001)], ONE_NODE, run=[(1,), (1,)], held={1: 1},
        limits=Limits(accounting="cash"),
    ),
    # 10 used in January; the 5 hours paid for in February are no block's, so nobody's
    "a month without demand": bill(
        {"compute commit_1y a 2027-01": 10 * USD, "compute commit_1y (idle) 2027-02": 5 * USD},
        [commitment(USD, paid=(10, 5))], [(10, 0)], run=[(1,)], held={0: 1},
    ),
    # a term that has no hour in the horizon is paid for elsewhere
    "beyond the horizon": bill(
        {}, [commitment(USD, upfront=9 * USD, paid=(0,), active=(False,))], ONE_NODE, work=[{}], held={0: 1},
        limits=Limits(accounting="cash"),
    ),
}  # fmt: skip

SCENARIOS = {
    # 1 ÷ 3
    "a third": bill({"compute on_demand a 2027-01": 333_333}, [on_demand(USD)], **thirds(1, 0, 0)),
    # 2 ÷ 3
    "two thirds": bill({"compute on_demand a 2027-01": 666_667}, [on_demand(USD)], **thirds(1, 1, 0)),
    # (1 + 2) ÷ 3
    "three thirds": bill({"compute on_demand a 2027-01": USD}, [on_demand(USD)], **thirds(1, 2, 0)),
    # 1.000001 ÷ 3
    "a third on spot": bill(
        {"compute spot a 2027-01": 333_334}, [spot(1_000_001)], **{**thirds(), "run": {(0, 0, SPOT): (1, 0, 0)}}
    ),
    # a third of the hour used, the rest idle: 0.333333 and 0.666667
    "a third of a commitment": bill(
        {"compute commit_1y a 2027-01": 333_333, "compute commit_1y (idle) 2027-01": 666_667},
        [commitment(USD)], **thirds(1, 0, 0), held={0: 1},
    ),
    # 10 × (0.6 × 1 + 0.15 × 4 + 0.25 × 0)
    "three futures": bill(
        {"compute on_demand a 2027-01": 12 * USD},
        [on_demand(USD)], [(10,)] * 3, run=[(1, 4, 0)], scenario=(0, 1, 2),
        probability=(Fraction(3, 5), Fraction(3, 20), Fraction(1, 4)),
    ),
    # 3 ÷ 2 goes to the even 2
    "a half up": bill(
        {"compute on_demand a 2027-01": 2},
        [on_demand(1)], ONE_NODE * 2, run=[(3, 0)], scenario=(0, 1), probability=(Fraction(1, 2),) * 2,
    ),
    # 1 ÷ 2 goes to the even 0
    "a half down": bill(
        {}, [on_demand(1)], ONE_NODE * 2, run=[(1, 0)], scenario=(0, 1), probability=(Fraction(1, 2),) * 2
    ),
}  # fmt: skip

TRANSFER = {
    # 10 × 744 × 0.000123456789 = 0.91851851016
    "a month": bill(
        {"transfer a 2027-01": 918_519}, [on_demand(0)], [(JAN,)], run=[(1,)], served={(0,): (10,)},
        work=[{"transfer": (123_456_789,)}],
    ),
    # 0.5 and 1.5 and 2.5 millionths go to the even 0, 2 and 2
    "half down": bill({}, **moved(500_000)),
    "half up": bill({"transfer a 2027-01": 2}, **moved(1_500_000)),
    "half down again": bill({"transfer a 2027-01": 2}, **moved(2_500_000)),
    # 70 × 0.012345 = 0.86415 millionths
    "far below a millionth": bill(
        {"transfer a 2027-01": 1}, [on_demand(0)], [(7,)], run=[(1,)], served={(0,): (10,)},
        work=[{"transfer": (12_345,)}],
    ),
    # to one region 0.5 + 0.5 are added before they are rounded
    "one region": bill(
        {"transfer a 2027-01": 1}, [on_demand(0), spot(0)], ONE_NODE, run={(0,): (1,), (0, 0, SPOT): (1,)},
        served={(0,): (1,), (0, 0, SPOT): (1,)}, work=[{"transfer": (500_000,)}],
    ),
    # to two regions each is a line of its own, 0.7 millionths up and 0.5 down
    "two regions": bill(
        {"r1: transfer a 2027-01": 1}, [on_demand(0), on_demand(0, 1)], ONE_NODE, run={(0, 0): (1,), (0, 1): (1,)},
        served={(0, 0): (1,), (0, 1): (1,)}, work=[{"transfer": (500_000, 700_000)}], bought={0: (1,), 1: (1,)},
        **two_pools("r0", "r1"),
    ),
    # 2 × 3 and 2 × 4 half millionths
    "two months": bill(
        {"transfer a 2027-01": 3, "transfer a 2027-02": 4}, [on_demand(0)], [(3, 4)], run=[(1,)],
        served={(0,): (2,)}, work=[{"transfer": (500_000,)}],
    ),
    # 5 ÷ 3 millionths
    "a third": bill(
        {"transfer a 2027-01": 2}, [on_demand(0)], **thirds(1, 0, 0), served={(0,): (1, 0, 0)},
        work=[{"transfer": (5_000_000,)}],
    ),
}  # fmt: skip

UNSERVED = {
    # 3 × 10 × 0.5
    "a flow": bill(
        {"unserved a 2027-01": 15 * USD}, [on_demand(USD)], [(10,)], left={0: (3,)}, work=[{"price": USD // 2}]
    ),
    # 3 × 0.5 × 10, × 20
    "a flow in two months": bill(
        {"unserved a 2027-01": 15 * USD, "unserved a 2027-02": 30 * USD},
        [on_demand(USD)], [(10, 20)], left={0: (3,)}, work=[{"price": USD // 2}],
    ),
    # 100 ÷ 3
    "a flow in one future of three": bill(
        {"unserved a 2027-01": 33}, [on_demand(USD)], **{**thirds(), "run": ()}, left={0: (1, 0, 0)},
        work=[{"price": 100}],
    ),
    # 15 units wanted, 10 served: 1 × 10 for the node, 5 × 10 × 0.1 for the rest
    "partly served": bill(
        {"compute on_demand a 2027-01": 10 * USD, "unserved a 2027-01": 5 * USD},
        [on_demand(USD)], [(10,)], run=[(1,)], served={(0,): (10,)}, left={0: (5,)}, work=[{"price": USD // 10}],
    ),
    # 7 × 2, in February, the last month of the window
    "a job": bill(
        {"unserved a 2027-02": 14 * USD}, [on_demand(USD)], [(5, 5, 0), (0, 0, 5)], undone={0: (7,)},
        work=[{"kind": "batch", "total": 7, "price": 2 * USD, "window": (True, False)}],
    ),
    # 100 units, 10 × 5 of them done at 2 × 5: 50 left at 1
    "a job half done": bill(
        {"compute on_demand a 2027-01": 10 * USD, "unserved a 2027-01": 50 * USD},
        [on_demand(2 * USD)], [(5,)], run=[(1,)], served={(0,): (10,)}, undone={0: (50,)},
        work=[{"kind": "batch", "total": 100, "price": USD}],
    ),
    # 8 × 2 in a future of probability 1/4; in the other a free node does 4 an hour for two hours
    "a job in one future": bill(
        {"unserved a 2027-01": 4 * USD}, [on_demand(0)], [(2,)] * 2, run=[(0, 1)], served={(0,): (0, 4)},
        undone={0: (8, 0)}, work=[{"kind": "batch", "total": 8, "price": 2 * USD}], scenario=(0, 1),
        probability=(Fraction(1, 4), Fraction(3, 4)),
    ),
    # no window at all: 3 × 1 in the last month
    "a job without a window": bill(
        {"unserved a 2027-02": 3 * USD}, [on_demand(USD)], [(5, 5)], undone={0: (3,)},
        work=[{"kind": "batch", "total": 3, "price": USD, "window": (False,)}],
    ),
    # 1 × 10 × 0.2 for a, 2 × 10 × 0.3 for b
    "two workloads": bill(
        {"unserved a 2027-01": 2 * USD, "unserved b 2027-01": 6 * USD}, [on_demand(USD)], [(10,)],
        left={0: (1,), 1: (2,)}, work=[{"price": 200_000}, {"price": 300_000}],
    ),
}  # fmt: skip

DIRTY: dict[str, Any] = {
    "places": (Place(region="r0", grid=500.0),),
    "limits": Limits(carbon_micro_usd_per_kg=USD // 10),
}
CARBON = {
    # 1 kW × 500 g × 10 h = 5 kg at 0.1
    "carbon": bill({"carbon a 2027-01": 500_000}, [on_demand(0)], [(10,)], run=[(1,)], **DIRTY),
    # 0.7 kW × 333.25 g × 3 h = 0.699825 kg at 1
    "a cleaner grid": bill(
        {"carbon a 2027-01": 699_825}, [on_demand(0)], [(3,)], run=[(1,)],
        places=(Place(region="r0", grid=333.25, watts=700),), limits=Limits(carbon_micro_usd_per_kg=USD),
    ),
    # 5 kg on demand and 5 kg on spot, one line
    "any market": bill(
        {"carbon a 2027-01": USD}, [on_demand(0), spot(0)], [(10,)], run={(0,): (1,), (0, 0, SPOT): (1,)}, **DIRTY
    ),
    # 2 × 5 kg and 2 × 10 kg for a, half as much for b
    "two workloads, two months": bill(
        {"carbon a 2027-01": USD, "carbon a 2027-02": 2 * USD, "carbon b 2027-01": USD // 2, "carbon b 2027-02": USD},
        [on_demand(0)], [(10, 20)], run=[(2,), (1,)], **DIRTY,
    ),
    # what is idle is off: 10 × 2 for the commitments, 5 kg for the one that runs
    "idle nodes": bill(
        {"compute commit_1y a 2027-01": 10 * USD, "compute commit_1y (idle) 2027-01": 10 * USD,
         "carbon a 2027-01": 500_000},
        [commitment(USD)], [(10,)], run=[(1,)], held={0: 2}, **DIRTY,
    ),
    # 0.5 kg × 0.1 ÷ 3
    "a third": bill({"carbon a 2027-01": 16_667}, [on_demand(0)], **thirds(1, 0, 0), **DIRTY),
}  # fmt: skip

# ten hours of 2 firm nodes and one on spot for a, one firm node for b; one commitment of 1 + 1 an hour, two on demand:
# on demand 2 × 2 × 10 = 40, commitment 10 and 10, each 2/3 for a; spot 0.7 × 10; 25 × 10 units moved at a millionth;
# 5 × 10 units left at 0.01; 15 kg and 5 kg at 0.1
EVERYTHING = {
    "everything": bill(
        {"compute on_demand a 2027-01": 26_666_667, "compute on_demand b 2027-01": 13_333_333,
         "compute commit_1y a 2027-01": 6_666_667, "compute commit_1y b 2027-01": 3_333_333,
         "upfront commit_1y a 2027-01": 6_666_667, "upfront commit_1y b 2027-01": 3_333_333,
         "compute spot a 2027-01": 7_000_000, "transfer a 2027-01": 250, "unserved a 2027-01": 500_000,
         "carbon a 2027-01": 1_500_000, "carbon b 2027-01": 500_000},
        [on_demand(2 * USD), spot(700_000), commitment(USD, upfront=TERM * USD)], [(10,)],
        run={(0,): (2,), (0, 0, SPOT): (1,), (1,): (1,)}, served={(0,): (20,), (0, 0, SPOT): (5,)}, left={0: (5,)},
        held={2: 1}, work=[{"transfer": (10**6,), "price": 10_000}], **DIRTY,
    )
}  # fmt: skip

BILLS: dict[str, Bill] = {
    f"{part}: {name}": made
    for part, group in (
        ("on demand", ON_DEMAND), ("spot", SPOTS), ("committed", COMMITTED), ("upfront", UPFRONT),
        ("scenarios", SCENARIOS), ("transfer", TRANSFER), ("unserved", UNSERVED), ("carbon", CARBON),
        ("all", EVERYTHING),
    )
    for name, made in group.items()
}  # fmt: skip


def test_there_are_fifty() -> None:
    """And more."""
    assert len(BILLS) >= 50


@pytest.mark.parametrize("name", BILLS)
def test_the_bill_is_the_one_worked_out_by_hand(name: str) -> None:
    """Every line, no other line, to the micro-dollar; each for its team."""
    b = BILLS[name]
    found, teams = {}, {}
    for r in make_bill(b.problem, b.choice.decision(b.problem), RULES).records():
        place = "" if r["region"] in {"r0", ""} else f"{r['region']}: "
        key = place + " ".join(r[n] for n in ("kind", "option", "workload", "period") if r[n])
        assert key not in found
        found[key], teams[r["workload"]] = r["micro_usd"], r["team"]
    assert found == b.lines
    assert all(team == ("" if who == "(idle)" else who.upper()) for who, team in teams.items())


@pytest.mark.parametrize("name", BILLS)
def test_the_check_works_it_out_too(name: str) -> None:
    """The plan is sound in every respect; with a micro-dollar more or less on any line, or a line less, it is not."""
    b = BILLS[name]
    plan = plan_of(b.problem, b.choice.decision(b.problem))
    assert check(b.problem, plan) == []
    rows = list(plan.cost_lines.records())
    for number, row in enumerate(rows):
        for amount in {row["micro_usd"] + 1, row["micro_usd"] - 1, 0}:
            changed = [r if n != number else {**r, "micro_usd": amount} for n, r in enumerate(rows)]
            kept = [tuple(r.values()) for r in changed if r["micro_usd"]]
            lines = Table.from_records(LINE_COLUMNS, kept)
            found = check(b.problem, settled(dataclasses.replace(plan, cost_lines=lines)))
            where = "/".join(str(v) for v in list(row.values())[:-1] if v)
            assert [v.where for v in found] == [where]
