"""Puts the figures of benchmarks/results into docs/benchmarks.md: `python -m benchmarks published`.

Between `<!-- NAME -->` and `<!-- end -->` stands the table of NAME.json; nobody writes there by hand.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from .process import ROOT
from .results import FOLDER

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

PAGE = ROOT / "docs" / "benchmarks.md"


def solver_speed(rows: list[dict[str, Any]]) -> list[str]:
    """The tables of planning: what came out, what it took, the goals."""
    out = ("example", "candidates × blocks", "wall s", "cost USD", "bound USD", "gap", "ended", "whole counts", "check")
    took = ("example", "cpu s", "parent MiB", "child MiB", "all MiB", "load", "others", "measured, at revision")
    aims = ((f"`{row['name']}`", goal, _yes(met)) for row in rows for goal, met in row["goals"].items())
    tables = (_table(out, map(_planned, rows)), _table(took, map(_taken, rows)), _table(("goal", "", "met"), aims))
    return [line for table in tables for line in (*table, "")][:-1]


def _planned(row: dict[str, Any]) -> tuple[str, ...]:
    gap = "–" if row["gap"] is None else f"{row['gap']:.2%}"
    usd = ("–" if row[key] is None else f"{row[key]:,.0f}" for key in ("cost_usd", "lower_usd"))
    size, wall = f"{row['candidates']:,} × {row['blocks']:,}", f"{row['wall_s']:.1f}"
    return (
        f"`{row['name']}`",
        size,
        wall,
        *usd,
        gap,
        row["ended"],
        *map(_yes, (row["whole_counts"], row["check_passed"])),
    )


def _taken(row: dict[str, Any]) -> tuple[str, ...]:
    memory = (f"{row[key]:,.0f}" for key in ("parent_mib", "child_mib", "all_mib"))
    return (f"`{row['name']}`", f"{row['cpu_s']:.1f}", *memory, *_when(row))


def _when(row: dict[str, Any]) -> tuple[str, ...]:
    return f"{row['load']:.1f}", f"{row['elsewhere']:.1f}", f"{row['measured']}, {row['revision']}"


def start_up(rows: list[dict[str, Any]]) -> list[str]:
    """The table of starting up, goals beside the figures."""
    titles = ("", "cpu s", "wall s", "goal for cpu", "met", "load", "others", "measured, at revision")
    return _table(titles, (_started(row) for row in rows))


def _started(row: dict[str, Any]) -> tuple[str, ...]:
    goal = "" if row["goal_cpu_s"] is None else f"{row['goal_cpu_s']:g} s"
    times = (f"`{row['name']}`", f"{row['cpu_s']:.3f}", f"{row['wall_s']:.3f}")
    met = "" if row["goal_met"] is None else _yes(row["goal_met"])
    return (*times, goal, met, *_when(row))


def exactness(rows: list[dict[str, Any]]) -> list[str]:
    """The table of agreement, and under it what was wrong or refused."""
    counts = ("problems", "without a plan", "enumerated", "wrong", "refused", "surplus")
    cells, faults = [], []
    for row in rows:
        cells.append((row["name"], *(f"{row[key]:,}" for key in counts), f"{row['measured']}, {row['revision']}"))
        faults += [f"- {row['name']}, {seed}: {'; '.join(said).split(' (')[0]}" for seed, said in row["faults"].items()]
    return [*_table(("kind of problem", *counts, "measured, at revision"), cells), *([""] if faults else []), *faults]


def perf_speed(rows: list[dict[str, Any]]) -> list[str]:
    """The table of the serving model's speed, goals beside the figures."""
    titles = ("", "evaluations / s", "goal", "seconds", "goal", "measured, at revision")
    return _table(titles, (_quick(row) for row in rows))


def _quick(row: dict[str, Any]) -> tuple[str, ...]:
    rate, goal = (f"{row[key] / 1e6:.2f} M" if row[key] else "" for key in ("per_s", "goal_per_s"))
    taken, most = (f"{row[key]:.3f}" if row[key] else "" for key in ("seconds", "goal_s"))
    return row["name"], rate, goal, taken, most, f"{row['measured']}, {row['revision']}"


def _yes(value: bool | None) -> str:  # noqa: FBT001 (a cell)
    return "–" if value is None else "yes" if value else "**no**"


def _table(titles: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> list[str]:
    lines = [titles, tuple("---" for _ in titles), *rows]
    return [f"| {' | '.join(line)} |" for line in lines]


def section(name: str, table: Callable[[list[dict[str, Any]]], list[str]]) -> str:
    """What stands on the page for one file of results: machine, versions, command and figures."""
    found = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    m, protocol, rows = found["machine"], found["protocol"], found["rows"]
    made = sorted({", ".join(f"{package} {number}" for package, number in row["versions"].items()) for row in rows})
    on = f"{m['cores']} cores of {m['processor']}, {m['memory_gib']:g} GiB, {m['system']}; {'; '.join(made)}."
    how = "; ".join(f"{key} {value}" for key, value in protocol.items())
    return "\n".join([on, "", f"Protocol: {how}.", "", *table(rows)])


SECTIONS = {"solver_speed": solver_speed, "exactness": exactness, "start_up": start_up, "perf_speed": perf_speed}


def page(text: str) -> str:
    """The page with its tables renewed."""
    for name, table in SECTIONS.items():
        before, start, rest = text.partition(f"<!-- {name} -->\n")
        _, end, after = rest.partition("<!-- end -->")
        if not (start and end):
            raise ValueError(f"{PAGE.name} has no place for {name}")
        text = f"{before}{start}{section(name, table)}\n{end}{after}"
    return text


def main() -> None:
    """Renew the page."""
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
