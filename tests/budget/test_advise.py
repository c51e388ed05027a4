"""Advice: every lever is pulled, and what it says is what planning again says."""

from __future__ import annotations

import dataclasses
import json
from fractions import Fraction

import pytest

from solver import solve
from solver.bill import LINE_COLUMNS
from solver.budget import Book, Budget, BudgetFile, Budgets, ledger, read_budgets, shown
from solver.budget.advise import Advice, advise, bound_micro_usd, monthly_limits
from solver.budget.gate import gate
from solver.budget.levers import Lever, levers, together
from solver.budget.standing import standings
from solver.budget.told import to_lines, to_plain
from solver.errors import InputError
from solver.plan import Plan
from solver.problem import Problem
from solver.spec import loads
from solver.table import Table
from solver.whatif import changed
from tests.budget.plans import plan_of
from tests.doors.small import USD, make_small_plan

SPEC = {
    "name": "small", "horizon": {"start": "2027-01-01", "months": 1},
    "prices": {"as_of": "2026-08-03", "providers": ["aws"], "regions": ["us-east-1"], "options": ["on_demand"]},
    "workloads": [{
        "kind": "serving", "name": "chat", "team": "web", "model": "llama-3.1-8b", "input_tokens": 1000,
        "output_tokens": 200, "ttft_ms": 1000, "tpot_ms": 60, "accelerators": ["H100"],
        "traffic": [{"origin": "aws/us-east-1", "requests_per_hour": 500_000, "profile": "flat"}],
    }],
}  # fmt: skip


@pytest.fixture(scope="module")
def planned() -> tuple[Problem, Plan]:
    """A small fleet, and its problem."""
    problem = loads(json.dumps(SPEC))
    return problem, solve(problem, deterministic=True)


@pytest.fixture(scope="module")
def advice(planned: tuple[Problem, Plan]) -> Advice:
    """On a budget of nine tenths of what it costs."""
    plan = planned[1]
    file = read_budgets({"budgets": [{"name": "all", "amount": round(0.9 * float(plan.total_usd), 2)}]})
    every = levers(json.loads(plan.provenance.spec), plan, list(file.budgets.budgets), file.budgets)
    own = [lever for lever in every if lever.text.startswith(("buy commit_3y", "ttft_ms", "serve 25%"))]
    assert len(own) == 3
    found = advise(plan, file, Book(planned=ledger(plan)), own=own)
    assert found is not None
    return found


def test_each_lever_is_a_plan_made_again(planned: tuple[Problem, Plan], advice: Advice) -> None:
    """Its bill by a search of its own, within the gap of both; over is what is left above the budget."""
    _, plan = planned
    lever = next(t for t in advice.levers if t.lever.text == "serve 25% less of chat")
    again = solve(loads(changed(plan.provenance.spec, lever.lever.changes)), deterministic=True)
    assert again.total_micro_usd - plan.total_micro_usd == pytest.approx(lever.change, rel=0.02)
    assert lever.lever.gives == "demand"
    (breach,) = advice.breaches
    assert breach.over > 0
    for tried in advice.levers:
        if tried.over:
            assert tried.least is not None
            assert tried.least <= tried.change  # no plan costs less than what is proved
            assert tried.over[0] - breach.over == tried.change  # one month, everything: the budget sees all of it


def test_levers_that_are_enough_come_first_and_those_that_give_up_least_before(advice: Advice) -> None:
    """Then what is not enough, and what leaves no plan last."""
    enough = [t.for_all for t in advice.levers]
    assert enough == sorted(enough, reverse=True)
    assert any(enough)
    best = [t.lever.rank for t in advice.levers if t.for_all and not t.bound]
    assert best == sorted(best)
    assert not advice.levers[-1].over


def test_a_budget_below_the_bound_is_proved_to_be_too_small(advice: Advice) -> None:
    """The certificate says so; as a limit of the spec the conflicts say by how much, and what a dollar is worth."""
    assert any(
        note.startswith("proved: no plan within the spec's requirements costs less than $") for note in advice.notes
    )
    within = next(t for t in advice.levers if t.lever.text == "keep the budget as a limit of the spec")
    assert within.failed == "no plan keeps it: limits would have to give way"
    assert within.why[0].startswith("monthly budget[2027-01] by ")


def test_a_commitment_says_what_it_binds_after_the_plan(planned: tuple[Problem, Plan], advice: Advice) -> None:
    """By hand: hours of the term that are not in the horizon, at the rate of each node."""
    options = {"prices": {**SPEC["prices"], "options": ["commit_3y"]}}  # type: ignore[dict-item]
    problem = loads(json.dumps(SPEC | options))
    plan = solve(problem, deterministic=True)
    (row,) = plan.purchases.records()
    term, rate = 3 * 365 * 24 + 24, int(problem.offers.micro_usd_per_hour[row["offer"]])  # 2028 is a leap year
    upfront = int(problem.offers.upfront_micro_usd[row["offer"]])
    assert (row["term_hours"], upfront) == (term, 0)
    assert bound_micro_usd(problem, plan) == row["nodes"] * rate * (term - 31 * 24) > 0
    assert bound_micro_usd(*planned) == 0
    tried = next((t for t in advice.levers if t.lever.text == "buy commit_3y, too"), None)
    assert tried is not None
    assert tried.bound > 0
    assert " after its end" in next(line for line in to_lines(advice) if "commit_3y" in line)


