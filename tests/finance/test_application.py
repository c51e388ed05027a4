"""What commitments cover in an hour: cases worked out by hand, and properties."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from fractions import Fraction
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from solver.errors import InputError
from solver.finance import Commitment, Usage, application_order, apply_commitments, apply_many

F = Fraction
ZONAL, REGIONAL, OF_FAMILY, OF_ALL = 10, 20, 30, 40
RATES = {("east", "p5"): 7, ("east", "g6"): F(3, 2), ("west", "p5"): 8}  # of a compute plan: 30 %, 25 %, 20 % off


def use(node: str, nodes: int | Fraction, usd: int | Fraction, region: str = "east", **more: Any) -> Usage:
    """Nodes at so many dollars an hour."""
    named = {"provider": "a", "family": node.split(".", maxsplit=1)[0], **more}
    return Usage(region=region, node=node, nodes=nodes, on_demand_micro_usd=F(usd) * 10**6, **named)


def plan(
    name: str, usd: int | Fraction, rates: dict[tuple[str, str], Any], order: int = OF_ALL, **more: Any
) -> Commitment:
    """So many dollars an hour, at rates in dollars."""
    micro = {place: F(rate) * 10**6 for place, rate in rates.items()}
    return Commitment(
        name=name, provider="a", unit="usd", order=order, micro_usd_per_hour=F(usd) * 10**6, rates=micro, **more
    )


def nodes(name: str, quantity: int, usd: int | Fraction, order: int = REGIONAL, **more: Any) -> Commitment:
    """So many nodes at so many dollars an hour each."""
    named: dict[str, Any] = {"provider": "a", "region": "east", **more}
    return Commitment(
        name=name, unit="node", order=order, quantity=quantity, micro_usd_per_hour=F(usd) * 10**6, **named
    )


FOUR_AND_TEN = [use("p5", 4, 10), use("g6", 10, 2)]  # $60 on demand
FAMILY_PLAN = plan("family", 12, {("east", "p5"): 6}, OF_FAMILY, region="east", family="p5")  # 40 % off
RESERVED = nodes("reserved", 3, 5, node="p5")
OWNER, OTHER = use("p5", 1, 10, account="ml"), use("p5", 2, 10, account="web")
ZONE_A, ZONE_B = use("p5", 1, 10, zone="a"), use("p5", 2, 10, zone="b")
SIZES = [use("m.2xl", 3, 1, size=16), use("m.8xl", 1, 4, size=64)]

# what a vendor's guide to its plans prices as an example: 50 %, 20 %, 33.3 % and 50 % off
GUIDE = [use("c5.9xlarge", 1, 4), use("c5.24xlarge", 1, 10), use("vcpu", 10, F(3, 2), "west"), use("gb", 5, 2, "west")]
GUIDED = {("east", "c5.9xlarge"): 2, ("east", "c5.24xlarge"): 8, ("west", "vcpu"): 1, ("west", "gb"): 1}

# what runs, what is committed to, covered nodes by commitment and row of what runs, dollars lost, dollars in all
Case = tuple[list[Usage], list[Commitment], dict[tuple[str, int], int | Fraction], int | Fraction, int | Fraction]
CASES: dict[str, Case] = {
    "nothing is committed to": (FOUR_AND_TEN, [], {}, 0, 60),
    "nothing runs": ([], [RESERVED, plan("all", 20, RATES)], {}, 35, 35),
    # p5 saves more and is first: 4 × 7 = 28; of $12 left 8 × 1.50; 2 × $2 on demand
    "a plan covers most": (FOUR_AND_TEN, [plan("all", 40, RATES)], {("all", 0): 4, ("all", 1): 8}, 0, 44),
    # 20 ÷ 7 nodes are covered; 8/7 × 10 + 20 on demand
    "a plan covers a part of a node": (FOUR_AND_TEN, [plan("all", 20, RATES)], {("all", 0): F(20, 7)}, 0, F(360, 7)),
    # 28 + 15 are used of 100: more than the $60 on demand
    "too much is lost": (FOUR_AND_TEN, [plan("all", 100, RATES)], {("all", 0): 4, ("all", 1): 10}, 57, 100),
    # 12 ÷ 6 = 2 p5; the other plan 2 × 7 = 14, of $6 left 4 g6; 6 × 2 on demand
    "the plan of a family is first": (
        FOUR_AND_TEN, [plan("all", 20, RATES), FAMILY_PLAN],
        {("family", 0): 2, ("all", 0): 2, ("all", 1): 4}, 0, 44,
    ),
    # 3 reserved at 5; 1 × 7, of $13 left 26/3 g6; 4/3 × 2 on demand
    "reservations before plans": (
        FOUR_AND_TEN, [plan("all", 20, RATES), RESERVED],
        {("reserved", 0): 3, ("all", 0): 1, ("all", 1): F(26, 3)}, 0, F(113, 3),
    ),
    # 3 reserved, the family's plan 1 of 2 (6 lost), the other all of g6: 15 of 20 (5 lost); 15 + 12 + 20
    "all three": (
        FOUR_AND_TEN, [plan("all", 20, RATES), FAMILY_PLAN, RESERVED],
        {("reserved", 0): 3, ("family", 0): 1, ("all", 1): 10}, 11, 47,
    ),
    # both save half: the lower rate is first
    "equal savings": (
        [use("big", 1, 10), use("small", 1, 4)], [plan("all", 2, {("east", "big"): 5, ("east", "small"): 2})],
        {("all", 1): 1}, 0, 12,
    ),
    # 30 % in the east before 20 % in the west, though given later: 2 × 7, of $10 left 10/8; 3/4 × 10 on demand
    "any region": (
        [use("p5", 2, 10, "west"), use("p5", 2, 10)], [plan("all", 24, RATES)],
        {("all", 1): 2, ("all", 0): F(5, 4)}, 0, F(63, 2),
    ),
    # no rate in the north
    "no rate is no cover": ([use("p5", 1, 10, "north")], [plan("all", 20, RATES)], {}, 20, 30),
    # at 5 and at 7 together: where it is cheaper first, whichever is given first
    "plans of one order apply together": (
        [use("p5", 2, 10)],
        [plan("one year", 7, {("east", "p5"): 7}), plan("three years", 5, {("east", "p5"): 5})],
        {("three years", 0): 1, ("one year", 0): 1}, 0, 12,
    ),
    # the zone's covers 1 of 2 (one lost, $4), the region's both of zone b
    "a zone's before a region's": (
        [ZONE_A, ZONE_B], [nodes("region", 2, 5, node="p5"), nodes("zone", 2, 4, ZONAL, node="p5", zone="a")],
        {("zone", 0): 1, ("region", 1): 2}, 4, 18,
    ),
    # the other way round the region's takes zone a's node and one of b's: both of the zone's are lost
    "as if a region's were first": (
        [ZONE_A, ZONE_B], [nodes("region", 2, 5, ZONAL, node="p5"), nodes("zone", 2, 4, REGIONAL, node="p5", zone="a")],
        {("region", 0): 1, ("region", 1): 1}, 8, 28,
    ),
    "the owner's account first": (
        [OTHER, OWNER], [nodes("ml's", 2, 5, node="p5", account="ml")], {("ml's", 1): 1, ("ml's", 0): 1}, 0, 20,
    ),
    "not shared": (
        [OTHER, OWNER], [nodes("ml's", 2, 5, node="p5", account="ml", shared=False)], {("ml's", 1): 1}, 5, 30,
    ),
    # a plan too: the owner's 20 % before the others' 30 %
    "the owner's account first in a plan": (
        [use("p5", 1, 10, account="web"), use("p5", 1, 10, "west", account="ml")],
        [plan("ml's", 8, RATES, account="ml")], {("ml's", 1): 1}, 0, 18,
    ),
    # one of size 64: three of 16 first, then 16 of 64, a quarter; 3/4 × 4 on demand
    "sizes from the smallest on": (
        SIZES, [nodes("8xl", 1, 2, family="m", size=64)], {("8xl", 0): 3, ("8xl", 1): F(1, 4)}, 0, 5,
    ),
    # also where the large one costs less for its size: 16 of 64, then 48; 1/4 × 8 on demand
    "sizes whatever they cost": (
        [use("m.2xl", 1, 1, size=16), use("m.8xl", 1, 8, size=64)], [nodes("8xl", 1, 2, family="m", size=64)],
        {("8xl", 0): 1, ("8xl", 1): F(3, 4)}, 0, 4,
    ),
    # five of size 16: 48 and 32 of 64
    "small ones for a part of a large one": (
        SIZES, [nodes("2xl", 5, F(1, 2), family="m", size=16)], {("2xl", 0): 3, ("2xl", 1): F(1, 2)}, 0, F(9, 2),
    ),
    # without flexible sizes only its own
    "one shape alone": (SIZES, [nodes("8xl", 2, 2, node="m.8xl", size=64)], {("8xl", 1): 1}, 2, 7),
    # 20 and 40 minutes, one after the other, are one node
    "parts of an hour": (
        [use("p5", F(1, 3), 10), use("p5", F(2, 3), 10)], [nodes("one", 1, 5, node="p5")],
        {("one", 0): F(1, 3), ("one", 1): F(2, 3)}, 0, 5,
    ),
    # 15 minutes of four nodes at once are one node-hour as well, but 10 minutes of one leave 5/6 of it
    "most of an hour is lost": ([use("p5", F(1, 6), 12)], [nodes("one", 1, 6, node="p5")], {("one", 0): F(1, 6)}, 5, 6),
    # resource-based first; the flexible one has no rate for accelerators; 2 × 4 of $10 used
    "accelerators outside of a flexible discount": (
        [use("a3", 3, 10), use("n2", 2, 5)],
        [plan("flexible", 10, {("east", "n2"): 4}), nodes("resources", 2, 6, family="a3")],
        {("resources", 0): 2, ("flexible", 1): 2}, 2, 32,
    ),
    # the guide's own: $25 an hour cover all of it, 2 + 8 + 10 + 5
    "a vendor's example": (
        GUIDE, [plan("all", 25, GUIDED)], {("all", 0): 1, ("all", 1): 1, ("all", 2): 10, ("all", 3): 5}, 0, 25,
    ),
    # with $10: of the two at 50 % the lower rate first, 5 × 1, then 2; 3 of 10 vCPUs; 7 × 1.50 + 10 on demand
    "a vendor's example, less committed": (
        GUIDE, [plan("all", 10, GUIDED)], {("all", 3): 5, ("all", 0): 1, ("all", 2): 3}, 0, F(61, 2),
    ),
    # the plan of the family at 75 % and 40 % off: 1 + 6; the other 10 + 5
    "a vendor's example of both plans": (
        GUIDE,
        [plan("all", 15, GUIDED),
         plan("c5", 7, {("east", "c5.9xlarge"): 1, ("east", "c5.24xlarge"): 6}, OF_FAMILY, region="east", family="c5")],
        {("c5", 0): 1, ("c5", 1): 1, ("all", 2): 10, ("all", 3): 5}, 0, 22,
    ),
    # a medium (2) is two small ones (1), or half of a large one (4)
    "a vendor's sizes, small": (
        [use("t2.small", 2, 1, size=1)], [nodes("medium", 1, 1, family="t2", size=2)], {("medium", 0): 2}, 0, 1,
    ),
    "a vendor's sizes, large": (
        [use("t2.large", 1, 4, size=4)], [nodes("medium", 1, 1, family="t2", size=2)], {("medium", 0): F(1, 2)}, 0, 3,
    ),
    # another provider's are not covered
    "providers apart": ([use("p5", 1, 10, provider="b")], [nodes("one", 1, 5, node="p5")], {}, 5, 15),
    # free of charge on demand: covered all the same, nothing saved
    "a price of nothing": ([use("p5", 1, 0)], [plan("all", 7, RATES)], {("all", 0): 1}, 0, 7),
    "a quantity of none": ([use("p5", 1, 10)], [nodes("none", 0, 5, node="p5")], {}, 0, 10),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_cases(name: str) -> None:
    """Covered nodes, what is lost and the whole bill, exact."""
    usage, commitments, covered, lost, whole = CASES[name]
    made = apply_commitments(usage, commitments)
    assert {(commitments[c.commitment].name, c.usage): c.nodes for c in made.coverage} == covered
    assert made.lost_micro_usd == F(lost) * 10**6
    assert made.total_micro_usd == F(whole) * 10**6
    assert made.saved_micro_usd == sum(F(u.nodes) * u.on_demand_micro_usd for u in usage) - F(whole) * 10**6


def test_the_order_itself() -> None:
    """Reserved, family, then all: each by what it covers."""
    commitments = [plan("all", 20, RATES), FAMILY_PLAN, RESERVED]
    assert application_order(FOUR_AND_TEN, commitments) == [(2, 0), (1, 0), (0, 0), (0, 1)]


def test_each_part_of_the_cost() -> None:
    """Of "reservations before plans": 3 × 5 and 7 + 13 are used, 4/3 × 2 on demand."""
    made = apply_commitments(FOUR_AND_TEN, [plan("all", 20, RATES), RESERVED])
    assert [c.micro_usd / 10**6 for c in made.coverage] == [15, 7, 13]
    assert [c.taken for c in made.coverage] == [3, 7 * 10**6, 13 * 10**6]
    assert made.used_micro_usd == 35 * 10**6
    assert list(made.on_demand_nodes) == [F(0), F(4, 3)]
    assert list(made.on_demand_micro_usd) == [F(0), F(8, 3) * 10**6]
    assert list(made.unused) == list(made.unused_micro_usd) == [F(0), F(0)]


def test_unused_in_its_own_unit() -> None:
    """Sizes for nodes, micro-dollars for spend."""
    made = apply_commitments([use("m.2xl", 1, 1, size=16)], [nodes("8xl", 1, 2, family="m", size=64), plan("p", 3, {})])
    assert list(made.unused) == [F(48), F(3 * 10**6)]
    assert list(made.unused_micro_usd) == [F(3, 2) * 10**6, F(3 * 10**6)]


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: use("p5", -1, 10),
        lambda: use("p5", 1, -10),
        lambda: use("p5", 1, 10, size=0),
        lambda: Usage(provider="a", region="r", node="n", nodes=cast("Any", 0.5), on_demand_micro_usd=1),
        lambda: nodes("n", -1, 5, node="p5"),
        lambda: nodes("n", 1, 5),
        lambda: plan("p", 1, {("east", "p5"): 0}),
        lambda: Commitment(name="c", provider="a", unit=cast("Any", "hour"), order=1, micro_usd_per_hour=1),
        lambda: apply_many(np.zeros((2, 3)), FOUR_AND_TEN, []),
        lambda: apply_many(np.array([[1.0, np.nan]]), FOUR_AND_TEN, []),
        lambda: apply_many(np.array([[1.0, -1.0]]), FOUR_AND_TEN, []),
        lambda: apply_many(np.ones((2, 2)), FOUR_AND_TEN, [RESERVED], np.ones(2)),
    ],
)
def test_refuses(wrong: Callable[[], object]) -> None:
    """With a typed error."""
    with pytest.raises(InputError):
        wrong()


amounts = st.one_of(st.integers(0, 6), st.fractions(0, 6, max_denominator=4))
rates = st.dictionaries(st.tuples(st.sampled_from("rs"), st.sampled_from("xyz")), st.integers(1, 9), max_size=6)
usages = st.builds(
    Usage, provider=st.just("a"), region=st.sampled_from("rs"), node=st.sampled_from("xyz"), nodes=amounts,
    family=st.sampled_from("fg"), zone=st.sampled_from("uv"), account=st.sampled_from("mn"), size=st.integers(1, 4),
    on_demand_micro_usd=st.integers(0, 9),
)  # fmt: skip
places = {
    "region": st.sampled_from(["", "r"]), "zone": st.sampled_from(["", "u"]), "account": st.sampled_from(["", "m"]),
    "shared": st.booleans(), "order": st.integers(1, 2), "quantity": amounts, "name": st.just("c"),
    "provider": st.just("a"), "micro_usd_per_hour": st.integers(0, 9),
}  # fmt: skip
commitments_of = st.one_of(
    st.builds(Commitment, unit=st.just("node"), family=st.just("f"), size=st.integers(1, 4), **places),
    st.builds(Commitment, unit=st.just("usd"), rates=rates, **places),
)
hours_of = st.tuples(st.lists(usages, max_size=4), st.lists(commitments_of, max_size=4))


@given(hours_of)
def test_what_defines_the_outcome(hour: tuple[list[Usage], list[Commitment]]) -> None:
    """Nothing is made or lost; no pair has both left; nobody is served before one who comes earlier is served out."""
    usage, commitments = hour
    made = apply_commitments(usage, commitments)
    order = application_order(usage, commitments)
    nodes_of = {(c.commitment, c.usage): c.nodes for c in made.coverage}
    assert set(nodes_of) <= set(order)
    for q, u in enumerate(usage):
        assert sum(n for (_, row), n in nodes_of.items() if row == q) + made.on_demand_nodes[q] == u.nodes
    for k, c in enumerate(commitments):
        assert sum(x.taken for x in made.coverage if x.commitment == k) + made.unused[k] == c.capacity
        paid = sum(x.micro_usd for x in made.coverage if x.commitment == k) + made.unused_micro_usd[k]
        assert paid == c.cost_micro_usd
    for i, (k, q) in enumerate(order):
        assert not (made.unused[k] and made.on_demand_nodes[q])
        for later in order[i + 1 :]:
            if nodes_of.get(later) and later[0] == k:
                assert not made.on_demand_nodes[q]
            if nodes_of.get(later) and later[1] == q:
                assert not made.unused[k]


@given(hours_of)
def test_the_order_is_as_stated(hour: tuple[list[Usage], list[Commitment]]) -> None:
    """Order, then the owner's own, then sizes or savings, then rates; and only what a commitment covers."""
    usage, commitments = hour
    order = application_order(usage, commitments)
    told = []
    for k, q in order:
        c, u = commitments[k], usage[q]
        assert c.region in ("", u.region)
        assert c.zone in ("", u.zone)
        assert c.family in ("", u.family)
        assert c.shared or c.account == u.account
        rate = F(c.rates[u.region, u.node]) if c.unit == "usd" else F(u.size)
        off = (u.on_demand_micro_usd - rate) / u.on_demand_micro_usd if u.on_demand_micro_usd else 0
        told.append((c.order, c.account not in ("", u.account), -off if c.unit == "usd" else 0, rate))
    assert told == sorted(told)
    assert len(set(order)) == len(order)


