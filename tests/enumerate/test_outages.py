"""Outages of a spec as states of the fleet."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from solver.calendar import Scenario, WorkloadFactor
from solver.enumerate import NamedLimits, NamedOutage, NamedQuota, ServiceLevel
from solver.enumerate.shocks import spot_losses
from solver.errors import InputError
from solver.problem import SPOT, ChanceLimit, ShareLimit
from solver.workloads import Traffic
from tests.enumerate.test_enumerate import chat, problem, run

SITE = ("provider", "region")
HOUR = Fraction(1, 8760)  # of the horizon


def outage(region: str = "us-east-1", **fields: Any) -> NamedOutage:
    """One that lasts a day and comes once in ten years."""
    return NamedOutage(region=region, **{"probability": 0.1, **fields})


def test_a_lost_region_by_hand() -> None:
    """A tenth of the futures spends a day of 365 without it; jobs wait, 95 % of what must be served is asked."""
    p = problem(chat(), run(), outages=(outage(min_served=0.95),))
    out = p.outages
    assert out is not None
    assert out.state == ("", "aws/us-east-1 is lost")
    assert out.probability == (Fraction(9, 10), Fraction(1, 10))
    assert [list(row) for row in out.share] == [[1, 0], [1 - 24 * HOUR, 24 * HOUR]]
    assert p.blocks.probability == (1 - Fraction(24, 10) * HOUR, Fraction(24, 10) * HOUR)
    state = p.blocks.scenario
    row = p.sites.region.tolist().index("us-east-1")
    assert set(out.up[row, state == 0]) == {p.sites.zones[row]}
    assert set(out.up[row, state == 1]) == {0}
    assert (np.delete(out.up, row, axis=0) == np.delete(p.sites.zones, row)[:, None]).all()
    assert set(p.sources.units_per_hour[0, state == 0]) == {40_000}
    assert set(p.sources.units_per_hour[0, state == 1]) == {38_000}
    assert p.sources.window[1, state == 0].any()
    assert not p.sources.window[1, state == 1].any()
    assert p.blocks.total_hours[state == 0].sum() == p.blocks.total_hours[state == 1].sum() == 8760


def test_a_lost_zone_takes_its_part_of_a_quota_within_the_region() -> None:
    """Ten nodes over the zones there are; a quota over all regions stays as it is."""
    quotas = (NamedQuota(provider="aws", region="us-east-1", max_nodes=10), NamedQuota(provider="aws", max_nodes=10))
    p = problem(chat(), outages=(outage(lost="zone"),), limits=NamedLimits(quotas=quotas))
    row = p.sites.region.tolist().index("us-east-1")
    zones = int(p.sites.zones[row])
    assert p.outages is not None
    assert p.outages.state == ("", "a zone of aws/us-east-1 is lost")
    assert p.outages.up[row].tolist() == [zones, zones - 1]
    found = {q.name: q for q in p.limits.quotas}
    assert found["aws/us-east-1/*"].missing == (0, 10 // zones)
    assert found["aws/*/*"].missing == ()


def test_any_one_region_is_each_in_turn() -> None:
    """As many states as regions with a candidate, and as many again of each scenario."""
    futures = (Scenario(name="low", probability=0.25), Scenario(name="high", probability=0.75, demand_factor=2))
    p = problem(chat(), scenarios=futures, outages=(outage("*", probability=0.01),))
    sites = len(p.sites.region)
    assert sites > 1
    assert p.outages is not None
    assert len(p.outages.state) == 2 * (1 + sites)
    assert sum(p.outages.probability) == 1
    assert ((p.outages.up == 0).sum(axis=0) == (p.blocks.scenario >= 2)).all()


def test_a_priced_workload_asks_for_all_and_one_with_a_level_of_its_own_for_that() -> None:
    """What is left of the first is paid; the second's own share counts, not the outage's."""
    priced = chat(name="priced", unserved_usd_per_unit=0.01)
    limits = NamedLimits(service_levels=(ServiceLevel(workload="chat", min_served_in_outage=0.5),))
    p = problem(chat(), priced, outages=(outage(min_served=0.8),), limits=limits)
    asked = p.sources.units_per_hour[:, p.blocks.scenario == 1]
    assert set(asked[0]) == {20_000}
    assert set(asked[1]) == {40_000}


def test_factors_of_single_workloads() -> None:
    """Beside that of all."""
    future = Scenario(demand_factor=1.5, demand_factors=(WorkloadFactor(workload="chat", factor=1.1),))
    p = problem(chat(), chat(name="other"), scenarios=(future,))
    assert p.sources.units_per_hour[:, 0].tolist() == [66_000, 60_000]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"outages": (outage("mars-1"),)}, "no region with a candidate"),
        ({"outages": (outage("us-east-1"), outage("aws/us-east-1"))}, "named twice"),
        ({"outages": (outage("*", probability=0.9),)}, "more than 1"),
        ({"limits": NamedLimits(service_levels=(ServiceLevel(workload="nobody"),))}, "unknown workload"),
        ({"scenarios": (Scenario(demand_factors=(WorkloadFactor(workload="nobody", factor=2),)),)}, "unknown workload"),
    ],
)
def test_what_contradicts_itself_is_refused(fields: dict[str, Any], words: str) -> None:
    """With the place and a mend."""
    with pytest.raises(InputError, match=words):
        problem(chat(), **fields)


def test_a_price_and_a_share_that_must_be_served_contradict_one_another() -> None:
    """One of them says what may be left."""
    limits = NamedLimits(service_levels=(ServiceLevel(workload="chat", min_served_in_outage=0.5),))
    with pytest.raises(InputError, match="has a price"):
        problem(chat(unserved_usd_per_unit=0.01), limits=limits)


def test_a_lost_spot_market_by_hand() -> None:
    """Every spot pool of the region is gone, every zone is up, and all must be served as ever."""
    p = problem(chat(max_spot_share=1.0), outages=(outage(lost="spot"),))
    out = p.outages
    assert out is not None
    assert out.spot is not None
    assert out.state == ("", "spot in aws/us-east-1 is lost")
    zones = np.maximum(p.sites.zones, 1)
    assert (out.up == zones[:, None]).all()
    lost, there = p.blocks.scenario == 1, p.sites.region[p.pool_site] == "us-east-1"
    assert there.any()
    assert (out.spot[np.ix_(there, lost)] == 0).all()
    assert (out.spot[~there] == zones[p.pool_site][~there, None]).all()
    assert (out.spot[:, ~lost] == zones[p.pool_site][:, None]).all()


def test_spot_of_a_zone_takes_its_part_of_a_quota_of_spot() -> None:
    """And of no other quota."""
    quotas = tuple(
        NamedQuota(provider="aws", region="us-east-1", kind=kind, max_nodes=10) for kind in ("spot", "on_demand")
    )
    lost = outage(lost="spot_zone")
    p = problem(chat(max_spot_share=1.0), outages=(lost,), limits=NamedLimits(quotas=quotas))
    zones = int(p.sites.zones[p.sites.region.tolist().index("us-east-1")])
    assert p.outages is not None
    assert p.outages.state[1] == "spot in a zone of aws/us-east-1 is lost"
    assert {q.kind: q.missing for q in p.limits.quotas} == {"spot": (0, 10 // zones), "on_demand": ()}


def test_spot_of_some_nodes_in_all_regions_at_once() -> None:
    """One state in which the pattern's pools are gone everywhere."""
    everything = problem(chat(max_spot_share=1.0))
    name = str(everything.shapes.node[everything.pool_shape[everything.candidates.pool[0]]])
    p = problem(chat(max_spot_share=1.0), outages=(outage("*", lost="spot", node=name[:2] + "*", together=True),))
    out = p.outages
    assert out is not None
    assert out.spot is not None
    assert len(out.state) == 2
    hit = np.array([str(node).startswith(name[:2]) for node in p.shapes.node[p.pool_shape]])
    assert hit.any()
    gone = (out.spot[:, p.blocks.scenario == 1] == 0).all(axis=1)
    on_spot = np.isin(np.arange(len(hit)), p.candidates.pool[p.candidates.market == SPOT])
    assert (gone[on_spot] == hit[on_spot]).all()