def test_what_is_told_is_readable(planned: tuple[Problem, Plan], advice: Advice) -> None:
    """Lines, Markdown and plain values name every lever; what is of no use stands in one line."""
    lines = "\n".join(to_lines(advice))
    told = to_plain(advice)
    assert {x["lever"] for x in told["levers"]} == {t.lever.text for t in advice.levers}
    assert all(t.lever.text in lines for t in advice.levers)
    json.dumps(told)
    plan = planned[1]
    file = BudgetFile.of(Budgets(budgets=(Budget(name="all", amount=1),)))
    found = gate(plan, budgets=(file, Book(planned=ledger(plan))))
    assert "\n- serve 25% less of chat" in shown.to_markdown(found, advice)
    assert json.loads(shown.to_json(found, advice))["advice"] == told


def test_monthly_limits_are_the_share_that_each_budget_allows() -> None:
    """Of 400 dollars 196.67 are allowed (59 of 90 days of 300): 49.2 % of each month; 20 in February is less."""
    plan = plan_of(
        [("2027-01", "web", "chat", "aws", 300 * USD), ("2027-02", "web", "chat", "aws", 100 * USD)], months=2
    )
    book = Book(planned=ledger(plan))
    quarter = {"name": "q", "amount": 300, "period": "quarter"}
    for more, wanted in (([], [147.5, 49.166666]), ([{"name": "f", "amount": 20, "only": "2027-02"}], [147.5, 20.0])):
        file = read_budgets({"budgets": [quarter, *more]})
        breached = [s for s in standings(file, book) if s.breached]
        assert monthly_limits(plan, file, book, breached) == pytest.approx(wanted, abs=2e-6)
        assert sum(monthly_limits(plan, file, book, breached) or []) <= 300 * 59 / 90  # type: ignore[arg-type]
    team = read_budgets({"budgets": [quarter | {"team": "web"}]})
    assert monthly_limits(plan, team, book, standings(team, book)) is None  # the spec has no budget of a team
    cash = read_budgets({"budgets": [quarter], "accounting": "cash"})
    assert monthly_limits(plan, cash, book, standings(cash, book)) is None


def test_a_budget_of_the_spec_does_not_count_what_nobody_is_paid() -> None:
    """300 dollars of nodes and 100 of a price on carbon: of a budget of 300 for both 200 are left for nodes."""
    lines = [
        (kind, "aws", "us", "big", "", "chat", "web", "2027-01", usd * USD)
        for kind, usd in (("compute", 300), ("carbon", 100))
    ]
    plan = dataclasses.replace(
        make_small_plan(), periods=("2027-01",), cost_lines=Table.from_records(LINE_COLUMNS, lines)
    )
    for counted, amount, wanted in ((True, 300, 200.0), (False, 299, 299.0)):
        file = read_budgets({"budgets": [{"name": "all", "amount": amount}], "penalties": counted})
        book = Book(planned=ledger(plan, penalties=counted))
        assert monthly_limits(plan, file, book, standings(file, book)) == [wanted]


def test_levers_fit_the_spec_and_name_what_they_give_up(planned: tuple[Problem, Plan]) -> None:
    """Every path leads somewhere, a lone workload is not dropped, and one that no budget counts is left alone."""
    plan = planned[1]
    spec = json.loads(plan.provenance.spec)
    two = json.loads(json.dumps(spec))
    two["workloads"].append(two["workloads"][0] | {"name": "v1.5", "team": "lab", "residency": ["US"]})
    two["limits"] |= {"default_max_nodes": 2, "upfront_max_usd": 1.0}
    budgets = Budgets(budgets=(Budget(name="lab", amount=1, team="lab"),))
    found = list(levers(two, plan, list(budgets.budgets), budgets))
    for lever in found:
        changed(json.dumps(two), lever.changes)
    said = [lever.text for lever in found]
    assert {"let v1.5 run anywhere", "drop v1.5", "raise default_max_nodes to 4", "lift upfront_max_usd"} <= set(said)
    assert not any("chat" in text for text in said)
    mine = list(levers(spec, plan, [Budget(name="all", amount=1)], budgets))
    assert not any(lever.text.startswith("drop") for lever in mine)


def test_levers_together() -> None:
    """Lists are put together, other values are the last one's; what is given up is the most of them."""
    a = Lever(text="a", gives="nothing", changes={"prices.options": ["x", "y"], "n": 1})
    b = Lever(text="b", gives="demand", changes={"prices.options": ["x", "z"], "n": 2, "prices.regions": []})
    made = together([a, b])
    assert made.changes == {"prices.options": ["x", "y", "z"], "n": 2, "prices.regions": []}
    assert (made.text, made.gives) == ("a and b", "demand")


def test_nothing_to_advise(planned: tuple[Problem, Plan]) -> None:
    """A budget that is kept, a plan without a spec, no time."""
    plan = planned[1]
    book, kept = Book(planned=ledger(plan)), read_budgets({"budgets": [{"name": "all", "amount": 10**6}]})
    assert advise(plan, kept, book) is None
    short = read_budgets({"budgets": [{"name": "all", "amount": 1}]})
    bare = dataclasses.replace(plan, provenance=dataclasses.replace(plan.provenance, spec=""))
    with pytest.raises(InputError, match="holds no spec"):
        advise(bare, short, book)
    found = advise(plan, short, book, time_limit_s=0.01)
    assert found is not None
    assert {t.lever.text for t in found.levers} <= {"keep the budget as a limit of the spec"}
    assert found.notes[-1].startswith("not tried in time (about ")
    assert found.notes[-1].endswith("serve 25% less of chat")
    assert Fraction(found.breaches[0].over) == plan.total_micro_usd - USD
