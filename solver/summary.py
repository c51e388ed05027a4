"""The fleet in one row a workload and pool: exact sums of the plan's own tables, the view people read first."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from .rules import Books
from .rules.measures import measure
from .table import Table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .plan import Plan
    from .problem import Problem

Array = np.ndarray[Any, np.dtype[Any]]
COLUMNS = (
    *("workload", "kind", "provider", "region", "node", "accelerator", "option", "nodes_mean", "nodes_peak", "layout"),
    *("micro_usd_per_month", "micro_usd_per_1m_input", "micro_usd_per_1m_output", "utilisation"),
    *("ttft_ms", "tpot_ms", "evidence"),
)
OUTPUT_WEIGHT = 4  # input tokens that one output token counts as when a row's cost is split: the usual price-list ratio
MILLION = 10**6
RISK_COLUMNS = ("measure", "micro_usd", "detail")
FEW = 3  # offers named
NO_PRICE = -1


def summarise(problem: Problem, plan: Plan) -> Table:
    """The table `Plan.fleet`: workloads in the problem's order, the dearest pool of each first.

    Nodes are means over the hours of the horizon, weighted by probability, and the most in any block. A row's cost is
    the sum of its lines in the bill (idle commitments belong to no row). It is split so that an output token costs
    OUTPUT_WEIGHT times an input token; the two prices together give the row's cost back. Utilisation is what is served
    over what the running replicas could serve. TTFT holds the longest network round trip in use.
    """
    if not len(plan.placements):
        return Table.from_records(COLUMNS, [])
    view = _View.of(problem, plan)
    rows = sorted(view.rows(), key=lambda r: (r[0], -r[1]["micro_usd_per_month"]))
    return Table.from_records(COLUMNS, [[r[name] for name in COLUMNS] for _, r in rows])


def risk_table(problem: Problem, plan: Plan) -> Table:
    """The table `Plan.risk`: measure, micro_usd, detail; empty where one future comes for sure at prices as listed.

    Expected cost (exact, as the bill before its lines are rounded), the worst future, the mean of the worst ones, what
    prices may rise by, and the objective where it is not the bill.
    """
    limits, (probability, _) = problem.limits, problem.futures
    if len(probability) == 1 and not (limits.robust_budget and limits.uncertain):
        return Table.from_records(RISK_COLUMNS, [])
    m = measure(problem, Books(problem, plan))
    worst = max(range(len(m.cost)), key=lambda i: m.cost[i])
    level = f"the worst {float(1 - m.level):.4g} of all futures"
    rows: list[tuple[str, Fraction, str]] = [("expected cost", m.expected, f"mean of {len(m.cost)} futures")]
    if len(probability) > 1:
        rows.append(("dearest future", m.cost[worst], _future(problem, worst)))
        rows.append((f"CVaR {float(m.level):.4g}", m.tail, f"mean of {level}"))
    if limits.robust_budget and limits.uncertain:
        said = f"{len(m.risen)} of {len(limits.uncertain)} offers rise, {_offers(problem, m.risen)}"
        rows.append(("expected cost at the worst prices", m.expected + m.rise, said))
    if not limits.objective_is_bill:
        weight = f"{float(m.weight):.4g} of it on the CVaR" if m.weight else "expected cost at the worst prices"
        rows.append(("objective", m.objective, weight))
    return Table.from_records(RISK_COLUMNS, [(name, round(micro), detail) for name, micro, detail in rows])


def _future(problem: Problem, f: int) -> str:
    """A future in words: its scenario, and what is lost in it."""
    out, share = problem.outages, problem.futures[1][f]
    scenario = f"scenario {f % len(problem.working)}" if len(problem.working) > 1 else "as expected"
    lost = [out.state[k] for k, t in enumerate(share) if t and out.state[k]] if out is not None else []
    return f"{scenario}, {lost[0]}" if lost else scenario


def _offers(problem: Problem, offers: tuple[int, ...]) -> str:
    """A few offers by name."""
    o, names = problem.offers, problem.pool_names
    said = [f"{names[o.pool[k]]} {o.option[k]}" for k in offers[:FEW]]
    return ", ".join(said) + (f" and {len(offers) - FEW} more" if len(offers) > FEW else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class _View:
    """Placements and served units as arrays [K rows of the fleet, B blocks]."""

    problem: Problem
    plan: Plan
    workload: Array  # int64 [K]
    pool: Array  # int64 [K]
    nodes: Array  # int64 [K, B]
    capacity: Array  # int64 [K, B] units an hour of the running replicas
    served: Array  # int64 [K, B] units an hour
    used: tuple[Array, ...]  # K, candidates in use, the one with most node-hours first
    rtt_ms: Array  # float [K] the longest round trip in use

    @classmethod
    def of(cls, problem: Problem, plan: Plan) -> _View:
        """Sum the plan's tables by workload and pool."""
        c, blocks, pools = problem.candidates, problem.blocks.count, len(problem.pool_shape)
        placed, served = plan.placements, plan.served
        at, block = placed["candidate"].astype(np.int64), placed["block"].astype(np.int64)
        keys, row = np.unique(c.workload[at] * pools + c.pool[at], return_inverse=True)
        replicas, count = placed["replicas"].astype(np.int64), placed["nodes"].astype(np.int64)
        nodes, capacity, flow = (np.zeros((len(keys), blocks), dtype=np.int64) for _ in range(3))
        np.add.at(nodes, (row, block), count)
        np.add.at(capacity, (row, block), replicas * c.units_per_hour[at])
        hours = np.zeros((len(keys), len(c.workload)))
        np.add.at(hours, (row, at), count * problem.blocks.total_hours[block])
        rtt = np.zeros(len(keys))
        if len(served):
            by, units = served["candidate"].astype(np.int64), served["units_per_hour"].astype(np.int64)
            here = np.searchsorted(keys, c.workload[by] * pools + c.pool[by])
            np.add.at(flow, (here, served["block"].astype(np.int64)), units)
            ping = problem.sources.rtt_ms[served["source"].astype(np.int64), problem.pool_site[c.pool[by]]]
            np.maximum.at(rtt, here, np.where((units > 0) & np.isfinite(ping), ping, 0.0))
        return cls(
            problem=problem,
            plan=plan,
            workload=keys // pools,
            pool=keys % pools,
            nodes=nodes,
            capacity=capacity,
            served=flow,
            used=tuple(np.argsort(-h, kind="stable")[: np.count_nonzero(h)] for h in hours),
            rtt_ms=rtt,
        )

    def rows(self) -> Iterator[tuple[int, dict[str, Any]]]:
        """(Workload, row) for each pool in use."""
        p = self.problem
        bill, options = _bill(self.plan)
        horizon, months = int(p.blocks.period_hours.sum()), max(1, len(p.blocks.periods))
        peak = np.where(p.blocks.total_hours > 0, self.nodes, 0).max(axis=1, initial=0)
        for k, (w, q) in enumerate(zip(self.workload.tolist(), self.pool.tolist(), strict=True)):
            site, shape = p.pool_site[q], p.pool_shape[q]
            key = (p.workloads.name[w], p.sites.provider[site], p.sites.region[site], p.shapes.node[shape])
            cost, units = bill.get(key, 0), self._expected(self.served[k])
            per_input = self._per_million_input(w, cost, units)
            could = self._expected(self.capacity[k])
            yield (
                w,
                {
                    **dict(zip(("workload", "provider", "region", "node"), key, strict=True)),
                    "kind": p.workloads.kind[w],
                    "accelerator": p.shapes.accelerator[shape],
                    "option": "+".join(sorted(options.get(key, ()), key=_option_order)),
                    "nodes_mean": float(self._expected(self.nodes[k]) / horizon) if horizon else 0.0,
                    "nodes_peak": int(peak[k]),
                    "micro_usd_per_month": round(Fraction(cost, months)),
                    "micro_usd_per_1m_input": NO_PRICE if per_input is None else round(per_input),
                    "micro_usd_per_1m_output": NO_PRICE if per_input is None else round(OUTPUT_WEIGHT * per_input),
                    "utilisation": float(units / could) if could else 0.0,
                    **self._mode(k),
                },
            )

    def _expected(self, per_hour: Array) -> Fraction:
        """Sum over the horizon of what happens each hour of the blocks, exact, weighted by probability."""
        blocks = self.problem.blocks
        sums = [(per_hour * blocks.total_hours)[blocks.scenario == s].sum() for s in range(len(blocks.probability))]
        return sum((p * int(x) for p, x in zip(blocks.probability, sums, strict=True)), Fraction(0))

    def _per_million_input(self, w: int, cost: int, units: Fraction) -> Fraction | None:
        """Micro-dollars of a million input tokens; None for a workload without tokens in and out."""
        work = self.problem.workloads
        weight = int(work.input_tokens[w]) + OUTPUT_WEIGHT * int(work.output_tokens[w])
        return cost * MILLION / (units * weight) if units and work.input_tokens[w] and work.output_tokens[w] else None

    def _mode(self, k: int) -> dict[str, Any]:
        """Layout and latency of the modes in use: the layout with most node-hours, the slowest latency."""
        c, modes, used = self.problem.candidates, self.problem.modes, self.used[k]
        if not len(used) or "tensor_parallel" not in modes:
            return {"layout": "", "ttft_ms": np.nan, "tpot_ms": np.nan, "evidence": ""}
        timed = np.isfinite(self.problem.workloads.ttft_ms[self.workload[k]])  # jobs have no first token to wait for
        rows = list(dict.fromkeys(c.mode[used].tolist()))
        layouts = list(dict.fromkeys(layout(modes, row) for row in rows))
        return {
            "layout": layouts[0] + (f"; {len(layouts) - 1} other{'s' * (len(layouts) > 2)}" * (len(layouts) > 1)),  # noqa: PLR2004
            "ttft_ms": float(c.ttft_ms[used].max() + self.rtt_ms[k]) if timed else np.nan,
            "tpot_ms": float(modes["tpot_ms"][rows].max()),
            "evidence": ", ".join(sorted({str(modes["evidence"][row]) for row in rows})),
        }