def test_two_regions_at_once() -> None:
    """One state, and a name that names both."""
    first, second, *_ = sorted(
        "/".join(x) for x in zip(*(getattr(problem(chat()).sites, n) for n in SITE), strict=True)
    )
    p = problem(chat(), outages=(outage(second, also=(first,)),))
    out = p.outages
    assert out is not None
    assert out.state == ("", f"{first} and {second} is lost")
    lost = (out.up == 0).any(axis=1)
    assert [f"{a}/{b}" for a, b in zip(p.sites.provider[lost], p.sites.region[lost], strict=True)] == [first, second]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"lost": "spot", "node": "zz*"}, "no node there with a candidate on spot is named 'zz[*]'"),
        ({"node": "p5*"}, "only spot markets are lost by node"),
        ({"lost": "rack"}, "kind of loss"),
        ({"response": "pray"}, "response"),
        ({"also": ("mars",)}, "no region that can be lost is named 'mars'"),
    ],
)
def test_losses_that_are_none(fields: dict[str, Any], message: str) -> None:
    """Named, with what to do."""
    with pytest.raises(InputError, match=message):
        problem(chat(max_spot_share=1.0), outages=(outage(**fields),))


def test_hours_with_something_lost_beside_the_same_hours_without() -> None:
    """Every hour of the calendar is in a pair, and blocks in which nothing new can be had go with one each."""
    growing = chat(traffic=(Traffic(origin="paris", requests_per_hour=40_000, growth_per_month=0.03),))
    for response in ("buy", "hold"):
        p = problem(growing, run(), outages=(outage(min_served=0.5, response=response),))
        out, calendar = p.outages, p.blocks.calendar
        assert out is not None
        assert out.holding == (response == "hold")
        rows: dict[tuple[str, str, int], dict[int, set[int]]] = {}
        keys = (calendar[name].tolist() for name in ("period", "day", "hour_utc", "scenario", "block"))
        for period, day, hour, scenario, block in zip(*keys, strict=True):
            rows.setdefault((period, day, hour), {}).setdefault(scenario, set()).add(block)
        pairs = set(map(tuple, out.calm.T.tolist()))
        assert {a for a, _ in pairs} == set(np.flatnonzero(p.blocks.scenario == 1).tolist())
        assert pairs <= {(a, b) for hour in rows.values() for a in hour[1] for b in hour[0]}
        flat = problem(growing, outages=(outage(min_served=0.0, response=response),)).outages  # asks for nothing
        assert flat is not None
        each = np.bincount(flat.calm[0])
        assert (each[each > 0].max() == 1) == (response == "hold")


