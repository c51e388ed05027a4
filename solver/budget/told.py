"""Advice in lines for people, and as plain values."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from .shown import edge, signed, usd

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from .advise import Advice, Breach, Tried


def to_lines(found: Advice) -> list[str]:
    """For people: what is to be mended, then a line for each lever that helps, the best first; last what does not."""
    made = [f"To get back under: {'; '.join(_what(found.breaches))}"]
    idle = [f"{t.lever.text}{_most(t)}" for t in found.levers if _idle(t)]
    made += [f"  {_line(t, found.breaches)}" for t in found.levers if not _idle(t)]
    made += [f"  no cheaper plan was found with: {'; '.join(idle)}"] if idle else []
    return [*made, *(f"  note: {note}" for note in found.notes)]


def _what(breaches: tuple[Breach, ...]) -> Iterator[str]:
    """Each budget, by how much it is over, and where it is most."""
    every: dict[tuple[str, str], list[Breach]] = {}
    for b in breaches:
        every.setdefault((b.name, b.scope), []).append(b)
    for (name, scope), found in every.items():
        worst = max(found, key=lambda b: b.over)
        most = f" at most, in {len(found)} periods" if len(found) > 1 else ""
        yield f"{name} ({scope}), {worst.period} by {usd(worst.over)}{most}"


def _most(tried: Tried) -> str:
    """What is proved of a lever that nothing was found with."""
    return "" if tried.least is None else f" (saves {usd(max(0, -tried.least))} at most)"


def _idle(tried: Tried) -> bool:
    """Whether a lever is of no use, as far as was found."""
    return bool(tried.over) and not any(tried.enough) and tried.change >= 0


def _line(tried: Tried, breaches: tuple[Breach, ...]) -> str:
    gives = "" if tried.lever.gives == "nothing" else f" [gives up {tried.lever.gives}]"
    why = f": {'; '.join(tried.why)}" if tried.why else ""
    if not tried.over:
        return f"{tried.lever.text}{gives}: {tried.failed}{why}"
    short = [(b, over) for b, over in zip(breaches, tried.over, strict=True) if over > 0]
    worst = max(short, key=lambda row: row[1], default=None)
    verdict = f"enough for {len(breaches) - len(short)} of {len(breaches)}" if len(breaches) > 1 else "enough"
    if worst is not None:
        verdict = verdict if len(breaches) > 1 else "not enough"
        verdict += f" ({worst[0].name} {worst[0].period} still over by {usd(worst[1])})"
    after = f", and {signed(tried.bound)} after its end" if tried.bound else ""
    return f"{tried.lever.text}{gives}: {verdict}; the plan costs {signed(tried.change)} in all{after}{why}"


def to_plain(found: Advice) -> dict[str, Any]:
    """For machines."""
    return {
        "breaches": [
            {"budget": b.name, "scope": b.scope, "period": b.period, "over_usd": edge(b.over)} for b in found.breaches
        ],
        "levers": [
            {
                "lever": t.lever.text, "gives_up": t.lever.gives, "set": _plain(t.lever.changes),
                "enough": list(t.enough), "over_usd": [edge(over) for over in t.over],
                "change_usd": edge(t.change) if t.over else None,
                "after_its_end_usd": edge(t.bound) if t.over else None,
                "saves_at_most_usd": None if t.least is None else edge(max(0, -t.least)), "why": list(t.why),
                "no_plan": t.failed,
            }
            for t in found.levers
        ],
        "notes": list(found.notes),
    }  # fmt: skip


def _plain(changes: Mapping[str, Any]) -> dict[str, Any]:
    return {path: json.loads(json.dumps(value, default=str)) for path, value in changes.items()}
