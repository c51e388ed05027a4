"""What a spec asks of single workloads, which its problem does not hold: candidates beyond it were never made."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from .lifting import Limit
from .respec import FILTERS, LARGEST_MS, TARGETS, Respec

if TYPE_CHECKING:
    from ..problem import Problem

KIND = {"residency": "residency", **{f: f for f in FILTERS}, **{f: kind for f, (kind, _) in TARGETS.items()}}
FIELD = {kind: f for f, kind in KIND.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Wider:
    """The spec of a problem."""

    problem: Problem
    respec: Respec

    @classmethod
    def of(cls, problem: Problem) -> Self | None:
        """None for a problem made in Python, which holds candidates beyond its limits itself."""
        respec = Respec.of(problem)
        return None if respec is None else cls(problem=problem, respec=respec)

    def fields(self, members: Iterable[Limit]) -> list[Limit]:
        """What the spec asks of the workloads whose demand is among the members."""
        made = []
        for w in sorted({m.index for m in members if m.kind in {"demand", "work"}}):
            name = str(self.problem.workloads.name[w])
            for f, kind in KIND.items():
                value = self.respec.field(name, f)
                if value:
                    made.append(Limit(kind=kind, index=w, name=f"{kind}[{name}]", says=_says(f, value)))
        return made

    def without(self, fields: Iterable[Limit]) -> Problem:
        """The problem made again with these left out of the spec."""
        made = self.respec
        for limit in fields:
            field = FIELD[limit.kind]
            name = str(self.problem.workloads.name[limit.index])
            made = made.changed(name, {field: LARGEST_MS if field in TARGETS else []})
        return self.problem if made is self.respec else made.problem() or self.problem


def _says(field: str, value: Any) -> str:
    if field in TARGETS:
        return f"{float(value):,g} {TARGETS[field][1]} at most"
    only = f"{', '.join(map(str, value))} only"
    return f"in {only}" if field == "residency" else only
