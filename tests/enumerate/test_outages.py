"""Outages of a spec as states of the fleet."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from solver.calendar import Scenario, WorkloadFactor
from solver.enumerate import NamedLimits, NamedOutage, NamedQuota, ServiceLevel
from solver.errors import InputError
from tests.enumerate.test_enumerate import chat, problem, run

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
