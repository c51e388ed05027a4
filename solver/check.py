"""The independent check of a plan: every rule and every cost line, exactly, without a solver."""

from __future__ import annotations

from collections.abc import Iterator
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, get_args

from .bill import IDLE, IDLE_NAME, LINE_COLUMNS
from .plan import CertificateKind, Termination
from .problem import COMMITMENT, MARKETS, OFFER_KINDS
from .rules import RULES, Books, Violation
from .rules.measures import objective_micro_usd

if TYPE_CHECKING:
    from .bill import Line
    from .plan import Plan
    from .problem import Problem

Row = dict[str, Any]
Places = list[tuple[str, ...]]
COLUMNS = MappingProxyType(
    {
        "purchases": (
            "offer",
            "provider",
            "region",
            "node",
            "option",
            "kind",
            "block",
            "nodes",
            "starts",
            "term_hours",
        ),
        "placements": ("candidate", "workload", "provider", "region", "node", "market", "block", "replicas", "nodes"),
        "served": ("source", "workload", "origin", "candidate", "provider", "region", "block", "units_per_hour"),
        "unserved": ("source", "workload", "origin", "block", "scenario", "units"),
        "cost_lines": LINE_COLUMNS,
    }
)
KEYS = MappingProxyType(
    {
        "purchases": ("offer", "block"),
        "placements": ("candidate", "block"),
        "served": ("source", "candidate", "block"),
        "unserved": ("source", "block", "scenario"),
        "cost_lines": LINE_COLUMNS[:-1],
    }
)
AMOUNTS = ("nodes", "replicas", "units_per_hour", "units", "micro_usd")


def check(problem: Problem, plan: Plan) -> list[Violation]:
    """Everything wrong with a plan; an empty list means that it is sound.

    The tables must be readable against the problem (rows in range, names that agree, whole numbers above zero, nothing
    twice) before the rules recompute requirements and costs from them. Every cost line is recomputed from purchases,
    placements and units, with the workload it is charged to; no line may be missing and none be there besides. The
    certificate must not promise more than it can: its upper bound is the bill (or the objective, recomputed, where that
    is another) and its lower bound is not above it.

    Not covered: `fleet`, `ways`, `risk`, `excuses` and `conflicts`, which are views made from the problem and the
    tables above and decide nothing; and what only the search can know, that no plan costs less than the lower bound.
    """
    found = [*_head(problem, plan), *_readable(problem, plan)] or list(_names(problem, plan))
    if found:
        return found
    books = Books(problem, plan)
    for rule in RULES:
        found += rule.violations(problem, books)
    return [*found, *_bill(problem, plan, books), *_certificate(problem, plan, books)]


def _head(problem: Problem, plan: Plan) -> Iterator[Violation]:
    """The plan is of this problem."""
    facts = (
        ("periods", plan.periods, problem.blocks.periods),
        ("block_hours", plan.block_hours, tuple(problem.blocks.total_hours.tolist())),
        ("accounting", plan.accounting, problem.limits.accounting),
    )
    for name, said, real in facts:
        if said != real:
            yield Violation("structure", name, f"{str(said)!r:.80} is not the problem's, {str(real)!r:.80}")
    digest = plan.provenance.problem_digest
    if digest and digest != problem.digest():  # without one a plan does not say which problem it is of
        yield Violation("structure", "provenance.problem_digest", "is that of another problem")


def _readable(problem: Problem, plan: Plan) -> Iterator[Violation]:
    """Columns are there, rows are in range, amounts are whole and above zero, and nothing is named twice."""
    rows = {
        "offer": (0, len(problem.offers.pool)),
        "candidate": (0, len(problem.candidates.pool)),
        "source": (0, len(problem.sources.workload)),
        "block": (-1, problem.blocks.count),
        "scenario": (0, len(problem.blocks.probability)),
    } | dict.fromkeys(AMOUNTS, (1, None))
    for name, columns in COLUMNS.items():
        table = getattr(plan, name)
        missing = [c for c in columns if c not in table]
        if missing:
            yield Violation("structure", name, f"has no column {', '.join(missing)}")
            continue
        for c in (c for c in columns if c in rows):
            low, high = rows[c]
            bad = [v for v in table[c].tolist() if type(v) is not int or v < low or (high is not None and v >= high)]
            if bad:
                yield Violation("structure", f"{name}.{c}", f"holds {bad[0]!r:.40}, which is out of range")
        keys = list(zip(*(table[c].tolist() for c in KEYS[name]), strict=True))
        if len(set(keys)) < len(keys):
            yield Violation("structure", name, "names the same thing twice")


def _names(problem: Problem, plan: Plan) -> Iterator[Violation]:
    """Texts and derived columns say of each row what the problem says of it."""
    places = [tuple(name.split("/", 2)) for name in problem.pool_names.tolist()]
    parts = {"purchases": _purchase, "placements": _placement, "served": _flow, "unserved": _left}
    for name, facts in parts.items():
        for number, row in enumerate(getattr(plan, name).records()):
            for column, real in facts(problem, places, row).items():
                if row[column] != real:
                    said = f"{column} is {row[column]!r:.80}, {real!r:.80} by the problem"
                    yield Violation("structure", f"{name}, row {number}", said)


