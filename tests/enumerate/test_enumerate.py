"""Problems enumerated from a small catalogue, against hand computation."""

from __future__ import annotations

import dataclasses
import datetime
import json
import random
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from solver.calendar import Horizon, Scenario
from solver.enumerate import NamedLimits, NamedQuota, enumerate_problem
from solver.errors import InputError
from solver.problem import COMMITMENT, ON_DEMAND, SPOT, Problem
from solver.workloads import Batch, Serving, Traffic, Training
from tests.enumerate import fake

D = datetime.date
YEAR = Horizon(start=D(2027, 1, 1), months=12)


def chat(**changes: Any) -> Serving:
    """A service for Paris."""
    parts: dict[str, Any] = {
        "name": "chat",
        "model": "llama-3.1-70b",
        "precision": "fp8",
        "input_tokens": 1500,
        "output_tokens": 300,
        "ttft_ms": 1500,
        "tpot_ms": 60,
        "max_spot_share": 0.3,
        "traffic": (Traffic(origin="paris", requests_per_hour=40_000),),
    }
    return Serving(**(parts | changes))


def run(**changes: Any) -> Training:
    """A training run in February."""
    parts: dict[str, Any] = {
        "name": "pretrain",
        "model": "llama-3.1-8b",
        "tokens": 10**11,
        "earliest_start": D(2027, 2, 1),
        "deadline": D(2027, 3, 1),
    }
    return Training(**(parts | changes))


def archive(**changes: Any) -> Batch:
    """A batch job in March."""
    parts: dict[str, Any] = {
        "name": "archive",
        "model": "llama-3.1-8b",
        "input_tokens": 1000,
        "output_tokens": 100,
        "requests": 10**7,
        "earliest_start": D(2027, 3, 1),
        "deadline": D(2027, 4, 1),
        "max_spot_share": 1,
    }
    return Batch(**(parts | changes))


def problem(*workloads: Any, **changes: Any) -> Problem:
    """The problem of workloads on the small catalogue."""
    parts: dict[str, Any] = {"name": "test", "catalog": fake.catalog(), "horizon": YEAR}
    return enumerate_problem(workloads=workloads, **(parts | changes))


def row(p: Problem, pool: str, kind: int) -> int:
    """The one offer of a kind in a pool."""
    at = p.pool_names.tolist().index(pool)
    found = np.flatnonzero((p.offers.pool == at) & (p.offers.kind == kind))
    assert len(found) == 1
    return int(found[0])


def test_prices_come_from_the_catalogue() -> None:
    """On demand, spot and a year, each as listed."""
    p = problem(chat())
    pool = "aws/us-east-1/p5.48xlarge"
    o = p.offers
    assert o.micro_usd_per_hour[row(p, pool, ON_DEMAND)] == 55_040_000
    assert o.micro_usd_per_hour[row(p, pool, SPOT)] == 24_768_000
    year = row(p, pool, COMMITMENT)
    assert (o.micro_usd_per_hour[year], o.term_hours[year], o.starts[year]) == (35_776_000, 8760, "2027-01-01")
    assert o.paid_hours[year].tolist() == p.blocks.period_hours.tolist()
    assert o.active[year].all()
    assert set(o.option.tolist()) == {"on_demand", "spot", "commit_1y"}


def test_commitments_in_part_of_the_horizon() -> None:
    """Terms are calendar months with their true hours, blocks are cut where they begin, the rest is a warning."""
    p = problem(
        chat(max_spot_share=0),
        options=["on_demand", "commit_1y_all_upfront"],
        commitment_starts=[D(2027, 7, 15), D(2027, 1, 1)],
    )
    o = p.offers
    starts = sorted(set(o.starts[o.kind == COMMITMENT].tolist()))
    assert starts == ["2027-01-01", "2027-07-15"]
    late = int(np.flatnonzero(o.starts == "2027-07-15")[0])
    assert o.term_hours[late] == 366 * 24  # the year from July 2027 has 29 February 2028
    assert o.paid_hours[late].tolist() == [0] * 6 + [17 * 24, 744, 720, 744, 720, 744]
    assert p.blocks.total_hours[o.active[late]].sum() == o.paid_hours[late].sum()
    assert o.upfront_micro_usd[late] > 0 == o.micro_usd_per_hour[late]
    warnings = json.loads(p.provenance["warnings"])
    assert len(warnings) == 1
    assert "2028-07-15, 196 days beyond the horizon" in warnings[0]