@settings(max_examples=60)
@given(hours_of, st.integers(0, 2**32 - 1))
def test_many_hours_agree_with_one(hour: tuple[list[Usage], list[Commitment]], seed: int) -> None:
    """Each of several hours as the exact function has it, also with quantities that change."""
    usage, commitments = hour
    rng = np.random.default_rng(seed)
    ran, held = rng.integers(0, 7, (5, len(usage))), rng.integers(0, 4, (5, len(commitments)))
    many = apply_many(ran, usage, commitments, held)
    covered = np.zeros((len(commitments), len(usage)))
    for t in range(5):
        row = [dataclasses.replace(u, nodes=int(n)) for u, n in zip(usage, ran[t], strict=True)]
        mine = [dataclasses.replace(c, quantity=int(n)) for c, n in zip(commitments, held[t], strict=True)]
        one = apply_commitments(row, mine)
        for c in one.coverage:
            covered[c.commitment, c.usage] += float(c.nodes)
        np.testing.assert_allclose(many.on_demand_nodes[t], [float(x) for x in one.on_demand_nodes], atol=1e-9)
        np.testing.assert_allclose(many.unused[t], [float(x) for x in one.unused], atol=1e-9)
        assert many.total_micro_usd[t] == pytest.approx(float(one.total_micro_usd), abs=1e-6)
    np.testing.assert_allclose(many.covered, covered, atol=1e-9)


def test_many_hours_by_their_own_quantities() -> None:
    """The case "all three", twice; and the arrays given stay as they are."""
    commitments = [plan("all", 20, RATES), FAMILY_PLAN, RESERVED]
    ran = np.array([[4.0, 10.0], [4.0, 10.0]])
    many = apply_many(ran, FOUR_AND_TEN, commitments)
    assert many.total_micro_usd.tolist() == [47e6, 47e6]
    assert many.covered.tolist() == [[0, 20], [2, 0], [6, 0]]
    assert many.unused.tolist() == [[5e6, 6e6, 0], [5e6, 6e6, 0]]
    assert ran.tolist() == [[4, 10], [4, 10]]


@pytest.mark.timing
def test_many_hours_in_time() -> None:
    """100,000 hours of ten shapes under ten plans that all cover all of them, in less than a second."""
    usage = [use(f"n{q}", 0, 5 + q % 4) for q in range(10)]
    plans = [plan(f"p{k}", 30, {("east", u.node): F(k + 3, 3) for u in usage}, order=k) for k in range(10)]
    ran = np.random.default_rng(0).integers(0, 50, (100_000, 10))
    before = time.process_time()
    apply_many(ran, usage, plans)
    assert time.process_time() - before < 1.0
