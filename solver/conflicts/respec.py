"""A problem built again from its spec with fields of a workload changed: candidates it does not hold come into view."""

from __future__ import annotations

import copy
import dataclasses
import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from ..errors import InputError
from .places import Change, Reach, away, conflict, late

if TYPE_CHECKING:
    from ..engine.slack import Clock
    from ..problem import Problem

LARGEST_MS = 1e7
GROWTH = 3  # of a change that was too small
NEAR = 0.01  # of a target: how near the least that suffices is looked for
SECONDS = 3.0  # for looking nearer
TARGETS = {"ttft_ms": ("latency", "ms to the first token"), "tpot_ms": ("token latency", "ms per output token")}
FILTERS = {"regions": "region", "providers": "provider", "accelerators": "accelerator"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Respec:
    """The spec a problem was made from."""

    spec: dict[str, Any]
    overrides: str | None

    @classmethod
    def of(cls, problem: Problem) -> Self | None:
        """None for a problem made in Python."""
        text = problem.provenance.get("spec", "")
        return cls(spec=json.loads(text), overrides=problem.provenance.get("overrides") or None) if text else None

    def changed(self, name: str, fields: dict[str, Any], *, alone: bool = False) -> Self:
        """With fields of a workload changed; `alone` leaves the other workloads out."""
        spec = copy.deepcopy(self.spec)
        if alone:
            spec["workloads"] = [w for w in spec["workloads"] if w["name"] == name]
        for w in spec["workloads"]:
            if w["name"] == name:
                w |= {k: list(v) if isinstance(v, tuple) else v for k, v in fields.items()}
        return type(self)(spec=spec, overrides=self.overrides)

    def problem(self) -> Problem | None:
        """The problem; None when there is none, such as when nothing is on offer any more."""
        from ..spec import loads

        try:
            return loads(json.dumps(self.spec), overrides=self.overrides)
        except InputError:
            return None

    def reach(self, name: str, fields: dict[str, Any]) -> tuple[Problem, Reach] | None:
        """A workload alone with fields changed, and what then keeps it from its sources."""
        made = self.changed(name, fields, alone=True).problem()
        return None if made is None else (made, Reach.of(made, 0))

    def field(self, name: str, field: str) -> Any:
        """A field of a workload."""
        return next(w for w in self.spec["workloads"] if w["name"] == name).get(field)


def options(problem: Problem, w: int, respec: Respec, clock: Clock) -> list[list[Change]]:
    """Ways to let a workload be served that its own candidates do not show, each alone enough; the mildest first."""
    name = str(problem.workloads.name[w])
    excuses = problem.excuses
    told = {
        str(b) for n, b in zip(excuses["workload"].tolist(), excuses["bottleneck"].tolist(), strict=True) if n == name
    } if len(excuses) else set()  # fmt: skip
    made: list[list[Change]] = []
    guess = late(problem, w, Reach.of(problem, w))
    if told & {"ttft", "latency"} or guess is not None:
        by = guess.conflict.relax_by if guess else None
        made += _wrapped(_target(problem, w, respec, "ttft_ms", {}, by, clock))
    if problem.workloads.residency[w]:
        made += _wrapped(_abroad(problem, w, respec, {}))
    if "tpot" in told:
        made += _wrapped(_target(problem, w, respec, "tpot_ms", {}, None, clock))
    if "filter" in told:
        made += [found for field in FILTERS for found in _wrapped(_filter(problem, w, respec, field))]
    if not made and problem.workloads.residency[w] and told & {"ttft", "latency"}:
        quicker = _target(problem, w, respec, "ttft_ms", {"residency": []}, None, clock)
        abroad = None if quicker is None else _abroad(problem, w, respec, quicker.fields)
        made += [] if quicker is None or abroad is None else [[abroad, quicker]]
    return made


def _wrapped(change: Change | None) -> list[list[Change]]:
    return [] if change is None else [[change]]


def _abroad(problem: Problem, w: int, respec: Respec, fields: dict[str, Any]) -> Change | None:
    """Countries to admit."""
    found = respec.reach(str(problem.workloads.name[w]), {**fields, "residency": []})
    if found is None:
        return None
    work = dataclasses.replace(found[0].workloads, residency=(problem.workloads.residency[w],))
    made = dataclasses.replace(found[0], workloads=work)
    change = away(made, 0, Reach.of(made, 0))
    return None if change is None else _of(change, w)


def _of(change: Change, w: int) -> Change:
    """A change found on the workload alone, as one of the whole problem."""
    return dataclasses.replace(change, conflict=dataclasses.replace(change.conflict, index=w))


def _target(
    problem: Problem, w: int, respec: Respec, field: str, others: dict[str, Any], guess: int | None, clock: Clock
) -> Change | None:
    """The least whole milliseconds (or nearly) by which a latency target has to give way."""
    name = str(problem.workloads.name[w])
    target = float(respec.field(name, field))

    def served(by: int) -> tuple[Problem, Reach] | None:
        found = respec.reach(name, {**others, field: target + by})
        return found if found is not None and not len(found[1].lost) else None

    if guess is None and served(round(LARGEST_MS - target)) is None:
        return None
    low, high = 0, guess or max(1, math.ceil(target))
    best, enough = served(high), clock.left() - SECONDS
    while best is None:
        low, high = high, GROWTH * high
        if target + high > LARGEST_MS or clock.left() <= 0:
            return None
        best = served(high)
    jump = True
    while high - low > max(1, NEAR * (target + high)) and (clock.until is None or clock.left() > max(0.0, enough)):
        quicker = math.ceil(_least_ms(*best) - target) if field == "ttft_ms" and jump else high
        middle = quicker if low < quicker < high else (low + high) // 2
        found = served(middle)
        jump = found is not None
        low, high, best = (middle, high, best) if found is None else (low, middle, found)
    kind, unit = TARGETS[field]
    made, r = best
    nearest = made.pool_names[made.candidates.pool[r.candidates[int(r.late_ms.max(axis=0).argmin())]]]
    detail = f"no node can keep {target:,g} ms; {nearest} can keep {target + high:,g} ms"
    return Change(conflict=conflict(kind, problem, w, unit, high, detail), fields={field: target + high})


def _least_ms(problem: Problem, r: Reach) -> float:
    """Milliseconds to the first token within which every source has a candidate."""
    site = problem.pool_site[problem.candidates.pool[r.candidates]]
    total = problem.candidates.ttft_ms[r.candidates][None, :] + problem.sources.rtt_ms[r.sources][:, site]
    return float(np.where(r.away[None, :], np.inf, total).min(axis=1).max())


def _filter(problem: Problem, w: int, respec: Respec, field: str) -> Change | None:
    """What to add to a list of regions, providers or accelerators."""
    name = str(problem.workloads.name[w])
    allowed = respec.field(name, field)
    found = respec.reach(name, {field: []}) if allowed else None
    if found is None or len(found[1].lost):
        return None
    made, r = found
    fine = (r.late_ms <= 0).all(axis=0) & ~r.away
    if not fine.any():
        return None
    rows = r.candidates[fine]
    site, shape = made.pool_site[made.candidates.pool[rows]], made.pool_shape[made.candidates.pool[rows]]
    at = int(made.sources.rtt_ms[r.sources][:, site].max(axis=0).argmin())
    added = {
        "regions": f"{made.sites.provider[site[at]]}/{made.sites.region[site[at]]}",
        "providers": str(made.sites.provider[site[at]]),
        "accelerators": str(made.shapes.accelerator[shape[at]]),
    }[field]
    detail = f"nothing in {', '.join(allowed)} can serve it; {added} can"
    change = conflict(field, problem, w, FILTERS[field], 1, detail)
    return Change(conflict=change, fields={field: [*allowed, added]})
