"""A problem without some of its limits, from their names alone; written without the planner's own way of lifting."""

from __future__ import annotations

import dataclasses
import re
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Collection

    from solver.problem import Problem

NAME = re.compile(r"([a-z ]+?)(?:\[(.*)\])?")
WHOLE = {
    "hourly budget": "hourly_budget_micro_usd",
    "upfront cash": "upfront_max_micro_usd",
    "cvar": "cvar_max_micro_usd",
    "carbon": "carbon_max_g",
}
SHARES = ("spot share", "spot share per region", "spot share per zone")


def names_of(problem: Problem) -> list[str]:
    """Every limit of a problem that was made in Python."""
    limits, work, s = problem.limits, problem.workloads, problem.sources
    made = [f"quota[{q.name}]" for q in limits.quotas]
    months = zip(problem.blocks.periods, limits.monthly_budget_micro_usd, strict=False)
    made += [f"monthly budget[{p}]" for p, usd in months if usd is not None]
    made += [kind for kind, field in WHOLE.items() if getattr(limits, field) is not None]
    made += [f"unserved cvar[{work.name[u.workload]}]" for u in limits.unserved]
    for w, name in enumerate(work.name):
        job = bool((s.total_units[s.workload == w] > 0).any())
        some = bool(s.units_per_hour[s.workload == w].any()) or job
        made += [f"{'work' if job else 'demand'}[{name}]"] if work.must_serve[w] and some else []
        made += [f"{k}[{name}]" for k in SHARES if getattr(work, "max_" + k.replace(" ", "_"))[w] < 1]
        made += [f"residency[{name}]"] if work.residency[w] else []
        made += [f"latency[{name}]"] if work.ttft_ms[w] < np.inf else []
        made += [f"deadline[{name}]"] if job else []
    return made


def only(problem: Problem, kept: Collection[str]) -> Problem:
    """The problem with these of its limits and no other."""
    for name in dict.fromkeys(names_of(problem)):
        if name not in kept:
            problem = _without(problem, name)
    return problem


def _without(problem: Problem, name: str) -> Problem:
    found = NAME.fullmatch(name)
    assert found is not None
    kind, what = found[1], found[2]
    limits, work = problem.limits, problem.workloads
    w = work.name.tolist().index(what) if what in work.name.tolist() else -1
    if kind == "deadline":
        return _endless(problem, w)
    changes: dict[str, Any] = {}
    if kind == "quota":
        limits = dataclasses.replace(limits, quotas=tuple(q for q in limits.quotas if q.name != what))
    elif kind == "monthly budget":
        pairs = zip(problem.blocks.periods, limits.monthly_budget_micro_usd, strict=True)
        limits = dataclasses.replace(limits, monthly_budget_micro_usd=tuple(None if p == what else u for p, u in pairs))
    elif kind in WHOLE:
        gone: dict[str, Any] = {WHOLE[kind]: None}
        limits = dataclasses.replace(limits, **gone)
    elif kind == "unserved cvar":
        limits = dataclasses.replace(limits, unserved=tuple(u for u in limits.unserved if u.workload != w))
    elif kind in SHARES:
        field = "max_" + kind.replace(" ", "_")
        changes[field] = tuple(Fraction(1) if i == w else share for i, share in enumerate(getattr(work, field)))
    elif kind == "residency":
        changes["residency"] = tuple(() if i == w else r for i, r in enumerate(work.residency))
    elif kind == "latency":
        changes["ttft_ms"] = np.where(np.arange(len(work.name)) == w, np.inf, work.ttft_ms)
    else:
        assert kind in {"demand", "work"}, name
        changes["must_serve"] = work.must_serve & (np.arange(len(work.name)) != w)
    return dataclasses.replace(problem, limits=limits, workloads=dataclasses.replace(work, **changes))


def _endless(problem: Problem, w: int) -> Problem:
    """A job's window over all hours, and a block after them, long enough for one unit an hour of its slowest mode."""
    blocks, s, c, o = problem.blocks, problem.sources, problem.candidates, problem.offers
    assert problem.outages is None
    rates = c.units_per_hour[(c.workload == w) & (c.units_per_hour > 0)]
    if not len(rates):
        return problem
    (d,) = np.flatnonzero(s.workload == w).tolist()
    scenarios = len(blocks.probability)
    hours = np.zeros((scenarios, blocks.hours.shape[1]), dtype=np.int64)
    hours[:, -1] = -(-int(s.total_units[d]) // int(rates.min()))
    window = np.concatenate([s.window, np.zeros((len(s.workload), scenarios), dtype=bool)], axis=1)
    window[d] = True
    after = np.zeros((len(s.workload), scenarios), dtype=np.int64)
    idle = np.zeros((len(o.pool), scenarios), dtype=bool)
    last = np.array([int(np.flatnonzero(blocks.scenario == k)[0]) for k in range(scenarios)])
    index = np.concatenate([np.arange(blocks.count), last])
    return dataclasses.replace(
        problem,
        blocks=dataclasses.replace(
            blocks,
            hours=np.concatenate([blocks.hours, hours]),
            scenario=np.concatenate([blocks.scenario, np.arange(scenarios)]),
        ),
        sources=dataclasses.replace(s, window=window, units_per_hour=np.concatenate([s.units_per_hour, after], axis=1)),
        offers=dataclasses.replace(o, active=np.concatenate([o.active, idle], axis=1)),
        limits=problem.limits.in_blocks(index),
    )