def layout(modes: Table, row: int) -> str:
    """A mode's layout in words, "TP8 PP2 ×4, 64 in flight": what is not split or copied goes without saying."""
    tp, pp, ep, dp, concurrent = (
        int(modes[name][row])
        for name in ("tensor_parallel", "pipeline_parallel", "expert_parallel", "data_parallel", "concurrency")
    )
    parts = [f"TP{tp}", *(f"{sign}{n}" for sign, n in (("PP", pp), ("EP", ep), ("×", dp)) if n > 1)]
    return f"{' '.join(parts)}, {concurrent} in flight"


def _bill(plan: Plan) -> tuple[dict[tuple[str, ...], int], dict[tuple[str, ...], set[str]]]:
    """Micro-dollars, and the options of the nodes, by workload, provider, region and node."""
    bill: dict[tuple[str, ...], int] = {}
    options: dict[tuple[str, ...], set[str]] = {}
    for line in plan.cost_lines.records():
        key = (line["workload"], line["provider"], line["region"], line["node"])
        bill[key] = bill.get(key, 0) + line["micro_usd"]
        if line["kind"] in {"compute", "upfront"} and line["option"]:
            options.setdefault(key, set()).add(line["option"])
    return bill, options


def _option_order(option: str) -> tuple[int, str]:
    """Commitments first, then on demand, then spot."""
    return {"on_demand": 1, "spot": 2}.get(option, 0), option
