"""Minimal contradictions: `python -m benchmarks contradictions [--count N] [--seed S]`.

Small problems are made to contradict themselves: by quotas, budgets, caps on spot, residency, latency, deadlines,
carbon, upfront cash, or several of these. The planner names limits that leave no plan together, each needed for that.
Here a second engine (CP-SAT, in exact integers, over a model that shares nothing with the planner's) must find no plan
with these limits and no other, and without any one of them there must be a plan that passes the check of the problem
with the rest. How a problem is freed of its other limits is written twice as well.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from pathlib import Path
from typing import Any

from solver.conflicts.minimal import CONFIRMED, contradiction
from solver.engine.slack import Clock
from tests.conflicts.contradictory import KIND, contradictory, faults_of, way_of

from .cases import Case, grid, named_faults, when
from .results import FOLDER, save, stamp

NAME = "contradictions"
SECONDS = 10.0  # of the analysis, as `autoparallel plan` gives it
MOST_NAMED = 20


def empty(way: str) -> dict[str, Any]:
    """A row before anything is measured."""
    counts = ("problems", "confirmed", "irreducible", "wrong")
    return {**stamp(), "name": way, **dict.fromkeys(counts, 0), "sizes": {}, "worst s": 0.0, "faults": {}}


def judge(row: dict[str, Any], seed: int) -> bool:
    """One more problem in a row; False where the draw has a plan."""
    problem = contradictory(seed)
    if problem is None:
        return False
    begun = time.monotonic()
    found = contradiction(problem, Clock.of(SECONDS, 0))
    row["worst s"] = max(row["worst s"], round(time.monotonic() - begun, 2))
    names = [] if found is None else [m.name for m in found.members]
    faults = faults_of(problem, names)
    row["problems"] += 1
    row["confirmed"] += found is not None and found.proof == CONFIRMED
    row["irreducible"] += not faults
    row["wrong"] += bool(faults)
    row["sizes"] = dict(sorted((Counter({int(k): v for k, v in row["sizes"].items()}) + Counter([len(names)])).items()))
    if faults and len(row["faults"]) < MOST_NAMED:
        row["faults"][str(seed)] = [", ".join(names), *faults[:3]]
    return True


def main(arguments: list[str] | None = None) -> None:
    """Print the table and what is wrong, and keep them."""
    parser = argparse.ArgumentParser(prog=f"python -m benchmarks {NAME}", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--count", type=int, default=500, metavar="N", help="contradictory problems")
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="of the first draw")
    parser.add_argument("--results", type=Path, default=FOLDER, metavar="DIR", help="where contradictions.json goes")
    asked = parser.parse_args(arguments)
    rows = {way: empty(way) for way in KIND}
    seed, made = asked.seed, 0
    while made < asked.count:
        made += judge(rows[way_of(seed)], seed)
        seed += 1
    for row in rows.values():
        print(
            f"{row['name']:<20} {row['problems']:>4} problems, {row['irreducible']:>4} irreducible, "
            f"{row['confirmed']:>4} confirmed, {row['wrong']} wrong; limits {row['sizes']}, at worst {row['worst s']} s"
        )
        for which, said in row["faults"].items():
            print(f"    {which}: {'; '.join(said):.300}")
    print(
        save(asked.results, NAME, {"count": asked.count, "seed": asked.seed, "seconds": SECONDS}, list(rows.values()))
    )


def table(rows: list[dict[str, Any]]) -> list[str]:
    """Lines of the page."""
    titles = (
        "made so by",
        "problems",
        "irreducible",
        "confirmed",
        "wrong",
        "limits named",
        "worst s",
        "measured, at revision",
    )
    cells = [
        (
            r["name"], *(str(r[key]) for key in ("problems", "irreducible", "confirmed", "wrong")),
            ", ".join(f"{size}: {n}" for size, n in r["sizes"].items()), f"{r['worst s']:.2f}", when(r),
        )
        for r in rows
    ]  # fmt: skip
    return [*grid(titles, cells), *named_faults(rows)]


CASE = Case(
    name=NAME,
    measures="minimal contradictions against a second engine and checked plans; 10 minutes",
    goal="all irreducible and confirmed",
    main=main,
    table=table,
    alone=False,
)

if __name__ == "__main__":
    main()
