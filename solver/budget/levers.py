"""Levers: changes of a spec that may bring its cost down, each with what it gives up."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ..plan import Plan
    from .document import Budget, Budgets

Gives = Literal["nothing", "cash or freedom later", "steadiness", "a limit", "a requirement", "demand"]
ORDER: tuple[Gives, ...] = ("nothing", "cash or freedom later", "steadiness", "a limit", "a requirement", "demand")
COMMITMENTS = ("commit_1y", "commit_3y")
SPOT = "spot"
SPOT_SHARE = 0.5
LOOSER = 1.5  # times a latency target
MORE = 1.5  # times a quota
FEWER = (0.9, 0.75)  # of the traffic
MOST_WORKLOADS = 3  # of a budget's, the dearest, whose requirements are asked about


@dataclass(frozen=True, slots=True, kw_only=True)
class Lever:
    """Fields of the spec to set, by path."""

    text: str
    gives: Gives
    changes: dict[str, Any] = field(default_factory=dict)

    @property
    def rank(self) -> int:
        """How dear what it gives up is; ties are broken by dollars."""
        return ORDER.index(self.gives)


def levers(spec: dict[str, Any], plan: Plan, breached: list[Budget], budgets: Budgets) -> Iterator[Lever]:
    """Every lever there is for some budgets, what gives up least first."""
    names = dearest(spec, plan, breached, budgets)
    work = {w["name"]: w for w in spec["workloads"]}
    yield from _buying(spec, [work[n] for n in names])
    yield from _limits(spec)
    for name in names:
        yield from _requirements(work[name])
    for name in names:
        yield from _demand(spec, work[name])


def dearest(spec: dict[str, Any], plan: Plan, breached: list[Budget], budgets: Budgets) -> list[str]:
    """Workloads that some budget counts, the dearest ones."""
    cost: dict[str, int] = {}
    for r in plan.cost_lines.records():
        cost[str(r["workload"])] = cost.get(str(r["workload"]), 0) + int(r["micro_usd"])

    def counted(w: dict[str, Any], budget: Budget) -> bool:
        mine = (w.get("team", ""), budgets.project_of.get(w["name"], ""), w["name"])
        return all(wanted in ("", has) for wanted, has in zip(budget.scope, mine, strict=False))

    found = [w["name"] for w in spec["workloads"] if any(counted(w, b) for b in breached)]
    return sorted(found, key=lambda n: -cost.get(n, 0))[:MOST_WORKLOADS]


def _buying(spec: dict[str, Any], work: Iterable[dict[str, Any]]) -> Iterator[Lever]:
    """Options, places and providers that the spec leaves out."""
    prices = spec.get("prices", {})
    options = list(prices.get("options", ()))
    for name in COMMITMENTS:
        if name not in options:
            own = {"prices.options": [*options, name]}
            yield Lever(text=f"buy {name}, too", gives="cash or freedom later", changes=own)
    steady = [w for w in work if w.get("max_spot_share", 0) < SPOT_SHARE]
    if steady:
        changes: dict[str, Any] = {_path(w["name"], "max_spot_share"): SPOT_SHARE for w in steady}
        if SPOT not in options:
            changes["prices.options"] = [*options, SPOT]
        names = ", ".join(w["name"] for w in steady)
        yield Lever(text=f"run up to {SPOT_SHARE:.0%} of {names} on spot", gives="steadiness", changes=changes)
    for name in ("providers", "regions"):
        if prices.get(name):
            yield Lever(text=f"move: buy from all {name}", gives="a limit", changes={f"prices.{name}": []})


def _limits(spec: dict[str, Any]) -> Iterator[Lever]:
    """Quotas and other limits of the plan as a whole."""
    limits = spec.get("limits", {})
    quotas = limits.get("quotas") or []
    if quotas:
        changes = {f"limits.quotas[{k}].max_nodes": int(q["max_nodes"] * MORE) + 1 for k, q in enumerate(quotas)}
        yield Lever(text=f"raise quotas to {MORE:g} times and one node more", gives="a limit", changes=changes)
    if limits.get("default_max_nodes") is not None:
        most = int(limits["default_max_nodes"] * MORE) + 1
        changes = {"limits.default_max_nodes": most}
        yield Lever(text=f"raise default_max_nodes to {most}", gives="a limit", changes=changes)
    for name in ("upfront_max_usd", "carbon_max_kg", "hourly_budget_usd"):
        if limits.get(name) is not None:
            yield Lever(text=f"lift {name}", gives="a limit", changes={f"limits.{name}": None})


def _requirements(w: dict[str, Any]) -> Iterator[Lever]:
    """Latency, places and machines of a workload."""
    name = w["name"]
    if w.get("residency"):
        yield Lever(text=f"let {name} run anywhere", gives="a requirement", changes={_path(name, "residency"): []})
    for target in ("ttft_ms", "tpot_ms"):
        if w.get(target):
            later = w[target] * LOOSER
            text = f"{target} of {name} {later:g} instead of {w[target]:g}"
            yield Lever(text=text, gives="a requirement", changes={_path(name, target): later})
    for each in ("regions", "providers", "accelerators"):
        if w.get(each):
            changes: dict[str, Any] = {_path(name, each): []}
            yield Lever(text=f"let {name} use all {each}", gives="a requirement", changes=changes)


def _demand(spec: dict[str, Any], w: dict[str, Any]) -> Iterator[Lever]:
    """Less of a workload, or none of it."""
    name = w["name"]
    for share in FEWER if w["kind"] == "serving" else ():
        changes = {
            _path(name, f"traffic[{k}].requests_per_hour"): t["requests_per_hour"] * share
            for k, t in enumerate(w["traffic"])
        }
        yield Lever(text=f"serve {1 - share:.0%} less of {name}", gives="demand", changes=changes)
    others = [other for other in spec["workloads"] if other["name"] != name]
    if others:
        yield Lever(text=f"drop {name}", gives="demand", changes={"workloads": others})


def together(found: list[Lever]) -> Lever:
    """Several levers at once: what lists hold is put together, of other values the last one counts."""
    changes: dict[str, Any] = {}
    for path, value in (item for lever in found for item in lever.changes.items()):
        held = changes.get(path)
        changes[path] = list(dict.fromkeys([*held, *value])) if held and isinstance(value, list) and value else value
    text = " and ".join(lever.text for lever in found)
    return Lever(text=text, gives=max((lever.gives for lever in found), key=ORDER.index), changes=changes)


def _path(workload: str, field_name: str) -> str:
    """Where a field of a workload is; names may hold dots."""
    return f"workloads[{json.dumps(workload, ensure_ascii=False)}].{field_name}"
