"""What if: a plan made again with fields of its spec changed, from where it left off, and what that changes."""

from __future__ import annotations

import datetime
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .carry import carry
from .diff import Difference, diff
from .errors import InputError
from .solve import Progress, solve
from .spec import loads
from .sweep.fields import place_of, with_field

if TYPE_CHECKING:
    from .plan import Plan
    from .problem import Problem

WHERE = "--set"


@dataclass(frozen=True, slots=True, kw_only=True)
class WhatIf:
    """The plan that comes of a change."""

    problem: Problem
    plan: Plan
    difference: Difference | None  # None when there is no plan any more: the plan then says what is in the way
    notes: tuple[str, ...]


def what_if(
    plan: Plan,
    changes: Mapping[str, Any],
    *,
    time_limit_s: float = 60.0,
    gap: float = 0.01,
    seed: int = 0,
    deterministic: bool = False,
    progress: Callable[[Progress], None] | None = None,
    memory_limit_gib: float | None = None,
) -> WhatIf:
    """Plan anew with fields of the plan's spec changed.

    Args:
        plan: with the spec it was made from.
        changes: values by path, such as {"workloads.chat.max_spot_share": 0.3}; None is the default.
        time_limit_s: as in `solve`; so are the others.
        gap: relative gap at which to stop.
        seed: of the search.
        deterministic: the same plan on every run.
        progress: hears of bounds and plans as they are found.
        memory_limit_gib: GiB the search may take beyond what its process starts with.

    Raises:
        InputError: the plan holds no spec, a path leads nowhere, or a value does not fit.
    """
    if not plan.provenance.spec:
        mend = "change the problem in Python and call solver.solve(problem, warm=plan)"
        raise InputError("holds no spec: its problem was built in Python", where="plan", mend=mend)
    overrides = plan.provenance.overrides or None
    problem = loads(changed(plan.provenance.spec, changes), overrides=overrides)
    before = loads(plan.provenance.spec, overrides=overrides)
    notes = []
    if before.digest() != plan.provenance.problem_digest:
        notes.append("prices or the version differ from those of the old plan: the change holds that, too")
    infeasible = plan.termination == "infeasible"
    made = solve(
        problem, time_limit_s=time_limit_s, gap=gap, seed=seed, deterministic=deterministic, progress=progress,
        warm=None if infeasible else carry(plan, problem, before), memory_limit_gib=memory_limit_gib,
    )  # fmt: skip
    found = None if infeasible or made.termination == "infeasible" else diff(plan, made, (before, problem))
    return WhatIf(problem=problem, plan=made, difference=found, notes=tuple(notes))


def changed(spec: str, changes: Mapping[str, Any]) -> str:
    """A spec as canonical JSON with values set by path."""
    data = json.loads(spec)
    for path, value in changes.items():
        data = with_field(data, place_of(path, data, WHERE), value)
    return json.dumps(data, sort_keys=True, ensure_ascii=False, separators=(",", ":"), default=_day)


def read_changes(texts: list[str]) -> dict[str, Any]:
    """Values by path from texts such as "workloads.chat.max_spot_share=0.3", each value as in a YAML spec.

    Raises:
        InputError: a text without "=", a value that is no YAML, or a path that stands there twice.
    """
    from .spec.reader import parse

    made: dict[str, Any] = {}
    for text in texts:
        path, sign, value = text.partition("=")
        path = path.strip()
        if not sign or not path:
            mend = "write PATH=VALUE, such as workloads.chat.max_spot_share=0.3"
            raise InputError(f"{text!r:.80} sets nothing", where=WHERE, mend=mend)
        if path in made:
            raise InputError(f"{path:.80} is set twice", where=WHERE, mend="keep one of the two")
        document = parse(f"value: {value.strip()}".encode(), name=f"{WHERE} {path:.80}", suffix=".yaml").data
        if set(document) != {"value"}:
            raise InputError(f"{value!r:.80} is more than one value", where=f"{WHERE} {path:.80}", mend="give one")
        made[path] = document["value"]
    return made


def _day(value: Any) -> str:
    """Days as JSON has them."""
    if isinstance(value, datetime.date):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} is no value of a spec")
