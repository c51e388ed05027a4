"""Risk: what the worst futures cost, in the objective or limited, and what they leave unserved."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from .base import Books, Rule, Violation
from .measures import cvar, future_costs, future_unserved

if TYPE_CHECKING:
    from ..formulation import Formulation
    from ..problem import Problem, UnservedLimit


TINY = 1e-300


class Risk(Rule):
    """Each state s (a scenario) and future f (a share of time in each state), α the level and ω the weight of risk.

    state[s] ≥ Σ cost of s,    commitments + Σ_s share[f, s] × state[s] ≤ η + z[f],    z ≥ 0
    CVaR = η + Σ_f probability[f] × z[f] ÷ (1 − α) ≤ cvar_max
    objective: (1 − ω) × expected cost + ω × CVaR
    (Rockafellar and Uryasev 2000.) Of a workload's unserved units the same, without a part in the objective.
    """

    name = "risk"

    def build(self, f: Formulation) -> None:
        """Rows for the cost when it has a part in the objective or a limit; for each limit on unserved units.

        Without served columns (a relaxation) a state costs a little less than it does, and no limit on units is known.
        """
        limits = f.problem.limits
        if limits.risk_weight or limits.cvar_max_micro_usd is not None:
            self._cost(f)
        for limit in () if f.direct else limits.unserved:
            self._unserved(f, limit)

    def _cost(self, f: Formulation) -> None:
        p, limits = f.problem, f.problem.limits
        usd, most = f.model.costs(), f.model.program().upper
        states = len(p.blocks.probability)
        weight = np.array([float(x) for x in p.blocks.probability])
        jobs = p.sources.total_units > 0
        parts = [
            (f.replicas, p.blocks.scenario),
            (f.served[f.has_columns()], p.blocks.scenario),
            (f.on_demand, p.blocks.scenario),
            (f.unserved[~jobs, : p.blocks.count], p.blocks.scenario),
            (f.unserved[jobs, :states], np.arange(states)),
        ]
        rows = f.model.rows("state cost", (states,), upper=0.0)
        top = np.zeros(states)
        for columns, state in parts:
            rate = np.where(weight[state] > 0, usd[columns] / np.maximum(weight[state], TINY), 0.0)
            f.model.put(rows[state][None, :], columns, rate)
            np.add.at(top, np.broadcast_to(state, columns.shape), np.maximum(rate, 0) * most[columns])
        cost = f.model.columns((states,), upper=top)
        f.model.put(rows, cost, -1.0)
        futures = _futures(f, "future cost", cost, top, held=(f.committed, usd[f.committed], most[f.committed]))
        tail = _tail(f, limits.cvar_level)
        f.model.cost(np.arange(len(usd)), -float(limits.risk_weight) * usd)
        f.model.cost(futures, float(limits.risk_weight) * tail)
        if limits.cvar_max_micro_usd is not None:
            row = f.model.rows("cvar", (1,), upper=limits.cvar_max_micro_usd / 1e6, label=lambda _: "whole horizon")
            f.model.put(row[0], futures, tail)

    def _unserved(self, f: Formulation, limit: UnservedLimit) -> None:
        p, s, unit = f.problem, f.problem.sources, f.unit[limit.workload] / max(1, limit.max_units)
        states = len(p.blocks.probability)
        mine, jobs = s.workload == limit.workload, s.total_units > 0
        rows = f.model.rows("unserved in state", (states,), upper=0.0)
        left, undone = f.unserved[mine & ~jobs, : p.blocks.count], f.unserved[mine & jobs, :states]
        hours = p.blocks.total_hours * unit
        f.model.put(rows[p.blocks.scenario][None, :], left, hours)
        f.model.put(rows[None, :], undone, unit)
        most = f.model.program().upper
        top = (most[undone] * unit).sum(axis=0)
        np.add.at(top, p.blocks.scenario, (most[left] * hours).sum(axis=0))
        amount = f.model.columns((states,), upper=top)
        f.model.put(rows, amount, -1.0)
        none = np.zeros(0)
        futures = _futures(f, "unserved in future", amount, top, held=(none.astype(np.int64), none, none))
        row = f.model.rows(
            "unserved cvar", (1,), upper=limit.max_units / max(1, limit.max_units), keys=np.array([limit.workload]),
            label=lambda _: str(p.workloads.name[limit.workload]),
        )  # fmt: skip
        f.model.put(row[0], futures, _tail(f, limit.level))

    def violations(self, problem: Problem, books: Books) -> Iterator[Violation]:
        """Tails of exact distributions."""
        limits, (probability, _) = problem.limits, problem.futures
        if limits.cvar_max_micro_usd is not None:
            found = cvar(future_costs(problem, books), probability, limits.cvar_level)
            if found > limits.cvar_max_micro_usd:
                said = (
                    f"${float(found) / 1e6:,.2f} in the worst futures, ${limits.cvar_max_micro_usd / 1e6:,.2f} allowed"
                )
                yield self.wrong("whole horizon", said)
        for u in limits.unserved:
            units = cvar(future_unserved(problem, books, u.workload), probability, u.level)
            if units > u.max_units:
                said = f"{float(units):,.1f} units unserved in the worst futures, {u.max_units:,} allowed"
                yield self.wrong(str(problem.workloads.name[u.workload]), said)


def _futures(f: Formulation, name: str, amount: Any, top: Any, *, held: tuple[Any, Any, Any]) -> Any:
    """Columns η and z [1 + F], held down by what each future comes to: `amount` [S] by shares, and what is `held`."""
    probability, share = f.problem.futures
    of_time = np.array([[float(x) for x in row] for row in share])
    columns, usd, most = held
    highest = of_time @ top + float(np.maximum(usd, 0) @ most)
    rows = f.model.rows(name, (len(probability),), upper=0.0)
    f.model.put(rows[:, None], amount[None, :], of_time)
    f.model.put(rows[:, None], columns[None, :], usd[None, :])
    made = f.model.columns((1 + len(probability),), upper=np.append(highest.max(initial=0.0), highest))
    f.model.put(rows, made[0], -1.0)
    f.model.put(rows, made[1:], -1.0)
    return made


def _tail(f: Formulation, level: Any) -> Any:
    """What η and z count for in the mean of the worst futures [1 + F]."""
    return np.append(1.0, [float(p / (1 - level)) for p in f.problem.futures[0]])
