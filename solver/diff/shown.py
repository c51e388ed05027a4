"""A difference as JSON and as rows of tables."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from ..money import to_usd
from ..report import words
from ..report.words import MINUS
from .account import CAUSES

if TYPE_CHECKING:
    from fractions import Fraction

    from ..plan import Certificate
    from .account import Line
    from .compared import Difference
    from .gate import Gate

SCHEMA = "autoparallel.diff/1"
MEANING = {
    "price": "new rate on the old volume",
    "volume": "more or less of the same, at the old rate",
    "mix": "both together",
    "added": "lines of the new plan only",
    "removed": "lines of the old plan only",
    "unsplit": "prices not known",
}


def to_json(found: Difference, gate: Gate | None = None) -> str:
    """Everything; money as decimal strings, rates as exact fractions of dollars."""
    made: dict[str, Any] = {
        "schema": SCHEMA,
        "before": _plan(found, 0),
        "after": _plan(found, 1),
        "change_usd": _usd(found.change_micro_usd),
        "change_percent": percent(found),
        "causes": {cause: _usd(micro) for cause, micro in found.causes.items()},
        "proved_change_usd": None if found.proved is None else [_usd(x) for x in found.proved],
        "workloads": [
            {"workload": name, "before_usd": _usd(a), "after_usd": _usd(b), "change_usd": _usd(b - a)}
            for name, (a, b) in found.workloads.items()
        ],
        "lines": [_line(line) for line in found.lines],
        "purchases": [
            {"change": h.what, **{k: getattr(h, k) for k in h.__dataclass_fields__}} for h in found.purchases
        ],
        "placements": [{k: getattr(p, k) for k in p.__dataclass_fields__} for p in found.placements],
        "notes": list(found.notes),
    }
    if gate is not None:
        passed = gate.passed(found.before_micro_usd, found.after_micro_usd)
        made["max_increase"] = {"limit": gate.text, "passed": passed}
    return json.dumps(made, indent=1) + "\n"


def percent(found: Difference) -> float | None:
    """The change in percent of the old cost; None for an old plan that is free."""
    return round(100 * found.change_micro_usd / found.before_micro_usd, 6) if found.before_micro_usd else None


def signed(micro_usd: int, digits: int = 2) -> str:
    """A change, "+$1,200.00"."""
    if micro_usd == 0:
        return words.usd(0, digits)
    return f"+{words.usd(micro_usd, digits)}" if micro_usd > 0 else f"{MINUS}{words.usd(-micro_usd, digits)}"


def headline(found: Difference) -> str:
    """The change in one sentence."""
    share, months = percent(found), len({line.period for line in found.lines}) or 1
    by = f"{signed(found.change_micro_usd)}" + ("" if share is None else f" ({share:+.2f} %)".replace("-", MINUS))
    before, after = words.usd(found.before_micro_usd), words.usd(found.after_micro_usd)
    monthly = signed(round(found.change_micro_usd / months))
    return f"{before} before, {after} after: {by} over the horizon, {monthly} a month"


def certificates(found: Difference) -> list[str]:
    """What the certificates say of the two plans, and of the change."""
    made = [
        f"{which}: {words.usd(c.lower_micro_usd)} proved at least, {words.usd(c.upper_micro_usd)} the plan, "
        f"gap {100 * c.gap:.2f} %"
        for which, c in zip(("Old", "New"), found.certificates, strict=True)
    ]
    if found.proved is None:
        return made
    low, high = found.proved
    about = f"The least possible cost changes by {signed(low)} to {signed(high)}"
    sure = ": dearer beyond doubt." if low > 0 else ": cheaper beyond doubt." if high < 0 else "."
    return [*made, about + sure]


def cause_rows(found: Difference) -> list[tuple[str, str, str]]:
    """Cause, dollars, meaning; causes without an amount are left out."""
    return [(c, signed(micro), MEANING[c]) for c, micro in found.causes.items() if micro]


def line_rows(found: Difference) -> list[tuple[Any, ...]]:
    """Lines that change: workload, what, where, option, month, before, after, change, cause."""
    return [
        (
            line.workload, line.kind, "/".join(filter(None, (line.provider, line.region, line.node))), line.option,
            line.period, line.before_micro_usd, line.after_micro_usd, line.change_micro_usd, _causes(line),
        )
        for line in found.lines
        if line.change_micro_usd or any(getattr(line, c) for c in CAUSES)
    ]  # fmt: skip


def _causes(line: Line) -> str:
    """The causes of a line, the largest first: "volume +$12.00, price −$3.00"."""
    parts = sorted(((abs(x), c, x) for c in CAUSES if (x := getattr(line, c))), reverse=True)
    return parts[0][1] if len(parts) == 1 else ", ".join(f"{c} {signed(x)}" for _, c, x in parts)


def _plan(found: Difference, which: int) -> dict[str, Any]:
    c: Certificate = found.certificates[which]
    return {
        "name": found.names[which],
        "total_usd": _usd((found.before_micro_usd, found.after_micro_usd)[which]),
        "termination": found.terminations[which],
        "certificate": {"kind": c.kind, "lower_usd": _usd(c.lower_micro_usd), "upper_usd": _usd(c.upper_micro_usd)},
        "gap": round(c.gap, 9),
    }


def _line(line: Line) -> dict[str, Any]:
    keys = ("workload", "team", "kind", "provider", "region", "node", "option", "period")
    made: dict[str, Any] = {k: getattr(line, k) for k in keys}
    made |= {
        "before_usd": _usd(line.before_micro_usd),
        "after_usd": _usd(line.after_micro_usd),
        "change_usd": _usd(line.change_micro_usd),
    }
    made |= {f"{cause}_usd": _usd(getattr(line, cause)) for cause in CAUSES}
    rates = {"rate_before_usd": _rate(line.rate_before), "rate_after_usd": _rate(line.rate_after)}
    return made | rates | {"rate_per": line.unit}


def _rate(micro_usd: Fraction | None) -> str | None:
    return None if micro_usd is None else str(micro_usd / 10**6)


def _usd(micro_usd: int) -> str:
    return f"{to_usd(micro_usd):f}"
