"""Explanations against hand computation."""

from __future__ import annotations

import dataclasses
import json
from decimal import Decimal

import numpy as np
import pytest

from solver.errors import InputError
from solver.explain import explain, to_json, to_text
from solver.plan import Plan
from solver.problem import Limits, Problem, Quota
from solver.summary import summarise
from solver.table import Table
from tests.doors.small import USD, make_offers, make_small, make_small_plan, make_workloads
from tests.report.report_samples import EXCUSES, make_infeasible, table


def told(problem: Problem) -> Plan:
    """The small plan with its fleet, purchases and some excuses."""
    plan = make_small_plan()
    purchases = Table.from_records(
        ("offer", "provider", "region", "node", "option", "kind", "block", "nodes", "starts", "term_hours"),
        [
            (0, "aws", "us", "big", "on_demand", "on_demand", 0, 3, "", 0),
            (0, "aws", "us", "big", "on_demand", "on_demand", 1, 1, "", 0),
            (2, "gcp", "eu", "small", "on_demand", "on_demand", 0, 7, "", 0),
        ],
    )
    excuses = table("workload provider node region bottleneck detail", EXCUSES)
    return dataclasses.replace(plan, purchases=purchases, excuses=excuses, fleet=summarise(problem, plan))


def test_unit_prices_and_the_runner_up_are_what_hand_computation_says() -> None:
    """$10 an hour for 100 requests is $100,000 a million; aws eu at $12 must match the dearer gcp eu's $133,333."""
    problem = make_small()
    chat, train = explain(problem, told(problem)).workloads
    assert [c.pool for c in chat.chosen] == ["aws/us/big", "gcp/eu/small"]
    assert chat.chosen[0].usd_per_1m_units == {"on_demand": "100000.0000"}
    assert chat.chosen[1].usd_per_1m_units == {"on_demand": "133333.3333"}
    assert chat.chosen[0].usd_per_month == "510.00"
    assert chat.runner_up is not None
    assert (chat.runner_up.pool, chat.runner_up.usd_per_1m_units) == ("aws/eu/big", "120000.0000")
    assert chat.runner_up.must_fall_percent == 0
    assert (train.chosen, train.runner_up) == ([], None)


def test_a_dearer_runner_up_is_told_by_how_much_its_price_must_fall() -> None:
    """With only aws us taken at $100,000, aws eu at $120,000 must fall by a sixth."""
    problem = make_small()
    plan = told(problem)
    (chat,) = explain(problem, dataclasses.replace(plan, fleet=plan.fleet.take(np.array([0]))), "chat").workloads
    assert chat.runner_up is not None
    assert chat.runner_up.must_fall_percent == pytest.approx(100 / 6, abs=1e-3)


def test_owned_commitments_have_a_price_but_are_no_runner_up() -> None:
    """They are held whatever the plan says."""
    problem = make_small(offers=make_offers(owned=2))
    chat = explain(problem, told(problem), "chat").workloads[0]
    assert list(chat.chosen[0].usd_per_1m_units) == ["commit_1y", "on_demand"]


def test_a_pool_out_of_reach_is_no_runner_up() -> None:
    """Nor is any in another jurisdiction."""
    problem = make_small(workloads=make_workloads(residency=(("US",), ())))
    assert explain(problem, told(problem), "chat").workloads[0].runner_up is None


def test_rejected_options_are_counted_by_bottleneck() -> None:
    """The most frequent first, with examples."""
    problem = make_small()
    found = explain(problem, told(problem), "chat").workloads[0].rejected
    assert [(r.bottleneck, r.count) for r in found] == [("memory", 40), ("price", 9)]
    assert all(0 < len(r.examples) <= 3 for r in found)


def test_binding_limits_are_named() -> None:
    """A full quota with its hours, a budget used up, a carbon limit reached; slack ones are not."""
    budgets = (640 * USD, 5000 * USD)
    grams = round((3 * 30 + 70) * 10 * 500 + 7 * 30 * 0.4 * 100)
    limits = Limits(
        quotas=(
            Quota(name="aws/us/big", pools=(0,), kind="any", max_nodes=3),
            Quota(name="gcp/eu/small", pools=(2,), kind="any", max_nodes=8),
            Quota(name="spot", pools=(0, 1, 2), kind="spot", max_nodes=1),
        ),
        monthly_budget_micro_usd=budgets,
        carbon_max_g=grams,
    )
    problem = make_small(limits=limits)
    quota, budget, carbon = explain(problem, told(problem)).binding
    assert quota == "quota aws/us/big: all 3 nodes held for 30 hours, first block 0 (30 h)"
    assert budget == "budget of 2027-01: $640.00 of $640.00"
    assert carbon.startswith("carbon: 808 kg of 808 kg")


def test_without_the_problem_what_stands_in_the_plan_is_told() -> None:
    """No unit prices, no limits."""
    found = explain(None, told(make_small()))
    assert {w.workload for w in found.workloads} == {"chat", "search", "finetune"}
    assert found.workloads[0].chosen[0].usd_per_1m_units == {}
    assert found.binding == []


def test_an_infeasible_plan_tells_what_would_have_to_give_way() -> None:
    """Its conflicts."""
    text = to_text(explain(None, make_infeasible()))
    assert "What would have to give way" in text
    assert "quota[aws/us-east-1/p5.48xlarge, 2027-03]: chat needs 23 nodes, 20 are allowed" in text


def test_an_unknown_workload_is_refused_with_the_nearest() -> None:
    """As the command line passes it on."""
    with pytest.raises(InputError, match="nearest: chat"):
        explain(None, told(make_small()), "chta")


def test_text_and_json_tell_the_same() -> None:
    """Every pool and price of the one is in the other."""
    problem = make_small()
    found = explain(problem, told(problem))
    text, parsed = to_text(found), json.loads(to_json(found))
    for chosen in parsed["workloads"][0]["chosen"]:
        assert chosen["pool"] in text
        assert all(f"${Decimal(usd):,}" in text for usd in chosen["usd_per_1m_units"].values())
    assert parsed["certificate"] in text
    assert "whole nodes, shared commitments or a limit decided" in text
