"""The independent check of a plan: every rule and every cost line, exactly, without a solver."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from .problem import COMMITMENT, MARKETS, OFFER_KINDS
from .rules import RULES, Books, Violation

if TYPE_CHECKING:
    from .plan import Plan
    from .problem import Problem

KEYS = {
    "purchases": (("offer", "block"), ("offer", "block", "nodes")),
    "placements": (("candidate", "block"), ("candidate", "block", "replicas", "nodes")),
    "served": (("source", "candidate", "block"), ("source", "candidate", "block", "units_per_hour")),
    "unserved": (("source", "block", "scenario"), ("source", "block", "scenario", "units")),
}
KINDS = ("compute", "upfront", "transfer", "carbon", "unserved")


def check(problem: Problem, plan: Plan) -> list[Violation]:
    """Everything wrong with a plan; an empty list means that it is sound.

    The tables must be readable against the problem (rows in range, names that agree, whole numbers, nothing twice)
    before the rules recompute requirements and costs from them. A certificate must not promise more than it can:
    its upper bound is the bill and its lower bound is not above it.
    """
    found = list(_structure(problem, plan))
    if found:
        return found
    books = Books(problem, plan)
    for rule in RULES:
        found += rule.violations(problem, books)
    found += _bill(problem, plan)
    return found


def _structure(problem: Problem, plan: Plan) -> Iterator[Violation]:
    sizes = {
        "offer": len(problem.offers.pool),
        "candidate": len(problem.candidates.pool),
        "source": len(problem.sources.workload),
        "block": problem.blocks.count,
        "scenario": len(problem.blocks.probability),
    }
    if plan.periods != problem.blocks.periods:
        yield Violation("structure", "periods", "are not the problem's")
    if plan.block_hours != tuple(problem.blocks.total_hours.tolist()):
        yield Violation("structure", "block_hours", "are not the problem's")
    if plan.accounting != problem.limits.accounting:
        yield Violation(
            "structure", "accounting", f"is {plan.accounting}, the problem says {problem.limits.accounting}"
        )
    for name, (key, wholes) in KEYS.items():
        table = getattr(plan, name)
        missing = [c for c in wholes if c not in table]
        if missing:
            yield Violation("structure", name, f"has no column {', '.join(missing)}")
            continue
        columns = {c: table[c].tolist() for c in wholes}
        for c, values in columns.items():
            low, high = (-1 if c in {"block", "scenario"} else 0), sizes.get(c)
            bad = [v for v in values if type(v) is not int or v < low or (high is not None and v >= high)]
            if bad:
                yield Violation("structure", f"{name}.{c}", f"holds {bad[0]!r}, which is out of range")
                return
        keys = list(zip(*(columns[c] for c in key), strict=True))
        if len(set(keys)) < len(keys):
            yield Violation("structure", name, "names the same thing twice")
    yield from _names(problem, plan)


def _names(problem: Problem, plan: Plan) -> Iterator[Violation]:  # noqa: C901
    """Texts and derived columns agree with the rows they name."""
    o, c, pools, w = problem.offers, problem.candidates, problem.pool_names, problem.workloads
    for r in plan.purchases.records():
        kind = OFFER_KINDS[o.kind[r["offer"]]]
        place = f"{r['provider']}/{r['region']}/{r['node']}"
        if place != pools[o.pool[r["offer"]]] or r["option"] != o.option[r["offer"]] or r["kind"] != kind:
            yield Violation("structure", "purchases", f"{place} {r['option']} is not offer {r['offer']}")
        if (r["block"] < 0) != (o.kind[r["offer"]] == COMMITMENT):
            yield Violation(
                "structure", "purchases", f"{place} {r['option']}: a commitment has no block, all else has one"
            )
        if o.kind[r["offer"]] == COMMITMENT and (r["starts"], r["term_hours"]) != (
            o.starts[r["offer"]], int(o.term_hours[r["offer"]]),
        ):  # fmt: skip
            yield Violation("structure", "purchases", f"{place} {r['option']}: start or term is not the offer's")
    for r in plan.placements.records():
        k = r["candidate"]
        same = (r["workload"], f"{r['provider']}/{r['region']}/{r['node']}", r["market"]) == (
            w.name[c.workload[k]], pools[c.pool[k]], MARKETS[c.market[k]],
        )  # fmt: skip
        if not same or r["nodes"] != r["replicas"] * int(c.nodes_per_replica[k]) or r["block"] < 0:
            yield Violation("structure", "placements", f"row of candidate {k} does not agree with the problem")
    for r in plan.served.records():
        k, d = r["candidate"], r["source"]
        place = f"{problem.sites.provider[problem.pool_site[c.pool[k]]]}/{problem.sites.region[problem.pool_site[c.pool[k]]]}"  # noqa: E501
        named = (r["workload"], r["origin"], f"{r['provider']}/{r['region']}")
        if problem.sources.workload[d] != c.workload[k] or named != (
            w.name[c.workload[k]],
            problem.sources.origin[d],
            place,
        ):
            yield Violation("structure", "served", f"source {d} on candidate {k} does not agree with the problem")
        if r["block"] < 0:
            yield Violation("structure", "served", f"source {d} on candidate {k} has no block")
    for r in plan.unserved.records():
        d = r["source"]
        job = bool(problem.sources.total_units[d] > 0)
        if (r["workload"], r["origin"]) != (w.name[problem.sources.workload[d]], problem.sources.origin[d]) or job != (
            r["block"] < 0
        ):
            yield Violation("structure", "unserved", f"row of source {d} does not agree with the problem")
        scenario = int(problem.blocks.scenario[r["block"]]) if r["block"] >= 0 else r["scenario"]
        if r["scenario"] < 0 or r["scenario"] != scenario:
            yield Violation(
                "structure", "unserved", f"row of source {d} names scenario {r['scenario']}, its block is of {scenario}"
            )


def _bill(problem: Problem, plan: Plan) -> Iterator[Violation]:
    """No line of an unknown kind, place or team; the certificate's upper bound is the sum of the lines."""
    teams = {str(n): str(t) for n, t in zip(problem.workloads.name, problem.workloads.team, strict=True)} | {
        "(idle)": ""
    }
    pools: set[Any] = set(problem.pool_names.tolist()) | {"//"}
    options = set(problem.offers.option.tolist())
    for r in plan.cost_lines.records():
        where = f"cost line {r['kind']} {r['workload']} {r['period']}"
        if r["kind"] not in KINDS or r["period"] not in problem.blocks.periods or type(r["micro_usd"]) is not int:
            yield Violation("bill", where, "has an unknown kind or month, or an amount that is not whole")
        if r["workload"] not in teams or teams.get(r["workload"]) != r["team"]:
            yield Violation("bill", where, f"names workload {r['workload']!r} of team {r['team']!r}")
        if f"{r['provider']}/{r['region']}/{r['node']}" not in pools or (r["kind"] in {"compute", "upfront"}) != (
            r["option"] in options
        ):
            yield Violation("bill", where, "names a place or an option that is not offered")
        if r["micro_usd"] < 0:
            yield Violation("bill", where, "is negative")
    c = plan.certificate
    if c.kind == "proved" and (c.upper_micro_usd != plan.total_micro_usd or c.lower_micro_usd > c.upper_micro_usd):
        yield Violation(
            "certificate", "bounds", f"{c.lower_micro_usd}..{c.upper_micro_usd} for a bill of {plan.total_micro_usd}"
        )