def test_owned_commitments_stay_even_unused() -> None:
    """What is held already is paid in any case, also where no workload can run."""
    held = fake.OwnedCommitment(
        "aws", "us-east-1", "m7i.xlarge", "commit_1y", 3, 100_000, 0, D(2026, 6, 1), D(2027, 6, 1)
    )
    p = problem(chat(residency=("EU",)), catalog=fake.catalog(commitments=(held,)))
    mine = row(p, "aws/us-east-1/m7i.xlarge", COMMITMENT)
    assert p.offers.owned_nodes[mine] == 3
    assert p.offers.paid_hours[mine].tolist() == [744, 672, 744, 720, 744] + [0] * 7
    assert p.offers.term_hours[mine] == 365 * 24
    over = dataclasses.replace(held, ends=D(2026, 12, 1))
    assert not (problem(chat(), catalog=fake.catalog(commitments=(over,))).offers.owned_nodes > 0).any()


def test_spot_is_derated_and_capped() -> None:
    """Spot candidates exist where allowed; their units are floored after the interruptions."""
    w = chat()
    p = problem(w)
    c = p.candidates
    spot = np.flatnonzero(c.market == 1)
    assert len(spot)
    for k in spot.tolist():
        full = int(p.modes["units_per_hour"][c.mode[k]])
        lost = Fraction(3, 2) * int(c.nodes_per_replica[k]) * Fraction(5, 60) / 730
        assert c.units_per_hour[k] == int(full * (1 - lost))
    assert not (problem(chat(max_spot_share=0)).candidates.market == 1).any()
    assert p.workloads.max_spot_share == (Fraction(3, 10),)


def test_residency_regions_and_latency_close_pools() -> None:
    """Only the pools that a workload may and can use are there; the others are excused and counted."""
    p = problem(chat(residency=("EU",)))
    assert set(p.sites.jurisdiction.tolist()) == {"EU"}
    p = problem(chat(residency=("NL",)))
    assert set(p.sites.region.tolist()) == {"europe-west4"}
    p = problem(chat(regions=("aws/us-east-1", "europe-west4")))
    assert set(p.sites.region.tolist()) == {"us-east-1", "europe-west4"}
    quick = problem(chat(ttft_ms=250))
    c = quick.candidates
    total = c.ttft_ms + quick.sources.rtt_ms[0, quick.pool_site[c.pool]]
    assert len(c.pool)
    assert (total <= 250).all()
    late = [e for e in quick.excuses.records() if e["bottleneck"] == "latency"]
    assert late
    assert "target 250 ms" in late[0]["detail"]


def test_every_node_is_a_candidate_or_excused() -> None:
    """For each workload, each node shape of the catalogue is accounted for."""
    workloads = (chat(), run(), archive(), chat(name="far", ttft_ms=60), chat(name="eu", residency=("FR",)))
    catalog = fake.catalog()
    p = problem(*workloads, catalog=catalog)
    for w, workload in enumerate(workloads):
        mine = p.pool_shape[p.candidates.pool[p.candidates.workload == w]]
        used = {(str(p.shapes.provider[s]), str(p.shapes.node[s])) for s in mine}
        excused = {(e["provider"], e["node"]) for e in p.excuses.records() if e["workload"] == workload.name}
        assert used | excused == set(catalog.nodes)


def test_nothing_on_offer_is_excused() -> None:
    """A node that nobody sells under the allowed options."""
    kept = [r for r in fake.rows() if r[2] != "p5.48xlarge"]
    p = problem(chat(), catalog=fake.catalog(offers=fake.offers(kept)))
    found = [e for e in p.excuses.records() if e["node"] == "p5.48xlarge"]
    assert [e["bottleneck"] for e in found] == ["no offer"]
    only_spot = [r for r in fake.rows() if r[2] != "p5.48xlarge" or r[3] == "spot"]
    p = problem(chat(max_spot_share=0), catalog=fake.catalog(offers=fake.offers(only_spot)))
    found = [e for e in p.excuses.records() if e["node"] == "p5.48xlarge"]
    assert [e["bottleneck"] for e in found] == ["spot"]