@pytest.mark.parametrize("shared", [Fraction(0), Fraction(1, 2), Fraction(1)])
def test_shocks_leave_each_region_its_own_probability(shared: Fraction) -> None:
    """Summed over the sets it is in; all of them at once is at least as probable as the common shock."""
    p = {"aws/us-east-1": Fraction(1, 10), "aws/eu-west-1": Fraction(1, 5), "gcp/us-east4": Fraction(1, 10)}
    found = spot_losses(p, shared=shared)
    sets = {frozenset((o.region, *o.also)): Fraction(o.probability) for o in found}
    for region, chance in p.items():
        assert sum(x for gone, x in sets.items() if region in gone) == chance
    assert sum(sets.values()) < 1
    together = sets[frozenset(p)]
    if shared == 0:
        assert together == Fraction(1, 500)
    assert together >= shared / 10


def test_two_regions_by_hand() -> None:
    """Each gone with a tenth, half of it common: c = 1/20, q = 1 − 0.9 ÷ 0.95 = 1/19; with equal ones and no own, c."""
    found = spot_losses({"a": 0.1, "b": 0.1}, shared=0.5)
    both = Fraction(1, 20) + Fraction(19, 20) * Fraction(1, 19) ** 2
    assert {(o.region, *o.also): o.probability for o in found} == {
        ("a",): Fraction(1, 10) - both, ("b",): Fraction(1, 10) - both, ("a", "b"): both
    }  # fmt: skip
    assert [(o.region, *o.also) for o in spot_losses({"a": 0.1, "b": 0.1}, shared=1)] == [("a", "b")]


@pytest.mark.parametrize("p", [{}, {"a": 1.0}, {"a": -0.1}, {f"r{i}": 0.1 for i in range(9)}])
def test_shocks_that_are_none(p: dict[str, float]) -> None:
    """No region, a certain loss, a probability below zero, too many sets."""
    with pytest.raises(InputError):
        spot_losses(p)


def test_a_chance_and_shares_of_a_spec_come_through() -> None:
    """As exact fractions, by the rows of their workloads; a share of one is none."""
    limits = NamedLimits(service_levels=(ServiceLevel(workload="b", max_loss_probability=0.01),))
    apart = chat(name="b", max_share_per_region=0.6, max_share_per_node=1.0, max_share_per_zone=0.25)
    p = problem(chat(), apart, outages=(outage(),), limits=limits)
    assert p.limits.chances == (ChanceLimit(workload=1, max_probability=Fraction(1, 100)),)
    region, zone = p.limits.shares
    assert region == ShareLimit(workload=1, per="region", share=Fraction(3, 5))
    assert zone == ShareLimit(workload=1, per="zone", share=Fraction(1, 4))
    lost = p.blocks.scenario == 1
    assert p.may_leave[1].tolist() == lost.tolist()
    assert not p.may_leave[0].any()
    assert p.digest() != problem(chat(), apart, outages=(outage(),)).digest()


def test_no_chance_without_outages_nor_of_what_has_a_price() -> None:
    """And no share of a run, which is in one place."""
    limits = NamedLimits(service_levels=(ServiceLevel(workload="chat", max_loss_probability=0.01),))
    with pytest.raises(InputError, match="there are no outages"):
        problem(chat(), limits=limits)
    with pytest.raises(InputError, match="need not be served"):
        problem(chat(unserved_usd_per_unit=0.1), outages=(outage(),), limits=limits)
    with pytest.raises(InputError, match=r"max_share_per_region is 0\.5"):
        run(max_share_per_region=0.5)
