"""Agreement on small problems: `python -m benchmarks exactness [--count N] [--loose N] [--large N] [--seed S]`.

The engine plans random problems of many kinds at gap 0. A second engine proves the optimum of each in exact integers,
tiny ones are enumerated as well, and the check goes over every plan. Besides come problems with numbers out of all
proportion, and some that are sent the way of large problems, where plans must be sound and claims true.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from .cases import Case, grid, when
from .results import FOLDER, save, stamp

if TYPE_CHECKING:
    from solver.problem import Problem
    from tests.core.opinions import Verdict

NAME = "exactness"
COUNTS = ("problems", "without a plan", "enumerated", "wrong", "refused", "surplus")
MOST_NAMED = 20  # seeds of what is wrong


def measure(name: str, seeds: Iterable[int], judged: Callable[[int], Verdict]) -> dict[str, Any]:
    """One row: opinions on the problems of these seeds.

    `surplus` counts plans that cost more than the optimum by no more than moving the units that jobs do beyond what is
    asked, because plans have whole units an hour.
    """
    row: dict[str, Any] = {**stamp(), "name": name, **dict.fromkeys(COUNTS, 0), "faults": {}}
    start = time.process_time()
    for seed in seeds:
        verdict = judged(seed)
        row["problems"] += 1
        row["without a plan"] += verdict.proved and verdict.known is None
        row["enumerated"] += verdict.enumerated
        row["wrong"] += bool(verdict.faults)
        row["refused"] += bool(verdict.refused)
        row["surplus"] += verdict.surplus
        if (verdict.faults or verdict.refused) and len(row["faults"]) < MOST_NAMED:
            row["faults"][str(seed)] = [*verdict.faults[:3], *filter(None, [verdict.refused])]
    row["mean cpu ms"] = round(1000 * (time.process_time() - start) / max(1, row["problems"]), 1)
    return row


def rows(count: int, loose_count: int, large_count: int, first: int) -> Iterable[dict[str, Any]]:
    """A row for each kind of problem, then those out of proportion, then those sent the way of large ones."""
    from tests.core.draws import KINDS, drawn, kind_of
    from tests.core.loose import STRETCHES, loose, stretch_of
    from tests.core.opinions import judge

    def of(problem: Callable[[int], Problem], *, exact: bool = True, large: bool = False) -> Callable[[int], Verdict]:
        return lambda seed: judge(problem(seed), exact=exact, large=large)

    seeds = range(first, first + count)
    for kind in KINDS:
        yield measure(kind, (s for s in seeds if kind_of(s) == kind), of(drawn))
    seeds = range(first, first + loose_count)
    for stretch in STRETCHES:
        mine = [s for s in seeds if stretch_of(s) == stretch]
        yield measure(f"loose: {stretch}", mine, of(loose, exact=False))
        yield measure(f"loose, large way: {stretch}", mine, of(loose, exact=False, large=True))
    yield measure("large way", range(first, first + large_count), of(drawn, exact=False, large=True))


def line(row: dict[str, Any]) -> str:
    """A row of the table."""
    return f"{row['name']:32}" + "".join(f"{row[key]:>16,}" for key in (*COUNTS, "mean cpu ms"))


def main(arguments: list[str] | None = None) -> None:
    """Print the table and what is wrong, and keep them."""
    parser = argparse.ArgumentParser(prog=f"python -m benchmarks {NAME}", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--count", type=int, default=10_000, help="problems that must agree exactly")
    parser.add_argument("--loose", type=int, default=1_000, help="problems out of proportion")
    parser.add_argument("--large", type=int, default=1_000, help="problems sent the way of large ones")
    parser.add_argument("--seed", type=int, default=0, help="of the first problem")
    asked = parser.parse_args(arguments)
    protocol = {"count": asked.count, "loose": asked.loose, "large": asked.large, "seed": asked.seed, "gap": 0.0}
    print(f"{'':32}" + "".join(f"{key:>16}" for key in (*COUNTS, "mean cpu ms")))
    made = []
    for row in rows(asked.count, asked.loose, asked.large, asked.seed):
        print(line(row), flush=True)
        for seed, faults in row["faults"].items():
            print(f"    {seed}: {'; '.join(faults):.200}", flush=True)
        made.append(row)
    print(save(FOLDER, NAME, protocol, made))


def table(rows: list[dict[str, Any]]) -> list[str]:
    """The table of agreement, and under it what was wrong or refused."""
    cells, faults = [], []
    for row in rows:
        cells.append((row["name"], *(f"{row[key]:,}" for key in COUNTS), when(row)))
        faults += [f"- {row['name']}, {seed}: {'; '.join(said).split(' (')[0]}" for seed, said in row["faults"].items()]
    return [*grid(("kind of problem", *COUNTS, "measured, at revision"), cells), *([""] if faults else []), *faults]


CASE = Case(
    name=NAME,
    measures="small problems against a second engine, enumeration and the check; 15 minutes",
    goal="none wrong",
    main=main,
    table=table,
    alone=False,
)

if __name__ == "__main__":
    main()