def test_transfer_is_rounded_up_to_a_pico_dollar() -> None:
    """7,200 bytes at 9 cents a GB are 648 micro-dollars a thousand; a data set is spread over the tokens."""
    p = problem(chat(), run(dataset_gb=1000, dataset_origin="aws/us-east-1"))
    at = {f"{a}/{b}": i for i, (a, b) in enumerate(zip(p.sites.provider, p.sites.region, strict=True))}
    pico = p.sources.transfer_pico_usd_per_unit
    assert pico[0, at["aws/us-east-1"]] == 648_000
    assert pico[1, at["aws/us-east-1"]] == 0
    assert pico[1, at["gcp/us-central1"]] == 200  # $20 over 1e11 tokens
    odd = problem(run(tokens=3 * 10**11, dataset_gb=1000, dataset_origin="aws/us-east-1"))
    assert odd.sources.transfer_pico_usd_per_unit.max() == 67  # 66.7


def test_unserved_demand() -> None:
    """Must be served without a price, may be left at one; the derived price is beyond every candidate's."""
    p = problem(chat(), chat(name="optional", unserved_usd_per_unit=0.05), run())
    assert p.workloads.must_serve.tolist() == [True, False, True]
    price = p.workloads.unserved_micro_usd_per_unit
    assert price[1] == 50_000
    c, o = p.candidates, p.offers
    dearest = np.zeros(len(p.pool_shape), dtype=np.int64)
    np.maximum.at(dearest, o.pool, o.micro_usd_per_hour)
    for w in (0, 2):
        mine = c.workload == w
        unit = dearest[c.pool[mine]] * c.nodes_per_replica[mine] / c.units_per_hour[mine]
        assert price[w] >= 10 * unit.max() * 0.3  # spot is cheaper than firm, at most by half here
        assert price[w] <= 10 * unit.max() + 1
    with pytest.raises(InputError, match="less than a millionth"):
        problem(chat(unserved_usd_per_unit=1e-7))


def test_a_share_of_spot_without_spot_is_told() -> None:
    """It changes nothing, which somebody who sets it would not guess."""
    warned = problem(chat(max_spot_share=0.3), options=("on_demand",)).provenance["warnings"]
    assert "max_spot_share 0.3 changes nothing" in warned
    assert "changes nothing" not in problem(chat(max_spot_share=0.3)).provenance["warnings"]
    assert "changes nothing" not in problem(chat(max_spot_share=0), options=("on_demand",)).provenance["warnings"]


def test_windows_and_blocks_of_jobs() -> None:
    """A job runs in its window alone, a flow at any time; without jobs flat demand is one block."""
    p = problem(chat(), run(), archive())
    hours = p.blocks.total_hours
    assert hours[p.sources.window[1]].sum() == 28 * 24
    assert hours[p.sources.window[2]].sum() == 31 * 24
    assert p.sources.window[0].all()
    assert hours.sum() == 8760
    assert problem(chat()).blocks.count == 1
    assert problem(chat(), limits=NamedLimits(monthly_budget_usd=1e6)).blocks.count == 12  # months of unequal length
    late = problem(run(deadline=D(2028, 6, 1)))
    assert late.blocks.total_hours[late.sources.window[0]].sum() == (D(2028, 1, 1) - D(2027, 2, 1)).days * 24
    assert "deadline 2028-06-01 is after the horizon's end" in late.provenance["warnings"]


def test_gangs_too_slow_for_the_window_are_left_out() -> None:
    """Every candidate that stays can finish; the pools of the others are excused."""
    p = problem(run(tokens=10**12))
    assert (p.candidates.units_per_hour * 28 * 24 >= 10**12).all()
    assert "deadline" in p.excuses["bottleneck"].tolist()
    hopeless = problem(run(tokens=10**15))  # none can: all stay, and the conflict is told later
    assert len(hopeless.candidates.pool)


