"""Budgets as people and pipelines read them: text, Markdown for a pull request, JUnit, JSON."""

from __future__ import annotations

import json
import math
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from ..money import to_usd
from ..report import cells, words

if TYPE_CHECKING:
    from .advise import Advice
    from .gate import Check, Verdict
    from .standing import Standing

CENT = 10_000  # micro-dollars
MARKS = str.maketrans({c: f"\\{c}" for c in "\\`*_{}[]<>()#+!|~&"})


def usd(micro_usd: int | Fraction, *, exact: bool = False) -> str:
    """Dollars and cents; to the micro-dollar where that is asked for."""
    return words.usd(round(micro_usd), 6 if exact else 2)


def signed(micro_usd: int) -> str:
    """A change with its sign."""
    return ("+" if micro_usd > 0 else "") + usd(micro_usd)


def line(check: Check) -> str:
    """A breach, or a limit kept, in one line."""
    near = 0 < abs(check.over_micro_usd) < CENT
    said = f"{check.name} ({check.scope}), {check.period}: "
    if check.what == "probability":
        return f"{said}{check.said}"
    over, verb = check.over_micro_usd, "over by" if check.over_micro_usd > 0 else "left"
    said += f"{usd(check.planned_micro_usd, exact=near)} planned, {usd(check.allowed_micro_usd, exact=near)} allowed, "
    return said + f"{verb} {usd(abs(over), exact=near)}" + (f"; {check.said}" if check.said else "")


def summary(found: Verdict) -> str:
    """The verdict in one sentence."""
    count, broken = len(found.checks), len(found.breaches)
    return f"{broken} of {count} limits breached" if broken else f"{count} of {count} limits kept"


def to_text(found: Verdict, advice: Advice | None = None) -> str:
    """Every limit a line, the breached ones first."""
    rows = [f"{'ok  ' if c.passed else 'OVER'}  {cells.clean(line(c))}" for c in found.checks]
    rows.append(f"{cells.clean(found.plan)}: {summary(found)}")
    rows += [f"Note: {cells.clean(note)}" for note in found.notes]
    if advice is not None:
        from .told import to_lines

        rows += ["", *map(cells.clean, to_lines(advice))]
    return "\n".join(rows) + "\n"


def to_markdown(found: Verdict, advice: Advice | None = None) -> str:
    """A comment for a pull request."""
    verdict = "passed" if found.passed else "**failed**"
    rows = [f"### Cost gate {verdict}: {summary(found)}", "", f"Plan {_mark(found.plan)}", ""]
    rows += ["| | limit | scope | period | planned | allowed | over by | |", "|---|---|---|---|--:|--:|--:|---|"]
    for c in found.checks:
        near = 0 < abs(c.over_micro_usd) < CENT
        money = (usd(x, exact=near) for x in (c.planned_micro_usd, c.allowed_micro_usd, c.over_micro_usd))
        texts = (_mark(f"{c.what}: {c.name}"), _mark(c.scope), _mark(c.period), *money, _mark(c.said))
        rows.append(f"| {'ok' if c.passed else '**over**'} | " + " | ".join(texts) + " |")
    rows += ["", *(f"> {_mark(note)}" for note in found.notes)] if found.notes else []
    if advice is not None:
        from .told import to_lines

        head, *told = map(_mark, to_lines(advice))
        rows += ["", head, "", *(f"- {text.strip()}" for text in told)]
    return "\n".join(rows) + "\n"


def to_junit(found: Verdict) -> str:
    """A test suite whose cases are the limits."""
    from xml.etree import ElementTree as Xml

    suite = Xml.Element(
        "testsuite", name="cost gate", tests=str(len(found.checks)), failures=str(len(found.breaches)), errors="0"
    )
    for check in found.checks:
        name = cells.clean(f"{check.name} ({check.scope}), {check.period}")
        case = Xml.SubElement(suite, "testcase", classname=f"cost.{check.what}", name=name)
        if not check.passed:
            said = cells.clean(line(check))
            Xml.SubElement(case, "failure", message=said, type=check.what).text = said
    Xml.indent(suite)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + Xml.tostring(suite, encoding="unicode") + "\n"


def to_json(found: Verdict, advice: Advice | None = None) -> str:
    """Everything; money as texts of dollars with six decimals."""
    made: dict[str, Any] = {"plan": found.plan, "passed": found.passed, "checks": [_check(c) for c in found.checks]}
    made["notes"] = list(found.notes)
    if advice is not None:
        from .told import to_plain

        made["advice"] = to_plain(advice)
    return json.dumps(made, indent=1) + "\n"


def _check(c: Check) -> dict[str, Any]:
    made: dict[str, Any] = {
        "limit": c.what, "name": c.name, "scope": c.scope, "period": c.period, "passed": c.passed,
        "planned_usd": edge(c.planned_micro_usd), "allowed_usd": edge(c.allowed_micro_usd),
        "over_usd": edge(c.over_micro_usd), "said": c.said,
    }  # fmt: skip
    if c.standing is not None and c.standing.probability is not None:
        made["breach_probability"] = float(c.standing.probability)
        made["expected_overrun_usd"] = edge(round(c.standing.overrun or 0))
    return made


def standing(found: Standing) -> dict[str, Any]:
    """Where a budget stands, as plain values."""
    limit = found.limit
    name, scope, period = limit.where
    return {
        "budget": name, "scope": scope, "period": period, "start": str(limit.period.start),
        "end": str(limit.period.end), "amount_usd": edge(round(limit.amount_micro_usd)),
        "covered": float(limit.covered), "allowed_usd": edge(math.floor(limit.allowed_micro_usd)),
        "spent_usd": edge(found.spent), "to_come_usd": edge(found.to_come), "estimate_usd": edge(found.estimate),
        "lower_usd": edge(found.lower), "upper_usd": edge(found.upper),
        "over_usd": edge(found.estimate - math.floor(limit.allowed_micro_usd)),
        "breach_probability": None if found.probability is None else float(found.probability),
        "breach_probability_interval": found.probability_interval,
        "expected_overrun_usd": None if found.overrun is None else edge(round(found.overrun)),
        "spent_usd_per_day": _rate(found.spent_per_day), "to_come_usd_per_day": _rate(found.to_come_per_day),
        "exhausted": _day(found.exhausted), "exhausted_early": _day(found.exhausted_early),
        "severity": found.severity,
        "alerts": [f"{alert.at_percent:g} % {alert.of}" for alert in found.alerts],
    }  # fmt: skip


def edge(micro_usd: int | None) -> str | None:
    """Whole micro-dollars as a text of dollars."""
    return None if micro_usd is None else f"{to_usd(micro_usd):f}"


def _rate(micro_usd: Fraction | None) -> str | None:
    return None if micro_usd is None else edge(round(micro_usd))


def _day(day: Any) -> str | None:
    return None if day is None else str(day)


def _mark(text: str) -> str:
    """Text that Markdown shows as it is."""
    return cells.clean(text).translate(MARKS)