def _purchase(problem: Problem, places: Places, row: Row) -> Row:
    """Commitments have a start and a term and no block, all else has a block."""
    o, k = problem.offers, row["offer"]
    lasting = bool(o.kind[k] == COMMITMENT)
    return {
        **dict(zip(("provider", "region", "node"), places[o.pool[k]], strict=True)),
        "option": o.option[k],
        "kind": OFFER_KINDS[o.kind[k]],
        "block": -1 if lasting else max(0, row["block"]),
        "starts": o.starts[k] if lasting else "",
        "term_hours": int(o.term_hours[k]) if lasting else 0,
    }


def _placement(problem: Problem, places: Places, row: Row) -> Row:
    c, k = problem.candidates, row["candidate"]
    return {
        **dict(zip(("provider", "region", "node"), places[c.pool[k]], strict=True)),
        "workload": problem.workloads.name[c.workload[k]],
        "market": MARKETS[c.market[k]],
        "block": max(0, row["block"]),
        "nodes": row["replicas"] * int(c.nodes_per_replica[k]),
    }


def _flow(problem: Problem, places: Places, row: Row) -> Row:
    c, s, k, d = problem.candidates, problem.sources, row["candidate"], row["source"]
    return {
        **dict(zip(("provider", "region"), places[c.pool[k]][:2], strict=True)),
        "workload": problem.workloads.name[s.workload[d]],
        "origin": s.origin[d],
        "candidate": k if s.workload[d] == c.workload[k] else "one of the workload's",
        "block": max(0, row["block"]),
    }


def _left(problem: Problem, _places: Places, row: Row) -> Row:
    """What is left of a job has no block; what is left of a flow is in the scenario of its block."""
    s, d = problem.sources, row["source"]
    block = -1 if s.total_units[d] > 0 else max(0, row["block"])
    return {
        "workload": problem.workloads.name[s.workload[d]],
        "origin": s.origin[d],
        "block": block,
        "scenario": int(problem.blocks.scenario[block]) if block >= 0 else row["scenario"],
    }


def _bill(problem: Problem, plan: Plan, books: Books) -> Iterator[Violation]:
    """The lines are those the rules recompute: each amount, and nothing missing or besides."""
    names = problem.pool_names.tolist()
    owed: dict[tuple[Any, ...], tuple[str, int]] = {}
    for rule in RULES:
        for line in rule.owed(problem, books):
            key = _key(problem, names, line)
            owed[key] = rule.name, line.micro_usd + owed.get(key, ("", 0))[1]
    billed = {tuple(r[n] for n in KEYS["cost_lines"]): r["micro_usd"] for r in plan.cost_lines.records()}
    for key in sorted(owed.keys() | billed.keys(), key=str):
        name, amount = owed.get(key, ("bill", 0))
        if billed.get(key, 0) != amount:
            said = f"billed {billed.get(key, 0)} micro-dollars, recomputed {amount}"
            yield Violation(name, "/".join(str(part) for part in key if part), said)


def _key(problem: Problem, names: list[str], line: Line) -> tuple[Any, ...]:
    """A line's texts, in the order of KEYS["cost_lines"]."""
    w, place = problem.workloads, names[line.pool].split("/", 2) if line.pool >= 0 else ("", "", "")
    who = (IDLE_NAME, "") if line.workload == IDLE else (w.name[line.workload], w.team[line.workload])
    return (line.kind, *place, line.option, *who, problem.blocks.periods[line.period])


def _certificate(problem: Problem, plan: Plan, books: Books) -> Iterator[Violation]:
    """The upper bound is the sum of the lines, or the objective; the lower is not above it.

    Only what is infeasible claims nothing.
    """
    c = plan.certificate
    if plan.termination not in get_args(Termination) or c.kind not in get_args(CertificateKind):
        yield Violation("certificate", "kind", f"{c.kind!r} of a search that ended with {plan.termination!r}")
    if (c.kind == "none") != (plan.termination == "infeasible"):
        yield Violation("certificate", "kind", f"{c.kind}, though the search ended with {plan.termination!r}")
    bounds, total = (c.lower_micro_usd, c.upper_micro_usd), plan.total_micro_usd
    if not problem.limits.objective_is_bill and c.kind != "none":
        total = objective_micro_usd(problem, books)
    if c.bounds != ("bill" if problem.limits.objective_is_bill else "objective") and c.kind != "none":
        yield Violation("certificate", "bounds", f"are said to be of the {c.bounds!s:.40}")
    whole = all(type(x) is int for x in (*bounds, total))
    if not whole or not 0 <= c.lower_micro_usd <= c.upper_micro_usd == total or (c.kind == "none" and any(bounds)):
        yield Violation("certificate", "bounds", f"{bounds[0]}..{bounds[1]} for {total}")