def test_quotas() -> None:
    """A starred quota is one limit over all it matches, and each other pool gets the default."""
    catalog = fake.catalog(quotas=(fake.Quota("aws", "us-east-1", "p5.48xlarge", "any", 7),))
    quotas = (
        NamedQuota(provider="aws", region="us-east-1", node="p5.48xlarge", max_nodes=10),
        NamedQuota(provider="gcp", kind="spot", max_nodes=5),
        NamedQuota(provider="*", node="p5en.48xlarge", max_nodes=3),
    )
    p = problem(chat(), catalog=catalog, limits=NamedLimits(quotas=quotas, default_max_nodes=20))
    names = p.pool_names.tolist()
    found = {q.name: q for q in p.limits.quotas}
    assert found["aws/us-east-1/p5.48xlarge"].max_nodes == 7  # the lower of the spec's and the account's
    assert {names[i] for i in found["gcp/*/* (spot)"].pools} == {n for n in names if n.startswith("gcp/")}
    assert found["gcp/*/* (spot)"].kind == "spot"
    own = [q for q in p.limits.quotas if q.max_nodes == 20]
    assert {names[q.pools[0]] for q in own} == set(names) - {"aws/us-east-1/p5.48xlarge"}


def test_limits_are_exact() -> None:
    """Money in micro-dollars, carbon in grams, months one by one."""
    limits = NamedLimits(
        monthly_budget_usd=(0.1, None, *[1e6] * 10), hourly_budget_usd=0.3, carbon_max_kg=0.7, carbon_usd_per_kg=0.1
    )
    p = problem(chat(), limits=limits, accounting="cash")
    assert p.limits.monthly_budget_micro_usd[:3] == (100_000, None, 10**12)
    assert (p.limits.hourly_budget_micro_usd, p.limits.carbon_max_g) == (300_000, 700)
    assert (p.limits.carbon_micro_usd_per_kg, p.limits.accounting) == (100_000, "cash")


def test_scenarios_have_their_own_blocks() -> None:
    """Probabilities are fractions; demand is multiplied; each scenario has every hour of the horizon."""
    futures = (Scenario(name="base", probability=0.7), Scenario(name="high", probability=0.3, demand_factor=1.5))
    p = problem(chat(), scenarios=futures)
    assert p.blocks.probability == (Fraction(7, 10), Fraction(3, 10))
    assert p.sources.units_per_hour[0].tolist() == [40_000, 60_000]
    assert p.blocks.total_hours.tolist() == [8760, 8760]


def test_the_cheapest_of_many_offers_is_taken() -> None:
    """Several rows of one option in one pool: the cheapest, whatever their order."""
    place = ("aws", "us-east-1", "p5.48xlarge")
    more = [(*place, "spot", "spot", 10**6 * k, 0, 0, 2.0, "2026-02-01", "zone") for k in (30, 20, 25)]
    p = problem(chat(), catalog=fake.catalog(offers=fake.offers(fake.rows() + more)))
    assert p.offers.micro_usd_per_hour[row(p, "/".join(place), SPOT)] == 20_000_000


@given(seed=st.integers(0, 10**6))
@settings(max_examples=25, deadline=None)
def test_order_of_the_catalogue_is_nothing(seed: int) -> None:
    """Shuffled offers, nodes, regions and quotas give the same problem."""
    shuffle = random.Random(seed)  # noqa: S311 (a test)
    parts = fake.catalog()
    quotas = tuple(fake.Quota("aws", r, "p5.48xlarge", "any", 5) for r in ("us-east-1", "eu-west-3"))

    def mixed(items: Any) -> list[Any]:
        made = list(items)
        shuffle.shuffle(made)
        return made

    catalog = fake.catalog(
        nodes=dict(mixed(parts.nodes.items())),
        regions=dict(mixed(parts.regions.items())),
        accelerators=dict(mixed(parts.accelerators.items())),
        offers=fake.offers(mixed(fake.rows())),
        quotas=tuple(mixed(quotas)),
    )
    workloads = (chat(), run(), archive())
    mine = problem(*workloads, catalog=catalog)
    reference = problem(*workloads, catalog=fake.catalog(quotas=quotas))
    assert mine.digest() == reference.digest()
    assert list(mine.excuses.records()) == list(reference.excuses.records())


