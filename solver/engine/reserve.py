"""Quantities of commitments as a program: what they cover hour by hour is a column, what they have to give a row."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..model import Model
from . import mathopt

if TYPE_CHECKING:
    from collections.abc import Sequence

Array = np.ndarray[Any, np.dtype[Any]]
COUNTED = 10_000  # a quantity that may be larger is not whole in the program, but rounded afterwards


@dataclass(frozen=True, slots=True, kw_only=True)
class Cover:
    """One group of commitments over the cells of its part. All floats."""

    rows: Array  # int64 [k] of the quantities
    gives: Array  # [k, M] capacity of a unit of each in a cell
    takes: Array  # [Qp] of a node-hour; 0 where it covers none


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A part: its cells and the groups that cover them."""

    nodes: Array  # [M, Qp]
    hours: Array  # [M]
    future: Array  # int64 [M]
    usd: Array  # [Qp] on demand
    covers: tuple[Cover, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What is to be chosen: quantities between `least` and `most`, at the least expected (and worst futures') cost."""

    blocks: Sequence[Block]
    fixed_usd: Array  # [K]
    least: Array  # [K]
    most: Array  # [K]
    probability: Array  # [S]
    on_demand_usd: Array  # [S] with nothing committed
    risk_weight: float
    cvar_level: float
    limits: Sequence[tuple[Array, float]]  # rows of the quantities [K], and what they may add up to


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """Quantities, not yet rounded where they are large, and a bound on the objective; None: nothing in time."""

    quantity: Array | None
    lower_usd: float


def choose(task: Task, *, gap: float, time_limit_s: float, whole: bool = True) -> Chosen:
    """The best quantities of a task."""
    model = Model()
    counted = (task.most <= COUNTED) & whole
    x = np.empty(len(task.most), dtype=np.int64)
    for some in (counted, ~counted):
        lower, upper = task.least[some], task.most[some]
        x[some] = model.columns((int(some.sum()),), lower=lower, upper=upper, whole=bool(counted[some].any()))
    weight = 1.0 - task.risk_weight
    model.cost(x, weight * task.fixed_usd)
    rows = _worst(model, task, x) if task.risk_weight else None
    for block in task.blocks:
        _cover(model, task, block, x, rows)
    for coefficients, limit in task.limits:
        row = model.rows("limit", (1,), upper=limit / _scale(coefficients))
        model.put(row, x, coefficients / _scale(coefficients))
    program = model.program()
    answer = mathopt.solve(program, gap=gap, time_limit_s=time_limit_s, tight=True)
    always = weight * float(task.probability @ task.on_demand_usd)
    if answer.status == "infeasible":
        return Chosen(quantity=None, lower_usd=math.inf)
    quantity = None if answer.values is None else answer.values[x]
    bound = answer.objective if answer.status == "optimal" and not program.whole.any() else answer.bound
    return Chosen(quantity=quantity, lower_usd=bound + always)


def _scale(values: Array) -> float:
    return float(np.abs(values).max(initial=0.0)) or 1.0


def _worst(model: Model, task: Task, x: Array) -> Array:
    """Rows of the futures' cost beyond a threshold: threshold + Σ p × beyond ÷ (1 − level) is the worst futures' mean."""  # noqa: E501
    s = len(task.probability)
    most = float(task.on_demand_usd.max(initial=0.0) + task.fixed_usd @ task.most)
    threshold = model.columns((1,), upper=most)
    beyond = model.columns((s,), upper=most)
    model.cost(threshold, task.risk_weight)
    model.cost(beyond, task.risk_weight * task.probability / (1 - task.cvar_level))
    rows = model.rows("future", (s,), upper=-task.on_demand_usd)
    model.put(rows[:, None], x[None, :], task.fixed_usd[None, :])
    model.put(rows, threshold, -1.0)
    model.put(rows, beyond, -1.0)
    return rows


def _cover(model: Model, task: Task, block: Block, x: Array, worst: Array | None) -> None:
    """Columns of covered nodes, rows of what groups have to give and of what nodes there are."""
    chance = task.probability[block.future] * block.hours
    several = sum((cover.takes > 0).astype(int) for cover in block.covers) if block.covers else np.zeros(0)
    nodes = {
        int(q): model.rows("nodes", (len(block.hours),), upper=block.nodes[:, q]) for q in np.flatnonzero(several > 1)
    }
    for cover in block.covers:
        at = np.flatnonzero(cover.gives.any(axis=0))
        scale = _scale(cover.takes)
        gives = model.rows("capacity", (len(at),), upper=0.0)
        model.put(gives[None, :], x[cover.rows][:, None], -cover.gives[:, at] / scale)
        for q in np.flatnonzero(cover.takes > 0).tolist():
            some = block.nodes[at, q] > 0
            cells = at[some]
            covered = model.columns((len(cells),), upper=block.nodes[cells, q])
            model.cost(covered, -(1.0 - task.risk_weight) * block.usd[q] * chance[cells])
            model.put(gives[some], covered, cover.takes[q] / scale)
            if q in nodes:
                model.put(nodes[q][cells], covered, 1.0)
            if worst is not None:
                model.put(worst[block.future[cells]], covered, -block.usd[q] * block.hours[cells])