def test_no_candidate_dominates_another() -> None:
    """Within a workload, pool and market; and every mode left out is dominated by one that stays."""
    sources = tuple(Traffic(origin=o, requests_per_hour=1000) for o in ("paris", "new york", "tokyo"))
    w = chat(traffic=sources, ttft_ms=400, max_spot_share=1)
    p = problem(w)
    c, m = p.candidates, p.modes
    target = w.ttft_ms

    def reach(pool: int, ttft: float) -> set[int]:
        return set(np.flatnonzero(p.sources.rtt_ms[:, p.pool_site[pool]] + ttft <= target).tolist())

    for pool in range(len(p.pool_shape)):
        here = np.flatnonzero((c.pool == pool) & (c.market == 0)).tolist()
        kept = [(int(c.nodes_per_replica[k]), int(c.units_per_hour[k]), reach(pool, float(c.ttft_ms[k]))) for k in here]
        for i, (n, u, r) in enumerate(kept):
            assert not any(j != i and n2 <= n and u2 >= u and r2 >= r for j, (n2, u2, r2) in enumerate(kept))
        node = p.shapes.node[p.pool_shape[pool]]
        for k in np.flatnonzero(m["node"] == node).tolist():
            n, u, r = int(m["nodes_per_replica"][k]), int(m["units_per_hour"][k]), reach(pool, float(m["ttft_ms"][k]))
            assert not r or any(n2 <= n and u2 >= u and r2 >= r for n2, u2, r2 in kept)


@pytest.mark.parametrize(
    ("workloads", "changes", "message"),
    [
        ((), {}, "nothing to plan"),
        ((chat(), chat()), {}, "two workloads are named 'chat'"),
        ((chat(residency=("EUU",)),), {}, "did you mean EU"),
        ((chat(regions=("us-eats-1",)),), {}, "did you mean us-east-1"),
        ((chat(accelerators=("H1000",)),), {}, "did you mean H100"),
        ((chat(providers=("amazon",)),), {}, "providers names 'amazon'"),
        ((chat(),), {"options": ["ondemand"]}, "did you mean on_demand"),
        ((chat(),), {"options": []}, "no purchase option"),
        ((chat(),), {"options": ["capacity_block"]}, "cannot be planned yet"),
        ((chat(),), {"commitment_starts": [D(2026, 1, 1)]}, "not in the horizon"),
        ((chat(),), {"commitment_starts": [D(2027, 1, 1)] * 2}, "twice"),
        ((chat(),), {"accounting": "accrual"}, "one of amortised, cash"),
        ((run(earliest_start=D(2029, 1, 1), deadline=D(2029, 2, 1)),), {}, "no day in the horizon"),
        ((chat(),), {"limits": NamedLimits(monthly_budget_usd=(1.0, 2.0))}, "2 amounts for 12"),
        ((chat(),), {"limits": NamedLimits(quotas=(NamedQuota(provider="awz", max_nodes=1),))}, "did you mean aws"),
        (
            (chat(),),
            {"limits": NamedLimits(quotas=(NamedQuota(provider="aws", node="p5.48xlarg", max_nodes=1),))},
            "did you mean p5.48xlarge",
        ),
    ],
)
def test_what_cannot_be_planned_is_named(workloads: Any, changes: dict[str, Any], message: str) -> None:
    """Each fault names its place and the mend."""
    with pytest.raises(InputError, match=message) as caught:
        problem(*workloads, **changes)
    assert caught.value.where


def test_nothing_on_sale_at_all() -> None:
    """A problem without candidates says why for every node."""
    p = problem(chat(), run(), options=["commit_6m"])
    assert len(p.candidates.pool) == len(p.offers.pool) == len(p.pool_shape) == 0
    assert "no offer" in p.excuses["bottleneck"].tolist()
    assert p.workloads.unserved_micro_usd_per_unit.tolist() == [1, 1]
    assert p.digest()
